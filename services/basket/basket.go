package main

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
)

// Limits of a basket. What it remembers is bounded too: far more than can be under way for one shopper at a time.
const (
	maxLines       = 100
	maxQuantity    = 99
	rememberOrders = 100
	rememberMerges = 20
)

// Basket is what a shopper wants to buy. It holds no name, and no price that counts: those are catalog's, and are asked
// for whenever the basket is shown or checked out.
type Basket struct {
	ID       string `json:"id"`
	Currency string `json:"currency"`
	Lines    []Line `json:"lines"`
	Coupon   string `json:"coupon,omitempty"` // a code in capital letters; what it is worth is ordering's to say

	// CheckoutID names this content: it is another one as soon as anything that is bought changes. Ordering makes one order
	// of it, however many tabs check it out.
	CheckoutID string `json:"checkoutId,omitempty"`

	// Seen is what each article cost when the shopper last put it in or read a quote, to tell of changes since.
	Seen map[string]money.Amount `json:"seen,omitempty"`

	Bought     []string            `json:"bought,omitempty"`     // the orders whose lines were taken out
	Absorbed   []string            `json:"absorbed,omitempty"`   // the guest baskets that were merged into this one
	MergedInto identity.CustomerID `json:"mergedInto,omitempty"` // set while this guest basket is being merged
	Moved      []Move              `json:"moved,omitempty"`      // the earlier baskets of this guest
}

// Line is how many pieces of a variant are wanted: 1 to 99.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// Move says to whom a guest's basket went.
type Move struct {
	ID string              `json:"id"`
	To identity.CustomerID `json:"to"`
}

var skuForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// newLine is a line that may be put into a basket.
func newLine(sku string, quantity int) (Line, error) {
	if !skuForm.MatchString(sku) {
		return Line{}, unknownSKU(sku)
	}
	if quantity < 1 || quantity > maxQuantity {
		return Line{}, problem.New(problem.Unprocessable, "invalid-quantity", "The quantity must be from 1 to %d.", maxQuantity).
			WithFields(problem.FieldError{Field: "quantity", Detail: fmt.Sprintf("must be from 1 to %d", maxQuantity)})
	}
	return Line{sku, quantity}, nil
}

func unknownSKU(sku string) error {
	return problem.New(problem.NotFound, "unknown-sku", "There is no article %q.", sku)
}

func newBasket(currency string) *Basket {
	b := &Basket{ID: uuid.Must(uuid.NewV7()).String(), Currency: currency}
	b.renew()
	return b
}

// renew makes the content another one.
func (b *Basket) renew() { b.CheckoutID = uuid.NewString() }

// Set makes the quantity of a variant what the line says.
func (b *Basket) Set(line Line) error {
	i := b.index(line.SKU)
	switch {
	case i >= 0 && b.Lines[i] == line:
		return nil
	case i >= 0:
		b.Lines[i] = line
	case len(b.Lines) >= maxLines:
		return problem.New(problem.Unprocessable, "basket-full", "A basket holds at most %d different articles.", maxLines)
	default:
		b.Lines = append(b.Lines, line)
	}
	b.renew()
	return nil
}

// See remembers the price that the shopper was shown.
func (b *Basket) See(sku string, price money.Amount) {
	if b.index(sku) < 0 {
		return
	}
	if b.Seen == nil {
		b.Seen = map[string]money.Amount{}
	}
	b.Seen[sku] = price
}

// UseCoupon sets the code, or takes it away if it is "".
func (b *Basket) UseCoupon(code string) {
	if b.Coupon != code {
		b.Coupon = code
		b.renew()
	}
}

// Remove takes a variant out; one that is not in the basket is no error.
func (b *Basket) Remove(sku string) {
	if b.index(sku) >= 0 {
		b.drop(func(l Line) bool { return l.SKU == sku })
		b.renew()
	}
}

// drop takes lines out, and what was seen of them.
func (b *Basket) drop(which func(Line) bool) {
	b.Lines = slices.DeleteFunc(b.Lines, which)
	maps.DeleteFunc(b.Seen, func(sku string, _ money.Amount) bool { return b.index(sku) < 0 })
}

// Clear takes out what an order bought, once per order, and reports whether it did. What was added since the checkout
// stays; the coupon went with the order.
func (b *Basket) Clear(orderID string, bought []events.OrderLine) bool {
	if slices.Contains(b.Bought, orderID) {
		return false
	}
	b.Bought = last(append(b.Bought, orderID), rememberOrders)
	for _, l := range bought {
		if i := b.index(l.SKU); i >= 0 {
			b.Lines[i].Quantity -= l.Quantity
		}
	}
	b.drop(func(l Line) bool { return l.Quantity < 1 })
	b.Coupon = ""
	b.renew()
	return true
}

// Absorb adds a guest's basket to a customer's, once. Quantities of the same variant add up to at most 99; lines beyond
// the hundredth are left behind, the customer's own coming first. An order of the guest that is still on its way is
// remembered, so that its lines are taken out here.
func (b *Basket) Absorb(guest *Basket) {
	if slices.Contains(b.Absorbed, guest.ID) {
		return
	}
	b.Absorbed = last(append(b.Absorbed, guest.ID), rememberMerges)
	if len(b.Lines) == 0 {
		b.Currency = guest.Currency
	}
	for _, l := range guest.Lines {
		if i := b.index(l.SKU); i >= 0 {
			b.Lines[i].Quantity = min(b.Lines[i].Quantity+l.Quantity, maxQuantity)
		} else if len(b.Lines) < maxLines {
			b.Lines = append(b.Lines, l)
		}
	}
	for sku, price := range guest.Seen {
		b.See(sku, price)
	}
	b.Coupon = cmp.Or(b.Coupon, guest.Coupon)
	b.renew()
}

// successor is the empty basket that a guest continues with when this one has been merged.
func (b *Basket) successor() *Basket {
	next := newBasket(b.Currency)
	next.Moved = last(append(b.Moved, Move{b.ID, b.MergedInto}), rememberMerges)
	return next
}

// Count is the number of pieces.
func (b *Basket) Count() (n int) {
	for _, l := range b.Lines {
		n += l.Quantity
	}
	return n
}

func (b *Basket) skus() []string {
	skus := make([]string, len(b.Lines))
	for i, l := range b.Lines {
		skus[i] = l.SKU
	}
	return skus
}

func (b *Basket) index(sku string) int {
	return slices.IndexFunc(b.Lines, func(l Line) bool { return l.SKU == sku })
}

func last[T any](s []T, n int) []T { return s[max(0, len(s)-n):] }
