package sidecar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// coach is a client whose calls may travel together, and how many requests its sidecar has seen.
func coach(t *testing.T, service http.Handler) (*Client, *atomic.Int64) {
	requests := new(atomic.Int64)
	c := standIn(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		r.Header.Set("Dapr-Caller-App-Id", "ordering") // as the sidecars do
		service.ServeHTTP(w, r)
	})
	c.together = true
	return c, requests
}

// held lets calls pile up: the first one is answered when others wait, or have left in a bundle.
func held(c *Client, next http.Handler) http.Handler {
	var first sync.Once
	others := make(chan struct{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		holds := false
		first.Do(func() { holds = true })
		if !holds {
			if r.Header.Get("Content-Type") == bundleType {
				select {
				case others <- struct{}{}:
				default:
				}
			}
			next.ServeHTTP(w, r)
			return
		}
		for tries := 0; tries < 2000 && !c.crowded(); tries++ {
			select {
			case <-others:
				tries = 2000
			case <-time.After(time.Millisecond):
			}
		}
		next.ServeHTTP(w, r)
	})
}

// crowded reports whether several calls wait for their departure.
func (c *Client) crowded() bool {
	c.bundles.mu.Lock()
	defer c.bundles.mu.Unlock()
	for _, l := range c.bundles.lines {
		l.mu.Lock()
		n := len(l.waiting)
		l.mu.Unlock()
		if n > 1 {
			return true
		}
	}
	return false
}

type seen struct {
	Method, Target, Body, Bearer, Key, Trace, Caller, Forged string
}

func tell(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h := r.Header
	_ = web.Encode(w, http.StatusOK, seen{
		r.Method, r.RequestURI, string(body), h.Get("Authorization"), h.Get("Idempotency-Key"), h.Get("Traceparent"), Caller(r), h.Get("Dapr-Callee"),
	})
}

func TestCallsOfTheSameMomentTravelTogether(t *testing.T) {
	t.Parallel()
	service := new(http.Handler)
	c, requests := coach(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*service).ServeHTTP(w, r) }))
	const n = 40
	*service = held(c, Unbundle(http.HandlerFunc(tell)))
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			trace := web.NewTraceParent()
			ctx := WithIdempotencyKey(identity.WithToken(web.WithTraceParent(context.Background(), trace), fmt.Sprint("jwt-", i)), fmt.Sprint("key-", i))
			var got seen
			path := fmt.Sprintf("/orders/%d%%2F?n=%d", i, i)
			require.NoError(t, c.Call(ctx, "ordering", http.MethodPost, path, i, &got))
			require.Equal(t, seen{"POST", path, fmt.Sprint(i), fmt.Sprint("Bearer jwt-", i), fmt.Sprint("key-", i), trace, "ordering", ""}, got)
		})
	}
	group.Wait()
	require.Less(t, requests.Load(), int64(n))
}

func TestOnlyCallsThatAnAllowListCannotTellApartTravelTogether(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	outer := map[string]int{}
	service := Unbundle(http.HandlerFunc(tell))
	c, _ := coach(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		outer[r.Method+" "+firstSegment(r.URL.Path)]++
		mu.Unlock()
		service.ServeHTTP(w, r)
	}))
	var group sync.WaitGroup
	for i := range 60 {
		method, path := []string{"POST", "PUT", "GET"}[i%3], []string{"/a/x", "/b"}[i%2]
		group.Go(func() {
			var got seen
			require.NoError(t, c.Call(context.Background(), "ordering", method, path, i, &got))
			require.Equal(t, method+" "+path, got.Method+" "+got.Target)
		})
	}
	group.Wait()
	require.Len(t, outer, 6)
	require.Equal(t, 10, outer["GET a"], "what only reads travels alone")
}

func TestASlowCallKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	c, _ := coach(t, Unbundle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/orders/slow" {
			<-release
		}
		tell(w, r)
	})))
	var slow, quick sync.WaitGroup
	for range 3 {
		slow.Go(func() {
			require.NoError(t, c.Call(context.Background(), "ordering", http.MethodPost, "/orders/slow", nil, nil))
		})
		for range 10 {
			quick.Go(func() {
				require.NoError(t, c.Call(context.Background(), "ordering", http.MethodPost, "/orders/quick", nil, nil))
			})
		}
	}
	quick.Wait()
	close(release)
	slow.Wait()
}

func TestThePatientTravelInBundles(t *testing.T) {
	t.Parallel()
	c, requests := coach(t, Unbundle(http.HandlerFunc(tell)))
	for _, n := range []int{1, 30} {
		requests.Store(0)
		var group sync.WaitGroup
		for range n {
			group.Go(func() {
				require.NoError(t, c.Call(Patiently(context.Background()), "payment", http.MethodPost, "/webhooks/stripe", nil, nil))
			})
		}
		group.Wait()
		require.LessOrEqual(t, requests.Load(), int64(1+n/2), "%d calls", n)
	}
}

func TestEachCallOfABundleEndsByItself(t *testing.T) {
	t.Parallel()
	service := new(http.Handler)
	c, _ := coach(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*service).ServeHTTP(w, r) }))
	*service = held(c, Unbundle(web.Log(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch firstSegment(strings.TrimPrefix(r.URL.Path, "/orders")) {
		case "refused":
			problem.Write(w, r, problem.New(problem.Conflict, "order-shipped", "Too late."))
		case "nothing":
			w.WriteHeader(http.StatusNoContent)
		case "broken":
			panic("a bug")
		case "hung-up":
			panic(http.ErrAbortHandler)
		default:
			tell(w, r)
		}
	}))))
	var group sync.WaitGroup
	for range 5 {
		for path, code := range map[string]string{"fine": "", "refused": "order-shipped", "nothing": "", "broken": "internal-error"} {
			group.Go(func() {
				err := c.Call(context.Background(), "ordering", http.MethodPut, "/orders/"+path, nil, nil)
				if code == "" {
					require.NoError(t, err, path)
				} else {
					require.Equal(t, code, problem.From(err).Code, path)
				}
			})
		}
	}
	group.Wait()
	for range 5 {
		group.Go(func() {
			err := c.Call(context.Background(), "ordering", http.MethodPut, "/orders/hung-up", nil, nil)
			require.Equal(t, "service-unavailable", problem.From(err).Code)
		})
	}
	group.Wait()
}

func TestAServiceThatKnowsNoBundlesIsCalledOneByOne(t *testing.T) {
	t.Parallel()
	service := new(http.Handler)
	var effects atomic.Int64
	c, _ := coach(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*service).ServeHTTP(w, r) }))
	*service = held(c, web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		var n int
		if err := web.Decode(w, r, &n); err != nil {
			return err
		}
		effects.Add(1)
		return web.Encode(w, http.StatusOK, n)
	}))
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			var got int
			require.NoError(t, c.Call(context.Background(), "ordering", http.MethodPost, "/orders", i, &got))
			require.Equal(t, i, got)
		})
	}
	group.Wait()
	require.EqualValues(t, 20, effects.Load())
}

func TestABundleThatIsCutOffLeavesNobodyWaiting(t *testing.T) {
	t.Parallel()
	service := new(http.Handler)
	c, _ := coach(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*service).ServeHTTP(w, r) }))
	*service = held(c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") == bundleType {
			w.Header().Set("Content-Type", bundleType)
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nSidecart-Call: 0\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nSidec")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		tell(w, r)
	}))
	var group sync.WaitGroup
	var answered, away atomic.Int64
	for range 20 {
		group.Go(func() {
			switch err := c.Call(context.Background(), "ordering", http.MethodPost, "/orders", nil, nil); {
			case err == nil:
				answered.Add(1)
			case problem.From(err).Code == "service-unavailable":
				away.Add(1)
			default:
				require.NoError(t, err)
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 20, answered.Load()+away.Load())
	require.NotZero(t, away.Load())
}

func TestWhoLeavesABundleIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	c, _ := coach(t, Unbundle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-release
		tell(w, r)
	})))
	defer close(release)
	ctx, leave := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 5 {
		group.Go(func() {
			require.True(t, errors.Is(c.Call(ctx, "ordering", http.MethodPost, "/orders", nil, nil), context.Canceled))
		})
	}
	leave()
	group.Wait()
}

func TestUnbundleRefusesWhatIsNoBundle(t *testing.T) {
	t.Parallel()
	call := func(line, more, body string) string {
		return fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\nSidecart-Call: 0\r\n%sContent-Length: %d\r\n\r\n%s", line, more, len(body), body)
	}
	served := 0
	h := Unbundle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { served++; tell(w, r) }))
	for name, body := range map[string]string{
		"nothing":                  "",
		"garbage":                  "hello",
		"a call and garbage":       call("POST /orders", "", "1") + "hello",
		"half a call":              "POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
		"another verb":             call("POST /orders", "", "1") + call("PUT /orders", "", "1"),
		"another route":            call("POST /orders", "", "1") + call("POST /admin/orders", "", "1"),
		"another host":             call("POST http://elsewhere/orders", "", "1"),
		"a bundle in a bundle":     call("POST /orders", "Content-Type: application/http\r\n", "1"),
		"a body of unknown length": "POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n",
		"too many":                 strings.Repeat(call("POST /orders", "", "1"), bundleMost+1),
	} {
		r := httptest.NewRequest(http.MethodPost, "/orders", strings.NewReader(body))
		r.Header.Set("Content-Type", bundleType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, http.StatusBadRequest, w.Code, name)
		require.Contains(t, w.Body.String(), "malformed-bundle", name)
	}
	require.Zero(t, served, "all of a bundle or nothing")
}

func TestNobodyInABundleSaysWhoCalls(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/orders", strings.NewReader(
		"POST /orders HTTP/1.1\r\nHost: x\r\nSidecart-Call: 0\r\nContent-Length: 0\r\ndapr-caller-app-id: gateway\r\nDapr-Api-Token: guess\r\nDapr-Callee: x\r\n\r\n"))
	r.Header.Set("Content-Type", bundleType)
	r.Header.Set("Dapr-Caller-App-Id", "basket")
	w := httptest.NewRecorder()
	var token string
	Unbundle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { token = r.Header.Get("Dapr-Api-Token"); tell(w, r) })).ServeHTTP(w, r)
	require.Contains(t, w.Body.String(), `"Caller":"basket"`)
	require.Contains(t, w.Body.String(), `"Forged":""`)
	require.Empty(t, token)
}
