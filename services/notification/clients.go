package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
)

// owners are the services that know whom to write to and what about.
type owners struct {
	call func(ctx context.Context, app, method, path string, in, out any) error
}

// orderSummary is what a mail says of an order.
type orderSummary struct {
	ID       string      `json:"id"`
	Number   string      `json:"number"`
	PlacedAt time.Time   `json:"placedAt"`
	Email    string      `json:"email"`
	Name     string      `json:"name"`
	Lines    []orderLine `json:"lines"`
	Address  address     `json:"address"`

	Subtotal money.Amount `json:"subtotal"`
	Discount money.Amount `json:"discount"`
	Shipping money.Amount `json:"shipping"`
	Tax      money.Amount `json:"tax"`
	Total    money.Amount `json:"total"`

	Shipment shipment                `json:"shipment"`
	Returns  []goodsReturn           `json:"returns"`
	Repaid   map[string]money.Amount `json:"repaid"` // by the id of each refund
}

type shipment struct {
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"trackingNumber"`
	TrackingURL    string `json:"trackingUrl"`
}

type goodsReturn struct {
	ID     string       `json:"id"`
	Lines  []orderLine  `json:"lines"` // without names and prices, which are the order's
	Refund money.Amount `json:"refund"`
	Note   string       `json:"note"`
}

type orderLine struct {
	SKU       string       `json:"sku"`
	Name      string       `json:"name"`
	Quantity  int          `json:"quantity"`
	UnitPrice money.Amount `json:"unitPrice,omitzero"`
	LineTotal money.Amount `json:"lineTotal,omitzero"`
}

type address struct {
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2"`
	City       string `json:"city"`
	Region     string `json:"region"`
	PostalCode string `json:"postalCode"`
	Country    string `json:"country"`
}

// errPointless means that the owner knows of no such request or order any more: there is nobody left to write to.
var errPointless = errors.New("no longer of use")

// order asks ordering what a mail about an order may say.
func (o owners) order(ctx context.Context, id string) (s orderSummary, err error) {
	err = o.call(ctx, "ordering", http.MethodGet, "/orders/"+url.PathEscape(id)+"/summary", nil, &s)
	return s, gone(err)
}

// gone tells "the owner says that there is no such thing" from "the owner cannot be asked".
func gone(err error) error {
	p, ok := errors.AsType[*problem.Error](err)
	if ok && p.Kind == problem.NotFound && p.Code != "no-such-route" {
		return fmt.Errorf("%w: %s", errPointless, p.Code)
	}
	return err
}
