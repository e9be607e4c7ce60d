package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/services/catalog/search"
)

// Shelf is what is on sale, laid out for reading: an index on disk and in memory of our own, which goes on while the
// database is away.
type Shelf struct {
	index *search.Index
	boot  string // tells this process's revisions from those of others

	mu         sync.RWMutex
	categories []Category // in the shop's order
}

// priceSteps are where price ranges begin, chosen per currency as prices are.
var priceSteps = map[string][]int64{
	"EUR": {0, 1000, 2500, 5000, 10000, 25000},
	"USD": {0, 1000, 2500, 5000, 10000, 25000},
	"GBP": {0, 1000, 2500, 5000, 10000, 25000},
	"JPY": {0, 1500, 4000, 8000, 16000, 40000},
}

// openShelf opens the index in the directory, with what it had when it was closed.
func openShelf(dir string) (*Shelf, error) {
	var steps [][]int64
	for _, currency := range Currencies {
		steps = append(steps, priceSteps[currency])
	}
	index, err := search.Open(search.Options{Dir: dir, PriceSteps: steps, Read: readDocument})
	if err != nil {
		return nil, err
	}
	return &Shelf{index: index, boot: strconv.FormatInt(time.Now().UnixNano(), 36)}, nil
}

// readProduct reads a document of the store; one that cannot be sold is an error.
func readProduct(body bson.Raw) (*Product, error) {
	var p Product
	if err := bson.Unmarshal(body, &p); err != nil {
		return nil, fmt.Errorf("read a product: %w", err)
	}
	return &p, p.Check()
}

// readDocument is what a product is found by.
func readDocument(body []byte) (*search.Document, error) {
	p, err := readProduct(body)
	if err != nil {
		return nil, err
	}
	d := &search.Document{
		ID: p.ID, Slug: p.Slug, Name: p.Name, Brand: p.Brand, Category: p.Category, Description: p.Description,
		Rating: int(p.Rating), AddedAt: p.AddedAt, Body: body,
	}
	for _, currency := range Currencies {
		lowest, _ := p.From(currency)
		d.Prices = append(d.Prices, lowest)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Attributes)) {
		d.Attributes = append(d.Attributes, search.Attribute{Name: name, Value: p.Attributes[name]})
	}
	for _, v := range p.Variants {
		d.SKUs = append(d.SKUs, v.SKU)
		for _, name := range slices.Sorted(maps.Keys(v.Options)) {
			option := search.Attribute{Name: name, Value: v.Options[name]}
			if !slices.Contains(d.Attributes, option) {
				d.Attributes = append(d.Attributes, option)
			}
		}
	}
	return d, nil
}

// put lays out what documents of the store are now. Those in ids that have no document, are not on sale, or could not be
// sold, are taken away; one of them spoils no other.
func (s *Shelf) put(ids []string, bodies []bson.Raw) error {
	var change search.Change
	onSale := make(map[string]bool, len(bodies))
	for _, body := range bodies {
		p, err := readProduct(body)
		if err == nil && p.OnSale() {
			var d *search.Document
			if d, err = readDocument(body); err == nil {
				change.Put, onSale[d.ID] = append(change.Put, d), true
			}
		}
		if err != nil {
			slog.Warn("a product is left out", "error", err.Error())
		}
	}
	for _, id := range ids {
		if !onSale[id] {
			change.Remove = append(change.Remove, id)
		}
	}
	return s.index.Apply(change)
}

// arrange lays out the categories. It reports whether products are found by other words now.
func (s *Shelf) arrange(categories []Category) (renamed bool) {
	slices.SortStableFunc(categories, func(a, b Category) int { return cmp.Compare(a.Position, b.Position) })
	s.mu.Lock()
	s.categories = categories
	s.mu.Unlock()
	tree := make([]search.Category, len(categories))
	for i, c := range categories {
		tree[i] = search.Category{Slug: c.Slug, Name: c.Name, Parent: c.Parent, Hidden: c.hidden()}
	}
	return s.index.SetCategories(tree)
}

// hidden are the attributes that are no facets.
func (c Category) hidden() (names []string) {
	for _, a := range c.Attributes {
		if !a.Facet {
			names = append(names, a.Name)
		}
	}
	return names
}

// Categories are all of them, in the shop's order.
func (s *Shelf) Categories() []Category {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.categories
}

// path is from the top to a category.
func (s *Shelf) path(slug string) (path []pathView) {
	categories := s.Categories()
	for n := 0; slug != "" && n <= len(categories); n++ {
		i := slices.IndexFunc(categories, func(c Category) bool { return c.Slug == slug })
		if i < 0 {
			break
		}
		path = append(path, pathView{slug, categories[i].Name})
		slug = categories[i].Parent
	}
	slices.Reverse(path)
	return path
}

// revision names what is on the shelf now.
func (s *Shelf) revision() string { return s.boot + "-" + strconv.FormatUint(s.index.Revision(), 36) }

// Product is the one with a slug.
func (s *Shelf) Product(slug string) (*Product, error) {
	body, err := s.index.Body(slug)
	if err != nil {
		return nil, err
	}
	if body != nil {
		if p, err := readProduct(body); err != nil || p.Slug == slug {
			return p, err
		}
	}
	return nil, problem.New(problem.NotFound, "no-such-product", "We do not sell this.")
}

// offer is what is sold under a SKU.
type offer struct {
	product *Product
	variant *Variant
}

// Offer is what is sold under a SKU; false if nothing is.
func (s *Shelf) Offer(sku string) (o offer, sold bool, err error) {
	body, err := s.index.BodyOfSKU(sku)
	if err != nil || body == nil {
		return o, false, err
	}
	p, err := readProduct(body)
	if err != nil {
		return o, false, err
	}
	i := slices.IndexFunc(p.Variants, func(v Variant) bool { return v.SKU == sku })
	if i < 0 {
		return o, false, nil
	}
	return offer{p, &p.Variants[i]}, true, nil
}

// available tells whether a SKU can be bought; nil if that is not known.
func (s *Shelf) available(sku string) *bool {
	stock := s.index.Stock(sku)
	if stock == search.StockUnknown {
		return nil
	}
	in := stock == search.InStock
	return &in
}
