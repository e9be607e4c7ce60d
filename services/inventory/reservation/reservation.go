// Package reservation is what becomes of the stock of an order, whatever is heard of the order and in whatever sequence.
// It has no I/O and no clock: it says which pieces move, the store moves them.
package reservation

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"

	"github.com/sidecart/sidecart/events"
)

// State is how far inventory has come with an order.
type State string

const (
	New       State = "new"       // nothing has been heard of the order
	Held      State = "held"      // its pieces are kept for it
	Rejected  State = "rejected"  // there was not enough of everything
	Expired   State = "expired"   // its pieces were kept for too long
	Committed State = "committed" // its pieces are sold
	Owed      State = "owed"      // it is paid, and its pieces are not there: a matter for a person
	Released  State = "released"  // it ended without being delivered
)

// Fact is what happened to an order, as far as its stock is concerned.
type Fact string

const (
	Placed Fact = "placed"
	Paid   Fact = "paid"
	Closed Fact = "closed"
	Lapsed Fact = "lapsed" // the time until which its pieces were held is over
)

// Move is a change of stock, the same for each piece of an order: of the pieces that we have, and of those among them
// that are kept for orders. NeedsFree is all or nothing: without enough free pieces in every line, no line moves.
type Move struct {
	OnHand, Reserved int
	NeedsFree        bool
	Reason           string // in the ledger, if OnHand changes
}

var (
	hold    = Move{Reserved: +1, NeedsFree: true}
	letGo   = Move{Reserved: -1}
	sell    = Move{OnHand: -1, Reserved: -1, Reason: "sold"}
	take    = Move{OnHand: -1, NeedsFree: true, Reason: "sold"}
	putBack = Move{OnHand: +1, Reason: "cancelled"}
)

// Step is what a fact asks for: a move, and the state after it, which is Else if the move needed free pieces in vain.
type Step struct {
	Move       Move
	Then, Else State
}

// steps is the life of a reservation. Facts come late, twice and in any order, so every state has an answer to each:
// what is not listed changes nothing. Closed is final, so that an order that was closed before it was placed - as seen
// from here - never holds stock. Paid after the hold expired takes free pieces, and never makes a count negative.
var steps = map[State]map[Fact]Step{
	New: {
		Placed: {hold, Held, Rejected},
		Paid:   {Then: Owed},
		Closed: {Then: Released},
	},
	Held: {
		Paid:   {Move: sell, Then: Committed},
		Closed: {Move: letGo, Then: Released},
		Lapsed: {Move: letGo, Then: Expired},
	},
	Rejected: {
		Paid:   {take, Committed, Owed},
		Closed: {Then: Released},
	},
	Expired: {
		Paid:   {take, Committed, Owed},
		Closed: {Then: Released},
	},
	Owed: {
		Placed: {take, Committed, Owed},
		Closed: {Then: Released},
	},
	Committed: {
		Closed: {Move: putBack, Then: Released},
	},
}

// On is the step that a fact asks for in this state; false if it changes nothing.
func (s State) On(f Fact) (Step, bool) {
	step, ok := steps[s][f]
	return step, ok
}

// Line is a SKU and how many pieces of it.
type Line struct {
	SKU      string
	Quantity int64
}

const maxQuantity = 1_000_000_000 // of a line; more is no order but garbage

var skuShape = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// IsSKU reports whether s has the form of a SKU.
func IsSKU(s string) bool { return skuShape.MatchString(s) }

// NewLines reads the lines of an order: each SKU once, in the order in which everyone locks them.
func NewLines(ordered []events.OrderLine) ([]Line, error) {
	quantities := map[string]int64{}
	for _, l := range ordered {
		if !IsSKU(l.SKU) || l.Quantity < 1 || l.Quantity > maxQuantity {
			return nil, fmt.Errorf("%w: a line with %d pieces of %.80q", events.ErrMalformed, l.Quantity, l.SKU)
		}
		quantities[l.SKU] += int64(l.Quantity)
	}
	lines := make([]Line, 0, len(quantities))
	for sku, n := range quantities {
		lines = append(lines, Line{sku, n})
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%w: an order without lines", events.ErrMalformed)
	}
	slices.SortFunc(lines, func(a, b Line) int { return cmp.Compare(a.SKU, b.SKU) })
	return lines, nil
}

// Shortages are the lines of which there are fewer free pieces than wanted.
func Shortages(lines []Line, free map[string]int64) []events.Shortage {
	var short []events.Shortage
	for _, l := range lines {
		if free[l.SKU] < l.Quantity {
			short = append(short, events.Shortage{SKU: l.SKU, Wanted: int(l.Quantity), Available: int(free[l.SKU])})
		}
	}
	return short
}
