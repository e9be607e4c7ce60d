package search

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestFacetsLeaveTheirOwnFilterAside(t *testing.T) {
	x := open(t, t.TempDir())
	a, b, c, d := newTestDocument("a", "A", 999), newTestDocument("b", "B", 1000), newTestDocument("c", "C", 9000), newTestDocument("d", "D", 400)
	b.Category, c.Brand, d.Category = "plush", "Zenith", "kitchen"
	a.Attributes, b.Attributes, c.Attributes = []Attribute{{"Colour", "Red"}, {"Colour", "Blue"}}, []Attribute{{"Colour", "Red"}}, []Attribute{{"Colour", "Red"}}
	put(t, x, a, b, c, d)
	require.NoError(t, x.Apply(Change{Stock: map[string]Stock{"SKU-a": InStock, "SKU-b": OutOfStock, "SKU-unknown": InStock}}))

	found := listed(t, x, Query{Category: "toys", Brands: []string{"Acme"}, Sort: "price"})
	require.Equal(t, []string{"a", "b"}, slugs(t, found), "what is part of a category is in it")
	require.Equal(t, []FacetValue{{"kitchen", "Kitchen", 1}, {"toys", "Toys", 2}, {"plush", "Plush", 1}}, found.Facets.Categories)
	require.Equal(t, []FacetValue{{"Acme", "Acme", 2}, {"Zenith", "Zenith", 1}}, found.Facets.Brands)
	most, more := int64(999), int64(2499)
	require.Equal(t, []PriceRange{{0, &most, 1}, {1000, &more, 1}}, found.Facets.Prices)
	require.Equal(t, []AttributeFacet{{"Colour", []AttributeCount{{"Red", 2}, {"Blue", 1}}}}, found.Facets.Attributes)
	require.Equal(t, []RatingFacet{{4, 2}, {3, 2}, {2, 2}, {1, 2}}, found.Facets.Ratings)
	require.Equal(t, 1, found.Facets.InStock.Count)

	found = listed(t, x, Query{InStock: true, Attributes: []Attribute{{"Colour", "Blue"}}})
	require.Equal(t, []string{"a"}, slugs(t, found))
	require.Equal(t, []AttributeFacet{{"Colour", []AttributeCount{{"Blue", 1}, {"Red", 1}}}}, found.Facets.Attributes)

	low, high := int64(1000), int64(9000)
	found = listed(t, x, Query{Min: &low, Max: &high, Sort: "-price"})
	require.Equal(t, []string{"c", "b"}, slugs(t, found))
	require.Len(t, found.Facets.Prices, 3)
	require.Empty(t, slugs(t, listed(t, x, Query{Attributes: []Attribute{{"Colour", "Red"}, {"Size", "L"}}})), "all of the names")
	require.Empty(t, slugs(t, listed(t, x, Query{Category: "no-such-category"})))
	require.Empty(t, slugs(t, listed(t, x, Query{Brands: []string{"nobody"}})))
}

// What a list says is what one would count by hand, whatever was put, changed and removed before.
func TestListsAreWhatOneWouldCountByHand(t *testing.T) {
	x := open(t, t.TempDir())
	names := []string{"Red Teapot", "Blue Teapot", "Teapot", "Red Kettle", "Old Tin Kettle", "Drum"}
	rapid.Check(t, func(t *rapid.T) {
		var documents []*Document
		kept := map[string]bool{}
		for i := range rapid.IntRange(0, 40).Draw(t, "products") {
			d := &Document{
				ID: fmt.Sprint("id-", i), Slug: fmt.Sprint("p-", i), Name: rapid.SampledFrom(names).Draw(t, "name"),
				Brand:    rapid.SampledFrom([]string{"Acme", "Zenith"}).Draw(t, "brand"),
				Category: rapid.SampledFrom([]string{"kitchen", "toys", "plush", "unknown"}).Draw(t, "category"),
				Prices:   []int64{rapid.Int64Range(0, 3000).Draw(t, "price"), rapid.Int64Range(0, 1).Draw(t, "other price")},
				Rating:   rapid.IntRange(0, 50).Draw(t, "rating"), SKUs: []string{fmt.Sprint("S-", i)},
				AddedAt: time.Unix(rapid.Int64Range(0, 3).Draw(t, "added"), 0),
			}
			if colour := rapid.SampledFrom([]string{"", "Red", "Blue"}).Draw(t, "colour"); colour != "" {
				d.Attributes = []Attribute{{"Colour", colour}}
			}
			documents, kept[d.ID] = append(documents, d), true
		}
		gone, err := x.Others(func(id string) bool { return kept[id] })
		require.NoError(t, err)
		require.NoError(t, x.Apply(Change{Remove: gone}))
		bodies(t, documents...)
		require.NoError(t, x.Apply(Change{Put: documents}))
		require.Equal(t, len(documents), x.Len())

		q := Query{
			Category: rapid.SampledFrom([]string{"", "toys", "plush"}).Draw(t, "category filter"),
			Sort:     rapid.SampledFrom(Sorts).Draw(t, "sort"), Limit: rapid.IntRange(1, 5).Draw(t, "limit"),
			MinRating: rapid.SampledFrom([]int{0, 25}).Draw(t, "rating filter"), Words: rapid.SampledFrom([]string{"", "teapot", "red", "red teap"}).Draw(t, "words"),
		}
		if rapid.Bool().Draw(t, "by brand") {
			q.Brands = []string{"Acme"}
		}
		if rapid.Bool().Draw(t, "by colour") {
			q.Attributes = []Attribute{{"Colour", "Red"}}
		}
		if rapid.Bool().Draw(t, "by price") {
			low := rapid.Int64Range(0, 3000).Draw(t, "min")
			q.Min = &low
		}
		passes := func(d *Document, q Query) bool {
			name := strings.ToLower(d.Name)
			return d.Prices[0] > 0 && (q.Category == "" || d.Category == q.Category || q.Category == "toys" && d.Category == "plush") &&
				(len(q.Brands) == 0 || d.Brand == "Acme") && (len(q.Attributes) == 0 || slices.Contains(d.Attributes, q.Attributes[0])) &&
				(q.Min == nil || d.Prices[0] >= *q.Min) && d.Rating >= q.MinRating &&
				(q.Words == "" || hasAll(d, name, q.Words))
		}
		count := func(q Query, is func(*Document) bool) (n int) {
			for _, d := range documents {
				if passes(d, q) && is(d) {
					n++
				}
			}
			return n
		}
		all := func(*Document) bool { return true }
		var seen []*Document
		for page := 0; ; page++ {
			require.LessOrEqual(t, page, len(documents), "the pages do not end")
			found, err := x.List(q)
			require.NoError(t, err)
			again, err := x.List(q)
			require.NoError(t, err)
			require.Equal(t, found, again, "what is remembered is what was found")
			require.Equal(t, count(q, all), found.Total)
			for _, f := range found.Facets.Brands {
				require.Equal(t, count(q.without(byBrand, ""), func(d *Document) bool { return d.Brand == f.Value }), f.Count, f.Value)
			}
			for _, f := range found.Facets.Categories {
				require.Equal(t, count(q.without(byCategory, ""), func(d *Document) bool {
					return d.Category == f.Value || f.Value == "toys" && d.Category == "plush"
				}), f.Count, f.Value)
			}
			for _, f := range found.Facets.Attributes {
				for _, v := range f.Values {
					require.Equal(t, count(q.without(byAttribute, f.Name), func(d *Document) bool {
						return slices.Contains(d.Attributes, Attribute{f.Name, v.Value})
					}), v.Count, v.Value)
				}
			}
			for _, f := range found.Facets.Ratings {
				require.Equal(t, count(q.without(byRating, ""), func(d *Document) bool { return d.Rating >= 10*f.Min }), f.Count, f.Min)
			}
			for _, f := range found.Facets.Prices {
				require.Equal(t, count(q.without(byPrice, ""), func(d *Document) bool {
					return d.Prices[0] >= f.Min && (f.Max == nil || d.Prices[0] <= *f.Max)
				}), f.Count, f.Min)
			}
			for _, body := range found.Bodies {
				d, err := readJSON(body)
				require.NoError(t, err)
				seen = append(seen, d)
			}
			if q.After = found.Next; q.After == nil {
				break
			}
		}
		require.Len(t, seen, count(q, all), "all pages together are all, once")
		require.True(t, slices.IsSortedFunc(seen, func(a, b *Document) int {
			switch q.Sort {
			case "price":
				return cmp.Compare(a.Prices[0], b.Prices[0])
			case "-price":
				return cmp.Compare(b.Prices[0], a.Prices[0])
			case "name":
				return cmp.Compare(Fold(a.Name), Fold(b.Name))
			case "newest":
				return b.AddedAt.Compare(a.AddedAt)
			case "rating":
				return cmp.Compare(b.Rating, a.Rating)
			}
			return 0
		}), q.Sort)
	})
}

// Each query is understood otherwise once the products have come that come after its first page; the pages after it show
// what the first one would have been followed by.
func TestPagesKeepTheReadingOfTheFirst(t *testing.T) {
	for query, comes := range map[string]string{
		"tepot":     "Tepot", // now spelt as it is typed
		"bleu":      "Bleu",
		"red tepot": "Red Tepot",
		"redteapot": "Redteapot",
		"tea pto":   "Pto Tea",
		"t":         "", // now other words that begin so are more frequent
		"te":        "",
	} {
		t.Run(query, func(t *testing.T) {
			x := open(t, t.TempDir())
			var documents []*Document
			for i := range 6 {
				documents = append(documents, newTestDocument(fmt.Sprint("p-", i), "Red Blue Teapot", 900))
			}
			put(t, x, documents...)
			all := listed(t, x, Query{Words: query})
			require.Len(t, slugs(t, all), 6)
			q := Query{Words: query, Limit: 2}
			first := listed(t, x, q)
			require.NotNil(t, first.Next)

			var others []*Document
			for i := range 7 * (maxEndings + 1) {
				name := fmt.Sprintf("%s Te%dx", comes, i%(maxEndings+1))
				others = append(others, newTestDocument(fmt.Sprint("o-", i), name, 100))
			}
			put(t, x, others...)
			seen := slugs(t, first)
			for q.After = first.Next; q.After != nil; {
				found := listed(t, x, q)
				require.Equal(t, all.Correction, found.Correction)
				seen = append(seen, slugs(t, found)...)
				q.After = found.Next
			}
			require.Subset(t, seen, slugs(t, all))
			require.Equal(t, slugs(t, all)[:2], seen[:2])
			require.Len(t, slices.Compact(inOrder(seen)), len(seen), "each once")
		})
	}
}

// A row that is found in several ways has the best of its scores, and the scratch is as clean as before.
func TestSeveralWaysAreMergedByTheBestScore(t *testing.T) {
	x := open(t, t.TempDir())
	var documents []*Document
	for i := range 300 {
		d := newTestDocument(fmt.Sprint("p-", i), []string{"Tea Pot", "Teapot", "Pot of Tea", "Teapot for Tea", "Teapot, a Tea Pot", "Kettle"}[i*7%6], 900)
		if i%4 == 0 {
			d.Description = "Beside a teapot, a pot and tea."
		}
		documents = append(documents, d)
	}
	put(t, x, documents...)
	snap, err := x.words.Load().snapshot()
	require.NoError(t, err)
	defer snap.Close()
	m := &matcher{
		snapshot: snap, analyzer: sharedAnalyzer(), synonyms: x.synonyms, counts: map[string]int{}, nameSize: func(uint32) int { return 2 },
		scratch: &scratch{buffer: make([]uint32, 4096)},
	}
	words := wordsOf("tea pot")
	r, err := m.read("tea pot", words)
	require.NoError(t, err)
	ways := m.understood(words, r)
	require.Greater(t, len(ways), 1)

	found := &match{marks: &marks{terms: map[string]bool{}}}
	want := map[uint32]int32{}
	for _, way := range ways {
		rows, err := m.runOne(found, way)
		require.NoError(t, err)
		for _, row := range rows {
			want[row], m.scratch.scores[row] = max(want[row], int32(m.scratch.scores[row])), 0
		}
	}
	require.Len(t, want, 250)
	for range 2 {
		_, top, err := m.run(found, ways)
		require.NoError(t, err)
		require.True(t, slices.IsSorted(found.rows))
		got := map[uint32]int32{}
		for i, row := range found.rows {
			got[row] = found.scores[i]
		}
		require.Equal(t, want, got)
		require.Equal(t, slices.Max(found.scores), got[top])
		require.Zero(t, slices.Max(m.scratch.scores)+slices.Max(m.scratch.best))
	}
}

func TestRowsAreSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 5000).Draw(t, "most")
		rows := rapid.SliceOfDistinct(rapid.Uint32Range(0, uint32(most-1)), func(row uint32) uint32 { return row }).Draw(t, "rows")
		want := slices.Sorted(slices.Values(rows))
		require.Equal(t, want, append([]uint32(nil), sorted(rows, most)...))
	})
}

// hasAll knows the few words of the test: "red" stands in names and as a colour, "teap" begins a teapot.
func hasAll(d *Document, name, query string) bool {
	for word := range strings.FieldsSeq(query) {
		if !strings.Contains(name, word) && (word != "red" || !slices.Contains(d.Attributes, Attribute{"Colour", "Red"})) {
			return false
		}
	}
	return true
}

func TestWithoutTheIndexOfWordsListsGoOn(t *testing.T) {
	dir := t.TempDir()
	x, err := Open(testOptions(dir))
	require.NoError(t, err)
	defer x.Close()
	put(t, x, newTestDocument("a", "Teapot", 900))
	require.Len(t, slugs(t, listed(t, x, Query{Sort: "price"})), 1)
	_, err = x.List(Query{Words: "teapot", Sort: "relevance", Limit: 1})
	require.ErrorIs(t, err, ErrWords)
	_, err = x.Suggest("tea", 5)
	require.ErrorIs(t, err, ErrWords)

	require.NoError(t, x.BuildWords(t.Context()))
	require.Len(t, slugs(t, listed(t, x, Query{Words: "teapot"})), 1)
	x.dropWords() // as when it breaks
	put(t, x, newTestDocument("b", "Teapot", 900))
	require.Equal(t, 2, listed(t, x, Query{Sort: "price"}).Total)
	_, err = x.List(Query{Words: "teapot", Sort: "relevance", Limit: 1})
	require.ErrorIs(t, err, ErrWords)
	require.NoError(t, x.BuildWords(t.Context()))
	require.Len(t, slugs(t, listed(t, x, Query{Words: "teapot"})), 2)
}

// An index of words that is built anew has what was changed meanwhile, and the old one answers until it is whole.
func TestWordsAreBuiltAnewWithoutAGap(t *testing.T) {
	x := open(t, t.TempDir())
	var documents []*Document
	for i := range 600 {
		documents = append(documents, newTestDocument(fmt.Sprint("t-", i), fmt.Sprint("Teapot ", i), 900))
	}
	put(t, x, documents...)
	done := make(chan error, 1)
	go func() { done <- x.BuildWords(t.Context()) }()
	for i := 0; ; i++ {
		d := newTestDocument(fmt.Sprint("k-", i), "Kettle", 500)
		put(t, x, d)
		require.Equal(t, i+1, listed(t, x, Query{Words: "kettle"}).Total)
		require.NoError(t, x.Apply(Change{Remove: []string{fmt.Sprint("id-t-", i%600)}}))
		select {
		case err := <-done:
			require.NoError(t, err)
			require.Equal(t, i+1, listed(t, x, Query{Words: "kettle"}).Total)
			require.Equal(t, 600-min(i+1, 600), listed(t, x, Query{Words: "teapot"}).Total)
			return
		default:
		}
	}
}

func TestTidyLeavesOneSegmentOnceItIsQuiet(t *testing.T) {
	x := open(t, t.TempDir())
	const batches, batch = 3, 2500 // bleve leaves so few of this size as they are
	for i := range batches {
		var documents []*Document
		for j := range batch {
			documents = append(documents, newTestDocument(fmt.Sprint("t-", i*batch+j), fmt.Sprint("Teapot ", i), 900))
		}
		put(t, x, documents...)
		require.Eventually(t, func() bool { // until it is on disk
			files, err := filepath.Glob(filepath.Join(x.words.Load().path, "store", "*.zap"))
			require.NoError(t, err)
			return len(files) == i+1
		}, 10*time.Second, 10*time.Millisecond)
	}
	segments := func() int {
		snap, err := x.words.Load().snapshot()
		require.NoError(t, err)
		defer func() { require.NoError(t, snap.Close()) }()
		return len(snap.segments)
	}
	require.NoError(t, x.Tidy(t.Context()))
	require.Equal(t, batches, segments(), "something has just been put into it")
	require.NoError(t, x.Tidy(t.Context()))
	require.Equal(t, 1, segments())
	require.Equal(t, batches*batch, listed(t, x, Query{Words: "teapot"}).Total)
	require.NoError(t, x.Apply(Change{Remove: []string{"id-t-0"}}))
	require.Equal(t, batches*batch-1, listed(t, x, Query{Words: "teapot"}).Total)
}

func TestWordsOfWhatIsGoneTakeNoPlaceFromOthers(t *testing.T) {
	x := open(t, t.TempDir())
	soap := newTestDocument("soap", "Soap", 900)
	soap.SKUs = nil
	documents, gone := []*Document{soap}, []string(nil)
	for i := range 2 * maxEndings {
		for j := range 2 { // more frequent than what stays
			d := newTestDocument(fmt.Sprintf("gone-%d-%d", i, j), fmt.Sprint("Sa", i), 900)
			documents, gone = append(documents, d), append(gone, d.ID)
		}
	}
	put(t, x, documents...)
	require.NoError(t, x.Apply(Change{Remove: gone}))
	require.Equal(t, []string{"soap"}, slugs(t, listed(t, x, Query{Words: "s"})))
}

func TestAnIndexIsAsItWasWhenItIsOpenedAgain(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	put(t, x, newTestDocument("a", "Teapot", 900), newTestDocument("b", "Kettle", 500), newTestDocument("c", "Drum", 500))
	require.NoError(t, x.Apply(Change{Remove: []string{"id-b"}, Stock: map[string]Stock{"SKU-a": InStock}, Cursor: "here"}))
	_, err := Open(testOptions(dir))
	require.ErrorContains(t, err, "in use by another process")
	require.NoError(t, x.Close())

	x = open(t, dir)
	require.Equal(t, "here", x.Cursor())
	require.Equal(t, []string{"a"}, slugs(t, listed(t, x, Query{InStock: true})))
	require.Equal(t, []string{"a"}, slugs(t, listed(t, x, Query{Words: "teapot"})))
	require.Equal(t, 2, x.Len())
	put(t, x, newTestDocument("d", "Kite", 100), newTestDocument("e", "Kettle", 100))
	require.Equal(t, []string{"e"}, slugs(t, listed(t, x, Query{Words: "kettle"})), "rows are given out again")
	require.Equal(t, []string{"d", "e"}, inOrder(slugs(t, listed(t, x, Query{Sort: "price", Limit: 2}))))
}

func inOrder(s []string) []string { slices.Sort(s); return s }

func TestReadsGoOnWhileTheIndexChanges(t *testing.T) {
	x := open(t, t.TempDir())
	put(t, x, newTestDocument("stays", "Teapot", 100))
	var group sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, q := range []Query{{Words: "teapot", Sort: "relevance", Limit: 5}, {Sort: "name", Limit: 5}, {Category: "toys", Sort: "-price", Limit: 5}} {
					if f, err := x.List(q); err != nil || f.Total == 0 {
						t.Errorf("%+v: %d, %v", q, f.Total, err)
						return
					}
				}
				if _, err := x.Suggest("te", 5); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 50 {
		put(t, x, newTestDocument("comes", fmt.Sprint("Teapot ", i), int64(i+1)))
		require.NoError(t, x.Apply(Change{Remove: []string{"id-comes"}}))
	}
	close(stop)
	group.Wait()
}

func TestSuggestionsAreProductsPhrasesAndCategories(t *testing.T) {
	x := open(t, t.TempDir())
	put(t, x, newTestDocument("a", "Low Tide Tea Cup", 100), newTestDocument("b", "Robin Teapot", 100), newTestDocument("c", "Toy Train", 100), newTestDocument("d", "Piñata Party", 100))
	s, err := x.Suggest("tea", 5)
	require.NoError(t, err)
	require.Len(t, s.Bodies, 2)
	require.Equal(t, []string{"teapot", "tea cup"}, s.Queries)
	s, err = x.Suggest("pinata", 5)
	require.NoError(t, err)
	require.Equal(t, []string{"piñata party"}, s.Queries)
	s, err = x.Suggest("toy", 5)
	require.NoError(t, err)
	require.Equal(t, []Category{{Slug: "toys", Name: "Toys"}}, s.Categories)
	s, err = x.Suggest("taepot", 5)
	require.NoError(t, err)
	require.Len(t, s.Bodies, 1)
	require.Equal(t, []string{"teapot"}, s.Queries)
}

func TestHighlightsMarkWhatWasFound(t *testing.T) {
	x := open(t, t.TempDir())
	put(t, x, newTestDocument("a", "Café Teapots", 100))
	f := listed(t, x, Query{Words: "cafe teapot"})
	require.Equal(t, []Part{{"Café", true}, {" ", false}, {"Teapots", true}}, f.Highlight("Café Teapots"))
	require.Nil(t, f.Highlight("Kettle"))
	require.Nil(t, f.Highlight(""))
	require.Nil(t, listed(t, x, Query{}).Highlight("Teapot"))
	long := strings.Repeat("word ", 60) + "teapot" + strings.Repeat(" word", 60)
	parts := f.Highlight(long)
	require.Equal(t, "… ", parts[0].Text)
	require.Equal(t, " …", parts[len(parts)-1].Text)
	total := 0
	for _, p := range parts {
		total += len(p.Text)
	}
	require.Less(t, total, 200)
}

func FuzzFind(f *testing.F) {
	x := open(f, f.TempDir())
	put(f, x, newTestDocument("a", "Café Teapot", 100), newTestDocument("b", "Walk the Dog Yo-yo", 100), newTestDocument("c", "Schöne Tasse", 100))
	for _, words := range []string{"teapto", "the", "ö ü", "a-b-c", "\x01tea", "\xff", "’s", "teapot teapot teapot"} {
		f.Add(words)
	}
	f.Fuzz(func(t *testing.T, words string) {
		if len(words) > 200 {
			return
		}
		found, err := x.List(Query{Words: words, Sort: "relevance", Limit: 5})
		require.NoError(t, err)
		for _, text := range []string{"Café Teapot", words} {
			joined := ""
			for _, p := range found.Highlight(text) {
				joined += p.Text
			}
			if joined != "" && len(text) <= excerpt {
				require.Equal(t, text, joined)
			}
		}
		_, err = x.Suggest(words, 5)
		require.NoError(t, err)
	})
}
