package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/services/inventory/reservation"
)

// subscriptions is what inventory hears. Facts are never refused; the table of steps says what each still means.
func (s *server) subscriptions() []outbox.Subscription {
	return []outbox.Subscription{
		{Producer: "ordering", Topic: events.TopicOrderPlaced, Apply: outbox.On(s.orderPlaced)},
		{Producer: "ordering", Topic: events.TopicOrderPaid, Apply: outbox.On(s.orderPaid)},
		{Producer: "ordering", Topic: events.TopicOrderClosed, Apply: outbox.On(s.orderClosed)},
		{Producer: "ordering", Topic: events.TopicReturnReceived, Apply: outbox.On(s.returnReceived)},
	}
}

// orderPlaced holds the stock of an order and tells whether that worked, in one transaction. The hold outlasts the time
// that ordering gives its payment, counted from the later of its deadline and now, since a fact may come a day late.
func (s *server) orderPlaced(ctx context.Context, tx pgx.Tx, e events.OrderPlaced) error {
	lines, err := reservation.NewLines(e.Lines)
	if err != nil {
		return err
	}
	from := s.now()
	if e.ExpiresAt.After(from) {
		from = e.ExpiresAt
	}
	return s.apply(ctx, tx, reservation.Placed, e.OrderID, lines, from.Add(s.hold).UTC())
}

func (s *server) orderPaid(ctx context.Context, tx pgx.Tx, e events.OrderPaid) error {
	return s.apply(ctx, tx, reservation.Paid, e.OrderID, nil, s.now())
}

func (s *server) orderClosed(ctx context.Context, tx pgx.Tx, e events.OrderClosed) error {
	return s.apply(ctx, tx, reservation.Closed, e.OrderID, nil, s.now())
}

// returnReceived puts back what a customer returned, if it can be sold again. It does not look at the reservation: what
// has come back is here, whatever was heard of the order so far.
func (s *server) returnReceived(ctx context.Context, tx pgx.Tx, e events.ReturnReceived) error {
	if uuid.Validate(e.ReturnID) != nil {
		return fmt.Errorf("%w: no return id", events.ErrMalformed)
	}
	lines, err := reservation.NewLines(e.Lines)
	if err != nil || !e.Restock {
		return err
	}
	return s.stock.PutBack(ctx, tx, e.ReturnID, lines)
}

// apply names the order as PostgreSQL does, so that all facts of a round that are about it meet.
func (s *server) apply(ctx context.Context, tx pgx.Tx, f reservation.Fact, orderID string, lines []reservation.Line, expiresAt time.Time) error {
	id, err := uuid.Parse(orderID)
	if err != nil {
		return fmt.Errorf("%w: no order id", events.ErrMalformed)
	}
	return s.stock.Apply(ctx, tx, f, id.String(), lines, expiresAt)
}

// sweep lets go, every few seconds, of what was held for too long. What was due while everything was down is due now.
func (s *server) sweep(ctx context.Context) error {
	for {
		n, err := s.stock.Expire(ctx, s.now())
		if err != nil && ctx.Err() == nil {
			slog.Warn("held stock is not let go", "error", err.Error())
		}
		if n > 0 && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(2 * time.Second):
		}
	}
}
