package events

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What others read stays as it is: fields are only added.
func TestFactsOfStockAreAsOthersReadThem(t *testing.T) {
	for _, fact := range []Fact{
		StockAvailabilityChanged{SKU: "KIT-TEAPOT-09", Available: 12, InStock: true, Version: 7},
		StockLow{SKU: "KIT-TEAPOT-09", Available: 4, Threshold: 5},
	} {
		golden, err := os.ReadFile(filepath.Join("testdata", fact.Topic()+".json"))
		require.NoError(t, err)
		told, err := json.Marshal(fact)
		require.NoError(t, err)
		require.JSONEq(t, string(golden), string(told), fact.Topic())
		require.Equal(t, "KIT-TEAPOT-09", fact.Subject())
		require.Equal(t, "inventory", Routes[fact.Topic()].Producer)
	}
}
