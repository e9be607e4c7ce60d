package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/problem"
)

const (
	lookEvery    = 15 * time.Second // at an order whose page is open, in case its news got lost
	lookAgain    = time.Second      // after a failure
	newsSilence  = 40 * time.Second // after which the stream of news is taken for dead; it has a heartbeat of 15 s
	newsPause    = time.Second      // before it is opened again
	longestEvent = 1 << 20          // bytes in a line
)

// news is what ordering tells of orders, by one stream for all pages that follow one.
type news struct {
	calls *calls

	mu    sync.Mutex
	pages map[string]map[chan event]bool // by order
}

// event is the state of an order after seq changes. Without data it says only that there is something to look at.
type event struct {
	seq  int
	data string // the order as JSON
}

func newNews(c *calls) *news { return &news{calls: c, pages: map[string]map[chan event]bool{}} }

// follow returns a channel that gets an event some time after the order changed; several changes may become one event.
func (n *news) follow(orderID string) (changed <-chan event, stop func()) {
	c := make(chan event, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pages[orderID] == nil {
		n.pages[orderID] = map[chan event]bool{}
	}
	n.pages[orderID][c] = true
	return c, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.pages[orderID], c)
		if len(n.pages[orderID]) == 0 {
			delete(n.pages, orderID)
		}
	}
}

// tell hands an event to the pages of an order.
func (n *news) tell(orderID string, e event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.pages[orderID] {
		put(c, e)
	}
}

// lookAll has every page look at its order.
func (n *news) lookAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, pages := range n.pages {
		for c := range pages {
			put(c, event{})
		}
	}
}

// put leaves e in c in place of what nobody has taken yet, unless that says to look, which is as good as either.
func put(c chan event, e event) {
	select {
	case before := <-c:
		if before.data == "" || e.data != "" && before.seq > e.seq {
			e = before
		}
	default:
	}
	c <- e
}

// listen keeps the stream of news open until ctx ends. What happened while it was closed is unknown, so every page looks.
func (n *news) listen(ctx context.Context) error {
	for {
		err := n.read(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end was asked for
		}
		slog.Warn("no news of orders for a moment", "error", err.Error())
		select {
		case <-ctx.Done():
		case <-time.After(newsPause):
		}
	}
}

func (n *news) read(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(newsSilence, cancel)
	defer silence.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/news", nil)
	if err != nil {
		return err
	}
	resp, err := n.calls.do(req, "ordering")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := problem.Read(resp); err != nil {
		return err
	}
	n.lookAll()
	err = readEvents(resp.Body, func(orderID string, e event) {
		silence.Reset(newsSilence)
		n.tell(orderID, e)
	})
	return fmt.Errorf("read the news of orders: %w", cmp.Or(err, io.ErrUnexpectedEOF))
}

// readEvents calls hear for each server-sent event and its name, and with neither for a comment.
func readEvents(r io.Reader, hear func(name string, e event)) error {
	var name string
	var e event
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestEvent)
	for lines.Scan() {
		switch field, value, _ := strings.Cut(lines.Text(), ": "); field {
		case "event":
			name = value
		case "id":
			e.seq, _ = strconv.Atoi(value)
		case "data":
			e.data = value
		case "":
			if value == "" { // not a comment
				hear(name, e)
				name, e = "", event{}
			}
		}
	}
	return lines.Err()
}

// follow streams an order to its page as server-sent events until either side leaves, or the gateway shuts down; the
// browser then connects again and says which event it saw last. What the page may see is ordering's to say, at first and
// every time it is asked for what may have got lost.
func (s *server) follow(w http.ResponseWriter, r *http.Request, to target) error {
	done, err := s.limits.stream(r)
	if err != nil {
		return err
	}
	defer done()
	changed, stop := s.news.follow(mux.Vars(r)["id"])
	defer stop()
	first, err := s.look(w, r, to, r.Header.Get("Last-Event-Id"))
	if err != nil {
		return err
	}
	page := &openPage{w: w, control: http.NewResponseController(w), silent: s.silent, seen: first.seq - 1}
	if first.data == "" {
		page.seen, _ = strconv.Atoi(r.Header.Get("Last-Event-Id"))
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // asks a proxy in front of us not to collect events
	page.write("retry: 1000\n\n")
	page.show(first)
	next := time.NewTimer(lookEvery)
	defer next.Stop()
	for page.err == nil {
		var e event
		select {
		case <-r.Context().Done():
			return nil
		case <-boot.Draining(r.Context()):
			return nil
		case <-next.C:
			page.write(": still here\n\n")
		case e = <-changed:
		}
		if e.data != "" {
			page.show(e)
			continue
		}
		next.Reset(lookEvery)
		e, err := s.look(w, r, to, strconv.Itoa(page.seen))
		if refusal, ok := errors.AsType[*problem.Error](err); ok && refusal.Kind == problem.Unavailable {
			next.Reset(lookAgain)
		} else if err != nil {
			return nil // it is no longer the caller's, who learns so on coming back
		}
		page.show(e)
	}
	return nil
}

// look asks for what r's caller, who has seen an event, has not seen of an order; nothing is an event without data.
func (s *server) look(w http.ResponseWriter, r *http.Request, to target, seen string) (e event, err error) {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	r = r.Clone(ctx)
	r.Header.Set("Last-Event-Id", seen)
	r.Header.Del("Accept") // of text/event-stream sidecars expect a stream, and fail at refusals and at no news
	resp, err := s.send(w, r, to)
	if err != nil {
		return e, err
	}
	defer resp.Body.Close()
	if err := readEvents(resp.Body, func(_ string, news event) { e = news }); err != nil {
		return e, unavailable(to.app, err)
	}
	return e, nil
}

// openPage is where an order is followed. After the first failure it shows nothing more.
type openPage struct {
	w       http.ResponseWriter
	control *http.ResponseController
	silent  time.Duration
	seen    int
	err     error
}

// show sends an event, unless the page has seen it.
func (p *openPage) show(e event) {
	if e.data == "" || e.seq <= p.seen {
		return
	}
	p.seen = e.seq
	p.write(fmt.Sprintf("event: order\nid: %d\ndata: %s\n\n", e.seq, e.data))
}

func (p *openPage) write(text string) {
	if p.err != nil {
		return
	}
	// The server's limit is for answers that end. A peer that takes nothing for so long is gone.
	_ = p.control.SetWriteDeadline(time.Now().Add(p.silent))
	if _, p.err = io.WriteString(p.w, text); p.err == nil {
		p.err = p.control.Flush()
	}
}
