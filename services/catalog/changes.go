package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// change says that documents were written, so that those who keep copies read them again. It does not say what is in them:
// whoever hears of a change, in whatever order and however often, reads the documents as they are then.
type change struct {
	ID   string     `bson:"_id"`  // a UUIDv7: ids grow with the time
	Slot string     `bson:"slot"` // when it was recorded, to be asked for; older changes have none
	Kind changeKind `bson:"kind"`
	Refs references `bson:"refs"` // ids of the documents

	// At is what the documents have as updatedAt when this writer has written them: of many at once, so that they can be found
	// by it. Whoever tells of it tells twice.
	At time.Time `bson:"at,omitempty"`
}

// references are one text in the database: FerretDB takes several times as long for a list. Older changes have a list.
type references []string

// MarshalBSONValue is called by the driver.
func (r references) MarshalBSONValue() (byte, []byte, error) {
	t, data, err := bson.MarshalValue(strings.Join(r, "\n"))
	return byte(t), data, err
}

// UnmarshalBSONValue is called by the driver.
func (r *references) UnmarshalBSONValue(t byte, data []byte) error {
	value := bson.RawValue{Type: bson.Type(t), Value: data}
	text, ok := value.StringValueOK()
	if !ok {
		return value.Unmarshal((*[]string)(r))
	}
	if *r = nil; text != "" {
		*r = strings.Split(text, "\n")
	}
	return nil
}

type changeKind string

const (
	productsChanged   changeKind = "products"
	categoriesChanged changeKind = "categories"
	stockChanged      changeKind = "stock" // refs are SKUs

	changesKept = 24 * time.Hour
)

// RecordChange tells every replica to read the named documents again. A writer calls it twice, before it writes and after:
// the second call is what makes a change visible soon, the first what makes it visible at all if the writer dies in between.
// One call may name many documents, as an import does for a batch.
func (s *store) RecordChange(ctx context.Context, kind changeKind, ids ...string) error {
	return s.recordChange(ctx, change{Kind: kind, Refs: ids})
}

func (s *store) recordChange(ctx context.Context, c change) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	c.ID = id.String()
	c.Slot = slotOf(c.recordedAt())
	if _, err := s.changes.InsertOne(ctx, c); err != nil {
		return fmt.Errorf("record a change of %s: %w", c.Kind, err)
	}
	return s.set(ctx, revisionKey, c.ID)
}

// Revision is another one whenever a change was recorded. It is one small document: to ask for it every second costs nothing.
func (s *store) Revision(ctx context.Context) (string, error) {
	revision, err := s.value(ctx, revisionKey)
	if err != nil {
		return "", fmt.Errorf("read the revision: %w", err)
	}
	return revision, nil
}

// Changes are those that were recorded since a time by the clock of whoever recorded them, oldest first. Those older than
// changesKept may be gone. This reads all that are kept; see RecentChanges.
func (s *store) Changes(ctx context.Context, since time.Time) ([]change, error) {
	return s.findChanges(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: earliestID(since)}}}})
}

const (
	slotLength  = time.Minute
	recentSlots = 10
)

func slotOf(t time.Time) string { return t.UTC().Truncate(slotLength).Format("2006-01-02T15:04") }

// RecentChanges are the changes since a time that is not long ago, without those that older programs recorded. It asks for
// whole minutes one by one, since FerretDB finds what equals something where the documents are, and else reads them all.
func (s *store) RecentChanges(ctx context.Context, since time.Time) (found []change, err error) {
	until := time.Now().Add(overlap)
	if until.Sub(since) > recentSlots*slotLength {
		return s.Changes(ctx, since)
	}
	for slot := since.Truncate(slotLength); slot.Before(until); slot = slot.Add(slotLength) {
		some, err := s.findChanges(ctx, bson.D{{Key: "slot", Value: slotOf(slot)}, {Key: "_id", Value: bson.D{{Key: "$gte", Value: earliestID(since)}}}})
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	return found, nil
}

func (s *store) findChanges(ctx context.Context, filter bson.D) ([]change, error) {
	cursor, err := s.changes.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	var found []change
	if err := cursor.All(ctx, &found); err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	return found, nil
}

// TrimChanges forgets changes that everybody has heard of, or else has to read everything again.
func (s *store) TrimChanges(ctx context.Context, now time.Time) error {
	_, err := s.changes.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$lt", Value: earliestID(now.Add(-changesKept))}}}})
	if err != nil {
		return fmt.Errorf("trim changes: %w", err)
	}
	return nil
}

// trim forgets old changes, once an hour.
func (s *store) trim(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Hour):
		}
		if err := s.TrimChanges(ctx, time.Now()); err != nil && ctx.Err() == nil {
			slog.Warn("old changes are kept", "error", err.Error())
		}
	}
}

// earliestID is below every UUIDv7 made from t on (RFC 9562 section 5.7: 48 bits of milliseconds come first).
func earliestID(t time.Time) string {
	ms := max(0, t.UnixMilli())
	return fmt.Sprintf("%08x-%04x-7000-8000-000000000000", ms>>16, ms&0xffff)
}

// recordedAt is by the clock of whoever recorded the change.
func (c change) recordedAt() time.Time {
	id, err := uuid.Parse(c.ID)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(id.Time().UnixTime())
}

const loadedOneByOne = 100

// LoadProducts reads the documents of the products with the given ids; those that are not there are absent.
func (s *store) LoadProducts(ctx context.Context, ids []string) ([]bson.Raw, error) {
	if len(ids) > loadedOneByOne {
		return s.findProducts(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
	}
	// FerretDB looks for one id where the documents are, but for $in it reads them all.
	var found []bson.Raw
	for _, id := range ids {
		products, err := s.findProducts(ctx, bson.D{{Key: "_id", Value: id}})
		if err != nil {
			return nil, err
		}
		found = append(found, products...)
	}
	return found, nil
}

// LoadProductsOf reads those of the products with the given ids that have this updatedAt. FerretDB looks for the time where
// the documents are, and others for the ids.
func (s *store) LoadProductsOf(ctx context.Context, at time.Time, ids []string) ([]bson.Raw, error) {
	return s.findProducts(ctx, bson.D{{Key: "updatedAt", Value: at}, {Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
}

func (s *store) findProducts(ctx context.Context, filter bson.D) (found []bson.Raw, err error) {
	cursor, err := s.products.Find(ctx, filter)
	if err != nil {
		return nil, fmt.Errorf("load products: %w", err)
	}
	if err := cursor.All(ctx, &found); err != nil {
		return nil, fmt.Errorf("load products: %w", err)
	}
	return found, nil
}

// EachProduct reads the documents of all products, so many at once.
func (s *store) EachProduct(ctx context.Context, atOnce int, yield func([]bson.Raw) error) error {
	cursor, err := s.products.Find(ctx, bson.D{}, options.Find().SetBatchSize(int32(atOnce)))
	if err != nil {
		return fmt.Errorf("load products: %w", err)
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }() // of something that was read
	var batch []bson.Raw
	for cursor.Next(ctx) {
		batch = append(batch, slices.Clone(cursor.Current))
		if len(batch) == atOnce || cursor.RemainingBatchLength() == 0 {
			if err := yield(batch); err != nil {
				return err
			}
			batch = nil
		}
	}
	if err := cursor.Err(); err != nil {
		return fmt.Errorf("load products: %w", err)
	}
	return nil
}
