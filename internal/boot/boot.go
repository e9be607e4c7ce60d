// Package boot starts and ends a program: settings, logs, signals, the HTTP server with its health routes, background
// work, and an end that loses nothing. What the program does is its own affair.
package boot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/internal/failpoint"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

const (
	// stopDelay keeps a stopping service answering while its sidecar, which is told to stop at the same moment, ends
	// what it had begun.
	stopDelay = 500 * time.Millisecond
	drainTime = 8 * time.Second
)

// Task is background work. It returns when ctx ends; returning earlier, with an error or without, ends the program, so
// that its supervisor starts it afresh.
type Task func(ctx context.Context) error

// Main runs a program until it ends by itself or is told to by SIGTERM or SIGINT, and exits with 1 if it failed.
func Main(name string, run func(ctx context.Context, env Env) error) {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cmp.Or(os.Getenv("LOG_LEVEL"), "info")))
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})).With("app", name))

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	env := NewEnv(name, os.Getenv)
	if env.Local() {
		failpoint.Enable(env.Get("SIDECART_FAILPOINTS"), name)
	}
	if err := run(ctx, env); err != nil && !errors.Is(err, context.Canceled) {
		slog.Error("stopped", "error", err.Error())
		os.Exit(1)
	}
	slog.Info("stopped")
}

type drainKey struct{}

// Draining is closed when the server that serves ctx's request begins to stop; streams end then.
func Draining(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(drainKey{}).(chan struct{})
	return c
}

// Serve answers routes on the service's own port and does tasks until ctx ends, then stops: readiness turns false,
// consumers stop, requests in flight are answered. Beside routes it serves /livez (the process), /readyz (ready, all of
// them) and /metrics. Only calls through the service's sidecar are let in, and every bearer token is verified.
func Serve(ctx context.Context, env Env, routes http.Handler, ready []func(context.Context) error, tasks ...Task) error {
	if _, err := env.Sidecar(ctx); err != nil {
		return err
	}
	verifier := env.Verifier(ctx)
	var stopping atomic.Bool
	handler := sidecar.Unbundle(web.Trace(web.Log(sidecar.AppToken(env.Get("APP_API_TOKEN"), verifier.Middleware(health(routes, ready, &stopping))))))
	listener, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(env.Get("APP_HOST"), "127.0.0.1"), env.Get("APP_PORT")))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	slog.Info("serving", "addr", listener.Addr().String())
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	group, work := errgroup.WithContext(work)
	for _, task := range append(tasks, env.followEnded) {
		group.Go(func() error {
			if err := task(work); err != nil && work.Err() == nil {
				return err
			}
			if work.Err() == nil {
				return errors.New("a background task ended")
			}
			return nil
		})
	}
	group.Go(func() error {
		return ServeHTTP(work, listener, handler, Usual, func() { stopping.Store(true) })
	})
	return group.Wait()
}

// Patience is how long a server waits for its clients before it hangs up on them.
type Patience struct {
	Header  time.Duration // for a request's header
	Request time.Duration // for all of a request; who takes files extends it by http.ResponseController
	Answer  time.Duration // for the answer to be taken, from the header on; streams extend it likewise
	Idle    time.Duration // for the next request of a connection
}

// Usual is the patience of our servers.
var Usual = Patience{Header: 5 * time.Second, Request: 15 * time.Second, Answer: 30 * time.Second, Idle: 2 * time.Minute}

// ServeHTTP answers on listener, with limits on time and size, until ctx ends; then it calls onStop, lets requests in
// flight finish for a few seconds, and returns.
func ServeHTTP(ctx context.Context, listener net.Listener, handler http.Handler, patience Patience, onStop func()) error {
	drain := make(chan struct{})
	server := &http.Server{
		Handler:           limitBody(handler),
		ReadHeaderTimeout: patience.Header,
		ReadTimeout:       patience.Request,
		WriteTimeout:      patience.Answer,
		IdleTimeout:       patience.Idle,
		MaxHeaderBytes:    32 << 10,
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.WithoutCancel(ctx), drainKey{}, drain)
		},
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	if onStop != nil {
		onStop()
	}
	time.Sleep(stopDelay)
	close(drain)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := server.Shutdown(end); err != nil {
		return errors.Join(fmt.Errorf("drain: %w", err), server.Close())
	}
	return nil
}

func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole := r.Body
		r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, whole))
		r.Body = http.MaxBytesReader(w, whole, web.MaxBody)
		next.ServeHTTP(w, r)
	})
}

type bodyKey struct{}

// WholeBody is r's body without the limit on its size, for a route that takes files and sets a limit of its own.
func WholeBody(r *http.Request) io.Reader {
	if whole, ok := r.Context().Value(bodyKey{}).(io.ReadCloser); ok {
		return whole
	}
	return r.Body
}

func health(routes http.Handler, ready []func(context.Context) error, stopping *atomic.Bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /livez", web.Handler(func(w http.ResponseWriter, _ *http.Request) error {
		return web.Encode(w, http.StatusOK, map[string]string{"status": "live"})
	}))
	mux.Handle("GET /readyz", web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		if stopping.Load() {
			return problem.New(problem.Unavailable, "stopping", "The service is stopping.")
		}
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		for _, check := range ready {
			if err := check(ctx); err != nil {
				slog.Warn("not ready", "error", err.Error())
				return problem.New(problem.Unavailable, "not-ready", "Something that the service needs does not answer.")
			}
		}
		return web.Encode(w, http.StatusOK, map[string]string{"status": "ready"})
	}))
	mux.Handle("GET /metrics", promhttp.Handler())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/livez", "/readyz", "/metrics":
			mux.ServeHTTP(w, r)
		default:
			routes.ServeHTTP(w, r)
		}
	})
}
