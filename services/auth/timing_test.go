package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An address with an account and one without are answered alike, and within a tenth of the same time at the median. Other
// work on the machine disturbs single measurements, so both are taken in turn, and a disturbed series is taken again.
func TestKnownAndUnknownAddressesTakeTheSameTime(t *testing.T) {
	s := newService(t)
	s.customer("ada@example.com")
	unknown := func(i int) string { return fmt.Sprintf("nobody%d.%d@example.com", i, time.Now().UnixNano()) }
	for name, c := range map[string]struct {
		path   string
		body   func(email string) any
		status int
		pairs  int
	}{
		"login":    {"/login", func(email string) any { return m{"email": email, "password": "not the password"} }, 401, 25},
		"register": {"/register", func(email string) any { return m{"email": email, "password": password, "name": "Ada"} }, 202, 9},
		"forgot":   {"/password/forgot", func(email string) any { return m{"email": email} }, 202, 9},
	} {
		once := func(email string) (time.Duration, string) {
			s.wait(forgetGuesses) // so that no guess waits for an earlier one
			began := time.Now()
			a := s.post(c.path, c.body(email))
			require.Equal(t, c.status, a.status, a.text)
			return time.Since(began), a.text
		}
		var ratio float64
		for series := range 8 {
			var with, without []time.Duration
			for i := range c.pairs {
				a, known := once("ada@example.com")
				b, none := once(unknown(100*series + i))
				require.Equal(t, known, none, name)
				with, without = append(with, a), append(without, b)
			}
			slices.Sort(with)
			slices.Sort(without)
			if ratio = float64(with[c.pairs/2]) / float64(without[c.pairs/2]); ratio > 0.9 && ratio < 1.1 {
				break
			}
		}
		t.Logf("%s: known takes %.2f times unknown", name, ratio)
		require.InDelta(t, 1, ratio, 0.1, name)
	}
}
