package money

import (
	"encoding/json"
	"testing"
)

func FuzzParse(f *testing.F) {
	for _, decimal := range []string{"19.99", "-0.01", "007.00", "1.2340", "9223372036854775807", ".5", "1e2", "١", "--1", "NaN"} {
		f.Add(decimal, "EUR")
		f.Add(decimal, "KWD")
		f.Add(decimal, "JPY")
	}
	f.Fuzz(func(t *testing.T, decimal, currency string) {
		a, err := Parse(decimal, currency)
		if err != nil {
			return
		}
		if back, err := Parse(a.Decimal(), a.Currency()); err != nil || back != a {
			t.Fatalf("%q %s is %v, and that %v: %v", decimal, currency, a, back, err)
		}
	})
}

func FuzzAmountJSON(f *testing.F) {
	for _, text := range []string{
		`{"amount":1999,"currency":"EUR"}`, `{"amount":-0,"currency":"JPY"}`, `{"amount":1.0,"currency":"EUR"}`, `{"amount":"5","currency":"EUR"}`,
		`{"amount":9223372036854775808,"currency":"EUR"}`, `{"amount":1}`, `null`, `5`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var a, back Amount
		if json.Unmarshal(text, &a) != nil || a == (Amount{}) { // null leaves it as it is
			return
		}
		again, err := json.Marshal(a)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if err := json.Unmarshal(again, &back); err != nil || back != a {
			t.Fatalf("%q is %v, and that %v: %v", text, a, back, err)
		}
	})
}
