package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/inventory/reservation"
)

// change is one thing to be done to the stock: what a fact asks for an order or, if there is a return, to put that back.
type change struct {
	orderID   string
	fact      reservation.Fact
	returnID  string
	lines     []reservation.Line
	expiresAt time.Time
	trace     string
}

// plan has c done at the end of tx, when all that tx changes is loaded, changed and saved together.
func plan(ctx context.Context, tx pgx.Tx, c change) error {
	unit, ok := tx.(*postgres.Unit)
	if !ok {
		return errors.New("stock is moved in a transaction of postgres.InTx only")
	}
	c.trace = web.TraceParent(ctx)
	planned := postgres.Find(unit, func() *changes { return &changes{} })
	planned.all = append(planned.all, c)
	return nil
}

// changes are what one transaction does to the stock, in this order.
type changes struct{ all []change }

// Before loads what the changes are about under its locks, makes them one after the other, and saves what is different
// together with what there is to tell: the same facts as if each change had a transaction of its own.
func (c *changes) Before(ctx context.Context, tx pgx.Tx) error {
	b, err := lockBooks(ctx, tx, c.all)
	if err != nil {
		return fmt.Errorf("lock reservations and stock: %w", err)
	}
	for _, one := range c.all {
		if err := announce(web.WithTraceParent(ctx, one.trace), tx, b.apply(one)); err != nil {
			return err
		}
	}
	if err := b.save(ctx, tx); err != nil {
		return fmt.Errorf("save reservations and stock: %w", err)
	}
	b.alarm()
	return nil
}

func (*changes) After() {}

// Reservation is what inventory holds, sold or let go for an order.
type Reservation struct {
	OrderID   string
	State     reservation.State
	Lines     []reservation.Line
	ExpiresAt time.Time
	changed   bool
}

// books are the reservations and the stock that the changes of a transaction are about, under their locks.
type books struct {
	reservations map[string]*Reservation
	items        map[string]*Item // SKUs that we never had are absent
	found        map[string]Item  // items as they were
	putBack      map[entry]bool   // what the ledger has of the returns
	moved        []entry          // what is to come into the ledger
}

// entry is a movement of the ledger. Of returns, ref and SKU are enough to know it by.
type entry struct {
	ref, sku, reason string
	change           int64
}

// lockBooks locks reservations by order, and makes those that are not there, which locks them too; then it locks stock by SKU.
// Everybody locks in this order. All of it is one round trip. A statement begins when the locks of the one before are held,
// and therefore sees what the transactions before it have left.
func lockBooks(ctx context.Context, tx pgx.Tx, all []change) (*books, error) {
	b := &books{reservations: map[string]*Reservation{}, items: map[string]*Item{}, found: map[string]Item{}, putBack: map[entry]bool{}}
	var orders, skus, returns []string
	var until []time.Time
	for _, c := range all {
		if c.returnID != "" {
			returns = append(returns, c.returnID)
		} else if b.reservations[c.orderID] == nil {
			b.reservations[c.orderID] = &Reservation{OrderID: c.orderID}
			orders, until = append(orders, c.orderID), append(until, c.expiresAt)
		}
		for _, l := range c.lines {
			skus = append(skus, l.SKU)
		}
	}
	var batch pgx.Batch
	if len(orders) > 0 {
		batch.Queue(`insert into reservations (order_id, state, skus, quantities, expires_at)
			select order_id, 'new', '{}', '{}', expires_at from unnest($1::uuid[], $2::timestamptz[]) as o (order_id, expires_at)
			order by order_id on conflict do nothing`, orders, until)
		batch.Queue(`select order_id, state, skus, quantities, expires_at from reservations where order_id = any($1::uuid[])
			order by order_id for update`, orders).Query(b.readReservations)
	}
	batch.Queue(`select `+itemColumns+` from stock where sku = any(array(
			select unnest($2::text[]) union select unnest(skus) from reservations where order_id = any($1::uuid[])))
		order by sku for update`, orders, skus).Query(b.readItems)
	if len(returns) > 0 {
		batch.Queue(`select ref, sku from movements where reason = 'returned' and ref = any($1)`, returns).Query(b.readReturns)
	}
	return b, tx.SendBatch(ctx, &batch).Close()
}

func (b *books) readReservations(rows pgx.Rows) error {
	var id string
	var state reservation.State
	var skus []string
	var quantities []int64
	var expiresAt time.Time
	_, err := pgx.ForEachRow(rows, []any{&id, &state, &skus, &quantities, &expiresAt}, func() error {
		lines := make([]reservation.Line, len(skus))
		for i := range skus {
			lines[i] = reservation.Line{SKU: skus[i], Quantity: quantities[i]}
		}
		b.reservations[id] = &Reservation{OrderID: id, State: state, Lines: lines, ExpiresAt: expiresAt}
		return nil
	})
	return err
}

func (b *books) readItems(rows pgx.Rows) error {
	items, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Item])
	for _, i := range items {
		b.items[i.SKU], b.found[i.SKU] = &i, i
	}
	return err
}

func (b *books) readReturns(rows pgx.Rows) error {
	var e entry
	_, err := pgx.ForEachRow(rows, []any{&e.ref, &e.sku}, func() error { b.putBack[e] = true; return nil })
	return err
}

// apply makes one change, and returns what there is to tell of it.
func (b *books) apply(c change) []events.Fact {
	if c.returnID != "" {
		return b.putReturnBack(c)
	}
	r := b.reservations[c.orderID]
	step, ok := r.State.On(c.fact)
	if !ok {
		return nil
	}
	r.changed = true
	if c.fact == reservation.Placed {
		r.Lines = c.lines
	}
	if step.Move.NeedsFree {
		if short := reservation.Shortages(r.Lines, b.free(r.Lines)); len(short) > 0 {
			r.State = step.Else
			if r.State == reservation.Rejected {
				return []events.Fact{events.StockRejected{OrderID: r.OrderID, Shortages: short}}
			}
			return nil
		}
	}
	r.State = step.Then
	var facts []events.Fact
	if step.Move != (reservation.Move{}) {
		for _, l := range r.Lines {
			facts = append(facts, b.move(r.OrderID, l, step.Move)...)
		}
	}
	if r.State == reservation.Held {
		facts = append(facts, events.StockReserved{OrderID: r.OrderID, ExpiresAt: r.ExpiresAt})
	}
	return facts
}

func (b *books) free(lines []reservation.Line) map[string]int64 {
	free := make(map[string]int64, len(lines))
	for _, l := range lines {
		if i, known := b.items[l.SKU]; known {
			free[l.SKU] = i.Available
		}
	}
	return free
}

// putReturnBack puts back what the ledger does not have of a return. What we never had is left out.
func (b *books) putReturnBack(c change) (facts []events.Fact) {
	for _, l := range c.lines {
		e := entry{ref: c.returnID, sku: l.SKU}
		if b.items[l.SKU] == nil || b.putBack[e] {
			continue
		}
		b.putBack[e] = true
		facts = append(facts, b.move(c.returnID, l, reservation.Move{OnHand: +1, Reason: "returned"})...)
	}
	return facts
}

// move moves the pieces of one line, of which there are enough. Should the SKU be gone all the same, there is no row to save
// it to, which fails.
func (b *books) move(ref string, l reservation.Line, m reservation.Move) []events.Fact {
	if m.OnHand != 0 {
		b.moved = append(b.moved, entry{ref, l.SKU, m.Reason, int64(m.OnHand) * l.Quantity})
	}
	if b.items[l.SKU] == nil {
		b.items[l.SKU] = &Item{SKU: l.SKU}
	}
	return b.items[l.SKU].Move(int64(m.OnHand)*l.Quantity, int64(m.Reserved)*l.Quantity)
}

// save writes what is different in one statement, since each would cost a small round as much. What was decided holds only for
// what was found, so no stock is saved over anything else, whoever might have written past the locks; that no count is negative,
// and no piece promised twice, the table checks for itself. The lines of a reservation go as text, because PostgreSQL has no
// arrays of arrays of different lengths; no SKU has a comma.
func (b *books) save(ctx context.Context, tx pgx.Tx) error {
	skus, counts := b.stock()
	steps := b.steps()
	if len(skus) == 0 && len(b.moved) == 0 && len(steps[0]) == 0 {
		return nil
	}
	var texts [3][]string
	var numbers []int64
	for _, e := range b.moved {
		for i, text := range []string{e.sku, e.reason, e.ref} {
			texts[i] = append(texts[i], text)
		}
		numbers = append(numbers, e.change)
	}
	var saved int
	err := tx.QueryRow(ctx, `
		with counted as (
			update stock s set on_hand = n.on_hand, reserved = n.reserved, version = n.version
			from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
				as n (sku, found_on_hand, found_reserved, on_hand, reserved, version)
			where s.sku = n.sku and s.on_hand = found_on_hand and s.reserved = found_reserved returning s.sku
		), logged as (
			insert into movements (sku, change, reason, ref) select * from unnest($7::text[], $8::bigint[], $9::text[], $10::text[])
		), stepped as (
			update reservations r set state = n.state, changed_at = now(),
				skus = string_to_array(n.skus, ','), quantities = string_to_array(n.quantities, ',')::bigint[]
			from unnest($11::uuid[], $12::text[], $13::text[], $14::text[]) as n (order_id, state, skus, quantities)
			where r.order_id = n.order_id
		)
		select count(*) from counted`,
		skus, counts[0], counts[1], counts[2], counts[3], counts[4], texts[0], numbers, texts[1], texts[2],
		steps[0], steps[1], steps[2], steps[3]).Scan(&saved)
	if err == nil && saved != len(skus) {
		err = fmt.Errorf("%d of %d SKUs are not as they were found", len(skus)-saved, len(skus))
	}
	return err
}

// stock is which SKUs have other counts, or another version, than were found: on hand and reserved as found, then what they are.
func (b *books) stock() (skus []string, counts [5][]int64) {
	for _, sku := range slices.Sorted(maps.Keys(b.items)) {
		before, after := b.found[sku], *b.items[sku]
		if before == after {
			continue
		}
		skus = append(skus, sku)
		for i, n := range []int64{before.OnHand, before.Reserved, after.OnHand, after.Reserved, after.Version} {
			counts[i] = append(counts[i], n)
		}
	}
	return skus, counts
}

// steps are the reservations that have taken one: order, state, SKUs and quantities.
func (b *books) steps() (texts [4][]string) {
	for _, id := range slices.Sorted(maps.Keys(b.reservations)) {
		r := b.reservations[id]
		if !r.changed {
			continue
		}
		skus, quantities := columns(r.Lines)
		numbers := make([]string, len(quantities))
		for i, n := range quantities {
			numbers[i] = strconv.FormatInt(n, 10)
		}
		for i, text := range []string{id, string(r.State), strings.Join(skus, ","), strings.Join(numbers, ",")} {
			texts[i] = append(texts[i], text)
		}
	}
	return texts
}

// alarm tells operators what a person should look into. It may tell it twice, if the transaction has to be repeated.
func (b *books) alarm() {
	for id, r := range b.reservations {
		if r.changed && r.State == reservation.Owed {
			slog.Error("paid, and not in stock: find the pieces or cancel the order", "order", id)
		}
	}
}
