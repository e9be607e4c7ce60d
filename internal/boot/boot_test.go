package boot

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/web"
)

func TestRequestsInFlightAreAnsweredAtTheEnd(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	entered, ended := make(chan struct{}), make(chan error, 1)
	var stopping atomic.Bool
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-Draining(r.Context())
		_, _ = io.WriteString(w, "whole")
	})
	go func() { ended <- ServeHTTP(ctx, listener, handler, Usual, func() { stopping.Store(true) }) }()

	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answer <- string(body)
	}()
	<-entered
	stop()
	require.Equal(t, "whole", <-answer)
	require.NoError(t, <-ended)
	require.True(t, stopping.Load())
}

func TestHealthRoutes(t *testing.T) {
	var stopping atomic.Bool
	var broken error
	handler := health(web.Router(), []func(context.Context) error{func(context.Context) error { return broken }}, &stopping)
	status := func(path string) int {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		return rec.Code
	}
	require.Equal(t, 200, status("/livez"))
	require.Equal(t, 200, status("/readyz"))
	require.Equal(t, 200, status("/metrics"))
	require.Equal(t, 404, status("/else"))
	broken = context.DeadlineExceeded
	require.Equal(t, 503, status("/readyz"))
	require.Equal(t, 200, status("/livez"))
	broken = nil
	stopping.Store(true)
	require.Equal(t, 503, status("/readyz"))
}

func TestBodiesAreLimited(t *testing.T) {
	handler := limitBody(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	}))
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/", io.LimitReader(zeros{}, web.MaxBody+1)))
	require.Equal(t, http.StatusRequestEntityTooLarge, rec.Code)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestEnvPrefersTheServicesOwnSetting(t *testing.T) {
	settings := map[string]string{"ORDERING_RATE": "1", "RATE": "2", "SIDECART_MODE": "local", "ORDERING_DATABASE_URL": "postgres://x"}
	env := NewEnv("ordering", func(name string) string { return settings[name] })
	require.Equal(t, "1", env.Get("RATE"))
	require.True(t, env.Local())
	require.Empty(t, env.Get("OTHER"))
	secret, err := env.Secret(t.Context(), "DATABASE_URL")
	require.NoError(t, err)
	require.Equal(t, "postgres://x", secret)
	_, err = env.Secret(t.Context(), "OTHER")
	require.ErrorContains(t, err, "APP_API_TOKEN", "without tokens nothing starts")
}

func TestServeWaitsForTheSidecar(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	env := NewEnv("ordering", func(name string) string {
		return map[string]string{"SIDECART_MODE": "local", "APP_API_TOKEN": "a", "DAPR_API_TOKEN": "b", "DAPR_HTTP_PORT": "1"}[name]
	})
	require.ErrorContains(t, Serve(ctx, env, web.Router(), nil), "does not answer")
}
