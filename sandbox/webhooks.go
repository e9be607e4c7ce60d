package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// webhook is an event that is owed to the shop. It is saved with the change that caused it and removed when the shop has
// answered 2xx; a restart sends what is left.
type webhook struct {
	Number   uint64          `json:"number"`
	Provider string          `json:"provider"`
	EventID  string          `json:"eventId"`
	Type     string          `json:"type"`
	Body     json.RawMessage `json:"body"`
	Due      time.Time       `json:"due"`
	Held     bool            `json:"held,omitempty"` // until the next event has gone, or until it is due
}

// The providers that send webhooks.
const (
	stripeHooks = "stripe"
	paypalHooks = "paypal"
)

// endpoint is where a provider sends its webhooks, and how it signs them.
type endpoint struct {
	url  string
	sign func(req *http.Request, body []byte) error
}

// outgoing is an event with its id.
type outgoing struct {
	ID, Type string
	Body     []byte
}

// courier delivers webhooks: signed, many at a time, in no promised order, again and again until they are accepted
// (https://docs.stripe.com/webhooks, https://developer.paypal.com/api/rest/webhooks/).
type courier struct {
	endpoints  map[string]endpoint // by provider; one that is missing gets no webhooks
	store      *store
	now        func() time.Time
	client     *http.Client
	slots      chan struct{}
	firstRetry time.Duration
	slowest    time.Duration // the wait doubles up to this

	ctx     context.Context // ends when the sandbox stops; what is not delivered then is sent after the next start
	running sync.WaitGroup

	mu   sync.Mutex
	held map[uint64]chan struct{}
}

// givesUpAfter is how long Stripe and PayPal keep trying.
const givesUpAfter = 72 * time.Hour

func newCourier(ctx context.Context, cfg config, endpoints map[string]endpoint, st *store, now func() time.Time) *courier {
	return &courier{
		endpoints: endpoints, store: st, now: now, ctx: ctx, slots: make(chan struct{}, 32), held: map[uint64]chan struct{}{},
		firstRetry: cfg.firstRetry, slowest: cfg.slowestRetry,
		client: &http.Client{
			Timeout:       15 * time.Second,
			Transport:     &http.Transport{MaxIdleConnsPerHost: 32, IdleConnTimeout: 30 * time.Second},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a redirect is a failure to Stripe
		},
	}
}

// owe saves a provider's events as webhooks and returns them, to be sent once the change is on disk. This is where the webhook
// faults strike.
func (c *courier) owe(t *txn, provider string, now time.Time, events []outgoing) ([]webhook, error) {
	if _, wanted := c.endpoints[provider]; !wanted {
		return nil, nil
	}
	var posts []webhook
	for _, e := range events {
		f, _, err := t.strike(webhookOperation)
		if err != nil {
			return nil, err
		}
		for range copiesOf(f) {
			hook := webhook{Provider: provider, EventID: e.ID, Type: e.Type, Body: e.Body, Due: now.Add(f.delay()), Held: f.Mode == "reorder"}
			if hook.Held && f.Struck%2 == 1 {
				hook.Held, hook.Due = false, now // the one before is waiting for this one
			}
			if err := t.saveWebhook(&hook); err != nil {
				return nil, err
			}
			posts = append(posts, hook)
		}
	}
	return posts, nil
}

// stripeEvent gives an event of Stripe's an id.
func stripeEvent(e raised, origin eventRequest, now time.Time) (outgoing, error) {
	out := outgoing{ID: newID("evt", now), Type: e.Type}
	var err error
	out.Body, err = json.Marshal(event{
		ID: out.ID, Object: "event", APIVersion: apiVersion, Created: now.Unix(), Data: eventData{Object: e.Object},
		PendingWebhooks: 1, Request: origin, Type: e.Type,
	})
	if err != nil {
		return out, fmt.Errorf("encode event: %w", err)
	}
	return out, nil
}

func copiesOf(f fault) int {
	switch f.Mode {
	case "lose":
		return 0
	case "repeat":
		return f.Copies
	default:
		return 1
	}
}

func (t *txn) saveWebhook(w *webhook) error {
	key, err := t.next(webhooks)
	if err != nil {
		return err
	}
	w.Number = binary.BigEndian.Uint64(key)
	return t.put(webhooks, key, w)
}

// owed are the webhooks not yet delivered.
func (t *txn) owed() ([]webhook, error) {
	var found []webhook
	err := t.tx.Bucket(webhooks).ForEach(func(_, v []byte) error {
		var w webhook
		if err := json.Unmarshal(v, &w); err != nil {
			return fmt.Errorf("read webhooks: %w", err)
		}
		found = append(found, w)
		return nil
	})
	return found, err
}

// resume sends what an earlier run left.
func (c *courier) resume() error {
	var left []webhook
	if err := c.store.view(func(t *txn) (err error) {
		left, err = t.owed()
		return err
	}); err != nil {
		return err
	}
	c.send(left...)
	return nil
}

// send delivers the webhooks in the background.
func (c *courier) send(hooks ...webhook) {
	for _, hook := range hooks {
		released := c.hold(hook)
		c.running.Go(func() { c.deliver(hook, released) })
	}
}

func (c *courier) deliver(hook webhook, released <-chan struct{}) {
	select {
	case <-released:
	case <-time.After(hook.Due.Sub(c.now())):
	case <-c.ctx.Done():
		return
	}
	for wait := c.firstRetry; ; wait = min(2*wait, c.slowest) {
		err := c.post(hook)
		if err == nil {
			break
		}
		if c.now().Sub(hook.Due) > givesUpAfter {
			slog.Error("webhook given up", "event", hook.EventID, "type", hook.Type, "error", err)
			break
		}
		slog.Debug("webhook refused", "event", hook.EventID, "type", hook.Type, "error", err)
		select {
		case <-time.After(wait):
		case <-c.ctx.Done():
			return
		}
	}
	if err := c.store.update(func(t *txn) error {
		return t.tx.Bucket(webhooks).Delete(binary.BigEndian.AppendUint64(nil, hook.Number))
	}); err != nil {
		slog.Error("webhook delivered but not removed; it will be sent again", "event", hook.EventID, "error", err)
	}
	c.release(hook)
}

func (c *courier) post(hook webhook) error {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
	to, wanted := c.endpoints[hook.Provider]
	if !wanted { // as in an earlier run
		return nil
	}
	req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, to.url, bytes.NewReader(hook.Body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if err := to.sign(req, hook.Body); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}

// signStripe adds Stripe's headers to a webhook.
func signStripe(secret string, now func() time.Time) func(*http.Request, []byte) error {
	return func(req *http.Request, body []byte) error {
		req.Header.Set("User-Agent", "Stripe/1.0 (Sidecart sandbox)")
		req.Header.Set("Stripe-Signature", signature(body, secret, now()))
		return nil
	}
}

// signature is the Stripe-Signature header (https://docs.stripe.com/webhooks#verify-manually).
func signature(body []byte, secret string, at time.Time) string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	return "t=" + stamp + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// hold returns a channel that is closed when the webhook no longer has to wait for another; nil if it never had to.
func (c *courier) hold(hook webhook) <-chan struct{} {
	if !hook.Held {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[hook.Number] = make(chan struct{})
	return c.held[hook.Number]
}

// release ends the waiting of those that were held for this webhook to go first.
func (c *courier) release(gone webhook) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, gone.Number)
	for number, waiting := range c.held {
		if number < gone.Number {
			close(waiting)
			delete(c.held, number)
		}
	}
}
