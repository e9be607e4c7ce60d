package main

import (
	"context"
	"fmt"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/outbox"
)

// subscriptions is what basket hears. Everything is applied by natural key, since there is no inbox here.
func (s *server) subscriptions() []outbox.PlainSubscription {
	return []outbox.PlainSubscription{
		{Producer: "ordering", Topic: events.TopicOrderPlaced, Apply: s.orderPlaced},
	}
}

// orderPlaced takes out what was bought, if that was not done at the checkout: who died in between, or could not save, is
// made up for here.
func (s *server) orderPlaced(ctx context.Context, e events.Envelope) error {
	order, err := outbox.Decode[events.OrderPlaced](e)
	if err != nil {
		return err
	}
	if order.OrderID == "" || order.CustomerID == "" {
		return fmt.Errorf("%w: no order or no customer", events.ErrMalformed)
	}
	if _, done := s.cleared.Get(order.OrderID); done {
		return nil
	}
	return s.baskets.Clear(ctx, order)
}
