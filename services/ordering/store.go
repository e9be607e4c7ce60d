package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/batch"
	"github.com/sidecart/sidecart/internal/idempotency"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/services/ordering/order"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrations is the schema of orders, for postgres.Open.
func migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return sub
}

// changedChannel is told the id of an order that was changed, and the order.
const changedChannel = "order_changed"

// store is where orders live.
type store struct {
	db       *pgxpool.Pool
	wait     order.Deadlines
	arrivals *batch.Batcher[arrival, idempotency.Answer]
}

func newStore(db *pgxpool.Pool, wait order.Deadlines) *store {
	s := &store{db: db, wait: wait}
	s.arrivals = batch.New(maxArrivals, s.placeRound)
	return s
}

// Order is one order, whoever's it is.
func (s *store) Order(ctx context.Context, id string) (*order.Order, error) {
	if uuid.Validate(id) != nil {
		return nil, order.ErrNotFound
	}
	return one(s.db.Query(ctx, `select `+columns+` from orders where id = $1`, id))
}

// OrdersOf are a customer's orders, the newest first, from the one before the given id on, or from the newest if it is "".
func (s *store) OrdersOf(ctx context.Context, customer identity.CustomerID, before string, limit int) ([]*order.Order, error) {
	rows, err := s.db.Query(ctx, `select `+columns+` from orders
		where customer_id = $1 and ($2 = '' or id < nullif($2, '')::uuid) order by id desc limit $3`, customer, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	orders, err := pgx.CollectRows(rows, scanOrder)
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	return orders, nil
}

// Update loads the order under a row lock, applies change, and saves the order with the facts that it raised. Nothing is
// saved if change fails or changes nothing. change must not call other services: it runs inside the transaction,
// perhaps twice.
func (s *store) Update(ctx context.Context, id string, change func(*order.Order) error) (o *order.Order, err error) {
	err = postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		o, err = s.update(ctx, tx, id, change)
		return err
	})
	return o, err
}

// UpdateOnce is Update for what must not happen twice: a repeated key gets the first answer again.
func (s *store) UpdateOnce(ctx context.Context, k idempotency.Key, id string, change func(*order.Order) error, answer func(*order.Order) (int, any)) (idempotency.Answer, error) {
	return idempotency.Run(ctx, s.db, k, func(tx pgx.Tx) (int, any, error) {
		o, err := s.update(ctx, tx, id, change)
		if err != nil {
			return 0, nil, err
		}
		status, body := answer(o)
		return status, body, nil
	})
}

// ActOnDue takes on, at most limit at a time, the orders that waited for long enough: they end, or ask again for what they
// wait for. It returns how many it looked at. The row lock is the lease: what another replica is at work on is passed over.
func (s *store) ActOnDue(ctx context.Context, now time.Time, limit int) (n int, err error) {
	err = postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select `+columns+` from orders where due_at <= $1 order by due_at limit $2 for update skip locked`, now, limit)
		if err != nil {
			return fmt.Errorf("find due orders: %w", err)
		}
		due, err := pgx.CollectRows(rows, scanOrder)
		if err != nil {
			return fmt.Errorf("find due orders: %w", err)
		}
		for _, o := range due {
			o.Expire(now)
			o.Remind(s.wait, now)
		}
		n = len(due)
		return s.save(ctx, tx, due...)
	})
	return n, err
}

func (s *store) update(ctx context.Context, tx pgx.Tx, id string, change func(*order.Order) error) (*order.Order, error) {
	if uuid.Validate(id) != nil {
		return nil, order.ErrNotFound
	}
	o, err := one(tx.Query(ctx, `select `+columns+` from orders where id = $1 for update`, id))
	if err != nil {
		return nil, err
	}
	if err := change(o); err != nil {
		return nil, err
	}
	if !o.Changed() {
		return o, nil
	}
	return o, s.save(ctx, tx, o)
}

const (
	saveOrder = `update orders set status = $2, due_at = $3, payment = $4, timeline = $5, attention = $6,
		shipment = $7, refunds = $8, returns = $9, notes = $10`
	savedOrder = ` where id = $1 returning coalesce(invoice_number, '')`

	// saveInvoice is saveOrder for one that is paid now. The lock on the year's row lasts until the commit, so that a number
	// that is taken back is given again: there are no gaps.
	saveInvoice = `with numbered as (insert into invoice_numbers as n (year, last) values ($11, 1)
		on conflict (year) do update set last = n.last + 1 returning last::text as last) ` + saveOrder + `,
		invoice_number = (select $11::text || '-' || lpad(last, greatest(6, length(last)), '0') from numbered)`
)

// save writes what can change of orders, wakes those who follow them, and adds their facts to the outbox.
func (s *store) save(ctx context.Context, tx pgx.Tx, orders ...*order.Order) error {
	if err := s.write(ctx, tx, orders); err != nil {
		return err
	}
	for _, o := range orders {
		if err := s.conclude(ctx, tx, o); err != nil {
			return err
		}
	}
	return nil
}

// write is the part of save that is done for all orders in one round trip.
func (s *store) write(ctx context.Context, tx pgx.Tx, orders []*order.Order) error {
	var b pgx.Batch
	for _, o := range orders {
		sql := saveOrder
		args := []any{o.ID, o.Status, nullable(o.Due(s.wait)), o.Payment, o.Timeline, o.Attention, o.Shipment, o.Refunds, o.Returns, o.Notes}
		if slices.ContainsFunc(o.Raised(), isA[events.OrderPaid]) {
			sql, args = saveInvoice, append(args, o.Payment.PaidAt.Year())
		}
		b.Queue(sql+savedOrder, args...).QueryRow(func(row pgx.Row) error { return row.Scan(&o.Invoice) })
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("save orders: %w", err)
	}
	return nil
}

// conclude is the part of save that follows for each order.
func (s *store) conclude(ctx context.Context, tx pgx.Tx, o *order.Order) error {
	if err := postgres.Announce(ctx, tx, changedChannel, o.ID, o); err != nil {
		return err
	}
	if len(o.Returns) > 0 {
		if err := s.indexReturns(ctx, tx, o); err != nil {
			return err
		}
	}
	if o.Coupon != "" && slices.ContainsFunc(o.Raised(), isA[events.OrderClosed]) {
		if err := unspend(ctx, tx, o.ID); err != nil {
			return err
		}
	}
	return s.tell(ctx, tx, o)
}

func isA[F events.Fact](f events.Fact) bool {
	_, is := f.(F)
	return is
}

// indexReturns keeps where each return is to be found.
func (s *store) indexReturns(ctx context.Context, tx pgx.Tx, o *order.Order) error {
	var ids, statuses []string
	for _, r := range o.Returns {
		ids, statuses = append(ids, r.ID), append(statuses, string(r.Status))
	}
	_, err := tx.Exec(ctx, `insert into returns (id, order_id, status) select r.id, $1, r.status from unnest($2::uuid[], $3::text[]) as r (id, status)
		on conflict (id) do update set status = excluded.status`, o.ID, ids, statuses)
	if err != nil {
		return fmt.Errorf("save returns of %s: %w", o.ID, err)
	}
	return nil
}

func (s *store) tell(ctx context.Context, tx pgx.Tx, o *order.Order) error {
	for _, fact := range o.Raised() {
		if err := outbox.Add(ctx, tx, fact); err != nil {
			return err
		}
	}
	o.Saved()
	return nil
}

const columns = `orders.id::text, number, customer_id, basket_id, coalesce(checkout_id, ''), orders.status, attention, placed_at, due_at, currency,
	subtotal, coalesce(coupon, ''), discount, shipping, tax, tax_rate, total, shipping_method, email, address, lines, payment,
	coalesce(invoice_number, ''), shipment, refunds, returns, notes, timeline`

func one(rows pgx.Rows, err error) (*order.Order, error) {
	if err != nil {
		return nil, fmt.Errorf("load order: %w", err)
	}
	o, err := pgx.CollectExactlyOneRow(rows, scanOrder)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, order.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("load order: %w", err)
	}
	return o, nil
}

func scanOrder(row pgx.CollectableRow) (*order.Order, error) { return scan(row) }

// scan reads columns, and what follows them into more.
func scan(row pgx.CollectableRow, more ...any) (*order.Order, error) {
	var (
		o                                        order.Order
		due                                      *time.Time
		subtotal, discount, shipping, tax, total int64
	)
	err := row.Scan(append([]any{&o.ID, &o.Number, &o.Customer, &o.BasketID, &o.CheckoutID, &o.Status, &o.Attention, &o.PlacedAt, &due, &o.Currency,
		&subtotal, &o.Coupon, &discount, &shipping, &tax, &o.TaxBasisPoints, &total, &o.ShippingMethod, &o.Email, &o.Address, &o.Lines, &o.Payment,
		&o.Invoice, &o.Shipment, &o.Refunds, &o.Returns, &o.Notes, &o.Timeline}, more...)...)
	if err != nil {
		return nil, err
	}
	o.PlacedAt = o.PlacedAt.UTC()
	if due != nil && o.Status.Waiting() { // else a refund is waited for, which says itself for how long
		o.DueAt = due.UTC()
	}
	for _, sum := range []struct {
		to    *money.Amount
		minor int64
	}{{&o.Subtotal, subtotal}, {&o.Discount, discount}, {&o.Shipping, shipping}, {&o.Tax, tax}, {&o.Total, total}} {
		if *sum.to, err = money.New(sum.minor, o.Currency); err != nil {
			return nil, fmt.Errorf("order %s: %w", o.ID, err)
		}
	}
	return &o, nil
}

// nullable is null for a zero value.
func nullable[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
