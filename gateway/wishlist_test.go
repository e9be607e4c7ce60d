package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWishesAreShownAsTheyAreSold(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	s.serve("client GET /wishlist", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"7"`)
		answer(200, map[string]any{"items": []map[string]string{
			{"sku": "A", "addedAt": "2026-11-01T09:30:00Z"}, {"sku": "GONE", "addedAt": "2026-11-02T09:30:00Z"},
		}})(w, r)
	})
	s.serve("catalog GET /variants", answer(200, map[string]any{"items": []map[string]any{
		{"sku": "A", "slug": "teapot", "name": "Teapot, red", "image": "/i/1", "price": map[string]any{"amount": 1999, "currency": "JPY"}},
	}}))
	s.serve("inventory GET /stock", answer(200, map[string]any{"items": []map[string]any{{"sku": "A", "available": 3}}}))
	b := s.browser()
	b.get("/api/v1/account/wishlist").isProblem(t, 401, "sign-in-required")
	b.cookies[accessCookie] = token("ada", time.Hour)
	got := b.get("/api/v1/account/wishlist?currency=JPY")
	require.JSONEq(t, `{"items":[
		{"sku":"A","addedAt":"2026-11-01T09:30:00Z","product":{"slug":"teapot","name":"Teapot, red","image":"/i/1","price":{"amount":1999,"currency":"JPY"}},"available":true},
		{"sku":"GONE","addedAt":"2026-11-02T09:30:00Z"}]}`, got.body)
	require.Equal(t, `"7"`, got.Header.Get("Etag"))
	require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
	require.Equal(t, "currency=JPY&skus=A%2CGONE", s.callsTo("catalog GET /variants")[0].query)

	s.serve("inventory GET /stock", nil)
	require.NotContains(t, b.get("/api/v1/account/wishlist").body, "available", "stock may be missing")
	s.serve("catalog GET /variants", nil)
	b.get("/api/v1/account/wishlist").isProblem(t, 503, "service-unavailable")
	s.serve("client GET /wishlist", answer(200, map[string]any{"items": []string{}}))
	require.JSONEq(t, `{"items":[]}`, strings.TrimSpace(b.get("/api/v1/account/wishlist").body))
}
