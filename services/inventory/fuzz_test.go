package main

import (
	"net/http/httptest"
	"testing"

	"github.com/sidecart/sidecart/services/inventory/reservation"
)

// Of a file of counts every line is a count or a fault, and no SKU is counted twice.
func FuzzReadCounts(f *testing.F) {
	for _, file := range []string{
		"sku,onHand\nA-1,5\n", "\ufeffsku;onHand;reason\r\nA-1;5;damaged\r\n", "sku,onHand\n\"A\n1,5\nB,6\n", "sku,onHand\nA,-1\nA,1e3\n", "sku,onHand,reason,x\n", "", "\xff\xfe",
		"sku,onHand\nA,1\nA,2\n", "sku,onHand\n=cmd|x,1\n",
	} {
		f.Add([]byte(file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		counts, faults, err := readCounts(file)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		lines := map[int]bool{}
		for _, c := range counts {
			if seen[c.SKU] || lines[c.Line] || !reservation.IsSKU(c.SKU) || c.OnHand < 0 {
				t.Fatalf("%+v", c)
			}
			seen[c.SKU], lines[c.Line] = true, true
		}
		for _, fault := range faults {
			if lines[fault.Line] || fault.Line < 2 {
				t.Fatalf("line %d is a count and a fault", fault.Line)
			}
			lines[fault.Line] = true
		}
	})
}

func FuzzSKUs(f *testing.F) {
	for _, query := range []string{"skus=A,B", "skus=", "skus=%00,A", "skus=A;B", "skus=" + "A,", "other"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = query
		skus, err := readSKUs(r)
		if err != nil {
			return
		}
		for _, sku := range skus {
			if !reservation.IsSKU(sku) {
				t.Fatalf("%q asks the database for %q", query, sku)
			}
		}
	})
}
