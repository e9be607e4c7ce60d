package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

func TestFailHappensBeforeTheEffect(t *testing.T) {
	s := newSandbox(t)
	ctx := context.Background()
	s.faults(`{"operation":"stripe.create","mode":"fail","status":503,"count":1},{"operation":"stripe.create","mode":"fail","status":402,"count":1},
		{"operation":"stripe.create","mode":"fail","status":429,"code":"lock_timeout","count":1}`)
	for _, want := range []stripe.ErrorType{stripe.ErrorTypeAPI, stripe.ErrorTypeCard, stripe.ErrorTypeInvalidRequest} {
		_, err := s.stripe(0).V1PaymentIntents.Create(ctx, pay("o1", "pm_card_visa"))
		require.Equal(t, want, stripeErrorOf(t, err).Type)
		require.Empty(t, s.kinds("o1"))
	}
	pi, err := s.stripe(0).V1PaymentIntents.Create(ctx, pay("o1", "pm_card_visa"))
	require.NoError(t, err, "a fault strikes count times")
	require.Equal(t, []string{"authorization", "capture"}, s.kinds("o1"))

	s.faults(`{"operation":"stripe.get","mode":"fail"}`)
	_, err = s.stripe(0).V1PaymentIntents.Retrieve(ctx, pi.ID, nil)
	require.Equal(t, http.StatusServiceUnavailable, stripeErrorOf(t, err).HTTPStatusCode)
	_, err = s.stripe(0).V1Refunds.Create(ctx, &stripe.RefundCreateParams{PaymentIntent: &pi.ID})
	require.NoError(t, err, "other operations work")
	s.json(http.MethodDelete, "/api/faults", "", http.StatusNoContent, nil)
	_, err = s.stripe(0).V1PaymentIntents.Retrieve(ctx, pi.ID, nil)
	require.NoError(t, err)
}

func TestTwiceLosesTheFirstAnswerOnly(t *testing.T) {
	s := newSandbox(t)
	ctx := context.Background()
	s.faults(`{"operation":"stripe.create","mode":"twice"},{"operation":"stripe.refund","mode":"twice"}`)
	_, err := s.stripe(0).V1PaymentIntents.Create(ctx, pay("o1", "pm_card_visa"))
	require.Error(t, err)
	require.Equal(t, []string{"authorization", "capture"}, s.kinds("o1"), "the work was done")
	pi, err := s.stripe(0).V1PaymentIntents.Create(ctx, pay("o1", "pm_card_visa"))
	require.NoError(t, err)
	require.Equal(t, "true", pi.LastResponse.Header.Get("Idempotent-Replayed"))

	_, err = s.stripe(2).V1Refunds.Create(ctx, &stripe.RefundCreateParams{PaymentIntent: &pi.ID})
	require.NoError(t, err, "the SDK's own retry gets the answer")
	require.Equal(t, []string{"authorization", "capture", "refund"}, s.kinds("o1"))
}

func TestTimeoutDoesTheWorkAndHangsUp(t *testing.T) {
	s := newSandbox(t)
	s.faults(`{"operation":"stripe.create","mode":"timeout","delayMs":50,"count":1}`)
	start := time.Now()
	_, err := s.stripe(0).V1PaymentIntents.Create(context.Background(), pay("o1", "pm_card_visa"))
	require.Error(t, err)
	require.GreaterOrEqual(t, time.Since(start), 50*time.Millisecond)
	require.Equal(t, []string{"authorization", "capture"}, s.kinds("o1"))

	s.faults(`{"operation":"stripe.create","mode":"timeout","count":1}`)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err = s.stripe(0).V1PaymentIntents.Create(ctx, pay("o2", "pm_card_visa"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Eventually(t, func() bool { // the key is free once the sandbox has seen that the caller left
		_, err := s.stripe(0).V1PaymentIntents.Create(context.Background(), pay("o2", "pm_card_visa"))
		return err == nil
	}, 5*time.Second, 10*time.Millisecond)
	require.Equal(t, []string{"authorization", "capture"}, s.kinds("o2"))
}

func TestLateAnswersHoldTheIdempotencyKey(t *testing.T) {
	s := newSandbox(t)
	s.faults(`{"operation":"stripe.create","mode":"late","delayMs":1500,"count":1}`)
	answered := make(chan error, 1)
	go func() {
		_, err := s.stripe(0).V1PaymentIntents.Create(context.Background(), pay("o1", "pm_card_visa"))
		answered <- err
	}()
	require.Eventually(t, func() bool { return len(s.kinds("o1")) == 2 }, 5*time.Second, time.Millisecond)
	_, err := s.stripe(0).V1PaymentIntents.Create(context.Background(), pay("o1", "pm_card_visa"))
	require.Equal(t, http.StatusConflict, stripeErrorOf(t, err).HTTPStatusCode)
	require.NoError(t, <-answered)
}

func TestWebhookFaults(t *testing.T) {
	for mode, c := range map[string]struct {
		fault  string
		orders []string // as the shop hears of o1, o2, o3
	}{
		"lose":    {`"mode":"lose","count":1`, []string{"o2", "o3"}},
		"delay":   {`"mode":"delay","delayMs":2000,"count":1`, []string{"o2", "o3", "o1"}},
		"repeat":  {`"mode":"repeat","copies":3,"count":1`, []string{"o1", "o1", "o1", "o2", "o3"}},
		"reorder": {`"mode":"reorder","delayMs":60000,"count":2`, []string{"o2", "o1", "o3"}},
		"held":    {`"mode":"reorder","delayMs":60000,"count":1`, []string{"o2", "o1", "o3"}},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t)
			s.faults(`{"operation":"webhook",` + c.fault + `}`)
			for i, heard := range []int{0, 0, len(c.orders)} {
				_, err := s.stripe(0).V1PaymentIntents.Create(context.Background(), pay(fmt.Sprintf("o%d", i+1), "pm_card_visa"))
				require.NoError(t, err)
				if i == 0 && mode == "repeat" {
					heard = 3
				}
				if i == 1 {
					heard = map[string]int{"lose": 1, "delay": 1, "repeat": 4, "reorder": 2, "held": 2}[mode]
				}
				s.shop.types(t, heard)
			}
			ids := map[string]bool{}
			var orders []string
			for _, e := range s.shop.received() {
				orders = append(orders, e.GetObjectValue("metadata", "order_id"))
				ids[e.ID] = true
			}
			require.Equal(t, c.orders, orders)
			require.Len(t, ids, len(distinct(orders)), "a repeated event keeps its id")
			require.Eventually(t, func() bool { return s.owed() == 0 }, 5*time.Second, 5*time.Millisecond)
		})
	}
}

func distinct(list []string) map[string]bool {
	set := map[string]bool{}
	for _, v := range list {
		set[v] = true
	}
	return set
}

func TestWebhooksAreRetriedUntilAccepted(t *testing.T) {
	s := newSandbox(t)
	s.shop.refuseNext(4)
	_, err := s.stripe(0).V1PaymentIntents.Create(context.Background(), pay("o1", "pm_card_visa"))
	require.NoError(t, err)
	require.Equal(t, []string{"payment_intent.succeeded"}, s.shop.types(t, 1))
}

func TestFaultsAreValidated(t *testing.T) {
	s := newSandbox(t)
	for body, field := range map[string]string{
		`{"faults":[{"operation":"stripe.pay","mode":"fail"}]}`:                         "faults[0].operation",
		`{"faults":[{"operation":"stripe.get","mode":"explode"}]}`:                      "faults[0].mode",
		`{"faults":[{"operation":"stripe.get","mode":"lose"}]}`:                         "faults[0].mode",
		`{"faults":[{"operation":"webhook","mode":"fail"}]}`:                            "faults[0].mode",
		`{"faults":[{"operation":"stripe.get","mode":"fail","status":200}]}`:            "faults[0].status",
		`{"faults":[{"operation":"stripe.get","mode":"fail","count":-1}]}`:              "faults[0].count",
		`{"faults":[{"operation":"stripe.get","mode":"fail","probability":1.1}]}`:       "faults[0].probability",
		`{"faults":[{"operation":"stripe.get","mode":"fail","delayMs":5}]}`:             "faults[0].delayMs",
		`{"faults":[{"operation":"stripe.get","mode":"late","delayMs":99999999}]}`:      "faults[0].delayMs",
		`{"faults":[{"operation":"stripe.get","mode":"fail","code":"a b"}]}`:            "faults[0].code",
		`{"faults":[{"operation":"webhook","mode":"repeat","copies":1}]}`:               "faults[0].copies",
		`{"faults":[{"operation":"webhook","mode":"lose"},{"operation":"","mode":""}]}`: "faults[1].operation",
	} {
		var doc struct {
			Code   string
			Errors []struct{ Field, Detail string }
		}
		s.json(http.MethodPut, "/api/faults", body, http.StatusBadRequest, &doc)
		require.Equal(t, "invalid-fault", doc.Code, body)
		require.Equal(t, field, doc.Errors[0].Field, body)
	}
	for body, code := range map[string]string{`{"faults":`: "malformed-json", `{"faults":7}`: "wrong-type", `{"fault":[]}`: "unknown-field",
		`{"faults":[` + strings.Repeat(`{"operation":"webhook","mode":"lose"},`, 100) + `{"operation":"webhook","mode":"lose"}]}`: "too-many-faults"} {
		var doc struct{ Code string }
		s.json(http.MethodPut, "/api/faults", body, http.StatusBadRequest, &doc)
		require.Equal(t, code, doc.Code, body)
	}
	var set faultSet
	s.json(http.MethodGet, "/api/faults", "", http.StatusOK, &set)
	require.Empty(t, set.Faults, "nothing of what was refused is in force")
	s.json(http.MethodPut, "/api/faults", `{"faults":[{"operation":"stripe.get","mode":"late"}]}`, http.StatusOK, &set)
	require.Equal(t, []fault{{Operation: "stripe.get", Mode: "late", Probability: 1, DelayMs: 5000}}, set.Faults, "defaults are shown")
}
