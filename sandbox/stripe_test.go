package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

func stripeErrorOf(t *testing.T, err error) *stripe.Error {
	t.Helper()
	var e *stripe.Error
	require.True(t, errors.As(err, &e), "%v", err)
	return e
}

func TestAPIVersionIsTheSDKs(t *testing.T) {
	require.Equal(t, stripe.APIVersion, apiVersion)
}

func TestCardPaymentIsCapturedOnce(t *testing.T) {
	s := newSandbox(t)
	ctx := context.Background()
	for _, method := range []string{"pm_card_visa", "pm_card_mastercard", "pm_card_amex", "pm_card_threeDSecureOptional"} {
		pi, err := s.stripe(0).V1PaymentIntents.Create(ctx, pay(method, method))
		require.NoError(t, err)
		require.Equal(t, stripe.PaymentIntentStatusSucceeded, pi.Status)
		require.EqualValues(t, 4999, pi.AmountReceived)
		require.Equal(t, []string{"authorization", "capture"}, s.kinds(method))

		get := &stripe.PaymentIntentRetrieveParams{}
		get.AddExpand("latest_charge")
		again, err := s.stripe(0).V1PaymentIntents.Retrieve(ctx, pi.ID, get)
		require.NoError(t, err)
		require.True(t, again.LatestCharge.Captured)
		require.Equal(t, pi.LatestCharge.ID, again.LatestCharge.ID)
		require.Equal(t, method, again.Metadata["order_id"])
	}
	require.Equal(t, []string{"payment_intent.succeeded", "payment_intent.succeeded", "payment_intent.succeeded", "payment_intent.succeeded"}, s.shop.types(t, 4))
	var delivered stripe.PaymentIntent
	require.NoError(t, delivered.UnmarshalJSON(s.shop.received()[0].Data.Raw))
	require.Equal(t, stripe.PaymentIntentStatusSucceeded, delivered.Status)

	list := s.stripe(0).V1PaymentIntents.List(ctx, &stripe.PaymentIntentListParams{ListParams: stripe.ListParams{Limit: stripe.Int64(3)}})
	var orders []string
	for pi, err := range list {
		require.NoError(t, err)
		orders = append(orders, pi.Metadata["order_id"])
	}
	require.Equal(t, []string{"pm_card_threeDSecureOptional", "pm_card_amex", "pm_card_mastercard", "pm_card_visa"}, orders, "newest first, over two pages")

	search := &stripe.PaymentIntentSearchParams{SearchParams: stripe.SearchParams{Query: "metadata['order_id']:'pm_card_amex'"}}
	n := 0
	for pi, err := range s.stripe(0).V1PaymentIntents.Search(ctx, search) {
		require.NoError(t, err)
		require.Equal(t, "pm_card_amex", pi.Metadata["order_id"])
		n++
	}
	require.Equal(t, 1, n)
}

func TestDeclinesAreCardErrorsAndCanBeTriedAgain(t *testing.T) {
	s := newSandbox(t)
	ctx := context.Background()
	for method, want := range map[string][2]string{
		"pm_card_visa_chargeDeclined":                  {"card_declined", "generic_decline"},
		"pm_card_visa_chargeDeclinedInsufficientFunds": {"card_declined", "insufficient_funds"},
		"pm_card_visa_chargeDeclinedLostCard":          {"card_declined", "lost_card"},
		"pm_card_chargeDeclinedExpiredCard":            {"expired_card", ""},
		"pm_card_visa_chargeDeclinedProcessingError":   {"processing_error", ""},
	} {
		_, err := s.stripe(0).V1PaymentIntents.Create(ctx, pay(method, method))
		e := stripeErrorOf(t, err)
		require.Equal(t, http.StatusPaymentRequired, e.HTTPStatusCode)
		require.Equal(t, stripe.ErrorTypeCard, e.Type)
		require.Equal(t, want, [2]string{string(e.Code), string(e.DeclineCode)}, method)
		require.Equal(t, stripe.PaymentIntentStatusRequiresPaymentMethod, e.PaymentIntent.Status)
		require.NotEmpty(t, e.RequestID)
		require.Empty(t, s.kinds(method))

		stored, err := s.stripe(0).V1PaymentIntents.Retrieve(ctx, e.PaymentIntent.ID, nil)
		require.NoError(t, err)
		require.Equal(t, e.Code, stored.LastPaymentError.Code)

		paid, err := s.stripe(0).V1PaymentIntents.Confirm(ctx, stored.ID, &stripe.PaymentIntentConfirmParams{PaymentMethod: stripe.String("pm_card_visa")})
		require.NoError(t, err)
		require.Equal(t, stripe.PaymentIntentStatusSucceeded, paid.Status)
		require.Nil(t, paid.LastPaymentError)
		require.Equal(t, []string{"authorization", "capture"}, s.kinds(method))
	}
}

func TestManualCaptureAndCancel(t *testing.T) {
	s := newSandbox(t)
	ctx := context.Background()
	intents := s.stripe(0).V1PaymentIntents
	authorize := func(order string) *stripe.PaymentIntent {
		p := pay(order, "pm_card_visa")
		p.CaptureMethod = stripe.String("manual")
		pi, err := intents.Create(ctx, p)
		require.NoError(t, err)
		require.Equal(t, stripe.PaymentIntentStatusRequiresCapture, pi.Status)
		require.EqualValues(t, 4999, pi.AmountCapturable)
		return pi
	}

	full := authorize("full")
	pi, err := intents.Capture(ctx, full.ID, nil)
	require.NoError(t, err)
	require.Equal(t, stripe.PaymentIntentStatusSucceeded, pi.Status)
	_, err = intents.Capture(ctx, full.ID, nil)
	require.Equal(t, stripe.ErrorCodePaymentIntentUnexpectedState, stripeErrorOf(t, err).Code)
	_, err = intents.Cancel(ctx, full.ID, nil)
	require.Equal(t, stripe.ErrorCodePaymentIntentUnexpectedState, stripeErrorOf(t, err).Code)
	require.Equal(t, []string{"authorization", "capture"}, s.kinds("full"))

	part := authorize("part")
	_, err = intents.Capture(ctx, part.ID, &stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(5000)})
	require.Equal(t, stripe.ErrorCodeAmountTooLarge, stripeErrorOf(t, err).Code)
	pi, err = intents.Capture(ctx, part.ID, &stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(1000)})
	require.NoError(t, err)
	require.EqualValues(t, 1000, pi.AmountReceived)
	require.Equal(t, []string{"authorization", "capture", "void"}, s.kinds("part"))

	gone := authorize("gone")
	pi, err = intents.Cancel(ctx, gone.ID, &stripe.PaymentIntentCancelParams{CancellationReason: stripe.String("abandoned")})
	require.NoError(t, err)
	require.Equal(t, stripe.PaymentIntentStatusCanceled, pi.Status)
	_, err = intents.Confirm(ctx, gone.ID, &stripe.PaymentIntentConfirmParams{PaymentMethod: stripe.String("pm_card_visa")})
	require.Equal(t, stripe.ErrorCodePaymentIntentUnexpectedState, stripeErrorOf(t, err).Code)
	require.Equal(t, []string{"authorization", "void"}, s.kinds("gone"))
	require.ElementsMatch(t, []string{"payment_intent.amount_capturable_updated", "payment_intent.amount_capturable_updated", "payment_intent.amount_capturable_updated",
		"payment_intent.succeeded", "payment_intent.succeeded", "payment_intent.canceled"}, s.shop.types(t, 6))
}

func TestRefunds(t *testing.T) {
	s := newSandbox(t)
	ctx := context.Background()
	refunds := s.stripe(0).V1Refunds
	pi, err := s.stripe(0).V1PaymentIntents.Create(ctx, pay("o1", "pm_card_visa"))
	require.NoError(t, err)
	ask := func(amount int64) (*stripe.Refund, error) {
		p := &stripe.RefundCreateParams{PaymentIntent: stripe.String(pi.ID), Reason: stripe.String("requested_by_customer")}
		if amount > 0 {
			p.Amount = stripe.Int64(amount)
		}
		return refunds.Create(ctx, p)
	}
	_, err = ask(5000)
	require.Contains(t, stripeErrorOf(t, err).Msg, "greater than unrefunded amount on charge (49.99 EUR)")
	first, err := ask(999)
	require.NoError(t, err)
	require.EqualValues(t, 999, first.Amount)
	rest, err := ask(0)
	require.NoError(t, err)
	require.EqualValues(t, 4000, rest.Amount)
	require.Equal(t, stripe.RefundStatusSucceeded, rest.Status)
	_, err = ask(0)
	require.Equal(t, stripe.ErrorCodeChargeAlreadyRefunded, stripeErrorOf(t, err).Code)

	again, err := refunds.Retrieve(ctx, first.ID, nil)
	require.NoError(t, err)
	require.Equal(t, pi.ID, again.PaymentIntent.ID)
	var listed []string
	for r, err := range refunds.List(ctx, &stripe.RefundListParams{PaymentIntent: stripe.String(pi.ID)}) {
		require.NoError(t, err)
		listed = append(listed, r.ID)
	}
	require.Equal(t, []string{rest.ID, first.ID}, listed)
	require.Equal(t, []string{"authorization", "capture", "refund", "refund"}, s.kinds("o1"))
	require.ElementsMatch(t, []string{"payment_intent.succeeded", "refund.created", "charge.refunded", "refund.created", "charge.refunded"}, s.shop.types(t, 5))
	_, err = refunds.Retrieve(ctx, "re_unknown", nil)
	require.Equal(t, http.StatusNotFound, stripeErrorOf(t, err).HTTPStatusCode)
}

func TestThreeDSecure(t *testing.T) {
	s := newSandbox(t)
	ctx := context.Background()
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, c := range []struct{ order, method, outcome, redirect, status string }{
		{"o1", "pm_card_threeDSecure2Required", "complete", "succeeded", "succeeded"},
		{"o2", "pm_card_authenticationRequired", "fail", "failed", "requires_payment_method"},
		{"o3", "pm_card_threeDSecureRequiredChargeDeclined", "complete", "failed", "requires_payment_method"},
	} {
		params := pay(c.order, c.method)
		params.ReturnURL = stripe.String("http://shop.example/orders/7?from=checkout")
		pi, err := s.stripe(0).V1PaymentIntents.Create(ctx, params)
		require.NoError(t, err)
		require.Equal(t, stripe.PaymentIntentStatusRequiresAction, pi.Status)
		require.Equal(t, stripe.PaymentIntentNextActionTypeRedirectToURL, pi.NextAction.Type)
		require.Empty(t, s.kinds(c.order))

		page := pi.NextAction.RedirectToURL.URL
		require.True(t, strings.HasPrefix(page, s.URL+"/authenticate/"), page)
		resp, err := browser.Get(page)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		for range 2 { // the second press of the button changes nothing
			resp, err = browser.PostForm(page, url.Values{"outcome": {c.outcome}})
			require.NoError(t, err)
			require.Equal(t, http.StatusSeeOther, resp.StatusCode)
			back, err := url.Parse(resp.Header.Get("Location"))
			require.NoError(t, err)
			require.Equal(t, "shop.example/orders/7", back.Host+back.Path)
			require.Equal(t, url.Values{"from": {"checkout"}, "payment_intent": {pi.ID}, "redirect_status": {c.redirect},
				"payment_intent_client_secret": {pi.ClientSecret}}, back.Query())
		}
		pi, err = s.stripe(0).V1PaymentIntents.Retrieve(ctx, pi.ID, nil)
		require.NoError(t, err)
		require.Equal(t, c.status, string(pi.Status))
		require.Nil(t, pi.NextAction)
	}
	require.Equal(t, []string{"authorization", "capture"}, s.kinds("o1"))
	require.Empty(t, s.kinds("o2"))
	require.Empty(t, s.kinds("o3"))

	resp, err := browser.Get(s.URL + "/authenticate/pi_x?client_secret=guess")
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)

	offSession := pay("o4", "pm_card_authenticationRequired")
	offSession.OffSession = stripe.Bool(true)
	_, err = s.stripe(0).V1PaymentIntents.Create(ctx, offSession)
	require.Equal(t, stripe.ErrorCodeAuthenticationRequired, stripeErrorOf(t, err).Code)
}

func TestIdempotencyKeys(t *testing.T) {
	s := newSandbox(t)
	ctx := context.Background()
	intents := s.stripe(0).V1PaymentIntents
	first, err := intents.Create(ctx, pay("o1", "pm_card_visa"))
	require.NoError(t, err)
	require.Empty(t, first.LastResponse.Header.Get("Idempotent-Replayed"))
	again, err := intents.Create(ctx, pay("o1", "pm_card_visa"))
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID)
	require.Equal(t, "true", again.LastResponse.Header.Get("Idempotent-Replayed"))
	require.Equal(t, first.LastResponse.RequestID, again.LastResponse.Header.Get("Original-Request"))
	require.Equal(t, first.LastResponse.RawJSON, again.LastResponse.RawJSON)

	other := pay("o1", "pm_card_visa")
	other.Amount = stripe.Int64(5000)
	_, err = intents.Create(ctx, other)
	e := stripeErrorOf(t, err)
	require.Equal(t, http.StatusBadRequest, e.HTTPStatusCode)
	require.Equal(t, stripe.ErrorTypeIdempotency, e.Type)
	cancel := &stripe.PaymentIntentCancelParams{}
	cancel.SetIdempotencyKey("pay-o1")
	_, err = intents.Cancel(ctx, first.ID, cancel)
	require.Equal(t, stripe.ErrorTypeIdempotency, stripeErrorOf(t, err).Type, "another endpoint")

	declined := pay("o2", "pm_card_visa_chargeDeclined")
	_, err = intents.Create(ctx, declined)
	e = stripeErrorOf(t, err)
	_, err = intents.Create(ctx, declined)
	require.Equal(t, e.PaymentIntent.ID, stripeErrorOf(t, err).PaymentIntent.ID, "a decline is remembered")

	wrong := pay("o3", "pm_card_visa")
	wrong.Amount = stripe.Int64(1)
	_, err = intents.Create(ctx, wrong)
	require.Equal(t, stripe.ErrorCodeAmountTooSmall, stripeErrorOf(t, err).Code)
	_, err = intents.Create(ctx, pay("o3", "pm_card_visa"))
	require.NoError(t, err, "a refused request leaves its key free")

	require.NoError(t, s.server.store.update(func(t *txn) error { return t.forgetAnswers(time.Now().Add(time.Minute)) }))
	second, err := intents.Create(ctx, pay("o1", "pm_card_visa"))
	require.NoError(t, err)
	require.NotEqual(t, first.ID, second.ID, "keys are forgotten after a day")
}

func TestHundredAtOnceWithOneKeyAreOnePayment(t *testing.T) {
	s := newSandbox(t)
	client := s.stripe(0)
	var mu sync.Mutex
	ids := map[string]int{}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			pi, err := client.V1PaymentIntents.Create(context.Background(), pay("o1", "pm_card_visa"))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				var e *stripe.Error
				if !errors.As(err, &e) || e.HTTPStatusCode != http.StatusConflict || e.Code != stripe.ErrorCodeIdempotencyKeyInUse {
					t.Errorf("unexpected: %v", err)
				}
				return
			}
			ids[pi.ID]++
		})
	}
	wg.Wait()
	require.Len(t, ids, 1)
	require.Equal(t, []string{"authorization", "capture"}, s.kinds("o1"))
	require.Len(t, s.shop.types(t, 1), 1)
}

func TestKilledSandboxRemembersEverything(t *testing.T) {
	s := newSandbox(t)
	ctx := context.Background()
	s.shop.refuseNext(1 << 30)
	first, err := s.stripe(0).V1PaymentIntents.Create(ctx, pay("o1", "pm_card_visa"))
	require.NoError(t, err)
	refund, err := s.stripe(0).V1Refunds.Create(ctx, &stripe.RefundCreateParams{PaymentIntent: &first.ID, Amount: stripe.Int64(10)})
	require.NoError(t, err)
	s.sendMail("ada@example.org", "Hello")
	s.faults(`{"operation":"stripe.cancel","mode":"fail","status":500}`)

	s = s.restart()
	s.shop.refuseNext(0)
	again, err := s.stripe(0).V1PaymentIntents.Create(ctx, pay("o1", "pm_card_visa"))
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID)
	_, err = s.stripe(0).V1Refunds.Retrieve(ctx, refund.ID, nil)
	require.NoError(t, err)
	_, err = s.stripe(0).V1PaymentIntents.Cancel(ctx, first.ID, nil)
	require.Equal(t, http.StatusInternalServerError, stripeErrorOf(t, err).HTTPStatusCode)
	require.Equal(t, []string{"authorization", "capture", "refund"}, s.kinds("o1"))
	var mails []mail
	s.json(http.MethodGet, "/api/mails?to=ada@example.org", "", http.StatusOK, &mails)
	require.Len(t, mails, 1)
	require.ElementsMatch(t, []string{"payment_intent.succeeded", "refund.created", "charge.refunded"}, s.shop.types(t, 3), "webhooks still owed are sent")
	require.Eventually(t, func() bool { return s.owed() == 0 }, 5*time.Second, 5*time.Millisecond)
}

func (s *sandbox) owed() (n int) {
	require.NoError(s.t, s.server.store.view(func(t *txn) error {
		owed, err := t.owed()
		n = len(owed)
		return err
	}))
	return n
}

func TestStripeRefusesGarbage(t *testing.T) {
	s := newSandbox(t)
	form := "application/x-www-form-urlencoded"
	good := "amount=1000&currency=eur&payment_method=pm_card_visa&confirm=true&return_url=http://shop.example/"
	for _, c := range []struct {
		name, method, path, contentType, body string
		status                                int
		code                                  string
	}{
		{"no amount", "POST", "/v1/payment_intents", form, "currency=eur", 400, "parameter_missing"},
		{"no currency", "POST", "/v1/payment_intents", form, "amount=1000", 400, "parameter_missing"},
		{"float amount", "POST", "/v1/payment_intents", form, "amount=10.5&currency=eur", 400, "parameter_invalid_integer"},
		{"negative amount", "POST", "/v1/payment_intents", form, "amount=-5&currency=eur", 400, "parameter_invalid_integer"},
		{"zero amount", "POST", "/v1/payment_intents", form, "amount=0&currency=eur", 400, "parameter_invalid_integer"},
		{"huge amount", "POST", "/v1/payment_intents", form, "amount=99999999999999999999&currency=eur", 400, "parameter_invalid_integer"},
		{"too large amount", "POST", "/v1/payment_intents", form, "amount=100000000&currency=eur", 400, "amount_too_large"},
		{"unknown currency", "POST", "/v1/payment_intents", form, "amount=1000&currency=xxx", 400, ""},
		{"unknown method", "POST", "/v1/payment_intents", form, strings.Replace(good, "pm_card_visa", "pm_card_moon", 1), 400, "resource_missing"},
		{"no return_url", "POST", "/v1/payment_intents", form, strings.Split(good, "&return_url")[0], 400, ""},
		{"bad return_url", "POST", "/v1/payment_intents", form, strings.Replace(good, "http://shop.example/", "javascript:alert(1)", 1), 400, "url_invalid"},
		{"confirm without method", "POST", "/v1/payment_intents", form, "amount=1000&currency=eur&confirm=true", 400, "parameter_missing"},
		{"bad boolean", "POST", "/v1/payment_intents", form, "amount=1000&currency=eur&confirm=yes", 400, ""},
		{"bad capture method", "POST", "/v1/payment_intents", form, good + "&capture_method=later", 400, ""},
		{"unknown parameter", "POST", "/v1/payment_intents", form, good + "&ammount=1", 400, "parameter_unknown"},
		{"long metadata", "POST", "/v1/payment_intents", form, good + "&metadata[order_id]=" + strings.Repeat("x", 501), 400, ""},
		{"nested metadata", "POST", "/v1/payment_intents", form, good + "&metadata[a][b]=1", 400, ""},
		{"NUL", "POST", "/v1/payment_intents", form, good + "&metadata[order_id]=a%00b", 400, "invalid_characters"},
		{"not UTF-8", "POST", "/v1/payment_intents", form, good + "&description=%ff", 400, "invalid_characters"},
		{"broken form", "POST", "/v1/payment_intents", form, "amount=%zz", 400, ""},
		{"JSON", "POST", "/v1/payment_intents", "application/json", `{"amount":1000}`, 400, ""},
		{"too long", "POST", "/v1/payment_intents", form, "description=" + strings.Repeat("x", 2<<20), 400, ""},
		{"unknown intent", "GET", "/v1/payment_intents/pi_none", "", "", 404, "resource_missing"},
		{"confirm unknown intent", "POST", "/v1/payment_intents/pi_none/confirm", form, "", 404, "resource_missing"},
		{"capture unknown intent", "POST", "/v1/payment_intents/pi_none/capture", form, "", 404, "resource_missing"},
		{"cancel unknown intent", "POST", "/v1/payment_intents/pi_none/cancel", form, "", 404, "resource_missing"},
		{"refund unknown intent", "POST", "/v1/refunds", form, "payment_intent=pi_none", 404, "resource_missing"},
		{"refund nothing", "POST", "/v1/refunds", form, "", 400, "parameter_missing"},
		{"limit 0", "GET", "/v1/payment_intents?limit=0", "", "", 400, "parameter_invalid_integer"},
		{"limit 101", "GET", "/v1/payment_intents?limit=101", "", "", 400, "parameter_invalid_integer"},
		{"unknown cursor", "GET", "/v1/payment_intents?starting_after=pi_none", "", "", 404, "resource_missing"},
		{"unknown search", "GET", "/v1/payment_intents/search?query=status:'x'", "", "", 400, ""},
		{"unknown path", "GET", "/v1/customers", "", "", 404, ""},
		{"unknown method", "DELETE", "/v1/payment_intents", "", "", 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequest(c.method, s.URL+c.path, strings.NewReader(c.body))
			require.NoError(t, err)
			req.SetBasicAuth(testKey, "")
			req.Header.Set("Content-Type", c.contentType)
			resp, err := s.Client().Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Equal(t, c.status, resp.StatusCode)
			e := errorBody(t, resp)
			require.Equal(t, "invalid_request_error", e.Type)
			require.Equal(t, c.code, e.Code, e.Message)
			require.NotEmpty(t, e.Message)
			require.NotEmpty(t, resp.Header.Get("Request-Id"))
		})
	}
	var all []movement
	s.json(http.MethodGet, "/api/ledger", "", http.StatusOK, &all)
	require.Empty(t, all)
}

func TestStripeWantsTheKey(t *testing.T) {
	s := newSandbox(t)
	for _, auth := range []string{"", "Bearer ", "Bearer sk_test_wrong", "Basic !!!", testKey} {
		req, err := http.NewRequest(http.MethodPost, s.URL+"/v1/payment_intents", strings.NewReader("amount=1000&currency=eur"))
		require.NoError(t, err)
		req.Header.Set("Authorization", auth)
		resp, err := s.Client().Do(req)
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode, auth)
		require.Equal(t, "invalid_request_error", errorBody(t, resp).Type)
		resp.Body.Close()
	}
}
