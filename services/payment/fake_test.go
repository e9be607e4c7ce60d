package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82/webhook"
)

const webhookSecret = "whsec_test"

// fakeStripe is as much of Stripe as the tests of the worker need: it remembers keys and payments, keeps a ledger, and
// can lose answers. It passes the same conformance suite as the sandbox.
type fakeStripe struct {
	*httptest.Server
	mu      sync.Mutex
	intents map[string]map[string]any
	refunds map[string]map[string]any
	answers map[string]fakeAnswer // by idempotency key
	calls   map[string]int        // by method and path
	lose    int                   // answers to lose after the work is done
	down    bool                  // nothing is done
}

type fakeAnswer struct {
	status int
	body   any
}

func newFakeStripe(t *testing.T) *fakeStripe {
	f := &fakeStripe{intents: map[string]map[string]any{}, refunds: map[string]map[string]any{}, answers: map[string]fakeAnswer{}, calls: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/payment_intents", f.serve(f.create))
	mux.HandleFunc("GET /v1/payment_intents", f.serve(f.list))
	mux.HandleFunc("GET /v1/payment_intents/{id}", f.serve(f.retrieve))
	mux.HandleFunc("POST /v1/payment_intents/{id}/cancel", f.serve(f.cancel))
	mux.HandleFunc("POST /v1/refunds", f.serve(f.refund))
	mux.HandleFunc("GET /v1/refunds", f.serve(f.listRefunds))
	mux.HandleFunc("GET /v1/refunds/{id}", f.serve(func(r *http.Request) fakeAnswer { return fakeAnswer{200, f.refunds[r.PathValue("id")]} }))
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeStripe) adapter() *stripeAPI { return newStripe(f.URL, "sk_test_fake", webhookSecret) }

func (f *fakeStripe) serve(do func(*http.Request) fakeAnswer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		_ = r.ParseForm()
		f.calls[r.Method+" "+r.URL.Path]++
		key := r.Header.Get("Idempotency-Key")
		answer, known := f.answers[key]
		switch {
		case f.down:
			answer = refusal(http.StatusServiceUnavailable, "api_error", "")
		case key == "" || !known:
			if answer = do(r); key != "" {
				f.answers[key] = fakeAnswer{answer.status, frozen(answer.body)}
			}
		}
		if f.lose > 0 {
			f.lose--
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(answer.status)
		_ = json.NewEncoder(w).Encode(answer.body)
	}
}

// frozen is a copy of v: a replayed answer is the first one, whatever happened to the payment since.
func frozen(v any) any {
	b, _ := json.Marshal(v)
	return json.RawMessage(b)
}

func refusal(status int, kind, code string) fakeAnswer {
	return fakeAnswer{status, map[string]any{"error": map[string]any{"type": kind, "code": code, "message": "no"}}}
}

func (f *fakeStripe) create(r *http.Request) fakeAnswer {
	amount, _ := strconv.Atoi(r.Form.Get("amount"))
	id := fmt.Sprintf("pi_%d", len(f.intents)+1)
	intent := map[string]any{
		"id": id, "object": "payment_intent", "amount": amount, "amount_received": 0, "currency": r.Form.Get("currency"), "created": time.Now().Unix(),
		"metadata": map[string]string{"order_id": r.Form.Get("metadata[order_id]"), "attempt": r.Form.Get("metadata[attempt]")},
	}
	switch method := r.Form.Get("payment_method"); {
	case !strings.HasPrefix(method, "pm_card_"):
		return refusal(http.StatusBadRequest, "invalid_request_error", "resource_missing")
	case strings.Contains(method, "Declined"):
		failure := map[string]any{"type": "card_error", "code": "card_declined", "decline_code": "generic_decline"}
		intent["status"], intent["last_payment_error"] = "requires_payment_method", failure
		f.intents[id] = intent
		return fakeAnswer{http.StatusPaymentRequired, map[string]any{"error": map[string]any{
			"type": "card_error", "code": "card_declined", "decline_code": "generic_decline", "payment_intent": intent}}}
	case strings.Contains(method, "threeDSecure"):
		intent["status"] = "requires_action"
		intent["next_action"] = map[string]any{"type": "redirect_to_url", "redirect_to_url": map[string]any{"url": f.URL + "/authenticate/" + id}}
	default:
		intent["status"], intent["amount_received"] = "succeeded", amount
	}
	f.intents[id] = intent
	return fakeAnswer{200, intent}
}

// approve is what the customer does at the bank's page.
func (f *fakeStripe) approve(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.intents[id]["status"], f.intents[id]["amount_received"] = "succeeded", f.intents[id]["amount"]
	delete(f.intents[id], "next_action")
}

// charged is an intent with its charge, which says what was refunded.
func (f *fakeStripe) charged(id string) map[string]any {
	intent, returned := maps.Clone(f.intents[id]), 0
	for _, r := range f.refunds {
		if r["payment_intent"] == id {
			returned += r["amount"].(int)
		}
	}
	intent["latest_charge"] = map[string]any{"id": "ch_" + id, "object": "charge", "captured": intent["status"] == "succeeded", "amount_refunded": returned}
	return intent
}

func (f *fakeStripe) retrieve(r *http.Request) fakeAnswer {
	if _, ok := f.intents[r.PathValue("id")]; ok {
		return fakeAnswer{200, f.charged(r.PathValue("id"))}
	}
	return refusal(http.StatusNotFound, "invalid_request_error", "resource_missing")
}

func (f *fakeStripe) list(r *http.Request) fakeAnswer {
	data := []any{}
	for id, i := range f.intents {
		from, _ := strconv.ParseInt(r.Form.Get("created[gte]"), 10, 64)
		to, _ := strconv.ParseInt(r.Form.Get("created[lte]"), 10, 64)
		if at := i["created"].(int64); at >= from && (at <= to || to == 0) {
			data = append(data, f.charged(id))
		}
	}
	return fakeAnswer{200, map[string]any{"object": "list", "data": data, "has_more": false}}
}

func (f *fakeStripe) cancel(r *http.Request) fakeAnswer {
	intent := f.intents[r.PathValue("id")]
	if intent["status"] == "succeeded" || intent["status"] == "canceled" {
		return refusal(http.StatusBadRequest, "invalid_request_error", "payment_intent_unexpected_state")
	}
	intent["status"] = "canceled"
	return fakeAnswer{200, intent}
}

func (f *fakeStripe) refund(r *http.Request) fakeAnswer {
	payment, amount := r.Form.Get("payment_intent"), r.Form.Get("amount")
	left := f.intents[payment]["amount_received"].(int)
	for _, other := range f.refunds {
		if other["payment_intent"] == payment {
			left -= other["amount"].(int)
		}
	}
	minor, _ := strconv.Atoi(amount)
	if minor > left {
		return refusal(http.StatusBadRequest, "invalid_request_error", "charge_already_refunded")
	}
	id := fmt.Sprintf("re_%d", len(f.refunds)+1)
	f.refunds[id] = map[string]any{
		"id": id, "object": "refund", "status": "succeeded", "amount": minor, "currency": f.intents[payment]["currency"], "payment_intent": payment,
		"metadata": map[string]string{"order_id": r.Form.Get("metadata[order_id]"), "refund_id": r.Form.Get("metadata[refund_id]")},
	}
	return fakeAnswer{200, f.refunds[id]}
}

func (f *fakeStripe) listRefunds(r *http.Request) fakeAnswer {
	data := []any{}
	for _, refund := range f.refunds {
		if refund["payment_intent"] == r.Form.Get("payment_intent") {
			data = append(data, refund)
		}
	}
	return fakeAnswer{200, map[string]any{"object": "list", "data": data, "has_more": false}}
}

// with runs change while nothing is served.
func (f *fakeStripe) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// asked is how often route, or anything if it is "", was called.
func (f *fakeStripe) asked(route string) (n int) {
	f.with(func() {
		for r, calls := range f.calls {
			if route == "" || r == route {
				n += calls
			}
		}
	})
	return n
}

// taken is what the ledger says of an order: captured and returned minor units, and how many captures.
func (f *fakeStripe) taken(orderID string) (captures, captured, returned int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, i := range f.intents {
		if i["metadata"].(map[string]string)["order_id"] != orderID || i["status"] != "succeeded" {
			continue
		}
		captures++
		captured += i["amount_received"].(int)
		for _, r := range f.refunds {
			if r["payment_intent"] == id {
				returned += r["amount"].(int)
			}
		}
	}
	return captures, captured, returned
}

// event is a webhook as Stripe would send it about object now.
func (f *fakeStripe) event(t *testing.T, id, kind string, object any) (body []byte, signature string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, err := json.Marshal(map[string]any{
		"id": id, "object": "event", "api_version": "2020-08-27", "type": kind, "created": time.Now().Unix(), "data": map[string]any{"object": object},
	})
	require.NoError(t, err)
	return body, sign(body, time.Now(), webhookSecret)
}

func sign(body []byte, at time.Time, secret string) string {
	return webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: secret, Timestamp: at}).Header
}
