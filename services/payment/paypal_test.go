package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/payment/payment"
)

// stub answers every request alike; PayPal's token comes first.
func stub(t *testing.T, serve http.HandlerFunc) *paypalAPI {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/oauth2/token" {
			refuse(200, `{"access_token":"t","expires_in":3600}`)(w, r)
			return
		}
		serve(w, r)
	}))
	t.Cleanup(server.Close)
	p, err := newPayPal(server.URL, "id", "secret", "WEBHOOK-1")
	require.NoError(t, err)
	return p
}

func TestUnknownIsNotFailedAtPayPal(t *testing.T) {
	const secret = `"payer":{"email_address":"ada@example.org"}`
	for name, serve := range map[string]http.HandlerFunc{
		"server error":      refuse(500, `{"name":"INTERNAL_SERVER_ERROR",`+secret+`}`),
		"rate limit":        refuse(429, `{"name":"RATE_LIMIT_REACHED"}`),
		"wrong credentials": refuse(401, `{"name":"AUTHENTICATION_FAILURE"}`),
		"not allowed":       refuse(403, `{"name":"NOT_AUTHORIZED"}`),
		"still running":     refuse(409, `{"name":"RESOURCE_CONFLICT","details":[{"issue":"PREVIOUS_REQUEST_IN_PROGRESS"}]}`),
		"running, by 422":   refuse(422, `{"name":"UNPROCESSABLE_ENTITY","details":[{"issue":"PREVIOUS_REQUEST_IN_PROGRESS"}]}`),
		"a proxy's page":    refuse(502, `<html>`+secret+`</html>`),
		"a redirect":        refuse(302, ``),
		"no JSON":           refuse(200, `<html>`+secret),
		"nothing":           refuse(200, `{}`),
		"an unknown status": refuse(201, `{"id":"O1","status":"LEVITATING",`+secret+`}`),
		"half a cent":       refuse(201, `{"id":"O1","status":"COMPLETED","purchase_units":[{"payments":{"captures":[{"id":"C1","status":"COMPLETED","amount":{"currency_code":"EUR","value":"19.995"}}]}}]}`),
		"no amount":         refuse(201, `{"id":"O1","status":"COMPLETED","purchase_units":[{"payments":{"captures":[{"id":"C1","status":"COMPLETED"}]}}]}`),
		"half an answer":    refuse(201, `{"id":"O1","sta`),
		"a reset":           func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"silence":           func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body); <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			p := stub(t, serve)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			begun, approved := anAttempt("paypal"), anAttempt("paypal")
			approved.Reference = "O1"
			for _, a := range []payment.Attempt{begun, approved} {
				_, err := p.Charge(ctx, a)
				require.Error(t, err)
				require.False(t, errors.Is(err, errAbsent))
				require.NotContains(t, err.Error(), "ada@", "answers are not logged")
			}
		})
	}
}

func TestRefusedCaptures(t *testing.T) {
	for issue, want := range map[string]struct {
		order   string // as it is found after the refusal
		outcome payment.Outcome
		unknown bool
	}{
		"INSTRUMENT_DECLINED":                         {`"status":"APPROVED"`, payment.OutcomeFailed, false},
		"PAYER_ACCOUNT_RESTRICTED":                    {`"status":"PAYER_ACTION_REQUIRED"`, payment.OutcomeFailed, false},
		"ORDER_NOT_APPROVED":                          {`"status":"PAYER_ACTION_REQUIRED","links":[{"rel":"payer-action","href":"https://paypal.example"}]`, payment.OutcomeActionRequired, false},
		"ORDER_ALREADY_CAPTURED":                      {`"status":"COMPLETED","purchase_units":[{"payments":{"captures":[{"id":"C1","status":"COMPLETED","amount":{"currency_code":"EUR","value":"19.99"}}]}}]`, payment.OutcomeCaptured, false},
		"DUPLICATE_INVOICE_ID":                        {`"status":"APPROVED"`, payment.OutcomeFailed, false},
		"ORDER_NOT_APPROVED (says PayPal, but it is)": {`"status":"APPROVED"`, 0, true},
	} {
		t.Run(issue, func(t *testing.T) {
			name, _, _ := strings.Cut(issue, " ")
			p := stub(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					refuse(422, `{"name":"UNPROCESSABLE_ENTITY","details":[{"issue":"`+name+`"}]}`)(w, r)
					return
				}
				refuse(200, `{"id":"O1",`+want.order+`}`)(w, r)
			})
			a := anAttempt("paypal")
			a.Reference = "O1"
			ans, err := p.Charge(t.Context(), a)
			require.Equal(t, want.unknown, err != nil, "%v", err)
			require.Equal(t, want.outcome, ans.Outcome)
			if ans.Outcome == payment.OutcomeFailed {
				require.Equal(t, strings.ToLower(name), ans.Code)
			}
		})
	}
}

func TestAForgottenOrderIsVoid(t *testing.T) {
	p := stub(t, refuse(404, `{"name":"RESOURCE_NOT_FOUND","details":[{"issue":"INVALID_RESOURCE_ID"}]}`))
	ans, err := p.Find(t.Context(), "O1")
	require.NoError(t, err)
	require.Equal(t, payment.OutcomeVoided, ans.Outcome)
}

func TestTokensAreRenewed(t *testing.T) {
	granted, valid := 0, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/oauth2/token" {
			id, secret, _ := r.BasicAuth()
			require.Equal(t, "id secret client_credentials", id+" "+secret+" "+r.FormValue("grant_type"))
			granted++
			valid = fmt.Sprint("token-", granted)
			refuse(200, `{"access_token":"`+valid+`","expires_in":3600}`)(w, r)
			return
		}
		if r.Header.Get("Authorization") != "Bearer "+valid {
			refuse(401, `{"name":"AUTHENTICATION_FAILURE"}`)(w, r)
			return
		}
		refuse(200, `{"id":"O1","status":"APPROVED"}`)(w, r)
	}))
	defer server.Close()
	p, err := newPayPal(server.URL, "id", "secret", "WEBHOOK-1")
	require.NoError(t, err)
	now := time.Now()
	p.now = func() time.Time { return now }
	for range 3 {
		_, err := p.Find(t.Context(), "O1")
		require.NoError(t, err)
	}
	require.Equal(t, 1, granted)
	valid = "revoked"
	_, err = p.Find(t.Context(), "O1")
	require.ErrorContains(t, err, "status 401")
	_, err = p.Find(t.Context(), "O1")
	require.NoError(t, err)
	now = now.Add(59 * time.Minute)
	_, err = p.Find(t.Context(), "O1")
	require.NoError(t, err)
	require.Equal(t, 3, granted)
}

func TestPayPalAddresses(t *testing.T) {
	for address, hosts := range map[string]string{
		"": "https api.paypal.com api-m.paypal.com", paypalTest: "https api.sandbox.paypal.com api-m.sandbox.paypal.com",
		"http://127.0.0.1:8090/": "http 127.0.0.1:8090",
	} {
		p, err := newPayPal(address, "id", "secret", "W")
		require.NoError(t, err)
		require.Equal(t, hosts, strings.Join(append([]string{p.certs.scheme}, p.certs.hosts...), " "))
		require.Equal(t, strings.HasPrefix(address, "http://"), p.certs.standIn, "the certificates of PayPal itself are vouched for by others")
	}
	_, err := newPayPal("paypal", "id", "secret", "W")
	require.Error(t, err)
}

// The certificate's address comes from whoever calls.
func TestCertificatesComeFromPayPalOnly(t *testing.T) {
	asked := 0
	p, err := newPayPal("", "id", "secret", "W")
	require.NoError(t, err)
	p.certs.client = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		asked++
		return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(nil)), Header: http.Header{}}, nil
	})}
	for _, address := range []string{
		"", "x", "http://api.paypal.com/v1/notifications/certs/CERT-1", "https://paypal.com/v1/notifications/certs/CERT-1",
		"https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1", "https://evil.example/?https://api.paypal.com/v1/notifications/certs/CERT-1",
		"https://api.paypal.com@evil.example/v1/notifications/certs/CERT-1", "https://user@api.paypal.com/v1/notifications/certs/CERT-1",
		"https://api.paypal.com:8443/v1/notifications/certs/CERT-1", "https://api.paypal.com/v1/notifications/certs/../../evil",
		"https://api.paypal.com/v1/notifications/certs/CERT-1?x=1", "https://api.paypal.com/v1/oauth2/token", "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
		"https://api.paypal.com/v1/notifications/certs/%2e%2e", "file:///etc/passwd",
	} {
		_, err := p.certs.key(t.Context(), address, time.Now())
		require.ErrorIs(t, err, errSignature, address)
		require.Zero(t, asked, address)
	}
	_, err = p.certs.key(t.Context(), "https://api.paypal.com/v1/notifications/certs/CERT-1", time.Now())
	require.ErrorIs(t, err, errSignature, "no certificate there")
	require.Equal(t, 1, asked)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
