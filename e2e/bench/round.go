package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sidecart/sidecart/e2e/shop"
)

// round is what came of a scenario that some customers did over and over for a while.
type round struct {
	scenario     string
	users        int
	elapsed      time.Duration
	done, failed int64
	last         error                      // of those that failed
	took         map[string][]time.Duration // of those that were done
	median       time.Duration              // of what is printed last
}

// toleratedFailures is how many in a hundred may fail in a round that counts: a shop that refuses most of what it is asked
// is fast, and says nothing of one that does it.
const toleratedFailures = 1

func (r *round) void() bool { return r.done == 0 || 100*r.failed > toleratedFailures*(r.done+r.failed) }

// load lets n customers do sc over and over for a while and prints what came of it.
func load(ctx context.Context, sc scenario, n int, length time.Duration) (*round, error) {
	before := sc.cpu(ctx)
	start := time.Now()
	r := &round{scenario: sc.name, users: n, took: map[string][]time.Duration{}}
	var mu sync.Mutex
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			s := shop.New()
			for time.Since(start) < length && ctx.Err() == nil {
				durations, err := sc.do(ctx, s)
				mu.Lock()
				r.add(durations, err)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r.elapsed = time.Since(start)
	r.print(os.Stdout)
	if !r.void() {
		printCPU(before, sc.cpu(ctx), r.done)
	}
	return r, nil
}

func (r *round) rate() float64 { return float64(r.done) / r.elapsed.Seconds() }

// printShare compares the rate with that of another round of the same run.
func (r *round) printShare(of *round) {
	if of != nil && !of.void() && !r.void() {
		fmt.Printf("  %.2f of %s\n", r.rate()/of.rate(), of.scenario)
	}
}

func (r *round) add(durations map[string]time.Duration, err error) {
	if err != nil {
		r.failed, r.last = r.failed+1, err
		return
	}
	r.done++
	for name, d := range durations {
		r.took[name] = append(r.took[name], d)
	}
}

// print writes the figures of the round, or why there are none.
func (r *round) print(w io.Writer) {
	fmt.Fprintf(w, "\n%-12s %2d at once: ", r.scenario, r.users)
	if r.void() {
		fmt.Fprintf(w, "void, %d of %d failed\n", r.failed, r.done+r.failed)
	} else {
		fmt.Fprintf(w, "%8.1f/s, %d failed\n", r.rate(), r.failed)
	}
	if r.last != nil {
		fmt.Fprintf(w, "  last failure: %v\n", r.last)
	}
	if r.void() {
		return
	}
	for _, name := range sortedKeys(r.took) {
		d := r.took[name]
		slices.Sort(d)
		r.median = at(d, .5)
		fmt.Fprintf(w, "  %-12s p50 %8s  p90 %8s  p99 %8s  max %8s\n", name, at(d, .5), at(d, .9), at(d, .99), d[len(d)-1].Round(10*time.Microsecond))
	}
}
