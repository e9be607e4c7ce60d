package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/services/ordering/order"
)

// subscriptions is what ordering hears. Facts are never refused: the order decides what they still mean to it.
func (s *server) subscriptions() []outbox.Subscription {
	return []outbox.Subscription{
		{Producer: "inventory", Topic: events.TopicStockReserved, Apply: outbox.On(s.stockReserved)},
		{Producer: "inventory", Topic: events.TopicStockRejected, Apply: outbox.On(s.stockRejected)},
		{Producer: "payment", Topic: events.TopicPaymentCaptured, Apply: outbox.On(s.paymentCaptured)},
		{Producer: "payment", Topic: events.TopicPaymentFailed, Apply: outbox.On(s.paymentFailed)},
		{Producer: "payment", Topic: events.TopicPaymentActionRequired, Apply: outbox.On(s.paymentActionRequired)},
		{Producer: "payment", Topic: events.TopicPaymentRefunded, Apply: outbox.On(s.paymentRefunded)},
		{Producer: "payment", Topic: events.TopicPaymentDisputed, Apply: outbox.On(s.paymentDisputed)},
	}
}

func (s *server) stockReserved(ctx context.Context, tx pgx.Tx, e events.StockReserved) error {
	return s.apply(ctx, tx, e.OrderID, func(o *order.Order, at time.Time) { o.Reserve(s.wait, at) })
}

func (s *server) stockRejected(ctx context.Context, tx pgx.Tx, e events.StockRejected) error {
	return s.apply(ctx, tx, e.OrderID, func(o *order.Order, at time.Time) { o.Reject(at) })
}

func (s *server) paymentCaptured(ctx context.Context, tx pgx.Tx, e events.PaymentCaptured) error {
	if err := moved(e.PaymentID, e.Amount); err != nil {
		return err
	}
	return s.apply(ctx, tx, e.OrderID, func(o *order.Order, at time.Time) { o.Settle(e.PaymentID, e.Amount, at) })
}

func (s *server) paymentFailed(ctx context.Context, tx pgx.Tx, e events.PaymentFailed) error {
	return s.apply(ctx, tx, e.OrderID, func(o *order.Order, at time.Time) { o.FailPayment(e.Attempt, e.Code, at) })
}

func (s *server) paymentActionRequired(ctx context.Context, tx pgx.Tx, e events.PaymentActionRequired) error {
	return s.apply(ctx, tx, e.OrderID, func(o *order.Order, at time.Time) { o.RequireAction(e.RedirectURL, s.wait, at) })
}

func (s *server) paymentRefunded(ctx context.Context, tx pgx.Tx, e events.PaymentRefunded) error {
	if err := moved(e.PaymentID, e.Amount); err != nil {
		return err
	}
	return s.apply(ctx, tx, e.OrderID, func(o *order.Order, at time.Time) { o.Return(e.PaymentID, e.RefundID, e.Amount, at) })
}

// paymentDisputed tells the staff; what it costs is the provider's to take, and the reconciliation's to show.
func (s *server) paymentDisputed(ctx context.Context, tx pgx.Tx, e events.PaymentDisputed) error {
	if e.DisputeID == "" || e.Amount.Currency() == "" {
		return fmt.Errorf("%w: no dispute or no amount", events.ErrMalformed)
	}
	return s.apply(ctx, tx, e.OrderID, func(o *order.Order, at time.Time) { o.Dispute(e.DisputeID, e.State, e.Amount, e.Reason, at) })
}

func (s *server) apply(ctx context.Context, tx pgx.Tx, orderID string, change func(o *order.Order, at time.Time)) error {
	if uuid.Validate(orderID) != nil {
		return fmt.Errorf("%w: no order id", events.ErrMalformed)
	}
	at := s.now()
	return s.orders.Apply(ctx, tx, orderID, func(o *order.Order) { change(o, at) })
}

// moved refuses a movement of money that names no payment or no sum.
func moved(paymentID string, amount money.Amount) error {
	if paymentID == "" || amount.Minor() <= 0 {
		return fmt.Errorf("%w: no payment or no amount", events.ErrMalformed)
	}
	return nil
}

// sweep acts on orders whose wait is over. Waiting is data: what was due while everything was down is due now.
func (s *server) sweep(ctx context.Context) error {
	const batch, pause = 50, time.Second
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		n, err := s.orders.ActOnDue(ctx, s.now(), batch)
		if err != nil && ctx.Err() == nil {
			slog.Warn("due orders wait on", "error", err.Error())
		}
		if n == batch {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
