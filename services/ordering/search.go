package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/services/ordering/order"
)

// search is what the staff looks for among all orders; what is left out does not matter.
type search struct {
	Status   order.Status
	Number   string
	Email    string
	From, To time.Time
	Before   string // the last order of the page before
}

// Search lists orders, the newest first.
func (s *store) Search(ctx context.Context, q search, limit int) ([]*order.Order, error) {
	where, args := []string{"true"}, []any{}
	add := func(condition string, value any) {
		args = append(args, value)
		where = append(where, strings.ReplaceAll(condition, "?", fmt.Sprint("$", len(args))))
	}
	switch q.Status {
	case "":
	case order.NeedsAttention:
		where = append(where, "attention <> ''")
	default:
		add("status = ? and attention = ''", q.Status)
	}
	if q.Number != "" {
		add("number = ?", q.Number)
	}
	if q.Email != "" {
		add("lower(email) = lower(?)", q.Email)
	}
	if !q.From.IsZero() {
		add("placed_at >= ?", q.From)
	}
	if !q.To.IsZero() {
		add("placed_at < ?", q.To)
	}
	if q.Before != "" {
		add("id < ?", q.Before)
	}
	args = append(args, limit)
	rows, err := s.db.Query(ctx, fmt.Sprintf(`select %s from orders where %s order by id desc limit $%d`,
		columns, strings.Join(where, " and "), len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("search orders: %w", err)
	}
	orders, err := pgx.CollectRows(rows, scanOrder)
	if err != nil {
		return nil, fmt.Errorf("search orders: %w", err)
	}
	return orders, nil
}

// found is a return with the order that it belongs to.
type found struct {
	Order    *order.Order
	ReturnID string
}

// Returns lists returns of a status, or of all if it is "", the newest first, from the one before the given id on.
func (s *store) Returns(ctx context.Context, status order.ReturnStatus, before string, limit int) ([]found, error) {
	rows, err := s.db.Query(ctx, `select `+columns+`, r.id::text from
		(select id, order_id from returns where ($1 = '' or status = $1) and ($2 = '' or id < nullif($2, '')::uuid) order by id desc limit $3) r
		join orders on orders.id = r.order_id order by r.id desc`, status, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list returns: %w", err)
	}
	returns, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f found, err error) {
		f.Order, err = scan(row, &f.ReturnID)
		return f, err
	})
	if err != nil {
		return nil, fmt.Errorf("list returns: %w", err)
	}
	return returns, nil
}

// OrderOfReturn is the id of the order that a return belongs to.
func (s *store) OrderOfReturn(ctx context.Context, returnID string) (id string, err error) {
	if uuid.Validate(returnID) != nil {
		return "", order.ErrNoReturn
	}
	err = s.db.QueryRow(ctx, `select order_id::text from returns where id = $1`, returnID).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", order.ErrNoReturn
	}
	if err != nil {
		return "", fmt.Errorf("find return: %w", err)
	}
	return id, nil
}
