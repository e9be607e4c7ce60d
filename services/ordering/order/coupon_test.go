package order

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/internal/problem"
)

func claimOf(c *Coupon) *Claim {
	if c == nil {
		return nil
	}
	return &Claim{Coupon: *c, At: epoch}
}

var coupons = []*Coupon{
	nil,
	{Code: "TEN", Kind: Percent, PercentBasisPoints: 1000, Active: true},
	{Code: "THIRD", Kind: Percent, PercentBasisPoints: 3333, Active: true},
	{Code: "ALL", Kind: Percent, PercentBasisPoints: 10_000, Active: true},
	{Code: "FIVE", Kind: Fixed, Amounts: map[string]int64{"EUR": 500, "USD": 600, "GBP": 450, "JPY": 700}, Active: true},
	{Code: "FREIGHT", Kind: FreeShipping, Active: true},
}

func TestWhatACouponTakesOff(t *testing.T) {
	t.Parallel()
	goods := []Variant{variant("a", eur(1999)), variant("b", eur(501))}
	wanted := []Wanted{{"a", 1}, {"b", 2}} // 30.01
	for name, c := range map[string]struct {
		coupon                         Coupon
		discount, tax, total, onA, onB int64
	}{
		"ten percent":    {*coupons[1], 300, 606, 3797, 200, 100}, // 19 % of 30.01 - 3.00 + 4.90 = 31.91: 6.0629
		"a sum":          {*coupons[4], 500, 568, 3559, 333, 167},
		"more than that": {Coupon{Kind: Fixed, Amounts: map[string]int64{"EUR": 9999}, Active: true}, 3001, 93, 583, 1999, 1002},
		"the delivery":   {*coupons[5], 490, 570, 3571, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, err := ShopTariff.Quote(wanted, goods, "EUR", "standard", "DE", claimOf(&c.coupon))
			require.NoError(t, err)
			require.Equal(t, []int64{3001, 490, c.discount, c.tax, c.total, c.onA, c.onB}, []int64{
				q.Subtotal.Minor(), q.Shipping.Minor(), q.Discount.Minor(), q.Tax.Minor(), q.Total.Minor(), q.Lines[0].Discount.Minor(), q.Lines[1].Discount.Minor(),
			})
			require.Equal(t, c.coupon.Code, q.Coupon)
		})
	}
}

func TestWhoMayUseACoupon(t *testing.T) {
	t.Parallel()
	before, after := epoch.Add(-time.Hour), epoch.Add(time.Hour)
	good := Coupon{Code: "GOOD", Kind: Percent, PercentBasisPoints: 1000, Active: true}
	with := func(change func(c *Coupon)) Coupon { c := good; change(&c); return c }
	for name, c := range map[string]struct {
		coupon Coupon
		used   int
		code   string
	}{
		"anybody":               {good, 99, ""},
		"switched off":          {with(func(c *Coupon) { c.Active = false }), 0, "invalid-coupon"},
		"not begun":             {with(func(c *Coupon) { c.ValidFrom = &after }), 0, "invalid-coupon"},
		"begun":                 {with(func(c *Coupon) { c.ValidFrom = &epoch }), 0, ""},
		"over":                  {with(func(c *Coupon) { c.ValidUntil = &epoch }), 0, "coupon-expired"},
		"over for long":         {with(func(c *Coupon) { c.ValidUntil = &before }), 0, "coupon-expired"},
		"not over":              {with(func(c *Coupon) { c.ValidUntil = &after }), 0, ""},
		"too little":            {with(func(c *Coupon) { c.Minimum = map[string]int64{"EUR": 2501} }), 0, "coupon-minimum"},
		"just enough":           {with(func(c *Coupon) { c.Minimum = map[string]int64{"EUR": 2500} }), 0, ""},
		"no minimum in euros":   {with(func(c *Coupon) { c.Minimum = map[string]int64{"USD": 1} }), 0, "invalid-coupon"},
		"no sum in euros":       {with(func(c *Coupon) { c.Kind, c.Amounts = Fixed, map[string]int64{"USD": 1} }), 0, "invalid-coupon"},
		"used up":               {with(func(c *Coupon) { c.MaxUses, c.Uses = 3, 3 }), 0, "coupon-used-up"},
		"one left":              {with(func(c *Coupon) { c.MaxUses, c.Uses = 3, 2 }), 0, ""},
		"used by this customer": {with(func(c *Coupon) { c.MaxUsesPerCustomer = 1 }), 1, "coupon-used-up"},
		"used by others":        {with(func(c *Coupon) { c.MaxUsesPerCustomer, c.Uses = 1, 50 }), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Claim{c.coupon, c.used, epoch}.Admit(eur(2500))
			require.Equal(t, c.code != "", err != nil, "%v", err)
			require.True(t, err == nil || problem.Is(err, c.code), "%v", err)
		})
	}
}

func TestCouponsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	later := epoch.Add(time.Hour)
	for _, good := range coupons[1:] {
		require.NoError(t, good.Check(), good.Code)
	}
	for name, c := range map[string]Coupon{
		"no code":            {Kind: FreeShipping},
		"small letters":      {Code: "welcome", Kind: FreeShipping},
		"a code with blanks": {Code: "WEL COME", Kind: FreeShipping},
		"two lines":          {Code: "CODE", Kind: FreeShipping, Description: "a\nb"},
		"no kind":            {Code: "CODE"},
		"nothing off":        {Code: "CODE", Kind: Percent},
		"too much off":       {Code: "CODE", Kind: Percent, PercentBasisPoints: 10_001},
		"less than nothing":  {Code: "CODE", Kind: Percent, PercentBasisPoints: -1},
		"no sums":            {Code: "CODE", Kind: Fixed},
		"a sum below zero":   {Code: "CODE", Kind: Fixed, Amounts: map[string]int64{"EUR": -500}},
		"unknown currency":   {Code: "CODE", Kind: Fixed, Amounts: map[string]int64{"XXX": 500}},
		"both kinds":         {Code: "CODE", Kind: Percent, PercentBasisPoints: 1, Amounts: map[string]int64{"EUR": 500}},
		"over before begun":  {Code: "CODE", Kind: FreeShipping, ValidFrom: &later, ValidUntil: &epoch},
		"uses below zero":    {Code: "CODE", Kind: FreeShipping, MaxUses: -1},
	} {
		require.True(t, problem.Is(c.Check(), "invalid-fields"), name)
	}
}

func TestSharesAddUpAndNobodyPaysMoreThanTheLine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Int64Range(0, 1_000_000_000), 1, 100).Draw(t, "weights")
		var all int64
		for _, w := range weights {
			all += w
		}
		if all == 0 {
			t.Skip("nothing is bought")
		}
		sum := rapid.Int64Range(0, all).Draw(t, "sum")
		var got int64
		for i, share := range shareOut(sum, weights) {
			require.True(t, 0 <= share && share <= weights[i], "%d of %d", share, weights[i])
			got += share
		}
		require.Equal(t, sum, got)
	})
	require.Equal(t, []int64{34, 33, 33}, shareOut(100, []int64{1, 1, 1}))
}
