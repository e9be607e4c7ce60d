package main

import "sync"

// recent remembers about the last values put or read, by key. Its size is bounded, so that what strangers send cannot
// fill the memory: when one generation is full it becomes the old one, and the old one is forgotten.
type recent[V any] struct {
	mu         sync.Mutex
	size       int
	young, old map[string]V
}

// newRecent remembers at least the last size values and at most twice as many.
func newRecent[V any](size int) *recent[V] {
	return &recent[V]{size: size, young: map[string]V{}}
}

func (c *recent[V]) get(key string) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lookup(key)
}

func (c *recent[V]) put(key string, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store(key, v)
}

// getOrPut is the value at key, made by fresh when there is none.
func (c *recent[V]) getOrPut(key string, fresh func() V) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.lookup(key)
	if !ok {
		v = fresh()
		c.store(key, v)
	}
	return v
}

func (c *recent[V]) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, key)
	delete(c.old, key)
}

func (c *recent[V]) lookup(key string) (V, bool) {
	if v, ok := c.young[key]; ok {
		return v, true
	}
	v, ok := c.old[key]
	if ok {
		c.store(key, v)
	}
	return v, ok
}

func (c *recent[V]) store(key string, v V) {
	if len(c.young) >= c.size {
		c.old, c.young = c.young, make(map[string]V)
	}
	c.young[key] = v
}
