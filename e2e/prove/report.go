package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sidecart/sidecart/e2e/shop"
)

// report is everything that a run has to say.
type report struct {
	settings        settings
	begun           time.Time
	flowed, settled time.Duration
	killer          *killer
	crowd           *crowd
	struck          []shop.Fault
	books           *books
	violations      []violation
}

// progress says every ten seconds how far things are.
func (r *report) progress(ctx context.Context) {
	for sleep(ctx, 10*time.Second) {
		r.killer.mu.Lock()
		last, wounds := "", len(r.killer.wounds)
		if wounds > 0 {
			last = r.killer.wounds[wounds-1].String()
		}
		r.killer.mu.Unlock()
		r.crowd.mu.Lock()
		placed, failed := len(r.crowd.orders), len(r.crowd.failed)
		r.crowd.mu.Unlock()
		elapsed := time.Since(r.begun).Seconds()
		line := fmt.Sprintf("%4.0fs  %d orders (%.1f/s), %d kills, the last: %s", elapsed, placed, float64(placed)/elapsed, wounds, last)
		if failed > 0 {
			line += fmt.Sprintf(", %d shoppers gave up", failed)
		}
		fmt.Println(line)
	}
}

// print writes the result: what was bought, what was killed, what was found.
func (r *report) print(out io.Writer) {
	line := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	line("\nseed %d: %d orders in %.0f s (%.1f/s), %d kills, rest after %.0f s",
		r.settings.seed, len(r.crowd.orders), r.flowed.Seconds(), float64(len(r.crowd.orders))/r.flowed.Seconds(), len(r.killer.wounds), r.settled.Seconds())
	if r.books != nil {
		r.printOrders(line)
	}
	r.printKills(line)
	faults := map[string]int{}
	for _, f := range r.struck {
		faults[f.Operation+" "+f.Mode] += f.Struck
	}
	line("\nfaults at the provider  %s", tally(faults))
	if r.books != nil {
		r.printBooks(line)
	}
	if len(r.violations) == 0 {
		line("\nviolations: none")
		return
	}
	line("\nviolations: %d", len(r.violations))
	slices.SortStableFunc(r.violations, func(a, b violation) int {
		return cmp.Or(strings.Compare(a.rule, b.rule), strings.Compare(a.detail, b.detail))
	})
	byRule := map[string]int{}
	for _, v := range r.violations {
		const most = 20
		switch byRule[v.rule]++; {
		case byRule[v.rule] <= most:
			line("  %s", v)
		case byRule[v.rule] == most+1:
			line("  %-22s … and more of these", v.rule)
		}
	}
	line("by rule: %s", tally(byRule))
}

func (r *report) printOrders(line func(string, ...any)) {
	ends, byKind := map[string]int{}, map[string]map[string]int{}
	for _, t := range r.crowd.orders {
		status := cmp.Or(r.books.orders[t.ID].status, "gone")
		ends[status]++
		if byKind[t.Kind] == nil {
			byKind[t.Kind] = map[string]int{}
		}
		byKind[t.Kind][status]++
	}
	line("\norders by final state   %s", tally(ends))
	for _, name := range slices.Sorted(maps.Keys(byKind)) {
		line("  %-24s %s", name, tally(byKind[name]))
	}
}

func (r *report) printKills(line func(string, ...any)) {
	type sum struct {
		n           int
		ready, flow []time.Duration
	}
	targets, atPoints := map[string]*sum{}, map[string]int{}
	for _, w := range r.killer.wounds {
		name := w.process
		if w.disk != "" {
			name = w.String()
		}
		if targets[name] == nil {
			targets[name] = &sum{}
		}
		t := targets[name]
		t.n++
		if w.ready > 0 {
			t.ready = append(t.ready, w.ready)
		}
		if w.flow > 0 {
			t.flow = append(t.flow, w.flow)
		}
		if w.point != "" {
			atPoints[w.String()]++
		}
	}
	line("\nkills by target         kills   ready again p50 / max   an order placed after it is paid p50 / max")
	for _, name := range slices.Sorted(maps.Keys(targets)) {
		t := targets[name]
		line("  %-22s %4d    %6s / %-6s         %6s / %-6s", name, t.n, half(t.ready), most(t.ready), half(t.flow), most(t.flow))
	}
	line("\ndeaths at named points  %d", sumOf(atPoints))
	for _, name := range slices.Sorted(maps.Keys(atPoints)) {
		line("  %-44s %d", name, atPoints[name])
	}
	if len(r.killer.missed) > 0 {
		line("  not reached in time: %s", tally(r.killer.missed))
	}
}

func (r *report) printBooks(line func(string, ...any)) {
	b := r.books
	var captured, refunded, pieces int64
	var captures, refunds int
	for _, e := range b.ledger {
		switch e.Kind {
		case "capture":
			captures++
			captured += e.Amount
		case "refund":
			refunds++
			refunded += e.Amount
		}
	}
	for _, s := range b.stock {
		pieces += s.sold
	}
	mails := 0
	for _, n := range b.mails {
		mails += n
	}
	line("books                   %d captures of %d, %d refunds of %d (minor units), %d pieces sold, %d facts, %d mails (%d of them twice)",
		captures, captured, refunds, refunded, pieces, len(b.facts), mails, b.repeated())
}

func half(d []time.Duration) string {
	if len(d) == 0 {
		return "-"
	}
	slices.Sort(d)
	return fmt.Sprintf("%.1fs", d[(len(d)-1)/2].Seconds())
}

func most(d []time.Duration) string {
	if len(d) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1fs", slices.Max(d).Seconds())
}

func sumOf(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// tally is the counts, the largest first.
func tally(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = fmt.Sprintf("%d %s", counts[name], name)
	}
	return strings.Join(parts, ", ")
}
