package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/internal/identity"
)

// SigningKey is an Ed25519 key of ours as it lies in the database: the private half sealed.
type SigningKey struct {
	KID       string    `db:"kid"`
	PublicKey []byte    `db:"public_key"`
	Sealed    []byte    `db:"sealed"`
	CreatedAt time.Time `db:"created_at"`
}

// seal encrypts signing keys at rest. Each is bound to its key id, so that rows cannot be swapped.
type seal struct {
	aead     cipher.AEAD
	placeKey []byte // of the hashes that places are known by
}

// newSeal reads the secret AUTH_KEY_ENCRYPTION_KEY: 32 bytes in base64. Everywhere but on a laptop it must also look
// random.
func newSeal(secret string, production bool) (seal, error) {
	key, err := base64.StdEncoding.DecodeString(secret)
	if err != nil || len(key) != 32 {
		return seal{}, errors.New("AUTH_KEY_ENCRYPTION_KEY must be 32 random bytes in base64, e.g. of `openssl rand -base64 32`")
	}
	distinct := make(map[byte]bool)
	for _, b := range key {
		distinct[b] = true
	}
	if production && len(distinct) < 20 { // 32 random bytes have fewer in one of 10^8 cases
		return seal{}, errors.New("AUTH_KEY_ENCRYPTION_KEY is not random: use `openssl rand -base64 32`")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return seal{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return seal{}, err
	}
	placeKey, err := hkdf.Key(sha256.New, key, nil, "auth places", sha256.Size)
	return seal{aead, placeKey}, err
}

// sealSecret encrypts the secret of an account's authenticator app, bound to the account.
func (s seal) sealSecret(accountID, secret string) []byte {
	return s.aead.Seal(nil, nil, []byte(secret), []byte("totp "+accountID))
}

// secretOf opens what sealSecret made for the account.
func (s seal) secretOf(accountID string) func(sealed []byte) (string, error) {
	return func(sealed []byte) (string, error) {
		secret, err := s.aead.Open(nil, nil, sealed, []byte("totp "+accountID))
		if err != nil {
			return "", fmt.Errorf("AUTH_KEY_ENCRYPTION_KEY does not open the secret of account %s", accountID)
		}
		return string(secret), nil
	}
}

func (s seal) newKey(now time.Time) (SigningKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return SigningKey{}, fmt.Errorf("make signing key: %w", err)
	}
	kid := uuid.NewString()
	return SigningKey{kid, public, s.aead.Seal(nil, nil, private.Seed(), []byte(kid)), now}, nil
}

func (s seal) signer(k SigningKey) (*identity.Signer, error) {
	seed, err := s.aead.Open(nil, nil, k.Sealed, []byte(k.KID))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("AUTH_KEY_ENCRYPTION_KEY does not open signing key %s: was the secret changed?", k.KID)
	}
	return identity.NewSigner(k.KID, ed25519.NewKeyFromSeed(seed)), nil
}

const (
	keyLife    = 30 * 24 * time.Hour // how long a key signs before another takes over
	keyAhead   = 15 * time.Minute    // how long a key is published before it signs: longer than anybody keeps a set
	keyOverlap = 2 * identity.MaxTTL // how long it is published after: longer than what it signed is good
	keysKept   = time.Minute         // how long a replica signs by what it has read
)

// signing is the key to sign with, of valid ones, newest first: the newest that everybody has had the time to hear of.
func signing(valid []SigningKey, now time.Time) SigningKey {
	for _, key := range valid {
		if now.Sub(key.CreatedAt) >= keyAhead {
			return key
		}
	}
	return valid[len(valid)-1]
}

// rotation says whether a new key is due, and which of the valid keys, newest first, have had their time.
func rotation(valid []SigningKey, now time.Time) (due bool, retired []string) {
	if len(valid) == 0 {
		return true, nil
	}
	for i, key := range valid[1:] {
		if now.Sub(valid[i].CreatedAt) >= keyAhead+keyOverlap { // its successor signs, and nothing of its own is good any more
			retired = append(retired, key.KID)
		}
	}
	return now.Sub(valid[0].CreatedAt) >= keyLife, retired
}

// keyring signs with one key and publishes all that are valid. It looks into the database once a minute, so that a key
// added by anybody is used by every replica without a restart.
type keyring struct {
	store *store
	seal  seal
	now   func() time.Time

	mu     sync.Mutex
	signer *identity.Signer
	kid    string
	set    identity.JWKS
	loaded time.Time
}

// load makes the first key if there is none. Its error tells at start that the secret does not fit the database.
func (k *keyring) load(ctx context.Context) (*identity.Signer, identity.JWKS, error) {
	return k.read(ctx, keysKept)
}

// read is what is valid now, or was at most so long ago.
func (k *keyring) read(ctx context.Context, age time.Duration) (*identity.Signer, identity.JWKS, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.signer != nil && k.now().Sub(k.loaded) < age {
		return k.signer, k.set, nil
	}
	valid, err := k.store.SigningKeys(ctx)
	if err == nil && len(valid) == 0 {
		if err = k.rotate(ctx); err == nil {
			valid, err = k.store.SigningKeys(ctx)
		}
	}
	if err != nil {
		return nil, identity.JWKS{}, err
	}
	if key := signing(valid, k.now()); key.KID != k.kid {
		if k.signer, err = k.seal.signer(key); err != nil {
			return nil, identity.JWKS{}, err
		}
		k.kid = key.KID
	}
	k.set = identity.JWKS{}
	for _, key := range valid {
		k.set.Keys = append(k.set.Keys, identity.NewJWK(key.KID, key.PublicKey))
	}
	k.loaded = k.now()
	return k.signer, k.set, nil
}

// rotate makes a key if one is due and retires those that have had their time. It may run anywhere, any number of times.
func (k *keyring) rotate(ctx context.Context) error {
	return k.change(ctx, rotation)
}

// announce makes another key although none is due. It signs once everybody has had the time to hear of it.
func (k *keyring) announce(ctx context.Context) error {
	return k.change(ctx, func(valid []SigningKey, now time.Time) (bool, []string) {
		_, retired := rotation(valid, now)
		return true, retired
	})
}

// replace makes another key and retires all others, because somebody else may have one. Whoever is signed in stays so: an
// access token that is refused is renewed by the gateway.
func (k *keyring) replace(ctx context.Context) error {
	return k.change(ctx, func(valid []SigningKey, _ time.Time) (due bool, retired []string) {
		for _, key := range valid {
			retired = append(retired, key.KID)
		}
		return true, retired
	})
}

func (k *keyring) change(ctx context.Context, decide func(valid []SigningKey, now time.Time) (due bool, retired []string)) error {
	now := k.now()
	return k.store.ChangeKeys(ctx, now, func(valid []SigningKey) (*SigningKey, []string, error) {
		due, retired := decide(valid, now)
		for _, kid := range retired {
			slog.InfoContext(ctx, "signing key retired", "kid", kid)
		}
		if !due {
			return nil, retired, nil
		}
		key, err := k.seal.newKey(now)
		if err != nil {
			return nil, nil, err
		}
		slog.InfoContext(ctx, "signing key made", "kid", key.KID)
		return &key, retired, nil
	})
}

// verifier checks access tokens without asking anybody else for our keys.
func (k *keyring) verifier() *identity.Verifier {
	return identity.NewVerifier(identity.RemoteKeys(k.published))
}

// published are the keys that tokens are verified with, as of now: whoever asks may have met one that is new.
func (k *keyring) published(ctx context.Context) (identity.JWKS, error) {
	_, set, err := k.read(ctx, 0)
	return set, err
}

// accessToken signs what the other services are to know of a caller.
func (k *keyring) accessToken(ctx context.Context, who identity.Identity) (token string, expires time.Time, err error) {
	signer, _, err := k.load(ctx)
	if err != nil {
		return "", time.Time{}, err
	}
	now := k.now()
	token, err = signer.Sign(who, now, accessTTL)
	return token, now.Add(accessTTL), err
}
