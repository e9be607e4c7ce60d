package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// DisputeState is where a dispute stands for us.
type DisputeState string

const (
	DisputeOpen DisputeState = "open"
	DisputeWon  DisputeState = "won"  // the money stays with us
	DisputeLost DisputeState = "lost" // it went back to the customer
)

// Dispute is a customer's claim, at the bank or at the provider, to the money of an order. Providers name the payment by
// their reference, or by the order and attempt that we gave them.
type Dispute struct {
	ID        string // the provider's
	Reference string
	OrderID   string
	Attempt   int
	Amount    money.Amount
	State     DisputeState
	Reason    string // the provider's word
	OpenedAt  time.Time
}

// dispute records how a dispute stands, and tells of it if that is new. What is won or lost stays so, since webhooks come in
// any order.
func dispute(ctx context.Context, tx pgx.Tx, provider string, d Dispute) error {
	var orderID, paymentID string
	err := tx.QueryRow(ctx, `
		select order_id, id from attempts
		where provider = $1 and (reference = $2 and $2 <> '' or order_id = $3 and number = $4) limit 1`,
		provider, d.Reference, d.OrderID, d.Attempt).Scan(&orderID, &paymentID)
	switch {
	case errors.Is(err, pgx.ErrNoRows) && d.Reference == "":
		return nil // an attempt is committed before the provider learns of it: none of ours
	case err != nil && !errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("look for the payment of dispute %s: %w", d.ID, err)
	}
	tag, err := tx.Exec(ctx, `
		insert into disputes (provider, id, reference, order_id, payment_id, amount, currency, state, reason, opened_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		on conflict (provider, id) do update set order_id = excluded.order_id, payment_id = excluded.payment_id, amount = excluded.amount,
			state = excluded.state, reason = excluded.reason, changed_at = now()
		where disputes.state = 'open' and (disputes.order_id, disputes.amount, disputes.state, disputes.reason)
			is distinct from (excluded.order_id, excluded.amount, excluded.state, excluded.reason)`,
		provider, d.ID, d.Reference, orderID, paymentID, d.Amount.Minor(), d.Amount.Currency(), d.State, d.Reason, d.OpenedAt)
	if err != nil {
		return fmt.Errorf("save dispute %s: %w", d.ID, err)
	}
	if tag.RowsAffected() == 0 || orderID == "" {
		return nil
	}
	d.OrderID = orderID
	return tellDispute(ctx, tx, d, paymentID)
}

func tellDispute(ctx context.Context, tx pgx.Tx, d Dispute, paymentID string) error {
	slog.Warn("payment disputed", "order", d.OrderID, "dispute", d.ID, "state", d.State, "reason", d.Reason)
	return outbox.Add(ctx, tx, events.PaymentDisputed{
		OrderID: d.OrderID, PaymentID: paymentID, DisputeID: d.ID, Amount: d.Amount, State: string(d.State), Reason: d.Reason,
	})
}

// AdoptDisputes gives disputes that were heard of too early to the payments whose reference we have learned since.
func (s *store) AdoptDisputes(ctx context.Context) error {
	return postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			update disputes d set order_id = a.order_id, payment_id = a.id, changed_at = now() from attempts a
			where d.order_id = '' and a.reference = d.reference and a.reference <> '' and a.provider = d.provider
			returning d.id, d.order_id, d.payment_id, d.amount, d.currency, d.state, d.reason`)
		if err != nil {
			return fmt.Errorf("adopt disputes: %w", err)
		}
		type adopted struct {
			Dispute
			paymentID string
		}
		all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a adopted, err error) {
			var minor int64
			var currency string
			if err = row.Scan(&a.ID, &a.OrderID, &a.paymentID, &minor, &currency, &a.State, &a.Reason); err == nil {
				a.Amount, err = money.New(minor, currency)
			}
			return a, err
		})
		if err != nil {
			return fmt.Errorf("adopt disputes: %w", err)
		}
		for _, a := range all {
			if err := tellDispute(ctx, tx, a.Dispute, a.paymentID); err != nil {
				return err
			}
		}
		return nil
	})
}

type disputeView struct {
	ID        string       `json:"id"`
	Provider  string       `json:"provider"`
	OrderID   string       `json:"orderId"`
	PaymentID string       `json:"paymentId"`
	Amount    money.Amount `json:"amount"`
	State     DisputeState `json:"state"`
	Reason    string       `json:"reason"`
	OpenedAt  time.Time    `json:"openedAt"`
	ChangedAt time.Time    `json:"changedAt"`
}

// listDisputes shows staff the disputes about our orders, the newest first.
func (s *server) listDisputes(w http.ResponseWriter, r *http.Request) error {
	limit, err := web.Limit(r, 20, 100)
	if err != nil {
		return err
	}
	before, id, err := parseDisputeCursor(r.URL.Query().Get("cursor"))
	if err != nil {
		return err
	}
	page, err := s.store.Disputes(r.Context(), before, id, limit+1)
	if err != nil {
		return err
	}
	answer := web.Page[disputeView]{Items: page}
	if len(page) > limit {
		answer.Items = page[:limit]
		last := page[limit-1]
		answer.NextCursor = strconv.FormatInt(last.OpenedAt.UnixMicro(), 10) + "_" + last.ID
	}
	return web.Encode(w, http.StatusOK, answer)
}

// parseDisputeCursor reads when the last dispute of the page before was opened, and its id.
func parseDisputeCursor(cursor string) (before time.Time, id string, err error) {
	if cursor == "" {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), "", nil
	}
	micros, id, ok := strings.Cut(cursor, "_")
	n, err := strconv.ParseInt(micros, 10, 64)
	if !ok || err != nil || n < 0 || n > 253370764800e6 { // the year 9999
		return before, "", problem.New(problem.Invalid, "invalid-cursor", "cursor is not one that a page of this list ended with.")
	}
	return time.UnixMicro(n).UTC(), id, nil
}

// Disputes are at most n disputes about our orders that were opened before the one of that time and id, the newest first.
func (s *store) Disputes(ctx context.Context, before time.Time, id string, n int) ([]disputeView, error) {
	rows, err := s.pool.Query(ctx, `
		select provider, id, order_id, payment_id, amount, currency, state, reason, opened_at, changed_at from disputes
		where order_id <> '' and (opened_at, id) < ($1, $2) order by opened_at desc, id desc limit $3`, before, id, n)
	if err != nil {
		return nil, fmt.Errorf("list disputes: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (v disputeView, err error) {
		var minor int64
		var currency string
		if err = row.Scan(&v.Provider, &v.ID, &v.OrderID, &v.PaymentID, &minor, &currency, &v.State, &v.Reason, &v.OpenedAt, &v.ChangedAt); err == nil {
			v.Amount, err = money.New(minor, currency)
		}
		return v, err
	})
	if err != nil {
		return nil, fmt.Errorf("list disputes: %w", err)
	}
	return list, nil
}
