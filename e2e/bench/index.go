package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sidecart/sidecart/e2e/goods"
	"github.com/sidecart/sidecart/services/catalog/search"
)

// measureIndexes measures one after another.
func measureIndexes(ctx context.Context, sizes string) error {
	for field := range strings.SplitSeq(sizes, ",") {
		size := 0
		if _, err := fmt.Sscanf(field, "%d", &size); err != nil || size < 1 {
			return fmt.Errorf("-index: %q is not a number of products", field)
		}
		if err := measureIndex(ctx, size); err != nil {
			return err
		}
	}
	return nil
}

// measureIndex measures catalog's index by itself, in this process, with so many products: what it takes to build and to
// open, on disk and in memory, and how long lists with facets take, each asked for the first time and as shoppers repeat
// one another.
func measureIndex(ctx context.Context, size int) (err error) {
	dir, err := os.MkdirTemp("", "sidecart-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	stored, indexed, err := buildIndex(ctx, dir, size)
	if err != nil {
		return err
	}
	before := heap()
	start := time.Now()
	x, err := openIndex(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	fmt.Printf("\n%d products: stored in %.1fs, words indexed in %.1fs, opened in %.2fs, documents %d MB and words %d MB on disk, %d MB in memory\n",
		size, stored.Seconds(), indexed.Seconds(), time.Since(start).Seconds(), folder(dir, "documents.db")>>20, folder(dir, "words-*")>>20, (heap()-before)>>20)

	const asked = 4000
	seen := map[string]bool{}
	first := make([]search.Query, 0, asked)
	for n := 0; len(first) < asked/4 && n < asked*10; n++ {
		if q := listOf(n); !seen[q.Words] {
			seen[q.Words] = true
			first = append(first, q)
		}
	}
	if err := ask(x, "words, each asked once", 1, first); err != nil {
		return err
	}
	repeated := make([]search.Query, asked)
	for i := range repeated {
		repeated[i] = listOf(rand.IntN(2000))
	}
	for _, users := range []int{1, 8} {
		// A change makes it forget what it has worked out.
		d, err := document(0)
		if err != nil {
			return err
		}
		d.Body = append(d.Body, ' ')
		if err := x.Apply(search.Change{Put: []*search.Document{d}}); err != nil {
			return err
		}
		if err := ask(x, "as shoppers do", users, repeated); err != nil {
			return err
		}
	}
	return nil
}

// buildIndex makes an index of so many products.
func buildIndex(ctx context.Context, dir string, size int) (stored, indexed time.Duration, err error) {
	x, err := openIndex(dir)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	start := time.Now()
	for from := 0; from < size; from += 5000 {
		var batch []*search.Document
		for n := from; n < min(from+5000, size); n++ {
			d, err := document(n)
			if err != nil {
				return 0, 0, err
			}
			batch = append(batch, d)
		}
		if err := errors.Join(x.Apply(search.Change{Put: batch}), ctx.Err()); err != nil {
			return 0, 0, err
		}
	}
	stored = time.Since(start)
	start = time.Now()
	err = x.BuildWords(ctx)
	return stored, time.Since(start), err
}

// listOf is what a shopper asks for: words mostly, else a category; now and then with a filter or in another order.
func listOf(n int) search.Query {
	r := rand.New(rand.NewPCG(uint64(n), 0x115))
	q := search.Query{Sort: "relevance", Limit: 24}
	categories := goods.Categories()
	if r.IntN(4) > 0 {
		q.Words = goods.Query(n)
	} else {
		q.Category = categories[r.IntN(len(categories))].Slug
	}
	switch r.IntN(6) {
	case 0:
		q.Sort = "price"
	case 1:
		most := int64(5000)
		q.Max = &most
	case 2:
		q.Attributes = []search.Attribute{{Name: "Material", Value: "Steel"}}
	case 3:
		q.Brands = []string{goods.Brand(r.IntN(20))}
	}
	return q
}

func ask(x *search.Index, name string, users int, queries []search.Query) error {
	var mu sync.Mutex
	var took []time.Duration
	var group sync.WaitGroup
	var failed error
	start := time.Now()
	for u := range users {
		group.Go(func() {
			for i := u; i < len(queries); i += users {
				start := time.Now()
				_, err := x.List(queries[i])
				d := time.Since(start)
				mu.Lock()
				took, failed = append(took, d), errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	elapsed := time.Since(start)
	slices.Sort(took)
	fmt.Printf("  %-24s %d at once: p50 %8s  p90 %8s  p99 %8s  max %8s  %6.0f/s\n",
		name, users, at(took, .5), at(took, .9), at(took, .99), took[len(took)-1].Round(10*time.Microsecond), float64(len(took))/elapsed.Seconds())
	return failed
}

func openIndex(dir string) (*search.Index, error) {
	x, err := search.Open(search.Options{Dir: dir, PriceSteps: [][]int64{{0, 1000, 2500, 5000, 10000, 25000}}, Read: func(body []byte) (*search.Document, error) {
		d := &search.Document{}
		return d, json.Unmarshal(body, d)
	}})
	if err != nil {
		return nil, err
	}
	var categories []search.Category
	for _, c := range goods.Categories() {
		categories = append(categories, search.Category{Slug: c.Slug, Name: c.Name, Parent: c.Parent})
	}
	x.SetCategories(categories)
	return x, nil
}

func document(n int) (*search.Document, error) {
	p := goods.At(n)
	d := &search.Document{
		ID: p.ID, Slug: p.Slug, Name: p.Name, Brand: p.Brand, Category: p.Category, Description: p.Description,
		Rating: p.Rating, AddedAt: p.AddedAt, Prices: []int64{p.Variants[0].Price},
	}
	for name, value := range p.Attributes {
		d.Attributes = append(d.Attributes, search.Attribute{Name: name, Value: value})
	}
	for _, v := range p.Variants {
		d.SKUs = append(d.SKUs, v.SKU)
		for name, value := range v.Options {
			d.Attributes = append(d.Attributes, search.Attribute{Name: name, Value: value})
		}
	}
	body, err := json.Marshal(d)
	d.Body = body
	return d, err
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func folder(dir, pattern string) (size int64) {
	found, _ := filepath.Glob(filepath.Join(dir, pattern))
	for _, path := range found {
		_ = filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
			if info, statErr := entry.Info(); err == nil && statErr == nil && !entry.IsDir() {
				size += info.Size()
			}
			return nil
		})
	}
	return size
}
