package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sidecart/sidecart/services/catalog/search"
)

const (
	followEvery = 500 * time.Millisecond

	// A change is told before the document is written, too. So long after it was told, the document is read once more, in
	// case its writer died before it told again.
	settleFor = 15 * time.Second
	// Writers' clocks may differ by so much.
	overlap = time.Minute

	markEvery = time.Minute

	atOnce     = 500 // documents
	passWithin = 2 * time.Minute
	// Up to so many products are indexed before the first request is answered; more are while lists are served already.
	fewProducts = 10_000
)

// follower keeps the shelf as new as the store.
type follower struct {
	store *store
	shelf *Shelf
	now   func() time.Time
	words chan struct{} // asks for an index of words

	revision string
	heard    map[string]time.Time       // the changes of late by id, and when they were recorded
	waiting  []unsettled                // in the order in which they were heard of
	open     map[reference]string       // the id of the change that told of it, unless it was told again since, as writers do
	due      map[source]map[string]bool // what is to be read
	since    time.Time                  // what was told before is on the shelf, and has settled
	marked   time.Time
}

// unsettled is a change that was told perhaps before the documents were written.
type unsettled struct {
	change
	heardAt time.Time
}

// source is how to find the documents that a change names, see change.At.
type source struct {
	kind changeKind
	at   int64 // in milliseconds; 0 if they are to be found by their ids
}

type reference struct {
	source
	ref string
}

func (c change) source() source {
	if c.At.IsZero() {
		return source{c.Kind, 0}
	}
	return source{c.Kind, c.At.UnixMilli()}
}

// newFollower brings the shelf up to date: by what changed since it was closed, or by everything if that is not known.
func newFollower(ctx context.Context, store *store, shelf *Shelf, now func() time.Time) (*follower, error) {
	f := &follower{store: store, shelf: shelf, now: now, words: make(chan struct{}, 1),
		heard: map[string]time.Time{}, open: map[reference]string{}, due: map[source]map[string]bool{}}
	if err := f.arrange(ctx); err != nil {
		return nil, err
	}
	since, err := time.Parse(time.RFC3339Nano, shelf.index.Cursor())
	if err == nil && now().Sub(since) < changesKept-time.Hour {
		f.since = since
		err = f.refresh(ctx)
	} else {
		err = f.reload(ctx)
	}
	if err != nil {
		return nil, err
	}
	if ready, current := shelf.index.WordsReady(); !ready && shelf.index.Len() <= fewProducts {
		return f, shelf.index.BuildWords(ctx)
	} else if !current {
		f.words <- struct{}{}
	}
	return f, nil
}

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := f.refresh(ctx); err != nil && ctx.Err() == nil {
			slog.Warn("the catalog may be out of date", "error", err.Error())
		}
	}
}

// indexWords builds indexes of words when they are asked for, and when there is none because it broke, and keeps them tidy.
func (f *follower) indexWords(ctx context.Context) error {
	look := time.NewTicker(10 * time.Second)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.words:
		case <-look.C:
			if ready, _ := f.shelf.index.WordsReady(); ready {
				if err := f.shelf.index.Tidy(ctx); err != nil && ctx.Err() == nil {
					slog.Warn("searching for words takes longer than it could", "error", err.Error())
				}
				continue
			}
		}
		if err := f.shelf.index.BuildWords(ctx); err != nil && ctx.Err() == nil {
			slog.Warn("searching for words does not work at the moment", "error", err.Error())
		}
	}
}

// refresh reads what was told to have changed: when it is heard of, and once more when it has settled.
func (f *follower) refresh(ctx context.Context) error {
	revision, err := f.store.Revision(ctx)
	if err != nil {
		return err
	}
	now := f.now()
	if revision != f.revision {
		changes, err := f.changes(ctx, revision)
		if err != nil {
			return err
		}
		for _, c := range changes {
			f.hear(c, now)
		}
		f.revision = revision
	}
	f.settle(now)
	if err := f.read(ctx); err != nil {
		return err // what is still due is read the next time
	}
	f.since = now
	for _, u := range f.waiting {
		f.since = earlier(f.since, u.recordedAt())
	}
	maps.DeleteFunc(f.heard, func(_ string, at time.Time) bool { return at.Before(f.since.Add(-overlap)) })
	return f.mark()
}

// changes are those of late, the one that the revision names among them.
func (f *follower) changes(ctx context.Context, revision string) ([]change, error) {
	late := f.since.Add(-overlap)
	if f.revision != "" {
		changes, err := f.store.RecentChanges(ctx, late)
		named := func(c change) bool { return c.ID == revision }
		if err != nil || slices.ContainsFunc(changes, named) || (change{ID: revision}).recordedAt().Before(late) {
			return changes, err
		}
	}
	// It begins, or an older program is at work beside it.
	return f.store.Changes(ctx, late)
}

// hear takes note of a change.
func (f *follower) hear(c change, now time.Time) {
	if _, known := f.heard[c.ID]; known {
		return
	}
	f.heard[c.ID] = c.recordedAt()
	f.waiting = append(f.waiting, unsettled{c, now})
	from := c.source()
	for _, ref := range c.Refs {
		r := reference{from, ref}
		if _, again := f.open[r]; again {
			delete(f.open, r)
		} else if f.open[r] = c.ID; from.at != 0 {
			continue // nothing is to be found by its time yet
		}
		f.want(r)
	}
}

// settle has those documents read once more of which nobody told again: perhaps the writer has died in between.
func (f *follower) settle(now time.Time) {
	for len(f.waiting) > 0 && now.Sub(f.waiting[0].heardAt) >= settleFor {
		c := f.waiting[0].change
		for _, ref := range c.Refs {
			if r := (reference{c.source(), ref}); f.open[r] == c.ID {
				delete(f.open, r)
				f.want(r)
			}
		}
		f.waiting = f.waiting[1:]
	}
}

func (f *follower) want(r reference) {
	if f.due[r.source] == nil {
		f.due[r.source] = map[string]bool{}
	}
	f.due[r.source][r.ref] = true
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// mark saves now and then how far the shelf is up to date, so that a restart need not read everything.
func (f *follower) mark() error {
	if f.since.Sub(f.marked) < markEvery {
		return nil
	}
	f.marked = f.since
	return f.shelf.index.Apply(search.Change{Cursor: f.since.Format(time.RFC3339Nano)})
}

// read brings to the shelf what the documents that are due are now.
func (f *follower) read(ctx context.Context) error {
	if from := (source{kind: categoriesChanged}); len(f.due[from]) > 0 {
		if err := f.arrange(ctx); err != nil {
			return err
		}
		delete(f.due, from)
	}
	for from, refs := range f.due {
		var err error
		switch {
		case from.kind == productsChanged && from.at != 0:
			err = f.readWritten(ctx, time.UnixMilli(from.at), refs)
		case from.kind == productsChanged:
			err = f.readProducts(ctx, refs)
		case from.kind == stockChanged:
			err = f.readStock(ctx, refs)
		}
		if err != nil {
			return err
		}
		delete(f.due, from)
	}
	return nil
}

// readWritten reads products by when they were written. Those that are not found were not, or by others since, who tell
// of it themselves.
func (f *follower) readWritten(ctx context.Context, at time.Time, ids map[string]bool) error {
	ctx, cancel := context.WithTimeout(ctx, passWithin) // the store's own limit is for looking things up
	defer cancel()
	bodies, err := f.store.LoadProductsOf(ctx, at, slices.Collect(maps.Keys(ids)))
	if err != nil {
		return err
	}
	return f.shelf.put(idsIn(bodies), bodies)
}

// readProducts reads products by their ids.
func (f *follower) readProducts(ctx context.Context, ids map[string]bool) error {
	ctx, cancel := context.WithTimeout(ctx, passWithin)
	defer cancel()
	if n := len(ids); n > 4*atOnce && n > f.shelf.index.Len()/4 {
		// For so many the store is asked once for everything rather than often for some.
		gone := maps.Clone(ids)
		if err := f.store.EachProduct(ctx, atOnce, func(bodies []bson.Raw) error {
			bodies = slices.DeleteFunc(bodies, func(body bson.Raw) bool { return !ids[idOf(body)] })
			for _, id := range idsIn(bodies) {
				delete(gone, id)
			}
			return f.shelf.put(idsIn(bodies), bodies)
		}); err != nil {
			return err
		}
		return f.shelf.put(slices.Collect(maps.Keys(gone)), nil)
	}
	for ids := range slices.Chunk(slices.Collect(maps.Keys(ids)), 4*atOnce) {
		bodies, err := f.store.LoadProducts(ctx, ids)
		if err != nil {
			return err
		}
		if err := f.shelf.put(ids, bodies); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) readStock(ctx context.Context, skus map[string]bool) error {
	ctx, cancel := context.WithTimeout(ctx, passWithin)
	defer cancel()
	for skus := range slices.Chunk(slices.Collect(maps.Keys(skus)), 4*atOnce) {
		stock, err := f.store.LoadStock(ctx, skus)
		if err != nil {
			return err
		}
		if err := f.shelf.index.Apply(search.Change{Stock: stock}); err != nil {
			return err
		}
	}
	return nil
}

func idOf(body bson.Raw) string {
	id, _ := body.Lookup("_id").StringValueOK()
	return id
}

func idsIn(bodies []bson.Raw) []string { return idsOf(bodies, idOf) }

// arrange brings the categories to the shelf.
func (f *follower) arrange(ctx context.Context) error {
	categories, err := f.store.Categories(ctx)
	if err != nil {
		return err
	}
	if f.shelf.arrange(categories) {
		select {
		case f.words <- struct{}{}:
		default: // it is asked for already
		}
	}
	return nil
}

// reload reads everything. What changes meanwhile is told, and read again.
func (f *follower) reload(ctx context.Context) error {
	start := f.now()
	revision, err := f.store.Revision(ctx)
	if err != nil {
		return err
	}
	if err := f.readAll(ctx); err != nil {
		return err
	}
	stock, err := f.store.LoadStock(ctx, nil)
	if err != nil {
		return err
	}
	if err := f.shelf.index.Apply(search.Change{Stock: stock}); err != nil {
		return err
	}
	f.revision, f.since, f.marked = revision, start, time.Time{}
	slog.Info("the catalog is loaded", "products", f.shelf.index.Len(), "seconds", f.now().Sub(start).Seconds())
	return f.mark()
}

// readAll brings every product to the shelf, and takes away what is gone.
func (f *follower) readAll(ctx context.Context) error {
	present := map[string]bool{}
	if err := f.store.EachProduct(ctx, atOnce, func(bodies []bson.Raw) error {
		for _, id := range idsIn(bodies) {
			present[id] = true
		}
		return f.shelf.put(idsIn(bodies), bodies)
	}); err != nil {
		return err
	}
	gone, err := f.shelf.index.Others(func(id string) bool { return present[id] })
	if err != nil {
		return err
	}
	return f.shelf.index.Apply(search.Change{Remove: gone})
}
