package main

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/privacy"
)

// Export is every review of a person.
func (s *store) Export(ctx context.Context, person identity.CustomerID) (map[string]any, error) {
	reviews, err := s.reviewsOf(ctx, person)
	if err != nil {
		return nil, err
	}
	said := []any{}
	for _, r := range reviews {
		said = append(said, map[string]any{
			"product": r.Product, "author": r.Author, "rating": r.Rating, "title": r.Title, "text": r.Text, "status": r.Status, "createdAt": r.CreatedAt.UTC(),
		})
	}
	return map[string]any{"reviews": said}, nil
}

// Erase takes the reviews of a person away, and the name from what they did in the back office; what was done there, and
// by which id, stays.
func (s *store) Erase(ctx context.Context, person identity.CustomerID) ([]privacy.Kept, error) {
	reviews, err := s.reviewsOf(ctx, person)
	if err != nil {
		return nil, err
	}
	for _, r := range reviews {
		if _, err := s.UpdateReview(ctx, r.ID, (*Review).Withdraw); err != nil {
			return nil, err
		}
	}
	for _, place := range []struct {
		in   *mongo.Collection
		path string
	}{{s.audit, "by"}, {s.products, "last.by"}, {s.trees, "last.by"}, {s.reviews, "last.by"}, {s.imports, "actor"}} {
		if _, err := place.in.UpdateMany(ctx, bson.D{{Key: place.path + ".id", Value: string(person)}},
			bson.D{{Key: "$set", Value: bson.D{{Key: place.path + ".name", Value: ""}}}}); err != nil {
			return nil, fmt.Errorf("erase the name of one who worked here: %w", err)
		}
	}
	return nil, nil
}
