package idempotency_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/idempotency"
	"github.com/sidecart/sidecart/internal/postgres/postgrestest"
	"github.com/sidecart/sidecart/internal/problem"
)

var key = idempotency.Key{Scope: "c-1 POST /orders", Key: "k", Body: []byte(`{"a":1}`)}

func TestAHundredAtOnceRunOnce(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t, fstest.MapFS{})
	_, err := pool.Exec(t.Context(), `create table effects (n int)`)
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			answer, err := idempotency.Run(t.Context(), pool, key, func(tx pgx.Tx) (int, any, error) {
				_, err := tx.Exec(t.Context(), `insert into effects values (1)`)
				return http.StatusAccepted, map[string]int{"order": 7}, err
			})
			if err != nil {
				if !problem.Is(err, "still-running") {
					t.Error(err)
				}
				return
			}
			if answer.Status != http.StatusAccepted || strings.ReplaceAll(string(answer.Body), " ", "") != `{"order":7}` {
				t.Error("another answer", string(answer.Body))
			}
		})
	}
	group.Wait()
	var n int
	require.NoError(t, pool.QueryRow(t.Context(), `select count(*) from effects`).Scan(&n))
	require.Equal(t, 1, n)
}

func TestAFailedEffectLeavesTheKeyUsable(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t, fstest.MapFS{})
	do := func(k idempotency.Key, effect func() (int, any, error)) (idempotency.Answer, error) {
		return idempotency.Run(t.Context(), pool, k, func(pgx.Tx) (int, any, error) { return effect() })
	}
	_, err := do(key, func() (int, any, error) { return 0, nil, errors.New("refused") })
	require.ErrorContains(t, err, "refused")
	_, found, err := idempotency.Stored(t.Context(), pool, key)
	require.NoError(t, err)
	require.False(t, found)

	good := func() (int, any, error) { return 201, "done", nil }
	answer, err := do(key, good)
	require.NoError(t, err)
	require.False(t, answer.Replayed)
	for name, again := range map[string]func() (int, any, error){
		"an effect that would succeed": func() (int, any, error) { return 202, "done twice", nil },
		"one that cannot any more":     func() (int, any, error) { return 0, nil, errors.New("the basket is empty") },
	} {
		answer, err = do(key, again)
		require.NoError(t, err, name)
		require.True(t, answer.Replayed, name)
		require.Equal(t, 201, answer.Status, name)
	}

	other := key
	other.Body = []byte(`{"a":2}`)
	_, err = do(other, good)
	require.True(t, problem.Is(err, "idempotency-key-reused"), err)
	other.Scope = "c-2 POST /orders"
	_, err = do(other, good)
	require.NoError(t, err, "another caller's key is another key")
}

func TestFromRequest(t *testing.T) {
	for header, code := range map[string]string{
		"": "idempotency-key-required", "a b": "invalid-idempotency-key", "ü": "invalid-idempotency-key",
		strings.Repeat("x", 201): "invalid-idempotency-key", "0b5f7a1e-ok": "",
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Idempotency-Key", header)
		_, err := idempotency.FromRequest(r)
		if code == "" {
			require.NoError(t, err)
		} else {
			require.True(t, problem.Is(err, code), header)
		}
	}
}
