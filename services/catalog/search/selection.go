package search

import (
	"fmt"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
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
