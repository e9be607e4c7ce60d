package outbox

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

const (
	feedPage = 500
	// settled is how long the broker has for a fact before consumers look for it in the feed.
	settled = 3 * time.Second
)

// Routes adds GET /outbox?topics=a,b&after=cursor: this service's facts of those topics in the order of their commits,
// for the services that subscribe to them.
func Routes(r *mux.Router, pool *pgxpool.Pool, app string) {
	r.Handle("/outbox", web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		topics := strings.Split(r.URL.Query().Get("topics"), ",")
		for _, topic := range topics {
			route, known := events.Routes[topic]
			if !known || route.Producer != app || !slices.Contains(route.Consumers, sidecar.Caller(r)) {
				return problem.New(problem.NotFound, "no-such-feed", "There is no feed of %q for you here.", topic)
			}
		}
		xid, seq, err := parseCursor(r.URL.Query().Get("after"))
		if err != nil {
			return err
		}
		// Rows of transactions that may still be open, or that committed among such, are left for a later page: the
		// cursor must never pass a row that is not visible yet.
		rows, err := pool.Query(r.Context(), `select id::text, topic, subject, traceparent, data, created_at, xid::text::bigint, seq
			from outbox where (xid, seq) > ($1::text::xid8, $2) and xid < pg_snapshot_xmin(pg_current_snapshot()) and topic = any($3)
			order by xid, seq limit $4`, strconv.FormatInt(xid, 10), seq, topics, feedPage)
		if err != nil {
			return fmt.Errorf("read feed: %w", err)
		}
		type positioned struct {
			row
			Xid, Seq int64
		}
		page, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (p positioned, err error) {
			err = r.Scan(&p.ID, &p.Topic, &p.Subject, &p.TraceParent, &p.Data, &p.CreatedAt, &p.Xid, &p.Seq)
			return p, err
		})
		if err != nil {
			return fmt.Errorf("read feed: %w", err)
		}
		answer := web.Page[events.Envelope]{Items: []events.Envelope{}}
		for _, p := range page {
			if time.Since(p.CreatedAt) < settled {
				break
			}
			answer.Items = append(answer.Items, p.envelope(app))
			answer.NextCursor = fmt.Sprintf("%d-%d", p.Xid, p.Seq)
		}
		return web.Encode(w, http.StatusOK, answer)
	})).Methods(http.MethodGet)
}

func parseCursor(s string) (xid, seq int64, err error) {
	if s == "" {
		return 0, 0, nil
	}
	a, b, ok := strings.Cut(s, "-")
	xid, errX := strconv.ParseInt(a, 10, 64)
	seq, errS := strconv.ParseInt(b, 10, 64)
	if !ok || errX != nil || errS != nil || xid < 0 || seq < 0 {
		return 0, 0, problem.New(problem.Invalid, "invalid-cursor", "after is not a cursor of this feed.")
	}
	return xid, seq, nil
}
