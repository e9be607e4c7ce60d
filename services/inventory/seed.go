package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/sidecart/sidecart/services/inventory/reservation"
)

//go:embed demo/stock.json
var demoStock []byte

// seed brings the demo shop's goods into stock, once: what is there already is left as it is.
func seed(ctx context.Context, stock *store) error {
	var quantities map[string]int64
	if err := json.Unmarshal(demoStock, &quantities); err != nil {
		return fmt.Errorf("read demo stock: %w", err)
	}
	var lines []reservation.Line
	for sku, n := range quantities {
		lines = append(lines, reservation.Line{SKU: sku, Quantity: n})
	}
	return stock.Stocktake(ctx, lines, "demo")
}
