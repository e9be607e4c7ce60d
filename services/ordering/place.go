package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/internal/batch"
	"github.com/sidecart/sidecart/internal/idempotency"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/ordering/order"
)

const (
	maxArrivals = 32 // orders that one transaction places at most
	placeTime   = 10 * time.Second
)

// arrival is an order that somebody waits for to be placed.
type arrival struct {
	key   idempotency.Key
	draft order.Draft
	at    time.Time
	trace string
}

// Placed is the answer that an earlier request with this key got, if there was one.
func (s *store) Placed(ctx context.Context, k idempotency.Key) (idempotency.Answer, bool, error) {
	return idempotency.Stored(ctx, s.db, k)
}

// Place saves a new order, the fact that it was placed and the answer to its idempotency key in one transaction, and uses
// the coupon that it was priced with, if any. When the key already has an answer, or the same content of a basket has
// become an order under another key, that is returned and nothing is saved. Orders of the same moment share the transaction;
// those with a coupon wait for its lock, and not together.
func (s *store) Place(ctx context.Context, k idempotency.Key, d order.Draft, coupon *order.Coupon, at time.Time) (idempotency.Answer, error) {
	a := arrival{k, d, at, web.TraceParent(ctx)}
	if coupon != nil {
		return s.placeAlone(ctx, a, coupon)
	}
	placed := s.arrivals.Do(ctx, a)[0]
	return placed.Out, placed.Err
}

// placeRound places a round of orders in one transaction or, should that fail, each in one of its own.
func (s *store) placeRound(ctx context.Context, round []*batch.Item[arrival, idempotency.Answer]) {
	ctx, cancel := context.WithTimeout(ctx, placeTime)
	defer cancel()
	if len(round) > 1 && s.placeAll(ctx, round) == nil {
		return
	}
	for _, item := range round {
		item.Out, item.Err = s.placeAlone(web.WithTraceParent(ctx, item.In.trace), item.In, nil)
	}
}

func (s *store) placeAll(ctx context.Context, round []*batch.Item[arrival, idempotency.Answer]) error {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) (err error) {
		var b pgx.Batch
		orders := make([]*order.Order, len(round))
		for i, item := range round {
			a := item.In
			orders[i] = order.Place(newNumber(a.at), a.draft, s.wait, a.at)
			s.insert(&b, orders[i])
			if item.Out, err = a.key.Save(&b, http.StatusAccepted, placedView{newOrderView(orders[i], a.at)}); err != nil {
				return err
			}
		}
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return fmt.Errorf("place orders: %w", err)
		}
		for i, o := range orders {
			if err := s.tell(web.WithTraceParent(ctx, round[i].In.trace), tx, o); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *store) placeAlone(ctx context.Context, a arrival, coupon *order.Coupon) (answer idempotency.Answer, err error) {
	for range 3 {
		o := order.Place(newNumber(a.at), a.draft, s.wait, a.at)
		answer, err = idempotency.Run(ctx, s.db, a.key, func(tx pgx.Tx) (int, any, error) {
			var b pgx.Batch
			s.insert(&b, o)
			if err := tx.SendBatch(ctx, &b).Close(); err != nil {
				return 0, nil, fmt.Errorf("place order: %w", err)
			}
			if coupon != nil {
				if err := spend(ctx, tx, o, *coupon, a.at); err != nil {
					return 0, nil, err
				}
			}
			return http.StatusAccepted, placedView{newOrderView(o, a.at)}, s.tell(ctx, tx, o)
		})
		switch {
		case postgres.IsUnique(err, "orders_checkout"):
			answer, _, err = s.PlacedFrom(ctx, a.key, a.draft.Customer, a.draft.CheckoutID, a.at)
			return answer, err
		case !postgres.IsUnique(err, "orders_number"):
			return answer, err
		}
	}
	return answer, err
}

// insert adds to b what saves a new order.
func (s *store) insert(b *pgx.Batch, o *order.Order) {
	b.Queue(`insert into orders (id, number, customer_id, basket_id, checkout_id, status, placed_at, due_at, currency,
		subtotal, coupon, discount, shipping, tax, tax_rate, total, shipping_method, email, address, lines, payment, timeline)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)`,
		o.ID, o.Number, o.Customer, o.BasketID, nullable(o.CheckoutID), o.Status, o.PlacedAt, nullable(o.Due(s.wait)), o.Currency,
		o.Subtotal.Minor(), nullable(o.Coupon), o.Discount.Minor(), o.Shipping.Minor(), o.Tax.Minor(), o.TaxBasisPoints, o.Total.Minor(),
		o.ShippingMethod, o.Email, o.Address, o.Lines, o.Payment, o.Timeline)
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
