package model

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/services/inventory/reservation"
	"github.com/sidecart/sidecart/services/ordering/order"
	"github.com/sidecart/sidecart/services/payment/payment"
)

// run plays one schedule, which seed and number decide. What it leaves says which promise was broken, if any.
func run(seed, number uint64, b bug, log func(string, ...any)) *world {
	w := newWorld(rand.New(rand.NewPCG(seed, number)), b)
	if log != nil {
		w.log = log
	}
	for range 20*len(w.buyers) + w.random.IntN(100) {
		w.anything()
	}
	w.rest()
	if w.broken == "" {
		w.judge()
	}
	return w
}

// anything lets one thing happen, of all that might.
func (w *world) anything() {
	p := w.buyers[w.random.IntN(len(w.buyers))]
	switch n := w.random.IntN(100); {
	case n < 40 && len(w.broker) > 0:
		w.deliver(w.random.IntN(len(w.broker)))
	case n < 52 && !p.told:
		looked := p.saved
		w.place(p, looked)
		if w.random.IntN(3) == 0 { // a double click: the second request looked before the first was done
			w.place(p, looked)
		}
	case n < 66:
		w.ask(p)
	case n < 70:
		w.refund(p)
	case n < 78 && len(w.outside.webhooks) > 0:
		w.bringWebhook(w.random.IntN(len(w.outside.webhooks)))
	case n < 82:
		w.catchUp(w.random.IntN(services), w.random.IntN(services))
	case n < 86:
		w.now = w.now.Add(time.Duration(w.random.IntN(1200)) * time.Second)
	case n < 88:
		w.sweep(p)
	case n < 90 && len(w.late) > 0:
		w.arrive(w.random.IntN(len(w.late)))
	case n < 91 && p.told:
		w.cancel(p)
	case n < 94 && p.order != nil && p.order.Status != order.Placed:
		for range 1 + w.random.IntN(30) {
			w.serve(p)
		}
	case n < 96:
		w.approve(p)
	default:
		w.send()
	}
}

// deliver hands over one of the broker's messages, or loses it, or hands it over and keeps it.
func (w *world) deliver(i int) {
	d := w.broker[i]
	if w.chance(10) {
		w.broker = slices.Delete(w.broker, i, i+1) // lost
		return
	}
	handled := w.hear(d.consumer, d.row)
	if w.chance(10) {
		return // it comes again
	}
	if i := slices.Index(w.broker, d); handled && i >= 0 {
		w.broker = slices.Delete(w.broker, i, i+1)
	}
}

func (w *world) bringWebhook(i int) {
	h := w.outside.webhooks[i]
	if w.chance(20) || w.webhook(h) && !w.chance(15) {
		w.outside.webhooks = slices.Delete(w.outside.webhooks, i, i+1)
	}
}

func (w *world) arrive(i int) {
	l := w.late[i]
	w.late = slices.Delete(w.late, i, i+1)
	if !w.now.After(l.by) {
		w.log("a late request for order %d arrives", l.order)
		w.outside.charge(l.key, l.order, l.attempt, l.amount, w.buyers[l.order].card)
	}
}

func (w *world) cancel(p *purchase) {
	if p.order == nil {
		return // that an order is lost is found at the end
	}
	if f := w.fate(); f == commits || f == diesAfter {
		w.log("the customer cancels order %d", p.index)
		if p.order.Cancel(anna, "", w.now) == nil {
			w.tell(ordering, f, w.saved(p, p.order)...)
		}
	}
}

// serve is what the staff and the customer do about an order that is paid: a parcel, a refund, a return, in any order.
// What is refused is refused.
func (w *world) serve(p *purchase) {
	f := w.fate()
	if f == diesBefore || f == fails {
		return
	}
	o := p.order
	lines := []events.OrderLine{{SKU: p.sku, Quantity: 1 + w.random.IntN(3)}}
	back := "return-" + strconv.Itoa(w.random.IntN(3))
	var err error
	switch n := w.random.IntN(20); {
	case n == 0:
		part := money.Must(1+w.random.Int64N(3000), "EUR")
		err = o.Refund(agent, &part, "", w.now)
	case n == 1:
		err = o.Refund(agent, nil, "", w.now)
	case n == 2:
		err = o.RejectReturn(agent, back, "", w.now)
	case n < 6:
		err = o.Ship(agent, "", "", w.now)
	case n < 8:
		err = o.Deliver(agent, w.now)
	case n < 12:
		if _, unknown := o.Find(back); unknown != nil {
			_, err = o.RequestReturn(anna, back, lines, "", w.now)
		}
	case n < 16:
		err = o.ApproveReturn(agent, back, "", w.now)
	default:
		err = o.ReceiveReturn(agent, back, "", w.random.IntN(2) == 0, w.now)
	}
	if err == nil {
		w.log("order %d is served: %s", p.index, o.Timeline[len(o.Timeline)-1].Note)
		w.tell(ordering, f, w.saved(p, o)...)
	}
}

func (w *world) approve(p *purchase) {
	for _, n := range w.outside.sorted() {
		if n.order == p.index && w.outside.approve(n, w.random.IntN(5) > 0) {
			w.log("the customer answers the provider about order %d", p.index)
		}
	}
}

// send mails what is owed. A death between SES's answer and the commit is a second mail, which is allowed.
func (w *world) send() {
	for id := range w.mails {
		w.sent[id] = true
	}
}

// rest lets nothing fail any more and time pass until nothing is left to happen.
func (w *world) rest() {
	w.log("rest")
	w.calm = true
	for range 40 {
		before := w.progress()
		for _, p := range w.buyers {
			if !p.told {
				w.place(p, p.saved)
			}
		}
		for len(w.late) > 0 {
			w.arrive(0)
		}
		for len(w.broker) > 0 {
			w.deliver(0)
		}
		for len(w.outside.webhooks) > 0 {
			w.bringWebhook(0)
		}
		for c := range services {
			for producer := range services {
				w.catchUp(c, producer)
			}
		}
		for _, n := range w.outside.sorted() {
			clear(n.slow)
		}
		for _, p := range w.buyers {
			w.sweep(p)
			w.ask(p)
			w.refund(p)
		}
		w.send()
		if w.progress() == before && w.now.After(epoch.Add(12*time.Hour)) {
			return
		}
		w.now = w.now.Add(30 * time.Minute)
	}
}

// progress changes whenever something happened.
func (w *world) progress() (n int) {
	n = w.rows + len(w.heard) + len(w.sent) + len(w.outside.intents)
	for c := range w.inbox {
		n += len(w.inbox[c])
	}
	for _, p := range w.buyers {
		for _, a := range p.payment.Attempts {
			n += len(a.State)
		}
	}
	return n
}

// judge compares the books, as the suite that kills processes does.
func (w *world) judge() {
	sold := map[string]int64{}
	for _, p := range w.buyers {
		switch {
		case p.order == nil:
			w.breach("every order exists: order %d was answered with 2xx and is not there", p.index)
			return
		case p.copies != 1:
			w.breach("one order a key: order %d was made %d times", p.index, p.copies)
		case p.order.Status.Waiting():
			w.breach("nothing is stuck: order %d is %s", p.index, p.order.Status)
		case p.order.Attention != "":
			w.breach("nothing is stuck: order %d waits for a person: %s", p.index, p.order.Attention)
		}
		w.judgeMoney(p)
		purchased := bought(p.order)
		switch {
		case purchased && p.reservation == reservation.Owed && p.wasHeld: // the hold lapsed before the money came, and nothing was left: a person's affair, and alarmed
		case purchased && p.reservation != reservation.Committed, !purchased &&
			(p.reservation == reservation.Committed || p.reservation == reservation.Held || p.reservation == reservation.Owed):
			w.breach("stock: order %d is %s and its reservation %s", p.index, p.order.Status, p.reservation)
		}
		if p.reservation == reservation.Committed {
			for _, l := range p.lines {
				sold[l.SKU] += l.Quantity
			}
		}
	}
	for _, sku := range skus {
		if s := w.stock[sku]; s.onHand+s.sold-s.returned != s.start || s.sold != sold[sku] || s.reserved != 0 {
			w.breach("stock: of %d %s, %d are on hand, %d reserved, %d left the shelf, %d were bought and %d came back", s.start, sku, s.onHand, s.reserved, s.sold, sold[sku], s.returned)
		}
	}
	for _, outbox := range w.outbox {
		for _, r := range outbox {
			for _, c := range consumers[r.fact.Topic()] {
				if !w.inbox[c][r.id] {
					w.breach("nothing is stuck: %s never heard %s of order %d", names[c], r.fact.Topic(), r.order)
				}
			}
			if slices.Contains(consumers[r.fact.Topic()], notification) && (w.mails[r.id] != 1 || !w.sent[r.id]) {
				w.breach("mail: %d for %s of order %d", w.mails[r.id], r.fact.Topic(), r.order)
			}
		}
	}
	for id := range w.mails {
		if !slices.ContainsFunc(w.outbox[ordering], func(r *row) bool { return r.id == id }) {
			w.breach("mail: one tells what never happened (fact %d)", id)
		}
	}
	w.judgeEnds()
	for _, id := range w.acked {
		if !w.heard[id] {
			w.breach("webhooks: %d was answered and is not on record", id)
		}
	}
}

// bought reports whether an order was a purchase, whatever came back of it later.
func bought(o *order.Order) bool {
	return !o.Status.Over() || o.Status == order.Refunded || o.Status == order.Returned
}

// judgeEnds: the end of each order has been told, once.
func (w *world) judgeEnds() {
	told := map[int][2]int{}
	for _, r := range w.outbox[ordering] {
		n := told[r.order]
		switch r.fact.(type) {
		case events.OrderPaid:
			n[0]++
		case events.OrderClosed:
			n[1]++
		}
		told[r.order] = n
	}
	for _, p := range w.buyers {
		n := told[p.index]
		if n[0] > 1 || n[1] > 1 || bought(p.order) && n != [2]int{1, 0} || !bought(p.order) && n[1] != 1 {
			w.breach("mail: order %d is %s and was told paid %d times and closed %d times", p.index, p.order.Status, n[0], n[1])
		}
	}
}

// judgeMoney: what the provider has of an order is what it costs, or nothing, and we know what the provider knows.
func (w *world) judgeMoney(p *purchase) {
	var taken, returned, ours, oursReturned, owed int64
	for _, n := range w.outside.sorted() {
		if n.order == p.index {
			taken += n.taken.Minor()
			returned += n.returned()
		}
	}
	for _, a := range p.payment.Attempts {
		switch {
		case a.State.Unfinished():
			w.breach("nothing is stuck: the attempt of order %d is %s", p.index, a.State)
		case a.State == payment.Captured:
			ours += a.Amount.Minor()
		case a.State == payment.Stray:
			ours += a.Amount.Minor() + 1 // an overcharge, which is the only way to it
		}
	}
	for _, r := range p.payment.Refunds {
		switch r.State {
		case payment.Refunded:
			oursReturned += r.Amount.Minor()
		default:
			w.breach("nothing is stuck: a refund of order %d is %s", p.index, r.State)
		}
	}
	if !p.order.Status.Over() {
		owed = p.order.Total.Minor() - p.order.Repaid().Minor()
	}
	switch {
	case w.outside.captures[p.index] > 1:
		w.breach("one capture an order: order %d has %d", p.index, w.outside.captures[p.index])
	case taken-returned != owed:
		w.breach("money: order %d is %s and owes %d, the provider has taken %d and returned %d", p.index, p.order.Status, owed, taken, returned)
	case ours != taken || oursReturned != returned:
		w.breach("money: of order %d we have %d and returned %d, the provider %d and %d", p.index, ours, oursReturned, taken, returned)
	}
}
