package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Only a refusal that Stripe will repeat for ever is a failure. Everything else says nothing about the money.
func TestUnknownIsNotFailed(t *testing.T) {
	secret := `"last4":"4242","client_secret":"pi_1_secret_x"`
	for name, serve := range map[string]http.HandlerFunc{
		"a wrong key":          refuse(401, `{"error":{"type":"invalid_request_error","message":"Invalid API Key"}}`),
		"not allowed":          refuse(403, `{"error":{"type":"invalid_request_error"}}`),
		"key in use":           refuse(409, `{"error":{"type":"idempotency_error","code":"idempotency_key_in_use"}}`),
		"key used differently": refuse(400, `{"error":{"type":"idempotency_error"}}`),
		"too many":             refuse(429, `{"error":{"type":"invalid_request_error","code":"rate_limit"}}`),
		"internal error":       refuse(500, `{"error":{"type":"api_error"}}`),
		"a page of a proxy":    refuse(502, `<html>`+secret+`</html>`),
		"no JSON":              refuse(200, `<html>`+secret+`</html>`),
		"nothing":              refuse(200, `{}`),
		"an unknown status":    refuse(200, `{"id":"pi_1","status":"levitating",`+secret+`}`),
		"no amount":            refuse(200, `{"id":"pi_1","status":"succeeded",`+secret+`}`),
		"half an answer":       refuse(200, `{"id":"pi_1","status":"succ`),
		"a reset": func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		},
		"silence": func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body); <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(serve)
			defer server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err := newStripe(server.URL, "sk_test", webhookSecret).Charge(ctx, anAttempt("pm_card_visa"))
			require.Error(t, err)
			require.False(t, errors.Is(err, errAbsent))
			require.NotContains(t, err.Error(), "4242", "answers are not logged")
			require.NotContains(t, err.Error(), "client_secret")
		})
	}
}

func refuse(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestChargeIsAskedOnce(t *testing.T) {
	fake := newFakeStripe(t)
	fake.with(func() { fake.down = true })
	_, err := fake.adapter().Charge(t.Context(), anAttempt("pm_card_visa"))
	require.ErrorContains(t, err, "status 503")
	fake.with(func() { fake.down, fake.lose = false, 1 })
	// On a connection that was used before, net/http would ask again by itself; the adapter is a new one, with new connections.
	_, err = fake.adapter().Charge(t.Context(), anAttempt("pm_card_visa"))
	require.ErrorContains(t, err, "EOF")
	require.Equal(t, 2, fake.asked("POST /v1/payment_intents"), "the SDK repeats nothing by itself: our rows do")
}

func TestRedirectsOnlyToTheWeb(t *testing.T) {
	server := httptest.NewServer(refuse(200, `{"id":"pi_1","status":"requires_action","next_action":{"type":"redirect_to_url","redirect_to_url":{"url":"javascript:alert(1)"}}}`))
	defer server.Close()
	ans, err := newStripe(server.URL, "sk_test", webhookSecret).Charge(t.Context(), anAttempt("pm_card_visa"))
	require.NoError(t, err)
	require.Empty(t, ans.RedirectURL)
}
