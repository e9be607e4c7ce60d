package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/postgres/postgrestest"
	"github.com/sidecart/sidecart/services/inventory/reservation"
)

type fixture struct {
	*testing.T
	*server
}

// newFixture is a server on a database of the test's own, at a moment that stands still.
func newFixture(t *testing.T, lines ...reservation.Line) *fixture {
	t.Parallel()
	return open(t, lines...)
}

func open(t *testing.T, lines ...reservation.Line) *fixture {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f := &fixture{t, &server{stock: &store{postgrestest.New(t, migrations())}, hold: holdTime, now: func() time.Time { return now }}}
	require.NoError(t, f.stock.Stocktake(t.Context(), lines, "test"))
	t.Cleanup(func() {
		found, err := f.stock.Audit(context.Background())
		require.NoError(t, err)
		require.Empty(t, found.Wrong, "counts are what the ledger and the reservations add up to")
	})
	return f
}

func tell[T any](f *fixture, handle func(context.Context, pgx.Tx, T) error, fact T) error {
	return postgres.InTx(f.Context(), f.stock.db, func(tx pgx.Tx) error { return handle(f.Context(), tx, fact) })
}

func (f *fixture) place(order string, lines ...events.OrderLine) error {
	return tell(f, f.orderPlaced, events.OrderPlaced{OrderID: order, Lines: lines, ExpiresAt: f.now().Add(15 * time.Minute)})
}

func (f *fixture) pay(order string) error {
	return tell(f, f.orderPaid, events.OrderPaid{OrderID: order})
}
func (f *fixture) shut(order string) error {
	return tell(f, f.orderClosed, events.OrderClosed{OrderID: order})
}

// counts are on hand and reserved.
func (f *fixture) counts(sku string) (counts [2]int64) {
	require.NoError(f, f.stock.db.QueryRow(f.Context(), `select on_hand, reserved from stock where sku = $1`, sku).Scan(&counts[0], &counts[1]))
	return counts
}

func (f *fixture) state(order string) (state reservation.State) {
	require.NoError(f, f.stock.db.QueryRow(f.Context(), `select state from reservations where order_id = $1`, order).Scan(&state))
	return state
}

// told are the facts about an order in the outbox, in order.
func (f *fixture) told(order string) []string {
	rows, err := f.stock.db.Query(f.Context(), `select topic from outbox where subject = $1 order by seq`, order)
	require.NoError(f, err)
	topics, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(f, err)
	return topics
}

func (f *fixture) data(order string) (data string) {
	require.NoError(f, f.stock.db.QueryRow(f.Context(), `select data::text from outbox where subject = $1`, order).Scan(&data))
	return data
}

func pieces(sku string, n int64) reservation.Line { return reservation.Line{SKU: sku, Quantity: n} }

func newOrder() string { return uuid.Must(uuid.NewV7()).String() }

func TestAllLinesAreHeldOrNone(t *testing.T) {
	f := newFixture(t, pieces("A", 5), pieces("B", 1))
	whole, short := newOrder(), newOrder()

	require.NoError(t, f.place(whole, events.OrderLine{SKU: "B", Quantity: 1}, events.OrderLine{SKU: "A", Quantity: 2}))
	require.Equal(t, reservation.Held, f.state(whole))
	require.Equal(t, []string{events.TopicStockReserved}, f.told(whole))
	require.JSONEq(t, `{"orderId":"`+whole+`","expiresAt":"2026-11-22T13:15:00Z"}`, f.data(whole))

	require.NoError(t, f.place(short, events.OrderLine{SKU: "A", Quantity: 1}, events.OrderLine{SKU: "B", Quantity: 1}, events.OrderLine{SKU: "GONE", Quantity: 9}))
	require.Equal(t, reservation.Rejected, f.state(short))
	require.Equal(t, []string{events.TopicStockRejected}, f.told(short))
	require.JSONEq(t, `{"orderId":"`+short+`","shortages":[{"sku":"B","wanted":1,"available":0},{"sku":"GONE","wanted":9,"available":0}]}`, f.data(short))

	require.Equal(t, [2]int64{5, 2}, f.counts("A"))
	require.Equal(t, [2]int64{1, 1}, f.counts("B"))
}

func TestTenOfEachFactCountOnce(t *testing.T) {
	f := newFixture(t, pieces("A", 5))
	order, line := newOrder(), events.OrderLine{SKU: "A", Quantity: 2}
	for range 10 {
		require.NoError(t, f.place(order, line))
	}
	require.Equal(t, [2]int64{5, 2}, f.counts("A"))
	for range 10 {
		require.NoError(t, f.pay(order))
		require.NoError(t, f.place(order, line))
	}
	require.Equal(t, [2]int64{3, 0}, f.counts("A"))
	require.Equal(t, []string{events.TopicStockReserved}, f.told(order))
	for range 10 {
		require.NoError(t, f.shut(order))
		require.NoError(t, f.pay(order))
	}
	require.Equal(t, [2]int64{5, 0}, f.counts("A"), "cancelled after it was paid, the pieces are back")
}

func TestClosedBeforePlacedHoldsNothing(t *testing.T) {
	f := newFixture(t, pieces("A", 5))
	order := newOrder()
	require.NoError(t, f.shut(order))
	require.NoError(t, f.place(order, events.OrderLine{SKU: "A", Quantity: 2}))
	require.Equal(t, reservation.Released, f.state(order))
	require.Equal(t, [2]int64{5, 0}, f.counts("A"))
	require.Empty(t, f.told(order))
}

func TestPaidBeforePlacedIsSoldAsSoonAsTheLinesAreKnown(t *testing.T) {
	f := newFixture(t, pieces("A", 5))
	order := newOrder()
	require.NoError(t, f.pay(order))
	require.Equal(t, reservation.Owed, f.state(order))
	require.NoError(t, f.place(order, events.OrderLine{SKU: "A", Quantity: 2}))
	require.Equal(t, reservation.Committed, f.state(order))
	require.Equal(t, [2]int64{3, 0}, f.counts("A"))
	require.Empty(t, f.told(order))
}

func TestWhatIsHeldTooLongIsFreeAgain(t *testing.T) {
	f := newFixture(t, pieces("A", 2))
	slow, quick := newOrder(), newOrder()
	require.NoError(t, f.place(slow, events.OrderLine{SKU: "A", Quantity: 2}))

	n, err := f.stock.Expire(t.Context(), f.now().Add(time.Hour))
	require.NoError(t, err)
	require.Zero(t, n, "its time is not over")
	later := f.now().Add(2 * time.Hour)
	n, err = f.stock.Expire(t.Context(), later)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = f.stock.Expire(t.Context(), later)
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, [2]int64{2, 0}, f.counts("A"))

	require.NoError(t, f.place(quick, events.OrderLine{SKU: "A", Quantity: 1}))
	require.NoError(t, f.pay(slow))
	require.Equal(t, reservation.Owed, f.state(slow), "one piece is left, two were paid: nothing goes below zero")
	require.Equal(t, [2]int64{2, 1}, f.counts("A"))
	require.NoError(t, f.shut(quick))
	require.NoError(t, f.shut(slow))
	require.Equal(t, [2]int64{2, 0}, f.counts("A"))
}

func TestTwoSweepersExpireEachReservationOnce(t *testing.T) {
	f := newFixture(t, pieces("A", 100), pieces("B", 100))
	for range 20 {
		require.NoError(t, f.place(newOrder(), events.OrderLine{SKU: "A", Quantity: 1}, events.OrderLine{SKU: "B", Quantity: 2}))
	}
	var expired atomic.Int64
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			for {
				n, err := f.stock.Expire(t.Context(), f.now().Add(2*time.Hour))
				if err != nil || n == 0 {
					return
				}
				expired.Add(int64(n))
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 20, expired.Load())
	require.Equal(t, [2]int64{100, 0}, f.counts("B"))
}

func TestTwoHundredBuyersOfTheLastPiece(t *testing.T) {
	f := newFixture(t, pieces("LAST", 1), pieces("PLENTY", 1000))
	orders := make([]string, 200)
	var group sync.WaitGroup
	for i := range orders {
		orders[i] = newOrder()
		group.Go(func() {
			// Lines in both orders: whoever locked them as they come would end in deadlock.
			lines := []events.OrderLine{{SKU: "LAST", Quantity: 1}, {SKU: "PLENTY", Quantity: 1}}
			if i%2 == 0 {
				lines[0], lines[1] = lines[1], lines[0]
			}
			if err := f.place(orders[i], lines...); err != nil {
				t.Errorf("place: %v", err)
			}
		})
	}
	group.Wait()
	held := 0
	for _, order := range orders {
		require.Len(t, f.told(order), 1)
		if f.state(order) == reservation.Held {
			held++
		}
	}
	require.Equal(t, 1, held)
	require.Equal(t, [2]int64{1, 1}, f.counts("LAST"))
	require.Equal(t, [2]int64{1000, 1}, f.counts("PLENTY"))
}

// Two writers tell the same facts of the same orders at the same time, in their own order.
func TestTwoWritersLoseNothing(t *testing.T) {
	f := newFixture(t, pieces("A", 60), pieces("B", 60))
	orders := make([]string, 30)
	for i := range orders {
		orders[i] = newOrder()
	}
	var group sync.WaitGroup
	for writer := range 2 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(writer)))
			for _, i := range random.Perm(len(orders)) {
				lines := []events.OrderLine{{SKU: "A", Quantity: 1 + i%2}, {SKU: "B", Quantity: 1}}
				facts := []func() error{
					func() error { return f.place(orders[i], lines...) },
					func() error { return f.pay(orders[i]) },
				}
				if i%3 == 0 {
					facts = append(facts, func() error { return f.shut(orders[i]) })
				}
				for _, j := range random.Perm(len(facts)) {
					if err := facts[j](); err != nil {
						t.Errorf("order %d: %v", i, err)
					}
				}
			}
		})
	}
	group.Wait()
	var soldA, soldB int64
	for i, order := range orders {
		if i%3 == 0 {
			require.Equal(t, reservation.Released, f.state(order))
			continue
		}
		require.Equal(t, reservation.Committed, f.state(order))
		soldA, soldB = soldA+int64(1+i%2), soldB+1
	}
	require.Equal(t, [2]int64{60 - soldA, 0}, f.counts("A"))
	require.Equal(t, [2]int64{60 - soldB, 0}, f.counts("B"))
}

func TestWhatComesBackIsPutBackOnce(t *testing.T) {
	f := newFixture(t, pieces("A", 5), pieces("B", 5))
	order, back := newOrder(), newOrder()
	require.NoError(t, f.place(order, events.OrderLine{SKU: "A", Quantity: 2}, events.OrderLine{SKU: "B", Quantity: 1}))
	require.NoError(t, f.pay(order))
	come := func(id string, restock bool, lines ...events.OrderLine) error {
		return tell(f, f.returnReceived, events.ReturnReceived{OrderID: order, ReturnID: id, Lines: lines, Restock: restock})
	}
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			if err := come(back, true, events.OrderLine{SKU: "A", Quantity: 1}, events.OrderLine{SKU: "GONE", Quantity: 1}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.Equal(t, [2]int64{4, 0}, f.counts("A"))
	require.NoError(t, come(newOrder(), false, events.OrderLine{SKU: "B", Quantity: 1}))
	require.Equal(t, [2]int64{4, 0}, f.counts("B"), "what is broken is not sold again")
	require.NoError(t, come(newOrder(), true, events.OrderLine{SKU: "A", Quantity: 1}))
	require.Equal(t, [2]int64{5, 0}, f.counts("A"))
	require.Equal(t, reservation.Committed, f.state(order))
	require.ErrorIs(t, come("x", true, events.OrderLine{SKU: "A", Quantity: 1}), events.ErrMalformed)
	require.ErrorIs(t, come(newOrder(), true, events.OrderLine{SKU: "A", Quantity: -1}), events.ErrMalformed)

	early := newOrder() // a return that overtakes the payment
	require.NoError(t, f.place(early, events.OrderLine{SKU: "B", Quantity: 4}))
	require.NoError(t, come(newOrder(), true, events.OrderLine{SKU: "B", Quantity: 4}))
	require.NoError(t, f.pay(early))
	require.Equal(t, [2]int64{4, 0}, f.counts("B"))
}

func TestMalformedFactsAreRefusedForGood(t *testing.T) {
	f := newFixture(t, pieces("A", 5))
	require.ErrorIs(t, f.place("42", events.OrderLine{SKU: "A", Quantity: 1}), events.ErrMalformed)
	require.ErrorIs(t, f.place(newOrder()), events.ErrMalformed)
	require.ErrorIs(t, f.pay(""), events.ErrMalformed)
	require.ErrorIs(t, f.shut("../etc"), events.ErrMalformed)
	for _, s := range f.subscriptions() {
		require.Equal(t, s.Producer, events.Routes[s.Topic].Producer)
		require.Contains(t, events.Routes[s.Topic].Consumers, app)
		err := postgres.InTx(t.Context(), f.stock.db, func(tx pgx.Tx) error {
			return s.Apply(t.Context(), tx, events.Envelope{ID: "1", Type: s.Topic, Data: []byte(`{"orderId":[1],"returnId":[1]}`)})
		})
		require.ErrorIs(t, err, events.ErrMalformed, s.Topic)
	}
	require.Equal(t, [2]int64{5, 0}, f.counts("A"))
}

func TestDemoStockIsSeededOnce(t *testing.T) {
	f := newFixture(t)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if err := seed(t.Context(), f.stock); err != nil {
				t.Errorf("seed: %v", err)
			}
		})
	}
	group.Wait()
	before := f.counts("KIT-TEAPOT-09")
	require.Positive(t, before[0])
	order := newOrder()
	require.NoError(t, f.place(order, events.OrderLine{SKU: "KIT-TEAPOT-09", Quantity: 2}))
	require.NoError(t, f.pay(order))
	require.NoError(t, seed(t.Context(), f.stock))
	require.Equal(t, before[0]-2, f.counts("KIT-TEAPOT-09")[0], "what was sold stays sold")
}

// BenchmarkPlace is orders a second when all of them want the same SKU, from eight consumers at once, of which each has so
// many orders in a transaction. What the inbox brings does not meet at these locks: its transactions take turns.
func BenchmarkPlace(b *testing.B) {
	for _, together := range []int{1, 10} {
		b.Run(fmt.Sprint(together), func(b *testing.B) {
			s := &server{stock: &store{postgrestest.New(b, migrations())}, hold: holdTime, now: time.Now}
			require.NoError(b, s.stock.Stocktake(b.Context(), []reservation.Line{pieces("HOT", 1<<40), pieces("WARM", 1<<40)}, "bench"))
			sub := s.subscriptions()[0]
			b.SetParallelism(4)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					err := postgres.InTx(b.Context(), s.stock.db, func(tx pgx.Tx) error {
						for range together {
							data := fmt.Appendf(nil, `{"orderId":%q,"lines":[{"sku":"HOT","quantity":1},{"sku":"WARM","quantity":2}]}`, newOrder())
							if err := sub.Apply(b.Context(), tx, events.Envelope{ID: "x", Type: sub.Topic, Data: data}); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N*together)/b.Elapsed().Seconds(), "orders/s")
		})
	}
}
