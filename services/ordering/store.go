package main

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/events"
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
	db   *pgxpool.Pool
	wait order.Deadlines
}

// Placed is the answer that an earlier request with this key got, if there was one.
func (s *store) Placed(ctx context.Context, k idempotency.Key) (idempotency.Answer, bool, error) {
	return idempotency.Stored(ctx, s.db, k)
}

// Place saves a new order, the fact that it was placed and the answer to its idempotency key in one transaction, and uses
// the coupon that it was priced with, if any. When the key already has an answer, or the same content of a basket has
// become an order under another key, that is returned and nothing is saved.
func (s *store) Place(ctx context.Context, k idempotency.Key, d order.Draft, coupon *order.Coupon, at time.Time) (answer idempotency.Answer, err error) {
	for range 3 {
		o := order.Place(newNumber(at), d, s.wait, at)
		answer, err = idempotency.Run(ctx, s.db, k, func(tx pgx.Tx) (int, any, error) {
			if err := s.insert(ctx, tx, o); err != nil {
				return 0, nil, err
			}
			if coupon != nil {
				if err := spend(ctx, tx, o, *coupon, at); err != nil {
					return 0, nil, err
				}
			}
			return http.StatusAccepted, placedView{newOrderView(o, at)}, nil
		})
		switch {
		case postgres.IsUnique(err, "orders_checkout"):
			answer, _, err = s.PlacedFrom(ctx, k, d.Customer, d.CheckoutID, at)
			return answer, err
		case !postgres.IsUnique(err, "orders_number"):
			return answer, err
		}
	}
	return answer, err
}

// PlacedFrom answers a key with the order that a customer's basket has become under another key, as it is now, if there
// is one: two tabs that check out the same content mean one purchase.
func (s *store) PlacedFrom(ctx context.Context, k idempotency.Key, customer identity.CustomerID, checkoutID string, at time.Time) (answer idempotency.Answer, found bool, err error) {
	if checkoutID == "" {
		return answer, false, nil
	}
	o, err := one(s.db.Query(ctx, `select `+columns+` from orders where customer_id = $1 and checkout_id = $2`, customer, checkoutID))
	if errors.Is(err, error(order.ErrNotFound)) {
		return answer, false, nil
	}
	if err != nil {
		return answer, false, err
	}
	answer, err = idempotency.Run(ctx, s.db, k, func(pgx.Tx) (int, any, error) {
		return http.StatusAccepted, placedView{newOrderView(o, at)}, nil
	})
	return answer, true, err
}

// numberDigits are Crockford's base 32: nothing that is mistaken for something else when read aloud.
const numberDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newNumber is an order number for people: of 34 thousand million a year, so that it neither tells how much is sold
// nor can be guessed.
func newNumber(at time.Time) string {
	b := make([]byte, 7)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	for i := range b {
		b[i] = numberDigits[b[i]%32]
	}
	return fmt.Sprintf("SC-%d-%s", at.Year(), b)
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

// Apply is Update inside the transaction of a consumer, for facts.
func (s *store) Apply(ctx context.Context, tx pgx.Tx, id string, change func(*order.Order)) error {
	_, err := s.update(ctx, tx, id, func(o *order.Order) error {
		change(o)
		if !o.Changed() {
			slog.Info("fact changed nothing", "order", id, "status", o.Status)
		}
		return nil
	})
	return err
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
			if err := s.save(ctx, tx, o); err != nil {
				return err
			}
		}
		n = len(due)
		return nil
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

func (s *store) insert(ctx context.Context, tx pgx.Tx, o *order.Order) error {
	_, err := tx.Exec(ctx, `insert into orders (id, number, customer_id, basket_id, checkout_id, status, placed_at, due_at, currency,
		subtotal, coupon, discount, shipping, tax, tax_rate, total, shipping_method, email, address, lines, payment, timeline)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)`,
		o.ID, o.Number, o.Customer, o.BasketID, nullable(o.CheckoutID), o.Status, o.PlacedAt, nullable(o.Due(s.wait)), o.Currency,
		o.Subtotal.Minor(), nullable(o.Coupon), o.Discount.Minor(), o.Shipping.Minor(), o.Tax.Minor(), o.TaxBasisPoints, o.Total.Minor(),
		o.ShippingMethod, o.Email, o.Address, o.Lines, o.Payment, o.Timeline)
	if err != nil {
		return fmt.Errorf("insert order: %w", err)
	}
	return s.tell(ctx, tx, o)
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

// save writes what can change of an order, wakes those who follow it, and adds its facts to the outbox.
func (s *store) save(ctx context.Context, tx pgx.Tx, o *order.Order) error {
	sql := saveOrder
	args := []any{o.ID, o.Status, nullable(o.Due(s.wait)), o.Payment, o.Timeline, o.Attention, o.Shipment, o.Refunds, o.Returns, o.Notes}
	ended := false
	for _, fact := range o.Raised() {
		switch fact.(type) {
		case events.OrderPaid:
			sql, args = saveInvoice, append(args, o.Payment.PaidAt.Year())
		case events.OrderClosed:
			ended = true
		}
	}
	if err := tx.QueryRow(ctx, sql+savedOrder, args...).Scan(&o.Invoice); err != nil {
		return fmt.Errorf("save order %s: %w", o.ID, err)
	}
	if err := postgres.Announce(ctx, tx, changedChannel, o.ID, o); err != nil {
		return err
	}
	if len(o.Returns) > 0 {
		if err := s.indexReturns(ctx, tx, o); err != nil {
			return err
		}
	}
	if ended && o.Coupon != "" {
		if err := unspend(ctx, tx, o.ID); err != nil {
			return err
		}
	}
	return s.tell(ctx, tx, o)
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
