// Catalog is what the shop sells: products and their variants, prices per currency, categories and pictures. It answers
// from memory, so browsing goes on while its database is away. How many pieces there are belongs to inventory.
package main

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/sidecart/sidecart/internal/boot"
)

const app = "catalog"

func main() { boot.Main(app, run) }

func run(ctx context.Context, env boot.Env) error {
	kept, err := keepImportsFor(env.Get("IMPORTS_KEPT"))
	if err != nil {
		return err
	}
	databaseURL, err := env.Secret(ctx, "DATABASE_URL")
	if err != nil {
		return err
	}
	images, err := demoImages()
	if err != nil {
		return err
	}
	store, err := openStore(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer func() {
		if err := store.Close(); err != nil {
			slog.Warn("close the database", "error", err.Error())
		}
	}()
	if env.Get("SEED") == "demo" {
		products, categories, err := demoCatalog()
		if err != nil {
			return err
		}
		if err := store.Seed(ctx, products, categories); err != nil {
			return err
		}
	}
	if err := store.ClaimThose(ctx); err != nil {
		return err
	}
	shelf, err := openShelf(cmp.Or(env.Get("INDEX_DIR"), filepath.Join(os.TempDir(), "sidecart-catalog")))
	if err != nil {
		return err
	}
	defer func() {
		if err := shelf.index.Close(); err != nil {
			slog.Warn("close the index", "error", err.Error())
		}
	}()
	follower, err := newFollower(ctx, store, shelf, time.Now)
	if err != nil {
		return err
	}
	sidecar, err := env.Sidecar(ctx)
	if err != nil {
		return err
	}
	gallery := newGallery(images, store)
	orders := orders{sidecar}
	s := &server{
		shelf: shelf, gallery: gallery, office: &office{store: store, gallery: gallery, now: time.Now},
		critics: &critics{store: store, orders: orders, now: time.Now}, companions: newCompanions(orders),
	}
	stockroom := &stockroom{store: store, bus: sidecar}
	importer := &importer{store: store, gallery: gallery, kept: kept, most: batchLines, now: time.Now}
	// The database is not asked for readiness: what was loaded is served without it.
	return boot.Serve(ctx, env, s.routes(), []func(context.Context) error{sidecar.Ready},
		append(stockroom.subscribe(), follower.run, follower.indexWords, store.trim, store.keepEntries, store.settleReviews, importer.run)...)
}
