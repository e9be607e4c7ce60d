package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/internal/lease"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/web"
)

const (
	// restockDelay is how long a SKU has to be back before anybody is told: the last piece comes back with every order that is
	// not paid, and is gone again with the next.
	restockDelay = 5 * time.Minute
	// wishPause is how long somebody who was told of a SKU's return is not told of another one's.
	wishPause   = 7 * 24 * time.Hour
	restockLife = 24 * time.Hour // of a mail about it
	// restockPace is how far apart these mails are due, so that many of them leave room for those about orders.
	restockPace = 200 * time.Millisecond
)

// restocker tells those who wish for it that a SKU is back.
type restocker struct {
	store  *store
	owners owners
	delay  time.Duration
}

// restock is the return of a SKU, as far as those who wish for it are told.
type restock struct {
	SKU     string
	Version int64
	EventID string
	BackAt  time.Time
	After   string
	Trace   string
}

func (r *restocker) background(ctx context.Context) error {
	take := func(ctx context.Context, n int) ([]restock, error) { return r.store.LeaseRestocks(ctx, r.delay, n) }
	return lease.Run(ctx, 2, nil, take, r.tell)
}

// tell owes a mail to everybody who wishes for a SKU, page by page. What a page has led to is saved with how far it went, so
// that who comes after a failure goes on from there.
func (r *restocker) tell(ctx context.Context, back restock) {
	ctx = web.WithTraceParent(ctx, back.Trace)
	for more := true; more; {
		page, err := r.owners.wishers(ctx, back)
		if err == nil {
			more, err = r.store.OweWishers(ctx, back, page)
		}
		if err != nil {
			slog.Warn("wishers are not told yet", "sku", back.SKU, "error", err.Error())
			return // the lease ends by itself
		}
		back.After = page.NextCursor
	}
}

type wisher struct {
	CustomerID string `json:"customerId"`
}

// wishers asks client for the next page of those who want to be told.
func (o owners) wishers(ctx context.Context, back restock) (page web.Page[wisher], err error) {
	query := url.Values{"sku": {back.SKU}, "before": {back.BackAt.Format(time.RFC3339Nano)}, "cursor": {back.After}}
	err = o.call(ctx, "client", http.MethodGet, "/wishers?"+query.Encode(), nil, &page)
	return page, err
}

// LeaseRestocks hands out up to n SKUs that have been back for as long as delay.
func (s *store) LeaseRestocks(ctx context.Context, delay time.Duration, n int) ([]restock, error) {
	rows, err := s.pool.Query(ctx, `
		with due as materialized (
			select sku from restocks where waiting and back_at <= now() - $1::interval and (leased_until is null or leased_until <= now())
			order by back_at limit $2 for update skip locked)
		update restocks set leased_until = now() + $3::interval where sku in (select sku from due)
		returning sku, version, event_id, back_at, after, trace`, delay, n, lease.Length)
	if err != nil {
		return nil, fmt.Errorf("lease restocks: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[restock])
}

// OweWishers commits a mail to each of a page, and how far that is; more is false after the last page, and if the SKU has gone
// again. Who was told of the SKU lately is left out.
func (s *store) OweWishers(ctx context.Context, back restock, page web.Page[wisher]) (more bool, err error) {
	ids, customers := make([]string, len(page.Items)), make([]string, len(page.Items))
	for i, w := range page.Items {
		ids[i], customers[i] = uuid.Must(uuid.NewV7()).String(), w.CustomerID
	}
	err = postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		more = page.NextCursor != ""
		var sku string
		err := tx.QueryRow(ctx, `update restocks set after = $3, waiting = $4, leased_until = case when $4 then leased_until end
			where sku = $1 and version = $2 and waiting returning sku`, back.SKU, back.Version, page.NextCursor, more).Scan(&sku)
		if errors.Is(err, pgx.ErrNoRows) {
			more = false
			return nil
		}
		if err != nil {
			return fmt.Errorf("save how far wishers are told: %w", err)
		}
		_, err = tx.Exec(ctx, `
			with last as (
				select greatest(now(), max(due_at)) as due_at from messages where template = 'back-in-stock' and due_at is not null
			), owed as (
				insert into messages (id, event_id, template, recipient, about, trace, expires_at, due_at)
				select id, $3, 'back-in-stock', customer, $4, $5, last.due_at + n * $9::interval + $6::interval, last.due_at + n * $9::interval
				from last, unnest($1::text[], $2::text[]) with ordinality as wisher (id, customer, n)
				where not exists (select from messages m where m.about = $4 and m.template = 'back-in-stock' and m.recipient = customer
					and m.state <> 'dropped' and m.created_at > now() - $7::interval)
				on conflict do nothing returning id
			)
			select pg_notify($8, '') where exists (select from owed)`,
			ids, customers, back.EventID, back.SKU, back.Trace, restockLife, wishPause, dueChannel, restockPace)
		return wrapped(err, "owe mails about %s", back.SKU)
	})
	return more, err
}
