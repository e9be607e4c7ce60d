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
	out, err := s.apply(ctx, tx, reservation.Placed, e.OrderID, lines, from.Add(s.hold).UTC())
	if err != nil || !out.Changed {
		return err
	}
	switch out.State {
	case reservation.Held:
		return outbox.Add(ctx, tx, events.StockReserved{OrderID: e.OrderID, ExpiresAt: out.ExpiresAt})
	case reservation.Rejected:
		return outbox.Add(ctx, tx, events.StockRejected{OrderID: e.OrderID, Shortages: reservation.Shortages(lines, out.Free)})
	}
	return nil // it is paid already, so nobody waits for its stock to be held
}

func (s *server) orderPaid(ctx context.Context, tx pgx.Tx, e events.OrderPaid) error {
	_, err := s.apply(ctx, tx, reservation.Paid, e.OrderID, nil, s.now())
	return err
}

func (s *server) orderClosed(ctx context.Context, tx pgx.Tx, e events.OrderClosed) error {
	_, err := s.apply(ctx, tx, reservation.Closed, e.OrderID, nil, s.now())
	return err
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

func (s *server) apply(ctx context.Context, tx pgx.Tx, f reservation.Fact, orderID string, lines []reservation.Line, expiresAt time.Time) (Outcome, error) {
	if uuid.Validate(orderID) != nil {
		return Outcome{}, fmt.Errorf("%w: no order id", events.ErrMalformed)
	}
	out, err := s.stock.Apply(ctx, tx, f, orderID, lines, expiresAt)
	if err == nil && out.Changed && out.State == reservation.Owed {
		slog.Error("paid, and not in stock: find the pieces or cancel the order", "order", orderID)
	}
	return out, err
}

// sweep lets go, every few seconds, of what was held for too long. What was due while everything was down is due now.
func (s *server) sweep(ctx context.Context) error {
	for {
		found, err := s.stock.ExpireNext(ctx, s.now())
		if err != nil && ctx.Err() == nil {
			slog.Warn("held stock is not let go", "error", err.Error())
		}
		if found && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(2 * time.Second):
		}
	}
}
