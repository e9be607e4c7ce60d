package search

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var testCategories = []Category{{Slug: "kitchen", Name: "Kitchen"}, {Slug: "toys", Name: "Toys"}, {Slug: "plush", Name: "Plush", Parent: "toys"}}

func readJSON(body []byte) (*Document, error) {
	var d Document
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, err
	}
	d.Body = body
	return &d, nil
}

func testOptions(dir string) Options {
	return Options{Dir: dir, PriceSteps: [][]int64{{0, 1000, 2500}, {0, 1500}}, Read: readJSON}
}

// newTestDocument is a toy at a price in cents; change it as the test needs, before it is put.
func newTestDocument(slug, name string, price int64) *Document {
	return &Document{
		ID: "id-" + slug, Slug: slug, Name: name, Brand: "Acme", Category: "toys", Prices: []int64{price, 2 * price},
		Rating: 40, SKUs: []string{"SKU-" + slug}, AddedAt: time.Unix(1000, 0),
	}
}

func put(t testing.TB, x *Index, documents ...*Document) {
	bodies(t, documents...)
	require.NoError(t, x.Apply(Change{Put: documents}))
}

func bodies(t require.TestingT, documents ...*Document) {
	for _, d := range documents {
		d.Body = nil
		body, err := json.Marshal(d)
		require.NoError(t, err)
		d.Body = body
	}
}

// open opens an index, with its words, and closes it after the test.
func open(t testing.TB, dir string) *Index {
	x, err := Open(testOptions(dir))
	require.NoError(t, err)
	t.Cleanup(func() { _ = x.Close() })
	x.SetCategories(testCategories)
	if ready, _ := x.WordsReady(); !ready {
		require.NoError(t, x.BuildWords(t.Context()))
	}
	return x
}

func slugs(t testing.TB, f Found) (slugs []string) {
	for _, body := range f.Bodies {
		d, err := readJSON(body)
		require.NoError(t, err)
		slugs = append(slugs, d.Slug)
	}
	return slugs
}

func listed(t testing.TB, x *Index, q Query) Found {
	if q.Limit == 0 {
		q.Limit = 10
	}
	if q.Sort == "" {
		q.Sort = "relevance"
	}
	f, err := x.List(q)
	require.NoError(t, err)
	return f
}

func TestWordsAreFoundAsShoppersTypeThem(t *testing.T) {
	x := open(t, t.TempDir())
	pot, tea, cosy := newTestDocument("teapot", "Café Teapot", 900), newTestDocument("tea", "Green Tea", 500), newTestDocument("cosy", "Cosy", 700)
	cosy.Description = "Keeps a teapot warm."
	tea.Brand = "Groß & Söhne"
	yoyo := newTestDocument("yoyo", "Walk the Dog Yo-yo", 300)
	couch := newTestDocument("sofa", "Two Seat Sofa", 90000)
	bear := newTestDocument("bear", "Bartholomew Bear", 2000)
	bear.Category = "plush"
	kite, tabmug, mug := newTestDocument("kite", "Red Kite", 1500), newTestDocument("tabmug", "Tabmug", 1500), newTestDocument("mug", "Enamel Mug", 1500)
	put(t, x, cosy, tea, pot, yoyo, couch, bear, kite, tabmug, mug)
	for query, want := range map[string]struct {
		slugs      []string
		correction string
	}{
		"teapot":         {[]string{"teapot", "cosy"}, ""}, // in the name, then in the description
		"TEAPOTS":        {[]string{"teapot", "cosy"}, ""},
		"cafe teapot":    {[]string{"teapot"}, ""},
		"CAFÉ":           {[]string{"teapot"}, ""},
		"tea":            {[]string{"tea", "teapot", "cosy"}, ""}, // the whole word before its beginning
		"green te":       {[]string{"tea"}, ""},
		"gross sohne":    {[]string{"tea"}, ""},
		"Größ":           {[]string{"tea"}, ""},
		"tea pot":        {[]string{"teapot", "cosy"}, ""}, // torn apart
		"greentea":       {[]string{"tea"}, ""},            // run together
		"yoyo":           {[]string{"yoyo"}, ""},
		"yo-yo":          {[]string{"yoyo"}, ""},
		"couch":          {[]string{"sofa"}, ""},
		"Couches":        {[]string{"sofa"}, ""},
		"Teekanne":       {[]string{"teapot", "cosy"}, ""},
		"Teekannen":      {[]string{"teapot", "cosy"}, ""},
		"plush bear":     {[]string{"bear"}, ""}, // a category and a name
		"toys bear":      {[]string{"bear"}, ""}, // what the category is part of
		"the bear":       {[]string{"bear"}, ""},
		"teapto":         {[]string{"teapot", "cosy"}, "teapot"},
		"cfae teapto":    {[]string{"teapot"}, "cafe teapot"},
		"bartolomew":     {[]string{"bear"}, "bartholomew"},
		"brtholomw baer": {[]string{"bear"}, "bartholomew bear"},
		"reb kite":       {[]string{"kite"}, "red kite"},
		"reb mug":        {nil, ""},                      // a red mug, which is not "tabmug" torn apart
		"tab mgu":        {[]string{"tabmug"}, "tabmug"}, // torn apart and misspelt
		"SKU-yoyo":       {[]string{"yoyo"}, ""},
		"teapot rocket":  {nil, ""},
		"!!! ,":          {nil, ""},
		"\xff\xfe\x00":   {nil, ""},
		stemMark + "tea": {[]string{"tea", "teapot", "cosy"}, ""},
	} {
		found := listed(t, x, Query{Words: query})
		require.Equal(t, want.slugs, slugs(t, found), query)
		require.Equal(t, len(want.slugs), found.Total, query)
		require.Equal(t, want.correction, found.Correction, query)
	}
}
