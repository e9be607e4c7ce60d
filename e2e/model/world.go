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
	"encoding/json"
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

// pay changes the payment of an order as payment's store does: load, change, save, tell.
func (w *world) pay(p *purchase, change func(*payment.Payment)) []events.Fact {
	m := p.payment.Copy()
	change(m)
	facts := m.Facts()
	p.payment = m.Copy()
	return facts
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

// ask takes an unfinished attempt of an order a step further, as payment's worker does.
func (w *world) ask(p *purchase) {
	var a *payment.Attempt
	for _, candidate := range p.payment.Attempts {
		if candidate.State.Unfinished() {
			a = candidate // none before every older one is settled
			break
		}
	}
	if a == nil {
		return
	}
	at := &p.asked[a.Number]
	if w.bug == noReconcile && at.tries > 0 {
		return
	}
	at.tries++
	if !a.Closing {
		if at.first.IsZero() {
			at.first = w.now
		}
		if a.Reference == "" {
			at.last = w.now
		}
	}
	ans, known := w.askProvider(p, a, at)
	w.log("payment asks about order %d: %v %v", p.index, known, ans.Outcome)
	if !known && w.bug == timeOutIsRefusal {
		ans, known = payment.Answer{Outcome: payment.OutcomeFailed, Code: "timeout"}, true
	}
	if f := w.fate(); known && (f == commits || f == diesAfter) {
		w.learn(p, a.Number, ans, f)
	}
}

func (w *world) learn(p *purchase, attempt int, ans payment.Answer, f fate) {
	w.tell(paying, f, w.pay(p, func(m *payment.Payment) { m.Learn(attempt, ans, fmt.Sprintf("stray-%s-%d", p.id, attempt), w.now) })...)
}

func (w *world) askProvider(p *purchase, a *payment.Attempt, at *asking) (ans payment.Answer, known bool) {
	lost := w.chance(12) // the answer
	switch {
	case a.Reference != "":
		ans = w.outside.find(a.Reference).answer()
	case at.first.IsZero():
		return payment.Answer{Outcome: payment.OutcomeVoided}, true
	case a.Closing:
		n := w.outside.intents[attemptKey(a, at.tries, w.bug)]
		if n == nil {
			return payment.Answer{Outcome: payment.OutcomeVoided}, w.now.Sub(at.last) > certain
		}
		ans = n.answer()
	default:
		key := attemptKey(a, at.tries, w.bug)
		switch {
		case w.chance(6): // it never arrives
			return ans, false
		case w.chance(6):
			w.late = append(w.late, late{key, p.index, a.Number, a.Amount, w.now.Add(certain)})
			return ans, false
		}
		ans = w.outside.charge(key, p.index, a.Number, a.Amount, p.card).answer()
	}
	if a.Closing && ans.Reference != "" && (ans.Outcome == payment.OutcomePending || ans.Outcome == payment.OutcomeActionRequired) {
		n := w.outside.find(ans.Reference)
		w.outside.void(n)
		ans = n.answer()
	}
	return ans, !lost
}

// refund takes the refunds of an order a step further.
func (w *world) refund(p *purchase) {
	for _, f := range p.payment.Refunds {
		if !f.State.Unfinished() {
			continue
		}
		var n *intent
		for _, a := range p.payment.Attempts {
			if a.ID == f.AttemptID && a.Reference != "" {
				n = w.outside.find(a.Reference)
			}
		}
		if n == nil {
			w.breach("money: a refund of order %d is of no payment", p.index)
			return
		}
		key := "refund:" + f.ID
		p.tries[f.ID]++
		if w.bug == refundKeyPerTry {
			key += ":" + strconv.Itoa(p.tries[f.ID])
		}
		if w.chance(10) { // it never arrives
			continue
		}
		ans := w.outside.refund(n, key, f.ID, f.Amount, w.chance(20))
		if w.chance(15) {
			continue // the answer is lost, or we die before the commit
		}
		w.tell(paying, commits, w.pay(p, func(m *payment.Payment) { m.LearnRefund(f.ID, ans) })...)
		return // the payment is another one now
	}
}

// webhook brings us the provider's word: log and effect are one transaction, and only then it is answered.
func (w *world) webhook(h webhook) (answered bool) {
	f := w.fate()
	if f == diesBefore || f == fails {
		if w.bug == webhookAckedUnsaved {
			w.acked = append(w.acked, h.id)
			return true
		}
		return false
	}
	if !w.heard[h.id] {
		w.heard[h.id] = true
		p := w.buyers[h.order]
		w.log("a webhook says of order %d: %v %s", h.order, h.answer.Outcome, h.refund)
		if h.refund == "" {
			w.learn(p, h.attempt, h.answer, f)
		} else if n, key := w.findRefund(h.refund); n != nil {
			ans := w.outside.refundAnswer(n, key)
			w.tell(paying, f, w.pay(p, func(m *payment.Payment) { m.LearnRefund(h.refund, ans) })...)
		}
	}
	if f == commits {
		w.acked = append(w.acked, h.id)
	}
	return f == commits
}

func (w *world) findRefund(id string) (*intent, string) {
	for _, n := range w.outside.intents {
		if _, ok := n.refunds["refund:"+id]; ok {
			return n, "refund:" + id
		}
	}
	return nil, ""
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
