package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheStockHasTheNamesOfTheCatalogue(t *testing.T) {
	s := openShop(t)
	s.serve("inventory GET /admin/stock", answer(200, map[string]any{"items": []map[string]any{
		{"sku": "MUG", "onHand": 5, "added": "tomorrow"}, {"sku": "DRAFT", "onHand": 1},
	}, "nextCursor": "DRAFT"}))
	staff := s.browser()
	staff.cookies[accessCookie] = token("ada", time.Hour)
	got := staff.get("/api/v1/admin/stock?low=true&limit=2")
	require.Equal(t, 200, got.StatusCode, got.body)
	require.JSONEq(t, `{"items":[{"sku":"MUG","onHand":5,"added":"tomorrow"},{"sku":"DRAFT","onHand":1}],"nextCursor":"DRAFT"}`, got.body,
		"catalog is away")
	require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
	require.Equal(t, "low=true&limit=2", s.callsTo("inventory GET /admin/stock")[0].query)

	s.serve("catalog GET /variants", answer(200, map[string]any{"items": []map[string]any{{"sku": "MUG", "slug": "mug", "name": "Robin Mug"}}}))
	got = staff.get("/api/v1/admin/stock")
	require.JSONEq(t, `{"items":[{"sku":"MUG","onHand":5,"added":"tomorrow","name":"Robin Mug","slug":"mug"},{"sku":"DRAFT","onHand":1}],"nextCursor":"DRAFT"}`, got.body)
	require.Equal(t, "skus=MUG%2CDRAFT", s.callsTo("catalog GET /variants")[1].query)

	asked := len(s.callsTo("catalog GET /variants"))
	s.serve("inventory GET /admin/stock", answer(200, map[string]any{"items": []any{}}))
	require.JSONEq(t, `{"items":[]}`, staff.get("/api/v1/admin/stock?query=x").body)
	require.Len(t, s.callsTo("catalog GET /variants"), asked, "there is nothing to be named")
	s.serve("inventory GET /admin/stock", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{")) })
	staff.get("/api/v1/admin/stock").isProblem(t, 503, "service-unavailable")
}
