package main

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/payment/payment"
)

// startStripeMock builds and starts stripe-mock, which holds requests against Stripe's published OpenAPI description and
// answers from its examples. It remembers nothing: what the adapter makes of answers is the conformance suite's affair.
func startStripeMock(t *testing.T) (address string) {
	if testing.Short() {
		t.Skip("builds and starts stripe-mock")
	}
	program := filepath.Join(t.TempDir(), "stripe-mock")
	build := exec.Command("go", "build", "-mod=readonly", "-o", program, "github.com/stripe/stripe-mock")
	build.Dir = "../../tools/stripemock"
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("stripe-mock cannot be built here (it comes from the Go module proxy): %v\n%s", err, out)
	}
	cmd := exec.Command(program, "-http-addr", "127.0.0.1:0")
	log, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	const listening = "Listening for HTTP at address: "
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if _, address, ok := strings.Cut(lines.Text(), listening); ok {
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return "http://" + address
		}
	}
	require.Fail(t, "stripe-mock does not start")
	return ""
}

// Everything the adapter asks is what Stripe's own description of its API allows.
func TestStripesDescriptionAllowsWhatWeAsk(t *testing.T) {
	target, err := url.Parse(startStripeMock(t))
	require.NoError(t, err)
	var mu sync.Mutex
	var asked []string
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(r *http.Response) error {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Request.Method+" "+r.Request.URL.Path+" "+strconv.Itoa(r.StatusCode))
		return nil
	}
	front := httptest.NewServer(proxy)
	defer front.Close()
	s := newStripe(front.URL, "sk_test_123", webhookSecret)
	ctx := t.Context()
	a := anAttempt("pm_card_visa")

	ans, err := s.Charge(ctx, a)
	require.NoError(t, err)
	require.NotEmpty(t, ans.Reference)
	_, err = s.Find(ctx, "pi_1")
	require.NoError(t, err)
	_, err = s.Search(ctx, a, time.Now().Add(-time.Hour), time.Now())
	require.ErrorIs(t, err, errAbsent)
	_, err = s.Void(ctx, "pi_1")
	require.NoError(t, err)
	f := payment.Refund{ID: newID(), OrderID: a.OrderID, Amount: price}
	_, err = s.Refund(ctx, f, "pi_1")
	require.NoError(t, err)
	_, err = s.FindRefund(ctx, f, "pi_1")
	require.ErrorIs(t, err, errAbsent)
	f.Reference = "re_1"
	_, err = s.FindRefund(ctx, f, "pi_1")
	require.NoError(t, err)
	_, err = s.Books(ctx, time.Now().Add(-time.Hour), time.Now(), []string{"pi_2"})
	require.NoError(t, err)
	require.Equal(t, []string{
		"POST /v1/payment_intents 200", "GET /v1/payment_intents/pi_1 200", "GET /v1/payment_intents 200", "POST /v1/payment_intents/pi_1/cancel 200",
		"POST /v1/refunds 200", "GET /v1/refunds 200", "GET /v1/refunds/re_1 200", "GET /v1/payment_intents 200", "GET /v1/payment_intents/pi_2 200",
	}, asked)

	// It would notice: a request with a parameter that Stripe does not have is refused.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, front.URL+"/v1/refunds", strings.NewReader("payment_intent=pi_1&order=1"))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer sk_test_123")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
}
