package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/idempotency"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/ordering/order"
)

var boss = identity.Identity{Subject: "boss", Roles: []identity.Role{identity.Customer, identity.Admin}}

// paid is an order of anna's that is paid, as facts make it so.
func (s *shop) paid(t testing.TB) *order.Order {
	t.Helper()
	o := s.orders.place(t, anna, epoch)
	require.NoError(t, s.tell(t.Context(), events.StockReserved{OrderID: o.ID}))
	require.NoError(t, s.tell(t.Context(), events.PaymentCaptured{OrderID: o.ID, PaymentID: "pay-" + o.ID, Amount: o.Total}))
	return s.load(t, o.ID)
}

func (s *shop) load(t testing.TB, id string) *order.Order {
	t.Helper()
	o, err := s.orders.Order(t.Context(), id)
	require.NoError(t, err)
	return o
}

// staff is a request by support, answered with an order.
func (s *shop) staff(t testing.TB, status int, method, path, body string, header ...string) (v staffView) {
	t.Helper()
	read(t, s.request(agent, "gateway", method, "/admin/"+path, body, header...), status, &v)
	return v
}

func read(t testing.TB, w *httptest.ResponseRecorder, status int, v any) {
	t.Helper()
	require.Equal(t, status, w.Code, w.Body.String())
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), v))
}

func TestEverythingAboutAnOrderSurvivesTheStore(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	d := draftOf(anna)
	d.ID, d.CheckoutID = uuid.NewString(), "basket-1-a"
	_, err := s.Place(t.Context(), idempotency.Key{Scope: "test", Key: "k"}, d, nil, epoch)
	require.NoError(t, err)
	want := afterSale(t)
	_, err = s.Update(t.Context(), d.ID, func(o *order.Order) error {
		id, number, checkout := o.ID, o.Number, o.CheckoutID
		*o = *want
		o.ID, o.Number, o.CheckoutID = id, number, checkout
		return nil
	})
	require.NoError(t, err)
	got := s.mustLoad(t, d.ID)
	want.ID, want.Number, want.CheckoutID, want.Invoice = got.ID, got.Number, d.CheckoutID, "2026-000001"
	want.Saved()
	require.Equal(t, want, got)
}

func (s *store) mustLoad(t testing.TB, id string) *order.Order {
	t.Helper()
	o, err := s.Order(t.Context(), id)
	require.NoError(t, err)
	return o
}

func TestInvoiceNumbersHaveNoGaps(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	orders := make([]*order.Order, 40)
	for i := range orders {
		orders[i] = s.orders.place(t, anna, epoch)
	}
	var group errgroup.Group
	for i, o := range orders {
		group.Go(func() error {
			err := postgres.InTx(t.Context(), s.orders.db, func(tx pgx.Tx) error {
				if _, err := s.orders.update(t.Context(), tx, o.ID, func(o *order.Order) error {
					o.Reserve(waits, epoch)
					o.Settle("p", o.Total, epoch)
					return nil
				}); err != nil || i%4 != 0 {
					return err
				}
				return fmt.Errorf("the commit fails")
			})
			if i%4 == 0 {
				return nil
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	var got []string
	for i, o := range orders {
		o = s.load(t, o.ID)
		require.Equal(t, i%4 == 0, o.Invoice == "")
		if o.Invoice != "" {
			got = append(got, o.Invoice)
		}
	}
	slices.Sort(got)
	for i, number := range got {
		require.Equal(t, fmt.Sprintf("2026-%06d", i+1), number)
	}
	// A new year begins anew, and more than a million a year still have numbers.
	_, err := s.orders.db.Exec(t.Context(), `insert into invoice_numbers values (2027, 999999)`)
	require.NoError(t, err)
	o := s.orders.place(t, anna, epoch)
	_, err = s.orders.Update(t.Context(), o.ID, func(o *order.Order) error {
		o.Reserve(waits, epoch)
		o.Settle("p", o.Total, epoch.AddDate(1, 0, 0))
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, "2027-1000000", s.load(t, o.ID).Invoice)
}

func TestInvoice(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := s.paid(t)
	require.Equal(t, "2026-000001", o.Invoice)
	w := s.request(anna, "gateway", http.MethodGet, "/orders/"+o.ID+"/invoice", "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "style-src 'sha256-")
	require.NotContains(t, w.Header().Get("Content-Security-Policy"), "unsafe")
	_, rest, _ := strings.Cut(w.Body.String(), "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	require.Contains(t, w.Header().Get("Content-Security-Policy"), base64.StdEncoding.EncodeToString(sum[:]), "the browser lets the style in")
	requireGolden(t, "invoice.html", []byte(strings.ReplaceAll(w.Body.String(), o.Number, "SC-2026-TEST001")))
	require.Equal(t, []string{"0", "19", "25.5", "8.1", "7.25"}, []string{percent(0), percent(1900), percent(2550), percent(810), percent(725)})

	_, err := s.orders.db.Exec(t.Context(), `update orders set address = jsonb_set(address, '{name}', '"<script>alert(1)</script>"') where id = $1`, o.ID)
	require.NoError(t, err)
	require.NotContains(t, s.request(anna, "gateway", http.MethodGet, "/orders/"+o.ID+"/invoice", "").Body.String(), "<script")
}

func TestTheStaffTakesAnOrderToItsEnd(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := s.paid(t)
	path := "orders/" + o.ID
	v := s.staff(t, 200, "PUT", path+"/shipment", `{"carrier":" DHL ","trackingNumber":"JJD0001"}`)
	require.Equal(t, order.Shipped, v.Status)
	require.Equal(t, agent.Subject, v.Timeline[len(v.Timeline)-1].By)
	again := s.staff(t, 200, "PUT", path+"/shipment", `{"carrier":"DHL","trackingNumber":"JJD0001"}`)
	require.Equal(t, v, again)
	require.Equal(t, "order-not-cancellable", code(t, s.request(agent, "gateway", "PUT", "/admin/"+path+"/cancellation", `{"reason":"x"}`)))
	v = s.staff(t, 200, "PUT", path+"/delivery", ``)
	require.Equal(t, order.Delivered, v.Status)
	v = s.staff(t, 201, "POST", path+"/notes", `{"text":"Two lines\nare fine here."}`)
	require.Equal(t, []order.Note{{At: epoch, By: agent.Subject, Text: "Two lines\nare fine here."}}, v.Notes)

	var mine orderView
	w := s.request(anna, "gateway", http.MethodGet, "/"+path, "")
	read(t, w, 200, &mine)
	require.Equal(t, "https://www.dhl.de/en/privatkunden/pakete-empfangen/verfolgen.html?piececode=JJD0001", mine.Shipment.TrackingURL)
	require.True(t, mine.Returnable)
	require.NotContains(t, w.Body.String(), string(agent.Subject), "who works here is nobody's business")
	require.NotContains(t, w.Body.String(), "are fine here")
	require.Equal(t, []string{
		events.TopicOrderPlaced, events.TopicPaymentRequested, events.TopicOrderPaid, events.TopicOrderShipped, events.TopicOrderDelivered,
	}, outboxOf(t, s.orders.db, o.ID))
}

func TestRefundsByTheStaffHappenOncePerKey(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := s.paid(t)
	path := "/admin/orders/" + o.ID + "/refunds"
	post := func(key, body string) *httptest.ResponseRecorder {
		return s.request(agent, "gateway", "POST", path, body, "Idempotency-Key", key)
	}
	require.Equal(t, "idempotency-key-required", code(t, s.request(agent, "gateway", "POST", path, `{}`)))
	var group errgroup.Group
	var accepted atomic.Int64
	for range 20 {
		group.Go(func() error {
			w := post("k1", `{"amount":{"amount":1000,"currency":"EUR"},"reason":"Scratched."}`)
			if w.Code == http.StatusAccepted {
				accepted.Add(1)
			} else if w.Code != http.StatusConflict {
				return fmt.Errorf("%d %s", w.Code, w.Body)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.Positive(t, accepted.Load())
	require.Len(t, s.load(t, o.ID).Refunds, 1)
	require.Equal(t, "idempotency-key-reused", code(t, post("k1", `{"amount":{"amount":2000,"currency":"EUR"}}`)))
	for body, want := range map[string]string{
		`{"amount":{"amount":2559,"currency":"EUR"}}`: "refund-exceeds-payment",
		`{"amount":{"amount":0,"currency":"EUR"}}`:    "invalid-amount",
		`{"amount":{"amount":-5,"currency":"EUR"}}`:   "invalid-amount",
		`{"amount":{"amount":5,"currency":"USD"}}`:    "invalid-amount",
		`{"amount":{"amount":5.5,"currency":"EUR"}}`:  "wrong-type",
		`{"amount":5}`:       "wrong-type",
		`{"reason":"a\nb"}`:  "invalid-reason",
		`{"customerId":"x"}`: "unknown-field",
	} {
		require.Equal(t, want, code(t, post("k2", body)), body)
	}
	require.Equal(t, http.StatusAccepted, post("k2", `{}`).Code, "the rest")
	require.Equal(t, "refund-exceeds-payment", code(t, post("k3", `{}`)))

	o = s.load(t, o.ID)
	for i, r := range o.Refunds {
		require.NoError(t, s.tell(t.Context(), events.PaymentRefunded{OrderID: o.ID, PaymentID: r.PaymentID, RefundID: fmt.Sprint("re-", i), Amount: r.Amount}))
	}
	v := s.staff(t, 200, "GET", "orders/"+o.ID, "")
	require.Equal(t, order.Refunded, v.Status)
	require.Equal(t, o.Total, v.Refunded)
	require.True(t, v.DueAt.IsZero())
}

func TestAReturnFromWishToMoney(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := s.paid(t)
	path := "/orders/" + o.ID + "/returns"
	wish := func(key, body string) *httptest.ResponseRecorder {
		return s.request(anna, "gateway", "POST", path, body, "Idempotency-Key", key)
	}
	const two = `{"lines":[{"sku":"mug-blue","quantity":2}],"reason":"Too small."}`
	require.Equal(t, "order-not-returnable", code(t, wish("k0", two)))
	s.staff(t, 200, "PUT", "orders/"+o.ID+"/shipment", `{}`)
	s.staff(t, 200, "PUT", "orders/"+o.ID+"/delivery", `{}`)
	for body, want := range map[string]string{
		`{`: "malformed-json", `{"lines":[]}`: "invalid-return", `{"lines":[{"sku":"mug-blue","quantity":3}]}`: "invalid-return",
		`{"lines":[{"sku":"mug-blue","quantity":-1}]}`: "invalid-return", `{"lines":[{"sku":"cup","quantity":1}]}`: "invalid-return",
		`{"lines":[{"sku":"mug-blue","quantity":1,"price":1}]}`: "unknown-field", `{"lines":{}}`: "wrong-type",
		`{"lines":[{"sku":"mug-blue","quantity":1}],"reason":"a\u0000"}`: "invalid-reason",
	} {
		require.Equal(t, want, code(t, wish("k1", body)), body)
	}
	var made requestedView
	read(t, wish("k1", two), 201, &made)
	require.Equal(t, order.ReturnRequested, made.Return.Status)
	require.Equal(t, o.Total, made.Return.Refund, "everything comes back, delivery included")
	require.JSONEq(t, wish("k1", two).Body.String(), wish("k1", two).Body.String())
	require.Equal(t, "invalid-return", code(t, wish("k2", two)))
	require.Len(t, s.load(t, o.ID).Returns, 1)

	decide := func(id, body string) *httptest.ResponseRecorder {
		return s.request(agent, "gateway", "PATCH", "/admin/returns/"+id, body)
	}
	id := made.Return.ID
	for body, want := range map[string]string{
		`{}`: "invalid-status", `{"status":"refunded"}`: "invalid-status", `{"status":"requested"}`: "invalid-status", `{"status":5}`: "wrong-type",
		`{"status":"received"}`: "return-not-open", `{"status":"approved","note":"a\nb"}`: "invalid-note", `{"status":"approved","refund":1}`: "unknown-field",
	} {
		require.Equal(t, want, code(t, decide(id, body)), body)
	}
	require.Equal(t, "return-not-found", code(t, decide("x", `{"status":"approved"}`)))
	require.Equal(t, "return-not-found", code(t, decide(uuid.NewString(), `{"status":"approved"}`)))
	var v staffReturnView
	read(t, decide(id, `{"status":"approved","note":"Use the label."}`), 200, &v)
	require.Equal(t, order.ReturnApproved, v.Status)
	read(t, decide(id, `{"status":"received","restock":false}`), 200, &v)
	require.Equal(t, order.ReturnReceived, v.Status)
	read(t, decide(id, `{"status":"received"}`), 200, &v)
	require.Equal(t, agent.Subject, v.By)
	require.Equal(t, "return-not-open", code(t, decide(id, `{"status":"rejected"}`)))

	o = s.load(t, o.ID)
	require.Equal(t, order.Returned, o.Status)
	require.Equal(t, []string{
		events.TopicReturnRequested, events.TopicReturnDecided, events.TopicReturnReceived, events.TopicRefundRequested,
	}, outboxOf(t, s.orders.db, o.ID)[5:])
	require.NoError(t, s.tell(t.Context(), events.PaymentRefunded{OrderID: o.ID, PaymentID: o.Payment.Kept, RefundID: "re", Amount: o.Total}))
	var list web.Page[staffReturnView]
	read(t, s.request(agent, "gateway", "GET", "/admin/returns?status=refunded", ""), 200, &list)
	require.Len(t, list.Items, 1)
	require.Equal(t, o.Number, list.Items[0].OrderNumber)
	read(t, s.request(agent, "gateway", "GET", "/admin/returns?status=requested", ""), 200, &list)
	require.Empty(t, list.Items)
	require.Equal(t, "invalid-status", code(t, s.request(agent, "gateway", "GET", "/admin/returns?status=lost", "")))
	require.Equal(t, "invalid-cursor", code(t, s.request(agent, "gateway", "GET", "/admin/returns?cursor=1", "")))
}

func TestReturnsByPages(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var want []string
	for range 3 {
		o := s.orders.place(t, anna, epoch)
		_, err := s.orders.Update(t.Context(), o.ID, func(o *order.Order) error {
			o.Reserve(waits, epoch)
			o.Settle("p1", o.Total, epoch)
			require.NoError(t, o.Ship(agent, "", "", epoch))
			for range 2 {
				id := uuid.Must(uuid.NewV7()).String()
				want = append([]string{id}, want...)
				_, err := o.RequestReturn(anna, id, []events.OrderLine{{SKU: "mug-blue", Quantity: 1}}, "", epoch)
				require.NoError(t, err)
			}
			return nil
		})
		require.NoError(t, err)
	}
	var got []string
	for cursor := ""; ; {
		var list web.Page[staffReturnView]
		read(t, s.request(agent, "gateway", "GET", "/admin/returns?limit=4&cursor="+cursor, ""), 200, &list)
		for _, r := range list.Items {
			got = append(got, r.ID)
		}
		if cursor = list.NextCursor; cursor == "" {
			break
		}
	}
	require.Equal(t, want, got)
}

func TestTheStaffFindsOrders(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := s.orders.place(t, anna, epoch.AddDate(0, 0, -3))
	s.orders.place(t, boris, epoch)
	last := s.paid(t)
	find := func(query string) (ids []string) {
		var list web.Page[staffView]
		read(t, s.request(agent, "gateway", "GET", "/admin/orders?"+query, ""), 200, &list)
		for _, o := range list.Items {
			ids = append(ids, o.ID)
		}
		return ids
	}
	require.Len(t, find(""), 3)
	require.Equal(t, []string{last.ID}, find("status=paid"))
	require.Empty(t, find("status=needs_attention"))
	require.Equal(t, []string{last.ID, first.ID}, find("query=ANNA@example.com"))
	require.Equal(t, []string{first.ID}, find("query=%20"+strings.ToLower(first.Number)))
	require.Empty(t, find("query='%20or%201=1--"))
	require.Equal(t, []string{first.ID}, find("to=2026-11-20"))
	require.Equal(t, []string{first.ID}, find("from=2026-11-19&to=2026-11-19"))
	require.Len(t, find("from=2026-11-22T00:00:00Z"), 2)
	var list web.Page[staffView]
	read(t, s.request(agent, "gateway", "GET", "/admin/orders?limit=1", ""), 200, &list)
	require.Equal(t, last.ID, list.NextCursor)
	require.Len(t, find("cursor="+list.NextCursor), 2)
	for query, want := range map[string]string{
		"status=lost": "invalid-status", "from=yesterday": "invalid-time", "to=1": "invalid-time", "limit=0": "invalid-limit", "cursor=1": "invalid-cursor",
		"query=%00": "invalid-query", "query=%ff": "invalid-query", "query=" + strings.Repeat("a", 255): "invalid-query",
	} {
		require.Equal(t, want, code(t, s.request(agent, "gateway", "GET", "/admin/orders?"+query, "")), query)
	}
}

func TestGarbageForTheStaff(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	path := "/admin/orders/" + s.paid(t).ID
	for _, c := range []struct{ method, path, body, want string }{
		{"PUT", "/shipment", `{`, "malformed-json"}, {"PUT", "/shipment", `{"carrier":5}`, "wrong-type"},
		{"PUT", "/shipment", `{"carrier":"<b>"}`, "invalid-shipment"}, {"PUT", "/shipment", `{"trackingNumber":"1 or 1=1"}`, "invalid-shipment"},
		{"PUT", "/shipment", `{"shippedAt":"2020-01-01"}`, "unknown-field"}, {"PUT", "/delivery", `[]`, "wrong-type"},
		{"PUT", "/delivery", `{"at":"x"}`, "unknown-field"}, {"PUT", "/delivery", ``, "order-not-deliverable"},
		{"PUT", "/cancellation", `{"reason":5}`, "wrong-type"}, {"POST", "/notes", `{"text":""}`, "invalid-note"},
		{"POST", "/notes", `{"text":"` + strings.Repeat("a", 2001) + `"}`, "invalid-note"}, {"POST", "/notes", `{"text":"a\u0000"}`, "invalid-note"},
	} {
		require.Equal(t, c.want, code(t, s.request(agent, "gateway", c.method, path+c.path, c.body)), "%s %s", c.path, c.body)
	}
}

func TestRefundThatIsNotHeardOfCallsForAPerson(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := s.paid(t)
	_, err := s.orders.Update(t.Context(), o.ID, func(o *order.Order) error { return o.Cancel(anna, "", epoch) })
	require.NoError(t, err)
	at := epoch
	for range 3 { // two sweepers at once act once
		at = at.Add(2 * time.Hour)
		var group errgroup.Group
		for range 2 {
			group.Go(func() error { _, err := s.orders.ActOnDue(t.Context(), at, 10); return err })
		}
		require.NoError(t, group.Wait())
	}
	v := s.staff(t, 200, "GET", "orders/"+o.ID, "")
	require.Equal(t, order.NeedsAttention, v.Status)
	require.Equal(t, "refund-not-confirmed", v.Attention)
	require.False(t, v.DueAt.IsZero(), "it goes on asking")
	require.Len(t, v.Notes, 3)
	topics := outboxOf(t, s.orders.db, o.ID)
	require.Equal(t, []string{events.TopicRefundRequested, events.TopicRefundRequested, events.TopicRefundRequested, events.TopicOrderAttention, events.TopicRefundRequested}, topics[len(topics)-5:])
	var list web.Page[staffView]
	read(t, s.request(agent, "gateway", "GET", "/admin/orders?status=needs_attention", ""), 200, &list)
	require.Len(t, list.Items, 1)
	read(t, s.request(agent, "gateway", "GET", "/admin/orders?status=cancelled", ""), 200, &list)
	require.Empty(t, list.Items)

	require.NoError(t, s.tell(t.Context(), events.PaymentRefunded{OrderID: o.ID, PaymentID: o.Payment.Kept, RefundID: "re", Amount: o.Total}))
	require.Equal(t, order.Cancelled, s.staff(t, 200, "GET", "orders/"+o.ID, "").Status)
	n, err := s.orders.ActOnDue(t.Context(), at.AddDate(1, 0, 0), 10)
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestDisputeIsForTheStaff(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := s.paid(t)
	fact := events.PaymentDisputed{OrderID: o.ID, PaymentID: o.Payment.Kept, DisputeID: "dp_1", Amount: o.Total, State: "open", Reason: "fraudulent"}
	for range 3 {
		require.NoError(t, s.tell(t.Context(), fact))
	}
	require.Len(t, s.load(t, o.ID).Notes, 1)
	require.Len(t, s.load(t, o.ID).Timeline, len(o.Timeline))
	for _, garbage := range []string{`{`, `{"orderId":"` + o.ID + `"}`, `{"orderId":"x","disputeId":"d","amount":{"amount":1,"currency":"EUR"}}`} {
		require.ErrorIs(t, s.deliver(t.Context(), events.TopicPaymentDisputed, []byte(garbage)), events.ErrMalformed, garbage)
	}
}

// Two tabs, or a reload that has forgotten its key: the same content of a basket is bought once.
func TestOneBasketManyKeysOneOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	body := with(`"basketId":"b1"`, `"basketId":"b1","checkoutId":"c1"`)
	var group errgroup.Group
	ids := make([]string, 30)
	for i := range ids {
		group.Go(func() error {
			w := s.checkout(anna, fmt.Sprint("key-", i), body)
			var p placedView
			if w.Code != http.StatusAccepted || json.Unmarshal(w.Body.Bytes(), &p) != nil {
				return fmt.Errorf("%d %s", w.Code, w.Body)
			}
			ids[i] = p.Order.ID
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.Len(t, slices.Compact(ids), 1)
	require.Equal(t, 1, s.count(t, "orders"))
	require.Equal(t, 1, s.count(t, "outbox"))
	require.Equal(t, 30, s.count(t, "idempotency_keys"))
	require.Equal(t, ids[0], orderOf(t, s.checkout(anna, "key-7", noMugs), http.StatusAccepted).ID, "a key keeps its answer")

	next := strings.Replace(body, "c1", "c2", 1)
	require.NotEqual(t, ids[0], orderOf(t, s.checkout(anna, "next", next), http.StatusAccepted).ID, "the next content is the next order")
	require.NotEqual(t, ids[0], orderOf(t, s.checkout(boris, "k", body), http.StatusAccepted).ID, "another customer's basket is another's")
}

func (s *shop) coupon(t testing.TB, c order.Coupon) {
	t.Helper()
	c.Active = true
	require.NoError(t, c.Check())
	require.NoError(t, s.coupons.Add(t.Context(), c))
}

func withCoupon(code, checkout string) string {
	return with(`"basketId":"b1"`, `"basketId":"b1","checkoutId":"`+checkout+`","coupon":"`+code+`"`)
}

func TestCheckoutWithACoupon(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.coupon(t, order.Coupon{Code: "TEN", Kind: order.Percent, PercentBasisPoints: 1000})
	o := orderOf(t, s.checkout(anna, "k1", withCoupon("TEN", "c1")), http.StatusAccepted)
	require.Equal(t, "TEN", o.Coupon)
	require.Equal(t, []int64{2500, 250, 490, 521, 3261}, []int64{o.Subtotal.Minor(), o.Discount.Minor(), o.Shipping.Minor(), o.Tax.Minor(), o.Total.Minor()})
	require.Equal(t, o.Coupon, s.load(t, o.ID).Coupon)
	require.Equal(t, eur(250), s.load(t, o.ID).Lines[0].Discount)
	var q quoteView
	read(t, s.request(anna, "basket", "POST", "/quotes", withCoupon("TEN", "c1")), 200, &q)
	require.Equal(t, o.Total, q.Total)
	for _, path := range []string{"/quotes", "/orders"} {
		w := s.request(anna, "basket", "POST", path, withCoupon("NONE", "c2"), "Idempotency-Key", "k2")
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, "never a silent higher price")
		require.Equal(t, "invalid-coupon", code(t, w))
	}
	require.Equal(t, 1, s.count(t, "orders"))
	check := func(body string) *httptest.ResponseRecorder {
		return s.request(anna, "basket", "POST", "/coupon-checks", body)
	}
	require.Equal(t, http.StatusOK, check(`{"code":"TEN","subtotal":{"amount":1,"currency":"EUR"}}`).Code)
	require.Equal(t, "invalid-coupon", code(t, check(`{"code":"NONE","subtotal":{"amount":1,"currency":"EUR"}}`)))
	require.Equal(t, "wrong-type", code(t, check(`{"code":"TEN"}`)))
}

func TestTheLastUseOfACouponIsUsedOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.coupon(t, order.Coupon{Code: "RARE", Kind: order.Percent, PercentBasisPoints: 1000, MaxUses: 3})
	var group errgroup.Group
	var sold, refused atomic.Int64
	for i := range 20 {
		group.Go(func() error {
			who := identity.Identity{Subject: identity.CustomerID(fmt.Sprint("customer-", i)), Roles: anna.Roles, Email: fmt.Sprintf("c%d@example.com", i)}
			switch w := s.checkout(who, "k", withCoupon("RARE", "c")); {
			case w.Code == http.StatusAccepted:
				sold.Add(1)
			case strings.Contains(w.Body.String(), "coupon-used-up"):
				refused.Add(1)
			default:
				return fmt.Errorf("%d %s", w.Code, w.Body)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, []int64{3, 17}, []int64{sold.Load(), refused.Load()})
	require.Equal(t, 3, s.count(t, "orders"))
	require.Equal(t, 3, s.uses(t, "RARE"))
}

func (s *shop) uses(t testing.TB, code string) int {
	t.Helper()
	c, _, err := s.coupons.Coupon(t.Context(), code)
	require.NoError(t, err)
	return c.Uses
}

func TestAnOrderWithoutPurchaseGivesItsCouponBack(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.coupon(t, order.Coupon{Code: "ONCE", Kind: order.Percent, PercentBasisPoints: 1000, MaxUses: 1})
	buy := func(checkout string) *httptest.ResponseRecorder {
		return s.checkout(anna, checkout, withCoupon("ONCE", checkout))
	}
	for name, end := range map[string]func(id string){
		"rejected": func(id string) { require.NoError(t, s.tell(t.Context(), events.StockRejected{OrderID: id})) },
		"cancelled": func(id string) {
			require.Equal(t, 200, s.request(anna, "gateway", "PUT", "/orders/"+id+"/cancellation", "").Code)
		},
		"expired": func(string) {
			_, err := s.orders.ActOnDue(t.Context(), epoch.Add(24*time.Hour), 10)
			require.NoError(t, err)
		},
	} {
		o := orderOf(t, buy(name), http.StatusAccepted)
		require.Equal(t, o.ID, orderOf(t, s.checkout(anna, name+"-2", withCoupon("ONCE", name)), http.StatusAccepted).ID,
			"the second tab gets the order, though its coupon is used up by it")
		require.Equal(t, "coupon-used-up", code(t, buy(name+"-again")))
		end(o.ID)
		require.Zero(t, s.uses(t, "ONCE"), name)
	}
	o := orderOf(t, buy("paid"), http.StatusAccepted)
	require.NoError(t, s.tell(t.Context(), events.StockReserved{OrderID: o.ID}))
	require.NoError(t, s.tell(t.Context(), events.PaymentCaptured{OrderID: o.ID, PaymentID: "p1", Amount: o.Total}))
	require.NoError(t, s.tell(t.Context(), events.PaymentRefunded{OrderID: o.ID, PaymentID: "p1", RefundID: "r1", Amount: o.Total}))
	require.Equal(t, order.Refunded, s.load(t, o.ID).Status)
	require.Equal(t, 1, s.uses(t, "ONCE"), "what was a purchase used its coupon")
}

func TestACouponPerCustomer(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.coupon(t, order.Coupon{Code: "FIRST", Kind: order.FreeShipping, MaxUsesPerCustomer: 1})
	orderOf(t, s.checkout(anna, "k1", withCoupon("FIRST", "c1")), http.StatusAccepted)
	require.Equal(t, "coupon-used-up", code(t, s.checkout(anna, "k2", withCoupon("FIRST", "c2"))))
	orderOf(t, s.checkout(boris, "k1", withCoupon("FIRST", "c1")), http.StatusAccepted)
	guest := func(email string) *httptest.ResponseRecorder {
		return s.checkout(visit, uuid.NewString(), strings.Replace(withCoupon("FIRST", uuid.NewString()), `"payment"`, `"email":"`+email+`","payment"`, 1))
	}
	require.Equal(t, "coupon-used-up", code(t, guest("Anna@Example.com")), "the same person without signing in")
	orderOf(t, guest("new@example.com"), http.StatusAccepted)
}

func TestACouponThatChangesDuringTheCheckout(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.coupon(t, order.Coupon{Code: "TEN", Kind: order.Percent, PercentBasisPoints: 1000})
	d := draftOf(anna)
	d.Quote.Coupon = "TEN"
	priced := order.Coupon{Code: "TEN", Kind: order.Percent, PercentBasisPoints: 2000}
	_, err := s.orders.Place(t.Context(), idempotency.Key{Scope: "test", Key: "k"}, d, &priced, epoch)
	require.True(t, problem.Is(err, "coupon-changed"), "%v", err)
	require.Zero(t, s.count(t, "orders"))
}

func TestCouponsAreTheAdministrators(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	ask := func(method, path, body string) *httptest.ResponseRecorder {
		return s.request(boss, "gateway", method, "/admin/coupons"+path, body)
	}
	for body, want := range map[string]string{
		`{`: "malformed-json", `{}`: "invalid-fields", `{"code":"ABC","kind":"percent","percentBasisPoints":"10"}`: "wrong-type",
		`{"code":"ABC","kind":"percent","percentBasisPoints":10.5}`: "wrong-type", `{"code":"ABC","kind":"free-shipping","uses":5}`: "unknown-field",
		`{"code":"ABC","kind":"amount","amounts":{"XXX":5}}`: "invalid-fields", `{"code":"ABC","kind":"amount","amounts":[5]}`: "wrong-type",
		`{"code":"A B","kind":"free-shipping"}`: "invalid-fields", `{"code":"ABC","kind":"free-shipping","validFrom":"soon"}`: "wrong-type",
	} {
		require.Equal(t, want, code(t, ask("POST", "", body)), body)
	}
	var c order.Coupon
	read(t, ask("POST", "", `{"code":"summer","description":"5 off","kind":"amount","amounts":{"EUR":500,"USD":600},"minimum":{"EUR":2000,"USD":2000},"validUntil":"2027-01-01T00:00:00Z","maxUses":100}`), 201, &c)
	require.Equal(t, "SUMMER", c.Code)
	require.True(t, c.Active)
	require.Equal(t, "coupon-exists", code(t, ask("POST", "", `{"code":"SUMMER","kind":"free-shipping"}`)))
	var shown order.Coupon
	read(t, ask("GET", "/summer", ""), 200, &shown)
	require.Equal(t, c, shown)

	shown = order.Coupon{}
	read(t, ask("PATCH", "/SUMMER", `{"amounts":{"EUR":700},"minimum":null,"validUntil":null,"active":false}`), 200, &shown)
	require.Equal(t, order.Coupon{Code: "SUMMER", Description: "5 off", Kind: order.Fixed, Amounts: map[string]int64{"EUR": 700}, MaxUses: 100}, shown)
	var again order.Coupon
	read(t, ask("GET", "/SUMMER", ""), 200, &again)
	require.Equal(t, shown, again)
	require.Equal(t, "invalid-fields", code(t, ask("PATCH", "/SUMMER", `{"kind":"percent"}`)))
	require.Equal(t, "unknown-field", code(t, ask("PATCH", "/SUMMER", `{"code":"WINTER"}`)))
	require.Equal(t, "coupon-changed", problemOf(s.coupons.Replace(t.Context(), shown, epoch)), "somebody else was faster")

	for i := range 3 {
		s.coupon(t, order.Coupon{Code: fmt.Sprint("CODE", i), Kind: order.FreeShipping})
	}
	var list web.Page[order.Coupon]
	read(t, ask("GET", "?limit=3", ""), 200, &list)
	require.Equal(t, "CODE2", list.NextCursor)
	cursor := list.NextCursor
	list = web.Page[order.Coupon]{}
	read(t, ask("GET", "?limit=3&cursor="+cursor, ""), 200, &list)
	require.Len(t, list.Items, 1)
	require.Empty(t, list.NextCursor)
	for range 2 {
		require.Equal(t, http.StatusNoContent, ask("DELETE", "/SUMMER", "").Code)
	}
	require.Equal(t, "coupon-not-found", code(t, ask("GET", "/SUMMER", "")))

	require.NoError(t, s.coupons.Seed(t.Context()))
	require.NoError(t, s.coupons.Seed(t.Context()))
	orderOf(t, s.checkout(anna, "k1", withCoupon("WELCOME10", "c1")), http.StatusAccepted)
	require.Equal(t, http.StatusNoContent, ask("DELETE", "/WELCOME10", "").Code, "orders keep what a coupon took off")
}

func problemOf(err error) string { return problem.From(err).Code }

func TestACouponIsRepeatedSafely(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	add := func(body, key string) *httptest.ResponseRecorder {
		return s.request(boss, "gateway", "POST", "/admin/coupons", body, "Idempotency-Key", key)
	}
	var first, again order.Coupon
	read(t, add(`{"code":"once","kind":"free-shipping"}`, "k1"), 201, &first)
	read(t, add(`{"code":"once","kind":"free-shipping"}`, "k1"), 201, &again)
	require.Equal(t, first, again)
	require.Equal(t, "idempotency-key-reused", code(t, add(`{"code":"twice","kind":"free-shipping"}`, "k1")))
	require.Equal(t, "coupon-exists", code(t, add(`{"code":"once","kind":"free-shipping"}`, "k2")))
	require.Equal(t, "invalid-idempotency-key", code(t, add(`{"code":"twice","kind":"free-shipping"}`, "a b")))
	require.Equal(t, 201, add(`{"code":"twice","kind":"free-shipping"}`, "k2").Code, "a refusal leaves the key usable")
}

// What a purchase pays and gets back, to the minor unit, with a coupon and a return of a part.
func TestPartOfACheaperPurchaseComesBack(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.coupon(t, order.Coupon{Code: "TEN", Kind: order.Percent, PercentBasisPoints: 1000})
	o := orderOf(t, s.checkout(anna, "k1", withCoupon("TEN", "c1")), http.StatusAccepted)
	require.NoError(t, s.tell(t.Context(), events.StockReserved{OrderID: o.ID}))
	require.NoError(t, s.tell(t.Context(), events.PaymentCaptured{OrderID: o.ID, PaymentID: "p1", Amount: o.Total}))
	s.staff(t, 200, "PUT", "orders/"+o.ID+"/shipment", `{}`)
	back := money.Must(0, "EUR")
	for i := range 2 {
		var made requestedView
		read(t, s.request(anna, "gateway", "POST", "/orders/"+o.ID+"/returns", `{"lines":[{"sku":"mug-blue","quantity":1}],"reason":""}`,
			"Idempotency-Key", fmt.Sprint("r", i)), 201, &made)
		for _, status := range []string{"approved", "received"} {
			require.Equal(t, 200, s.request(agent, "gateway", "PATCH", "/admin/returns/"+made.Return.ID, `{"status":"`+status+`"}`).Code)
		}
		refund := *s.load(t, o.ID).Returns[i].Refund
		if i == 0 {
			require.Equal(t, eur(1339), refund, "11.25 and the 19 % on it: 2.1394 of 5.21, by its part of 27.40")
		}
		var err error
		back, err = back.Add(refund)
		require.NoError(t, err)
	}
	require.Equal(t, o.Total, back)
}

func TestANoteUnderAKeyIsWrittenOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := orderOf(t, s.checkout(anna, "k1", twoMugs), http.StatusAccepted).ID
	note := func(key, text string) int {
		return s.request(agent, "gateway", "POST", "/admin/orders/"+id+"/notes", `{"text":"`+text+`"}`, "Idempotency-Key", key).Code
	}
	for range 3 {
		require.Equal(t, http.StatusCreated, note("n1", "Called."))
	}
	require.Equal(t, http.StatusUnprocessableEntity, note("n1", "Called again."))
	require.Equal(t, http.StatusCreated, note("n2", "Called again."))
	o, err := s.orders.Order(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, o.Notes, 2)
}
