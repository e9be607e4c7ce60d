package main

import (
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

var builtSite = fstest.MapFS{
	"index.html":         {Data: []byte("<!doctype html><title>Shop</title>" + strings.Repeat(" ", 500))},
	"assets/app-1a2b.js": {Data: []byte(strings.Repeat("console.log('hello');\n", 100))},
	"favicon.svg":        {Data: []byte("<svg/>")},
	".gitkeep":           {},
}

func withSite(cfg *settings) { cfg.static = builtSite }

func TestRoutesAreThoseOfTheDescription(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]yaml.Node
	}
	require.NoError(t, yaml.Unmarshal(openapiYAML, &doc))
	var described []string
	for path, item := range doc.Paths {
		for method := range item {
			if method != "parameters" {
				described = append(described, strings.ToUpper(method)+" "+path)
			}
		}
	}
	var routed []string
	for _, rt := range (&server{}).routes() {
		routed = append(routed, rt.method+" "+rt.path)
	}
	require.ElementsMatch(t, described, routed)
}

func TestWhoNeedsNoSessionIsDescribed(t *testing.T) {
	var api spec
	require.NoError(t, yaml.Unmarshal(openapiYAML, &api))
	open := map[string]bool{}
	for _, tag := range api.Tags {
		for _, e := range api.Endpoints(tag.Name) {
			open[e.Method+" "+e.Path] = e.Public()
		}
	}
	for _, rt := range (&server{}).routes() {
		name := rt.method + " " + rt.path
		switch name {
		case "GET /api/v1/basket", "POST /api/v1/auth/refresh": // they look at the cookies themselves
			require.False(t, open[name], name)
		default:
			require.Equal(t, rt.access == anyone || rt.access == provider, open[name], name)
		}
	}
}

// Whoever has lost an answer must know what sending the request again does.
func TestOfEveryPostItIsSaidWhatARepeatDoes(t *testing.T) {
	var api spec
	require.NoError(t, yaml.Unmarshal(openapiYAML, &api))
	for _, tag := range api.Tags {
		for _, e := range api.Endpoints(tag.Name) {
			keyed := slices.ContainsFunc(e.Parameters, func(p parameter) bool { return api.parameter(p).Name == "Idempotency-Key" })
			if e.Method == "POST" && !keyed {
				require.Regexp(t, `\b[Rr]epeat\b`, e.Description, e.Path)
			}
		}
	}
}

func TestEveryVariableOfATargetIsInItsPath(t *testing.T) {
	variable := regexp.MustCompile(`\{\w+\}`)
	for _, rt := range (&server{}).routes() {
		require.Subset(t, variable.FindAllString(rt.path, -1), variable.FindAllString(rt.target.path, -1), rt.path)
	}
}

func TestNothingButTheRoutesIsReachable(t *testing.T) {
	s := openShop(t, withSite)
	for _, rt := range s.server.routes() { // services that would answer anything
		s.serve(rt.target.app+" "+rt.method+" "+rt.target.path, answer(200, "reached"))
	}
	for _, path := range []string{
		"/livez", "/readyz", "/metrics", "/healthz", "/outbox", "/v1.0/healthz", "/v1.0/metadata", "/v1.0/shutdown",
		"/v1.0/invoke/auth/method/guests", "/v1.0/secrets/auth-secrets/DATABASE_URL", "/v1.0/state/statestore/x",
		"/v1.0/publish/pubsub/order-placed-v1", "/dapr/subscribe", "/dapr/config", "/events/order-placed-v1",
		"/api", "/api/", "/api/v1", "/api/v2/products", "/api/v1/", "/api/v1/unknown", "/api/v1/products/",
		"/api/v1/guests", "/api/v1/auth/guests", "/api/v1/auth/jwks.json", "/api/v1/accounts/1", "/api/v1/basket/merge",
		"/api/v1/stock", "/api/v1/quotes", "/api/v1/variants", "/api/v1/orders/1/summary", "/api/v1/outbox",
		"//api/v1/products", "/api//v1/products", "/api/v1//products", "/api/v1/products//", "/./api/v1/products",
		"/api/v1/../v1/products", "/api/v1/products/..", "/api/v1/products/../../guests", "/api/v1/products/.",
		"/api/v1/products/..%2f..%2fguests", "/api/v1/products/%2e%2e/%2e%2e/guests", "/api/v1/products/..%5cguests",
		"/api/v1/products/%2e%2e%2fguests", "/api/v1/products/..%252fguests", "/api/v1/products/a%2fb",
		"/api/v1/products/a%00b", "/api/v1/products/a%0d%0ab", "/api/v1/products/a;b", "/api/v1/products/..;/guests",
		"/api/v1/products/a%3fb", "/api/v1/products/a%23b", `/api/v1/products/a\b`, "/%61pi/v1/products", "/API/v1/products",
		"/api/v1/orders/{id}", "/assets/../index.html", "/assets/", "/assets", "/assets/app.js", "/.gitkeep", "/.git/config",
		"/index.html", "/openapi.yaml", "/api/openapi.yaml", "/api/docs/", "/webhooks/stripe/", "/webhooks/other",
		"/somewhere", "/products/a/b", "/checkout/x",
	} {
		s.browser().get(path).isProblem(t, 404, "no-such-route")
	}
	require.Empty(t, s.calls)
}

func TestOtherMethodsAreRefused(t *testing.T) {
	s := openShop(t)
	for method, path := range map[string]string{
		"POST": "/api/v1/products", "DELETE": "/api/v1/basket", "TRACE": "/api/v1/basket", "PUT": "/api/v1/checkout", "OPTIONS": "/api/v1/basket",
	} {
		s.browser().do(method, path, "").isProblem(t, 405, "method-not-allowed")
	}
	s.browser().do("POST", "/", "").isProblem(t, 404, "no-such-route")
	require.Empty(t, s.calls)
}

func TestStorefront(t *testing.T) {
	s := openShop(t, withSite)
	for _, path := range []string{"/", "/products", "/products/enamel-teapot", "/products?query=tea", "/orders/1", "/verify-email?token=x"} {
		got := s.browser().get(path)
		require.Equal(t, 200, got.StatusCode, path)
		require.Contains(t, got.body, "Shop", path)
		require.Equal(t, "no-cache", got.Header.Get("Cache-Control"))
	}
	asset := s.browser().get("/assets/app-1a2b.js", "Accept-Encoding", "br, gzip")
	require.Equal(t, "public, max-age=31536000, immutable", asset.Header.Get("Cache-Control"))
	require.Equal(t, "gzip", asset.Header.Get("Content-Encoding"))
	require.Contains(t, asset.Header.Get("Content-Type"), "javascript")
	plain := s.browser().get("/assets/app-1a2b.js")
	require.Empty(t, plain.Header.Get("Content-Encoding"))
	require.Greater(t, len(plain.body), len(asset.body))
	require.Equal(t, 304, s.browser().get("/favicon.svg", "If-None-Match", s.browser().get("/favicon.svg").Header.Get("Etag")).StatusCode)

	lost := s.browser().get("/somewhere", "Accept", "text/html,application/xhtml+xml")
	require.Equal(t, 404, lost.StatusCode)
	require.Contains(t, lost.body, "Shop")
	s.browser().get("/api/somewhere", "Accept", "text/html").isProblem(t, 404, "no-such-route")
}

func TestStorefrontNotBuiltSaysSo(t *testing.T) {
	got := openShop(t).browser().get("/")
	require.Equal(t, 503, got.StatusCode)
	require.Contains(t, got.body, "make run")
}

func TestPagesAreThoseOfTheStorefront(t *testing.T) {
	source, err := os.Open("../storefront/src/paths.ts")
	require.NoError(t, err)
	defer source.Close()
	text, err := io.ReadAll(source)
	require.NoError(t, err)
	variable := regexp.MustCompile(`\$\{[^}]*\}`)
	var theirs []string
	for _, m := range regexp.MustCompile("['`](/[^'`]*)['`]").FindAllStringSubmatch(string(text), -1) {
		theirs = append(theirs, variable.ReplaceAllString(m[1], "*"))
	}
	slices.Sort(theirs)
	ours := slices.Clone(pages)
	slices.Sort(ours)
	require.Equal(t, slices.Compact(theirs), ours)
}

func TestSecurityHeadersOnEveryKindOfAnswer(t *testing.T) {
	s := openShop(t, withSite, func(cfg *settings) { cfg.perAddress = "1000" })
	s.serve("catalog GET /categories", answer(200, map[string]any{"items": []string{}}))
	visitor := s.browser()
	for name, got := range map[string]reply{
		"page":         visitor.get("/"),
		"asset":        visitor.get("/assets/app-1a2b.js"),
		"public":       visitor.get("/api/v1/categories"),
		"basket":       visitor.get("/api/v1/basket"),
		"unavailable":  visitor.get("/api/v1/products"),
		"anonymous":    visitor.get("/api/v1/auth/me"),
		"no route":     visitor.get("/api/v1/nothing"),
		"path trick":   visitor.get("/api/v1/products/%2e%2e"),
		"method":       visitor.do("POST", "/api/v1/products", ""),
		"cross-origin": visitor.do("POST", "/api/v1/auth/logout", "", "Sec-Fetch-Site", "cross-site"),
		"docs":         visitor.get("/api/docs"),
		"openapi":      visitor.get("/api/openapi.json"),
	} {
		policy := got.Header.Get("Content-Security-Policy")
		require.Contains(t, policy, "frame-ancestors 'none'", name)
		require.Contains(t, policy, "base-uri 'none'", name)
		require.Contains(t, policy, "default-src '", name)
		require.NotContains(t, policy, "unsafe", name)
		for header, want := range map[string]string{
			"Strict-Transport-Security": "max-age=63072000; includeSubDomains", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			require.Equal(t, want, got.Header.Get(header), name)
		}
		require.NotEmpty(t, got.Header.Get("Permissions-Policy"), name)
		require.NotEmpty(t, got.Header.Get("Cache-Control"), name)
		require.Empty(t, got.Header.Get("Access-Control-Allow-Origin"), name)
		require.Empty(t, got.Header.Get("Server"), name)
	}
}

func TestDescriptionIsServedAndReadable(t *testing.T) {
	s := openShop(t)
	got := s.browser().get("/api/openapi.json")
	require.Equal(t, 200, got.StatusCode)
	require.True(t, strings.HasPrefix(got.body, `{"openapi":"3.1.0"`))
	var fromJSON, fromYAML any
	require.NoError(t, yaml.Unmarshal([]byte(got.body), &fromJSON))
	require.NoError(t, yaml.Unmarshal(openapiYAML, &fromYAML))
	require.Equal(t, fromYAML, fromJSON)

	page := s.browser().get("/api/docs")
	require.Equal(t, 200, page.StatusCode)
	require.NotContains(t, page.body, "<script")
	require.NotContains(t, page.body, " style=")
	for _, rt := range s.server.routes() {
		require.Contains(t, page.body, rt.path)
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page.body, -1) {
		require.False(t, ids[m[1]], "id %s twice", m[1])
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page.body, -1) {
		require.True(t, ids[m[1]], "link to nothing: %s", m[1])
	}
}

func TestReferencesOfTheDescriptionLeadSomewhere(t *testing.T) {
	var doc map[string]any
	require.NoError(t, yaml.Unmarshal(openapiYAML, &doc))
	var walk func(where string, v any)
	walk = func(where string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				require.NotNil(t, inner, "%s/%s is empty", where, name)
				if ref, ok := inner.(string); ok && name == "$ref" {
					var at any = doc
					for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
						at = at.(map[string]any)[step]
					}
					require.NotNil(t, at, ref)
				}
				walk(where+"/"+name, inner)
			}
		case []any:
			for _, inner := range v {
				walk(where+"[]", inner)
			}
		}
	}
	walk("", doc)
}
