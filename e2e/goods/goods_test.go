package goods

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGoodsAreUnevenAndAlwaysTheSame(t *testing.T) {
	slugs, brands, things := map[string]bool{}, map[string]int{}, map[string]int{}
	for n := range 5000 {
		p := At(n)
		require.Equal(t, p, At(n))
		require.False(t, slugs[p.Slug])
		slugs[p.Slug] = true
		brands[p.Brand]++
		things[p.Category]++
		require.NotEmpty(t, p.Variants)
		require.Positive(t, p.Variants[0].Price)
		require.LessOrEqual(t, p.Rating, 50)
	}
	require.Greater(t, len(brands), 300)
	require.Greater(t, brands[Brand(0)], 50, "a few brands have many products")
	categories := map[string]bool{}
	for _, c := range Categories() {
		categories[c.Slug] = true
	}
	for category := range things {
		require.Contains(t, categories, category)
	}
	queries := map[string]int{}
	for n := range 2000 {
		queries[Query(n)]++
	}
	require.Less(t, len(queries), 1900, "shoppers repeat one another")
	require.Greater(t, len(queries), 500)
}
