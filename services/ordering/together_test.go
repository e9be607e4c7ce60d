package main

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/postgres"
)

// sell places an order of the SKUs and writes it paid.
func (s *store) sell(t *testing.T, who identity.Identity, skus ...string) string {
	o := s.place(t, who, epoch)
	lines := "["
	for i, sku := range skus {
		if i > 0 {
			lines += ","
		}
		lines += fmt.Sprintf(`{"sku":%q,"name":"x","slug":"x","image":"","quantity":1,"unitPrice":{"amount":1,"currency":"EUR"},"lineTotal":{"amount":1,"currency":"EUR"}}`, sku)
	}
	require.NoError(t, postgres.InTx(t.Context(), s.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `update orders set status = 'paid', lines = $2 where id = $1`, o.ID, lines+"]"); err != nil {
			return err
		}
		return outbox.Add(t.Context(), tx, events.OrderPaid{OrderID: o.ID, Number: o.Number, CustomerID: string(who.Subject), Total: eur(1)})
	}))
	return o.ID
}

func (s *store) countAll(ctx context.Context) error {
	for {
		if more, err := s.countPage(ctx); err != nil || !more {
			return err
		}
	}
}

// eventually counts until the orders say so: what is paid while other transactions are open is counted after them.
func (s *store) eventually(t *testing.T, want []together, skus ...string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.NoError(c, s.countAll(t.Context()))
		found, err := s.Together(t.Context(), skus)
		require.NoError(c, err)
		require.ElementsMatch(c, want, found)
	}, 20*time.Second, 20*time.Millisecond)
}

func TestWhatIsBoughtTogetherIsCountedOnce(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	s.sell(t, anna, "A", "B")
	s.sell(t, boris, "A", "B", "C")
	s.sell(t, anna, "A")
	s.place(t, anna, epoch) // not paid
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if err := s.countAll(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	s.eventually(t, []together{{"B", 2}, {"C", 1}}, "A")
	s.sell(t, boris, "A", "C")
	s.sell(t, boris, "A", "C")
	s.eventually(t, []together{{"C", 4}}, "A", "B")
	require.NoError(t, s.countAll(t.Context()))
	s.eventually(t, []together{{"C", 4}}, "A", "B")
	s.eventually(t, []together{}, "Z")
}

func TestWhoHasBought(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	id := s.sell(t, anna, "A", "B")
	for _, c := range []struct {
		who  identity.Identity
		skus []string
		want bool
	}{{anna, []string{"A"}, true}, {anna, []string{"Z", "B"}, true}, {anna, []string{"Z"}, false}, {boris, []string{"A"}, false}} {
		bought, err := s.Bought(t.Context(), c.who.Subject, c.skus)
		require.NoError(t, err)
		require.Equal(t, c.want, bought, c)
	}
	for status, want := range map[string]bool{"placed": false, "reserved": false, "shipped": true, "delivered": true, "cancelled": false, "refunded": false, "returned": false} {
		s.become(t, id, status)
		bought, err := s.Bought(t.Context(), anna.Subject, []string{"A"})
		require.NoError(t, err)
		require.Equal(t, want, bought, status)
	}
}
