// Package idempotency lets a client repeat a request without repeating its effect (the Idempotency-Key header,
// draft-ietf-httpapi-idempotency-key-header). The key is saved in the same transaction as the effect: both or neither.
package idempotency

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/problem"
)

const (
	maxKey  = 200
	keepFor = 48 * time.Hour

	lockNotAvailable = "55P03"
)

// Key names one intended effect of one caller.
type Key struct {
	Scope string // caller and route, so that callers cannot meet each other's keys
	Key   string // as sent by the client
	Body  []byte // what the client asked for; the same key with another body is refused
}

// Answer is what the effect's first run was answered with.
type Answer struct {
	Status   int
	Body     json.RawMessage
	Replayed bool // the effect had happened before
}

// FromRequest reads the Idempotency-Key header, which the route requires.
func FromRequest(r *http.Request) (string, error) {
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		return "", problem.New(problem.Invalid, "idempotency-key-required",
			"Send an Idempotency-Key header, so that a repeated request cannot be carried out twice.")
	}
	if len(key) > maxKey {
		return "", problem.New(problem.Invalid, "invalid-idempotency-key", "An Idempotency-Key has at most %d characters.", maxKey)
	}
	for _, c := range []byte(key) {
		if c < 0x21 || c > 0x7e {
			return "", problem.New(problem.Invalid, "invalid-idempotency-key", "An Idempotency-Key is printable ASCII without spaces.")
		}
	}
	return key, nil
}

// Run runs effect once per key, in a transaction: the first time it saves what effect answers, later it returns that
// answer. The key is saved last, and is what decides: of two at once, the second waits for the first and is undone. One
// that waits for longer than the database lets it is told to come again ("still-running"). An effect that fails saves
// nothing, so that the key stays usable; if it failed because the first one had happened, the first one's answer counts.
func Run(ctx context.Context, pool *pgxpool.Pool, k Key, effect func(tx pgx.Tx) (status int, answer any, err error)) (Answer, error) {
	var answer Answer
	err := postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
		status, value, err := effect(tx)
		if err != nil {
			return err
		}
		var b pgx.Batch
		if answer, err = k.Save(&b, status, value); err != nil {
			return err
		}
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return fmt.Errorf("save idempotency key: %w", err)
		}
		return nil
	})
	if err == nil {
		return answer, nil
	}
	if first, found, lookErr := Stored(ctx, pool, k); found || lookErr != nil {
		return first, lookErr
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == lockNotAvailable {
		return Answer{}, problem.New(problem.Conflict, "still-running", "A request with this Idempotency-Key is still running.").
			WithRetryAfter(time.Second)
	}
	return Answer{}, err
}

// Save adds to b what saves the key with what its effect is answered with, for effects that share a transaction. It violates
// a unique constraint if the key was saved before; Run then knows what to do.
func (k Key) Save(b *pgx.Batch, status int, value any) (Answer, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return Answer{}, fmt.Errorf("encode answer: %w", err)
	}
	hash := sha256.Sum256(k.Body)
	b.Queue(`insert into idempotency_keys (scope, key, body_hash, status, answer) values ($1, $2, $3, $4, $5)`, k.Scope, k.Key, hash[:], status, body)
	return Answer{Status: status, Body: body}, nil
}

// Stored is the answer that a key already has, if any, for callers whose preparations for the effect may fail once it has
// happened.
func Stored(ctx context.Context, pool *pgxpool.Pool, k Key) (Answer, bool, error) {
	var hash []byte
	a := Answer{Replayed: true}
	err := pool.QueryRow(ctx, `select body_hash, status, answer from idempotency_keys where scope = $1 and key = $2`, k.Scope, k.Key).
		Scan(&hash, &a.Status, &a.Body)
	if errors.Is(err, pgx.ErrNoRows) {
		return Answer{}, false, nil
	}
	if err != nil {
		return Answer{}, false, fmt.Errorf("load idempotency key: %w", err)
	}
	if sum := sha256.Sum256(k.Body); !bytes.Equal(hash, sum[:]) {
		return Answer{}, false, problem.New(problem.Unprocessable, "idempotency-key-reused",
			"This Idempotency-Key belongs to another request. Use a new one for a new request.")
	}
	return a, true, nil
}

// Sweep deletes keys older than two days, every hour until ctx ends.
func Sweep(pool *pgxpool.Pool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		for {
			// A failure is tried again in an hour; old keys harm nobody meanwhile.
			_, _ = pool.Exec(ctx, `delete from idempotency_keys where created_at < now() - $1::interval`, keepFor)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Hour):
			}
		}
	}
}
