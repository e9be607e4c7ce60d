package outbox

import (
	"bytes"
	"context"
	"errors"
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
	feedRows = 500
	// settled is how long the broker has for a fact before consumers look for it in the feed.
	settled = 3 * time.Second
)

// feedPage is what the feed answers with. NextCursor is to be asked for at once if there are more, and later otherwise.
type feedPage struct {
	web.Page[events.Envelope]
	More bool `json:"more,omitempty"`
}

// feedCursor says how far a consumer has read the feed, whose order is (Xid, Seq), and what it is to be told next: the facts of
// transactions older than Horizon, the oldest that was open at At. It stands at a fact that is there: after a crash
// PostgreSQL counts on from what was committed, and gives numbers of transactions that were not to others.
type feedCursor struct {
	Xid, Seq, Horizon int64
	At                time.Time
}

func (c feedCursor) String() string {
	return fmt.Sprintf("%d-%d-%d-%d", c.Xid, c.Seq, c.Horizon, c.At.UnixMilli())
}

// parseCursor reads what String writes. What has been read is enough; "" is the beginning.
func parseCursor(s string) (c feedCursor, err error) {
	if s == "" {
		s = "0-0"
	}
	var at int64
	numbers := []*int64{&c.Xid, &c.Seq, &c.Horizon, &at}
	parts := strings.Split(s, "-")
	if len(parts) != len(numbers) && len(parts) != 2 {
		err = strconv.ErrSyntax
	}
	for i := 0; i < len(parts) && err == nil; i++ {
		var n uint64
		n, err = strconv.ParseUint(parts[i], 10, 63)
		*numbers[i] = int64(n)
	}
	if err != nil {
		return feedCursor{}, problem.New(problem.Invalid, "invalid-cursor", "after is not a cursor of this feed.")
	}
	c.At = time.UnixMilli(at)
	return c, nil
}

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
		from, err := parseCursor(r.URL.Query().Get("after"))
		if err != nil {
			return err
		}
		page, err := readFeed(r.Context(), pool, app, topics, from, time.Now())
		if err != nil {
			return fmt.Errorf("read feed: %w", err)
		}
		return web.Encode(w, http.StatusOK, page)
	})).Methods(http.MethodGet)
}

// readFeed is the feed from a cursor on. It ends before the transactions that were open a moment ago: those that are still
// open may yet add rows before others that can be seen, and the rest is left to the broker for now. A page that is not
// full has all there was, of whatever topic, so that nobody reads again what was not for them.
func readFeed(ctx context.Context, pool *pgxpool.Pool, app string, topics []string, from feedCursor, now time.Time) (page feedPage, err error) {
	page.Items = []events.Envelope{}
	if age := now.Sub(from.At); 0 <= age && age < settled {
		page.NextCursor = from.String()
		return page, nil
	}
	var oldestOpen int64
	if err := pool.QueryRow(ctx, `select pg_snapshot_xmin(pg_current_snapshot())::text::bigint`).Scan(&oldestOpen); err != nil {
		return page, err
	}
	if from.Xid >= oldestOpen {
		from = feedCursor{} // of the database before it was restored, which counts anew
	}
	if until := min(from.Horizon, oldestOpen); until > from.Xid {
		rows, err := pool.Query(ctx, `select id::text, topic, subject, traceparent, data, created_at, xid::text::bigint, seq
			from outbox where (xid, seq) > ($1::bigint::text::xid8, $2) and xid < $3::bigint::text::xid8 and topic = any($4) order by xid, seq limit $5`,
			from.Xid, from.Seq, until, topics, feedRows)
		if err != nil {
			return page, err
		}
		var fact row
		if _, err := pgx.ForEachRow(rows, []any{
			&fact.ID, &fact.Topic, &fact.Subject, &fact.TraceParent, &fact.Data, &fact.CreatedAt, &from.Xid, &from.Seq,
		}, func() error {
			fact.Data = bytes.Clone(fact.Data)
			page.Items = append(page.Items, fact.envelope(app))
			return nil
		}); err != nil {
			return page, err
		}
		if page.More = len(page.Items) == feedRows; page.More {
			page.NextCursor = from.String()
			return page, nil
		}
		err = pool.QueryRow(ctx, `select xid::text::bigint, seq from outbox
			where (xid, seq) > ($1::bigint::text::xid8, $2) and xid < $3::bigint::text::xid8 order by xid desc, seq desc limit 1`,
			from.Xid, from.Seq, until).Scan(&from.Xid, &from.Seq)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return page, err
		}
	}
	from.Horizon, from.At = oldestOpen, now
	page.NextCursor = from.String()
	return page, nil
}
