// Package main is basket: what shoppers, with or without an account, want to buy. It lives in the Dapr state store and
// knows neither prices nor stock; at checkout it hands its lines to ordering, and forgets them when it hears of the order.
package main

import (
	"context"

	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/outbox"
)

func main() { boot.Main("basket", run) }

func run(ctx context.Context, env boot.Env) error {
	side, err := env.Sidecar(ctx)
	if err != nil {
		return err
	}
	baskets := &store{side.State()}
	s := newServer(baskets, newCatalog(side), ordering{side}, env.Verifier(ctx).Verify)
	ready := []func(context.Context) error{side.Ready, baskets.Ready}
	return boot.Serve(ctx, env, s.routes(), ready, outbox.RunPlain(cursors{baskets}, side, "basket", s.subscriptions()...)...)
}
