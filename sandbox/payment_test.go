package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever is asked of a payment, in whatever order, its money adds up: nothing is captured twice, no more is refunded
// than was captured, and what was authorized is captured, voided or still capturable.
func TestMoneyAlwaysAddsUp(t *testing.T) {
	methods := []string{"pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_threeDSecure2Required", "pm_card_threeDSecureRequiredChargeDeclined"}
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(1_800_000_000, 0)
		p := newPayment(rapid.Int64Range(50, 100_000).Draw(t, "amount"), "eur", rapid.SampledFrom([]string{"automatic", "manual"}).Draw(t, "capture"), at)
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0, 1:
				if p.Intent.AmountReceived+p.Intent.AmountCapturable == 0 && p.Intent.Status != canceled {
					require.NoError(t, p.attach(rapid.SampledFrom(methods).Draw(t, "method"), at))
				}
				_ = p.confirm("http://bank.example", at)
			case 2:
				p.authenticate(rapid.Bool().Draw(t, "passed"), at)
			case 3:
				_ = p.capture(rapid.Int64Range(1, 100_000).Draw(t, "capture amount"), at)
			case 4:
				_ = p.cancel("", at)
			default:
				_, _ = p.refund(rapid.Int64Range(0, 100_000).Draw(t, "refund amount"), "", nil, at)
			}
			sum := total{}
			for _, m := range p.movements {
				require.Positive(t, m.Amount)
				sum.add(m)
			}
			require.LessOrEqual(t, sum.Captures, 1)
			require.LessOrEqual(t, sum.Refunded, sum.Captured)
			require.Equal(t, sum.Captured, p.Intent.AmountReceived)
			require.Equal(t, sum.Authorized, sum.Captured+sum.Voided+p.Intent.AmountCapturable)
			require.Contains(t, []int64{0, p.Intent.Amount}, sum.Authorized)
			require.Equal(t, sum.Captures == 1, p.Intent.Status == succeeded)
			require.Equal(t, p.Intent.Status == requiresAction, p.Intent.NextAction != nil)
		}
	})
}

func TestIdentifiersSortByTime(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	require.Less(t, newID("pi", at), newID("pi", at.Add(time.Microsecond)))
	require.Less(t, newID("pi", time.Unix(1, 0)), newID("pi", at))
}
