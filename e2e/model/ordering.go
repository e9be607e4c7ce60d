package model

import (
	"encoding/json"
	"slices"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/services/ordering/order"
)

// place is a checkout under the customer's key: key, order and fact are one transaction. looked says what the key looked
// like to a request that began earlier.
func (w *world) place(p *purchase, looked bool) {
	if p.saved && (looked || w.bug != lookRunSave) {
		p.told = true
		return
	}
	f := w.fate()
	if f == diesBefore || f == fails {
		p.saved = p.saved || w.bug == keyOutlivesFailure
		return
	}
	i := slices.Index(skus, p.sku)
	p.order = order.Place("SC-"+p.id, order.Draft{
		ID: p.id, Customer: anna.Subject, BasketID: "basket", Provider: "stripe", Method: "pm_card", ReturnURL: "https://shop.example/",
		Quote: quotes[i],
	}, wait, w.now)
	p.saved = true
	p.copies++
	p.peeked = w.stock[p.sku].onHand - w.stock[p.sku].reserved
	w.log("order %d is placed: %d of %s by card %d", p.index, quantity[i], p.sku, p.card)
	w.tell(ordering, f, w.saved(p, p.order)...)
	p.told = p.told || f == commits
}

// follow applies a fact to an order as ordering does.
func (w *world) follow(p *purchase, f events.Fact) []events.Fact {
	o := p.order
	if w.bug == writeWithoutLock {
		o = w.overwritten(p, clone(o))
	}
	switch e := f.(type) {
	case events.StockReserved:
		if w.bug == redeliveryResets && o.Status != order.Placed && w.random.IntN(4) == 0 {
			o.Status, o.Payment.Attempt = order.Placed, 0
		}
		o.Reserve(wait, w.now)
	case events.StockRejected:
		o.Reject(w.now)
	case events.PaymentCaptured:
		o.Settle(e.PaymentID, e.Amount, w.now)
	case events.PaymentFailed:
		if w.bug == failureIsSuccess {
			o.Settle(e.PaymentID, o.Total, w.now)
			break
		}
		o.FailPayment(e.Attempt, e.Code, w.now)
	case events.PaymentActionRequired:
		o.RequireAction(e.RedirectURL, wait, w.now)
	case events.PaymentRefunded:
		o.Return(e.PaymentID, e.RefundID, e.Amount, w.now)
	}
	if w.bug == lastArrivalWins {
		switch f.(type) {
		case events.StockReserved:
			o.Status = order.Reserved
		case events.PaymentCaptured:
			o.Status = order.Paid
		}
	}
	return w.saved(p, o)
}

// overwritten lets another fact for the order have its effect between our read and our write.
func (w *world) overwritten(p *purchase, stale *order.Order) *order.Order {
	for i, d := range w.broker {
		if d.consumer == ordering && d.row.order == p.index && !w.inbox[ordering][d.row.id] {
			w.broker = slices.Delete(w.broker, i, i+1)
			w.inbox[ordering][d.row.id] = true
			w.tell(ordering, commits, w.follow(p, d.row.fact)...)
			return stale
		}
	}
	return p.order
}

func (w *world) saved(p *purchase, o *order.Order) []events.Fact {
	facts := slices.Clone(o.Raised())
	o.Saved()
	p.order = o
	return facts
}

// clone reads the order a second time, as another transaction would.
func clone(o *order.Order) *order.Order {
	text, err := json.Marshal(o)
	var c order.Order
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		panic(err) // an order is saved as JSON
	}
	return &c
}
