package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/sidecar/sidecartest"
	"github.com/sidecart/sidecart/internal/web"
)

var update = flag.Bool("update", false, "write the golden files")

var (
	annaID  = identity.Identity{Subject: anna, Roles: []identity.Role{identity.Customer}, Email: "anna@example.com"}
	guestID = identity.Identity{Subject: guest, Roles: []identity.Role{identity.Guest}}
)

// shop is basket behind a stand-in of its sidecar, with a catalog and an ordering that a test can look into.
type shop struct {
	*server
	handler http.Handler
	memory  *sidecartest.Memory
	signer  *identity.Signer

	mu    sync.Mutex
	sold  map[string]int64 // price in minor units of whatever currency
	asked []asked
	// coupon answers for ordering, which is away if it is nil.
	coupon func(code string, subtotal money.Amount) error
	// place answers for ordering.
	place func(w http.ResponseWriter, r asked) error
}

type asked struct {
	path, key, bearer string
	body              purchase
}

func newShop(t testing.TB) *shop {
	t.Helper()
	s := &shop{memory: sidecartest.NewMemory(), sold: map[string]int64{"mug": 1250, "cup": 990}}
	for i := range maxLines + 1 {
		s.sold[fmt.Sprint("sku-", i)] = 100
	}
	side := httptest.NewServer(web.Handler(s.sidecar))
	t.Cleanup(side.Close)
	client, err := sidecar.New("basket", side.URL, "")
	require.NoError(t, err)
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	s.signer = identity.NewSigner("k", private)
	verifier := identity.NewVerifier(func(context.Context, string) (ed25519.PublicKey, error) { return public, nil })
	s.server = newServer(&store{s.memory}, newCatalog(client), ordering{client}, verifier.Verify)
	s.handler = verifier.Middleware(s.routes())
	return s
}

func (s *shop) sidecar(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Header.Get("Dapr-App-Id") + r.URL.Path {
	case "catalog/variants":
		items := []Variant{}
		for _, sku := range strings.Split(r.URL.Query().Get("skus"), ",") {
			if price, ok := s.sold[sku]; ok {
				items = append(items, Variant{sku, "slug-" + sku, "Name of " + sku, "/images/" + sku, money.Must(price, r.URL.Query().Get("currency"))})
			}
		}
		return web.Encode(w, http.StatusOK, map[string]any{"items": items})
	case "ordering/coupon-checks":
		var req struct {
			Code     string       `json:"code"`
			Subtotal money.Amount `json:"subtotal"`
		}
		if err := web.Decode(w, r, &req); err != nil {
			return err
		}
		if s.coupon == nil {
			return errors.New("ordering is away")
		}
		if err := s.coupon(req.Code, req.Subtotal); err != nil {
			return err
		}
		return web.Encode(w, http.StatusOK, Coupon{req.Code, "10 % off"})
	case "ordering/quotes", "ordering/orders":
		a := asked{path: r.URL.Path, key: r.Header.Get("Idempotency-Key"), bearer: r.Header.Get("Authorization")}
		if err := web.Decode(w, r, &a.body); err != nil {
			return err
		}
		s.asked = append(s.asked, a)
		if s.place != nil {
			return s.place(w, a)
		}
		return web.Encode(w, http.StatusAccepted, map[string]any{"order": map[string]string{"id": "o1"}})
	}
	return fmt.Errorf("nobody answers to %s%s", r.Header.Get("Dapr-App-Id"), r.URL.Path)
}

func (s *shop) token(t testing.TB, who identity.Identity) string {
	t.Helper()
	token, err := s.signer.Sign(who, time.Now(), time.Minute)
	require.NoError(t, err)
	return token
}

func (s *shop) request(t testing.TB, who identity.Identity, method, path, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Dapr-Caller-App-Id", "gateway")
	if !who.Anonymous() {
		r.Header.Set("Authorization", "Bearer "+s.token(t, who))
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

func (s *shop) put(t testing.TB, who identity.Identity, sku string, quantity int) basketView {
	t.Helper()
	return shown(t, s.request(t, who, http.MethodPut, "/basket/items/"+sku, fmt.Sprintf(`{"quantity":%d}`, quantity)))
}

func shown(t testing.TB, w *httptest.ResponseRecorder) (v basketView) {
	t.Helper()
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v))
	return v
}

func code(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	var doc struct{ Code string }
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"), w.Body.String())
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &doc))
	return doc.Code
}

func TestFillAndShow(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	empty := shown(t, s.request(t, annaID, http.MethodGet, "/basket", ""))
	require.Empty(t, empty.Lines)
	require.Equal(t, "0.00 EUR", empty.Subtotal.String())
	s.put(t, annaID, "mug", 2)
	s.put(t, annaID, "cup", 1)
	b := s.put(t, annaID, "mug", 3)
	require.Equal(t, 4, b.Count)
	require.Equal(t, "47.40 EUR", b.Subtotal.String())
	require.Equal(t, "Name of mug", b.Lines[0].Name)
	require.Equal(t, "37.50 EUR", b.Lines[0].LineTotal.String())
	require.Equal(t, b, shown(t, s.request(t, annaID, http.MethodGet, "/basket", "")))
	require.Empty(t, shown(t, s.request(t, guestID, http.MethodGet, "/basket", "")).Lines, "another's basket is another's")

	b = shown(t, s.request(t, annaID, http.MethodDelete, "/basket/items/mug", ""))
	require.Len(t, b.Lines, 1)
	require.Equal(t, b, shown(t, s.request(t, annaID, http.MethodDelete, "/basket/items/mug", "")))
}

func TestPriceIsTodaysAndWhatIsGoneIsShown(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.put(t, annaID, "mug", 1)
	s.put(t, annaID, "cup", 2)
	s.mu.Lock()
	s.sold["mug"] = 1500
	delete(s.sold, "cup")
	s.mu.Unlock()
	s.server.catalog = newCatalog(s.server.catalog.sidecar) // as after its time
	b := shown(t, s.request(t, annaID, http.MethodGet, "/basket", ""))
	require.Equal(t, "15.00 EUR", b.Subtotal.String())
	require.True(t, b.Lines[0].Available)
	require.False(t, b.Lines[1].Available)
	require.Nil(t, b.Lines[1].UnitPrice)
	require.Equal(t, 2, b.Lines[1].Quantity)
}

func TestCurrency(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	show := func(query string) basketView {
		return shown(t, s.request(t, annaID, http.MethodGet, "/basket"+query, ""))
	}
	s.put(t, annaID, "mug", 1)
	require.Equal(t, "1250 JPY", show("?currency=JPY").Subtotal.String())
	require.Equal(t, "12.50 EUR", show("").Subtotal.String(), "to look is not to choose")
	shown(t, s.request(t, annaID, http.MethodPut, "/basket/items/mug?currency=GBP", `{"quantity":1}`))
	require.Equal(t, "12.50 GBP", show("").Subtotal.String())
	s.put(t, annaID, "mug", 2)
	require.Equal(t, "25.00 GBP", show("").Subtotal.String())
	left := shown(t, s.request(t, annaID, http.MethodDelete, "/basket/items/cup?currency=JPY", ""))
	require.Equal(t, "2500 JPY", left.Subtotal.String())
	for _, c := range []string{"XXX", "eur", "CHF", "EUR%20"} {
		w := s.request(t, annaID, http.MethodGet, "/basket?currency="+c, "")
		require.Equal(t, http.StatusBadRequest, w.Code, c)
		require.Equal(t, "unknown-currency", code(t, w), c)
		require.Equal(t, http.StatusBadRequest, s.request(t, annaID, http.MethodPut, "/basket/items/mug?currency="+c, `{"quantity":1}`).Code)
	}
}

func TestFiftyAddsAtOnceLoseNone(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var group errgroup.Group
	for i := range 50 {
		group.Go(func() error {
			w := s.request(t, annaID, http.MethodPut, fmt.Sprint("/basket/items/sku-", i), `{"quantity":1}`)
			if w.Code != http.StatusOK {
				return fmt.Errorf("%d %s", w.Code, w.Body)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.Len(t, shown(t, s.request(t, annaID, http.MethodGet, "/basket", "")).Lines, 50)
}

func TestGarbageOnTheWayIn(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for name, c := range map[string]struct {
		path, body string
		status     int
		code       string
	}{
		"no JSON":                {"mug", `{`, 400, "malformed-json"},
		"nothing":                {"mug", ``, 400, "malformed-json"},
		"two values":             {"mug", `{"quantity":1}{}`, 400, "malformed-json"},
		"no quantity":            {"mug", `{}`, 422, "invalid-quantity"},
		"quantity 0":             {"mug", `{"quantity":0}`, 422, "invalid-quantity"},
		"quantity below 0":       {"mug", `{"quantity":-1}`, 422, "invalid-quantity"},
		"quantity 100":           {"mug", `{"quantity":100}`, 422, "invalid-quantity"},
		"quantity 10⁹":           {"mug", `{"quantity":1000000000}`, 422, "invalid-quantity"},
		"quantity beyond 64 bit": {"mug", `{"quantity":1e30}`, 400, "wrong-type"},
		"quantity as text":       {"mug", `{"quantity":"1"}`, 400, "wrong-type"},
		"quantity with fraction": {"mug", `{"quantity":1.5}`, 400, "wrong-type"},
		"a price of one's own":   {"mug", `{"quantity":1,"unitPrice":{"amount":1,"currency":"EUR"}}`, 400, "unknown-field"},
		"unknown sku":            {"nothing-like-it", `{"quantity":1}`, 404, "unknown-sku"},
		"no sku at all":          {"%20", `{"quantity":1}`, 404, "unknown-sku"},
		"a path for a sku":       {"..%2F..%2Fv1.0", `{"quantity":1}`, 404, "unknown-sku"},
		"two skus in one":        {"mug,cup", `{"quantity":1}`, 404, "unknown-sku"},
		"too large":              {"mug", `{"quantity":1` + strings.Repeat(" ", web.MaxBody) + `}`, 413, "body-too-large"},
	} {
		w := s.request(t, annaID, http.MethodPut, "/basket/items/"+c.path, c.body)
		require.Equal(t, c.code, code(t, w), name)
		require.Equal(t, c.status, w.Code, name)
	}
	w := s.request(t, annaID, http.MethodPut, "/basket/items/mug", `{"quantity":1}`, "Content-Type", "text/plain")
	require.Equal(t, http.StatusUnsupportedMediaType, w.Code)
	require.Zero(t, s.memory.Len())

	for i := range maxLines {
		s.put(t, annaID, fmt.Sprint("sku-", i), 1)
	}
	require.Equal(t, "basket-full", code(t, s.request(t, annaID, http.MethodPut, fmt.Sprint("/basket/items/sku-", maxLines), `{"quantity":1}`)))
}

func TestNobodyWithoutAToken(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, route := range []string{"GET /basket", "PUT /basket/items/mug", "DELETE /basket/items/mug", "PUT /basket/coupon", "DELETE /basket/coupon", "POST /basket/merge", "POST /checkout", "POST /checkout/quote"} {
		method, path, _ := strings.Cut(route, " ")
		w := s.request(t, identity.Identity{}, method, path, `{}`)
		require.Equal(t, http.StatusUnauthorized, w.Code, route)
		require.Equal(t, "sign-in-required", code(t, w), route)
	}
	require.Equal(t, http.StatusForbidden, s.request(t, guestID, http.MethodPost, "/basket/merge", `{"guestToken":"x"}`).Code)
}

func TestMergeAtLogin(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.put(t, guestID, "mug", 60)
	s.put(t, guestID, "cup", 1)
	s.put(t, annaID, "mug", 60)
	body := `{"guestToken":"` + s.token(t, guestID) + `"}`
	b := shown(t, s.request(t, annaID, http.MethodPost, "/basket/merge", body))
	require.Equal(t, []int{99, 1}, []int{b.Lines[0].Quantity, b.Lines[1].Quantity})
	require.Equal(t, b, shown(t, s.request(t, annaID, http.MethodPost, "/basket/merge", body)))
	require.Empty(t, shown(t, s.request(t, guestID, http.MethodGet, "/basket", "")).Lines)

	boris := identity.Identity{Subject: "boris", Roles: []identity.Role{identity.Customer}}
	s.put(t, boris, "cup", 9)
	for name, token := range map[string]string{"nonsense": "x", "none": "", "another customer's": s.token(t, boris)} {
		w := s.request(t, annaID, http.MethodPost, "/basket/merge", `{"guestToken":"`+token+`"}`)
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, name)
		require.Equal(t, "invalid-guest-token", code(t, w), name)
	}
	require.Len(t, shown(t, s.request(t, boris, http.MethodGet, "/basket", "")).Lines, 1)
}

const wishes = `{"address":{"country":"DE"},"shippingMethod":"standard","payment":{"provider":"stripe","method":"pm_card_visa"}}`

func TestCheckout(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.put(t, annaID, "mug", 2)
	require.Equal(t, "idempotency-key-required", code(t, s.request(t, annaID, http.MethodPost, "/checkout", wishes)))
	require.Empty(t, s.asked)

	w := s.request(t, annaID, http.MethodPost, "/checkout", wishes, "Idempotency-Key", "k1")
	require.Equal(t, http.StatusAccepted, w.Code)
	require.JSONEq(t, `{"order":{"id":"o1"}}`, w.Body.String())
	a := s.asked[0]
	require.Equal(t, "k1", a.key)
	require.True(t, strings.HasPrefix(a.bearer, "Bearer "), "ordering sees whose order it is by the shopper's own token")
	require.JSONEq(t, wishes, string(a.body.Checkout))
	require.NotEmpty(t, a.body.CheckoutID)
	require.Equal(t, purchase{Checkout: a.body.Checkout, BasketID: b.ID, CheckoutID: a.body.CheckoutID, Currency: "EUR", Lines: []Line{{"mug", 2}}}, a.body)
	require.Len(t, shown(t, s.request(t, annaID, http.MethodGet, "/basket", "")).Lines, 1, "cleared when the order is heard of")

	// A repeat goes to ordering even from an empty basket, for the key may have its answer there.
	s.memory.Wipe()
	s.request(t, annaID, http.MethodPost, "/checkout", wishes, "Idempotency-Key", "k1")
	require.Empty(t, s.asked[1].body.Lines)
	require.Equal(t, "k1", s.asked[1].key)

	s.request(t, annaID, http.MethodPost, "/checkout/quote", `{}`)
	require.Equal(t, "/quotes", s.asked[2].path)
}

func TestCoupon(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.coupon = func(code string, subtotal money.Amount) error {
		switch {
		case code != "WELCOME10":
			return problem.New(problem.Unprocessable, "invalid-coupon", "This code is not valid.")
		case subtotal.Minor() < 2000:
			return problem.New(problem.Unprocessable, "coupon-minimum", "Buy more.")
		}
		return nil
	}
	put := func(body string) *httptest.ResponseRecorder {
		return s.request(t, annaID, http.MethodPut, "/basket/coupon", body)
	}
	s.put(t, annaID, "mug", 1)
	require.Equal(t, "coupon-minimum", code(t, put(`{"code":"WELCOME10"}`)))
	require.Nil(t, shown(t, s.request(t, annaID, http.MethodGet, "/basket", "")).Coupon, "what was refused is not kept")
	s.put(t, annaID, "mug", 2)
	for body, want := range map[string]string{
		`{`: "malformed-json", `{"code":5}`: "wrong-type", `{"code":"WELCOME10","discount":5}`: "unknown-field", `{}`: "invalid-coupon", `{"code":"NONE"}`: "invalid-coupon",
		`{"code":"a b"}`: "invalid-coupon", `{"code":"../x"}`: "invalid-coupon", `{"code":"` + strings.Repeat("A", 33) + `"}`: "invalid-coupon",
	} {
		require.Equal(t, want, code(t, put(body)), body)
	}
	b := shown(t, put(`{"code":" welcome10 "}`))
	require.Equal(t, &couponView{Code: "WELCOME10", Valid: true, Description: "10 % off"}, b.Coupon)
	s.request(t, annaID, http.MethodPost, "/checkout", wishes, "Idempotency-Key", "k1")
	require.Equal(t, "WELCOME10", s.asked[0].body.Coupon)
	b = s.put(t, annaID, "mug", 1)
	require.Equal(t, &couponView{Code: "WELCOME10", Problem: "coupon-minimum"}, b.Coupon, "it stays, and says why it does not count")
	s.coupon = nil
	b = shown(t, s.request(t, annaID, http.MethodGet, "/basket", ""))
	require.False(t, b.Coupon.Valid)
	require.Len(t, b.Lines, 1, "the basket is there, though ordering is away")
	for range 2 {
		require.Nil(t, shown(t, s.request(t, annaID, http.MethodDelete, "/basket/coupon", "")).Coupon)
	}
}

func TestAChangedPriceIsShownUntilItIsSeen(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.place = func(w http.ResponseWriter, a asked) error {
		return web.Encode(w, http.StatusOK, map[string]any{"lines": []any{map[string]any{"sku": "mug", "unitPrice": money.Must(s.sold["mug"], "EUR")}}})
	}
	look := func(query string) *priceChange {
		return shown(t, s.request(t, annaID, http.MethodGet, "/basket"+query, "")).Lines[0].PriceChanged
	}
	raise := func(price int64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sold["mug"] = price
		s.server.catalog = newCatalog(s.server.catalog.sidecar) // as after its time
	}
	s.put(t, annaID, "mug", 1)
	require.Nil(t, look(""))
	raise(1400)
	for range 2 {
		require.Equal(t, &priceChange{money.Must(1250, "EUR"), money.Must(1400, "EUR")}, look(""), "a glance from another page is not enough")
	}
	require.Nil(t, look("?currency=GBP"), "another currency's price is another price")
	before := s.checkoutID(t)
	require.Equal(t, http.StatusOK, s.request(t, annaID, http.MethodPost, "/checkout/quote", `{}`).Code)
	require.Nil(t, look(""), "the quote was read")
	require.Equal(t, before, s.checkoutID(t), "to look is not to change")
	raise(1500)
	s.put(t, annaID, "mug", 2)
	require.Nil(t, look(""))
	raise(1250)
	require.NotNil(t, look(""))
	s.request(t, annaID, http.MethodDelete, "/basket/items/mug", "")
	s.put(t, annaID, "mug", 1)
	require.Nil(t, look(""))
}

func (s *shop) checkoutID(t testing.TB) string {
	t.Helper()
	b, err := s.baskets.Basket(t.Context(), anna)
	require.NoError(t, err)
	return b.CheckoutID
}

func TestCheckoutIDNamesTheContent(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.coupon = func(string, money.Amount) error { return nil }
	seen := map[string]string{}
	for _, step := range []struct {
		name, method, path, body string
		another                  bool
	}{
		{"put in", "PUT", "/basket/items/mug", `{"quantity":1}`, true},
		{"put in again by another tab", "PUT", "/basket/items/mug", `{"quantity":1}`, false},
		{"look", "GET", "/basket", ``, false},
		{"more", "PUT", "/basket/items/mug", `{"quantity":2}`, true},
		{"take out what is not there", "DELETE", "/basket/items/cup", ``, false},
		{"a coupon", "PUT", "/basket/coupon", `{"code":"TEN"}`, true},
		{"the same coupon", "PUT", "/basket/coupon", `{"code":"TEN"}`, false},
		{"no coupon", "DELETE", "/basket/coupon", ``, true},
		{"as it was, yet later", "PUT", "/basket/coupon", `{"code":"TEN"}`, true},
		{"empty", "DELETE", "/basket/items/mug", ``, true},
	} {
		before := s.checkoutID(t)
		require.Equal(t, http.StatusOK, s.request(t, annaID, step.method, step.path, step.body).Code, step.name)
		now := s.checkoutID(t)
		require.Equal(t, step.another, before != now, step.name)
		if step.another {
			require.Empty(t, seen[now], step.name)
			seen[now] = step.name
		}
	}
}

func TestRefusalOfOrderingReachesTheClient(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.place = func(http.ResponseWriter, asked) error {
		return problem.New(problem.Unprocessable, "invalid-checkout", `The field "checkout.address.city" is missing.`).
			WithFields(problem.FieldError{Field: "checkout.address.city", Detail: "is required"})
	}
	w := s.request(t, annaID, http.MethodPost, "/checkout", wishes, "Idempotency-Key", "k1")
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Equal(t, "invalid-checkout", code(t, w))
	require.NotContains(t, w.Body.String(), "checkout.address")
	require.Contains(t, w.Body.String(), "address.city")
}

func TestOrderPlacedClearsTheBasket(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.put(t, annaID, "mug", 2)
	s.put(t, annaID, "cup", 1)
	fact, err := json.Marshal(events.OrderPlaced{
		OrderID: "o1", CustomerID: string(anna), BasketID: b.ID, Lines: []events.OrderLine{{SKU: "mug", Quantity: 2}}, Total: money.Must(1, "EUR"),
	})
	require.NoError(t, err)
	_, err = s.baskets.Update(t.Context(), anna, func(b *Basket) error { b.UseCoupon("TEN"); return nil })
	require.NoError(t, err)
	content := s.checkoutID(t)
	hear := func(data []byte) error {
		sub := s.subscriptions()[0]
		return sub.Apply(t.Context(), events.Envelope{ID: "e1", Type: sub.Topic, Data: data})
	}
	for range 10 {
		require.NoError(t, hear(fact))
	}
	after := shown(t, s.request(t, annaID, http.MethodGet, "/basket", ""))
	require.Equal(t, []string{"cup"}, []string{after.Lines[0].SKU})
	require.NotEqual(t, content, s.checkoutID(t), "what is left is another purchase")
	require.Nil(t, after.Coupon, "the coupon went with the order")
	for _, garbage := range []string{``, `{`, `[]`, `{}`, `{"orderId":1}`, `{"orderId":"o2"}`, `{"orderId":"o2","customerId":"anna","lines":"x"}`} {
		require.ErrorIs(t, hear([]byte(garbage)), events.ErrMalformed, garbage)
	}
	s.memory.Wipe()
	require.NoError(t, hear(fact), "a basket that is lost needs nothing taken out")
}

// accepted is ordering's answer to a checkout.
func accepted(placedAt time.Time, lines []Line) map[string]any {
	return map[string]any{"order": map[string]any{"id": "o1", "placedAt": placedAt, "lines": lines}}
}

func TestCheckoutTakesOutWhatWasBought(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.place = func(w http.ResponseWriter, a asked) error {
		return web.Encode(w, http.StatusAccepted, accepted(time.Now().Add(time.Millisecond), a.body.Lines))
	}
	left := func() []lineView { return shown(t, s.request(t, annaID, http.MethodGet, "/basket", "")).Lines }
	buy := func() {
		require.Equal(t, http.StatusAccepted, s.request(t, annaID, http.MethodPost, "/checkout", wishes, "Idempotency-Key", "k1").Code)
	}
	b := s.put(t, annaID, "mug", 2)
	fact, err := json.Marshal(events.OrderPlaced{
		OrderID: "o1", CustomerID: string(anna), BasketID: b.ID, Lines: []events.OrderLine{{SKU: "mug", Quantity: 2}}, Total: money.Must(1, "EUR"),
	})
	require.NoError(t, err)
	hear := func(s *shop) {
		sub := s.subscriptions()[0]
		require.NoError(t, sub.Apply(t.Context(), events.Envelope{ID: "e1", Type: sub.Topic, Data: fact}))
	}
	buy()
	require.Empty(t, left())
	s.put(t, annaID, "mug", 1)
	hear(s)
	another := newShop(t) // a replica, or this one after a restart
	another.server.baskets = s.server.baskets
	hear(another)
	require.Len(t, left(), 1, "the fact takes out nothing more")

	// What another tab adds during the checkout survives it.
	s.memory.Wipe()
	s.put(t, annaID, "mug", 2)
	s.place = func(w http.ResponseWriter, a asked) error {
		_, err := s.baskets.Update(t.Context(), anna, func(b *Basket) error { return b.Set(Line{"cup", 1}) })
		require.NoError(t, err)
		return web.Encode(w, http.StatusAccepted, accepted(time.Now().Add(time.Millisecond), a.body.Lines))
	}
	buy()
	require.Equal(t, "cup", left()[0].SKU)
	require.Len(t, left(), 1)
}

func TestTheAnswerToARepeatedKeyTakesOutNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.place = func(w http.ResponseWriter, a asked) error {
		return web.Encode(w, http.StatusAccepted, accepted(time.Now().Add(-time.Minute), a.body.Lines))
	}
	s.put(t, annaID, "mug", 2)
	require.Equal(t, http.StatusAccepted, s.request(t, annaID, http.MethodPost, "/checkout", wishes, "Idempotency-Key", "k1").Code)
	require.Len(t, shown(t, s.request(t, annaID, http.MethodGet, "/basket", "")).Lines, 1)
}

func TestABasketThatCannotBeClearedIsNoReasonToRefuseTheOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.put(t, annaID, "mug", 2)
	s.place = func(w http.ResponseWriter, a asked) error {
		s.memory.Before = func(string) error { return io.ErrUnexpectedEOF }
		return web.Encode(w, http.StatusAccepted, accepted(time.Now().Add(time.Millisecond), a.body.Lines))
	}
	require.Equal(t, http.StatusAccepted, s.request(t, annaID, http.MethodPost, "/checkout", wishes, "Idempotency-Key", "k1").Code)
	s.memory.Before = nil
	require.Len(t, shown(t, s.request(t, annaID, http.MethodGet, "/basket", "")).Lines, 1, "until the order is heard of")
}

func TestStateStoreAway(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.memory.Before = func(string) error { return io.ErrUnexpectedEOF }
	for _, route := range []string{"GET /basket", "PUT /basket/items/mug", "DELETE /basket/items/mug", "POST /checkout"} {
		method, path, _ := strings.Cut(route, " ")
		w := s.request(t, annaID, method, path, `{"quantity":1}`, "Idempotency-Key", "k")
		require.Equal(t, http.StatusServiceUnavailable, w.Code, route)
		require.Equal(t, "service-unavailable", code(t, w), route)
		require.NotEmpty(t, w.Header().Get("Retry-After"))
		require.NotContains(t, w.Body.String(), "EOF")
	}
	require.Error(t, s.baskets.Ready(t.Context()))
	require.True(t, errors.Is(s.baskets.Clear(t.Context(), events.OrderPlaced{OrderID: "o", CustomerID: "anna"}), io.ErrUnexpectedEOF))
}

func TestGoldenBasket(t *testing.T) {
	t.Parallel()
	b := &Basket{
		ID: "019ab1c2-7e00-7000-8000-000000000001", Lines: []Line{{"mug-blue", 2}, {"cup-gone", 1}},
		Seen: map[string]money.Amount{"mug-blue": money.Must(1190, "EUR")},
	}
	sold := map[string]Variant{"mug-blue": {"mug-blue", "mug", "Mug", "/images/mug.webp", money.Must(1250, "EUR")}}
	v, err := view(b, sold, "EUR")
	require.NoError(t, err)
	v.Coupon = &couponView{Code: "WELCOME10", Valid: true, Description: "10 % off your purchase"}
	body, err := json.MarshalIndent(v, "", "  ")
	require.NoError(t, err)
	body = slices.Concat(bytes.TrimSpace(body), []byte("\n"))
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile("testdata/basket.json", body, 0o644))
	}
	golden, err := os.ReadFile("testdata/basket.json")
	require.NoError(t, err)
	require.Equal(t, string(golden), string(body))
}
