package order

import (
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
)

// CouponKind is what a coupon takes off.
type CouponKind string

const (
	Percent      CouponKind = "percent"       // a part of the goods
	Fixed        CouponKind = "amount"        // a sum, set per currency, at most the goods
	FreeShipping CouponKind = "free-shipping" // the delivery
)

// Coupon is a code that makes a purchase cheaper. Sums are in minor units by currency; a coupon is of no use in a
// currency that it names no sum for, since nothing is ever converted.
type Coupon struct {
	Code               string           `json:"code"`
	Description        string           `json:"description"`
	Kind               CouponKind       `json:"kind"`
	PercentBasisPoints int64            `json:"percentBasisPoints,omitempty"`
	Amounts            map[string]int64 `json:"amounts,omitempty"`
	Minimum            map[string]int64 `json:"minimum,omitempty"` // of the goods
	ValidFrom          *time.Time       `json:"validFrom,omitempty"`
	ValidUntil         *time.Time       `json:"validUntil,omitempty"`
	MaxUses            int              `json:"maxUses,omitempty"` // 0: as many as there are
	MaxUsesPerCustomer int              `json:"maxUsesPerCustomer,omitempty"`
	Active             bool             `json:"active"`
	Uses               int              `json:"uses"`
}

var codeForm = regexp.MustCompile(`^[A-Z0-9][A-Z0-9_-]{2,31}$`)

// Check refuses a coupon that makes no sense.
func (c Coupon) Check() error {
	var wrong []problem.FieldError
	refuse := func(field, detail string) {
		wrong = append(wrong, problem.FieldError{Field: field, Detail: detail})
	}
	if !codeForm.MatchString(c.Code) {
		refuse("code", "must be 3 to 32 capital letters, digits, hyphens and underscores")
	}
	if utf8.RuneCountInString(c.Description) > 200 || strings.ContainsFunc(c.Description, unicode.IsControl) {
		refuse("description", "must be one line of at most 200 characters")
	}
	switch c.Kind {
	case Percent, Fixed, FreeShipping:
	default:
		refuse("kind", "must be percent, amount or free-shipping")
	}
	if c.Kind == Percent != (c.PercentBasisPoints != 0) || c.PercentBasisPoints < 0 || c.PercentBasisPoints > 10_000 {
		refuse("percentBasisPoints", "must be from 1 to 10000 for a percent coupon, and absent otherwise")
	}
	if c.Kind == Fixed != (len(c.Amounts) > 0) {
		refuse("amounts", "must have a sum per currency for an amount coupon, and be absent otherwise")
	}
	for _, sums := range []struct {
		field  string
		minors map[string]int64
	}{{"amounts", c.Amounts}, {"minimum", c.Minimum}} {
		for currency, minor := range sums.minors {
			if !ShopTariff.Serves(currency) || minor <= 0 {
				refuse(sums.field, "must be sums above zero in currencies that we sell in")
				break
			}
		}
	}
	if c.ValidFrom != nil && c.ValidUntil != nil && !c.ValidFrom.Before(*c.ValidUntil) {
		refuse("validUntil", "must be after validFrom")
	}
	if c.MaxUses < 0 || c.MaxUsesPerCustomer < 0 {
		refuse("maxUses", "must not be below zero")
	}
	if wrong != nil {
		return problem.New(problem.Unprocessable, "invalid-fields", "Some fields need another look.").WithFields(wrong...)
	}
	return nil
}

func couponProblem(code, format string, args ...any) error {
	return problem.New(problem.Unprocessable, code, format, args...).
		WithFields(problem.FieldError{Field: "coupon", Detail: "cannot be used"})
}

// InvalidCoupon is the refusal of a code that is of no use to anybody.
func InvalidCoupon() error { return couponProblem("invalid-coupon", "This code is not valid.") }

// Claim is a customer who wants to use a coupon, having used it so often before.
type Claim struct {
	Coupon Coupon
	Used   int
	At     time.Time
}

// Admit refuses a coupon that is of no use to this customer, at this moment, for goods of this worth.
func (claim Claim) Admit(subtotal money.Amount) error {
	c, at := claim.Coupon, claim.At
	currency := subtotal.Currency()
	minimum, limited := c.Minimum[currency]
	_, worth := c.Amounts[currency]
	switch {
	case !c.Active || c.ValidFrom != nil && at.Before(*c.ValidFrom):
		return InvalidCoupon()
	case c.ValidUntil != nil && !at.Before(*c.ValidUntil):
		return couponProblem("coupon-expired", "This code has expired.")
	case c.Kind == Fixed && !worth || len(c.Minimum) > 0 && !limited:
		return couponProblem("invalid-coupon", "This code is not valid in %s.", currency)
	case subtotal.Minor() < minimum:
		return couponProblem("coupon-minimum", "This code is for purchases of %s or more.", money.Must(minimum, currency))
	case c.MaxUses > 0 && c.Uses >= c.MaxUses, c.MaxUsesPerCustomer > 0 && claim.Used >= c.MaxUsesPerCustomer:
		return couponProblem("coupon-used-up", "This code has been used up.")
	}
	return nil
}

// SameWorth reports whether two states of a coupon take off the same.
func (c Coupon) SameWorth(d Coupon) bool {
	return c.Kind == d.Kind && c.PercentBasisPoints == d.PercentBasisPoints && maps.Equal(c.Amounts, d.Amounts)
}

// takeOff is the discount; it shares what is off the goods out over the lines.
func (c Coupon) takeOff(lines []Line, subtotal, shipping money.Amount) money.Amount {
	off := none(subtotal)
	switch c.Kind {
	case FreeShipping:
		return shipping
	case Percent:
		off = subtotal.Share(c.PercentBasisPoints, 10_000)
	case Fixed:
		off = money.Must(min(c.Amounts[subtotal.Currency()], subtotal.Minor()), subtotal.Currency())
	}
	if off.IsZero() {
		return off
	}
	weights := make([]int64, len(lines))
	for i, l := range lines {
		weights[i] = l.LineTotal.Minor()
	}
	for i, share := range shareOut(off.Minor(), weights) {
		if share > 0 {
			lines[i].Discount = money.Must(share, off.Currency())
		}
	}
	return off
}

// shareOut divides a sum by weights to the minor unit: everybody gets the whole units of the exact share, and the units
// that are left go to the largest fractions, the first of equals first. No share exceeds its weight if the sum does not
// exceed the weights'.
func shareOut(sum int64, weights []int64) []int64 {
	shares, fractions := make([]int64, len(weights)), make([]*big.Int, len(weights))
	var all int64
	for _, w := range weights {
		all += w
	}
	left := sum
	for i, w := range weights {
		share, fraction := new(big.Int).QuoRem(new(big.Int).Mul(big.NewInt(sum), big.NewInt(w)), big.NewInt(all), new(big.Int))
		shares[i], fractions[i] = share.Int64(), fraction
		left -= shares[i]
	}
	byFraction := make([]int, len(weights))
	for i := range byFraction {
		byFraction[i] = i
	}
	slices.SortStableFunc(byFraction, func(a, b int) int { return fractions[b].Cmp(fractions[a]) })
	for _, i := range byFraction[:left] {
		shares[i]++
	}
	return shares
}
