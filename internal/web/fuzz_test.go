package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
)

// Whatever comes as a body is read or refused by a problem of ours, and a refusal tells nothing of the inside.
func FuzzDecode(f *testing.F) {
	for _, body := range []string{
		`{"quantity":1,"price":{"amount":1999,"currency":"EUR"}}`, `{"quantity":1e2}`, `{"price":{"amount":1.0,"currency":"JPY"}}`, `{"more":{}}`,
		`null`, `[]`, `"`, `{"quantity":1}{}`, "\xff\xfe", strings.Repeat("[", 20000), `{"quantity":-0}`, `{"Quantity":1,"quantity":2}`,
	} {
		f.Add("application/json", body)
	}
	f.Add("application/merge-patch+json; charset=utf-8", `{}`)
	f.Add("text/plain;;", `{}`)
	f.Fuzz(func(t *testing.T, contentType, body string) {
		var v struct {
			Quantity int                      `json:"quantity"`
			Price    *money.Amount            `json:"price"`
			Lines    []struct{ SKU string }   `json:"lines"`
			Sums     map[string]*money.Amount `json:"sums"`
		}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		err := Decode(httptest.NewRecorder(), r, &v)
		if err == nil {
			return
		}
		p, ours := errors.AsType[*problem.Error](err)
		if !ours || p.Kind.Status() >= http.StatusInternalServerError || p.Code == "" || strings.Contains(p.Detail, "money.Amount") {
			t.Fatalf("%q: %v", body, err)
		}
	})
}

func FuzzLimit(f *testing.F) {
	for _, query := range []string{"", "limit=1", "limit=100", "limit=0x1", "limit=1e2", "limit=+1", "limit=%31", "limit=1&limit=x", "limit=;"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = query
		if n, err := Limit(r, 20, 100); err == nil && (n < 1 || n > 100) {
			t.Fatalf("%q is %d", query, n)
		}
	})
}

func FuzzTraceParent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("00-00000000000000000000000000000000-0000000000000000-00\n")
	f.Fuzz(func(t *testing.T, parent string) {
		ctx := WithTraceParent(t.Context(), parent)
		if got := TraceParent(ctx); got != "" && (got != parent || len(got) != 55 || strings.ContainsAny(got, "\r\n\" ")) {
			t.Fatalf("%q became %q", parent, got)
		}
	})
}
