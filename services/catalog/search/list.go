package search

import (
	"fmt"
	"slices"
	"sort"

	"github.com/RoaringBitmap/roaring/v2"
	bolt "go.etcd.io/bbolt"
)

// Sorts are the orders that a list can be asked for in. Every order is total, with the id in the end.
var Sorts = []string{"relevance", "price", "-price", "name", "newest", "rating"}

// Query is what a shopper wants to see.
type Query struct {
	Words      string
	Category   string // with what is part of it
	Brands     []string
	Attributes []Attribute // any of the values of a name, all names
	Min, Max   *int64      // minor units, both included
	InStock    bool
	MinRating  int // tenths of a star
	Currency   int
	Sort       string
	After      *Cursor
	Limit      int
}

// Place is where a product stands in a sorted list.
type Place = place

// Cursor is the place of the last product that was shown, and how the words were read that it was found by. What is added
// or taken away before it moves nothing behind it.
type Cursor struct {
	Place
	Reading *Reading // nil without words
}

// Found is a page of a list, with how many products the query has in all, and how many it would have otherwise.
type Found struct {
	Bodies     [][]byte
	Next       *Cursor // nil on the last page
	Total      int
	Facets     Facets
	Correction string // what was searched for instead of the words

	marks *marks // nil without words
}

// List is the page of products that the query asks for.
func (x *Index) List(q Query) (Found, error) {
	l, err := x.listing(q)
	if err != nil {
		return Found{}, err
	}
	found := l.Found
	found.Bodies, err = x.bodies(l.rows)
	return found, err
}

// listing is a page without its documents.
type listing struct {
	Found
	rows []uint32
}

// listing is the page that a query asks for, remembered until the catalog changes, since shoppers repeat one another.
func (x *Index) listing(q Query) (*listing, error) {
	var given *Reading
	if q.After != nil {
		given = q.After.Reading
	}
	key := q.key(given.key()+normal(q.Words)) + q.pageKey()
	if l, ok := x.listings.get(key); ok {
		return l, nil
	}
	l := &listing{}
	var m *match
	if q.Words != "" {
		var err error
		if m, err = x.find(q.Words, given); err != nil {
			return nil, err
		}
		l.marks = m.marks
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	whole := x.selected(q, m)
	l.Total, l.Facets = int(whole.rows.GetCardinality()), x.facets(q, m, whole)
	var next *Place
	if l.rows, next = x.page(q, whole.match, whole.rows); next != nil {
		l.Next = &Cursor{Place: *next}
	}
	if m != nil && m.reading != nil {
		l.Correction = m.reading.Correction
		if next != nil {
			l.Next.Reading = m.reading
		}
	}
	if m == nil || m.generation == x.generation { // else what was found is a moment older than the rest
		x.listings.put(key, l, len(key)+l.cost(), x.generation)
	}
	return l, nil
}

// cost is how much memory it takes, roughly.
func (l *listing) cost() int {
	cost := 1000 + 4*len(l.rows) + 40*(len(l.Facets.Categories)+len(l.Facets.Brands))
	for _, f := range l.Facets.Attributes {
		cost += 24 * len(f.Values)
	}
	if l.marks != nil {
		cost += 60 * len(l.marks.terms)
	}
	return cost
}

// bodies reads documents by row. One that went away meanwhile is left out.
func (x *Index) bodies(rows []uint32) (bodies [][]byte, err error) {
	err = x.db.View(func(tx *bolt.Tx) error {
		documents := tx.Bucket(documentsBucket)
		for _, row := range rows {
			if body := documents.Get(rowKey(row)); body != nil {
				bodies = append(bodies, slices.Clone(body))
			}
		}
		return nil
	})
	return bodies, err
}

// pageKey names which page of that the query asks for.
func (q Query) pageKey() string {
	if q.After == nil {
		return fmt.Sprint(q.Sort, q.Limit)
	}
	return fmt.Sprint(q.Sort, q.Limit, "\x00", q.After.Number, "\x00", q.After.Tie, "\x00", q.After.Text)
}

// page are the rows of the page that the query asks for, and where the next one begins.
func (x *Index) page(q Query, m *match, rows *roaring.Bitmap) (page []uint32, next *Place) {
	c := x.columns
	total := int(rows.GetCardinality())
	if m == nil || q.Sort != "relevance" {
		order, backwards := c.order(q.Sort, q.Currency)
		// Walking an order looks at about so many rows until the page is full; else all that were found are looked at.
		if total > 0 && (q.Limit+1)*(len(order)/total+1) < 2*total {
			return x.walk(q, order, backwards, rows)
		}
	}
	top := make([]ranked, 0, q.Limit+2)
	at := 0
	it := rows.Iterator()
	for it.HasNext() {
		r := ranked{row: it.Next()}
		var score int32
		if m != nil {
			for m.rows[at] < r.row {
				at++
			}
			score = m.scores[at]
		}
		r.place = c.place(r.row, q.Sort, q.Currency, score)
		if q.After != nil && r.place.compare(q.After.Place) <= 0 {
			continue
		}
		if len(top) > q.Limit && r.place.compare(top[q.Limit].place) >= 0 {
			continue
		}
		i := sort.Search(len(top), func(i int) bool { return top[i].place.compare(r.place) > 0 })
		top = slices.Insert(top, i, r)
		top = top[:min(len(top), q.Limit+1)]
	}
	return cut(top, q.Limit)
}

type ranked struct {
	row uint32
	place
}

// cut leaves as many as a page holds; that there was one more means that there is a next page.
func cut(top []ranked, limit int) (page []uint32, next *Place) {
	if len(top) > limit {
		top = top[:limit]
		next = &top[limit-1].place
	}
	for _, r := range top {
		page = append(page, r.row)
	}
	return page, next
}

// walk goes through an order from the query's cursor until the page is full.
func (x *Index) walk(q Query, order []uint32, backwards bool, rows *roaring.Bitmap) (page []uint32, next *Place) {
	at := func(i int) uint32 {
		if backwards {
			return order[len(order)-1-i]
		}
		return order[i]
	}
	begin := 0
	if q.After != nil {
		begin = sort.Search(len(order), func(i int) bool {
			return x.columns.place(at(i), q.Sort, q.Currency, 0).compare(q.After.Place) > 0
		})
	}
	var top []ranked
	for i := begin; i < len(order) && len(top) <= q.Limit; i++ {
		if row := at(i); rows.Contains(row) {
			top = append(top, ranked{row, x.columns.place(row, q.Sort, q.Currency, 0)})
		}
	}
	return cut(top, q.Limit)
}
