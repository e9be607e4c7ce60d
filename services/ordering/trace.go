package main

import (
	"context"
	"errors"

	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/services/ordering/order"
)

// trace is the order's own timeline.
func (s *store) trace(ctx context.Context, orderID string) ([]outbox.Step, error) {
	o, err := s.Order(ctx, orderID)
	if errors.Is(err, order.ErrNotFound) {
		return nil, nil // others may have heard of it
	}
	if err != nil {
		return nil, err
	}
	steps := make([]outbox.Step, len(o.Timeline))
	for i, e := range o.Timeline {
		steps[i] = outbox.Step{At: e.At, Service: app, Kind: "timeline", Name: string(e.Status), Detail: e.Note}
	}
	return steps, nil
}
