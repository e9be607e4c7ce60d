package idempotency_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sidecart/sidecart/internal/idempotency"
)

func FuzzFromRequest(f *testing.F) {
	for _, key := range []string{"0b5f7a1e-ok", "", "a b", "ü", "\r\nX: y", strings.Repeat("x", 201)} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Idempotency-Key", header)
		key, err := idempotency.FromRequest(r)
		if err == nil && (key != header || len(key) > 200 || strings.ContainsFunc(key, func(c rune) bool { return c < '!' || c > '~' })) {
			t.Fatalf("%q is taken for the key %q", header, key)
		}
	})
}
