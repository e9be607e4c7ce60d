package order

import (
	"strconv"
	"time"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
)

const (
	// attentionAfter is how many times payment is asked for a refund before a person has to look.
	attentionAfter = 3
	// longestRefundWait is how many times as long as the first wait for a refund the later ones become.
	longestRefundWait = 64

	refundNotConfirmed = "refund-not-confirmed"
)

// Refund is money that we asked payment to send back. ID is unique within the order: payment recognises a repeated
// request by it, so that asking again can never send money twice.
type Refund struct {
	ID        string              `json:"id"`
	PaymentID string              `json:"paymentId"`
	ReturnID  string              `json:"returnId,omitempty"` // the goods that it is for
	Amount    money.Amount        `json:"amount"`
	By        identity.CustomerID `json:"by,omitempty"` // of the staff
	AskedAt   time.Time           `json:"askedAt"`      // the last time
	Tries     int                 `json:"tries"`
	Done      bool                `json:"done"` // the money went back
}

// due is when a refund that was not heard of is asked for again: each wait is twice as long as the one before.
func (r *Refund) due(wait Deadlines) time.Time {
	return r.AskedAt.Add(wait.Refund * time.Duration(min(1<<min(r.Tries-1, 10), longestRefundWait)))
}

// Due is when the order has to be looked at again; zero if it waits for nobody. Money that is to go back is waited for
// like money that is to come, after it.
func (o *Order) Due(wait Deadlines) time.Time {
	if o.Status.Waiting() {
		return o.DueAt
	}
	var due time.Time
	for _, r := range o.Refunds {
		if at := r.due(wait); !r.Done && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	return due
}

// Remind asks again for the refunds that were not heard of in time. After the third time it calls for a person, once,
// and goes on asking: what was down for a day mends itself when it is back.
func (o *Order) Remind(wait Deadlines, at time.Time) {
	for _, r := range o.Refunds {
		if r.Done || at.Before(r.due(wait)) {
			continue
		}
		if r.Tries == attentionAfter && o.Attention == "" {
			o.Attention = refundNotConfirmed
			o.note(at, "Your refund takes longer than it should. We are looking into it.")
			o.raise(events.OrderAttention{OrderID: o.ID, Number: o.Number, Reason: o.Attention})
		}
		r.Tries++
		r.AskedAt = at
		o.AddNote(identity.Identity{}, "Refund "+r.ID+" of "+r.Amount.String()+" was not confirmed; asked for the "+strconv.Itoa(r.Tries)+". time.", at)
		o.request(r)
	}
}

// Refund sends money of a paid order back to its customer: amount, or all that is left if that is nil.
func (o *Order) Refund(by identity.Identity, amount *money.Amount, reason string, at time.Time) error {
	left := o.Refundable()
	if amount == nil {
		amount = &left
	}
	if amount.Currency() != o.Currency || amount.Negative() || amount.IsZero() && !left.IsZero() {
		return problem.New(problem.Unprocessable, "invalid-amount", "A refund is a sum above zero in %s.", o.Currency).
			WithFields(problem.FieldError{Field: "amount", Detail: "must be above zero and in " + o.Currency})
	}
	if left.IsZero() || amount.Cmp(left) > 0 {
		return problem.New(problem.Unprocessable, "refund-exceeds-payment", "There are %s left to refund.", left).
			WithFields(problem.FieldError{Field: "amount", Detail: "must be at most " + left.String()})
	}
	o.note(at, sentences("The shop is sending "+amount.String()+" back to you.", reason))
	o.sign(by)
	o.ask(&Refund{PaymentID: o.Payment.Kept, Amount: *amount, By: by.Subject}, "shop", at)
	return nil
}

// Refundable is the money of a living, paid order that has neither gone back nor is to.
func (o *Order) Refundable() money.Amount {
	if o.Status == Paid || o.Status == Shipped || o.Status == Delivered {
		for _, c := range o.Payment.Captures {
			if c.PaymentID == o.Payment.Kept && c.Settled {
				return o.left(c)
			}
		}
	}
	return none(o.Total)
}

// Repaid is the money that went back so far, of the payment that paid for the order or, if none did, of all.
func (o *Order) Repaid() money.Amount {
	sum := none(o.Total)
	for _, c := range o.Payment.Captures {
		if o.Payment.Kept != "" && c.PaymentID != o.Payment.Kept {
			continue
		}
		if more, err := sum.Add(c.Returned); err == nil { // another currency is not the order's money
			sum = more
		}
	}
	return sum
}

// left is what has neither gone back nor is asked for, of a capture.
func (o *Order) left(c *Capture) money.Amount {
	left := c.Amount.Minor() - c.Returned.Minor()
	for _, r := range o.Refunds {
		if r.PaymentID == c.PaymentID && !r.Done {
			left -= r.Amount.Minor()
		}
	}
	return money.Must(max(left, 0), c.Amount.Currency())
}

// giveBack asks for the return of every capture but the one that pays for a living order.
func (o *Order) giveBack(reason string, at time.Time) {
	for _, c := range o.Payment.Captures {
		if !o.Status.Over() && c.PaymentID == o.Payment.Kept {
			continue
		}
		if left := o.left(c); c.Settled && !left.IsZero() {
			o.ask(&Refund{PaymentID: c.PaymentID, Amount: left}, reason, at)
		}
	}
	o.tally()
}

// ask begins a refund.
func (o *Order) ask(r *Refund, reason string, at time.Time) {
	r.ID = reason + "-" + strconv.Itoa(len(o.Refunds)+1)
	r.AskedAt, r.Tries = at, 1
	o.Refunds = append(o.Refunds, r)
	o.request(r)
}

func (o *Order) request(r *Refund) {
	o.raise(events.RefundRequested{OrderID: o.ID, PaymentID: r.PaymentID, Amount: r.Amount, Reason: r.ID})
}

// Return applies the fact that money of a payment went back to the customer, asked for by us or by a person at the
// provider. It may overtake the fact that the money arrived.
func (o *Order) Return(paymentID, refundID string, amount money.Amount, at time.Time) {
	c := o.capture(paymentID, amount.Currency())
	if _, again := c.Refunds[refundID]; again {
		return
	}
	c.Refunds[refundID] = amount
	if sum, err := c.Returned.Add(amount); err == nil {
		c.Returned = sum
	}
	gone := c.Settled && c.Returned.Cmp(c.Amount) >= 0
	o.confirm(c, amount, gone)
	o.raise(events.OrderRefunded{OrderID: o.ID, Number: o.Number, CustomerID: string(o.Customer), RefundID: refundID, Amount: amount})
	kept := paymentID == o.Payment.Kept && !o.Status.Over()
	note := amount.String() + " went back to you."
	switch {
	case kept && o.Status.Waiting():
		// Money was kept for an order that still awaits its stock, and is leaving again.
		o.note(at, note)
		o.Payment.Failure = "refunded"
		o.end(PaymentFailed, "refunded", "Your payment was taken back.", at)
	case kept && gone:
		o.move(Refunded, at, note)
		o.tally()
	default:
		o.note(at, note)
		o.tally()
	}
}

// confirm finds the refund that a returned sum answers. Once all of a payment is gone, whatever else was asked for of it
// is answered too: a person may have sent it in parts of their own.
func (o *Order) confirm(c *Capture, amount money.Amount, gone bool) {
	matched := false
	overdue := false
	for _, r := range o.Refunds {
		if r.PaymentID == c.PaymentID && !r.Done && (gone || !matched && r.Amount == amount) {
			matched = true
			r.Done = true
			if g := o.returnOf(r.ReturnID); g != nil {
				g.Status = ReturnRefunded
			}
		}
		overdue = overdue || !r.Done && r.Tries > attentionAfter
	}
	if !overdue && o.Attention == refundNotConfirmed {
		o.Attention = ""
	}
}
