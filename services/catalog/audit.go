package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
)

// Entry says who changed what, when and how. It is saved inside the document that it is about, by the write that it
// tells of, so that there is no change without it and none that never happened; from there it is copied into the audit
// collection, at once, and once more before the next write takes its place.
type Entry struct {
	ID     string         `bson:"_id" json:"id"` // a UUIDv7: ids grow with the time
	At     time.Time      `bson:"at" json:"at"`
	By     Actor          `bson:"by" json:"by"`
	What   string         `bson:"what" json:"what"`
	Kind   string         `bson:"kind" json:"kind"`
	Ref    string         `bson:"ref" json:"ref"`
	Name   string         `bson:"name" json:"name"`
	Before map[string]any `bson:"before" json:"before"` // the fields that changed, as they were
	After  map[string]any `bson:"after" json:"after"`   // the same fields, as they are

	Import string `bson:"import,omitempty" json:"-"` // that it was done by
}

// Actor is somebody who changed something.
type Actor struct {
	ID   string `bson:"id" json:"id"`
	Name string `bson:"name" json:"name"`
}

// What an entry tells of, and about what kind of thing.
const (
	added, changed, archived, removed, imported = "added", "changed", "archived", "removed", "imported"

	productKind, categoryKind, reviewKind = "product", "category", "review"
)

func actor(who identity.Identity) Actor { return Actor{string(who.Subject), who.Name} }

// newEntry tells how fields became others. Those that are alike before and after are left out.
func newEntry(by Actor, what, kind, ref, name string, before, after map[string]any, at time.Time) Entry {
	e := Entry{
		ID: uuid.Must(uuid.NewV7()).String(), At: at.UTC().Truncate(time.Millisecond), By: by, What: what, Kind: kind, Ref: ref, Name: name,
		Before: map[string]any{}, After: map[string]any{},
	}
	for field, was := range before {
		if is, there := after[field]; !there || !reflect.DeepEqual(was, is) {
			e.Before[field] = was
		}
	}
	for field, is := range after {
		if was, there := before[field]; !there || !reflect.DeepEqual(was, is) {
			e.After[field] = is
		}
	}
	return e
}

// nothing reports whether an entry tells of no change at all.
func (e Entry) nothing() bool { return len(e.Before) == 0 && len(e.After) == 0 }

// keep copies entries into the audit collection. Those that are there already stay as they are.
func (s *store) keep(ctx context.Context, entries ...Entry) error {
	if err := insertMissing(ctx, s.audit, entries); err != nil {
		return fmt.Errorf("keep audit entries: %w", err)
	}
	return nil
}

// unkept are those of entries that the audit collection lacks. To keep them all the same would do no harm, but takes some servers
// long if there are many.
func (s *store) unkept(ctx context.Context, entries []Entry) ([]Entry, error) {
	lacks := make([]bool, len(entries))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(sideBySide)
	for i, e := range entries {
		group.Go(func() error {
			err := s.audit.FindOne(ctx, bson.D{{Key: "_id", Value: e.ID}}, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
			if lacks[i] = errors.Is(err, mongo.ErrNoDocuments); lacks[i] {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("look for audit entries: %w", err)
	}
	var unkept []Entry
	for i, e := range entries {
		if lacks[i] {
			unkept = append(unkept, e)
		}
	}
	return unkept, nil
}

// Audit is a page of entries, the latest first: all, or those about one thing.
func (s *store) Audit(ctx context.Context, kind, ref, before string, limit int) ([]Entry, error) {
	filter := bson.D{}
	if ref != "" {
		filter = append(filter, bson.E{Key: "ref", Value: ref}, bson.E{Key: "kind", Value: kind})
	}
	if before != "" {
		filter = append(filter, bson.E{Key: "_id", Value: bson.D{{Key: "$lt", Value: before}}})
	}
	cursor, err := s.audit.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(int64(limit)))
	if err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	found := []Entry{}
	if err := cursor.All(ctx, &found); err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	return found, nil
}

const (
	auditedKey = "audited" // up to when every change's entry is known to be kept

	auditAfter = 30 * time.Second // no writer takes so long between recording a change and writing it
	auditEvery = 10 * time.Second
	fewRefs    = 10 // more are an import's, which keeps its entries itself before it goes on
)

// keepEntries copies entries whose writer died before it could, until ctx ends. Replicas may do so at once.
func (s *store) keepEntries(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(auditEvery):
		}
		if err := s.keepSince(ctx, time.Now().Add(-auditAfter)); err != nil && ctx.Err() == nil {
			slog.Warn("the audit trail may lack what a killed process wrote", "error", err.Error())
		}
	}
}

// keepSince copies the entries of what was changed since the last time and until then.
func (s *store) keepSince(ctx context.Context, until time.Time) error {
	value, err := s.value(ctx, auditedKey)
	if err != nil {
		return err
	}
	since, err := time.Parse(time.RFC3339Nano, value)
	if err != nil { // never yet
		since = until.Add(-changesKept)
	}
	changes, err := s.RecentChanges(ctx, since)
	if err != nil {
		return err
	}
	products, tree := map[string]bool{}, false
	for _, c := range changes {
		tree = tree || c.Kind == categoriesChanged
		if c.Kind == productsChanged && len(c.Refs) <= fewRefs && c.ID < earliestID(until) {
			for _, ref := range c.Refs {
				products[ref] = true
			}
		}
	}
	for id := range products {
		p, err := s.Product(ctx, id)
		if problem.Is(err, "product-not-found") { // it was to be added, and was not
			continue
		}
		if err == nil {
			err = s.keepOf(ctx, p)
		}
		if err != nil {
			return err
		}
	}
	if tree {
		t, err := s.tree(ctx)
		if err != nil {
			return err
		}
		if t.Last != nil {
			if err := s.keep(ctx, *t.Last); err != nil {
				return err
			}
		}
	}
	return s.set(ctx, auditedKey, until.UTC().Format(time.RFC3339Nano))
}
