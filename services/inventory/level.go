package main

import "github.com/sidecart/sidecart/events"

// level is how much of a SKU is free, as seen under its row lock before a change.
type level struct {
	SKU       string
	Free      int64
	Threshold int64
	Version   int64
}

// moved is the level after a change by n free pieces, and what is to be told of it. Version counts the changes that are told
// to make the SKU available, or no more.
func (l level) moved(n int64) (next level, facts []events.Fact) {
	next = level{l.SKU, l.Free + n, l.Threshold, l.Version}
	if (l.Free > 0) != (next.Free > 0) {
		next.Version++
	}
	return next, l.became(next)
}

// became is what is to be told when a SKU's level has become next.
func (l level) became(next level) (facts []events.Fact) {
	if (l.Free > 0) != (next.Free > 0) {
		facts = append(facts, next.availability())
	}
	if !l.low() && next.low() {
		facts = append(facts, events.StockLow{SKU: next.SKU, Available: next.Free, Threshold: next.Threshold})
	}
	return facts
}

func (l level) low() bool { return l.Free <= l.Threshold }

func (l level) availability() events.StockAvailabilityChanged {
	return events.StockAvailabilityChanged{SKU: l.SKU, Available: l.Free, InStock: l.Free > 0, Version: l.Version}
}
