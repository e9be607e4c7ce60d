package search

import (
	"fmt"
	"slices"
	"sort"
	"strings"

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

// Facets count products by what they have. Each leaves its own filter aside, so that it shows what else there is to choose
// from.
type Facets struct {
	Categories []FacetValue     `json:"categories"`
	Brands     []FacetValue     `json:"brands"`
	Prices     []PriceRange     `json:"prices"`
	Attributes []AttributeFacet `json:"attributes"`
	Ratings    []RatingFacet    `json:"ratings"`
	InStock    Count            `json:"inStock"`
}

type FacetValue struct {
	Value string `json:"value"`
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// PriceRange counts the products from Min to Max, both included; the last has no Max.
type PriceRange struct {
	Min   int64  `json:"min"`
	Max   *int64 `json:"max,omitempty"`
	Count int    `json:"count"`
}

type AttributeFacet struct {
	Name   string           `json:"name"`
	Values []AttributeCount `json:"values"`
}

type AttributeCount struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// RatingFacet counts the products with so many stars or more.
type RatingFacet struct {
	Min   int `json:"min"`
	Count int `json:"count"`
}

type Count struct {
	Count int `json:"count"`
}

// What a page shows of attributes: those that many have, with the values that many share.
const (
	attributesShown = 12
	valuesShown     = 30
	brandsShown     = 100
)

// selection is what a query without order finds, with the counts of all that is in it.
type selection struct {
	match      *match // of its words
	rows       *roaring.Bitmap
	categories map[string]int // with what is part of each
	brands     []FacetValue
	prices     []int
	ratings    [6]int // at least so many stars
	inStock    int
	attributes []AttributeFacet
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

// Filters, one by one, so that facets can leave theirs aside.
const (
	byCategory = iota
	byBrand
	byPrice
	byStock
	byRating
	byAttribute // with a name
)

func (q Query) without(filter int, name string) Query {
	switch filter {
	case byCategory:
		q.Category = ""
	case byBrand:
		q.Brands = nil
	case byPrice:
		q.Min, q.Max = nil, nil
	case byStock:
		q.InStock = false
	case byRating:
		q.MinRating = 0
	case byAttribute:
		q.Attributes = slices.DeleteFunc(slices.Clone(q.Attributes), func(a Attribute) bool { return a.Name == name })
	}
	return q
}

// key names what the query selects of what was found by words.
func (q Query) key(words string) string {
	var b strings.Builder
	bound := func(p *int64) {
		if p != nil {
			fmt.Fprint(&b, *p)
		}
		b.WriteByte(0)
	}
	fmt.Fprintf(&b, "%d\x00%s", len(words), words)
	fmt.Fprintf(&b, "\x00%s\x00%d\x00%t\x00%d\x00", q.Category, q.Currency, q.InStock, q.MinRating)
	bound(q.Min)
	bound(q.Max)
	for _, brand := range slices.Sorted(slices.Values(q.Brands)) {
		b.WriteString(brand + "\x01")
	}
	var attributes []string
	for _, a := range q.Attributes {
		attributes = append(attributes, a.Name+"\x02"+a.Value+"\x00")
	}
	slices.Sort(attributes)
	for _, a := range attributes {
		b.WriteString(a)
	}
	return b.String()
}

// pageKey names which page of that the query asks for.
func (q Query) pageKey() string {
	if q.After == nil {
		return fmt.Sprint(q.Sort, q.Limit)
	}
	return fmt.Sprint(q.Sort, q.Limit, "\x00", q.After.Number, "\x00", q.After.Tie, "\x00", q.After.Text)
}

// selected is what the query selects, remembered until the catalog changes. x.mu is held.
func (x *Index) selected(q Query, m *match) *selection {
	words := ""
	if m != nil {
		words = m.key
	}
	key := q.key(words)
	if s, ok := x.selections.get(key); ok {
		return s
	}
	s := x.count(x.rows(q, m), q.Currency)
	if s.match = m; m != nil && m.generation != x.generation {
		return s // what was found is a moment older than the rest, and not to be remembered
	}
	cost := int(s.rows.GetSizeInBytes()) + 100*(len(s.categories)+len(s.brands)+valuesShown*len(s.attributes)) + len(key) + 1000
	if m != nil {
		cost += m.cost() // it stays for as long as this does
	}
	x.selections.put(key, s, cost, x.generation)
	return s
}

// rows are those that pass every filter.
func (x *Index) rows(q Query, m *match) *roaring.Bitmap {
	c := x.columns
	sets := []*roaring.Bitmap{c.sold[q.Currency]}
	if m != nil {
		sets = append(sets, m.set)
	}
	if q.Category != "" {
		sets = append(sets, union(c.categories, c.ofCategory, x.within[q.Category]))
	}
	if len(q.Brands) > 0 {
		sets = append(sets, union(c.brands, c.ofBrand, q.Brands))
	}
	values := map[string][]string{}
	for _, a := range q.Attributes {
		values[a.Name] = append(values[a.Name], a.Name+"\x00"+a.Value)
	}
	for _, any := range values {
		sets = append(sets, union(c.attributes, c.ofAttr, any))
	}
	if q.InStock {
		sets = append(sets, c.inStock)
	}
	slices.SortFunc(sets, func(a, b *roaring.Bitmap) int { return int(int64(a.GetCardinality()) - int64(b.GetCardinality())) })
	rows := sets[0].Clone()
	for _, set := range sets[1:] {
		rows.And(set)
	}
	if q.Min == nil && q.Max == nil && q.MinRating == 0 {
		return rows
	}
	prices, kept := c.prices[q.Currency], roaring.New()
	var buffer, passed [4096]uint32
	it := rows.ManyIterator()
	for n := it.NextMany(buffer[:]); n > 0; n = it.NextMany(buffer[:]) {
		some := passed[:0]
		for _, row := range buffer[:n] {
			if price := prices[row]; (q.Min == nil || price >= *q.Min) && (q.Max == nil || price <= *q.Max) && int(c.rating[row]) >= q.MinRating {
				some = append(some, row)
			}
		}
		kept.AddMany(some)
	}
	return kept
}

// union is what has any of the texts.
func union(d dictionary, sets []*roaring.Bitmap, texts []string) *roaring.Bitmap {
	var any []*roaring.Bitmap
	for _, text := range texts {
		if n, known := d.numbers[text]; known {
			any = append(any, sets[n])
		}
	}
	if len(any) == 1 {
		return any[0]
	}
	return roaring.FastOr(any...)
}

// count looks at every row once.
func (x *Index) count(rows *roaring.Bitmap, currency int) *selection {
	c := x.columns
	steps, column := x.PriceSteps[currency], c.prices[currency]
	categories, brands, attributes := make([]int32, len(c.categories.texts)), make([]int32, len(c.brands.texts)), make([]int32, len(c.attributes.texts))
	s := &selection{rows: rows, prices: make([]int, len(steps)), inStock: int(rows.AndCardinality(c.inStock))}
	var ratings [51]int
	var buffer [4096]uint32
	it := rows.ManyIterator()
	for n := it.NextMany(buffer[:]); n > 0; n = it.NextMany(buffer[:]) {
		for _, row := range buffer[:n] {
			categories[c.category[row]]++
			brands[c.brand[row]]++
			ratings[c.rating[row]]++
			price, step := column[row], len(steps)-1
			for step > 0 && steps[step] > price {
				step--
			}
			s.prices[step]++
			for _, value := range c.values(row) {
				attributes[value]++
			}
		}
	}
	for stars := range s.ratings {
		for _, n := range ratings[10*stars:] {
			s.ratings[stars] += n
		}
	}
	s.categories = x.treeCounts(categories)
	for i, n := range brands {
		if n > 0 {
			s.brands = append(s.brands, FacetValue{c.brands.texts[i], c.brands.texts[i], int(n)})
		}
	}
	s.attributes = c.attributeFacets(attributes)
	return s
}

// treeCounts adds to each category what is in its parts: so many products it shows to whoever chooses it.
func (x *Index) treeCounts(own []int32) map[string]int {
	counts := map[string]int{}
	for slug, parts := range x.within {
		n := 0
		for _, part := range parts {
			if i, known := x.columns.categories.numbers[part]; known {
				n += int(own[i])
			}
		}
		if n > 0 {
			counts[slug] = n
		}
	}
	return counts
}

// attributeFacets chooses what is worth to be chosen from: an attribute whose values tell the products apart, and are
// shared by some.
func (c *columns) attributeFacets(counts []int32) []AttributeFacet {
	byName := map[uint32]*AttributeFacet{}
	totals := map[string]int{}
	for value, n := range counts {
		if n == 0 {
			continue
		}
		name := c.attrOf[value]
		f := byName[name]
		if f == nil {
			f = &AttributeFacet{Name: c.attrNames.texts[name]}
			byName[name] = f
		}
		_, text, _ := strings.Cut(c.attributes.texts[value], "\x00")
		f.Values = append(f.Values, AttributeCount{text, int(n)})
		totals[f.Name] += int(n)
	}
	facets := make([]AttributeFacet, 0, len(byName))
	for _, f := range byName {
		slices.SortFunc(f.Values, func(a, b AttributeCount) int {
			if a.Count != b.Count {
				return b.Count - a.Count
			}
			return strings.Compare(a.Value, b.Value)
		})
		f.Values = f.Values[:min(len(f.Values), valuesShown)]
		facets = append(facets, *f)
	}
	slices.SortFunc(facets, func(a, b AttributeFacet) int {
		if totals[a.Name] != totals[b.Name] {
			return totals[b.Name] - totals[a.Name]
		}
		return strings.Compare(a.Name, b.Name)
	})
	return facets
}

// NoFacets are those of nothing.
func NoFacets() Facets {
	return Facets{Categories: []FacetValue{}, Brands: []FacetValue{}, Prices: []PriceRange{}, Attributes: []AttributeFacet{}, Ratings: []RatingFacet{}}
}

// facets are the counts of a query, each from what the query selects without the facet's own filter.
func (x *Index) facets(q Query, m *match, whole *selection) Facets {
	aside := func(active bool, filter int, name string) *selection {
		if !active {
			return whole
		}
		return x.selected(q.without(filter, name), m)
	}
	f := NoFacets()
	counts := aside(q.Category != "", byCategory, "").categories
	for _, c := range x.categories {
		if n := counts[c.Slug]; n > 0 {
			f.Categories = append(f.Categories, FacetValue{c.Slug, c.Name, n})
		}
	}
	f.Brands = append(f.Brands, shownBrands(aside(len(q.Brands) > 0, byBrand, "").brands, q.Brands)...)
	steps := x.PriceSteps[q.Currency]
	for i, n := range aside(q.Min != nil || q.Max != nil, byPrice, "").prices {
		r := PriceRange{Min: steps[i], Count: n}
		if i+1 < len(steps) {
			most := steps[i+1] - 1
			r.Max = &most
		}
		if n > 0 {
			f.Prices = append(f.Prices, r)
		}
	}
	ratings := aside(q.MinRating > 0, byRating, "").ratings
	for stars := 4; stars >= 1; stars-- {
		if n := ratings[stars]; n > 0 {
			f.Ratings = append(f.Ratings, RatingFacet{stars, n})
		}
	}
	f.InStock.Count = aside(q.InStock, byStock, "").inStock
	f.Attributes = append(f.Attributes, x.attributeFacets(q, aside, whole)...)
	return f
}

// shownBrands are those of the most products, and those that were chosen, by name.
func shownBrands(brands []FacetValue, chosen []string) []FacetValue {
	shown := slices.Clone(brands)
	slices.SortFunc(shown, func(a, b FacetValue) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Value, b.Value)
	})
	if len(shown) > brandsShown {
		for _, b := range shown[brandsShown:] {
			if slices.Contains(chosen, b.Value) {
				shown = append(shown[:brandsShown], b)
			}
		}
		shown = shown[:min(len(shown), brandsShown+len(chosen))]
	}
	slices.SortFunc(shown, func(a, b FacetValue) int { return strings.Compare(a.Value, b.Value) })
	return shown
}

func (x *Index) attributeFacets(q Query, aside func(bool, int, string) *selection, whole *selection) (shown []AttributeFacet) {
	chosen := map[string]bool{}
	for _, a := range q.Attributes {
		if chosen[a.Name] {
			continue
		}
		chosen[a.Name] = true
		for _, f := range aside(true, byAttribute, a.Name).attributes {
			if f.Name == a.Name {
				shown = append(shown, f)
			}
		}
	}
	for _, f := range whole.attributes {
		if len(shown) == attributesShown {
			break
		}
		if !chosen[f.Name] && !x.hidden[f.Name] && len(f.Values) > 1 && f.Values[0].Count > 1 {
			shown = append(shown, f)
		}
	}
	return shown
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
