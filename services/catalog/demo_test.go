package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDemoCatalogIsOneThatCouldBeSold(t *testing.T) {
	products, categories, err := demoCatalog()
	require.NoError(t, err)
	images, err := demoImages()
	require.NoError(t, err)
	var stock map[string]int64
	b, err := os.ReadFile("../inventory/demo/stock.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &stock))

	require.GreaterOrEqual(t, len(products), 130)
	require.GreaterOrEqual(t, len(categories), 9)
	ids, slugs, names, descriptions, skus, used := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	once := func(seen map[string]bool, value string) {
		require.False(t, seen[value], "%q is there twice", value)
		seen[value] = true
	}
	perCategory := map[string]int{}
	for _, p := range products {
		require.NoError(t, p.Check())
		once(ids, p.ID)
		once(slugs, p.Slug)
		once(names, p.Name)
		once(descriptions, p.Description)
		sentences := strings.Count(p.Description+" ", ". ") + strings.Count(p.Description, "? ") + strings.Count(p.Description, "! ")
		require.True(t, 2 <= sentences && sentences <= 4, "%s: %d sentences", p.Slug, sentences)
		require.NotEmpty(t, p.Attributes, p.Slug)
		require.False(t, p.AddedAt.IsZero(), p.Slug)
		require.Positive(t, p.Rating, p.Slug)
		perCategory[p.Category]++
		for _, name := range p.Images {
			require.Contains(t, images, name)
			used[name] = true
		}
		for _, v := range p.Variants {
			once(skus, v.SKU)
			require.Len(t, v.Prices, len(Currencies), v.SKU)
			for _, currency := range Currencies {
				require.Positive(t, v.Prices[currency], "%s in %s", v.SKU, currency)
			}
			require.Contains(t, stock, v.SKU)
			require.Equal(t, len(p.Variants) > 1, len(v.Options) > 0, "%s: options are what tells variants apart", v.SKU)
		}
	}
	require.Len(t, stock, len(skus), "inventory has what catalog sells, and nothing else")
	for _, c := range categories {
		require.GreaterOrEqual(t, perCategory[c.Slug], 8, c.Slug)
		require.Contains(t, images, c.Image)
		delete(perCategory, c.Slug)
	}
	require.Empty(t, perCategory, "every product is in a category")
	for name, picture := range images {
		require.Regexp(t, imageShape, name)
		require.Contains(t, used, name, "a picture of nothing")
		require.LessOrEqual(t, len(picture), 40<<10, name)
		require.Equal(t, "RIFF", string(picture[:4]), name)
		require.Equal(t, "WEBP", string(picture[8:12]), name)
	}
	low, out := 0, 0
	for sku, n := range stock {
		require.True(t, 0 <= n && n <= 5000, "%d of %s", n, sku)
		if n == 0 {
			out++
		} else if n < 10 {
			low++
		}
	}
	require.Equal(t, 2, out, "out of stock")
	require.Positive(t, low, "nearly out of stock")
}
