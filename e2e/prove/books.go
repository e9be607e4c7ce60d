package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/e2e/shop"
)

// services are those with PostgreSQL, and so with outbox, inbox and dead letters.
var services = []string{"auth", "inventory", "notification", "ordering", "payment"}

// read takes the books from the databases at the addresses of env and from the sandbox.
func read(ctx context.Context, env map[string]string, placed []told) (b *books, err error) {
	b = &books{
		at: time.Now(), told: placed, orders: map[string]order{}, stock: map[string]stock{}, reservations: map[string]string{},
		mails: map[string]int{}, heard: map[string]map[string]bool{},
	}
	for _, service := range services {
		err = errors.Join(err, func() error {
			conn, err := pgx.Connect(ctx, env[strings.ToUpper(service)+"_DATABASE_URL"])
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			if err := b.readMessaging(ctx, conn, service); err != nil {
				return err
			}
			switch service {
			case "ordering":
				return b.readOrders(ctx, conn)
			case "payment":
				return b.readPayments(ctx, conn)
			case "inventory":
				return b.readStock(ctx, conn)
			case "notification":
				return each(ctx, conn, `select about, event_id, state from messages
					where (template like 'order-%' and template <> 'order-attention' or template like 'return-%')
						and not (template = 'order-placed' and state = 'dropped')`, func(row pgx.CollectableRow) error {
					var m message
					err := row.Scan(&m.order, &m.event, &m.state)
					b.messages = append(b.messages, m)
					return err
				})
			}
			return nil
		}())
	}
	if err != nil {
		return nil, fmt.Errorf("read the databases: %w", err)
	}
	if b.ledger, err = shop.WholeLedger(ctx); err != nil {
		return nil, err
	}
	return b, b.readInbox(ctx)
}

func each(ctx context.Context, conn *pgx.Conn, sql string, scan func(pgx.CollectableRow) error) error {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return err
	}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) { return struct{}{}, scan(row) })
	return err
}

func (b *books) readMessaging(ctx context.Context, conn *pgx.Conn, service string) error {
	b.heard[service] = map[string]bool{}
	return errors.Join(
		each(ctx, conn, `select id::text, topic, subject, sent_at is not null from outbox`, func(row pgx.CollectableRow) error {
			f := fact{producer: service}
			err := row.Scan(&f.id, &f.topic, &f.order, &f.sent)
			b.facts = append(b.facts, f)
			return err
		}),
		each(ctx, conn, `select event_id from inbox`, func(row pgx.CollectableRow) error {
			var id string
			err := row.Scan(&id)
			b.heard[service][id] = true
			return err
		}),
		each(ctx, conn, `select envelope->>'subject', topic, error from dead_letters where dead_at is not null`, func(row pgx.CollectableRow) error {
			var subject *string
			var topic, cause string
			err := row.Scan(&subject, &topic, &cause)
			v := violation{rule: "nothing is stuck", detail: fmt.Sprintf("%s has a dead letter: %s: %s", service, topic, cause)}
			if subject != nil {
				v.order = *subject
			}
			b.dead = append(b.dead, v)
			return err
		}),
	)
}

func (b *books) readOrders(ctx context.Context, conn *pgx.Conn) error {
	return each(ctx, conn, `select id::text, case attention when '' then status else 'needs_attention' end, total, currency, due_at,
		coalesce((select sum((c->'returned'->>'amount')::bigint) from jsonb_array_elements(coalesce(payment->'captures', '[]')) c
			where c->>'paymentId' = payment->>'kept'), 0)::bigint,
		(select jsonb_object_agg(l->>'sku', (l->>'quantity')::bigint) from jsonb_array_elements(lines) l) from orders`,
		func(row pgx.CollectableRow) error {
			var id string
			var o order
			err := row.Scan(&id, &o.status, &o.total.Amount, &o.total.Currency, &o.due, &o.returned, &o.lines)
			b.orders[id] = o
			return err
		})
}

func (b *books) readPayments(ctx context.Context, conn *pgx.Conn) error {
	return errors.Join(
		each(ctx, conn, `select order_id, state, amount, currency from attempts`, func(row pgx.CollectableRow) error {
			var a attempt
			err := row.Scan(&a.order, &a.state, &a.amount.Amount, &a.amount.Currency)
			b.attempts = append(b.attempts, a)
			return err
		}),
		each(ctx, conn, `select order_id, state, amount, currency from refunds`, func(row pgx.CollectableRow) error {
			var r refund
			err := row.Scan(&r.order, &r.state, &r.amount.Amount, &r.amount.Currency)
			b.refunds = append(b.refunds, r)
			return err
		}),
	)
}

func (b *books) readStock(ctx context.Context, conn *pgx.Conn) error {
	return errors.Join(
		each(ctx, conn, `select sku, on_hand, reserved,
			coalesce((select sum(change) from movements m where m.sku = s.sku), 0)::bigint,
			coalesce((select -sum(change) from movements m where m.sku = s.sku and reason in ('sold', 'cancelled')), 0)::bigint,
			coalesce((select sum(n) from reservations, unnest(skus, quantities) as line (sku, n) where state = 'held' and line.sku = s.sku), 0)::bigint
			from stock s`, func(row pgx.CollectableRow) error {
			var sku string
			var s stock
			err := row.Scan(&sku, &s.onHand, &s.reserved, &s.ledger, &s.sold, &s.held)
			b.stock[sku] = s
			return err
		}),
		each(ctx, conn, `select order_id::text, state from reservations`, func(row pgx.CollectableRow) error {
			var id, state string
			err := row.Scan(&id, &state)
			b.reservations[id] = state
			return err
		}),
	)
}

// readInbox counts, for each order that a shopper was told of, the mails that came to that shopper and name it.
func (b *books) readInbox(ctx context.Context) error {
	byAddress := map[string][]told{}
	for _, t := range b.told {
		byAddress[t.Email] = append(byAddress[t.Email], t)
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	var failed error
	slots := make(chan struct{}, 8)
	for address, orders := range byAddress {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			mails, err := shop.Mails(ctx, address)
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			for _, m := range mails {
				for _, o := range orders {
					if strings.Contains(m.Subject, o.Number) {
						b.mails[o.ID]++
					}
				}
			}
		})
	}
	group.Wait()
	return failed
}
