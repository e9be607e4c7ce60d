// Package order is the shop's rules for a purchase: what it costs, and how it goes from its acceptance to its end. It has no
// I/O and no clock; whoever uses it brings the prices, the time and the place to keep orders.
package order

import (
	"slices"
	"time"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
)

// Status is where an order stands.
type Status string

const (
	Placed        Status = "placed"         // awaits its stock
	Reserved      Status = "reserved"       // awaits its money
	Paid          Status = "paid"           // awaits its parcel
	Shipped       Status = "shipped"        // on its way
	Delivered     Status = "delivered"      // arrived
	Rejected      Status = "rejected"       // there was not enough stock
	PaymentFailed Status = "payment_failed" // the provider refused, or the wrong sum arrived
	Expired       Status = "expired"        // stock or money did not come in time
	Cancelled     Status = "cancelled"      // by the customer or the shop
	Refunded      Status = "refunded"       // paid once, and all of it went back
	Returned      Status = "returned"       // paid once, and all of the goods came back

	// NeedsAttention is shown in place of any of them while a person has to look at the order; see Order.Shown.
	NeedsAttention Status = "needs_attention"
)

// Waiting reports whether the order waits for another service, and so must have a due time.
func (s Status) Waiting() bool { return s == Placed || s == Reserved }

// Over reports whether the order ended, and no money may stay with us.
func (s Status) Over() bool {
	return slices.Contains([]Status{Rejected, PaymentFailed, Expired, Cancelled, Refunded, Returned}, s)
}

// PaymentStatus is what the customer is told about the money of an order.
type PaymentStatus string

const (
	PaymentPending   PaymentStatus = "pending"         // not asked for yet
	PaymentRequested PaymentStatus = "requested"       // the provider is at work
	ActionRequired   PaymentStatus = "action_required" // the customer has to approve at the redirect URL
	Captured         PaymentStatus = "captured"
	Failed           PaymentStatus = "failed"
	Void             PaymentStatus = "void"             // the order ended before any money moved
	RefundPending    PaymentStatus = "refund_requested" // money is on its way back
	PaymentReturned  PaymentStatus = "refunded"
)

// Order is one purchase from its acceptance to its end. Commands, such as Cancel, may be refused. Facts, such as Settle,
// may not: they come at least once and in any order, a repeat changes nothing, and one that is no longer of use changes
// at most the money. Every change that the customer can see adds an entry to the timeline, so that its length is the
// version of what the customer sees.
type Order struct {
	ID         string
	Number     string // for people
	Customer   identity.CustomerID
	BasketID   string
	CheckoutID string // names the content of the basket; what is checked out twice is one order
	Status     Status
	Attention  string // why a person has to look, in kebab-case; "" if nobody has to
	PlacedAt   time.Time
	DueAt      time.Time // when to stop waiting for stock or money; zero if the order waits for neither
	Quote
	Address  Address
	Email    string
	Payment  Payment
	Invoice  string // its number, given when the order is paid
	Shipment *Shipment
	Refunds  []*Refund
	Returns  []*Return
	Notes    []Note
	Timeline []Entry

	raised  []events.Fact
	changed bool
}

// Address is where the parcel goes, as it was at checkout.
type Address struct {
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2"`
	City       string `json:"city"`
	Region     string `json:"region"`
	PostalCode string `json:"postalCode"`
	Country    string `json:"country"` // ISO 3166-1 alpha-2
}

// Payment is what the order knows of its money. Attempt counts the requests made to payment.
type Payment struct {
	Provider    string        `json:"provider"`
	Method      string        `json:"method"` // the provider's reference to a payment method, never card data
	ReturnURL   string        `json:"returnUrl"`
	Status      PaymentStatus `json:"status"`
	Attempt     int           `json:"attempt"`
	RedirectURL string        `json:"redirectUrl,omitempty"`
	Failure     string        `json:"failure,omitempty"`
	Kept        string        `json:"kept,omitempty"` // the payment that pays for the order
	PaidAt      time.Time     `json:"paidAt,omitzero"`
	Captures    []*Capture    `json:"captures,omitempty"`
}

// Capture is money that arrived, and how much of it went back since, whether we asked for that or not.
type Capture struct {
	PaymentID string                  `json:"paymentId"`
	Settled   bool                    `json:"settled"` // false while only its refund was heard of
	Amount    money.Amount            `json:"amount"`
	Returned  money.Amount            `json:"returned"`
	Refunds   map[string]money.Amount `json:"refunds"` // what went back, by payment's id of each refund
}

// Entry is one line of an order's history, written for its customer. By is which of the staff did it, and is for the
// staff alone.
type Entry struct {
	Seq    int                 `json:"seq"`
	Status Status              `json:"status"`
	At     time.Time           `json:"at"`
	Note   string              `json:"note"`
	By     identity.CustomerID `json:"by,omitempty"`
}

// Note is for the staff alone. By is which of them wrote it; "" if the system did.
type Note struct {
	At   time.Time           `json:"at"`
	By   identity.CustomerID `json:"by"`
	Text string              `json:"text"`
}

// Deadlines are how long an order waits for others.
type Deadlines struct {
	Stock   time.Duration // for inventory's answer
	Payment time.Duration // for the money, from the reservation on
	Action  time.Duration // for the customer's approval, from its request on
	Refund  time.Duration // for the word that money went back, from the first time it was asked for
}

// Draft is an order that has been checked and priced, but not accepted yet.
type Draft struct {
	ID         string
	Customer   identity.CustomerID
	BasketID   string
	CheckoutID string
	Quote      Quote
	Address    Address
	Email      string
	Provider   string
	Method     string
	ReturnURL  string
}

// ErrNotFound is the answer about orders that are not there, and about those of others.
var ErrNotFound = problem.New(problem.NotFound, "order-not-found", "There is no such order.")

// Place accepts a draft: the order awaits its stock.
func Place(number string, d Draft, wait Deadlines, at time.Time) *Order {
	o := &Order{
		ID: d.ID, Number: number, Customer: d.Customer, BasketID: d.BasketID, CheckoutID: d.CheckoutID,
		PlacedAt: at, DueAt: at.Add(wait.Stock),
		Quote: d.Quote, Address: d.Address, Email: d.Email,
		Payment: Payment{Provider: d.Provider, Method: d.Method, ReturnURL: d.ReturnURL, Status: PaymentPending},
	}
	o.move(Placed, at, "We have received your order.")
	lines := make([]events.OrderLine, len(o.Lines))
	for i, l := range o.Lines {
		lines[i] = events.OrderLine{SKU: l.SKU, Quantity: l.Quantity}
	}
	o.raise(events.OrderPlaced{
		OrderID: o.ID, Number: o.Number, CustomerID: string(o.Customer), BasketID: o.BasketID, Lines: lines,
		Total: o.Total, ExpiresAt: o.DueAt,
	})
	return o
}

// VisibleTo reports whether someone may see the order: its customer and the staff.
func (o *Order) VisibleTo(who identity.Identity) bool {
	return who.Staff() || !who.Anonymous() && who.Subject == o.Customer
}

// Shown is the status for people: a person's attention covers what the order is otherwise doing, and goes on doing.
func (o *Order) Shown() Status {
	if o.Attention != "" {
		return NeedsAttention
	}
	return o.Status
}

// Cancellable reports whether the order can still be stopped.
func (o *Order) Cancellable() bool {
	return o.Status == Placed || o.Status == Reserved || o.Status == Paid
}

// Cancel stops the order and returns the customer's money if it was taken. It is refused once the order has left the
// house or ended otherwise; cancelling twice is cancelling once. The reason is for the timeline only: it is the
// customer's own words, and facts carry none of those.
func (o *Order) Cancel(by identity.Identity, reason string, at time.Time) error {
	if !o.VisibleTo(by) {
		return ErrNotFound
	}
	switch {
	case o.Status == Cancelled:
		return nil
	case o.Cancellable() && by.Subject == o.Customer:
		o.end(Cancelled, "cancelled", sentences("Cancelled by you.", reason), at)
		return nil
	case o.Cancellable():
		o.end(Cancelled, "cancelled", sentences("Cancelled by the shop.", reason), at)
		o.sign(by)
		return nil
	}
	return problem.New(problem.Conflict, "order-not-cancellable", "An order that is %s cannot be cancelled.", o.Status)
}

// Reserve applies the fact that all lines of the order are held: its money is due.
func (o *Order) Reserve(wait Deadlines, at time.Time) {
	if o.Status != Placed {
		return
	}
	o.DueAt = at.Add(wait.Payment)
	if o.Payment.Kept != "" || o.Total.IsZero() {
		o.move(Reserved, at, "Everything is in stock and held for you.")
		o.pay(at)
		return
	}
	o.Payment.Status = PaymentRequested
	o.Payment.Attempt++
	o.move(Reserved, at, "Everything is in stock and held for you. Your payment is being taken.")
	o.raise(events.PaymentRequested{
		OrderID: o.ID, Number: o.Number, Amount: o.Total, Provider: o.Payment.Provider, Method: o.Payment.Method,
		ReturnURL: o.Payment.ReturnURL, Attempt: o.Payment.Attempt,
	})
}

// Reject applies the fact that the stock does not suffice.
func (o *Order) Reject(at time.Time) {
	if o.Status == Placed {
		o.end(Rejected, "out-of-stock", "Something you ordered has just sold out.", at)
	}
}

// Settle applies the fact that a payment was captured. A repeat changes nothing, because brokers deliver at least once,
// and money that arrives for an order that no longer awaits it is sent back.
func (o *Order) Settle(paymentID string, amount money.Amount, at time.Time) {
	c := o.capture(paymentID, amount.Currency())
	if c.Settled {
		return
	}
	c.Settled, c.Amount = true, amount
	if c.Returned.Currency() != amount.Currency() {
		c.Returned = none(amount)
	}
	switch {
	case !o.Status.Waiting() || o.Payment.Kept != "":
		o.note(at, "A payment arrived that is not needed; it is being returned.")
		o.giveBack("not-awaited", at)
	case amount != o.Total || !c.Returned.IsZero():
		// payment guards the sum too; here is where a mistake of either of us ends without a loss for the customer.
		o.Payment.Failure = "wrong-amount"
		o.end(PaymentFailed, "wrong-amount", "A payment arrived that is not what the order costs; it is being returned.", at)
	case o.Status == Placed:
		// We have not asked for money yet. It is kept, since asking for it again would charge twice.
		o.Payment.Kept, o.Payment.Status = paymentID, Captured
		o.note(at, "Your payment has arrived.")
	default:
		o.Payment.Kept = paymentID
		o.pay(at)
	}
}

// FailPayment applies the fact that the provider has refused an attempt for good.
func (o *Order) FailPayment(attempt int, code string, at time.Time) {
	if o.Status != Reserved || attempt != o.Payment.Attempt {
		return
	}
	o.Payment.Failure = code
	o.end(PaymentFailed, code, "Your payment was refused. You have not been charged.", at)
}

// RequireAction applies the fact that the customer has to approve the payment at the provider.
func (o *Order) RequireAction(redirectURL string, wait Deadlines, at time.Time) {
	if o.Status != Reserved || o.Payment.RedirectURL == redirectURL {
		return
	}
	o.Payment.Status, o.Payment.RedirectURL = ActionRequired, redirectURL
	o.DueAt = at.Add(wait.Action)
	o.note(at, "Your bank asks you to approve the payment.")
}

// Expire ends an order whose wait is over. It looks at the clock again, since the order may have moved since someone
// saw that it was due.
func (o *Order) Expire(at time.Time) {
	if !o.Status.Waiting() || at.Before(o.DueAt) {
		return
	}
	if o.Status == Placed {
		o.end(Expired, "stock-timeout", "We could not confirm the stock in time.", at)
		return
	}
	o.end(Expired, "payment-timeout", "The payment did not arrive in time.", at)
}

// pay ends the wait for money.
func (o *Order) pay(at time.Time) {
	o.DueAt = time.Time{}
	o.Payment.Status, o.Payment.RedirectURL, o.Payment.Failure, o.Payment.PaidAt = Captured, "", "", at
	o.move(Paid, at, "Your payment has arrived. We are packing your order.")
	o.raise(events.OrderPaid{OrderID: o.ID, Number: o.Number, CustomerID: string(o.Customer), Total: o.Total})
}

// end closes the order without a purchase: what is held is let go, what was paid goes back.
func (o *Order) end(to Status, reason, note string, at time.Time) {
	o.DueAt = time.Time{}
	o.Payment.RedirectURL = ""
	o.Payment.Status = Void
	if o.Payment.Failure != "" {
		o.Payment.Status = Failed
	}
	o.move(to, at, note)
	o.raise(events.OrderClosed{
		OrderID: o.ID, Number: o.Number, CustomerID: string(o.Customer), Status: string(to), Reason: reason,
	})
	o.giveBack(reason, at)
}

// tally says of an order that is over how far its money is on the way back.
func (o *Order) tally() {
	if !o.Status.Over() {
		return
	}
	for _, c := range o.Payment.Captures {
		if c.Settled && c.Returned.Cmp(c.Amount) < 0 {
			o.Payment.Status = RefundPending
			return
		}
		if c.Settled {
			o.Payment.Status = PaymentReturned
		}
	}
}

// capture finds what is known of a payment, or begins to.
func (o *Order) capture(paymentID, currency string) *Capture {
	for _, c := range o.Payment.Captures {
		if c.PaymentID == paymentID {
			return c
		}
	}
	zero := money.Must(0, currency)
	c := &Capture{PaymentID: paymentID, Amount: zero, Returned: zero, Refunds: map[string]money.Amount{}}
	o.Payment.Captures = append(o.Payment.Captures, c)
	return c
}

func (o *Order) move(to Status, at time.Time, note string) {
	o.Status = to
	o.note(at, note)
}

func (o *Order) note(at time.Time, note string) {
	o.Timeline = append(o.Timeline, Entry{Seq: len(o.Timeline) + 1, Status: o.Shown(), At: at, Note: note})
	o.changed = true
}

// sign puts the name of a member of the staff under the last entry.
func (o *Order) sign(by identity.Identity) { o.Timeline[len(o.Timeline)-1].By = by.Subject }

// AddNote keeps something that the staff should know.
func (o *Order) AddNote(by identity.Identity, text string, at time.Time) {
	o.Notes = append(o.Notes, Note{At: at, By: by.Subject, Text: text})
	o.changed = true
}

// Dispute applies the fact that the customer asked the bank for the money, or that the bank has decided.
func (o *Order) Dispute(disputeID, state string, amount money.Amount, reason string, at time.Time) {
	text := "Dispute " + disputeID + " over " + amount.String() + " is " + state + " (" + reason + ")."
	if !slices.ContainsFunc(o.Notes, func(n Note) bool { return n.By == "" && n.Text == text }) {
		o.AddNote(identity.Identity{}, text, at)
	}
}

// Changed reports whether there is something to save since the order was loaded, Raised what there is to tell.
func (o *Order) Changed() bool         { return o.changed }
func (o *Order) Raised() []events.Fact { return o.raised }

// Saved forgets both, once they are kept.
func (o *Order) Saved() { o.raised, o.changed = nil, false }

func (o *Order) raise(f events.Fact) { o.raised = append(o.raised, f) }

func none(a money.Amount) money.Amount { return money.Must(0, a.Currency()) }

// sentences joins what we say and what somebody added, if anything.
func sentences(ours, theirs string) string {
	if theirs == "" {
		return ours
	}
	return ours + " " + theirs
}
