// Package postgrestest gives a test its own schema on a real PostgreSQL server.
package postgrestest

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/postgres"
)

// New is a pool on a schema of the test's own, migrated, and dropped when the test ends. The server is the one at
// TEST_POSTGRES_URL, or a local one on its standard port; without one the test is skipped, or fails where CI is set.
func New(t testing.TB, migrations fs.FS) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), URL(t), migrations)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// URL is the address of an empty schema of the test's own, for tests that open it themselves.
func URL(t testing.TB) string {
	t.Helper()
	server := cmp.Or(os.Getenv("TEST_POSTGRES_URL"), "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("this test needs PostgreSQL: `make test` starts one, or set TEST_POSTGRES_URL")
	}
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(ctx))

	schema := "test_" + strings.ToLower(rand.Text()[:16])
	_, err = conn.Exec(ctx, "create schema "+schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), server)
		if err != nil {
			return // a test that killed its server has nothing to clean
		}
		defer conn.Close(context.Background())
		_, _ = conn.Exec(context.Background(), fmt.Sprintf("drop schema %s cascade", schema))
	})
	u, err := url.Parse(server)
	require.NoError(t, err)
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return u.String()
}
