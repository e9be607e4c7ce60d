package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/web"
)

// office is a service's letters and traces, with a handler that can be broken and mended.
type office struct {
	*fixture
	t      *testing.T
	routes http.Handler
	inbox  *inbox
	broken bool
}

var errBroken = errors.New("its order is not there")

func newOffice(t *testing.T) *office {
	t.Parallel()
	o := &office{fixture: newFixture(t), t: t}
	sub := o.subscription()
	effect := sub.Apply
	sub.Apply = func(ctx context.Context, tx pgx.Tx, e events.Envelope) error {
		if o.broken {
			return errBroken
		}
		return effect(ctx, tx, e)
	}
	router := web.Router()
	Letters(router, o.consumer, "inventory", sub)
	Trace(router, o.consumer, "inventory", func(_ context.Context, orderID string) ([]Step, error) {
		return []Step{{At: time.Now(), Service: "inventory", Kind: "timeline", Name: "own", Detail: orderID}}, nil
	})
	o.routes, o.inbox = router, newInbox(o.consumer, "inventory", []Subscription{sub})
	return o
}

func (o *office) do(method, path string, out any, roles ...identity.Role) int {
	return o.doFrom("gateway", method, path, out, roles...)
}

func (o *office) doFrom(app, method, path string, out any, roles ...identity.Role) int {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Dapr-Caller-App-Id", app)
	if len(roles) > 0 {
		r = r.WithContext(identity.With(r.Context(), identity.Identity{Subject: "somebody", Roles: roles}))
	}
	rec := httptest.NewRecorder()
	o.routes.ServeHTTP(rec, r)
	if out != nil && rec.Code == http.StatusOK {
		require.NoError(o.t, json.Unmarshal(rec.Body.Bytes(), out))
	}
	return rec.Code
}

// bury makes a dead letter of a sound event, as catch-up does after many tries, and returns the event.
func (o *office) bury() events.Envelope {
	order := uuid.Must(uuid.NewV7()).String()
	e := row{ID: uuid.NewString(), Topic: events.TopicOrderPaid, Subject: order, Data: []byte(`{"orderId":"` + order + `"}`), CreatedAt: time.Now()}.envelope("ordering")
	o.broken = true
	require.ErrorIs(o.t, o.inbox.hear(o.t.Context(), []events.Envelope{e}), errBroken)
	for range deadAfter - 1 {
		require.ErrorIs(o.t, o.inbox.failed(o.t.Context(), e, errBroken), errBroken)
	}
	require.NoError(o.t, o.inbox.failed(o.t.Context(), e, errBroken))
	return e
}

func (o *office) effects() (n int) {
	require.NoError(o.t, o.consumer.QueryRow(o.t.Context(), `select count(*) from effects`).Scan(&n))
	return n
}

func TestALetterIsShownAndReplayedOnceItsCauseIsMended(t *testing.T) {
	o := newOffice(t)
	e := o.bury()
	var list web.Page[Letter]
	require.Equal(t, 200, o.do("GET", "/dead-letters", &list, identity.Support))
	require.Len(t, list.Items, 1)
	got := list.Items[0]
	require.Equal(t, []any{"inventory", e.ID, e.Type, e.Subject, errBroken.Error(), deadAfter, true},
		[]any{got.Service, got.ID, got.Topic, got.Subject, got.Error, got.Attempts, got.Dead})
	var envelope events.Envelope
	require.NoError(t, json.Unmarshal(got.Envelope, &envelope))
	require.JSONEq(t, string(e.Data), string(envelope.Data))

	require.Equal(t, 409, o.do("POST", "/dead-letters/"+e.ID+"/replay", nil, identity.Admin))
	require.Equal(t, 200, o.do("GET", "/dead-letters/"+e.ID, &got, identity.Admin))
	require.Equal(t, deadAfter+1, got.Attempts)
	require.True(t, got.Dead)
	require.NoError(t, o.inbox.hear(t.Context(), []events.Envelope{e}), "it is not offered again by itself")
	require.Zero(t, o.effects())

	o.broken = false
	require.Equal(t, 204, o.do("POST", "/dead-letters/"+e.ID+"/replay", nil, identity.Admin))
	require.Equal(t, 1, o.effects())
	require.Equal(t, 404, o.do("POST", "/dead-letters/"+e.ID+"/replay", nil, identity.Admin))
	require.NoError(t, o.inbox.hear(t.Context(), []events.Envelope{e}), "a repeat by the broker")
	require.Equal(t, 1, o.effects())
	require.Equal(t, 200, o.do("GET", "/dead-letters", &list, identity.Support))
	require.Empty(t, list.Items)
}

func TestManyReplaysAtOnceHaveOneEffect(t *testing.T) {
	o := newOffice(t)
	e := o.bury()
	o.broken = false
	var group sync.WaitGroup
	codes := make([]int, 10)
	for i := range codes {
		group.Go(func() { codes[i] = o.do("POST", "/dead-letters/"+e.ID+"/replay", nil, identity.Admin) })
		group.Go(func() { _ = o.inbox.hear(context.WithoutCancel(t.Context()), []events.Envelope{e}) })
	}
	group.Wait()
	require.Equal(t, 1, o.effects())
	done := 0
	for _, code := range codes {
		require.Contains(t, []int{204, 404}, code)
		if code == 204 {
			done++
		}
	}
	require.Equal(t, 1, done)
}

func TestAnEventThatWorkedMeanwhileIsNoLetter(t *testing.T) {
	o := newOffice(t)
	e := row{ID: uuid.NewString(), Topic: events.TopicOrderPaid, Subject: "o", Data: []byte(`{"orderId":"o"}`)}.envelope("ordering")
	require.ErrorIs(t, o.inbox.failed(t.Context(), e, errBroken), errBroken)
	var list web.Page[Letter]
	require.Equal(t, 200, o.do("GET", "/dead-letters", &list, identity.Support))
	require.Len(t, list.Items, 1, "it is still tried")
	require.False(t, list.Items[0].Dead)

	require.NoError(t, o.inbox.hear(t.Context(), []events.Envelope{e}))
	require.NoError(t, o.inbox.bury(t.Context(), e, errBroken), "a last try that lost the race")
	require.Equal(t, 200, o.do("GET", "/dead-letters", &list, identity.Support))
	require.Empty(t, list.Items)
	require.Equal(t, 204, o.do("POST", "/dead-letters/"+e.ID+"/replay", nil, identity.Admin))
	require.Equal(t, 1, o.effects(), "a replay of what was applied changes nothing")
}

func TestADroppedLetterNeverHasAnEffect(t *testing.T) {
	o := newOffice(t)
	e := o.bury()
	o.broken = false
	require.Equal(t, 204, o.do("DELETE", "/dead-letters/"+e.ID, nil, identity.Admin))
	require.Equal(t, 404, o.do("DELETE", "/dead-letters/"+e.ID, nil, identity.Admin))
	require.NoError(t, o.inbox.hear(t.Context(), []events.Envelope{e}))
	require.Zero(t, o.effects())
}

func TestGarbageStaysALetter(t *testing.T) {
	o := newOffice(t)
	for _, garbage := range []string{`{"orderId":7}`, `not json`, ``} {
		e := events.Envelope{ID: uuid.NewString(), Type: events.TopicOrderPaid, Data: json.RawMessage(garbage)}
		require.NoError(t, o.inbox.hear(t.Context(), []events.Envelope{e}))
		require.Equal(t, 409, o.do("POST", "/dead-letters/"+e.ID+"/replay", nil, identity.Admin), garbage)
		require.Equal(t, 204, o.do("DELETE", "/dead-letters/"+e.ID, nil, identity.Admin))
	}
	for _, id := range []string{"x", "%27", "a%2fb", "01"} {
		require.Equal(t, 404, o.do("POST", "/dead-letters/"+id+"/replay", nil, identity.Admin), id)
		require.Equal(t, 404, o.do("GET", "/dead-letters/"+id, nil, identity.Admin), id)
	}
}

func TestWhoMayDealWithLetters(t *testing.T) {
	o := newOffice(t)
	e := o.bury()
	order := e.Subject
	for _, c := range []struct {
		method, path string
		least        identity.Role
	}{
		{"GET", "/dead-letters", identity.Support}, {"GET", "/dead-letters/" + e.ID, identity.Support},
		{"GET", "/trace/" + order, identity.Support}, {"GET", "/trace/" + order + "/deliveries?events=" + e.ID, identity.Support},
		{"POST", "/dead-letters/" + e.ID + "/replay", identity.Admin}, {"DELETE", "/dead-letters/" + e.ID, identity.Admin},
	} {
		require.Equal(t, 401, o.do(c.method, c.path, nil), c)
		require.Equal(t, 403, o.do(c.method, c.path, nil, identity.Guest), c)
		require.Equal(t, 403, o.do(c.method, c.path, nil, identity.Customer), c)
		if c.least == identity.Admin {
			require.Equal(t, 403, o.do(c.method, c.path, nil, identity.Support), c)
		}
		for _, app := range []string{"", "ordering", "basket"} {
			require.Equal(t, 404, o.doFrom(app, c.method, c.path, nil, identity.Admin), "%v from %q", c, app)
		}
	}
}

func TestATraceShowsWhatWasToldAndWhatWasHeard(t *testing.T) {
	o := newOffice(t)
	dead := o.bury()
	o.broken = false
	heardEvent := row{ID: uuid.NewString(), Topic: events.TopicOrderPaid, Subject: dead.Subject, Data: []byte(`{"orderId":"o"}`)}.envelope("ordering")
	require.NoError(t, o.inbox.hear(t.Context(), []events.Envelope{heardEvent}))
	other := uuid.Must(uuid.NewV7()).String()
	for _, order := range []string{dead.Subject, other} {
		require.NoError(t, postgres.InTx(t.Context(), o.consumer, func(tx pgx.Tx) error {
			return Add(t.Context(), tx, events.StockReserved{OrderID: order})
		}))
	}

	var trace web.Page[Step]
	require.Equal(t, 200, o.do("GET", "/trace/"+dead.Subject, &trace, identity.Support))
	var seen []string
	for _, s := range trace.Items {
		require.Equal(t, "inventory", s.Service)
		require.False(t, s.At.IsZero())
		seen = append(seen, s.Kind+" "+s.Name)
	}
	require.ElementsMatch(t, []string{"event stock-reserved-v1", "dead-letter order-paid-v1", "timeline own"}, seen)

	require.Equal(t, 200, o.do("GET", fmt.Sprintf("/trace/%s/deliveries?events=%s,%s,x", dead.Subject, dead.ID, heardEvent.ID), &trace, identity.Support))
	require.Len(t, trace.Items, 1, "a dead letter is no delivery")
	require.Equal(t, heardEvent.ID, trace.Items[0].EventID)

	for _, id := range []string{"x", "1", "%27%20or%201=1"} {
		require.Equal(t, 404, o.do("GET", "/trace/"+id, nil, identity.Support), id)
	}
	require.Equal(t, 200, o.do("GET", "/trace/"+uuid.NewString(), nil, identity.Support), "an id that tells no time")
}

func TestSince(t *testing.T) {
	order := uuid.Must(uuid.NewV7())
	require.Less(t, Since(order.String()), order.String())
	older, err := uuid.Parse("01900000-0000-7000-8000-000000000000")
	require.NoError(t, err)
	require.Less(t, older.String(), Since(order.String()), "it is not needlessly old")
	require.Equal(t, uuid.Nil.String(), Since(uuid.NewString()))
	require.Equal(t, uuid.Nil.String(), Since("nothing"))
}
