package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/catalog/search"
)

// newTestProduct is a product of the toy category at a price in cents; change it as the test needs.
func newTestProduct(slug, name string, price int64) *Product {
	return &Product{
		ID: "id-" + slug, Slug: slug, Name: name, Brand: "Acme", Category: "toys", Images: []string{"a.webp"}, Rating: 40,
		Variants: []Variant{{SKU: "SKU-1", Prices: Prices{"EUR": price, "JPY": price * 2}}},
	}
}

var testCategories = []Category{
	{Slug: "toys", Name: "Toys", Position: 1}, {Slug: "plush", Name: "Plush", Parent: "toys", Position: 2},
	{Slug: "kitchen", Name: "Kitchen"},
}

// newTestShelf has the products on it, of which those that cannot be sold are left out.
func newTestShelf(t testing.TB, products []*Product, categories []Category) *Shelf {
	shelf, err := openShelf(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { _ = shelf.index.Close() })
	shelf.arrange(slices.Clone(categories))
	putProducts(t, shelf, products...)
	require.NoError(t, shelf.index.BuildWords(t.Context()))
	return shelf
}

func putProducts(t require.TestingT, shelf *Shelf, products ...*Product) {
	var bodies []bson.Raw
	for _, p := range products {
		body, err := bson.Marshal(p)
		require.NoError(t, err)
		bodies = append(bodies, body)
	}
	require.NoError(t, shelf.put(nil, bodies))
}

func demoShelf(t testing.TB) *Shelf {
	products, categories, err := demoCatalog()
	require.NoError(t, err)
	return newTestShelf(t, products, categories)
}

func look(t require.TestingT, shelf *Shelf, q search.Query) (products []*Product, found search.Found) {
	q.Limit = max(q.Limit, 10)
	if q.Sort == "" {
		q.Sort = "relevance"
	}
	found, err := shelf.index.List(q)
	require.NoError(t, err)
	for _, body := range found.Bodies {
		p, err := readProduct(body)
		require.NoError(t, err)
		products = append(products, p)
	}
	return products, found
}

func slugsOf(products []*Product) (slugs []string) {
	for _, p := range products {
		slugs = append(slugs, p.Slug)
	}
	return slugs
}

func TestABrokenDocumentSpoilsNoOther(t *testing.T) {
	broken := newTestProduct("broken", "Broken", 100)
	broken.Variants = nil
	unpriced := newTestProduct("unpriced", "Unpriced", 100)
	unpriced.Variants[0].Prices = Prices{"XXX": 1}
	draft, archived := newTestProduct("draft", "Draft", 100), newTestProduct("archived", "Archived", 100)
	draft.Status, archived.Status = Draft, Archived
	shelf := newTestShelf(t, []*Product{broken, newTestProduct("good", "Good", 100), unpriced, {}, draft, archived}, testCategories)
	products, _ := look(t, shelf, search.Query{Sort: "name"})
	require.Equal(t, []string{"good"}, slugsOf(products))
	require.NoError(t, shelf.put([]string{"x"}, []bson.Raw{{1, 2, 3}, nil}))

	good := newTestProduct("good", "Good", 100)
	good.Status = Archived
	putProducts(t, shelf, good)
	products, _ = look(t, shelf, search.Query{Sort: "name"})
	require.Equal(t, []string{"good"}, slugsOf(products), "what was not asked for is not taken away")
	body, err := bson.Marshal(good)
	require.NoError(t, err)
	require.NoError(t, shelf.put([]string{good.ID}, []bson.Raw{body}))
	products, _ = look(t, shelf, search.Query{Sort: "name"})
	require.Empty(t, products)
	_, sold, err := shelf.Offer("SKU-1")
	require.NoError(t, err)
	require.False(t, sold)
	_, err = shelf.Product("good")
	require.Error(t, err)
}

func TestWhatHasNoPriceInACurrencyIsNotSoldInIt(t *testing.T) {
	shelf := newTestShelf(t, []*Product{newTestProduct("a", "A", 100)}, testCategories)
	for currency, want := range map[string]int{"EUR": 1, "JPY": 1, "GBP": 0} {
		_, found := look(t, shelf, search.Query{Currency: slices.Index(Currencies[:], currency)})
		require.Equal(t, want, found.Total, currency)
	}
}

// A shopper who pages through the shop while others add and remove products sees everything that stayed, once, in order.
func TestPagesAreStableWhileTheShopChanges(t *testing.T) {
	all, _, err := demoCatalog()
	require.NoError(t, err)
	shelf := newTestShelf(t, nil, testCategories)
	rapid.Check(t, func(t *rapid.T) {
		chosen := rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, 60, func(p *Product) string { return p.ID }).Draw(t, "products")
		half := len(chosen) / 2
		stays, comes, goes := chosen[:half], chosen[half:half+(len(chosen)-half)/2], chosen[half+(len(chosen)-half)/2:]
		others, err := shelf.index.Others(func(string) bool { return false })
		require.NoError(t, err)
		require.NoError(t, shelf.put(others, nil))
		putProducts(t, shelf, slices.Concat(stays, goes)...)
		q := search.Query{
			Sort: rapid.SampledFrom(search.Sorts).Draw(t, "sort"), Currency: rapid.IntRange(0, len(Currencies)-1).Draw(t, "currency"),
			Limit: rapid.IntRange(1, 7).Draw(t, "limit"), Words: rapid.SampledFrom([]string{"", "s", "the", "red", "rde", "reb mgu", "tea pot", "toypress", "teapto"}).Draw(t, "words"),
		}
		list := func(q search.Query) (ids []string, next *search.Cursor) {
			found, err := shelf.index.List(q)
			require.NoError(t, err)
			for _, body := range found.Bodies {
				p, err := readProduct(body)
				require.NoError(t, err)
				ids = append(ids, p.ID)
			}
			return ids, found.Next
		}
		large := q
		large.Limit = len(chosen)
		together, _ := list(large)
		var cursors []*search.Cursor // of each page but the first
		var before []string
		page := func() (ids []string, last bool) {
			ids, next := list(q)
			if next == nil {
				return ids, true
			}
			q.After, err = readCursor(q, writeCursor(q, next))
			require.NoError(t, err)
			return ids, false
		}
		for last := false; !last; cursors = append(cursors, q.After) {
			require.LessOrEqual(t, len(cursors), len(chosen), "the pages do not end")
			var ids []string
			ids, last = page()
			before = append(before, ids...)
		}
		require.Equal(t, together, before)
		if cursors = cursors[:len(cursors)-1]; len(cursors) == 0 {
			return // all are on the first page
		}

		at := rapid.IntRange(0, len(cursors)-1).Draw(t, "page before the changes")
		var gone []string
		for _, p := range goes {
			gone = append(gone, p.ID)
		}
		putProducts(t, shelf, comes...)
		require.NoError(t, shelf.put(gone, nil))
		after := slices.Clone(before[:(at+1)*q.Limit])
		q.After = cursors[at]
		for last := false; !last; {
			require.LessOrEqual(t, len(after), len(chosen), "the pages do not end")
			var ids []string
			ids, last = page()
			after = append(after, ids...)
		}
		stayed := func(ids []string) []string {
			return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
				return !slices.ContainsFunc(stays, func(p *Product) bool { return p.ID == id })
			})
		}
		require.Equal(t, stayed(before), stayed(after))
		slices.Sort(after)
		require.Len(t, slices.Compact(slices.Clone(after)), len(after), "something is shown twice")
	})
}

// The set of misspelt queries was made from the names, brands and categories of the demo shop, see testdata/README.md.
func TestMisspeltQueriesFindWhatWasMeant(t *testing.T) {
	shelf := demoShelf(t)
	var set []struct{ Query, Slug, Kind string }
	readTestdata(t, "misspelt.json", &set)
	require.Len(t, set, 200)
	found := 0
	for _, c := range set {
		products, _ := look(t, shelf, search.Query{Words: c.Query})
		top := slugsOf(products)
		top = top[:min(len(top), 5)]
		if slices.Contains(top, c.Slug) {
			found++
		} else {
			t.Logf("%-18s %-32q wants %s, has %v", c.Kind, c.Query, c.Slug, top)
		}
	}
	t.Logf("%d of %d are in the top 5", found, len(set))
	require.GreaterOrEqual(t, found, len(set)*90/100)
}

func readTestdata(t testing.TB, name string, v any) {
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, v))
}
