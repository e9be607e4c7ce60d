package search

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/RoaringBitmap/roaring/v2"
)

// find is the match of a text by a reading, or by a new one, remembered until the catalog changes.
func (x *Index) find(text string, given *Reading) (found *match, err error) {
	key := given.key() + normal(text)
	if found, ok := x.matches.get(key); ok {
		return found, nil
	}
	x.mu.RLock()
	generation := x.generation
	x.mu.RUnlock()
	w := x.words.Load()
	found, err = x.findIn(w, text, given)
	if now := x.words.Load(); err != nil && now != w {
		found, err = x.findIn(now, text, given) // it was just replaced
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWords, err)
	}
	found.generation, found.key = generation, key
	if given == nil {
		found.key = found.reading.key() + normal(text)
		x.matches.put(key, found, 200, generation) // the same twice: for the first page, and for those after it
	}
	x.matches.put(found.key, found, found.cost(), generation)
	return found, nil
}

func (x *Index) findIn(w *words, text string, given *Reading) (found *match, err error) {
	if w == nil {
		return nil, errors.New("there is none")
	}
	defer func() {
		if p := recover(); p != nil {
			slog.Error("the index of words panicked", "panic", p, "stack", string(debug.Stack()))
			found, err = nil, errBrokenIndex
		}
	}()
	snap, err := w.snapshot()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, snap.Close()) }()
	sc := scratches.Get().(*scratch)
	m := &matcher{snapshot: snap, analyzer: sharedAnalyzer(), synonyms: x.synonyms, scratch: sc, counts: map[string]int{}}
	x.mu.RLock()
	defer x.mu.RUnlock()
	m.nameSize = func(row uint32) int {
		if int(row) < len(x.columns.nameSizes) {
			return int(x.columns.nameSizes[row])
		}
		return 1
	}
	if found, err = m.match(text, given); err != nil {
		return nil, err
	}
	scratches.Put(sc) // not after a failure: its numbers may not be zero
	found.set = roaring.BitmapOf(found.rows...)
	return found, nil
}
