package sidecar

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// standIn is a sidecar's HTTP API with one answer.
func standIn(t *testing.T, answer http.HandlerFunc) *Client {
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	c, err := New("ordering", server.URL, "sidecar-token")
	require.NoError(t, err)
	return c
}

func TestCallCarriesIdentityKeyAndTrace(t *testing.T) {
	var got http.Header
	var path, body string
	c := standIn(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, path, body = r.Header, r.RequestURI, string(b)
		_ = web.Encode(w, http.StatusOK, map[string]int{"n": 7})
	})
	trace := web.NewTraceParent()
	ctx := WithIdempotencyKey(identity.WithToken(web.WithTraceParent(t.Context(), trace), "jwt"), "key-1")
	var out struct{ N int }
	require.NoError(t, c.Call(ctx, "catalog", http.MethodPost, "/variants?skus=a%2Fb,c", map[string]string{"a": "b"}, &out))
	require.Equal(t, 7, out.N)
	require.Equal(t, "/variants?skus=a%2Fb,c", path)
	require.JSONEq(t, `{"a":"b"}`, body)
	for name, want := range map[string]string{
		"Dapr-App-Id": "catalog", "Dapr-Api-Token": "sidecar-token", "Authorization": "Bearer jwt",
		"Idempotency-Key": "key-1", "Traceparent": trace, "Content-Type": "application/json",
	} {
		require.Equal(t, want, got.Get(name), name)
	}
}

func TestCallTellsRefusalsFromFailures(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		code   string
	}{
		"a problem of the service": {func(w http.ResponseWriter, r *http.Request) {
			problem.Write(w, r, problem.New(problem.NotFound, "unknown-sku", "no"))
		}, "unknown-sku"},
		"the service is dead": {func(w http.ResponseWriter, _ *http.Request) {
			_ = web.Encode(w, http.StatusInternalServerError, map[string]string{"errorCode": "ERR_DIRECT_INVOKE", "message": "connection refused"})
		}, "service-unavailable"},
		"not on the allow-list": {func(w http.ResponseWriter, _ *http.Request) {
			_ = web.Encode(w, http.StatusForbidden, map[string]string{"errorCode": "ERR_DIRECT_INVOKE", "message": "access denied"})
		}, "service-unavailable"},
		"the sidecar hangs up":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "service-unavailable"},
		"a service without manners": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "oops", http.StatusBadGateway) }, "internal-error"},
		"not JSON":                  {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "internal-error"},
	} {
		err := standIn(t, c.answer).Call(t.Context(), "catalog", http.MethodGet, "/x", nil, &struct{}{})
		require.Equal(t, c.code, problem.From(err).Code, name)
	}
}

func TestCallHasADeadline(t *testing.T) {
	released := make(chan struct{})
	defer close(released)
	c := standIn(t, func(http.ResponseWriter, *http.Request) { <-released })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.True(t, problem.Is(c.Call(ctx, "catalog", http.MethodGet, "/x", nil, nil), "service-unavailable"))
}

func TestDoPassesStatusAndBodyOn(t *testing.T) {
	c := standIn(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusFound)
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/x", nil)
	require.NoError(t, err)
	resp, err := c.Do(req, "catalog")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusFound, resp.StatusCode, "a redirect is the caller's affair")
}

func TestAppToken(t *testing.T) {
	open := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	for _, c := range []struct {
		expected, path, sent string
		status               int
	}{
		{"secret", "/orders", "secret", 204}, {"secret", "/orders", "", 403}, {"secret", "/orders", "secre", 403},
		{"", "/orders", "", 403}, // a service without a token lets nobody in
		{"secret", "/livez", "", 204}, {"secret", "/metrics", "", 204}, {"secret", "/livez/", "", 403}, {"secret", "//livez", "", 403},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://x"+c.path, nil)
		r.Header.Set("Dapr-Api-Token", c.sent)
		rec := httptest.NewRecorder()
		AppToken(c.expected, open).ServeHTTP(rec, r)
		require.Equal(t, c.status, rec.Code, c)
	}
}

// Dapr 1.18 adds its own word to what the calling app wrote into the header, in either order.
func TestACallerWhoSaysWhoItIsIsNobody(t *testing.T) {
	for _, stated := range [][]string{{"gateway", "basket"}, {"basket", "gateway"}, {"basket", "basket"}, {}, {"basket, gateway"}} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Dapr-Caller-App-Id"] = stated
		w := httptest.NewRecorder()
		OnlyFrom(func(w http.ResponseWriter, _ *http.Request) error { return nil }, "gateway", "basket").ServeHTTP(w, r)
		require.Equal(t, http.StatusNotFound, w.Code, stated)
	}
}

func TestOnlyFrom(t *testing.T) {
	h := OnlyFrom(func(w http.ResponseWriter, _ *http.Request) error { return web.Encode(w, http.StatusOK, 1) }, "gateway", "basket")
	for caller, status := range map[string]int{"gateway": 200, "basket": 200, "payment": 404, "": 404} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Dapr-Caller-App-Id", caller)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		require.Equal(t, status, rec.Code, caller)
	}
}
