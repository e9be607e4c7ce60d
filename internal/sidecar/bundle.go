package sidecar

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// Calls to a service that are made while one is under way travel together: an invocation costs two sidecars the same,
// however much is in it. What travels together are whole HTTP messages, each with its own caller, key and trace, in the
// body of one request of the media type application/http (RFC 9112, section 10.2), and their answers come back the same
// way, each as soon as there is one. Only calls that an allow-list of the callee's sidecar cannot tell apart share a
// request: those of one verb and one first segment of the path, which are the request's own.
const (
	bundleType = "application/http"
	bundleName = "Sidecart-Call" // numbers the calls of a bundle, since answers come in any order

	bundleMost = 64
	bundleBody = 8 << 10 // bytes that the body of a call may have to travel with others
	bundlePace = 10 * time.Millisecond
	bundleWait = 50 * time.Millisecond // of those who are in no hurry
	bundleTime = 15 * time.Second
	answerHold = 2 * time.Millisecond // how long an answer waits for others to go back with
)

// bundles are the calls under way of a client, by what may travel together.
type bundles struct {
	mu    sync.Mutex
	lines map[string]*line
}

// line is the way that calls to one app, of one verb and first segment, take: one bundle after the other. The next one
// leaves when the first answer to the last one is there, or after a moment, so that nobody waits for a slow one; those who
// are in no hurry leave at intervals.
type line struct {
	app, verb, segment string

	mu      sync.Mutex
	busy    bool
	patient bool // who last came is in no hurry
	waiting []*passenger
}

type patience struct{}

// Patiently lets calls under ctx wait for a moment for others to travel with: nobody waits for what they do.
func Patiently(ctx context.Context) context.Context { return context.WithValue(ctx, patience{}, true) }

// passenger is one call of a bundle. It is answered once.
type passenger struct {
	req    *http.Request
	answer chan arrival
}

type arrival struct {
	resp *http.Response
	err  error
}

// bundled reports whether req may travel with others. A call that only reads may have a long answer, or one without end.
func bundled(req *http.Request) bool {
	switch req.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return req.ContentLength >= 0 && req.ContentLength <= bundleBody && (req.Body == nil || req.Body == http.NoBody || req.GetBody != nil)
	}
	return false
}

func (b *bundles) line(app string, req *http.Request) *line {
	segment := firstSegment(req.URL.Path)
	key := app + " " + req.Method + " " + segment
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.lines[key]
	if l == nil {
		if b.lines == nil {
			b.lines = map[string]*line{}
		}
		l = &line{app: app, verb: req.Method, segment: segment}
		b.lines[key] = l
	}
	return l
}

func firstSegment(path string) string {
	segment, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return segment
}

// travel makes the call req, alone if nobody else is on the way.
func (c *Client) travel(req *http.Request, app string) (*http.Response, error) {
	l := c.bundles.line(app, req)
	p := &passenger{req: req, answer: make(chan arrival, 1)}
	l.mu.Lock()
	l.waiting = append(l.waiting, p)
	first := !l.busy
	l.busy, l.patient = true, req.Context().Value(patience{}) != nil
	patient := l.patient
	l.mu.Unlock()
	switch {
	case first && patient:
		time.AfterFunc(bundleWait, func() { c.depart(l, nil) })
	case first:
		runtime.Gosched() // those who are just about to call come along
		c.depart(l, p)
	}
	select {
	case a := <-p.answer:
		return a.resp, a.err
	case <-req.Context().Done():
		if errors.Is(req.Context().Err(), context.Canceled) {
			return nil, req.Context().Err()
		}
		return nil, unavailable(app, req.Context().Err())
	}
}

// depart sends those who wait on their way, and sees to it that the next ones follow. Whoever is alone and calls it itself
// has its answer when it returns.
func (c *Client) depart(l *line, caller *passenger) {
	l.mu.Lock()
	bundle := l.waiting[:min(len(l.waiting), bundleMost)]
	l.waiting = l.waiting[len(bundle):]
	l.busy = len(bundle) > 0
	pace := bundlePace
	if l.patient {
		pace = bundleWait
	}
	l.mu.Unlock()
	if len(bundle) == 0 {
		return
	}
	next := time.AfterFunc(pace, func() { c.depart(l, nil) })
	arrived := func() {
		if pace == bundlePace && next.Stop() {
			c.depart(l, nil)
		}
	}
	switch {
	case len(bundle) > 1:
		go c.carry(l, bundle, arrived)
	case bundle[0] == caller:
		caller.alone(c, l, arrived)
	default:
		go bundle[0].alone(c, l, arrived)
	}
}

// alone makes a call by itself.
func (p *passenger) alone(c *Client, l *line, arrived func()) {
	resp, err := c.send(p.req, l.app) //nolint:bodyclose // who called closes it
	p.answer <- arrival{resp, err}
	arrived()
}

// carry sends a bundle and gives each call its answer. One that gets none is like any call that gets none. A service
// that does not know bundles has refused this one, whatever it says: each call is made by itself then.
func (c *Client) carry(l *line, bundle []*passenger, arrived func()) {
	defer arrived()
	open := make(map[string]*passenger, len(bundle))
	var body bytes.Buffer
	for i, p := range bundle {
		name := strconv.Itoa(i)
		if err := p.write(&body, name); err != nil {
			p.answer <- arrival{err: err}
			continue
		}
		open[name] = p
	}
	ctx, cancel := context.WithTimeout(context.Background(), bundleTime)
	defer cancel()
	fail := func(err error) {
		for _, p := range open {
			p.answer <- arrival{err: err}
		}
	}
	req, err := http.NewRequestWithContext(ctx, l.verb, "/"+l.segment, &body)
	if err != nil {
		fail(err)
		return
	}
	req.Header.Set("Content-Type", bundleType)
	resp, err := c.send(req, l.app)
	if err != nil {
		fail(err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != bundleType {
		for _, p := range open {
			go p.alone(c, l, func() {})
		}
		return
	}
	answers := bufio.NewReader(resp.Body)
	for len(open) > 0 {
		name, answer, err := readAnswer(answers) //nolint:bodyclose // who called closes it
		if err != nil {
			fail(unavailable(l.app, err))
			return
		}
		if p := open[name]; p != nil {
			delete(open, name)
			p.answer <- arrival{resp: answer}
		}
		arrived()
	}
}

// write adds the call to a bundle as an HTTP message.
func (p *passenger) write(b *bytes.Buffer, name string) error {
	r := p.req
	var body []byte
	if r.Body != nil && r.Body != http.NoBody {
		reader, err := r.GetBody()
		if err != nil {
			return fmt.Errorf("bundle a call: %w", err)
		}
		if body, err = io.ReadAll(reader); err != nil {
			return fmt.Errorf("bundle a call: %w", err)
		}
	}
	target := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	fmt.Fprintf(b, "%s %s HTTP/1.1\r\nHost: sidecart\r\n%s: %s\r\nContent-Length: %d\r\n", r.Method, target, bundleName, name, len(body))
	if trace := web.TraceParent(r.Context()); trace != "" {
		fmt.Fprintf(b, "Traceparent: %s\r\n", trace)
	}
	if err := r.Header.WriteSubset(b, map[string]bool{"Content-Length": true, "Traceparent": true, bundleName: true, "Transfer-Encoding": true, "Host": true}); err != nil {
		return fmt.Errorf("bundle a call: %w", err)
	}
	b.WriteString("\r\n")
	b.Write(body)
	return nil
}

// readAnswer takes the next answer, whole, out of a bundle's.
func readAnswer(from *bufio.Reader) (name string, resp *http.Response, err error) {
	resp, err = http.ReadResponse(from, nil)
	if err != nil {
		return "", nil, fmt.Errorf("read bundled answer: %w", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", nil, fmt.Errorf("read bundled answer: %w", err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	name = resp.Header.Get(bundleName)
	resp.Header.Del(bundleName)
	return name, resp, nil
}

// Unbundle serves each call of a bundle by next, as if it had come by itself: next sees its caller's token, checks it and
// logs it. Who called is what the sidecar says of the bundle. Any other request goes to next as it is.
func Unbundle(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") != bundleType {
			next.ServeHTTP(w, r)
			return
		}
		calls, err := unpack(r)
		if err != nil {
			slog.Warn("bundle refused", "caller", Caller(r), "error", err.Error())
			problem.Write(w, r, problem.New(problem.Invalid, "malformed-bundle", "These are not calls that may travel together."))
			return
		}
		answers := make(chan *answer, len(calls))
		for _, call := range calls {
			go serveBundled(next, call, answers)
		}
		w.Header().Set("Content-Type", bundleType)
		w.WriteHeader(http.StatusOK)
		out := http.NewResponseController(w)
		hold := time.NewTimer(time.Hour)
		defer hold.Stop()
		held := false
		for waiting := len(calls); waiting > 0; {
			select {
			case a := <-answers:
				waiting--
				if a.whole {
					_, _ = w.Write(a.message()) // who does not get it takes the service for away
				}
				if !held {
					held = true
					hold.Reset(answerHold)
				}
			case <-hold.C:
				held = false
				_ = out.Flush()
			}
		}
	})
}

var errMixed = errors.New("calls that do not belong together")

// unpack reads the calls of a bundle. It takes all of them or none.
func unpack(r *http.Request) ([]*http.Request, error) {
	from := bufio.NewReader(r.Body)
	var calls []*http.Request
	for {
		if _, err := from.Peek(1); errors.Is(err, io.EOF) && len(calls) > 0 {
			return calls, nil
		}
		call, err := http.ReadRequest(from)
		if err != nil {
			return nil, err
		}
		switch {
		case len(calls) == bundleMost, call.Method != r.Method, firstSegment(call.URL.Path) != firstSegment(r.URL.Path),
			call.URL.Host != "", call.ContentLength < 0, call.Header.Get("Content-Type") == bundleType:
			return nil, errMixed
		}
		body, err := io.ReadAll(call.Body)
		if err != nil {
			return nil, err
		}
		call.Body = io.NopCloser(bytes.NewReader(body))
		for name := range call.Header {
			if strings.HasPrefix(name, "Dapr-") {
				delete(call.Header, name)
			}
		}
		for name, values := range r.Header {
			if strings.HasPrefix(name, "Dapr-") {
				call.Header[name] = values
			}
		}
		call.RemoteAddr = r.RemoteAddr
		calls = append(calls, call.WithContext(r.Context()))
	}
}

// serveBundled has one call answered. One whose handler hangs up gets no answer.
func serveBundled(next http.Handler, call *http.Request, answers chan<- *answer) {
	a := &answer{name: call.Header.Get(bundleName), header: http.Header{}}
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				slog.Error("panic", "panic", p)
			}
			a.whole = false
		}
		answers <- a
	}()
	call.Header.Del(bundleName)
	next.ServeHTTP(a, call)
	a.whole = true
}

// answer collects what a handler answers to a bundled call.
type answer struct {
	name   string
	header http.Header
	status int
	body   bytes.Buffer
	whole  bool
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// message is the answer as an HTTP message.
func (a *answer) message() []byte {
	a.WriteHeader(http.StatusOK)
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n%s: %s\r\n", a.status, http.StatusText(a.status), bundleName, a.name)
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", a.body.Len())
	}
	_ = a.header.WriteSubset(&b, map[string]bool{"Content-Length": true, "Transfer-Encoding": true, bundleName: true})
	b.WriteString("\r\n")
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		b.Write(a.body.Bytes())
	}
	return b.Bytes()
}
