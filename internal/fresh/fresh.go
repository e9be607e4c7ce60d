// Package fresh remembers for a moment what another service said of many things, such as the prices of articles. Whoever
// asks for something new or outdated asks in the same call for all that was wanted lately and is about to be outdated, so
// that the number of calls depends on how long an answer holds and not on how much is asked for.
package fresh

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/sidecart/sidecart/internal/batch"
)

const (
	asked    = 100              // keys in one call, at most
	wanted   = 10 * time.Second // how long what was used is kept fresh
	sweepAge = time.Minute
)

// Cache holds values by key, each no longer than a given life.
type Cache[V any] struct {
	life  time.Duration
	fetch func(ctx context.Context, keys []string) (map[string]V, error)
	calls *batch.Batcher[string, *V]
	now   func() time.Time

	mu    sync.Mutex
	known map[string]*entry[V]
	swept time.Time
}

type entry[V any] struct {
	value         V
	fetched, used time.Time
}

// New makes a Cache. fetch returns the values of at most 100 keys; those that have none are absent, and are asked for again
// the next time.
func New[V any](life time.Duration, fetch func(ctx context.Context, keys []string) (map[string]V, error)) *Cache[V] {
	c := &Cache[V]{life: life, fetch: fetch, now: time.Now, known: map[string]*entry[V]{}}
	c.calls = batch.New(asked, c.renew)
	return c
}

// Get returns the values of keys; those that have none are absent.
func (c *Cache[V]) Get(ctx context.Context, keys ...string) (map[string]V, error) {
	found := make(map[string]V, len(keys))
	var missing []string
	c.mu.Lock()
	now := c.now()
	for _, key := range keys {
		if value, ok := c.look(key, now); ok {
			found[key] = value
		} else {
			missing = append(missing, key)
		}
	}
	c.mu.Unlock()
	for _, item := range c.calls.Do(ctx, missing...) {
		if item.Err != nil {
			return nil, item.Err
		}
		if item.Out != nil {
			found[item.In] = *item.Out
		}
	}
	return found, nil
}

// look returns what is known of key at this time, under the lock.
func (c *Cache[V]) look(key string, now time.Time) (value V, ok bool) {
	e := c.known[key]
	if e == nil {
		return value, false
	}
	e.used = now
	return e.value, now.Sub(e.fetched) < c.life
}

// renew fetches what a round of callers lacks, and what others will lack soon.
func (c *Cache[V]) renew(ctx context.Context, round []*batch.Item[string, *V]) {
	begun := c.now() // an answer is as old as its question
	keys := c.choose(round, begun)
	if len(keys) == 0 {
		return
	}
	values, err := c.fetch(ctx, keys)
	if err != nil {
		for _, item := range round {
			item.Err = err
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		value, exists := values[key]
		e := c.known[key]
		switch {
		case !exists:
			delete(c.known, key)
		case e == nil:
			c.known[key] = &entry[V]{value, begun, begun}
		default:
			e.value, e.fetched = value, begun
		}
	}
	for _, item := range round {
		if value, exists := values[item.In]; exists {
			item.Out = &value
		}
	}
}

// choose is what to ask for: what the round lacks and has not been brought by the one before, and with it what was wanted
// lately and is more than half as old as it may be.
func (c *Cache[V]) choose(round []*batch.Item[string, *V], now time.Time) (keys []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	chosen := make(map[string]bool, asked)
	for _, item := range round {
		if value, ok := c.look(item.In, now); ok {
			item.Out = &value
		} else if !chosen[item.In] {
			chosen[item.In] = true
			keys = append(keys, item.In)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	for key, e := range c.known {
		if len(keys) < asked && !chosen[key] && now.Sub(e.used) < wanted && now.Sub(e.fetched) > c.life/2 {
			keys = append(keys, key)
		}
	}
	if now.Sub(c.swept) > sweepAge {
		c.swept = now
		maps.DeleteFunc(c.known, func(_ string, e *entry[V]) bool { return now.Sub(e.fetched) > sweepAge })
	}
	return keys
}
