package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"
	"github.com/hashicorp/golang-lru/v2/expirable"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/failpoint"
	"github.com/sidecart/sidecart/internal/idempotency"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/privacy"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

// currencies are those that catalog has prices in.
var currencies = []string{"EUR", "USD", "GBP", "JPY"}

type server struct {
	baskets  *store
	catalog  catalog
	ordering ordering
	verify   func(ctx context.Context, token string) (identity.Identity, error)
	cleared  *expirable.LRU[string, bool] // the orders whose lines were taken out at the checkout, until the feed tells of them
}

const (
	rememberCleared    = 50_000
	rememberClearedFor = time.Minute
)

func newServer(baskets *store, catalog catalog, ordering ordering, verify func(context.Context, string) (identity.Identity, error)) *server {
	return &server{baskets, catalog, ordering, verify, expirable.NewLRU[string, bool](rememberCleared, nil, rememberClearedFor)}
}

// routes is everything that basket answers to. Whose basket it is, the caller's token says.
func (s *server) routes() *mux.Router {
	shopper := func(h web.Handler) web.Handler {
		return sidecar.OnlyFrom(identity.Require(h, identity.Guest, identity.Customer, identity.Support, identity.Admin), "gateway")
	}
	r := web.Router()
	r.Handle("/basket", shopper(s.showBasket)).Methods(http.MethodGet)
	r.Handle("/basket/items/{sku}", shopper(s.setItem)).Methods(http.MethodPut)
	r.Handle("/basket/items/{sku}", shopper(s.removeItem)).Methods(http.MethodDelete)
	r.Handle("/basket/coupon", shopper(s.setCoupon)).Methods(http.MethodPut)
	r.Handle("/basket/coupon", shopper(s.removeCoupon)).Methods(http.MethodDelete)
	r.Handle("/basket/merge", sidecar.OnlyFrom(identity.Require(s.mergeBasket, identity.Customer, identity.Support, identity.Admin), "gateway")).Methods(http.MethodPost)
	r.Handle("/checkout/quote", shopper(s.quote)).Methods(http.MethodPost)
	r.Handle("/checkout", shopper(s.checkout)).Methods(http.MethodPost)
	privacy.Routes(r, s.baskets)
	return r
}

// showBasket shows the caller's basket with the names and prices of this moment.
func (s *server) showBasket(w http.ResponseWriter, r *http.Request) error {
	currency, err := currencyOf(r)
	if err != nil {
		return err
	}
	b, err := s.baskets.Basket(r.Context(), caller(r))
	if err != nil {
		return err
	}
	return s.show(w, r, b, currency)
}

type item struct {
	Quantity int `json:"quantity"`
}

// setItem makes the quantity of an article what the body says, and remembers the currency that is asked for.
func (s *server) setItem(w http.ResponseWriter, r *http.Request) error {
	var req item
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	currency, err := currencyOf(r)
	if err != nil {
		return err
	}
	sku, err := skuOf(r)
	if err != nil {
		return err
	}
	line, err := newLine(sku, req.Quantity)
	if err != nil {
		return err
	}
	sold, err := s.catalog.Variants(r.Context(), []string{sku}, cmp.Or(currency, defaultCurrency))
	if err != nil {
		return err
	}
	variant, ok := sold[sku]
	if !ok {
		return unknownSKU(sku)
	}
	b, err := s.baskets.Update(r.Context(), caller(r), func(b *Basket) error {
		b.Currency = cmp.Or(currency, b.Currency)
		if err := b.Set(line); err != nil {
			return err
		}
		b.See(sku, variant.Price)
		return nil
	})
	if err != nil {
		return err
	}
	return s.show(w, r, b, "")
}

// removeItem takes an article out of the basket; one that is not in it is no error.
func (s *server) removeItem(w http.ResponseWriter, r *http.Request) error {
	currency, err := currencyOf(r)
	if err != nil {
		return err
	}
	sku, err := skuOf(r)
	if err != nil {
		return err
	}
	b, err := s.baskets.Update(r.Context(), caller(r), func(b *Basket) error {
		b.Remove(sku)
		return nil
	})
	if err != nil {
		return err
	}
	return s.show(w, r, b, currency)
}

type coupon struct {
	Code string `json:"code"`
}

var couponForm = regexp.MustCompile(`^[A-Z0-9][A-Z0-9_-]{2,31}$`)

// setCoupon puts a code into the basket, if ordering would take it for what is in it.
func (s *server) setCoupon(w http.ResponseWriter, r *http.Request) error {
	var req coupon
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	currency, err := currencyOf(r)
	if err != nil {
		return err
	}
	code := strings.ToUpper(strings.TrimSpace(req.Code))
	if !couponForm.MatchString(code) {
		return problem.New(problem.Unprocessable, "invalid-coupon", "This code is not valid.").
			WithFields(problem.FieldError{Field: "code", Detail: "is not a coupon's code"})
	}
	b, err := s.baskets.Basket(r.Context(), caller(r))
	if err != nil {
		return err
	}
	v, err := s.price(r.Context(), b, cmp.Or(currency, b.Currency))
	if err != nil {
		return err
	}
	if _, err := s.ordering.CheckCoupon(r.Context(), code, v.Subtotal); err != nil {
		return err
	}
	return s.useCoupon(w, r, code, currency)
}

// removeCoupon takes the code out of the basket; if there is none, that is no error.
func (s *server) removeCoupon(w http.ResponseWriter, r *http.Request) error {
	currency, err := currencyOf(r)
	if err != nil {
		return err
	}
	return s.useCoupon(w, r, "", currency)
}

func (s *server) useCoupon(w http.ResponseWriter, r *http.Request, code, currency string) error {
	b, err := s.baskets.Update(r.Context(), caller(r), func(b *Basket) error {
		b.UseCoupon(code)
		return nil
	})
	if err != nil {
		return err
	}
	return s.show(w, r, b, currency)
}

type merge struct {
	GuestToken string `json:"guestToken"`
}

// mergeBasket moves what a guest had collected into the basket of the customer that the guest turned out to be. Having
// the guest's access token proves that they are the same.
func (s *server) mergeBasket(w http.ResponseWriter, r *http.Request) error {
	var req merge
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	guest, err := s.verify(r.Context(), req.GuestToken)
	if problem.Is(err, "service-unavailable") {
		return err
	}
	if err != nil || !guest.Guest() {
		return problem.New(problem.Unprocessable, "invalid-guest-token", "This is not the access token of a guest.").
			WithFields(problem.FieldError{Field: "guestToken", Detail: "must be a guest's access token"})
	}
	b, err := s.baskets.Merge(r.Context(), guest.Subject, caller(r))
	if err != nil {
		return err
	}
	return s.show(w, r, b, "")
}

// quote says what the caller's basket would cost, delivered. Whoever reads it has seen today's prices.
func (s *server) quote(w http.ResponseWriter, r *http.Request) error {
	p, b, _, err := s.purchase(w, r)
	if err != nil {
		return err
	}
	answer, err := s.ordering.Quote(r.Context(), p)
	if err != nil {
		return err
	}
	var quoted struct {
		Lines []struct {
			SKU       string       `json:"sku"`
			UnitPrice money.Amount `json:"unitPrice"`
		} `json:"lines"`
	}
	if err := json.Unmarshal(answer, &quoted); err != nil {
		return fmt.Errorf("read quote: %w", err)
	}
	changed := false
	for _, l := range quoted.Lines {
		seen, known := b.Seen[l.SKU]
		changed = changed || known && seen != l.UnitPrice
	}
	if changed {
		if _, err := s.baskets.Update(r.Context(), caller(r), func(b *Basket) error {
			for _, l := range quoted.Lines {
				b.See(l.SKU, l.UnitPrice)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return web.Encode(w, http.StatusOK, answer)
}

// checkout turns the caller's basket into an order. What was bought is taken out of the basket once the order is accepted,
// so that neither an order nor a basket is ever lost: now, or when the order is heard of. An empty basket is ordering's to
// refuse, since the key may have its answer already.
func (s *server) checkout(w http.ResponseWriter, r *http.Request) error {
	key, err := idempotency.FromRequest(r)
	if err != nil {
		return err
	}
	p, b, version, err := s.purchase(w, r)
	if err != nil {
		return err
	}
	begun := time.Now()
	answer, err := s.ordering.Place(r.Context(), key, p)
	if err != nil {
		return err
	}
	failpoint.Hit("after-checkout-before-answer")
	if order, err := bought(answer, begun, p.BasketID, caller(r)); err != nil {
		return err
	} else if order.OrderID != "" {
		if err := s.baskets.ClearVersion(r.Context(), b, version, order); err != nil {
			slog.WarnContext(r.Context(), "what was bought stays in the basket until the order is heard of", "order", order.OrderID, "error", err.Error())
		} else {
			s.cleared.Add(order.OrderID, true)
		}
	}
	return web.Encode(w, http.StatusAccepted, answer)
}

// bought is the order that ordering answered with, if the request has made it. The answer to a repeated key is of an order
// that was made before, perhaps of another basket.
func bought(answer json.RawMessage, begun time.Time, basketID string, by identity.CustomerID) (events.OrderPlaced, error) {
	var placed struct {
		Order struct {
			ID       string             `json:"id"`
			PlacedAt time.Time          `json:"placedAt"`
			Lines    []events.OrderLine `json:"lines"`
		} `json:"order"`
	}
	if err := json.Unmarshal(answer, &placed); err != nil {
		return events.OrderPlaced{}, fmt.Errorf("read order: %w", err)
	}
	if placed.Order.PlacedAt.Before(begun) {
		return events.OrderPlaced{}, nil
	}
	return events.OrderPlaced{OrderID: placed.Order.ID, CustomerID: string(by), BasketID: basketID, Lines: placed.Order.Lines}, nil
}

// purchase is the caller's checkout with what is in the caller's basket, and the basket with its version.
func (s *server) purchase(w http.ResponseWriter, r *http.Request) (purchase, *Basket, string, error) {
	var body json.RawMessage
	if err := web.Decode(w, r, &body); err != nil {
		return purchase{}, nil, "", err
	}
	currency, err := currencyOf(r)
	if err != nil {
		return purchase{}, nil, "", err
	}
	b, version, err := s.baskets.Version(r.Context(), caller(r))
	if err != nil {
		return purchase{}, nil, "", err
	}
	return purchase{
		Checkout: body, BasketID: b.ID, CheckoutID: b.CheckoutID, Currency: cmp.Or(currency, b.Currency), Lines: b.Lines, Coupon: b.Coupon,
	}, b, version, nil
}

func caller(r *http.Request) identity.CustomerID { return identity.From(r.Context()).Subject }

func skuOf(r *http.Request) (string, error) {
	sku, err := url.PathUnescape(mux.Vars(r)["sku"])
	if err != nil || !skuForm.MatchString(sku) {
		return "", unknownSKU(mux.Vars(r)["sku"])
	}
	return sku, nil
}

// currencyOf is the currency that the request asks for, or "".
func currencyOf(r *http.Request) (string, error) {
	c := r.URL.Query().Get("currency")
	if c != "" && !slices.Contains(currencies, c) {
		return "", problem.New(problem.Invalid, "unknown-currency", "We do not sell in %q.", c).
			WithFields(problem.FieldError{Field: "currency", Detail: "is not a currency that we sell in"})
	}
	return c, nil
}

// basketView is a basket as its shopper reads it; testdata/basket.json shows one.
type basketView struct {
	ID       string       `json:"id,omitempty"` // absent until something was put in
	Currency string       `json:"currency"`
	Lines    []lineView   `json:"lines"`
	Subtotal money.Amount `json:"subtotal"` // of what is available
	Count    int          `json:"count"`    // pieces
	Coupon   *couponView  `json:"coupon,omitempty"`
}

// couponView is the basket's code, and what ordering says of it at this moment: Problem is why it is not valid.
type couponView struct {
	Code        string `json:"code"`
	Valid       bool   `json:"valid"`
	Description string `json:"description,omitempty"`
	Problem     string `json:"problem,omitempty"`
}

// lineView is a line with what catalog says of it. What is no longer sold has neither name nor price.
type lineView struct {
	SKU       string        `json:"sku"`
	Name      string        `json:"name"`
	Slug      string        `json:"slug"`
	Image     string        `json:"image"`
	Quantity  int           `json:"quantity"`
	Available bool          `json:"available"`
	UnitPrice *money.Amount `json:"unitPrice,omitempty"`
	LineTotal *money.Amount `json:"lineTotal,omitempty"`

	PriceChanged *priceChange `json:"priceChanged,omitempty"` // since the shopper last saw it
}

type priceChange struct {
	From money.Amount `json:"from"`
	To   money.Amount `json:"to"`
}

// show answers with the basket, priced by catalog in currency or else the basket's own. Prices may not be missing: if
// catalog is away, so is the basket page. If ordering is away, only the word about the coupon is missing.
func (s *server) show(w http.ResponseWriter, r *http.Request, b *Basket, currency string) error {
	v, err := s.price(r.Context(), b, cmp.Or(currency, b.Currency))
	if err != nil {
		return err
	}
	if b.Coupon != "" {
		c, err := s.ordering.CheckCoupon(r.Context(), b.Coupon, v.Subtotal)
		v.Coupon = &couponView{Code: b.Coupon, Valid: err == nil, Description: c.Description}
		if err != nil {
			v.Coupon.Problem = problem.From(err).Code
		}
	}
	return web.Encode(w, http.StatusOK, v)
}

// price is the basket with today's names and prices.
func (s *server) price(ctx context.Context, b *Basket, currency string) (basketView, error) {
	sold, err := s.catalog.Variants(ctx, b.skus(), currency)
	if err != nil {
		return basketView{}, err
	}
	return view(b, sold, currency)
}

func view(b *Basket, sold map[string]Variant, currency string) (basketView, error) {
	v := basketView{ID: b.ID, Currency: currency, Lines: []lineView{}, Count: b.Count()}
	var err error
	if v.Subtotal, err = money.New(0, currency); err != nil {
		return v, err
	}
	for _, l := range b.Lines {
		line := lineView{SKU: l.SKU, Quantity: l.Quantity}
		if variant, ok := sold[l.SKU]; ok {
			sum, err := variant.Price.Times(int64(l.Quantity))
			if err != nil {
				return v, err
			}
			if v.Subtotal, err = v.Subtotal.Add(sum); err != nil {
				return v, err
			}
			line.Name, line.Slug, line.Image, line.Available = variant.Name, variant.Slug, variant.Image, true
			line.UnitPrice, line.LineTotal = &variant.Price, &sum
			if seen, known := b.Seen[l.SKU]; known && seen.Currency() == currency && seen != variant.Price {
				line.PriceChanged = &priceChange{seen, variant.Price}
			}
		}
		v.Lines = append(v.Lines, line)
	}
	return v, nil
}
