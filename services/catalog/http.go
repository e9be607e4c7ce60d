package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/privacy"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/catalog/search"
)

const (
	// imagePath is where shoppers find images: the gateway's address of our own /images, as baskets and orders keep it.
	imagePath = "/api/v1/images/"

	suggestions = 8
)

type server struct {
	shelf   *Shelf
	gallery *gallery
	office  *office
	critics *critics

	companions *companions
}

// routes is everything that catalog answers to. Support may look at the back office, administrators may change it.
func (s *server) routes() http.Handler {
	customer := func(h web.Handler) web.Handler {
		return identity.Require(h, identity.Customer, identity.Support, identity.Admin)
	}
	staff := func(h web.Handler) web.Handler { return identity.Require(h, identity.Support, identity.Admin) }
	admin := func(h web.Handler) web.Handler { return identity.Require(h, identity.Admin) }
	o, c := s.office, s.critics
	r := web.Router()
	r.Handle("/products", web.Handler(s.list)).Methods(http.MethodGet)
	r.Handle("/products/{slug}", web.Handler(s.product)).Methods(http.MethodGet)
	r.Handle("/categories", web.Handler(s.categories)).Methods(http.MethodGet)
	r.Handle("/suggest", web.Handler(s.suggest)).Methods(http.MethodGet)
	r.Handle("/variants", web.Handler(s.variants)).Methods(http.MethodGet)
	r.Handle("/images/{name}", web.Handler(s.gallery.image)).Methods(http.MethodGet, http.MethodHead)
	r.Handle("/products/{slug}/related", web.Handler(s.related)).Methods(http.MethodGet)

	r.Handle("/products/{slug}/reviews", web.Handler(c.list)).Methods(http.MethodGet)
	r.Handle("/products/{slug}/reviews", customer(c.write)).Methods(http.MethodPost)
	r.Handle("/products/{slug}/reviews/mine", customer(c.mine)).Methods(http.MethodGet)
	r.Handle("/products/{slug}/reviews/mine", customer(c.rewrite)).Methods(http.MethodPut)
	r.Handle("/products/{slug}/reviews/mine", customer(c.withdraw)).Methods(http.MethodDelete)

	r.Handle("/admin/products", staff(o.listProducts)).Methods(http.MethodGet)
	r.Handle("/admin/products", admin(o.addProduct)).Methods(http.MethodPost)
	r.Handle("/admin/products/export", staff(o.exportProducts)).Methods(http.MethodGet)
	r.Handle("/admin/products/{id}", staff(o.showProduct)).Methods(http.MethodGet)
	r.Handle("/admin/products/{id}", admin(o.replaceProduct)).Methods(http.MethodPut)
	r.Handle("/admin/products/{id}", admin(o.changeProduct)).Methods(http.MethodPatch)
	r.Handle("/admin/products/{id}", admin(o.archiveProduct)).Methods(http.MethodDelete)
	r.Handle("/admin/products/{id}/history", staff(o.history)).Methods(http.MethodGet)
	r.Handle("/admin/audit", staff(o.audit)).Methods(http.MethodGet)
	r.Handle("/admin/images", admin(o.openImage)).Methods(http.MethodPost)
	r.Handle("/admin/images/{id}/parts/{n}", admin(o.putPart)).Methods(http.MethodPut)
	r.Handle("/admin/images/{id}/completion", admin(o.addImage)).Methods(http.MethodPut)
	r.Handle("/admin/imports", staff(o.listImports)).Methods(http.MethodGet)
	r.Handle("/admin/imports", admin(o.openImport)).Methods(http.MethodPost)
	r.Handle("/admin/imports/{id}", staff(o.showImport)).Methods(http.MethodGet)
	r.Handle("/admin/imports/{id}/parts/{n}", admin(o.putPart)).Methods(http.MethodPut)
	r.Handle("/admin/imports/{id}/completion", admin(o.startImport)).Methods(http.MethodPut)
	r.Handle("/admin/imports/{id}/errors", staff(o.importErrors)).Methods(http.MethodGet)
	r.Handle("/admin/imports/{id}/cancellation", admin(o.cancelImport)).Methods(http.MethodPost)
	r.Handle("/admin/categories", staff(o.listCategories)).Methods(http.MethodGet)
	r.Handle("/admin/categories", admin(o.addCategory)).Methods(http.MethodPost)
	r.Handle("/admin/categories/{slug}", admin(o.replaceCategory)).Methods(http.MethodPut)
	r.Handle("/admin/categories/{slug}", admin(o.removeCategory)).Methods(http.MethodDelete)
	r.Handle("/admin/reviews", staff(c.listForStaff)).Methods(http.MethodGet)
	r.Handle("/admin/reviews/{id}", admin(c.moderate)).Methods(http.MethodPatch)
	privacy.Routes(r, s.office.store)
	return r
}

// productView is a product as a shopper sees it, with prices in one currency. A list leaves out what is for its page.
type productView struct {
	ID          string            `json:"id"`
	Slug        string            `json:"slug"`
	Name        string            `json:"name"`
	Brand       string            `json:"brand"`
	Category    string            `json:"category"`
	Description string            `json:"description,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
	Price       money.Amount      `json:"price"` // the lowest of the variants
	Image       string            `json:"image"`
	Images      []string          `json:"images,omitempty"`
	Rating      Rating            `json:"rating"`
	Reviews     int               `json:"reviews"`
	Status      Status            `json:"status,omitempty"`
	Path        []pathView        `json:"categoryPath,omitempty"` // from the top to the product's category
	Available   *bool             `json:"available,omitempty"`    // absent while it is not known
	Variants    []variantView     `json:"variants"`
	Highlights  []highlight       `json:"highlights,omitempty"`
}

type pathView struct {
	Slug string `json:"slug"`
	Name string `json:"name"`
}

// highlight is a text in pieces, of which those that match the words are marked.
type highlight struct {
	Field string        `json:"field"`
	Parts []search.Part `json:"parts"`
}

type variantView struct {
	SKU       string            `json:"sku"`
	Options   map[string]string `json:"options,omitempty"`
	Price     money.Amount      `json:"price"`
	Available *bool             `json:"available,omitempty"`
}

// view is p in a currency that it is sold in.
func (s *server) view(p *Product, currency string) productView {
	lowest, _ := p.From(currency)
	v := productView{
		ID: p.ID, Slug: p.Slug, Name: p.Name, Brand: p.Brand, Category: p.Category,
		Price: money.Must(lowest, currency), Image: imagePath + p.Images[0], Rating: p.Rating, Reviews: p.Reviews,
	}
	for _, variant := range p.Variants {
		minor, sold := variant.Prices[currency]
		if !sold {
			continue
		}
		available := s.shelf.available(variant.SKU)
		v.Variants = append(v.Variants, variantView{variant.SKU, variant.Options, money.Must(minor, currency), available})
		if available != nil && (v.Available == nil || *available) {
			v.Available = available
		}
	}
	return v
}

// list answers with a page of the products that the query asks for, or with those that it names.
func (s *server) list(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has("slugs") {
		return s.named(w, r)
	}
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	if fresh(w, r, s.shelf) {
		return nil
	}
	found, err := s.shelf.index.List(q)
	if err != nil {
		return unsearchable(err)
	}
	page := listView{Facets: found.Facets, Total: found.Total, Correction: found.Correction}
	page.Items, page.NextCursor = make([]productView, 0, len(found.Bodies)), writeCursor(q, found.Next)
	for _, body := range found.Bodies {
		p, err := readProduct(body)
		if err != nil {
			return err
		}
		v := s.view(p, Currencies[q.Currency])
		for _, text := range []struct{ field, text string }{{"name", p.Name}, {"description", p.Description}} {
			if parts := found.Highlight(text.text); parts != nil {
				v.Highlights = append(v.Highlights, highlight{text.field, parts})
			}
		}
		page.Items = append(page.Items, v)
	}
	return web.Encode(w, http.StatusOK, page)
}

type listView struct {
	web.Page[productView]
	Facets     search.Facets `json:"facets"`
	Total      int           `json:"total"`
	Correction string        `json:"correction,omitempty"`
}

// named answers with the products of ?slugs=, in that order, as whoever remembers what was looked at needs them. What is
// not sold, or not in the currency, is absent.
func (s *server) named(w http.ResponseWriter, r *http.Request) error {
	slugs, err := readSlugs(r.URL.Query())
	if err != nil {
		return err
	}
	currency, err := readCurrency(r.URL.Query())
	if err != nil {
		return err
	}
	if fresh(w, r, s.shelf) {
		return nil
	}
	page := listView{Facets: search.NoFacets()}
	page.Items = []productView{}
	for i, slug := range slugs {
		p, err := s.shelf.Product(slug)
		if problem.Is(err, "no-such-product") || slices.Contains(slugs[:i], slug) {
			continue
		}
		if err != nil {
			return err
		}
		if _, sold := p.From(currency); sold {
			page.Items = append(page.Items, s.view(p, currency))
		}
	}
	page.Total = len(page.Items)
	return web.Encode(w, http.StatusOK, page)
}

// unsearchable turns the lack of an index into a problem: lists without words go on.
func unsearchable(err error) error {
	if !errors.Is(err, search.ErrWords) {
		return err
	}
	p := problem.New(problem.Unavailable, "search-unavailable", "Searching does not work at the moment; browsing does.")
	return fmt.Errorf("%w (%w)", p.WithRetryAfter(5*time.Second), err)
}

// product answers with everything about one product.
func (s *server) product(w http.ResponseWriter, r *http.Request) error {
	currency, err := readCurrency(r.URL.Query())
	if err != nil {
		return err
	}
	p, err := s.shelf.Product(mux.Vars(r)["slug"])
	if err != nil {
		return err
	}
	if _, sold := p.From(currency); !sold {
		return problem.New(problem.NotFound, "no-such-product", "We do not sell this in %s.", currency)
	}
	if fresh(w, r, s.shelf) {
		return nil
	}
	v := s.view(p, currency)
	v.Description, v.Attributes, v.Status, v.Path = p.Description, p.Attributes, Active, s.shelf.path(p.Category)
	for _, name := range p.Images {
		v.Images = append(v.Images, imagePath+name)
	}
	return web.Encode(w, http.StatusOK, v)
}

type categoryView struct {
	Category
	Count    int            `json:"count"`
	Children []categoryView `json:"children,omitempty"`
}

// categories answers with the tree of categories, in the shop's order.
func (s *server) categories(w http.ResponseWriter, r *http.Request) error {
	if fresh(w, r, s.shelf) {
		return nil
	}
	return web.Encode(w, http.StatusOK, web.Page[categoryView]{Items: branch(s.shelf.Categories(), s.shelf.index.Counts(), "", 0)})
}

// branch is what is directly part of a category; of none, the roots. The depth bounds the walk even if somebody made a
// category part of itself.
func branch(categories []Category, counts map[string]int, parent string, depth int) []categoryView {
	views := []categoryView{}
	for _, c := range categories {
		if c.Parent == parent && depth <= len(categories) {
			v := categoryView{Category: c, Count: counts[c.Slug], Children: branch(categories, counts, c.Slug, depth+1)}
			v.Image = imagePath + c.Image
			views = append(views, v)
		}
	}
	return views
}

type suggestion struct {
	Slug     string `json:"slug"`
	Name     string `json:"name"`
	Image    string `json:"image"`
	Category string `json:"category"`
}

type suggestedQuery struct {
	Text string `json:"text"`
}

// suggest answers with a few products for the beginning of a word, and with what else to look for.
func (s *server) suggest(w http.ResponseWriter, r *http.Request) error {
	q, err := readWords(r.URL.Query(), "q")
	if err != nil {
		return err
	}
	answer := struct {
		Items      []suggestion     `json:"items"`
		Queries    []suggestedQuery `json:"queries"`
		Categories []pathView       `json:"categories"`
	}{[]suggestion{}, []suggestedQuery{}, []pathView{}}
	if q != "" {
		found, err := s.shelf.index.Suggest(q, suggestions)
		if err != nil {
			return unsearchable(err)
		}
		for _, body := range found.Bodies {
			p, err := readProduct(body)
			if err != nil {
				return err
			}
			answer.Items = append(answer.Items, suggestion{p.Slug, p.Name, imagePath + p.Images[0], p.Category})
		}
		for _, text := range found.Queries {
			answer.Queries = append(answer.Queries, suggestedQuery{text})
		}
		for _, c := range found.Categories {
			answer.Categories = append(answer.Categories, pathView{c.Slug, c.Name})
		}
	}
	return web.Encode(w, http.StatusOK, answer)
}

type offerView struct {
	SKU       string            `json:"sku"`
	ProductID string            `json:"productId"`
	Slug      string            `json:"slug"`
	Name      string            `json:"name"`
	Image     string            `json:"image"`
	Options   map[string]string `json:"options,omitempty"`
	Price     money.Amount      `json:"price"`
}

// variants answers with what is sold under the given SKUs, as baskets and orders need it. A SKU that is unknown, or not
// sold in the currency, is absent.
func (s *server) variants(w http.ResponseWriter, r *http.Request) error {
	skus, err := readSKUs(r.URL.Query())
	if err != nil {
		return err
	}
	currency, err := readCurrency(r.URL.Query())
	if err != nil {
		return err
	}
	items, named := make([]offerView, 0, len(skus)), make(map[string]bool, len(skus))
	for _, sku := range skus {
		o, known, err := s.shelf.Offer(sku)
		if err != nil {
			return err
		}
		if !known || named[sku] {
			continue
		}
		if minor, sold := o.variant.Prices[currency]; sold {
			named[sku] = true
			items = append(items, offerView{
				sku, o.product.ID, o.product.Slug, o.name(), imagePath + o.product.Images[0], o.variant.Options, money.Must(minor, currency),
			})
		}
	}
	return web.Encode(w, http.StatusOK, web.Page[offerView]{Items: items})
}

// name is the product's, with the choices that were made: "Robin Teapot, 0.9 l".
func (o offer) name() string {
	name := o.product.Name
	for _, option := range slices.Sorted(maps.Keys(o.variant.Options)) {
		name += ", " + o.variant.Options[option]
	}
	return name
}

// fresh marks an answer as good for as long as the catalog does not change, and ends the request if the caller has it
// already (RFC 9110 section 13.1.2). It comes after all that can be refused.
func fresh(w http.ResponseWriter, r *http.Request, shelf *Shelf) bool {
	etag := `W/"` + shelf.revision() + `"`
	w.Header().Set("Etag", etag)
	w.Header().Set("Cache-Control", "public, no-cache")
	if r.Header.Get("If-None-Match") != etag {
		return false
	}
	w.WriteHeader(http.StatusNotModified)
	return true
}
