package main

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/sidecart/sidecart/internal/problem"
)

const contentSecurityPolicy = "default-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// securityHeaders go out with every answer, errors included. Whoever has another value sets it in its place.
func securityHeaders(next http.Handler) http.Handler {
	always := http.Header{}
	always.Set("Content-Security-Policy", contentSecurityPolicy)
	always.Set("Cross-Origin-Opener-Policy", "same-origin")
	always.Set("Cross-Origin-Resource-Policy", "same-origin")
	always.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	always.Set("Referrer-Policy", "same-origin") // mailed links carry a token in their query
	always.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
	always.Set("X-Content-Type-Options", "nosniff")
	for name, values := range always {
		always[name] = values[:1:1] // all answers share the values: nothing may be appended to them
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), always)
		next.ServeHTTP(w, r)
	})
}

// plainPaths lets only addresses through that every reader takes for the same one: no escapes, no empty or dotted
// segments. All that the shop has to name fits in them, so whatever else comes is a trick.
func plainPaths(next, miss http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if plain(r.URL.EscapedPath()) {
			next.ServeHTTP(w, r)
		} else {
			miss.ServeHTTP(w, r)
		}
	})
}

func plain(path string) bool {
	rest, rooted := strings.CutPrefix(path, "/")
	if !rooted {
		return false
	}
	if rest == "" {
		return true
	}
	for segment := range strings.SplitSeq(rest, "/") {
		if segment == "" || segment[0] == '.' || strings.ContainsFunc(segment, notPlain) {
			return false
		}
	}
	return true
}

func notPlain(c rune) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.ContainsRune("-._~", c):
		return false
	}
	return true
}

// limits are token buckets per client address and per session. A session's cookie is not verified here, so its bucket
// only ever refuses more, and the address's bucket holds whoever makes up cookies.
type limits struct {
	perAddress, perSession rate.Limit
	addresses, sessions    *recent[*rate.Limiter]

	mu      sync.Mutex
	streams map[string]int // open ones, by address and by session
}

// Requests per second; a burst may be twice as many. A page load is about ten requests.
const (
	defaultPerAddress = 200
	defaultPerSession = 50
)

// Streams that one address, and one session, may have open at a time: many customers may share an address, and each may look
// at some orders.
const (
	streamsPerAddress = 1000
	streamsPerSession = 20
)

// newLimits reads requests per second; an empty text means the default, "0" no limit.
func newLimits(perAddress, perSession string) (*limits, error) {
	address, err := parseRate(perAddress, defaultPerAddress)
	if err != nil {
		return nil, fmt.Errorf("requests per second and address: %w", err)
	}
	session, err := parseRate(perSession, defaultPerSession)
	if err != nil {
		return nil, fmt.Errorf("requests per second and session: %w", err)
	}
	return &limits{
		perAddress: address, perSession: session,
		addresses: newRecent[*rate.Limiter](50_000), sessions: newRecent[*rate.Limiter](50_000), streams: map[string]int{},
	}, nil
}

func parseRate(s string, def float64) (rate.Limit, error) {
	if s == "" {
		return rate.Limit(def), nil
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n < 0 || n != n {
		return 0, fmt.Errorf("%q is not a rate", s)
	}
	if n == 0 {
		return rate.Inf, nil
	}
	return rate.Limit(n), nil
}

// allow takes one token of the caller's address and one of its session.
func (l *limits) allow(r *http.Request) error {
	if !take(l.addresses, clientAddress(r), l.perAddress) {
		return tooMany()
	}
	if session := sessionKey(r); session != "" && !take(l.sessions, session, l.perSession) {
		return tooMany()
	}
	return nil
}

func take(buckets *recent[*rate.Limiter], key string, limit rate.Limit) bool {
	if limit == rate.Inf {
		return true
	}
	return buckets.getOrPut(key, func() *rate.Limiter { return rate.NewLimiter(limit, max(1, int(2*limit))) }).Allow()
}

// stream counts one more stream of the caller's, until done is called.
func (l *limits) stream(r *http.Request) (done func(), err error) {
	address, session := "address "+clientAddress(r), "session "+sessionKey(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams[address] >= streamsPerAddress || sessionKey(r) != "" && l.streams[session] >= streamsPerSession {
		return nil, problem.New(problem.TooMany, "too-many-streams", "Too many orders are being followed at once. Please close some pages.").
			WithRetryAfter(10 * time.Second)
	}
	l.streams[address]++
	l.streams[session]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, who := range []string{address, session} {
			if l.streams[who]--; l.streams[who] == 0 {
				delete(l.streams, who)
			}
		}
	}, nil
}

func tooMany() error {
	return problem.New(problem.TooMany, "too-many-requests", "That was too much at once. Please wait a moment.").
		WithRetryAfter(time.Second)
}

// clientAddress is the address that the request came from; all addresses of an IPv6 /64 belong to one client.
func clientAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Unmap().Is4() {
		return host
	}
	prefix, _ := addr.Prefix(64)
	return prefix.String()
}
