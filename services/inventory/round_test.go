package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/inventory/reservation"
)

// heard is a fact as the inbox hands it over, to whichever server.
type heard func(*server, context.Context, pgx.Tx) error

func hears[T any](handle func(*server, context.Context, pgx.Tx, T) error, trace string, fact T) heard {
	return func(s *server, ctx context.Context, tx pgx.Tx) error {
		return handle(s, web.WithTraceParent(ctx, trace), tx, fact)
	}
}

// round applies facts in one transaction, as the inbox does, and counts how often that had to be tried.
func (f *fixture) round(facts ...heard) (tries int, err error) {
	err = postgres.InTx(f.Context(), f.stock.db, func(tx pgx.Tx) error {
		tries++
		for _, fact := range facts {
			if err := fact(f.server, f.Context(), tx); err != nil {
				return err
			}
		}
		return nil
	})
	return tries, err
}

// goods are what people order: some of it often, and some that we never had.
var goods = []string{"A", "A", "B", "B", "C", "D", "GONE"}

// life is n facts about a few orders of the same few goods, in any order, some of them many times.
func life(random *rand.Rand, n int) []heard {
	orders := make([]events.OrderPlaced, n/6)
	for i := range orders {
		orders[i].OrderID = newOrder()
		for range 1 + random.IntN(3) {
			orders[i].Lines = append(orders[i].Lines, events.OrderLine{SKU: goods[random.IntN(len(goods))], Quantity: 1 + random.IntN(2)})
		}
	}
	facts := make([]heard, n)
	for i := range facts {
		o := orders[min(len(orders)-1, max(0, i/6+random.IntN(9)-4))] // the orders of a while mix, and come to an end
		trace := fmt.Sprintf("00-%032x-%016x-01", i+1, i+1)
		switch random.IntN(10) {
		case 0, 1, 2, 3:
			facts[i] = hears((*server).orderPlaced, trace, o)
		case 4, 5:
			facts[i] = hears((*server).orderPaid, trace, events.OrderPaid{OrderID: o.OrderID})
		case 6:
			facts[i] = hears((*server).orderClosed, trace, events.OrderClosed{OrderID: o.OrderID})
		case 7, 8:
			facts[i] = func(s *server, ctx context.Context, tx pgx.Tx) error {
				return s.stock.Apply(web.WithTraceParent(ctx, trace), tx, reservation.Lapsed, o.OrderID, nil, s.now())
			}
		case 9: // by the order's own id, so that it may be heard of twice
			facts[i] = hears((*server).returnReceived, trace, events.ReturnReceived{OrderID: o.OrderID, ReturnID: o.OrderID, Lines: o.Lines, Restock: true})
		}
	}
	return facts
}

// everything is all that inventory has and has told, but for when, and for what is named anew each time.
func (f *fixture) everything() (all []string) {
	for _, query := range []string{
		`select concat_ws(' ', 'stock', sku, on_hand, reserved, threshold, version) from stock order by sku`,
		`select concat_ws(' ', 'reservation', order_id, state, skus, quantities, expires_at) from reservations order by order_id`,
		`select concat_ws(' ', 'movement', sku, change, reason, ref) from movements order by id`,
		`select concat_ws(' ', 'fact', topic, subject, data, traceparent) from outbox order by seq`,
	} {
		rows, err := f.stock.db.Query(f.Context(), query)
		require.NoError(f, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(f, err)
		all = append(all, lines...)
	}
	return all
}

// Facts that share transactions leave the same rows, the same ledger and the same facts, in the same order, as they do one by one.
func TestARoundIsItsFactsOneByOne(t *testing.T) {
	stock := []reservation.Line{pieces("A", 9), pieces("B", 9), pieces("C", 9), pieces("D", 9)}
	together := newFixture(t, stock...)
	apart := open(t, stock...)
	random := rand.New(rand.NewPCG(1, 1))
	facts := life(random, 500)
	for _, fact := range facts {
		_, err := apart.round(fact)
		require.NoError(t, err)
	}
	for len(facts) > 0 {
		n := min(len(facts), 1+random.IntN(60))
		_, err := together.round(facts[:n]...)
		require.NoError(t, err)
		facts = facts[n:]
	}
	want := apart.everything()
	require.Equal(t, want, together.everything())
	all := strings.Join(want, "\n")
	for _, rare := range []string{" sold ", " cancelled ", " returned ", " held ", " owed ", " rejected ", " expired ", " released ", " committed ",
		" stock-low-v1 ", " stock-reserved-v1 ", " stock-rejected-v1 ", `"inStock":false`, `"inStock":true,"version":3`} {
		require.True(t, strings.Contains(all, rare), "there is no %s", rare)
	}
}

// Rounds, expiry, and the staff lock in one order: nobody waits in a circle, so nothing is tried twice.
func TestRoundsAtTheSameTimeDoNotWaitInACircle(t *testing.T) {
	f := newFixture(t, pieces("A", 30), pieces("B", 30), pieces("C", 30), pieces("D", 30))
	facts := life(rand.New(rand.NewPCG(7, 7)), 240)
	var rounds, tries atomic.Int64
	attempt := func(n int, err error) {
		rounds.Add(1)
		tries.Add(int64(n))
		if err != nil {
			t.Error(err)
		}
	}
	var group sync.WaitGroup
	for range 3 { // orders that two writers meet for the first time, at the same moment, in opposite order
		var placed []heard
		for range 300 {
			placed = append(placed, hears((*server).orderPlaced, "", events.OrderPlaced{OrderID: newOrder(), Lines: []events.OrderLine{{SKU: "C", Quantity: 1}}}))
		}
		reversed := slices.Clone(placed)
		slices.Reverse(reversed)
		var both sync.WaitGroup
		both.Add(2)
		for _, round := range [][]heard{placed, reversed} {
			arrive := sync.OnceFunc(both.Done)
			group.Go(func() {
				attempt(f.round(append(round, func(*server, context.Context, pgx.Tx) error { arrive(); both.Wait(); return nil })...))
			})
		}
	}
	for writer := range uint64(3) {
		group.Go(func() {
			random := rand.New(rand.NewPCG(7, writer))
			mine := make([]heard, len(facts))
			for i, j := range random.Perm(len(facts)) {
				mine[i] = facts[j]
			}
			for len(mine) > 0 {
				n := min(len(mine), 1+random.IntN(30))
				attempt(f.round(mine[:n]...))
				mine = mine[n:]
			}
		})
	}
	group.Go(func() {
		for range 20 {
			_, err := f.stock.Expire(t.Context(), f.now().Add(2*time.Hour))
			attempt(1, err)
			attempt(f.round(func(s *server, ctx context.Context, tx pgx.Tx) error {
				_, err := s.stock.Recount(ctx, tx, []count{{SKU: "D", OnHand: 50, Reason: stocktake}, {SKU: "A", OnHand: 50, Reason: stocktake}}, member{})
				return err
			}))
		}
	})
	group.Wait()
	require.Equal(t, rounds.Load(), tries.Load())
}

// What only shows when a round is saved fails one fact, too, and not those that share the round.
func TestAFactThatCannotBeSavedHoldsNoOtherBack(t *testing.T) {
	f := newFixture(t, pieces("A", 9))
	bus, ctx := f.listen()
	handle := <-bus.handlers

	orders := []string{newOrder(), newOrder(), newOrder()}
	var facts []events.Envelope
	for _, id := range orders {
		facts = append(facts, events.Envelope{ID: "placed-" + id, Type: events.TopicOrderPlaced, Subject: id,
			Data: fmt.Appendf(nil, `{"orderId":%q,"lines":[{"sku":"A","quantity":2}]}`, id)})
	}
	_, err := f.stock.db.Exec(t.Context(), fmt.Sprintf(`alter table reservations add constraint cursed check (order_id <> '%s')`, orders[1]))
	require.NoError(t, err)
	require.Error(t, handle(ctx, facts))
	require.Equal(t, [2]int64{9, 4}, f.counts("A"))
	require.Empty(t, f.told(orders[1]))

	_, err = f.stock.db.Exec(t.Context(), `alter table reservations drop constraint cursed`)
	require.NoError(t, err)
	require.NoError(t, handle(ctx, facts))
	require.Equal(t, [2]int64{9, 6}, f.counts("A"))
	for _, id := range orders {
		require.Equal(t, []string{events.TopicStockReserved}, f.told(id))
	}
}

// Nothing is saved over what was not there when it was decided.
func TestWhatIsNotAsFoundIsNotSaved(t *testing.T) {
	f := newFixture(t, pieces("A", 1))
	for name, meddle := range map[string]string{
		"taken": `update stock set reserved = 1`, "come": `update stock set on_hand = 2`, "gone": `alter table stock rename to elsewhere; create table stock (like elsewhere)`,
	} {
		err := pgx.BeginFunc(t.Context(), f.stock.db, func(tx pgx.Tx) error {
			all := []change{{fact: reservation.Placed, orderID: newOrder(), lines: []reservation.Line{pieces("A", 1)}, expiresAt: f.now()}}
			b, err := lockBooks(t.Context(), tx, all)
			require.NoError(t, err)
			_, err = tx.Exec(t.Context(), meddle)
			require.NoError(t, err)
			require.Len(t, b.apply(all[0]), 2, "held, and the last")
			return b.save(t.Context(), tx)
		})
		require.ErrorContains(t, err, "1 of 1 SKUs are not as they were found", name)
	}
	require.Equal(t, [2]int64{1, 0}, f.counts("A"))
}

func TestASKUThatIsGoneIsNotPassedOver(t *testing.T) {
	f := newFixture(t, pieces("A", 1))
	order := newOrder()
	require.NoError(t, f.place(order, events.OrderLine{SKU: "A", Quantity: 1}))
	_, err := f.stock.db.Exec(t.Context(), `with forgotten as (delete from movements) delete from stock`)
	require.NoError(t, err)
	require.ErrorContains(t, f.shut(order), "1 of 1 SKUs are not as they were found")
	require.Equal(t, reservation.Held, f.state(order))
}

func TestAnOrderIsTheSameHoweverItsIDIsWritten(t *testing.T) {
	f := newFixture(t, pieces("A", 5))
	order := newOrder()
	_, err := f.round(
		hears((*server).orderPaid, "", events.OrderPaid{OrderID: strings.ToUpper(order)}),
		hears((*server).orderPlaced, "", events.OrderPlaced{OrderID: order, Lines: []events.OrderLine{{SKU: "A", Quantity: 2}}}))
	require.NoError(t, err)
	require.Equal(t, reservation.Committed, f.state(order))
	require.Equal(t, [2]int64{3, 0}, f.counts("A"))
}

// statements counts what is sent to PostgreSQL.
type statements struct{ n atomic.Int64 }

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.n.Add(1)
	return ctx
}
func (*statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	s.n.Add(int64(data.Batch.Len()))
	return ctx
}
func (*statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// However many facts share a round, it costs the same.
func TestARoundIsAFewStatements(t *testing.T) {
	f := newFixture(t, pieces("A", 1000), pieces("B", 10), pieces("C", 10), pieces("D", 10))
	var counted statements
	cfg := f.stock.db.Config()
	cfg.ConnConfig.Tracer = &counted
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	counting := &fixture{t, &server{stock: &store{pool}, hold: f.hold, now: f.now}}
	for _, n := range []int{1, 50} {
		var facts []heard
		for range n {
			id, lines := newOrder(), []events.OrderLine{{SKU: "A", Quantity: 1}, {SKU: "B", Quantity: 1}}
			facts = append(facts,
				hears((*server).orderPlaced, "", events.OrderPlaced{OrderID: id, Lines: lines}),
				hears((*server).orderPaid, "", events.OrderPaid{OrderID: id}),
				hears((*server).returnReceived, "",
					events.ReturnReceived{OrderID: id, ReturnID: id, Lines: lines[:1], Restock: true}))
		}
		counted.n.Store(0)
		_, err := counting.round(facts...)
		require.NoError(t, err)
		// Begin; insert and lock reservations, lock stock, look for returns; save; outbox; commit.
		require.EqualValues(t, 8, counted.n.Load(), "%d orders", n)
	}
}
