// Package money is amounts in integer minor units of an ISO 4217 currency. There is no float in it and no conversion
// between currencies: a price exists per currency or not at all.
package money

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// digits are the minor-unit digits of the currencies that we handle (ISO 4217, list one, column "Mnr unts").
var digits = map[string]int{
	"AUD": 2, "BHD": 3, "CAD": 2, "CHF": 2, "CZK": 2, "DKK": 2, "EUR": 2, "GBP": 2, "JPY": 0,
	"KWD": 3, "NOK": 2, "PLN": 2, "SEK": 2, "USD": 2,
}

// Digits is the number of minor-unit digits of a currency; false if we do not handle it.
func Digits(currency string) (int, bool) {
	n, ok := digits[currency]
	return n, ok
}

// Amount is a sum of money, e.g. 1999 minor units of EUR. The zero value is no money in no currency.
type Amount struct {
	minor    int64
	currency string
}

// New makes an amount of minor units, e.g. cents; it refuses currencies that we do not handle.
func New(minor int64, currency string) (Amount, error) {
	if _, ok := digits[currency]; !ok {
		return Amount{}, fmt.Errorf("unknown currency %q", currency)
	}
	return Amount{minor, currency}, nil
}

// Must is New for amounts known at compile time.
func Must(minor int64, currency string) Amount {
	a, err := New(minor, currency)
	if err != nil {
		panic(err)
	}
	return a
}

func (a Amount) Minor() int64     { return a.minor }
func (a Amount) Currency() string { return a.currency }
func (a Amount) IsZero() bool     { return a.minor == 0 }
func (a Amount) Negative() bool   { return a.minor < 0 }

// Add is a + b; it refuses to mix currencies and to overflow.
func (a Amount) Add(b Amount) (Amount, error) {
	if a.currency != b.currency {
		return Amount{}, fmt.Errorf("%s and %s do not add", a.currency, b.currency)
	}
	sum := a.minor + b.minor
	if (sum > a.minor) != (b.minor > 0) {
		return Amount{}, fmt.Errorf("%s + %s overflows", a, b)
	}
	return Amount{sum, a.currency}, nil
}

// Sub is a - b; it refuses to mix currencies and to overflow.
func (a Amount) Sub(b Amount) (Amount, error) {
	if b.minor == math.MinInt64 {
		return Amount{}, fmt.Errorf("%s - %s overflows", a, b)
	}
	return a.Add(Amount{-b.minor, b.currency})
}

// Times is n pieces of a.
func (a Amount) Times(n int64) (Amount, error) {
	product := new(big.Int).Mul(big.NewInt(a.minor), big.NewInt(n))
	if !product.IsInt64() {
		return Amount{}, fmt.Errorf("%d times %s overflows", n, a)
	}
	return Amount{product.Int64(), a.currency}, nil
}

// Share is a·num/den, rounded half away from zero to a whole minor unit: taxes, discounts, parts of a refund. den must
// be positive; a result that no amount of money has (beyond 64 bits) panics, as an index out of range does.
func (a Amount) Share(num, den int64) Amount {
	if den <= 0 {
		panic("money: share with a denominator that is not positive")
	}
	n := new(big.Int).Mul(big.NewInt(a.minor), big.NewInt(num))
	negative := n.Sign() < 0
	n.Abs(n).Mul(n, big.NewInt(2)).Add(n, big.NewInt(den))
	n.Quo(n, new(big.Int).Mul(big.NewInt(den), big.NewInt(2)))
	if negative {
		n.Neg(n)
	}
	if !n.IsInt64() {
		panic("money: share overflows")
	}
	return Amount{n.Int64(), a.currency}
}

// Cmp is -1, 0 or 1 as a is less than, equal to or more than b. Amounts of different currencies do not compare: it
// panics, since an answer would be a wrong decision about money.
func (a Amount) Cmp(b Amount) int {
	if a.currency != b.currency {
		panic(fmt.Sprintf("money: %s and %s do not compare", a.currency, b.currency))
	}
	switch {
	case a.minor < b.minor:
		return -1
	case a.minor > b.minor:
		return 1
	}
	return 0
}

// String is for people who read logs and mails: "19.99 EUR", "1500 JPY".
func (a Amount) String() string { return a.Decimal() + " " + a.currency }

// Decimal is the amount in units of its currency as some providers write it: "19.99" for EUR, "1500" for JPY.
func (a Amount) Decimal() string {
	d := digits[a.currency]
	sign, abs := "", new(big.Int).Abs(big.NewInt(a.minor))
	if a.minor < 0 {
		sign = "-"
	}
	s := fmt.Sprintf("%0*s", d+1, abs.String())
	if d > 0 {
		s = s[:len(s)-d] + "." + s[len(s)-d:]
	}
	return sign + s
}

// Parse reads what Decimal writes, exactly: a sum that is not a whole number of minor units is refused.
func Parse(decimal, currency string) (Amount, error) {
	d, ok := digits[currency]
	if !ok {
		return Amount{}, fmt.Errorf("unknown currency %q", currency)
	}
	unsigned, _ := strings.CutPrefix(decimal, "-")
	whole, fraction, point := strings.Cut(unsigned, ".")
	for _, part := range []string{whole, fraction} {
		if strings.Trim(part, "0123456789") != "" {
			return Amount{}, fmt.Errorf("%q is not an amount", decimal)
		}
	}
	if whole == "" || point && fraction == "" {
		return Amount{}, fmt.Errorf("%q is not an amount", decimal)
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > d {
		return Amount{}, fmt.Errorf("%q is not a whole number of minor units of %s", decimal, currency)
	}
	minor, err := strconv.ParseInt(decimal[:len(decimal)-len(unsigned)]+whole+fraction+strings.Repeat("0", d-len(fraction)), 10, 64)
	if err != nil {
		return Amount{}, fmt.Errorf("%q %s is out of range", decimal, currency)
	}
	return Amount{minor, currency}, nil
}

type wire struct {
	Amount   *json.Number `json:"amount"`
	Currency string       `json:"currency"`
}

// MarshalJSON writes {"amount":1999,"currency":"EUR"}.
func (a Amount) MarshalJSON() ([]byte, error) {
	if a.currency == "" {
		return nil, fmt.Errorf("amount %d has no currency", a.minor)
	}
	return fmt.Appendf(nil, `{"amount":%d,"currency":"%s"}`, a.minor, a.currency), nil
}

// UnmarshalJSON reads what MarshalJSON writes; the amount must be written as a whole number.
func (a *Amount) UnmarshalJSON(b []byte) error {
	var w wire
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&w); err != nil {
		return fmt.Errorf("amount of money: %w", err)
	}
	if w.Amount == nil {
		return fmt.Errorf("amount of money: no amount")
	}
	minor, err := w.Amount.Int64()
	if err != nil {
		return fmt.Errorf("amount of money: %q is not a whole number of minor units", w.Amount.String())
	}
	*a, err = New(minor, w.Currency)
	return err
}
