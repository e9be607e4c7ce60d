package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/internal/batch"
	"github.com/sidecart/sidecart/internal/lease"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/payment/payment"
)

//go:embed migrations/*.sql
var files embed.FS

func migrations() fs.FS {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}

// store is the only place that knows how payments are kept.
type store struct {
	pool   *pgxpool.Pool
	rounds *batch.Batcher[change, struct{}]
	known  *batch.Batcher[heard, bool]
}

func newStore(pool *pgxpool.Pool) *store {
	s := &store{pool: pool}
	s.rounds, s.known = batch.New(maxRound, s.commit), batch.New(maxRound, s.hearNothingNew)
	return s
}

// maxRound is how many payments one transaction changes, or how many webhooks it records, at most.
const maxRound = 50

// dueChannel is told when work is committed that wants to be done at once.
const dueChannel = "payment_due"

// change is something to be done to the payment of an order. The order need not be known yet. do may run twice and must not
// call a provider.
type change struct {
	orderID string
	do      func(*payment.Payment)
	told    *heard // the webhook that asks for it, if one does
	trace   string
}

// Update changes the payment of an order, together with those that are to be changed at the same moment.
func (s *store) Update(ctx context.Context, orderID string, do func(*payment.Payment)) error {
	return s.commitSoon(ctx, change{orderID: orderID, do: do})
}

func (s *store) commitSoon(ctx context.Context, c change) error {
	c.trace = web.TraceParent(ctx)
	return s.rounds.Do(ctx, c)[0].Err
}

// commit makes a round of changes in one transaction or, should that fail, each in one of its own.
func (s *store) commit(ctx context.Context, round []*batch.Item[change, struct{}]) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	all := make([]change, len(round))
	for i, item := range round {
		all[i] = item.In
	}
	err := s.commitAll(ctx, all)
	for _, item := range round {
		if item.Err = err; err != nil && len(round) > 1 {
			item.Err = s.commitAll(ctx, []change{item.In})
		}
	}
}

func (s *store) commitAll(ctx context.Context, all []change) error {
	return postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		all, err := meant(ctx, tx, all)
		if err != nil {
			return err
		}
		for _, c := range all {
			if err := plan(web.WithTraceParent(ctx, c.trace), tx, c.orderID, c.do); err != nil {
				return err
			}
		}
		return nil
	})
}

// plan has a payment changed at the end of tx, when all that tx changes is loaded, changed and saved together.
func plan(ctx context.Context, tx pgx.Tx, orderID string, do func(*payment.Payment)) error {
	unit, ok := tx.(*postgres.Unit)
	if !ok {
		return errors.New("payments are changed in a transaction of postgres.InTx only")
	}
	planned := postgres.Find(unit, func() *changes { return &changes{trace: map[string]string{}} })
	planned.all = append(planned.all, change{orderID: orderID, do: do})
	planned.trace[orderID] = web.TraceParent(ctx)
	return nil
}

// changes are what one transaction changes, in this order, and the trace that each order's belong to.
type changes struct {
	all   []change
	trace map[string]string
}

// Before loads the payments under their locks, changes them, and saves what is different together with the facts that were
// told.
func (c *changes) Before(ctx context.Context, tx pgx.Tx) error {
	payments, err := load(ctx, tx, slices.Sorted(maps.Keys(c.trace)))
	if err != nil {
		return fmt.Errorf("load payments: %w", err)
	}
	before := make(map[string]*payment.Payment, len(payments))
	for id, p := range payments {
		before[id] = p.Copy()
	}
	for _, change := range c.all {
		change.do(payments[change.orderID])
	}
	if err := save(ctx, tx, before, payments, c.trace); err != nil {
		return fmt.Errorf("save payments: %w", err)
	}
	for id, p := range payments {
		alarm(before[id], p)
		ctx := web.WithTraceParent(ctx, c.trace[id])
		for _, fact := range p.Facts() {
			if err := outbox.Add(ctx, tx, fact); err != nil {
				return err
			}
		}
	}
	return nil
}

func (*changes) After() {}

const attemptColumns = `id, order_id, number, provider, method, return_url, amount, currency, state, reference, redirect_url, failure, closing`

// scanAttempt reads attemptColumns, and what follows them into more.
func scanAttempt(row pgx.CollectableRow, more ...any) (*payment.Attempt, error) {
	var a payment.Attempt
	var minor int64
	var currency string
	err := row.Scan(append([]any{&a.ID, &a.OrderID, &a.Number, &a.Provider, &a.Method, &a.ReturnURL, &minor, &currency,
		&a.State, &a.Reference, &a.RedirectURL, &a.Failure, &a.Closing}, more...)...)
	if err == nil {
		a.Amount, err = money.New(minor, currency)
	}
	return &a, err
}

const refundColumns = `id, order_id, attempt_id, reason, amount, currency, state, reference, failure, silent`

// scanRefund reads refundColumns, and what follows them into more.
func scanRefund(row pgx.CollectableRow, more ...any) (*payment.Refund, error) {
	var f payment.Refund
	var minor int64
	var currency string
	err := row.Scan(append([]any{&f.ID, &f.OrderID, &f.AttemptID, &f.Reason, &minor, &currency, &f.State, &f.Reference,
		&f.Failure, &f.Silent}, more...)...)
	if err == nil {
		f.Amount, err = money.New(minor, currency)
	}
	return &f, err
}

func collect[T any](rows pgx.Rows, scan func(pgx.CollectableRow, ...any) (T, error)) ([]T, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (T, error) { return scan(row) })
}

// load locks payments in the order of their ids, as everybody does, so that two transactions do not wait for each other.
func load(ctx context.Context, tx pgx.Tx, ids []string) (map[string]*payment.Payment, error) {
	payments := make(map[string]*payment.Payment, len(ids))
	for _, id := range ids {
		payments[id] = &payment.Payment{OrderID: id}
	}
	var b pgx.Batch
	b.Queue(`insert into payments (order_id) select unnest($1::text[]) on conflict do nothing`, ids)
	b.Queue(`select order_id, closed from payments where order_id = any($1) order by order_id for update`, ids).
		Query(func(rows pgx.Rows) error {
			var id string
			var closed bool
			_, err := pgx.ForEachRow(rows, []any{&id, &closed}, func() error { payments[id].Closed = closed; return nil })
			return err
		})
	// The rows are locked too: a lease writes to them without the order's lock.
	b.Queue(`select `+attemptColumns+` from attempts where order_id = any($1) order by order_id, number for update`, ids).
		Query(func(rows pgx.Rows) error {
			attempts, err := collect(rows, scanAttempt)
			for _, a := range attempts {
				payments[a.OrderID].Attempts = append(payments[a.OrderID].Attempts, a)
			}
			return err
		})
	b.Queue(`select `+refundColumns+` from refunds where order_id = any($1) order by order_id, created_at for update`, ids).
		Query(func(rows pgx.Rows) error {
			refunds, err := collect(rows, scanRefund)
			for _, f := range refunds {
				payments[f.OrderID].Refunds = append(payments[f.OrderID].Refunds, f)
			}
			return err
		})
	return payments, tx.SendBatch(ctx, &b).Close()
}

// save writes what differs from before. A saved attempt or refund gives up its lease and is due at once if it is urgent,
// after a while if it is unfinished, and never again otherwise.
func save(ctx context.Context, tx pgx.Tx, before, payments map[string]*payment.Payment, trace map[string]string) error {
	var b pgx.Batch
	urgent := false
	for _, id := range slices.Sorted(maps.Keys(payments)) {
		urgent = queue(&b, before[id], payments[id], trace[id]) || urgent
	}
	if b.Len() == 0 {
		return nil
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil || !urgent {
		return err
	}
	return postgres.Announce(ctx, tx, dueChannel, "", nil)
}

// queue adds to b what saves one payment, and reports whether any of it is urgent.
func queue(b *pgx.Batch, before, p *payment.Payment, trace string) (urgent bool) {
	if p.Closed != before.Closed {
		b.Queue(`update payments set closed = $2 where order_id = $1`, p.OrderID, p.Closed)
	}
	for i, a := range p.Attempts {
		if i < len(before.Attempts) && *a == *before.Attempts[i] {
			continue
		}
		urgent = urgent || a.Urgent
		b.Queue(`
			insert into attempts (`+attemptColumns+`, idempotency_key, due_at, trace)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, case when $15 then now() + $16::interval end, $17)
			on conflict (id) do update set state = excluded.state, reference = excluded.reference,
				redirect_url = excluded.redirect_url, failure = excluded.failure, closing = excluded.closing,
				due_at = excluded.due_at, leased_until = null, changed_at = now()`,
			a.ID, a.OrderID, a.Number, a.Provider, a.Method, a.ReturnURL, a.Amount.Minor(), a.Amount.Currency(), a.State,
			a.Reference, a.RedirectURL, a.Failure, a.Closing, a.Key(), a.State.Unfinished(), wait(a.Urgent, a.State == payment.ActionRequired), trace)
	}
	for i, f := range p.Refunds {
		if i < len(before.Refunds) && *f == *before.Refunds[i] {
			continue
		}
		urgent = urgent || f.Urgent
		b.Queue(`
			insert into refunds (`+refundColumns+`, due_at, trace)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, case when $11 then now() + $12::interval end, $13)
			on conflict (id) do update set state = excluded.state, reference = excluded.reference, failure = excluded.failure,
				due_at = excluded.due_at, leased_until = null, changed_at = now()`,
			f.ID, f.OrderID, f.AttemptID, f.Reason, f.Amount.Minor(), f.Amount.Currency(), f.State, f.Reference, f.Failure,
			f.Silent, f.State.Unfinished(), wait(f.Urgent, false), trace)
	}
	return urgent
}

// alarm tells operators what a person should look into. It may tell it twice, if the transaction has to be repeated.
func alarm(before, p *payment.Payment) {
	for i, a := range p.Attempts {
		if known := i < len(before.Attempts); (a.State == payment.Captured || a.State == payment.Stray) && a.Failure != "" && !(known && *a == *before.Attempts[i]) {
			slog.Error("money that settles nothing", "order", p.OrderID, "attempt", a.Number, "reason", a.Failure)
		}
	}
	for i, f := range p.Refunds {
		if known := i < len(before.Refunds); (f.State == payment.RefundFailed || f.State == payment.RefundRefused) && !(known && *f == *before.Refunds[i]) {
			slog.Error("refund not made", "order", p.OrderID, "refund", f.ID, "reason", f.Failure)
		}
	}
}

func wait(urgent, customer bool) time.Duration {
	switch {
	case urgent:
		return 0
	case customer:
		return firstLook
	}
	return reconcileEvery // a webhook mostly comes sooner
}

// work is a leased attempt.
type work struct {
	payment.Attempt
	leased
	FirstSent time.Time // when the provider was first asked to charge; zero: it has not been, and is not to be
	LastSent  time.Time // when it may last have been asked to
	Changed   time.Time
}

// refundWork is a leased refund.
type refundWork struct {
	payment.Refund
	leased
	Provider string
	Payment  string // the provider's reference of the payment that it is of
}

// leased is a row that one worker has for itself for a while, and the trace that it belongs to.
type leased struct {
	Tries int
	Until time.Time
	Trace string
}

// LeaseAttempts hands out up to n attempts that are due. Attempts of an order are worked on in order: none before every
// older one is settled, so that two never take money side by side. That the provider is about to be asked to charge is
// on record before it is asked.
func (s *store) LeaseAttempts(ctx context.Context, n int) ([]work, error) {
	rows, err := s.pool.Query(ctx, `
		with due as materialized (
			select id from attempts a
			where due_at <= now() and (leased_until is null or leased_until <= now()) and not exists (
				select from attempts o where o.order_id = a.order_id and o.number < a.number and o.state in ('started', 'action_required'))
			order by due_at limit $1 for update skip locked)
		update attempts set leased_until = now() + $2::interval, tries = tries + 1,
			first_sent_at = case when closing then first_sent_at else coalesce(first_sent_at, now()) end,
			sent_at = case when closing then sent_at else now() end
		where id in (select id from due)
		returning `+attemptColumns+`, tries, leased_until, trace, first_sent_at, sent_at, changed_at`, n, lease.Length)
	if err != nil {
		return nil, fmt.Errorf("lease attempts: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (work, error) {
		var l leased
		var first, last *time.Time
		var changed time.Time
		a, err := scanAttempt(row, &l.Tries, &l.Until, &l.Trace, &first, &last, &changed)
		if err != nil {
			return work{}, err
		}
		return work{*a, l, orZero(first), orZero(last), changed}, nil
	})
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// LeaseRefunds hands out up to n refunds that are due.
func (s *store) LeaseRefunds(ctx context.Context, n int) ([]refundWork, error) {
	rows, err := s.pool.Query(ctx, `
		with due as materialized (
			select id from refunds where due_at <= now() and (leased_until is null or leased_until <= now())
			order by due_at limit $1 for update skip locked)
		update refunds set leased_until = now() + $2::interval, tries = tries + 1
		where id in (select id from due)
		returning `+refundColumns+`, tries, leased_until, trace,
			(select a.provider from attempts a where a.id = attempt_id), (select a.reference from attempts a where a.id = attempt_id)`, n, lease.Length)
	if err != nil {
		return nil, fmt.Errorf("lease refunds: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (refundWork, error) {
		var l leased
		var provider, reference string
		f, err := scanRefund(row, &l.Tries, &l.Until, &l.Trace, &provider, &reference)
		if err != nil {
			return refundWork{}, err
		}
		return refundWork{*f, l, provider, reference}, nil
	})
}

// Postpone gives a leased attempt or refund back, to be looked at again after d; nothing happens if the lease has ended.
func (s *store) Postpone(ctx context.Context, id string, l leased, d time.Duration) error {
	var b pgx.Batch
	for _, table := range []string{"attempts", "refunds"} {
		b.Queue(`update `+table+` set leased_until = null, due_at = now() + $3::interval where id = $1 and leased_until = $2`, id, l.Until, d)
	}
	if err := s.pool.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("postpone: %w", err)
	}
	return nil
}

// HastenAll makes everything unfinished due now and returns how much that is, and how much of it is older than an hour.
func (s *store) HastenAll(ctx context.Context) (all, old int, err error) {
	err = s.pool.QueryRow(ctx, `
		with a as (update attempts set due_at = least(due_at, now()) where due_at is not null returning created_at),
			r as (update refunds set due_at = least(due_at, now()) where due_at is not null returning created_at),
			u as (select created_at from a union all select created_at from r)
		select count(*), count(*) filter (where created_at < now() - interval '1 hour') from u`).Scan(&all, &old)
	if err != nil {
		return 0, 0, fmt.Errorf("make unfinished payments due: %w", err)
	}
	return all, old, nil
}

// newID is a UUIDv7: unique, and close to its neighbours in an index.
func newID() string { return uuid.Must(uuid.NewV7()).String() }
