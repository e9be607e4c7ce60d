package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
)

// newStore is a store on a database of the test's own, dropped when the test ends, on the server at TEST_MONGODB_URL.
// Without one the test is skipped, or fails where CI is set.
func newStore(t testing.TB) *store {
	t.Helper()
	server := os.Getenv("TEST_MONGODB_URL")
	if server == "" && os.Getenv("CI") == "" {
		t.Skip("this test needs a MongoDB-compatible server: `make test` starts one, or set TEST_MONGODB_URL")
	}
	u, err := url.Parse(server)
	require.NoError(t, err)
	u.Path = "/test_" + strings.ToLower(rand.Text()[:16])
	s, err := openStore(t.Context(), u.String())
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.customers.Database().Drop(context.Background()))
		require.NoError(t, s.Close())
	})
	return s
}

func newID() identity.CustomerID { return identity.CustomerID(uuid.NewString()) }

func TestCustomersAreKept(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	c := NewCustomer(newID(), "Ada", time.Now().UTC().Truncate(time.Millisecond))
	_, err := s.Customer(t.Context(), c.ID)
	require.True(t, problem.Is(err, "customer-not-found"), err)
	require.NoError(t, s.Create(t.Context(), c))
	got, err := s.Customer(t.Context(), c.ID)
	require.NoError(t, err)
	got.RegisteredAt = got.RegisteredAt.UTC()
	require.Equal(t, c, got)

	changed, err := s.UpdateProfile(t.Context(), c.ID, func(c *Customer) error { return c.Profile.Change(ProfileChange{Name: text("Ada King")}) })
	require.NoError(t, err)
	require.Equal(t, int64(2), changed.Version)
	require.NoError(t, s.Create(t.Context(), c), "a repeat changes nothing")
	got, err = s.Customer(t.Context(), c.ID)
	require.NoError(t, err)
	require.Equal(t, "Ada King", got.Profile.Name)
	require.Equal(t, changed.Version, got.Version)
	require.Equal(t, int64(1), got.AddressesVersion, "the address book is as it was")
}

func TestCustomersMadeAtOnceAreOne(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	id := newID()
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = s.Create(t.Context(), NewCustomer(id, "Ada", time.Now())) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	_, err := s.Customer(t.Context(), id)
	require.NoError(t, err)
}

func TestWritersAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	id := newID()
	require.NoError(t, s.Create(t.Context(), NewCustomer(id, "Ada", time.Now())))
	errs := make([]error, 12)
	var wg sync.WaitGroup
	for i := range errs {
		a := berlin
		a.ID = uuid.NewString()
		wg.Go(func() {
			_, errs[i] = s.UpdateAddresses(t.Context(), id, func(c *Customer) error { return c.AddAddress(a) })
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	c, err := s.Customer(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, c.Addresses, 12)
	require.Equal(t, int64(13), c.AddressesVersion)
}

func TestARefusedChangeSavesNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	id := newID()
	require.NoError(t, s.Create(t.Context(), NewCustomer(id, "Ada", time.Now())))
	_, err := s.UpdateProfile(t.Context(), id, func(c *Customer) error {
		c.Profile.Name = "Eve"
		return problem.New(problem.Invalid, "refused", "no")
	})
	require.True(t, problem.Is(err, "refused"))
	c, err := s.Customer(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "Ada", c.Profile.Name)
	_, err = s.UpdateProfile(t.Context(), newID(), func(*Customer) error { return nil })
	require.True(t, problem.Is(err, "customer-not-found"))
}

func TestCursorsAreKept(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	cursor, err := s.Load(t.Context(), "auth")
	require.NoError(t, err)
	require.Empty(t, cursor)
	for _, next := range []string{"1-1", "2-7"} {
		require.NoError(t, s.Save(t.Context(), "auth", next))
		cursor, err = s.Load(t.Context(), "auth")
		require.NoError(t, err)
		require.Equal(t, next, cursor)
	}
}

func TestDatabaseURLIsChecked(t *testing.T) {
	for _, uri := range []string{"", "mongodb://127.0.0.1:1", "postgres://127.0.0.1/client", "mongodb://x:secret@127.0.0.1:port/client"} {
		_, err := openStore(t.Context(), uri)
		require.ErrorContains(t, err, "CLIENT_DATABASE_URL must be")
		require.NotContains(t, err.Error(), "secret")
	}
}
