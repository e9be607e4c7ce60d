package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/internal/outbox"
)

// trace is the mails about an order.
func (s *store) trace(ctx context.Context, orderID string) ([]outbox.Step, error) {
	rows, err := s.pool.Query(ctx, `
		select coalesce(sent_at, created_at) as at, 'notification' as service, 'mail' as kind, template as name, event_id,
			concat_ws(', ', state, nullif(reason, ''), tries || ' tries') as detail
		from messages where id >= $2 and about = $1 order by 1`, orderID, outbox.Since(orderID))
	if err != nil {
		return nil, fmt.Errorf("trace mails: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[outbox.Step])
}
