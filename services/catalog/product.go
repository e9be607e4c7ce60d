package main

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/sidecart/sidecart/internal/money"
)

// Currencies are those that the shop sells in. Each price is set by hand in each of them; none is ever converted.
var Currencies = [...]string{"EUR", "USD", "GBP", "JPY"}

// Prices are whole minor units by currency. A currency that is missing is one that the thing is not sold in.
type Prices map[string]int64

// Rating is tenths of a star, from 10 to 50; JSON shows it as stars, e.g. 4.7.
type Rating int

func (r Rating) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%d.%d", r/10, r%10), nil
}

// Product is what a page of the shop is about. What is put into a basket is one of its variants.
type Product struct {
	ID          string            `bson:"_id" json:"id"`
	Slug        string            `bson:"slug" json:"slug"`
	Name        string            `bson:"name" json:"name"`
	Brand       string            `bson:"brand" json:"brand"`
	Category    string            `bson:"category" json:"category"`
	Description string            `bson:"description" json:"description"`
	Attributes  map[string]string `bson:"attributes" json:"attributes"` // free-form, by habit alike within a category
	Images      []string          `bson:"images" json:"images"`         // names under /images
	Rating      Rating            `bson:"rating" json:"rating"`
	Reviews     int               `bson:"reviews" json:"reviews"` // published ones, which the rating is the mean of
	Status      Status            `bson:"status,omitempty" json:"status"`
	Version     int64             `bson:"version" json:"version"` // grows with every change
	AddedAt     time.Time         `bson:"addedAt" json:"addedAt"`
	UpdatedAt   time.Time         `bson:"updatedAt,omitempty" json:"updatedAt"`
	Variants    []Variant         `bson:"variants" json:"variants"`
	Last        *Entry            `bson:"last,omitempty" json:"-"` // who changed it last; of what was added without the fields, see entry

	RatingVersion int64 `bson:"ratingVersion,omitempty" json:"-"` // grows whenever the reviews are counted
}

// Status is whether a product is on the shelves. A document that says nothing is older than the others, and active.
type Status string

// A draft is not sold yet, what is archived not any more.
const (
	Draft    Status = "draft"
	Active   Status = "active"
	Archived Status = "archived"
)

// OnSale reports whether shoppers see the product and may buy it.
func (p *Product) OnSale() bool { return p.Status == Active || p.Status == "" }

// Variant is what can be bought under a SKU. A product without choices has one, without options.
type Variant struct {
	SKU     string            `bson:"sku" json:"sku"`
	Options map[string]string `bson:"options,omitempty" json:"options,omitempty"`
	Prices  Prices            `bson:"prices" json:"prices"`
}

// Category is a shelf of the shop. Parent is the slug of the one that it is part of.
type Category struct {
	Slug        string `bson:"_id" json:"slug"`
	Name        string `bson:"name" json:"name"`
	Description string `bson:"description" json:"description"`
	Image       string `bson:"image" json:"image"`
	Parent      string `bson:"parent,omitempty" json:"parent,omitempty"`
	Position    int    `bson:"position" json:"-"` // among its siblings, from 0
	Version     int64  `bson:"version,omitempty" json:"-"`

	Attributes []AttributeDefinition `bson:"attributes,omitempty" json:"-"`
	Once       *once                 `bson:"once,omitempty" json:"-"`
}

// AttributeDefinition is what products of a category, and of what is part of it, say about themselves.
type AttributeDefinition struct {
	Name    string   `bson:"name" json:"name"`
	Kind    string   `bson:"kind" json:"kind"` // text, number or choice
	Choices []string `bson:"choices,omitempty" json:"choices,omitempty"`
	Facet   bool     `bson:"facet" json:"facet"` // shoppers may filter by it
}

var (
	slugShape  = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	skuShape   = regexp.MustCompile(`^[A-Z0-9]+(-[A-Z0-9]+)*$`)
	imageShape = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*\.webp$`)
)

// Check says what keeps a product from being sold. Documents come from a store that checks nothing.
func (p *Product) Check() error {
	switch {
	case p.ID == "" || p.Name == "" || p.Brand == "" || p.Category == "":
		return fmt.Errorf("product %q: id, name, brand and category are needed", p.Slug)
	case !slugShape.MatchString(p.Slug):
		return fmt.Errorf("product %q: this is no slug", p.Slug)
	case len(p.Images) == 0 || slices.ContainsFunc(p.Images, func(name string) bool { return !imageShape.MatchString(name) }):
		return fmt.Errorf("product %q: images are needed, named like teapot.webp", p.Slug)
	case len(p.Variants) == 0:
		return fmt.Errorf("product %q: there is no variant to buy", p.Slug)
	case p.Rating < 0 || p.Rating > 50:
		return fmt.Errorf("product %q: %d is no rating", p.Slug, p.Rating)
	}
	for _, v := range p.Variants {
		if !skuShape.MatchString(v.SKU) || len(v.SKU) > maxSKU {
			return fmt.Errorf("product %q: %q is no SKU", p.Slug, v.SKU)
		}
		if len(v.Prices) == 0 {
			return fmt.Errorf("product %q: %s has no price", p.Slug, v.SKU)
		}
		for currency, minor := range v.Prices {
			if _, err := money.New(minor, currency); err != nil || minor <= 0 {
				return fmt.Errorf("product %q: %s costs %d %s", p.Slug, v.SKU, minor, currency)
			}
		}
	}
	return nil
}

// From is the lowest price of the variants; false if none is sold in the currency.
func (p *Product) From(currency string) (lowest int64, sold bool) {
	for _, v := range p.Variants {
		if minor, ok := v.Prices[currency]; ok && (!sold || minor < lowest) {
			lowest, sold = minor, true
		}
	}
	return lowest, sold
}
