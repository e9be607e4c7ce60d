package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// What is bought together is counted behind the orders' backs: from the outbox, some seconds after they were paid.
const (
	countEvery   = 5 * time.Second
	countedPage  = 200
	countedLines = 20 // of an order; who buys more than that at once says little about taste
	togetherMost = 50
	skusAsked    = 200
)

// countTogether counts what was paid since the last time, until ctx ends. Of several replicas one does.
func (s *store) countTogether(ctx context.Context) error {
	for {
		more, err := s.countPage(ctx)
		if err != nil && ctx.Err() == nil {
			slog.Warn("what is bought together is counted later", "error", err.Error())
		}
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(countEvery):
		}
	}
}

// countPage counts some orders and remembers up to which, in one transaction. As in the feed, what a transaction that is
// still open may add comes later.
func (s *store) countPage(ctx context.Context) (more bool, err error) {
	err = postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		more = false
		var xid, seq int64
		err := tx.QueryRow(ctx, `select xid, seq from bought_together_counted for update skip locked`).Scan(&xid, &seq)
		if errors.Is(err, pgx.ErrNoRows) { // another replica is at it
			return nil
		}
		if err != nil {
			return fmt.Errorf("look up to where orders are counted: %w", err)
		}
		rows, err := tx.Query(ctx, `
			select subject, xid::text::bigint, seq from outbox
			where (xid, seq) > ($1::text::xid8, $2) and xid < pg_snapshot_xmin(pg_current_snapshot()) and topic = $3
			order by xid, seq limit $4`, fmt.Sprint(xid), seq, events.TopicOrderPaid, countedPage)
		if err != nil {
			return fmt.Errorf("read paid orders: %w", err)
		}
		var paid []string
		var id string
		if _, err := pgx.ForEachRow(rows, []any{&id, &xid, &seq}, func() error { paid = append(paid, id); return nil }); err != nil {
			return fmt.Errorf("read paid orders: %w", err)
		}
		if len(paid) == 0 {
			return nil
		}
		if _, err := tx.Exec(ctx, `
			with bought as (
				select distinct o.id, line->>'sku' as sku from orders o, jsonb_array_elements(o.lines) line
				where o.id = any($1::uuid[]) and jsonb_array_length(o.lines) between 2 and $2
			)
			insert into bought_together (sku, other, orders)
			select a.sku, b.sku, count(*) from bought a join bought b on a.id = b.id and a.sku <> b.sku group by a.sku, b.sku
			on conflict (sku, other) do update set orders = bought_together.orders + excluded.orders`, paid, countedLines); err != nil {
			return fmt.Errorf("count what is bought together: %w", err)
		}
		more = len(paid) == countedPage
		if _, err := tx.Exec(ctx, `update bought_together_counted set xid = $1, seq = $2`, xid, seq); err != nil {
			return fmt.Errorf("remember up to where orders are counted: %w", err)
		}
		return nil
	})
	return more, err
}

// together is a SKU that was bought with others, and in how many orders.
type together struct {
	SKU    string `json:"sku"`
	Orders int64  `json:"orders"`
}

// Together are the SKUs that were bought with any of the given ones most often.
func (s *store) Together(ctx context.Context, skus []string) ([]together, error) {
	rows, err := s.db.Query(ctx, `
		select other, sum(orders)::bigint from bought_together where sku = any($1) and other <> all($1)
		group by other order by 2 desc, 1 limit $2`, skus, togetherMost)
	if err != nil {
		return nil, fmt.Errorf("read what is bought together: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[together])
	if err != nil {
		return nil, fmt.Errorf("read what is bought together: %w", err)
	}
	return found, nil
}

// Bought reports whether a customer has an order of one of the SKUs that is paid for and has not come back.
func (s *store) Bought(ctx context.Context, customer identity.CustomerID, skus []string) (bought bool, err error) {
	if err := s.db.QueryRow(ctx, `
		select exists (select from orders o, jsonb_array_elements(o.lines) line
		where o.customer_id = $1 and o.status in ('paid', 'shipped', 'delivered') and line->>'sku' = any($2))`, customer, skus).Scan(&bought); err != nil {
		return false, fmt.Errorf("look for purchases: %w", err)
	}
	return bought, nil
}

func readSKUs(r *http.Request) ([]string, error) {
	skus := strings.Split(r.URL.Query().Get("skus"), ",")
	if skus[0] == "" || len(skus) > skusAsked {
		return nil, problem.New(problem.Invalid, "invalid-query", "skus must be 1 to %d SKUs with commas between them.", skusAsked)
	}
	return skus, nil
}

// listTogether answers with what goes with some SKUs, for catalog to recommend.
func (s *server) listTogether(w http.ResponseWriter, r *http.Request) error {
	skus, err := readSKUs(r)
	if err != nil {
		return err
	}
	found, err := s.orders.Together(r.Context(), skus)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, web.Page[together]{Items: append([]together{}, found...)})
}

// showPurchases tells catalog whether the caller has bought one of some SKUs, and so may review it.
func (s *server) showPurchases(w http.ResponseWriter, r *http.Request) error {
	skus, err := readSKUs(r)
	if err != nil {
		return err
	}
	bought, err := s.orders.Bought(r.Context(), identity.From(r.Context()).Subject, skus)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, map[string]bool{"bought": bought})
}
