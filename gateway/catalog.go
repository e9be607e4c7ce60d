package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	stockWithin = 500 * time.Millisecond // a page does not wait longer to say what is in stock
	stockPause  = 2 * time.Second        // while inventory is away pages do not wait for it one by one
	stockBatch  = 100                    // SKUs asked for at once, so that the address stays short
	fewLeft     = 10                     // up to here shoppers are told how many there are

	// Long enough to spare a reload, short enough for nobody to act on old stock.
	publicFor = "public, max-age=1"
)

// fields is a JSON object of which we touch only a few members; what catalog adds tomorrow passes through.
type fields = map[string]json.RawMessage

// product is catalog's product with how many pieces inventory has of it.
func (s *server) product(w http.ResponseWriter, r *http.Request, to target) error {
	found, err := s.answers.get(r, to, func(r *http.Request) (*publicAnswer, error) {
		body, err := s.read(w, r, to)
		if err != nil {
			return nil, err
		}
		var item fields
		if err := json.Unmarshal(body, &item); err != nil {
			return nil, unavailable(to.app, fmt.Errorf("read product: %w", err))
		}
		known := s.addStock(r.Context(), item)
		return newPublicAnswer(mustMarshal(item), known), nil
	})
	if err != nil {
		return err
	}
	found.publish(w, r)
	return nil
}

// publicRead hands on an answer that is the same for everybody.
func (s *server) publicRead(w http.ResponseWriter, r *http.Request, to target) error {
	found, err := s.answers.get(r, to, func(r *http.Request) (*publicAnswer, error) {
		body, err := s.read(w, r, to)
		if err != nil {
			return nil, err
		}
		if !bytes.HasPrefix(body, []byte("{")) || !bytes.HasSuffix(bytes.TrimSpace(body), []byte("}")) {
			return nil, unavailable(to.app, errors.New("the answer is no JSON object, or not all of it"))
		}
		return newPublicAnswer(body, true), nil
	})
	if err != nil {
		return err
	}
	found.publish(w, r)
	return nil
}

// read is the whole answer of the target.
func (s *server) read(w http.ResponseWriter, r *http.Request, to target) ([]byte, error) {
	resp, err := s.send(w, r, to)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, unavailable(to.app, err)
	}
	return body, nil
}

// matches reports whether the caller already has what etag names (RFC 9110 section 13.1.2).
func matches(r *http.Request, etag string) bool {
	for given := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		given = strings.TrimSpace(given)
		if given == "*" || strings.TrimPrefix(given, "W/") == etag {
			return true
		}
	}
	return false
}

// addStock tells of each product and variant whether it can be bought. If inventory does not answer in time nothing is
// told, and false is returned: a shopper can do without, unlike without prices.
func (s *server) addStock(ctx context.Context, products ...fields) bool {
	variants := make([][]fields, len(products))
	var skus []string
	for i, product := range products {
		if err := json.Unmarshal(product["variants"], &variants[i]); err != nil {
			slog.WarnContext(ctx, "a product without variants", "slug", string(product["slug"]))
		}
		for _, v := range variants[i] {
			skus = append(skus, text(v["sku"]))
		}
	}
	if time.Now().UnixNano() < s.stockAgain.Load() {
		return false
	}
	stock, err := s.stock(ctx, skus)
	if err != nil {
		if ctx.Err() == nil { // else it was the caller who left
			s.stockAgain.Store(time.Now().Add(stockPause).UnixNano())
		}
		slog.WarnContext(ctx, "products without stock", "error", err.Error())
		return false
	}
	for i, product := range products {
		buyable := false
		for _, v := range variants[i] {
			n := stock[text(v["sku"])]
			v["available"] = mustMarshal(n > 0)
			if 0 < n && n <= fewLeft {
				v["stock"] = mustMarshal(n)
			}
			buyable = buyable || n > 0
		}
		product["variants"] = mustMarshal(variants[i])
		product["available"] = mustMarshal(buyable)
	}
	return true
}

// stock is how many pieces of each SKU can be bought; inventory names only what it has ever had.
func (s *server) stock(ctx context.Context, skus []string) (map[string]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, stockWithin)
	defer cancel()
	type answer struct {
		Items []struct {
			SKU       string `json:"sku"`
			Available int64  `json:"available"`
		} `json:"items"`
	}
	var batches [][]string
	for batch := range slices.Chunk(skus, stockBatch) {
		batches = append(batches, batch)
	}
	answers := make([]answer, len(batches))
	group, ctx := errgroup.WithContext(ctx)
	for i, batch := range batches {
		group.Go(func() error {
			path := "/stock?skus=" + url.QueryEscape(strings.Join(batch, ","))
			return s.sidecar.Call(ctx, "inventory", http.MethodGet, path, nil, &answers[i])
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	stock := make(map[string]int64, len(skus))
	for _, a := range answers {
		for _, item := range a.Items {
			stock[item.SKU] = item.Available
		}
	}
	return stock, nil
}

func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // what is no text is no SKU that inventory knows
	return s
}

// mustMarshal is for values that we have just read from JSON, and for numbers.
func mustMarshal(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
