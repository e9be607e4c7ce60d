package main

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/postgres/postgrestest"
	"github.com/sidecart/sidecart/services/payment/payment"
)

var price = money.Must(1999, "EUR")

func request(attempt int) events.PaymentRequested {
	return events.PaymentRequested{
		OrderID: "order-1", Number: "SC-1", Amount: price, Provider: "stripe", Method: "pm_card_visa",
		ReturnURL: "https://shop.example/orders/order-1", Attempt: attempt,
	}
}

// till is payment on a real database, with a provider that keeps a ledger. Nothing runs in the background until started.
type till struct {
	*testing.T
	pool   *pgxpool.Pool
	fake   *fakeStripe
	server *server
	worker *worker
}

func newTill(t *testing.T) *till {
	t.Parallel()
	pool, fake := postgrestest.New(t, migrations()), newFakeStripe(t)
	s := &server{pool: pool, store: newStore(pool), providers: map[string]*guarded{"stripe": guard("stripe", fake.adapter())}, offered: []string{"stripe"}, now: time.Now}
	return &till{t, pool, fake, s, &worker{store: s.store, providers: s.providers, now: time.Now}}
}

// start runs the background work of one replica until the test ends or stop is called.
func (t *till) start() (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var tasks sync.WaitGroup
	for _, task := range t.server.background() {
		tasks.Go(func() { _ = task(ctx) })
	}
	stop = func() { cancel(); tasks.Wait() }
	t.Cleanup(stop)
	return stop
}

// hear applies a fact as the inbox would.
func hear[T any](t *till, apply func(context.Context, pgx.Tx, T) error, fact T) {
	t.Helper()
	require.NoError(t, postgres.InTx(t.Context(), t.pool, func(tx pgx.Tx) error { return apply(t.Context(), tx, fact) }))
}

// order requests the payment of a new order and returns its id.
func (t *till) order(method string) string {
	r := request(1)
	r.OrderID, r.Method = uuid.NewString(), method
	hear(t, t.server.paymentRequested, r)
	return r.OrderID
}

// told is the topics of the facts told of an order, in order.
func (t *till) told(orderID string) []string {
	t.Helper()
	rows, err := t.pool.Query(t.Context(), `select topic from outbox where subject = $1 order by seq`, orderID)
	require.NoError(t, err)
	topics, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return topics
}

func (t *till) await(orderID string, topics ...string) {
	t.Helper()
	require.Eventually(t, func() bool { return fmt.Sprint(t.told(orderID)) == fmt.Sprint(topics) }, 10*time.Second, 10*time.Millisecond,
		"of %s", topics)
}

func (t *till) state(orderID string, number int) (s payment.State, reference string) {
	t.Helper()
	require.NoError(t, t.pool.QueryRow(t.Context(), `select state, reference from attempts where order_id = $1 and number = $2`, orderID, number).Scan(&s, &reference))
	return s, reference
}

func (t *till) exec(sql string, args ...any) {
	t.Helper()
	_, err := t.pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func (t *till) captured(orderID string) {
	t.Helper()
	captures, sum, _ := t.fake.taken(orderID)
	require.Equal(t, 1, captures)
	require.Equal(t, 1999, sum)
}

func TestRequestedThenCaptured(tt *testing.T) {
	t := newTill(tt)
	t.start()
	id := t.order("pm_card_visa")
	t.await(id, events.TopicPaymentCaptured)
	t.captured(id)
	declined := t.order("pm_card_visa_chargeDeclined")
	t.await(declined, events.TopicPaymentFailed)
}

// The provider is not called before the attempt is committed, and nothing about it is lost if we die before the call.
func TestOnlyTheRowIsCommittedFirst(tt *testing.T) {
	t := newTill(tt)
	id := t.order("pm_card_visa")
	require.Zero(t, t.fake.asked(""))
	require.Empty(t, t.told(id))
	t.start()
	t.await(id, events.TopicPaymentCaptured)
}

// A worker dies after the provider answered and before it could commit; another takes over after the lease.
func TestKilledBetweenAnswerAndCommit(tt *testing.T) {
	t := newTill(tt)
	id := t.order("pm_card_visa")
	jobs, err := t.server.store.LeaseAttempts(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, jobs, 1)
	ans, err := t.worker.ask(t.Context(), jobs[0])
	require.NoError(t, err)
	require.Equal(t, payment.OutcomeCaptured, ans.Outcome)

	again, err := t.server.store.LeaseAttempts(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, again, "the lease still stands")
	t.exec(`update attempts set leased_until = now() - interval '1 second'`)
	t.start()
	t.await(id, events.TopicPaymentCaptured)
	t.captured(id)

	t.worker.settle(t.Context(), jobs[0]) // the dead one was only slow, and commits after all
	require.Equal(t, []string{events.TopicPaymentCaptured}, t.told(id))
	t.captured(id)
}

func TestLostAnswersAreNotFailures(tt *testing.T) {
	t := newTill(tt)
	t.fake.with(func() { t.fake.lose = 3 })
	id := t.order("pm_card_visa")
	t.start()
	t.await(id, events.TopicPaymentCaptured)
	t.captured(id)
	require.GreaterOrEqual(t, t.fake.asked("POST /v1/payment_intents"), 4)
}

func TestProviderDown(tt *testing.T) {
	t := newTill(tt)
	t.fake.with(func() { t.fake.down = true })
	t.start()
	id := t.order("pm_card_visa")
	require.Eventually(t, func() bool { return t.fake.asked("POST /v1/payment_intents") >= 2 }, 10*time.Second, 10*time.Millisecond)
	require.Empty(t, t.told(id))
	t.fake.with(func() { t.fake.down = false })
	t.await(id, events.TopicPaymentCaptured)
}

func TestReplicasShareTheWork(tt *testing.T) {
	t := newTill(tt)
	ids := make([]string, 60)
	for i := range ids {
		ids[i] = t.order("pm_card_visa")
	}
	t.start()
	t.start()
	t.start()
	for _, id := range ids {
		t.await(id, events.TopicPaymentCaptured)
		t.captured(id)
	}
	require.Equal(t, len(ids), t.fake.asked("POST /v1/payment_intents"), "no attempt was worked on twice")
}

// A customer approves at the bank and every webhook is lost: the reconciler asks.
func TestApprovedWithoutWebhook(tt *testing.T) {
	t := newTill(tt)
	stop := t.start()
	id := t.order("pm_card_threeDSecure2Required")
	t.await(id, events.TopicPaymentActionRequired)
	_, reference := t.state(id, 1)
	t.fake.approve(reference)
	stop()
	t.start() // reconciles at start
	t.await(id, events.TopicPaymentActionRequired, events.TopicPaymentCaptured)
}

func TestClosedWhileAwaitingApproval(tt *testing.T) {
	t := newTill(tt)
	t.start()
	id := t.order("pm_card_threeDSecure2Required")
	t.await(id, events.TopicPaymentActionRequired)
	for range 10 {
		hear(t, orderClosed, events.OrderClosed{OrderID: id})
	}
	require.Eventually(t, func() bool { s, _ := t.state(id, 1); return s == payment.Voided }, 10*time.Second, 10*time.Millisecond)
	_, reference := t.state(id, 1)
	t.fake.with(func() { require.Equal(t, "canceled", t.fake.intents[reference]["status"]) })
	require.Equal(t, []string{events.TopicPaymentActionRequired}, t.told(id))
}

func TestClosedBeforeAnythingWasAsked(tt *testing.T) {
	t := newTill(tt)
	late := t.order("pm_card_visa")
	hear(t, orderClosed, events.OrderClosed{OrderID: late})
	early := uuid.NewString()
	hear(t, orderClosed, events.OrderClosed{OrderID: early})
	r := request(1)
	r.OrderID = early
	hear(t, t.server.paymentRequested, r)
	t.start()
	for _, id := range []string{late, early} {
		require.Eventually(t, func() bool { s, _ := t.state(id, 1); return s == payment.Voided }, 10*time.Second, 10*time.Millisecond)
	}
	require.Zero(t, t.fake.asked(""))
}

// The answer to a charge was lost and the order is closed meanwhile: to ask again could charge, so it is looked for.
func TestClosedWhileUnknown(tt *testing.T) {
	t := newTill(tt)
	lost, never := t.order("pm_card_visa"), t.order("pm_card_visa")
	jobs, err := t.server.store.LeaseAttempts(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, jobs, 2)
	for _, job := range jobs {
		if job.OrderID == lost {
			_, err := t.worker.ask(t.Context(), job) // and the answer is lost with the worker
			require.NoError(t, err)
		}
	}
	hear(t, orderClosed, events.OrderClosed{OrderID: lost})
	hear(t, orderClosed, events.OrderClosed{OrderID: never})
	t.start()
	t.await(lost, events.TopicPaymentCaptured) // whoever closed the order asks for the money back
	s, _ := t.state(never, 1)
	require.Equal(t, payment.Started, s, "it may still be on its way")
	t.exec(`update attempts set first_sent_at = now() - interval '3 minutes', sent_at = now() - interval '3 minutes', due_at = now() where order_id = $1`, never)
	require.Eventually(t, func() bool { s, _ := t.state(never, 1); return s == payment.Voided }, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, 1, t.fake.asked("POST /v1/payment_intents"))
}

// After most of a day Stripe may have forgotten the key, and asking again would charge again.
func TestKeysAreNotTrustedForEver(tt *testing.T) {
	t := newTill(tt)
	id := t.order("pm_card_visa")
	jobs, err := t.server.store.LeaseAttempts(t.Context(), 1)
	require.NoError(t, err)
	_, err = t.worker.ask(t.Context(), jobs[0])
	require.NoError(t, err)
	t.fake.with(func() { t.fake.answers = map[string]fakeAnswer{} })
	t.exec(`update attempts set leased_until = null, first_sent_at = now() - interval '21 hours', sent_at = now() - interval '20 hours'`)
	t.start()
	t.await(id, events.TopicPaymentCaptured)
	t.captured(id)
}

func TestANewAttemptWaitsForTheOlder(tt *testing.T) {
	t := newTill(tt)
	stop := t.start()
	id := t.order("pm_card_threeDSecure2Required")
	t.await(id, events.TopicPaymentActionRequired)
	stop()
	second := request(2)
	second.OrderID = id
	hear(t, t.server.paymentRequested, second)
	jobs, err := t.server.store.LeaseAttempts(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, jobs, 1)
	require.Equal(t, 1, jobs[0].Number)
	require.True(t, jobs[0].Closing)
	t.worker.settle(t.Context(), jobs[0])
	t.start()
	t.await(id, events.TopicPaymentActionRequired, events.TopicPaymentCaptured)
	t.captured(id)
}

func TestRefundsOnce(tt *testing.T) {
	t := newTill(tt)
	stop := t.start()
	id := t.order("pm_card_visa")
	t.await(id, events.TopicPaymentCaptured)
	stop()
	var paymentID string
	require.NoError(t, t.pool.QueryRow(t.Context(), `select id from attempts where order_id = $1`, id).Scan(&paymentID))
	t.fake.with(func() { t.fake.lose = 2 })
	t.start()
	for range 10 {
		hear(t, refundRequested, events.RefundRequested{OrderID: id, PaymentID: paymentID, Amount: money.Must(1999, "EUR"), Reason: "cancelled"})
	}
	t.await(id, events.TopicPaymentCaptured, events.TopicPaymentRefunded)
	captures, captured, returned := t.fake.taken(id)
	require.Equal(t, []int{1, 1999, 1999}, []int{captures, captured, returned})
	t.fake.with(func() { require.Len(t, t.fake.refunds, 1) })
}

// Whoever loses a race against the state machine still meets the database.
func TestTheSchemaKeepsThePromises(tt *testing.T) {
	t := newTill(tt)
	id := t.order("pm_card_visa")
	insert := func(number int, method, state string) error {
		_, err := t.pool.Exec(t.Context(), `
			insert into attempts (id, order_id, number, provider, method, return_url, amount, currency, idempotency_key, state)
			values ($1, $2, $3, 'stripe', $4, '', 1, 'EUR', $1, $5)`, newID(), id, number, method, state)
		return err
	}
	require.NoError(t, insert(2, "pm_card_visa", "captured"))
	require.True(t, postgres.IsUnique(insert(3, "pm_card_visa", "captured"), "one_capture_per_order"))
	require.True(t, postgres.IsUnique(insert(1, "pm_card_visa", "started"), ""), "an attempt is requested once")
	require.ErrorContains(t, insert(4, "4242424242424242", "started"), "attempts_method_check")
	require.ErrorContains(t, insert(5, "pm_4242424242424242", "started"), "attempts_method_check")
}

// A request and its closing, at once, on two replicas: one order of the two, never half of each.
func TestTwoWritersLoseNothing(tt *testing.T) {
	t := newTill(tt)
	for range 20 {
		id := uuid.NewString()
		r := request(1)
		r.OrderID = id
		var both sync.WaitGroup
		both.Go(func() { hear(t, t.server.paymentRequested, r) })
		both.Go(func() { hear(t, orderClosed, events.OrderClosed{OrderID: id}) })
		both.Wait()
		var closed, closing bool
		var s payment.State
		require.NoError(t, t.pool.QueryRow(t.Context(), `
			select p.closed, a.closing, a.state from payments p join attempts a using (order_id) where order_id = $1`, id).Scan(&closed, &closing, &s))
		require.True(t, closed)
		require.True(t, closing && s == payment.Started || s == payment.Voided, "state %s, closing %t", s, closing)
	}
}

func TestMalformedFacts(tt *testing.T) {
	t := newTill(tt)
	bad := request(1)
	bad.Amount = money.Must(0, "EUR")
	for _, apply := range []func(context.Context, pgx.Tx) error{
		func(ctx context.Context, tx pgx.Tx) error { return t.server.paymentRequested(ctx, tx, bad) },
		func(ctx context.Context, tx pgx.Tx) error {
			return t.server.paymentRequested(ctx, tx, events.PaymentRequested{})
		},
		func(ctx context.Context, tx pgx.Tx) error { return orderClosed(ctx, tx, events.OrderClosed{}) },
		func(ctx context.Context, tx pgx.Tx) error { return refundRequested(ctx, tx, events.RefundRequested{}) },
	} {
		err := postgres.InTx(t.Context(), t.pool, func(tx pgx.Tx) error { return apply(t.Context(), tx) })
		require.ErrorIs(t, err, events.ErrMalformed)
	}
}
