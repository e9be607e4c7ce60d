package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	reconnectPause = 500 * time.Millisecond
	tellPeriod     = 100 * time.Millisecond // how long other processes wait for what has happened here, at most
	longestPayload = 7000                   // PostgreSQL takes less than 8000 bytes
)

// me tells what this process has told from what others have.
var me = rand.Text()

// board is what a process knows of one channel in one database.
type board struct {
	mu     sync.Mutex
	hear   func(payload string, what any) // nil while nobody listens
	untold []string                       // to other processes
	news   chan struct{}                  // has one in it while there may be something untold
}

type boardKey struct {
	pool    *pgxpool.Pool
	channel string
}

var boards sync.Map

func boardOf(pool *pgxpool.Pool, channel string) *board {
	b, _ := boards.LoadOrStore(boardKey{pool, channel}, &board{news: make(chan struct{}, 1)})
	return b.(*board)
}

// Announce tells who listens on channel, once tx is committed: those in this process at once and with what, the thing that
// payload names; those in others a moment later, with payload alone and together with all else of that moment. A commit
// that notifies by itself would make those of the whole server wait for one another, and wake a process for each.
func Announce(ctx context.Context, tx pgx.Tx, channel, payload string, what any) error {
	unit, ok := tx.(*Unit)
	if !ok {
		if _, err := tx.Exec(ctx, `select pg_notify($1, $2)`, channel, " \n"+payload); err != nil {
			return fmt.Errorf("notify %s: %w", channel, err)
		}
		return nil
	}
	told := Find(unit, func() *announcements { return &announcements{pool: unit.Pool} })
	told.news = append(told.news, news{channel, payload, what})
	return nil
}

// announcements are what one transaction announces.
type announcements struct {
	pool *pgxpool.Pool
	news []news
}

type news struct {
	channel, payload string
	what             any
}

// Before does nothing: nobody is to hear of what may not be committed.
func (*announcements) Before(context.Context, pgx.Tx) error { return nil }

// After tells this process, and leaves word for the others.
func (a *announcements) After() {
	for _, n := range a.news {
		b := boardOf(a.pool, n.channel)
		b.mu.Lock()
		hear := b.hear
		if hear != nil { // who does not listen has nobody to pass the word on
			b.untold = append(b.untold, n.payload)
		}
		b.mu.Unlock()
		if hear != nil {
			select {
			case b.news <- struct{}{}:
			default: // it is known already
			}
			hear(n.payload, n.what)
		}
	}
}

// Listen calls hear with what is announced on channel until ctx ends, and with "" whenever it has connected, since what
// other processes announced before is lost. Of those, hear gets the payload only. It holds one connection of its own beside
// the pool. hear must not block; a process listens to a channel once.
func Listen(ctx context.Context, pool *pgxpool.Pool, channel string, hear func(payload string, what any)) error {
	b := boardOf(pool, channel)
	b.listen(hear)
	var passing sync.WaitGroup
	defer passing.Wait()
	passing.Go(func() { b.pass(ctx, pool, channel) })
	defer b.listen(nil)
	for {
		err := listen(ctx, pool, channel, hear)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end was asked for
		}
		slog.Warn("not listening for a moment", "channel", channel, "error", err.Error())
		select {
		case <-ctx.Done():
		case <-time.After(reconnectPause):
		}
	}
}

func (b *board) listen(hear func(string, any)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hear = hear
}

// pass tells other processes what was announced in this one. What it cannot tell is lost, as it is while they are away.
func (b *board) pass(ctx context.Context, pool *pgxpool.Pool, channel string) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.news:
		}
		select { // for all else of this moment
		case <-ctx.Done():
			return
		case <-time.After(tellPeriod):
		}
		for payload := b.next(); payload != ""; payload = b.next() {
			if _, err := pool.Exec(ctx, `select pg_notify($1, $2)`, channel, payload); err != nil && ctx.Err() == nil {
				slog.Warn("other processes are not told", "channel", channel, "error", err.Error())
			}
		}
	}
}

// next is a notification of what was announced and not told yet, each thing once; "" if there is nothing.
func (b *board) next() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.untold) == 0 {
		return ""
	}
	var payload strings.Builder
	payload.WriteString(me)
	said := map[string]bool{}
	for len(b.untold) > 0 && payload.Len()+len(b.untold[0]) < longestPayload {
		if next := b.untold[0]; !said[next] {
			said[next] = true
			payload.WriteString("\n" + next)
		}
		b.untold = b.untold[1:]
	}
	return payload.String()
}

func listen(ctx context.Context, pool *pgxpool.Pool, channel string, hear func(string, any)) error {
	conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return err
	}
	hear("", nil)
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		from, payloads, _ := strings.Cut(n.Payload, "\n")
		if from == me {
			continue
		}
		for payload := range strings.SplitSeq(payloads, "\n") {
			hear(payload, nil)
		}
	}
}
