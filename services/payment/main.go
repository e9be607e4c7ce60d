// Payment takes the money of orders and gives it back: attempts, captures, refunds, and the webhooks of the providers.
// It decides neither what an order costs nor whether money should go back; ordering does. No card data ever reaches it:
// it knows payment methods by the provider's reference only.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/lease"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/postgres"
)

func main() { boot.Main("payment", run) }

func run(ctx context.Context, env boot.Env) error {
	car, err := env.Sidecar(ctx)
	if err != nil {
		return err
	}
	providers, offered, err := openProviders(ctx, env)
	if err != nil {
		return err
	}
	url, err := env.Secret(ctx, "DATABASE_URL")
	if err != nil {
		return err
	}
	pool, err := postgres.Open(ctx, url, migrations())
	if err != nil {
		return err
	}
	defer pool.Close()

	srv := &server{pool: pool, store: newStore(pool), providers: providers, offered: offered, now: time.Now}
	tasks := append(outbox.Run(pool, car, "payment", srv.subscriptions()...), srv.background()...)
	return boot.Serve(ctx, env, srv.routes(), []func(context.Context) error{pool.Ping, car.Ready}, tasks...)
}

// background is the work that nobody waits for: asking the provider about what is due, and comparing with it what is not.
func (s *server) background() []boot.Task {
	w := &worker{store: s.store, providers: s.providers, now: s.now}
	attempts, refunds := make(chan struct{}, 1), make(chan struct{}, 1)
	return []boot.Task{
		func(ctx context.Context) error {
			return postgres.Listen(ctx, s.pool, dueChannel, func(string, any) { lease.Wake(attempts); lease.Wake(refunds) })
		},
		func(ctx context.Context) error {
			return lease.Run(ctx, width, attempts, s.store.LeaseAttempts, w.settle)
		},
		func(ctx context.Context) error {
			return lease.Run(ctx, width/4, refunds, s.store.LeaseRefunds, w.refund)
		},
		w.reconcile,
	}
}

// openProviders connects to the providers that PAYMENT_PROVIDERS offers to customers, "stripe" unless set, and to those of
// PAYMENT_PROVIDERS_RETIRED, whose payments are still settled and refunded.
func openProviders(ctx context.Context, env boot.Env) (known map[string]*guarded, offered []string, err error) {
	offered = strings.Split(cmp.Or(env.Get("PROVIDERS"), "stripe"), ",")
	retired := strings.FieldsFunc(env.Get("PROVIDERS_RETIRED"), func(r rune) bool { return r == ',' })
	known = map[string]*guarded{}
	for _, name := range slices.Concat(offered, retired) {
		if known[name] != nil {
			return nil, nil, fmt.Errorf("PAYMENT_PROVIDERS and PAYMENT_PROVIDERS_RETIRED name %q twice", name)
		}
		opened, err := openProvider(ctx, env, name)
		if err != nil {
			return nil, nil, err
		}
		known[name] = guard(name, opened)
	}
	return known, offered, nil
}

// openProvider connects to the provider itself unless a setting such as PAYMENT_STRIPE_URL names a stand-in, which no
// production may have.
func openProvider(ctx context.Context, env boot.Env, name string) (provider, error) {
	var missing error
	secret := func(name string) string {
		value, err := env.Secret(ctx, name)
		missing = errors.Join(missing, err)
		return value
	}
	setting := strings.ToUpper(name) + "_URL"
	address := env.Get(setting)
	if address != "" && !env.Local() {
		return nil, fmt.Errorf("PAYMENT_%s is for local mode: a stand-in takes no money", setting)
	}
	var opened provider
	var err error
	switch name {
	case "stripe":
		opened = newStripe(address, secret("STRIPE_KEY"), secret("STRIPE_WEBHOOK_SECRET"))
	case "paypal":
		opened, err = newPayPal(address, secret("PAYPAL_CLIENT_ID"), secret("PAYPAL_CLIENT_SECRET"), secret("PAYPAL_WEBHOOK_ID"))
	default:
		err = fmt.Errorf("there is no payment provider %q: PAYMENT_PROVIDERS may list stripe and paypal", name)
	}
	return opened, errors.Join(err, missing)
}
