package main

import (
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
)

// ReviewStatus is whether others see a review.
type ReviewStatus string

// A review is pending until somebody has read it. One that was withdrawn is gone as soon as the product's rating does not
// count it any more.
const (
	Pending   ReviewStatus = "pending"
	Published ReviewStatus = "published"
	Rejected  ReviewStatus = "rejected"
	withdrawn ReviewStatus = "withdrawn"
)

const (
	maxTitle  = 100
	maxText   = 5000
	maxReason = 500
	maxAuthor = 40
)

// ReviewText is what a buyer says: plain text, whatever it looks like.
type ReviewText struct {
	Rating int    `bson:"rating" json:"rating"` // whole stars, 1 to 5
	Title  string `bson:"title" json:"title"`
	Text   string `bson:"text" json:"text"`
}

// Check tidies a text up, or refuses it.
func (t ReviewText) Check() (ReviewText, error) {
	f := faults{}
	if t.Rating < 1 || t.Rating > 5 {
		f.add("rating", "must be 1 to 5 stars")
	}
	t.Title, t.Text = f.line("title", t.Title, 1, maxTitle), f.text("text", t.Text, maxText)
	return t, f.problem("invalid-review", "The review is not right yet.")
}

// Review is what one customer says about one product; its id is made of the two, so that there is one.
type Review struct {
	ID         string              `bson:"_id"`
	Product    string              `bson:"product"`
	Customer   identity.CustomerID `bson:"customer"`
	Author     string              `bson:"author"`
	ReviewText `bson:"said"`
	Status     ReviewStatus `bson:"status"`
	Reason     string       `bson:"reason"` // why it was rejected
	Version    int64        `bson:"version"`
	CreatedAt  time.Time    `bson:"createdAt"`
	Settled    bool         `bson:"settled"` // the product's rating and the audit trail know of this version
	Last       *Entry       `bson:"last,omitempty"`
	Once       *once        `bson:"once,omitempty"`
}

func reviewID(product string, customer identity.CustomerID) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("urn:sidecart:review:"+product+":"+string(customer))).String()
}

// NewReview is one that nobody has read.
func NewReview(product string, who identity.Identity, said ReviewText, at time.Time) Review {
	return Review{
		ID: reviewID(product, who.Subject), Product: product, Customer: who.Subject, Author: author(who.Name), ReviewText: said,
		Status: Pending, Version: 1, CreatedAt: at.UTC().Truncate(time.Millisecond), Settled: true,
	}
}

// repeats refuses r unless it is what before, of the same customer and product, was added by.
func (r Review) repeats(before Review) error {
	repeat, err := r.Once.repeats(before.Once)
	if err == nil && !repeat {
		err = alreadyReviewed()
	}
	return err
}

func alreadyReviewed() error {
	return problem.New(problem.Conflict, "already-reviewed", "You have reviewed this already.")
}

// author is how a name appears: "Ada Lovelace" as "Ada L.".
func author(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
	if len(words) == 0 {
		return "A customer"
	}
	first := []rune(words[0])
	shown := string(first[:min(len(first), maxAuthor)])
	if len(words) > 1 {
		shown += " " + string([]rune(words[len(words)-1])[:1]) + "."
	}
	return shown
}

func reviewNotFound() error {
	return problem.New(problem.NotFound, "review-not-found", "There is no such review.")
}

// Rewrite says it anew, to be read again.
func (r *Review) Rewrite(said ReviewText, at time.Time) error {
	if r.Status == withdrawn {
		return reviewNotFound()
	}
	r.ReviewText, r.Status, r.Reason, r.CreatedAt = said, Pending, "", at.UTC().Truncate(time.Millisecond)
	return nil
}

// Withdraw takes it away, and at once whatever was said.
func (r *Review) Withdraw() error {
	r.Status, r.ReviewText, r.Author, r.Customer, r.Reason, r.Once = withdrawn, ReviewText{}, "", "", "", nil
	return nil
}

// Moderate decides about the version that was read.
func (r *Review) Moderate(by Actor, status ReviewStatus, reason string, version int64, product string, at time.Time) error {
	if r.Status == withdrawn {
		return reviewNotFound()
	}
	if r.Version != version {
		return problem.New(problem.PreconditionFailed, "changed-meanwhile", "This was changed elsewhere. Please look at it again.")
	}
	f := faults{}
	if status != Published && status != Rejected {
		f.add("status", "must be published or rejected")
	}
	reason = f.text("reason", reason, maxReason)
	if status == Rejected && reason == "" {
		f.add("reason", "is needed, for the author to read")
	}
	if err := f.problem("invalid-decision", "The decision is not right yet."); err != nil {
		return err
	}
	before := map[string]any{"status": string(r.Status), "reason": r.Reason}
	r.Status, r.Reason = status, reason
	if status == Published {
		r.Reason = ""
	}
	e := newEntry(by, string(status), reviewKind, r.ID, product, before, map[string]any{"status": string(r.Status), "reason": r.Reason}, at)
	r.Last = &e
	return nil
}

// tenths is the mean of so many stars in tenths of a star, half up.
func tenths(stars, reviews int) Rating {
	if reviews == 0 {
		return 0
	}
	return Rating((2*10*stars + reviews) / (2 * reviews))
}
