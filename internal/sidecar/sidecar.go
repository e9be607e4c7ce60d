// Package sidecar is the only home of Dapr: calls by service invocation, publish and subscribe, state, secrets. A service
// that uses it knows app ids, topics and keys, never a host or a broker.
package sidecar

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dapr/go-sdk/client"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

const (
	stateStore  = "statestore"
	callTimeout = 5 * time.Second
	dialTimeout = 30 * time.Second
)

// Client talks to this service's own sidecar.
type Client struct {
	app    string
	base   *url.URL // the sidecar's HTTP API
	token  string
	http   *http.Client
	dapr   client.Client
	pubsub string // the name of a topic's pub/sub component; "{topic}" in it stands for the topic

	together bool // calls that are made at the same time may travel together: the others know how to take them apart
	bundles  bundles
}

// Dial connects to the sidecar that getenv names (APP_ID, DAPR_HTTP_PORT, DAPR_GRPC_PORT, DAPR_API_TOKEN, PUBSUB_NAME)
// and waits, at most 30 seconds, until it takes calls.
func Dial(ctx context.Context, getenv func(string) string) (*Client, error) {
	c, err := New(getenv("APP_ID"), "http://127.0.0.1:"+cmp.Or(getenv("DAPR_HTTP_PORT"), "3500"), getenv("DAPR_API_TOKEN"))
	if err != nil {
		return nil, err
	}
	c.pubsub, c.together = cmp.Or(getenv("PUBSUB_NAME"), c.pubsub), true
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := c.awaitOutbound(ctx); err != nil {
		return nil, err
	}
	client.SetLogger(nil) // what it says at start is no JSON, and what fails it returns
	// The SDK reads DAPR_API_TOKEN itself.
	c.dapr, err = client.NewClientWithAddressContext(ctx, "127.0.0.1:"+cmp.Or(getenv("DAPR_GRPC_PORT"), "50001"))
	if err != nil {
		return nil, fmt.Errorf("connect to the sidecar: %w", err)
	}
	return c, nil
}

// New is a client that can only Call and Do, through the sidecar HTTP API at endpoint. Tests put a stand-in there.
func New(app, endpoint, token string) (*Client, error) {
	base, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("sidecar endpoint: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 256, 256
	return &Client{
		app: app, base: base, token: token, pubsub: "pubsub-{topic}",
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// Close ends the connections.
func (c *Client) Close() {
	if c.dapr != nil {
		c.dapr.Close()
	}
	c.http.CloseIdleConnections()
}

// awaitOutbound polls the part of the sidecar's health that does not wait for this very service to listen.
func (c *Client) awaitOutbound(ctx context.Context) error {
	for {
		err := c.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the sidecar at %s does not answer: %w", c.base, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Ready reports whether the sidecar takes calls.
func (c *Client) Ready(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath("/v1.0/healthz/outbound").String(), nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("sidecar health is %d", resp.StatusCode)
	}
	return nil
}

// Secret reads one secret of this service from its secret store, "<app id>-secrets".
func (c *Client) Secret(ctx context.Context, name string) (string, error) {
	values, err := c.dapr.GetSecret(ctx, c.app+"-secrets", name, nil)
	if err != nil {
		return "", fmt.Errorf("read secret %s: %w", name, err)
	}
	if v := values[name]; v != "" {
		return v, nil
	}
	return "", fmt.Errorf("secret %s is not set", name)
}

type idempotencyKey struct{}

// WithIdempotencyKey makes calls under ctx carry an Idempotency-Key.
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, idempotencyKey{}, key)
}

// WithBearer makes calls under ctx carry an access token other than the caller's own.
func WithBearer(ctx context.Context, token string) context.Context {
	return identity.WithToken(ctx, token)
}

// Call sends in as JSON to another service and reads its answer into out; either may be nil. The caller's identity, its
// Idempotency-Key and its trace travel along. A refusal comes back as the problem.Error that the service answered with;
// a service that cannot be reached within 5 s, or the deadline of ctx, is the problem "service-unavailable".
func (c *Client) Call(ctx context.Context, app, method, path string, in, out any) error {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode call to %s: %w", app, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, path, body)
	if err != nil {
		return fmt.Errorf("call %s: %w", app, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token := identity.Token(ctx); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if key, _ := ctx.Value(idempotencyKey{}).(string); key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := c.Do(req, app)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := problem.Read(resp); err != nil {
		return fmt.Errorf("call %s %s %s: %w", app, method, req.URL.Path, err)
	}
	if out == nil || resp.StatusCode == http.StatusNoContent {
		_, _ = io.Copy(io.Discard, resp.Body)
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("read answer of %s %s: %w", app, req.URL.Path, err)
	}
	return nil
}

// Do sends req to another service as it is, for proxying and streams: of req.URL only path and query count. The answer
// is the service's own, whatever its status; the caller closes its body. A service that cannot be reached is the problem
// "service-unavailable". A small call that does more than read may travel with others.
func (c *Client) Do(req *http.Request, app string) (*http.Response, error) {
	if c.together && bundled(req) {
		return c.travel(req, app)
	}
	return c.send(req, app)
}

// send makes a call by itself.
func (c *Client) send(req *http.Request, app string) (*http.Response, error) {
	path, query := req.URL.EscapedPath(), req.URL.RawQuery
	target := *c.base
	req = req.Clone(req.Context())
	req.URL, req.Host, req.RequestURI = &target, "", ""
	if err := setPath(req.URL, path); err != nil {
		return nil, err
	}
	req.URL.RawQuery = query
	req.Header.Set("Dapr-App-Id", app)
	if c.token != "" {
		req.Header.Set("Dapr-Api-Token", c.token)
	}
	if trace := web.TraceParent(req.Context()); trace != "" {
		req.Header.Set("Traceparent", trace)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctxErr := req.Context().Err(); errors.Is(ctxErr, context.Canceled) {
			return nil, ctxErr
		}
		return nil, unavailable(app, err)
	}
	if failure := sidecarFailure(resp); failure != nil {
		resp.Body.Close()
		return nil, unavailable(app, failure)
	}
	return resp, nil
}

func setPath(u *url.URL, escaped string) error {
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return fmt.Errorf("path of a call: %w", err)
	}
	u.Path, u.RawPath = path, escaped
	return nil
}

// sidecarFailure tells an answer of the sidecar itself from one of the service behind it. Dapr answers 500 with
// errorCode ERR_DIRECT_INVOKE for a service that is dead, unknown, or behind an open breaker.
func sidecarFailure(resp *http.Response) error {
	if resp.StatusCode < http.StatusInternalServerError && resp.StatusCode != http.StatusForbidden ||
		!strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("read the sidecar's answer: %w", err)
	}
	var failure struct{ ErrorCode, Message string }
	if json.Unmarshal(body, &failure) == nil && strings.HasPrefix(failure.ErrorCode, "ERR_") {
		return fmt.Errorf("%s: %s", failure.ErrorCode, failure.Message)
	}
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), resp.Body))
	return nil
}

func unavailable(app string, cause error) error {
	slog.Warn("call failed", "app", app, "error", cause.Error())
	return problem.New(problem.Unavailable, "service-unavailable", "A part of the shop (%s) does not answer at the moment.", app).
		WithRetryAfter(time.Second)
}
