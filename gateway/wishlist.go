package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/web"
)

// wish is one of client's with what catalog and inventory say of it.
type wish struct {
	SKU       string    `json:"sku"`
	AddedAt   time.Time `json:"addedAt"`
	Product   *wished   `json:"product,omitempty"`   // absent when it is not sold, or not in this currency
	Available *bool     `json:"available,omitempty"` // absent when inventory does not say
}

type wished struct {
	Slug  string       `json:"slug"`
	Name  string       `json:"name"`
	Image string       `json:"image"`
	Price money.Amount `json:"price"`
}

// wishlist shows the caller's wishes as they are sold now. Stock may be missing, prices may not.
func (s *server) wishlist(w http.ResponseWriter, r *http.Request, to target) error {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	resp, err := s.send(w, r.WithContext(ctx), to)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var page web.Page[wish]
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		return unavailable(to.app, err)
	}
	if err := s.addOffers(ctx, page.Items, r.URL.Query().Get("currency")); err != nil {
		return err
	}
	w.Header().Set("Etag", resp.Header.Get("Etag")) // the version of the list, for If-Match
	return web.Encode(w, http.StatusOK, page)
}

func (s *server) addOffers(ctx context.Context, wishes []wish, currency string) error {
	skus := make([]string, len(wishes))
	for i, wish := range wishes {
		skus[i] = wish.SKU
	}
	offers, err := s.offers(ctx, skus, currency)
	if err != nil {
		return err
	}
	stock, err := s.stock(ctx, skus)
	if err != nil {
		slog.WarnContext(ctx, "wishes without stock", "error", err.Error())
	}
	for i := range wishes {
		wishes[i].Product = offers[wishes[i].SKU]
		if err == nil && wishes[i].Product != nil {
			available := stock[wishes[i].SKU] > 0
			wishes[i].Available = &available
		}
	}
	return nil
}

// offers is what is sold under SKUs, in a currency, or in the shop's own if it is "". What is not is absent.
func (s *server) offers(ctx context.Context, skus []string, currency string) (map[string]*wished, error) {
	offers := map[string]*wished{}
	for batch := range slices.Chunk(skus, stockBatch) {
		var sold struct {
			Items []struct {
				SKU string `json:"sku"`
				wished
			} `json:"items"`
		}
		query := url.Values{"skus": {strings.Join(batch, ",")}}
		if currency != "" {
			query.Set("currency", currency)
		}
		if err := s.sidecar.Call(ctx, "catalog", http.MethodGet, "/variants?"+query.Encode(), nil, &sold); err != nil {
			return nil, err
		}
		for _, item := range sold.Items {
			offers[item.SKU] = &item.wished
		}
	}
	return offers, nil
}
