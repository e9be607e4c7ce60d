package sidecar

import (
	"crypto/subtle"
	"net/http"
	"slices"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// AppToken refuses calls that did not come through our own sidecar, which is the only other party to know the token.
// The health and metrics routes stay open: they are reached on loopback or the operators' network only.
func AppToken(token string, next http.Handler) http.Handler {
	return web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		switch r.URL.Path {
		case "/livez", "/readyz", "/metrics":
		default:
			if token == "" || subtle.ConstantTimeCompare([]byte(r.Header.Get("Dapr-Api-Token")), []byte(token)) != 1 {
				return problem.New(problem.Forbidden, "not-through-the-sidecar", "Calls to this service go through its sidecar.")
			}
		}
		next.ServeHTTP(w, r)
		return nil
	})
}

// Caller is the app id of the service that called, as its sidecar states it; "" if that cannot be told. A sidecar hands on
// what its app wrote into the same header beside its own word, in any order, so of two values neither is believed.
func Caller(r *http.Request) string {
	if stated := r.Header.Values("Dapr-Caller-App-Id"); len(stated) == 1 {
		return stated[0]
	}
	return ""
}

// OnlyFrom serves h to the named services alone; to others the route does not exist.
func OnlyFrom(h web.Handler, apps ...string) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !slices.Contains(apps, Caller(r)) {
			return problem.New(problem.NotFound, "no-such-route", "There is nothing at this address.")
		}
		return h(w, r)
	}
}
