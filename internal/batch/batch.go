// Package batch does together what comes at the same moment. Whoever comes while work is under way waits and shares the
// next round with all that came meanwhile, so that a lone caller waits for nobody, and the more there is to do, the less
// each of it costs. It is for work with a price per round: a transaction, a call.
package batch

import (
	"context"
	"errors"
	"runtime"
	"sync"
)

// Item is one caller's part of a round.
type Item[In, Out any] struct {
	In   In
	Out  Out
	Err  error
	done bool
}

// Batcher does rounds of at most a number of items, one after the other.
type Batcher[In, Out any] struct {
	most int
	do   func(ctx context.Context, round []*Item[In, Out])
	turn chan struct{} // held by whoever does a round

	mu      sync.Mutex
	waiting []*Item[In, Out]
}

// New makes a Batcher. do sets Out or Err of every item. Its context is that of a caller, but does not end with that
// caller; do limits its own time.
func New[In, Out any](most int, do func(ctx context.Context, round []*Item[In, Out])) *Batcher[In, Out] {
	return &Batcher[In, Out]{most: most, do: do, turn: make(chan struct{}, 1)}
}

// Do has everything in ins done, in one round or more, and returns what came of each. It returns when that is known,
// even if ctx ends before.
func (b *Batcher[In, Out]) Do(ctx context.Context, ins ...In) []*Item[In, Out] {
	mine := make([]*Item[In, Out], len(ins))
	if len(ins) == 0 {
		return mine
	}
	for i, in := range ins {
		mine[i] = &Item[In, Out]{In: in}
	}
	b.mu.Lock()
	b.waiting = append(b.waiting, mine...)
	b.mu.Unlock()
	for {
		b.turn <- struct{}{}
		if !unfinished(mine) {
			<-b.turn
			return mine
		}
		runtime.Gosched() // those who are just about to come share the round
		b.round(context.WithoutCancel(ctx))
	}
}

// round does what has come so far. It ends for everybody in it, even if do panics.
func (b *Batcher[In, Out]) round(ctx context.Context) {
	b.mu.Lock()
	round := b.waiting[:min(len(b.waiting), b.most)]
	b.waiting = b.waiting[len(round):]
	b.mu.Unlock()
	finished := false
	defer func() {
		for _, item := range round {
			item.done = true
			if !finished {
				item.Err = errUnfinished
			}
		}
		<-b.turn
	}()
	b.do(ctx, round)
	finished = true
}

var errUnfinished = errors.New("the round was not finished")

func unfinished[In, Out any](items []*Item[In, Out]) bool {
	for _, item := range items {
		if !item.done {
			return true
		}
	}
	return false
}
