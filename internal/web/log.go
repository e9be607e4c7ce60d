package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/sidecart/sidecart/internal/problem"
)

var requests = promauto.NewHistogramVec(prometheus.HistogramOpts{
	Name:    "http_request_duration_seconds",
	Help:    "Time to answer a request, by route template and status.",
	Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
}, []string{"method", "route", "status"})

// entry collects what the inner handlers know for the one log line of the request.
type entry struct {
	route, caller string
	err           error
}

type entryKey struct{}

// SetCaller names the authenticated caller, by id, in the request's log line.
func SetCaller(ctx context.Context, id string) {
	if e, ok := ctx.Value(entryKey{}).(*entry); ok {
		e.caller = id
	}
}

func note(ctx context.Context, err error) {
	if e, ok := ctx.Value(entryKey{}).(*entry); ok {
		e.err = err
	}
}

func noteRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e, ok := r.Context().Value(entryKey{}).(*entry); ok {
			if route := mux.CurrentRoute(r); route != nil {
				e.route, _ = route.GetPathTemplate()
			}
		}
		next.ServeHTTP(w, r)
	})
}

// Log writes one line per request, measures it, and turns a panic into a problem document. The line holds no body, no
// query and no path as sent: they may carry tokens and addresses.
func Log(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		e := &entry{route: "unmatched"}
		rec := &recorder{ResponseWriter: w}
		r = r.WithContext(context.WithValue(r.Context(), entryKey{}, e))
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p) // the proxy's way to hang up on its client
				}
				slog.Error("panic", "route", e.route, "panic", p, "stack", string(debug.Stack()))
				e.err = errors.New("panic")
				if rec.status == 0 {
					problem.Write(rec, r, e.err)
				}
			}
			e.log(r, rec.status, time.Since(start))
		}()
		next.ServeHTTP(rec, r)
	})
}

func (e *entry) log(r *http.Request, status int, took time.Duration) {
	if status == 0 {
		status = http.StatusOK
	}
	requests.WithLabelValues(r.Method, e.route, strconv.Itoa(status)).Observe(took.Seconds())
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("route", e.route), slog.Int("status", status),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.String("trace", traceID(r.Context())),
	}
	if e.caller != "" {
		attrs = append(attrs, slog.String("caller", e.caller))
	}
	level := slog.LevelInfo
	if e.err != nil {
		attrs = append(attrs, slog.String("problem", problem.From(e.err).Code))
		if status >= http.StatusInternalServerError {
			level = slog.LevelError
			attrs = append(attrs, slog.String("error", e.err.Error()))
		}
	}
	slog.LogAttrs(r.Context(), level, "request", attrs...)
}

// recorder remembers the status; Unwrap keeps flushing and deadlines working (http.ResponseController).
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
