package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sidecart/sidecart/internal/fresh"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
)

// catalog is what basket asks the catalog service.
type catalog struct {
	sidecar *sidecar.Client
	recent  *fresh.Cache[Variant] // by currency and SKU
}

// A price may be shown this long after catalog has changed it; what is paid is for ordering to say.
const priceLife = 2 * time.Second

func newCatalog(sidecar *sidecar.Client) catalog {
	c := catalog{sidecar: sidecar}
	c.recent = fresh.New(priceLife, c.ask)
	return c
}

// Variant is what catalog sells under a SKU, with its price in the currency that was asked for.
type Variant struct {
	SKU   string       `json:"sku"`
	Slug  string       `json:"slug"`
	Name  string       `json:"name"`
	Image string       `json:"image"`
	Price money.Amount `json:"price"`
}

// Variants are what is sold under the given SKUs; a SKU that is not sold, or has no price in currency, is absent.
func (c catalog) Variants(ctx context.Context, skus []string, currency string) (map[string]Variant, error) {
	keys := make([]string, len(skus))
	for i, sku := range skus {
		keys[i] = currency + " " + sku
	}
	known, err := c.recent.Get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	bySKU := make(map[string]Variant, len(known))
	for _, v := range known {
		bySKU[v.SKU] = v
	}
	return bySKU, nil
}

// ask asks for variants by currency and SKU, once for each currency.
func (c catalog) ask(ctx context.Context, keys []string) (map[string]Variant, error) {
	skus := map[string][]string{}
	for _, key := range keys {
		currency, sku, _ := strings.Cut(key, " ")
		skus[currency] = append(skus[currency], sku)
	}
	known := make(map[string]Variant, len(keys))
	for currency := range skus {
		var answer struct {
			Items []Variant `json:"items"`
		}
		query := url.Values{"skus": {strings.Join(skus[currency], ",")}, "currency": {currency}}
		if err := c.sidecar.Call(ctx, "catalog", http.MethodGet, "/variants?"+query.Encode(), nil, &answer); err != nil {
			return nil, err
		}
		for _, v := range answer.Items {
			if v.Price.Currency() == currency {
				known[currency+" "+v.SKU] = v
			}
		}
	}
	return known, nil
}

// ordering is what basket asks the ordering service.
type ordering struct{ sidecar *sidecar.Client }

// purchase is a basket on its way to an order. Checkout is the client's own words: ordering judges them.
type purchase struct {
	Checkout   json.RawMessage `json:"checkout"`
	BasketID   string          `json:"basketId"`
	CheckoutID string          `json:"checkoutId"`
	Currency   string          `json:"currency"`
	Lines      []Line          `json:"lines"`
	Coupon     string          `json:"coupon"`
}

// Quote is what a purchase would cost.
func (o ordering) Quote(ctx context.Context, p purchase) (answer json.RawMessage, err error) {
	err = o.sidecar.Call(ctx, "ordering", http.MethodPost, "/quotes", p, &answer)
	return answer, outOfCheckout(err)
}

// Place makes an order, once per key and customer.
func (o ordering) Place(ctx context.Context, key string, p purchase) (answer json.RawMessage, err error) {
	err = o.sidecar.Call(sidecar.WithIdempotencyKey(ctx, key), "ordering", http.MethodPost, "/orders", p, &answer)
	return answer, outOfCheckout(err)
}

// Coupon is what ordering says of a code that it would take: its code and what it is for.
type Coupon struct {
	Code        string `json:"code"`
	Description string `json:"description"`
}

// CheckCoupon says whether the caller could use a code for goods of this worth; if not, the error says why.
func (o ordering) CheckCoupon(ctx context.Context, code string, subtotal money.Amount) (c Coupon, err error) {
	request := struct {
		Code     string       `json:"code"`
		Subtotal money.Amount `json:"subtotal"`
	}{code, subtotal}
	return c, o.sidecar.Call(ctx, "ordering", http.MethodPost, "/coupon-checks", request, &c)
}

// outOfCheckout names the fields of a refusal as the client named them.
func outOfCheckout(err error) error {
	p, ok := errors.AsType[*problem.Error](err)
	if !ok {
		return err
	}
	p.Detail = strings.ReplaceAll(p.Detail, `"checkout.`, `"`)
	for i := range p.Fields {
		p.Fields[i].Field = strings.TrimPrefix(p.Fields[i].Field, "checkout.")
	}
	return err
}
