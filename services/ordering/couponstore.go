package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/internal/idempotency"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/services/ordering/order"
)

// couponStore is where coupons live, and who used them.
type couponStore struct{ db *pgxpool.Pool }

var (
	errNoCoupon      = problem.New(problem.NotFound, "coupon-not-found", "There is no such coupon.")
	errCouponChanged = problem.New(problem.Conflict, "coupon-changed", "This coupon has just changed. Please look again.")
)

const couponColumns = `code, description, kind, percent_basis_points, amounts, minimum, valid_from, valid_until,
	max_uses, max_uses_per_customer, active, uses`

// Add saves a new coupon.
func (s couponStore) Add(ctx context.Context, c order.Coupon) error {
	return insertCoupon(ctx, s.db, c)
}

// AddOnce is Add, once per key; a repeat is answered as the first.
func (s couponStore) AddOnce(ctx context.Context, k idempotency.Key, c order.Coupon) (idempotency.Answer, error) {
	return idempotency.Run(ctx, s.db, k, func(tx pgx.Tx) (int, any, error) { return http.StatusCreated, c, insertCoupon(ctx, tx, c) })
}

func insertCoupon(ctx context.Context, db querier, c order.Coupon) error {
	_, err := db.Exec(ctx, `insert into coupons (code, description, kind, percent_basis_points, amounts, minimum, valid_from, valid_until,
		max_uses, max_uses_per_customer, active) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		c.Code, c.Description, c.Kind, c.PercentBasisPoints, c.Amounts, c.Minimum, c.ValidFrom, c.ValidUntil,
		c.MaxUses, c.MaxUsesPerCustomer, c.Active)
	if postgres.IsUnique(err, "") {
		return problem.New(problem.Conflict, "coupon-exists", "There is a coupon with this code already.")
	}
	if err != nil {
		return fmt.Errorf("add coupon: %w", err)
	}
	return nil
}

// Replace saves a coupon that was made from the given state of it; whoever changed it meanwhile is not overwritten.
func (s couponStore) Replace(ctx context.Context, c order.Coupon, changedAt time.Time) error {
	tag, err := s.db.Exec(ctx, `update coupons set description = $3, kind = $4, percent_basis_points = $5, amounts = $6, minimum = $7,
		valid_from = $8, valid_until = $9, max_uses = $10, max_uses_per_customer = $11, active = $12, changed_at = clock_timestamp()
		where code = $1 and changed_at = $2`,
		c.Code, changedAt, c.Description, c.Kind, c.PercentBasisPoints, c.Amounts, c.Minimum, c.ValidFrom, c.ValidUntil,
		c.MaxUses, c.MaxUsesPerCustomer, c.Active)
	if err != nil {
		return fmt.Errorf("change coupon: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return errCouponChanged
	}
	return nil
}

// Remove deletes a coupon; orders keep what it took off. One that is not there is no error.
func (s couponStore) Remove(ctx context.Context, code string) error {
	if _, err := s.db.Exec(ctx, `delete from coupons where code = $1`, code); err != nil {
		return fmt.Errorf("remove coupon: %w", err)
	}
	return nil
}

// Coupon is one coupon, and when it was last changed.
func (s couponStore) Coupon(ctx context.Context, code string) (c order.Coupon, changedAt time.Time, err error) {
	rows, err := s.db.Query(ctx, `select `+couponColumns+`, changed_at from coupons where code = $1`, code)
	if err != nil {
		return c, changedAt, fmt.Errorf("load coupon: %w", err)
	}
	c, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (order.Coupon, error) { return scanCoupon(row, &changedAt) })
	if errors.Is(err, pgx.ErrNoRows) {
		return c, changedAt, errNoCoupon
	}
	return c, changedAt, err
}

// List is up to limit coupons in the order of their codes, after the given one.
func (s couponStore) List(ctx context.Context, after string, limit int) ([]order.Coupon, error) {
	rows, err := s.db.Query(ctx, `select `+couponColumns+` from coupons where code > $1 order by code limit $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list coupons: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (order.Coupon, error) { return scanCoupon(row) })
}

// Claim is what somebody would get for a code. Guests are told apart by the address that they gave, if they have yet.
func (s couponStore) Claim(ctx context.Context, code string, who identity.CustomerID, email string, at time.Time) (*order.Claim, error) {
	return claim(ctx, s.db, code, who, email, at, "")
}

type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func claim(ctx context.Context, db querier, code string, who identity.CustomerID, email string, at time.Time, lock string) (*order.Claim, error) {
	rows, err := db.Query(ctx, `select `+couponColumns+` from coupons where code = $1 `+lock, code)
	if err != nil {
		return nil, fmt.Errorf("load coupon: %w", err)
	}
	c, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (order.Coupon, error) { return scanCoupon(row) })
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, order.InvalidCoupon()
	}
	if err != nil {
		return nil, fmt.Errorf("load coupon: %w", err)
	}
	used := 0
	if c.MaxUsesPerCustomer > 0 {
		// A statement of its own: it sees what was committed while this transaction waited for the lock.
		if err := db.QueryRow(ctx, `select count(*) from coupon_uses u join orders o on o.id = u.order_id
			where u.code = $1 and (o.customer_id = $2 or lower(o.email) = lower($3))`, code, who, email).Scan(&used); err != nil {
			return nil, fmt.Errorf("count uses: %w", err)
		}
	}
	return &order.Claim{Coupon: c, Used: used, At: at}, nil
}

// spend uses the coupon of an order that is being placed, in its transaction. The price was made before that, so the
// coupon has to be worth the same still, and its limits are counted under its lock.
func spend(ctx context.Context, tx pgx.Tx, o *order.Order, priced order.Coupon, at time.Time) error {
	now, err := claim(ctx, tx, o.Coupon, o.Customer, o.Email, at, "for update")
	if err != nil {
		return err
	}
	if err := now.Admit(o.Subtotal); err != nil {
		return err
	}
	if !now.Coupon.SameWorth(priced) {
		return errCouponChanged
	}
	var b pgx.Batch
	b.Queue(`update coupons set uses = uses + 1 where code = $1`, o.Coupon)
	b.Queue(`insert into coupon_uses (order_id, code) values ($1, $2)`, o.ID, o.Coupon)
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("use coupon: %w", err)
	}
	return nil
}

// unspend gives the use of a coupon back when its order has ended without a purchase. A repeat finds nothing to give.
func unspend(ctx context.Context, tx pgx.Tx, orderID string) error {
	if _, err := tx.Exec(ctx, `with gone as (delete from coupon_uses where order_id = $1 returning code)
		update coupons set uses = uses - 1 from gone where coupons.code = gone.code`, orderID); err != nil {
		return fmt.Errorf("give a coupon's use back: %w", err)
	}
	return nil
}

// Seed adds the demo shop's coupon, once.
func (s couponStore) Seed(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `insert into coupons (code, description, kind, percent_basis_points, active)
		values ('WELCOME10', '10 % off your purchase', 'percent', 1000, true) on conflict do nothing`)
	if err != nil {
		return fmt.Errorf("seed coupons: %w", err)
	}
	return nil
}

// scanCoupon reads couponColumns, and what follows them into more.
func scanCoupon(row pgx.CollectableRow, more ...any) (c order.Coupon, err error) {
	err = row.Scan(append([]any{&c.Code, &c.Description, &c.Kind, &c.PercentBasisPoints, &c.Amounts, &c.Minimum, &c.ValidFrom, &c.ValidUntil,
		&c.MaxUses, &c.MaxUsesPerCustomer, &c.Active, &c.Uses}, more...)...)
	for _, t := range []*time.Time{c.ValidFrom, c.ValidUntil} {
		if t != nil {
			*t = t.UTC()
		}
	}
	return c, err
}
