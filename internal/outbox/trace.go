package outbox

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

const tracedEvents = 100 // asked for at once: they travel in the address

// Step is one thing that happened to an order in one service.
type Step struct {
	At      time.Time `json:"at"`
	Service string    `json:"service"`
	Kind    string    `json:"kind"` // event, delivery, dead-letter, or the service's own: attempt, webhook, refund, mail, timeline
	Name    string    `json:"name"`
	Detail  string    `json:"detail"`
	EventID string    `json:"eventId,omitempty"`
}

// Trace adds, for staff by way of the gateway, GET /trace/{orderId}: what this service told of an order, which of its
// events it could not apply, and what own adds; and GET /trace/{orderId}/deliveries?events=a,b: which of those it heard.
func Trace(r *mux.Router, pool *pgxpool.Pool, app string, own func(ctx context.Context, orderID string) ([]Step, error)) {
	staff := func(h web.Handler) http.Handler {
		return sidecar.OnlyFrom(identity.Require(h, identity.Support, identity.Admin), "gateway")
	}
	r.Handle("/trace/{orderId}", staff(func(w http.ResponseWriter, r *http.Request) error {
		id := mux.Vars(r)["orderId"]
		since, err := notBefore(id)
		if err != nil {
			return err
		}
		steps, err := told(r.Context(), pool, app, id, since)
		if err != nil {
			return err
		}
		more, err := own(r.Context(), id)
		if err != nil {
			return fmt.Errorf("trace order %s: %w", id, err)
		}
		return web.Encode(w, http.StatusOK, web.Page[Step]{Items: append(steps, more...)})
	})).Methods(http.MethodGet)
	r.Handle("/trace/{orderId}/deliveries", staff(func(w http.ResponseWriter, r *http.Request) error {
		ids := strings.Split(r.URL.Query().Get("events"), ",")
		if len(ids) > tracedEvents {
			return problem.New(problem.Invalid, "too-many-events", "At most %d events can be asked for at once.", tracedEvents)
		}
		steps, err := heard(r.Context(), pool, app, ids)
		if err != nil {
			return err
		}
		return web.Encode(w, http.StatusOK, web.Page[Step]{Items: steps})
	})).Methods(http.MethodGet)
}

// Since is the least UUIDv7 that anything about an order can have: order ids tell when they were made, and ids of rows
// too, so that what concerns an order is found by the primary key without an index of its own. An id that tells no time
// is as old as can be.
func Since(orderID string) string {
	id, err := uuid.Parse(orderID)
	if err != nil || id.Version() != 7 {
		return uuid.Nil.String()
	}
	var millis [8]byte
	copy(millis[2:], id[:6])
	const skew = 60_000 // between the clocks of machines
	var least uuid.UUID
	binary.BigEndian.PutUint64(millis[:], binary.BigEndian.Uint64(millis[:])-skew)
	copy(least[:6], millis[2:])
	return least.String()
}

func notBefore(orderID string) (string, error) {
	if uuid.Validate(orderID) != nil {
		return "", problem.New(problem.NotFound, "order-not-found", "There is no such order.")
	}
	return Since(orderID), nil
}

func told(ctx context.Context, pool *pgxpool.Pool, app, orderID, since string) ([]Step, error) {
	rows, err := pool.Query(ctx, `
		select created_at as at, $1::text as service, 'event' as kind, topic as name, case when sent_at is null then 'not sent yet'
			else 'sent ' || to_char(sent_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') end as detail, id::text as event_id
			from outbox where id >= $3::uuid and subject = $2
		union all
		select failed_at, $1, 'dead-letter', topic, case when dead_at is null then 'still tried: ' else '' end || error || ' (' || attempts || ' tries)', event_id
			from dead_letters l where envelope->>'subject' = $2
				and (dead_at is not null or not exists (select from inbox i where i.consumer = l.consumer and i.event_id = l.event_id))
		order by 1`, app, orderID, since)
	return collect(rows, err)
}

func heard(ctx context.Context, pool *pgxpool.Pool, app string, ids []string) ([]Step, error) {
	rows, err := pool.Query(ctx, `
		select applied_at as at, $1::text as service, 'delivery' as kind, '' as name, '' as detail, event_id from inbox i
		where consumer = $1 and event_id = any($2)
			and not exists (select from dead_letters l where l.consumer = i.consumer and l.event_id = i.event_id and dead_at is not null)
		order by 1`, app, ids)
	return collect(rows, err)
}

func collect(rows pgx.Rows, err error) ([]Step, error) {
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	steps, err := pgx.CollectRows(rows, pgx.RowToStructByName[Step])
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	return steps, nil
}
