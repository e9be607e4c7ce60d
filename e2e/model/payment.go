package model

import (
	"fmt"
	"strconv"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/services/payment/payment"
)

// pay changes the payment of an order as payment's store does: load, change, save, tell.
func (w *world) pay(p *purchase, change func(*payment.Payment)) []events.Fact {
	m := p.payment.Copy()
	change(m)
	facts := m.Facts()
	p.payment = m.Copy()
	return facts
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
