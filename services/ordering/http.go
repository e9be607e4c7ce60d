package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/failpoint"
	"github.com/sidecart/sidecart/internal/idempotency"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/privacy"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/ordering/order"
)

type server struct {
	orders    *store
	coupons   couponStore
	catalog   catalog
	news      *news
	wait      order.Deadlines
	publicURL string   // where the storefront is, without a slash at the end
	seller    []string // as it stands on invoices
	now       func() time.Time
}

// routes is everything that ordering answers to. Prices are made on behalf of a basket only.
func (s *server) routes() *mux.Router {
	signedIn := func(h web.Handler) web.Handler {
		return identity.Require(h, identity.Guest, identity.Customer, identity.Support, identity.Admin)
	}
	public := func(h web.Handler) web.Handler { return sidecar.OnlyFrom(signedIn(h), "gateway") }
	staff := func(h web.Handler) web.Handler {
		return sidecar.OnlyFrom(identity.Require(h, identity.Support, identity.Admin), "gateway")
	}
	admin := func(h web.Handler) web.Handler {
		return sidecar.OnlyFrom(identity.Require(h, identity.Admin), "gateway")
	}
	r := web.Router()
	r.Handle("/quotes", sidecar.OnlyFrom(signedIn(s.quote), "basket")).Methods(http.MethodPost)
	r.Handle("/orders", sidecar.OnlyFrom(signedIn(s.placeOrder), "basket")).Methods(http.MethodPost)
	r.Handle("/coupon-checks", sidecar.OnlyFrom(signedIn(s.checkCoupon), "basket")).Methods(http.MethodPost)
	r.Handle("/orders", public(s.listOrders)).Methods(http.MethodGet)
	r.Handle("/orders/{id}", public(s.showOrder)).Methods(http.MethodGet)
	r.Handle("/orders/{id}/events", public(s.showNews)).Methods(http.MethodGet)
	r.Handle("/news", sidecar.OnlyFrom(s.streamNews, "gateway")).Methods(http.MethodGet)
	r.Handle("/orders/{id}/cancellation", public(s.cancelOrder)).Methods(http.MethodPut)
	r.Handle("/orders/{id}/returns", public(s.requestReturn)).Methods(http.MethodPost)
	r.Handle("/orders/{id}/invoice", public(s.showInvoice)).Methods(http.MethodGet)
	r.Handle("/orders/{id}/summary", sidecar.OnlyFrom(s.summarizeOrder, "notification")).Methods(http.MethodGet)

	r.Handle("/admin/orders", staff(s.searchOrders)).Methods(http.MethodGet)
	r.Handle("/admin/orders/{id}", staff(s.showOrderToStaff)).Methods(http.MethodGet)
	r.Handle("/admin/orders/{id}/shipment", staff(s.shipOrder)).Methods(http.MethodPut)
	r.Handle("/admin/orders/{id}/delivery", staff(s.deliverOrder)).Methods(http.MethodPut)
	r.Handle("/admin/orders/{id}/cancellation", staff(s.cancelForCustomer)).Methods(http.MethodPut)
	r.Handle("/admin/orders/{id}/refunds", staff(s.refundOrder)).Methods(http.MethodPost)
	r.Handle("/admin/orders/{id}/notes", staff(s.addNote)).Methods(http.MethodPost)
	r.Handle("/admin/returns", staff(s.listReturns)).Methods(http.MethodGet)
	r.Handle("/admin/returns/{id}", staff(s.decideReturn)).Methods(http.MethodPatch)
	r.Handle("/admin/coupons", admin(s.listCoupons)).Methods(http.MethodGet)
	r.Handle("/admin/coupons", admin(s.addCoupon)).Methods(http.MethodPost)
	r.Handle("/admin/coupons/{code}", admin(s.showCoupon)).Methods(http.MethodGet)
	r.Handle("/admin/coupons/{code}", admin(s.changeCoupon)).Methods(http.MethodPatch)
	r.Handle("/admin/coupons/{code}", admin(s.removeCoupon)).Methods(http.MethodDelete)
	outbox.Routes(r, s.orders.db, app)
	outbox.Letters(r, s.orders.db, app, s.subscriptions()...)
	outbox.Trace(r, s.orders.db, app, s.orders.trace)
	privacy.Routes(r, s.orders)
	r.Handle("/bought-together", sidecar.OnlyFrom(s.listTogether, "catalog")).Methods(http.MethodGet)
	r.Handle("/purchases", sidecar.OnlyFrom(identity.Require(s.showPurchases, identity.Customer, identity.Support, identity.Admin), "catalog")).Methods(http.MethodGet)
	r.Handle("/claims", sidecar.OnlyFrom(identity.Require(s.claimOrders, identity.Customer), "gateway")).Methods(http.MethodPost)
	return r
}

type quoteView struct {
	order.Quote
	ShippingMethods []order.ShippingOption `json:"shippingMethods"`
}

// quote says what a basket would cost. Of the checkout it needs the country alone.
func (s *server) quote(w http.ResponseWriter, r *http.Request) error {
	var p purchase
	if err := web.Decode(w, r, &p); err != nil {
		return err
	}
	p.Checkout.ShippingMethod = cmp.Or(p.Checkout.ShippingMethod, order.ShopTariff.Methods[0].ID)
	p.Checkout.Address.Country = strings.ToUpper(strings.TrimSpace(p.Checkout.Address.Country))
	quote, _, err := s.price(r.Context(), p, identity.From(r.Context()))
	if err != nil {
		return err
	}
	options, err := order.ShopTariff.Options(quote.Subtotal)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, quoteView{quote, options})
}

type placedView struct {
	Order orderView `json:"order"`
}

// placeOrder accepts what a basket holds as an order awaiting its stock. It answers once order, fact and key are
// committed; a repeated key gets the same answer, even though the basket is empty by then.
func (s *server) placeOrder(w http.ResponseWriter, r *http.Request) error {
	var p purchase
	if err := web.Decode(w, r, &p); err != nil {
		return err
	}
	key, err := idempotency.FromRequest(r)
	if err != nil {
		return err
	}
	body, err := p.Checkout.body()
	if err != nil {
		return err
	}
	who := identity.From(r.Context())
	k := idempotency.Key{Scope: string(who.Subject) + " POST /orders", Key: key, Body: body}
	draft, coupon, err := s.draft(r.Context(), p, who)
	if err != nil {
		// Perhaps because the order was placed before, its basket cleared and its coupon used up.
		if answer, done, lookErr := s.placedBefore(r.Context(), k, who, p); done || lookErr != nil {
			if lookErr != nil {
				return lookErr
			}
			return web.Encode(w, answer.Status, answer.Body)
		}
		return err
	}
	answer, err := s.orders.Place(r.Context(), k, draft, coupon, s.now())
	if err != nil {
		return err
	}
	failpoint.Hit("placed-before-answer")
	return web.Encode(w, answer.Status, answer.Body)
}

// placedBefore is the answer to an earlier request with this key or, since its first order may have used the coupon up, with
// the same content of the basket under another key.
func (s *server) placedBefore(ctx context.Context, k idempotency.Key, who identity.Identity, p purchase) (idempotency.Answer, bool, error) {
	answer, done, err := s.orders.Placed(ctx, k)
	if err == nil && !done && p.Coupon != "" {
		return s.orders.PlacedFrom(ctx, k, who.Subject, p.CheckoutID, s.now())
	}
	return answer, done, err
}

// draft checks and prices a purchase; the coupon is nil if there is none.
func (s *server) draft(ctx context.Context, p purchase, who identity.Identity) (d order.Draft, coupon *order.Coupon, err error) {
	if err := p.checkLines(); err != nil {
		return d, nil, err
	}
	if p.Checkout, err = p.Checkout.check(who); err != nil {
		return d, nil, err
	}
	quote, coupon, err := s.price(ctx, p, who)
	if err != nil {
		return d, nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return d, nil, err
	}
	return order.Draft{
		ID: id.String(), Customer: who.Subject, BasketID: p.BasketID, CheckoutID: p.CheckoutID, Quote: quote,
		Address: p.Checkout.Address, Email: p.Checkout.Email,
		Provider: p.Checkout.Payment.Provider, Method: p.Checkout.Payment.Method, ReturnURL: s.publicURL + "/orders/" + id.String(),
	}, coupon, nil
}

// price asks catalog for prices; what the client or the basket believe about them is not looked at.
func (s *server) price(ctx context.Context, p purchase, who identity.Identity) (quote order.Quote, coupon *order.Coupon, err error) {
	if err := p.checkLines(); err != nil {
		return quote, nil, err
	}
	currency := cmp.Or(p.Checkout.Currency, p.Currency)
	if !order.ShopTariff.Serves(currency) {
		return quote, nil, order.UnknownCurrency(currency)
	}
	var claim *order.Claim
	if p.Coupon != "" {
		if claim, err = s.coupons.Claim(ctx, p.Coupon, who.Subject, p.Checkout.Email, s.now()); err != nil {
			return quote, nil, err
		}
		coupon = &claim.Coupon
	}
	skus := make([]string, len(p.Lines))
	for i, l := range p.Lines {
		skus[i] = l.SKU
	}
	variants, err := s.catalog.Variants(ctx, skus, currency)
	if err != nil {
		return quote, nil, err
	}
	quote, err = order.ShopTariff.Quote(p.Lines, variants, currency, p.Checkout.ShippingMethod, p.Checkout.Address.Country, claim)
	return quote, coupon, err
}

// listOrders shows the caller's own orders, the newest first. The cursor is the last order shown.
func (s *server) listOrders(w http.ResponseWriter, r *http.Request) error {
	limit, before, err := pageOf(r)
	if err != nil {
		return err
	}
	orders, err := s.orders.OrdersOf(r.Context(), identity.From(r.Context()).Subject, before, limit+1)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, page(orders, limit, func(o *order.Order) (string, orderView) { return o.ID, newOrderView(o, s.now()) }))
}

// pageOf reads ?limit= and ?cursor=, which is the id of the last item of the page before.
func pageOf(r *http.Request) (limit int, before string, err error) {
	if limit, err = web.Limit(r, 20, 100); err != nil {
		return 0, "", err
	}
	before = r.URL.Query().Get("cursor")
	if before != "" && uuid.Validate(before) != nil {
		return 0, "", problem.New(problem.Invalid, "invalid-cursor", "This cursor did not come from us.")
	}
	return limit, before, nil
}

// page shows up to limit items of a list that was asked for one more, each with the id that a cursor is made of.
func page[T, V any](items []T, limit int, show func(T) (id string, view V)) web.Page[V] {
	p := web.Page[V]{Items: []V{}}
	last := ""
	for i, item := range items {
		if i == limit {
			p.NextCursor = last
			break
		}
		id, view := show(item)
		last = id
		p.Items = append(p.Items, view)
	}
	return p
}

// showOrder shows an order to its customer or the staff; to others it does not exist.
func (s *server) showOrder(w http.ResponseWriter, r *http.Request) error {
	o, err := s.visible(r)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, newOrderView(o, s.now()))
}

type cancellation struct {
	Reason string `json:"reason"`
}

// cancelOrder stops an order of the caller's. The body may be left out.
func (s *server) cancelOrder(w http.ResponseWriter, r *http.Request) error {
	o, err := s.cancel(w, r)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, newOrderView(o, s.now()))
}

func (s *server) cancel(w http.ResponseWriter, r *http.Request) (*order.Order, error) {
	var req cancellation
	if err := decodeOptional(w, r, &req); err != nil {
		return nil, err
	}
	reason, err := oneLine("reason", req.Reason, 500)
	if err != nil {
		return nil, err
	}
	by, at := identity.From(r.Context()), s.now()
	return s.orders.Update(r.Context(), mux.Vars(r)["id"], func(o *order.Order) error { return o.Cancel(by, reason, at) })
}

// oneLine is what somebody wrote, if it is a line of at most so many characters.
func oneLine(field, text string, most int) (string, error) {
	if utf8.RuneCountInString(text) > most || strings.ContainsFunc(text, unicode.IsControl) {
		return "", problem.New(problem.Unprocessable, "invalid-"+field, "A %s is one line of at most %d characters.", field, most).
			WithFields(problem.FieldError{Field: field, Detail: fmt.Sprintf("must be one line of at most %d characters", most)})
	}
	return strings.TrimSpace(text), nil
}

// summaryView is what notification may write about. Repaid is what went back, by payment's id of each refund.
type summaryView struct {
	orderView
	Name   string                  `json:"name"`
	Repaid map[string]money.Amount `json:"repaid"`
}

func newSummaryView(o *order.Order, at time.Time) summaryView {
	v := summaryView{newOrderView(o, at), o.Address.Name, map[string]money.Amount{}}
	for _, c := range o.Payment.Captures {
		maps.Copy(v.Repaid, c.Refunds)
	}
	return v
}

// summarizeOrder tells notification what to write to whom. Facts carry no addresses, so it asks when it writes.
func (s *server) summarizeOrder(w http.ResponseWriter, r *http.Request) error {
	o, err := s.orders.Order(r.Context(), mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, newSummaryView(o, s.now()))
}

// visible is the order that the request is about, if its caller may see it.
func (s *server) visible(r *http.Request) (*order.Order, error) {
	o, err := s.orders.Order(r.Context(), mux.Vars(r)["id"])
	if err != nil {
		return nil, err
	}
	if !o.VisibleTo(identity.From(r.Context())) {
		return nil, order.ErrNotFound
	}
	return o, nil
}

// decodeOptional is web.Decode for a body that may be empty.
func decodeOptional[T any](w http.ResponseWriter, r *http.Request, v *T) error {
	var first [1]byte
	n, err := io.ReadFull(r.Body, first[:])
	if errors.Is(err, io.EOF) {
		return nil
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(strings.NewReader(string(first[:n])), r.Body), r.Body}
	return web.Decode(w, r, v)
}

// orderView is an order as its customer reads it; testdata/order.json shows one.
type orderView struct {
	ID          string        `json:"id"`
	Number      string        `json:"number"`
	Status      order.Status  `json:"status"`
	PlacedAt    time.Time     `json:"placedAt"`
	order.Quote               // lines, sums, currency, shipping method
	Refunded    money.Amount  `json:"refunded"`
	Address     order.Address `json:"address"`
	Email       string        `json:"email"`
	Payment     paymentView   `json:"payment"`
	Invoice     string        `json:"invoice,omitempty"` // its number, once there is one
	Cancellable bool          `json:"cancellable"`
	Returnable  bool          `json:"returnable"`
	Shipment    *shipmentView `json:"shipment,omitempty"`
	Returns     []returnView  `json:"returns"`
	Timeline    []entryView   `json:"timeline"`
}

type paymentView struct {
	Provider    string              `json:"provider"`
	Status      order.PaymentStatus `json:"status"`
	RedirectURL string              `json:"redirectUrl,omitempty"`
	Failure     string              `json:"failure,omitempty"`
}

type shipmentView struct {
	Carrier        string    `json:"carrier"`
	TrackingNumber string    `json:"trackingNumber"`
	TrackingURL    string    `json:"trackingUrl,omitempty"`
	ShippedAt      time.Time `json:"shippedAt"`
	DeliveredAt    time.Time `json:"deliveredAt,omitzero"`
}

// entryView is an entry of the timeline without the name of whoever of the staff made it.
type entryView struct {
	Seq    int          `json:"seq"`
	Status order.Status `json:"status"`
	At     time.Time    `json:"at"`
	Note   string       `json:"note"`
}

func newOrderView(o *order.Order, at time.Time) orderView {
	v := orderView{
		ID: o.ID, Number: o.Number, Status: o.Shown(), PlacedAt: o.PlacedAt, Quote: o.Quote, Refunded: o.Repaid(),
		Address: o.Address, Email: o.Email, Invoice: o.Invoice, Cancellable: o.Cancellable(), Returnable: o.Returnable(at),
		Payment: paymentView{o.Payment.Provider, o.Payment.Status, o.Payment.RedirectURL, o.Payment.Failure},
		Returns: []returnView{}, Timeline: make([]entryView, len(o.Timeline)),
	}
	if p := o.Shipment; p != nil {
		v.Shipment = &shipmentView{p.Carrier, p.TrackingNumber, p.TrackingURL(), p.ShippedAt, p.DeliveredAt}
	}
	for _, r := range o.Returns {
		v.Returns = append(v.Returns, newReturnView(o, r))
	}
	for i, e := range o.Timeline {
		v.Timeline[i] = entryView{e.Seq, e.Status, e.At, e.Note}
	}
	return v
}
