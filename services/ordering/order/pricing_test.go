package order

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
)

func variant(sku string, price money.Amount) Variant {
	return Variant{SKU: sku, Name: sku, Price: price}
}

func TestQuoteToTheMinorUnit(t *testing.T) {
	t.Parallel()
	gulf := Tariff{
		Methods: []Method{{"standard", "Standard", "", map[string]Rate{"KWD": {1500, 0}}}},
		Tax:     map[string]int64{"DE": 1900},
	}
	for name, c := range map[string]struct {
		tariff                         Tariff
		price                          money.Amount
		quantity                       int
		method, country                string
		subtotal, shipping, tax, total int64
	}{
		"Germany":                     {ShopTariff, eur(1250), 2, "standard", "DE", 2500, 490, 568, 3558},   // 19 % of 29.90 = 5.681
		"Germany, free delivery":      {ShopTariff, eur(2500), 2, "standard", "DE", 5000, 0, 950, 5950},     // exactly at the threshold
		"Germany, just below":         {ShopTariff, eur(4999), 1, "standard", "DE", 4999, 490, 1043, 6532},  // 10.4291
		"Germany, express":            {ShopTariff, eur(5000), 1, "express", "DE", 5000, 1290, 1195, 7485},  // 11.951
		"Finland, half a percent":     {ShopTariff, eur(10000), 1, "standard", "FI", 10000, 0, 2550, 12550}, // 25.5 %
		"half a cent goes up":         {ShopTariff, eur(10), 1, "standard", "GR", 10, 490, 120, 620},        // 24 % of 5.00
		"half a cent goes up, really": {ShopTariff, eur(60), 1, "standard", "HR", 60, 490, 138, 688},        // 25 % of 5.50 = 1.375
		"United Kingdom":              {ShopTariff, money.Must(999, "GBP"), 3, "standard", "GB", 2997, 390, 677, 4064},
		"United States":               {ShopTariff, money.Must(2000, "USD"), 1, "standard", "US", 2000, 590, 0, 2590},
		"Japan, no minor digits":      {ShopTariff, money.Must(1280, "JPY"), 3, "standard", "JP", 3840, 600, 444, 4884},
		"Switzerland in euros":        {ShopTariff, eur(3333), 1, "standard", "CH", 3333, 490, 310, 4133}, // 8.1 % of 38.23 = 3.09663
		"Kuwaiti dinar, three digits": {gulf, money.Must(12345, "KWD"), 1, "standard", "DE", 12345, 1500, 2631, 16476},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, err := c.tariff.Quote([]Wanted{{"a", c.quantity}}, []Variant{variant("a", c.price)}, c.price.Currency(), c.method, c.country, nil)
			require.NoError(t, err)
			got := []int64{q.Subtotal.Minor(), q.Shipping.Minor(), q.Tax.Minor(), q.Total.Minor()}
			require.Equal(t, []int64{c.subtotal, c.shipping, c.tax, c.total}, got)
			require.Zero(t, q.Discount.Minor())
		})
	}
}

func TestQuoteRefuses(t *testing.T) {
	t.Parallel()
	sold := []Variant{variant("a", eur(100))}
	for name, c := range map[string]struct {
		sku, currency, method, country, code string
	}{
		"unknown sku":           {"b", "EUR", "standard", "DE", "unknown-sku"},
		"no price in currency":  {"a", "USD", "standard", "DE", "unknown-sku"},
		"unknown currency":      {"a", "XXX", "standard", "DE", "unknown-currency"},
		"currency without rate": {"a", "CHF", "standard", "DE", "unknown-currency"},
		"unknown method":        {"a", "EUR", "pigeon", "DE", "unknown-shipping-method"},
		"country not served":    {"a", "EUR", "standard", "AQ", "country-not-served"},
		"no country":            {"a", "EUR", "standard", "", "country-not-served"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			variants := sold
			if c.currency == "CHF" {
				variants = []Variant{variant("a", money.Must(100, "CHF"))}
			}
			_, err := ShopTariff.Quote([]Wanted{{c.sku, 1}}, variants, c.currency, c.method, c.country, nil)
			require.True(t, problem.Is(err, c.code), "%v", err)
		})
	}
}

func TestEveryQuoteAddsUp(t *testing.T) {
	t.Parallel()
	countries := slices.Sorted(maps.Keys(ShopTariff.Tax))
	rapid.Check(t, func(t *rapid.T) {
		currency := rapid.SampledFrom([]string{"EUR", "USD", "GBP", "JPY"}).Draw(t, "currency")
		var wanted []Wanted
		var variants []Variant
		var subtotal int64
		for _, sku := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,6}`), 1, MaxLines, rapid.ID[string]).Draw(t, "skus") {
			price, n := rapid.Int64Range(0, 10_000_000).Draw(t, "price"), rapid.IntRange(1, MaxQuantity).Draw(t, "quantity")
			wanted, variants = append(wanted, Wanted{sku, n}), append(variants, variant(sku, money.Must(price, currency)))
			subtotal += price * int64(n)
		}
		country := rapid.SampledFrom(countries).Draw(t, "country")
		method := rapid.SampledFrom([]string{"standard", "express"}).Draw(t, "method")
		q, err := ShopTariff.Quote(wanted, variants, currency, method, country, nil)
		require.NoError(t, err)
		require.Equal(t, subtotal, q.Subtotal.Minor())
		base := subtotal - q.Discount.Minor() + q.Shipping.Minor()
		require.Equal(t, base+q.Tax.Minor(), q.Total.Minor())
		// |tax - exact| ≤ half a unit, without a float: |10000·tax - base·rate| ≤ 5000
		off := 10000*q.Tax.Minor() - base*ShopTariff.Tax[country]
		require.LessOrEqual(t, max(off, -off), int64(5000))
		options, err := ShopTariff.Options(q.Subtotal)
		require.NoError(t, err)
		for _, o := range options {
			if o.ID == method {
				require.Equal(t, o.Price, q.Shipping)
			}
		}
	})
}
