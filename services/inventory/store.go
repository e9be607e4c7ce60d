package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/services/inventory/reservation"
)

// store keeps stock, reservations and the ledger in PostgreSQL. Every transaction locks the reservations that it changes
// first, by order, and then the rows of stock by SKU, so that no two wait for each other.
type store struct{ db *pgxpool.Pool }

// Apply does at the end of tx what fact f asks for the order, and tells what came of it. lines and expiresAt come with
// order-placed and are kept then; for the other facts lines are empty. A repeat changes nothing.
func (s *store) Apply(ctx context.Context, tx pgx.Tx, f reservation.Fact, orderID string, lines []reservation.Line, expiresAt time.Time) error {
	return plan(ctx, tx, change{fact: f, orderID: orderID, lines: lines, expiresAt: expiresAt})
}

// PutBack takes the pieces of a return into stock again, at the end of tx, once per return. What we never had is left out.
func (s *store) PutBack(ctx context.Context, tx pgx.Tx, returnID string, lines []reservation.Line) error {
	return plan(ctx, tx, change{returnID: returnID, lines: lines})
}

// announce saves the facts with the change in tx that they tell of.
func announce(ctx context.Context, tx pgx.Tx, facts []events.Fact) error {
	for _, fact := range facts {
		if err := outbox.Add(ctx, tx, fact); err != nil {
			return err
		}
	}
	return nil
}

// maxExpired is how many reservations one transaction expires at most.
const maxExpired = 100

// Expire applies Lapsed to reservations that are held beyond their time, and returns to how many. Several replicas share
// the work: none waits for what another has locked.
func (s *store) Expire(ctx context.Context, now time.Time) (n int, err error) {
	err = postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select order_id from reservations where state = 'held' and expires_at <= $1
			order by expires_at limit $2 for update skip locked`, now, maxExpired)
		if err != nil {
			return fmt.Errorf("find expired reservations: %w", err)
		}
		orders, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("find expired reservations: %w", err)
		}
		n = len(orders)
		for _, id := range orders {
			if err := s.Apply(ctx, tx, reservation.Lapsed, id, nil, now); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// Available is how many pieces of each SKU can be bought; SKUs that we never had are absent.
func (s *store) Available(ctx context.Context, skus []string) ([]Stock, error) {
	rows, err := s.db.Query(ctx, `select sku, on_hand - reserved from stock where sku = any($1) order by sku`, skus)
	if err != nil {
		return nil, fmt.Errorf("read stock: %w", err)
	}
	stock, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Stock])
	if err != nil {
		return nil, fmt.Errorf("read stock: %w", err)
	}
	return stock, nil
}

// Stocktake brings SKUs that we never had into stock, and leaves those that are there alone.
func (s *store) Stocktake(ctx context.Context, lines []reservation.Line, by string) error {
	skus, quantities := columns(lines)
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			with counted as (
				insert into stock (sku, on_hand) select * from unnest($1::text[], $2::bigint[]) as line (sku, n) order by sku
				on conflict do nothing returning sku, on_hand, threshold, version
			), logged as (
				insert into movements (sku, change, reason, ref) select sku, on_hand, 'stocktake', $3 from counted where on_hand > 0
			)
			select * from counted order by sku`, skus, quantities, by)
		if err != nil {
			return fmt.Errorf("take stock: %w", err)
		}
		counted, err := pgx.CollectRows(rows, pgx.RowToStructByPos[level])
		if err != nil {
			return fmt.Errorf("take stock: %w", err)
		}
		var facts []events.Fact
		for _, l := range counted {
			facts = append(facts, level{SKU: l.SKU}.became(l)...)
		}
		return announce(ctx, tx, facts)
	})
}

func columns(lines []reservation.Line) (skus []string, quantities []int64) {
	skus, quantities = make([]string, len(lines)), make([]int64, len(lines))
	for i, l := range lines {
		skus[i], quantities[i] = l.SKU, l.Quantity
	}
	return skus, quantities
}
