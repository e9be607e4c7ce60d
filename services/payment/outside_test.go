package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/postgres/postgrestest"
	"github.com/sidecart/sidecart/services/payment/payment"
)

// counter is payment with both providers, played by the sandbox, whose webhooks reach it.
type counter struct {
	*till
	sandbox *sandboxed

	mu    sync.Mutex
	heard []heardHook
}

type heardHook struct {
	provider string
	header   http.Header
	body     []byte
}

func newCounter(t *testing.T) *counter {
	t.Parallel()
	outside := newSandboxed(t)
	pool := postgrestest.New(t, migrations())
	s := &server{pool: pool, store: newStore(pool), offered: []string{"stripe", "paypal"}, now: time.Now, providers: map[string]*guarded{
		"stripe": guard("stripe", outside.stripe), "paypal": guard("paypal", outside.paypal),
	}}
	c := &counter{till: &till{T: t, pool: pool, server: s, worker: &worker{store: s.store, providers: s.providers, now: time.Now}}, sandbox: outside}
	outside.onWebhook(func(provider string, header http.Header, body []byte) int {
		c.mu.Lock()
		c.heard = append(c.heard, heardHook{provider, header, body})
		c.mu.Unlock()
		status, _ := c.deliver(heardHook{provider, header, body})
		return status
	})
	return c
}

// deliver sends a webhook as the gateway would.
func (c *counter) deliver(h heardHook) (status int, answer string) {
	r := httptest.NewRequestWithContext(c.Context(), http.MethodPost, "/webhooks/"+h.provider, bytes.NewReader(h.body))
	r.Header = h.header.Clone()
	r.Header.Set("Dapr-Caller-App-Id", "gateway")
	w := httptest.NewRecorder()
	c.server.routes().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// get asks as the gateway would for somebody with role.
func (c *counter) get(path string, role identity.Role, out any) int {
	c.Helper()
	ctx := c.Context()
	if role != "" {
		ctx = identity.With(ctx, identity.Identity{Subject: "somebody", Roles: []identity.Role{role}})
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	r.Header.Set("Dapr-Caller-App-Id", "gateway")
	w := httptest.NewRecorder()
	c.server.routes().ServeHTTP(w, r)
	if w.Code == http.StatusOK && out != nil {
		require.NoError(c, json.Unmarshal(w.Body.Bytes(), out))
	}
	return w.Code
}

// buy requests the payment of a new order.
func (c *counter) buy(provider, method string) string {
	r := request(1)
	r.OrderID, r.Provider, r.Method = uuid.NewString(), provider, method
	hear(c.till, c.server.paymentRequested, r)
	return r.OrderID
}

// page awaits the address at which the customer has to approve.
func (c *counter) page(orderID string) string {
	c.Helper()
	c.await(orderID, events.TopicPaymentActionRequired)
	var address string
	require.NoError(c, c.pool.QueryRow(c.Context(), `select redirect_url from attempts where order_id = $1 order by number desc limit 1`, orderID).Scan(&address))
	return address
}

func (c *counter) paymentID(orderID string) (id string) {
	require.NoError(c, c.pool.QueryRow(c.Context(), `select id from attempts where order_id = $1`, orderID).Scan(&id))
	return id
}

// ledger is what the sandbox moved for an order, e.g. "capture 1999 EUR", oldest first.
func (c *counter) ledger(orderID string) []string {
	var entries []struct {
		Kind, Currency string
		Amount         int64
	}
	c.sandbox.json(c.T, http.MethodGet, "/api/ledger?orderId="+orderID, "", &entries)
	moved := []string{}
	for _, e := range slices.Backward(entries) {
		if e.Kind != "authorization" {
			moved = append(moved, fmt.Sprintf("%s %d %s", e.Kind, e.Amount, e.Currency))
		}
	}
	return moved
}

func (c *counter) refund(orderID string, minor int64, reason string) {
	hear(c.till, refundRequested, events.RefundRequested{OrderID: orderID, PaymentID: c.paymentID(orderID), Amount: money.Must(minor, "EUR"), Reason: reason})
}

func (c *counter) reconcile() (r report) {
	c.Helper()
	require.Equal(c, http.StatusOK, c.get("/reports/reconciliation", identity.Admin, &r))
	return r
}

func TestPayPalFromApprovalToRefund(t *testing.T) {
	c := newCounter(t)
	c.start()
	id := c.buy("paypal", "paypal")
	page := c.page(id)
	require.Empty(t, c.ledger(id), "nothing is taken before the customer says so")
	back := c.sandbox.customer(t, page, "approve")
	_, reference := c.state(id, 1)
	require.Equal(t, "https://shop.example/orders/order-1?PayerID=SANDBOXPAYER7&token="+reference, back)
	c.await(id, events.TopicPaymentActionRequired, events.TopicPaymentCaptured)
	c.refund(id, 500, "return-1")
	c.refund(id, 1499, "return-2")
	c.refund(id, 1, "return-3") // more than is left
	c.await(id, events.TopicPaymentActionRequired, events.TopicPaymentCaptured, events.TopicPaymentRefunded, events.TopicPaymentRefunded)
	require.ElementsMatch(t, []string{"capture 1999 EUR", "refund 500 EUR", "refund 1499 EUR"}, c.ledger(id))
	r := c.reconcile()
	require.Empty(t, r.Differences)
	require.Equal(t, []sums{{"EUR", 1999, 1999}}, r.Captures)
	require.Equal(t, []sums{{"EUR", 1999, 1999}}, r.Refunds)
}

func TestPayPalWithoutAnyWebhook(t *testing.T) {
	c := newCounter(t)
	c.sandbox.faults(t, `{"faults":[{"operation":"webhook","mode":"lose"}]}`)
	c.start()
	id := c.buy("paypal", "paypal")
	c.sandbox.customer(t, c.page(id), "approve")
	approved := time.Now()
	c.await(id, events.TopicPaymentActionRequired, events.TopicPaymentCaptured)
	require.Less(t, time.Since(approved), 6*time.Second, "a lost webhook costs seconds")
	require.Empty(t, c.heard)
	require.Equal(t, []string{"capture 1999 EUR"}, c.ledger(id))
}

func TestPayPalDeclinesAndComesBack(t *testing.T) {
	c := newCounter(t)
	c.start()
	declined, left := c.buy("paypal", "paypal"), c.buy("paypal", "paypal")
	c.sandbox.customer(t, c.page(declined), "decline")
	c.await(declined, events.TopicPaymentActionRequired, events.TopicPaymentFailed)

	page := c.page(left)
	back := c.sandbox.customer(t, page, "leave")
	u, err := url.Parse(back)
	require.NoError(t, err)
	require.Equal(t, "cancelled", u.Query().Get("payment"))
	require.Equal(t, []string{events.TopicPaymentActionRequired}, c.told(left), "who leaves may come back")
	c.sandbox.customer(t, page, "approve")
	c.await(left, events.TopicPaymentActionRequired, events.TopicPaymentCaptured)
	require.Equal(t, []string{"capture 1999 EUR"}, c.ledger(left))
	require.Empty(t, c.ledger(declined))
}

// The order was closed while the customer was at PayPal: what she approves then is never taken.
func TestPayPalApprovedAfterTheOrderWasClosed(t *testing.T) {
	c := newCounter(t)
	c.start()
	id := c.buy("paypal", "paypal")
	page := c.page(id)
	hear(c.till, orderClosed, events.OrderClosed{OrderID: id})
	require.Eventually(t, func() bool { s, _ := c.state(id, 1); return s == payment.Voided }, 10*time.Second, 10*time.Millisecond)
	c.sandbox.customer(t, page, "approve")
	other := c.buy("paypal", "paypal") // by the time this is taken, the first would be
	c.sandbox.customer(t, c.page(other), "approve")
	c.await(other, events.TopicPaymentActionRequired, events.TopicPaymentCaptured)
	require.Empty(t, c.ledger(id))
	require.Equal(t, []string{events.TopicPaymentActionRequired}, c.told(id))
}

// A capture may be on its way when the order is closed: it is not given up before that is certain.
func TestPayPalClosedWhileTheCaptureIsOnItsWay(t *testing.T) {
	c := newCounter(t)
	id := c.buy("paypal", "paypal")
	settleAll := func() {
		jobs, err := c.server.store.LeaseAttempts(t.Context(), 10)
		require.NoError(t, err)
		for _, job := range jobs {
			c.worker.settle(t.Context(), job)
		}
	}
	settleAll()
	c.sandbox.faults(t, `{"faults":[{"operation":"webhook","mode":"lose"}]}`)
	c.sandbox.customer(t, c.page(id), "approve")
	hear(c.till, orderClosed, events.OrderClosed{OrderID: id})
	settleAll()
	s, _ := c.state(id, 1)
	require.Equal(t, payment.ActionRequired, s, "a request of two minutes may still arrive")
	c.exec(`update attempts set sent_at = now() - interval '3 minutes', due_at = now() where order_id = $1`, id)
	settleAll()
	s, _ = c.state(id, 1)
	require.Equal(t, payment.Voided, s)
	require.Empty(t, c.ledger(id))
}

// Every webhook of both providers, repeated and in any order, on top of what the worker learns itself.
func TestWebhooksInAnyOrderManyTimes(t *testing.T) {
	c := newCounter(t)
	stop := c.start()
	card, paypal := c.buy("stripe", "pm_card_visa"), c.buy("paypal", "paypal")
	c.sandbox.customer(t, c.page(paypal), "approve")
	c.await(card, events.TopicPaymentCaptured)
	c.await(paypal, events.TopicPaymentActionRequired, events.TopicPaymentCaptured)
	c.refund(card, 1999, "cancelled")
	c.refund(paypal, 700, "return")
	c.await(card, events.TopicPaymentCaptured, events.TopicPaymentRefunded)
	c.await(paypal, events.TopicPaymentActionRequired, events.TopicPaymentCaptured, events.TopicPaymentRefunded)
	count := func() int { c.mu.Lock(); defer c.mu.Unlock(); return len(c.heard) }
	require.Eventually(t, func() bool { return count() >= 6 }, 10*time.Second, 10*time.Millisecond) // card: succeeded, 2 of the refund; PayPal: approved, captured, refunded
	stop()
	hooks := slices.Repeat(slices.Clone(c.heard), 100)
	rand.Shuffle(len(hooks), func(i, j int) { hooks[i], hooks[j] = hooks[j], hooks[i] })
	c.exec(`delete from webhooks where random() < 0.5`) // as if half of them came for the first time
	var all sync.WaitGroup
	for part := range slices.Chunk(hooks, len(hooks)/8+1) {
		all.Go(func() {
			for _, h := range part {
				if status, answer := c.deliver(h); status != http.StatusNoContent {
					t.Errorf("%s answered %d %s", h.provider, status, answer)
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, []string{events.TopicPaymentCaptured, events.TopicPaymentRefunded}, c.told(card))
	require.Equal(t, []string{events.TopicPaymentActionRequired, events.TopicPaymentCaptured, events.TopicPaymentRefunded}, c.told(paypal))
	require.Empty(t, c.reconcile().Differences)
}

func TestWebhooksThatAreNotPayPals(t *testing.T) {
	c := newCounter(t)
	c.start()
	id := c.buy("paypal", "paypal")
	c.sandbox.customer(t, c.page(id), "approve")
	c.await(id, events.TopicPaymentActionRequired, events.TopicPaymentCaptured)
	require.Eventually(t, func() bool { return c.stored() == 2 }, 10*time.Second, 10*time.Millisecond)
	c.mu.Lock()
	genuine := c.heard[0]
	c.mu.Unlock()
	c.exec(`delete from webhooks`)
	with := func(name, value string) http.Header {
		h := genuine.header.Clone()
		h.Set(name, value)
		return h
	}
	now, body := c.sandbox.paypal.now, genuine.body
	for name, h := range map[string]struct {
		header http.Header
		body   []byte
		later  time.Duration
	}{
		"no headers":            {header: http.Header{}, body: body},
		"tampered":              {header: genuine.header, body: bytes.Replace(body, []byte("19.99"), []byte("19.98"), 1)},
		"a space more":          {header: genuine.header, body: append(bytes.Clone(body), ' ')},
		"another transmission":  {header: with("Paypal-Transmission-Id", uuid.NewString()), body: body},
		"another time":          {header: with("Paypal-Transmission-Time", time.Now().Add(time.Second).UTC().Format(time.RFC3339)), body: body},
		"no time":               {header: with("Paypal-Transmission-Time", "yesterday"), body: body},
		"garbage signature":     {header: with("Paypal-Transmission-Sig", "%%%"), body: body},
		"another signature":     {header: with("Paypal-Transmission-Sig", "aGVsbG8="), body: body},
		"another algorithm":     {header: with("Paypal-Auth-Algo", "none"), body: body},
		"certificate elsewhere": {header: with("Paypal-Cert-Url", "https://evil.example/v1/notifications/certs/CERT-1"), body: body},
		"no such certificate":   {header: with("Paypal-Cert-Url", c.sandbox.address+"/v1/notifications/certs/CERT-1"), body: body},
		"too old":               {header: genuine.header, body: body, later: 5*time.Minute + 30*time.Second},
		"from the future":       {header: genuine.header, body: body, later: -5*time.Minute - 30*time.Second},
	} {
		c.sandbox.paypal.now = func() time.Time { return now().Add(h.later) }
		status, answer := c.deliver(heardHook{"paypal", h.header, h.body})
		require.Equal(t, http.StatusBadRequest, status, name)
		require.Contains(t, answer, `"code":"invalid-signature"`, name)
	}
	c.sandbox.paypal.now = now
	other, err := newPayPal(c.sandbox.address, "sandbox-client", "sandbox-secret", "ANOTHER-WEBHOOK")
	require.NoError(t, err)
	_, err = other.Verify(t.Context(), genuine.header, body)
	require.ErrorIs(t, err, errSignature, "the signature is for one webhook of one shop")
	require.Zero(t, c.stored())
	status, _ := c.deliver(genuine)
	require.Equal(t, http.StatusNoContent, status)
	require.Equal(t, 1, c.stored())
}

func TestPayPalEventsThatAreNotOurs(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		ok   bool
	}{
		"garbage":                          {`garbage`, false},
		"nothing":                          {`{}`, false},
		"no type":                          {`{"id":"WH-1"}`, false},
		"an order that is none":            {`{"id":"WH-1","event_type":"CHECKOUT.ORDER.APPROVED","resource_type":"checkout-order","resource":[]}`, false},
		"an unknown type":                  {`{"id":"WH-1","event_type":"BILLING.PLAN.CREATED","resource_type":"plan","resource":{"id":"P-1"}}`, true},
		"another's order":                  {`{"id":"WH-1","event_type":"CHECKOUT.ORDER.APPROVED","resource_type":"checkout-order","resource":{"id":"O","status":"APPROVED","purchase_units":[{"invoice_id":"2024-17"}]}}`, true},
		"an order of the future":           {`{"id":"WH-1","event_type":"CHECKOUT.ORDER.APPROVED","resource_type":"checkout-order","resource":{"id":"O","status":"LEVITATING","purchase_units":[{"invoice_id":"o:1"}]}}`, true},
		"a capture of no order":            {`{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED","resource_type":"capture","resource":{"id":"C","status":"COMPLETED","invoice_id":"o:1"}}`, true},
		"another's refund":                 {`{"id":"WH-1","event_type":"PAYMENT.CAPTURE.REFUNDED","resource_type":"refund","resource":{"id":"R","status":"COMPLETED","custom_id":"x"}}`, true},
		"another's dispute":                {`{"id":"WH-1","event_type":"CUSTOMER.DISPUTE.CREATED","resource_type":"dispute","resource":{"dispute_id":"D","disputed_transactions":[{}],"dispute_amount":{"currency_code":"EUR","value":"1.00"}}}`, true},
		"a dispute in an unknown currency": {`{"id":"WH-1","event_type":"CUSTOMER.DISPUTE.CREATED","resource_type":"dispute","resource":{"dispute_id":"D","disputed_transactions":[{"invoice_number":"o:1"}],"dispute_amount":{"currency_code":"XTS","value":"1.00"}}}`, true},
	} {
		n, err := readPayPalEvent([]byte(c.body))
		require.Equal(t, c.ok, err == nil, name)
		require.True(t, n.Answer == nil && n.Refund == nil && n.Dispute == nil, name)
	}
}

func TestDisputesAreToldOnceAndStayDecided(t *testing.T) {
	c := newCounter(t)
	stop := c.start()
	card, paypal := c.buy("stripe", "pm_card_visa"), c.buy("paypal", "paypal")
	c.sandbox.customer(t, c.page(paypal), "approve")
	c.await(card, events.TopicPaymentCaptured)
	c.await(paypal, events.TopicPaymentActionRequired, events.TopicPaymentCaptured)
	for id, told := range map[string][]string{card: {events.TopicPaymentCaptured}, paypal: {events.TopicPaymentActionRequired, events.TopicPaymentCaptured}} {
		var opened struct{ ID string }
		c.sandbox.json(t, http.MethodPost, "/api/disputes", `{"orderId":"`+id+`"}`, &opened)
		c.await(id, append(slices.Clone(told), events.TopicPaymentDisputed)...)
		c.sandbox.json(t, http.MethodPut, "/api/disputes/"+opened.ID, `{"outcome":"won"}`, nil)
		c.await(id, append(slices.Clone(told), events.TopicPaymentDisputed, events.TopicPaymentDisputed)...)
	}
	stop()
	c.exec(`delete from webhooks`)
	for _, h := range slices.Repeat(c.heard, 3) {
		status, _ := c.deliver(h)
		require.Equal(t, http.StatusNoContent, status)
	}
	var facts []string
	rows, err := c.pool.Query(t.Context(), `select data->>'state' from outbox where topic = $1 and subject = $2 order by seq`, events.TopicPaymentDisputed, paypal)
	require.NoError(t, err)
	for rows.Next() {
		var state string
		require.NoError(t, rows.Scan(&state))
		facts = append(facts, state)
	}
	require.Equal(t, []string{"open", "won"}, facts, "a late word of its beginning does not reopen it")

	for role, status := range map[identity.Role]int{"": 401, identity.Guest: 403, identity.Customer: 403, identity.Support: 200, identity.Admin: 200} {
		require.Equal(t, status, c.get("/disputes", role, nil), role)
		require.Equal(t, status, c.get("/reports/reconciliation", role, nil), role)
	}
	var page struct {
		Items      []disputeView
		NextCursor string
	}
	seen := map[string]disputeView{}
	for cursor := "?limit=1"; ; cursor = "?limit=1&cursor=" + url.QueryEscape(page.NextCursor) {
		page.NextCursor = ""
		require.Equal(t, 200, c.get("/disputes"+cursor, identity.Support, &page))
		require.Len(t, page.Items, 1)
		seen[page.Items[0].OrderID] = page.Items[0]
		if page.NextCursor == "" {
			break
		}
	}
	require.Len(t, seen, 2)
	require.Equal(t, []any{"stripe", DisputeWon, price, "fraudulent", c.paymentID(card)},
		[]any{seen[card].Provider, seen[card].State, seen[card].Amount, seen[card].Reason, seen[card].PaymentID})
	require.Equal(t, "paypal", seen[paypal].Provider)
	for _, cursor := range []string{"x", "1", "x_y", "-1_x", "99999999999999999999_x", "9999999999999999_"} {
		require.Equal(t, map[bool]int{true: 200, false: 400}[cursor == "9999999999999999_"], c.get("/disputes?cursor="+cursor, identity.Support, nil), cursor)
	}
	require.Equal(t, 400, c.get("/disputes?limit=0", identity.Support, nil))
}

// A dispute that overtakes the answer to the charge it is about belongs to nobody for a while.
func TestADisputeBeforeItsPaymentIsKnown(t *testing.T) {
	c := newCounter(t)
	c.sandbox.faults(t, `{"faults":[{"operation":"stripe.create","mode":"late","delayMs":1500}]}`)
	stop := c.start()
	id := c.buy("stripe", "pm_card_createDispute")
	// The webhook of the capture is to be late, too: otherwise it would name the payment.
	c.sandbox.onWebhook(func(provider string, header http.Header, body []byte) int {
		if strings.Contains(string(body), "payment_intent.succeeded") {
			return http.StatusServiceUnavailable
		}
		status, _ := c.deliver(heardHook{provider, header, body})
		return status
	})
	require.Eventually(t, func() bool {
		var n int
		require.NoError(t, c.pool.QueryRow(t.Context(), `select count(*) from disputes where order_id = ''`).Scan(&n))
		return n == 1
	}, 10*time.Second, 10*time.Millisecond)
	c.await(id, events.TopicPaymentCaptured)
	stop()
	c.start() // reconciles at start
	c.await(id, events.TopicPaymentCaptured, events.TopicPaymentDisputed)
}

func TestReconciliationFindsEveryDifference(t *testing.T) {
	c := newCounter(t)
	stop := c.start()
	orders := map[string]string{}
	for _, name := range []string{"right", "cheaper", "unrefunded", "unsettled"} {
		orders[name] = c.buy("stripe", "pm_card_visa")
		c.await(orders[name], events.TopicPaymentCaptured)
	}
	orders["paypal"] = c.buy("paypal", "paypal")
	c.sandbox.customer(t, c.page(orders["paypal"]), "approve")
	c.await(orders["paypal"], events.TopicPaymentActionRequired, events.TopicPaymentCaptured)
	c.refund(orders["right"], 1999, "cancelled")
	c.await(orders["right"], events.TopicPaymentCaptured, events.TopicPaymentRefunded)
	r := c.reconcile()
	require.Empty(t, r.Differences)
	require.Equal(t, 5, r.Orders)
	require.Equal(t, []sums{{"EUR", 5 * 1999, 5 * 1999}}, r.Captures)
	require.Equal(t, []sums{{"EUR", 1999, 1999}}, r.Refunds)
	stop()

	c.exec(`insert into payments (order_id) values ('lost')`)
	c.exec(`insert into attempts (id, order_id, number, provider, method, return_url, amount, currency, idempotency_key, state, reference)
		values ('lost', 'lost', 1, 'stripe', 'pm_card_visa', '', 7, 'EUR', 'lost:1', 'captured', 'pi_nosuch')`)
	c.exec(`update attempts set amount = 1998 where order_id = $1`, orders["cheaper"])
	c.exec(`insert into refunds (id, order_id, attempt_id, reason, amount, currency, state) select 'r', order_id, id, 'x', 5, 'EUR', 'refunded' from attempts where order_id = $1`, orders["unrefunded"])
	c.exec(`update attempts set state = 'started' where order_id = $1`, orders["unsettled"])
	c.exec(`update attempts set amount = 2000 where order_id = $1`, orders["paypal"])
	c.exec(`update attempts set changed_at = now() - interval '1 minute'`)
	stranger := anAttempt("pm_card_visa")
	_, err := c.sandbox.stripe.Charge(t.Context(), stranger)
	require.NoError(t, err)

	found := map[string]string{}
	for _, d := range c.reconcile().Differences {
		found[d.OrderID] = fmt.Sprintf("%s %d %d", d.Kind, d.Ours.Minor(), d.Provider.Minor())
	}
	require.Equal(t, map[string]string{
		orders["cheaper"]: "capture-differs 1998 1999", orders["unrefunded"]: "refund-differs 5 0", orders["unsettled"]: "unsettled 0 1999",
		orders["paypal"]: "capture-differs 2000 1999", stranger.OrderID: "unknown-payment 0 1999", "lost": "missing-at-provider 7 0",
	}, found)
	c.exec(`update attempts set created_at = now() - interval '2 days' where order_id = $1`, orders["right"])
	for _, d := range c.reconcile().Differences {
		require.NotEqual(t, orders["right"], d.OrderID, "it belongs to another period")
	}
	for query, status := range map[string]int{
		"?from=2026-01-01&to=2026-01-31": 200, "?from=2026-01-01&to=2026-03-01": 400, "?from=x": 400, "?to=1": 400,
		"?from=2026-01-02&to=2026-01-01": 400, "?from=2026-01-01T12:00:00Z&to=2026-01-01T12:00:01Z": 200,
	} {
		require.Equal(t, status, c.get("/reports/reconciliation"+query, identity.Support, nil), query)
	}
}

func TestTheCircuitOpensAndCloses(t *testing.T) {
	c := newCounter(t)
	available := func() (states []string) {
		var methods struct {
			Items []methodView
		}
		require.Equal(t, 200, c.get("/payment-methods", "", &methods))
		for _, m := range methods.Items {
			states = append(states, fmt.Sprint(m.Provider, " ", m.Available))
		}
		return states
	}
	require.Equal(t, []string{"stripe true", "paypal true"}, available())
	c.sandbox.faults(t, `{"faults":[{"operation":"stripe.create","mode":"fail","status":503}]}`)
	stop := c.start()
	var ids []string
	for range 20 {
		ids = append(ids, c.buy("stripe", "pm_card_visa"))
	}
	require.Eventually(t, func() bool { return available()[0] == "stripe false" }, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, "paypal true", available()[1], "each has its own circuit")
	struck := func() (n int) {
		var set struct{ Faults []struct{ Struck int } }
		c.sandbox.json(t, http.MethodGet, "/api/faults", "", &set)
		return set.Faults[0].Struck
	}
	require.Less(t, struck(), 40, "a provider that is away is mostly left alone")
	for _, id := range ids {
		require.Empty(t, c.told(id), "nobody is told that a payment failed which nobody could ask for")
	}
	c.sandbox.faults(t, "")
	for _, id := range ids {
		c.await(id, events.TopicPaymentCaptured)
	}
	require.Equal(t, "stripe true", available()[0])
	stop()
}

func TestAProviderThatIsNotOffered(t *testing.T) {
	c := newCounter(t)
	c.server.offered = []string{"stripe"}
	id := c.buy("paypal", "paypal")
	require.Equal(t, []string{events.TopicPaymentFailed}, c.told(id))
	var failure string
	require.NoError(t, c.pool.QueryRow(t.Context(), `select failure from attempts where order_id = $1`, id).Scan(&failure))
	require.Equal(t, "provider_not_offered", failure)
}
