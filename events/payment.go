package events

import (
	"time"

	"github.com/sidecart/sidecart/internal/money"
)

// Topics told by payment.
const (
	TopicPaymentCaptured       = "payment-captured-v1"
	TopicPaymentFailed         = "payment-failed-v1"
	TopicPaymentActionRequired = "payment-action-required-v1"
	TopicPaymentRefunded       = "payment-refunded-v1"
	TopicPaymentDisputed       = "payment-disputed-v1"
)

// PaymentCaptured is told by payment when the provider has taken the money of an order. PaymentID is payment's own id.
type PaymentCaptured struct {
	OrderID   string       `json:"orderId"`
	PaymentID string       `json:"paymentId"`
	Amount    money.Amount `json:"amount"`
	At        time.Time    `json:"at"`
}

func (PaymentCaptured) Topic() string     { return TopicPaymentCaptured }
func (e PaymentCaptured) Subject() string { return e.OrderID }

// PaymentFailed is told by payment when the provider has refused for good, e.g. Code "card_declined". A time-out is not
// a failure.
type PaymentFailed struct {
	OrderID   string `json:"orderId"`
	PaymentID string `json:"paymentId"`
	Code      string `json:"code"`
	Attempt   int    `json:"attempt"`
}

func (PaymentFailed) Topic() string     { return TopicPaymentFailed }
func (e PaymentFailed) Subject() string { return e.OrderID }

// PaymentActionRequired is told by payment when the customer has to approve at the provider, at RedirectURL.
type PaymentActionRequired struct {
	OrderID     string `json:"orderId"`
	PaymentID   string `json:"paymentId"`
	RedirectURL string `json:"redirectUrl"`
}

func (PaymentActionRequired) Topic() string     { return TopicPaymentActionRequired }
func (e PaymentActionRequired) Subject() string { return e.OrderID }

// PaymentRefunded is told by payment when money went back to the customer.
type PaymentRefunded struct {
	OrderID   string       `json:"orderId"`
	PaymentID string       `json:"paymentId"`
	RefundID  string       `json:"refundId"`
	Amount    money.Amount `json:"amount"`
}

func (PaymentRefunded) Topic() string     { return TopicPaymentRefunded }
func (e PaymentRefunded) Subject() string { return e.OrderID }

// PaymentDisputed is told by payment when a customer has asked their bank for the money of an order, and again whenever
// that dispute changes. State is the dispute's own at us: open, won or lost.
type PaymentDisputed struct {
	OrderID   string       `json:"orderId"`
	PaymentID string       `json:"paymentId"`
	DisputeID string       `json:"disputeId"`
	Amount    money.Amount `json:"amount"`
	State     string       `json:"state"`
	Reason    string       `json:"reason"` // the provider's word
}

func (PaymentDisputed) Topic() string     { return TopicPaymentDisputed }
func (e PaymentDisputed) Subject() string { return e.OrderID }
