package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/internal/outbox"
)

// trace is how the stock of an order stands.
func (s *store) trace(ctx context.Context, orderID string) ([]outbox.Step, error) {
	rows, err := s.db.Query(ctx, `
		select changed_at as at, $2::text as service, 'timeline' as kind, 'reservation ' || state as name, '' as event_id,
			coalesce((select string_agg(n || ' × ' || sku, ', ') from unnest(skus, quantities) as line (sku, n)), '') as detail
		from reservations where order_id = $1`, orderID, app)
	if err != nil {
		return nil, fmt.Errorf("trace the reservation: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[outbox.Step])
}
