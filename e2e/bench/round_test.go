package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Figures of a shop that refuses are not printed as those of one that answers.
func TestARoundThatFailsHasNoFigures(t *testing.T) {
	r := &round{scenario: "list", users: 1, elapsed: time.Second, took: map[string][]time.Duration{}}
	for range 99 {
		r.add(map[string]time.Duration{"answer": time.Millisecond}, nil)
	}
	r.add(nil, errors.New("429"))
	var good strings.Builder
	r.print(&good)
	require.Equal(t, time.Millisecond, r.median)
	require.Contains(t, good.String(), "99.0/s, 1 failed")
	require.Contains(t, good.String(), "p99")

	r.add(nil, errors.New("429"))
	var void strings.Builder
	r.print(&void)
	require.Contains(t, void.String(), "void, 2 of 101 failed\n  last failure: 429\n")
	require.NotContains(t, void.String(), "p99")
	require.NotContains(t, void.String(), "/s")
	require.True(t, (&round{}).void())
}

func TestWhatIsNotOKHasFailed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/good" {
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer server.Close()
	require.NoError(t, get(t.Context(), server.URL+"/good"))
	require.ErrorContains(t, get(t.Context(), server.URL+"/bad"), "429")
}

func TestRequestsComeFromManyAddresses(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		host, _, _ := strings.Cut(r.RemoteAddr, ":")
		mu.Lock()
		defer mu.Unlock()
		seen[host]++
	}))
	defer server.Close()
	client := http.Client{Transport: loopback(&http.Transport{})}
	for range 500 { // one customer, one after another
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		resp, err := client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	require.Len(t, seen, 250)
	for address, n := range seen {
		require.Equal(t, 2, n, address)
	}
}
