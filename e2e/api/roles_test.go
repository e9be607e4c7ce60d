package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/mesh"
	"github.com/sidecart/sidecart/e2e/shop"
)

// Who tries every route: the owner has what the paths name, the stranger is another customer.
var people = []string{"anonymous", "guest", "stranger", "owner", "support", "admin"}

// outcome is how far a request got: "in" means that the route took it up, whatever it then said of the body.
type outcome string

// rights are what people, in their order, come to with a kind of route.
var rights = map[string][]outcome{
	"anyone":       {"in", "in", "in", "in", "in", "in"},
	"visitor":      {"401", "in", "in", "in", "in", "in"}, // looking makes nobody a guest
	"signed in":    {"401", "401", "in", "in", "in", "in"},
	"the owner":    {"401", "401", "404", "in", "404", "404"},
	"who bought":   {"401", "404", "404", "in", "in", "in"}, // …and the staff
	"buyer's wish": {"404", "404", "404", "in", "in", "in"}, // the same, where a wish makes a guest of anybody
	"staff":        {"401", "401", "403", "403", "in", "in"},
	"admin":        {"401", "401", "403", "403", "403", "in"},
	"no such link": {"404", "404", "404", "404", "404", "404"},
	"staff, none":  {"401", "401", "403", "403", "404", "404"}, // …such
	"admin, none":  {"401", "401", "403", "403", "403", "404"},
	"owner, none":  {"401", "401", "404", "404", "404", "404"},
}

// routeRights is every route of the API. A new one fails the test until it has a line here.
var routeRights = map[string]string{
	"POST /api/v1/auth/register":                            "anyone",
	"POST /api/v1/auth/verify-email":                        "anyone",
	"POST /api/v1/auth/login":                               "anyone",
	"POST /api/v1/auth/login/totp":                          "anyone",
	"GET /api/v1/auth/factors":                              "signed in",
	"POST /api/v1/auth/factors/totp":                        "signed in",
	"DELETE /api/v1/auth/factors/totp":                      "signed in",
	"POST /api/v1/auth/factors/totp/confirmation":           "signed in",
	"POST /api/v1/auth/factors/recovery-codes":              "signed in",
	"GET /api/v1/auth/passkeys":                             "signed in",
	"DELETE /api/v1/auth/passkeys/{id}":                     "owner, none",
	"POST /api/v1/auth/passkeys/register/begin":             "signed in",
	"POST /api/v1/auth/passkeys/register/finish":            "signed in",
	"POST /api/v1/auth/passkeys/login/begin":                "anyone",
	"POST /api/v1/auth/passkeys/login/finish":               "anyone",
	"POST /api/v1/auth/refresh":                             "signed in",
	"POST /api/v1/auth/logout":                              "anyone",
	"POST /api/v1/auth/logout-all":                          "signed in",
	"GET /api/v1/auth/sessions":                             "signed in",
	"DELETE /api/v1/auth/sessions/{id}":                     "the owner",
	"POST /api/v1/auth/password/forgot":                     "anyone",
	"POST /api/v1/auth/password/reset":                      "anyone",
	"POST /api/v1/auth/password/change":                     "signed in",
	"POST /api/v1/auth/email/change":                        "signed in",
	"POST /api/v1/auth/email/confirmation":                  "signed in",
	"GET /api/v1/auth/me":                                   "signed in",
	"GET /api/v1/products":                                  "anyone",
	"GET /api/v1/products/{slug}":                           "anyone",
	"GET /api/v1/categories":                                "anyone",
	"GET /api/v1/suggest":                                   "anyone",
	"GET /api/v1/images/{name}":                             "no such link",
	"GET /api/v1/basket":                                    "anyone",
	"PUT /api/v1/basket/items/{sku}":                        "anyone",
	"DELETE /api/v1/basket/items/{sku}":                     "anyone",
	"PUT /api/v1/basket/coupon":                             "anyone",
	"DELETE /api/v1/basket/coupon":                          "anyone",
	"GET /api/v1/checkout/payment-methods":                  "anyone",
	"POST /api/v1/checkout/quote":                           "anyone",
	"POST /api/v1/checkout":                                 "anyone",
	"GET /api/v1/orders":                                    "visitor",
	"GET /api/v1/orders/{id}":                               "who bought",
	"GET /api/v1/orders/{id}/events":                        "who bought",
	"PUT /api/v1/orders/{id}/cancellation":                  "buyer's wish",
	"POST /api/v1/orders/{id}/returns":                      "buyer's wish",
	"GET /api/v1/orders/{id}/invoice":                       "who bought",
	"GET /api/v1/account/profile":                           "signed in",
	"PATCH /api/v1/account/profile":                         "signed in",
	"GET /api/v1/account/preferences":                       "signed in",
	"PATCH /api/v1/account/preferences":                     "signed in",
	"POST /api/v1/account/privacy/export":                   "signed in",
	"GET /api/v1/account/privacy/export":                    "signed in",
	"GET /api/v1/account/privacy/export/{link}":             "the owner",
	"POST /api/v1/account/privacy/erasure":                  "signed in",
	"GET /api/v1/account/privacy/erasure/{link}":            "no such link",
	"GET /api/v1/account/wishlist":                          "signed in",
	"PUT /api/v1/account/wishlist/{sku}":                    "signed in",
	"DELETE /api/v1/account/wishlist/{sku}":                 "signed in",
	"GET /api/v1/account/addresses":                         "signed in",
	"POST /api/v1/account/addresses":                        "signed in",
	"PUT /api/v1/account/addresses/{id}":                    "the owner",
	"DELETE /api/v1/account/addresses/{id}":                 "the owner",
	"GET /api/v1/admin/orders":                              "staff",
	"GET /api/v1/admin/orders/{id}":                         "staff",
	"GET /api/v1/admin/orders/{id}/trace":                   "staff",
	"PUT /api/v1/admin/orders/{id}/shipment":                "staff",
	"PUT /api/v1/admin/orders/{id}/delivery":                "staff",
	"PUT /api/v1/admin/orders/{id}/cancellation":            "staff",
	"POST /api/v1/admin/orders/{id}/refunds":                "staff",
	"POST /api/v1/admin/orders/{id}/notes":                  "staff",
	"GET /api/v1/admin/returns":                             "staff",
	"PATCH /api/v1/admin/returns/{id}":                      "staff",
	"GET /api/v1/admin/coupons":                             "admin",
	"POST /api/v1/admin/coupons":                            "admin",
	"GET /api/v1/admin/coupons/{code}":                      "admin, none",
	"PATCH /api/v1/admin/coupons/{code}":                    "admin, none",
	"DELETE /api/v1/admin/coupons/{code}":                   "admin",
	"GET /api/v1/admin/dead-letters":                        "staff",
	"DELETE /api/v1/admin/dead-letters/{service}/{id}":      "admin, none",
	"POST /api/v1/admin/dead-letters/{service}/{id}/replay": "admin, none",
	"GET /api/v1/products/{slug}/related":                   "anyone",
	"GET /api/v1/products/{slug}/reviews":                   "anyone",
	"POST /api/v1/products/{slug}/reviews":                  "signed in",
	"GET /api/v1/products/{slug}/reviews/mine":              "owner, none",
	"PUT /api/v1/products/{slug}/reviews/mine":              "signed in",
	"DELETE /api/v1/products/{slug}/reviews/mine":           "signed in",
	"GET /api/v1/admin/products":                            "staff",
	"POST /api/v1/admin/products":                           "admin",
	"GET /api/v1/admin/products/export":                     "staff",
	"GET /api/v1/admin/products/{id}":                       "staff, none",
	"PUT /api/v1/admin/products/{id}":                       "admin, none",
	"PATCH /api/v1/admin/products/{id}":                     "admin, none",
	"DELETE /api/v1/admin/products/{id}":                    "admin, none",
	"GET /api/v1/admin/products/{id}/history":               "staff, none",
	"GET /api/v1/admin/audit":                               "staff",
	"GET /api/v1/admin/categories":                          "staff",
	"POST /api/v1/admin/categories":                         "admin",
	"PUT /api/v1/admin/categories/{slug}":                   "admin",
	"DELETE /api/v1/admin/categories/{slug}":                "admin, none",
	"POST /api/v1/admin/images":                             "admin",
	"GET /api/v1/admin/imports":                             "staff",
	"POST /api/v1/admin/imports":                            "admin",
	"GET /api/v1/admin/imports/{id}":                        "staff, none",
	"GET /api/v1/admin/imports/{id}/errors":                 "staff, none",
	"POST /api/v1/admin/imports/{id}/cancellation":          "admin, none",
	"GET /api/v1/admin/reviews":                             "staff",
	"PATCH /api/v1/admin/reviews/{id}":                      "admin, none",
	"GET /api/v1/admin/stock":                               "staff",
	"POST /api/v1/admin/stock/import":                       "admin",
	"GET /api/v1/admin/stock/{sku}":                         "staff",
	"PUT /api/v1/admin/stock/{sku}":                         "admin",
	"POST /api/v1/admin/stock/{sku}/adjustments":            "admin",
	"GET /api/v1/admin/stock/{sku}/movements":               "staff",
	"GET /api/v1/admin/stock/{sku}/reservations":            "staff",
	"GET /api/v1/admin/reports/stock":                       "staff",
	"DELETE /api/v1/auth/sessions":                          "signed in",
	"POST /api/v1/account/unsubscribe/{token}":              "no such link",
	"GET /api/v1/admin/disputes":                            "staff",
	"GET /api/v1/admin/reports/reconciliation":              "staff",
	"POST /webhooks/stripe":                                 "anyone", // whoever signs for the provider
	"POST /webhooks/paypal":                                 "anyone",
	"GET /api/openapi.json":                                 "anyone",
	"GET /api/docs":                                         "anyone",
}

// bodies are those of routes whose role is looked at after the body, or that should not find it too short.
var bodies = map[string]any{
	"PUT /api/v1/account/addresses/{id}": shop.Home,
	"POST /api/v1/auth/logout":           nil,
}

// lastWords are routes that end the caller's session or account: whoever tries one signs in anew.
var lastWords = []string{"DELETE /api/v1/auth/sessions", "POST /api/v1/auth/logout", "POST /api/v1/auth/logout-all", "POST /api/v1/account/privacy/erasure"}

// cast is the people with their browsers, and what the owner has.
type cast struct {
	browsers map[string]*shop.Shopper
	accounts map[string]shop.Account
	has      map[string]string // by variable and the path's first parts
}

func newCast(ctx context.Context, t *testing.T) *cast {
	t.Helper()
	c := &cast{browsers: map[string]*shop.Shopper{"guest": shop.New()}, accounts: map[string]shop.Account{}}
	fill(ctx, t, c.browsers["guest"])
	for name, command := range map[string]string{"stranger": "", "owner": "", "support": "grant-support", "admin": "grant-admin"} {
		s, account := signedIn(ctx, t)
		if command != "" {
			require.NoError(t, shop.Command(ctx, command, account.Email))
			require.NoError(t, s.Login(ctx, account)) // a new session has the new role
		}
		c.browsers[name], c.accounts[name] = s, account
	}
	owner := c.browsers["owner"]
	fill(ctx, t, owner)
	order, err := owner.Place(ctx, shop.With("pm_card_visa"), "")
	require.NoError(t, err)
	_, err = owner.Await(ctx, order.ID, "paid")
	require.NoError(t, err)
	var address struct{ ID string }
	require.NoError(t, owner.Do(ctx, http.MethodPost, "account/addresses", shop.Home, &address))
	require.NoError(t, shop.New().Login(ctx, c.accounts["owner"]))
	var sessions struct{ Items []device }
	require.NoError(t, owner.Do(ctx, http.MethodGet, "auth/sessions", nil, &sessions))
	other := slices.IndexFunc(sessions.Items, func(d device) bool { return !d.Current })
	var export privacyRequest
	require.NoError(t, owner.Do(ctx, http.MethodPost, "account/privacy/export", nil, &export))
	variants, err := shop.InStock(ctx, 1)
	require.NoError(t, err)
	var list shop.Products
	require.NoError(t, owner.Do(ctx, http.MethodGet, "products?limit=1", nil, &list))
	c.has = map[string]string{
		"orders/{id}": order.ID, "addresses/{id}": address.ID, "sessions/{id}": sessions.Items[other].ID, "{sku}": variants[0].SKU,
		"export/{link}": export.Link[strings.LastIndex(export.Link, "/")+1:], "{service}": "ordering", "{slug}": list.Items[0].Slug,
	}
	return c
}

// address fills the owner's things into a path, and what nobody has where the owner has none.
func (c *cast) address(path string) string {
	for name, value := range c.has {
		path = strings.ReplaceAll(path, name, name[:strings.Index(name, "{")]+value)
	}
	for _, name := range []string{"{id}", "{link}", "{token}", "{code}", "{name}"} {
		path = strings.ReplaceAll(path, name, uuid.NewString())
	}
	return path
}

func (c *cast) browser(ctx context.Context, t *testing.T, person, route string) *shop.Shopper {
	t.Helper()
	if person == "anonymous" {
		return shop.New()
	}
	if !slices.Contains(lastWords, route) || person == "guest" {
		return c.browsers[person]
	}
	s := shop.New()
	if strings.HasSuffix(route, "/erasure") {
		s, _ = signedIn(ctx, t) // as good as any
		return s
	}
	require.NoError(t, s.Login(ctx, c.accounts[person]))
	return s
}

func comesTo(err error) (outcome, error) {
	var p *shop.Problem
	switch {
	case err == nil || !errors.As(err, &p) && !strings.Contains(err.Error(), "without a problem document"):
		return "in", nil // a page, or a stream, is no JSON
	case p == nil || p.Code == "no-such-route" || p.Status >= http.StatusInternalServerError || p.Code == "too-many-requests":
		return "", err
	case p.Code == "sign-in-required" || p.Status == http.StatusForbidden && p.Code == "not-allowed" || p.Status == http.StatusNotFound:
		return outcome(fmt.Sprint(p.Status)), nil
	}
	return "in", nil
}

func TestEveryRouteIsForWhomItIsFor(t *testing.T) {
	shop.Require(t)
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	var api struct{ Paths map[string]map[string]any }
	_, text, err := shop.New().Raw(ctx, http.MethodGet, "/api/openapi.json", "", "", nil)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(text), &api))
	routes := map[string]bool{}
	for path, item := range api.Paths {
		for method := range item {
			if method != "parameters" {
				routes[strings.ToUpper(method)+" "+path] = true
			}
		}
	}
	for route := range routes {
		require.Contains(t, routeRights, route, "who may use %s?", route)
	}
	calls, err := mesh.Calls()
	require.NoError(t, err)
	soon := map[string]bool{}
	for _, call := range calls {
		soon[call.Method+" "+call.Path] = call.Soon
	}
	c := newCast(ctx, t)
	order := func(a, b string) int { // reading first, then changing, then removing, then leaving
		return 10*(weight(a)-weight(b)) + strings.Compare(a, b)
	}
	for _, route := range slices.SortedFunc(maps.Keys(routeRights), order) {
		require.True(t, routes[route], "there is no %s", route)
		method, path, _ := strings.Cut(route, " ")
		if soon[strings.Replace(route, "/api/v1", "", 1)] {
			continue
		}
		for i, person := range people {
			var in any
			if method != http.MethodGet && method != http.MethodDelete {
				in = map[string]any{}
			}
			if body, special := bodies[route]; special {
				in = body
			}
			s := c.browser(ctx, t, person, route)
			var header []string
			if method == http.MethodPost {
				header = []string{"Idempotency-Key", uuid.NewString()}
			}
			patience, enough := context.WithTimeout(ctx, time.Minute)
			if strings.HasSuffix(path, "/events") { // a stream that is open does not end
				patience, enough = context.WithTimeout(ctx, 3*time.Second)
			}
			err := s.To(patience, method, c.address(path), in, nil, header...)
			enough()
			got, fault := comesTo(err)
			require.NoError(t, fault, "%s as %s", route, person)
			if want := rights[routeRights[route]][i]; got != want {
				t.Errorf("%s as %s comes to %q and not to %q: %v", route, person, got, want, err)
			}
		}
	}
}

func weight(route string) int {
	switch {
	case slices.Contains(lastWords, route):
		return 3
	case strings.HasPrefix(route, "DELETE "), strings.HasSuffix(route, "/export/{link}"):
		return 2
	case strings.HasPrefix(route, "GET "):
		return 0
	}
	return 1
}
