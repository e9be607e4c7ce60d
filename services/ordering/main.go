// Package main is ordering: it prices what a basket holds and takes every order from its acceptance to its end. It owns
// orders; it neither holds stock nor moves money, but asks inventory and payment to, and applies what they tell.
package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/idempotency"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/services/ordering/order"
)

const app = "ordering"

func main() { boot.Main(app, run) }

func run(ctx context.Context, env boot.Env) error {
	wait, err := deadlines(env)
	if err != nil {
		return err
	}
	side, err := env.Sidecar(ctx)
	if err != nil {
		return err
	}
	url, err := env.Secret(ctx, "DATABASE_URL")
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, url, migrations())
	if err != nil {
		return err
	}
	defer db.Close()
	coupons := couponStore{db}
	if env.Get("SEED") == "demo" {
		if err := coupons.Seed(ctx); err != nil {
			return err
		}
	}

	s := &server{
		orders: newStore(db, wait), coupons: coupons, catalog: newCatalog(side), news: &news{}, wait: wait, seller: seller(env),
		publicURL: strings.TrimSuffix(env.Get("SIDECART_PUBLIC_URL"), "/"),
		now:       func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }, // as PostgreSQL keeps it
	}
	tasks := append(outbox.Run(db, side, app, s.subscriptions()...), s.sweep, s.news.listen(db), s.orders.countTogether, idempotency.Sweep(db))
	return boot.Serve(ctx, env, s.routes(), []func(context.Context) error{db.Ping, side.Ready}, tasks...)
}

// deadlines reads how long orders wait for others: ORDERING_STOCK_TIMEOUT, _PAYMENT_TIMEOUT,
// _ACTION_TIMEOUT and _REFUND_TIMEOUT.
func deadlines(env boot.Env) (order.Deadlines, error) {
	wait := order.Deadlines{Stock: 15 * time.Minute, Payment: 15 * time.Minute, Action: 30 * time.Minute, Refund: 15 * time.Minute}
	for name, d := range map[string]*time.Duration{
		"STOCK_TIMEOUT": &wait.Stock, "PAYMENT_TIMEOUT": &wait.Payment, "ACTION_TIMEOUT": &wait.Action, "REFUND_TIMEOUT": &wait.Refund,
	} {
		if s := env.Get(name); s != "" {
			var err error
			if *d, err = time.ParseDuration(s); err != nil || *d <= 0 {
				return wait, fmt.Errorf("%s must be a duration such as 15m", name)
			}
		}
	}
	return wait, nil
}

// seller is who sells, as it stands on invoices: ORDERING_SELLER, its lines separated by "|".
func seller(env boot.Env) []string {
	return strings.Split(cmp.Or(env.Get("SELLER"), "Sidecart"), "|")
}
