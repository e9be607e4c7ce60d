package search

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	bolt "go.etcd.io/bbolt"
)

// Change is what became different at the source.
type Change struct {
	Put    []*Document
	Remove []string // ids
	Stock  map[string]Stock
	Cursor string // saved with it, unless it is ""
}

// Apply makes a change. When it returns, every read sees it, and a restart does. A document that is as it was costs little.
func (x *Index) Apply(c Change) error {
	x.applying.Lock()
	defer x.applying.Unlock()
	plan, err := x.plan(c)
	if err != nil {
		return err
	}
	if err := x.updateWords(plan); err != nil {
		// Lists are worth more than words, which are built again from what is saved here.
		slog.Error("the words of the catalog are to be indexed again", "error", err.Error())
		x.dropWords()
	}
	if err := x.save(c, plan); err != nil {
		return fmt.Errorf("save a change of the index: %w", err)
	}
	x.show(c, plan)
	return nil
}

// step is what becomes of one row.
type step struct {
	row      uint32
	old, now *Document // nil if there was none, or is none any more
}

func (x *Index) plan(c Change) (steps []step, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	at := map[string]int{} // a later document of the same id counts
	err = x.db.View(func(tx *bolt.Tx) error {
		documents := tx.Bucket(documentsBucket)
		add := func(id string, now *Document) error {
			if i, twice := at[id]; twice {
				steps[i].now = now
				return nil
			}
			row, known := x.columns.ids[hash(id)]
			if !known && now == nil {
				return nil
			}
			s := step{row: row, now: now}
			if known {
				body := documents.Get(rowKey(row))
				if now != nil && bytes.Equal(body, now.Body) {
					return nil
				}
				if body != nil {
					s.old, _ = x.Read(body) // what cannot be read was left out
				}
			} else {
				s.row = x.columns.rowFor(id)
			}
			at[id] = len(steps)
			steps = append(steps, s)
			return nil
		}
		for _, d := range c.Put {
			if err := add(d.ID, d); err != nil {
				return err
			}
		}
		for _, id := range c.Remove {
			if err := add(id, nil); err != nil {
				return err
			}
		}
		return nil
	})
	return steps, err
}

func (x *Index) updateWords(steps []step) error {
	w := x.words.Load()
	if x.building == nil && w == nil || len(steps) == 0 {
		return nil
	}
	changed, removed := map[uint32]texts{}, []uint32(nil)
	for _, s := range steps {
		if x.building != nil {
			x.building.Add(s.row)
		}
		if s.now != nil {
			changed[s.row] = x.texts(s.now)
		} else {
			removed = append(removed, s.row)
		}
	}
	if w == nil {
		return nil
	}
	return w.update(changed, removed)
}

func (x *Index) dropWords() {
	if w := x.words.Swap(nil); w != nil {
		if err := w.close(); err != nil {
			slog.Warn("close the index of words", "error", err.Error())
		}
	}
}

// texts are what a product is found by.
func (x *Index) texts(d *Document) (t texts) {
	kind := []string{d.Brand}
	x.mu.RLock()
	for slug, n := d.Category, 0; slug != "" && n <= len(x.categories); n++ {
		parent := ""
		for _, c := range x.categories {
			if c.Slug == slug {
				kind, parent = append(kind, c.Name), c.Parent
			}
		}
		slug = parent
	}
	x.mu.RUnlock()
	facts := append([]string(nil), d.SKUs...)
	for _, a := range d.Attributes {
		facts = append(facts, a.Value)
	}
	t[inName], t[inKind], t[inFacts], t[inText] = d.Name, strings.Join(kind, "\n"), strings.Join(facts, "\n"), d.Description
	return t
}

func (x *Index) save(c Change, steps []step) error {
	if len(steps) == 0 && len(c.Stock) == 0 && c.Cursor == "" {
		return nil
	}
	return x.db.Update(func(tx *bolt.Tx) error {
		documents, stock := tx.Bucket(documentsBucket), tx.Bucket(stockBucket)
		documents.FillPercent = 0.9 // rows come in their order, mostly
		for _, s := range steps {
			var err error
			if s.now != nil {
				err = documents.Put(rowKey(s.row), s.now.Body)
			} else {
				err = documents.Delete(rowKey(s.row))
			}
			if err != nil {
				return err
			}
		}
		for sku, state := range c.Stock {
			if err := stock.Put([]byte(sku), []byte{byte(state)}); err != nil {
				return err
			}
		}
		if c.Cursor != "" {
			return tx.Bucket(marksBucket).Put([]byte(cursorMark), []byte(c.Cursor))
		}
		return nil
	})
}

// show makes a saved change visible.
func (x *Index) show(c Change, steps []step) {
	x.mu.Lock()
	defer x.mu.Unlock()
	cols := x.columns
	changed := false
	for sku, state := range c.Stock {
		s, known := cols.skus[hash(sku)]
		if !known {
			s.row = noRow
		}
		changed = changed || s.stock != state
		s.stock = state
		cols.skus[hash(sku)] = s
	}
	gone, in := roaring.New(), make([]uint32, 0, len(steps))
	for _, s := range steps {
		if s.old != nil {
			cols.clear(s.row, s.old)
			gone.Add(s.row)
		}
	}
	for _, s := range steps {
		if s.now != nil {
			cols.put(s.row, s.now)
			in = append(in, s.row)
		} else if s.old != nil {
			delete(cols.ids, hash(s.old.ID))
			cols.free = append(cols.free, s.row)
		}
	}
	if len(steps) > 0 {
		cols.reorder(gone, in)
	}
	for sku := range c.Stock {
		if row := cols.skus[hash(sku)].row; row != noRow {
			if d, err := x.read(row); err == nil {
				cols.setStock(row, d.SKUs)
			}
		}
	}
	if changed || len(steps) > 0 {
		x.turn()
	}
}

// turn begins a new generation; x.mu is held.
func (x *Index) turn() {
	x.generation++
	x.matches.clear(x.generation)
	x.selections.clear(x.generation)
	x.listings.clear(x.generation)
}

// read reads the document of a row.
func (x *Index) read(row uint32) (d *Document, err error) {
	err = x.db.View(func(tx *bolt.Tx) error {
		body := tx.Bucket(documentsBucket).Get(rowKey(row))
		if body == nil {
			return errors.New("there is no such row")
		}
		d, err = x.Read(body)
		return err
	})
	return d, err
}
