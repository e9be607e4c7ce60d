package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/e2e/shop"
)

// item is the stock of a SKU as the staff sees it.
type item struct{ OnHand, Reserved, Available int64 }

// lastPiece leaves one piece of a SKU, has as many guests as wanted put it into their baskets, and lets all of them check out,
// width at the same time. It prints who got it and how long the others waited, each from their own click, for being told
// that they did not. The stock is as before afterwards, but for the piece that was sold.
func lastPiece(ctx context.Context, sku string, buyers, width int) error {
	staff, err := shop.NewStaff(ctx)
	if err != nil {
		return fmt.Errorf("last-piece needs an administrator: %w", err)
	}
	var before item
	if err := staff.Do(ctx, http.MethodGet, "admin/stock/"+sku, nil, &before); err != nil {
		return err
	}
	guests := make([]*shop.Shopper, buyers)
	if err := atOnce(width, buyers, func(i int) error {
		guests[i] = shop.New()
		_, err := guests[i].Put(ctx, sku, 1)
		return err
	}); err != nil {
		return fmt.Errorf("fill the baskets: %w", err)
	}
	if err := adjust(ctx, staff, sku, 1-before.Available); err != nil {
		return err
	}

	cpu, start := cpuByProcess(ctx), time.Now()
	var mu sync.Mutex
	var waited []time.Duration
	ended := map[string]int{}
	err = atOnce(width, buyers, func(i int) error {
		c := shop.With("pm_card_visa")
		c.Email = shop.NewAccount().Email
		click := time.Now()
		order, err := guests[i].Place(ctx, c, "")
		if err != nil {
			var refused *shop.Problem
			if !errors.As(err, &refused) || refused.Code != "out-of-stock" {
				return err
			}
			order.Status = "refused"
		} else if order.Status, err = awaitEnd(ctx, guests[i], order.ID); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if ended[order.Status]++; order.Status != "paid" {
			waited = append(waited, time.Since(click))
		}
		return nil
	})
	took := time.Since(start)
	spent := cpuByProcess(ctx)
	var after item
	if err := errors.Join(err, staff.Do(ctx, http.MethodGet, "admin/stock/"+sku, nil, &after), adjust(ctx, staff, sku, before.Available-1-after.Available)); err != nil {
		return err
	}
	fmt.Printf("\nlast-piece   %d buyers, %d at once: %v in %v; left %+v\n", buyers, width, ended, took.Round(time.Millisecond), after)
	if len(waited) > 0 {
		slices.Sort(waited)
		fmt.Printf("  %-12s p50 %8s  p90 %8s  p99 %8s  max %8s\n", "losers told", at(waited, .5), at(waited, .9), at(waited, .99), waited[len(waited)-1].Round(10*time.Microsecond))
	}
	printCPU(cpu, spent, int64(buyers))
	if ended["paid"] != 1 {
		return fmt.Errorf("the last piece was sold %d times", ended["paid"])
	}
	return nil
}

// atOnce does n things, width of them at the same time, and returns what went wrong.
func atOnce(width, n int, do func(i int) error) error {
	var mu sync.Mutex
	var wrong []error
	var group sync.WaitGroup
	next := make(chan int)
	for range width {
		group.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					mu.Lock()
					wrong = append(wrong, err)
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
	if len(wrong) > 0 {
		return fmt.Errorf("%d of %d failed, one of them: %w", len(wrong), n, wrong[0])
	}
	return nil
}

func adjust(ctx context.Context, staff *shop.Shopper, sku string, change int64) error {
	if change == 0 {
		return nil
	}
	return staff.Do(ctx, http.MethodPost, "admin/stock/"+sku+"/adjustments",
		map[string]any{"change": change, "reason": "correction", "note": "bench: the last piece"}, nil, "Idempotency-Key", uuid.NewString())
}
