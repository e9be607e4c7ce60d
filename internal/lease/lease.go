// Package lease does what is due in a table, several jobs at once, by as many replicas as there are: each leases what it
// takes, and what a killed one had taken is due again when its lease ends. The table and the job are the service's affair.
package lease

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// JobTime is the most that a job and its commit may take, Length how long what it took is its own. Both are short,
	// because after a crash the next replica waits for the lease to end.
	JobTime = 8 * time.Second
	Length  = 10 * time.Second

	look = time.Second // how long work that nobody announced may lie
)

// Run keeps up to width jobs at work until ctx ends, and then waits for those under way. It takes what is due, does each
// job in a goroutine of its own, and looks again when woken, when there was more than it could take, or after a second. When
// it has all that it can do, it waits for room for several, since to take one costs as much.
func Run[T any](ctx context.Context, width int, wake <-chan struct{}, take func(context.Context, int) ([]T, error), do func(context.Context, T)) error {
	slots := make(chan struct{}, width)
	var jobs sync.WaitGroup
	defer jobs.Wait()
	for {
		several := max(1, width/4)
		for range several {
			select {
			case <-ctx.Done():
				return nil
			case slots <- struct{}{}:
			}
		}
		room := several + cap(slots) - len(slots) // others only make room
		leased, err := take(ctx, room)
		if err != nil && ctx.Err() == nil {
			slog.Error("no work leased", "error", err)
		}
		for range several {
			<-slots
		}
		for _, job := range leased {
			slots <- struct{}{}
			jobs.Go(func() {
				defer func() { <-slots }()
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), JobTime)
				defer cancel()
				do(ctx, job)
			})
		}
		if len(leased) == room {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-time.After(look):
		}
	}
}

// Wake makes Run look at once. It never blocks; two wake-ups before a look are one.
func Wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
