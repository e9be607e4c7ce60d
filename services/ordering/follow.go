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

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/services/ordering/order"
)

const (
	heartbeat    = 15 * time.Second
	writeTimeout = 10 * time.Second
	mostUnsent   = 10_000 // orders that a stream may owe; who is so far behind had better look anew
)

// news are the open streams of this process that tell what becomes of orders. One connection listens for all of them.
type news struct {
	mu      sync.Mutex
	streams map[*unsent]bool
}

// unsent is what one stream has not sent yet, the newest state of each order; nil if this process has not seen it.
type unsent struct {
	mu     sync.Mutex
	orders map[string]*order.Order
	some   chan struct{}
	end    context.CancelFunc
}

func (n *news) open(end context.CancelFunc) (u *unsent, stop func()) {
	u = &unsent{orders: map[string]*order.Order{}, some: make(chan struct{}, 1), end: end}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.streams == nil {
		n.streams = make(map[*unsent]bool)
	}
	n.streams[u] = true
	return u, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.streams, u)
	}
}

// listen passes on what the store says has changed, until ctx ends. What happened while its connection was away is unknown:
// the streams end then, and who opens one looks at the orders that matter.
func (n *news) listen(db *pgxpool.Pool) boot.Task {
	return func(ctx context.Context) error {
		return postgres.Listen(ctx, db, changedChannel, func(orderID string, what any) {
			o, _ := what.(*order.Order)
			n.mu.Lock()
			defer n.mu.Unlock()
			for u := range n.streams {
				if orderID == "" {
					u.end()
				} else {
					u.add(orderID, o)
				}
			}
		})
	}
}

// add leaves word of an order. Commits may be told of in another order than they were made in: the longer history is the
// later one, and to look is as good as either.
func (u *unsent) add(orderID string, o *order.Order) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if before, known := u.orders[orderID]; known && (before == nil || o != nil && len(before.Timeline) > len(o.Timeline)) {
		o = before
	}
	u.orders[orderID] = o
	if len(u.orders) > mostUnsent {
		u.end()
	}
	select {
	case u.some <- struct{}{}:
	default:
	}
}

func (u *unsent) take() map[string]*order.Order {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.orders
	u.orders = map[string]*order.Order{}
	return taken
}

// showNews answers with what the caller has not seen of an order, as server-sent events (WHATWG HTML, section 9.2): one event
// "order" with the whole order, its id the length of the timeline, or nothing if Last-Event-ID says so.
func (s *server) showNews(w http.ResponseWriter, r *http.Request) error {
	o, err := s.visible(r)
	if err != nil {
		return err
	}
	seen, err := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	if err != nil || seen > len(o.Timeline) {
		seen = 0
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	var text []byte
	if len(o.Timeline) > seen {
		if text, err = s.event("order", o); err != nil {
			return err
		}
	}
	_, _ = w.Write(text) // the status has gone out: a failed write is the client's hanging up
	return nil
}

// streamNews tells a gateway of every order that changes, as server-sent events that are named by the order. Many pages are
// followed by one stream.
func (s *server) streamNews(w http.ResponseWriter, r *http.Request) error {
	ctx, end := context.WithCancel(r.Context())
	defer end()
	unsent, stop := s.news.open(end)
	defer stop()
	out := &stream{w: w, control: http.NewResponseController(w)}
	out.open()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for out.err == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-boot.Draining(ctx):
			return nil
		case <-beat.C:
			out.write([]byte(": still here\n\n"))
		case <-unsent.some:
			var text []byte
			for id, o := range unsent.take() {
				event, err := s.eventOf(ctx, id, o)
				if err != nil {
					slog.Warn("the stream of news ends", "error", err.Error())
					return nil
				}
				text = append(text, event...)
			}
			out.write(text)
		}
	}
	return nil
}

// eventOf is the event of an order that may have to be read first.
func (s *server) eventOf(ctx context.Context, id string, o *order.Order) ([]byte, error) {
	if o == nil {
		var err error
		if o, err = s.orders.Order(ctx, id); err != nil {
			return nil, err
		}
	}
	return s.event(id, o)
}

func (s *server) event(name string, o *order.Order) ([]byte, error) {
	data, err := json.Marshal(newOrderView(o, s.now()))
	if err != nil {
		return nil, fmt.Errorf("encode order: %w", err)
	}
	return fmt.Appendf(nil, "event: %s\nid: %d\ndata: %s\n\n", name, len(o.Timeline), data), nil
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
	// The server's read limit would end the request, though nothing more is read.
	_ = s.control.SetReadDeadline(time.Time{})
	s.w.WriteHeader(http.StatusOK)
	s.write([]byte(": open\n\n"))
}

func (s *stream) write(text []byte) {
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, s.err = s.w.Write(text); s.err == nil {
		s.err = s.control.Flush()
	}
}
