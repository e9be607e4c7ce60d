package reservation

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/events"
)

// shelf is one SKU with the orders that want some of it, moved by the steps as the store moves its rows.
type shelf struct {
	onHand, reserved, sold int
	orders                 map[string]State
}

func (s *shelf) apply(f Fact, order string, n int) {
	state, known := s.orders[order]
	if !known {
		if f == Lapsed {
			return // only what is held can lapse
		}
		state = New
	}
	step, ok := state.On(f)
	if !ok {
		return
	}
	if step.Move.NeedsFree && s.onHand-s.reserved < n {
		s.orders[order] = step.Else
		return
	}
	s.onHand += step.Move.OnHand * n
	s.reserved += step.Move.Reserved * n
	s.sold -= step.Move.OnHand * n
	s.orders[order] = step.Then
}

func TestEveryStepLeadsToAState(t *testing.T) {
	for state, byFact := range steps {
		for fact, step := range byFact {
			require.NotEmpty(t, step.Then, "%s after %s", fact, state)
			require.Equal(t, step.Move.NeedsFree, step.Else != "", "%s after %s: only a move that may fail has an alternative", fact, state)
			require.Equal(t, step.Move.OnHand != 0, step.Move.Reason != "", "%s after %s: what leaves or returns is in the ledger", fact, state)
			_, final := steps[step.Then]
			require.True(t, final || step.Then == Released, "%s has no steps", step.Then)
		}
	}
}

func TestStepsInTheUsualOrders(t *testing.T) {
	for name, c := range map[string]struct {
		facts                  []Fact
		state                  State
		onHand, reserved, sold int
	}{
		"held":                             {[]Fact{Placed}, Held, 10, 3, 0},
		"sold":                             {[]Fact{Placed, Paid}, Committed, 7, 0, 3},
		"let go":                           {[]Fact{Placed, Closed}, Released, 10, 0, 0},
		"expired":                          {[]Fact{Placed, Lapsed}, Expired, 10, 0, 0},
		"paid after the hold expired":      {[]Fact{Placed, Lapsed, Paid}, Committed, 7, 0, 3},
		"cancelled after it was paid":      {[]Fact{Placed, Paid, Closed}, Released, 10, 0, 0},
		"closed before placed: tombstone":  {[]Fact{Closed, Placed}, Released, 10, 0, 0},
		"paid before placed":               {[]Fact{Paid, Placed}, Committed, 7, 0, 3},
		"paid twice":                       {[]Fact{Placed, Paid, Paid}, Committed, 7, 0, 3},
		"an old time-out after the sale":   {[]Fact{Placed, Paid, Lapsed}, Committed, 7, 0, 3},
		"payment told after the order end": {[]Fact{Placed, Closed, Paid}, Released, 10, 0, 0},
	} {
		s := &shelf{onHand: 10, orders: map[string]State{}}
		for _, f := range c.facts {
			s.apply(f, "a", 3)
		}
		require.Equal(t, c.state, s.orders["a"], name)
		require.Equal(t, []int{c.onHand, c.reserved, c.sold}, []int{s.onHand, s.reserved, s.sold}, name)
	}
}

// Whatever arrives, however often and in whatever order: counts stay within bounds, nothing is sold that was not there,
// and what is reserved is what is held.
func TestAnyFactsInAnyOrderKeepTheCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.IntRange(0, 12).Draw(t, "start")
		s := &shelf{onHand: start, orders: map[string]State{}}
		wants := map[string]int{"a": 1, "b": 3, "c": 7}
		for range rapid.IntRange(0, 40).Draw(t, "facts") {
			order := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "order")
			s.apply(rapid.SampledFrom([]Fact{Placed, Paid, Closed, Lapsed}).Draw(t, "fact"), order, wants[order])
			held, sold := 0, 0
			for o, state := range s.orders {
				if state == Held {
					held += wants[o]
				}
				if state == Committed {
					sold += wants[o]
				}
			}
			require.Equal(t, held, s.reserved)
			require.Equal(t, sold, s.sold)
			require.Equal(t, start, s.onHand+s.sold)
			require.True(t, 0 <= s.reserved && s.reserved <= s.onHand, "%d of %d reserved", s.reserved, s.onHand)
		}
	})
}

// With enough of everything the end of an order depends on what happened to it, not on the order in which we heard.
func TestTheEndDoesNotDependOnTheOrderOfFacts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		happened := map[Fact]bool{Placed: true}
		if rapid.Bool().Draw(t, "paid") {
			happened[Paid] = true
		}
		if rapid.Bool().Draw(t, "closed") {
			happened[Closed] = true
		}
		var heard []Fact
		for f := range happened {
			for range rapid.IntRange(1, 10).Draw(t, "copies") {
				heard = append(heard, f)
			}
		}
		s := &shelf{onHand: 100, orders: map[string]State{}}
		for _, f := range rapid.Permutation(heard).Draw(t, "heard") {
			s.apply(f, "a", 4)
		}
		switch {
		case happened[Closed]:
			require.Equal(t, shelf{100, 0, 0, map[string]State{"a": Released}}, *s)
		case happened[Paid]:
			require.Equal(t, shelf{96, 0, 4, map[string]State{"a": Committed}}, *s)
		default:
			require.Equal(t, shelf{100, 4, 0, map[string]State{"a": Held}}, *s)
		}
	})
}

func TestLinesAreMergedAndSorted(t *testing.T) {
	lines, err := NewLines([]events.OrderLine{{SKU: "B", Quantity: 2}, {SKU: "A", Quantity: 1}, {SKU: "B", Quantity: 3}})
	require.NoError(t, err)
	require.Equal(t, []Line{{"A", 1}, {"B", 5}}, lines)
}

func TestGarbageIsNoOrder(t *testing.T) {
	for name, lines := range map[string][]events.OrderLine{
		"no lines":      nil,
		"no sku":        {{Quantity: 1}},
		"none of it":    {{SKU: "A", Quantity: 0}},
		"less than one": {{SKU: "A", Quantity: -4}},
		"all of it":     {{SKU: "A", Quantity: maxQuantity + 1}},
		"a NUL byte":    {{SKU: "A\x00", Quantity: 1}},
		"a sentence":    {{SKU: "A'; drop table stock", Quantity: 1}},
		"one bad line":  {{SKU: "A", Quantity: 1}, {SKU: "", Quantity: 1}},
	} {
		_, err := NewLines(lines)
		require.ErrorIs(t, err, events.ErrMalformed, name)
	}
}
