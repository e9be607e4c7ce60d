package fresh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// source is a service that is asked; what it says of a key is the number of its calls so far.
type source struct {
	mu    sync.Mutex
	calls [][]string
	err   error
}

func (s *source) fetch(_ context.Context, keys []string) (map[string]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys = slices.Sorted(slices.Values(keys))
	s.calls = append(s.calls, keys)
	values := map[string]int{}
	for _, key := range keys {
		if !strings.HasPrefix(key, "no-") {
			values[key] = len(s.calls)
		}
	}
	return values, s.err
}

func newCache(s *source) (*Cache[int], *time.Time) {
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := New(2*time.Second, s.fetch)
	c.now = func() time.Time { return clock }
	return c, &clock
}

func TestAnswersHoldForTheirLife(t *testing.T) {
	t.Parallel()
	s := &source{}
	c, clock := newCache(s)
	number := 0
	for _, step := range []struct {
		after time.Duration
		keys  []string
		want  map[string]int
		calls [][]string
		what  string
	}{
		{0, []string{"a", "b", "no-1"}, map[string]int{"a": 1, "b": 1}, [][]string{{"a", "b", "no-1"}}, "new"},
		{0, []string{"a"}, map[string]int{"a": 1}, nil, "known"},
		{time.Second, []string{"b"}, map[string]int{"b": 1}, nil, "known yet"},
		{500 * time.Millisecond, []string{"c"}, map[string]int{"c": 2}, [][]string{{"a", "b", "c"}}, "new, and the others come along"},
		{1900 * time.Millisecond, []string{"a"}, map[string]int{"a": 2}, nil, "renewed with the other"},
		{200 * time.Millisecond, []string{"a"}, map[string]int{"a": 3}, [][]string{{"a", "b", "c"}}, "outdated"},
		{0, []string{"no-1"}, map[string]int{}, [][]string{{"no-1"}}, "what does not exist is not remembered"},
		{11 * time.Second, []string{"c"}, map[string]int{"c": 5}, [][]string{{"c"}}, "what nobody wants is not renewed"},
		{2 * time.Minute, []string{"c"}, map[string]int{"c": 6}, [][]string{{"c"}}, "and forgotten"},
	} {
		*clock = clock.Add(step.after)
		s.calls = nil
		c.fetch = func(ctx context.Context, keys []string) (map[string]int, error) {
			number++
			values, err := s.fetch(ctx, keys)
			for key := range values {
				values[key] = number
			}
			return values, err
		}
		got, err := c.Get(t.Context(), step.keys...)
		require.NoError(t, err, step.what)
		require.Equal(t, step.want, got, step.what)
		require.Equal(t, step.calls, s.calls, step.what)
	}
	require.Len(t, c.known, 1)
}

func TestManyAtOnceShareCalls(t *testing.T) {
	t.Parallel()
	s := &source{}
	c, _ := newCache(s)
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() {
			key := fmt.Sprint("k", i%50)
			got, err := c.Get(context.Background(), key, "all")
			require.NoError(t, err)
			require.Len(t, got, 2)
		})
	}
	group.Wait()
	seen := map[string]int{}
	for _, call := range s.calls {
		for _, key := range call {
			seen[key]++
		}
	}
	require.Len(t, seen, 51)
	for key, n := range seen {
		require.Equal(t, 1, n, key)
	}
}

func TestACallNamesAHundredAtMost(t *testing.T) {
	t.Parallel()
	s := &source{}
	c, clock := newCache(s)
	keys := make([]string, 250)
	for i := range keys {
		keys[i] = fmt.Sprint("k", i)
	}
	got, err := c.Get(t.Context(), keys...)
	require.NoError(t, err)
	require.Len(t, got, 250)
	*clock = clock.Add(1500 * time.Millisecond)
	_, err = c.Get(t.Context(), "new")
	require.NoError(t, err)
	for _, call := range s.calls {
		require.LessOrEqual(t, len(call), asked)
	}
}

func TestAFailureIsToldAndNotRemembered(t *testing.T) {
	t.Parallel()
	s := &source{err: errors.New("away")}
	c, clock := newCache(s)
	_, err := c.Get(t.Context(), "a")
	require.ErrorIs(t, err, s.err)
	s.err = nil
	got, err := c.Get(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, map[string]int{"a": 2}, got)
	s.err = errors.New("away again")
	got, err = c.Get(t.Context(), "a")
	require.NoError(t, err, "what is known needs nobody")
	require.Equal(t, map[string]int{"a": 2}, got)
	*clock = clock.Add(3 * time.Second)
	_, err = c.Get(t.Context(), "a")
	require.ErrorIs(t, err, s.err, "an outdated price is no price")
}

func TestASlowAnswerIsAnAnswer(t *testing.T) {
	t.Parallel()
	s := &source{}
	c, clock := newCache(s)
	c.fetch = func(ctx context.Context, keys []string) (map[string]int, error) {
		*clock = clock.Add(3 * time.Second)
		return s.fetch(ctx, keys)
	}
	for n := range 2 {
		got, err := c.Get(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, map[string]int{"a": n + 1}, got, "though it is outdated when it comes")
	}
}
