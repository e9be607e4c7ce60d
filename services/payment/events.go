package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/services/payment/payment"
)

// subscriptions is what we hear. Nothing here talks to a provider: each fact is committed with its effect, and the worker
// is woken by that commit.
func (s *server) subscriptions() []outbox.Subscription {
	return []outbox.Subscription{
		{Producer: "ordering", Topic: events.TopicPaymentRequested, Apply: outbox.On(s.paymentRequested)},
		{Producer: "ordering", Topic: events.TopicOrderClosed, Apply: outbox.On(orderClosed)},
		{Producer: "ordering", Topic: events.TopicRefundRequested, Apply: outbox.On(refundRequested)},
	}
}

// paymentRequested begins an attempt. One at a provider that is not on offer fails at once.
func (s *server) paymentRequested(ctx context.Context, tx pgx.Tx, e events.PaymentRequested) error {
	if e.OrderID == "" || e.Attempt < 1 || e.Amount.Minor() < 1 {
		return fmt.Errorf("%w: a payment request without order, attempt or amount", events.ErrMalformed)
	}
	return plan(ctx, tx, e.OrderID, func(p *payment.Payment) {
		known := len(p.Attempts)
		p.Request(newID(), e)
		if len(p.Attempts) > known && !slices.Contains(s.offered, e.Provider) {
			p.Learn(e.Attempt, payment.Answer{Outcome: payment.OutcomeFailed, Code: "provider_not_offered"}, newID(), s.now())
		}
	})
}

// orderClosed gives up what has not taken money. It may overtake the request that it ends.
func orderClosed(ctx context.Context, tx pgx.Tx, e events.OrderClosed) error {
	if e.OrderID == "" {
		return fmt.Errorf("%w: a closed order without id", events.ErrMalformed)
	}
	return plan(ctx, tx, e.OrderID, (*payment.Payment).Close)
}

// refundRequested sends money back.
func refundRequested(ctx context.Context, tx pgx.Tx, e events.RefundRequested) error {
	if e.OrderID == "" || e.PaymentID == "" || e.Reason == "" {
		return fmt.Errorf("%w: a refund request without order, payment or reason", events.ErrMalformed)
	}
	return plan(ctx, tx, e.OrderID, func(p *payment.Payment) { p.Return(newID(), e) })
}
