package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/sidecart/sidecart/internal/problem"
)

const treeID = "tree"

// Categories are all of them, in no order.
func (s *store) Categories(ctx context.Context) ([]Category, error) {
	t, err := s.tree(ctx)
	if err != nil {
		return nil, err
	}
	return t.Categories, nil
}

// tree is all categories; before anything was changed in it, as they were kept one by one.
func (s *store) tree(ctx context.Context) (*Tree, error) {
	t := &Tree{}
	err := s.trees.FindOne(ctx, bson.D{{Key: "_id", Value: treeID}}).Decode(t)
	if errors.Is(err, mongo.ErrNoDocuments) {
		t.ID = treeID
		t.Categories, err = all[Category](ctx, s.categories)
	}
	if err != nil {
		return nil, fmt.Errorf("load categories: %w", err)
	}
	return t, nil
}

// UpdateTree loads all categories, applies change, and saves them with the entry that tells what became of the one of
// this slug; nothing is saved if change fails or changes nothing. change may run again when somebody else was faster.
func (s *store) UpdateTree(ctx context.Context, slug string, by Actor, what string, at time.Time, change func(*Tree) error) (*Tree, error) {
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	for range saveTries {
		before, err := s.tree(ctx)
		if err != nil {
			return nil, err
		}
		t := *before
		t.Categories = slices.Clone(before.Categories)
		if err := change(&t); err != nil {
			return nil, err
		}
		saved, err := s.saveTree(ctx, before, &t, slug, by, what, at)
		if !errors.Is(err, errChanged) {
			return saved, err
		}
	}
	return nil, problem.New(problem.Conflict, "too-many-changes", "This is being changed elsewhere. Please try again.").WithRetryAfter(time.Second)
}

func (s *store) saveTree(ctx context.Context, before, t *Tree, slug string, by Actor, what string, at time.Time) (*Tree, error) {
	was, name := map[string]any(nil), slug
	if c, err := before.Category(slug); err == nil {
		was, name = c.fields(), c.Name
	}
	is := map[string]any(nil)
	if c, err := t.Category(slug); err == nil {
		is, name = c.fields(), c.Name
	}
	e := newEntry(by, what, categoryKind, slug, name, was, is, at)
	if e.nothing() {
		return before, nil
	}
	if before.Last != nil {
		if err := s.keep(ctx, *before.Last); err != nil {
			return nil, err
		}
	}
	if err := s.RecordChange(ctx, categoriesChanged, slug); err != nil {
		return nil, err
	}
	t.Version, t.Last = before.Version+1, &e
	if err := s.replaceTree(ctx, before.Version, t); err != nil {
		return nil, err
	}
	if err := s.RecordChange(ctx, categoriesChanged, slug); err != nil {
		slog.WarnContext(ctx, "a change is seen later than others", "category", slug, "error", err.Error())
	}
	if err := s.keep(ctx, e); err != nil {
		slog.WarnContext(ctx, "an audit entry is kept later than others", "category", slug, "error", err.Error())
	}
	return t, nil
}

// replaceTree writes t if the tree still has the version that was seen; 0 is no document yet.
func (s *store) replaceTree(ctx context.Context, version int64, t *Tree) error {
	if version == 0 {
		_, err := s.trees.InsertOne(ctx, t)
		if mongo.IsDuplicateKeyError(err) {
			return errChanged
		}
		if err != nil {
			return fmt.Errorf("save categories: %w", err)
		}
		return nil
	}
	result, err := s.trees.ReplaceOne(ctx, bson.D{{Key: "_id", Value: treeID}, {Key: "version", Value: version}}, t)
	if err != nil {
		return fmt.Errorf("save categories: %w", err)
	}
	if result.MatchedCount == 0 {
		return errChanged
	}
	return nil
}

// productsIn counts the products directly in each category, whatever their status.
func (s *store) productsIn(ctx context.Context, categories ...string) (map[string]int, error) {
	counts := map[string]int{}
	match := bson.D{}
	if len(categories) == 1 {
		match = bson.D{{Key: "category", Value: categories[0]}}
	}
	cursor, err := s.products.Aggregate(ctx, mongo.Pipeline{
		{{Key: "$match", Value: match}},
		{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$category"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}}}},
	})
	if err != nil {
		return nil, fmt.Errorf("count products: %w", err)
	}
	var groups []struct {
		Category string `bson:"_id"`
		N        int    `bson:"n"`
	}
	if err := cursor.All(ctx, &groups); err != nil {
		return nil, fmt.Errorf("count products: %w", err)
	}
	for _, g := range groups {
		counts[g.Category] = g.N
	}
	return counts, nil
}
