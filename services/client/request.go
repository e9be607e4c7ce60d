package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/privacy"
	"github.com/sidecart/sidecart/internal/problem"
)

// The kinds of requests, and how far they are.
const (
	exportKind  = "export"
	erasureKind = "erasure"

	running    = "running"
	ready      = "ready"      // an export that can be fetched
	downloaded = "downloaded" // …and was, once
	expired    = "expired"    // …and was not, in time
	done       = "done"       // an erasure: every service has answered
)

const (
	linkTTL       = 24 * time.Hour
	requestsKept  = 3 * 365 * 24 * time.Hour // the proof of what was done; it names nobody
	exportsADay   = 5
	requestLease  = 30 * time.Second
	longestPause  = 10 * time.Minute
	sessionsFade  = 15 * time.Second // after which no token of the erased account is believed anywhere
	callTimeLimit = 5 * time.Second
)

// Request is a wish to have one's data, or to have it erased, and how far every service is with it.
type Request struct {
	ID         string              `bson:"_id"`
	Customer   identity.CustomerID `bson:"customer"`
	Kind       string              `bson:"kind"`
	State      string              `bson:"state"`
	LinkHash   []byte              `bson:"linkHash"` // of the text that the download or the status page is found by
	CreatedAt  time.Time           `bson:"createdAt"`
	ExpiresAt  time.Time           `bson:"expiresAt"` // of the download
	FinishedAt time.Time           `bson:"finishedAt,omitempty"`
	Parts      []Part              `bson:"parts"`
	DueAt      time.Time           `bson:"dueAt"` // when to go on; far away when there is nothing to do
	Tries      int                 `bson:"tries"`
	Key        string              `bson:"key,omitempty"` // the id of the Idempotency-Key that it was made under
}

// Part is what one service has to do with a request.
type Part struct {
	Service string         `bson:"service"`
	Done    bool           `bson:"done"`
	At      time.Time      `bson:"at,omitempty"`
	Waiting string         `bson:"waiting,omitempty"` // what an erasure waits for
	Data    string         `bson:"data,omitempty"`    // JSON, until it is downloaded
	Kept    []privacy.Kept `bson:"kept,omitempty"`
}

// never is when to go on with what is over.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Who holds what, in the order in which it is erased: first nobody can sign in any more, then what is at rest goes, then
// what an order under way still needs, and the mails when nobody writes any more.
var (
	exportOrder  = []string{"auth", app, "basket", "catalog", "ordering", "notification"}
	erasureOrder = []string{"auth", "basket", app, "catalog", "ordering", "notification"}
)

// NewRequest is one that has just been made, found by the link.
func NewRequest(id, kind string, customer identity.CustomerID, link string, now time.Time) Request {
	r := Request{
		ID: id, Customer: customer, Kind: kind, State: running, LinkHash: linkHash(link), CreatedAt: now, ExpiresAt: now.Add(linkTTL), DueAt: now,
	}
	order := exportOrder
	if kind == erasureKind {
		order = erasureOrder
	}
	for _, service := range order {
		r.Parts = append(r.Parts, Part{Service: service})
	}
	return r
}

func linkHash(link string) []byte {
	sum := sha256.Sum256([]byte(link))
	return sum[:]
}

// Next is the part to go on with; ok is false if all are done.
func (r *Request) Next() (part *Part, ok bool) {
	for i := range r.Parts {
		if !r.Parts[i].Done {
			return &r.Parts[i], true
		}
	}
	return nil, false
}

// Finish ends a request of which all parts are done.
func (r *Request) Finish(now time.Time) {
	r.FinishedAt, r.Tries = now, 0
	r.State, r.DueAt = done, never
	if r.Kind == exportKind {
		r.State, r.DueAt = ready, r.ExpiresAt
	}
}

// Expire ends an export that nobody fetched.
func (r *Request) Expire() { r.forget(expired) }

func (r *Request) forget(state string) {
	r.State, r.DueAt = state, never
	for i := range r.Parts {
		r.Parts[i].Data = ""
	}
}

func requestNotFound() error {
	return problem.New(problem.NotFound, "request-not-found", "There is no such request.")
}

// AddRequest saves a new one. Somebody has one erasure at most, and a few exports a day. A repeat under the key of one that
// there is changes nothing of it but the link, and brings it.
func (s *store) AddRequest(ctx context.Context, r Request) (Request, error) {
	if before, found, err := s.relink(ctx, r); found || err != nil {
		return before, err
	}
	count, err := s.requests.CountDocuments(ctx, bson.D{
		{Key: "customer", Value: r.Customer}, {Key: "kind", Value: exportKind},
		{Key: "createdAt", Value: bson.D{{Key: "$gt", Value: r.CreatedAt.Add(-24 * time.Hour)}}},
	})
	if err != nil {
		return r, fmt.Errorf("count requests: %w", err)
	}
	if r.Kind == exportKind && count >= exportsADay {
		return r, problem.New(problem.TooMany, "too-many-exports", "There are at most %d exports a day.", exportsADay).WithRetryAfter(time.Hour)
	}
	_, err = s.requests.InsertOne(ctx, r)
	if !mongo.IsDuplicateKeyError(err) {
		return r, wrap(err, "save request")
	}
	before, found, err := s.relink(ctx, r)
	if err == nil && !found {
		err = problem.New(problem.Conflict, "erasure-under-way", "The account is being erased already.")
	}
	return before, err
}

// relink gives the link of r, a repeat, to the request that was made under r's key, if there is one. Whoever is at work at
// that finds it due at another moment and does its part again: otherwise the former link would be written back.
func (s *store) relink(ctx context.Context, r Request) (before Request, found bool, err error) {
	if r.Key == "" {
		return r, false, nil
	}
	for range 20 {
		err := s.requests.FindOne(ctx, bson.D{{Key: "_id", Value: r.ID}, {Key: "key", Value: r.Key}}).Decode(&before)
		if errors.Is(err, mongo.ErrNoDocuments) {
			return r, false, nil
		}
		if err != nil {
			return r, false, fmt.Errorf("find the first of a repeated request: %w", err)
		}
		dueAt := before.DueAt
		before.LinkHash, before.DueAt = r.LinkHash, dueAt.Add(time.Millisecond)
		if err := s.SaveRequest(ctx, before, dueAt, before.State); !errors.Is(err, errChanged) {
			return before, true, err
		}
		before = Request{}
	}
	return r, false, problem.New(problem.Conflict, "too-many-changes", "This is being changed elsewhere. Please try again.").WithRetryAfter(time.Second)
}

// Requests are a customer's of a kind, the latest first, without what was collected.
func (s *store) Requests(ctx context.Context, customer identity.CustomerID, kind string) ([]Request, error) {
	found, err := s.requests.Find(ctx, bson.D{{Key: "customer", Value: customer}, {Key: "kind", Value: kind}},
		options.Find().SetSort(bson.D{{Key: "createdAt", Value: -1}}).SetLimit(20).SetProjection(bson.D{{Key: "parts.data", Value: 0}}))
	if err != nil {
		return nil, fmt.Errorf("list requests: %w", err)
	}
	var all []Request
	return all, wrap(found.All(ctx, &all), "list requests")
}

// RequestByLink is the one that a link was made for.
func (s *store) RequestByLink(ctx context.Context, kind, link string) (r Request, err error) {
	err = s.requests.FindOne(ctx, bson.D{{Key: "linkHash", Value: linkHash(link)}, {Key: "kind", Value: kind}}).Decode(&r)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return r, requestNotFound()
	}
	return r, wrap(err, "load request")
}

// LeaseRequest takes one that is due for itself until the lease ends; found is false if there is none.
func (s *store) LeaseRequest(ctx context.Context, now time.Time) (r Request, found bool, err error) {
	err = s.requests.FindOne(ctx, bson.D{{Key: "dueAt", Value: bson.D{{Key: "$lte", Value: now}}}},
		options.FindOne().SetSort(bson.D{{Key: "dueAt", Value: 1}})).Decode(&r)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("find a request: %w", err)
	}
	until := now.Add(requestLease).UTC().Truncate(time.Millisecond)
	taken, err := s.requests.UpdateOne(ctx, bson.D{{Key: "_id", Value: r.ID}, {Key: "dueAt", Value: r.DueAt}, {Key: "state", Value: r.State}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "dueAt", Value: until}}}})
	if err != nil {
		return r, false, fmt.Errorf("lease a request: %w", err)
	}
	r.DueAt = until
	return r, taken.MatchedCount == 1, nil
}

// SaveRequest writes r if it is still as it was when it was leased or loaded: due at before, in that state.
func (s *store) SaveRequest(ctx context.Context, r Request, before time.Time, state string) error {
	saved, err := s.requests.ReplaceOne(ctx, bson.D{{Key: "_id", Value: r.ID}, {Key: "dueAt", Value: before}, {Key: "state", Value: state}}, r)
	if err != nil {
		return fmt.Errorf("save request %s: %w", r.ID, err)
	}
	if saved.MatchedCount == 0 {
		return errChanged
	}
	return nil
}

// Delete forgets a customer.
func (s *store) Delete(ctx context.Context, id identity.CustomerID) error {
	_, err := s.customers.DeleteOne(ctx, bson.D{{Key: "_id", Value: id}})
	return wrap(err, "delete customer")
}

// SweepRequests deletes requests whose proof nobody needs any more.
func (s *store) SweepRequests(ctx context.Context, now time.Time) error {
	_, err := s.requests.DeleteMany(ctx, bson.D{
		{Key: "createdAt", Value: bson.D{{Key: "$lt", Value: now.Add(-requestsKept)}}}, {Key: "state", Value: bson.D{{Key: "$ne", Value: running}}},
	})
	return wrap(err, "sweep requests")
}

func wrap(err error, doing string) error {
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
