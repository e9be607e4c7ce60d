package lease

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRunDoesEverythingAtMostWidthAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var left, busy, most, done atomic.Int64
		left.Store(100)
		take := func(_ context.Context, n int) (jobs []int, err error) {
			for range n {
				if left.Add(-1) < 0 {
					break
				}
				jobs = append(jobs, 1)
			}
			return jobs, nil
		}
		do := func(context.Context, int) {
			most.Store(max(most.Load(), busy.Add(1)))
			time.Sleep(time.Millisecond)
			busy.Add(-1)
			done.Add(1)
		}
		ended := make(chan error)
		go func() { ended <- Run(ctx, 7, nil, take, do) }()
		time.Sleep(time.Minute)
		stop()
		require.NoError(t, <-ended)
		require.EqualValues(t, 100, done.Load())
		require.EqualValues(t, 7, most.Load())
	})
}

func TestRunLooksWhenWokenAndAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		wake := make(chan struct{}, 1)
		var looks atomic.Int64
		take := func(context.Context, int) ([]int, error) {
			looks.Add(1)
			return nil, errors.New("the database is away")
		}
		ended := make(chan error)
		go func() { ended <- Run(ctx, 1, wake, take, func(context.Context, int) {}) }()
		synctest.Wait()
		require.EqualValues(t, 1, looks.Load())
		Wake(wake)
		synctest.Wait()
		require.EqualValues(t, 2, looks.Load())
		time.Sleep(look)
		synctest.Wait()
		require.EqualValues(t, 3, looks.Load())
		stop()
		require.NoError(t, <-ended)
	})
}

func TestRunEndsWhatItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var once atomic.Bool
		var whole atomic.Bool
		take := func(context.Context, int) ([]int, error) {
			if once.Swap(true) {
				return nil, nil
			}
			return []int{1}, nil
		}
		ended := make(chan error)
		go func() {
			ended <- Run(ctx, 1, nil, take, func(ctx context.Context, _ int) {
				time.Sleep(JobTime / 2)
				whole.Store(ctx.Err() == nil)
			})
		}()
		synctest.Wait()
		stop()
		require.NoError(t, <-ended)
		require.True(t, whole.Load())
	})
}
