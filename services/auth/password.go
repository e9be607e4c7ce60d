package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/sidecart/sidecart/internal/problem"
)

// The least that OWASP asks of Argon2id. Raising them is safe: each hash carries its own parameters.
const (
	argonMemory  = 19 << 10 // KiB
	argonPasses  = 2
	argonThreads = 1
	saltBytes    = 16
	hashBytes    = 32

	// The most that a hash from the database may make us spend.
	maxMemory = 128 << 10 // KiB
	maxPasses = 10
)

// hasher hashes passwords, a few at a time: each hash takes 19 MiB, and a burst of sign-ins must not take them all at once.
type hasher struct {
	slots chan struct{}
	dummy string // the hash of no account: verified when there is none, so that both take as long
}

func newHasher() *hasher {
	h := &hasher{slots: make(chan struct{}, min(runtime.GOMAXPROCS(0), 4))}
	h.dummy = encodeHash(newSalt(), make([]byte, hashBytes))
	return h
}

// Hash makes a password's hash in the PHC string format.
func (h *hasher) Hash(ctx context.Context, password string) (string, error) {
	release, err := h.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	salt := newSalt()
	return encodeHash(salt, argon2.IDKey([]byte(password), salt, argonPasses, argonMemory, argonThreads, hashBytes)), nil
}

// Verify reports whether password belongs to encoded; for an encoded of "" it works as long and says no.
func (h *hasher) Verify(ctx context.Context, encoded, password string) (bool, error) {
	known := encoded != ""
	if !known {
		encoded = h.dummy
	}
	var version, threads int
	var memory, passes uint32
	stripped, ok := strings.CutPrefix(encoded, "$argon2id$")
	if !ok {
		return false, errors.New("password hash is not Argon2id")
	}
	params, rest, _ := strings.Cut(stripped, "$m=")
	if _, err := fmt.Sscanf(params, "v=%d", &version); err != nil || version != argon2.Version {
		return false, fmt.Errorf("password hash of another version than %d", argon2.Version)
	}
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return false, fmt.Errorf("password hash with %d parts", len(parts))
	}
	if _, err := fmt.Sscanf(parts[0], "%d,t=%d,p=%d", &memory, &passes, &threads); err != nil {
		return false, fmt.Errorf("password hash parameters: %w", err)
	}
	if memory > maxMemory || passes < 1 || passes > maxPasses || threads < 1 || threads > 255 {
		return false, fmt.Errorf("password hash parameters out of bounds: %s", parts[0])
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[1])
	if err != nil {
		return false, fmt.Errorf("password hash salt: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[2])
	if err != nil {
		return false, fmt.Errorf("password hash: %w", err)
	}
	if len(salt) < saltBytes/2 || len(want) < hashBytes/2 || len(want) > 2*hashBytes { // every password has an empty hash
		return false, fmt.Errorf("password hash of %d bytes with a salt of %d", len(want), len(salt))
	}
	release, err := h.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	got := argon2.IDKey([]byte(password), salt, passes, memory, uint8(threads), uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

// acquire waits for a slot, but no longer than a caller waits for an answer.
func (h *hasher) acquire(ctx context.Context) (release func(), err error) {
	wait := time.NewTimer(4 * time.Second)
	defer wait.Stop()
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-wait.C:
		return nil, problem.New(problem.Unavailable, "service-unavailable", "Too many people are signing in at the moment.").
			WithRetryAfter(2 * time.Second)
	}
}

func newSalt() []byte {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails since Go 1.24
	return salt
}

func encodeHash(salt, hash []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonPasses, argonThreads, b64(salt), b64(hash))
}
