package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/problem"
)

// follow opens an event stream and returns its lines.
func (b *browser) follow(ctx context.Context, path string, header ...string) (*http.Response, <-chan string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+path, nil)
	require.NoError(b, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(b, err)
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		defer resp.Body.Close()
		for scan := bufio.NewScanner(resp.Body); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	return resp, lines
}

func next(t *testing.T, lines <-chan string) string {
	t.Helper()
	select {
	case line, ok := <-lines:
		require.True(t, ok, "the stream ended")
		return line
	case <-time.After(5 * time.Second):
		require.Fail(t, "no line in time")
		return ""
	}
}

// orders is ordering as far as pages that follow an order know it: order 1 has changed so many times.
type orders struct {
	mu      sync.Mutex
	changes int
	news    chan string // what is written to the stream of news; closed, it ends
}

func (o *orders) change(by int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changes += by
}

func (o *orders) show(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "public, max-age=60")
	if seen, _ := strconv.Atoi(r.Header.Get("Last-Event-Id")); seen != o.changes {
		_, _ = io.WriteString(w, eventText("order", o.changes))
	}
}

func (o *orders) stream(w http.ResponseWriter, r *http.Request) {
	out := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	_ = out.Flush()
	for {
		select {
		case text, ok := <-o.news:
			if !ok {
				return
			}
			_, _ = io.WriteString(w, text)
			_ = out.Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func eventText(name string, seq int) string {
	return fmt.Sprintf("event: %s\nid: %d\ndata: {\"changes\":%d}\n\n", name, seq, seq)
}

// openOrders is a gateway that hears news of order 1, which has changed once.
func openOrders(t *testing.T) (*shop, *orders) {
	s := openShop(t)
	o := &orders{changes: 1, news: make(chan string)}
	s.serve("ordering GET /orders/1/events", o.show)
	s.serve("ordering GET /news", o.stream)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.server.news.listen(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return s, o
}

// requireEvent reads lines up to and with an event of this number.
func requireEvent(t *testing.T, lines <-chan string, seq int) {
	t.Helper()
	var text string
	for !strings.HasPrefix(text, "event: ") {
		text = next(t, lines)
	}
	for line := text; line != ""; text += "\n" + line {
		line = next(t, lines)
	}
	require.Equal(t, eventText("order", seq), text+"\n")
}

// openPage has a customer follow order 1, and see what it is at first.
func (s *shop) openPage() <-chan string {
	s.Helper()
	customer := s.browser()
	customer.cookies[accessCookie] = token("ada", time.Hour)
	_, lines := customer.follow(s.Context(), "/api/v1/orders/1/events")
	requireEvent(s.T, lines, 1)
	return lines
}

func TestAnOrderIsFollowedByTheNewsOfAll(t *testing.T) {
	s, o := openOrders(t)
	customer := s.browser()
	customer.cookies[accessCookie] = token("ada", time.Hour)
	resp, lines := customer.follow(t.Context(), "/api/v1/orders/1/events", "Accept", "text/event-stream")
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	requireEvent(t, lines, 1)
	_, others := customer.follow(t.Context(), "/api/v1/orders/1/events", "Last-Event-Id", "1")

	o.change(1)
	o.news <- eventText("1", 2) + eventText("another", 7)
	requireEvent(t, lines, 2)
	requireEvent(t, others, 2)
	o.change(1)
	o.news <- eventText("1", 1) // told late, of what is seen
	o.news <- ": still here\n\n"
	o.news <- eventText("1", 3)
	requireEvent(t, lines, 3)
	requireEvent(t, others, 3)

	calls := s.callsTo("ordering GET /orders/1/events")
	require.Equal(t, "Bearer "+customer.cookies[accessCookie], calls[0].header.Get("Authorization"))
	require.Empty(t, calls[0].header.Get("Accept"), "a sidecar expects a stream otherwise, and fails at refusals and at no news")
	require.Empty(t, s.callsTo("ordering GET /news")[0].header.Get("Authorization"), "what all are told is nobody's own")
}

func TestWhatHappenedWithoutNewsIsFound(t *testing.T) {
	s, o := openOrders(t)
	lines := s.openPage()
	o.change(1)
	s.serve("ordering GET /news", (&orders{news: make(chan string)}).stream)
	close(o.news)
	requireEvent(t, lines, 2)
	last := s.callsTo("ordering GET /orders/1/events")
	require.Equal(t, "1", last[len(last)-1].header.Get("Last-Event-Id"))
}

func TestAPageThatIsNoLongerTheCallersEnds(t *testing.T) {
	s, o := openOrders(t)
	lines := s.openPage()
	s.serve("ordering GET /orders/1/events", refuse(problem.NotFound, "order-not-found"))
	s.serve("ordering GET /news", (&orders{news: make(chan string)}).stream)
	close(o.news)
	for range lines { // up to its end
		continue
	}
}

func TestAnIDFromElsewhereStartsAnew(t *testing.T) {
	s, _ := openOrders(t)
	customer := s.browser()
	customer.cookies[accessCookie] = token("ada", time.Hour)
	for _, id := range []string{"99", "x", "-3"} {
		_, lines := customer.follow(t.Context(), "/api/v1/orders/1/events", "Last-Event-Id", id)
		requireEvent(t, lines, 1)
	}
}

func TestAStreamDoesNotHoldUpTheEnd(t *testing.T) {
	s, _ := openOrders(t)
	customer := s.browser()
	customer.cookies[accessCookie] = token("ada", time.Hour)
	stop := s.reopen()
	_, lines := customer.follow(t.Context(), "/api/v1/orders/1/events")
	requireEvent(t, lines, 1)
	stop()
	for range lines {
		continue
	}
}

func TestWhoLeavesIsForgotten(t *testing.T) {
	s, _ := openOrders(t)
	customer := s.browser()
	customer.cookies[accessCookie] = token("ada", time.Hour)
	ctx, leave := context.WithCancel(t.Context())
	_, lines := customer.follow(ctx, "/api/v1/orders/1/events")
	requireEvent(t, lines, 1)
	leave()
	require.Eventually(t, func() bool {
		s.server.news.mu.Lock()
		defer s.server.news.mu.Unlock()
		return len(s.server.news.pages) == 0
	}, 5*time.Second, 10*time.Millisecond)
}

func TestWhoFollowsTooManyAtOnceIsRefused(t *testing.T) {
	s, _ := openOrders(t)
	ada, bob := s.browser(), s.browser()
	ada.cookies[accessCookie], bob.cookies[accessCookie] = token("ada", time.Hour), token("bob", time.Hour)
	follow := func(ctx context.Context, who *browser) int {
		resp, _ := who.follow(ctx, "/api/v1/orders/1/events")
		return resp.StatusCode
	}
	pages, leave := context.WithCancel(t.Context())
	for range streamsPerSession {
		require.Equal(t, http.StatusOK, follow(pages, ada))
	}
	require.Equal(t, http.StatusTooManyRequests, follow(pages, ada))
	require.Equal(t, http.StatusOK, follow(t.Context(), bob), "others may go on")
	leave()
	require.Eventually(t, func() bool { return follow(t.Context(), ada) == http.StatusOK }, 5*time.Second, 10*time.Millisecond,
		"who has closed pages may open others")
}

func TestEventsOfWhatIsNotThereAreAProblem(t *testing.T) {
	s := openShop(t)
	customer := s.browser()
	customer.get("/api/v1/orders/1/events").isProblem(t, 401, "sign-in-required")
	customer.cookies[accessCookie] = token("ada", time.Hour)
	customer.get("/api/v1/orders/1/events").isProblem(t, 503, "service-unavailable")
	s.serve("ordering GET /orders/1/events", refuse(problem.NotFound, "order-not-found"))
	customer.get("/api/v1/orders/1/events").isProblem(t, 404, "order-not-found")
}

func TestStreamsOutliveTheLimitsOfRequests(t *testing.T) {
	s, o := openOrders(t)
	strict := httptest.NewUnstartedServer(s.server.handler())
	strict.Config.ReadTimeout, strict.Config.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond
	strict.Start()
	t.Cleanup(strict.Close)
	s.url = strict.URL
	lines := s.openPage()
	for seq := 2; seq < 12; seq++ {
		time.Sleep(100 * time.Millisecond)
		o.news <- eventText("1", seq)
		requireEvent(t, lines, seq)
	}
}

func TestNewsThatAreNoNewsChangeNothing(t *testing.T) {
	s, o := openOrders(t)
	lines := s.openPage()
	for _, text := range []string{"\n\n\n", "event\n\n", "event: \nid: x\ndata: \n\n", "data: {}\n\n", "id: 9\n\n", "\x00\xff: \n\n", "event: 1\nid: -1\ndata: {}\n\n"} {
		o.news <- text
	}
	o.change(1)
	o.news <- eventText("1", 2)
	requireEvent(t, lines, 2)
}
