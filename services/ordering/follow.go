package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/mux"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/services/ordering/order"
)

const (
	heartbeat    = 15 * time.Second
	writeTimeout = 10 * time.Second
)

// followers are the open streams of this process, by order. One connection listens for all of them.
type followers struct {
	mu      sync.Mutex
	byOrder map[string]map[chan *order.Order]bool
}

// follow returns a channel that gets a value some time after the order changed: the order, or nil if this process has not
// seen the change itself. Several changes may become one value.
func (f *followers) follow(orderID string) (changed <-chan *order.Order, stop func()) {
	c := make(chan *order.Order, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byOrder == nil {
		f.byOrder = make(map[string]map[chan *order.Order]bool)
	}
	if f.byOrder[orderID] == nil {
		f.byOrder[orderID] = make(map[chan *order.Order]bool)
	}
	f.byOrder[orderID][c] = true
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.byOrder[orderID], c)
		if len(f.byOrder[orderID]) == 0 {
			delete(f.byOrder, orderID)
		}
	}
}

// wake tells those who follow an order that it is now as o says, or to look for themselves if o is nil.
func (f *followers) wake(orderID string, o *order.Order) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.byOrder[orderID] {
		put(c, o)
	}
}

func (f *followers) wakeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, streams := range f.byOrder {
		for c := range streams {
			put(c, nil)
		}
	}
}

// put leaves o in c in place of what nobody has taken yet. Commits may be told of in another order than they were made in:
// the longer history is the later one, and to look is as good as either.
func put(c chan *order.Order, o *order.Order) {
	select {
	case before := <-c:
		if before == nil || o != nil && len(before.Timeline) > len(o.Timeline) {
			o = before
		}
	default:
	}
	c <- o
}

// listen wakes followers when the store says that an order changed, until ctx ends. What happened while the connection
// was away is unknown, so everybody looks then.
func (f *followers) listen(db *pgxpool.Pool) boot.Task {
	return func(ctx context.Context) error {
		return postgres.Listen(ctx, db, changedChannel, func(orderID string, what any) {
			if orderID == "" {
				f.wakeAll()
				return
			}
			o, _ := what.(*order.Order)
			f.wake(orderID, o)
		})
	}
}

// followOrder streams an order as server-sent events (WHATWG HTML, section 9.2): one event "order" with the whole order
// per change, its id the length of the timeline, so that a client that comes back with Last-Event-ID gets what it missed.
func (s *server) followOrder(w http.ResponseWriter, r *http.Request) error {
	changed, stop := s.followers.follow(mux.Vars(r)["id"])
	defer stop()
	o, err := s.visible(r)
	if err != nil {
		return err
	}
	seen, err := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	if err != nil || seen > len(o.Timeline) {
		seen = 0
	}
	out := &stream{w: w, control: http.NewResponseController(w)}
	out.open()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		if len(o.Timeline) > seen {
			seen = len(o.Timeline)
			out.send("order", seen, newOrderView(o, s.now()))
		}
		var now *order.Order
		select {
		case <-r.Context().Done():
			return nil
		case <-boot.Draining(r.Context()):
			return nil
		case <-beat.C:
			out.comment("still here")
			now = nil // a change that another replica did not live to tell is found here
		case now = <-changed:
		}
		if now == nil {
			// The status has gone out: an error can only end the stream, and the client comes back.
			if now, err = s.orders.Order(r.Context(), o.ID); err != nil {
				slog.Warn("stream ends", "error", err.Error())
				return nil
			}
		}
		if len(now.Timeline) > len(o.Timeline) {
			o = now
		}
		if out.err != nil {
			return nil
		}
	}
}

// stream writes server-sent events; after the first failure it writes nothing more.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func (s *stream) open() {
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // for proxies that would wait for more
	// The server's read limit would end the request, though nothing more is read.
	_ = s.control.SetReadDeadline(time.Time{})
	s.w.WriteHeader(http.StatusOK)
	s.write("retry: 1000\n\n")
}

func (s *stream) send(event string, id int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		s.err = err
		return
	}
	s.write(fmt.Sprintf("event: %s\nid: %d\ndata: %s\n\n", event, id, data))
}

func (s *stream) comment(text string) { s.write(": " + text + "\n\n") }

func (s *stream) write(text string) {
	if s.err != nil {
		return
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, s.err = s.w.Write([]byte(text)); s.err == nil {
		s.err = s.control.Flush()
	}
}
