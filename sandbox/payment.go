package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidecart/sidecart/internal/money"
)

// payment is a PaymentIntent with the charge and refunds that came of it: the unit that is changed and saved as one.
// Its methods are Stripe's state machine (https://docs.stripe.com/payments/paymentintents/lifecycle); they do no I/O,
// take the time as an argument and collect what they caused in movements and events.
type payment struct {
	Intent     intent   `json:"intent"`
	Charge     *charge  `json:"charge,omitempty"`
	Refunds    []refund `json:"refunds,omitempty"`
	Method     string   `json:"method,omitempty"` // the test payment method as the caller named it
	ReturnURL  string   `json:"returnUrl,omitempty"`
	OffSession bool     `json:"offSession,omitempty"`

	movements []movement
	events    []raised
	claim     string // why the customer disputes at once what was just taken
}

// raised is an event before it has an id; Object is the Stripe object as it was at that moment.
type raised struct {
	Type   string
	Object json.RawMessage
}

// The statuses of a PaymentIntent.
const (
	requiresPaymentMethod = "requires_payment_method"
	requiresConfirmation  = "requires_confirmation"
	requiresAction        = "requires_action"
	requiresCapture       = "requires_capture"
	canceled              = "canceled"
	succeeded             = "succeeded"
)

// newPayment makes a PaymentIntent that nothing has been tried on.
func newPayment(amount int64, currency, captureMethod string, at time.Time) *payment {
	id := newID("pi", at)
	return &payment{Intent: intent{
		ID: id, Object: "payment_intent", Amount: amount, Currency: currency, CaptureMethod: captureMethod,
		ClientSecret: id + "_secret_" + rand.Text(), ConfirmationMethod: "automatic", Created: at.Unix(),
		Metadata: map[string]string{}, Status: requiresPaymentMethod,
	}}
}

// attach gives the payment the test payment method to be used by the next confirmation.
func (p *payment) attach(method string, at time.Time) error {
	if _, ok := cardOf(method); !ok {
		return &stripeError{status: 400, Type: "invalid_request_error", Code: "resource_missing", Param: "payment_method",
			Message: fmt.Sprintf("No such PaymentMethod: '%s'; use one of Stripe's test payment methods.", method)}
	}
	p.Method = method
	p.Intent.PaymentMethod = nullable(newID("pm", at))
	if p.Intent.Status == requiresPaymentMethod {
		p.Intent.Status = requiresConfirmation
	}
	return nil
}

// confirm tries to pay; authenticateAt is the page that asks the customer, for cards that want 3-D Secure. A decline
// changes the payment and is also the refusal.
func (p *payment) confirm(authenticateAt string, at time.Time) error {
	switch p.Intent.Status {
	case requiresConfirmation, requiresAction:
	case requiresPaymentMethod:
		return p.unexpected("You cannot confirm this PaymentIntent because it's missing a payment method. Provide `payment_method`.")
	case succeeded, requiresCapture:
		return p.unexpected("You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.")
	default:
		return p.unexpected("You cannot confirm this PaymentIntent because it has a status of %s.", p.Intent.Status)
	}
	c, _ := cardOf(p.Method)
	if c.authentication && p.OffSession {
		return p.fail(&decline{"authentication_required", "authentication_required",
			"Your card was declined. This transaction requires authentication."}, at)
	}
	if c.authentication {
		p.Intent.Status = requiresAction
		if p.ReturnURL != "" {
			p.Intent.NextAction = &nextAction{Type: "redirect_to_url", RedirectToURL: &redirectToURL{ReturnURL: p.ReturnURL, URL: authenticateAt}}
		} else {
			p.Intent.NextAction = &nextAction{Type: "use_stripe_sdk", UseStripeSDK: &useStripeSDK{Type: "three_d_secure_redirect", StripeJS: authenticateAt}}
		}
		p.raise("payment_intent.requires_action", p.Intent)
		return nil
	}
	return p.charge(at)
}

// authenticate is the customer's answer to 3-D Secure. It changes nothing unless the payment waits for that.
func (p *payment) authenticate(passed bool, at time.Time) {
	if p.Intent.Status != requiresAction {
		return
	}
	p.Intent.NextAction = nil
	if passed {
		_ = p.charge(at) // a decline is told by the payment's state: there is no caller to refuse
		return
	}
	_ = p.fail(&decline{"payment_intent_authentication_failure", "",
		"The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent again."}, at)
}

func (p *payment) charge(at time.Time) error {
	c, _ := cardOf(p.Method)
	p.Charge = &charge{
		ID: newID("ch", at), Object: "charge", Amount: p.Intent.Amount, Created: at.Unix(), Currency: p.Intent.Currency,
		Metadata: maps.Clone(p.Intent.Metadata), PaymentIntent: p.Intent.ID, PaymentMethod: p.Intent.PaymentMethod,
		PaymentMethodDetails: cardDetails{Type: "card", Card: c.details()}, Status: "failed",
	}
	p.Intent.LatestCharge = nullable(p.Charge.ID)
	if c.decline != nil {
		p.Charge.FailureCode, p.Charge.FailureMessage = nullable(c.decline.code), nullable(c.decline.message)
		return p.fail(c.decline, at)
	}
	p.Charge.Paid, p.Charge.Status = true, "succeeded"
	p.Intent.LastPaymentError, p.Intent.NextAction = nil, nil
	p.move("authorization", p.Intent.Amount, at)
	if p.Intent.CaptureMethod == "manual" {
		p.Intent.Status, p.Intent.AmountCapturable = requiresCapture, p.Intent.Amount
		p.raise("payment_intent.amount_capturable_updated", p.Intent)
		return nil
	}
	p.settle(p.Intent.Amount, at)
	return nil
}

func (p *payment) settle(amount int64, at time.Time) {
	p.Charge.Captured, p.Charge.AmountCaptured = true, amount
	p.Intent.Status, p.Intent.AmountCapturable, p.Intent.AmountReceived = succeeded, 0, amount
	p.move("capture", amount, at)
	p.raise("payment_intent.succeeded", p.Intent)
	p.claim = stripeDisputes[p.Method]
	p.Charge.Disputed = p.claim != ""
}

// fail ends the attempt, not the payment: it can be confirmed again with another payment method.
func (p *payment) fail(why *decline, at time.Time) error {
	c, _ := cardOf(p.Method)
	refusal := &stripeError{
		status: 402, Type: "card_error", Code: why.code, DeclineCode: why.declineCode, Message: why.message,
		Charge: string(p.Intent.LatestCharge), DocURL: "https://stripe.com/docs/error-codes/" + strings.ReplaceAll(why.code, "_", "-"),
		PaymentMethod: &paymentMethod{ID: string(p.Intent.PaymentMethod), Object: "payment_method", Type: "card",
			Created: at.Unix(), Card: c.details()},
	}
	stored := *refusal
	p.Intent.LastPaymentError = &stored
	p.Intent.Status, p.Intent.PaymentMethod, p.Intent.NextAction = requiresPaymentMethod, "", nil
	p.raise("payment_intent.payment_failed", p.Intent)
	refusal.PaymentIntent = p.snapshot()
	return refusal
}

// capture takes amount of what was authorized and lets the rest go.
func (p *payment) capture(amount int64, at time.Time) error {
	switch {
	case p.Intent.Status == succeeded:
		return p.unexpected("This PaymentIntent could not be captured because it has already been captured.")
	case p.Intent.Status != requiresCapture:
		return p.unexpected("This PaymentIntent could not be captured because it has a status of %s. "+
			"Only a PaymentIntent with one of the following statuses may be captured: requires_capture.", p.Intent.Status)
	case amount > p.Intent.AmountCapturable:
		return &stripeError{status: 400, Type: "invalid_request_error", Code: "amount_too_large", Param: "amount_to_capture",
			Message: "The amount to capture is greater than the capturable amount of this PaymentIntent."}
	}
	rest := p.Intent.AmountCapturable - amount
	p.settle(amount, at)
	if rest > 0 {
		p.move("void", rest, at)
	}
	return nil
}

// cancel gives up a payment that has not been captured, and lets its authorization go.
func (p *payment) cancel(reason string, at time.Time) error {
	if p.Intent.Status == canceled || p.Intent.Status == succeeded {
		return p.unexpected("You cannot cancel this PaymentIntent because it has a status of %s. Only a PaymentIntent with one of the "+
			"following statuses may be canceled: requires_payment_method, requires_capture, requires_confirmation, requires_action, processing.", p.Intent.Status)
	}
	if p.Intent.AmountCapturable > 0 {
		p.move("void", p.Intent.AmountCapturable, at)
		p.Charge.Refunded, p.Charge.AmountRefunded = true, p.Intent.AmountCapturable
	}
	canceledAt := at.Unix()
	p.Intent.Status, p.Intent.AmountCapturable, p.Intent.NextAction = canceled, 0, nil
	p.Intent.CanceledAt, p.Intent.CancellationReason = &canceledAt, nullable(reason)
	p.raise("payment_intent.canceled", p.Intent)
	return nil
}

// refund sends amount back; 0 means all that is left.
func (p *payment) refund(amount int64, reason string, metadata map[string]string, at time.Time) (*refund, error) {
	if p.Intent.Status != succeeded {
		return nil, p.unexpected("This PaymentIntent (%s) does not have a successful charge to refund.", p.Intent.ID)
	}
	left := p.Charge.AmountCaptured - p.Charge.AmountRefunded
	if left == 0 {
		return nil, &stripeError{status: 400, Type: "invalid_request_error", Code: "charge_already_refunded",
			Message: fmt.Sprintf("Charge %s has already been refunded.", p.Charge.ID)}
	}
	if amount == 0 {
		amount = left
	}
	if amount > left {
		return nil, &stripeError{status: 400, Type: "invalid_request_error", Param: "amount",
			Message: fmt.Sprintf("Refund amount (%s) is greater than unrefunded amount on charge (%s)", p.sum(amount), p.sum(left))}
	}
	r := refund{
		ID: newID("re", at), Object: "refund", Amount: amount, Charge: p.Charge.ID, Created: at.Unix(), Currency: p.Intent.Currency,
		Metadata: metadata, PaymentIntent: p.Intent.ID, Reason: nullable(reason), Status: succeeded,
	}
	p.Refunds = append(p.Refunds, r)
	p.Charge.AmountRefunded += amount
	p.Charge.Refunded = p.Charge.AmountRefunded == p.Charge.AmountCaptured
	p.move("refund", amount, at)
	p.raise("refund.created", r)
	p.raise("charge.refunded", p.Charge)
	return &r, nil
}

func (p *payment) unexpected(format string, args ...any) error {
	return &stripeError{status: 400, Type: "invalid_request_error", Code: "payment_intent_unexpected_state",
		Message: fmt.Sprintf(format, args...), PaymentIntent: p.snapshot()}
}

func (p *payment) snapshot() *intent {
	i := p.Intent
	return &i
}

func (p *payment) sum(minor int64) string { return amountText(minor, p.Intent.Currency) }

func (p *payment) move(kind string, amount int64, at time.Time) {
	p.movements = append(p.movements, movement{
		ID: newID("mov", at), Kind: kind, PaymentID: p.Intent.ID, OrderID: p.Intent.Metadata["order_id"],
		Amount: amount, Currency: strings.ToUpper(p.Intent.Currency), At: at.UTC(),
	})
}

func (p *payment) raise(eventType string, object any) {
	raw, err := json.Marshal(object)
	if err != nil {
		panic(fmt.Sprintf("encode %s: %v", eventType, err)) // our own plain structs always encode
	}
	p.events = append(p.events, raised{Type: eventType, Object: raw})
}

// amountText is an amount for people, "19.99 EUR".
func amountText(minor int64, currency string) string {
	a, err := money.New(minor, strings.ToUpper(currency))
	if err != nil {
		return strconv.FormatInt(minor, 10) + " " + strings.ToUpper(currency)
	}
	return a.String()
}

// newID makes an identifier in Stripe's manner. Identifiers of one kind sort by the microsecond they were made in, so
// that lists need no index.
func newID(prefix string, at time.Time) string {
	const width = 10 // microseconds since 1970 in base 36, good until the year 2085
	stamp := strconv.FormatInt(at.UnixMicro(), 36)
	return prefix + "_" + strings.Repeat("0", max(0, width-len(stamp))) + stamp + rand.Text()[:14]
}

var currencies = []string{"aud", "cad", "chf", "czk", "dkk", "eur", "gbp", "jpy", "nok", "pln", "sek", "usd"}

// minimum is the least that Stripe charges, in minor units (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).
func minimum(currency string) int64 {
	switch currency {
	case "gbp":
		return 30
	case "czk":
		return 1500
	case "dkk":
		return 250
	case "nok", "sek":
		return 300
	case "pln":
		return 200
	default:
		return 50
	}
}

func supported(currency string) bool { return slices.Contains(currencies, currency) }
