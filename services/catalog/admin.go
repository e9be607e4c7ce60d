package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// office is the back office of the catalog: what staff look at and administrators change.
type office struct {
	store   *store
	gallery *gallery
	now     func() time.Time
}

func etag(version int64) string { return fmt.Sprintf(`"%d"`, version) }

// seen refuses a change to another version than the caller says it was made from (RFC 9110 section 13.1.1, RFC 6585
// section 3), or says "*" for.
func seen(r *http.Request, version int64) error {
	given := r.Header.Get("If-Match")
	if given == "" {
		return problem.New(problem.PreconditionRequired, "if-match-required", "Say in If-Match which version you have seen.")
	}
	for tag := range strings.SplitSeq(given, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == etag(version) {
			return nil
		}
	}
	return problem.New(problem.PreconditionFailed, "changed-meanwhile", "This was changed elsewhere. Please look at it again.")
}

// staffSorts are the orders that staff can ask for: the field of the documents, and whether its greatest come first.
var staffSorts = map[string]struct {
	field      string
	descending bool
}{"name": {"name", false}, "-updated": {"updatedAt", true}, "newest": {"addedAt", true}}

// StaffQuery is what staff want to see of the products.
type StaffQuery struct {
	Words      string
	Categories []string // any of them
	Status     Status
	Sort       string
	After      *staffPlace
	Limit      int
}

// staffPlace is where a product stands in a list of all products.
type staffPlace struct {
	Sort, Name, ID string
	At             time.Time
}

func (o *office) readStaffQuery(r *http.Request) (q StaffQuery, err error) {
	values := r.URL.Query()
	q = StaffQuery{Words: strings.TrimSpace(values.Get("query")), Status: Status(values.Get("status")), Sort: cmp.Or(values.Get("sort"), "name")}
	if len(q.Words) > maxQuery {
		return q, invalid("query", "must be shorter than %d bytes", maxQuery)
	}
	if q.Status != "" && !slices.Contains([]Status{Draft, Active, Archived}, q.Status) {
		return q, invalid("status", "must be draft, active or archived")
	}
	if _, known := staffSorts[q.Sort]; !known {
		return q, invalid("sort", "must be name, -updated or newest")
	}
	if q.Limit, err = web.Limit(r, defaultLimit, maxLimit); err != nil {
		return q, err
	}
	if category := values.Get("category"); category != "" {
		tree, err := o.store.tree(r.Context())
		if err != nil {
			return q, err
		}
		q.Categories = append(tree.within(category), category)
	}
	q.After, err = readStaffCursor(values, q.Sort)
	return q, err
}

func readStaffCursor(values url.Values, sort string) (*staffPlace, error) {
	cursor := values.Get("cursor")
	if cursor == "" {
		return nil, nil
	}
	var at staffPlace
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || json.Unmarshal(b, &at) != nil || at.ID == "" || at.Sort != sort {
		return nil, badCursor()
	}
	return &at, nil
}

func badCursor() error {
	return problem.New(problem.Invalid, "invalid-cursor", "The cursor is not one of this list.").
		WithFields(problem.FieldError{Field: "cursor", Detail: "must come from the page before"})
}

func (q StaffQuery) cursor(p *Product) string {
	b, err := json.Marshal(staffPlace{q.Sort, p.Name, p.ID, p.sortTime(q.Sort)})
	if err != nil {
		panic(err) // strings and a time
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func (p *Product) sortTime(sort string) time.Time {
	if sort == "newest" {
		return p.AddedAt.UTC()
	}
	return p.UpdatedAt.UTC()
}

// staffSummary is a product in the list of all.
type staffSummary struct {
	ID        string    `json:"id"`
	Slug      string    `json:"slug"`
	Name      string    `json:"name"`
	Brand     string    `json:"brand"`
	Category  string    `json:"category"`
	Status    Status    `json:"status"`
	Image     string    `json:"image"`
	Prices    Prices    `json:"prices"`
	Variants  int       `json:"variants"`
	Version   int64     `json:"version"`
	UpdatedAt time.Time `json:"updatedAt"`
}

func summarize(p *Product) staffSummary {
	s := staffSummary{
		ID: p.ID, Slug: p.Slug, Name: p.Name, Brand: p.Brand, Category: p.Category, Status: cmp.Or(p.Status, Active), Prices: Prices{},
		Variants: len(p.Variants), Version: p.Version, UpdatedAt: p.changedAt(),
	}
	if len(p.Images) > 0 {
		s.Image = imagePath + p.Images[0]
	}
	for _, currency := range Currencies {
		if lowest, sold := p.From(currency); sold {
			s.Prices[currency] = lowest
		}
	}
	return s
}

// changedAt is when p was saved last; products that never were since they were seeded say when they were added.
func (p *Product) changedAt() time.Time {
	if p.UpdatedAt.IsZero() {
		return p.AddedAt.UTC()
	}
	return p.UpdatedAt.UTC()
}

// listProducts answers with a page of all products.
func (o *office) listProducts(w http.ResponseWriter, r *http.Request) error {
	q, err := o.readStaffQuery(r)
	if err != nil {
		return err
	}
	found, total, err := o.store.FindProducts(r.Context(), q)
	if err != nil {
		return err
	}
	page := struct {
		web.Page[staffSummary]
		Total int64 `json:"total"`
	}{web.Page[staffSummary]{Items: []staffSummary{}}, total}
	if len(found) > q.Limit {
		found = found[:q.Limit]
		page.NextCursor = q.cursor(found[q.Limit-1])
	}
	for _, p := range found {
		page.Items = append(page.Items, summarize(p))
	}
	return web.Encode(w, http.StatusOK, page)
}

// staffProduct is a product with everything, as staff change it.
type staffProduct struct {
	ID          string            `json:"id"`
	Slug        string            `json:"slug"`
	Name        string            `json:"name"`
	Brand       string            `json:"brand"`
	Category    string            `json:"category"`
	Description string            `json:"description"`
	Attributes  map[string]string `json:"attributes"`
	Images      []string          `json:"images"`
	Status      Status            `json:"status"`
	Variants    []Variant         `json:"variants"`
	Rating      Rating            `json:"rating"`
	Reviews     int               `json:"reviews"`
	Version     int64             `json:"version"`
	AddedAt     time.Time         `json:"addedAt"`
	UpdatedAt   time.Time         `json:"updatedAt"`
}

func answerProduct(w http.ResponseWriter, status int, p *Product) error {
	w.Header().Set("ETag", etag(p.Version))
	return web.Encode(w, status, staffProduct{
		p.ID, p.Slug, p.Name, p.Brand, p.Category, p.Description, orEmpty(p.Attributes), append([]string{}, p.Images...), cmp.Or(p.Status, Active),
		append([]Variant{}, p.Variants...), p.Rating, p.Reviews, p.Version, p.AddedAt.UTC(), p.changedAt(),
	})
}

// showProduct answers with one product, whatever its status.
func (o *office) showProduct(w http.ResponseWriter, r *http.Request) error {
	p, err := o.store.Product(r.Context(), mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	return answerProduct(w, http.StatusOK, p)
}

// addProduct makes a product. With an Idempotency-Key a repeat makes none: the key decides the product's id.
func (o *office) addProduct(w http.ResponseWriter, r *http.Request) error {
	var req ProductChange
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	p, who := &Product{}, identity.From(r.Context())
	var err error
	if p.ID, err = newID(r, "product", who); err != nil {
		return err
	}
	req.whole().apply(p)
	if err := o.check(r.Context(), p); err != nil {
		return err
	}
	p.begin(actor(who), added, o.now())
	if p, err = o.store.AddProduct(r.Context(), p); err != nil {
		return err
	}
	w.Header().Set("Location", "/admin/products/"+p.ID)
	return answerProduct(w, http.StatusCreated, p)
}

// check tidies p up, or refuses it: for what it is in itself, and for a category or picture that there is not.
func (o *office) check(ctx context.Context, p *Product) error {
	tree, err := o.store.tree(ctx)
	if err != nil {
		return err
	}
	if err := p.Tidy(tree); err != nil {
		return err
	}
	missing, err := o.gallery.missing(ctx, p.Images)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return misfit("images", "There is no picture %s.", missing[0])
	}
	return nil
}

// replaceProduct writes everything that staff say of a product.
func (o *office) replaceProduct(w http.ResponseWriter, r *http.Request) error {
	return o.update(w, r, changed, func(req ProductChange) ProductChange { return req.whole() })
}

// changeProduct writes the parts that are sent.
func (o *office) changeProduct(w http.ResponseWriter, r *http.Request) error {
	return o.update(w, r, changed, func(req ProductChange) ProductChange { return req })
}

func (o *office) update(w http.ResponseWriter, r *http.Request, what string, meaning func(ProductChange) ProductChange) error {
	var req ProductChange
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	p, err := o.store.UpdateProduct(r.Context(), mux.Vars(r)["id"], actor(identity.From(r.Context())), what, o.now(), func(p *Product) error {
		if err := seen(r, p.Version); err != nil {
			return err
		}
		meaning(req).apply(p)
		return o.check(r.Context(), p)
	})
	if err != nil {
		return err
	}
	return answerProduct(w, http.StatusOK, p)
}

// archiveProduct takes a product off the shelves. Orders and reviews of it stay.
func (o *office) archiveProduct(w http.ResponseWriter, r *http.Request) error {
	_, err := o.store.UpdateProduct(r.Context(), mux.Vars(r)["id"], actor(identity.From(r.Context())), archived, o.now(), func(p *Product) error {
		if err := seen(r, p.Version); err != nil {
			return err
		}
		p.Status = Archived
		return nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// history answers with the changes of one product, the latest first.
func (o *office) history(w http.ResponseWriter, r *http.Request) error {
	p, err := o.store.Product(r.Context(), mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	if err := o.store.keepOf(r.Context(), p); err != nil { // perhaps its writer had not come to it
		return err
	}
	return o.entries(w, r, productKind, p.ID)
}

// audit answers with all changes, the latest first.
func (o *office) audit(w http.ResponseWriter, r *http.Request) error { return o.entries(w, r, "", "") }

func (o *office) entries(w http.ResponseWriter, r *http.Request, kind, ref string) error {
	limit, err := web.Limit(r, defaultLimit, maxLimit)
	if err != nil {
		return err
	}
	cursor := r.URL.Query().Get("cursor")
	if cursor != "" && uuid.Validate(cursor) != nil {
		return badCursor()
	}
	found, err := o.store.Audit(r.Context(), kind, ref, cursor, limit+1)
	if err != nil {
		return err
	}
	page := web.Page[Entry]{Items: found}
	if len(found) > limit {
		page.Items = found[:limit]
		page.NextCursor = found[limit-1].ID
	}
	return web.Encode(w, http.StatusOK, page)
}
