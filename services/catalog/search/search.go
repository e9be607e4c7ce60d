// Package search finds products: by words, misspelt ones too, by filters with the counts of what else there is to choose
// from, in every order, page by page. It keeps a copy of what is sold on disk and what lists need of it in memory; it can
// lose both, since everything can be had again from whoever owns the products.
//
// The documents are in a bbolt file, the index of words is bleve's, and both are reached by row: a small number that a
// product keeps for as long as it is there. Filters, counts and orders are made from columns in memory, so a list needs the
// disk only for the documents that it shows, and without the index of words everything works but words.
package search

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	bolt "go.etcd.io/bbolt"
)

// Document is what a product is found by, and what it is.
type Document struct {
	ID, Slug, Name, Brand, Category, Description string
	Attributes                                   []Attribute // those of its variants, too
	SKUs                                         []string
	Prices                                       []int64 // the lowest, by currency; 0 if it is not sold in it
	Rating                                       int     // tenths of a star, up to 50
	Reviews                                      int
	AddedAt                                      time.Time
	Body                                         []byte // the product as its owner writes it
}

type Attribute struct{ Name, Value string }

// Category is a shelf of the shop. Parent is the slug of the one that it is part of; Hidden are attributes that are not to
// be chosen by.
type Category struct {
	Slug, Name, Parent string
	Hidden             []string
}

// Stock is what is known of the pieces of a SKU.
type Stock uint8

const (
	StockUnknown Stock = iota
	InStock
	OutOfStock
)

// ErrWords means that words cannot be searched for at the moment; everything else can.
var ErrWords = errors.New("the index of words is not ready")

// Options of an index. Read makes a document of a body that was given before.
type Options struct {
	Dir        string
	PriceSteps [][]int64 // where price ranges begin, by currency
	Read       func(body []byte) (*Document, error)
}

// Index is the whole of it. Reads go on while it changes.
type Index struct {
	Options
	db       *bolt.DB
	words    atomic.Pointer[words] // nil while there is none
	synonyms synonyms

	applying sync.Mutex      // one change at a time
	building *roaring.Bitmap // rows that changed while an index of words is being built; nil if none is

	mu         sync.RWMutex // of all below
	columns    *columns
	categories []Category
	within     map[string][]string // a category with all that is part of it
	hidden     map[string]bool     // attributes
	generation uint64

	matches    *cache[*match]
	selections *cache[*selection]
	listings   *cache[*listing]
}

// Memory for what was worked out lately, in bytes, roughly.
const (
	matchesKept    = 16 << 20
	selectionsKept = 16 << 20
	listingsKept   = 16 << 20
)

// Open opens the index in the directory, with all that it had; what does not fit is left out. Words are ready if theirs is
// whole, and otherwise after BuildWords.
func Open(o Options) (*Index, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the index: %w", err)
	}
	db, err := openDocuments(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the index: %w", err)
	}
	x := &Index{
		Options: o, db: db, synonyms: parseSynonyms(sharedAnalyzer(), englishSynonyms, germanSynonyms),
		columns: newColumns(len(o.PriceSteps)), matches: newCache[*match](matchesKept), selections: newCache[*selection](selectionsKept),
		listings: newCache[*listing](listingsKept),
	}
	if err := x.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("read the index: %w", err), db.Close())
	}
	folder := x.mark(wordsMark)
	x.removeFoldersBut(folder)
	if folder == "" {
		return x, nil
	}
	w, err := openWords(filepath.Join(o.Dir, folder))
	if err != nil {
		slog.Warn("the words of the catalog are to be indexed again", "error", err.Error())
		return x, nil
	}
	x.words.Store(w)
	return x, nil
}

// load fills the columns from the documents.
func (x *Index) load() error {
	var in []uint32
	err := x.db.View(func(tx *bolt.Tx) error {
		if err := tx.Bucket(stockBucket).ForEach(func(sku, stock []byte) error {
			x.columns.skus[hash(string(sku))] = stocked{noRow, Stock(stock[0])}
			return nil
		}); err != nil {
			return err
		}
		return tx.Bucket(documentsBucket).ForEach(func(key, body []byte) error {
			d, err := x.Read(body)
			if err != nil {
				slog.Warn("a product is left out", "error", err.Error())
				return nil
			}
			row := binary.BigEndian.Uint32(key)
			for next := uint32(len(x.columns.names)); next < row; next++ {
				x.columns.free = append(x.columns.free, next)
			}
			x.columns.grow(row)
			x.columns.put(row, d)
			in = append(in, row)
			return nil
		})
	})
	x.columns.reorder(nil, in)
	return err
}

func (x *Index) removeFoldersBut(kept string) {
	folders, _ := filepath.Glob(filepath.Join(x.Dir, "words-*"))
	for _, folder := range folders {
		if filepath.Base(folder) != kept {
			_ = os.RemoveAll(folder)
		}
	}
}

// Close ends writing and reading.
func (x *Index) Close() error {
	x.applying.Lock()
	defer x.applying.Unlock()
	var err error
	if w := x.words.Swap(nil); w != nil {
		err = w.close()
	}
	return errors.Join(err, x.db.Close())
}

func (x *Index) mark(name string) (value string) {
	_ = x.db.View(func(tx *bolt.Tx) error { // reading has no other error than a closed file
		value = string(tx.Bucket(marksBucket).Get([]byte(name)))
		return nil
	})
	return value
}

// Cursor is what was last saved with a change: how far the index has followed its source; "" at first.
func (x *Index) Cursor() string { return x.mark(cursorMark) }

// Revision is another one after every change.
func (x *Index) Revision() uint64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.generation
}

// Len is how many products there are.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return int(x.columns.alive.GetCardinality())
}

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

// SetCategories says how categories are called and what is part of what, in the shop's order. It reports whether products
// are found by other words now, so that the words are to be built again.
func (x *Index) SetCategories(categories []Category) (renamed bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	before := map[string]Category{}
	for _, c := range x.categories {
		before[c.Slug] = c
	}
	parents, within := map[string]string{}, map[string][]string{}
	x.hidden = map[string]bool{}
	for _, c := range categories {
		parents[c.Slug] = c.Parent
		b, known := before[c.Slug]
		renamed = renamed || known && (b.Name != c.Name || b.Parent != c.Parent)
		for _, name := range c.Hidden {
			x.hidden[name] = true
		}
	}
	for _, c := range categories {
		// The length bounds the walk even if somebody made a category part of itself.
		for slug, n := c.Slug, 0; slug != "" && n <= len(categories); slug, n = parents[slug], n+1 {
			within[slug] = append(within[slug], c.Slug)
		}
	}
	x.categories, x.within = categories, within
	x.turn()
	return renamed
}

// WordsReady reports whether words can be searched for, and by today's analysis.
func (x *Index) WordsReady() (ready, current bool) {
	ready = x.words.Load() != nil
	return ready, ready && x.mark(versionMark) == analysisVersion
}

// BuildWords makes an index of words of all that is there, beside the one that is in use, which answers until the new one
// is whole. Changes go on meanwhile.
func (x *Index) BuildWords(ctx context.Context) error {
	start := time.Now()
	x.applying.Lock()
	if x.building != nil {
		x.applying.Unlock()
		return errors.New("an index of words is being built already")
	}
	x.building = roaring.New()
	x.applying.Unlock()
	folder := "words-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	err := x.buildWords(ctx, filepath.Join(x.Dir, folder))
	if err == nil {
		err = x.useWords(folder)
	}
	x.applying.Lock()
	x.building = nil
	x.applying.Unlock()
	if err != nil {
		_ = os.RemoveAll(filepath.Join(x.Dir, folder))
		return fmt.Errorf("index the words of the catalog: %w", err)
	}
	slog.Info("the words of the catalog are indexed", "products", x.Len(), "seconds", time.Since(start).Round(time.Millisecond).Seconds())
	return nil
}

func (x *Index) buildWords(ctx context.Context, path string) error {
	return buildWords(path, func(yield func(uint32, texts) error) error {
		const atOnce = 500 // documents of a transaction: one that is open for long keeps the file from using its space again
		for from := rowKey(0); from != nil; {
			var next []byte
			if err := x.db.View(func(tx *bolt.Tx) error {
				cursor := tx.Bucket(documentsBucket).Cursor()
				n := 0
				for key, body := cursor.Seek(from); key != nil; key, body = cursor.Next() {
					if n++; n > atOnce {
						next = bytes.Clone(key)
						return ctx.Err()
					}
					d, err := x.Read(body)
					if err != nil {
						continue // it was left out
					}
					if err := yield(binary.BigEndian.Uint32(key), x.texts(d)); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				return err
			}
			from = next
		}
		return nil
	})
}

// useWords brings a new index of words up to date and puts it in the place of the one in use.
func (x *Index) useWords(folder string) error {
	w, err := openWords(filepath.Join(x.Dir, folder))
	if err != nil {
		return err
	}
	x.applying.Lock()
	defer x.applying.Unlock()
	changed, removed := map[uint32]texts{}, []uint32(nil)
	for _, row := range x.building.ToArray() {
		if d, err := x.read(row); err == nil {
			changed[row] = x.texts(d)
		} else {
			removed = append(removed, row)
		}
	}
	if len(changed)+len(removed) > 0 {
		err = w.update(changed, removed)
	}
	if err == nil {
		err = x.db.Update(func(tx *bolt.Tx) error {
			marks := tx.Bucket(marksBucket)
			return errors.Join(marks.Put([]byte(wordsMark), []byte(folder)), marks.Put([]byte(versionMark), []byte(analysisVersion)))
		})
	}
	if err != nil {
		return errors.Join(err, w.close())
	}
	old := x.words.Swap(w)
	x.mu.Lock()
	x.turn()
	x.mu.Unlock()
	if old != nil {
		err = old.close()
	}
	x.removeFoldersBut(folder)
	return err
}

// Body is the product that has a slug; nil if none has.
func (x *Index) Body(slug string) (body []byte, err error) {
	x.mu.RLock()
	row, known := x.columns.slugs[hash(slug)]
	x.mu.RUnlock()
	if !known {
		return nil, nil
	}
	bodies, err := x.bodies([]uint32{row})
	if err != nil || len(bodies) == 0 {
		return nil, err
	}
	return bodies[0], nil
}

// BodyOfSKU is the product that a SKU belongs to; nil if it belongs to none.
func (x *Index) BodyOfSKU(sku string) ([]byte, error) {
	x.mu.RLock()
	s, known := x.columns.skus[hash(sku)]
	x.mu.RUnlock()
	if !known || s.row == noRow {
		return nil, nil
	}
	bodies, err := x.bodies([]uint32{s.row})
	if err != nil || len(bodies) == 0 {
		return nil, err
	}
	return bodies[0], nil
}

// Stock is what is known of the pieces of a SKU.
func (x *Index) Stock(sku string) Stock {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.columns.skus[hash(sku)].stock
}

// Others are the ids of the products of which known says nothing.
func (x *Index) Others(known func(id string) bool) (ids []string, err error) {
	err = x.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(documentsBucket).ForEach(func(_, body []byte) error {
			d, err := x.Read(body)
			if err == nil && !known(d.ID) {
				ids = append(ids, d.ID)
			}
			return err
		})
	})
	return ids, err
}

// Counts are how many products are in each category, with all that is part of it.
func (x *Index) Counts() map[string]int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	own := make([]int32, len(x.columns.ofCategory))
	for i, set := range x.columns.ofCategory {
		own[i] = int32(set.GetCardinality())
	}
	return x.treeCounts(own)
}

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
