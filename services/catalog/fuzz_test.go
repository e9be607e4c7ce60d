package main

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/catalog/search"
)

// A query that is taken has bounds, and a cursor that is made of a place leads back to it.
func FuzzQuery(f *testing.F) {
	for _, query := range []string{
		"", "query=tea&sort=-price&limit=10&currency=JPY&minPrice=0&maxPrice=9", "cursor=W10", "brand=a&brand=b&category=kitchen", "limit=-1", "cursor=%00", "sort=x;y",
	} {
		f.Add(query, int64(5))
	}
	f.Fuzz(func(t *testing.T, query string, number int64) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = query
		q, err := readQuery(r)
		if err != nil {
			return
		}
		if q.Limit < 1 || q.Limit > maxLimit || len(q.Words) > maxQuery || q.Min != nil && *q.Min < 0 {
			t.Fatalf("%q is %+v", query, q)
		}
		q.Words = "" // with them it has a reading, too
		c := search.Cursor{Place: search.Place{Number: number, Text: "text", Tie: 1}}
		if back, err := readCursor(q, writeCursor(q, &c)); err != nil || *back != c {
			t.Fatalf("%+v became %+v: %v", c, back, err)
		}
		_, _ = readSKUs(r.URL.Query())
	})
}

// A cursor is refused or leads to a page, whatever is in it, and the one that a page has is short and leads to the next.
func FuzzCursor(f *testing.F) {
	shelf := newTestShelf(f, []*Product{
		newTestProduct("a", "Café Teapot", 100), newTestProduct("b", "Tea Pot Stand", 100), newTestProduct("c", "Teapots", 100), newTestProduct("d", "Tea Cosy", 100),
	}, testCategories)
	for _, words := range []string{"tea pot", "taepots", "cosyteapot", "the tea", "té pto"} {
		found, err := shelf.index.List(search.Query{Words: words, Sort: "relevance", Limit: 1})
		require.NoError(f, err)
		b, err := json.Marshal(found.Next)
		require.NoError(f, err)
		f.Add(words, b)
	}
	f.Fuzz(func(t *testing.T, words string, content []byte) {
		if len(words) > maxQuery {
			return
		}
		q := search.Query{Words: words, Sort: "relevance", Limit: 1}
		list := func() search.Found {
			found, err := shelf.index.List(q)
			require.NoError(t, err)
			if cursor := writeCursor(q, found.Next); cursor != "" {
				require.Less(t, len(cursor), maxCursor)
				q.After, err = readCursor(q, cursor)
				require.NoError(t, err)
				require.Equal(t, found.Next, q.After)
			}
			return found
		}
		first := list()
		if q.After != nil {
			require.Equal(t, first.Total, list().Total)
		}
		var c search.Cursor
		if json.Unmarshal(content, &c) != nil {
			return
		}
		var err error
		if q.After, err = readCursor(q, writeCursor(q, &c)); err == nil {
			list()
		}
	})
}
