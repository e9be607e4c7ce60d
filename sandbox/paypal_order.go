package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sidecart/sidecart/internal/money"
)

// paypalPayment is a PayPal order with one purchase unit and what came of it: the unit that is changed and saved as one. Its
// methods are the life of an order with the intent CAPTURE (https://developer.paypal.com/docs/api/orders/v2/); they do no
// I/O, take the time as an argument and collect what they caused in movements and events.
type paypalPayment struct {
	ID          string         `json:"id"`
	Status      string         `json:"status"`
	CreatedAt   time.Time      `json:"createdAt"`
	UpdatedAt   time.Time      `json:"updatedAt"`
	ReferenceID string         `json:"referenceId"`
	CustomID    string         `json:"customId,omitempty"`
	InvoiceID   string         `json:"invoiceId,omitempty"`
	Description string         `json:"description,omitempty"`
	Minor       int64          `json:"minor"`
	Currency    string         `json:"currency"`
	ReturnURL   string         `json:"returnUrl,omitempty"`
	CancelURL   string         `json:"cancelUrl,omitempty"`
	Sourced     bool           `json:"sourced,omitempty"` // created with a payment_source, which renames some things
	Instrument  string         `json:"instrument,omitempty"`
	Capture     *paypalCapture `json:"capture,omitempty"`
	Refunds     []paypalRefund `json:"refunds,omitempty"`

	movements []movement
	events    []paypalRaised
}

// paypalCapture and paypalRefund are what the sandbox remembers of them; paypal_objects.go says how they are shown.
type paypalCapture struct {
	ID        string    `json:"id"`
	Status    string    `json:"status"`
	Reason    string    `json:"reason,omitempty"` // why it is PENDING or DECLINED
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

type paypalRefund struct {
	ID        string    `json:"id"`
	Minor     int64     `json:"minor"`
	CustomID  string    `json:"customId,omitempty"`
	InvoiceID string    `json:"invoiceId,omitempty"`
	Note      string    `json:"note,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
}

// paypalRaised is an event before it has an id.
type paypalRaised struct {
	Type, ResourceType, Summary string
	Resource                    json.RawMessage
}

// The statuses of an order.
const (
	paypalCreated        = "CREATED"
	paypalActionRequired = "PAYER_ACTION_REQUIRED"
	paypalApproved       = "APPROVED"
	paypalCompleted      = "COMPLETED"
)

// What the customer may choose to pay with at the approval page.
const (
	instrumentBalance  = "balance"
	instrumentDeclined = "declined" // refused when the money is to be taken
	instrumentReviewed = "reviewed" // PayPal takes its time and decides when the sandbox is told to
)

// newPayPalID is an identifier in PayPal's manner.
func newPayPalID() string { return rand.Text()[:17] }

// approvable says whether the customer may approve: also anew, after what she paid with was declined.
func (p *paypalPayment) approvable() bool {
	return p.Status == paypalCreated || p.Status == paypalActionRequired || p.Status == paypalApproved && p.Instrument == instrumentDeclined
}

// approve is what the customer does at the approval page. It changes nothing unless the order waits for that.
func (p *paypalPayment) approve(instrument string, at time.Time) {
	if !p.approvable() {
		return
	}
	p.Status, p.Instrument, p.UpdatedAt = paypalApproved, instrument, at
	p.raise("CHECKOUT.ORDER.APPROVED", "checkout-order", "An order has been approved by buyer", p.view(""))
}

// take captures the money of an approved order.
func (p *paypalPayment) take(at time.Time) error {
	switch {
	case p.Status == paypalCompleted:
		return unprocessable("ORDER_ALREADY_CAPTURED", "Order already captured. If 'intent=CAPTURE' only one capture per order is allowed.")
	case p.Status != paypalApproved:
		return unprocessable("ORDER_NOT_APPROVED", "Payer has not yet approved the Order for payment. Please redirect the payer to the "+
			"'rel':'approve' url returned as part of the HATEOAS links within the Create Order call or provide a valid payment_source in the request.")
	case p.Instrument == instrumentDeclined:
		return unprocessable("INSTRUMENT_DECLINED", "The instrument presented was either declined by the processor or bank, or it can't be used for this payment.")
	}
	p.Status, p.UpdatedAt = paypalCompleted, at
	p.Capture = &paypalCapture{ID: newPayPalID(), Status: "COMPLETED", CreatedAt: at, UpdatedAt: at}
	if p.Instrument == instrumentReviewed {
		p.Capture.Status, p.Capture.Reason = "PENDING", "PENDING_REVIEW"
		p.raise("PAYMENT.CAPTURE.PENDING", "capture", "Payment pending for "+p.price().String(), p.captureView(""))
		return nil
	}
	p.settle(at)
	return nil
}

func (p *paypalPayment) settle(at time.Time) {
	p.Capture.Status, p.Capture.Reason, p.Capture.UpdatedAt = "COMPLETED", "", at
	p.move("capture", p.Minor, at)
	p.raise("PAYMENT.CAPTURE.COMPLETED", "capture", "Payment completed for "+p.price().String(), p.captureView(""))
}

// review is PayPal's decision on a capture that is PENDING. It changes nothing otherwise.
func (p *paypalPayment) review(accepted bool, at time.Time) {
	switch {
	case p.Capture == nil || p.Capture.Status != "PENDING":
	case accepted:
		p.settle(at)
	default:
		p.Capture.Status, p.Capture.Reason, p.Capture.UpdatedAt = "DECLINED", "DECLINED_BY_RISK_FRAUD_FILTERS", at
		p.raise("PAYMENT.CAPTURE.DENIED", "capture", "Payment denied for "+p.price().String(), p.captureView(""))
	}
}

// sendBack refunds minor units of the capture; 0 means all that is left.
func (p *paypalPayment) sendBack(minor int64, r paypalRefund, at time.Time) (paypalRefund, error) {
	left := p.Minor - p.refunded()
	switch {
	case p.Capture.Status == "PENDING":
		return r, unprocessable("PENDING_CAPTURE", "Cannot initiate a refund as the capture is pending. Capture is typically pending when the payer has funded "+
			"the transaction by using an e-check or bank account.")
	case p.Capture.Status == "DECLINED":
		return r, unprocessable("CANNOT_REFUND_DECLINED_CAPTURE", "A capture that was declined cannot be refunded.")
	case left == 0:
		return r, unprocessable("CAPTURE_FULLY_REFUNDED", "The capture has already been fully refunded.")
	case minor > left:
		return r, unprocessable("REFUND_AMOUNT_EXCEEDED", "The refund amount must be less than or equal to the capture amount that has not yet been refunded.")
	}
	if minor == 0 {
		minor = left
	}
	r.ID, r.Minor, r.CreatedAt = newPayPalID(), minor, at
	p.Refunds = append(p.Refunds, r)
	p.Capture.Status, p.Capture.UpdatedAt = "PARTIALLY_REFUNDED", at
	if minor == left {
		p.Capture.Status = "REFUNDED"
	}
	p.move("refund", minor, at)
	p.raise("PAYMENT.CAPTURE.REFUNDED", "refund", "A "+p.sum(minor).String()+" capture payment was refunded", p.refundView(r, ""))
	return r, nil
}

func (p *paypalPayment) refunded() (minor int64) {
	for _, r := range p.Refunds {
		minor += r.Minor
	}
	return minor
}

func (p *paypalPayment) sum(minor int64) money.Amount { return money.Must(minor, p.Currency) }
func (p *paypalPayment) price() money.Amount          { return p.sum(p.Minor) }

func (p *paypalPayment) move(kind string, minor int64, at time.Time) {
	p.movements = append(p.movements, movement{
		ID: newID("mov", at), Kind: kind, PaymentID: p.ID, OrderID: p.CustomID, Amount: minor, Currency: p.Currency, At: at.UTC(),
	})
}

func (p *paypalPayment) raise(eventType, resourceType, summary string, resource any) {
	raw, err := json.Marshal(resource)
	if err != nil {
		panic(fmt.Sprintf("encode %s: %v", eventType, err)) // our own plain structs always encode
	}
	p.events = append(p.events, paypalRaised{Type: eventType, ResourceType: resourceType, Summary: summary, Resource: raw})
}
