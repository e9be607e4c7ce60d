// Package model drives the true rules of ordering, inventory and payment together, without processes: many orders, whose
// facts a seeded scheduler loses, repeats, delays and reorders, while transactions fail, programs die between any two
// steps, deadlines pass, customers change their minds and the provider answers late or not at all. When everything has
// come to rest, the promise must have been kept.
//
// What stands between the rules in the services - inbox, outbox, feed, the worker that asks the provider, the rows of
// stock - is written down here once more, as briefly as it can be; docs/guarantees.md says what that leaves to the suite
// that kills processes.
package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/services/inventory/reservation"
	"github.com/sidecart/sidecart/services/ordering/order"
	"github.com/sidecart/sidecart/services/payment/payment"
)

// The services, as producers and consumers.
const (
	ordering = iota
	inventory
	paying
	notification
	services
)

var names = [services]string{"ordering", "inventory", "payment", "notification"}

// consumers are the modelled consumers of each topic.
var consumers = func() map[string][]int {
	m := map[string][]int{}
	for topic, route := range events.Routes {
		for c, name := range names {
			if slices.Contains(route.Consumers, name) {
				m[topic] = append(m[topic], c)
			}
		}
	}
	return m
}()

var (
	epoch    = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	wait     = order.Deadlines{Stock: 15 * time.Minute, Payment: 15 * time.Minute, Action: 30 * time.Minute, Refund: 10 * time.Minute}
	anna     = identity.Identity{Subject: "anna", Roles: []identity.Role{identity.Customer}}
	agent    = identity.Identity{Subject: "agent", Roles: []identity.Role{identity.Customer, identity.Support}}
	holdFor  = time.Hour
	certain  = 2 * time.Minute // payment's certainAfter: what has not reached the provider by then never will
	skus     = []string{"cap", "coat", "mug"}
	quantity = []int{1, 1, 3}
	quotes   = func() (quotes []order.Quote) {
		for i, sku := range skus {
			q, err := order.ShopTariff.Quote([]order.Wanted{{SKU: sku, Quantity: quantity[i]}},
				[]order.Variant{{SKU: sku, Name: sku, Slug: sku, Price: money.Must(1999, "EUR")}}, "EUR", "standard", "DE", nil)
			if err != nil {
				panic(err) // the tariff serves Germany
			}
			quotes = append(quotes, q)
		}
		return quotes
	}()
)

// row is a fact in its producer's outbox.
type row struct {
	id       int
	producer int
	fact     events.Fact
	order    int
}

// delivery is a row on its way to a consumer by the broker.
type delivery struct {
	row      *row
	consumer int
}

// shelf is a SKU's row of stock.
type shelf struct{ onHand, reserved, start, sold, returned int64 }

// purchase is one customer's intention and all that comes of it.
type purchase struct {
	index int
	id    string
	sku   string
	card  card
	told  bool // the customer has had a 2xx answer
	saved bool // the idempotency key is kept

	order  *order.Order
	copies int // orders made for its key

	reservation reservation.State
	lines       []reservation.Line
	held        time.Time // until when
	peeked      int64     // free pieces when somebody looked
	wasHeld     bool

	payment *payment.Payment
	asked   [3]asking // by attempt
	tries   map[string]int
}

// asking is what payment's rows say of the requests made for an attempt.
type asking struct {
	first, last time.Time
	tries       int
}

// world is everything.
type world struct {
	random  *rand.Rand
	bug     bug
	now     time.Time
	calm    bool // nothing fails any more
	log     func(string, ...any)
	rows    int
	outbox  [services][]*row
	inbox   [services]map[int]bool
	cursor  [services][services]int // consumer, producer
	broker  []delivery
	late    []late
	heard   map[int]bool // webhooks
	acked   []int
	stock   map[string]*shelf
	buyers  []*purchase
	mails   map[int]int  // message rows by the fact they are owed for
	sent    map[int]bool // those that SES has
	outside *provider
	broken  string // the first promise that was broken on the way
}

func newWorld(random *rand.Rand, b bug) *world {
	w := &world{
		random: random, bug: b, now: epoch, log: func(string, ...any) {}, heard: map[int]bool{}, stock: map[string]*shelf{},
		mails: map[int]int{}, sent: map[int]bool{}, outside: newProvider(),
	}
	for c := range w.inbox {
		w.inbox[c] = map[int]bool{}
	}
	for _, sku := range skus {
		n := int64(random.IntN(12)) // often less than is wanted
		w.stock[sku] = &shelf{onHand: n, start: n}
	}
	for i := range 1 + random.IntN(8) {
		id := "order-" + strconv.Itoa(i)
		w.buyers = append(w.buyers, &purchase{
			index: i, id: id, sku: skus[random.IntN(len(skus))], card: wallet[random.IntN(len(wallet))],
			reservation: reservation.New, payment: &payment.Payment{OrderID: id}, tries: map[string]int{},
		})
	}
	return w
}

func (w *world) chance(percent int) bool { return !w.calm && w.random.IntN(100) < percent }

func (w *world) breach(format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf(format, args...)
		w.log("BROKEN: %s", w.broken)
	}
}

// fate is what happens to a transaction.
type fate int

const (
	commits fate = iota
	diesBefore
	diesAfter // committed, and nobody is told
	fails     // the database says no, for now
)

func (w *world) fate() fate {
	if w.calm {
		return commits
	}
	switch n := w.random.IntN(100); {
	case n < 8:
		return diesBefore
	case n < 16:
		return diesAfter
	case n < 22:
		return fails
	}
	return commits
}

// tell saves facts in an outbox and hands them to the broker, which may lose them.
func (w *world) tell(producer int, f fate, facts ...events.Fact) {
	for _, fact := range facts {
		w.rows++
		r := &row{id: w.rows, producer: producer, fact: fact, order: orderOf(fact)}
		if w.bug == saveAndPublishApart && f == diesAfter {
			continue
		}
		if e, ok := fact.(events.RefundRequested); ok && w.bug == refundRenamed {
			e.Reason += strconv.Itoa(w.rows)
			r.fact = e
		}
		if w.bug == noCompensation && fact.Topic() == events.TopicRefundRequested {
			continue
		}
		w.log("%s tells %s of order %d (fact %d)", names[producer], fact.Topic(), r.order, r.id)
		if f != diesBefore {
			w.outbox[producer] = append(w.outbox[producer], r)
		}
		if w.chance(15) { // the relay dies before it publishes, or the broker after
			continue
		}
		for _, c := range consumers[fact.Topic()] {
			w.broker = append(w.broker, delivery{r, c})
		}
	}
}

func orderOf(f events.Fact) int {
	n, _ := strconv.Atoi(f.Subject()[len("order-"):])
	return n
}

// hear is a consumer's handling of a fact: inbox row and effect in one transaction. It reports whether the fact counts
// as handled.
func (w *world) hear(c int, r *row) bool {
	seen := w.inbox[c][r.id]
	if w.bug == eventNamedByConsumer {
		seen = false
	}
	if seen {
		return true
	}
	f := w.fate()
	w.log("%s hears %s of order %d (fact %d)%s", names[c], r.fact.Topic(), r.order, r.id, [...]string{"", ", dies before its commit", ", dies after its commit", ", fails"}[f])
	p := w.buyers[r.order]
	if w.bug == chargeBeforeSave && c == paying {
		if e, ok := r.fact.(events.PaymentRequested); ok && !p.payment.Closed {
			w.outside.charge(p.id+":"+strconv.Itoa(e.Attempt), p.index, e.Attempt, e.Amount, p.card)
		}
	}
	switch f {
	case diesBefore:
		if w.bug == inboxBeforeEffect {
			w.inbox[c][r.id] = true
		}
		if w.bug == publishBeforeCommit {
			w.phantom(c, p, r.fact)
		}
		return false
	case fails:
		if w.bug == ackOnError {
			w.inbox[c][r.id] = true
			return true
		}
		return false
	}
	w.inbox[c][r.id] = true
	w.tell(c, f, w.effect(c, p, r)...)
	return f == commits
}

// phantom tells what a transaction would have told that was rolled back.
func (w *world) phantom(c int, p *purchase, f events.Fact) {
	if e, ok := f.(events.OrderPlaced); ok && c == inventory && p.reservation == reservation.New {
		w.tell(inventory, diesBefore, events.StockReserved{OrderID: e.OrderID, ExpiresAt: w.now.Add(holdFor)})
	}
	if _, ok := f.(events.PaymentCaptured); ok && c == ordering && p.order.Status == order.Reserved {
		w.tell(ordering, diesBefore, events.OrderPaid{OrderID: p.id, Total: p.order.Total})
	}
}

// effect does what a service does about a fact, and returns what it tells because of it.
func (w *world) effect(c int, p *purchase, r *row) []events.Fact {
	switch c {
	case inventory:
		return w.moveStock(p, r.fact)
	case paying:
		return w.pay(p, func(m *payment.Payment) {
			switch e := r.fact.(type) {
			case events.PaymentRequested:
				m.Request("attempt-"+p.id+"-"+strconv.Itoa(e.Attempt), e)
			case events.OrderClosed:
				if w.bug == closeForgotten && len(m.Attempts) == 0 {
					return
				}
				m.Close()
			case events.RefundRequested:
				m.Return("refund-"+strconv.Itoa(r.id), e)
			}
		})
	case ordering:
		return w.follow(p, r.fact)
	default:
		w.mails[r.id]++
		return nil
	}
}

// catchUp reads a producer's feed from the cursor on and applies what the inbox lacks.
func (w *world) catchUp(consumer, producer int) {
	if w.bug == trustPublished {
		return
	}
	whole := true
	feed := w.outbox[producer]
	for i := w.cursor[consumer][producer]; i < len(feed); i++ {
		r := feed[i]
		if slices.Contains(consumers[r.fact.Topic()], consumer) && !w.inbox[consumer][r.id] {
			w.hear(consumer, r)
			whole = whole && w.inbox[consumer][r.id]
		}
		if whole || w.bug == cursorPassesFailures {
			w.cursor[consumer][producer] = i + 1
		}
	}
}

// sweep ends what is overdue: an order's wait, or inventory's hold.
func (w *world) sweep(p *purchase) {
	if f := w.fate(); f == diesBefore || f == fails {
		return
	}
	if o := p.order; o != nil {
		if w.bug == timerWithoutLook && !o.Status.Waiting() && w.random.IntN(10) == 0 {
			o.Status, o.DueAt = order.Reserved, w.now // as it was when the timer was set
		}
		o.Expire(w.now)
		o.Remind(wait, w.now)
		w.tell(ordering, commits, w.saved(p, o)...)
	}
	if p.reservation == reservation.Held && !p.held.After(w.now) {
		w.log("the hold for order %d lapses", p.index)
		w.step(p, reservation.Lapsed)
	}
}
