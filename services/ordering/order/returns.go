package order

import (
	"slices"
	"time"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
)

const (
	// returnTime is how long after its delivery an order can be sent back.
	returnTime = 30 * 24 * time.Hour
	// maxReturns is how many times a customer may try, rejected returns included.
	maxReturns = 20
)

// ReturnStatus is where goods on their way back stand.
type ReturnStatus string

const (
	ReturnRequested ReturnStatus = "requested" // awaits the shop's word
	ReturnApproved  ReturnStatus = "approved"  // the customer may send the goods
	ReturnRejected  ReturnStatus = "rejected"
	ReturnReceived  ReturnStatus = "received" // the goods are here, and the money is on its way
	ReturnRefunded  ReturnStatus = "refunded"
)

// Return is goods that a customer sends back.
type Return struct {
	ID          string              `json:"id"`
	Status      ReturnStatus        `json:"status"`
	Lines       []events.OrderLine  `json:"lines"`
	Reason      string              `json:"reason"` // the customer's words
	RequestedAt time.Time           `json:"requestedAt"`
	Note        string              `json:"note,omitempty"`   // the shop's words
	Refund      *money.Amount       `json:"refund,omitempty"` // set when the goods are here
	By          identity.CustomerID `json:"by,omitempty"`     // of the staff, the last one at work on it
}

func notReturnable(why string) error {
	return problem.New(problem.Conflict, "order-not-returnable", "%s", why)
}

// ErrNoReturn is the answer about returns that are not there.
var ErrNoReturn = problem.New(problem.NotFound, "return-not-found", "There is no such return.")

// Returnable reports whether the customer can still send something back.
func (o *Order) Returnable(at time.Time) bool {
	return o.returnable(at) == nil && slices.ContainsFunc(o.Lines, func(l Line) bool { return o.claimed(l.SKU) < l.Quantity })
}

func (o *Order) returnable(at time.Time) error {
	switch {
	case o.Status != Shipped && o.Status != Delivered:
		return notReturnable("Only what was sent to you can be sent back.")
	case o.Status == Delivered && at.After(o.Shipment.DeliveredAt.Add(returnTime)):
		return notReturnable("An order can be sent back within thirty days.")
	case len(o.Returns) >= maxReturns:
		return notReturnable("There are too many returns of this order already. Please write to us.")
	}
	return nil
}

// claimed is how many pieces of a line are, or may be, on their way back.
func (o *Order) claimed(sku string) (n int) {
	for _, r := range o.Returns {
		for _, l := range r.Lines {
			if l.SKU == sku && r.Status != ReturnRejected {
				n += l.Quantity
			}
		}
	}
	return n
}

// RequestReturn asks the shop to take goods back.
func (o *Order) RequestReturn(by identity.Identity, id string, lines []events.OrderLine, reason string, at time.Time) (*Return, error) {
	if !o.VisibleTo(by) {
		return nil, ErrNotFound
	}
	if err := o.returnable(at); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, l := range lines {
		i := slices.IndexFunc(o.Lines, func(bought Line) bool { return bought.SKU == l.SKU })
		if i < 0 || seen[l.SKU] || l.Quantity < 1 || l.Quantity > o.Lines[i].Quantity-o.claimed(l.SKU) {
			return nil, problem.New(problem.Unprocessable, "invalid-return", "More is to go back than there is.").
				WithFields(problem.FieldError{Field: "lines", Detail: "must be what was bought and is not on its way back yet"})
		}
		seen[l.SKU] = true
	}
	if len(lines) == 0 {
		return nil, problem.New(problem.Unprocessable, "invalid-return", "Nothing is to go back.").
			WithFields(problem.FieldError{Field: "lines", Detail: "must not be empty"})
	}
	r := &Return{ID: id, Status: ReturnRequested, Lines: slices.Clone(lines), Reason: reason, RequestedAt: at}
	o.Returns = append(o.Returns, r)
	o.note(at, "A return was requested. We will answer soon.")
	o.raise(events.ReturnRequested{OrderID: o.ID, Number: o.Number, CustomerID: string(o.Customer), ReturnID: id, Lines: r.Lines})
	return r, nil
}

// ApproveReturn and RejectReturn answer the customer. Saying the same twice is saying it once.
func (o *Order) ApproveReturn(by identity.Identity, id, note string, at time.Time) error {
	return o.decide(by, id, ReturnApproved, note, "Your return is approved. Please send the goods back.", at)
}

func (o *Order) RejectReturn(by identity.Identity, id, note string, at time.Time) error {
	return o.decide(by, id, ReturnRejected, note, "Your return cannot be accepted.", at)
}

func (o *Order) decide(by identity.Identity, id string, to ReturnStatus, note, words string, at time.Time) error {
	r := o.returnOf(id)
	switch {
	case r == nil:
		return ErrNoReturn
	case r.Status == to:
		return nil
	case r.Status != ReturnRequested:
		return returnNotOpen(r)
	}
	r.Status, r.Note, r.By = to, note, by.Subject
	o.note(at, sentences(words, note))
	o.sign(by)
	o.raise(events.ReturnDecided{
		OrderID: o.ID, Number: o.Number, CustomerID: string(o.Customer), ReturnID: id, Approved: to == ReturnApproved,
	})
	return nil
}

// ReceiveReturn says that the goods of an approved return are here, and sends back what was paid for them. With restock
// they can be sold again.
func (o *Order) ReceiveReturn(by identity.Identity, id, note string, restock bool, at time.Time) error {
	r := o.returnOf(id)
	switch {
	case r == nil:
		return ErrNoReturn
	case r.Status == ReturnReceived || r.Status == ReturnRefunded:
		return nil
	case r.Status != ReturnApproved:
		return returnNotOpen(r)
	}
	amount := o.RefundOf(r)
	r.Status, r.Refund, r.By = ReturnReceived, &amount, by.Subject
	if note != "" {
		r.Note = note
	}
	o.raise(events.ReturnReceived{OrderID: o.ID, ReturnID: id, Lines: r.Lines, Restock: restock})
	words := "What you returned is here. "
	if amount.IsZero() {
		r.Status = ReturnRefunded
		words += "Its money went back before."
	} else {
		words += amount.String() + " are on their way back to you."
	}
	if o.allBack() {
		o.move(Returned, at, sentences(words, note))
	} else {
		o.note(at, sentences(words, note))
	}
	o.sign(by)
	if !amount.IsZero() {
		o.ask(&Refund{PaymentID: o.Payment.Kept, ReturnID: id, Amount: amount, By: by.Subject}, "return", at)
	}
	o.tally()
	return nil
}

func returnNotOpen(r *Return) error {
	return problem.New(problem.Conflict, "return-not-open", "This return is %s already.", r.Status)
}

// RefundOf is what goes back for a return: what it was worth when it came, or what it would be worth if it came now. That
// is the price really paid, with the lines' shares of the discount, and the tax on it in proportion. Each return gives
// the difference between all that came back with it and without it, so that roundings never add up; the one that
// completes the order gives all that is left, delivery included.
func (o *Order) RefundOf(r *Return) money.Amount {
	if r.Refund != nil {
		return *r.Refund
	}
	before := o.received()
	after := o.received()
	for _, l := range r.Lines {
		after[l.SKU] += l.Quantity
	}
	left := o.Refundable()
	if o.complete(after) {
		return left
	}
	return money.Must(min(o.worth(after)-o.worth(before), left.Minor()), o.Currency)
}

// worth is what was paid for so many pieces, tax included, in minor units.
func (o *Order) worth(pieces map[string]int) int64 {
	var goods int64
	for _, l := range o.Lines {
		goods += l.Paid().Share(int64(pieces[l.SKU]), int64(l.Quantity)).Minor()
	}
	base := o.Total.Minor() - o.Tax.Minor()
	if base <= 0 {
		return goods
	}
	return goods + o.Tax.Share(goods, base).Minor()
}

// received are the pieces that came back.
func (o *Order) received() map[string]int {
	pieces := map[string]int{}
	for _, r := range o.Returns {
		if r.Status == ReturnReceived || r.Status == ReturnRefunded {
			for _, l := range r.Lines {
				pieces[l.SKU] += l.Quantity
			}
		}
	}
	return pieces
}

func (o *Order) allBack() bool { return o.complete(o.received()) }

func (o *Order) complete(pieces map[string]int) bool {
	return !slices.ContainsFunc(o.Lines, func(l Line) bool { return pieces[l.SKU] < l.Quantity })
}

// Find is a return of the order, for whoever shows it.
func (o *Order) Find(returnID string) (*Return, error) {
	if r := o.returnOf(returnID); r != nil {
		return r, nil
	}
	return nil, ErrNoReturn
}

func (o *Order) returnOf(id string) *Return {
	for _, r := range o.Returns {
		if r.ID == id {
			return r
		}
	}
	return nil
}
