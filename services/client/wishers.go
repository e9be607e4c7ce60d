package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// backInStock is the purpose of mails that tell customers that something on their wishlist can be bought again.
const backInStock = "backInStock"

const mostWishers = 500 // of a page

type wisher struct {
	CustomerID identity.CustomerID `json:"customerId"`
}

// wishers lists, by id behind ?cursor=, the customers who wished for ?sku= before a moment and want to be told when it is back.
// A page may hold fewer than the limit, since who does not want to be told is left out.
func (s *server) wishers(w http.ResponseWriter, r *http.Request) error {
	limit, err := web.Limit(r, mostWishers, mostWishers)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	if !skuForm.MatchString(q.Get("sku")) {
		return problem.New(problem.Invalid, "invalid-sku", "sku must be one.").WithFields(problem.FieldError{Field: "sku", Detail: "must be a SKU"})
	}
	before, err := time.Parse(time.RFC3339, q.Get("before"))
	if err != nil {
		return problem.New(problem.Invalid, "invalid-time", "before must be a moment.").WithFields(problem.FieldError{Field: "before", Detail: "must be a moment (RFC 3339)"})
	}
	if cursor := q.Get("cursor"); cursor != "" && uuid.Validate(cursor) != nil {
		return problem.New(problem.Invalid, "invalid-cursor", "This cursor did not come from us.")
	}
	found, err := s.customers.Wishers(r.Context(), q.Get("sku"), identity.CustomerID(q.Get("cursor")), limit)
	if err != nil {
		return err
	}
	page := web.Page[wisher]{Items: []wisher{}}
	for _, c := range found {
		if i := c.wishes(q.Get("sku")); c.Profile.Agrees(backInStock) && i >= 0 && c.Wishlist[i].AddedAt.Before(before) {
			page.Items = append(page.Items, wisher{c.ID})
		}
	}
	if len(found) == limit {
		page.NextCursor = string(found[limit-1].ID)
	}
	return web.Encode(w, http.StatusOK, page)
}

// Wishers is up to n customers behind after, by id, who have a SKU on their wishlist.
func (s *store) Wishers(ctx context.Context, sku string, after identity.CustomerID, n int) ([]Customer, error) {
	found, err := s.customers.Find(ctx,
		bson.D{{Key: "wishlist.sku", Value: sku}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(n)).SetProjection(bson.D{{Key: "addresses", Value: 0}}))
	if err != nil {
		return nil, fmt.Errorf("list who wishes for %s: %w", sku, err)
	}
	var all []Customer
	if err := found.All(ctx, &all); err != nil {
		return nil, fmt.Errorf("list who wishes for %s: %w", sku, err)
	}
	return all, nil
}

// mailingAnswer is what notification must know to write to a customer: the preferences, and by which tokens the customer
// can end each kind of mail without signing in.
type mailingAnswer struct {
	preferencesAnswer
	Unsubscribe map[string]string `json:"unsubscribe"` // token by purpose
}

// preferencesOf tells notification in which language to write to a customer, and whether it may at all.
func (s *server) preferencesOf(w http.ResponseWriter, r *http.Request) error {
	c, err := s.customers.Customer(r.Context(), identity.CustomerID(mux.Vars(r)["id"]))
	if err != nil {
		return err
	}
	if c.MailSecret == "" {
		if c, err = s.customers.GiveMailSecret(r.Context(), c.ID, rand.Text()); err != nil {
			return err
		}
	}
	answer := mailingAnswer{newPreferences(c.Profile), map[string]string{}}
	for _, purpose := range purposes {
		answer.Unsubscribe[purpose] = strings.Join([]string{purpose, string(c.ID), c.MailSecret}, ".")
	}
	return web.Encode(w, http.StatusOK, answer)
}

// GiveMailSecret gives a customer a secret to end mails by, unless there is one; it stays the same, since mails live long.
func (s *store) GiveMailSecret(ctx context.Context, id identity.CustomerID, secret string) (Customer, error) {
	_, err := s.customers.UpdateOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "mailSecret", Value: bson.D{{Key: "$exists", Value: false}}}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "mailSecret", Value: secret}}}})
	if err != nil {
		return Customer{}, fmt.Errorf("give customer %s a mail secret: %w", id, err)
	}
	return s.Customer(ctx, id)
}

// unsubscribe ends one kind of mail to whoever has its token, which is in every such mail: by the click of a mail program
// (RFC 8058) or of a person. A repeat changes nothing.
func (s *server) unsubscribe(w http.ResponseWriter, r *http.Request) error {
	unknown := problem.New(problem.NotFound, "unknown-token", "This link does not belong to any mail of ours.")
	parts := strings.Split(mux.Vars(r)["token"], ".")
	if len(parts) != 3 || !slices.Contains(purposes, parts[0]) || uuid.Validate(parts[1]) != nil {
		return unknown
	}
	_, err := s.customers.UpdateProfile(r.Context(), identity.CustomerID(parts[1]), func(c *Customer) error {
		if c.MailSecret == "" || subtle.ConstantTimeCompare([]byte(c.MailSecret), []byte(parts[2])) != 1 {
			return unknown
		}
		c.Profile.Decide(parts[0], false, s.now().UTC().Truncate(time.Millisecond))
		return nil
	})
	if problem.Is(err, "customer-not-found") {
		return unknown
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// indexWishlists lets Wishers find its customers without reading all of them.
func (s *store) indexWishlists(ctx context.Context) error {
	if _, err := s.customers.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "wishlist.sku", Value: 1}}}); err != nil {
		return fmt.Errorf("index wishlists: %w", err)
	}
	return nil
}
