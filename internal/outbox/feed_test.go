package outbox

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/problem"
)

// reader reads the feed of f's producer by a clock of its own.
type reader struct {
	f   *fixture
	at  feedCursor
	cut feedCut
	now time.Time
}

func (r *reader) read(t *testing.T, topic string) (subjects []string, more bool) {
	page, err := readFeed(t.Context(), r.f.producer, "ordering", []string{topic}, r.at, r.cut, r.now)
	require.NoError(t, err)
	r.at, err = parseCursor(page.NextCursor)
	require.NoError(t, err)
	r.cut, err = parseCut(page.Cut)
	require.NoError(t, err)
	for _, e := range page.Items {
		subjects = append(subjects, e.Subject)
	}
	return subjects, page.More
}

// next reads the feed when all that is committed has had its time; other tests of this server may be in the middle of a
// transaction.
func (r *reader) next(t *testing.T, topic string) (subjects []string, more bool) {
	var committed int64
	require.NoError(t, r.f.producer.QueryRow(t.Context(), `select pg_snapshot_xmax(pg_current_snapshot())::text::bigint`).Scan(&committed))
	require.Eventually(t, func() bool {
		until := r.cut.Horizon
		r.now = r.now.Add(settled)
		some, m := r.read(t, topic)
		subjects, more = append(subjects, some...), m
		return more || until >= committed
	}, 20*time.Second, 10*time.Millisecond)
	return subjects, more
}

func TestTheFeedNeverPassesAnOpenTransaction(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := &reader{f: f, now: time.Now()}
	slow, err := f.producer.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = slow.Rollback(context.Background()) }()
	require.NoError(t, Add(t.Context(), slow, paid("slow")))
	f.tell(t, 1) // commits before the older transaction does
	for range 4 {
		r.now = r.now.Add(time.Minute)
		subjects, _ := r.read(t, events.TopicOrderPaid)
		require.Empty(t, subjects)
	}
	require.NoError(t, slow.Commit(t.Context()))
	subjects, _ := r.next(t, events.TopicOrderPaid)
	require.Len(t, subjects, 2)
	require.Equal(t, "slow", subjects[0])
}

func TestTheFeedLeavesTheBrokerItsTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := &reader{f: f, now: time.Now()}
	r.next(t, events.TopicOrderPaid)
	f.tell(t, 1)
	at, cut := r.at, r.cut
	for range 3 {
		r.now = r.now.Add(settled/3 - time.Millisecond)
		subjects, _ := r.read(t, events.TopicOrderPaid)
		require.Empty(t, subjects)
		require.Equal(t, at, r.at)
		require.Equal(t, cut, r.cut, "who asks too often does not wait for longer")
	}
	subjects, _ := r.next(t, events.TopicOrderPaid)
	require.Len(t, subjects, 1)
	r.cut.At = r.now.Add(time.Hour) // of a clock that was set back
	f.tell(t, 1)
	subjects, _ = r.next(t, events.TopicOrderPaid)
	require.Len(t, subjects, 1)
}

func TestTheFeedComesInPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := &reader{f: f, now: time.Now()}
	require.NoError(t, postgres.InTx(t.Context(), f.producer, func(tx pgx.Tx) error {
		for i := range feedRows + 1 {
			if err := Add(t.Context(), tx, paid(fmt.Sprint(i))); err != nil {
				return err
			}
		}
		return nil
	}))
	subjects, more := r.next(t, events.TopicOrderPaid)
	require.Len(t, subjects, feedRows)
	require.True(t, more)
	subjects, more = r.read(t, events.TopicOrderPaid) // at once
	require.Equal(t, []string{fmt.Sprint(feedRows)}, subjects)
	require.False(t, more)
}

// A topic of which there is rarely anything is not looked for again among all the others. The cursor goes no further than
// what is committed, since the numbers beyond may be used again after a crash.
func TestTheFeedPassesWhatIsNotForTheReader(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := &reader{f: f, now: time.Now()}
	f.tell(t, 5)
	for range 2 {
		subjects, _ := r.next(t, events.TopicReturnReceived)
		require.Empty(t, subjects)
		var xid, seq int64
		require.NoError(t, f.producer.QueryRow(t.Context(), `select xid::text::bigint, seq from outbox order by xid desc, seq desc limit 1`).Scan(&xid, &seq))
		require.Equal(t, feedCursor{xid, seq}, r.at)
		_, err := f.producer.Exec(t.Context(), `select pg_current_xact_id()`) // one without a fact
		require.NoError(t, err)
	}
}

func TestTheFeedOfARestoredDatabaseBeginsAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.tell(t, 2)
	later := feedCut{Horizon: 1 << 60}
	for _, r := range []*reader{{at: feedCursor{Xid: 1 << 60, Seq: 1}}, {at: feedCursor{Xid: 1 << 60}, cut: later}, {cut: later}} {
		at := r.at
		r.f, r.now = f, time.Now()
		first, _ := r.read(t, events.TopicOrderPaid)
		rest, _ := r.next(t, events.TopicOrderPaid)
		require.Len(t, append(first, rest...), 2, "%v", at)
	}
}

func TestTheFeedIsForSubscribersOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for path, want := range map[string]int{
		"/outbox?topics=" + events.TopicOrderPaid:                                      200,
		"/outbox?topics=" + events.TopicOrderPaid + "," + events.TopicPaymentRequested: 404,
		"/outbox?topics=" + events.TopicStockReserved:                                  404,
		"/outbox": 404,
		"/outbox?topics=" + events.TopicOrderPaid + "&after=x":                      400,
		"/outbox?topics=" + events.TopicOrderPaid + "&after=1-":                     400,
		"/outbox?topics=" + events.TopicOrderPaid + "&after=-1-1":                   400,
		"/outbox?topics=" + events.TopicOrderPaid + "&after=99999999999999999999-1": 400,
		"/outbox?topics=" + events.TopicOrderPaid + "&after=9223372036854775807-1":  200,
		"/outbox?topics=" + events.TopicOrderPaid + "&after=1-1&cut=1-1":            200,
		"/outbox?topics=" + events.TopicOrderPaid + "&cut=1":                        400,
		"/outbox?topics=" + events.TopicOrderPaid + "&after=1-1-1":                  400,
		"/outbox?topics=" + events.TopicOrderPaid + "&after=1-1%27%20or%201%3D1":    400,
	} {
		err := f.bus.Call(t.Context(), "ordering", http.MethodGet, path, nil, &struct{}{})
		got := 200
		if err != nil {
			got = problem.From(err).Kind.Status()
		}
		require.Equal(t, want, got, path)
	}
}
