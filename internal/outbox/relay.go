package outbox

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/failpoint"
)

const (
	relayBatch  = 100
	relayQueue  = 4096 // facts of a topic that wait in memory; those beyond it wait in the table
	relayTime   = 15 * time.Second
	relayPoll   = time.Second
	leftAlone   = 2 * time.Second        // how long the process that committed a fact has for it, before others look
	markPeriod  = 500 * time.Millisecond // how long facts that left may look as if they had not
	gatherTime  = 200 * time.Millisecond // how long an unhurried fact waits for others
	alarmAge    = 30 * time.Second
	alarmPeriod = 10 * time.Second
)

var oldestUnsent = promauto.NewGauge(prometheus.GaugeOpts{
	Name: "outbox_oldest_unsent_seconds", Help: "Age of the oldest fact that the broker has not taken yet.",
})

// relays are the relays of this process by the pool of their database, for Add.
var relays sync.Map

// relay hands facts to the broker: those that this process commits from memory, at once and as many together as there
// are, and what was left behind, by whomever, from the table. A fact is marked as sent only after the broker took it, so
// that one whose relay is killed in between is sent again.
type relay struct {
	pool   *pgxpool.Pool
	bus    Bus
	app    string
	queues map[string]chan row // by topic
	away   atomic.Bool         // the broker did not answer: leave it to the poll, which asks once a second

	mu   sync.Mutex
	sent []string      // ids to be marked
	left chan struct{} // has one in it while there may be some
}

func newRelay(pool *pgxpool.Pool, bus Bus, app string) *relay {
	r := &relay{pool: pool, bus: bus, app: app, queues: map[string]chan row{}, left: make(chan struct{}, 1)}
	for topic, route := range events.Routes {
		if route.Producer == app {
			r.queues[topic] = make(chan row, relayQueue)
		}
	}
	return r
}

// offer takes facts that are committed. It never blocks: what it cannot take is in the table.
func (r *relay) offer(rows []row) {
	if r.away.Load() {
		return
	}
	for _, fact := range rows {
		select {
		case r.queues[fact.Topic] <- fact:
		default:
		}
	}
}

func (r *relay) run(ctx context.Context) error {
	relays.Store(r.pool, r)
	defer relays.Delete(r.pool)
	var group sync.WaitGroup
	defer group.Wait()
	for topic, queue := range r.queues {
		group.Go(func() { r.forward(ctx, topic, queue) })
	}
	alarm, poll := time.NewTicker(alarmPeriod), time.NewTicker(relayPoll)
	defer func() { alarm.Stop(); poll.Stop() }()
	var mark <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			r.mark(ctx)
			return nil
		case <-alarm.C:
			r.alarm(ctx)
		case <-r.left:
			mark = time.After(markPeriod)
		case <-mark:
			r.mark(ctx)
		case <-poll.C:
			r.gather(ctx)
		}
	}
}

// forward publishes what comes in on a topic's queue: while one message is on its way, the next one grows. One that nobody
// is in a hurry for grows for a moment before it leaves.
func (r *relay) forward(ctx context.Context, topic string, queue <-chan row) {
	for {
		var batch []events.Envelope
		select {
		case <-ctx.Done():
			return
		case fact := <-queue:
			batch = append(batch, fact.envelope(r.app))
		}
		if events.Unhurried[topic] {
			select {
			case <-ctx.Done():
				return
			case <-time.After(gatherTime):
			}
		}
		for more := true; more && len(batch) < relayBatch; {
			select {
			case fact := <-queue:
				batch = append(batch, fact.envelope(r.app))
			default:
				more = false
			}
		}
		if r.away.Load() {
			continue
		}
		if err := r.publish(ctx, topic, batch); err != nil {
			if ctx.Err() == nil {
				slog.Warn("relay", "topic", topic, "error", err.Error())
			}
			r.away.Store(true)
			continue
		}
		r.mu.Lock()
		for _, e := range batch {
			r.sent = append(r.sent, e.ID)
		}
		first := len(r.sent) == len(batch)
		r.mu.Unlock()
		if first {
			select {
			case r.left <- struct{}{}:
			default: // it is known already
			}
		}
	}
}

func (r *relay) publish(ctx context.Context, topic string, batch []events.Envelope) error {
	ctx, cancel := context.WithTimeout(ctx, relayTime)
	defer cancel()
	failpoint.Hit("after-commit-before-publish")
	err := r.bus.Publish(ctx, topic, batch)
	failpoint.Hit("after-publish-before-mark")
	return err
}

// mark notes in the table what has left. What it cannot note is sent again.
func (r *relay) mark(ctx context.Context) {
	r.mu.Lock()
	ids := r.sent
	r.sent = nil
	r.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), relayTime)
	defer cancel()
	if _, err := r.pool.Exec(ctx, `update outbox set sent_at = clock_timestamp() where id = any($1::uuid[])`, ids); err != nil {
		slog.Warn("relay", "error", err.Error())
	}
}

// gather sends what was left behind, until there is nothing more.
func (r *relay) gather(ctx context.Context) {
	for {
		n, err := r.send(ctx)
		if err != nil {
			if ctx.Err() == nil {
				slog.Warn("relay", "error", err.Error())
			}
			return
		}
		r.away.Store(false)
		if n < relayBatch {
			return
		}
	}
}

type row struct {
	ID, Topic, Subject, TraceParent string
	Data                            []byte
	CreatedAt                       time.Time
}

// send publishes up to a batch of rows that were left behind and returns how many there were. It holds their locks
// meanwhile, so that replicas share the work.
func (r *relay) send(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, relayTime)
	defer cancel()
	var refused error
	err = pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select id::text, topic, subject, traceparent, data, created_at from outbox
			where sent_at is null and created_at < clock_timestamp() - $2::interval order by seq limit $1 for update skip locked`, relayBatch, leftAlone)
		if err != nil {
			return err
		}
		left, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
		if err != nil {
			return err
		}
		n = len(left)
		byTopic := map[string][]events.Envelope{}
		for _, fact := range left {
			byTopic[fact.Topic] = append(byTopic[fact.Topic], fact.envelope(r.app))
		}
		for topic, batch := range byTopic {
			if err := r.publish(ctx, topic, batch); err != nil {
				refused = err // and yet the others are marked
				continue
			}
			ids := make([]string, len(batch))
			for i, e := range batch {
				ids[i] = e.ID
			}
			if _, err := tx.Exec(ctx, `update outbox set sent_at = clock_timestamp() where id = any($1::uuid[])`, ids); err != nil {
				return err
			}
		}
		return nil
	})
	return n, cmp.Or(err, refused)
}

func (r row) envelope(app string) events.Envelope {
	return events.Envelope{
		SpecVersion: "1.0", ID: r.ID, Source: app, Type: r.Topic, Subject: r.Subject, Time: r.CreatedAt.UTC(),
		DataContentType: "application/json", TraceParent: r.TraceParent, Data: r.Data,
	}
}

// alarm measures, and says loudly, when facts stay unsent.
func (r *relay) alarm(ctx context.Context) {
	var age float64
	if err := r.pool.QueryRow(ctx, `select coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8
		from outbox where sent_at is null`).Scan(&age); err != nil {
		return // the database is away, which the relay's own errors tell
	}
	oldestUnsent.Set(age)
	if age > alarmAge.Seconds() {
		slog.Error("facts are not leaving", "oldest", fmt.Sprintf("%.0fs", age))
	}
}
