// Client is who we serve: profile, preferences, consents, address book and wishlist of every customer. Accounts, passwords and e-mail addresses
// belong to auth; the address that an order was sent to is the order's own copy.
package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/sidecart/sidecart/internal/boot"
)

const app = "client"

func main() { boot.Main(app, run) }

func run(ctx context.Context, env boot.Env) error {
	databaseURL, err := env.Secret(ctx, "DATABASE_URL")
	if err != nil {
		return err
	}
	customers, err := openStore(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer func() {
		if err := customers.Close(); err != nil {
			slog.Warn("close the database", "error", err.Error())
		}
	}()
	sidecar, err := env.Sidecar(ctx)
	if err != nil {
		return err
	}
	s := &server{customers: customers, sidecar: sidecar, now: time.Now}
	ready := []func(context.Context) error{customers.Ready, sidecar.Ready}
	return boot.Serve(ctx, env, s.routes(), ready, append(s.subscribe(), s.serveRequests)...)
}
