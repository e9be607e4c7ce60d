package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/services/inventory/reservation"
)

// store keeps stock, reservations and the ledger in PostgreSQL. Every change locks the reservation of its order first
// and then the rows of stock by SKU, so that no two changes wait for each other.
type store struct{ db *pgxpool.Pool }

// Reservation is what inventory holds, sold or let go for an order.
type Reservation struct {
	OrderID   string
	State     reservation.State
	Lines     []reservation.Line
	ExpiresAt time.Time
}

// Outcome is what a fact has led to. Free is how many pieces were free in each line before it moved any.
type Outcome struct {
	Reservation
	Changed bool
	Free    map[string]int64
}

// Apply does in tx what fact f asks for the order. lines and expiresAt come with order-placed and are kept then; for the
// other facts they are empty. A repeat changes nothing.
func (s *store) Apply(ctx context.Context, tx pgx.Tx, f reservation.Fact, orderID string, lines []reservation.Line, expiresAt time.Time) (Outcome, error) {
	r, err := s.open(ctx, tx, Reservation{OrderID: orderID, State: reservation.New, Lines: lines, ExpiresAt: expiresAt})
	if err != nil {
		return Outcome{}, fmt.Errorf("open reservation of %s: %w", orderID, err)
	}
	if f == reservation.Placed {
		r.Lines = lines
	}
	step, ok := r.State.On(f)
	if !ok {
		return Outcome{Reservation: r}, nil
	}
	out := Outcome{Reservation: r, Changed: true}
	if step.Move == (reservation.Move{}) {
		out.State = step.Then
		_, err = tx.Exec(ctx, `update reservations set state = $2, changed_at = now() where order_id = $1`, orderID, step.Then)
	} else {
		out.State, out.Free, err = s.move(ctx, tx, r, step)
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("apply %s to the stock of %s: %w", f, orderID, err)
	}
	return out, nil
}

// announce saves the facts with the change in tx that they tell of.
func announce(ctx context.Context, tx pgx.Tx, facts []events.Fact) error {
	for _, fact := range facts {
		if err := outbox.Add(ctx, tx, fact); err != nil {
			return err
		}
	}
	return nil
}

// open loads the reservation under a row lock. If it is not there it is made of r, which locks it too.
func (s *store) open(ctx context.Context, tx pgx.Tx, r Reservation) (Reservation, error) {
	skus, quantities := columns(r.Lines)
	var batch pgx.Batch
	batch.Queue(`insert into reservations (order_id, state, skus, quantities, expires_at) values ($1, $2, $3, $4, $5)
		on conflict do nothing`, r.OrderID, r.State, skus, quantities, r.ExpiresAt)
	batch.Queue(`select state, skus, quantities, expires_at from reservations where order_id = $1 for update`, r.OrderID).
		QueryRow(func(row pgx.Row) error {
			if err := row.Scan(&r.State, &skus, &quantities, &r.ExpiresAt); err != nil {
				return err
			}
			r.Lines = make([]reservation.Line, len(skus))
			for i := range skus {
				r.Lines[i] = reservation.Line{SKU: skus[i], Quantity: quantities[i]}
			}
			return nil
		})
	return r, tx.SendBatch(ctx, &batch).Close()
}

// move changes the stock of all lines, or of none, and the state with it. Both statements go out in one round trip, for
// the locks on popular SKUs last from the first of them until the commit. The second statement begins when the locks are
// held, and therefore sees what the transactions before it have left. What the move means for whoever watches a SKU is told
// in the same transaction; most moves mean nothing.
func (s *store) move(ctx context.Context, tx pgx.Tx, r Reservation, step reservation.Step) (state reservation.State, free map[string]int64, err error) {
	skus, quantities := columns(r.Lines)
	levels := make(map[string]level, len(skus))
	var batch pgx.Batch
	batch.Queue(lockLevels, skus).Query(collectLevels(levels))
	batch.Queue(`
		with line as (
			select * from unnest($2::text[], $3::bigint[]) as line (sku, n)
		), moved as (
			update stock s set on_hand = s.on_hand + $4::bigint * line.n, reserved = s.reserved + $5::bigint * line.n,
				version = s.version + ((s.on_hand > s.reserved) <> (s.on_hand - s.reserved + ($4 - $5) * line.n > 0))::int
			from line where s.sku = line.sku and (not $6::bool or not exists (
				select from line l left join stock f on f.sku = l.sku where coalesce(f.on_hand - f.reserved, 0) < l.n))
			returning s.sku, line.n
		), logged as (
			insert into movements (sku, change, reason, ref) select sku, $4 * n, $7, $1::text from moved where $4 <> 0
		)
		update reservations set skus = $2, quantities = $3, changed_at = now(),
			state = case when (select count(*) from moved) = (select count(*) from line) then $8 else $9 end
		where order_id = $1::text::uuid returning state`,
		r.OrderID, skus, quantities, step.Move.OnHand, step.Move.Reserved, step.Move.NeedsFree, step.Move.Reason, step.Then, step.Else).
		QueryRow(func(row pgx.Row) error { return row.Scan(&state) })
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return "", nil, err
	}
	free = make(map[string]int64, len(levels))
	var facts []events.Fact
	for _, line := range r.Lines {
		before := levels[line.SKU]
		free[line.SKU] = before.Free
		if state == step.Then {
			facts = append(facts, before.moved(int64(step.Move.OnHand-step.Move.Reserved)*line.Quantity)...)
		}
	}
	return state, free, announce(ctx, tx, facts)
}

// lockLevels locks SKUs in the order in which everyone does, and tells how they stand.
const lockLevels = `select sku, on_hand - reserved, threshold, version from stock where sku = any($1) order by sku for update`

// collectLevels reads what lockLevels found into levels. SKUs that we never had are absent.
func collectLevels(levels map[string]level) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var l level
		_, err := pgx.ForEachRow(rows, []any{&l.SKU, &l.Free, &l.Threshold, &l.Version}, func() error {
			levels[l.SKU] = l
			return nil
		})
		return err
	}
}

// PutBack takes the pieces of a return into stock again, in tx, once per return. What we never had is left out.
func (s *store) PutBack(ctx context.Context, tx pgx.Tx, returnID string, lines []reservation.Line) error {
	skus, quantities := columns(lines)
	levels := make(map[string]level, len(skus))
	var facts []events.Fact
	var batch pgx.Batch
	batch.Queue(lockLevels, skus).Query(collectLevels(levels))
	batch.Queue(`
		with back as (
			insert into movements (sku, change, reason, ref)
			select line.sku, line.n, 'returned', $3 from unnest($1::text[], $2::bigint[]) as line (sku, n) join stock using (sku)
			on conflict do nothing returning sku, change
		)
		update stock s set on_hand = on_hand + back.change, version = version + (on_hand = reserved)::int
		from back where s.sku = back.sku returning s.sku, back.change`, skus, quantities, returnID).
		Query(func(rows pgx.Rows) error {
			var sku string
			var n int64
			_, err := pgx.ForEachRow(rows, []any{&sku, &n}, func() error {
				facts = append(facts, levels[sku].moved(n)...)
				return nil
			})
			return err
		})
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("put return %s back: %w", returnID, err)
	}
	return announce(ctx, tx, facts)
}

// ExpireNext applies Lapsed to one reservation that is held beyond its time; false if there is none. Several replicas
// share the work.
func (s *store) ExpireNext(ctx context.Context, now time.Time) (found bool, err error) {
	err = postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		var orderID string
		err := tx.QueryRow(ctx, `select order_id from reservations where state = 'held' and expires_at <= $1
			order by expires_at limit 1 for update skip locked`, now).Scan(&orderID)
		if errors.Is(err, pgx.ErrNoRows) {
			found = false
			return nil
		}
		if err != nil {
			return fmt.Errorf("find expired reservations: %w", err)
		}
		found = true
		_, err = s.Apply(ctx, tx, reservation.Lapsed, orderID, nil, now)
		return err
	})
	return found, err
}

// Available is how many pieces of each SKU can be bought; SKUs that we never had are absent.
func (s *store) Available(ctx context.Context, skus []string) ([]Stock, error) {
	rows, err := s.db.Query(ctx, `select sku, on_hand - reserved from stock where sku = any($1) order by sku`, skus)
	if err != nil {
		return nil, fmt.Errorf("read stock: %w", err)
	}
	stock, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Stock])
	if err != nil {
		return nil, fmt.Errorf("read stock: %w", err)
	}
	return stock, nil
}

// Stocktake brings SKUs that we never had into stock, and leaves those that are there alone.
func (s *store) Stocktake(ctx context.Context, lines []reservation.Line, by string) error {
	skus, quantities := columns(lines)
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			with counted as (
				insert into stock (sku, on_hand) select * from unnest($1::text[], $2::bigint[]) as line (sku, n) order by sku
				on conflict do nothing returning sku, on_hand, threshold, version
			), logged as (
				insert into movements (sku, change, reason, ref) select sku, on_hand, 'stocktake', $3 from counted where on_hand > 0
			)
			select * from counted order by sku`, skus, quantities, by)
		if err != nil {
			return fmt.Errorf("take stock: %w", err)
		}
		counted, err := pgx.CollectRows(rows, pgx.RowToStructByPos[level])
		if err != nil {
			return fmt.Errorf("take stock: %w", err)
		}
		var facts []events.Fact
		for _, l := range counted {
			facts = append(facts, level{SKU: l.SKU}.became(l)...)
		}
		return announce(ctx, tx, facts)
	})
}

func columns(lines []reservation.Line) (skus []string, quantities []int64) {
	skus, quantities = make([]string, len(lines)), make([]int64, len(lines))
	for i, l := range lines {
		skus[i], quantities[i] = l.SKU, l.Quantity
	}
	return skus, quantities
}
