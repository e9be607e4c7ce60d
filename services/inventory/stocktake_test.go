package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
)

func (f *fixture) take(file, key string) (report importReport) {
	got := f.as(boss, "POST", "/admin/stock/import", file, "Content-Type", "text/csv; charset=utf-8", "Idempotency-Key", key)
	require.Equal(f, 200, got.status, got.body)
	got.into(f.T, &report)
	return report
}

func TestAStocktakeReportsEveryLine(t *testing.T) {
	f := newFixture(t, pieces("A", 5), pieces("B", 5), pieces("C", 5), pieces("D", 5), pieces("E", 5))
	require.NoError(t, f.place(newOrder(), events.OrderLine{SKU: "B", Quantity: 3}))
	report := f.take("\ufeffsku,onHand,reason\r\n"+
		"A,7,\r\n"+ // 2
		"B,2,\n"+ // 3: three are held
		"C,5,stocktake\n"+ // 4: right already
		"\n"+
		"NEW,9,found\n"+ // 6
		"E,4,found\n"+ // 7: nothing is found by there being less
		"D D,4,\n"+ // 8
		"\"D,4,\n"+ // 9
		"D,4\n"+ // 10
		"D,-4,\n"+ // 11
		"D,4.5,\n"+ // 12
		"D,1000000001,\n"+ // 13
		"D,4,because\n"+ // 14
		"D\x00,4,\n"+ // 15
		"\xff,4,\n"+ // 16
		" D , 3 ,damaged\n"+ // 17
		"A,8,\n"+ // 18
		"=1+1,4,", "first")
	var codes []string
	for _, e := range report.Errors {
		codes = append(codes, fmt.Sprintf("%d %s %s", e.Line, e.Column, e.Code))
	}
	require.Equal(t, []string{
		"3 onHand below-reserved", "7 reason invalid-reason", "8 sku invalid-sku", "9  invalid-line", "10  invalid-line", "11 onHand invalid-count",
		"12 onHand invalid-count", "13 onHand invalid-count", "14 reason invalid-reason", "15 sku invalid-sku", "16  invalid-line",
		"18 sku repeated-sku", "19 sku invalid-sku",
	}, codes)
	require.Equal(t, []int{17, 3, 1, 13}, []int{report.Read, report.Written, report.Unchanged, report.Failed})
	for sku, want := range map[string]int64{"A": 7, "B": 5, "C": 5, "D": 3, "NEW": 9} {
		require.Equal(t, want, f.counts(sku)[0], sku)
	}
	last := f.movements("D")[0]
	require.Equal(t, []any{int64(-2), "damaged", member{"boss", "Bo"}}, []any{last.Change, last.Reason, last.By})
	require.Len(t, f.movements("C"), 1)
	require.Equal(t, []events.Fact{events.StockAvailabilityChanged{SKU: "NEW", Available: 9, InStock: true, Version: 2}}, f.toldOf("NEW"))
}

func TestARepeatOfAStocktakeUndoesNoSale(t *testing.T) {
	f := newFixture(t, pieces("A", 5))
	first := f.take("sku;onHand\nA;9\n", "counted")
	require.Equal(t, 1, first.Written)
	order := newOrder()
	require.NoError(t, f.place(order, events.OrderLine{SKU: "A", Quantity: 1}))
	require.NoError(t, f.pay(order))
	require.Equal(t, first, f.take("sku;onHand\nA;9\n", "counted"))
	require.Equal(t, int64(8), f.counts("A")[0])
	require.Equal(t, 1, f.take("sku;onHand\nA;9\n", "counted-again").Written)
	require.Equal(t, 1, f.take("sku;onHand\nA;9\n", "and-again").Unchanged)

	got := f.as(boss, "POST", "/admin/stock/import", "sku,onHand\nA,1\n", "Content-Type", "text/csv", "Idempotency-Key", "counted")
	require.Equal(t, 422, got.status)
	require.Contains(t, got.body, "idempotency-key-reused")
}

func TestALongStocktakeIsWhole(t *testing.T) {
	f := newFixture(t)
	file := func(n int) string {
		var b strings.Builder
		b.WriteString("sku,onHand,reason\n")
		for i := range 3 * countsAtOnce {
			fmt.Fprintf(&b, "SKU-%05d,%d,\n", (i*7919)%(3*countsAtOnce), n)
		}
		return b.String()
	}
	require.Equal(t, 3*countsAtOnce, f.take(file(1), "long").Written)
	var group sync.WaitGroup
	for writer := range 2 { // in the same order of SKUs within each part, so that neither waits for the other for ever
		group.Go(func() {
			got := f.as(boss, "POST", "/admin/stock/import", file(writer+2), "Content-Type", "text/csv", "Idempotency-Key", fmt.Sprintf("writer-%d", writer))
			if got.status != 200 {
				t.Errorf("import: %s", got.body)
			}
		})
	}
	group.Wait()
}

func TestAFileThatIsNoStocktakeChangesNothing(t *testing.T) {
	f := newFixture(t, pieces("A", 5))
	for file, status := range map[string]int{
		"":                             422,
		"A,9\n":                        422,
		"sku\nA\n":                     422,
		"onHand,sku\n9,A\n":            422,
		"sku,onHand,reason,x\nA,9,,\n": 422,
		"\x00\x01\x02\xff\xfe":         422,
		"\"sku,onHand\nA,9\n":          422,
		"sku,onHand\n" + strings.Repeat("A,9\n", 300_000): 413,
	} {
		got := f.as(boss, "POST", "/admin/stock/import", file, "Content-Type", "text/csv", "Idempotency-Key", "garbage")
		require.Equal(t, status, got.status, "%.40q: %.200s", file, got.body)
	}
	require.Equal(t, 415, f.as(boss, "POST", "/admin/stock/import", "sku,onHand\nA,9\n", "Idempotency-Key", "garbage").status)
	require.Equal(t, 400, f.as(boss, "POST", "/admin/stock/import", "sku,onHand\nA,9\n", "Content-Type", "text/csv").status)
	many := f.take("sku,onHand\n"+strings.Repeat("?,1\n", 1500), "faults")
	require.Equal(t, 1500, many.Failed)
	require.Len(t, many.Errors, maxFaults)
	require.Equal(t, [2]int64{5, 0}, f.counts("A"))
}
