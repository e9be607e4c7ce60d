package main

import (
	"context"
	"fmt"
	"os"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// bareRows writes what a paid order leaves in the databases, in one transaction and without anything around it: the
// yardstick for a checkout.
type bareRows struct{ pool *pgxpool.Pool }

// openRows makes tables like the services' own in ordering's database; nil where the databases are not named, as for a
// shop that somebody else runs.
func openRows(ctx context.Context) (*bareRows, error) {
	url := os.Getenv("ORDERING_DATABASE_URL")
	if url == "" {
		return nil, nil
	}
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, `
		drop schema if exists bench cascade;
		create schema bench;
		create table bench.orders (like public.orders, primary key (id), unique (number));
		create index on bench.orders (customer_id, id);
		create table bench.keys (like public.idempotency_keys including all);
		create table bench.outbox (like public.outbox including all);
		create table bench.inbox (like public.inbox including all);
		create table bench.reservations (order_id uuid primary key, state text not null, skus text[] not null, quantities bigint[] not null);
		create table bench.movements (id bigint generated always as identity primary key, sku text not null, change bigint not null, ref text not null);
		create table bench.attempts (id uuid primary key, order_id uuid not null, amount bigint not null, state text not null, reference text not null);
		create table bench.messages (id uuid primary key, order_id uuid not null, state text not null)`); err != nil {
		pool.Close()
		return nil, fmt.Errorf("make the tables of the yardstick: %w", err)
	}
	return &bareRows{pool}, nil
}

func (b *bareRows) close() {
	if b != nil {
		_, _ = b.pool.Exec(context.Background(), `drop schema bench cascade`)
		b.pool.Close()
	}
}

// write is one order with two lines: its row, key, five facts with seven receipts, reservation, movements, attempt and mail.
func (b *bareRows) write(ctx context.Context) error {
	id := uuid.Must(uuid.NewV7())
	_, err := b.pool.Exec(ctx, `
		with o as (insert into bench.orders select copy.* from (select o from public.orders o limit 1) one,
			lateral jsonb_populate_record(one.o, jsonb_build_object('id', $1::uuid::text, 'number', $1::uuid::text)) copy),
		k as (insert into bench.keys (scope, key, body_hash, status, answer) values ('s', $1::uuid::text, '', 202, '{}')),
		f as (insert into bench.outbox (id, topic, subject, data) select gen_random_uuid(), 'order-placed-v1', $1::uuid::text, '{"orderId":"x"}' from generate_series(1, 5)),
		i as (insert into bench.inbox (consumer, event_id) select 'c' || n, $1::uuid::text from generate_series(1, 7) n),
		r as (insert into bench.reservations values ($1::uuid, 'committed', '{a,b}', '{1,1}')),
		m as (insert into bench.movements (sku, change, ref) values ('a', -1, $1::uuid::text), ('b', -1, $1::uuid::text)),
		a as (insert into bench.attempts values ($1::uuid, $1::uuid, 1999, 'captured', 'pi'))
		insert into bench.messages values ($1::uuid, $1::uuid, 'sent')`, id)
	return err
}
