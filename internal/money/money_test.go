package money

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestString(t *testing.T) {
	for want, a := range map[string]Amount{
		"19.99 EUR": Must(1999, "EUR"), "0.05 USD": Must(5, "USD"), "-0.05 USD": Must(-5, "USD"),
		"1500 JPY": Must(1500, "JPY"), "0 JPY": Must(0, "JPY"), "1.234 KWD": Must(1234, "KWD"), "-12.000 KWD": Must(-12000, "KWD"),
	} {
		require.Equal(t, want, a.String())
	}
}

func TestShareRoundsHalfAwayFromZero(t *testing.T) {
	for _, c := range []struct{ minor, num, den, want int64 }{
		{1000, 1900, 10000, 190}, {5, 1, 2, 3}, {-5, 1, 2, -3}, {4, 1, 2, 2}, {1, 1, 3, 0}, {2, 1, 3, 1},
		{math.MaxInt64, 1, 1, math.MaxInt64}, {0, 19, 100, 0},
	} {
		require.Equal(t, c.want, Must(c.minor, "EUR").Share(c.num, c.den).Minor(), c)
	}
}

func TestShareIsWithinHalfAMinorUnit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.Int64Range(-1e12, 1e12).Draw(t, "minor")
		num, den := rapid.Int64Range(0, 10000).Draw(t, "num"), rapid.Int64Range(1, 10000).Draw(t, "den")
		got := Must(minor, "JPY").Share(num, den).Minor()
		require.LessOrEqual(t, abs(2*(got*den-minor*num)), den)
	})
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

func TestArithmeticRefusesNonsense(t *testing.T) {
	_, err := Must(1, "EUR").Add(Must(1, "USD"))
	require.Error(t, err)
	_, err = Must(math.MaxInt64, "EUR").Add(Must(1, "EUR"))
	require.Error(t, err)
	_, err = Must(0, "EUR").Sub(Must(math.MinInt64, "EUR"))
	require.Error(t, err)
	_, err = Must(math.MaxInt64/2, "EUR").Times(3)
	require.Error(t, err)
	_, err = New(1, "XXX")
	require.Error(t, err)
	require.Panics(t, func() { Must(1, "EUR").Cmp(Must(1, "JPY")) })
	require.Panics(t, func() { Must(1, "EUR").Share(1, 0) })
}

func TestAddIsSubsInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Must(rapid.Int64Range(-1e15, 1e15).Draw(t, "a"), "EUR")
		b := Must(rapid.Int64Range(-1e15, 1e15).Draw(t, "b"), "EUR")
		sum, err := a.Add(b)
		require.NoError(t, err)
		back, err := sum.Sub(b)
		require.NoError(t, err)
		require.Equal(t, a, back)
	})
}

func TestJSON(t *testing.T) {
	b, err := json.Marshal(Must(-7, "JPY"))
	require.NoError(t, err)
	require.JSONEq(t, `{"amount":-7,"currency":"JPY"}`, string(b))
	_, err = json.Marshal(Amount{})
	require.Error(t, err, "an amount without a currency must not travel")

	var a Amount
	require.NoError(t, json.Unmarshal([]byte(`{"amount":1999,"currency":"EUR"}`), &a))
	require.Equal(t, Must(1999, "EUR"), a)
	for _, garbage := range []string{
		`{}`, `{"amount":19.99,"currency":"EUR"}`, `{"amount":1e3,"currency":"EUR"}`, `{"amount":"x","currency":"EUR"}`,
		`{"amount":1,"currency":"eur"}`, `{"amount":1}`, `5`, `"5 EUR"`, `{"amount":9223372036854775808,"currency":"EUR"}`,
	} {
		require.Error(t, json.Unmarshal([]byte(garbage), &a), garbage)
	}
}

func TestDecimalsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Must(rapid.Int64().Draw(t, "minor"), rapid.SampledFrom([]string{"EUR", "JPY", "KWD"}).Draw(t, "currency"))
		back, err := Parse(a.Decimal(), a.Currency())
		require.NoError(t, err)
		require.Equal(t, a, back)
	})
	for decimal, minor := range map[string]int64{"20": 2000, "20.5": 2050, "0.01": 1, "-0.01": -1, "007.00": 700, "19.9900": 1999} {
		a, err := Parse(decimal, "EUR")
		require.NoError(t, err)
		require.Equal(t, minor, a.Minor(), decimal)
	}
	for _, decimal := range []string{"", "-", ".", "1.", ".5", "1.999", "1,99", "1e2", "+1", "--1", "1.2.3", " 1", "1 ", "0x1", "١", "NaN", "99999999999999999999"} {
		_, err := Parse(decimal, "EUR")
		require.Error(t, err, decimal)
	}
	_, err := Parse("1500.5", "JPY")
	require.Error(t, err)
	_, err = Parse("1", "XXX")
	require.Error(t, err)
}
