package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/internal/outbox"
)

// trace is everything that was done about the money of an order, and heard of it.
func (s *store) trace(ctx context.Context, orderID string) ([]outbox.Step, error) {
	rows, err := s.pool.Query(ctx, `
		select at, 'payment' as service, kind, name, detail, '' as event_id from (
			select changed_at as at, 'attempt' as kind, provider || ' attempt ' || number as name, concat_ws(', ', state,
				amount || ' minor units ' || currency, nullif(reference, ''), nullif(failure, ''), case when closing then 'to be voided' end, tries || ' tries') as detail
				from attempts where order_id = $1
			union all
			select changed_at, 'refund', reason, concat_ws(', ', state, amount || ' minor units ' || currency, nullif(reference, ''), nullif(failure, ''), tries || ' tries')
				from refunds where order_id = $1
			union all
			select received_at, 'webhook', type, concat_ws(' ', provider, event_id, object_id) from webhooks where order_id = $1
		) steps order by at`, orderID)
	if err != nil {
		return nil, fmt.Errorf("trace payments: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[outbox.Step])
}
