package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sidecart/sidecart/e2e/shop"
	"github.com/sidecart/sidecart/events"
)

// Statuses of an order that has ended: with a purchase, or without one, so that no money may stay with the shop.
var (
	purchased = map[string]bool{"paid": true, "shipped": true, "delivered": true, "returned": true}
	over      = map[string]bool{"rejected": true, "payment_failed": true, "expired": true, "cancelled": true, "refunded": true}
)

// violation is a broken promise.
type violation struct{ order, rule, detail string }

func (v violation) String() string {
	return fmt.Sprintf("%-22s %s  %s", v.rule, cmp.Or(v.order, "-"), v.detail)
}

// The books are what the databases and the provider's ledger say at one moment.
type books struct {
	at           time.Time
	told         []told
	orders       map[string]order
	attempts     []attempt
	refunds      []refund
	ledger       []shop.Entry
	stock        map[string]stock
	reservations map[string]string // order → state
	messages     []message
	mails        map[string]int // order → mails in the inbox that name its number
	facts        []fact
	heard        map[string]map[string]bool // consumer → event ids in its inbox
	dead         []violation
}

type order struct {
	status   string
	total    shop.Money
	returned int64 // of the payment that pays for it, as ordering knows
	due      *time.Time
	lines    map[string]int64
}

type attempt struct {
	order, state string
	amount       shop.Money
}

type refund struct {
	order, state string
	amount       shop.Money
}

// stock is one SKU's counts: on hand, reserved among that, the sum of all movements, the sum of those by sales and their
// taking back, and the pieces in held reservations.
type stock struct{ onHand, reserved, ledger, sold, held int64 }

type message struct{ order, event, state string }

// fact is a row of a service's outbox.
type fact struct {
	id, producer, topic, order string
	sent                       bool
}

// violations compares the books with the promise.
func (b *books) violations() []violation {
	var found []violation
	report := func(order, rule, format string, args ...any) {
		found = append(found, violation{order, rule, fmt.Sprintf(format, args...)})
	}
	b.checkOrders(report)
	b.checkMoney(report)
	b.checkStock(report)
	b.checkFacts(report)
	b.checkMails(report)
	return append(found, b.dead...)
}

type reporter func(order, rule, format string, args ...any)

// checkOrders: every order that was answered with 2xx exists as it was told, none exists twice, and all have ended.
func (b *books) checkOrders(report reporter) {
	known := map[string]bool{}
	for _, t := range b.told {
		known[t.ID] = true
		o, ok := b.orders[t.ID]
		switch {
		case !ok:
			report(t.ID, "every order exists", "it was answered with 2xx at %s and is gone", t.At.Format(time.TimeOnly))
		case o.total != t.Total:
			report(t.ID, "every order exists", "its customer was told %v, it says %v", t.Total, o.total)
		}
	}
	for id, o := range b.orders {
		if !known[id] {
			report(id, "one order a key", "nobody was told of it: a repeated checkout made it twice")
		}
		switch {
		case purchased[o.status] || over[o.status]:
		case o.status == "needs_attention":
			report(id, "nothing is stuck", "it waits for a person")
		case o.due == nil:
			report(id, "nothing is stuck", "it is %s and has no due time", o.status)
		default:
			report(id, "nothing is stuck", "it is %s, due %s ago", o.status, b.at.Sub(*o.due).Round(time.Second))
		}
	}
}

// checkMoney: what the provider has of an order is what is owed for it, what we believe is what the provider did, and no
// order was captured twice.
func (b *books) checkMoney(report reporter) {
	type sums struct {
		captures           int
		captured, refunded int64
		currency           string
	}
	ours, theirs := map[string]*sums{}, map[string]*sums{}
	of := func(m map[string]*sums, order, currency string) *sums {
		if m[order] == nil {
			m[order] = &sums{currency: currency}
		}
		if m[order].currency != currency {
			report(order, "money", "its money is in %s and %s", m[order].currency, currency)
		}
		return m[order]
	}
	for _, e := range b.ledger {
		switch s := of(theirs, e.OrderID, e.Currency); e.Kind {
		case "capture":
			s.captures++
			s.captured += e.Amount
		case "refund":
			s.refunded += e.Amount
		}
	}
	for _, a := range b.attempts {
		switch s := of(ours, a.order, a.amount.Currency); a.state {
		case "captured", "stray":
			s.captures++
			s.captured += a.amount.Amount
		case "started", "action_required":
			report(a.order, "nothing is stuck", "an attempt is %s", a.state)
		}
	}
	for _, r := range b.refunds {
		switch s := of(ours, r.order, r.amount.Currency); r.state {
		case "refunded":
			s.refunded += r.amount.Amount
		default:
			report(r.order, "nothing is stuck", "a refund is %s", r.state)
		}
	}
	for id, s := range theirs {
		if s.captures > 1 {
			report(id, "one capture an order", "the provider has %d", s.captures)
		}
		if _, ok := b.orders[id]; !ok {
			report(id, "every order exists", "the provider moved money for it, and it does not exist")
		}
	}
	for id, o := range b.orders {
		a, t := of(ours, id, o.total.Currency), of(theirs, id, o.total.Currency)
		owed := int64(0)
		if purchased[o.status] {
			owed = o.total.Amount - o.returned
		}
		if *a != *t {
			report(id, "money", "we have %d captured and %d refunded, the provider %d and %d", a.captured, a.refunded, t.captured, t.refunded)
		}
		if (purchased[o.status] || over[o.status]) && t.captured-t.refunded != owed {
			report(id, "money", "it is %s and costs %d, the provider has %d captured and %d refunded", o.status, owed, t.captured, t.refunded)
		}
	}
}

// checkStock: on hand + reserved + sold = start for each SKU, nothing is negative, and what is held or sold for an order
// is what the order's end calls for.
func (b *books) checkStock(report reporter) {
	sold := map[string]int64{}
	for id, o := range b.orders {
		state := b.reservations[id]
		switch {
		case purchased[o.status] && state != "committed":
			report(id, "stock", "it is %s and its reservation %q", o.status, state)
		case over[o.status] && o.status != "refunded" && !slices.Contains([]string{"", "released", "rejected", "expired"}, state):
			report(id, "stock", "it is %s and its reservation %q", o.status, state)
		}
		if state == "committed" {
			for sku, n := range o.lines {
				sold[sku] += n
			}
		}
	}
	for id := range b.reservations {
		if _, ok := b.orders[id]; !ok {
			report(id, "stock", "a reservation is for an order that does not exist")
		}
	}
	for sku, s := range b.stock {
		if s.onHand < 0 || s.reserved < 0 || s.reserved > s.onHand {
			report("", "stock", "%s: %d on hand, %d of them reserved", sku, s.onHand, s.reserved)
		}
		if s.onHand != s.ledger || s.reserved != s.held {
			report("", "stock", "%s: %d on hand and %d reserved, but movements make %d and reservations %d", sku, s.onHand, s.reserved, s.ledger, s.held)
		}
		if s.sold != sold[sku] {
			report("", "stock", "%s: %d left the shelf, %d were bought", sku, s.sold, sold[sku])
		}
	}
}

// checkFacts: every fact has left, and reached every consumer that keeps an inbox.
func (b *books) checkFacts(report reporter) {
	for _, f := range b.facts {
		if !f.sent {
			report(f.order, "nothing is stuck", "%s of %s has not left its outbox", f.topic, f.producer)
		}
		for _, consumer := range events.Routes[f.topic].Consumers {
			if heard := b.heard[consumer]; heard != nil && !heard[f.id] {
				report(f.order, "nothing is stuck", "%s has not heard %s", consumer, f.topic)
			}
		}
	}
}

// checkMails: every end of an order, and every payment, has its mail, and the inbox has them all.
func (b *books) checkMails(report reporter) {
	sent := map[string]bool{}
	perOrder := map[string]int{}
	for _, m := range b.messages {
		switch m.state {
		case "sent":
			sent[m.event] = true
			perOrder[m.order]++
		default:
			report(m.order, "mail", "a message is %s", m.state)
		}
	}
	for _, f := range b.facts {
		if (f.topic == events.TopicOrderPaid || f.topic == events.TopicOrderClosed) && !sent[f.id] {
			report(f.order, "mail", "there is none for %s", f.topic)
		}
	}
	for id, n := range perOrder {
		if _, ok := b.orders[id]; ok && b.mails[id] < n {
			report(id, "mail", "%d were sent, the inbox has %d", n, b.mails[id])
		}
	}
}

// repeated is how many mails were sent more than once, which a death between SES's answer and our commit may cause.
func (b *books) repeated() (n int) {
	sent := map[string]int{}
	for _, m := range b.messages {
		sent[m.order]++
	}
	for id, there := range b.mails {
		n += max(0, there-sent[id])
	}
	return n
}
