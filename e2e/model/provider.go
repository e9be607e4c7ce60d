package model

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/services/payment/payment"
)

// card is how a customer's means of payment behaves.
type card int

const (
	good       card = iota
	declined        // refused at once
	asks            // wants the customer's approval, which may never come
	overcharge      // takes another sum than was asked for
)

// wallet is how often each kind of card is met.
var wallet = []card{good, good, good, good, good, good, good, declined, declined, asks, asks, asks, asks, overcharge}

// intent is a payment as the provider keeps it.
type intent struct {
	reference string
	order     int
	attempt   int
	asked     money.Amount
	outcome   payment.Outcome
	taken     money.Amount
	refunds   map[string]money.Amount // by key
	slow      map[string]bool         // refunds that are not decided yet
}

func (n *intent) answer() payment.Answer {
	ans := payment.Answer{Outcome: n.outcome, Reference: n.reference}
	switch n.outcome {
	case payment.OutcomeCaptured:
		ans.Amount = n.taken
	case payment.OutcomeActionRequired:
		ans.RedirectURL = "https://provider.example/" + n.reference
	case payment.OutcomeFailed:
		ans.Code = "card_declined"
	}
	return ans
}

func (n *intent) returned() (sum int64) {
	for _, r := range n.refunds {
		sum += r.Minor()
	}
	return sum
}

// webhook is the provider's word about an attempt, on its way to us.
type webhook struct {
	id      int
	order   int
	attempt int
	answer  payment.Answer
	refund  string // or about a refund of ours
}

// provider is the world outside: it keeps its own books, remembers keys, and tells of every change.
type provider struct {
	intents  map[string]*intent // by idempotency key
	captures map[int]int        // by order
	webhooks []webhook
	told     int
}

func newProvider() *provider {
	return &provider{intents: map[string]*intent{}, captures: map[int]int{}}
}

func (p *provider) tell(n *intent) {
	p.told++
	p.webhooks = append(p.webhooks, webhook{id: p.told, order: n.order, attempt: n.attempt, answer: n.answer()})
}

// charge makes a payment, once per key.
func (p *provider) charge(key string, order, attempt int, amount money.Amount, c card) *intent {
	if n := p.intents[key]; n != nil {
		return n
	}
	n := &intent{reference: "pi_" + key, order: order, attempt: attempt, asked: amount, refunds: map[string]money.Amount{}, slow: map[string]bool{}}
	p.intents[key] = n
	switch c {
	case good, overcharge:
		p.capture(n, c)
	case declined:
		n.outcome = payment.OutcomeFailed
	case asks:
		n.outcome = payment.OutcomeActionRequired
	}
	p.tell(n)
	return n
}

func (p *provider) capture(n *intent, c card) {
	n.outcome, n.taken = payment.OutcomeCaptured, n.asked
	if c == overcharge {
		n.taken = money.Must(n.asked.Minor()+1, n.asked.Currency())
	}
	p.captures[n.order]++
}

// approve is the customer's answer; it changes nothing unless it is waited for.
func (p *provider) approve(n *intent, yes bool) bool {
	if n.outcome != payment.OutcomeActionRequired {
		return false
	}
	if yes {
		p.capture(n, good)
	} else {
		n.outcome = payment.OutcomeFailed
	}
	p.tell(n)
	return true
}

func (p *provider) void(n *intent) {
	if n.outcome == payment.OutcomeActionRequired || n.outcome == payment.OutcomePending {
		n.outcome = payment.OutcomeVoided
		p.tell(n)
	}
}

// find is the payment with a reference.
func (p *provider) find(reference string) *intent {
	for _, n := range p.intents {
		if n.reference == reference {
			return n
		}
	}
	return nil
}

// refund sends money back, once per key, at most what was taken; some take their time.
func (p *provider) refund(n *intent, key, refundID string, amount money.Amount, slow bool) payment.RefundAnswer {
	if _, known := n.refunds[key]; !known {
		if n.outcome != payment.OutcomeCaptured || n.returned()+amount.Minor() > n.taken.Minor() {
			return payment.RefundAnswer{State: payment.RefundFailed, Code: "charge_already_refunded"}
		}
		n.refunds[key] = amount
		n.slow[key] = slow
		p.told++
		p.webhooks = append(p.webhooks, webhook{id: p.told, order: n.order, refund: refundID})
	}
	return p.refundAnswer(n, key)
}

func (p *provider) refundAnswer(n *intent, key string) payment.RefundAnswer {
	if n.slow[key] {
		return payment.RefundAnswer{State: payment.RefundRequested, Reference: "re_" + key}
	}
	return payment.RefundAnswer{State: payment.Refunded, Reference: "re_" + key, Amount: n.refunds[key]}
}

// late is a request that left us and has not arrived yet. It arrives within certainAfter, or never.
type late struct {
	key            string
	order, attempt int
	amount         money.Amount
	by             time.Time
}

func attemptKey(a *payment.Attempt, try int, b bug) string {
	if b == newKeyPerTry {
		return a.Key() + ":" + strconv.Itoa(try)
	}
	return a.Key()
}

// sorted is all payments in the order of their keys, so that a schedule plays the same every time.
func (p *provider) sorted() []*intent {
	keys := slices.Sorted(maps.Keys(p.intents))
	all := make([]*intent, len(keys))
	for i, key := range keys {
		all[i] = p.intents[key]
	}
	return all
}
