package outbox

import (
	"bytes"
	"cmp"
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

// feedPage is what the feed answers with. NextCursor is to be asked for at once if there are more, and later otherwise; Cut
// is to be sent with it in either case.
type feedPage struct {
	web.Page[events.Envelope]
	More bool   `json:"more,omitempty"`
	Cut  string `json:"cut"`
}

// feedCursor is the last fact that a consumer has read of a feed, whose order is (Xid, Seq); the zero value is the beginning.
// It stands at a fact that is there: after a crash PostgreSQL counts on from what was committed, and gives numbers of
// transactions that were not to others.
type feedCursor struct{ Xid, Seq int64 }

func (c feedCursor) String() string { return fmt.Sprintf("%d-%d", c.Xid, c.Seq) }

// feedCut is where a reading ends: before Horizon, the oldest transaction that was open at At. Without one, the feed answers
// with the first only.
type feedCut struct {
	Horizon int64
	At      time.Time
}

func (c feedCut) String() string { return fmt.Sprintf("%d-%d", c.Horizon, c.At.UnixMilli()) }

// parsePair reads what the two String methods write. "" is 0-0.
func parsePair(parameter, s string) (first, second int64, err error) {
	if s == "" {
		return 0, 0, nil
	}
	a, b, _ := strings.Cut(s, "-")
	x, err := strconv.ParseUint(a, 10, 63)
	y, err2 := strconv.ParseUint(b, 10, 63)
	if cmp.Or(err, err2) != nil {
		return 0, 0, problem.New(problem.Invalid, "invalid-cursor", "%s is not of this feed.", parameter)
	}
	return int64(x), int64(y), nil
}

func parseCursor(s string) (feedCursor, error) {
	xid, seq, err := parsePair("after", s)
	return feedCursor{xid, seq}, err
}

func parseCut(s string) (feedCut, error) {
	horizon, at, err := parsePair("cut", s)
	return feedCut{horizon, time.UnixMilli(at)}, err
}

// Routes adds GET /outbox?topics=a,b&after=cursor&cut=cut: this service's facts of those topics in the order of their commits,
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
		cut, err := parseCut(r.URL.Query().Get("cut"))
		if err != nil {
			return err
		}
		page, err := readFeed(r.Context(), pool, app, topics, from, cut, time.Now())
		if err != nil {
			return fmt.Errorf("read feed: %w", err)
		}
		return web.Encode(w, http.StatusOK, page)
	})).Methods(http.MethodGet)
}

// readFeed is the feed from a cursor to a cut, and the next cut. That ends before the transactions that are open now, which
// may yet add rows before others that can be seen, and is not read up to before the broker has had its time for what is
// committed. A page that is not full has all there was, of whatever topic, so that nobody reads again what was not for them.
func readFeed(ctx context.Context, pool *pgxpool.Pool, app string, topics []string, from feedCursor, cut feedCut, now time.Time) (page feedPage, err error) {
	page.Items = []events.Envelope{}
	page.NextCursor, page.Cut = from.String(), cut.String()
	if age := now.Sub(cut.At); 0 <= age && age < settled {
		return page, nil
	}
	var oldestOpen int64
	if err := pool.QueryRow(ctx, `select pg_snapshot_xmin(pg_current_snapshot())::text::bigint`).Scan(&oldestOpen); err != nil {
		return page, err
	}
	if from.Xid >= oldestOpen {
		from = feedCursor{} // of the database before it was restored, which counts anew
	}
	if until := min(cut.Horizon, oldestOpen); until > from.Xid {
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
	page.NextCursor, page.Cut = from.String(), feedCut{oldestOpen, now}.String()
	return page, nil
}
