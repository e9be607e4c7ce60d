package main

import (
	"time"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/problem"
)

// Item is how the stock of a SKU stands.
type Item struct {
	SKU       string `json:"sku"`
	OnHand    int64  `json:"onHand"`
	Reserved  int64  `json:"reserved"`
	Available int64  `json:"available"`
	Threshold int64  `json:"threshold"`
	Version   int64  `json:"version"`
}

func (i Item) level() level { return level{i.SKU, i.Available, i.Threshold, i.Version} }

const maxPieces = 1_000_000_000 // of a SKU; more is a slip of the keyboard

// Change moves the count by n pieces. What is held for orders is promised, and stays.
func (i *Item) Change(n int64) error {
	switch next := i.OnHand + n; {
	case next < i.Reserved:
		return problem.New(problem.Conflict, "below-reserved",
			"%d of the %d pieces are held for orders, so at most %d can go.", i.Reserved, i.OnHand, i.Available)
	case next > maxPieces:
		return problem.New(problem.Conflict, "too-many-pieces", "There cannot be more than %d pieces.", maxPieces)
	}
	i.OnHand += n
	i.Available += n
	i.Version++
	return nil
}

// Move changes how many pieces there are, and how many of them are kept for orders, and returns what is to be told of it.
func (i *Item) Move(onHand, reserved int64) []events.Fact {
	next, facts := i.level().moved(onHand - reserved)
	i.OnHand, i.Reserved, i.Available, i.Version = i.OnHand+onHand, i.Reserved+reserved, next.Free, next.Version
	return facts
}

// Movement is a change of a count, as the ledger has it. One of the threshold changes it by nothing, and notes what it was
// and became.
type Movement struct {
	ID     int64     `json:"id"`
	Change int64     `json:"change"`
	Reason string    `json:"reason"`
	Ref    string    `json:"ref,omitempty"` // the order, the return, or the import that it belongs to
	By     member    `json:"by,omitzero"`
	Note   string    `json:"note,omitempty"`
	At     time.Time `json:"at"`
}

// member is which of the staff changed a count or a threshold; empty for what orders did.
type member struct {
	ID   string `json:"id"`
	Name string `json:"name"` // as it was then
}

// reasons are why the staff changes a count, each with the direction that it can have: +1, -1, or 0 for both.
var reasons = map[string]int64{
	"received": +1, "found": +1, "returned": +1,
	"damaged": -1, "lost": -1,
	"correction": 0,
	stocktake:    0,
}

// stocktake is the reason of a count that was imported, unless the file has another.
const stocktake = "stocktake"

// fits reports whether a change by n pieces can have that reason.
func fits(reason string, n int64) bool {
	direction, known := reasons[reason]
	return known && direction*n >= 0
}
