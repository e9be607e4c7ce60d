package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
)

// stockList is inventory's page of stock with the names under which catalog sells it.
func (s *server) stockList(w http.ResponseWriter, r *http.Request, to target) error {
	body, err := s.read(w, r, to)
	if err != nil {
		return err
	}
	var page fields
	var items []fields
	if err := json.Unmarshal(body, &page); err != nil {
		return unavailable(to.app, fmt.Errorf("read stock: %w", err))
	}
	if err := json.Unmarshal(page["items"], &items); err != nil {
		return unavailable(to.app, fmt.Errorf("read stock: %w", err))
	}
	s.addNames(r.Context(), items)
	page["items"] = mustMarshal(items)
	body = mustMarshal(page)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
	return nil
}

// addNames tells of each item what is sold under its SKU, unless that is not sold, or catalog does not answer in time: the
// staff can do without.
func (s *server) addNames(ctx context.Context, items []fields) {
	ctx, cancel := context.WithTimeout(ctx, stockWithin)
	defer cancel()
	skus := make([]string, len(items))
	for i, item := range items {
		skus[i] = text(item["sku"])
	}
	sold, err := s.offers(ctx, skus, "")
	if err != nil {
		slog.WarnContext(ctx, "stock without names", "error", err.Error())
	}
	for i, item := range items {
		if offer := sold[skus[i]]; offer != nil {
			item["name"], item["slug"] = mustMarshal(offer.Name), mustMarshal(offer.Slug)
		}
	}
}
