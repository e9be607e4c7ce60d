package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/web"
)

// claimOrders gives the caller the orders that were placed by guests with the caller's e-mail address. That the address is
// theirs, auth has proved before it signed it into the token; what a guest typed proves nothing, and takes nothing.
func (s *server) claimOrders(w http.ResponseWriter, r *http.Request) error {
	who := identity.From(r.Context())
	claimed, err := s.orders.Claim(r.Context(), who)
	if err != nil {
		return err
	}
	if claimed > 0 {
		slog.InfoContext(r.Context(), "guest orders claimed", "customer", string(who.Subject), "orders", claimed)
	}
	return web.Encode(w, http.StatusOK, map[string]int{"claimed": claimed})
}

// Claim moves the guests' orders with a customer's proved address to the customer. A repeat moves nothing.
func (s *store) Claim(ctx context.Context, who identity.Identity) (claimed int, err error) {
	if who.Guest() || who.Email == "" {
		return 0, nil
	}
	tag, err := s.db.Exec(ctx, `update orders set customer_id = $1 where starts_with(customer_id, 'guest:') and lower(email) = lower($2)`,
		who.Subject, who.Email)
	if err != nil {
		return 0, fmt.Errorf("claim orders: %w", err)
	}
	return int(tag.RowsAffected()), nil
}
