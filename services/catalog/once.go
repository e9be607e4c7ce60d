package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/internal/idempotency"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
)

// newID is one that nobody guesses, or the one that the request's Idempotency-Key stands for.
func newID(r *http.Request, kind string, who identity.Identity) (string, error) {
	if r.Header.Get("Idempotency-Key") == "" {
		return uuid.Must(uuid.NewV7()).String(), nil
	}
	key, err := idempotency.FromRequest(r)
	if err != nil {
		return "", err
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("urn:sidecart:"+kind+":"+string(who.Subject)+":"+key)).String(), nil
}

// once is kept inside what was added under an Idempotency-Key and has an id without it, so that a repeat is known.
type once struct {
	Key  string `bson:"key"`  // and whose
	Said []byte `bson:"said"` // a hash of it
}

// onceOf is nil without a key.
func onceOf(r *http.Request, kind string, said any) (*once, error) {
	if r.Header.Get("Idempotency-Key") == "" {
		return nil, nil
	}
	key, err := newID(r, kind, identity.From(r.Context()))
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(said)
	if err != nil {
		return nil, fmt.Errorf("hash what is to be added: %w", err)
	}
	sum := sha256.Sum256(text)
	return &once{key, sum[:]}, nil
}

// repeats reports whether o was sent before, when what has kept before was added.
func (o *once) repeats(before *once) (bool, error) {
	if o == nil || before == nil || o.Key != before.Key {
		return false, nil
	}
	if !bytes.Equal(o.Said, before.Said) {
		return false, keyReused()
	}
	return true, nil
}

func keyReused() error {
	return problem.New(problem.Unprocessable, "idempotency-key-reused", "This Idempotency-Key belongs to another request. Use a new one for a new request.")
}
