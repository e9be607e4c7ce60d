package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/shop"
	"github.com/sidecart/sidecart/events"
)

func euro(minor int64) shop.Money { return shop.Money{Amount: minor, Currency: "EUR"} }

// sound are the books of a shop that kept its promise for four orders: one paid, one cancelled after it was paid, one
// declined, one that was sold out.
func sound() *books {
	b := &books{
		at: time.Now(),
		told: []told{
			{ID: "paid", Number: "SC-1", Total: euro(500)}, {ID: "cancelled", Number: "SC-2", Total: euro(700)},
			{ID: "declined", Number: "SC-3", Total: euro(900)}, {ID: "rejected", Number: "SC-4", Total: euro(100)},
		},
		orders: map[string]order{
			"paid":      {status: "paid", total: euro(500), lines: map[string]int64{"cap": 2}},
			"cancelled": {status: "cancelled", total: euro(700), returned: 700, lines: map[string]int64{"cap": 1}},
			"declined":  {status: "payment_failed", total: euro(900), lines: map[string]int64{"cap": 1}},
			"rejected":  {status: "rejected", total: euro(100), lines: map[string]int64{"coat": 1}},
		},
		attempts: []attempt{
			{"paid", "captured", euro(500)}, {"cancelled", "captured", euro(700)}, {"declined", "failed", euro(900)},
		},
		refunds: []refund{{"cancelled", "refunded", euro(700)}},
		ledger: []shop.Entry{
			{OrderID: "paid", Kind: "authorization", Amount: 500, Currency: "EUR"}, {OrderID: "paid", Kind: "capture", Amount: 500, Currency: "EUR"},
			{OrderID: "cancelled", Kind: "capture", Amount: 700, Currency: "EUR"}, {OrderID: "cancelled", Kind: "refund", Amount: 700, Currency: "EUR"},
		},
		stock:        map[string]stock{"cap": {onHand: 8, ledger: 8, sold: 2}, "coat": {}},
		reservations: map[string]string{"paid": "committed", "cancelled": "released", "declined": "released", "rejected": "released"},
		messages:     []message{{"paid", "p1", "sent"}, {"cancelled", "p2", "sent"}, {"cancelled", "c2", "sent"}, {"declined", "c3", "sent"}, {"rejected", "c4", "sent"}},
		mails:        map[string]int{"paid": 1, "cancelled": 3, "declined": 1, "rejected": 1},
		facts: []fact{
			{"p1", "ordering", events.TopicOrderPaid, "paid", true}, {"p2", "ordering", events.TopicOrderPaid, "cancelled", true},
			{"c2", "ordering", events.TopicOrderClosed, "cancelled", true}, {"c3", "ordering", events.TopicOrderClosed, "declined", true},
			{"c4", "ordering", events.TopicOrderClosed, "rejected", true},
		},
		heard: map[string]map[string]bool{"ordering": {}, "inventory": {}, "notification": {}, "payment": {}},
	}
	for _, f := range b.facts {
		for _, consumer := range events.Routes[f.topic].Consumers {
			b.heard[consumer][f.id] = true
		}
	}
	return b
}

func TestSoundBooksHaveNoViolation(t *testing.T) {
	b := sound()
	require.Empty(t, b.violations())
	require.Equal(t, 1, b.repeated())
}

// TestEveryBrokenPromiseIsSeen breaks the books in one place at a time.
func TestEveryBrokenPromiseIsSeen(t *testing.T) {
	change := func(id string, f func(*order)) func(*books) {
		return func(b *books) {
			o := b.orders[id]
			f(&o)
			b.orders[id] = o
		}
	}
	counts := func(f func(*stock)) func(*books) {
		return func(b *books) {
			s := b.stock["cap"]
			f(&s)
			b.stock["cap"] = s
		}
	}
	soon := time.Now().Add(time.Minute)
	for name, c := range map[string]struct {
		rule   string
		breach func(*books)
	}{
		"a lost order":                   {"every order exists", func(b *books) { delete(b.orders, "declined") }},
		"an order with another sum":      {"every order exists", change("declined", func(o *order) { o.total = euro(901) })},
		"an order made twice":            {"one order a key", func(b *books) { b.told = b.told[:3] }},
		"an order that waits":            {"nothing is stuck", change("declined", func(o *order) { o.status, o.due = "reserved", &soon })},
		"an order that waits for nobody": {"nothing is stuck", change("declined", func(o *order) { o.status = "placed" })},
		"an order for a person":          {"nothing is stuck", change("rejected", func(o *order) { o.status = "needs_attention" })},
		"a double capture":               {"one capture an order", func(b *books) { b.ledger = append(b.ledger, b.ledger[1]) }},
		"money for nothing": {"money", func(b *books) {
			b.attempts = append(b.attempts, attempt{"declined", "captured", euro(900)})
			b.ledger = append(b.ledger, shop.Entry{OrderID: "declined", Kind: "capture", Amount: 900, Currency: "EUR"})
		}},
		"a purchase without money":      {"money", func(b *books) { b.attempts, b.ledger = b.attempts[1:], b.ledger[2:] }},
		"a refund that never was":       {"money", func(b *books) { b.ledger = b.ledger[:3] }},
		"a refund of a living order":    {"money", func(b *books) { b.refunds = append(b.refunds, refund{"paid", "refunded", euro(1)}) }},
		"a cent":                        {"money", func(b *books) { b.ledger[1].Amount++ }},
		"another currency":              {"money", func(b *books) { b.ledger[1].Currency = "USD" }},
		"money for an unknown order":    {"every order exists", func(b *books) { b.ledger[0].OrderID = "unknown" }},
		"an unfinished attempt":         {"nothing is stuck", func(b *books) { b.attempts[2].state = "started" }},
		"a refund under way":            {"nothing is stuck", func(b *books) { b.refunds[0].state = "requested" }},
		"a refund that failed":          {"nothing is stuck", func(b *books) { b.refunds[0].state = "failed" }},
		"a purchase that is not held":   {"stock", func(b *books) { b.reservations["paid"] = "expired" }},
		"stock held for an ended order": {"stock", func(b *books) { b.reservations["declined"] = "held" }},
		"stock sold for a cancellation": {"stock", func(b *books) { b.reservations["cancelled"] = "committed" }},
		"a reservation for nobody":      {"stock", func(b *books) { b.reservations["unknown"] = "released" }},
		"less than nothing":             {"stock", counts(func(s *stock) { s.onHand, s.ledger = -1, -1 })},
		"more reserved than there is":   {"stock", counts(func(s *stock) { s.reserved, s.held = 9, 9 })},
		"a piece without a movement":    {"stock", counts(func(s *stock) { s.onHand++ })},
		"a hold without a reservation":  {"stock", counts(func(s *stock) { s.reserved++ })},
		"a piece sold twice":            {"stock", counts(func(s *stock) { s.onHand--; s.ledger--; s.sold++ })},
		"a fact that has not left":      {"nothing is stuck", func(b *books) { b.facts[0].sent = false }},
		"a fact that was not heard":     {"nothing is stuck", func(b *books) { delete(b.heard["inventory"], "p1") }},
		"a dead letter":                 {"nothing is stuck", func(b *books) { b.dead = []violation{{"paid", "nothing is stuck", "x"}} }},
		"no mail for a payment":         {"mail", func(b *books) { b.messages = b.messages[1:] }},
		"no mail for an end":            {"mail", func(b *books) { b.messages = b.messages[:3] }},
		"a mail that waits":             {"mail", func(b *books) { b.messages[0].state = "waiting" }},
		"a mail that SES never had":     {"mail", func(b *books) { b.mails["paid"] = 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			b := sound()
			c.breach(b)
			found := b.violations()
			require.NotEmpty(t, found)
			rules := map[string]bool{}
			for _, v := range found {
				rules[v.rule] = true
			}
			require.Contains(t, rules, c.rule, "%v", found)
		})
	}
}

func TestThePlanIsTheSeedsAndHitsEveryTargetFirst(t *testing.T) {
	running := []process{{Name: "ordering", Kind: "program"}, {Name: "payment", Kind: "program"}, {Name: "payment-daprd", Kind: "sidecar"},
		{Name: "rabbitmq", Kind: "server"}, {Name: "postgres", Kind: "server"}}
	deal := func(seed uint64) (blows []blow) {
		p := newPlan(seed, running)
		for range 200 {
			blows = append(blows, p.next())
		}
		return blows
	}
	require.Equal(t, deal(1), deal(1))
	require.NotEqual(t, deal(1), deal(2))
	p := newPlan(1, running)
	seen := map[string]int{}
	for !p.whole() {
		seen[p.next().String()]++
	}
	require.Len(t, seen, 5+1+len(points["ordering"])+len(points["payment"]), "each process, the broker's disk, each point")
	for name, n := range seen {
		require.Equal(t, 1, n, name)
	}
	var disks int
	for _, b := range deal(3) {
		if b.disk != "" {
			require.Equal(t, "rabbitmq", b.process, "the databases' disks are the shop's memory")
			disks++
		}
	}
	require.Positive(t, disks)
}
