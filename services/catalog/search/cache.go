package search

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// cache remembers what was worked out lately, up to a sum of costs. All of it is forgotten when the catalog changes.
type cache[V any] struct {
	mu         sync.Mutex
	entries    *simplelru.LRU[string, costly[V]]
	cost, most int
	generation uint64
}

type costly[V any] struct {
	value V
	cost  int
}

func newCache[V any](most int) *cache[V] {
	c := &cache[V]{most: most}
	entries, err := simplelru.NewLRU(1<<20, func(_ string, e costly[V]) { c.cost -= e.cost })
	if err != nil {
		panic(err) // the size is positive
	}
	c.entries = entries
	return c
}

func (c *cache[V]) get(key string) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries.Get(key)
	return e.value, ok
}

// put keeps a value that was worked out from the given generation; from an older one it is of no use.
func (c *cache[V]) put(key string, value V, cost int, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation || cost > c.most/2 || c.entries.Contains(key) {
		return
	}
	c.entries.Add(key, costly[V]{value, cost})
	for c.cost += cost; c.cost > c.most; {
		c.entries.RemoveOldest()
	}
}

func (c *cache[V]) clear(generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation = generation
	c.entries.Purge()
}
