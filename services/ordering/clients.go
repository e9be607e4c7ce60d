package main

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sidecart/sidecart/internal/fresh"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/services/ordering/order"
)

// catalog is what ordering asks the catalog service.
type catalog struct {
	sidecar *sidecar.Client
	recent  *fresh.Cache[order.Variant] // by currency and SKU
}

// A price holds for purchases this long after catalog has changed it.
const priceLife = time.Second

func newCatalog(sidecar *sidecar.Client) catalog {
	c := catalog{sidecar: sidecar}
	c.recent = fresh.New(priceLife, c.ask)
	return c
}

// Variants are what is sold under the given SKUs, with prices in currency; a SKU that is not sold, or has no price in
// it, is absent.
func (c catalog) Variants(ctx context.Context, skus []string, currency string) ([]order.Variant, error) {
	keys := make([]string, len(skus))
	for i, sku := range skus {
		keys[i] = currency + " " + sku
	}
	known, err := c.recent.Get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	return slices.Collect(maps.Values(known)), nil
}

// ask asks for variants by currency and SKU, once for each currency.
func (c catalog) ask(ctx context.Context, keys []string) (map[string]order.Variant, error) {
	skus := map[string][]string{}
	for _, key := range keys {
		currency, sku, _ := strings.Cut(key, " ")
		skus[currency] = append(skus[currency], sku)
	}
	known := make(map[string]order.Variant, len(keys))
	for currency := range skus {
		query := url.Values{"skus": {strings.Join(skus[currency], ",")}, "currency": {currency}}
		var answer struct {
			Items []order.Variant `json:"items"`
		}
		if err := c.sidecar.Call(ctx, "catalog", http.MethodGet, "/variants?"+query.Encode(), nil, &answer); err != nil {
			return nil, err
		}
		for _, v := range answer.Items {
			known[currency+" "+v.SKU] = v
		}
	}
	return known, nil
}
