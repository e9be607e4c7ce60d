package model

import (
	"time"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/services/inventory/reservation"
)

// moveStock does in memory what inventory's store does under row locks.
func (w *world) moveStock(p *purchase, f events.Fact) []events.Fact {
	fact := reservation.Closed
	switch e := f.(type) {
	case events.ReturnReceived:
		if e.Restock {
			for _, l := range e.Lines {
				w.stock[l.SKU].onHand += int64(l.Quantity)
				w.stock[l.SKU].returned += int64(l.Quantity)
			}
		}
		return nil
	case events.OrderPlaced:
		lines, err := reservation.NewLines(e.Lines)
		if err != nil {
			panic(err) // the model makes no malformed facts
		}
		fact, p.lines = reservation.Placed, lines
		p.held = later(w.now, e.ExpiresAt).Add(holdFor)
	case events.OrderPaid:
		fact = reservation.Paid
	}
	if w.bug == closeForgotten && fact == reservation.Closed && p.reservation == reservation.New {
		return nil
	}
	if !w.step(p, fact) || fact != reservation.Placed {
		return nil
	}
	switch p.reservation {
	case reservation.Held:
		return []events.Fact{events.StockReserved{OrderID: p.id, ExpiresAt: p.held}}
	case reservation.Rejected:
		return []events.Fact{events.StockRejected{OrderID: p.id}}
	}
	return nil
}

func (w *world) step(p *purchase, fact reservation.Fact) (changed bool) {
	step, ok := p.reservation.On(fact)
	if !ok {
		return false
	}
	for _, l := range p.lines {
		free := w.stock[l.SKU].onHand - w.stock[l.SKU].reserved
		if w.bug == checkThenTake {
			free = p.peeked
		}
		if step.Move.NeedsFree && free < l.Quantity {
			p.reservation = step.Else
			return true
		}
	}
	for _, l := range p.lines {
		s := w.stock[l.SKU]
		s.onHand += int64(step.Move.OnHand) * l.Quantity
		s.reserved += int64(step.Move.Reserved) * l.Quantity
		s.sold -= int64(step.Move.OnHand) * l.Quantity
		if s.onHand < 0 || s.reserved < 0 || s.reserved > s.onHand {
			w.breach("stock: %s has %d on hand, %d of them reserved", l.SKU, s.onHand, s.reserved)
		}
	}
	p.reservation = step.Then
	p.wasHeld = p.wasHeld || step.Then == reservation.Held
	return true
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
