package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// Discrepancy is a SKU whose counts are not what the ledger and the reservations add up to.
type Discrepancy struct {
	SKU      string `json:"sku"`
	OnHand   int64  `json:"onHand"`
	Ledger   int64  `json:"ledger"` // the sum of its movements
	Reserved int64  `json:"reserved"`
	Held     int64  `json:"held"` // what its reservations add up to
}

// Audit is what a comparison of all counts with the ledger has found; Wrong lists a hundred at most.
type Audit struct {
	CheckedAt time.Time     `json:"checkedAt"`
	SKUs      int64         `json:"skus"`
	Movements int64         `json:"movements"`
	Wrong     []Discrepancy `json:"wrong"`
}

// audit compares the counts with the ledger, at start and once an hour.
func (s *server) audit(ctx context.Context) error {
	for {
		found, err := s.stock.Audit(ctx)
		if err != nil && ctx.Err() == nil {
			slog.Warn("the ledger is not checked", "error", err.Error())
		}
		if len(found.Wrong) > 0 {
			slog.Error("stock differs from the ledger", "skus", found.Wrong)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Hour):
		}
	}
}

// showAudit shows staff what the last comparison has found.
func (s *server) showAudit(w http.ResponseWriter, r *http.Request) error {
	found, err := s.stock.LastAudit(r.Context())
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, found)
}

// Audit compares all counts with the ledger and the reservations, as they are at one moment, and keeps what it found.
func (s *store) Audit(ctx context.Context) (Audit, error) {
	rows, err := s.db.Query(ctx, `
		with ledger as (
			select sku, sum(change) as n, count(*) as movements from movements group by sku
		), held as (
			select sku, sum(n) as n from reservations, unnest(skus, quantities) as line (sku, n) where state = 'held' group by sku
		), compared as (
			select s.sku, s.on_hand, coalesce(ledger.n, 0) as ledger, s.reserved, coalesce(held.n, 0) as held, coalesce(movements, 0) as movements
			from stock s left join ledger using (sku) left join held using (sku)
		)
		insert into audits (checked_at, skus, movements, wrong)
		select now(), count(*), coalesce(sum(movements), 0), jsonb_path_query_array(coalesce(jsonb_agg(jsonb_build_object(
			'sku', sku, 'onHand', on_hand, 'ledger', ledger, 'reserved', reserved, 'held', held) order by sku)
			filter (where on_hand <> ledger or reserved <> held), '[]'), '$[0 to 99]')
		from compared
		on conflict (only_one) do update set
			checked_at = excluded.checked_at, skus = excluded.skus, movements = excluded.movements, wrong = excluded.wrong
		returning checked_at, skus, movements, wrong`)
	return collectAudit(rows, err)
}

// LastAudit is what was found last, by whichever replica.
func (s *store) LastAudit(ctx context.Context) (Audit, error) {
	rows, err := s.db.Query(ctx, `select checked_at, skus, movements, wrong from audits`)
	found, err := collectAudit(rows, err)
	if errors.Is(err, pgx.ErrNoRows) {
		return Audit{}, problem.New(problem.NotFound, "not-checked-yet", "The counts have not been compared with the ledger yet.")
	}
	return found, err
}

func collectAudit(rows pgx.Rows, err error) (Audit, error) {
	if err != nil {
		return Audit{}, fmt.Errorf("check the ledger: %w", err)
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Audit])
}
