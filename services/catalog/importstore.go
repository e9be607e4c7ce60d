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
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/internal/problem"
)

func importNotFound() error {
	return problem.New(problem.NotFound, "import-not-found", "There is no such import.")
}

// Import is one by its id.
func (s *store) Import(ctx context.Context, id string) (Import, error) {
	var job Import
	err := s.imports.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&job)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return job, importNotFound()
	}
	if err != nil {
		return job, fmt.Errorf("load import %s: %w", id, err)
	}
	return job, nil
}

// Imports is a page of them, the latest first, from before a time.
func (s *store) Imports(ctx context.Context, before time.Time, limit int) ([]Import, error) {
	filter := bson.D{}
	if !before.IsZero() {
		filter = bson.D{{Key: "startedAt", Value: bson.D{{Key: "$lt", Value: before}}}}
	}
	cursor, err := s.imports.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "startedAt", Value: -1}}).SetLimit(int64(limit)))
	if err != nil {
		return nil, fmt.Errorf("list imports: %w", err)
	}
	var found []Import
	if err := cursor.All(ctx, &found); err != nil {
		return nil, fmt.Errorf("list imports: %w", err)
	}
	return found, nil
}

// AddImport saves one that begins. One that is there stays as it is.
func (s *store) AddImport(ctx context.Context, job Import) error {
	if _, err := s.imports.InsertOne(ctx, job); err != nil && !mongo.IsDuplicateKeyError(err) {
		return fmt.Errorf("add import %s: %w", job.ID, err)
	}
	return nil
}

// ReceivedImport says that a file has arrived whole. A repeat changes nothing.
func (s *store) ReceivedImport(ctx context.Context, id string, parts int, now time.Time) error {
	_, err := s.imports.UpdateOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "status", Value: receiving}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: running}, {Key: "parts", Value: parts}, {Key: "dueAt", Value: now.UTC()}}}})
	if err != nil {
		return fmt.Errorf("begin import %s: %w", id, err)
	}
	return nil
}

// CancelImport asks whoever works on an import to stop. One that is over stays as it is.
func (s *store) CancelImport(ctx context.Context, id string, now time.Time) error {
	if _, err := s.imports.UpdateOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "status", Value: running}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "cancel", Value: true}}}}); err != nil {
		return fmt.Errorf("cancel import %s: %w", id, err)
	}
	return s.endReceiving(ctx, bson.D{{Key: "_id", Value: id}}, cancelled, "", now)
}

func (s *store) endReceiving(ctx context.Context, which bson.D, status, reason string, now time.Time) error {
	_, err := s.imports.UpdateMany(ctx, append(bson.D{{Key: "status", Value: receiving}}, which...),
		bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: status}, {Key: "reason", Value: reason}, {Key: "finishedAt", Value: now.UTC()}}}})
	if err != nil {
		return fmt.Errorf("end imports: %w", err)
	}
	return nil
}

// SweepImports ends imports whose file never arrived whole.
func (s *store) SweepImports(ctx context.Context, now time.Time) error {
	return s.endReceiving(ctx, bson.D{{Key: "startedAt", Value: bson.D{{Key: "$lt", Value: now.Add(-receivedIn)}}}}, failed, "The file did not arrive whole.", now)
}

// ForgetImports removes imports that ended before a time, with what was wrong in their lines: that first, so that what is
// broken off is gone on with.
func (s *store) ForgetImports(ctx context.Context, before time.Time) error {
	for {
		cursor, err := s.imports.Find(ctx, bson.D{
			{Key: "status", Value: bson.D{{Key: "$in", Value: bson.A{done, failed, cancelled}}}}, {Key: "finishedAt", Value: bson.D{{Key: "$lt", Value: before.UTC()}}},
		}, options.Find().SetLimit(forgottenAtOnce))
		if err != nil {
			return fmt.Errorf("look for old imports: %w", err)
		}
		var old []Import
		if err := cursor.All(ctx, &old); err != nil {
			return fmt.Errorf("look for old imports: %w", err)
		}
		for _, job := range old {
			if _, err := s.errors.DeleteMany(ctx, bson.D{{Key: "import", Value: job.ID}}); err != nil {
				return fmt.Errorf("forget the errors of import %s: %w", job.ID, err)
			}
			if _, err := s.imports.DeleteOne(ctx, bson.D{{Key: "_id", Value: job.ID}}); err != nil {
				return fmt.Errorf("forget import %s: %w", job.ID, err)
			}
		}
		if len(old) < forgottenAtOnce {
			return nil
		}
	}
}

// LeaseImport takes an import that nobody works on, the oldest first.
func (s *store) LeaseImport(ctx context.Context, lease string, now time.Time) (job Import, found bool, err error) {
	err = s.imports.FindOneAndUpdate(ctx,
		bson.D{{Key: "status", Value: running}, {Key: "dueAt", Value: bson.D{{Key: "$lte", Value: now.UTC()}}}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "lease", Value: lease}, {Key: "dueAt", Value: now.UTC().Add(importLease)}}}},
		options.FindOneAndUpdate().SetSort(bson.D{{Key: "startedAt", Value: 1}}).SetReturnDocument(options.After)).Decode(&job)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return job, false, nil
	}
	if err != nil {
		return job, false, fmt.Errorf("lease an import: %w", err)
	}
	return job, true, nil
}

// SaveImport counts what was done under a lease, which is then good until due, and hears whether it is to stop. errChanged
// means that the lease is another's.
func (s *store) SaveImport(ctx context.Context, job *Import, due time.Time) error {
	var saved Import
	err := s.imports.FindOneAndUpdate(ctx, bson.D{{Key: "_id", Value: job.ID}, {Key: "lease", Value: job.Lease}, {Key: "status", Value: running}},
		bson.D{{Key: "$set", Value: bson.D{
			{Key: "status", Value: job.Status}, {Key: "reason", Value: job.Reason}, {Key: "total", Value: job.Total}, {Key: "read", Value: job.Read},
			{Key: "written", Value: job.Written}, {Key: "unchanged", Value: job.Unchanged}, {Key: "failed", Value: job.Failed},
			{Key: "line", Value: job.Line}, {Key: "countedAt", Value: job.CountedAt}, {Key: "finishedAt", Value: job.FinishedAt}, {Key: "dueAt", Value: due.UTC()},
		}}}, options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&saved)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return errChanged
	}
	if err != nil {
		return fmt.Errorf("count import %s: %w", job.ID, err)
	}
	job.Cancel = saved.Cancel
	return nil
}

// PartLines are the line feeds in a file.
func (s *store) PartLines(ctx context.Context, file string, parts int) (lines int, err error) {
	for n := range parts {
		var p part
		err := s.parts.FindOne(ctx, bson.D{{Key: "_id", Value: partID(file, n)}}, options.FindOne().SetProjection(bson.D{{Key: "lines", Value: 1}})).Decode(&p)
		if errors.Is(err, mongo.ErrNoDocuments) {
			return 0, problem.New(problem.Unprocessable, "incomplete-body", "A part of the file is missing.")
		}
		if err != nil {
			return 0, fmt.Errorf("look at part %s: %w", partID(file, n), err)
		}
		lines += p.Lines
	}
	return lines, nil
}

// keptFault is a line's fault as it is kept: its id is the same when it is found again.
type keptFault struct {
	ID     string    `bson:"_id"`
	Import string    `bson:"import"`
	Fault  lineFault `bson:",inline"`
}

// AddFaults keeps what was found wrong. A repeat changes nothing.
func (s *store) AddFaults(ctx context.Context, job string, found []lineFault) error {
	kept := make([]keptFault, len(found))
	for i, f := range found {
		kept[i] = keptFault{fmt.Sprintf("%s/%010d/%s/%s", job, f.Line, f.Column, f.Code), job, f}
	}
	if err := insertMissing(ctx, s.errors, kept); err != nil {
		return fmt.Errorf("keep errors of import %s: %w", job, err)
	}
	return nil
}

// Faults are those of an import, by line; at most so many, or all.
func (s *store) Faults(ctx context.Context, job string, most int) ([]lineFault, error) {
	cursor, err := s.errors.Find(ctx, bson.D{{Key: "import", Value: job}}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(most)))
	if err != nil {
		return nil, fmt.Errorf("read errors of import %s: %w", job, err)
	}
	var kept []keptFault
	if err := cursor.All(ctx, &kept); err != nil {
		return nil, fmt.Errorf("read errors of import %s: %w", job, err)
	}
	found := make([]lineFault, len(kept))
	for i, f := range kept {
		found[i] = f.Fault
	}
	return found, nil
}

// AddProducts saves many products that have begun at one moment, whose keys are claimed. Those that are there stay as they
// are.
func (s *store) AddProducts(ctx context.Context, products []*Product) error {
	told := change{Kind: productsChanged, Refs: idsOf(products, func(p *Product) string { return p.ID }), At: products[0].UpdatedAt}
	if err := s.recordChange(ctx, told); err != nil {
		return err
	}
	if err := insertMissing(ctx, s.products, products); err != nil {
		return fmt.Errorf("add products: %w", err)
	}
	return s.recordChange(ctx, told)
}

// Revise saves products as they are to be, all told of at once; it is saveProduct for many, without new keys. One that somebody
// else has changed since it was read loses its after.
func (s *store) Revise(ctx context.Context, all []*revision, at time.Time) error {
	if len(all) == 0 {
		return nil
	}
	var last []Entry
	for _, r := range all {
		if e, ok := r.before.entry(); ok {
			last = append(last, e)
		}
	}
	last, err := s.unkept(ctx, last)
	if err != nil {
		return err
	}
	if err := s.keep(ctx, last...); err != nil {
		return err
	}
	told := change{Kind: productsChanged, Refs: idsOf(all, func(r *revision) string { return r.before.ID }), At: at}
	if err := s.recordChange(ctx, told); err != nil {
		return err
	}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(sideBySide)
	for _, r := range all {
		group.Go(func() error {
			result, err := s.products.UpdateOne(within, versioned(r.before.ID, r.before.Version), r.after.update())
			if err != nil {
				return fmt.Errorf("save product %s: %w", r.before.ID, err)
			}
			if result.MatchedCount == 0 {
				r.after = nil
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var made []Entry
	for _, r := range all {
		if r.after != nil {
			made = append(made, *r.after.Last)
		}
	}
	if err := s.recordChange(ctx, told); err != nil {
		return err
	}
	return s.keep(ctx, made...)
}

// keepBatches copies the entries of what imports have written since a time into the audit collection.
func (s *store) keepBatches(ctx context.Context, since time.Time) error {
	changes, err := s.RecentChanges(ctx, since)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if c.Kind != productsChanged || len(c.Refs) <= fewRefs {
			continue
		}
		documents, err := s.LoadProducts(ctx, c.Refs)
		if err != nil {
			return err
		}
		var entries []Entry
		for _, p := range decodeProducts(documents) {
			if e, ok := p.entry(); ok {
				entries = append(entries, e)
			}
		}
		if err := s.keep(ctx, entries...); err != nil {
			return err
		}
	}
	return nil
}

// decodeProducts reads documents, drafts and all. One that nobody can read is no reason to leave the others.
func decodeProducts(documents []bson.Raw) []*Product {
	products := make([]*Product, 0, len(documents))
	for _, document := range documents {
		p := &Product{}
		if err := bson.Unmarshal(document, p); err != nil {
			slog.Warn("a product cannot be read", "error", err.Error())
			continue
		}
		products = append(products, p)
	}
	return products
}

// eachProduct does something with every product, in no order.
func (s *store) eachProduct(ctx context.Context, do func(*Product) error) error {
	ctx, cancel := context.WithTimeout(ctx, scanWithin) // the store's own limit is for looking things up
	defer cancel()
	return s.EachProduct(ctx, scannedAtOnce, func(documents []bson.Raw) error {
		for _, p := range decodeProducts(documents) {
			if err := do(p); err != nil {
				return err
			}
		}
		return nil
	})
}
