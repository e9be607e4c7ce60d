package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/sidecart/sidecart/internal/sidecar"
)

const (
	breakAfter  = 20  // calls within breakWithin, of which…
	breakRatio  = 0.5 // …so many could not be made, close the way to an app
	breakWithin = 10 * time.Second
	breakFor    = time.Second // until one call may find out whether it is back

	retryShare = 0.1 // of the calls to an app may be repeats…
	retryMost  = 10  // …and so many in a burst
	retryPause = 100 * time.Millisecond
)

// calls makes the calls to services. An app that cannot be reached is left alone for a moment, so that requests do not
// queue up before it; what a service answers, its refusals and failures too, never counts against it. A call that did not
// get through is made once more if a repeat cannot do harm, as long as repeats are few: they must not become the load that
// keeps an app from coming back.
type calls struct {
	sidecar *sidecar.Client

	mu   sync.Mutex
	apps map[string]*line
}

// line is what is known of the way to one app.
type line struct {
	breaker *gobreaker.TwoStepCircuitBreaker[any]

	mu      sync.Mutex
	repeats float64 // that may be made now
}

func newCalls(sc *sidecar.Client) *calls { return &calls{sidecar: sc, apps: map[string]*line{}} }

func (c *calls) to(app string) *line {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, known := c.apps[app]
	if !known {
		l = &line{repeats: retryMost, breaker: gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
			Name: app, MaxRequests: 1, Interval: breakWithin, Timeout: breakFor,
			ReadyToTrip: func(n gobreaker.Counts) bool {
				return n.Requests >= breakAfter && float64(n.TotalFailures) >= breakRatio*float64(n.Requests)
			},
			// A caller who left says nothing of the app.
			IsExcluded: func(err error) bool { return errors.Is(err, context.Canceled) },
			OnStateChange: func(name string, from, to gobreaker.State) {
				slog.Warn("the way to an app changed", "app", name, "from", from.String(), "to", to.String())
			},
		})}
		c.apps[app] = l
	}
	return l
}

// do is sidecar.Do. req's body is in memory, see http.NewRequest, so that it can be sent again.
func (c *calls) do(req *http.Request, app string) (*http.Response, error) {
	l := c.to(app)
	l.earn()
	resp, err := c.once(l, req, app)
	if err == nil || req.Context().Err() != nil || !repeatable(req) || errors.Is(err, errClosed) || !l.spend() {
		return resp, err
	}
	select {
	case <-req.Context().Done():
		return nil, err
	case <-time.After(retryPause/2 + rand.N(retryPause)):
	}
	again := req.Clone(req.Context())
	if req.GetBody != nil {
		body, bodyErr := req.GetBody()
		if bodyErr != nil {
			return nil, err
		}
		again.Body = body
	}
	return c.once(l, again, app)
}

var errClosed = errors.New("left alone for a moment")

func (c *calls) once(l *line, req *http.Request, app string) (*http.Response, error) {
	settle, err := l.breaker.Allow()
	if err != nil {
		return nil, unavailable(app, errClosed)
	}
	resp, err := c.sidecar.Do(req, app)
	settle(err)
	return resp, err
}

// repeatable reports whether a repeat has the effect of one call: it reads, or it carries a key that the service knows
// repeats by.
func repeatable(req *http.Request) bool {
	return req.Method == http.MethodGet || req.Method == http.MethodHead || req.Header.Get("Idempotency-Key") != ""
}

// earn gives a share of a repeat for every call.
func (l *line) earn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.repeats = min(l.repeats+retryShare, retryMost)
}

func (l *line) spend() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.repeats < 1 {
		return false
	}
	l.repeats--
	return true
}
