package model

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	schedules = flag.Uint64("schedules", 20_000, "schedules to play")
	seed      = flag.Uint64("seed", 1, "seed of the schedules")
	one       = flag.Uint64("schedule", 0, "number of the one schedule to play and to show")
)

// TestThePromiseIsKept plays schedules: go test ./e2e/model -schedules 100000 -seed 7.
func TestThePromiseIsKept(t *testing.T) {
	begun := time.Now()
	for number := uint64(1); number <= *schedules; number++ {
		if *one > 0 {
			number = *one
		}
		if broken := run(*seed, number, none, nil).broken; broken != "" {
			show(t, number, none)
			t.Fatalf("seed %d, schedule %d: %s", *seed, number, broken)
		}
		if *one > 0 {
			show(t, number, none)
			return
		}
	}
	t.Logf("%d schedules in %s", *schedules, time.Since(begun).Round(time.Millisecond))
}

func show(t *testing.T, number uint64, b bug) {
	run(*seed, number, b, func(format string, args ...any) { t.Logf(format, args...) })
}

// TestEachTrapIsSeen plants one bug at a time: a suite that lets it pass would let it pass in the services, too.
func TestEachTrapIsSeen(t *testing.T) {
	const within = 1000
	for _, planted := range bugs {
		t.Run(fmt.Sprintf("%d %s", planted.trap, planted.name), func(t *testing.T) {
			for number := uint64(1); number <= within; number++ {
				if broken := run(*seed, number, planted.bug, nil).broken; broken != "" {
					t.Logf("seen in schedule %d: %s", number, broken)
					return
				}
			}
			t.Fatalf("not seen in %d schedules", within)
		})
	}
}

// TestSchedulesGoEverywhere keeps the schedules from becoming so kind, or so harsh, that they prove nothing.
func TestSchedulesGoEverywhere(t *testing.T) {
	const schedules = 2000
	seen := map[string]int{}
	for number := range uint64(schedules) {
		for _, p := range run(*seed, number, none, nil).buyers {
			seen["order "+string(p.order.Status)]++
			seen["reservation "+string(p.reservation)]++
			for _, a := range p.payment.Attempts {
				seen["attempt "+string(a.State)]++
			}
			for _, r := range p.payment.Refunds {
				seen["refund "+string(r.State)]++
			}
		}
	}
	t.Log(seen)
	for _, end := range []string{
		"order paid", "order rejected", "order payment_failed", "order expired", "order cancelled",
		"reservation committed", "reservation released", "order returned", "order refunded", "order shipped", "order delivered", "attempt captured", "attempt failed", "attempt voided", "attempt stray", "refund refunded",
	} {
		require.Greater(t, seen[end], schedules/200, end)
	}
}

func TestAScheduleIsItsSeeds(t *testing.T) {
	play := func(number uint64) (lines []string) {
		run(3, number, none, func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) })
		return lines
	}
	for number := range uint64(200) {
		require.Equal(t, play(number), play(number))
	}
	require.NotEqual(t, play(1), play(2))
}
