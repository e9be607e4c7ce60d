package main

import (
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/mux"
	"github.com/hashicorp/golang-lru/v2/expirable"

	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/catalog/search"
)

const (
	relatedMost    = 8
	relatedKept    = time.Minute // what is bought together changes slowly
	relatedMissing = 5 * time.Second
)

// companions remembers for a moment what products were bought with, as SKUs, the most often first.
type companions struct {
	orders ordering
	recent *expirable.LRU[string, []string]
	failed *expirable.LRU[string, bool] // while ordering is away nobody waits for it
}

func newCompanions(o ordering) *companions {
	return &companions{o, expirable.NewLRU[string, []string](10_000, nil, relatedKept), expirable.NewLRU[string, bool](1, nil, relatedMissing)}
}

// of are the SKUs that were bought with a product; none while ordering is away, which a page can do without.
func (c *companions) of(r *http.Request, p *Product) []string {
	if skus, known := c.recent.Get(p.ID); known {
		return skus
	}
	if away, _ := c.failed.Get(""); away {
		return nil
	}
	skus, err := c.orders.Together(r.Context(), p.skus())
	if err != nil {
		c.failed.Add("", true)
		slog.WarnContext(r.Context(), "what is bought together is not known", "error", err.Error())
		return nil
	}
	c.recent.Add(p.ID, skus)
	return skus
}

// related answers with what goes with a product: what was bought in the same orders, then the best of its category.
func (s *server) related(w http.ResponseWriter, r *http.Request) error {
	currency, err := readCurrency(r.URL.Query())
	if err != nil {
		return err
	}
	p, err := s.shelf.Product(mux.Vars(r)["slug"])
	if err != nil {
		return err
	}
	page, there := web.Page[productView]{Items: []productView{}}, map[string]bool{p.ID: true}
	add := func(other *Product) {
		if _, sold := other.From(currency); sold && !there[other.ID] && len(page.Items) < relatedMost {
			there[other.ID] = true
			page.Items = append(page.Items, s.view(other, currency))
		}
	}
	for _, sku := range s.companions.of(r, p) {
		o, sold, err := s.shelf.Offer(sku)
		if err != nil {
			return err
		}
		if sold {
			add(o.product)
		}
	}
	if len(page.Items) < relatedMost {
		found, err := s.shelf.index.List(search.Query{
			Category: p.Category, Currency: slices.Index(Currencies[:], currency), Sort: "rating", Limit: relatedMost + 1 + len(page.Items),
		})
		if err != nil {
			return unsearchable(err)
		}
		for _, body := range found.Bodies {
			other, err := readProduct(body)
			if err != nil {
				return err
			}
			add(other)
		}
	}
	return web.Encode(w, http.StatusOK, page)
}
