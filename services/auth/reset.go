package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

const (
	resetTTL = 30 * time.Minute // how long a mailed reset token holds
	forgetIn = 30 * time.Minute // how late a reset mail may still go out: nobody waits longer
)

// forgotPassword has a mail sent by which the owner of the address can set another password. The answer, and the time it
// takes, is the same whether or not there is an account.
func (s *server) forgotPassword(w http.ResponseWriter, r *http.Request) error {
	done := time.NewTimer(registerTime)
	defer done.Stop()
	var req struct {
		Email string `json:"email"`
	}
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	email, ok := NormalEmail(req.Email)
	if !ok {
		return invalidEmail("This is not an e-mail address.", "is not an e-mail address")
	}
	if err := s.accounts.RequestReset(r.Context(), email, s.now()); err != nil {
		return err
	}
	select {
	case <-done.C:
	case <-r.Context().Done():
	}
	return web.Encode(w, http.StatusAccepted, map[string]string{"status": "reset-sent"})
}

// makeResetMail makes the token of a reset mail at the moment it is written, so that it lies nowhere in clear.
func (s *server) makeResetMail(w http.ResponseWriter, r *http.Request) error {
	token, hash := newToken()
	account, err := s.accounts.ResetMail(r.Context(), mux.Vars(r)["requestId"], hash, s.now())
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, mailAnswer{account.Email, account.Name, token})
}

// resetPassword sets another password with the token of a reset mail, once, and ends every session: whoever knew the old
// password is out. It signs nobody in, so a second factor is asked for as always.
func (s *server) resetPassword(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var req struct {
		Token    string `json:"token"`
		Password string `json:"password"`
	}
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	hash := tokenHash(req.Token)
	account, err := s.accounts.ResetAccount(ctx, hash, s.now())
	if err != nil {
		return err
	}
	passwordHash, err := s.newPassword(ctx, account, req.Password)
	if err != nil {
		return err
	}
	if err := s.accounts.Reset(ctx, hash, passwordHash, s.placeOf(r, account.Email), s.now()); err != nil {
		return err
	}
	slog.InfoContext(ctx, "password reset", "account", account.ID)
	return web.Encode(w, http.StatusOK, map[string]string{"status": "password-changed"})
}

// changePassword sets another password for a caller who knows the present one, ends every session, and opens a new one
// for the caller.
func (s *server) changePassword(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
	ctx, now := r.Context(), s.now()
	var req struct {
		CurrentPassword string `json:"currentPassword"`
		NewPassword     string `json:"newPassword"`
	}
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	account, err := s.accounts.Account(ctx, string(caller.Subject))
	if err != nil {
		return err
	}
	if err := s.provePassword(r, account, req.CurrentPassword); err != nil {
		return err
	}
	passwordHash, err := s.newPassword(ctx, account, req.NewPassword)
	if err != nil {
		return err
	}
	token, refreshHash := newToken()
	before, err := s.accounts.liveSession(ctx, caller.SessionID)
	if err != nil {
		return err
	}
	sessionID, err := s.accounts.ChangePassword(ctx, account, passwordHash, s.placeOf(r, account.Email), before.MFA, refreshHash, now)
	if err != nil {
		return err
	}
	slog.InfoContext(ctx, "password changed", "account", account.ID, "session", sessionID)
	return s.answerSession(w, r, account, opened{sessionID, before.MFA, now, token, now.Add(idleTTL)})
}

// newPassword checks and hashes the password that somebody chose.
func (s *server) newPassword(ctx context.Context, account Account, password string) (hash string, err error) {
	if fault := passwordFault(password, account.Email); fault != "" {
		return "", problem.New(problem.Invalid, "invalid-password", "The password %s.", fault).
			WithFields(problem.FieldError{Field: "password", Detail: fault})
	}
	return s.passwords.Hash(ctx, password)
}

// RequestReset has a reset mail sent for an address with an account that may be signed in to. For any other it does nothing, and
// the caller must not be able to tell. While a mail has not been made, a second wish adds none.
func (s *store) RequestReset(ctx context.Context, email string, now time.Time) error {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		account, err := collectAccount(tx.Query(ctx, `select `+accountColumns+` from accounts where email = $1 for update`, email))
		if problem.Is(err, "account-not-found") || err == nil && account.mayEnter() != nil {
			return nil //nolint:nilerr // nobody may learn that there is no such account
		}
		if err != nil {
			return err
		}
		var mails, unmade int
		err = tx.QueryRow(ctx, `
			select count(*), count(*) filter (where created_at > $3 and not exists (select from password_reset_tokens t where t.request_id = r.request_id))
			from password_resets r where account_id = $1 and created_at > $2`,
			account.ID, now.Add(-24*time.Hour), now.Add(-forgetIn)).Scan(&mails, &unmade)
		if err != nil || mails >= maxMails || unmade > 0 {
			return err
		}
		requestID := newID()
		_, err = tx.Exec(ctx, `insert into password_resets (request_id, account_id, created_at) values ($1, $2, $3)`, requestID, account.ID, now)
		if err != nil {
			return fmt.Errorf("insert password reset: %w", err)
		}
		return outbox.Add(ctx, tx, events.PasswordResetRequested{RequestID: requestID, AccountID: account.ID})
	})
}

// ResetMail adds a token to a request that is still of use and tells whom to mail it. It may be called again for the same
// mail; each token it made works until one is used.
func (s *store) ResetMail(ctx context.Context, requestID string, hash []byte, now time.Time) (Account, error) {
	if uuid.Validate(requestID) != nil {
		return Account{}, problem.New(problem.NotFound, "reset-not-needed", "This reset mail is no longer needed.")
	}
	var account Account
	err := postgres.InTx(ctx, s.db, func(tx pgx.Tx) (err error) {
		account, err = collectAccount(tx.Query(ctx, `
			select `+accountColumns+` from accounts join password_resets r on r.account_id = accounts.id
			where r.request_id = $1 and r.created_at > $2 for share of r`, requestID, now.Add(-forgetIn)))
		if problem.Is(err, "account-not-found") {
			return problem.New(problem.NotFound, "reset-not-needed", "This reset mail is no longer needed.")
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into password_reset_tokens (hash, request_id, expires_at) values ($1, $2, $3)`,
			hash, requestID, now.Add(resetTTL))
		return err
	})
	return account, err
}

const accountOfReset = `
	select ` + accountColumns + ` from accounts join password_resets r on r.account_id = accounts.id
	join password_reset_tokens t on t.request_id = r.request_id where t.hash = $1 and t.expires_at > $2`

func resetRefused(err error) error {
	if problem.Is(err, "account-not-found") {
		return problem.New(problem.Invalid, "invalid-reset-token", "This link is not valid any more. Please ask for another.")
	}
	return err
}

// ResetAccount is the account that the owner of a reset token may set a password for.
func (s *store) ResetAccount(ctx context.Context, tokenHash []byte, now time.Time) (Account, error) {
	account, err := collectAccount(s.db.Query(ctx, accountOfReset, tokenHash, now))
	return account, resetRefused(err)
}

// Reset sets the password of a reset token's account, ends its sessions, and makes all its reset mails void. Whoever reads
// the mailbox is the owner, so the place is known from now on: a way in for one whom strangers' guesses keep out.
func (s *store) Reset(ctx context.Context, tokenHash []byte, passwordHash string, at place, now time.Time) error {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		account, err := collectAccount(tx.Query(ctx, accountOfReset+` for update of accounts`, tokenHash, now))
		if err != nil {
			return resetRefused(err)
		}
		// The lock may have been waited for while the same token was used.
		if _, err = collectAccount(tx.Query(ctx, accountOfReset, tokenHash, now)); err != nil {
			return resetRefused(err)
		}
		if err := setPassword(ctx, tx, account.ID, passwordHash, now); err != nil {
			return err
		}
		_, err = arrive(ctx, tx, account.ID, at, now)
		return err
	})
}

// ChangePassword sets the password of an account that still has the password it was loaded with, ends its sessions, and
// opens one.
func (s *store) ChangePassword(ctx context.Context, account Account, passwordHash string, at place, mfa bool, refreshHash []byte, now time.Time) (sessionID string, err error) {
	err = postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		var same bool
		err := tx.QueryRow(ctx, `select password_hash = $2 from accounts where id = $1 for update`, account.ID, account.PasswordHash).Scan(&same)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("lock account %s: %w", account.ID, err)
		}
		if !same {
			return problem.New(problem.Conflict, "password-changed", "The password was changed elsewhere meanwhile.")
		}
		if err := setPassword(ctx, tx, account.ID, passwordHash, now); err != nil {
			return err
		}
		sessionID, err = startSession(ctx, tx, account.ID, at, mfa, refreshHash, now)
		return err
	})
	return sessionID, err
}

// setPassword ends the sessions and voids the mails under way too: they belong to whoever knew the password before. The
// owner is told, in case it was somebody else.
func setPassword(ctx context.Context, tx pgx.Tx, accountID, passwordHash string, now time.Time) error {
	if _, err := tx.Exec(ctx, `update accounts set password_hash = $2 where id = $1`, accountID, passwordHash); err != nil {
		return fmt.Errorf("set the password of account %s: %w", accountID, err)
	}
	if _, err := tx.Exec(ctx, `delete from password_resets where account_id = $1`, accountID); err != nil {
		return fmt.Errorf("void the reset mails of account %s: %w", accountID, err)
	}
	if _, err := tx.Exec(ctx, `delete from email_changes where account_id = $1 and confirmed_at is null`, accountID); err != nil {
		return fmt.Errorf("void the changes of address of account %s: %w", accountID, err)
	}
	if err := endSessions(ctx, tx, accountID, "password changed", now); err != nil {
		return err
	}
	return notice(ctx, tx, accountID, events.NoticePasswordChanged, now)
}

// notice has the owner of an account told by mail what happened to it.
func notice(ctx context.Context, tx pgx.Tx, accountID string, what events.SecurityNotice, now time.Time) error {
	return outbox.Add(ctx, tx, events.SecurityNoticed{AccountID: accountID, Notice: what, At: now})
}
