package main

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

const maxWishes = 200

// Wish is something that a customer would like to have one day.
type Wish struct {
	SKU     string    `bson:"sku" json:"sku"`
	AddedAt time.Time `bson:"addedAt" json:"addedAt"`
}

var skuForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$`)

// Wish puts sku at the end of the wishlist; one that is there stays where it is.
func (c *Customer) Wish(sku string, at time.Time) error {
	if c.wishes(sku) >= 0 {
		return nil
	}
	if len(c.Wishlist) >= maxWishes {
		return problem.New(problem.Conflict, "wishlist-full", "There is room for %d things.", maxWishes)
	}
	c.Wishlist = append(c.Wishlist, Wish{sku, at})
	return nil
}

// Unwish takes sku off the wishlist; a repeat changes nothing.
func (c *Customer) Unwish(sku string) {
	if i := c.wishes(sku); i >= 0 {
		c.Wishlist = slices.Delete(c.Wishlist, i, i+1)
	}
}

func (c *Customer) wishes(sku string) int {
	return slices.IndexFunc(c.Wishlist, func(w Wish) bool { return w.SKU == sku })
}

func answerWishlist(w http.ResponseWriter, c Customer) error {
	w.Header().Set("ETag", etag(c.WishlistVersion))
	return web.Encode(w, http.StatusOK, web.Page[Wish]{Items: append([]Wish{}, c.Wishlist...)})
}

// wishlist answers with the caller's own, oldest wish first.
func (s *server) wishlist(w http.ResponseWriter, r *http.Request) error {
	c, err := s.caller(r)
	if err != nil {
		return err
	}
	return answerWishlist(w, c)
}

// wish puts something that the shop sells on the caller's wishlist.
func (s *server) wish(w http.ResponseWriter, r *http.Request) error {
	sku := mux.Vars(r)["sku"]
	unknown := problem.New(problem.NotFound, "unknown-sku", "There is no such product.")
	if !skuForm.MatchString(sku) {
		return unknown
	}
	var sold struct {
		Items []struct {
			SKU string `json:"sku"`
		} `json:"items"`
	}
	if err := s.sidecar.Call(r.Context(), "catalog", http.MethodGet, "/variants?skus="+url.QueryEscape(sku), nil, &sold); err != nil {
		return err
	}
	if !slices.ContainsFunc(sold.Items, func(v struct {
		SKU string `json:"sku"`
	}) bool {
		return v.SKU == sku
	}) {
		return unknown
	}
	return s.changeWishlist(w, r, func(c *Customer) error { return c.Wish(sku, s.now().UTC().Truncate(time.Millisecond)) })
}

// unwish takes something off the caller's wishlist, also what is not sold any more.
func (s *server) unwish(w http.ResponseWriter, r *http.Request) error {
	return s.changeWishlist(w, r, func(c *Customer) error {
		c.Unwish(mux.Vars(r)["sku"])
		return nil
	})
}

func (s *server) changeWishlist(w http.ResponseWriter, r *http.Request, change func(*Customer) error) error {
	seen, err := s.caller(r)
	if err != nil {
		return err
	}
	c, err := s.customers.UpdateWishlist(r.Context(), seen.ID, func(c *Customer) error {
		if err := precondition(r, c.WishlistVersion); err != nil {
			return err
		}
		return change(c)
	})
	if err != nil {
		return err
	}
	return answerWishlist(w, c)
}
