package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/ordering/order"
)

var update = flag.Bool("update", false, "write the golden files")

// shop is ordering behind a stand-in of its sidecar, in which catalog sells mugs.
type shop struct {
	*server
	handler http.Handler
}

func newShop(t testing.TB) *shop {
	t.Helper()
	side := httptest.NewServer(web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		require.Equal(t, "catalog", r.Header.Get("Dapr-App-Id"))
		require.Equal(t, "/variants", r.URL.Path)
		items := []map[string]any{}
		for _, sku := range strings.Split(r.URL.Query().Get("skus"), ",") {
			if strings.HasPrefix(sku, "mug") && r.URL.Query().Get("currency") == "EUR" {
				items = append(items, map[string]any{
					"sku": sku, "productId": "p1", "slug": "mug", "name": "Mug", "image": "/images/mug.webp", "price": eur(1250),
				})
			}
		}
		return web.Encode(w, http.StatusOK, map[string]any{"items": items})
	}))
	t.Cleanup(side.Close)
	client, err := sidecar.New(app, side.URL, "")
	require.NoError(t, err)
	s := &server{
		orders: testStore(t), catalog: newCatalog(client), news: &news{}, wait: waits, publicURL: "http://localhost:8080",
		seller: []string{"Sidecart", "Marktplatz 1", "10115 Berlin"}, now: func() time.Time { return epoch },
	}
	s.coupons = couponStore{s.orders.db}
	return &shop{s, s.routes()}
}

// request is a call by somebody, through a service.
func (s *shop) request(who identity.Identity, caller, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Dapr-Caller-App-Id", caller)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r.WithContext(identity.With(r.Context(), who)))
	return w
}

func (s *shop) checkout(who identity.Identity, key, body string) *httptest.ResponseRecorder {
	return s.request(who, "basket", http.MethodPost, "/orders", body, "Idempotency-Key", key)
}

const (
	mugs    = `{"sku":"mug-blue","quantity":2}`
	wishes  = `{"address":{"name":"Anna Berg","line1":"Hauptstraße 1","line2":"","city":"Berlin","region":"","postalCode":"10115","country":"DE"},"shippingMethod":"standard","payment":{"provider":"stripe","method":"pm_card_visa"}}`
	twoMugs = `{"checkout":` + wishes + `,"basketId":"b1","currency":"EUR","lines":[` + mugs + `]}`
	noMugs  = `{"checkout":` + wishes + `,"basketId":"b1","currency":"EUR","lines":[]}`
)

// with is twoMugs with one detail changed.
func with(old, new string) string {
	if !strings.Contains(twoMugs, old) {
		panic("no " + old)
	}
	return strings.Replace(twoMugs, old, new, 1)
}

func code(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	var doc struct{ Code string }
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"), w.Body.String())
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &doc))
	return doc.Code
}

func orderOf(t testing.TB, w *httptest.ResponseRecorder, status int) orderView {
	t.Helper()
	require.Equal(t, status, w.Code, w.Body.String())
	var v orderView
	if status == http.StatusAccepted {
		var p placedView
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
		v = p.Order
	} else {
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v))
	}
	return v
}

func (s *shop) count(t testing.TB, table string) (n int) {
	t.Helper()
	require.NoError(t, s.orders.db.QueryRow(t.Context(), `select count(*) from `+table).Scan(&n))
	return n
}

func TestPlaceOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := orderOf(t, s.checkout(anna, "k1", twoMugs), http.StatusAccepted)
	require.Equal(t, order.Placed, o.Status)
	require.Equal(t, []int64{2500, 490, 568, 0, 3558},
		[]int64{o.Subtotal.Minor(), o.Shipping.Minor(), o.Tax.Minor(), o.Discount.Minor(), o.Total.Minor()})
	require.Equal(t, "anna@example.com", o.Email)
	require.Equal(t, []string{events.TopicOrderPlaced}, outboxOf(t, s.orders.db, o.ID))

	stored, err := s.orders.Order(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, "http://localhost:8080/orders/"+o.ID, stored.Payment.ReturnURL)
	require.Equal(t, "b1", stored.BasketID)
	require.Equal(t, anna.Subject, stored.Customer)
}

func TestSameKeySameOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := s.checkout(anna, "k1", twoMugs)
	o := orderOf(t, first, http.StatusAccepted)
	for name, body := range map[string]string{
		"again": twoMugs, "with an empty basket": noMugs, "with another basket": with(mugs, `{"sku":"mug-red","quantity":1}`),
	} {
		again := s.checkout(anna, "k1", body)
		require.Equal(t, http.StatusAccepted, again.Code, name)
		require.JSONEq(t, first.Body.String(), again.Body.String(), name)
	}
	reused := s.checkout(anna, "k1", with("pm_card_visa", "pm_card_mastercard"))
	require.Equal(t, http.StatusUnprocessableEntity, reused.Code)
	require.Equal(t, "idempotency-key-reused", code(t, reused))

	empty := s.checkout(anna, "k2", noMugs)
	require.Equal(t, http.StatusUnprocessableEntity, empty.Code)
	require.Equal(t, "basket-empty", code(t, empty))

	others := orderOf(t, s.checkout(boris, "k1", twoMugs), http.StatusAccepted)
	require.NotEqual(t, o.ID, others.ID, "keys of two customers do not meet")
	require.Equal(t, 2, s.count(t, "orders"))
	require.Equal(t, 2, s.count(t, "outbox"))
}

func TestRefusedCheckoutLeavesTheKeyUsable(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	require.Equal(t, "unknown-sku", code(t, s.checkout(anna, "k1", with("mug-blue", "cup"))))
	require.Zero(t, s.count(t, "idempotency_keys"))
	orderOf(t, s.checkout(anna, "k1", twoMugs), http.StatusAccepted)
}

func TestHundredAtOnceOneOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	answers := make([]string, 100)
	var group errgroup.Group
	for i := range answers {
		group.Go(func() error {
			for {
				w := s.checkout(anna, "k1", twoMugs)
				if w.Code == http.StatusConflict { // still running, as a client is told
					time.Sleep(10 * time.Millisecond)
					continue
				}
				if w.Code != http.StatusAccepted {
					return fmt.Errorf("%d %s", w.Code, w.Body)
				}
				answers[i] = w.Body.String()
				return nil
			}
		})
	}
	require.NoError(t, group.Wait())
	for _, a := range answers {
		require.JSONEq(t, answers[0], a)
	}
	require.Equal(t, 1, s.count(t, "orders"))
	require.Equal(t, 1, s.count(t, "outbox"))
}

func TestGarbageOnTheWayIn(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for name, c := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"no JSON":                {`{`, 400, "malformed-json"},
		"nothing":                {``, 400, "malformed-json"},
		"an array":               {`[]`, 400, "wrong-type"},
		"two values":             {twoMugs + `{}`, 400, "malformed-json"},
		"a price of one's own":   {with(`"quantity":2`, `"quantity":2,"price":{"amount":1,"currency":"EUR"}`), 400, "unknown-field"},
		"a customer of choice":   {with(`"basketId"`, `"customerId":"boris","basketId"`), 400, "unknown-field"},
		"quantity as text":       {with(`"quantity":2`, `"quantity":"2"`), 400, "wrong-type"},
		"quantity with fraction": {with(`"quantity":2`, `"quantity":1.5`), 400, "wrong-type"},
		"quantity 0":             {with(`"quantity":2`, `"quantity":0`), 422, "invalid-lines"},
		"quantity below 0":       {with(`"quantity":2`, `"quantity":-1`), 422, "invalid-lines"},
		"quantity 10⁹":           {with(`"quantity":2`, `"quantity":1000000000`), 422, "invalid-lines"},
		"a line twice":           {with(mugs, mugs+","+mugs), 422, "invalid-lines"},
		"unknown sku":            {with("mug-blue", "cup"), 422, "unknown-sku"},
		"unknown currency":       {with(`"currency":"EUR"`, `"currency":"XXX"`), 400, "unknown-currency"},
		"not sold in currency":   {with(`"currency":"EUR"`, `"currency":"USD"`), 422, "unknown-sku"},
		"no name":                {with("Anna Berg", "  "), 422, "invalid-checkout"},
		"two lines in one":       {with("Berlin", `Ber\nlin`), 422, "invalid-checkout"},
		"endless name":           {with("Anna Berg", strings.Repeat("a", 101)), 422, "invalid-checkout"},
		"no country":             {with(`"country":"DE"`, `"country":""`), 422, "invalid-checkout"},
		"country not served":     {with(`"country":"DE"`, `"country":"AQ"`), 422, "country-not-served"},
		"unknown delivery":       {with("standard", "pigeon"), 422, "unknown-shipping-method"},
		"unknown provider":       {with("stripe", "bitcoin"), 422, "invalid-checkout"},
		"a card number":          {with("pm_card_visa", "4242424242424242"), 422, "invalid-checkout"},
	} {
		t.Run(name, func(t *testing.T) {
			w := s.checkout(anna, "k1", c.body)
			require.Equal(t, c.code, code(t, w))
			require.Equal(t, c.status, w.Code)
		})
	}
	require.Equal(t, "idempotency-key-required", code(t, s.request(anna, "basket", http.MethodPost, "/orders", twoMugs)))
	require.Zero(t, s.count(t, "orders"))
}

func TestGuestNeedsAnAddressToWriteTo(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	require.Equal(t, "invalid-checkout", code(t, s.checkout(visit, "k1", twoMugs)))
	require.Equal(t, "invalid-checkout", code(t, s.checkout(visit, "k1", with(`"payment"`, `"email":"Anna <a@b.c>","payment"`))))
	o := orderOf(t, s.checkout(visit, "k1", with(`"payment"`, `"email":"guest@example.com","payment"`)), http.StatusAccepted)
	require.Equal(t, "guest@example.com", o.Email)
	o = orderOf(t, s.checkout(anna, "k1", with(`"payment"`, `"email":"guest@example.com","payment"`)), http.StatusAccepted)
	require.Equal(t, "anna@example.com", o.Email, "a customer is written to at the verified address")
}

func TestQuote(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	w := s.request(anna, "basket", http.MethodPost, "/quotes", `{"checkout":{"address":{"country":"de"}},"currency":"EUR","lines":[`+mugs+`]}`)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	var q quoteView
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &q))
	require.Equal(t, int64(3558), q.Total.Minor())
	require.Equal(t, "standard", q.ShippingMethod)
	require.Len(t, q.ShippingMethods, 2)
	require.Equal(t, q.Shipping, q.ShippingMethods[0].Price)
	require.Zero(t, s.count(t, "orders"))
}

// Who may do what: the table is the rule.
func TestEveryRouteForEverybody(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := orderOf(t, s.checkout(anna, "k1", twoMugs), http.StatusAccepted).ID
	admin := identity.Identity{Subject: "admin", Roles: []identity.Role{identity.Admin}}
	people := []identity.Identity{{}, boris, visit, anna, agent, admin}
	for _, c := range []struct {
		method, path, caller, body string
		want                       [6]int // anonymous, another customer, guest, owner, support, admin
	}{
		{"POST", "/quotes", "basket", twoMugs, [6]int{401, 200, 200, 200, 200, 200}},
		{"POST", "/quotes", "gateway", twoMugs, [6]int{404, 404, 404, 404, 404, 404}},
		{"POST", "/orders", "basket", noMugs, [6]int{401, 422, 422, 422, 422, 422}},
		{"POST", "/orders", "gateway", twoMugs, [6]int{404, 404, 404, 404, 404, 404}},
		{"POST", "/orders", "", twoMugs, [6]int{404, 404, 404, 404, 404, 404}},
		{"GET", "/orders", "gateway", "", [6]int{401, 200, 200, 200, 200, 200}},
		{"GET", "/orders/" + id, "gateway", "", [6]int{401, 404, 404, 200, 200, 200}},
		{"GET", "/orders/" + uuid.NewString(), "gateway", "", [6]int{401, 404, 404, 404, 404, 404}},
		{"GET", "/orders/1", "gateway", "", [6]int{401, 404, 404, 404, 404, 404}},
		{"GET", "/orders/" + id + "/summary", "gateway", "", [6]int{404, 404, 404, 404, 404, 404}},
		{"GET", "/orders/" + id + "/summary", "notification", "", [6]int{200, 200, 200, 200, 200, 200}},
		{"GET", "/outbox?topics=order-placed-v1", "gateway", "", [6]int{404, 404, 404, 404, 404, 404}},
		{"GET", "/outbox?topics=order-placed-v1", "basket", "", [6]int{200, 200, 200, 200, 200, 200}},
		{"PUT", "/orders/" + id + "/cancellation", "gateway", "", [6]int{401, 404, 404, 200, 200, 200}},
		{"DELETE", "/orders/" + id, "gateway", "", [6]int{405, 405, 405, 405, 405, 405}},
		{"POST", "/coupon-checks", "gateway", `{}`, [6]int{404, 404, 404, 404, 404, 404}},
		{"POST", "/coupon-checks", "basket", `{"code":"NONE","subtotal":{"amount":1,"currency":"EUR"}}`, [6]int{401, 422, 422, 422, 422, 422}},
		{"POST", "/orders/" + id + "/returns", "gateway", `{"lines":[],"reason":""}`, [6]int{401, 404, 404, 409, 409, 409}},
		{"GET", "/orders/" + id + "/invoice", "gateway", "", [6]int{401, 404, 404, 409, 409, 409}},
		{"GET", "/bought-together?skus=MUG", "catalog", "", [6]int{200, 200, 200, 200, 200, 200}},
		{"GET", "/bought-together?skus=MUG", "gateway", "", [6]int{404, 404, 404, 404, 404, 404}},
		{"GET", "/bought-together", "catalog", "", [6]int{400, 400, 400, 400, 400, 400}},
		{"GET", "/purchases?skus=MUG", "catalog", "", [6]int{401, 200, 403, 200, 200, 200}},
		{"GET", "/purchases?skus=MUG", "gateway", "", [6]int{404, 404, 404, 404, 404, 404}},
		{"GET", "/admin/orders", "gateway", "", [6]int{401, 403, 403, 403, 200, 200}},
		{"GET", "/admin/orders/" + id, "gateway", "", [6]int{401, 403, 403, 403, 200, 200}},
		{"GET", "/admin/orders/" + uuid.NewString(), "gateway", "", [6]int{401, 403, 403, 403, 404, 404}},
		{"PUT", "/admin/orders/" + id + "/shipment", "gateway", `{}`, [6]int{401, 403, 403, 403, 409, 409}},
		{"PUT", "/admin/orders/" + id + "/delivery", "gateway", `{}`, [6]int{401, 403, 403, 403, 409, 409}},
		{"PUT", "/admin/orders/" + id + "/cancellation", "gateway", `{}`, [6]int{401, 403, 403, 403, 200, 200}},
		{"POST", "/admin/orders/" + id + "/refunds", "gateway", `{"reason":""}`, [6]int{401, 403, 403, 403, 422, 422}},
		{"POST", "/admin/orders/" + id + "/notes", "gateway", `{"text":"x"}`, [6]int{401, 403, 403, 403, 201, 201}},
		{"GET", "/admin/returns", "gateway", "", [6]int{401, 403, 403, 403, 200, 200}},
		{"PATCH", "/admin/returns/" + id, "gateway", `{"status":"approved"}`, [6]int{401, 403, 403, 403, 404, 404}},
		{"GET", "/admin/coupons", "gateway", "", [6]int{401, 403, 403, 403, 403, 200}},
		{"POST", "/admin/coupons", "gateway", `{}`, [6]int{401, 403, 403, 403, 403, 422}},
		{"GET", "/admin/coupons/NONE", "gateway", "", [6]int{401, 403, 403, 403, 403, 404}},
		{"PATCH", "/admin/coupons/NONE", "gateway", `{}`, [6]int{401, 403, 403, 403, 403, 404}},
		{"DELETE", "/admin/coupons/NONE", "gateway", "", [6]int{401, 403, 403, 403, 403, 204}},
	} {
		for i, who := range people {
			w := s.request(who, c.caller, c.method, c.path, c.body, "Idempotency-Key", "empty")
			require.Equal(t, c.want[i], w.Code, "%s %s by %q through %q: %s", c.method, c.path, who.Subject, c.caller, w.Body)
		}
	}
	// A stream to somebody else's order does not open either.
	for _, who := range []identity.Identity{{}, boris, visit} {
		require.Contains(t, []int{401, 404}, s.request(who, "gateway", http.MethodGet, "/orders/"+id+"/events", "").Code)
	}
}

func TestCancelOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := orderOf(t, s.checkout(anna, "k1", twoMugs), http.StatusAccepted).ID
	path := "/orders/" + id + "/cancellation"
	require.Equal(t, "malformed-json", code(t, s.request(anna, "gateway", http.MethodPut, path, `{`)))
	require.Equal(t, "invalid-reason", code(t, s.request(anna, "gateway", http.MethodPut, path, `{"reason":"a\nb"}`)))
	o := orderOf(t, s.request(anna, "gateway", http.MethodPut, path, `{"reason":"Found it cheaper."}`), http.StatusOK)
	require.Equal(t, order.Cancelled, o.Status)
	again := orderOf(t, s.request(anna, "gateway", http.MethodPut, path, ``), http.StatusOK)
	require.Equal(t, o, again)
	require.Equal(t, []string{events.TopicOrderPlaced, events.TopicOrderClosed}, outboxOf(t, s.orders.db, id))

	id = s.orders.place(t, anna, epoch.Add(-time.Hour)).ID
	_, err := s.orders.ActOnDue(t.Context(), epoch, 10)
	require.NoError(t, err)
	w := s.request(anna, "gateway", http.MethodPut, "/orders/"+id+"/cancellation", ``)
	require.Equal(t, http.StatusConflict, w.Code)
	require.Equal(t, "order-not-cancellable", code(t, w))
}

func TestHistoryShowsOwnOrdersOnly(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for range 3 {
		s.orders.place(t, anna, epoch)
	}
	s.orders.place(t, boris, epoch)
	var page web.Page[orderView]
	w := s.request(anna, "gateway", http.MethodGet, "/orders?limit=2", "")
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &page))
	require.Len(t, page.Items, 2)
	w = s.request(anna, "gateway", http.MethodGet, "/orders?limit=2&cursor="+page.NextCursor, "")
	page = web.Page[orderView]{}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &page))
	require.Len(t, page.Items, 1)
	require.Empty(t, page.NextCursor)
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "cursor=x"} {
		require.Equal(t, http.StatusBadRequest, s.request(anna, "gateway", http.MethodGet, "/orders?"+query, "").Code, query)
	}
}

func TestFollowOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.orders.place(t, anna, epoch).ID
	show := func(lastEventID string) []string {
		w := s.request(anna, "gateway", http.MethodGet, "/orders/"+id+"/events", "", "Last-Event-ID", lastEventID)
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "text/event-stream", w.Header().Get("Content-Type"))
		return eventsOf(t, w.Body, nil)
	}
	require.Equal(t, []string{"order 1 placed"}, show(""))
	require.Empty(t, show("1"), "nothing is repeated to one who has seen it")
	require.Equal(t, []string{"order 1 placed"}, show("99"), "an id from elsewhere starts anew")

	srv := s.serveNews(t)
	first, second := s.newsStream(t, srv.URL), s.newsStream(t, srv.URL)
	_, err := s.orders.Update(t.Context(), id, func(o *order.Order) error { o.Reserve(waits, epoch); return nil })
	require.NoError(t, err)
	require.Equal(t, id+" 2 reserved", <-first)
	require.Equal(t, id+" 2 reserved", <-second)
	require.Equal(t, []string{"order 2 reserved"}, show("1"))

	// What another replica changed is known by its id alone.
	_, err = s.orders.db.Exec(t.Context(), "select pg_notify($1, $2)", changedChannel, "another\n"+id)
	require.NoError(t, err)
	require.Equal(t, id+" 2 reserved", <-first)
	require.Equal(t, id+" 2 reserved", <-second)
}

// serveNews serves the shop once it hears what the store says. What happened before is unknown, so a stream that was open ends.
func (s *shop) serveNews(t testing.TB) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(s.handler)
	t.Cleanup(srv.Close)
	early := s.newsStream(t, srv.URL)
	require.Eventually(t, func() bool {
		s.news.mu.Lock()
		defer s.news.mu.Unlock()
		return len(s.news.streams) == 1
	}, 5*time.Second, time.Millisecond)
	go func() { _ = s.news.listen(s.orders.db)(t.Context()) }()
	_, open := <-early
	require.False(t, open)
	return srv
}

func TestTheNewestStateOfAnOrderIsSent(t *testing.T) {
	t.Parallel()
	older := placed()
	newer := placed()
	newer.Reserve(waits, epoch)
	n := &news{}
	u, stop := n.open(func() {})
	defer stop()
	for name, c := range map[string]struct {
		told []*order.Order
		want *order.Order
	}{
		"in order": {[]*order.Order{older, newer}, newer}, "late": {[]*order.Order{newer, older}, newer},
		"unknown first": {[]*order.Order{nil, newer}, nil}, "unknown last": {[]*order.Order{newer, nil}, nil},
	} {
		for _, o := range c.told {
			u.add("1", o)
		}
		require.Equal(t, map[string]*order.Order{"1": c.want}, u.take(), name)
	}
	ended := false
	u, stop = n.open(func() { ended = true })
	defer stop()
	for i := range mostUnsent + 1 {
		require.False(t, ended)
		u.add(strconv.Itoa(i), nil)
	}
	require.True(t, ended, "who is so far behind had better look anew")
}

// newsStream yields "order id status" per event of the news; the channel is closed at their end, or after ten seconds.
func (s *shop) newsStream(t testing.TB, url string) <-chan string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/news", nil)
	require.NoError(t, err)
	req.Header.Set("Dapr-Caller-App-Id", "gateway")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	out := make(chan string, 10)
	timeout := time.AfterFunc(10*time.Second, func() { _ = resp.Body.Close() })
	go func() {
		defer close(out)
		defer resp.Body.Close()
		defer timeout.Stop()
		eventsOf(t, resp.Body, out)
	}()
	return out
}

// eventsOf reads server-sent events as "name id status".
func eventsOf(t testing.TB, r io.Reader, out chan<- string) (events []string) {
	t.Helper()
	var name, id string
	for lines := bufio.NewScanner(r); lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			name = value
		case "id":
			id = value
		case "data":
			var o orderView
			assert.NoError(t, json.Unmarshal([]byte(value), &o))
			event := name + " " + id + " " + string(o.Status)
			events = append(events, event)
			if out != nil {
				out <- event
			}
		}
	}
	return events
}

func TestGoldenOrders(t *testing.T) {
	t.Parallel()
	waiting := placed()
	waiting.Reserve(waits, epoch.Add(time.Second))
	waiting.RequireAction("http://localhost:8090/3ds/pi_1", waits, epoch.Add(2*time.Second))
	for name, body := range map[string]any{
		"order.json":            newSummaryView(waiting, epoch),
		"order-after-sale.json": newSummaryView(afterSale(t), epoch.Add(time.Hour)),
		"order-for-staff.json":  (&server{wait: waits, now: func() time.Time { return epoch.Add(time.Hour) }}).newStaffView(afterSale(t)),
	} {
		text, err := json.MarshalIndent(body, "", "  ")
		require.NoError(t, err)
		requireGolden(t, name, append(bytes.TrimSpace(text), '\n'))
	}
}

func requireGolden(t testing.TB, name string, body []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile("testdata/"+name, body, 0o644))
	}
	golden, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	require.Equal(t, string(golden), string(body), "if this is meant: go test ./services/ordering -update")
}
