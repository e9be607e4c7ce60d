package main

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/problem"
)

// unreachable is what a sidecar answers for a service that is not there, the first so many times.
func unreachable(times int64, then http.HandlerFunc) http.HandlerFunc {
	var left atomic.Int64
	left.Store(times)
	return func(w http.ResponseWriter, r *http.Request) {
		if left.Add(-1) >= 0 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`{"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke"}`))
			return
		}
		then(w, r)
	}
}

func TestOnlyHarmlessCallsAreRepeatedAndOnce(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	b := s.browser()
	b.do("POST", "/api/v1/auth/login", `{}`)
	for _, c := range []struct {
		method, path, name string
		key                bool
		away               int64
		want, calls        int
	}{
		{"GET", "/api/v1/orders/1", "ordering GET /orders/1", false, 1, 200, 2},
		{"GET", "/api/v1/orders/2", "ordering GET /orders/2", false, 2, 503, 2},
		{"POST", "/api/v1/checkout", "basket POST /checkout", true, 1, 200, 2},
		{"POST", "/api/v1/checkout/quote", "basket POST /checkout/quote", false, 1, 503, 1},
		{"PUT", "/api/v1/orders/3/cancellation", "ordering PUT /orders/3/cancellation", false, 1, 503, 1},
	} {
		s.serve(c.name, unreachable(c.away, answer(200, "ok")))
		var header []string
		if c.key {
			header = []string{"Idempotency-Key", "0123456789"}
		}
		got := b.do(c.method, c.path, `{"a":1}`, header...)
		require.Equal(t, c.want, got.StatusCode, c.path)
		calls := s.callsTo(c.name)
		require.Len(t, calls, c.calls, c.path)
		for _, call := range calls {
			require.Equal(t, `{"a":1}`, call.body, "a repeat says the same")
		}
	}
}

func TestARefusalIsNotRepeated(t *testing.T) {
	s := openShop(t)
	for _, kind := range []problem.Kind{problem.NotFound, problem.Unavailable, problem.Internal, problem.TooMany} {
		s.serve("catalog GET /categories", refuse(kind, "no"))
		before := len(s.callsTo("catalog GET /categories"))
		s.browser().get("/api/v1/categories")
		require.Len(t, s.callsTo("catalog GET /categories"), before+1, kind)
	}
}

func TestAnAppThatIsAwayIsLeftAlone(t *testing.T) {
	s := openShop(t)
	const name = "catalog GET /categories"
	for range 200 {
		s.browser().get("/api/v1/categories").isProblem(t, 503, "service-unavailable")
	}
	tried := len(s.callsTo(name))
	require.GreaterOrEqual(t, tried, breakAfter)
	require.Less(t, tried, 2*breakAfter, "neither requests nor repeats go on against it")
	s.serve(name, answer(200, map[string]any{"items": []int{}}))
	require.Eventually(t, func() bool { return s.browser().get("/api/v1/categories").StatusCode == 200 }, 5*time.Second, 50*time.Millisecond)
	for range 20 {
		require.Equal(t, 200, s.browser().get("/api/v1/categories").StatusCode)
	}
}

// Wrong passwords, empty shelves and even a service's own failures are answers: they close the way for nobody.
func TestAnswersNeverCloseTheWay(t *testing.T) {
	s := openShop(t)
	for _, kind := range []problem.Kind{problem.Unauthenticated, problem.NotFound, problem.Internal, problem.Unavailable} {
		s.serve("auth POST /login", refuse(kind, "no"))
		for range 2 * breakAfter {
			s.browser().do("POST", "/api/v1/auth/login", `{}`)
		}
	}
	require.Len(t, s.callsTo("auth POST /login"), 4*2*breakAfter)
}

func TestRepeatsAreAShareOfTheCalls(t *testing.T) {
	l := newCalls(nil).to("catalog")
	repeats := 0
	for range 1000 {
		l.earn()
		if l.spend() {
			repeats++
		}
	}
	require.InDelta(t, 1000*retryShare+retryMost, repeats, 2)
}
