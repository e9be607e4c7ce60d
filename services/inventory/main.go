// Inventory knows how many pieces there are, holds them for orders, and sells or frees them as orders are paid or closed.
// It never has a negative count and never sells a piece twice. What a piece is, looks like and costs belongs to catalog.
package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/idempotency"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/postgres"
)

const (
	app = "inventory"

	// holdTime outlasts the waits of ordering for a payment and for its approval by the customer.
	holdTime = time.Hour
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

func main() { boot.Main(app, run) }

func run(ctx context.Context, env boot.Env) error {
	hold, err := holdFor(env)
	if err != nil {
		return err
	}
	databaseURL, err := env.Secret(ctx, "DATABASE_URL")
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, databaseURL, migrations())
	if err != nil {
		return err
	}
	defer db.Close()
	stock := &store{db}
	if env.Get("SEED") == "demo" {
		if err := seed(ctx, stock); err != nil {
			return err
		}
	}
	sidecar, err := env.Sidecar(ctx)
	if err != nil {
		return err
	}
	s := &server{stock: stock, hold: hold, now: time.Now}
	tasks := append(outbox.Run(db, sidecar, app, s.subscriptions()...), s.sweep, s.audit, idempotency.Sweep(db))
	return boot.Serve(ctx, env, s.routes(), []func(context.Context) error{db.Ping, sidecar.Ready}, tasks...)
}

func migrations() fs.FS {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return files
}

// holdFor reads INVENTORY_HOLD, a duration such as 90m.
func holdFor(env boot.Env) (time.Duration, error) {
	s := env.Get("HOLD")
	if s == "" {
		return holdTime, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("INVENTORY_HOLD must be a duration such as 90m")
	}
	return d, nil
}
