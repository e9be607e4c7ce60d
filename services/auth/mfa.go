package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// fresh serves h to people who have signed in a moment ago, in a session that has not ended since.
func (s *server) fresh(h func(w http.ResponseWriter, r *http.Request, caller identity.Identity) error) web.Handler {
	return signedIn(func(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
		if _, err := s.accounts.liveSession(r.Context(), caller.SessionID); err != nil {
			return err
		}
		if err := caller.Fresh(s.now()); err != nil {
			return err
		}
		return h(w, r, caller)
	})
}

// live is what matters of a session that has not ended.
type live struct{ MFA bool }

func (s *store) liveSession(ctx context.Context, id string) (l live, err error) {
	over := problem.New(problem.Unauthenticated, "session-expired", "The session has expired. Please sign in again.")
	if uuid.Validate(id) != nil {
		return l, over
	}
	err = s.db.QueryRow(ctx, `select mfa from sessions where id = $1 and ended_at is null`, id).Scan(&l.MFA)
	if errors.Is(err, pgx.ErrNoRows) {
		return l, over
	}
	if err != nil {
		return l, fmt.Errorf("load session: %w", err)
	}
	return l, nil
}

// granted are the roles that an account has in a session. Who works here has more than a customer's only with a second
// factor, unless the shop does without (AUTH_STAFF_MFA); withheld tells that there would be more.
func (s *server) granted(a Account, mfa bool) (roles []identity.Role, withheld bool) {
	if mfa || !s.staffMFA {
		return a.Roles, false
	}
	roles = slices.DeleteFunc(slices.Clone(a.Roles), func(r identity.Role) bool { return r == identity.Support || r == identity.Admin })
	return roles, len(roles) < len(a.Roles)
}

// factors shows the caller their second factors.
func (s *server) factors(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
	f, err := s.accounts.Factors(r.Context(), string(caller.Subject))
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, f)
}

// prepareTOTP makes a secret for the caller's authenticator app. It is asked for only once a code of it was shown.
func (s *server) prepareTOTP(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
	account, err := s.accounts.Account(r.Context(), string(caller.Subject))
	if err != nil {
		return err
	}
	made, err := newAuthenticator(account.Email)
	if err != nil {
		return err
	}
	if err := s.accounts.PrepareTOTP(r.Context(), account.ID, s.keys.seal.sealSecret(account.ID, made.Secret), s.now()); err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, made)
}

type codeRequest struct {
	Code string `json:"code"`
}

type recoveryAnswer struct {
	RecoveryCodes []string `json:"recoveryCodes"` // shown once
}

// confirmTOTP takes the authenticator app into use, and hands out the recovery codes.
func (s *server) confirmTOTP(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
	var req codeRequest
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	account, codes := string(caller.Subject), newRecoveryCodes()
	if err := s.accounts.ConfirmTOTP(r.Context(), account, caller.SessionID, req.Code, s.keys.seal.secretOf(account), codes, s.now()); err != nil {
		return err
	}
	slog.InfoContext(r.Context(), "second factor added", "account", account, "factor", "totp")
	return web.Encode(w, http.StatusOK, recoveryAnswer{codes})
}

// removeTOTP takes the authenticator app out of use.
func (s *server) removeTOTP(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
	if err := s.accounts.RemoveTOTP(r.Context(), string(caller.Subject), s.now()); err != nil {
		return err
	}
	slog.InfoContext(r.Context(), "second factor removed", "account", string(caller.Subject), "factor", "totp")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// renewRecoveryCodes voids the caller's recovery codes and hands out others.
func (s *server) renewRecoveryCodes(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
	f, err := s.accounts.Factors(r.Context(), string(caller.Subject))
	if err != nil {
		return err
	}
	if !f.TOTP {
		return problem.New(problem.Conflict, "no-second-factor", "Recovery codes stand in for an authenticator app. Add one first.")
	}
	codes := newRecoveryCodes()
	if err := s.accounts.SetRecoveryCodes(r.Context(), string(caller.Subject), codes, s.now()); err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, recoveryAnswer{codes})
}

const secondFactor = "second-factor" // the purpose of a challenge

// secondFactorAnswer tells a browser whose password was right what else is asked for.
type secondFactorAnswer struct {
	MFARequired bool     `json:"mfaRequired"`
	Methods     []string `json:"methods"`
}

// loginTOTP finishes a sign-in whose password was right by a code of the authenticator app, or a recovery code.
func (s *server) loginTOTP(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var req codeRequest
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	b, err := s.findChallenge(r, secondFactor, func(challenge) bool { return true })
	if err != nil {
		return err
	}
	account, err := s.accounts.Account(ctx, b.AccountID)
	if err != nil {
		return err
	}
	if err := account.mayEnter(); err != nil {
		return err
	}
	at := s.placeOf(r, account.Email)
	attempt, err := s.guessAt(ctx, at, account.Email)
	if err != nil {
		return err
	}
	attempt.code = true
	if err := s.guard.Begin(ctx, attempt); err != nil {
		return err
	}
	accepted, err := s.accounts.TakeCode(ctx, account.ID, req.Code, s.keys.seal.secretOf(account.ID), s.now())
	if err != nil {
		return err
	}
	if !accepted {
		slog.WarnContext(ctx, "sign-in refused", "account", account.ID, "reason", "wrong code")
		return problem.New(problem.Unauthenticated, "wrong-code", "This code is not right, or was used before.")
	}
	if err := s.guard.Forgive(ctx, attempt); err != nil {
		return err
	}
	if err := s.finish(ctx, b); err != nil {
		return err
	}
	return s.signIn(w, r, account, at, true)
}
