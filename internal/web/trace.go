package web

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
)

type traceKey struct{}

// valid reports whether s is 00-32 digits-16 digits-2 digits. It refuses the all-zero trace id too, which a sidecar sends
// when it does not sample.
func valid(s string) bool {
	if len(s) != 55 || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return false
	}
	for _, digits := range [...]string{s[3:35], s[36:52], s[53:]} {
		for i := range len(digits) {
			if c := digits[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return s[3:35] != "00000000000000000000000000000000"
}

// NewTraceParent starts a trace (W3C Trace Context, version 00, sampled).
func NewTraceParent() string {
	var b [24]byte
	_, _ = rand.Read(b[:])
	return "00-" + hex.EncodeToString(b[:16]) + "-" + hex.EncodeToString(b[16:]) + "-01"
}

// TraceParent is the W3C traceparent that ctx works under, or "".
func TraceParent(ctx context.Context) string {
	s, _ := ctx.Value(traceKey{}).(string)
	return s
}

// WithTraceParent puts a traceparent into ctx; one that is not well-formed is left out.
func WithTraceParent(ctx context.Context, s string) context.Context {
	if !valid(s) {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, s)
}

// traceID is the part of a traceparent that all spans of a trace share, for logs.
func traceID(ctx context.Context) string {
	if s := TraceParent(ctx); s != "" {
		return s[3:35]
	}
	return ""
}

// Trace joins each request to its caller's trace, or starts one.
func Trace(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parent := r.Header.Get("Traceparent")
		if !valid(parent) {
			parent = NewTraceParent()
		}
		next.ServeHTTP(w, r.WithContext(WithTraceParent(r.Context(), parent)))
	})
}
