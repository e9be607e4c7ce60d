package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// Session is a place where somebody is signed in.
type Session struct {
	ID         string    `db:"id" json:"id"`
	Agent      string    `db:"agent" json:"agent"`               // "Firefox on Windows"
	Network    string    `db:"network" json:"network,omitempty"` // "203.0.113.x", where it began
	CreatedAt  time.Time `db:"created_at" json:"createdAt"`
	LastSeenAt time.Time `db:"last_seen_at" json:"lastSeenAt"` // to within the life of an access token
	Current    bool      `db:"current" json:"current"`         // the one that asks
}

// signedIn serves h to people with an account.
func signedIn(h func(w http.ResponseWriter, r *http.Request, caller identity.Identity) error) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		caller := identity.From(r.Context())
		if caller.Anonymous() || caller.Guest() {
			return problem.New(problem.Unauthenticated, "sign-in-required", "Please sign in first.")
		}
		return h(w, r, caller)
	}
}

// listSessions shows the caller where they are signed in, the latest first.
func (s *server) listSessions(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
	sessions, err := s.accounts.Sessions(r.Context(), caller, s.now())
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, web.Page[Session]{Items: sessions})
}

// endOneSession signs the caller out somewhere.
func (s *server) endOneSession(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
	id := mux.Vars(r)["id"]
	if err := s.accounts.EndSession(r.Context(), string(caller.Subject), id, s.now()); err != nil {
		return err
	}
	slog.InfoContext(r.Context(), "signed out", "account", string(caller.Subject), "session", id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// endOtherSessions signs the caller out everywhere but here.
func (s *server) endOtherSessions(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
	ended, err := s.accounts.EndOtherSessions(r.Context(), caller, s.now())
	if err != nil {
		return err
	}
	slog.InfoContext(r.Context(), "signed out elsewhere", "account", string(caller.Subject), "sessions", ended)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// logoutAll signs the caller out everywhere, here too.
func (s *server) logoutAll(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
	err := postgres.InTx(r.Context(), s.accounts.db, func(tx pgx.Tx) error {
		return endSessions(r.Context(), tx, string(caller.Subject), "signed out everywhere", s.now())
	})
	if err != nil {
		return err
	}
	slog.InfoContext(r.Context(), "signed out everywhere", "account", string(caller.Subject))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Sessions are the caller's that have not ended. One that was not refreshed for longer than its refresh token lives is
// over without anybody having ended it.
func (s *store) Sessions(ctx context.Context, caller identity.Identity, now time.Time) ([]Session, error) {
	rows, err := s.db.Query(ctx, `
		select id::text, agent, network, created_at, last_seen_at, id::text = $2 as current
		from sessions where account_id = $1 and ended_at is null and expires_at > $3 and last_seen_at > $4
		order by last_seen_at desc, id limit 100`,
		string(caller.Subject), caller.SessionID, now, now.Add(-idleTTL))
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Session])
}

// EndSession ends one session of an account; another's is not found.
func (s *store) EndSession(ctx context.Context, accountID, id string, now time.Time) error {
	notFound := problem.New(problem.NotFound, "session-not-found", "There is no such session.")
	if uuid.Validate(id) != nil {
		return notFound
	}
	tag, err := s.db.Exec(ctx, `
		update sessions set ended_at = $3, ended_reason = 'ended by the owner' where id = $1 and account_id = $2 and ended_at is null`,
		id, accountID, now)
	if err != nil {
		return fmt.Errorf("end session %s: %w", id, err)
	}
	if tag.RowsAffected() == 0 {
		return notFound
	}
	return nil
}

// EndOtherSessions ends the caller's sessions but the one that asks, and tells how many there were. One that has ended
// itself ends none: it may be the thief's.
func (s *store) EndOtherSessions(ctx context.Context, caller identity.Identity, now time.Time) (ended int64, err error) {
	if _, err := s.liveSession(ctx, caller.SessionID); err != nil {
		return 0, err
	}
	tag, err := s.db.Exec(ctx, `
		update sessions set ended_at = $3, ended_reason = 'ended by the owner' where account_id = $1 and id <> $2 and ended_at is null`,
		string(caller.Subject), caller.SessionID, now)
	if err != nil {
		return 0, fmt.Errorf("end other sessions: %w", err)
	}
	return tag.RowsAffected(), nil
}

// endSessions ends all sessions of an account.
func endSessions(ctx context.Context, tx pgx.Tx, accountID, reason string, now time.Time) error {
	_, err := tx.Exec(ctx, `update sessions set ended_at = $2, ended_reason = $3 where account_id = $1 and ended_at is null`,
		accountID, now, reason)
	if err != nil {
		return fmt.Errorf("end the sessions of account %s: %w", accountID, err)
	}
	return nil
}

// listEndedSessions tells the other services whose access tokens they are not to believe any more. It names sessions, not
// people.
func (s *server) listEndedSessions(w http.ResponseWriter, r *http.Request) error {
	since, err := time.Parse(time.RFC3339Nano, r.URL.Query().Get("since"))
	if err != nil {
		return problem.New(problem.Invalid, "invalid-since", "since must be a moment in RFC 3339.").
			WithFields(problem.FieldError{Field: "since", Detail: "must be a moment such as 2026-03-01T12:00:00Z"})
	}
	told, err := s.accounts.EndedSessions(r.Context(), since)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, told)
}

const (
	mostEnded = 10_000

	// An end is committed a moment after the clock was read for it, and the clocks of two replicas differ, so what is
	// told reaches back a little further than asked.
	endedOverlap = 10 * time.Second
)

// EndedSessions are those that ended since then and of which an access token could still be good, oldest first.
func (s *store) EndedSessions(ctx context.Context, since time.Time) (told identity.EndedSessions, err error) {
	told = identity.EndedSessions{Items: []string{}, Until: time.Now()}
	since = since.Add(-endedOverlap)
	if oldest := told.Until.Add(-identity.EndedKept); since.Before(oldest) {
		since = oldest
	}
	rows, err := s.db.Query(ctx, `select id::text, ended_at from sessions where ended_at >= $1 order by ended_at limit $2`, since, mostEnded)
	if err != nil {
		return told, fmt.Errorf("list ended sessions: %w", err)
	}
	var id string
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &at}, func() error {
		told.Items = append(told.Items, id)
		return nil
	})
	if err != nil {
		return told, fmt.Errorf("list ended sessions: %w", err)
	}
	if len(told.Items) == mostEnded {
		told.Until, told.More = at.Add(endedOverlap), true
	}
	return told, nil
}

// mostSessions an account can have at once; a further one ends the one that was not seen for longest.
const mostSessions = 100

// startSession opens a session for an account whose owner has just proved to be there.
func startSession(ctx context.Context, tx pgx.Tx, accountID string, at place, mfa bool, refreshHash []byte, now time.Time) (id string, err error) {
	id = newID()
	_, err = tx.Exec(ctx, `
		insert into sessions (id, account_id, agent, network, mfa, created_at, last_seen_at, authenticated_at, expires_at)
		values ($1, $2, $3, $4, $5, $6, $6, $6, $7)`, id, accountID, at.agent, networkOf(at.address), mfa, now, now.Add(sessionTTL))
	if err != nil {
		return "", fmt.Errorf("insert session: %w", err)
	}
	_, err = tx.Exec(ctx, `insert into refresh_tokens (hash, session_id, issued_at, expires_at) values ($1, $2, $3, $4)`,
		refreshHash, id, now, now.Add(idleTTL))
	if err != nil {
		return "", fmt.Errorf("insert refresh token: %w", err)
	}
	_, err = tx.Exec(ctx, `
		update sessions set ended_at = $2, ended_reason = 'too many' where id in (
			select id from sessions where account_id = $1 and ended_at is null order by last_seen_at desc, id desc offset $3)`,
		accountID, now, mostSessions)
	if err != nil {
		return "", fmt.Errorf("end the oldest sessions: %w", err)
	}
	return id, nil
}
