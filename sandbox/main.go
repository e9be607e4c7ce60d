// Command sandbox is the outside world on a laptop: a stand-in for Stripe, PayPal and Amazon SES that remembers what it did,
// keeps its own ledger of money, shows the mails it was given, and goes wrong on request. It has no sidecar and knows
// nothing of the shop but the addresses of its webhooks. It is not for production: there, the real ones take its place.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	var level slog.Level // info, unless LOG_LEVEL names another
	_ = level.UnmarshalText([]byte(os.Getenv("LOG_LEVEL")))
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv); err != nil {
		slog.Error("sandbox stops", "error", err)
		os.Exit(1)
	}
}

type config struct {
	addr, data                string
	publicURL                 string // where a browser finds the sandbox
	apiURL                    string // where the shop finds it
	stripeKey                 string
	webhookURL, webhookSecret string // no URL: no webhooks
	paypalID, paypalSecret    string // no secret: no PayPal
	paypalWebhookURL          string
	paypalWebhookID           string
	firstRetry, slowestRetry  time.Duration // of a webhook; Stripe is slower, but a shop on a laptop comes back in seconds
}

func loadConfig(getenv func(string) string) (config, error) {
	get := func(name, otherwise string) string {
		if v := getenv("SANDBOX_" + name); v != "" {
			return v
		}
		return otherwise
	}
	cfg := config{
		addr: get("ADDR", "127.0.0.1:8090"), data: get("DATA", ".run/sandbox.db"), publicURL: get("PUBLIC_URL", "http://localhost:8090"),
		firstRetry: 500 * time.Millisecond, slowestRetry: 5 * time.Second,
		stripeKey: get("STRIPE_KEY", ""), webhookURL: get("STRIPE_WEBHOOK_URL", ""), webhookSecret: get("STRIPE_WEBHOOK_SECRET", ""),
		paypalID: get("PAYPAL_CLIENT_ID", ""), paypalSecret: get("PAYPAL_CLIENT_SECRET", ""),
		paypalWebhookURL: get("PAYPAL_WEBHOOK_URL", ""), paypalWebhookID: get("PAYPAL_WEBHOOK_ID", ""),
	}
	cfg.apiURL = get("API_URL", cfg.publicURL)
	if cfg.stripeKey == "" {
		return cfg, errors.New("SANDBOX_STRIPE_KEY is not set: it is the secret key that callers of the Stripe API must send")
	}
	if cfg.webhookURL != "" && cfg.webhookSecret == "" {
		return cfg, errors.New("SANDBOX_STRIPE_WEBHOOK_URL is set, but not SANDBOX_STRIPE_WEBHOOK_SECRET, which signs the webhooks")
	}
	if cfg.paypalWebhookURL != "" && cfg.paypalWebhookID == "" {
		return cfg, errors.New("SANDBOX_PAYPAL_WEBHOOK_URL is set, but not SANDBOX_PAYPAL_WEBHOOK_ID, which is part of the webhooks' signatures")
	}
	for _, setting := range [][2]string{
		{"PUBLIC_URL", cfg.publicURL}, {"API_URL", cfg.apiURL}, {"STRIPE_WEBHOOK_URL", cfg.webhookURL}, {"PAYPAL_WEBHOOK_URL", cfg.paypalWebhookURL},
	} {
		name, address := setting[0], setting[1]
		if u, err := url.Parse(address); address != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return cfg, fmt.Errorf("SANDBOX_%s is not a web address: %q", name, address)
		}
	}
	return cfg, nil
}

// run serves until ctx ends, then lets the requests under way finish.
func run(ctx context.Context, getenv func(string) string) error {
	cfg, err := loadConfig(getenv)
	if err != nil {
		return err
	}
	st, err := openStore(cfg.data)
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }() // every write is on disk already
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	srv, err := newServer(ctx, cfg, st, time.Now)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	edge := &http.Server{
		Handler: srv.routes(), BaseContext: func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	served := make(chan error, 1)
	go func() { served <- edge.Serve(listener) }()
	go srv.housekeeping(ctx)
	slog.Info("sandbox is up", "addr", listener.Addr().String(), "inbox", cfg.publicURL, "ledger", cfg.publicURL+"/ledger")
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	drain, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	if err := edge.Shutdown(drain); err != nil {
		slog.Warn("requests cut off", "error", err)
	}
	srv.courier.running.Wait()
	return nil
}
