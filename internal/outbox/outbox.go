// Package outbox carries facts between services so that none is lost and none has its effect twice, whatever is killed.
//
// A fact is a row beside the change it tells of, in one transaction. Once that is committed, the relay of the process hands
// it to the broker, and whatever was left behind by a process that died or a broker that was away goes out from the table.
// The broker is the fast path and is not trusted. Each service also serves its rows as a feed, and each consumer compares the feeds it
// depends on with its inbox every few seconds and applies what never arrived. The inbox row is saved in the transaction
// of the effect, so that a repeat finds it.
package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/web"
)

// keepFor is how long rows of outbox and inbox are kept: a consumer may be away for as long and still miss nothing.
const keepFor = 7 * 24 * time.Hour

// Add saves a fact in tx, to be told once tx is committed.
func Add(ctx context.Context, tx pgx.Tx, fact events.Fact) error {
	data, err := json.Marshal(fact)
	if err != nil {
		return fmt.Errorf("encode %s: %w", fact.Topic(), err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("name %s: %w", fact.Topic(), err)
	}
	added := row{
		ID: id.String(), Topic: fact.Topic(), Subject: fact.Subject(), TraceParent: web.TraceParent(ctx), Data: data, CreatedAt: time.Now(),
	}
	if unit, ok := tx.(*postgres.Unit); ok {
		told := postgres.Find(unit, func() *telling { return &telling{pool: unit.Pool} })
		told.rows = append(told.rows, added)
		return nil
	}
	return insert(ctx, tx, []row{added})
}

// telling is what one transaction tells.
type telling struct {
	pool *pgxpool.Pool
	rows []row
}

// Before saves all facts of a transaction in one statement.
func (t *telling) Before(ctx context.Context, tx pgx.Tx) error { return insert(ctx, tx, t.rows) }

// After gives the facts to the relay of this process.
func (t *telling) After() {
	if r, ok := relays.Load(t.pool); ok {
		r.(*relay).offer(t.rows)
	}
}

func insert(ctx context.Context, tx pgx.Tx, rows []row) error {
	columns := [5][]string{}
	for _, r := range rows {
		for i, value := range []string{r.ID, r.Topic, r.Subject, string(r.Data), r.TraceParent} {
			columns[i] = append(columns[i], value)
		}
	}
	if _, err := tx.Exec(ctx, `insert into outbox (id, topic, subject, data, traceparent)
		select * from unnest($1::uuid[], $2::text[], $3::text[], $4::json[], $5::text[])`,
		columns[0], columns[1], columns[2], columns[3], columns[4]); err != nil {
		return fmt.Errorf("save %s: %w", rows[0].Topic, err)
	}
	return nil
}

// Subscription is what a service with PostgreSQL does about a fact of another's. Apply's effect belongs into tx and runs
// once per event; it is tried again until it succeeds, so a fact that overtook the row it is about is an error like any
// other. Apply calls no other service: it holds a transaction open.
type Subscription struct {
	Producer, Topic string
	Apply           func(ctx context.Context, tx pgx.Tx, e events.Envelope) error
}

// On decodes the event for apply. Data that does not decode is malformed.
func On[T any](apply func(ctx context.Context, tx pgx.Tx, fact T) error) func(context.Context, pgx.Tx, events.Envelope) error {
	return func(ctx context.Context, tx pgx.Tx, e events.Envelope) error {
		fact, err := Decode[T](e)
		if err != nil {
			return err
		}
		return apply(ctx, tx, fact)
	}
}

// Decode reads the fact in an envelope; events.ErrMalformed if it cannot.
func Decode[T any](e events.Envelope) (fact T, err error) {
	if err := json.Unmarshal(e.Data, &fact); err != nil {
		return fact, fmt.Errorf("%w: %s: %w", events.ErrMalformed, e.Type, err)
	}
	return fact, nil
}

// Bus is the part of the sidecar that facts travel by. Several facts of a topic travel as one message.
type Bus interface {
	Publish(ctx context.Context, topic string, facts []events.Envelope) error
	Subscribe(ctx context.Context, topic string, handle func(context.Context, []events.Envelope) error) error
	Call(ctx context.Context, app, method, path string, in, out any) error
}

// Run is all the background work of a service that tells and hears facts: the relay of its outbox, its subscriptions,
// its catch-up, and the removal of old rows.
func Run(pool *pgxpool.Pool, bus Bus, app string, subs ...Subscription) []boot.Task {
	in := newInbox(pool, app, subs)
	tasks := []boot.Task{newRelay(pool, bus, app).run, sweep(pool)}
	topics := map[string][]string{}
	for _, s := range subs {
		if !slices.Contains(events.Patient[s.Topic], app) {
			tasks = append(tasks, func(ctx context.Context) error { return bus.Subscribe(ctx, s.Topic, in.hear) })
		}
		topics[s.Producer] = append(topics[s.Producer], s.Topic)
	}
	for producer, topics := range topics {
		tasks = append(tasks, (&catchup{bus: bus, producer: producer, topics: topics, store: in}).run)
	}
	return tasks
}

// PlainSubscription is what a service without PostgreSQL does about a fact. Apply sees every event again and again, from
// the broker and from the feed, so it works by natural key: a repeat changes nothing.
type PlainSubscription struct {
	Producer, Topic string
	Apply           func(ctx context.Context, e events.Envelope) error
}

// Cursors keeps, beside the service's data, how far each producer's feed has been read; "" is its beginning.
type Cursors interface {
	Load(ctx context.Context, producer string) (string, error)
	Save(ctx context.Context, producer, cursor string) error
}

// RunPlain is Run for services without PostgreSQL.
func RunPlain(cursors Cursors, bus Bus, app string, subs ...PlainSubscription) []boot.Task {
	p := plain{cursors, map[string]func(context.Context, events.Envelope) error{}}
	var tasks []boot.Task
	topics := map[string][]string{}
	for _, s := range subs {
		p.handlers[s.Topic] = s.Apply
		if !slices.Contains(events.Patient[s.Topic], app) {
			tasks = append(tasks, func(ctx context.Context) error { return bus.Subscribe(ctx, s.Topic, p.hear) })
		}
		topics[s.Producer] = append(topics[s.Producer], s.Topic)
	}
	for producer, topics := range topics {
		tasks = append(tasks, (&catchup{bus: bus, producer: producer, topics: topics, store: p}).run)
	}
	return tasks
}

// sweep removes rows that nobody needs any more. An inbox row outlives the outbox row it answers to.
func sweep(pool *pgxpool.Pool) boot.Task {
	return func(ctx context.Context) error {
		for {
			// A failure is tried again in an hour; old rows harm nobody meanwhile.
			_, _ = pool.Exec(ctx, `delete from outbox where sent_at < now() - $1::interval and created_at < now() - $1::interval`, keepFor)
			_, _ = pool.Exec(ctx, `delete from inbox where applied_at < now() - $1::interval`, 2*keepFor)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Hour):
			}
		}
	}
}
