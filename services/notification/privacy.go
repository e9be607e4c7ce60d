package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/privacy"
)

// Export is which mails were written to a person; their text is not kept.
func (s *store) Export(ctx context.Context, person identity.CustomerID) (map[string]any, error) {
	var mails json.RawMessage
	err := s.pool.QueryRow(ctx, `
		select coalesce(jsonb_agg(jsonb_build_object('about', template, 'state', state, 'createdAt', created_at, 'sentAt', sent_at) order by id), '[]')
		from messages where recipient = $1`, person).Scan(&mails)
	if err != nil {
		return nil, fmt.Errorf("export messages: %w", err)
	}
	return map[string]any{"mails": mails}, nil
}

// Erase forgets that there were any.
func (s *store) Erase(ctx context.Context, person identity.CustomerID) ([]privacy.Kept, error) {
	if _, err := s.pool.Exec(ctx, `
		with theirs as materialized (select id from messages where recipient = $1 order by id for update)
		delete from messages m using theirs t where m.id = t.id`, person); err != nil {
		return nil, fmt.Errorf("erase messages: %w", err)
	}
	return nil, nil
}
