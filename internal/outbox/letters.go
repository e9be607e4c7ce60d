package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/mux"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

// lettersShown is how many letters a list holds, the latest first. Whoever has more has one cause to find, not so many.
const lettersShown = 200

// Letter is an event that this service could not apply. One that is not dead is still offered every few seconds.
type Letter struct {
	Service  string          `json:"service"`
	ID       string          `json:"id"` // the event's
	Topic    string          `json:"topic"`
	Subject  string          `json:"subject"`
	Error    string          `json:"error"`
	Attempts int             `json:"attempts"`
	FailedAt time.Time       `json:"failedAt"`
	Dead     bool            `json:"dead"`
	Envelope json.RawMessage `json:"envelope"`
}

var errNoLetter = problem.New(problem.NotFound, "letter-not-found", "There is no such letter; perhaps somebody has dealt with it.")

// Letters adds, for staff by way of the gateway, GET /dead-letters and GET /dead-letters/{id}, and for administrators
// POST /dead-letters/{id}/replay and DELETE /dead-letters/{id}.
func Letters(r *mux.Router, pool *pgxpool.Pool, app string, subs ...Subscription) {
	l := &letters{newInbox(pool, app, subs)}
	look := func(h web.Handler) http.Handler {
		return sidecar.OnlyFrom(identity.Require(h, identity.Support, identity.Admin), "gateway")
	}
	act := func(h web.Handler) http.Handler {
		return sidecar.OnlyFrom(identity.Require(h, identity.Admin), "gateway")
	}
	r.Handle("/dead-letters", look(l.list)).Methods(http.MethodGet)
	r.Handle("/dead-letters/{id}", look(l.show)).Methods(http.MethodGet)
	r.Handle("/dead-letters/{id}/replay", act(l.replay)).Methods(http.MethodPost)
	r.Handle("/dead-letters/{id}", act(l.drop)).Methods(http.MethodDelete)
}

type letters struct{ inbox *inbox }

// A letter that is not dead stays in the table after a later try has worked, and is none any more.
const openLetters = `select consumer as service, event_id as id, topic, coalesce(envelope->>'subject', '') as subject, error, attempts, failed_at,
	dead_at is not null as dead, envelope from dead_letters l
	where consumer = $1 and (dead_at is not null or not exists (select from inbox i where i.consumer = l.consumer and i.event_id = l.event_id))`

func (l *letters) list(w http.ResponseWriter, r *http.Request) error {
	rows, err := l.inbox.pool.Query(r.Context(), openLetters+` order by failed_at desc, event_id limit $2`, l.inbox.app, lettersShown)
	if err != nil {
		return fmt.Errorf("list letters: %w", err)
	}
	items, err := pgx.CollectRows(rows, pgx.RowToStructByName[Letter])
	if err != nil {
		return fmt.Errorf("list letters: %w", err)
	}
	return web.Encode(w, http.StatusOK, web.Page[Letter]{Items: items})
}

func (l *letters) show(w http.ResponseWriter, r *http.Request) error {
	rows, err := l.inbox.pool.Query(r.Context(), openLetters+` and event_id = $2`, l.inbox.app, mux.Vars(r)["id"])
	if err != nil {
		return fmt.Errorf("show letter: %w", err)
	}
	letter, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Letter])
	if errors.Is(err, pgx.ErrNoRows) {
		return errNoLetter
	}
	if err != nil {
		return fmt.Errorf("show letter: %w", err)
	}
	return web.Encode(w, http.StatusOK, letter)
}

// replay offers a letter's event to its handler once more. What works is applied once, however often it is replayed: the
// letter goes with the effect. What fails again stays, with its new cause.
func (l *letters) replay(w http.ResponseWriter, r *http.Request) error {
	id := mux.Vars(r)["id"]
	var e events.Envelope
	err := postgres.InTx(r.Context(), l.inbox.pool, func(tx pgx.Tx) error {
		body, dead, err := l.lock(r.Context(), tx, id)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(body, &e); err != nil {
			return fmt.Errorf("%w: %w", events.ErrMalformed, err)
		}
		e.ID = id
		if dead { // its inbox row says that it is a letter, not that it was applied
			if _, err := tx.Exec(r.Context(), `delete from inbox where consumer = $1 and event_id = $2`, l.inbox.app, id); err != nil {
				return fmt.Errorf("replay %s: %w", id, err)
			}
		}
		if err := l.inbox.applyIn(r.Context(), tx, []string{id}, []*offer{{In: e}}); err != nil {
			return err
		}
		return l.remove(r.Context(), tx, id)
	})
	if err == nil {
		slog.Info("letter replayed", "topic", e.Type, "event", id, "by", identity.From(r.Context()).Subject)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if errors.Is(err, errNoLetter) {
		return err
	}
	slog.Warn("letter fails again", "topic", e.Type, "event", id, "error", err.Error())
	if _, noteErr := l.inbox.pool.Exec(r.Context(), `update dead_letters set attempts = attempts + 1, error = $3, failed_at = now()
		where consumer = $1 and event_id = $2`, l.inbox.app, id, err.Error()); noteErr != nil {
		return fmt.Errorf("note the failure of %s: %w", id, noteErr)
	}
	return problem.New(problem.Conflict, "letter-fails-again", "The event failed again; the letter shows why.")
}

// drop gives an event up. It stays in the inbox, so that it is not offered again either.
func (l *letters) drop(w http.ResponseWriter, r *http.Request) error {
	id := mux.Vars(r)["id"]
	err := postgres.InTx(r.Context(), l.inbox.pool, func(tx pgx.Tx) error {
		if _, _, err := l.lock(r.Context(), tx, id); err != nil {
			return err
		}
		if _, err := l.inbox.insert(r.Context(), tx, []string{id}); err != nil {
			return err
		}
		return l.remove(r.Context(), tx, id)
	})
	if err != nil {
		return err
	}
	slog.Warn("letter dropped", "event", id, "by", identity.From(r.Context()).Subject)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// lock finds a letter for one of several who may want to deal with it. The turn comes first, as it does for those who
// write letters.
func (l *letters) lock(ctx context.Context, tx pgx.Tx, id string) (envelope []byte, dead bool, err error) {
	if _, err := tx.Exec(ctx, takeTurn, l.inbox.app); err != nil {
		return nil, false, fmt.Errorf("find letter %s: %w", id, err)
	}
	err = tx.QueryRow(ctx, `select envelope, dead_at is not null from dead_letters where consumer = $1 and event_id = $2 for update`,
		l.inbox.app, id).Scan(&envelope, &dead)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, errNoLetter
	}
	if err != nil {
		return nil, false, fmt.Errorf("find letter %s: %w", id, err)
	}
	return envelope, dead, nil
}

func (l *letters) remove(ctx context.Context, tx pgx.Tx, id string) error {
	if _, err := tx.Exec(ctx, `delete from dead_letters where consumer = $1 and event_id = $2`, l.inbox.app, id); err != nil {
		return fmt.Errorf("remove letter %s: %w", id, err)
	}
	return nil
}
