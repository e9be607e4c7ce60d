package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/services/payment/payment"
)

// post sends a webhook as the gateway would and returns status and body.
func (t *till) post(body []byte, signature string) (int, string) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/stripe", bytes.NewReader(body))
	r.Header.Set("Stripe-Signature", signature)
	r.Header.Set("Dapr-Caller-App-Id", "gateway")
	w := httptest.NewRecorder()
	t.server.routes().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func (t *till) stored() (n int) {
	require.NoError(t, t.pool.QueryRow(t.Context(), `select count(*) from webhooks`).Scan(&n))
	return n
}

// charged has the provider take the money of an order while its answer is lost, as if the webhook were faster.
func (t *till) charged(method string) (orderID string, intent map[string]any) {
	t.Helper()
	id := t.order(method)
	jobs, err := t.server.store.LeaseAttempts(t.Context(), 1)
	require.NoError(t, err)
	ans, err := t.worker.ask(t.Context(), jobs[0])
	require.NoError(t, err)
	t.fake.with(func() { intent = t.fake.intents[ans.Reference] })
	return id, intent
}

func TestWebhookBeforeOurAnswerAHundredTimes(tt *testing.T) {
	t := newTill(tt)
	id, intent := t.charged("pm_card_visa")
	body, signature := t.fake.event(tt, "evt_1", "payment_intent.succeeded", intent)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			status, answer := t.post(body, signature)
			if status != http.StatusNoContent {
				t.Errorf("answered %d %s", status, answer)
			}
		})
	}
	all.Wait()
	require.Equal(t, []string{events.TopicPaymentCaptured}, t.told(id))
	require.Equal(t, 1, t.stored())

	t.exec(`update attempts set leased_until = null, due_at = now() where due_at is not null`)
	t.start()
	other := t.order("pm_card_visa") // by the time this is told, anything wrong with the first would be
	t.await(other, events.TopicPaymentCaptured)
	require.Equal(t, []string{events.TopicPaymentCaptured}, t.told(id))
	t.captured(id)
}

func TestWebhooksInTheWrongOrder(tt *testing.T) {
	t := newTill(tt)
	id, intent := t.charged("pm_card_threeDSecure2Required")
	asked, signature := t.fake.event(tt, "evt_1", "payment_intent.requires_action", intent)
	t.fake.approve(intent["id"].(string))
	succeeded, laterSignature := t.fake.event(tt, "evt_2", "payment_intent.succeeded", intent)
	for range 3 {
		status, _ := t.post(succeeded, laterSignature)
		require.Equal(t, http.StatusNoContent, status)
		status, _ = t.post(asked, signature)
		require.Equal(t, http.StatusNoContent, status)
	}
	require.Equal(t, []string{events.TopicPaymentCaptured}, t.told(id))
	s, _ := t.state(id, 1)
	require.Equal(t, payment.Captured, s)
}

func TestWebhooksThatAreNotStripes(tt *testing.T) {
	t := newTill(tt)
	id, intent := t.charged("pm_card_visa")
	body, signature := t.fake.event(tt, "evt_1", "payment_intent.succeeded", intent)
	for name, c := range map[string]struct {
		body      []byte
		signature string
		status    int
		code      string
	}{
		"no signature":        {body, "", 400, "invalid-signature"},
		"garbage signature":   {body, "t=1,v1=zz,,=", 400, "invalid-signature"},
		"another secret":      {body, sign(body, time.Now(), "whsec_other"), 400, "invalid-signature"},
		"too old":             {body, sign(body, time.Now().Add(-5*time.Minute-time.Second), webhookSecret), 400, "invalid-signature"},
		"tampered":            {bytes.Replace(body, []byte("1999"), []byte("1998"), 1), signature, 400, "invalid-signature"},
		"a space more":        {append(bytes.Clone(body), ' '), signature, 400, "invalid-signature"},
		"empty":               {nil, signature, 400, "invalid-signature"},
		"signed garbage":      {[]byte("garbage"), sign([]byte("garbage"), time.Now(), webhookSecret), 400, "malformed-event"},
		"signed nothing":      {[]byte("{}"), sign([]byte("{}"), time.Now(), webhookSecret), 400, "malformed-event"},
		"larger than allowed": {bytes.Repeat([]byte("x"), 1<<20+1), signature, 413, "body-too-large"},
	} {
		t.Run(name, func(tt *testing.T) {
			status, answer := t.post(c.body, c.signature)
			require.Equal(tt, c.status, status)
			require.Contains(tt, answer, `"code":"`+c.code+`"`)
		})
	}
	require.Zero(t, t.stored())
	require.Empty(t, t.told(id))

	status, _ := t.post(body, signature)
	require.Equal(t, http.StatusNoContent, status, "the genuine one still counts")
	require.Equal(t, []string{events.TopicPaymentCaptured}, t.told(id))
}

func TestWebhooksThatAreNotOurs(tt *testing.T) {
	t := newTill(tt)
	foreign := map[string]any{"id": "pi_x", "object": "payment_intent", "status": "succeeded", "amount_received": 5, "currency": "eur",
		"metadata": map[string]string{"order_id": "of-somebody-else", "attempt": "1"}}
	for i, c := range []struct {
		kind   string
		object any
	}{
		{"customer.created", map[string]any{"id": "cus_1", "object": "customer"}},
		{"charge.dispute.created", map[string]any{"id": "dp_1", "object": "dispute"}},
		{"payment_intent.succeeded", foreign},
		{"payment_intent.succeeded", map[string]any{"id": "pi_y", "object": "payment_intent", "status": "from the future"}},
		{"refund.updated", map[string]any{"id": "re_1", "object": "refund", "status": "succeeded", "amount": 5, "currency": "eur"}},
	} {
		body, signature := t.fake.event(tt, "evt_"+string(rune('a'+i)), c.kind, c.object)
		status, _ := t.post(body, signature)
		require.Equal(t, http.StatusNoContent, status, c.kind)
		require.Equal(t, i+1, t.stored(), "unknown types are stored, too")
	}
	var payments int
	require.NoError(t, t.pool.QueryRow(t.Context(), `select count(*) from payments`).Scan(&payments))
	require.Zero(t, payments)
}

// What could not be stored is not acknowledged, and counts when Stripe sends it again.
func TestWebhookThatCannotBeStored(tt *testing.T) {
	t := newTill(tt)
	id, intent := t.charged("pm_card_visa")
	body, signature := t.fake.event(tt, "evt_1", "payment_intent.succeeded", intent)
	t.exec(`alter table outbox rename to outbox_away`) // the effect fails, not the record of the event
	status, answer := t.post(body, signature)
	require.Equal(t, http.StatusInternalServerError, status)
	require.NotContains(t, answer, "outbox", "no SQL text leaves")
	require.Zero(t, t.stored())
	t.exec(`alter table outbox_away rename to outbox`)
	status, _ = t.post(body, signature)
	require.Equal(t, http.StatusNoContent, status)
	require.Equal(t, []string{events.TopicPaymentCaptured}, t.told(id))
}

func TestRefundByWebhook(tt *testing.T) {
	t := newTill(tt)
	id, intent := t.charged("pm_card_visa")
	body, signature := t.fake.event(tt, "evt_1", "payment_intent.succeeded", intent)
	t.post(body, signature)
	var paymentID, refundID string
	require.NoError(t, t.pool.QueryRow(t.Context(), `select id from attempts where order_id = $1`, id).Scan(&paymentID))
	hear(t, refundRequested, events.RefundRequested{OrderID: id, PaymentID: paymentID, Amount: price, Reason: "cancelled"})
	require.NoError(t, t.pool.QueryRow(t.Context(), `select id from refunds where order_id = $1`, id).Scan(&refundID))
	body, signature = t.fake.event(tt, "evt_2", "refund.updated", map[string]any{"id": "re_1", "object": "refund", "status": "succeeded",
		"amount": 1999, "currency": "eur", "metadata": map[string]string{"order_id": id, "refund_id": refundID}})
	for range 3 {
		t.post(body, signature)
	}
	require.Equal(t, []string{events.TopicPaymentCaptured, events.TopicPaymentRefunded}, t.told(id))
}

func TestNobodyElseMayCall(tt *testing.T) {
	t := newTill(tt)
	for _, route := range []string{"POST /webhooks/stripe", "GET /webhooks/stripe", "POST /payments", "POST /refunds", "GET /outbox?topics=payment-captured-v1", "GET /"} {
		for _, caller := range []string{"", "storefront", "basket", "payment"} {
			method, path, _ := strings.Cut(route, " ")
			r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader("{}"))
			r.Header.Set("Dapr-Caller-App-Id", caller)
			w := httptest.NewRecorder()
			t.server.routes().ServeHTTP(w, r)
			require.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, w.Code, "%s by %q", route, caller)
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
		}
	}
}

func TestPaymentsOfAMomentAreChangedTogether(tt *testing.T) {
	t := newTill(tt)
	const orders = 20
	ids := make([]string, orders)
	for i := range ids {
		ids[i] = uuid.NewString()
	}
	slices.Sort(ids)
	var group errgroup.Group
	for i := range orders {
		group.Go(func() error { // as the inbox does, many in one transaction, in this order or that
			return postgres.InTx(t.Context(), t.pool, func(tx pgx.Tx) error {
				for j := range ids {
					e := request(1)
					if e.OrderID = ids[j]; i%2 == 1 {
						e.OrderID = ids[orders-1-j]
					}
					if err := t.server.paymentRequested(t.Context(), tx, e); err != nil {
						return err
					}
				}
				return nil
			})
		})
		group.Go(func() error { // as the worker does
			return t.server.store.Update(t.Context(), ids[i], (*payment.Payment).Close)
		})
	}
	require.NoError(t, group.Wait())
	var attempts, closed int
	require.NoError(t, t.pool.QueryRow(t.Context(), `select count(*) from attempts`).Scan(&attempts))
	require.NoError(t, t.pool.QueryRow(t.Context(), `select count(*) from payments where closed`).Scan(&closed))
	require.LessOrEqual(t, attempts, orders, "one for each order, unless it was closed before")
	require.Equal(t, orders, closed)
}

func TestWebhooksOfAMomentAreRecordedTogether(tt *testing.T) {
	t := newTill(tt)
	var group errgroup.Group
	for i := range 60 {
		group.Go(func() error {
			return t.server.store.Hear(t.Context(), "stripe", Notice{ID: fmt.Sprint("evt_", i%30), Type: "charge.updated", At: time.Now()}, time.Now())
		})
	}
	require.NoError(t, group.Wait())
	var recorded int
	require.NoError(t, t.pool.QueryRow(t.Context(), `select count(*) from webhooks`).Scan(&recorded))
	require.Equal(t, 30, recorded, "each once")
}

func TestAWebhookSharesATransactionAndKeepsItsTrace(tt *testing.T) {
	t := newTill(tt)
	first, second := t.order("pm_card_visa"), t.order("pm_card_visa")
	captured := func(orderID, event string) change {
		told := heard{"stripe", Notice{ID: event, Type: "payment_intent.succeeded", OrderID: orderID, At: time.Now()}}
		return change{orderID: orderID, told: &told, trace: "00-" + strings.ReplaceAll(orderID, "-", "") + "-00f067aa0ba902b7-01", do: func(p *payment.Payment) {
			p.Learn(1, payment.Answer{Outcome: payment.OutcomeCaptured, Reference: "pi_" + orderID, Amount: p.Attempts[0].Amount}, newID(), time.Now())
		}}
	}
	round := []change{
		captured(first, "evt_1"), captured(first, "evt_1"), captured(second, "evt_2"),
		captured(uuid.NewString(), "evt_3"), // of another shop with the same account
	}
	for range 2 {
		require.NoError(t, t.server.store.commitAll(t.Context(), round))
		require.Equal(t, 3, t.stored())
		for _, id := range []string{first, second} {
			require.Equal(t, []string{events.TopicPaymentCaptured}, t.told(id))
			var trace string
			require.NoError(t, t.pool.QueryRow(t.Context(), `select traceparent from outbox where subject = $1`, id).Scan(&trace))
			require.Contains(t, trace, strings.ReplaceAll(id, "-", ""))
		}
	}
}
