package main

import (
	"context"
	"time"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/privacy"
)

// Export is what a person has in the basket.
func (s *store) Export(ctx context.Context, person identity.CustomerID) (map[string]any, error) {
	b, err := s.Basket(ctx, person)
	if err != nil {
		return nil, err
	}
	return map[string]any{"basket": b.Lines}, nil
}

// Erase empties the basket and lets it go a moment later. It is overwritten rather than deleted, so that a change under
// way, which names the version it saw, does not bring it back.
func (s *store) Erase(ctx context.Context, person identity.CustomerID) ([]privacy.Kept, error) {
	return nil, s.retry(ctx, func() error {
		_, etag, found, err := s.load(ctx, person)
		if err != nil || !found {
			return err
		}
		return unavailable(s.state.Save(ctx, key(person), &Basket{Currency: defaultCurrency}, etag, time.Second))
	})
}
