package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/problem"
)

type store struct{ db *pgxpool.Pool }

const accountColumns = `accounts.id::text, accounts.email, accounts.name, accounts.password_hash, accounts.roles, accounts.verified_at,
	accounts.suspended_at`

func scanAccount(row pgx.CollectableRow) (Account, error) {
	var a Account
	err := row.Scan(&a.ID, &a.Email, &a.Name, &a.PasswordHash, &a.Roles, &a.VerifiedAt, &a.SuspendedAt)
	return a, err
}

func collectAccount(rows pgx.Rows, err error) (Account, error) {
	if err != nil {
		return Account{}, fmt.Errorf("load account: %w", err)
	}
	a, err := pgx.CollectExactlyOneRow(rows, scanAccount)
	if errors.Is(err, pgx.ErrNoRows) {
		return Account{}, problem.New(problem.NotFound, "account-not-found", "There is no such account.")
	}
	return a, err
}

// Account loads one by id; an id that is none is not found either.
func (s *store) Account(ctx context.Context, id string) (Account, error) {
	if uuid.Validate(id) != nil {
		return Account{}, problem.New(problem.NotFound, "account-not-found", "There is no such account.")
	}
	return collectAccount(s.db.Query(ctx, `select `+accountColumns+` from accounts where id = $1 and erased_at is null`, id))
}

// AccountByEmail loads one by its normalised address.
func (s *store) AccountByEmail(ctx context.Context, email string) (Account, error) {
	return collectAccount(s.db.Query(ctx, `select `+accountColumns+` from accounts where email = $1`, email))
}

// Register makes the account with its events, or, if the address waits for its proof, has another mail sent. For an
// address that is proved it does nothing, and the caller must not be able to tell. Two at once make one account.
func (s *store) Register(ctx context.Context, reg Registration, passwordHash string, now time.Time) error {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			insert into accounts (id, email, name, password_hash, created_at) values ($1, $2, $3, $4, $5)
			on conflict (email) do nothing`, newID(), reg.Email, reg.Name, passwordHash, now)
		if err != nil {
			return fmt.Errorf("insert account: %w", err)
		}
		account, err := collectAccount(tx.Query(ctx, `select `+accountColumns+` from accounts where email = $1 for update`, reg.Email))
		if err != nil || account.Verified() {
			return err
		}
		if tag.RowsAffected() == 1 {
			if err := outbox.Add(ctx, tx, events.UserRegistered{AccountID: account.ID, At: now}); err != nil {
				return err
			}
		}
		return requestVerification(ctx, tx, account.ID, reg.Name, passwordHash, now)
	})
}

// requestVerification has a mail sent that proves the address for these credentials. While the mail of an earlier request
// has not been made, that request takes them over, so a double click sends one mail.
func requestVerification(ctx context.Context, tx pgx.Tx, accountID, name, passwordHash string, now time.Time) error {
	_, err := tx.Exec(ctx, `update accounts set name = $2, password_hash = $3 where id = $1`, accountID, name, passwordHash)
	if err != nil {
		return fmt.Errorf("replace unproved credentials: %w", err)
	}
	tag, err := tx.Exec(ctx, `
		update verifications v set name = $2, password_hash = $3
		where account_id = $1 and created_at > $4 and not exists (select from verification_tokens where request_id = v.request_id)`,
		accountID, name, passwordHash, now.Add(-requestTTL))
	if err != nil || tag.RowsAffected() > 0 {
		return err
	}
	var mails int
	err = tx.QueryRow(ctx, `select count(*) from verifications where account_id = $1 and created_at > $2`, accountID, now.Add(-24*time.Hour)).Scan(&mails)
	if err != nil || mails >= maxMails {
		return err
	}
	requestID := newID()
	_, err = tx.Exec(ctx, `
		insert into verifications (request_id, account_id, name, password_hash, created_at) values ($1, $2, $3, $4, $5)`,
		requestID, accountID, name, passwordHash, now)
	if err != nil {
		return fmt.Errorf("insert verification: %w", err)
	}
	return outbox.Add(ctx, tx, events.VerificationRequested{RequestID: requestID, AccountID: accountID})
}

// VerificationMail adds a token to a request that still wants one and tells whom to mail it. It may be called again for
// the same mail; each token it made works until one is used.
func (s *store) VerificationMail(ctx context.Context, requestID string, hash []byte, now time.Time) (email, name string, err error) {
	notNeeded := problem.New(problem.NotFound, "verification-not-needed", "This verification mail is no longer needed.")
	if uuid.Validate(requestID) != nil {
		return "", "", notNeeded
	}
	err = postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			select a.email, v.name from verifications v join accounts a on a.id = v.account_id
			where v.request_id = $1 and v.created_at > $2 and a.verified_at is null for update of a`,
			requestID, now.Add(-requestTTL)).Scan(&email, &name)
		if errors.Is(err, pgx.ErrNoRows) {
			return notNeeded
		}
		if err != nil {
			return fmt.Errorf("load verification %s: %w", requestID, err)
		}
		_, err = tx.Exec(ctx, `insert into verification_tokens (hash, request_id, expires_at) values ($1, $2, $3)`,
			hash, requestID, now.Add(mailTTL))
		return err
	})
	return email, name, err
}

// Verify proves the address that the token was mailed to; the account takes the credentials of that mail's registration.
// All other mails to the address become void.
func (s *store) Verify(ctx context.Context, tokenHash []byte, now time.Time) error {
	refused := problem.New(problem.Invalid, "invalid-verification-token", "This link is not valid any more. Please register again to get another.")
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		var accountID, name, passwordHash string
		err := tx.QueryRow(ctx, `
			select a.id::text, v.name, v.password_hash
			from verification_tokens t join verifications v using (request_id) join accounts a on a.id = v.account_id
			where t.hash = $1 and t.expires_at > $2 and a.verified_at is null for update of a`,
			tokenHash, now).Scan(&accountID, &name, &passwordHash)
		if errors.Is(err, pgx.ErrNoRows) {
			return refused
		}
		if err != nil {
			return fmt.Errorf("load verification: %w", err)
		}
		_, err = tx.Exec(ctx, `update accounts set verified_at = $2, name = $3, password_hash = $4 where id = $1`,
			accountID, now, name, passwordHash)
		if err != nil {
			return fmt.Errorf("verify account %s: %w", accountID, err)
		}
		_, err = tx.Exec(ctx, `delete from verifications where account_id = $1`, accountID)
		return err
	})
}

// SignIn starts a session for somebody who has proved to be the account's owner, who is told if the browser is a new one.
func (s *store) SignIn(ctx context.Context, accountID string, at place, mfa bool, refreshHash []byte, now time.Time) (sessionID string, err error) {
	err = postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		stranger, err := arrive(ctx, tx, accountID, at, now)
		if err != nil {
			return err
		}
		if stranger {
			if err := notice(ctx, tx, accountID, events.NoticeNewDevice, now); err != nil {
				return err
			}
		}
		sessionID, err = startSession(ctx, tx, accountID, at, mfa, refreshHash, now)
		return err
	})
	return sessionID, err
}

// Exchanged is what came of showing a refresh token. What follows the verdict is set if that is Accept.
type Exchanged struct {
	Verdict   Verdict
	Account   Account
	SessionID string
	MFA       bool      // the session began with a second factor
	Began     time.Time // when its owner proved to be there
	Expires   time.Time // of the next token
}

// Exchange judges a refresh token and, if it is accepted, replaces it by the one whose hash is next. The session's row is
// locked meanwhile, so that the tokens of a family are judged one after another.
func (s *store) Exchange(ctx context.Context, hash, next []byte, now time.Time) (Exchanged, error) {
	var out Exchanged
	err := postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		out = Exchanged{}
		err := tx.QueryRow(ctx, `
			select s.id::text from sessions s join refresh_tokens t on t.session_id = s.id where t.hash = $1 for update of s`,
			hash).Scan(&out.SessionID)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("lock session: %w", err)
		}
		var p Presented
		var accountID string
		err = tx.QueryRow(ctx, `
			select t.expires_at, t.used_at, s.expires_at, s.ended_at, s.account_id::text, s.mfa, s.authenticated_at,
			       exists (select from refresh_tokens c where c.parent = t.hash and c.used_at is not null),
			       exists (select from refresh_tokens o where o.parent = t.parent and o.hash <> t.hash and o.used_at is not null)
			from refresh_tokens t join sessions s on s.id = t.session_id where t.hash = $1`, hash).
			Scan(&p.ExpiresAt, &p.UsedAt, &p.SessionExpires, &p.SessionEnded, &accountID, &out.MFA, &out.Began, &p.ChildUsed, &p.SiblingUsed)
		if err != nil {
			return fmt.Errorf("load refresh token: %w", err)
		}
		out.Verdict = p.Judge(now)
		switch out.Verdict {
		case Expired:
			return nil
		case Stolen:
			if err := endSession(ctx, tx, out.SessionID, "refresh token used twice", now); err != nil {
				return err
			}
			return notice(ctx, tx, accountID, events.NoticeSessionStolen, now)
		}
		out.Expires = now.Add(idleTTL)
		if p.SessionExpires.Before(out.Expires) {
			out.Expires = p.SessionExpires
		}
		if out.Account, err = collectAccount(tx.Query(ctx, `select `+accountColumns+` from accounts where id = $1`, accountID)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update refresh_tokens set used_at = coalesce(used_at, $2) where hash = $1`, hash, now); err != nil {
			return fmt.Errorf("use refresh token: %w", err)
		}
		if _, err := tx.Exec(ctx, `update sessions set last_seen_at = $2 where id = $1`, out.SessionID, now); err != nil {
			return fmt.Errorf("see session: %w", err)
		}
		_, err = tx.Exec(ctx, `insert into refresh_tokens (hash, session_id, parent, issued_at, expires_at) values ($1, $2, $3, $4, $5)`,
			next, out.SessionID, hash, now, out.Expires)
		return err
	})
	return out, err
}

// SignOut ends the session that the refresh token belongs to, if there is one.
func (s *store) SignOut(ctx context.Context, hash []byte, now time.Time) error {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		var sessionID string
		err := tx.QueryRow(ctx, `select session_id::text from refresh_tokens where hash = $1`, hash).Scan(&sessionID)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("find session: %w", err)
		}
		return endSession(ctx, tx, sessionID, "signed out", now)
	})
}

func endSession(ctx context.Context, tx pgx.Tx, id, reason string, now time.Time) error {
	_, err := tx.Exec(ctx, `update sessions set ended_at = $2, ended_reason = $3 where id = $1 and ended_at is null`, id, now, reason)
	if err != nil {
		return fmt.Errorf("end session %s: %w", id, err)
	}
	return nil
}

// Grant gives a verified account a role; a repeat changes nothing.
func (s *store) Grant(ctx context.Context, email string, role identity.Role) error {
	return s.updateByEmail(ctx, email, func(tx pgx.Tx, account Account) error {
		if !account.Verified() {
			return problem.New(problem.Conflict, "email-not-verified", "The address %s has not been verified yet.", email)
		}
		_, err := tx.Exec(ctx, `update accounts set roles = array_append(roles, $2) where id = $1 and not $2 = any (roles)`, account.ID, role)
		return err
	})
}

// Suspend ends the sessions of an account and lets nobody sign in until it is restored. A repeat changes nothing.
func (s *store) Suspend(ctx context.Context, email string, now time.Time) error {
	return s.updateByEmail(ctx, email, func(tx pgx.Tx, account Account) error {
		if _, err := tx.Exec(ctx, `update accounts set suspended_at = coalesce(suspended_at, $2) where id = $1`, account.ID, now); err != nil {
			return fmt.Errorf("suspend account %s: %w", account.ID, err)
		}
		return endSessions(ctx, tx, account.ID, "suspended", now)
	})
}

// Restore lifts a suspension; the owner has to sign in anew.
func (s *store) Restore(ctx context.Context, email string) error {
	return s.updateByEmail(ctx, email, func(tx pgx.Tx, account Account) error {
		_, err := tx.Exec(ctx, `update accounts set suspended_at = null where id = $1`, account.ID)
		return err
	})
}

func (s *store) updateByEmail(ctx context.Context, email string, change func(tx pgx.Tx, account Account) error) error {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		account, err := collectAccount(tx.Query(ctx, `select `+accountColumns+` from accounts where email = $1 for update`, email))
		if err != nil {
			return err
		}
		return change(tx, account)
	})
}

const validKeys = `select kid, public_key, sealed, created_at from signing_keys where retired_at is null order by created_at desc, kid limit 20`

// SigningKeys are the valid ones, newest first.
func (s *store) SigningKeys(ctx context.Context) ([]SigningKey, error) {
	return collectKeys(s.db.Query(ctx, validKeys))
}

func collectKeys(rows pgx.Rows, err error) ([]SigningKey, error) {
	if err != nil {
		return nil, fmt.Errorf("load signing keys: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[SigningKey])
}

// ChangeKeys lets one replica at a time look at the valid keys, newest first, and add one or retire some.
func (s *store) ChangeKeys(ctx context.Context, now time.Time, change func(valid []SigningKey) (added *SigningKey, retired []string, err error)) error {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `lock table signing_keys in exclusive mode`); err != nil {
			return fmt.Errorf("lock signing keys: %w", err)
		}
		valid, err := collectKeys(tx.Query(ctx, validKeys))
		if err != nil {
			return err
		}
		added, retired, err := change(valid)
		if err != nil {
			return err
		}
		if added != nil {
			if _, err := tx.Exec(ctx, `insert into signing_keys (kid, public_key, sealed, created_at) values ($1, $2, $3, $4)`,
				added.KID, added.PublicKey, added.Sealed, added.CreatedAt); err != nil {
				return fmt.Errorf("insert signing key: %w", err)
			}
		}
		if _, err := tx.Exec(ctx, `update signing_keys set retired_at = $2, sealed = '' where kid = any ($1)`, retired, now); err != nil {
			return fmt.Errorf("retire signing keys: %w", err)
		}
		return nil
	})
}

// Sweep deletes what has no use any more; sessions are kept for a month, to explain why somebody was signed out.
func (s *store) Sweep(ctx context.Context, now time.Time) error {
	for _, q := range []struct {
		sql    string
		before time.Time
	}{
		{`delete from sessions where expires_at < $1`, now.Add(-30 * 24 * time.Hour)},
		{`delete from refresh_tokens where expires_at < $1`, now},
		{`delete from verifications where created_at < $1`, now.Add(-requestTTL - mailTTL)},
		{`delete from password_resets where created_at < $1`, now.Add(-24 * time.Hour)}, // until then they count
		{`delete from email_changes where created_at < $1`, now.Add(-changesKept)},
		{`delete from accounts where erased_at < $1`, now.Add(-erasedKept)},
		{`delete from signing_keys where retired_at < $1`, now.Add(-keyLife)},
		{`delete from places where last_seen_at < $1`, now.Add(-placesKept)},
	} {
		if _, err := s.db.Exec(ctx, q.sql, q.before); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }
