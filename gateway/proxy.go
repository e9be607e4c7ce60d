package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

// answerWithin is how long a service may take to begin its answer; it covers the calls that the service makes itself.
const answerWithin = 10 * time.Second

// What travels in each direction; everything else stays outside. Above all Authorization, Forwarded, X-Forwarded-*,
// X-User-*, Dapr-* and Cookie never reach a service, and no service sets a cookie. The trace is set by the sidecar client.
var (
	requestHeaders = []string{
		"Accept", "Accept-Language", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-Id",
		"Stripe-Signature",
		"Paypal-Auth-Algo", "Paypal-Cert-Url", "Paypal-Transmission-Id", "Paypal-Transmission-Sig", "Paypal-Transmission-Time",
	}
	answerHeaders = []string{
		"Cache-Control", "Content-Disposition", "Content-Language", "Content-Length", "Content-Type", "Etag",
		"Last-Modified", "Retry-After", "Vary",
	}
)

// proxy hands the request to the target and the answer back, both byte for byte: a provider's signature is over the bytes.
func (s *server) proxy(w http.ResponseWriter, r *http.Request, to target) error {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	resp, err := s.send(w, r.WithContext(ctx), to)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return handOver(w, r, resp)
}

// notice is proxy for what a provider tells: it waits for a moment for others to travel with, since nobody waits for it.
func (s *server) notice(w http.ResponseWriter, r *http.Request, to target) error {
	return s.proxy(w, r.WithContext(sidecar.Patiently(r.Context())), to)
}

// page is proxy for a page that the service has written, which says itself what a browser may load for it, as everything
// about a page is its author's to say. Other answers have the policy of the gateway.
func (s *server) page(w http.ResponseWriter, r *http.Request, to target) error {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	resp, err := s.send(w, r.WithContext(ctx), to)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if policy := resp.Header.Get("Content-Security-Policy"); policy != "" {
		w.Header().Set("Content-Security-Policy", policy)
	}
	return handOver(w, r, resp)
}

// handOver answers with resp byte for byte.
func handOver(w http.ResponseWriter, r *http.Request, resp *http.Response) error {
	answerLike(w, r, resp)
	if _, err := io.Copy(w, resp.Body); err != nil {
		panic(http.ErrAbortHandler) // half an answer must not pass for a whole one
	}
	return nil
}

// send calls the target with what may travel of r, as the caller that r's context names. Every answer that is not a
// success comes back as the problem it carries. The body is read first: it is small, a slow sender then holds up no
// service, and the sidecar can repeat what it could not deliver.
func (s *server) send(w http.ResponseWriter, r *http.Request, to target) (*http.Response, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, web.MaxBody))
	if limit, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, problem.New(problem.TooLarge, "body-too-large", "The body is larger than %d bytes.", limit.Limit)
	} else if err != nil {
		return nil, problem.New(problem.Invalid, "incomplete-body", "The body did not arrive whole.")
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, to.path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", to.app, err)
	}
	req.URL.RawQuery = r.URL.RawQuery
	for _, name := range requestHeaders {
		if values := r.Header.Values(name); len(values) > 0 {
			req.Header[name] = values
		}
	}
	token := identity.Token(r.Context())
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if to.app == "auth" { // which slows down guessing, and lists the caller's devices; nobody else has a use for it
		req.Header.Set("Sidecart-Client-Address", clientAddress(r))
		req.Header.Set("Sidecart-Client-Agent", r.UserAgent())
		req.Header.Set("Sidecart-Client-Device", secretOf(r, deviceCookie))
		req.Header.Set("Sidecart-Challenge", strings.Join(challengesOf(r), ","))
	}
	resp, err := s.calls.do(req, to.app)
	if errors.Is(err, context.Canceled) {
		panic(http.ErrAbortHandler) // nobody is there to be answered
	} else if err != nil {
		return nil, err
	}
	if resp.StatusCode < 300 || resp.StatusCode == http.StatusNotModified {
		return resp, nil
	}
	defer resp.Body.Close()
	err = problem.Read(resp)
	refusal, ok := errors.AsType[*problem.Error](err)
	if !ok {
		return nil, unavailable(to.app, err)
	}
	if refusal.Kind == problem.Unauthenticated && token != "" {
		s.sessions.forgetAccess(w, r)
	}
	return nil, err
}

// answerLike begins the answer with resp's status and what may travel of its header. What was answered to somebody in
// person is never cached, whatever the service thinks of it.
func answerLike(w http.ResponseWriter, r *http.Request, resp *http.Response) {
	noStore := w.Header()["Cache-Control"]
	for _, name := range answerHeaders {
		if values := resp.Header.Values(name); len(values) > 0 {
			w.Header()[name] = values
		}
	}
	if identity.Token(r.Context()) != "" {
		w.Header()["Cache-Control"] = noStore
	}
	w.WriteHeader(resp.StatusCode)
}

func unavailable(app string, cause error) error {
	p := problem.New(problem.Unavailable, "service-unavailable", "A part of the shop (%s) does not answer at the moment.", app)
	return fmt.Errorf("%w (%w)", p.WithRetryAfter(time.Second), cause)
}
