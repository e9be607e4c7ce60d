package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/batch"
	"github.com/sidecart/sidecart/internal/idempotency"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/postgres/postgrestest"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/services/ordering/order"
)

func testStore(t testing.TB) *store { return newStore(postgrestest.New(t, migrations()), waits) }

// place saves an order of who's under a key of its own.
func (s *store) place(t testing.TB, who identity.Identity, at time.Time) *order.Order {
	t.Helper()
	d := draftOf(who)
	d.ID = uuid.Must(uuid.NewV7()).String()
	_, err := s.Place(t.Context(), idempotency.Key{Scope: "test", Key: d.ID}, d, nil, at)
	require.NoError(t, err)
	o, err := s.Order(t.Context(), d.ID)
	require.NoError(t, err)
	return o
}

// outboxOf are the topics told about an order.
func outboxOf(t testing.TB, db *pgxpool.Pool, orderID string) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), `select topic from outbox where subject = $1 order by seq`, orderID)
	require.NoError(t, err)
	topics, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return topics
}

// arriving are orders of anna's, each under a key of its own, that are placed in one round.
func arriving(n int) []*batch.Item[arrival, idempotency.Answer] {
	round := make([]*batch.Item[arrival, idempotency.Answer], n)
	for i := range round {
		d := draftOf(anna)
		d.ID = uuid.Must(uuid.NewV7()).String()
		d.CheckoutID = d.ID
		round[i] = &batch.Item[arrival, idempotency.Answer]{In: arrival{idempotency.Key{Scope: "test", Key: d.ID, Body: []byte(d.ID)}, d, epoch, ""}}
	}
	return round
}

func idOf(t testing.TB, a idempotency.Answer) string {
	t.Helper()
	var v placedView
	require.NoError(t, json.Unmarshal(a.Body, &v))
	return v.Order.ID
}

func TestOrdersOfAMomentShareATransaction(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	round := arriving(10)
	s.placeRound(t.Context(), round)
	transactions := map[string]bool{}
	for _, item := range round {
		require.NoError(t, item.Err)
		require.False(t, item.Out.Replayed)
		require.Equal(t, item.In.draft.ID, idOf(t, item.Out))
		require.Equal(t, []string{events.TopicOrderPlaced}, outboxOf(t, s.db, item.In.draft.ID))
		again, err := s.Place(t.Context(), item.In.key, item.In.draft, nil, epoch)
		require.NoError(t, err)
		require.True(t, again.Replayed)
		require.JSONEq(t, string(item.Out.Body), string(again.Body))
		var xid string
		require.NoError(t, s.db.QueryRow(t.Context(), `select xid::text from outbox where subject = $1`, item.In.draft.ID).Scan(&xid))
		transactions[xid] = true
	}
	require.Len(t, transactions, 1)
}

func TestWhoDisturbsARoundIsPlacedAlone(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	round := arriving(6)
	round[1].In.key = round[0].In.key // the same request twice
	round[1].In.draft = round[0].In.draft
	round[2].In.draft.CheckoutID = round[3].In.draft.CheckoutID // two tabs
	round[4].In.key = idempotency.Key{Scope: "test", Key: round[5].In.key.Key, Body: []byte("another request")}
	s.placeRound(t.Context(), round)
	for i, of := range []int{0, 0, 2, 2, 4} {
		require.NoError(t, round[i].Err, i)
		require.Equal(t, round[of].In.draft.ID, idOf(t, round[i].Out), i)
	}
	require.True(t, problem.Is(round[5].Err, "idempotency-key-reused"), "%v", round[5].Err)
	var placed int
	require.NoError(t, s.db.QueryRow(t.Context(), `select count(*) from orders`).Scan(&placed))
	require.Equal(t, 3, placed)
}

func TestFactsOfOneTransactionAreAppliedInTheirOrder(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	paid, rejected, untouched := s.place(t, anna, epoch), s.place(t, anna, epoch), s.place(t, anna, epoch)
	apply := func(ids ...string) error {
		return postgres.InTx(t.Context(), s.db, func(tx pgx.Tx) error {
			for _, id := range ids {
				err := s.Apply(t.Context(), tx, strings.ToUpper(id), func(o *order.Order) { o.Reserve(waits, epoch) })
				if err != nil {
					return err
				}
			}
			if err := s.Apply(t.Context(), tx, rejected.ID, func(o *order.Order) { o.Reject(epoch) }); err != nil {
				return err
			}
			return s.Apply(t.Context(), tx, paid.ID, func(o *order.Order) { o.Settle("p", o.Total, epoch) })
		})
	}
	require.ErrorIs(t, apply(paid.ID, uuid.NewString()), error(order.ErrNotFound)) // and nothing is saved
	require.Equal(t, []string{events.TopicOrderPlaced}, outboxOf(t, s.db, paid.ID))
	for range 2 { // a repeat changes nothing
		require.NoError(t, apply(paid.ID, paid.ID))
		require.Equal(t, []string{events.TopicOrderPlaced, events.TopicPaymentRequested, events.TopicOrderPaid}, outboxOf(t, s.db, paid.ID))
		require.Equal(t, []string{events.TopicOrderPlaced, events.TopicOrderClosed}, outboxOf(t, s.db, rejected.ID))
		require.Equal(t, []string{events.TopicOrderPlaced}, outboxOf(t, s.db, untouched.ID))
	}
	for id, want := range map[string]order.Status{paid.ID: order.Paid, rejected.ID: order.Rejected, untouched.ID: order.Placed} {
		o, err := s.Order(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, o.Status)
	}
}

func TestOrderSurvivesTheStore(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	d := draftOf(anna)
	d.ID = uuid.Must(uuid.NewV7()).String()
	_, err := s.Place(t.Context(), idempotency.Key{Scope: "test", Key: "k"}, d, nil, epoch)
	require.NoError(t, err)
	change := func(o *order.Order) {
		o.Reserve(waits, epoch.Add(time.Second))
		o.RequireAction("https://bank.example/3ds", waits, epoch.Add(2*time.Second))
		o.Return("p0", "r0", eur(5), epoch.Add(3*time.Second))
	}
	_, err = s.Update(t.Context(), d.ID, func(o *order.Order) error { change(o); return nil })
	require.NoError(t, err)

	loaded, err := s.Order(t.Context(), d.ID)
	require.NoError(t, err)
	want := order.Place(loaded.Number, d, waits, epoch)
	change(want)
	want.Saved()
	require.Equal(t, want, loaded)
	require.Regexp(t, `^SC-2026-[0-9A-Z]{7}$`, loaded.Number)
}

func TestTwoWritersLoseNothing(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	id := s.place(t, anna, epoch).ID
	var group errgroup.Group
	for i := range 20 {
		group.Go(func() error {
			_, err := s.Update(t.Context(), id, func(o *order.Order) error {
				o.Return(fmt.Sprint("p", i), "r1", eur(1), epoch)
				return nil
			})
			return err
		})
	}
	require.NoError(t, group.Wait())
	o, err := s.Order(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, o.Payment.Captures, 20)
	require.Len(t, o.Timeline, 21)
}

func TestChangeThatFailsOrChangesNothingSavesNothing(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	o := s.place(t, anna, epoch)
	version := func() (xmin string) {
		require.NoError(t, s.db.QueryRow(t.Context(), `select xmin::text from orders where id = $1`, o.ID).Scan(&xmin))
		return xmin
	}
	before := version()
	_, err := s.Update(t.Context(), o.ID, func(o *order.Order) error { o.Reserve(waits, epoch); return fmt.Errorf("no") })
	require.EqualError(t, err, "no")
	_, err = s.Update(t.Context(), o.ID, func(o *order.Order) error { o.FailPayment(1, "card_declined", epoch); return nil })
	require.NoError(t, err)
	require.Equal(t, before, version())
	require.Equal(t, []string{events.TopicOrderPlaced}, outboxOf(t, s.db, o.ID))
}

func TestOrderThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	for _, id := range []string{"", "x", uuid.NewString()} {
		_, err := s.Order(t.Context(), id)
		require.ErrorIs(t, err, error(order.ErrNotFound), id)
		_, err = s.Update(t.Context(), id, func(*order.Order) error { return nil })
		require.ErrorIs(t, err, error(order.ErrNotFound), id)
	}
}

func TestTwoSweepersActOnce(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	var due []string
	for i := range 30 {
		due = append(due, s.place(t, anna, epoch.Add(-time.Hour+time.Duration(i))).ID)
	}
	fresh := s.place(t, anna, epoch)
	var group errgroup.Group
	for range 4 {
		group.Go(func() error {
			for {
				n, err := s.ActOnDue(t.Context(), epoch, 7)
				if err != nil || n == 0 {
					return err
				}
			}
		})
	}
	require.NoError(t, group.Wait())
	for _, id := range due {
		o, err := s.Order(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, order.Expired, o.Status)
		require.Equal(t, []string{events.TopicOrderPlaced, events.TopicOrderClosed}, outboxOf(t, s.db, id))
	}
	o, err := s.Order(t.Context(), fresh.ID)
	require.NoError(t, err)
	require.Equal(t, order.Placed, o.Status)
}

func TestSweeperLeavesWhatAnotherIsAtWorkOn(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	o := s.place(t, anna, epoch.Add(-time.Hour))
	locked, release := make(chan struct{}), make(chan struct{})
	var group errgroup.Group
	group.Go(func() error {
		_, err := s.Update(t.Context(), o.ID, func(o *order.Order) error {
			close(locked)
			<-release
			o.Reserve(waits, epoch)
			return nil
		})
		return err
	})
	<-locked
	n, err := s.ActOnDue(t.Context(), epoch, 10)
	require.NoError(t, err)
	require.Zero(t, n)
	close(release)
	require.NoError(t, group.Wait())
	n, err = s.ActOnDue(t.Context(), epoch, 10)
	require.NoError(t, err)
	require.Zero(t, n, "the order moved on in time")
}

func TestOrdersOfACustomerByPages(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	var want []string
	for range 7 {
		want = append([]string{s.place(t, anna, epoch).ID}, want...)
		s.place(t, boris, epoch)
	}
	var got []string
	before := ""
	for {
		page, err := s.OrdersOf(t.Context(), anna.Subject, before, 3)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, o := range page {
			got = append(got, o.ID)
		}
		before = got[len(got)-1]
	}
	require.Equal(t, want, got)
}

// Facts come at least once and in any order, from consumers that run side by side.
func TestFactsThroughTheInboxAndOutOfOrder(t *testing.T) {
	t.Parallel()
	s := &server{orders: testStore(t), wait: waits, now: func() time.Time { return epoch.Add(time.Minute) }}
	o := s.orders.place(t, anna, epoch)
	facts := []events.Fact{
		events.StockReserved{OrderID: o.ID},
		events.PaymentCaptured{OrderID: o.ID, PaymentID: "p1", Amount: o.Total},
		events.PaymentActionRequired{OrderID: o.ID, PaymentID: "p1", RedirectURL: "https://bank.example/3ds"},
		events.PaymentFailed{OrderID: o.ID, PaymentID: "p1", Code: "card_declined", Attempt: 7},
	}
	var group errgroup.Group
	for range 10 {
		for _, f := range facts {
			group.Go(func() error { return s.tell(t.Context(), f) })
		}
	}
	require.NoError(t, group.Wait())
	o, err := s.orders.Order(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, order.Paid, o.Status)
	topics := outboxOf(t, s.orders.db, o.ID)
	require.Equal(t, events.TopicOrderPaid, topics[len(topics)-1])
	require.LessOrEqual(t, len(topics), 3)

	require.NoError(t, s.tell(t.Context(), events.PaymentRefunded{OrderID: o.ID, PaymentID: "p1", RefundID: "r1", Amount: o.Total}))
	o, err = s.orders.Order(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, order.Refunded, o.Status)
}

func TestGarbageAmongTheFacts(t *testing.T) {
	t.Parallel()
	s := &server{orders: testStore(t), wait: waits, now: func() time.Time { return epoch }}
	id := s.orders.place(t, anna, epoch).ID
	for topic, bodies := range map[string][]string{
		events.TopicStockReserved:         {``, `{`, `[]`, `"x"`, `{"orderId":7}`, `{}`, `{"orderId":"not-a-uuid"}`},
		events.TopicStockRejected:         {`null`, `{"orderId":"` + id + `","shortages":{}}`},
		events.TopicPaymentCaptured:       {`{"orderId":"` + id + `","paymentId":"p1"}`, `{"orderId":"` + id + `","paymentId":"p1","amount":{"amount":1.5,"currency":"EUR"}}`, `{"orderId":"` + id + `","paymentId":"","amount":{"amount":1,"currency":"EUR"}}`, `{"orderId":"` + id + `","paymentId":"p1","amount":{"amount":-5,"currency":"EUR"}}`},
		events.TopicPaymentFailed:         {`{"orderId":"","attempt":"one"}`},
		events.TopicPaymentActionRequired: {`{"orderId":1}`},
		events.TopicPaymentRefunded:       {`{"orderId":"` + id + `","paymentId":"p1","refundId":"r1","amount":{"amount":1,"currency":"XXX"}}`},
	} {
		for _, body := range bodies {
			require.ErrorIs(t, s.deliver(t.Context(), topic, []byte(body)), events.ErrMalformed, "%s %s", topic, body)
		}
	}
	// A fact about an order that is not there yet is tried again; unknown fields are nobody's business.
	require.ErrorIs(t, s.deliver(t.Context(), events.TopicStockReserved, []byte(`{"orderId":"`+uuid.NewString()+`"}`)), error(order.ErrNotFound))
	require.NoError(t, s.deliver(t.Context(), events.TopicStockReserved, []byte(`{"orderId":"`+id+`","colour":"blue"}`)))
	o, err := s.orders.Order(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, order.Reserved, o.Status)
}

func (s *server) tell(ctx context.Context, f events.Fact) error {
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return s.deliver(ctx, f.Topic(), body)
}

// deliver hands an event to whoever subscribed to its topic, in a transaction as the inbox does.
func (s *server) deliver(ctx context.Context, topic string, data []byte) error {
	for _, sub := range s.subscriptions() {
		if sub.Topic == topic {
			return postgres.InTx(ctx, s.orders.db, func(tx pgx.Tx) error {
				return sub.Apply(ctx, tx, events.Envelope{ID: uuid.NewString(), Type: topic, Data: data})
			})
		}
	}
	return fmt.Errorf("nobody hears %s", topic)
}
