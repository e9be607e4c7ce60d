package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/postgres/postgrestest"
)

var migrations = fstest.MapFS{"0001_counters.sql": {Data: []byte(`-- +goose Up
create table counters (name text primary key, n int not null);
insert into counters values ('a', 0);`)}}

func TestReplicasMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			pool, err := postgres.Open(t.Context(), url, migrations)
			if err != nil {
				t.Error(err)
				return
			}
			pool.Close()
		})
	}
	group.Wait()
}

func TestInTxRunsAgainAfterSerializationFailure(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t, migrations)
	runs := 0
	require.NoError(t, postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		if runs++; runs == 1 {
			return &pgconn.PgError{Code: "40001"}
		}
		_, err := tx.Exec(t.Context(), `update counters set n = n + 1`)
		return err
	}))
	require.Equal(t, 2, runs)
}

func TestInTxKeepsNothingOfAFailure(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t, migrations)
	refused := errors.New("refused")
	require.ErrorIs(t, postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `update counters set n = n + 1`)
		require.NoError(t, err)
		return refused
	}), refused)
	var n int
	require.NoError(t, pool.QueryRow(t.Context(), `select n from counters`).Scan(&n))
	require.Zero(t, n)
}

func TestTwoWritersLoseNothing(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t, migrations)
	var group sync.WaitGroup
	var failed atomic.Int32
	for range 20 {
		group.Go(func() {
			if err := postgres.InTx(context.Background(), pool, func(tx pgx.Tx) error {
				_, err := tx.Exec(context.Background(), `update counters set n = n + 1`)
				return err
			}); err != nil {
				failed.Add(1)
			}
		})
	}
	group.Wait()
	require.Zero(t, failed.Load())
	var n int
	require.NoError(t, pool.QueryRow(t.Context(), `select n from counters`).Scan(&n))
	require.Equal(t, 20, n)
}

func TestIsUnique(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t, migrations)
	_, err := pool.Exec(t.Context(), `insert into counters values ('a', 1)`)
	require.True(t, postgres.IsUnique(err, "counters_pkey"))
	require.True(t, postgres.IsUnique(err, ""))
	require.False(t, postgres.IsUnique(err, "other"))
	require.False(t, postgres.IsUnique(errors.New("x"), ""))
}

func TestOpenDoesNotQuoteThePassword(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(t.Context(), "postgres://u:s3cret@host:port/db", migrations)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "s3cret")
}

// announced is what a listener of these tests has heard.
type announced struct {
	payload string
	what    any
}

// listener hears what is announced on a channel of its own until the test ends.
func listener(t *testing.T, pool *pgxpool.Pool) (channel string, heard chan announced, stop func()) {
	heard = make(chan announced, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	channel = "listen_" + strings.ToLower(rand.Text()[:8])
	go func() {
		ended <- postgres.Listen(ctx, pool, channel, func(payload string, what any) { heard <- announced{payload, what} })
	}()
	require.Equal(t, announced{}, <-heard, "connected")
	return channel, heard, func() { cancel(); require.NoError(t, <-ended) }
}

func TestListenHearsOthersAndSurvivesItsConnection(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t, migrations)
	channel, heard, stop := listener(t, pool)
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { // as another process does
		return postgres.Announce(t.Context(), tx, channel, "o-1", 1)
	}))
	require.Equal(t, announced{"o-1", nil}, <-heard)
	_, err := pool.Exec(t.Context(), `select pg_notify($1, $2)`, channel, "another\no-2\no-3")
	require.NoError(t, err)
	require.Equal(t, announced{"o-2", nil}, <-heard)
	require.Equal(t, announced{"o-3", nil}, <-heard)
	_, err = pool.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity where query = $1`, `listen "`+channel+`"`)
	require.NoError(t, err)
	require.Equal(t, announced{}, <-heard, "connected again")
	stop()
}

func TestAnnouncementsComeAfterTheCommit(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t, migrations)
	channel, heard, stop := listener(t, pool)
	others, err := pgx.ConnectConfig(t.Context(), pool.Config().ConnConfig)
	require.NoError(t, err)
	defer others.Close(context.Background())
	_, err = others.Exec(t.Context(), "listen "+channel)
	require.NoError(t, err)

	require.ErrorIs(t, postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		require.NoError(t, postgres.Announce(t.Context(), tx, channel, "undone", 0))
		return io.EOF
	}), io.EOF)
	long := strings.Repeat("x", 3000)
	require.NoError(t, postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		for i, payload := range []string{"o-1", "o-2", "o-1", long + "1", long + "2", long + "3"} {
			require.NoError(t, postgres.Announce(t.Context(), tx, channel, payload, i))
		}
		require.Empty(t, heard, "nothing is told before the commit")
		return nil
	}))
	for i, payload := range []string{"o-1", "o-2", "o-1", long + "1", long + "2", long + "3"} {
		require.Equal(t, announced{payload, i}, <-heard)
	}
	var told []string
	for len(told) < 5 {
		n, err := others.WaitForNotification(t.Context())
		require.NoError(t, err)
		told = append(told, strings.Split(n.Payload, "\n")[1:]...)
	}
	require.Equal(t, []string{"o-1", "o-2", long + "1", long + "2", long + "3"}, told, "other processes hear it, each thing once")
	stop()
	require.Empty(t, heard, "what this process has told it does not hear again")
}
