package search

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cespare/xxhash/v2"
)

// columns is what filters, facets and orders need of every product, by row: a few numbers each, so that a million products
// fit into memory. Rows keep their number until their product is gone.
type columns struct {
	names     []string // folded, to sort by
	nameSizes []uint8  // in words
	brand     []uint32
	category  []uint32
	prices    [][]int64 // by currency, then row; 0 is not sold in it
	rating    []uint8   // tenths of a star
	added     []int64   // Unix milliseconds
	tie       []uint64
	attrs     []span
	arena     []uint32 // attribute values; what a span no longer points to is waste until the next start

	brands     dictionary
	categories dictionary
	attributes dictionary // "name\x00value"
	attrNames  dictionary
	attrOf     []uint32 // the name of each attribute value

	alive      *roaring.Bitmap
	sold       []*roaring.Bitmap // by currency
	inStock    *roaring.Bitmap
	ofBrand    []*roaring.Bitmap
	ofCategory []*roaring.Bitmap
	ofAttr     []*roaring.Bitmap

	ids, slugs map[uint64]uint32
	skus       map[uint64]stocked
	orders     []([]uint32) // by orderKey

	free []uint32
}

type span struct {
	start uint32
	size  uint32
}

// stocked is where a SKU belongs and whether it can be bought.
type stocked struct {
	row   uint32
	stock Stock
}

// noRow stands for SKUs whose stock is known and whose product is not.
const noRow = math.MaxUint32

// dictionary gives texts small numbers.
type dictionary struct {
	numbers map[string]uint32
	texts   []string
}

func (d *dictionary) number(text string) (n uint32, fresh bool) {
	if n, known := d.numbers[text]; known {
		return n, false
	}
	if d.numbers == nil {
		d.numbers = map[string]uint32{}
	}
	n = uint32(len(d.texts))
	d.numbers[text], d.texts = n, append(d.texts, text)
	return n, true
}

func newColumns(currencies int) *columns {
	c := &columns{
		alive: roaring.New(), inStock: roaring.New(), prices: make([][]int64, currencies),
		ids: map[uint64]uint32{}, slugs: map[uint64]uint32{}, skus: map[uint64]stocked{},
	}
	for range currencies {
		c.sold = append(c.sold, roaring.New())
	}
	c.orders = make([][]uint32, len(fixedOrders)+currencies)
	return c
}

// hash stands for a text in maps and among equals: half the memory of the text, and the same in every replica.
func hash(text string) uint64 { return xxhash.Sum64String(text) }

// rowFor is the row that a product has, or gets.
func (c *columns) rowFor(id string) uint32 {
	if row, known := c.ids[hash(id)]; known {
		return row
	}
	var row uint32
	if n := len(c.free); n > 0 {
		row, c.free = c.free[n-1], c.free[:n-1]
	} else {
		row = uint32(len(c.names))
		c.grow(row)
	}
	c.ids[hash(id)] = row
	return row
}

// grow makes room up to row.
func (c *columns) grow(row uint32) {
	n := int(row) + 1
	if n <= len(c.names) {
		return
	}
	c.names = longer(c.names, n)
	c.nameSizes, c.brand, c.category = longer(c.nameSizes, n), longer(c.brand, n), longer(c.category, n)
	c.rating, c.added = longer(c.rating, n), longer(c.added, n)
	c.tie, c.attrs = longer(c.tie, n), longer(c.attrs, n)
	for i := range c.prices {
		c.prices[i] = longer(c.prices[i], n)
	}
}

func longer[T any](s []T, n int) []T { return append(s, make([]T, n-len(s))...) }

// put fills a row, which must be empty.
func (c *columns) put(row uint32, d *Document) {
	c.ids[hash(d.ID)], c.slugs[hash(d.Slug)] = row, row
	c.names[row], c.nameSizes[row] = Fold(d.Name), uint8(min(len(sharedAnalyzer().tokenizer.Tokenize([]byte(d.Name))), math.MaxUint8))
	c.brand[row] = c.member(&c.brands, &c.ofBrand, d.Brand, row)
	c.category[row] = c.member(&c.categories, &c.ofCategory, d.Category, row)
	c.rating[row], c.added[row], c.tie[row] = uint8(d.Rating), d.AddedAt.UnixMilli(), hash(d.ID)
	for i := range c.prices {
		if c.prices[i][row] = d.Prices[i]; d.Prices[i] > 0 {
			c.sold[i].Add(row)
		}
	}
	start := uint32(len(c.arena))
	for _, a := range d.Attributes {
		value := c.member(&c.attributes, &c.ofAttr, a.Name+"\x00"+a.Value, row)
		if int(value) == len(c.attrOf) {
			name, _ := c.attrNames.number(a.Name)
			c.attrOf = append(c.attrOf, name)
		}
		if !slices.Contains(c.arena[start:], value) {
			c.arena = append(c.arena, value)
		}
	}
	c.attrs[row] = span{start, uint32(len(c.arena)) - start}
	c.alive.Add(row)
	for _, sku := range d.SKUs {
		c.skus[hash(sku)] = stocked{row, c.skus[hash(sku)].stock}
	}
	c.setStock(row, d.SKUs)
}

// member numbers a text and puts the row into its set.
func (c *columns) member(d *dictionary, sets *[]*roaring.Bitmap, text string, row uint32) uint32 {
	n, fresh := d.number(text)
	if fresh {
		*sets = append(*sets, roaring.New())
	}
	(*sets)[n].Add(row)
	return n
}

// setStock says whether any SKU of the row can be bought.
func (c *columns) setStock(row uint32, skus []string) {
	if slices.ContainsFunc(skus, func(sku string) bool { return c.skus[hash(sku)].stock == InStock }) {
		c.inStock.Add(row)
	} else {
		c.inStock.Remove(row)
	}
}

// clear empties a row of the product that it had.
func (c *columns) clear(row uint32, d *Document) {
	if c.slugs[hash(d.Slug)] == row {
		delete(c.slugs, hash(d.Slug))
	}
	for _, sku := range d.SKUs {
		if s := c.skus[hash(sku)]; s.row == row {
			c.skus[hash(sku)] = stocked{noRow, s.stock}
		}
	}
	c.ofBrand[c.brand[row]].Remove(row)
	c.ofCategory[c.category[row]].Remove(row)
	for _, value := range c.values(row) {
		c.ofAttr[value].Remove(row)
	}
	for i := range c.prices {
		c.sold[i].Remove(row)
	}
	c.alive.Remove(row)
	c.inStock.Remove(row)
}

// values are the attribute values of a row.
func (c *columns) values(row uint32) []uint32 {
	s := c.attrs[row]
	return c.arena[s.start : s.start+s.size]
}

// Orders that do not depend on the currency; one by price for each currency comes after them.
var fixedOrders = []string{"rating", "newest", "name"}

// place is where a product stands in a sorted list: what comes first has the smaller number, then the smaller text, then
// the smaller tie.
type place struct {
	Number int64
	Text   string
	Tie    uint64
}

func (a place) compare(b place) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Text, b.Text), cmp.Compare(a.Tie, b.Tie))
}

// place is that of a row. "-price" is the exact reverse of "price".
func (c *columns) place(row uint32, sort string, currency int, score int32) place {
	at := place{Tie: c.tie[row]}
	switch sort {
	case "price":
		at.Number = c.prices[currency][row]
	case "-price":
		at.Number, at.Tie = -c.prices[currency][row], ^at.Tie
	case "name":
		at.Text = c.names[row]
	case "newest":
		at.Number = -c.added[row]
	case "rating":
		at.Number = -int64(c.rating[row])
	default: // relevance: what was searched for, then what is liked
		at.Number = -int64(score)*100 - int64(c.rating[row])
	}
	return at
}

// order is the list of all rows for a sort, and whether it is to be read from its end. "relevance" without words is by
// rating.
func (c *columns) order(sort string, currency int) (rows []uint32, backwards bool) {
	switch sort {
	case "price", "-price":
		return c.orders[len(fixedOrders)+currency], sort == "-price"
	case "relevance":
		sort = "rating"
	}
	return c.orders[slices.Index(fixedOrders, sort)], false
}

func (c *columns) compareIn(order int) func(a, b uint32) int {
	name, currency := "price", order-len(fixedOrders)
	if order < len(fixedOrders) {
		name, currency = fixedOrders[order], 0
	}
	return func(a, b uint32) int { return c.place(a, name, currency, 0).compare(c.place(b, name, currency, 0)) }
}

// reorder takes rows out of every order, or all of it if gone is nil, and puts others in.
func (c *columns) reorder(gone *roaring.Bitmap, in []uint32) {
	for i, old := range c.orders {
		compare := c.compareIn(i)
		fresh := slices.Clone(in)
		if i >= len(fixedOrders) {
			fresh = slices.DeleteFunc(fresh, func(row uint32) bool { return c.prices[i-len(fixedOrders)][row] == 0 })
		}
		slices.SortFunc(fresh, compare)
		kept := old
		if gone != nil {
			kept = slices.DeleteFunc(old, gone.Contains)
		}
		c.orders[i] = merge(kept, fresh, compare)
	}
}

// merge makes one sorted list of two, in the memory of a. Few come to many, so those that stay are moved as runs.
func merge(a, b []uint32, compare func(a, b uint32) int) []uint32 {
	end := len(a)
	a = append(a, b...)
	for j := len(b) - 1; j >= 0; j-- {
		at := sort.Search(end, func(n int) bool { return compare(a[n], b[j]) > 0 })
		copy(a[at+j+1:], a[at:end])
		a[at+j], end = b[j], at
	}
	return a
}
