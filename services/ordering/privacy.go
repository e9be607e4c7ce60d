package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/privacy"
)

// invoicesKept is how long the record of a sale has to be kept (German Abgabenordnung section 147, and its likes).
const invoicesKept = 10 * 365 * 24 * time.Hour

// Export is every order of a person, as it is kept.
func (s *store) Export(ctx context.Context, person identity.CustomerID) (map[string]any, error) {
	var orders json.RawMessage
	err := s.db.QueryRow(ctx, `
		select coalesce(jsonb_agg(to_jsonb(orders) - 'customer_id' - 'basket_id' - 'due_at' order by id), '[]') from orders where customer_id = $1`,
		person).Scan(&orders)
	if err != nil {
		return nil, fmt.Errorf("export orders: %w", err)
	}
	return map[string]any{"orders": orders}, nil
}

// unsaid takes out of an order what the person and the staff wrote in their own words.
const unsaid = `notes = null, returns = (select jsonb_agg(r || '{"reason": "", "note": ""}' order by i) from jsonb_array_elements(returns) with ordinality as x (r, i)),
	timeline = (select jsonb_agg(e || '{"note": ""}' order by i) from jsonb_array_elements(timeline) with ordinality as x (e, i))`

// Erase takes the person out of orders that came to nothing. A sale keeps name and address for its invoice, but neither
// the e-mail address nor what was written about it. While an order is under way the erasure waits: it could not be
// delivered or paid back.
func (s *store) Erase(ctx context.Context, person identity.CustomerID) (kept []privacy.Kept, err error) {
	err = postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		kept = nil
		var open int
		if err := tx.QueryRow(ctx, `
			select count(*) from orders where customer_id = $1
			and status not in ('delivered', 'refunded', 'returned', 'rejected', 'payment_failed', 'expired', 'cancelled')`, person).Scan(&open); err != nil {
			return fmt.Errorf("count open orders: %w", err)
		}
		if open > 0 {
			return privacy.NotYet("An order is still under way.")
		}
		if _, err := tx.Exec(ctx, `
			update orders set email = '', address = '{}', `+unsaid+` where customer_id = $1 and status in ('rejected', 'payment_failed', 'expired', 'cancelled')`,
			person); err != nil {
			return fmt.Errorf("erase orders that came to nothing: %w", err)
		}
		if _, err := tx.Exec(ctx, `delete from idempotency_keys where starts_with(scope, $1 || ' ')`, string(person)); err != nil {
			return fmt.Errorf("erase answers: %w", err)
		}
		rows, err := tx.Query(ctx, `update orders set email = '', `+unsaid+` where customer_id = $1 and status in ('delivered', 'refunded', 'returned') returning number, placed_at`, person)
		if err != nil {
			return fmt.Errorf("erase addresses: %w", err)
		}
		var number string
		var at time.Time
		_, err = pgx.ForEachRow(rows, []any{&number, &at}, func() error {
			kept = append(kept, privacy.Kept{
				What: "Invoice of order " + number + ": goods, sums, name and address",
				Why:  "Commercial and tax law ask for it.", Until: at.Add(invoicesKept).UTC(),
			})
			return nil
		})
		return err
	})
	return kept, err
}
