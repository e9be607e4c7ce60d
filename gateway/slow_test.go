package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/web"
)

// hasty is the patience under test. Nothing below depends on how short it is: what is waited for has a deadline that is
// many times as long.
var hasty = boot.Patience{Header: 200 * time.Millisecond, Request: 400 * time.Millisecond, Answer: 600 * time.Millisecond, Idle: 200 * time.Millisecond}

const atLast = 30 * time.Second

func openHasty(t *testing.T) *shop {
	s := openShop(t)
	s.server.stalled, s.server.silent = hasty.Request, hasty.Answer
	s.reopenWith(hasty)
	return s
}

// dial is a connection of somebody who speaks HTTP as they please.
func (s *shop) dial() *net.TCPConn {
	s.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(s, err)
	s.Cleanup(func() { _ = conn.Close() })
	require.NoError(s, conn.SetDeadline(time.Now().Add(atLast)))
	return conn.(*net.TCPConn)
}

func (s *shop) say(conn net.Conn, text string) {
	s.Helper()
	_, err := io.WriteString(conn, text)
	require.NoError(s, err)
}

// dribble sends text byte by byte for ever, until the gateway hangs up.
func dribble(conn net.Conn, text string) {
	for {
		for i := range len(text) {
			if _, err := conn.Write([]byte{text[i]}); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// hungUp reads what the gateway answers until it hangs up, which it must.
func (s *shop) hungUp(conn net.Conn) string {
	s.Helper()
	answer, err := io.ReadAll(conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() { //nolint:errorlint // as it comes from the connection
		require.Fail(s, "the gateway waits for ever", string(answer))
	}
	return string(answer)
}

func TestHeadersThatDribbleAreHungUpOn(t *testing.T) {
	s := openHasty(t)
	s.serve("catalog GET /categories", answer(200, map[string]any{"items": []string{}}))
	var slow []net.Conn
	for range 100 {
		conn := s.dial()
		s.say(conn, "GET /api/v1/categories HTTP/1.1\r\nHost: shop\r\n")
		go dribble(conn, "X-Slow: loris\r\n")
		slow = append(slow, conn)
	}
	silent := s.dial()
	require.Equal(t, 200, s.browser().get("/api/v1/categories").StatusCode, "others are served meanwhile")
	for _, conn := range append(slow, silent) {
		require.NotContains(t, s.hungUp(conn), "200 OK")
	}
}

func TestBodiesThatDribbleAreHungUpOn(t *testing.T) {
	s := openHasty(t)
	s.takeFile("/admin/imports", 10<<20, 1<<20)
	signedIn := "Cookie: " + accessCookie + "=" + token("ada", 10*time.Minute) + "\r\n"
	for _, begin := range []string{
		"POST /api/v1/auth/login HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n",
		"POST /api/v1/auth/login HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST /webhooks/stripe HTTP/1.1\r\nHost: shop\r\nContent-Length: 1000000\r\n\r\n",
		"POST /api/v1/admin/imports HTTP/1.1\r\nHost: shop\r\n" + signedIn + "Content-Length: 1000000\r\n\r\n",
	} {
		conn := s.dial()
		s.say(conn, begin)
		go dribble(conn, "1\r\nx\r\n")
		require.Contains(t, s.hungUp(conn), "incomplete-body", begin)
	}
	require.Empty(t, s.callsTo("auth POST /login"), "no service waits for a body")
	require.Empty(t, s.callsTo("payment POST /webhooks/stripe"))
	require.Empty(t, s.callsTo("catalog PUT /admin/imports/f1/completion"))
}

// A peer that takes none of its answer holds neither the gateway nor the service for long.
func TestReadersThatStallAreHungUpOn(t *testing.T) {
	s := openHasty(t)
	ended := make(chan string, 2)
	endless := func(contentType string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			for piece := strings.Repeat("data: x\n", 1<<13); r.Context().Err() == nil; {
				if _, err := io.WriteString(w, piece); err != nil {
					break
				}
			}
			ended <- contentType
		}
	}
	s.serve("ordering GET /orders", endless("application/json"))
	s.serve("catalog GET /admin/products/export", endless("text/csv"))
	want := []string{"application/json", "text/csv"}
	for _, path := range []string{"/api/v1/orders", "/api/v1/admin/products/export"} {
		conn := s.dial()
		require.NoError(t, conn.SetReadBuffer(4096))
		s.say(conn, "GET "+path+" HTTP/1.1\r\nHost: shop\r\nCookie: "+accessCookie+"="+token("ada", 10*time.Minute)+"\r\n\r\n")
	}
	var got []string
	for range want {
		select {
		case name := <-ended:
			got = append(got, name)
		case <-time.After(atLast):
			require.Fail(t, "a service is held up for ever", "of %v only %v are not", want, got)
		}
	}
	require.ElementsMatch(t, want, got)
}

// A page that takes none of its news is forgotten, and holds up nobody's.
func TestAPageThatStallsIsForgotten(t *testing.T) {
	s, o := openOrders(t)
	s.server.silent = hasty.Answer
	s.reopenWith(hasty)
	conn := s.dial()
	require.NoError(t, conn.SetReadBuffer(4096))
	s.say(conn, "GET /api/v1/orders/1/events HTTP/1.1\r\nHost: shop\r\nCookie: "+accessCookie+"="+token("ada", 10*time.Minute)+"\r\n\r\n")
	pages := func() int {
		s.server.news.mu.Lock()
		defer s.server.news.mu.Unlock()
		return len(s.server.news.pages)
	}
	require.Eventually(t, func() bool { return pages() == 1 }, atLast, time.Millisecond)
	long := strings.Repeat("x", 1<<19)
	for deadline, seq := time.Now().Add(atLast), 2; pages() > 0; seq++ {
		require.True(t, time.Now().Before(deadline), "it is waited for for ever")
		o.news <- fmt.Sprintf("event: 1\nid: %d\ndata: %s\n\n", seq, long)
	}
}

// A file may take longer than other answers, as long as it moves.
func TestFilesThatMoveMayTakeTheirTime(t *testing.T) {
	s := openHasty(t)
	s.server.stalled = atLast
	s.serve("catalog GET /admin/products/export", func(w http.ResponseWriter, _ *http.Request) {
		for i := range 20 {
			_, _ = fmt.Fprintf(w, "%d\n", i)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(2 * hasty.Answer / 20)
		}
	})
	customer := s.browser()
	customer.cookies[accessCookie] = token("ada", 10*time.Minute)
	got := customer.get("/api/v1/admin/products/export")
	require.Equal(t, 200, got.StatusCode)
	require.Equal(t, 20, strings.Count(got.body, "\n"))
}

func TestHeadersAndBodiesAreSmall(t *testing.T) {
	s := openHasty(t)
	s.takeFile("/admin/images", 2<<20, 1<<20)
	status := func(conn net.Conn) int {
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		defer resp.Body.Close()
		return resp.StatusCode
	}
	conn := s.dial()
	s.say(conn, "GET /api/v1/categories HTTP/1.1\r\nHost: shop\r\nX-Large: "+strings.Repeat("x", 40<<10)+"\r\n\r\n")
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, status(conn))

	signedIn := "Cookie: " + accessCookie + "=" + token("ada", 10*time.Minute) + "\r\n"
	for begin, most := range map[string]int{
		"POST /api/v1/auth/login HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n": web.MaxBody,
		"POST /webhooks/stripe HTTP/1.1\r\nHost: shop\r\n":                                     web.MaxBody,
		"POST /api/v1/admin/images HTTP/1.1\r\nHost: shop\r\n" + signedIn:                      2 << 20,
	} {
		declared := s.dial()
		s.say(declared, fmt.Sprintf("%sContent-Length: %d\r\n\r\n", begin, most+1))
		go func() { _, _ = io.CopyN(declared, zeros{}, int64(most)+1) }()
		require.Equal(t, http.StatusRequestEntityTooLarge, status(declared), begin)

		endless := s.dial()
		s.say(endless, begin+"Transfer-Encoding: chunked\r\n\r\n")
		go func() {
			for chunk := fmt.Sprintf("%x\r\n%s\r\n", 1<<16, strings.Repeat("x", 1<<16)); ; {
				if _, err := io.WriteString(endless, chunk); err != nil {
					return
				}
			}
		}()
		require.Equal(t, http.StatusRequestEntityTooLarge, status(endless), begin)
	}
	require.Empty(t, s.callsTo("auth POST /login"))
	require.Empty(t, s.callsTo("payment POST /webhooks/stripe"))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestConnectionsThatIdleAreHungUpOn(t *testing.T) {
	s := openHasty(t)
	s.serve("catalog GET /categories", answer(200, map[string]any{"items": []string{}}))
	conn := s.dial()
	s.say(conn, "GET /api/v1/categories HTTP/1.1\r\nHost: shop\r\n\r\n")
	require.Contains(t, s.hungUp(conn), "200 OK")
}
