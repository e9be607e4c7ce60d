// Package payment is what may be said about the money of one order: attempts to take it, and refunds. It is pure: no I/O and
// no clock. Its methods apply what was asked for and what a provider said, in any order and any number.
package payment

import (
	"strconv"
	"time"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/money"
)

// State is where an attempt to take the money of an order stands.
type State string

const (
	Started        State = "started"         // committed; the provider may or may not have heard of it
	ActionRequired State = "action_required" // the customer has to approve at the provider
	Captured       State = "captured"        // the money is ours
	Failed         State = "failed"          // the provider refused for good
	Voided         State = "voided"          // given up, and certain not to take money any more
	Stray          State = "stray"           // money was taken that settles nothing; it goes back, and a person should know why
)

// Unfinished says whether the provider still has to be asked.
func (s State) Unfinished() bool { return s == Started || s == ActionRequired }

// Attempt is one try to take the money of an order, known at the provider by the key "order:number".
type Attempt struct {
	ID          string
	OrderID     string
	Number      int
	Provider    string
	Method      string // the provider's reference to a payment method, never card data
	ReturnURL   string
	Amount      money.Amount
	State       State
	Reference   string // the provider's own id, once it is known
	RedirectURL string
	Failure     string
	Closing     bool // to be voided if it has not taken money

	Urgent bool // look at it at once
}

// Key names the attempt at the provider, the same for ever.
func (a Attempt) Key() string { return a.OrderID + ":" + strconv.Itoa(a.Number) }

// RefundState is where a refund stands.
type RefundState string

const (
	RefundRequested RefundState = "requested"
	Refunded        RefundState = "refunded"
	RefundFailed    RefundState = "failed"  // the provider could not; a person has to
	RefundRefused   RefundState = "refused" // we would not: more than was taken; a person has to look
)

// Unfinished says whether the provider still has to be asked.
func (s RefundState) Unfinished() bool { return s == RefundRequested }

// Refund is money of an attempt on its way back. An attempt has at most one for a reason, so that a repeated request is
// recognised.
type Refund struct {
	ID        string
	OrderID   string
	AttemptID string
	Reason    string
	Amount    money.Amount
	State     RefundState
	Reference string
	Failure   string
	Silent    bool // nobody was told of the money, so nobody is told of its return

	Urgent bool // look at it at once
}

// Outcome is what a provider says of an attempt.
type Outcome int

const (
	OutcomePending Outcome = iota // known to the provider, not decided
	OutcomeActionRequired
	OutcomeApproved // the customer has approved; the money is to be taken now
	OutcomeCaptured
	OutcomeFailed
	OutcomeVoided
)

func (o Outcome) String() string {
	return [...]string{"pending", "action_required", "approved", "captured", "failed", "voided"}[o]
}

// Open says whether the provider may still take the money.
func (o Outcome) Open() bool {
	return o == OutcomePending || o == OutcomeActionRequired || o == OutcomeApproved
}

// Answer is what a provider said of an attempt, at once, when asked later, or by webhook: all three mean the same.
type Answer struct {
	Outcome     Outcome
	Reference   string
	Amount      money.Amount // what was taken; only if captured
	RedirectURL string
	Code        string // why it failed
}

// RefundAnswer is what a provider said of a refund.
type RefundAnswer struct {
	State     RefundState
	Reference string
	Amount    money.Amount
	Code      string
}

// Payment is everything done about the money of one order. Its methods apply facts and are never refused; a repeat, or a
// fact that arrives late or out of order, changes nothing that is settled. Only money that moved overrides: a capture
// that arrives after a failure counts.
type Payment struct {
	OrderID  string
	Closed   bool
	Attempts []*Attempt
	Refunds  []*Refund

	facts []events.Fact
}

// Facts are what is to be told because of what was applied.
func (p *Payment) Facts() []events.Fact { return p.facts }

// Copy is the payment as it stands now, without facts, to tell later what has changed.
func (p *Payment) Copy() *Payment {
	c := &Payment{OrderID: p.OrderID, Closed: p.Closed}
	for _, a := range p.Attempts {
		c.Attempts = append(c.Attempts, new(*a))
	}
	for _, f := range p.Refunds {
		c.Refunds = append(c.Refunds, new(*f))
	}
	return c
}

// Request begins an attempt. It is given up at once if the order is closed, is paid, or has a newer attempt already;
// older attempts of the order are to be voided first, so that two never take money side by side.
func (p *Payment) Request(id string, r events.PaymentRequested) {
	var moot bool
	for _, a := range p.Attempts {
		if a.Number == r.Attempt {
			return
		}
		moot = moot || a.State == Captured || a.Number > r.Attempt
	}
	a := &Attempt{
		ID: id, OrderID: p.OrderID, Number: r.Attempt, Provider: r.Provider, Method: r.Method, ReturnURL: r.ReturnURL,
		Amount: r.Amount, State: Started, Urgent: true,
	}
	p.Attempts = append(p.Attempts, a)
	switch {
	case p.Closed || moot:
		a.State, a.Failure = Voided, "superseded"
		return
	case methods[r.Provider] == nil:
		p.fail(a, "unknown_provider")
		return
	case !methods[r.Provider](r.Method):
		a.Method = "" // it may be a card number; that is not kept
		p.fail(a, "invalid_method")
		return
	}
	for _, older := range p.Attempts {
		if older.Number < a.Number {
			older.close()
		}
	}
}

// Close gives up what has not taken money. An attempt requested later is given up at once. Money that arrives all the
// same is told, and whoever closed the order asks for its return.
func (p *Payment) Close() {
	p.Closed = true
	for _, a := range p.Attempts {
		a.close()
	}
}

func (a *Attempt) close() {
	if a.State.Unfinished() && !a.Closing {
		a.Closing, a.Urgent = true, true
	}
}

// Learn applies what a provider said of an attempt. id names the refund of money that settles nothing. It may be called
// with any answer, any number of times, in any order: an order gets at most one PaymentCaptured.
func (p *Payment) Learn(number int, ans Answer, id string, at time.Time) {
	a := p.attempt(number)
	if a == nil {
		return
	}
	if a.State == Captured || a.State == Stray {
		if ans.Outcome == OutcomeCaptured && ans.Reference != a.Reference {
			a.Failure = "second_capture " + ans.Reference // the provider forgot our key: a person has to return it
		}
		return
	}
	before := *a
	if a.Reference == "" {
		a.Reference = ans.Reference
	}
	switch {
	case ans.Outcome == OutcomeCaptured:
		p.capture(a, ans, id, at)
	case !a.State.Unfinished():
		return
	case ans.Outcome == OutcomeFailed:
		p.fail(a, ans.Code)
	case ans.Outcome == OutcomeVoided && a.Closing:
		a.State = Voided
	case ans.Outcome == OutcomeVoided:
		p.fail(a, "voided_by_provider")
	case ans.Outcome == OutcomeActionRequired && ans.RedirectURL != "":
		a.State, a.RedirectURL = ActionRequired, ans.RedirectURL
		if before.State == Started && !a.Closing {
			p.tell(events.PaymentActionRequired{OrderID: p.OrderID, PaymentID: a.ID, RedirectURL: a.RedirectURL})
		}
	}
	switch {
	case !a.State.Unfinished():
		a.Urgent = false
	case a.Closing: // there is something new to void; what cannot be voided yet must not be asked in a loop
		a.Urgent = a.State != before.State || a.Reference != before.Reference
	default:
		a.Urgent = ans.Outcome == OutcomeApproved
	}
}

func (p *Payment) capture(a *Attempt, ans Answer, id string, at time.Time) {
	paid := false
	for _, other := range p.Attempts {
		paid = paid || other.State == Captured
	}
	open := a.State.Unfinished()
	switch {
	case ans.Amount != a.Amount:
		p.stray(a, ans, id, "amount_mismatch")
		if open && !paid {
			p.tell(events.PaymentFailed{OrderID: p.OrderID, PaymentID: a.ID, Code: a.Failure, Attempt: a.Number})
		}
	case paid:
		p.stray(a, ans, id, "already_paid")
	default:
		a.State, a.Failure = Captured, ""
		p.tell(events.PaymentCaptured{OrderID: p.OrderID, PaymentID: a.ID, Amount: a.Amount, At: at})
		for _, other := range p.Attempts {
			other.close()
		}
	}
}

// stray records money that settles nothing and sends it back.
func (p *Payment) stray(a *Attempt, ans Answer, id, why string) {
	a.State, a.Failure = Stray, why
	p.Refunds = append(p.Refunds, &Refund{
		ID: id, OrderID: p.OrderID, AttemptID: a.ID, Reason: "stray:" + a.ID, Amount: ans.Amount,
		State: RefundRequested, Silent: true, Urgent: true,
	})
}

func (p *Payment) fail(a *Attempt, code string) {
	a.State, a.Failure = Failed, code
	p.tell(events.PaymentFailed{OrderID: p.OrderID, PaymentID: a.ID, Code: code, Attempt: a.Number})
}

// Return begins a refund. It is refused, and kept for a person to see, if the refunds of the payment would exceed what
// was taken.
func (p *Payment) Return(id string, r events.RefundRequested) {
	for _, f := range p.Refunds {
		if f.AttemptID == r.PaymentID && f.Reason == r.Reason {
			return
		}
	}
	f := &Refund{
		ID: id, OrderID: p.OrderID, AttemptID: r.PaymentID, Reason: r.Reason, Amount: r.Amount,
		State: RefundRequested, Urgent: true,
	}
	if !p.covers(r.PaymentID, r.Amount) {
		f.State, f.Failure = RefundRefused, "exceeds_capture"
	}
	p.Refunds = append(p.Refunds, f)
}

func (p *Payment) covers(attemptID string, amount money.Amount) bool {
	var left int64
	for _, a := range p.Attempts {
		if a.ID == attemptID && a.State == Captured && a.Amount.Currency() == amount.Currency() {
			left = a.Amount.Minor()
		}
	}
	for _, f := range p.Refunds {
		if f.AttemptID == attemptID && (f.State == RefundRequested || f.State == Refunded) {
			left -= f.Amount.Minor()
		}
	}
	return amount.Minor() > 0 && amount.Minor() <= left
}

// LearnRefund applies what a provider said of a refund. Money that went back overrides a failure told earlier.
func (p *Payment) LearnRefund(id string, ans RefundAnswer) {
	for _, f := range p.Refunds {
		if f.ID != id || f.State == Refunded || f.State == RefundRefused {
			continue
		}
		if ans.Reference != "" {
			f.Reference = ans.Reference
		}
		switch {
		case ans.State == Refunded && ans.Amount != f.Amount:
			f.State, f.Failure = RefundFailed, "amount_mismatch"
		case ans.State == Refunded:
			f.State, f.Failure = Refunded, ""
			if !f.Silent {
				p.tell(events.PaymentRefunded{OrderID: p.OrderID, PaymentID: f.AttemptID, RefundID: f.ID, Amount: f.Amount})
			}
		case ans.State == RefundFailed:
			f.State, f.Failure = RefundFailed, ans.Code
		}
	}
}

func (p *Payment) attempt(number int) *Attempt {
	for _, a := range p.Attempts {
		if a.Number == number {
			return a
		}
	}
	return nil
}

func (p *Payment) tell(f events.Fact) { p.facts = append(p.facts, f) }

// methods says of each provider what it calls a payment method.
var methods = map[string]func(string) bool{
	"stripe": methodReference,
	"paypal": func(s string) bool { return s == "paypal" },
}

// methodReference says whether s looks like a provider's reference to a payment method, such as "pm_card_visa". A card
// number does not pass, wherever in s it stands: card data must not reach a row, an event or a log of ours.
func methodReference(s string) bool {
	if len(s) < 4 || len(s) > 200 || s[:3] != "pm_" {
		return false
	}
	digits := 0
	for _, c := range s {
		switch {
		case c >= '0' && c <= '9':
			if digits++; digits >= 12 {
				return false
			}
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
			digits = 0
		default:
			return false
		}
	}
	return true
}
