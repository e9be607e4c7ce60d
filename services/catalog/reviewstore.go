package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
)

// AddReview saves one that is new. A repeat of it changes nothing and brings what is there.
func (s *store) AddReview(ctx context.Context, r Review) (Review, error) {
	_, err := s.reviews.InsertOne(ctx, r)
	if mongo.IsDuplicateKeyError(err) {
		before, err := s.Review(ctx, r.ID)
		if problem.Is(err, "review-not-found") { // it is being withdrawn at this moment
			return r, alreadyReviewed()
		}
		if err != nil {
			return r, err
		}
		return before, r.repeats(before)
	}
	if err != nil {
		return r, fmt.Errorf("add a review of %s: %w", r.Product, err)
	}
	return r, nil
}

// Review is one by its id.
func (s *store) Review(ctx context.Context, id string) (Review, error) {
	var r Review
	err := s.reviews.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&r)
	if errors.Is(err, mongo.ErrNoDocuments) || err == nil && r.Status == withdrawn {
		return r, reviewNotFound()
	}
	if err != nil {
		return r, fmt.Errorf("load review %s: %w", id, err)
	}
	return r, nil
}

// UpdateReview loads a review, applies change, saves it and lets the product's rating know. change may run again when
// somebody else was faster.
func (s *store) UpdateReview(ctx context.Context, id string, change func(*Review) error) (Review, error) {
	for range saveTries {
		r, err := s.Review(ctx, id)
		if err != nil {
			return r, err
		}
		before := r
		if err := change(&r); err != nil {
			return r, err
		}
		if before.Last != nil {
			if err := s.keep(ctx, *before.Last); err != nil {
				return r, err
			}
		}
		r.Version, r.Settled = before.Version+1, false
		result, err := s.reviews.ReplaceOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "version", Value: before.Version}}, r)
		if err != nil {
			return r, fmt.Errorf("save review %s: %w", id, err)
		}
		if result.MatchedCount == 0 {
			continue
		}
		if err := s.settle(ctx, r); err != nil {
			slog.WarnContext(ctx, "a rating follows later", "review", id, "error", err.Error())
		}
		return r, nil
	}
	return Review{}, problem.New(problem.Conflict, "too-many-changes", "This is being changed elsewhere. Please try again.").WithRetryAfter(time.Second)
}

// settle lets the product's rating and the audit trail know of a review as it is, and forgets one that was withdrawn. It
// may run twice.
func (s *store) settle(ctx context.Context, r Review) error {
	if err := s.countReviews(ctx, r.Product); err != nil {
		return err
	}
	if r.Last != nil {
		if err := s.keep(ctx, *r.Last); err != nil {
			return err
		}
	}
	this := bson.D{{Key: "_id", Value: r.ID}, {Key: "version", Value: r.Version}}
	if r.Status == withdrawn {
		if _, err := s.reviews.DeleteOne(ctx, this); err != nil {
			return fmt.Errorf("forget review %s: %w", r.ID, err)
		}
		return nil
	}
	if _, err := s.reviews.UpdateOne(ctx, this, bson.D{{Key: "$set", Value: bson.D{{Key: "settled", Value: true}}}}); err != nil {
		return fmt.Errorf("settle review %s: %w", r.ID, err)
	}
	return nil
}

// settleReviews settles what those who changed a review could not any more, until ctx ends.
func (s *store) settleReviews(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(auditEvery):
		}
		if err := s.settleAll(ctx); err != nil && ctx.Err() == nil {
			slog.Warn("ratings follow later", "error", err.Error())
		}
	}
}

func (s *store) settleAll(ctx context.Context) error {
	open, err := s.findReviews(ctx, bson.D{{Key: "settled", Value: false}}, options.Find().SetLimit(100))
	if err != nil {
		return err
	}
	for _, r := range open {
		if err := s.settle(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// countReviews writes the rating of a product as its published reviews have it. Of two who count at once the one that
// wrote later has looked later: whoever finds that another has counted in between counts again.
func (s *store) countReviews(ctx context.Context, product string) error {
	for range saveTries {
		p, err := s.Product(ctx, product)
		if problem.Is(err, "product-not-found") {
			return nil
		}
		if err != nil {
			return err
		}
		summary, err := s.SummarizeReviews(ctx, product)
		if err != nil {
			return err
		}
		seen := bson.D{{Key: "_id", Value: product}, {Key: "ratingVersion", Value: p.RatingVersion}}
		if p.RatingVersion == 0 {
			seen[1].Value = bson.D{{Key: "$exists", Value: false}}
		}
		if err := s.RecordChange(ctx, productsChanged, product); err != nil {
			return err
		}
		result, err := s.products.UpdateOne(ctx, seen, bson.D{{Key: "$set", Value: bson.D{
			{Key: "rating", Value: summary.rating()}, {Key: "reviews", Value: summary.Count}, {Key: "ratingVersion", Value: p.RatingVersion + 1},
		}}})
		if err != nil {
			return fmt.Errorf("rate product %s: %w", product, err)
		}
		if result.MatchedCount > 0 {
			return s.RecordChange(ctx, productsChanged, product)
		}
	}
	return fmt.Errorf("rate product %s: %w", product, errChanged)
}

// ReviewSummary counts the published reviews of a product by their stars.
type ReviewSummary struct {
	Count int
	Stars [5]int // of one star, of two …
}

func (s ReviewSummary) rating() Rating {
	stars := 0
	for i, n := range s.Stars {
		stars += (i + 1) * n
	}
	return tenths(stars, s.Count)
}

// SummarizeReviews counts the published reviews of a product.
func (s *store) SummarizeReviews(ctx context.Context, product string) (summary ReviewSummary, err error) {
	cursor, err := s.reviews.Aggregate(ctx, mongo.Pipeline{
		{{Key: "$match", Value: bson.D{{Key: "product", Value: product}, {Key: "status", Value: Published}}}},
		{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$said.rating"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}}}},
	})
	if err != nil {
		return summary, fmt.Errorf("count reviews of %s: %w", product, err)
	}
	var groups []struct {
		Stars int `bson:"_id"`
		N     int `bson:"n"`
	}
	if err := cursor.All(ctx, &groups); err != nil {
		return summary, fmt.Errorf("count reviews of %s: %w", product, err)
	}
	for _, g := range groups {
		if 1 <= g.Stars && g.Stars <= 5 {
			summary.Stars[g.Stars-1] += g.N
			summary.Count += g.N
		}
	}
	return summary, nil
}

// reviewPlace is where a review stands in a list; a cursor is the place of the last one that was shown.
type reviewPlace struct {
	Sort   string
	Rating int
	At     time.Time
	ID     string
}

// Reviews is a page of a product's published reviews.
func (s *store) Reviews(ctx context.Context, product, sort string, after *reviewPlace, limit int) ([]Review, error) {
	filter := bson.D{{Key: "product", Value: product}, {Key: "status", Value: Published}}
	order := bson.D{{Key: "createdAt", Value: -1}, {Key: "_id", Value: 1}}
	past := func() bson.A {
		return bson.A{
			bson.D{{Key: "createdAt", Value: bson.D{{Key: "$lt", Value: after.At}}}},
			bson.D{{Key: "createdAt", Value: after.At}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: after.ID}}}},
		}
	}
	switch {
	case sort == "newest" && after != nil:
		filter = append(filter, bson.E{Key: "$or", Value: past()})
	case sort != "newest":
		direction, beyond := 1, "$gt"
		if sort == "-rating" {
			direction, beyond = -1, "$lt"
		}
		order = append(bson.D{{Key: "said.rating", Value: direction}}, order...)
		if after != nil {
			filter = append(filter, bson.E{Key: "$or", Value: bson.A{
				bson.D{{Key: "said.rating", Value: bson.D{{Key: beyond, Value: after.Rating}}}},
				bson.D{{Key: "said.rating", Value: after.Rating}, {Key: "$or", Value: past()}},
			}})
		}
	}
	return s.findReviews(ctx, filter, options.Find().SetSort(order).SetLimit(int64(limit)))
}

// ReviewsFor is a page of reviews for those who read them: the oldest of what is pending first, the latest of all others.
func (s *store) ReviewsFor(ctx context.Context, status ReviewStatus, after *reviewPlace, limit int) ([]Review, error) {
	filter, direction, beyond := bson.D{{Key: "status", Value: bson.D{{Key: "$ne", Value: withdrawn}}}}, -1, "$lt"
	if status != "" {
		filter = bson.D{{Key: "status", Value: status}}
	}
	if status == Pending {
		direction, beyond = 1, "$gt"
	}
	if after != nil {
		filter = append(filter, bson.E{Key: "$or", Value: bson.A{
			bson.D{{Key: "createdAt", Value: bson.D{{Key: beyond, Value: after.At}}}},
			bson.D{{Key: "createdAt", Value: after.At}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: after.ID}}}},
		}})
	}
	return s.findReviews(ctx, filter, options.Find().SetSort(bson.D{{Key: "createdAt", Value: direction}, {Key: "_id", Value: 1}}).SetLimit(int64(limit)))
}

func (s *store) findReviews(ctx context.Context, filter bson.D, with *options.FindOptionsBuilder) ([]Review, error) {
	cursor, err := s.reviews.Find(ctx, filter, with)
	if err != nil {
		return nil, fmt.Errorf("find reviews: %w", err)
	}
	var found []Review
	if err := cursor.All(ctx, &found); err != nil {
		return nil, fmt.Errorf("find reviews: %w", err)
	}
	return found, nil
}

// reviewsOf are all reviews of a customer.
func (s *store) reviewsOf(ctx context.Context, customer identity.CustomerID) ([]Review, error) {
	return s.findReviews(ctx, bson.D{{Key: "customer", Value: customer}}, options.Find())
}
