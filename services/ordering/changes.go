package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/ordering/order"
)

// Apply has an order changed at the end of tx, when all that facts change in tx is loaded, changed and saved together. An
// order that is not there fails tx then.
func (s *store) Apply(ctx context.Context, tx pgx.Tx, id string, do func(*order.Order)) error {
	unit, ok := tx.(*postgres.Unit)
	if !ok {
		return errors.New("facts change orders in a transaction of postgres.InTx only")
	}
	known, err := uuid.Parse(id)
	if err != nil {
		return order.ErrNotFound
	}
	planned := postgres.Find(unit, func() *changes { return &changes{store: s, trace: map[string]string{}} })
	planned.all = append(planned.all, change{known.String(), do})
	planned.trace[known.String()] = web.TraceParent(ctx)
	return nil
}

// changes are what the facts of one transaction change, in this order, and the trace that each order's belong to.
type changes struct {
	store *store
	all   []change
	trace map[string]string
}

type change struct {
	orderID string
	do      func(*order.Order)
}

// Before loads the orders under their locks, taken in the order of their ids, changes them, and saves those that differ.
func (c *changes) Before(ctx context.Context, tx pgx.Tx) error {
	ids := slices.Sorted(maps.Keys(c.trace))
	rows, err := tx.Query(ctx, `select `+columns+` from orders where id = any($1::uuid[]) order by id for update`, ids)
	if err != nil {
		return fmt.Errorf("load orders: %w", err)
	}
	loaded, err := pgx.CollectRows(rows, scanOrder)
	if err != nil {
		return fmt.Errorf("load orders: %w", err)
	}
	if len(loaded) < len(ids) {
		return order.ErrNotFound
	}
	orders := make(map[string]*order.Order, len(loaded))
	for _, o := range loaded {
		orders[o.ID] = o
	}
	for _, change := range c.all {
		change.do(orders[change.orderID])
	}
	changed := slices.DeleteFunc(loaded, func(o *order.Order) bool {
		if !o.Changed() {
			slog.Info("fact changed nothing", "order", o.ID, "status", o.Status)
		}
		return !o.Changed()
	})
	if err := c.store.write(ctx, tx, changed); err != nil {
		return err
	}
	for _, o := range changed {
		if err := c.store.conclude(web.WithTraceParent(ctx, c.trace[o.ID]), tx, o); err != nil {
			return err
		}
	}
	return nil
}

func (*changes) After() {}
