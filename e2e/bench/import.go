package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/e2e/goods"
	"github.com/sidecart/sidecart/e2e/shop"
)

// importFile imports a file of n new products as an administrator does, and then the same products with other prices, with one
// broken line in either.
func importFile(ctx context.Context, n int) error {
	if n < 2 {
		return errors.New("-import: one product is the broken one, so it takes two")
	}
	staff, err := shop.NewStaff(ctx)
	if err != nil {
		return fmt.Errorf("-import needs an administrator: %w", err)
	}
	run := strings.ToUpper(uuid.NewString()[:8])
	for raise, what := range []string{"new", "changed"} {
		if err := importOne(ctx, staff, run, n, int64(raise), what); err != nil {
			return err
		}
	}
	return nil
}

// importOne imports one file and prints how long each part of it takes: until the file has arrived, until its last line is
// written, until shoppers see the last product as it says.
func importOne(ctx context.Context, staff *shop.Shopper, run string, n int, raise int64, what string) error {
	file, lines, broken, err := sheet(run, n, raise)
	if err != nil {
		return err
	}
	before, start := cpuByProcess(ctx), time.Now()
	resp, text, err := staff.Raw(ctx, http.MethodPost, "/api/v1/admin/imports?file=bench.csv", "text/csv", file, nil) //nolint:bodyclose // Raw has read and closed it
	if err != nil {
		return err
	}
	var job struct {
		ID, Status, Reason           string
		Total, Read, Written, Failed int
		Errors                       []struct{ Line int }
	}
	if err := json.Unmarshal([]byte(text), &job); err != nil || resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("the import is not accepted: %s %.200s", resp.Status, text)
	}
	arrived := time.Since(start)
	for shown := time.Now(); job.Status == "running"; {
		if err := staff.Do(ctx, http.MethodGet, "admin/imports/"+job.ID, nil, &job); err != nil {
			return err
		}
		if time.Since(shown) > 15*time.Second {
			shown = time.Now()
			fmt.Printf("  %d of %d lines\n", job.Read, job.Total)
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	written := time.Since(start)
	if job.Status != "done" || job.Failed != 1 || job.Written != lines-1 || len(job.Errors) != 1 || job.Errors[0].Line != broken {
		return fmt.Errorf("the import ended %s (%s): %d of %d lines written, %d failed, at %v", job.Status, job.Reason, job.Written, lines, job.Failed, job.Errors)
	}
	last := goods.At(n - 1).Variants
	for price := last[len(last)-1].Price + raise; ; {
		var p shop.Product
		err := shop.New().Do(ctx, http.MethodGet, "products/"+slugOf(run, n-1), nil, &p)
		var refused *shop.Problem
		if err != nil && (!errors.As(err, &refused) || refused.Status != http.StatusNotFound) {
			return err
		}
		if err == nil && p.Variants[len(p.Variants)-1].Price.Amount == price {
			break
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	fmt.Printf("\nimport       %d %s products in %d lines, %d MB: arrived after %.0fs, written after %.0fs, in the shop after %.0fs; line %d refused, no other\n",
		n, what, lines, len(file)>>20, arrived.Seconds(), written.Seconds(), time.Since(start).Seconds(), broken)
	printCPU(before, cpuByProcess(ctx), int64(n))
	return nil
}

func slugOf(run string, i int) string { return strings.ToLower(run) + "-" + goods.At(i).Slug }

// sheet is a file as services/catalog/table.go reads it, a line for each variant, with prices raised by some cents. One in its
// middle has no price that could be read.
func sheet(run string, n int, raise int64) (file string, lines, broken int, err error) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write(strings.Split("slug,status,name,brand,category,description,images,attributes,sku,options,EUR,USD,GBP,JPY", ","))
	for i := range n {
		p := goods.At(i)
		for j, v := range p.Variants {
			lines++
			price := fmt.Sprintf("%d.%02d", (v.Price+raise)/100, (v.Price+raise)%100)
			if i == n/2 && j == 0 {
				price, broken = "cheap", lines+1 // the heading is the first
			}
			_ = w.Write([]string{
				slugOf(run, i), "active", p.Name, p.Brand, "kitchen", p.Description, p.Image, pairs(p.Attributes),
				run + "-" + v.SKU, pairs(v.Options), price, "", "", fmt.Sprint(v.Price),
			})
		}
	}
	w.Flush()
	return b.String(), lines, broken, w.Error()
}

func pairs(of map[string]string) string {
	var cell []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		cell = append(cell, name+": "+of[name])
	}
	return strings.Join(cell, " | ")
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
