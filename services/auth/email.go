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
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// changesKept is how long a change of address is kept: a notice of it that was held up still finds the former mailbox.
const changesKept = 7 * 24 * time.Hour

// changeEmail has a link mailed to the address that the caller would like to have instead of the present one. The answer,
// and the time it takes, is the same whether or not that address has an account.
func (s *server) changeEmail(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
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
	if err := s.accounts.RequestEmailChange(r.Context(), string(caller.Subject), email, s.now()); err != nil {
		return err
	}
	select {
	case <-done.C:
	case <-r.Context().Done():
	}
	return web.Encode(w, http.StatusAccepted, map[string]string{"status": "confirmation-sent"})
}

func invalidEmail(detail, fault string) error {
	return problem.New(problem.Invalid, "invalid-email", "%s", detail).WithFields(problem.FieldError{Field: "email", Detail: fault})
}

// makeEmailChangeMail makes the token of a mail to the new address at the moment it is written, so that it lies nowhere in
// clear.
func (s *server) makeEmailChangeMail(w http.ResponseWriter, r *http.Request) error {
	token, hash := newToken()
	email, name, err := s.accounts.EmailChangeMail(r.Context(), mux.Vars(r)["requestId"], hash, s.now())
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, mailAnswer{email, name, token})
}

// formerAddress tells notification where the owner was reached before a change of address.
func (s *server) formerAddress(w http.ResponseWriter, r *http.Request) error {
	email, name, err := s.accounts.FormerAddress(r.Context(), mux.Vars(r)["requestId"])
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, struct {
		Email string `json:"email"`
		Name  string `json:"name"`
	}{email, name})
}

// confirmEmail takes the token of such a mail, once, and from the account that asked for it alone: else whoever gets
// somebody to follow a link would have an account under that person's address. Every session ends.
func (s *server) confirmEmail(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
	ctx := r.Context()
	var req struct {
		Token string `json:"token"`
	}
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	if _, err := s.accounts.liveSession(ctx, caller.SessionID); err != nil {
		return err
	}
	account, hash := string(caller.Subject), tokenHash(req.Token)
	email, err := s.accounts.EmailOfChange(ctx, account, hash, s.now())
	if err != nil {
		return err
	}
	if err := s.accounts.ConfirmEmail(ctx, account, hash, s.placeOf(r, email), s.now()); err != nil {
		return err
	}
	slog.InfoContext(ctx, "e-mail address changed", "account", account)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// RequestEmailChange has a mail sent to the new address, unless that has an account, which the caller must not be able to
// tell. While a mail to the same address has not been made, a second wish adds none.
func (s *store) RequestEmailChange(ctx context.Context, accountID, email string, now time.Time) error {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		account, err := collectAccount(tx.Query(ctx, `select `+accountColumns+` from accounts where id = $1 and erased_at is null for update`, accountID))
		if err != nil {
			return err
		}
		if account.Email == email {
			return invalidEmail("This is your address already.", "is your address already")
		}
		var mails, unmade int
		var taken bool
		err = tx.QueryRow(ctx, `
			select count(*), count(*) filter (where email = $2 and not exists (select from email_change_tokens t where t.request_id = c.request_id)),
			       exists (select from accounts where email = $2 and verified_at is not null)
			from email_changes c where account_id = $1 and created_at > $3`,
			accountID, email, now.Add(-mailTTL)).Scan(&mails, &unmade, &taken)
		if err != nil {
			return fmt.Errorf("count changes of address: %w", err)
		}
		if unmade > 0 {
			return nil
		}
		if mails >= maxMails {
			return problem.New(problem.TooMany, "too-many-mails", "There are at most %d such mails a day.", maxMails).WithRetryAfter(time.Hour)
		}
		requestID := newID()
		_, err = tx.Exec(ctx, `insert into email_changes (request_id, account_id, email, created_at) values ($1, $2, $3, $4)`,
			requestID, accountID, email, now)
		if err != nil {
			return fmt.Errorf("insert change of address: %w", err)
		}
		if taken {
			return nil
		}
		return outbox.Add(ctx, tx, events.EmailChangeRequested{RequestID: requestID, AccountID: accountID})
	})
}

// EmailChangeMail adds a token to a request that is still of use and tells where to mail it. It may be called again for
// the same mail; each token it made works until one is used.
func (s *store) EmailChangeMail(ctx context.Context, requestID string, hash []byte, now time.Time) (email, name string, err error) {
	notNeeded := problem.New(problem.NotFound, "email-change-not-needed", "This mail is no longer needed.")
	if uuid.Validate(requestID) != nil {
		return "", "", notNeeded
	}
	err = postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			select c.email, a.name from email_changes c join accounts a on a.id = c.account_id
			where c.request_id = $1 and c.created_at > $2 and c.confirmed_at is null and a.suspended_at is null
			  and not exists (select from accounts o where o.email = c.email and o.verified_at is not null) for share of c`,
			requestID, now.Add(-mailTTL)).Scan(&email, &name)
		if errors.Is(err, pgx.ErrNoRows) {
			return notNeeded
		}
		if err != nil {
			return fmt.Errorf("load change of address %s: %w", requestID, err)
		}
		_, err = tx.Exec(ctx, `insert into email_change_tokens (hash, request_id, expires_at) values ($1, $2, $3)`,
			hash, requestID, now.Add(mailTTL))
		return err
	})
	return email, name, err
}

// FormerAddress is the mailbox of an account before a change that was confirmed.
func (s *store) FormerAddress(ctx context.Context, requestID string) (email, name string, err error) {
	notFound := problem.New(problem.NotFound, "email-change-not-found", "There is no such change of address.")
	if uuid.Validate(requestID) != nil {
		return "", "", notFound
	}
	err = s.db.QueryRow(ctx, `
		select c.former, a.name from email_changes c join accounts a on a.id = c.account_id
		where c.request_id = $1 and c.former is not null`, requestID).Scan(&email, &name)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", "", notFound
	}
	if err != nil {
		return "", "", fmt.Errorf("load former address: %w", err)
	}
	return email, name, nil
}

type emailChange struct{ requestID, email string }

// findChange is the change of an account's address that a token was mailed for.
func findChange(row pgx.Row) (c emailChange, err error) {
	err = row.Scan(&c.requestID, &c.email)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, problem.New(problem.Invalid, "invalid-email-token", "This link is not valid any more, or belongs to another account.")
	}
	if err != nil {
		return c, fmt.Errorf("load change of address: %w", err)
	}
	return c, nil
}

const changeOfToken = `
	select c.request_id::text, c.email from email_changes c join email_change_tokens t using (request_id)
	where t.hash = $1 and t.expires_at > $2 and c.account_id = $3 and c.confirmed_at is null`

// EmailOfChange is the address that an account gets by a token.
func (s *store) EmailOfChange(ctx context.Context, accountID string, tokenHash []byte, now time.Time) (string, error) {
	c, err := findChange(s.db.QueryRow(ctx, changeOfToken, tokenHash, now, accountID))
	return c.email, err
}

// ConfirmEmail gives an account the address of a token, ends its sessions, and makes void what was mailed to the former
// one, where the owner is told. Somebody who registered with the address and never proved it loses it to the one who did.
func (s *store) ConfirmEmail(ctx context.Context, accountID string, tokenHash []byte, at place, now time.Time) error {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		account, err := collectAccount(tx.Query(ctx, `select `+accountColumns+` from accounts where id = $1 for update`, accountID))
		if err != nil {
			return err
		}
		change, err := findChange(tx.QueryRow(ctx, changeOfToken, tokenHash, now, accountID)) // under the lock: of two at once one finds it
		if err != nil {
			return err
		}
		if err := vacate(ctx, tx, change.email, now); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `update accounts set email = $2 where id = $1`, accountID, change.email)
		if p, ok := errors.AsType[*pgconn.PgError](err); ok && p.Code == "23505" { // registered at this moment
			return emailTaken()
		}
		if err != nil {
			return fmt.Errorf("change the address of account %s: %w", accountID, err)
		}
		for _, q := range []struct {
			sql  string
			args []any
		}{
			{`update email_changes set former = $2, confirmed_at = $3 where request_id = $1`, []any{change.requestID, account.Email, now}},
			{`delete from email_changes where account_id = $1 and confirmed_at is null`, []any{accountID}},
			{`delete from password_resets where account_id = $1`, []any{accountID}},
			{`delete from places where account_id = $1`, []any{accountID}}, // they are known by the former address
		} {
			if _, err := tx.Exec(ctx, q.sql, q.args...); err != nil {
				return fmt.Errorf("change the address of account %s: %w", accountID, err)
			}
		}
		if _, err := arrive(ctx, tx, accountID, at, now); err != nil {
			return err
		}
		if err := endSessions(ctx, tx, accountID, "e-mail address changed", now); err != nil {
			return err
		}
		return outbox.Add(ctx, tx, events.SecurityNoticed{
			AccountID: accountID, Notice: events.NoticeEmailChanged, EmailChangeID: change.requestID, At: now,
		})
	})
}

// vacate takes an address from an account that never proved it; a proved one keeps it.
func vacate(ctx context.Context, tx pgx.Tx, email string, now time.Time) error {
	holder, err := collectAccount(tx.Query(ctx, `select `+accountColumns+` from accounts where email = $1 for update`, email))
	switch {
	case problem.Is(err, "account-not-found"):
		return nil
	case err != nil:
		return err
	case holder.Verified():
		return emailTaken()
	}
	return eraseAccount(ctx, tx, identity.CustomerID(holder.ID), now)
}

func emailTaken() error {
	return problem.New(problem.Conflict, "email-taken", "There is another account with this address.")
}
