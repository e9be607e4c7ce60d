package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/problem"
)

const itemColumns = `sku, on_hand, reserved, on_hand - reserved as available, threshold, version`

// search is what the staff looks for in the stock: part of a SKU, only what is low.
type search struct {
	Query string
	Low   bool
	After string // the SKU before, in the order of the list
}

// Search is up to n items in the order of their SKUs. It reads the table: an index on what every sale changes would cost
// every sale more than the staff gains.
func (s *store) Search(ctx context.Context, q search, n int) ([]Item, error) {
	rows, err := s.db.Query(ctx, `select `+itemColumns+` from stock
		where sku > $1 and ($2 = '' or position(upper($2) in upper(sku)) > 0) and (not $3 or on_hand - reserved <= threshold)
		order by sku limit $4`, q.After, q.Query, q.Low, n)
	if err != nil {
		return nil, fmt.Errorf("search the stock: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Item])
}

// Item is the stock of one SKU.
func (s *store) Item(ctx context.Context, sku string) (Item, error) {
	rows, err := s.db.Query(ctx, `select `+itemColumns+` from stock where sku = $1`, sku)
	if err != nil {
		return Item{}, fmt.Errorf("read the stock of %s: %w", sku, err)
	}
	i, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Item])
	if errors.Is(err, pgx.ErrNoRows) {
		return Item{}, unknownSKU(sku)
	}
	return i, err
}

// Levels is up to n SKUs behind after, for who keeps a copy of what is in stock.
func (s *store) Levels(ctx context.Context, after string, n int) ([]level, error) {
	rows, err := s.db.Query(ctx, `select sku, on_hand - reserved, threshold, version from stock where sku > $1 order by sku limit $2`, after, n)
	if err != nil {
		return nil, fmt.Errorf("list levels: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[level])
}

// Movements is up to n changes of a SKU's count or threshold, newest first, older than the one before; from the newest if that is 0.
func (s *store) Movements(ctx context.Context, sku string, before int64, n int) ([]Movement, error) {
	rows, err := s.db.Query(ctx, `select id, change, reason, ref, made_by, made_by_name, note, at from movements
		where sku = $1 and ($2 = 0 or id < $2) order by id desc limit $3`, sku, before, n)
	if err != nil {
		return nil, fmt.Errorf("list the movements of %s: %w", sku, err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (m Movement, err error) {
		err = row.Scan(&m.ID, &m.Change, &m.Reason, &m.Ref, &m.By.ID, &m.By.Name, &m.Note, &m.At)
		return m, err
	})
}

// Claim is an order that pieces of a SKU are held for, or that is owed some.
type Claim struct {
	OrderID   string    `json:"orderId"`
	State     string    `json:"state"`
	Quantity  int64     `json:"quantity"`
	ExpiresAt time.Time `json:"expiresAt"`
	Since     time.Time `json:"since"`
}

// Claims is up to n orders with a claim to pieces of a SKU, in the order of their ids, behind after.
func (s *store) Claims(ctx context.Context, sku, after string, n int) ([]Claim, error) {
	rows, err := s.db.Query(ctx, `
		select order_id, state, quantities[array_position(skus, $1)], expires_at, changed_at from reservations
		where state in ('held', 'owed') and $1 = any(skus) and ($2 = '' or order_id > nullif($2, '')::uuid)
		order by order_id limit $3`, sku, after, n)
	if err != nil {
		return nil, fmt.Errorf("list who has a claim to %s: %w", sku, err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Claim])
}

// lockItems loads SKUs under row locks, taken in the order in which everyone does. SKUs that we never had are absent.
func (s *store) lockItems(ctx context.Context, tx pgx.Tx, skus []string) (map[string]Item, error) {
	rows, err := tx.Query(ctx, `select `+itemColumns+` from stock where sku = any($1) order by sku for update`, skus)
	if err != nil {
		return nil, fmt.Errorf("lock stock: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Item])
	if err != nil {
		return nil, fmt.Errorf("lock stock: %w", err)
	}
	items := make(map[string]Item, len(found))
	for _, i := range found {
		items[i.SKU] = i
	}
	return items, nil
}

// bringIn makes rows for SKUs that we never had, without a piece.
func (s *store) bringIn(ctx context.Context, tx pgx.Tx, skus []string) error {
	_, err := tx.Exec(ctx, `insert into stock (sku, on_hand) select sku, 0 from unnest($1::text[]) as sku order by sku on conflict do nothing`, skus)
	if err != nil {
		return fmt.Errorf("bring into stock: %w", err)
	}
	return nil
}

// posting is a movement that is to be made of a locked item, and how the item stood before.
type posting struct {
	Before, After Item
	Movement
}

// post saves items with their new counts, the movements that made them, and what there is to tell. Every return in the
// ledger has a reference of its own, by which it is put back once; one that nobody asked for gets its here.
func (s *store) post(ctx context.Context, tx pgx.Tx, postings []posting) error {
	if len(postings) == 0 {
		return nil
	}
	var skus, reasons, refs, by, names, notes []string
	var counts, versions, changes []int64
	var facts []events.Fact
	for _, p := range postings {
		if p.Reason == "returned" {
			p.Ref = uuid.Must(uuid.NewV7()).String()
		}
		skus, counts, versions = append(skus, p.After.SKU), append(counts, p.After.OnHand), append(versions, p.After.Version)
		changes, reasons, refs = append(changes, p.Change), append(reasons, p.Reason), append(refs, p.Ref)
		by, names, notes = append(by, p.By.ID), append(names, p.By.Name), append(notes, p.Note)
		facts = append(facts, p.Before.level().became(p.After.level())...)
	}
	_, err := tx.Exec(ctx, `
		with line as (
			select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
				as line (sku, on_hand, version, change, reason, ref, made_by, made_by_name, note)
		), counted as (
			update stock s set on_hand = line.on_hand, version = line.version from line where s.sku = line.sku
		)
		insert into movements (sku, change, reason, ref, made_by, made_by_name, note)
		select sku, change, reason, ref, made_by, made_by_name, note from line where change <> 0`,
		skus, counts, versions, changes, reasons, refs, by, names, notes)
	if err != nil {
		return fmt.Errorf("post movements: %w", err)
	}
	return announce(ctx, tx, facts)
}

// Adjust changes the count of a SKU. With a change upwards it may be one that we never had.
func (s *store) Adjust(ctx context.Context, tx pgx.Tx, sku string, m Movement) (Item, error) {
	if m.Change > 0 {
		if err := s.bringIn(ctx, tx, []string{sku}); err != nil {
			return Item{}, err
		}
	}
	items, err := s.lockItems(ctx, tx, []string{sku})
	if err != nil {
		return Item{}, err
	}
	before, known := items[sku]
	if !known {
		return Item{}, unknownSKU(sku)
	}
	after := before
	if err := after.Change(m.Change); err != nil {
		return Item{}, err
	}
	return after, s.post(ctx, tx, []posting{{before, after, m}})
}

// Watch sets at how few free pieces a SKU is low, if agree accepts the item as it stands. The ledger keeps who did.
func (s *store) Watch(ctx context.Context, tx pgx.Tx, sku string, threshold int64, by member, agree func(Item) error) (Item, error) {
	items, err := s.lockItems(ctx, tx, []string{sku})
	if err != nil {
		return Item{}, err
	}
	before, known := items[sku]
	if !known {
		return Item{}, unknownSKU(sku)
	}
	if err := agree(before); err != nil || before.Threshold == threshold {
		return before, err
	}
	after := before
	after.Threshold = threshold
	after.Version++
	if _, err := tx.Exec(ctx, `
		with watched as (
			update stock set threshold = $2, version = $3 where sku = $1
		)
		insert into movements (sku, change, reason, ref, made_by, made_by_name, note) values ($1, 0, 'threshold', '', $4, $5, $6)`,
		sku, after.Threshold, after.Version, by.ID, by.Name, fmt.Sprintf("%d → %d", before.Threshold, after.Threshold)); err != nil {
		return Item{}, fmt.Errorf("watch %s: %w", sku, err)
	}
	return after, announce(ctx, tx, before.level().became(after.level()))
}

func unknownSKU(sku string) error {
	return problem.New(problem.NotFound, "unknown-sku", "We have never had %q in stock.", sku)
}
