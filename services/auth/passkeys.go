package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/jackc/pgx/v5"
	"golang.org/x/text/unicode/norm"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// Passkeys (WebAuthn level 3) sign in without a password. They have to verify their user, by a finger or a PIN, and so
// count as two factors: what one has, and what one is or knows.
const (
	mostPasskeys = 20

	registerPasskey = "register-passkey" // purposes of challenges
	usePasskey      = "use-passkey"
)

// newRelyingParty is the shop as browsers know it: a passkey works for the host of its public address only.
func newRelyingParty(publicURL string) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("SIDECART_PUBLIC_URL must be the address that customers know the shop by")
	}
	return webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "Sidecart", RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{
			Login:        webauthn.TimeoutConfig{Enforce: true, Timeout: challengeTTL, TimeoutUVD: challengeTTL},
			Registration: webauthn.TimeoutConfig{Enforce: true, Timeout: challengeTTL, TimeoutUVD: challengeTTL},
		},
	})
}

// Passkey is one of an account's.
type Passkey struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	CreatedAt  time.Time  `json:"createdAt"`
	LastUsedAt *time.Time `json:"lastUsedAt,omitempty"`

	credential webauthn.Credential
}

// holder is an account as the WebAuthn library sees it.
type holder struct {
	account  Account
	passkeys []Passkey
}

func (h holder) WebAuthnID() []byte          { return []byte(h.account.ID) }
func (h holder) WebAuthnName() string        { return h.account.Email }
func (h holder) WebAuthnDisplayName() string { return h.account.Name }

func (h holder) WebAuthnCredentials() []webauthn.Credential {
	var all []webauthn.Credential
	for _, p := range h.passkeys {
		all = append(all, p.credential)
	}
	return all
}

func (s *server) holder(ctx context.Context, accountID string) (holder, error) {
	account, err := s.accounts.Account(ctx, accountID)
	if err != nil {
		return holder{}, err
	}
	passkeys, err := s.accounts.Passkeys(ctx, accountID)
	return holder{account, passkeys}, err
}

// beginPasskey asks the caller's browser for another passkey, on a device that has none yet.
func (s *server) beginPasskey(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
	h, err := s.holder(r.Context(), string(caller.Subject))
	if err != nil {
		return err
	}
	if len(h.passkeys) >= mostPasskeys {
		return problem.New(problem.Conflict, "too-many-passkeys", "There is room for %d passkeys.", mostPasskeys)
	}
	options, session, err := s.relyingParty.BeginRegistration(h,
		webauthn.WithExclusions(webauthn.Credentials(h.WebAuthnCredentials()).CredentialDescriptors()))
	if err != nil {
		return fmt.Errorf("begin a passkey: %w", err)
	}
	return s.answerCeremony(w, r, registerPasskey, h.account.ID, session, options)
}

func (s *server) answerCeremony(w http.ResponseWriter, r *http.Request, purpose, accountID string, session *webauthn.SessionData, options any) error {
	state, err := json.Marshal(session)
	if err != nil {
		return fmt.Errorf("keep a ceremony: %w", err)
	}
	return s.answerChallenge(w, r, challenge{Purpose: purpose, AccountID: accountID, Session: state}, options)
}

// ceremony is the one that a request finishes, by the credential that it brings. It is over with that, whatever comes of
// it: a challenge is signed once.
func (s *server) ceremony(r *http.Request, purpose string, credential json.RawMessage) (accountID string, session webauthn.SessionData, err error) {
	signed := signedChallenge(credential)
	b, err := s.findChallenge(r, purpose, func(c challenge) bool {
		var asked webauthn.SessionData
		return json.Unmarshal(c.Session, &asked) == nil && asked.Challenge == signed
	})
	if err != nil {
		return "", session, err
	}
	if err := s.finish(r.Context(), b); err != nil {
		return "", session, err
	}
	if err := json.Unmarshal(b.Session, &session); err != nil {
		return "", session, fmt.Errorf("read a ceremony: %w", err)
	}
	return b.AccountID, session, nil
}

// signedChallenge is the challenge that a browser says it was asked with, "" if that cannot be read. It only tells the
// ceremonies of a browser's tabs apart; whether it was signed is checked afterwards.
func signedChallenge(credential json.RawMessage) string {
	var c struct {
		Response struct {
			ClientDataJSON protocol.URLEncodedBase64 `json:"clientDataJSON"`
		} `json:"response"`
	}
	var signed struct {
		Challenge string `json:"challenge"`
	}
	if json.Unmarshal(credential, &c) != nil || json.Unmarshal(c.Response.ClientDataJSON, &signed) != nil {
		return ""
	}
	return signed.Challenge
}

type credentialRequest struct {
	Name       string          `json:"name"`       // of a new passkey
	Credential json.RawMessage `json:"credential"` // PublicKeyCredential, as its toJSON() has it
}

// finishPasskey keeps the passkey that the browser made.
func (s *server) finishPasskey(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
	var req credentialRequest
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	name, err := passkeyName(req.Name, r.Header.Get(clientAgent))
	if err != nil {
		return err
	}
	accountID, session, err := s.ceremony(r, registerPasskey, req.Credential)
	if err != nil {
		return err
	}
	if accountID != string(caller.Subject) {
		return challengeExpired() // somebody else signed in meanwhile
	}
	h, err := s.holder(r.Context(), accountID)
	if err != nil {
		return err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(req.Credential)
	if err != nil {
		return invalidCredential(r.Context(), err)
	}
	made, err := s.relyingParty.CreateCredential(h, session, parsed)
	if err != nil {
		return invalidCredential(r.Context(), err)
	}
	p := Passkey{ID: encodeID(made.ID), Name: name, CreatedAt: s.now().UTC(), credential: *made}
	if err := s.accounts.AddPasskey(r.Context(), accountID, p); err != nil {
		return err
	}
	slog.InfoContext(r.Context(), "second factor added", "account", accountID, "factor", "passkey")
	return web.Encode(w, http.StatusCreated, p)
}

// passkeyName is what its owner calls a passkey, or else where it was made.
func passkeyName(name, agent string) (string, error) {
	name = norm.NFC.String(strings.TrimSpace(name))
	if name == "" {
		return agentFamily(agent), nil
	}
	if utf8.RuneCountInString(name) > maxName || strings.ContainsFunc(name, unicode.IsControl) {
		return "", problem.New(problem.Invalid, "invalid-name", "The name of a passkey has at most %d characters.", maxName).
			WithFields(problem.FieldError{Field: "name", Detail: fmt.Sprintf("must have at most %d characters", maxName)})
	}
	return name, nil
}

// invalidCredential hides from the caller what exactly did not hold; the log has it.
func invalidCredential(ctx context.Context, err error) error {
	detail := err.Error()
	if p, ok := errors.AsType[*protocol.Error](err); ok {
		detail = p.Type + ": " + p.Details
	}
	slog.WarnContext(ctx, "passkey refused", "reason", detail)
	return problem.New(problem.Invalid, "invalid-credential", "This passkey cannot be used.")
}

// listPasskeys shows the caller's.
func (s *server) listPasskeys(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
	list, err := s.accounts.Passkeys(r.Context(), string(caller.Subject))
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, web.Page[Passkey]{Items: list})
}

// removePasskey forgets one of the caller's.
func (s *server) removePasskey(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
	if err := s.accounts.RemovePasskey(r.Context(), string(caller.Subject), mux.Vars(r)["id"], s.now()); err != nil {
		return err
	}
	slog.InfoContext(r.Context(), "second factor removed", "account", string(caller.Subject), "factor", "passkey")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// beginPasskeyLogin asks a browser for any passkey of the shop. It says nothing of accounts.
func (s *server) beginPasskeyLogin(w http.ResponseWriter, r *http.Request) error {
	options, session, err := s.relyingParty.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return fmt.Errorf("begin a sign-in: %w", err)
	}
	return s.answerCeremony(w, r, usePasskey, "", session, options)
}

// loginPasskey signs in whoever the passkey belongs to.
func (s *server) loginPasskey(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var req credentialRequest
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	_, session, err := s.ceremony(r, usePasskey, req.Credential)
	if err != nil {
		return err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(req.Credential)
	if err != nil {
		return invalidCredential(ctx, err)
	}
	var found holder
	var failure error
	_, used, err := s.relyingParty.ValidatePasskeyLogin(func(_, userHandle []byte) (webauthn.User, error) {
		found, failure = s.holder(ctx, string(userHandle))
		return found, failure
	}, session, parsed)
	switch {
	case failure != nil && !problem.Is(failure, "account-not-found"):
		return failure
	case err != nil || used.Authenticator.CloneWarning: // a counter that does not go up belongs to a copy
		slog.WarnContext(ctx, "sign-in refused", "account", found.account.ID, "reason", "passkey does not hold", "copy", err == nil)
		return problem.New(problem.Unauthenticated, "invalid-credentials", "This passkey is not known here.")
	}
	if err := found.account.mayEnter(); err != nil {
		return err
	}
	if err := s.accounts.UsePasskey(ctx, *used, s.now()); err != nil {
		return err
	}
	return s.signIn(w, r, found.account, s.placeOf(r, found.account.Email), used.Flags.UserVerified)
}

func encodeID(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

// Passkeys are those of an account, oldest first.
func (s *store) Passkeys(ctx context.Context, accountID string) ([]Passkey, error) {
	rows, err := s.db.Query(ctx, `
		select id, name, credential, created_at, last_used_at from passkeys where account_id = $1 order by created_at, id limit $2`,
		accountID, mostPasskeys)
	if err != nil {
		return nil, fmt.Errorf("list passkeys: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Passkey, err error) {
		var id []byte
		err = row.Scan(&id, &p.Name, &p.credential, &p.CreatedAt, &p.LastUsedAt)
		p.ID = encodeID(id)
		return p, err
	})
}

// AddPasskey keeps a passkey; one that somebody has already is refused, whoever it is.
func (s *store) AddPasskey(ctx context.Context, accountID string, p Passkey) error {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			insert into passkeys (id, account_id, name, credential, created_at) values ($1, $2, $3, $4, $5) on conflict do nothing`,
			p.credential.ID, accountID, p.Name, p.credential, p.CreatedAt)
		if err != nil {
			return fmt.Errorf("keep passkey: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return problem.New(problem.Conflict, "passkey-exists", "This passkey is in use already.")
		}
		return notice(ctx, tx, accountID, events.NoticeFactorsChanged, p.CreatedAt)
	})
}

// UsePasskey keeps the counter that the authenticator counted up to.
func (s *store) UsePasskey(ctx context.Context, used webauthn.Credential, now time.Time) error {
	_, err := s.db.Exec(ctx, `update passkeys set credential = $2, last_used_at = $3 where id = $1`, used.ID, used, now)
	if err != nil {
		return fmt.Errorf("use passkey: %w", err)
	}
	return nil
}

// RemovePasskey forgets one of an account's; another's is not found.
func (s *store) RemovePasskey(ctx context.Context, accountID, id string, now time.Time) error {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || uuid.Validate(accountID) != nil {
		return passkeyNotFound()
	}
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `delete from passkeys where id = $1 and account_id = $2`, raw, accountID)
		if err != nil {
			return fmt.Errorf("remove passkey: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return passkeyNotFound()
		}
		return notice(ctx, tx, accountID, events.NoticeFactorsChanged, now)
	})
}

func passkeyNotFound() error {
	return problem.New(problem.NotFound, "passkey-not-found", "There is no such passkey.")
}
