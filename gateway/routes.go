package main

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// routes is everything the public can reach. A route goes to one path of one app; nothing of the request's own path but
// its variables takes part in that, so no address typed from outside leads anywhere that is not written here.
func (s *server) routes() []route {
	return []route{
		{"POST", "/api/v1/auth/register", anyone, target{"auth", "/register"}, s.proxy},
		{"POST", "/api/v1/auth/verify-email", anyone, target{"auth", "/verify-email"}, s.proxy},
		{"POST", "/api/v1/auth/login", anyone, target{"auth", "/login"}, s.login},
		{"POST", "/api/v1/auth/login/totp", anyone, target{"auth", "/login/totp"}, s.login},
		{"GET", "/api/v1/auth/factors", customer, target{"auth", "/factors"}, s.proxy},
		{"POST", "/api/v1/auth/factors/totp", customer, target{"auth", "/factors/totp"}, s.proxy},
		{"DELETE", "/api/v1/auth/factors/totp", customer, target{"auth", "/factors/totp"}, s.proxy},
		{"POST", "/api/v1/auth/factors/totp/confirmation", customer, target{"auth", "/factors/totp/confirmation"}, s.proxy},
		{"POST", "/api/v1/auth/factors/recovery-codes", customer, target{"auth", "/factors/recovery-codes"}, s.proxy},
		{"GET", "/api/v1/auth/passkeys", customer, target{"auth", "/passkeys"}, s.proxy},
		{"DELETE", "/api/v1/auth/passkeys/{id}", customer, target{"auth", "/passkeys/{id}"}, s.proxy},
		{"POST", "/api/v1/auth/passkeys/register/begin", customer, target{"auth", "/passkeys/register/begin"}, s.begin},
		{"POST", "/api/v1/auth/passkeys/register/finish", customer, target{"auth", "/passkeys/register/finish"}, s.proxy},
		{"POST", "/api/v1/auth/passkeys/login/begin", anyone, target{"auth", "/passkeys/login/begin"}, s.begin},
		{"POST", "/api/v1/auth/passkeys/login/finish", anyone, target{"auth", "/passkeys/login/finish"}, s.login},
		{"POST", "/api/v1/auth/refresh", anyone, target{"auth", "/refresh"}, s.refresh},
		{"POST", "/api/v1/auth/logout", anyone, target{"auth", "/logout"}, s.logout},
		{"POST", "/api/v1/auth/logout-all", customer, target{"auth", "/logout-all"}, s.leave},
		{"GET", "/api/v1/auth/sessions", customer, target{"auth", "/sessions"}, s.proxy},
		{"DELETE", "/api/v1/auth/sessions", customer, target{"auth", "/sessions"}, s.proxy},
		{"DELETE", "/api/v1/auth/sessions/{id}", customer, target{"auth", "/sessions/{id}"}, s.proxy},
		{"POST", "/api/v1/auth/password/forgot", anyone, target{"auth", "/password/forgot"}, s.proxy},
		{"POST", "/api/v1/auth/password/reset", anyone, target{"auth", "/password/reset"}, s.proxy},
		{"POST", "/api/v1/auth/password/change", customer, target{"auth", "/password/change"}, s.login},
		{"POST", "/api/v1/auth/email/change", customer, target{"auth", "/email/change"}, s.proxy},
		{"POST", "/api/v1/auth/email/confirmation", customer, target{"auth", "/email/confirmation"}, s.leave},
		{"GET", "/api/v1/auth/me", customer, target{"auth", "/me"}, s.proxy},

		{"GET", "/api/v1/products", anyone, target{"catalog", "/products"}, s.publicRead},
		{"GET", "/api/v1/products/{slug}", anyone, target{"catalog", "/products/{slug}"}, s.product},
		{"GET", "/api/v1/products/{slug}/related", anyone, target{"catalog", "/products/{slug}/related"}, s.publicRead},
		{"GET", "/api/v1/products/{slug}/reviews", anyone, target{"catalog", "/products/{slug}/reviews"}, s.publicRead},
		{"POST", "/api/v1/products/{slug}/reviews", customer, target{"catalog", "/products/{slug}/reviews"}, s.proxy},
		{"GET", "/api/v1/products/{slug}/reviews/mine", customer, target{"catalog", "/products/{slug}/reviews/mine"}, s.proxy},
		{"PUT", "/api/v1/products/{slug}/reviews/mine", customer, target{"catalog", "/products/{slug}/reviews/mine"}, s.proxy},
		{"DELETE", "/api/v1/products/{slug}/reviews/mine", customer, target{"catalog", "/products/{slug}/reviews/mine"}, s.proxy},
		{"GET", "/api/v1/categories", anyone, target{"catalog", "/categories"}, s.publicRead},
		{"GET", "/api/v1/suggest", anyone, target{"catalog", "/suggest"}, s.publicRead},
		{"GET", "/api/v1/images/{name}", anyone, target{"catalog", "/images/{name}"}, s.proxy},

		{"GET", "/api/v1/basket", anyone, target{"basket", "/basket"}, s.basket},
		{"PUT", "/api/v1/basket/items/{sku}", visitor, target{"basket", "/basket/items/{sku}"}, s.proxy},
		{"DELETE", "/api/v1/basket/items/{sku}", visitor, target{"basket", "/basket/items/{sku}"}, s.proxy},
		{"PUT", "/api/v1/basket/coupon", visitor, target{"basket", "/basket/coupon"}, s.proxy},
		{"DELETE", "/api/v1/basket/coupon", visitor, target{"basket", "/basket/coupon"}, s.proxy},
		{"GET", "/api/v1/checkout/payment-methods", anyone, target{"payment", "/payment-methods"}, s.proxy},
		{"POST", "/api/v1/checkout/quote", visitor, target{"basket", "/checkout/quote"}, s.proxy},
		{"POST", "/api/v1/checkout", visitor, target{"basket", "/checkout"}, s.proxy},

		{"GET", "/api/v1/orders", visitor, target{"ordering", "/orders"}, s.proxy},
		{"GET", "/api/v1/orders/{id}", visitor, target{"ordering", "/orders/{id}"}, s.proxy},
		{"GET", "/api/v1/orders/{id}/events", visitor, target{"ordering", "/orders/{id}/events"}, s.follow},
		{"PUT", "/api/v1/orders/{id}/cancellation", visitor, target{"ordering", "/orders/{id}/cancellation"}, s.proxy},
		{"POST", "/api/v1/orders/{id}/returns", visitor, target{"ordering", "/orders/{id}/returns"}, s.proxy},
		{"GET", "/api/v1/orders/{id}/invoice", visitor, target{"ordering", "/orders/{id}/invoice"}, s.page},

		{"GET", "/api/v1/account/profile", customer, target{"client", "/profile"}, s.proxy},
		{"PATCH", "/api/v1/account/profile", customer, target{"client", "/profile"}, s.proxy},
		{"GET", "/api/v1/account/preferences", customer, target{"client", "/preferences"}, s.proxy},
		{"PATCH", "/api/v1/account/preferences", customer, target{"client", "/preferences"}, s.proxy},
		{"POST", "/api/v1/account/privacy/export", customer, target{"client", "/privacy/export"}, s.proxy},
		{"GET", "/api/v1/account/privacy/export", customer, target{"client", "/privacy/export"}, s.proxy},
		{"GET", "/api/v1/account/privacy/export/{link}", customer, target{"client", "/privacy/export/{link}"}, s.proxy},
		{"POST", "/api/v1/account/privacy/erasure", customer, target{"client", "/privacy/erasure"}, s.proxy},
		{"GET", "/api/v1/account/privacy/erasure/{link}", anyone, target{"client", "/privacy/erasure/{link}"}, s.proxy},
		{"GET", "/api/v1/account/wishlist", customer, target{"client", "/wishlist"}, s.wishlist},
		{"PUT", "/api/v1/account/wishlist/{sku}", customer, target{"client", "/wishlist/{sku}"}, s.proxy},
		{"DELETE", "/api/v1/account/wishlist/{sku}", customer, target{"client", "/wishlist/{sku}"}, s.proxy},
		{"POST", "/api/v1/account/unsubscribe/{token}", anyone, target{"client", "/unsubscriptions/{token}"}, s.proxy},
		{"GET", "/api/v1/account/addresses", customer, target{"client", "/addresses"}, s.proxy},
		{"POST", "/api/v1/account/addresses", customer, target{"client", "/addresses"}, s.proxy},
		{"PUT", "/api/v1/account/addresses/{id}", customer, target{"client", "/addresses/{id}"}, s.proxy},
		{"DELETE", "/api/v1/account/addresses/{id}", customer, target{"client", "/addresses/{id}"}, s.proxy},

		{"GET", "/api/v1/admin/orders/{id}/trace", staff, target{"", "/trace/{id}"}, s.trace},
		{"GET", "/api/v1/admin/dead-letters", staff, target{"", "/dead-letters"}, s.letters},
		{"POST", "/api/v1/admin/dead-letters/{service}/{id}/replay", staff, target{"", "/dead-letters/{id}/replay"}, s.letter},
		{"DELETE", "/api/v1/admin/dead-letters/{service}/{id}", staff, target{"", "/dead-letters/{id}"}, s.letter},
		{"GET", "/api/v1/admin/orders", staff, target{"ordering", "/admin/orders"}, s.proxy},
		{"GET", "/api/v1/admin/orders/{id}", staff, target{"ordering", "/admin/orders/{id}"}, s.proxy},
		{"PUT", "/api/v1/admin/orders/{id}/shipment", staff, target{"ordering", "/admin/orders/{id}/shipment"}, s.proxy},
		{"PUT", "/api/v1/admin/orders/{id}/delivery", staff, target{"ordering", "/admin/orders/{id}/delivery"}, s.proxy},
		{"PUT", "/api/v1/admin/orders/{id}/cancellation", staff, target{"ordering", "/admin/orders/{id}/cancellation"}, s.proxy},
		{"POST", "/api/v1/admin/orders/{id}/refunds", staff, target{"ordering", "/admin/orders/{id}/refunds"}, s.proxy},
		{"POST", "/api/v1/admin/orders/{id}/notes", staff, target{"ordering", "/admin/orders/{id}/notes"}, s.proxy},
		{"GET", "/api/v1/admin/returns", staff, target{"ordering", "/admin/returns"}, s.proxy},
		{"PATCH", "/api/v1/admin/returns/{id}", staff, target{"ordering", "/admin/returns/{id}"}, s.proxy},
		{"GET", "/api/v1/admin/coupons", staff, target{"ordering", "/admin/coupons"}, s.proxy},
		{"POST", "/api/v1/admin/coupons", staff, target{"ordering", "/admin/coupons"}, s.proxy},
		{"GET", "/api/v1/admin/coupons/{code}", staff, target{"ordering", "/admin/coupons/{code}"}, s.proxy},
		{"PATCH", "/api/v1/admin/coupons/{code}", staff, target{"ordering", "/admin/coupons/{code}"}, s.proxy},
		{"DELETE", "/api/v1/admin/coupons/{code}", staff, target{"ordering", "/admin/coupons/{code}"}, s.proxy},

		{"GET", "/api/v1/admin/products", staff, target{"catalog", "/admin/products"}, s.proxy},
		{"POST", "/api/v1/admin/products", staff, target{"catalog", "/admin/products"}, s.proxy},
		{"GET", "/api/v1/admin/products/export", staff, target{"catalog", "/admin/products/export"}, s.download},
		{"GET", "/api/v1/admin/products/{id}", staff, target{"catalog", "/admin/products/{id}"}, s.proxy},
		{"PUT", "/api/v1/admin/products/{id}", staff, target{"catalog", "/admin/products/{id}"}, s.proxy},
		{"PATCH", "/api/v1/admin/products/{id}", staff, target{"catalog", "/admin/products/{id}"}, s.proxy},
		{"DELETE", "/api/v1/admin/products/{id}", staff, target{"catalog", "/admin/products/{id}"}, s.proxy},
		{"GET", "/api/v1/admin/products/{id}/history", staff, target{"catalog", "/admin/products/{id}/history"}, s.proxy},
		{"GET", "/api/v1/admin/audit", staff, target{"catalog", "/admin/audit"}, s.proxy},
		{"GET", "/api/v1/admin/categories", staff, target{"catalog", "/admin/categories"}, s.proxy},
		{"POST", "/api/v1/admin/categories", staff, target{"catalog", "/admin/categories"}, s.proxy},
		{"PUT", "/api/v1/admin/categories/{slug}", staff, target{"catalog", "/admin/categories/{slug}"}, s.proxy},
		{"DELETE", "/api/v1/admin/categories/{slug}", staff, target{"catalog", "/admin/categories/{slug}"}, s.proxy},
		{"POST", "/api/v1/admin/images", staff, target{"catalog", "/admin/images"}, s.upload},
		{"GET", "/api/v1/admin/imports", staff, target{"catalog", "/admin/imports"}, s.proxy},
		{"POST", "/api/v1/admin/imports", staff, target{"catalog", "/admin/imports"}, s.upload},
		{"GET", "/api/v1/admin/imports/{id}", staff, target{"catalog", "/admin/imports/{id}"}, s.proxy},
		{"GET", "/api/v1/admin/imports/{id}/errors", staff, target{"catalog", "/admin/imports/{id}/errors"}, s.download},
		{"POST", "/api/v1/admin/imports/{id}/cancellation", staff, target{"catalog", "/admin/imports/{id}/cancellation"}, s.proxy},
		{"GET", "/api/v1/admin/reviews", staff, target{"catalog", "/admin/reviews"}, s.proxy},
		{"PATCH", "/api/v1/admin/reviews/{id}", staff, target{"catalog", "/admin/reviews/{id}"}, s.proxy},

		{"GET", "/api/v1/admin/stock", staff, target{"inventory", "/admin/stock"}, s.stockList},
		{"POST", "/api/v1/admin/stock/import", staff, target{"inventory", "/admin/stock/import"}, s.proxy},
		{"GET", "/api/v1/admin/stock/{sku}", staff, target{"inventory", "/admin/stock/{sku}"}, s.proxy},
		{"PUT", "/api/v1/admin/stock/{sku}", staff, target{"inventory", "/admin/stock/{sku}"}, s.proxy},
		{"POST", "/api/v1/admin/stock/{sku}/adjustments", staff, target{"inventory", "/admin/stock/{sku}/adjustments"}, s.proxy},
		{"GET", "/api/v1/admin/stock/{sku}/movements", staff, target{"inventory", "/admin/stock/{sku}/movements"}, s.proxy},
		{"GET", "/api/v1/admin/stock/{sku}/reservations", staff, target{"inventory", "/admin/stock/{sku}/reservations"}, s.proxy},
		{"GET", "/api/v1/admin/reports/stock", staff, target{"inventory", "/reports/stock"}, s.proxy},

		{"GET", "/api/v1/admin/disputes", staff, target{"payment", "/disputes"}, s.proxy},
		{"GET", "/api/v1/admin/reports/reconciliation", staff, target{"payment", "/reports/reconciliation"}, s.proxy},

		{"POST", "/webhooks/stripe", provider, target{"payment", "/webhooks/stripe"}, s.notice},
		{"POST", "/webhooks/paypal", provider, target{"payment", "/webhooks/paypal"}, s.notice},

		{"GET", "/api/openapi.json", anyone, target{}, s.openapi},
		{"GET", "/api/docs", anyone, target{}, s.docs},
	}
}

// access is who may use a route, and so which credential goes along with the request. Whether the thing asked for is
// theirs is decided by the service, from the verified token.
type access int

const (
	anyone   access = iota // no credential goes along
	visitor                // a customer, or a guest, who is made at the first request that changes something
	customer               // somebody signed in
	staff                  // somebody signed in, whose roles the service looks for in the verified token
	provider               // a payment provider, who signs its requests: no session, no check of the origin
)

// target is where a route leads: a path of an app, with the variables of the public path; nowhere if the gateway answers itself.
type target struct{ app, path string }

type route struct {
	method, path string
	access       access
	target       target
	answer       func(w http.ResponseWriter, r *http.Request, to target) error
}

// handler is the public door with everything around the routes.
func (s *server) handler() http.Handler {
	router := web.Router()
	for _, rt := range s.routes() {
		router.Handle(rt.path, s.admit(rt)).Methods(rt.method)
	}
	miss := router.NotFoundHandler
	router.NotFoundHandler = s.site.or(miss)
	return web.Trace(web.Log(securityHeaders(plainPaths(router, miss))))
}

// admit lets a request through to its route: not from another site, not too often, and with the credential of its caller.
func (s *server) admit(rt route) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "no-store")
		if err := s.crossOrigin.Check(r); err != nil && rt.access != provider {
			return problem.New(problem.Forbidden, "cross-origin", "This request came from another site.")
		}
		if err := s.limits.allow(r); err != nil {
			return err
		}
		token, err := s.sessions.token(w, r, rt.access)
		if err != nil {
			return err
		}
		r = r.WithContext(identity.WithToken(r.Context(), token))
		return rt.answer(w, r, rt.target.with(mux.Vars(r)))
	}
}

// with fills the variables of the public path into the target's.
func (t target) with(vars map[string]string) target {
	for name, value := range vars {
		t.path = strings.ReplaceAll(t.path, "{"+name+"}", value)
	}
	return t
}
