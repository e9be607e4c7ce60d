package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar/sidecartest"
)

const (
	guest = identity.CustomerID("guest:abc")
	anna  = identity.CustomerID("anna")
)

// background is for properties: rapid runs them without a context of a test.
var background = context.Background()

var skus = []string{"mug", "cup", "pot", "pan", "jug"}

func linesOf(t *rapid.T, label string) (lines []Line) {
	for _, sku := range rapid.SliceOfNDistinct(rapid.SampledFrom(skus), 0, len(skus), rapid.ID[string]).Draw(t, label) {
		lines = append(lines, Line{sku, rapid.IntRange(1, maxQuantity).Draw(t, sku)})
	}
	return lines
}

func quantities(lines []Line) map[string]int {
	m := map[string]int{}
	for _, l := range lines {
		m[l.SKU] += l.Quantity
	}
	return m
}

func fill(t require.TestingT, s *store, owner identity.CustomerID, lines []Line) *Basket {
	b, err := s.Update(background, owner, func(b *Basket) error {
		for _, l := range lines {
			if err := b.Set(l); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, err)
	return b
}

func TestLimits(t *testing.T) {
	t.Parallel()
	b := newBasket("EUR")
	for i := range maxLines {
		require.NoError(t, b.Set(Line{fmt.Sprint("sku-", i), 1}))
	}
	require.True(t, problem.Is(b.Set(Line{"one-more", 1}), "basket-full"))
	require.NoError(t, b.Set(Line{"sku-7", 99}), "a full basket may still be changed")
	require.Equal(t, 198, b.Count())
	for _, n := range []int{-1, 0, 100, 1_000_000_000} {
		_, err := newLine("mug", n)
		require.True(t, problem.Is(err, "invalid-quantity"), "%d", n)
	}
	for _, sku := range []string{"", ".", "../x", "a b", "ä", "a,b", "a/b", string(make([]byte, 65))} {
		_, err := newLine(sku, 1)
		require.True(t, problem.Is(err, "unknown-sku"), "%q", sku)
	}
}

func TestClearOncePerOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := &store{sidecartest.NewMemory()}
		bought, later := linesOf(t, "bought"), linesOf(t, "later")
		b := fill(t, s, anna, bought)
		order := events.OrderPlaced{OrderID: "o1", CustomerID: string(anna), BasketID: b.ID}
		for _, l := range bought {
			order.Lines = append(order.Lines, events.OrderLine{SKU: l.SKU, Quantity: l.Quantity})
		}
		// What is added after the checkout survives, though it is in the same basket and perhaps the same line.
		want := quantities(later)
		_, err := s.Update(background, anna, func(b *Basket) error {
			for _, l := range later {
				if i := b.index(l.SKU); i >= 0 {
					b.Lines[i].Quantity += l.Quantity
				} else {
					b.Lines = append(b.Lines, l)
				}
			}
			return nil
		})
		require.NoError(t, err)
		for range rapid.IntRange(1, 10).Draw(t, "repeats") {
			require.NoError(t, s.Clear(background, order))
		}
		b, err = s.Basket(background, anna)
		require.NoError(t, err)
		require.Equal(t, want, quantities(b.Lines))
	})
}

func TestClearLeavesOtherBasketsAlone(t *testing.T) {
	t.Parallel()
	s := &store{sidecartest.NewMemory()}
	b := fill(t, s, anna, []Line{{"mug", 2}})
	lines := []events.OrderLine{{SKU: "mug", Quantity: 2}}
	for name, order := range map[string]events.OrderPlaced{
		"an earlier basket of hers": {OrderID: "o1", CustomerID: string(anna), BasketID: "gone", Lines: lines},
		"somebody else's":           {OrderID: "o2", CustomerID: "boris", BasketID: b.ID, Lines: lines},
	} {
		require.NoError(t, s.Clear(background, order), name)
		after, err := s.Basket(background, anna)
		require.NoError(t, err)
		require.Equal(t, b.Lines, after.Lines, name)
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	t.Parallel()
	b := newBasket("EUR")
	for i := range 1000 {
		b.Clear(fmt.Sprint(i), nil)
		b.Absorb(&Basket{ID: fmt.Sprint(i), Currency: "EUR"})
	}
	require.Len(t, b.Bought, rememberOrders)
	require.Len(t, b.Absorbed, rememberMerges)
	require.False(t, b.Clear("999", nil))
}

var errBroken = errors.New("the state store broke")

// A merge that breaks anywhere and is repeated, by whoever, adds every piece exactly once.
func TestMergeAddsOnceWhateverBreaks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := sidecartest.NewMemory()
		s := &store{m}
		guests, own := linesOf(t, "guest's"), linesOf(t, "own")
		if len(guests) > 0 {
			fill(t, s, guest, guests)
		}
		if len(own) > 0 {
			fill(t, s, anna, own)
		}
		want := quantities(own)
		for sku, n := range quantities(guests) {
			want[sku] = min(want[sku]+n, maxQuantity)
		}
		breaks := rapid.SliceOfN(rapid.Bool(), 0, 20).Draw(t, "breaks")
		m.Before = func(string) error {
			if len(breaks) == 0 {
				return nil
			}
			broken := breaks[0]
			breaks = breaks[1:]
			if broken {
				return errBroken
			}
			return nil
		}
		for done := 0; done < 2; {
			var err error
			if rapid.Bool().Draw(t, "the guest's tab looks") {
				_, err = s.Update(background, guest, func(*Basket) error { return errBroken })
			} else if _, err = s.Merge(background, guest, anna); err == nil {
				done++
			}
			if err != nil {
				require.ErrorIs(t, err, errBroken)
			}
		}
		m.Before = nil
		b, err := s.Basket(background, anna)
		require.NoError(t, err)
		require.Equal(t, want, quantities(b.Lines))
		b, err = s.Basket(background, guest)
		require.NoError(t, err)
		require.Empty(t, b.Lines, "the guest's basket is dead")
	})
}

func TestMergeWhileTheGuestKeepsAdding(t *testing.T) {
	t.Parallel()
	s := &store{sidecartest.NewMemory()}
	var group errgroup.Group
	for i := range 50 {
		group.Go(func() error {
			_, err := s.Update(background, guest, func(b *Basket) error { return b.Set(Line{fmt.Sprint("sku-", i), 1}) })
			return err
		})
	}
	for range 10 {
		group.Go(func() error { _, err := s.Merge(background, guest, anna); return err })
	}
	require.NoError(t, group.Wait())
	b, err := s.Merge(background, guest, anna)
	require.NoError(t, err)
	require.Len(t, b.Lines, 50)
	for _, l := range b.Lines {
		require.Equal(t, 1, l.Quantity, l.SKU)
	}
}

func TestOrderOfAGuestWhoSignedInMeanwhile(t *testing.T) {
	t.Parallel()
	s := &store{sidecartest.NewMemory()}
	b := fill(t, s, guest, []Line{{"mug", 2}})
	fill(t, s, anna, []Line{{"mug", 1}, {"cup", 1}})
	order := events.OrderPlaced{OrderID: "o1", CustomerID: string(guest), BasketID: b.ID, Lines: []events.OrderLine{{SKU: "mug", Quantity: 2}}}
	_, err := s.Merge(background, guest, anna)
	require.NoError(t, err)
	fill(t, s, guest, []Line{{"mug", 5}}) // the guest's next basket is another one
	for range 3 {
		require.NoError(t, s.Clear(background, order))
	}
	b, err = s.Basket(background, anna)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"mug": 1, "cup": 1}, quantities(b.Lines))
	b, err = s.Basket(background, guest)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"mug": 5}, quantities(b.Lines))
}

func TestMergeKeepsToTheLimits(t *testing.T) {
	t.Parallel()
	own, others := newBasket("USD"), newBasket("EUR")
	for i := range 80 {
		require.NoError(t, own.Set(Line{fmt.Sprint("own-", i), 1}))
		require.NoError(t, others.Set(Line{fmt.Sprint("guest-", i), 1}))
	}
	require.NoError(t, others.Set(Line{"own-0", 99}))
	others.UseCoupon("THEIRS")
	own.Absorb(others)
	require.Equal(t, "THEIRS", own.Coupon)
	require.Len(t, own.Lines, maxLines)
	require.Equal(t, 99, own.Lines[0].Quantity)
	require.Equal(t, "USD", own.Currency)
	require.True(t, slices.ContainsFunc(own.Lines, func(l Line) bool { return l.SKU == "guest-19" }))
}

func TestGuestsBasketGoesAfterThirtyDays(t *testing.T) {
	t.Parallel()
	require.Equal(t, guestTTL, ttl(guest))
	require.Zero(t, ttl(anna))
}

func TestCursorOnlyMovesByVersion(t *testing.T) {
	t.Parallel()
	c := cursors{&store{sidecartest.NewMemory()}}
	cursor, err := c.Load(background, "ordering")
	require.NoError(t, err)
	require.Empty(t, cursor)
	var group errgroup.Group
	for i := range 20 {
		group.Go(func() error { return c.Save(background, "ordering", fmt.Sprint(rand.IntN(5), i)) })
	}
	require.NoError(t, group.Wait())
	require.NoError(t, c.Save(background, "ordering", "7-1"))
	cursor, err = c.Load(background, "ordering")
	require.NoError(t, err)
	require.Equal(t, "7-1", cursor)
}
