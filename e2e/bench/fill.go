package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
)

// history is what years of business leave behind, made of the rows of one order of today. Facts have a topic that
// nobody hears, and the oldest positions of their feeds.
var history = []struct{ database, rows string }{
	{"ORDERING", `insert into orders select copy.* from generate_series(1, $1) n, (select o from orders o where status = 'paid' limit 1) one,
		lateral jsonb_populate_record(one.o, jsonb_build_object('id', gen_random_uuid(), 'number', 'H-' || gen_random_uuid(),
			'customer_id', 'guest:' || n % 100000, 'placed_at', now() - n * interval '1 minute') || $2::jsonb) copy`},
	{"ORDERING", `insert into idempotency_keys (scope, key, body_hash, status, answer)
		select 'history', gen_random_uuid()::text, '\x00', 202, '{}' from generate_series(1, $1)`},
	{"ORDERING", `insert into outbox (id, topic, subject, data, sent_at, xid)
		select gen_random_uuid(), 'history-v1', gen_random_uuid()::text, '{}', now(), '1' from generate_series(1, 3 * $1)`},
	{"ORDERING", `insert into inbox (consumer, event_id) select 'ordering', gen_random_uuid()::text from generate_series(1, 2 * $1)`},
	{"INVENTORY", `insert into reservations (order_id, state, skus, quantities, expires_at)
		select gen_random_uuid(), 'committed', '{a,b}', '{1,1}', now() from generate_series(1, $1)`},
	{"INVENTORY", `insert into outbox (id, topic, subject, data, sent_at, xid)
		select gen_random_uuid(), 'history-v1', gen_random_uuid()::text, '{}', now(), '1' from generate_series(1, $1)`},
	{"INVENTORY", `insert into inbox (consumer, event_id) select 'inventory', gen_random_uuid()::text from generate_series(1, 2 * $1)`},
	{"PAYMENT", `with p as (insert into payments (order_id) select gen_random_uuid()::text from generate_series(1, $1) returning order_id)
		insert into attempts (id, order_id, number, provider, method, return_url, amount, currency, idempotency_key, state, reference)
		select gen_random_uuid()::text, order_id, 1, 'stripe', 'pm_card_visa', '', 1999, 'EUR', order_id || ':1', 'captured', 'pi_' || order_id from p`},
	{"PAYMENT", `insert into outbox (id, topic, subject, data, sent_at, xid)
		select gen_random_uuid(), 'history-v1', gen_random_uuid()::text, '{}', now(), '1' from generate_series(1, $1)`},
	{"PAYMENT", `insert into inbox (consumer, event_id) select 'payment', gen_random_uuid()::text from generate_series(1, $1)`},
}

// unique names the columns of an order that no other order may share, as JSON to blank them in copies.
const unique = `select coalesce(jsonb_object_agg(a.attname, null), '{}') from pg_index i
	join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
	where i.indrelid = 'orders'::regclass and i.indisunique and a.attname not in ('id', 'number') and not a.attnotnull`

// fill adds n orders of the past to the databases.
func fill(ctx context.Context, n int) error {
	start := time.Now()
	for _, h := range history {
		url := os.Getenv(h.database + "_DATABASE_URL")
		if url == "" {
			return fmt.Errorf("-fill needs %s_DATABASE_URL", h.database)
		}
		if err := func() error {
			db, err := pgx.Connect(ctx, url)
			if err != nil {
				return err
			}
			defer db.Close(context.WithoutCancel(ctx))
			args := []any{n}
			if h.database == "ORDERING" && h.rows == history[0].rows {
				var blank []byte
				if err := db.QueryRow(ctx, unique).Scan(&blank); err != nil {
					return err
				}
				args = append(args, blank)
			}
			tag, err := db.Exec(ctx, h.rows, args...)
			if err == nil && tag.RowsAffected() == 0 {
				err = errors.New("there is no order to copy")
			}
			if err == nil {
				_, err = db.Exec(ctx, `analyze`)
			}
			return err
		}(); err != nil {
			return fmt.Errorf("fill %s: %w", h.database, err)
		}
	}
	fmt.Printf("%d orders of the past in %s\n", n, time.Since(start).Round(time.Second))
	return nil
}
