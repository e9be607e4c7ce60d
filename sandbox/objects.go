package main

import "encoding/json"

// apiVersion is the Stripe API version whose shapes this file follows; stripe-go v82 refuses events of another.
const apiVersion = "2025-08-27.basil"

// nullable is a string that Stripe sends as null while it is empty.
type nullable string

func (n nullable) MarshalJSON() ([]byte, error) {
	if n == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(n))
}

// intent is https://docs.stripe.com/api/payment_intents/object, the part that card payments use.
type intent struct {
	ID                      string                   `json:"id"`
	Object                  string                   `json:"object"`
	Amount                  int64                    `json:"amount"`
	AmountCapturable        int64                    `json:"amount_capturable"`
	AmountReceived          int64                    `json:"amount_received"`
	AutomaticPaymentMethods *automaticPaymentMethods `json:"automatic_payment_methods"`
	CanceledAt              *int64                   `json:"canceled_at"`
	CancellationReason      nullable                 `json:"cancellation_reason"`
	CaptureMethod           string                   `json:"capture_method"`
	ClientSecret            string                   `json:"client_secret"`
	ConfirmationMethod      string                   `json:"confirmation_method"`
	Created                 int64                    `json:"created"`
	Currency                string                   `json:"currency"`
	Description             nullable                 `json:"description"`
	LastPaymentError        *stripeError             `json:"last_payment_error"`
	LatestCharge            nullable                 `json:"latest_charge"`
	Livemode                bool                     `json:"livemode"`
	Metadata                map[string]string        `json:"metadata"`
	NextAction              *nextAction              `json:"next_action"`
	PaymentMethod           nullable                 `json:"payment_method"`
	PaymentMethodTypes      []string                 `json:"payment_method_types"`
	ReceiptEmail            nullable                 `json:"receipt_email"`
	Status                  string                   `json:"status"`
}

type automaticPaymentMethods struct {
	AllowRedirects string `json:"allow_redirects"`
	Enabled        bool   `json:"enabled"`
}

// nextAction sends the customer to 3-D Secure: by redirect if a return_url is known, else through Stripe.js.
type nextAction struct {
	Type          string         `json:"type"`
	RedirectToURL *redirectToURL `json:"redirect_to_url,omitempty"`
	UseStripeSDK  *useStripeSDK  `json:"use_stripe_sdk,omitempty"`
}

type redirectToURL struct {
	ReturnURL string `json:"return_url"`
	URL       string `json:"url"`
}

type useStripeSDK struct {
	Type     string `json:"type"`
	StripeJS string `json:"stripe_js"`
}

// charge is https://docs.stripe.com/api/charges/object.
type charge struct {
	ID                   string            `json:"id"`
	Object               string            `json:"object"`
	Amount               int64             `json:"amount"`
	AmountCaptured       int64             `json:"amount_captured"`
	AmountRefunded       int64             `json:"amount_refunded"`
	Captured             bool              `json:"captured"`
	Created              int64             `json:"created"`
	Currency             string            `json:"currency"`
	Disputed             bool              `json:"disputed"`
	FailureCode          nullable          `json:"failure_code"`
	FailureMessage       nullable          `json:"failure_message"`
	Livemode             bool              `json:"livemode"`
	Metadata             map[string]string `json:"metadata"`
	Paid                 bool              `json:"paid"`
	PaymentIntent        string            `json:"payment_intent"`
	PaymentMethod        nullable          `json:"payment_method"`
	PaymentMethodDetails cardDetails       `json:"payment_method_details"`
	Refunded             bool              `json:"refunded"`
	Status               string            `json:"status"`
}

type cardDetails struct {
	Type string      `json:"type"`
	Card cardSummary `json:"card"`
}

type cardSummary struct {
	Brand    string `json:"brand"`
	Country  string `json:"country"`
	ExpMonth int    `json:"exp_month"`
	ExpYear  int    `json:"exp_year"`
	Funding  string `json:"funding"`
	Last4    string `json:"last4"`
}

func (c card) details() cardSummary {
	return cardSummary{Brand: c.brand, Country: c.country, ExpMonth: 12, ExpYear: 2034, Funding: "credit", Last4: c.last4}
}

type paymentMethod struct {
	ID       string      `json:"id"`
	Object   string      `json:"object"`
	Card     cardSummary `json:"card"`
	Created  int64       `json:"created"`
	Livemode bool        `json:"livemode"`
	Type     string      `json:"type"`
}

// refund is https://docs.stripe.com/api/refunds/object.
type refund struct {
	ID            string            `json:"id"`
	Object        string            `json:"object"`
	Amount        int64             `json:"amount"`
	Charge        string            `json:"charge"`
	Created       int64             `json:"created"`
	Currency      string            `json:"currency"`
	Metadata      map[string]string `json:"metadata"`
	PaymentIntent string            `json:"payment_intent"`
	Reason        nullable          `json:"reason"`
	Status        string            `json:"status"`
}

// event is https://docs.stripe.com/api/events/object, what a webhook carries.
type event struct {
	ID              string       `json:"id"`
	Object          string       `json:"object"`
	APIVersion      string       `json:"api_version"`
	Created         int64        `json:"created"`
	Data            eventData    `json:"data"`
	Livemode        bool         `json:"livemode"`
	PendingWebhooks int          `json:"pending_webhooks"`
	Request         eventRequest `json:"request"`
	Type            string       `json:"type"`
}

type eventData struct {
	Object json.RawMessage `json:"object"`
}

type eventRequest struct {
	ID             nullable `json:"id"`
	IdempotencyKey nullable `json:"idempotency_key"`
}

// stripeError is https://docs.stripe.com/api/errors. unsaved marks a request that was refused before it was executed,
// whose idempotency key stays free.
type stripeError struct {
	status  int
	unsaved bool

	Type          string         `json:"type"`
	Code          string         `json:"code,omitempty"`
	DeclineCode   string         `json:"decline_code,omitempty"`
	Message       string         `json:"message"`
	Param         string         `json:"param,omitempty"`
	Charge        string         `json:"charge,omitempty"`
	DocURL        string         `json:"doc_url,omitempty"`
	PaymentIntent *intent        `json:"payment_intent,omitempty"`
	PaymentMethod *paymentMethod `json:"payment_method,omitempty"`
}

// list is a page of objects, https://docs.stripe.com/api/pagination.
type list[T any] struct {
	Object  string `json:"object"`
	URL     string `json:"url"`
	HasMore bool   `json:"has_more"`
	Data    []T    `json:"data"`
}
