package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/privacy"
)

// erasedKept is how long the row of an erased account is kept: without a name it still ends the account's sessions, and
// keeps a fact that comes late from making anything of it.
const erasedKept = 30 * 24 * time.Hour

// Export is the account, where it is signed in, and how.
func (s *store) Export(ctx context.Context, person identity.CustomerID) (map[string]any, error) {
	if uuid.Validate(string(person)) != nil {
		return map[string]any{}, nil //nolint:nilerr // a guest, of whom auth knows nothing
	}
	data := map[string]any{}
	for topic, query := range map[string]string{
		"account": `select coalesce(jsonb_agg(jsonb_build_object('email', email, 'name', name, 'roles', roles, 'createdAt', created_at, 'verifiedAt', verified_at)), '[]')
			from accounts where id = $1 and erased_at is null`,
		"sessions": `select coalesce(jsonb_agg(jsonb_build_object('agent', agent, 'network', network, 'createdAt', created_at, 'lastSeenAt', last_seen_at, 'endedAt', ended_at) order by created_at), '[]')
			from sessions where account_id = $1`,
		"passkeys": `select coalesce(jsonb_agg(jsonb_build_object('name', name, 'createdAt', created_at, 'lastUsedAt', last_used_at) order by created_at), '[]')
			from passkeys where account_id = $1`,
		"authenticatorApp": `select coalesce(jsonb_agg(jsonb_build_object('confirmedAt', confirmed_at)), '[]') from totp where account_id = $1`,
		"knownPlaces": `select coalesce(jsonb_agg(jsonb_build_object('lastSeenAt', last_seen_at) order by last_seen_at), '[]')
			from places where account_id = $1`,
		"emailChanges": `select coalesce(jsonb_agg(jsonb_build_object('email', email, 'former', former, 'createdAt', created_at, 'confirmedAt', confirmed_at) order by created_at), '[]')
			from email_changes where account_id = $1`,
	} {
		var rows json.RawMessage
		if err := s.db.QueryRow(ctx, query, person).Scan(&rows); err != nil {
			return nil, fmt.Errorf("export %s: %w", topic, err)
		}
		data[topic] = rows
	}
	return data, nil
}

// Erase leaves a row without a person: sessions end everywhere within five seconds, nobody signs in any more, and the
// e-mail address is free for another account.
func (s *store) Erase(ctx context.Context, person identity.CustomerID) ([]privacy.Kept, error) {
	if uuid.Validate(string(person)) != nil {
		return nil, nil //nolint:nilerr // a guest, of whom auth knows nothing
	}
	return nil, postgres.InTx(ctx, s.db, func(tx pgx.Tx) error { return eraseAccount(ctx, tx, person, time.Now()) })
}

func eraseAccount(ctx context.Context, tx pgx.Tx, person identity.CustomerID, now time.Time) error {
	_, err := tx.Exec(ctx, `
		update accounts set email = 'erased ' || id, name = '', password_hash = '', roles = '{customer}', verified_at = null,
			suspended_at = $2, erased_at = $2 where id = $1 and erased_at is null`, person, now)
	if err != nil {
		return fmt.Errorf("erase account: %w", err)
	}
	if err := endSessions(ctx, tx, string(person), "account erased", now); err != nil {
		return err
	}
	for _, query := range []string{
		`update sessions set agent = '', network = '' where account_id = $1`,
		`delete from refresh_tokens where session_id in (select id from sessions where account_id = $1)`,
		`delete from verifications where account_id = $1`,
		`delete from password_resets where account_id = $1`,
		`delete from email_changes where account_id = $1`,
		`delete from totp where account_id = $1`,
		`delete from recovery_codes where account_id = $1`,
		`delete from passkeys where account_id = $1`,
		`delete from places where account_id = $1`,
	} {
		if _, err := tx.Exec(ctx, query, person); err != nil {
			return fmt.Errorf("erase account: %w", err)
		}
	}
	return nil
}
