package main

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

// fuzzed is a gateway before services that answer everything, and what reached them.
func fuzzed(f *testing.F) (handler http.Handler, reached func() []string) {
	var seen []string
	standIn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Dapr-App-Id")+" "+r.Method+" "+r.RequestURI)
		_ = web.Encode(w, http.StatusOK, sessionOf("ada", "r1"))
	}))
	f.Cleanup(standIn.Close)
	sc, err := sidecar.New("gateway", standIn.URL, "dapr-token")
	if err != nil {
		f.Fatal(err)
	}
	unlimited, err := newLimits("0", "0")
	if err != nil {
		f.Fatal(err)
	}
	s, err := newServer(sc, unlimited, fstest.MapFS{})
	if err != nil {
		f.Fatal(err)
	}
	return s.handler(), func() []string {
		got := seen
		seen = nil
		return got
	}
}

// Whatever address is typed, services are called at paths of the table only, with nothing in their variables that could be
// read as another path.
func FuzzAddress(f *testing.F) {
	for _, path := range []string{
		"/api/v1/products/enamel-teapot", "/api/v1/products/..%2f..%2fguests", "/api/v1/orders/1/invoice", "//api/v1/products", "/api/v1/products/a%00b", "/v1.0/invoke/auth/method/guests",
		"/api/v1/products/a?x=%2e%2e", "/api/v1/images/x.webp", "/api/v1/products/{slug}", "/api/v1/products/a;b", "/api/v1/account/privacy/erasure/..", "*", "http://evil/api/v1/products/a",
	} {
		f.Add("GET", path)
	}
	f.Add("POST", "/webhooks/stripe")
	f.Add("PUT", "/api/v1/basket/items/A-1")
	f.Add("DELETE", "/api/v1/admin/dead-letters/payment/../../x")
	handler, reached := fuzzed(f)
	variable := regexp.MustCompile(`\\\{\w+\\\}`)
	var table []*regexp.Regexp
	for _, rt := range (&server{}).routes() {
		for _, app := range []string{rt.target.app, "inventory", "ordering", "payment", "notification", "auth"} {
			path := variable.ReplaceAllString(regexp.QuoteMeta(rt.target.path), `[A-Za-z0-9_~-][A-Za-z0-9._~-]*`)
			table = append(table, regexp.MustCompile("^"+app+" "+rt.method+" "+path+`(\?.*)?$`))
		}
	}
	own := regexp.MustCompile(`^(auth POST /(guests|refresh)|inventory GET /stock|basket POST /basket/merge|ordering POST /claims|catalog GET /variants|\w+ GET /trace/[\w.~-]+(/deliveries)?)(\?.*)?$`)
	f.Fuzz(func(t *testing.T, method, target string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + target + " HTTP/1.1\r\nHost: shop\r\n\r\n")))
		if err != nil {
			return // no server gives it to us
		}
		r.RemoteAddr = "192.0.2.1:1"
		r.AddCookie(&http.Cookie{Name: accessCookie, Value: token("ada", time.Hour)})
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		for _, call := range reached() {
			known := own.MatchString(call)
			for _, route := range table {
				known = known || route.MatchString(call)
			}
			if !known {
				t.Fatalf("%s %q reached %q", method, target, call)
			}
		}
		if w.Header().Get("Content-Security-Policy") == "" {
			t.Fatalf("%s %q is answered without a policy", method, target)
		}
	})
}

// Cookies of any form crash nothing, are sent on to nobody, and set no other header.
func FuzzCookies(f *testing.F) {
	for _, cookies := range []string{
		"__Host-access=" + token("ada", time.Hour) + "; __Host-refresh=r0", "__Host-access=e30.e30.x", "__Host-guest=" + strings.Repeat("A", 43), "__Host-access=a; __Host-access=b",
		"__Host-access=..; __Host-refresh=\"", ";;;=", "__Host-device=x\x00", "__Host-access=e30." + "eyJleHAiOjFlOTk5fQ" + ".x",
	} {
		f.Add(cookies)
	}
	handler, reached := fuzzed(f)
	f.Fuzz(func(t *testing.T, cookies string) {
		for _, path := range []string{"/api/v1/auth/me", "/api/v1/basket", "/api/v1/orders"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.RemoteAddr = "192.0.2.1:1"
			r.Header["Cookie"] = []string{cookies}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			for _, c := range w.Result().Cookies() {
				if !strings.HasPrefix(c.Name, "__Host-") || !c.HttpOnly || !c.Secure {
					t.Fatalf("%q sets %v", cookies, c)
				}
			}
		}
		reached()
		_ = expiry(cookies)
		if secret := secretOf(&http.Request{Header: http.Header{"Cookie": {cookies}}}, guestCookie); secret != "" && len(secret) != 43 {
			t.Fatalf("%q holds the secret %q", cookies, secret)
		}
	})
}

// An address that is let through means the same to everybody who reads it.
func FuzzPlain(f *testing.F) {
	for _, path := range []string{"/", "/a/b.c", "/a//b", "/./a", "/a/..", "/%61", "/a;b", "", "a", "/a\\b", "/ä"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if !plain(path) {
			return
		}
		u, err := url.Parse("http://shop" + path)
		if err != nil || u.Path != path || u.RawQuery != "" || u.Fragment != "" || u.JoinPath().Path != path && u.JoinPath().Path+"/" != path {
			t.Fatalf("%q is read as %v: %v", path, u, err)
		}
		if bytes.ContainsAny([]byte(path), "%\\;?#\x00\r\n ") {
			t.Fatalf("%q is let through", path)
		}
	})
}
