package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

// shop is a gateway before a stand-in for its sidecar, behind which tests put the services they need.
type shop struct {
	*testing.T
	server *server
	url    string

	mu       sync.Mutex
	services map[string]http.HandlerFunc // by "app METHOD /path"
	calls    []call
}

// call is a request as a service saw it.
type call struct {
	name, query, body string
	header            http.Header
}

type settings struct {
	perAddress, perSession string
	static                 fs.FS
}

func openShop(t *testing.T, with ...func(*settings)) *shop {
	t.Parallel()
	cfg := settings{perAddress: "0", perSession: "0", static: fstest.MapFS{}}
	for _, change := range with {
		change(&cfg)
	}
	s := &shop{T: t, services: map[string]http.HandlerFunc{}}
	standIn := httptest.NewServer(http.HandlerFunc(s.invoke))
	t.Cleanup(standIn.Close)
	sc, err := sidecar.New("gateway", standIn.URL, "dapr-token")
	require.NoError(t, err)
	lim, err := newLimits(cfg.perAddress, cfg.perSession)
	require.NoError(t, err)
	s.server, err = newServer(sc, lim, cfg.static)
	require.NoError(t, err)

	public := httptest.NewServer(s.server.handler())
	t.Cleanup(public.Close)
	s.url = public.URL
	return s
}

// reopen serves the gateway as its program does; stop ends it as SIGTERM does.
func (s *shop) reopen() (stop func()) { return s.reopenWith(boot.Usual) }

func (s *shop) reopenWith(patience boot.Patience) (stop func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(s, err)
	s.url = "http://" + listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- boot.ServeHTTP(ctx, listener, s.server.handler(), patience, nil) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(s, <-done)
	})
	s.Cleanup(stop)
	return stop
}

// invoke is what a sidecar does with a call: it finds the app by its header, or answers for it that it is not there.
func (s *shop) invoke(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	name := r.Header.Get("Dapr-App-Id") + " " + r.Method + " " + r.URL.Path
	s.mu.Lock()
	s.calls = append(s.calls, call{name, r.URL.RawQuery, string(body), r.Header.Clone()})
	service := s.services[name]
	s.mu.Unlock()
	if service == nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke 10.1.2.3:7102"}`)
		return
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	service(w, r)
}

func (s *shop) serve(name string, service http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.services[name] = service
}

// answer makes a service that always says the same.
func answer(status int, v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _ = web.Encode(w, status, v) }
}

func refuse(kind problem.Kind, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { problem.Write(w, r, problem.New(kind, code, "No.")) }
}

func (s *shop) callsTo(name string) []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []call
	for _, c := range s.calls {
		if c.name == name {
			found = append(found, c)
		}
	}
	return found
}

// browser keeps cookies as a browser does that takes this host for a secure one.
type browser struct {
	*shop
	mu      sync.Mutex
	cookies map[string]string
}

func (s *shop) browser() *browser { return &browser{shop: s, cookies: map[string]string{}} }

type reply struct {
	*http.Response
	body string
}

func (b *browser) do(method, path, body string, header ...string) reply {
	b.Helper()
	r, err := http.NewRequest(method, b.url, strings.NewReader(body))
	require.NoError(b, err)
	r.URL.Opaque, r.URL.Path = path, "" // sent as written
	if path, query, ok := strings.Cut(path, "?"); ok {
		r.URL.Opaque, r.URL.RawQuery = path, query
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	b.mu.Lock()
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	b.mu.Unlock()
	resp, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(r)
	require.NoError(b, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	require.NoError(b, err)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return reply{resp, string(got)}
}

func (b *browser) get(path string, header ...string) reply { return b.do("GET", path, "", header...) }

// isProblem checks that a reply is a problem document of this status and code.
func (r reply) isProblem(t testing.TB, status int, code string) {
	t.Helper()
	var doc struct {
		Status int
		Code   string
	}
	require.Equal(t, status, r.StatusCode, r.body)
	require.Equal(t, "application/problem+json", r.Header.Get("Content-Type"), r.body)
	require.NoError(t, json.Unmarshal([]byte(r.body), &doc))
	require.Equal(t, code, doc.Code, r.body)
	require.Equal(t, status, doc.Status)
}

// token is an access token as far as the gateway reads it.
func token(name string, ttl time.Duration) string {
	claims := fmt.Sprintf(`{"sub":%q,"exp":%d}`, name, time.Now().Add(ttl).Unix())
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func sessionOf(name, refresh string) session {
	return session{
		AccessToken: token(name, 10*time.Minute), AccessExpiresAt: time.Now().Add(10 * time.Minute),
		RefreshToken: refresh, RefreshExpiresAt: time.Now().Add(30 * 24 * time.Hour),
		User: user{ID: name, Email: "ada@example.com", Name: "Ada", Roles: nil},
	}
}
