package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func (s *sandbox) page(path string, status int) (string, http.Header) {
	s.t.Helper()
	resp, err := s.Client().Get(s.URL + path)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	require.Equal(s.t, status, resp.StatusCode, string(body))
	return string(body), resp.Header
}

func TestInboxEscapesAndIsolatesMails(t *testing.T) {
	s := newSandbox(t)
	body, _ := s.page("/", http.StatusOK)
	require.Contains(t, body, "No mail yet")
	s.sendMail("eve@example.org", "<script>alert(1)</script>")
	s.sendMail("ada@example.org", "Welcome")

	body, headers := s.page("/?q=EVE", http.StatusOK)
	require.Contains(t, body, "&lt;script&gt;alert(1)")
	require.NotContains(t, body, "<script>alert")
	require.NotContains(t, body, "ada@example.org")
	require.Contains(t, headers.Get("Content-Security-Policy"), "default-src 'none'")

	body, _ = s.page("/mails/2", http.StatusOK)
	require.Contains(t, body, `sandbox="allow-popups allow-popups-to-escape-sandbox"`)
	body, headers = s.page("/mails/2/body", http.StatusOK)
	require.Contains(t, body, `<base target="_blank"><p>Dear <b>Ada</b>`)
	require.Contains(t, headers.Get("Content-Security-Policy"), "sandbox allow-popups")
	require.NotContains(t, headers.Get("Content-Security-Policy"), "script-src")
	s.page("/mails/99", http.StatusNotFound)
	s.page("/mails/99999999999999999999", http.StatusNotFound)
	s.page("/mails/x", http.StatusNotFound)
	s.page("/?q="+url.QueryEscape(`"><img src=x onerror=alert(1)>`), http.StatusOK)
}

func TestLedgerPageShowsDoubleCaptures(t *testing.T) {
	s := newSandbox(t)
	for range 2 {
		p := pay("o1", "pm_card_visa")
		p.IdempotencyKey = nil
		_, err := s.stripe(0).V1PaymentIntents.Create(context.Background(), p)
		require.NoError(t, err)
	}
	_, err := s.stripe(0).V1PaymentIntents.Create(context.Background(), pay("o2", "pm_card_visa"))
	require.NoError(t, err)
	body, _ := s.page("/ledger", http.StatusOK)
	require.Contains(t, body, "149.97 EUR")
	require.Contains(t, body, "2 captures")
	body, _ = s.page("/ledger?order=o2", http.StatusOK)
	require.NotContains(t, body, "2 captures")
	body, _ = s.page("/ledger?order=none", http.StatusOK)
	require.Contains(t, body, "No money has moved for the order")
}

func TestFaultsPage(t *testing.T) {
	s := newSandbox(t)
	post := func(path string, form url.Values, origin string) *http.Response {
		req, err := http.NewRequest(http.MethodPost, s.URL+path, strings.NewReader(form.Encode()))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", origin)
		resp, err := s.Client().Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		return resp
	}
	form := url.Values{"operation": {"webhook"}, "mode": {"repeat"}, "copies": {"4"}, "probability": {"0.5"}}
	require.Equal(t, http.StatusForbidden, post("/faults", form, "cross-site").StatusCode)
	require.Equal(t, http.StatusOK, post("/faults", form, "same-origin").StatusCode)
	body, _ := s.page("/faults", http.StatusOK)
	require.Contains(t, body, "4 copies")
	require.Contains(t, body, "p = 0.5")
	for name, value := range map[string]string{"copies": "x", "probability": "x", "mode": "fail", "count": "-1"} {
		wrong := url.Values{"operation": {"webhook"}, "mode": {"repeat"}}
		wrong.Set(name, value)
		require.Equal(t, http.StatusBadRequest, post("/faults", wrong, "same-origin").StatusCode, name)
	}
	require.Equal(t, http.StatusBadRequest, post("/faults/removal", url.Values{"place": {"x"}}, "same-origin").StatusCode)
	require.Equal(t, http.StatusOK, post("/faults/removal", url.Values{"place": {"0"}}, "same-origin").StatusCode)
	body, _ = s.page("/faults", http.StatusOK)
	require.Contains(t, body, "Everything works")
}

func TestProbesAndMisses(t *testing.T) {
	s := newSandbox(t)
	s.page("/livez", http.StatusOK)
	s.page("/readyz", http.StatusOK)
	s.page("/static/style.css", http.StatusOK)
	body, _ := s.page("/nothing", http.StatusNotFound)
	require.Contains(t, body, "no-such-route")
	s.page("/api/mails?limit=0", http.StatusBadRequest)
}

func TestConfigIsChecked(t *testing.T) {
	for want, env := range map[string]map[string]string{
		"SANDBOX_STRIPE_KEY":            {},
		"SANDBOX_STRIPE_WEBHOOK_SECRET": {"SANDBOX_STRIPE_KEY": "k", "SANDBOX_STRIPE_WEBHOOK_URL": "http://shop.example/"},
		"SANDBOX_PAYPAL_WEBHOOK_ID":     {"SANDBOX_STRIPE_KEY": "k", "SANDBOX_PAYPAL_WEBHOOK_URL": "http://shop.example/"},
		"SANDBOX_API_URL":               {"SANDBOX_STRIPE_KEY": "k", "SANDBOX_API_URL": "sandbox:8090"},
		"SANDBOX_PUBLIC_URL":            {"SANDBOX_STRIPE_KEY": "k", "SANDBOX_PUBLIC_URL": "localhost"},
	} {
		_, err := loadConfig(func(name string) string { return env[name] })
		require.ErrorContains(t, err, want)
	}
}
