package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
	stripehook "github.com/stripe/stripe-go/v82/webhook"
)

const (
	testKey    = "sk_test_sandbox"
	testSecret = "whsec_sandbox"
)

// sandbox is a running one, with its own file and a shop that receives its webhooks.
type sandbox struct {
	*httptest.Server
	t      testing.TB
	server *server
	shop   *shop
	stop   func()
	data   string
}

func newSandbox(t testing.TB) *sandbox {
	t.Helper()
	return openSandbox(t, filepath.Join(t.TempDir(), "sandbox.db"), newShop(t))
}

func openSandbox(t testing.TB, data string, shop *shop) *sandbox {
	t.Helper()
	st, err := openStore(data)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	front := httptest.NewUnstartedServer(nil)
	here := "http://" + front.Listener.Addr().String()
	cfg := config{stripeKey: testKey, webhookURL: shop.URL, webhookSecret: testSecret, publicURL: here, apiURL: here,
		paypalID: "client", paypalSecret: "secret", paypalWebhookURL: shop.paypal.URL, paypalWebhookID: "WH-SHOP",
		firstRetry: 5 * time.Millisecond, slowestRetry: 20 * time.Millisecond}
	srv, err := newServer(ctx, cfg, st, time.Now)
	require.NoError(t, err)
	front.Config.Handler = srv.routes()
	front.Start()
	var once sync.Once
	s := &sandbox{Server: front, t: t, server: srv, shop: shop, data: data}
	s.stop = func() {
		once.Do(func() {
			cancel()
			front.CloseClientConnections()
			front.Close()
			srv.courier.running.Wait()
			_ = st.Close()
		})
	}
	t.Cleanup(s.stop)
	return s
}

// restart is what a kill and a new start leave: only the file.
func (s *sandbox) restart() *sandbox {
	s.t.Helper()
	s.stop()
	return openSandbox(s.t, s.data, s.shop)
}

// stripe is the real SDK, pointed at the sandbox. It does not retry unless told.
func (s *sandbox) stripe(retries int64) *stripe.Client {
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL: stripe.String(s.URL), MaxNetworkRetries: stripe.Int64(retries), LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
		HTTPClient: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	})
	return stripe.NewClient(testKey, stripe.WithBackends(&stripe.Backends{API: backend, Connect: backend, Uploads: backend}))
}

// pay is the call that the shop makes for an order.
func pay(order, method string) *stripe.PaymentIntentCreateParams {
	p := &stripe.PaymentIntentCreateParams{
		Amount: stripe.Int64(4999), Currency: stripe.String("eur"), PaymentMethod: stripe.String(method), Confirm: stripe.Bool(true),
		ReturnURL: stripe.String("http://shop.example/orders/" + order), Metadata: map[string]string{"order_id": order},
	}
	p.SetIdempotencyKey("pay-" + order)
	return p
}

func (s *sandbox) json(method, path, body string, status int, v any) {
	s.t.Helper()
	req, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	require.NoError(s.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.Client().Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	require.Equal(s.t, status, resp.StatusCode, string(raw))
	if v != nil {
		require.NoError(s.t, json.Unmarshal(raw, v), string(raw))
	}
}

func (s *sandbox) faults(faults string) {
	s.t.Helper()
	s.json(http.MethodPut, "/api/faults", `{"faults":[`+faults+`]}`, http.StatusOK, nil)
}

// kinds are the movements of an order, oldest first.
func (s *sandbox) kinds(order string) []string {
	s.t.Helper()
	var found []movement
	s.json(http.MethodGet, "/api/ledger?orderId="+order, "", http.StatusOK, &found)
	kinds := []string{}
	for i := range found {
		kinds = append(kinds, found[len(found)-1-i].Kind)
	}
	return kinds
}

// shop receives webhooks and checks every signature with the real SDK.
type shop struct {
	*httptest.Server
	paypal *httptest.Server
	mu     sync.Mutex
	events []stripe.Event
	told   []paypalEventView // by PayPal
	refuse int               // so many deliveries are answered 500
}

func newShop(t testing.TB) *shop {
	s := &shop{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		e, err := stripehook.ConstructEvent(body, r.Header.Get("Stripe-Signature"), testSecret)
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			t.Errorf("webhook not accepted by stripe-go: %v", err)
		}
		if s.refuse > 0 {
			s.refuse--
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		s.events = append(s.events, e)
	}))
	t.Cleanup(s.Close)
	s.paypal = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var e paypalEventView
		if err == nil {
			err = json.Unmarshal(body, &e)
		}
		if err == nil {
			err = paypalSigned(r.Header, body)
		}
		if _, closed := errors.AsType[net.Error](err); err != nil && !closed { // a sandbox that has closed shows no certificate
			t.Errorf("webhook of PayPal's: %v", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.told = append(s.told, e)
	}))
	t.Cleanup(s.paypal.Close)
	return s
}

func (s *shop) refuseNext(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = n
}

func (s *shop) received() []stripe.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]stripe.Event(nil), s.events...)
}

// types waits for n events and returns their types in the order of arrival.
func (s *shop) types(t testing.TB, n int) []string {
	t.Helper()
	require.Eventually(t, func() bool { return len(s.received()) >= n }, 5*time.Second, 5*time.Millisecond)
	var types []string
	for _, e := range s.received() {
		types = append(types, string(e.Type))
	}
	return types
}
