package main

import "github.com/sidecart/sidecart/events"

// level is how much of a SKU is free, as seen under its row lock before a change.
type level struct {
	SKU       string
	Free      int64
	Threshold int64
	Version   int64
}

// moved is what is to be told of a change by n free pieces. Version is what the change counts it up to, if it is told that
// the SKU is in stock again, or no more; whoever saves the change does that by the same rule.
func (l level) moved(n int64) []events.Fact {
	return l.became(level{l.SKU, l.Free + n, l.Threshold, l.Version + 1})
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
