package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
)

// become writes a status as if the order had come so far.
func (s *store) become(t *testing.T, id, status string) {
	_, err := s.db.Exec(t.Context(), `update orders set status = $2, due_at = null where id = $1`, id, status)
	require.NoError(t, err)
}

func (s *store) dump(t *testing.T) (text string) {
	require.NoError(t, s.db.QueryRow(t.Context(), `
		select coalesce(string_agg(o::text, ' '), '') || coalesce((select string_agg(k::text, ' ') from idempotency_keys k), '') from orders o`).Scan(&text))
	return text
}

func TestOnlyInvoicesOutliveAnErasure(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sold := orderOf(t, s.checkout(anna, "k1", twoMugs), http.StatusAccepted)
	lost := orderOf(t, s.checkout(anna, "k2", twoMugs), http.StatusAccepted)
	s.orders.become(t, lost.ID, "cancelled")
	_, err := s.orders.Erase(t.Context(), anna.Subject)
	require.True(t, problem.Is(err, "not-yet"), "an order is under way: %v", err)
	require.Contains(t, s.orders.dump(t), "anna@example.com", "nothing is erased by halves")

	s.orders.become(t, sold.ID, "delivered")
	others := orderOf(t, s.checkout(boris, "k3", twoMugs), http.StatusAccepted)
	for range 2 {
		kept, err := s.orders.Erase(t.Context(), anna.Subject)
		require.NoError(t, err)
		require.Len(t, kept, 1)
		require.Contains(t, kept[0].What, sold.Number)
		require.NotEmpty(t, kept[0].Why)
	}
	require.NotContains(t, s.orders.dump(t), "anna@example.com")
	o, err := s.orders.Order(t.Context(), lost.ID)
	require.NoError(t, err)
	require.Zero(t, o.Address)
	o, err = s.orders.Order(t.Context(), sold.ID)
	require.NoError(t, err)
	require.Equal(t, "Anna Berg", o.Address.Name, "the invoice")
	o, err = s.orders.Order(t.Context(), others.ID)
	require.NoError(t, err)
	require.Equal(t, "boris@example.com", o.Email)
}

func TestAnExportHasEveryOrderOfThePersonAlone(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	mine := s.place(t, anna, epoch)
	s.place(t, boris, epoch)
	data, err := s.Export(t.Context(), anna.Subject)
	require.NoError(t, err)
	text, err := json.Marshal(data)
	require.NoError(t, err)
	require.Contains(t, string(text), mine.Number)
	require.Contains(t, string(text), "Hauptstraße 1")
	require.NotContains(t, string(text), "boris")
	for _, nobody := range []identity.CustomerID{"", "x", "' or true --"} {
		data, err := s.Export(t.Context(), nobody)
		require.NoError(t, err)
		require.JSONEq(t, `[]`, fmt.Sprintf("%s", data["orders"]))
	}
}

func TestGuestOrdersAreClaimedByTheProvedAddress(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	guest := func(key, email string) orderView {
		return orderOf(t, s.checkout(visit, key, with(`"shippingMethod"`, `"email":"`+email+`","shippingMethod"`)), http.StatusAccepted)
	}
	hers, others := guest("k1", "Anna@example.com"), guest("k2", "someone@example.com")
	claim := func(who identity.Identity, caller string) int {
		return s.request(who, caller, "POST", "/claims", "").Code
	}
	require.Equal(t, 404, claim(anna, "basket"))
	require.Equal(t, 401, claim(identity.Identity{}, "gateway"))
	require.Equal(t, 403, claim(visit, "gateway"))
	unproved := anna
	unproved.Email = ""
	require.Equal(t, 200, claim(unproved, "gateway"))
	require.Equal(t, 404, s.request(anna, "gateway", "GET", "/orders/"+hers.ID, "").Code)
	for range 2 {
		require.Equal(t, 200, claim(anna, "gateway"))
	}
	require.Equal(t, 200, s.request(anna, "gateway", "GET", "/orders/"+hers.ID, "").Code)
	require.Equal(t, 404, s.request(visit, "gateway", "GET", "/orders/"+hers.ID, "").Code)
	require.Equal(t, 404, s.request(anna, "gateway", "GET", "/orders/"+others.ID, "").Code)
	require.Equal(t, 200, claim(boris, "gateway"))
	require.Equal(t, 200, s.request(anna, "gateway", "GET", "/orders/"+hers.ID, "").Code, "what has an owner is not claimed")
}
