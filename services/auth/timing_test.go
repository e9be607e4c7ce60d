package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An address with an account and one without are answered alike, and within a tenth of the same time at the median. Other
// work on the machine disturbs single measurements, so each is held against the one beside it, and more are taken until
// they agree.
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
		var ratios []float64
		var ratio float64
		for series := range 12 {
			for i := range c.pairs {
				emails := []string{"ada@example.com", unknown(100*series + i)}
				var took [2]time.Duration
				var texts [2]string
				for _, which := range []int{i % 2, 1 - i%2} { // each is the first as often as the other
					took[which], texts[which] = once(emails[which])
				}
				require.Equal(t, texts[0], texts[1], name)
				ratios = append(ratios, float64(took[0])/float64(took[1]))
			}
			slices.Sort(ratios)
			if ratio = ratios[len(ratios)/2]; ratio > 0.9 && ratio < 1.1 {
				break
			}
		}
		t.Logf("%s: known takes %.2f times unknown", name, ratio)
		require.InDelta(t, 1, ratio, 0.1, name)
	}
}
