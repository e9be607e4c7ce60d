package outbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/batch"
	"github.com/sidecart/sidecart/internal/failpoint"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/web"
)

// deadAfter is how many times catch-up, a few seconds apart, offers an event before it becomes a dead letter.
const deadAfter = 200

// maxBatch is how many events share a transaction at most.
const maxBatch = 100

const applyTime = 20 * time.Second

// inbox remembers in the service's database which events had their effect.
type inbox struct {
	pool     *pgxpool.Pool
	app      string
	handlers map[string]func(ctx context.Context, tx pgx.Tx, e events.Envelope) error
	rounds   *batch.Batcher[events.Envelope, struct{}]
}

func newInbox(pool *pgxpool.Pool, app string, subs []Subscription) *inbox {
	in := &inbox{pool: pool, app: app, handlers: map[string]func(context.Context, pgx.Tx, events.Envelope) error{}}
	for _, s := range subs {
		in.handlers[s.Topic] = s.Apply
	}
	in.rounds = batch.New(maxBatch, in.process)
	return in
}

// hear takes what the broker delivers. An error means that it is to be delivered again; what cannot be digested is a dead
// letter by then and does not come again.
func (in *inbox) hear(ctx context.Context, delivered []events.Envelope) error {
	errs := in.apply(ctx, delivered)
	failpoint.Hit("after-effect-before-ack")
	return transient(errs)
}

// apply has each event's effect, unless it had it before, and returns an error or nil for each.
func (in *inbox) apply(ctx context.Context, delivered []events.Envelope) []error {
	errs := make([]error, len(delivered))
	for i, item := range in.rounds.Do(ctx, delivered...) {
		errs[i] = item.Err
	}
	return errs
}

type offer = batch.Item[events.Envelope, struct{}]

// process applies a round in one transaction and, should any of it fail, each event in one of its own, so that a bad one
// holds no other back.
func (in *inbox) process(ctx context.Context, round []*offer) {
	ctx, cancel := context.WithTimeout(ctx, applyTime)
	defer cancel()
	err := in.once(ctx, round)
	for _, o := range round {
		if err != nil && len(round) > 1 {
			o.Err = in.once(ctx, []*offer{o})
		} else {
			o.Err = err
		}
		if errors.Is(o.Err, events.ErrMalformed) {
			slog.Error("dead letter", "topic", o.In.Type, "event", o.In.ID, "error", o.Err.Error())
			if err := in.bury(ctx, o.In, o.Err); err != nil {
				o.Err = err // it has to come again
			}
		}
	}
}

// once applies the events of a round that were not applied before: inbox rows and effects are one transaction. Replicas
// take turns, because two rounds could lock the same rows in different orders.
func (in *inbox) once(ctx context.Context, round []*offer) error {
	ids := make([]string, len(round))
	for i, o := range round {
		if ids[i] = o.In.ID; ids[i] == "" {
			return fmt.Errorf("%w: no id", events.ErrMalformed)
		}
	}
	return postgres.InTx(ctx, in.pool, func(tx pgx.Tx) error {
		if err := in.applyIn(ctx, tx, ids, round); err != nil {
			return err
		}
		failpoint.Hit("before-commit")
		return nil
	})
}

// applyIn saves in tx the inbox rows of a round and has the effects of those that were not there.
func (in *inbox) applyIn(ctx context.Context, tx pgx.Tx, ids []string, round []*offer) error {
	fresh, err := in.insert(ctx, tx, ids)
	if err != nil {
		return err
	}
	for _, o := range round {
		if !fresh[o.In.ID] {
			continue
		}
		delete(fresh, o.In.ID) // a second copy in the same round
		handle, known := in.handlers[o.In.Type]
		if !known {
			return fmt.Errorf("%w: nobody here hears %q", events.ErrMalformed, o.In.Type)
		}
		if err := handle(web.WithTraceParent(ctx, o.In.TraceParent), tx, o.In); err != nil {
			return err
		}
	}
	return nil
}

// takeTurn makes the replicas' transactions that write to the inbox wait for one another.
const takeTurn = `select pg_advisory_xact_lock(hashtextextended('inbox ' || $1 || current_schema(), 0))`

// insert saves inbox rows and returns the ids that were not there.
func (in *inbox) insert(ctx context.Context, tx pgx.Tx, ids []string) (fresh map[string]bool, err error) {
	fresh = make(map[string]bool, len(ids))
	var b pgx.Batch
	b.Queue(takeTurn, in.app)
	b.Queue(`insert into inbox (consumer, event_id) select $1, unnest($2::text[]) on conflict do nothing returning event_id`, in.app, ids).
		Query(func(rows pgx.Rows) error {
			var id string
			_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
				fresh[id] = true
				return nil
			})
			return err
		})
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("save inbox: %w", err)
	}
	return fresh, nil
}

// unseen filters the events that have had no effect here yet.
func (in *inbox) unseen(ctx context.Context, page []events.Envelope) ([]events.Envelope, error) {
	if len(page) == 0 {
		return nil, nil
	}
	ids := make([]string, len(page))
	for i, e := range page {
		ids[i] = e.ID
	}
	rows, err := in.pool.Query(ctx, `select event_id from inbox where consumer = $1 and event_id = any($2)`, in.app, ids)
	if err != nil {
		return nil, fmt.Errorf("compare inbox: %w", err)
	}
	known, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("compare inbox: %w", err)
	}
	seen := make(map[string]bool, len(known))
	for _, id := range known {
		seen[id] = true
	}
	var unseen []events.Envelope
	for _, e := range page {
		if !seen[e.ID] {
			unseen = append(unseen, e)
		}
	}
	return unseen, nil
}

// failed counts a failed offer; after many, the event becomes a dead letter and no longer holds the cursor back.
func (in *inbox) failed(ctx context.Context, e events.Envelope, cause error) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("keep failed event: %w", err)
	}
	var attempts int
	if err := in.pool.QueryRow(ctx, `insert into dead_letters (consumer, event_id, topic, envelope, error) values ($1, $2, $3, $4, $5)
		on conflict (consumer, event_id) do update set attempts = dead_letters.attempts + 1, error = excluded.error, failed_at = now()
		returning attempts`, in.app, e.ID, e.Type, body, cause.Error()).Scan(&attempts); err != nil {
		return fmt.Errorf("keep failed event: %w", err)
	}
	if attempts < deadAfter {
		return cause
	}
	return in.bury(ctx, e, cause)
}

// bury makes an event a dead letter: it is not offered again until somebody replays it.
func (in *inbox) bury(ctx context.Context, e events.Envelope, cause error) error {
	body, err := json.Marshal(e)
	if err != nil {
		body, _ = json.Marshal(map[string]string{"id": e.ID, "type": e.Type, "data": string(e.Data)}) // data that is not JSON
	}
	id := e.ID
	if id == "" {
		sum := sha256.Sum256(body)
		id = "nameless-" + hex.EncodeToString(sum[:])
	}
	return pgx.BeginFunc(ctx, in.pool, func(tx pgx.Tx) error {
		fresh, err := in.insert(ctx, tx, []string{id})
		if err != nil || !fresh[id] { // another try has worked meanwhile, or has buried it
			return err
		}
		if _, err := tx.Exec(ctx, `insert into dead_letters (consumer, event_id, topic, envelope, error, dead_at) values ($1, $2, $3, $4, $5, now())
			on conflict (consumer, event_id) do update set error = excluded.error, failed_at = now(), dead_at = now()`,
			in.app, id, e.Type, body, cause.Error()); err != nil {
			return fmt.Errorf("keep dead letter: %w", err)
		}
		return nil
	})
}

func (in *inbox) Load(ctx context.Context, producer string) (string, error) {
	var cursor string
	err := in.pool.QueryRow(ctx, `select cursor from catchup where producer = $1`, producer).Scan(&cursor)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return cursor, err
}

func (in *inbox) Save(ctx context.Context, producer, cursor string) error {
	_, err := in.pool.Exec(ctx, `insert into catchup (producer, cursor) values ($1, $2)
		on conflict (producer) do update set cursor = excluded.cursor`, producer, cursor)
	return err
}
