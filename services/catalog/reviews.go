package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

// ordering is what we ask of the orders: who has bought what, and what with.
type ordering interface {
	Bought(ctx context.Context, skus []string) (bool, error)
	Together(ctx context.Context, skus []string) ([]string, error)
}

// orders asks ordering through the sidecar.
type orders struct{ sidecar *sidecar.Client }

// Bought reports whether the caller has a paid order of one of the SKUs.
func (o orders) Bought(ctx context.Context, skus []string) (bool, error) {
	var answer struct{ Bought bool }
	err := o.sidecar.Call(ctx, "ordering", http.MethodGet, "/purchases?skus="+url.QueryEscape(strings.Join(skus, ",")), nil, &answer)
	return answer.Bought, err
}

// Together are the SKUs that were bought with one of these, the most often first.
func (o orders) Together(ctx context.Context, skus []string) ([]string, error) {
	var answer web.Page[struct{ SKU string }]
	if err := o.sidecar.Call(ctx, "ordering", http.MethodGet, "/bought-together?skus="+url.QueryEscape(strings.Join(skus, ",")), nil, &answer); err != nil {
		return nil, err
	}
	found := make([]string, len(answer.Items))
	for i, item := range answer.Items {
		found[i] = item.SKU
	}
	return found, nil
}

// critics are the reviews: what buyers write, and what staff make of it.
type critics struct {
	store  *store
	orders ordering
	now    func() time.Time
}

// product is the one that the request is about, if shoppers see it.
func (c *critics) product(r *http.Request) (*Product, error) {
	p, err := c.store.ProductBySlug(r.Context(), mux.Vars(r)["slug"])
	if problem.Is(err, "product-not-found") || err == nil && !p.OnSale() {
		return nil, problem.New(problem.NotFound, "no-such-product", "We do not sell this.")
	}
	return p, err
}

type reviewView struct {
	ID        string       `json:"id"`
	Rating    int          `json:"rating"`
	Title     string       `json:"title"`
	Text      string       `json:"text"`
	Author    string       `json:"author"`
	Verified  bool         `json:"verified"` // nobody else may write
	CreatedAt time.Time    `json:"createdAt"`
	Status    ReviewStatus `json:"status,omitempty"` // to its author and the staff
	Reason    string       `json:"reason,omitempty"`
}

func (r Review) public() reviewView {
	return reviewView{ID: r.ID, Rating: r.Rating, Title: r.Title, Text: r.Text, Author: r.Author, Verified: true, CreatedAt: r.CreatedAt.UTC()}
}

func (r Review) own() reviewView {
	v := r.public()
	v.Status, v.Reason = r.Status, r.Reason
	return v
}

var reviewSorts = []string{"newest", "rating", "-rating"}

// list answers with a page of the published reviews of a product.
func (c *critics) list(w http.ResponseWriter, r *http.Request) error {
	sort := r.URL.Query().Get("sort")
	if sort == "" {
		sort = reviewSorts[0]
	}
	if !slices.Contains(reviewSorts, sort) {
		return invalid("sort", "must be one of %s", strings.Join(reviewSorts, ", "))
	}
	limit, err := web.Limit(r, defaultLimit, maxLimit)
	if err != nil {
		return err
	}
	after, err := readReviewCursor(r, sort)
	if err != nil {
		return err
	}
	p, err := c.product(r)
	if err != nil {
		return err
	}
	summary, err := c.store.SummarizeReviews(r.Context(), p.ID)
	if err != nil {
		return err
	}
	found, err := c.store.Reviews(r.Context(), p.ID, sort, after, limit+1)
	if err != nil {
		return err
	}
	page := struct {
		web.Page[reviewView]
		Summary summaryView `json:"summary"`
	}{web.Page[reviewView]{Items: []reviewView{}}, newSummaryView(summary)}
	page.NextCursor = reviewCursor(&found, sort, limit)
	for _, review := range found {
		page.Items = append(page.Items, review.public())
	}
	return web.Encode(w, http.StatusOK, page)
}

type summaryView struct {
	Average Rating         `json:"average"`
	Count   int            `json:"count"`
	Stars   map[string]int `json:"stars"`
}

func newSummaryView(s ReviewSummary) summaryView {
	v := summaryView{s.rating(), s.Count, map[string]int{}}
	for i, n := range s.Stars {
		v.Stars[string(rune('1'+i))] = n
	}
	return v
}

// reviewCursor cuts what was found to the page, and leads to the next if there is one.
func reviewCursor(found *[]Review, sort string, limit int) string {
	if len(*found) <= limit {
		return ""
	}
	*found = (*found)[:limit]
	last := (*found)[limit-1]
	b, err := json.Marshal(reviewPlace{sort, last.Rating, last.CreatedAt.UTC(), last.ID})
	if err != nil {
		panic(err) // strings, a number and a time
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func readReviewCursor(r *http.Request, sort string) (*reviewPlace, error) {
	cursor := r.URL.Query().Get("cursor")
	if cursor == "" {
		return nil, nil
	}
	var at reviewPlace
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || json.Unmarshal(b, &at) != nil || at.ID == "" || at.Sort != sort {
		return nil, badCursor()
	}
	return &at, nil
}

// write takes a review from somebody who has bought the product. With an Idempotency-Key a repeat is answered as the first.
func (c *critics) write(w http.ResponseWriter, r *http.Request) error {
	var said ReviewText
	if err := web.Decode(w, r, &said); err != nil {
		return err
	}
	said, err := said.Check()
	if err != nil {
		return err
	}
	p, err := c.product(r)
	if err != nil {
		return err
	}
	review := NewReview(p.ID, identity.From(r.Context()), said, c.now())
	if review.Once, err = onceOf(r, "review:"+p.ID, said); err != nil {
		return err
	}
	saved, err := c.store.Review(r.Context(), review.ID)
	switch {
	case err == nil:
		err = review.repeats(saved)
	case problem.Is(err, "review-not-found"):
		if err = c.hasBought(r.Context(), p); err == nil {
			saved, err = c.store.AddReview(r.Context(), review)
		}
	}
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusCreated, saved.own())
}

// hasBought refuses unless the caller has bought p.
func (c *critics) hasBought(ctx context.Context, p *Product) error {
	bought, err := c.orders.Bought(ctx, p.skus())
	if err != nil {
		return err
	}
	if !bought {
		return problem.New(problem.Forbidden, "not-a-buyer", "Reviews are by those who have bought the product here.")
	}
	return nil
}

// mine answers with the caller's review of a product.
func (c *critics) mine(w http.ResponseWriter, r *http.Request) error {
	p, err := c.product(r)
	if err != nil {
		return err
	}
	review, err := c.store.Review(r.Context(), reviewID(p.ID, identity.From(r.Context()).Subject))
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, review.own())
}

// rewrite takes another text in the place of the caller's.
func (c *critics) rewrite(w http.ResponseWriter, r *http.Request) error {
	var said ReviewText
	if err := web.Decode(w, r, &said); err != nil {
		return err
	}
	said, err := said.Check()
	if err != nil {
		return err
	}
	review, err := c.change(r, func(review *Review) error { return review.Rewrite(said, c.now()) })
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, review.own())
}

// withdraw takes the caller's review away.
func (c *critics) withdraw(w http.ResponseWriter, r *http.Request) error {
	if _, err := c.change(r, (*Review).Withdraw); err != nil && !problem.Is(err, "review-not-found") {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *critics) change(r *http.Request, change func(*Review) error) (Review, error) {
	p, err := c.product(r)
	if err != nil {
		return Review{}, err
	}
	return c.store.UpdateReview(r.Context(), reviewID(p.ID, identity.From(r.Context()).Subject), change)
}

type staffReview struct {
	reviewView
	Version int64         `json:"version"`
	Product productOfView `json:"product"`
}

type productOfView struct {
	ID   string `json:"id"`
	Slug string `json:"slug"`
	Name string `json:"name"`
}

// listForStaff answers with a page of reviews to be read.
func (c *critics) listForStaff(w http.ResponseWriter, r *http.Request) error {
	status := ReviewStatus(r.URL.Query().Get("status"))
	if !slices.Contains([]ReviewStatus{"", Pending, Published, Rejected}, status) {
		return invalid("status", "must be pending, published or rejected")
	}
	limit, err := web.Limit(r, defaultLimit, maxLimit)
	if err != nil {
		return err
	}
	after, err := readReviewCursor(r, string(status))
	if err != nil {
		return err
	}
	found, err := c.store.ReviewsFor(r.Context(), status, after, limit+1)
	if err != nil {
		return err
	}
	page := web.Page[staffReview]{Items: []staffReview{}}
	page.NextCursor = reviewCursor(&found, string(status), limit)
	views, err := c.forStaff(r.Context(), found)
	if err != nil {
		return err
	}
	page.Items = append(page.Items, views...)
	return web.Encode(w, http.StatusOK, page)
}

func (c *critics) forStaff(ctx context.Context, reviews []Review) (views []staffReview, err error) {
	var ids []string
	for _, review := range reviews {
		if !slices.Contains(ids, review.Product) {
			ids = append(ids, review.Product)
		}
	}
	documents, err := c.store.LoadProducts(ctx, ids)
	if err != nil {
		return nil, err
	}
	of := map[string]productOfView{}
	for _, p := range decodeProducts(documents) {
		of[p.ID] = productOfView{p.ID, p.Slug, p.Name}
	}
	for _, review := range reviews {
		views = append(views, staffReview{review.own(), review.Version, of[review.Product]})
	}
	return views, nil
}

type decision struct {
	Status  ReviewStatus `json:"status"`
	Reason  string       `json:"reason"`
	Version int64        `json:"version"`
}

// moderate publishes or rejects the version of a review that was read.
func (c *critics) moderate(w http.ResponseWriter, r *http.Request) error {
	var d decision
	if err := web.Decode(w, r, &d); err != nil {
		return err
	}
	review, err := c.store.Review(r.Context(), mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	views, err := c.forStaff(r.Context(), []Review{review})
	if err != nil {
		return err
	}
	by := actor(identity.From(r.Context()))
	if review, err = c.store.UpdateReview(r.Context(), review.ID, func(review *Review) error {
		return review.Moderate(by, d.Status, d.Reason, d.Version, views[0].Product.Name, c.now())
	}); err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, staffReview{review.own(), review.Version, views[0].Product})
}
