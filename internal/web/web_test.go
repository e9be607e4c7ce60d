package web

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
)

func TestDecodeRefusesGarbage(t *testing.T) {
	type body struct {
		Quantity int          `json:"quantity"`
		Price    money.Amount `json:"price"`
	}
	for _, c := range []struct{ contentType, body, code string }{
		{"text/plain", `{}`, "unsupported-media-type"},
		{"", `{}`, "unsupported-media-type"},
		{"application/json", ``, "malformed-json"},
		{"application/json", `{"quantity":`, "malformed-json"},
		{"application/json", `{"quantity":1}{"quantity":2}`, "malformed-json"},
		{"application/json", `{"quantity":1} x`, "malformed-json"},
		{"application/json", `{"quantity":"1"}`, "wrong-type"},
		{"application/json", `{"quantity":1.5}`, "wrong-type"},
		{"application/json", `{"quantity":1e99}`, "wrong-type"},
		{"application/json", `[]`, "wrong-type"},
		{"application/json", `{"price":{"amount":1.5,"currency":"EUR"}}`, "wrong-type"},
		{"application/json", `{"amount":1}`, "unknown-field"},
		{"application/json", `{"quantity":1` + strings.Repeat(" ", MaxBody) + `}`, "body-too-large"},
	} {
		rec := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.contentType)
		err := Decode(rec, r, &body{})
		require.Truef(t, problem.Is(err, c.code), "%.60s: %v, want %s", c.body, err, c.code)
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"quantity":3}`))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	var good body
	require.NoError(t, Decode(httptest.NewRecorder(), r, &good))
	require.Equal(t, 3, good.Quantity)
}

func TestRouterMissesAreProblems(t *testing.T) {
	router := Router()
	router.Handle("/things/{id}", Handler(func(w http.ResponseWriter, _ *http.Request) error {
		return Encode(w, http.StatusOK, "thing")
	})).Methods(http.MethodGet)
	for path, code := range map[string]int{"/things/1": 200, "/things": 404, "/things/1/2": 404, "//things/1": 404, "/a/../things/1": 404} {
		rec := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path = path
		router.ServeHTTP(rec, r)
		require.Equal(t, code, rec.Code, path)
	}
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/things/1", nil))
	require.Equal(t, http.StatusMethodNotAllowed, rec.Code)
	require.Equal(t, "application/problem+json", rec.Header().Get("Content-Type"))
}

func TestLogLineTellsRouteAndProblemButNoSecrets(t *testing.T) {
	var out bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&out, nil)))
	defer slog.SetDefault(old)

	router := Router()
	router.Handle("/verify/{token}", Handler(func(_ http.ResponseWriter, r *http.Request) error {
		SetCaller(r.Context(), "c-1")
		return problem.New(problem.Conflict, "token-used", "used")
	}))
	router.Handle("/broken", Handler(func(http.ResponseWriter, *http.Request) error { return errors.New("SELECT 1") }))
	router.Handle("/panics", Handler(func(http.ResponseWriter, *http.Request) error { panic("boom") }))
	handler := Trace(Log(router))

	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/verify/s3cret?also=s3cret", nil))
	require.Equal(t, http.StatusConflict, rec.Code)
	require.NotContains(t, out.String(), "s3cret")
	for _, want := range []string{`"route":"/verify/{token}"`, `"problem":"token-used"`, `"caller":"c-1"`, `"status":409`, `"trace":"`} {
		require.Contains(t, out.String(), want)
	}
	for _, path := range []string{"/broken", "/panics"} {
		rec = httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, http.StatusInternalServerError, rec.Code)
		require.Contains(t, rec.Body.String(), "internal-error")
		require.NotContains(t, rec.Body.String(), "SELECT")
	}
}

func TestTraceIsJoinedOrStarted(t *testing.T) {
	var seen string
	handler := Trace(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = TraceParent(r.Context()) }))
	parent := NewTraceParent()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Traceparent", parent)
	handler.ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, parent, seen)

	for _, bad := range []string{"00-garbage\n", "00-00000000000000000000000000000000-0000000000000000-00", ""} {
		r.Header.Set("Traceparent", bad)
		handler.ServeHTTP(httptest.NewRecorder(), r)
		require.True(t, valid(seen), seen)
		require.NotEqual(t, parent, seen)
	}
}

func TestLimit(t *testing.T) {
	for query, want := range map[string]int{"": 20, "limit=1": 1, "limit=100": 100} {
		n, err := Limit(httptest.NewRequest(http.MethodGet, "/?"+query, nil), 20, 100)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=-1", "limit=x", "limit=1e2"} {
		_, err := Limit(httptest.NewRequest(http.MethodGet, "/?"+query, nil), 20, 100)
		require.True(t, problem.Is(err, "invalid-limit"), query)
	}
}
