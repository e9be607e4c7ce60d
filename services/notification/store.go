package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/batch"
	"github.com/sidecart/sidecart/internal/lease"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/web"
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

// store is the only place that knows how messages are kept. What changes several messages locks them in the order of their
// ids, so that no two wait for each other.
type store struct {
	pool    *pgxpool.Pool
	endings *batch.Batcher[ending, struct{}]
}

func newStore(pool *pgxpool.Pool) *store {
	s := &store{pool: pool}
	s.endings = batch.New(width, s.settle)
	return s
}

// dueChannel is told of a message that somebody waits for. The others are looked for once a second, many at a time.
const dueChannel = "message_due"

// overtaking is by how much a mail that somebody waits for is due before it is owed: it is written before all that came in that
// time, since others wait for the send rate by the thousand when many buy at once.
const overtaking = time.Hour

// owe commits, with tx, that a mail is to be written. The same mail because of the same event is owed once. The mail about
// a new order waits for a while, and is not owed any more once there is one about what became of the order, whichever of
// the two facts is heard first.
func owe(ctx context.Context, tx pgx.Tx, m Message) error {
	if m.Recipient == "" || m.About == "" {
		return fmt.Errorf("%w: a mail about nothing or to nobody", events.ErrMalformed)
	}
	d := debt{Message: m, trace: web.TraceParent(ctx), life: orderLife, awaited: true}
	switch m.Template {
	case "verify-email", "change-email":
		d.life = verificationLife
	case "reset-password":
		d.life = resetLife
	case "security-notice":
		d.life = noticeLife
	case "order-placed":
		d.delay, d.awaited = placedDelay, false
	default:
		d.awaited = false
	}
	if d.awaited {
		d.delay = -overtaking
		if err := postgres.Announce(ctx, tx, dueChannel, "", nil); err != nil {
			return err
		}
	}
	unit, ok := tx.(*postgres.Unit)
	if !ok {
		return save(ctx, tx, []debt{d})
	}
	owed := postgres.Find(unit, func() *debts { return &debts{} })
	owed.all = append(owed.all, d)
	return nil
}

// debt is a mail that is owed.
type debt struct {
	Message
	trace       string
	life, delay time.Duration
	awaited     bool // by somebody at a screen; it is about an account, not about an order
}

// debts are the mails that one transaction owes.
type debts struct{ all []debt }

func (d *debts) Before(ctx context.Context, tx pgx.Tx) error { return save(ctx, tx, d.all) }

func (*debts) After() {}

// save writes mails with few statements, however many they are. Those about new orders come last, when the others can be seen.
func save(ctx context.Context, tx pgx.Tx, owed []debt) error {
	var news, placed []debt
	var abouts, templates []string
	for _, d := range owed {
		switch {
		case d.Template == "order-placed":
			placed = append(placed, d)
			continue
		case !d.awaited:
			abouts, templates = append(abouts, d.About), append(templates, d.Template)
		}
		news = append(news, d)
	}
	var b pgx.Batch
	if len(abouts) > 0 {
		b.Queue(`
			with overtaken as materialized (
				select m.id, n.template from messages m join unnest($1::text[], $2::text[]) as n (about, template) using (about)
				where m.template = 'order-placed' and m.state = 'waiting' order by m.id for update of m
			)
			update messages m set state = 'dropped', reason = 'overtaken by ' || o.template, due_at = null, leased_until = null
			from overtaken o where m.id = o.id`, abouts, templates)
	}
	for _, some := range [][]debt{news, placed} {
		if len(some) > 0 {
			insert(&b, some)
		}
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("save messages: %w", err)
	}
	return nil
}

func insert(b *pgx.Batch, owed []debt) {
	var texts [7][]string
	var lives, delays []int64
	for _, d := range owed {
		id := uuid.Must(uuid.NewV7()).String()
		for i, text := range []string{id, d.EventID, d.Template, d.Recipient, d.About, d.Detail, d.trace} {
			texts[i] = append(texts[i], text)
		}
		lives, delays = append(lives, int64(d.life.Seconds())), append(delays, int64(d.delay.Seconds()))
	}
	b.Queue(`
		insert into messages (id, event_id, template, recipient, about, detail, trace, expires_at, due_at)
		select id, event_id, template, recipient, about, detail, trace, now() + life * interval '1 second', now() + delay * interval '1 second'
		from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[])
			as d (id, event_id, template, recipient, about, detail, trace, life, delay)
		where template <> 'order-placed' or not exists (select from messages m where m.about = d.about)
		on conflict do nothing`, texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], texts[6], lives, delays)
}

const columns = `id, event_id, template, recipient, about, detail, state, reason, message_id, tries, created_at, sent_at, expires_at`

// scan reads columns, and what follows them into more.
func scan(row pgx.CollectableRow, more ...any) (Message, error) {
	var m Message
	var sent *time.Time
	err := row.Scan(append([]any{&m.ID, &m.EventID, &m.Template, &m.Recipient, &m.About, &m.Detail, &m.State, &m.Reason, &m.MessageID, &m.Tries,
		&m.CreatedAt, &sent, &m.ExpiresAt}, more...)...)
	if sent != nil {
		m.SentAt = *sent
	}
	return m, err
}

// work is a message that one writer has for itself until the lease ends, and the trace that it belongs to.
type work struct {
	Message
	Until time.Time
	Trace string
}

// Lease hands out up to n messages that are due.
func (s *store) Lease(ctx context.Context, n int) ([]work, error) {
	rows, err := s.pool.Query(ctx, `
		with due as materialized (
			select id from messages where due_at <= now() and (leased_until is null or leased_until <= now())
			order by due_at limit $1 for update skip locked)
		update messages set leased_until = now() + $2::interval, tries = tries + 1
		where id in (select id from due)
		returning `+columns+`, leased_until, trace`, n, lease.Length)
	if err != nil {
		return nil, fmt.Errorf("lease messages: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (w work, err error) {
		w.Message, err = scan(row, &w.Until, &w.Trace)
		return w, err
	})
}

// ending is how a message ended.
type ending struct {
	id                string
	state             State
	reason, messageID string
}

// Settle saves how a message ended, together with those that end at the same moment. What SES has taken stays sent, whoever
// settles later.
func (s *store) Settle(ctx context.Context, id string, state State, reason, messageID string) error {
	return s.endings.Do(ctx, ending{id, state, reason, messageID})[0].Err
}

// settle saves a round of endings in one statement or, should that fail, each by itself.
func (s *store) settle(ctx context.Context, round []*batch.Item[ending, struct{}]) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	err := s.settleAll(ctx, round)
	for i, item := range round {
		if item.Err = err; err != nil && len(round) > 1 {
			item.Err = s.settleAll(ctx, round[i:i+1])
		}
	}
}

// settleAll takes of two endings of one message, by a writer who lost its lease and the next, the one that says it was sent.
func (s *store) settleAll(ctx context.Context, round []*batch.Item[ending, struct{}]) error {
	var texts [4][]string
	for _, item := range round {
		for i, text := range []string{item.In.id, string(item.In.state), item.In.reason, item.In.messageID} {
			texts[i] = append(texts[i], text)
		}
	}
	_, err := s.pool.Exec(ctx, `
		with ended as (
			select distinct on (id) * from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as n (id, state, reason, message_id)
			order by id, state = 'sent' desc
		), locked as materialized (
			select id from messages where id = any($1) order by id for update
		)
		update messages m set state = e.state, reason = e.reason, message_id = e.message_id, due_at = null, leased_until = null,
			sent_at = case when e.state = 'sent' then now() end
		from ended e join locked using (id) where m.id = e.id and m.state <> 'sent'`, texts[0], texts[1], texts[2], texts[3])
	if err != nil {
		return fmt.Errorf("settle %d messages: %w", len(round), err)
	}
	return nil
}

// Postpone gives a leased message back, to be tried again after d; nothing happens if the lease has ended.
func (s *store) Postpone(ctx context.Context, w work, d time.Duration) error {
	_, err := s.pool.Exec(ctx, `
		update messages set leased_until = null, due_at = now() + $3::interval where id = $1 and leased_until = $2`, w.ID, w.Until, d)
	if err != nil {
		return fmt.Errorf("postpone message %s: %w", w.ID, err)
	}
	return nil
}

// List is up to n messages, newest first, older than the message before; all of them if that is "".
func (s *store) List(ctx context.Context, before string, n int) ([]Message, error) {
	rows, err := s.pool.Query(ctx, `
		select `+columns+` from messages where $1 = '' or id < $1 order by id desc limit $2`, before, n)
	if err != nil {
		return nil, fmt.Errorf("list messages: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Message, error) { return scan(row) })
}
