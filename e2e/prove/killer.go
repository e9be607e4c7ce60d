package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	hitPatience      = 8 * time.Second // for work to come by an armed point
	recoveryPatience = 90 * time.Second
)

// wound is a blow that fell, and how long it hurt.
type wound struct {
	blow
	at    time.Time
	ready time.Duration // until the process answered again; 0: it did not yet
	flow  time.Duration // until an order that was placed after the blow was paid; 0: none yet
}

// killer carries out the plan.
type killer struct {
	dir  string // of the instance
	plan *plan

	kills  atomic.Int64
	whole  atomic.Bool // every target has had its turn
	mu     sync.Mutex
	wounds []*wound
	missed map[string]int // armed points that no work came by
	heals  sync.WaitGroup
	failed []violation
}

func (k *killer) failpoints() string { return filepath.Join(k.dir, "failpoints") }

// run deals blows until ctx ends, each after the recovery from the one before, unless they are chained. An error means
// that the instance cannot be told what to do.
func (k *killer) run(ctx context.Context) error {
	if err := os.MkdirAll(k.failpoints(), 0o700); err != nil {
		return err
	}
	sleep(ctx, 2*time.Second) // until orders flow
	for ctx.Err() == nil {
		first := !k.plan.whole()
		b := k.plan.next()
		w, p, err := k.strike(ctx, b)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			return fmt.Errorf("%s: %w", b, err)
		case w == nil:
			k.mu.Lock()
			k.missed[b.String()]++
			if first && k.missed[b.String()] < 3 {
				k.plan.again(b)
			}
			k.mu.Unlock()
		case b.chained:
			k.heals.Go(func() { k.await(context.WithoutCancel(ctx), w, p) })
			continue
		default:
			k.await(context.WithoutCancel(ctx), w, p)
		}
		k.whole.Store(k.plan.whole())
		sleep(ctx, time.Duration(k.plan.random.IntN(700))*time.Millisecond)
	}
	k.heals.Wait()
	return nil
}

// strike deals a blow; no wound if the target was not there to be hit.
func (k *killer) strike(ctx context.Context, b blow) (*wound, process, error) {
	var p process
	list, err := processes(ctx)
	if err != nil {
		return nil, p, err
	}
	for _, candidate := range list {
		if candidate.Name == b.process {
			p = candidate
		}
	}
	if p.PID == 0 || !p.Ready {
		return nil, p, nil // it has not recovered from a chained blow
	}
	w := &wound{blow: b, at: time.Now()}
	if b.point != "" {
		hit, err := k.lie(ctx, p, b.point)
		if err != nil || !hit {
			return nil, p, err
		}
		w.at = time.Now()
	} else if err := syscall.Kill(p.PID, syscall.SIGKILL); errors.Is(err, syscall.ESRCH) {
		return nil, p, nil
	} else if err != nil {
		return nil, p, err
	}
	for syscall.Kill(p.PID, 0) == nil && sleep(ctx, 5*time.Millisecond) {
		// A large process takes a while to be gone, and may answer until then.
	}
	if b.disk != "" {
		if err := os.RemoveAll(filepath.Join(k.dir, b.disk)); err != nil {
			return nil, p, err
		}
	}
	k.kills.Add(1)
	k.mu.Lock()
	k.wounds = append(k.wounds, w)
	k.mu.Unlock()
	return w, p, nil
}

// lie arms a point and waits until the process has died there, as it says in the file of hits.
func (k *killer) lie(ctx context.Context, p process, point string) (hit bool, err error) {
	before, err := k.hits()
	if err != nil {
		return false, err
	}
	armed := filepath.Join(k.failpoints(), p.Name+"."+point)
	if err := os.WriteFile(armed, nil, 0o600); err != nil {
		return false, err
	}
	for deadline := time.Now().Add(hitPatience); time.Now().Before(deadline) && ctx.Err() == nil; sleep(ctx, 20*time.Millisecond) {
		if _, err := os.Stat(armed); err != nil {
			break // it was found, and is being recorded
		}
	}
	if os.Remove(armed) == nil {
		return false, nil
	}
	for range 100 {
		after, err := k.hits()
		if err != nil || after > before {
			return err == nil, err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false, fmt.Errorf("the point %s was reached and nobody died", point)
}

// hits is how many deaths at points are on record.
func (k *killer) hits() (int, error) {
	text, err := os.ReadFile(filepath.Join(k.failpoints(), "hits"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	return strings.Count(string(text), "\n"), err
}

// await waits until the process that was hit answers again.
func (k *killer) await(ctx context.Context, w *wound, p process) {
	ctx, cancel := context.WithTimeout(ctx, recoveryPatience)
	defer cancel()
	for sleep(ctx, 50*time.Millisecond) {
		if p.answers(ctx) {
			k.mu.Lock()
			w.ready = time.Since(w.at)
			k.mu.Unlock()
			return
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failed = append(k.failed, violation{rule: "comes back", detail: fmt.Sprintf("%s did not answer for %s after it was killed", p.Name, recoveryPatience)})
}

// paid tells the killer that an order went all the way, and so that the shop works again after what fell before.
func (k *killer) paid(placed, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, w := range k.wounds {
		if w.flow == 0 && placed.After(w.at) {
			w.flow = at.Sub(w.at)
		}
	}
}
