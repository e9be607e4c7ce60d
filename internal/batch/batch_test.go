package batch_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/batch"
)

func TestWhatComesMeanwhileSharesTheNextRound(t *testing.T) {
	var rounds []int
	begun, finish := make(chan struct{}, 100), make(chan struct{})
	b := batch.New(10, func(_ context.Context, round []*batch.Item[int, int]) {
		rounds = append(rounds, len(round)) // one round at a time, so nobody else writes
		begun <- struct{}{}
		<-finish
		for _, item := range round {
			item.Out = 2 * item.In
			if item.In == 7 {
				item.Err = errors.New("seven")
			}
		}
	})
	var group sync.WaitGroup
	ask := func(ins ...int) {
		group.Go(func() {
			for i, item := range b.Do(context.Background(), ins...) {
				if item.Out != 2*ins[i] || (item.Err != nil) != (ins[i] == 7) {
					t.Errorf("%d: %d, %v", ins[i], item.Out, item.Err)
				}
			}
		})
	}
	ask(1)
	<-begun // a lone caller waits for nobody
	entered := make(chan struct{}, 25)
	for i := range 25 {
		group.Go(func() {
			entered <- struct{}{}
			b.Do(context.Background(), i)
		})
	}
	for range 25 {
		<-entered
	}
	ask(7, 8, 9)
	close(finish)
	group.Wait()
	sum := 0
	for _, n := range rounds {
		require.LessOrEqual(t, n, 10)
		sum += n
	}
	require.Equal(t, 29, sum, "everything once")
	require.Less(t, len(rounds), 29)
}

func TestAnEndedCallerSpoilsNothing(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	b := batch.New(10, func(ctx context.Context, round []*batch.Item[int, int]) {
		for _, item := range round {
			item.Err = ctx.Err()
		}
	})
	require.NoError(t, b.Do(ended, 1)[0].Err)
	require.Empty(t, b.Do(ended), "nothing to do is done at once")
}

func TestAPanicEndsItsRoundForEverybody(t *testing.T) {
	blocked, release := make(chan struct{}), make(chan struct{})
	b := batch.New(10, func(_ context.Context, round []*batch.Item[string, int]) {
		if round[0].In == "block" {
			close(blocked)
			<-release
			return
		}
		panic("no")
	})
	var group sync.WaitGroup
	group.Go(func() { b.Do(context.Background(), "block") })
	<-blocked
	panics := make(chan any, 2)
	for range 2 {
		group.Go(func() {
			defer func() { panics <- recover() }()
			if b.Do(context.Background(), "x")[0].Err == nil {
				t.Error("the other one is told")
			}
		})
	}
	close(release)
	group.Wait()
	close(panics)
	n := 0
	for p := range panics {
		if p != nil {
			n++
		}
	}
	require.Positive(t, n)
}
