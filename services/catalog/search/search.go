// Package search finds products: by words, misspelt ones too, by filters with the counts of what else there is to choose
// from, in every order, page by page. It keeps a copy of what is sold on disk and what lists need of it in memory; it can
// lose both, since everything can be had again from whoever owns the products.
//
// The documents are in a bbolt file, the index of words is bleve's, and both are reached by row: a small number that a
// product keeps for as long as it is there. Filters, counts and orders are made from columns in memory, so a list needs the
// disk only for the documents that it shows, and without the index of words everything works but words.
package search

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
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
	tidied   atomic.Int64          // how many updates it had when Tidy last looked
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
	matchesKept    = 12 << 20
	selectionsKept = 8 << 20
	listingsKept   = 12 << 20
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
