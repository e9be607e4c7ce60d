package main

import (
	"net/http/httptest"
	"testing"

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
		p := search.Place{Number: number, Text: "text", Tie: 1}
		if back, err := readCursor(q, writeCursor(q, &p)); err != nil || *back != p {
			t.Fatalf("%+v became %+v: %v", p, back, err)
		}
		_, _ = readSKUs(r.URL.Query())
	})
}
