// Package sidecartest stands in for a sidecar in tests: a state store in memory, and the suite that it and the real one
// both pass.
package sidecartest

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/sidecar"
)

// Memory is a state store in memory.
type Memory struct {
	Before func(verb string) error // lets a test break a call; nil breaks none

	mu      sync.Mutex
	version int
	entries map[string]entry
}

type entry struct {
	body    []byte
	etag    string
	expires time.Time
}

// NewMemory is empty.
func NewMemory() *Memory { return &Memory{entries: map[string]entry{}} }

func (m *Memory) Get(_ context.Context, key string, v any) (string, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Before != nil {
		if err := m.Before("get"); err != nil {
			return "", false, err
		}
	}
	e, ok := m.entry(key)
	if !ok {
		return "", false, nil
	}
	return e.etag, true, json.Unmarshal(e.body, v)
}

func (m *Memory) Save(_ context.Context, key string, v any, etag string, ttl time.Duration) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Before != nil {
		if err := m.Before("save"); err != nil {
			return err
		}
	}
	if e, ok := m.entry(key); ok && e.etag != etag || !ok && etag != "" {
		return sidecar.ErrETag
	}
	m.version++
	e := entry{body: body, etag: strconv.Itoa(m.version)}
	if ttl > 0 {
		e.expires = time.Now().Add(ttl)
	}
	m.entries[key] = e
	return nil
}

func (m *Memory) Delete(_ context.Context, key, etag string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Before != nil {
		if err := m.Before("delete"); err != nil {
			return err
		}
	}
	if e, ok := m.entry(key); !ok || e.etag != etag {
		return sidecar.ErrETag
	}
	delete(m.entries, key)
	return nil
}

func (m *Memory) entry(key string) (entry, bool) {
	e, ok := m.entries[key]
	return e, ok && (e.expires.IsZero() || time.Now().Before(e.expires))
}

// Len is how many keys there are.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.entries)
}

// Wipe loses everything.
func (m *Memory) Wipe() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.entries)
}

// state is what the suite tries.
type state interface {
	Get(ctx context.Context, key string, v any) (etag string, found bool, err error)
	Save(ctx context.Context, key string, v any, etag string, ttl time.Duration) error
	Delete(ctx context.Context, key, etag string) error
}

// value is what the suite keeps.
type value struct {
	Name  string
	Items []int
}

// TestState is what services rely on, of any state store.
func TestState(t *testing.T, s state) {
	ctx := t.Context()
	key := func() string { return "test/" + uuid.NewString() }
	get := func(k string) (v value, etag string, found bool) {
		etag, found, err := s.Get(ctx, k, &v)
		require.NoError(t, err)
		return v, etag, found
	}

	t.Run("what is not there is not found", func(t *testing.T) {
		_, etag, found := get(key())
		require.False(t, found)
		require.Empty(t, etag)
	})
	t.Run("what was saved is read", func(t *testing.T) {
		k := key()
		want := value{Name: "Ärger \"<&>", Items: []int{1, 2}}
		require.NoError(t, s.Save(ctx, k, want, "", 0))
		got, etag, found := get(k)
		require.True(t, found)
		require.NotEmpty(t, etag)
		require.Equal(t, want, got)
	})
	t.Run("a key is made once", func(t *testing.T) {
		k := key()
		require.NoError(t, s.Save(ctx, k, value{Name: "first"}, "", time.Hour))
		require.ErrorIs(t, s.Save(ctx, k, value{Name: "second"}, "", time.Hour), sidecar.ErrETag)
		got, _, _ := get(k)
		require.Equal(t, "first", got.Name)
	})
	t.Run("a version is replaced once", func(t *testing.T) {
		k := key()
		require.NoError(t, s.Save(ctx, k, value{Name: "1"}, "", time.Hour))
		_, etag, _ := get(k)
		require.NoError(t, s.Save(ctx, k, value{Name: "2"}, etag, time.Hour))
		require.ErrorIs(t, s.Save(ctx, k, value{Name: "3"}, etag, time.Hour), sidecar.ErrETag)
		got, next, _ := get(k)
		require.Equal(t, "2", got.Name)
		require.NotEqual(t, etag, next)
	})
	t.Run("of many writers one wins", func(t *testing.T) {
		k := key()
		require.NoError(t, s.Save(ctx, k, value{Name: "0"}, "", 0))
		_, etag, _ := get(k)
		errs := make(chan error, 20)
		for i := range cap(errs) {
			go func() { errs <- s.Save(ctx, k, value{Name: strconv.Itoa(i)}, etag, 0) }()
		}
		won := 0
		for range cap(errs) {
			if err := <-errs; err == nil {
				won++
			} else {
				require.ErrorIs(t, err, sidecar.ErrETag)
			}
		}
		require.Equal(t, 1, won)
	})
	t.Run("a version is deleted once", func(t *testing.T) {
		k := key()
		require.NoError(t, s.Save(ctx, k, value{Name: "1"}, "", time.Hour))
		_, old, _ := get(k)
		require.NoError(t, s.Save(ctx, k, value{Name: "2"}, old, time.Hour))
		require.ErrorIs(t, s.Delete(ctx, k, old), sidecar.ErrETag)
		_, etag, _ := get(k)
		require.NoError(t, s.Delete(ctx, k, etag))
		require.ErrorIs(t, s.Delete(ctx, k, etag), sidecar.ErrETag)
		_, _, found := get(k)
		require.False(t, found)
	})
	t.Run("what has a time to live goes, and may be made again", func(t *testing.T) {
		k := key()
		require.NoError(t, s.Save(ctx, k, value{Name: "1"}, "", time.Second))
		require.Eventually(t, func() bool { _, _, found := get(k); return !found }, 5*time.Second, 50*time.Millisecond)
		require.NoError(t, s.Save(ctx, k, value{Name: "2"}, "", time.Hour))
	})
	t.Run("a write begins the time to live anew", func(t *testing.T) {
		k := key()
		require.NoError(t, s.Save(ctx, k, value{Name: "1"}, "", time.Second))
		_, etag, _ := get(k)
		require.NoError(t, s.Save(ctx, k, value{Name: "2"}, etag, time.Hour))
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			_, _, found := get(k)
			require.True(t, found)
		}
	})
}
