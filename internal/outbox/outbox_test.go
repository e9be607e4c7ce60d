package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/postgres/postgrestest"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// bus is a broker that does what brokers do at their worst. Calls go to the producer's real feed.
type bus struct {
	mu       sync.Mutex
	feed     http.Handler
	deliver  map[string][]func(context.Context, []events.Envelope) error
	refuse   bool // the broker is away
	swallow  bool // it says "taken" and forgets, as after a lost disk
	repeat   int  // it delivers each event this often
	silent   bool // it delivers, but its answer is lost
	sent     int
	handling sync.WaitGroup
}

func (b *bus) Publish(ctx context.Context, topic string, facts []events.Envelope) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent += len(facts)
	if b.refuse {
		return errors.New("connection refused")
	}
	for range max(b.repeat, 1) {
		for _, handle := range b.deliver[topic] {
			if !b.swallow {
				b.handling.Go(func() { _ = handle(context.WithoutCancel(ctx), facts) })
			}
		}
	}
	if b.silent {
		return errors.New("the confirm did not come")
	}
	return nil
}

func (b *bus) Subscribe(ctx context.Context, topic string, handle func(context.Context, []events.Envelope) error) error {
	b.mu.Lock()
	if b.deliver == nil {
		b.deliver = map[string][]func(context.Context, []events.Envelope) error{}
	}
	b.deliver[topic] = append(b.deliver[topic], handle)
	b.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (b *bus) Call(ctx context.Context, _, method, path string, _, out any) error {
	r := httptest.NewRequest(method, path, nil).WithContext(ctx)
	r.Header.Set("Dapr-Caller-App-Id", "inventory")
	rec := httptest.NewRecorder()
	b.feed.ServeHTTP(rec, r)
	if err := problem.Read(rec.Result()); err != nil {
		return err
	}
	return json.Unmarshal(rec.Body.Bytes(), out)
}

func (b *bus) set(change func(*bus)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

type fixture struct {
	bus                *bus
	producer, consumer *pgxpool.Pool
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{bus: &bus{}, producer: postgrestest.New(t, fstest.MapFS{}), consumer: postgrestest.New(t, fstest.MapFS{})}
	_, err := f.consumer.Exec(t.Context(), `create table effects (order_id text not null)`)
	require.NoError(t, err)
	router := web.Router()
	Routes(router, f.producer, "ordering")
	f.bus.feed = router
	return f
}

func (f *fixture) subscription() Subscription {
	return Subscription{Producer: "ordering", Topic: events.TopicOrderPaid, Apply: On(func(ctx context.Context, tx pgx.Tx, fact events.OrderPaid) error {
		_, err := tx.Exec(ctx, `insert into effects values ($1)`, fact.OrderID)
		return err
	})}
}

// start does tasks until the test ends or stop is called.
func start(t *testing.T, tasks ...boot.Task) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, task := range tasks {
		group.Go(func() { _ = task(ctx) })
	}
	stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(stop)
	return stop
}

func (f *fixture) startConsumer(t *testing.T) (stop func()) {
	before := len(f.subscribers())
	stop = start(t, Run(f.consumer, f.bus, "inventory", f.subscription())...)
	require.Eventually(t, func() bool { return len(f.subscribers()) == before+1 }, 5*time.Second, 5*time.Millisecond)
	return stop
}

func (f *fixture) subscribers() []func(context.Context, []events.Envelope) error {
	f.bus.mu.Lock()
	defer f.bus.mu.Unlock()
	return f.bus.deliver[events.TopicOrderPaid]
}

func (f *fixture) startRelay(t *testing.T) (stop func()) {
	stop = start(t, newRelay(f.producer, f.bus, "ordering").run)
	require.Eventually(t, func() bool { _, runs := relays.Load(f.producer); return runs }, 5*time.Second, time.Millisecond)
	return stop
}

func (f *fixture) tell(t *testing.T, n int) {
	for i := range n {
		require.NoError(t, postgres.InTx(t.Context(), f.producer, func(tx pgx.Tx) error {
			return Add(t.Context(), tx, paid(fmt.Sprintf("o-%d ü \\u", i)))
		}))
	}
}

// requireOnce waits until n different orders have had their effect, and checks that none had it twice.
func (f *fixture) requireOnce(t *testing.T, n int) {
	t.Helper()
	count := func() (all, distinct int) {
		require.NoError(t, f.consumer.QueryRow(t.Context(), `select count(*), count(distinct order_id) from effects`).Scan(&all, &distinct))
		return all, distinct
	}
	require.Eventually(t, func() bool { _, distinct := count(); return distinct == n }, 20*time.Second, 20*time.Millisecond)
	f.bus.handling.Wait()
	all, distinct := count()
	require.Equal(t, n, all)
	require.Equal(t, n, distinct)
}

func paid(orderID string) events.OrderPaid {
	return events.OrderPaid{OrderID: orderID, Total: money.Must(1999, "EUR")}
}

func TestFactsArrive(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startConsumer(t)
	f.startRelay(t)
	f.tell(t, 250)
	f.requireOnce(t, 250)
}

func TestARolledBackFactIsNotTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.Error(t, postgres.InTx(t.Context(), f.producer, func(tx pgx.Tx) error {
		require.NoError(t, Add(t.Context(), tx, paid("o")))
		return errors.New("refused")
	}))
	var n int
	require.NoError(t, f.producer.QueryRow(t.Context(), `select count(*) from outbox`).Scan(&n))
	require.Zero(t, n)
}

func TestTheRelayIsKilledBetweenCommitAndPublish(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startConsumer(t)
	f.tell(t, 3) // committed; no relay is alive
	f.startRelay(t)
	f.requireOnce(t, 3)
}

func TestTheRelayIsKilledBetweenPublishAndItsMark(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startConsumer(t)
	f.tell(t, 3)
	ctx, kill := context.WithCancel(t.Context())
	killed := newRelay(f.producer, killingBus{f.bus, kill}, "ordering")
	require.Eventually(t, func() bool {
		var old int
		require.NoError(t, f.producer.QueryRow(t.Context(), `select count(*) from outbox where created_at < clock_timestamp() - $1::interval`, leftAlone).Scan(&old))
		return old == 3
	}, 10*time.Second, 100*time.Millisecond)
	n, err := killed.send(ctx)
	require.Equal(t, 3, n)
	require.Error(t, err)
	require.Error(t, ctx.Err())
	f.startRelay(t) // sends all of it again
	f.requireOnce(t, 3)
}

// killingBus ends its user right after the broker took the events.
type killingBus struct {
	*bus
	kill func()
}

func (k killingBus) Publish(ctx context.Context, topic string, facts []events.Envelope) error {
	defer k.kill()
	return k.bus.Publish(ctx, topic, facts)
}

func TestAPublishWhoseConfirmIsLost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startConsumer(t)
	f.bus.set(func(b *bus) { b.silent = true })
	f.startRelay(t)
	f.tell(t, 3)
	require.Eventually(t, func() bool { f.bus.mu.Lock(); defer f.bus.mu.Unlock(); return f.bus.sent >= 6 }, 10*time.Second, 10*time.Millisecond)
	f.bus.set(func(b *bus) { b.silent = false })
	f.requireOnce(t, 3)
}

func TestTheBrokerLosesWhatItTook(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bus.set(func(b *bus) { b.swallow = true })
	f.startRelay(t)
	f.startConsumer(t)
	f.tell(t, 20)
	f.requireOnce(t, 20) // by the feed alone
}

func TestTheBrokerIsAwayAndComesBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startConsumer(t)
	f.bus.set(func(b *bus) { b.refuse = true })
	f.startRelay(t)
	f.tell(t, 5)
	f.bus.set(func(b *bus) { b.refuse = false })
	f.requireOnce(t, 5)
	require.Eventually(t, func() bool {
		var unsent int
		require.NoError(t, f.producer.QueryRow(t.Context(), `select count(*) from outbox where sent_at is null`).Scan(&unsent))
		return unsent == 0
	}, 10*time.Second, 20*time.Millisecond)
}

func TestTenDuplicatesAndTwoReplicasOfOneConsumer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bus.set(func(b *bus) { b.repeat = 10 })
	f.startConsumer(t)
	f.startConsumer(t)
	f.startRelay(t)
	f.tell(t, 20)
	f.requireOnce(t, 20)
}

func TestTwoRelaysShareTheWork(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startConsumer(t)
	f.startRelay(t)
	f.startRelay(t)
	f.tell(t, 100)
	f.requireOnce(t, 100)
	f.bus.mu.Lock()
	defer f.bus.mu.Unlock()
	require.Equal(t, 100, f.bus.sent, "no event was sent twice")
}

func TestAFailingEventDoesNotHoldTheOthersBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bus.set(func(b *bus) { b.swallow = true })
	var mu sync.Mutex
	mended := false
	sub := f.subscription()
	effect := sub.Apply
	sub.Apply = func(ctx context.Context, tx pgx.Tx, e events.Envelope) error {
		mu.Lock()
		defer mu.Unlock()
		fact, err := Decode[events.OrderPaid](e)
		require.NoError(t, err)
		if fact.OrderID == "o-0 ü \\u" && !mended {
			return errors.New("overtook its order")
		}
		return effect(ctx, tx, e)
	}
	start(t, Run(f.consumer, f.bus, "inventory", sub)...)
	f.tell(t, 5)
	f.requireOnce(t, 4)
	require.NoError(t, postgres.InTx(t.Context(), f.producer, func(tx pgx.Tx) error {
		return Add(t.Context(), tx, paid("later"))
	}))
	f.requireOnce(t, 5)
	mu.Lock()
	mended = true
	mu.Unlock()
	f.requireOnce(t, 6)
}

func TestAMalformedEventBecomesADeadLetterWithItsCause(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	in := newInbox(f.consumer, "inventory", []Subscription{f.subscription()})
	good := envelope(t, "good")
	for _, e := range []events.Envelope{
		{ID: "e1", Type: events.TopicOrderPaid, Data: json.RawMessage(`{"orderId":7}`)},
		{ID: "e2", Type: events.TopicOrderPaid, Data: json.RawMessage(`[]`)},
		{ID: "e3", Type: events.TopicOrderPaid, Data: json.RawMessage(`"x"`)},
		{ID: "e4", Type: events.TopicOrderPaid, Data: json.RawMessage(`not json`)},
		{ID: "e5", Type: events.TopicOrderPaid},
		{ID: "e6", Type: events.TopicOrderPlaced, Data: json.RawMessage(`{}`)}, // nobody's here
		{Type: events.TopicOrderPaid, Data: json.RawMessage(`{}`)},             // without an id
	} {
		errs := in.apply(t.Context(), []events.Envelope{e, good})
		require.ErrorIs(t, errs[0], events.ErrMalformed, e.ID)
		require.NoError(t, errs[1], "the good one beside it has its effect")
		require.NoError(t, in.hear(t.Context(), []events.Envelope{e}), "it does not have to come again")
	}
	var n int
	require.NoError(t, f.consumer.QueryRow(t.Context(), `select count(*) from dead_letters where dead_at is not null and error <> ''`).Scan(&n))
	require.Equal(t, 7, n)
	require.NoError(t, f.consumer.QueryRow(t.Context(), `select count(*) from effects`).Scan(&n))
	require.Equal(t, 1, n)
}

func envelope(t *testing.T, orderID string) events.Envelope {
	data, err := json.Marshal(paid(orderID))
	require.NoError(t, err)
	return events.Envelope{ID: "event of " + orderID, Type: events.TopicOrderPaid, Data: data}
}

func TestWhatComesTogetherSharesATransaction(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	in := newInbox(f.consumer, "inventory", []Subscription{f.subscription()})
	blocked, release := make(chan struct{}), make(chan struct{})
	in.handlers["block"] = func(context.Context, pgx.Tx, events.Envelope) error { close(blocked); <-release; return nil }
	var group sync.WaitGroup
	group.Go(func() { _ = in.hear(context.Background(), []events.Envelope{{ID: "first", Type: "block"}}) })
	<-blocked
	var entered atomic.Int32
	for i := range 40 {
		group.Go(func() {
			entered.Add(1)
			_ = in.hear(context.Background(), []events.Envelope{envelope(t, fmt.Sprint(i)), envelope(t, "the same")})
		})
	}
	require.Eventually(t, func() bool { return entered.Load() == 40 }, 5*time.Second, time.Millisecond)
	close(release)
	group.Wait()
	var n, transactions int
	require.NoError(t, f.consumer.QueryRow(t.Context(), `select count(*), count(distinct xmin::text) from effects`).Scan(&n, &transactions))
	require.Equal(t, 41, n)
	require.Less(t, transactions, 10)
}

func TestTheWorkOfADeadRelayIsDoneByAnother(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startConsumer(t)
	stop := f.startRelay(t)
	f.tell(t, 5)
	f.requireOnce(t, 5)
	stop()
	require.NoError(t, postgres.InTx(t.Context(), f.producer, func(tx pgx.Tx) error {
		return Add(t.Context(), tx, paid("told to nobody")) // there is no relay to be handed it
	}))
	f.startRelay(t)
	f.requireOnce(t, 6)
}

// Patient consumers leave a topic to the feed.
func TestTheImpatientAloneSubscribe(t *testing.T) {
	require.NotEmpty(t, events.Patient)
	for topic, patient := range events.Patient {
		route := events.Routes[topic]
		require.Subset(t, route.Consumers, patient, topic)
		for _, app := range route.Consumers {
			want := 2 // the subscription, the feed
			if slices.Contains(patient, app) {
				want = 1
			}
			require.Len(t, RunPlain(nil, nil, app, PlainSubscription{Producer: route.Producer, Topic: topic}), want, "%s hears %s", app, topic)
			require.Len(t, Run(nil, nil, app, Subscription{Producer: route.Producer, Topic: topic}), want+2, "%s hears %s", app, topic)
		}
	}
}
