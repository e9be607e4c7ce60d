package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
)

const (
	guestTTL        = 30 * 24 * time.Hour
	tries           = 200
	defaultCurrency = "EUR"
)

// state is what a basket store needs of a key-value store: versioned reads and writes, as sidecar.StateStore gives them.
type state interface {
	Get(ctx context.Context, key string, v any) (etag string, found bool, err error)
	Save(ctx context.Context, key string, v any, etag string, ttl time.Duration) error
}

// store keeps one basket per shopper. Every write names the version that it replaces, so that of two writers the slower
// one repeats its change on what the faster one left.
type store struct{ state state }

func key(owner identity.CustomerID) string { return "basket/" + string(owner) }

// ttl lets a guest's basket go after thirty days without a change; a customer's stays.
func ttl(owner identity.CustomerID) time.Duration {
	if strings.HasPrefix(string(owner), "guest:") {
		return guestTTL
	}
	return 0
}

// Basket is the shopper's basket; one who has none, or whose basket is being merged into another, has an empty one.
func (s *store) Basket(ctx context.Context, owner identity.CustomerID) (*Basket, error) {
	b, _, err := s.Version(ctx, owner)
	return b, err
}

// Version is Basket, with the version to name when it is replaced; "" if there is none.
func (s *store) Version(ctx context.Context, owner identity.CustomerID) (*Basket, string, error) {
	b, etag, found, err := s.load(ctx, owner)
	if err != nil {
		return nil, "", err
	}
	if !found || b.MergedInto != "" {
		return &Basket{Currency: defaultCurrency}, "", nil
	}
	return b, etag, nil
}

// Update applies change to the shopper's basket, again and again until nobody else has written meanwhile: change may run
// several times, and nothing is saved if it fails.
func (s *store) Update(ctx context.Context, owner identity.CustomerID, change func(*Basket) error) (*Basket, error) {
	var saved *Basket
	err := s.retry(ctx, func() error {
		b, etag, found, err := s.load(ctx, owner)
		switch {
		case err != nil:
			return err
		case !found:
			b = newBasket(defaultCurrency)
		case b.MergedInto != "":
			if b, etag, err = s.finishMerge(ctx, owner, b, etag); err != nil {
				return err
			}
		}
		if err := change(b); err != nil {
			return err
		}
		saved = b
		return s.save(ctx, owner, b, etag)
	})
	return saved, err
}

// Merge moves a guest's basket into a customer's and leaves the guest an empty one. A merge that is interrupted anywhere
// is finished by its repetition or by the next who touches the guest's basket, and adds nothing twice.
func (s *store) Merge(ctx context.Context, guest, customer identity.CustomerID) (*Basket, error) {
	err := s.retry(ctx, func() error {
		b, etag, found, err := s.load(ctx, guest)
		if err != nil || !found || len(b.Lines) == 0 && b.MergedInto == "" {
			return err
		}
		if b.MergedInto == "" {
			// From here on nothing is added to the guest's basket any more: what Absorb sees is all there is.
			b.MergedInto = customer
			if err := s.save(ctx, guest, b, etag); err != nil {
				return err
			}
			if b, etag, found, err = s.load(ctx, guest); err != nil || !found || b.MergedInto == "" {
				return err // somebody else has finished it
			}
		}
		_, _, err = s.finishMerge(ctx, guest, b, etag)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.Basket(ctx, customer)
}

// finishMerge adds a guest's basket to its heir's and puts the guest's empty successor in its place.
func (s *store) finishMerge(ctx context.Context, guest identity.CustomerID, b *Basket, etag string) (*Basket, string, error) {
	_, err := s.Update(ctx, b.MergedInto, func(heir *Basket) error {
		heir.Absorb(b)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	next := b.successor()
	if err := s.save(ctx, guest, next, etag); err != nil {
		return nil, "", err
	}
	next, etag, found, err := s.load(ctx, guest)
	if err == nil && (!found || next.MergedInto != "") {
		err = sidecar.ErrETag
	}
	return next, etag, err
}

// Clear takes out what an order bought from the basket it was checked out from, wherever that basket's lines are now. A
// basket that is gone, with the state store or otherwise, needs nothing taken out.
func (s *store) Clear(ctx context.Context, order events.OrderPlaced) error {
	return s.retry(ctx, func() error {
		owner := identity.CustomerID(order.CustomerID)
		b, etag, found, err := s.load(ctx, owner)
		if err != nil || !found {
			return err
		}
		if b.MergedInto != "" {
			if b, etag, err = s.finishMerge(ctx, owner, b, etag); err != nil {
				return err
			}
		}
		if i := slices.IndexFunc(b.Moved, func(m Move) bool { return m.ID == order.BasketID }); i >= 0 {
			owner = b.Moved[i].To
			b, etag, found, err = s.load(ctx, owner)
			if err != nil || !found || !slices.Contains(b.Absorbed, order.BasketID) {
				return err
			}
		} else if b.ID != order.BasketID {
			return nil
		}
		if !b.Clear(order.OrderID, order.Lines) {
			return nil
		}
		return s.save(ctx, owner, b, etag)
	})
}

// ClearVersion is Clear for one who has just read b in this version, and saves the reading unless somebody wrote meanwhile.
func (s *store) ClearVersion(ctx context.Context, b *Basket, etag string, order events.OrderPlaced) error {
	if b.ID != order.BasketID || etag == "" || !b.Clear(order.OrderID, order.Lines) {
		return nil
	}
	err := s.save(ctx, identity.CustomerID(order.CustomerID), b, etag)
	if errors.Is(err, sidecar.ErrETag) {
		return s.Clear(ctx, order)
	}
	return err
}

// retry repeats an attempt that lost a race, after a moment that differs between the racers.
func (s *store) retry(ctx context.Context, attempt func() error) error {
	for i := range tries {
		err := attempt()
		if !errors.Is(err, sidecar.ErrETag) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(time.Millisecond * time.Duration(min(i+1, 20)))):
		}
	}
	return problem.New(problem.Conflict, "basket-busy", "The basket is being changed elsewhere. Please try again.").
		WithRetryAfter(time.Second)
}

func (s *store) load(ctx context.Context, owner identity.CustomerID) (b *Basket, etag string, found bool, err error) {
	b = &Basket{}
	etag, found, err = s.state.Get(ctx, key(owner), b)
	return b, etag, found, unavailable(err)
}

func (s *store) save(ctx context.Context, owner identity.CustomerID, b *Basket, etag string) error {
	return unavailable(s.state.Save(ctx, key(owner), b, etag, ttl(owner)))
}

func unavailable(err error) error {
	if err == nil || errors.Is(err, sidecar.ErrETag) {
		return err
	}
	p := problem.New(problem.Unavailable, "service-unavailable", "The basket cannot be reached at the moment.").WithRetryAfter(time.Second)
	return fmt.Errorf("%w: %w", p, err)
}

// Ready reports whether the state store answers.
func (s *store) Ready(ctx context.Context) error {
	_, err := cursors{s}.Load(ctx, "ordering")
	return err
}

// cursors keeps how far the catch-up with a producer's feed has come, beside the baskets: who loses the one loses the
// other. Of two replicas the last one wins, which at worst repeats facts.
type cursors struct{ store *store }

func (c cursors) Load(ctx context.Context, producer string) (string, error) {
	var cursor string
	_, _, err := c.store.state.Get(ctx, "cursor/"+producer, &cursor)
	return cursor, err
}

func (c cursors) Save(ctx context.Context, producer, cursor string) error {
	return c.store.retry(ctx, func() error {
		var old string
		etag, _, err := c.store.state.Get(ctx, "cursor/"+producer, &old)
		if err != nil || old == cursor {
			return err
		}
		return c.store.state.Save(ctx, "cursor/"+producer, cursor, etag, 0)
	})
}
