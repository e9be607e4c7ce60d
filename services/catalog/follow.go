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

	atOnce = 500 // documents
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
	settles  time.Time        // when to look at what was told once more
	since    time.Time        // what was told before has settled
	heard    map[string]heard // changes since then, by id
	marked   time.Time
}

type heard struct {
	at      time.Time
	settled bool
}

// newFollower brings the shelf up to date: by what changed since it was closed, or by everything if that is not known.
func newFollower(ctx context.Context, store *store, shelf *Shelf, now func() time.Time) (*follower, error) {
	f := &follower{store: store, shelf: shelf, now: now, heard: map[string]heard{}, words: make(chan struct{}, 1)}
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

// indexWords builds indexes of words when they are asked for, and when there is none because it broke.
func (f *follower) indexWords(ctx context.Context) error {
	broken := time.NewTicker(10 * time.Second)
	defer broken.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.words:
		case <-broken.C:
			if ready, _ := f.shelf.index.WordsReady(); ready {
				continue
			}
		}
		if err := f.shelf.index.BuildWords(ctx); err != nil && ctx.Err() == nil {
			slog.Warn("searching for words does not work at the moment", "error", err.Error())
		}
	}
}

// refresh reads again what was told to have changed: when there is something new, and when what was told has settled.
func (f *follower) refresh(ctx context.Context) error {
	revision, err := f.store.Revision(ctx)
	if err != nil {
		return err
	}
	now := f.now()
	if revision == f.revision && now.Before(f.settles) {
		if len(f.heard) == 0 {
			f.since = now
		}
		return f.mark()
	}
	changes, err := f.store.Changes(ctx, f.since.Add(-overlap))
	if err != nil {
		return err
	}
	told := map[reference]int{}
	for _, c := range changes {
		for _, ref := range c.Refs {
			told[reference{c.Kind, ref}]++
		}
	}
	due := map[changeKind]map[string]bool{productsChanged: {}, categoriesChanged: {}, stockChanged: {}}
	news := make(map[string]heard, len(changes))
	since, settles := now, now.Add(markEvery)
	for _, c := range changes {
		h, known := f.heard[c.ID]
		first := !known
		if first {
			h.at = now
		}
		last := !first && !h.settled && now.Sub(h.at) >= settleFor
		h.settled = h.settled || last
		for _, ref := range c.Refs {
			// Who told twice, as writers do, has written in between: of him there is nothing more to come.
			if due[c.Kind] != nil && (first || last && told[reference{c.Kind, ref}]%2 == 1) {
				due[c.Kind][ref] = true
			}
		}
		if news[c.ID] = h; !h.settled {
			since, settles = earlier(since, c.at()), earlier(settles, h.at.Add(settleFor))
		}
	}
	if err := f.read(ctx, due); err != nil {
		return err
	}
	f.revision, f.heard, f.since, f.settles = revision, news, since, settles
	return f.mark()
}

// reference is a document that was told to have changed.
type reference struct {
	kind changeKind
	ref  string
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

// read brings to the shelf what the documents are now.
func (f *follower) read(ctx context.Context, due map[changeKind]map[string]bool) error {
	if len(due[categoriesChanged]) > 0 {
		if err := f.arrange(ctx); err != nil {
			return err
		}
	}
	if n := len(due[productsChanged]); n > 4*atOnce && n > f.shelf.index.Len()/4 {
		// An import: for so many, FerretDB is asked once for everything rather than often for some.
		if err := f.readAll(ctx); err != nil {
			return err
		}
		delete(due, productsChanged)
	}
	for ids := range slices.Chunk(slices.Collect(maps.Keys(due[productsChanged])), 4*atOnce) {
		bodies, err := f.store.LoadProducts(ctx, ids)
		if err != nil {
			return err
		}
		if err := f.shelf.put(ids, bodies); err != nil {
			return err
		}
	}
	for skus := range slices.Chunk(slices.Collect(maps.Keys(due[stockChanged])), 4*atOnce) {
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
		var ids []string
		for _, body := range bodies {
			if id, ok := body.Lookup("_id").StringValueOK(); ok {
				ids, present[id] = append(ids, id), true
			}
		}
		return f.shelf.put(ids, bodies)
	}); err != nil {
		return err
	}
	gone, err := f.shelf.index.Others(func(id string) bool { return present[id] })
	if err != nil {
		return err
	}
	return f.shelf.index.Apply(search.Change{Remove: gone})
}
