package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	stripe "github.com/stripe/stripe-go/v82"
	"github.com/stripe/stripe-go/v82/webhook"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/services/payment/payment"
)

// stripeAPI is Stripe as payment sees it: PaymentIntents that are captured at once, Refunds and disputes.
type stripeAPI struct {
	client        *stripe.Client
	webhookSecret string
}

// newStripe talks to Stripe, or to the stand-in at address if that is not empty. The SDK's own retries are off: ours are rows
// with a due time, which survive a restart.
func newStripe(address, key, webhookSecret string) *stripeAPI {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = width
	config := &stripe.BackendConfig{
		HTTPClient:        &http.Client{Transport: transport},
		LeveledLogger:     &stripe.LeveledLogger{Level: stripe.LevelNull},
		MaxNetworkRetries: stripe.Int64(0),
		EnableTelemetry:   stripe.Bool(false),
	}
	if address != "" {
		config.URL = stripe.String(address)
	}
	return &stripeAPI{stripe.NewClient(key, stripe.WithBackends(stripe.NewBackendsWithConfig(config))), webhookSecret}
}

// Charge takes the money of an attempt, or says why not. Repeating it repeats Stripe's first answer.
func (s *stripeAPI) Charge(ctx context.Context, a payment.Attempt) (payment.Answer, error) {
	params := &stripe.PaymentIntentCreateParams{
		Amount:             stripe.Int64(a.Amount.Minor()),
		Currency:           stripe.String(strings.ToLower(a.Amount.Currency())),
		PaymentMethod:      stripe.String(a.Method),
		PaymentMethodTypes: []*string{stripe.String("card")},
		Confirm:            stripe.Bool(true),
		ReturnURL:          stripe.String(a.ReturnURL),
		Metadata:           map[string]string{"order_id": a.OrderID, "attempt": strconv.Itoa(a.Number)},
	}
	params.SetIdempotencyKey(a.Key())
	intent, err := s.client.V1PaymentIntents.Create(ctx, params)
	if refusal, ok := refused(err); ok {
		return refusal, nil
	}
	return answerOf(intent, err)
}

// Find asks how an attempt stands whose reference we know.
func (s *stripeAPI) Find(ctx context.Context, reference string) (payment.Answer, error) {
	return answerOf(s.client.V1PaymentIntents.Retrieve(ctx, reference, nil))
}

// Search looks for an attempt whose reference we never learned, among the payments made between from and to. Unlike
// Stripe's search API, which lags by minutes, its list is consistent with what was written.
func (s *stripeAPI) Search(ctx context.Context, a payment.Attempt, from, to time.Time) (payment.Answer, error) {
	params := &stripe.PaymentIntentListParams{
		// A minute on both sides: their clock is not ours.
		CreatedRange: &stripe.RangeQueryParams{
			GreaterThanOrEqual: from.Add(-time.Minute).Unix(), LesserThanOrEqual: to.Add(time.Minute).Unix(),
		},
	}
	params.Limit = stripe.Int64(100)
	for intent, err := range s.client.V1PaymentIntents.List(ctx, params) {
		if err != nil {
			return payment.Answer{}, unknown(err)
		}
		if intent.Metadata["order_id"] == a.OrderID && intent.Metadata["attempt"] == strconv.Itoa(a.Number) {
			return answerOf(intent, nil)
		}
	}
	return payment.Answer{}, errAbsent
}

// Void makes sure that a payment takes no money any more; if it has, the answer says so.
func (s *stripeAPI) Void(ctx context.Context, reference string) (payment.Answer, error) {
	intent, err := s.client.V1PaymentIntents.Cancel(ctx, reference, nil)
	if failure, ok := errors.AsType[*stripe.Error](err); ok && failure.Code == stripe.ErrorCodePaymentIntentUnexpectedState {
		return s.Find(ctx, reference)
	}
	return answerOf(intent, err)
}

// Refund sends money of a payment back. Repeating it repeats Stripe's first answer.
func (s *stripeAPI) Refund(ctx context.Context, f payment.Refund, reference string) (payment.RefundAnswer, error) {
	params := &stripe.RefundCreateParams{
		PaymentIntent: stripe.String(reference),
		Amount:        stripe.Int64(f.Amount.Minor()),
		Metadata:      map[string]string{"order_id": f.OrderID, "refund_id": f.ID},
	}
	params.SetIdempotencyKey("refund:" + f.ID)
	refund, err := s.client.V1Refunds.Create(ctx, params)
	if failure, ok := errors.AsType[*stripe.Error](err); ok && failure.Type == stripe.ErrorTypeInvalidRequest && failure.HTTPStatusCode == http.StatusBadRequest {
		return payment.RefundAnswer{State: payment.RefundFailed, Code: string(failure.Code)}, nil
	}
	return refundAnswerOf(refund, err)
}

// FindRefund asks how a refund stands, by Stripe's id or, if we never learned that, among the refunds of the payment.
func (s *stripeAPI) FindRefund(ctx context.Context, f payment.Refund, reference string) (payment.RefundAnswer, error) {
	if f.Reference != "" {
		return refundAnswerOf(s.client.V1Refunds.Retrieve(ctx, f.Reference, nil))
	}
	params := &stripe.RefundListParams{PaymentIntent: stripe.String(reference)}
	params.Limit = stripe.Int64(100)
	for refund, err := range s.client.V1Refunds.List(ctx, params) {
		if err != nil {
			return payment.RefundAnswer{}, unknown(err)
		}
		if refund.Metadata["refund_id"] == f.ID {
			return refundAnswerOf(refund, nil)
		}
	}
	return payment.RefundAnswer{}, errAbsent
}

// Verify checks the signature over the body as it was received.
// https://docs.stripe.com/webhooks#verify-official-libraries
func (s *stripeAPI) Verify(_ context.Context, header http.Header, body []byte) (Notice, error) {
	signature := header.Get("Stripe-Signature")
	// The API version is a setting of the endpoint at Stripe: what we read of the
	// objects has been stable for years, and to refuse every webhook after an upgrade of the library would be worse.
	options := webhook.ConstructEventOptions{Tolerance: noticeAge, IgnoreAPIVersionMismatch: true}
	if err := webhook.ValidatePayloadWithTolerance(body, signature, s.webhookSecret, options.Tolerance); err != nil {
		return Notice{}, err
	}
	event, err := webhook.ConstructEventWithOptions(body, signature, s.webhookSecret, options)
	if err != nil || event.ID == "" || event.Type == "" || event.Data == nil {
		return Notice{}, errUnreadable
	}
	n := Notice{ID: event.ID, Type: string(event.Type), At: time.Unix(event.Created, 0)}
	n.ObjectID, _ = event.Data.Object["id"].(string)
	switch event.Data.Object["object"] {
	case "payment_intent":
		var intent stripe.PaymentIntent
		if err := json.Unmarshal(event.Data.Raw, &intent); err != nil {
			return Notice{}, errUnreadable
		}
		answer, err := answerOf(&intent, nil)
		number, convErr := strconv.Atoi(intent.Metadata["attempt"])
		if err == nil && convErr == nil && intent.Metadata["order_id"] != "" {
			n.OrderID, n.Attempt, n.Answer = intent.Metadata["order_id"], number, &answer
		}
	case "refund":
		var refund stripe.Refund
		if err := json.Unmarshal(event.Data.Raw, &refund); err != nil {
			return Notice{}, errUnreadable
		}
		answer, err := refundAnswerOf(&refund, nil)
		if err == nil && refund.Metadata["refund_id"] != "" {
			n.OrderID, n.RefundID, n.Refund = refund.Metadata["order_id"], refund.Metadata["refund_id"], &answer
		}
	case "dispute":
		dispute, err := stripeDispute(event.Data.Raw)
		if err != nil {
			return Notice{}, errUnreadable
		}
		n.Dispute = dispute
	}
	return n, nil
}

// stripeDispute reads https://docs.stripe.com/api/disputes/object; nil if the dispute is about no PaymentIntent, so that it
// cannot be one of ours.
func stripeDispute(raw []byte) (*Dispute, error) {
	var d stripe.Dispute
	if err := json.Unmarshal(raw, &d); err != nil || d.ID == "" {
		return nil, errUnreadable
	}
	if d.PaymentIntent == nil {
		return nil, nil
	}
	amount, err := money.New(d.Amount, strings.ToUpper(string(d.Currency)))
	if err != nil {
		return nil, err
	}
	state := DisputeOpen
	switch d.Status {
	case stripe.DisputeStatusWon, stripe.DisputeStatusWarningClosed:
		state = DisputeWon
	case stripe.DisputeStatusLost:
		state = DisputeLost
	}
	return &Dispute{
		ID: d.ID, Reference: d.PaymentIntent.ID, Amount: amount, State: state, Reason: string(d.Reason), OpenedAt: time.Unix(d.Created, 0),
	}, nil
}

// Books reads Stripe's list of PaymentIntents, whose charges say what was refunded, and asks for those that it lacks.
func (s *stripeAPI) Books(ctx context.Context, from, to time.Time, references []string) ([]entry, error) {
	params := &stripe.PaymentIntentListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: from.Unix(), LesserThanOrEqual: to.Unix()}}
	params.Limit = stripe.Int64(100)
	params.AddExpand("data.latest_charge")
	var entries []entry
	listed := map[string]bool{}
	for intent, err := range s.client.V1PaymentIntents.List(ctx, params) {
		if err != nil {
			return nil, unknown(err)
		}
		listed[intent.ID] = true
		if e, ours := entryOf(intent); ours {
			entries = append(entries, e)
		}
	}
	for _, reference := range references {
		if listed[reference] {
			continue
		}
		retrieve := &stripe.PaymentIntentRetrieveParams{}
		retrieve.AddExpand("latest_charge")
		intent, err := s.client.V1PaymentIntents.Retrieve(ctx, reference, retrieve)
		if failure, ok := errors.AsType[*stripe.Error](err); ok && failure.HTTPStatusCode == http.StatusNotFound {
			continue
		}
		if err != nil {
			return nil, unknown(err)
		}
		if e, ours := entryOf(intent); ours {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// entryOf reads what a PaymentIntent, with its latest charge expanded, says of money; false if it is not one of ours.
func entryOf(intent *stripe.PaymentIntent) (entry, bool) {
	currency := strings.ToUpper(string(intent.Currency))
	captured, err := money.New(intent.AmountReceived, currency)
	number, convErr := strconv.Atoi(intent.Metadata["attempt"])
	if err != nil || convErr != nil || intent.Metadata["order_id"] == "" {
		return entry{}, false
	}
	e := entry{
		Reference: intent.ID, OrderID: intent.Metadata["order_id"], Attempt: number, MadeAt: time.Unix(intent.Created, 0),
		Captured: captured, Refunded: money.Must(0, currency),
	}
	if charge := intent.LatestCharge; charge != nil && charge.Captured {
		e.Refunded = money.Must(charge.AmountRefunded, currency)
	}
	return e, true
}

// answerOf reads a payment intent. https://docs.stripe.com/payments/paymentintents/lifecycle
func answerOf(intent *stripe.PaymentIntent, err error) (payment.Answer, error) {
	if err != nil {
		return payment.Answer{}, unknown(err)
	}
	ans := payment.Answer{Reference: intent.ID}
	switch intent.Status {
	case stripe.PaymentIntentStatusSucceeded:
		taken, err := money.New(intent.AmountReceived, strings.ToUpper(string(intent.Currency)))
		if err != nil {
			return payment.Answer{}, fmt.Errorf("amount taken by stripe: %w", err)
		}
		ans.Outcome, ans.Amount = payment.OutcomeCaptured, taken
	case stripe.PaymentIntentStatusRequiresAction:
		ans.Outcome = payment.OutcomeActionRequired
		if next := intent.NextAction; next != nil && next.RedirectToURL != nil && webAddress(next.RedirectToURL.URL) {
			ans.RedirectURL = next.RedirectToURL.URL
		}
	case stripe.PaymentIntentStatusRequiresPaymentMethod:
		if intent.LastPaymentError != nil { // else it was read between its creation and our confirmation
			ans.Outcome, ans.Code = payment.OutcomeFailed, codeOf(intent.LastPaymentError)
		}
	case stripe.PaymentIntentStatusCanceled:
		ans.Outcome = payment.OutcomeVoided
	case stripe.PaymentIntentStatusProcessing, stripe.PaymentIntentStatusRequiresConfirmation, stripe.PaymentIntentStatusRequiresCapture:
	default:
		return payment.Answer{}, fmt.Errorf("stripe says %q, which we do not know", intent.Status)
	}
	if intent.ID == "" {
		return payment.Answer{}, errors.New("stripe's answer has no id")
	}
	return ans, nil
}

func refundAnswerOf(refund *stripe.Refund, err error) (payment.RefundAnswer, error) {
	if err != nil {
		return payment.RefundAnswer{}, unknown(err)
	}
	ans := payment.RefundAnswer{State: payment.RefundRequested, Reference: refund.ID}
	switch refund.Status {
	case stripe.RefundStatusSucceeded:
		ans.State = payment.Refunded
		if ans.Amount, err = money.New(refund.Amount, strings.ToUpper(string(refund.Currency))); err != nil {
			return payment.RefundAnswer{}, fmt.Errorf("amount refunded by stripe: %w", err)
		}
	case stripe.RefundStatusFailed, stripe.RefundStatusCanceled:
		ans.State, ans.Code = payment.RefundFailed, string(refund.FailureReason)
	case stripe.RefundStatusPending, stripe.RefundStatusRequiresAction:
	default:
		return payment.RefundAnswer{}, fmt.Errorf("stripe says %q of a refund, which we do not know", refund.Status)
	}
	return ans, nil
}

// refused tells a final refusal from an unknown outcome: the card was declined, or the request is one that Stripe will
// never accept. Keys, limits, conflicts and Stripe's own trouble say nothing about the charge.
// https://docs.stripe.com/error-handling
func refused(err error) (payment.Answer, bool) {
	failure, ok := errors.AsType[*stripe.Error](err)
	if !ok {
		return payment.Answer{}, false
	}
	final := failure.Type == stripe.ErrorTypeCard && failure.HTTPStatusCode == http.StatusPaymentRequired ||
		failure.Type == stripe.ErrorTypeInvalidRequest && failure.HTTPStatusCode == http.StatusBadRequest
	if !final {
		return payment.Answer{}, false
	}
	ans := payment.Answer{Outcome: payment.OutcomeFailed, Code: codeOf(failure)}
	if failure.PaymentIntent != nil {
		ans.Reference = failure.PaymentIntent.ID
	}
	return ans, true
}

// codeOf is the reason for people to act on: the issuer's, or else Stripe's.
func codeOf(failure *stripe.Error) string {
	switch {
	case failure.DeclineCode != "" && failure.DeclineCode != stripe.DeclineCodeGenericDecline:
		return string(failure.DeclineCode)
	case failure.Code != "":
		return string(failure.Code)
	}
	return "payment_failed"
}

// unknown keeps of an error what may be logged: the SDK's own texts hold Stripe's answers, the customer's card among them.
func unknown(err error) error {
	if failure, ok := errors.AsType[*stripe.Error](err); ok {
		told := fmt.Errorf("stripe: status %d, type %q, code %q, request %q", failure.HTTPStatusCode, failure.Type, failure.Code, failure.RequestID)
		if away(failure.HTTPStatusCode) {
			return fmt.Errorf("%w: %w", errAway, told)
		}
		return told
	}
	if transport, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("%w: stripe: %w", errAway, transport.Err)
	}
	return errors.New("stripe: an answer that cannot be read")
}

// away tells a provider that is in trouble, or wants to be left alone, from one that did not like what it was asked.
func away(status int) bool { return status >= 500 || status == http.StatusTooManyRequests }

func webAddress(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}
