package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

func TestOnlyWhatMayTravelReachesServices(t *testing.T) {
	s := openShop(t)
	s.serve("catalog GET /images/x.webp", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "image/webp")
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("Set-Cookie", "__Host-access=stolen; Path=/; Secure")
		h.Set("Server", "internal")
		h.Set("Traceparent", "00-1-1-01")
		h.Set("Location", "http://10.0.0.1/")
		h.Set("Access-Control-Allow-Origin", "*")
		_, _ = io.WriteString(w, "picture")
	})
	trace := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	got := s.browser().get("/api/v1/images/x.webp",
		"Authorization", "Bearer forged", "X-User-Id", "admin", "X-User-Roles", "admin", "Dapr-App-Id", "payment", "Dapr-Api-Token", "guess",
		"Dapr-Caller-App-Id", "ordering", "Forwarded", "for=1.2.3.4", "X-Forwarded-For", "1.2.3.4", "X-Forwarded-Host", "evil",
		"X-Real-Ip", "1.2.3.4", "Sidecart-Client-Address", "1.2.3.4", "Cookie", "__Host-guest=x; a=b", "Tracestate", "a=b", "Baggage", "userId=1",
		"X-Http-Method-Override", "DELETE", "Accept-Language", "de", "Traceparent", trace)
	require.Equal(t, 200, got.StatusCode)
	require.Equal(t, "picture", got.body)
	require.Equal(t, "public, max-age=31536000, immutable", got.Header.Get("Cache-Control"))
	for _, name := range []string{"Set-Cookie", "Server", "Traceparent", "Location", "Access-Control-Allow-Origin"} {
		require.Empty(t, got.Header.Get(name), name)
	}
	seen := s.callsTo("catalog GET /images/x.webp")[0].header
	require.Equal(t, "dapr-token", seen.Get("Dapr-Api-Token"))
	require.Equal(t, "de", seen.Get("Accept-Language"))
	require.Equal(t, trace, seen.Get("Traceparent"))
	for name := range seen {
		switch name {
		case "Dapr-App-Id", "Dapr-Api-Token", "Accept-Language", "Traceparent", "User-Agent", "Accept-Encoding":
		default:
			t.Errorf("%s: %q travelled", name, seen.Get(name))
		}
	}
	require.NotContains(t, seen.Get("User-Agent"), "evil")
}

func TestProblemsStayWhatTheyAre(t *testing.T) {
	s := openShop(t)
	customer := s.browser()
	customer.cookies[accessCookie] = token("ada", time.Hour)
	for _, c := range []struct {
		kind problem.Kind
		code string
	}{
		{problem.NotFound, "order-not-found"}, {problem.Conflict, "already-shipped"}, {problem.Unprocessable, "quantity-too-large"},
		{problem.Invalid, "malformed-json"}, {problem.Forbidden, "not-allowed"}, {problem.TooMany, "slow-down"},
		{problem.Internal, "internal-error"}, {problem.Unavailable, "not-ready"}, {problem.PreconditionFailed, "changed-meanwhile"},
	} {
		s.serve("ordering GET /orders/1", func(w http.ResponseWriter, r *http.Request) {
			e := problem.New(c.kind, c.code, "A sentence.").WithFields(problem.FieldError{Field: "a.b", Detail: "must be"})
			problem.Write(w, r, e.WithRetryAfter(7*time.Second))
		})
		got := customer.get("/api/v1/orders/1")
		got.isProblem(t, c.kind.Status(), c.code)
		require.Contains(t, got.body, `"errors":[{"field":"a.b","detail":"must be"}]`)
		require.Contains(t, got.body, "A sentence.")
		require.Equal(t, "7", got.Header.Get("Retry-After"))
		require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
	}
}

func TestWhatIsNoAnswerOfOursIsUnavailable(t *testing.T) {
	s := openShop(t)
	for name, service := range map[string]http.HandlerFunc{
		"dead app": nil,
		"sidecar's refusal": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"errorCode":"ERR_DIRECT_INVOKE","message":"access control policy has denied access to 10.1.2.3"}`)
		},
		"text":     func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "SELECT failed", 500) },
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://10.1.2.3/", 302) },
		"odd":      func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "teapot at 10.1.2.3", 418) },
	} {
		s.serve("auth POST /register", service)
		got := s.browser().do("POST", "/api/v1/auth/register", `{}`)
		got.isProblem(t, 503, "service-unavailable")
		require.NotEmpty(t, got.Header.Get("Retry-After"), name)
		require.NotContains(t, got.body, "10.1.2.3", name)
		require.NotContains(t, got.body, "SELECT", name)
	}
}

func TestHalfAnAnswerDoesNotPassForAWholeOne(t *testing.T) {
	s := openShop(t)
	s.serve("catalog GET /images/x.webp", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	resp, err := http.Get(s.url + "/api/v1/images/x.webp")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	require.Error(t, err)
}

func TestBodiesAreLimited(t *testing.T) {
	s := openShop(t)
	s.serve("auth POST /register", answer(202, "ok"))
	s.serve("payment POST /webhooks/stripe", answer(200, "ok"))
	s.serve("auth POST /login", answer(200, session{}))
	most := strings.Repeat("x", 1<<20)
	for _, path := range []string{"/api/v1/auth/register", "/webhooks/stripe", "/api/v1/auth/login"} {
		require.Less(t, s.browser().do("POST", path, most).StatusCode, 300, path)
		s.browser().do("POST", path, most+"x").isProblem(t, 413, "body-too-large")
	}
	for _, name := range []string{"auth POST /register", "payment POST /webhooks/stripe", "auth POST /login"} {
		require.Len(t, s.callsTo(name), 1)
	}
}

func TestWebhooksPassUntouched(t *testing.T) {
	s := openShop(t)
	body := " {\"id\": \"evt_1\",\r\n\t\"ü\":  1.00}\n"
	s.serve("payment POST /webhooks/stripe", answer(200, map[string]bool{"received": true}))
	stripe := s.browser()
	got := stripe.do("POST", "/webhooks/stripe", body, "Stripe-Signature", "t=1,v1=abc", "Origin", "https://stripe.example",
		"Sec-Fetch-Site", "cross-site", "Content-Type", "application/json; charset=utf-8")
	require.Equal(t, 200, got.StatusCode)
	seen := s.callsTo("payment POST /webhooks/stripe")[0]
	require.Equal(t, body, seen.body)
	require.Equal(t, "t=1,v1=abc", seen.header.Get("Stripe-Signature"))
	require.Equal(t, "application/json; charset=utf-8", seen.header.Get("Content-Type"))
	require.Empty(t, seen.header.Get("Authorization"))

	s.serve("payment POST /webhooks/stripe", refuse(problem.Invalid, "invalid-signature"))
	stripe.do("POST", "/webhooks/stripe", body).isProblem(t, 400, "invalid-signature")
	s.serve("payment POST /webhooks/stripe", nil)
	stripe.do("POST", "/webhooks/stripe", body).isProblem(t, 503, "service-unavailable")
}

func TestPayPalsWebhooksKeepTheirSignature(t *testing.T) {
	s := openShop(t)
	s.serve("payment POST /webhooks/paypal", answer(204, nil))
	var headers []string
	for _, name := range []string{"Auth-Algo", "Cert-Url", "Transmission-Id", "Transmission-Sig", "Transmission-Time"} {
		headers = append(headers, "PAYPAL-"+strings.ToUpper(name), "the "+name)
	}
	require.Equal(t, 204, s.browser().do("POST", "/webhooks/paypal", `{"id": "WH-1"}`, headers...).StatusCode)
	seen := s.callsTo("payment POST /webhooks/paypal")[0]
	require.Equal(t, `{"id": "WH-1"}`, seen.body)
	for i := 0; i < len(headers); i += 2 {
		require.Equal(t, headers[i+1], seen.header.Get(headers[i]))
	}
}

func TestRequestsFromOtherSitesAreRefused(t *testing.T) {
	s := openShop(t)
	s.serve("auth POST /logout", answer(200, nil))
	s.serve("auth POST /register", answer(202, "ok"))
	s.serve("catalog GET /categories", answer(200, map[string]any{}))
	customer := s.browser()
	for _, rt := range s.server.routes() {
		if rt.method == "GET" || rt.access == provider {
			continue
		}
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
			customer.do(rt.method, strings.NewReplacer("{id}", "1", "{slug}", "a", "{sku}", "A", "{code}", "B", "{service}", "payment", "{token}", "t").Replace(rt.path), "{}", header...).isProblem(t, 403, "cross-origin")
		}
	}
	require.Empty(t, s.calls)
	require.Equal(t, 202, customer.do("POST", "/api/v1/auth/register", "{}", "Sec-Fetch-Site", "same-origin").StatusCode)
	require.Equal(t, 202, customer.do("POST", "/api/v1/auth/register", "{}", "Origin", s.url).StatusCode)
	require.Equal(t, 200, customer.get("/api/v1/categories", "Sec-Fetch-Site", "cross-site").StatusCode)
}

func TestRatesAreLimited(t *testing.T) {
	s := openShop(t, func(cfg *settings) { cfg.perAddress, cfg.perSession = "5", "0.5" })
	s.serve("basket GET /basket", answer(200, "basket"))
	s.serve("auth POST /guests", answer(200, web.Page[guestToken]{Items: []guestToken{{token("guest", time.Hour), time.Now().Add(time.Hour)}}}))
	guest := s.browser()
	guest.cookies[guestCookie] = newSecret()
	require.Equal(t, 200, guest.get("/api/v1/basket").StatusCode)
	refused := guest.get("/api/v1/basket")
	refused.isProblem(t, 429, "too-many-requests")
	require.Equal(t, "1", refused.Header.Get("Retry-After"))
	require.Equal(t, 200, s.browser().get("/api/v1/basket").StatusCode, "another visitor at the same address")
	for range 10 {
		refused = s.browser().get("/api/v1/basket")
	}
	refused.isProblem(t, 429, "too-many-requests")
}

func TestRatesAreRead(t *testing.T) {
	for _, wrong := range []string{"x", "-1", "NaN"} {
		_, err := newLimits(wrong, "")
		require.Error(t, err)
		_, err = newLimits("", wrong)
		require.Error(t, err)
	}
	lim, err := newLimits("", "0")
	require.NoError(t, err)
	require.EqualValues(t, defaultPerAddress, lim.perAddress)
}

func TestAnIPv6NetworkIsOneClient(t *testing.T) {
	of := func(remote string) string { return clientAddress(&http.Request{RemoteAddr: remote}) }
	require.Equal(t, of("[2001:db8::1]:80"), of("[2001:db8::ffff:1]:81"))
	require.NotEqual(t, of("[2001:db8::1]:80"), of("[2001:db8:0:1::1]:80"))
	require.NotEqual(t, of("10.0.0.1:80"), of("10.0.0.2:80"))
}

func TestRecentIsBounded(t *testing.T) {
	c := newRecent[int](10)
	for i := range 1000 {
		c.put(fmt.Sprint(i), i)
		c.getOrPut("kept", func() int { return -1 })
	}
	require.LessOrEqual(t, len(c.young)+len(c.old), 20)
	v, ok := c.get("999")
	require.True(t, ok)
	require.Equal(t, 999, v)
	v, ok = c.get("kept")
	require.True(t, ok)
	require.Equal(t, -1, v)
	_, ok = c.get("1")
	require.False(t, ok)
	c.drop("999")
	_, ok = c.get("999")
	require.False(t, ok)
}

// A page says itself what a browser may load for it; nothing else that a service answers does.
func TestAServicesPageHasItsOwnPolicy(t *testing.T) {
	s := openShop(t)
	const policy = "default-src 'none'; style-src 'sha256-x'"
	write := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		_, _ = w.Write([]byte("<!doctype html><h1>Invoice</h1>"))
	}
	s.serve("ordering GET /orders/1/invoice", write)
	s.serve("ordering GET /orders/1", write)
	s.serve("ordering GET /orders/2/invoice", answer(200, map[string]any{}))
	customer := s.browser()
	customer.cookies[accessCookie] = token("ada", time.Hour)
	got := customer.get("/api/v1/orders/1/invoice")
	require.Equal(t, 200, got.StatusCode)
	require.Contains(t, got.body, "<h1>Invoice</h1>")
	require.Equal(t, []string{policy}, got.Header.Values("Content-Security-Policy"))
	require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
	require.Equal(t, contentSecurityPolicy, customer.get("/api/v1/orders/1").Header.Get("Content-Security-Policy"))
	require.Equal(t, contentSecurityPolicy, customer.get("/api/v1/orders/2/invoice").Header.Get("Content-Security-Policy"))
}

func TestTheBackOfficeNeedsASession(t *testing.T) {
	s := openShop(t)
	s.serve("ordering PUT /admin/orders/1/shipment", func(w http.ResponseWriter, r *http.Request) {
		require.NotEmpty(t, r.Header.Get("Authorization"), "the service looks for the role in the token")
		w.WriteHeader(http.StatusOK)
	})
	visitor := s.browser()
	visitor.do("PUT", "/api/v1/admin/orders/1/shipment", `{}`).isProblem(t, 401, "sign-in-required")
	require.Empty(t, s.calls, "nobody becomes a guest in the back office")
	staff := s.browser()
	staff.cookies[accessCookie] = token("ada", time.Hour)
	require.Equal(t, 200, staff.do("PUT", "/api/v1/admin/orders/1/shipment", `{}`).StatusCode)
}
