package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// paypalError is PayPal's answer to what it did not do. Only what may be logged is kept of it.
// https://developer.paypal.com/api/rest/responses/#link-failedrequests
type paypalError struct {
	status      int
	name, issue string
	debugID     string
}

func (e *paypalError) Error() string {
	return fmt.Sprintf("paypal: status %d, name %q, issue %q, debug id %q", e.status, e.name, e.issue, e.debugID)
}

// code is the reason for people to act on.
func (e *paypalError) code() string {
	return strings.ToLower(cmp.Or(e.issue, e.name, "payment_failed"))
}

// paypalRefusal tells a final refusal from an unknown outcome: PayPal will never do what was asked, in this form or with
// this customer. Credentials, limits, conflicts and PayPal's own trouble say nothing about the payment.
func paypalRefusal(err error) (*paypalError, bool) {
	e, ok := errors.AsType[*paypalError](err)
	if !ok || e.issue == "PREVIOUS_REQUEST_IN_PROGRESS" {
		return nil, false
	}
	return e, e.status == http.StatusBadRequest || e.status == http.StatusUnprocessableEntity
}

// call sends in as JSON with our token and reads the answer into out. requestID is the idempotency key of what changes
// something.
func (p *paypalAPI) call(ctx context.Context, method, path, requestID string, in, out any) error {
	token, err := p.accessToken(ctx)
	if err != nil {
		return err
	}
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("paypal: encode: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, body)
	if err != nil {
		return fmt.Errorf("paypal: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Prefer", "return=representation")
	if requestID != "" {
		req.Header.Set("PayPal-Request-Id", requestID)
	}
	err = p.do(req, out)
	if refusal, ok := errors.AsType[*paypalError](err); ok && refusal.status == http.StatusUnauthorized {
		p.forgetToken(token) // it was revoked before its time
	}
	return err
}

func (p *paypalAPI) do(req *http.Request, out any) error {
	resp, err := p.client.Do(req)
	if err != nil {
		if transport, ok := errors.AsType[*url.Error](err); ok {
			err = transport.Err
		}
		return fmt.Errorf("%w: paypal: %w", errAway, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("%w: paypal: the answer broke off", errAway)
	}
	if resp.StatusCode/100 == 2 {
		if json.Unmarshal(body, out) != nil {
			return errors.New("paypal: an answer that cannot be read")
		}
		return nil
	}
	var told struct {
		Name    string `json:"name"`
		Error   string `json:"error"` // of the token's endpoint
		DebugID string `json:"debug_id"`
		Details []struct {
			Issue string `json:"issue"`
		} `json:"details"`
	}
	_ = json.Unmarshal(body, &told) // what is not JSON has no name
	refusal := &paypalError{status: resp.StatusCode, name: cmp.Or(told.Name, told.Error), debugID: told.DebugID}
	if len(told.Details) > 0 {
		refusal.issue = told.Details[0].Issue
	}
	if away(resp.StatusCode) {
		return fmt.Errorf("%w: %w", errAway, refusal)
	}
	return refusal
}

// accessToken is the token of our app, renewed a minute before its end.
// https://developer.paypal.com/api/rest/authentication/
func (p *paypalAPI) accessToken(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.token != "" && p.now().Before(p.tokenExpires) {
		return p.token, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+"/v1/oauth2/token", strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return "", fmt.Errorf("paypal: %w", err)
	}
	req.SetBasicAuth(p.id, p.secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var granted struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	if err := p.do(req, &granted); err != nil {
		return "", fmt.Errorf("ask for a token: %w", err)
	}
	if granted.AccessToken == "" {
		return "", errors.New("paypal: a token that is empty")
	}
	p.token, p.tokenExpires = granted.AccessToken, p.now().Add(time.Duration(granted.ExpiresIn)*time.Second-time.Minute)
	return p.token, nil
}

func (p *paypalAPI) forgetToken(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.token == token {
		p.token = ""
	}
}
