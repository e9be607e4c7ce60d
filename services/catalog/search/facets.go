package search

import (
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
)

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
