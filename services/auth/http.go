package main

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/privacy"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

type server struct {
	accounts     *store
	keys         *keyring
	passwords    *hasher
	guard        *guard
	state        state // of challenges
	staffMFA     bool  // whether staff have their roles only with a second factor
	relyingParty *webauthn.WebAuthn
	placeKey     []byte // of the hashes that places are known by
	now          func() time.Time
}

func (s *server) routes() http.Handler {
	r := web.Router()
	r.Handle("/register", sidecar.OnlyFrom(s.register, "gateway")).Methods(http.MethodPost)
	r.Handle("/verify-email", sidecar.OnlyFrom(s.verifyEmail, "gateway")).Methods(http.MethodPost)
	r.Handle("/login", sidecar.OnlyFrom(s.login, "gateway")).Methods(http.MethodPost)
	r.Handle("/login/totp", sidecar.OnlyFrom(s.loginTOTP, "gateway")).Methods(http.MethodPost)
	r.Handle("/factors", sidecar.OnlyFrom(signedIn(s.factors), "gateway")).Methods(http.MethodGet)
	r.Handle("/factors/totp", sidecar.OnlyFrom(s.fresh(s.prepareTOTP), "gateway")).Methods(http.MethodPost)
	r.Handle("/factors/totp", sidecar.OnlyFrom(s.fresh(s.removeTOTP), "gateway")).Methods(http.MethodDelete)
	r.Handle("/factors/totp/confirmation", sidecar.OnlyFrom(s.fresh(s.confirmTOTP), "gateway")).Methods(http.MethodPost)
	r.Handle("/factors/recovery-codes", sidecar.OnlyFrom(s.fresh(s.renewRecoveryCodes), "gateway")).Methods(http.MethodPost)
	r.Handle("/passkeys", sidecar.OnlyFrom(signedIn(s.listPasskeys), "gateway")).Methods(http.MethodGet)
	r.Handle("/passkeys/{id}", sidecar.OnlyFrom(s.fresh(s.removePasskey), "gateway")).Methods(http.MethodDelete)
	r.Handle("/passkeys/register/begin", sidecar.OnlyFrom(s.fresh(s.beginPasskey), "gateway")).Methods(http.MethodPost)
	r.Handle("/passkeys/register/finish", sidecar.OnlyFrom(s.fresh(s.finishPasskey), "gateway")).Methods(http.MethodPost)
	r.Handle("/passkeys/login/begin", sidecar.OnlyFrom(s.beginPasskeyLogin, "gateway")).Methods(http.MethodPost)
	r.Handle("/passkeys/login/finish", sidecar.OnlyFrom(s.loginPasskey, "gateway")).Methods(http.MethodPost)
	r.Handle("/refresh", sidecar.OnlyFrom(s.refresh, "gateway")).Methods(http.MethodPost)
	r.Handle("/logout", sidecar.OnlyFrom(s.logout, "gateway")).Methods(http.MethodPost)
	r.Handle("/logout-all", sidecar.OnlyFrom(signedIn(s.logoutAll), "gateway")).Methods(http.MethodPost)
	r.Handle("/sessions", sidecar.OnlyFrom(signedIn(s.listSessions), "gateway")).Methods(http.MethodGet)
	r.Handle("/sessions", sidecar.OnlyFrom(signedIn(s.endOtherSessions), "gateway")).Methods(http.MethodDelete)
	r.Handle("/sessions/{id}", sidecar.OnlyFrom(signedIn(s.endOneSession), "gateway")).Methods(http.MethodDelete)
	r.Handle("/password/forgot", sidecar.OnlyFrom(s.forgotPassword, "gateway")).Methods(http.MethodPost)
	r.Handle("/password/reset", sidecar.OnlyFrom(s.resetPassword, "gateway")).Methods(http.MethodPost)
	r.Handle("/password/change", sidecar.OnlyFrom(signedIn(s.changePassword), "gateway")).Methods(http.MethodPost)
	r.Handle("/email/change", sidecar.OnlyFrom(s.fresh(s.changeEmail), "gateway")).Methods(http.MethodPost)
	r.Handle("/email/confirmation", sidecar.OnlyFrom(signedIn(s.confirmEmail), "gateway")).Methods(http.MethodPost)
	r.Handle("/guests", sidecar.OnlyFrom(s.admitGuests, "gateway")).Methods(http.MethodPost)
	r.Handle("/me", sidecar.OnlyFrom(signedIn(s.me), "gateway")).Methods(http.MethodGet)
	r.Handle("/jwks.json", web.Handler(s.jwks)).Methods(http.MethodGet)
	r.Handle("/ended-sessions", web.Handler(s.listEndedSessions)).Methods(http.MethodGet)
	r.Handle("/accounts/{id}", sidecar.OnlyFrom(s.account, "client", "notification")).Methods(http.MethodGet)
	r.Handle("/verification-mails/{requestId}", sidecar.OnlyFrom(s.makeVerificationMail, "notification")).Methods(http.MethodPost)
	r.Handle("/password-reset-mails/{requestId}", sidecar.OnlyFrom(s.makeResetMail, "notification")).Methods(http.MethodPost)
	r.Handle("/email-change-mails/{requestId}", sidecar.OnlyFrom(s.makeEmailChangeMail, "notification")).Methods(http.MethodPost)
	r.Handle("/former-addresses/{requestId}", sidecar.OnlyFrom(s.formerAddress, "notification")).Methods(http.MethodGet)
	outbox.Routes(r, s.accounts.db, app)
	outbox.Letters(r, s.accounts.db, app)
	privacy.Routes(r, s.accounts)
	return r
}

// registerTime is what every registration takes, so that the writes for a new account cannot be told from their absence.
const registerTime = 100 * time.Millisecond

// register takes a wish for an account. The answer, and the time it takes, is the same whether or not there is one.
func (s *server) register(w http.ResponseWriter, r *http.Request) error {
	done := time.NewTimer(registerTime)
	defer done.Stop()
	var req struct {
		Email    string `json:"email"`
		Password string `json:"password"`
		Name     string `json:"name"`
	}
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	reg, err := NewRegistration(req.Email, req.Name, req.Password)
	if err != nil {
		return err
	}
	hash, err := s.passwords.Hash(r.Context(), reg.Password)
	if err != nil {
		return err
	}
	if err := s.accounts.Register(r.Context(), reg, hash, s.now()); err != nil {
		return err
	}
	select {
	case <-done.C:
	case <-r.Context().Done():
	}
	return web.Encode(w, http.StatusAccepted, map[string]string{"status": "verification-sent"})
}

// verifyEmail takes the token of a verification mail, once.
func (s *server) verifyEmail(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Token string `json:"token"`
	}
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	if err := s.accounts.Verify(r.Context(), tokenHash(req.Token), s.now()); err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, map[string]string{"status": "verified"})
}

// login exchanges e-mail address and password for a new session. An unknown address takes as long as a wrong password.
func (s *server) login(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var req struct {
		Email    string `json:"email"`
		Password string `json:"password"`
	}
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	email, ok := NormalEmail(req.Email)
	if !ok {
		email = "" // nobody's
	}
	at := s.placeOf(r, email)
	attempt, err := s.guessAt(ctx, at, email)
	if err != nil {
		return err
	}
	if err := s.guard.Begin(ctx, attempt); err != nil {
		return err
	}
	account, err := s.accounts.AccountByEmail(ctx, email)
	if err != nil && !problem.Is(err, "account-not-found") {
		return err
	}
	right, err := s.passwords.Verify(ctx, account.PasswordHash, req.Password)
	if err != nil {
		return err
	}
	if !right {
		slog.WarnContext(ctx, "sign-in refused", "account", account.ID, "reason", "wrong password or no account")
		return problem.New(problem.Unauthenticated, "invalid-credentials", "E-mail address or password is wrong.")
	}
	if err := s.guard.Forgive(ctx, attempt); err != nil {
		return err
	}
	if err := account.mayEnter(); err != nil {
		slog.WarnContext(ctx, "sign-in refused", "account", account.ID, "reason", problem.From(err).Code)
		return err
	}
	factors, err := s.accounts.Factors(ctx, account.ID)
	if err != nil {
		return err
	}
	if factors.TOTP {
		return s.answerChallenge(w, r, challenge{Purpose: secondFactor, AccountID: account.ID},
			secondFactorAnswer{MFARequired: true, Methods: []string{"totp", "recovery-code"}})
	}
	return s.signIn(w, r, account, at, false)
}

// signIn opens a session for somebody who has proved to be the account's owner, with a second factor or without.
func (s *server) signIn(w http.ResponseWriter, r *http.Request, account Account, at place, mfa bool) error {
	token, hash := newToken()
	now := s.now()
	sessionID, err := s.accounts.SignIn(r.Context(), account.ID, at, mfa, hash, now)
	if err != nil {
		return err
	}
	slog.InfoContext(r.Context(), "signed in", "account", account.ID, "session", sessionID, "mfa", mfa)
	return s.answerSession(w, r, account, opened{sessionID, mfa, now, token, now.Add(idleTTL)})
}

// provePassword refuses unless password is the account's. Whoever got hold of somebody's session guesses no faster here
// than at the sign-in.
func (s *server) provePassword(r *http.Request, account Account, password string) error {
	ctx := r.Context()
	attempt, err := s.guessAt(ctx, s.placeOf(r, account.Email), account.Email)
	if err != nil {
		return err
	}
	if err := s.guard.Begin(ctx, attempt); err != nil {
		return err
	}
	right, err := s.passwords.Verify(ctx, account.PasswordHash, password)
	if err != nil {
		return err
	}
	if !right {
		slog.WarnContext(ctx, "password refused", "account", account.ID)
		return problem.New(problem.Forbidden, "wrong-password", "This is not your present password.")
	}
	return s.guard.Forgive(ctx, attempt)
}

type refreshRequest struct {
	RefreshToken string `json:"refreshToken"`
}

// refresh exchanges a refresh token for the next one and a new access token.
func (s *server) refresh(w http.ResponseWriter, r *http.Request) error {
	var req refreshRequest
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	token, next := newToken()
	got, err := s.accounts.Exchange(r.Context(), tokenHash(req.RefreshToken), next, s.now())
	if err != nil {
		return err
	}
	if got.Verdict != Accept {
		if got.Verdict == Stolen {
			slog.WarnContext(r.Context(), "refresh token used twice: session ended", "session", got.SessionID)
		}
		return problem.New(problem.Unauthenticated, "session-expired", "The session has expired. Please sign in again.")
	}
	return s.answerSession(w, r, got.Account, opened{got.SessionID, got.MFA, got.Began, token, got.Expires})
}

type sessionAnswer struct {
	AccessToken      string     `json:"accessToken"`
	AccessExpiresAt  time.Time  `json:"accessExpiresAt"`
	RefreshToken     string     `json:"refreshToken"`
	RefreshExpiresAt time.Time  `json:"refreshExpiresAt"`
	User             userAnswer `json:"user"`
}

type userAnswer struct {
	ID    string          `json:"id"`
	Email string          `json:"email"`
	Name  string          `json:"name"`
	Roles []identity.Role `json:"roles"`

	// Whether staff roles are withheld until the account has a second factor and signs in with it.
	SecondFactorRequired bool `json:"secondFactorRequired,omitempty"`
}

// user is what an account's owner is told of it in a session.
func (s *server) user(a Account, mfa bool) userAnswer {
	roles, withheld := s.granted(a, mfa)
	return userAnswer{a.ID, a.Email, a.Name, roles, withheld}
}

// opened is a session with the refresh token that goes on with it.
type opened struct {
	sessionID      string
	mfa            bool
	began          time.Time
	refreshToken   string
	refreshExpires time.Time
}

func (s *server) answerSession(w http.ResponseWriter, r *http.Request, a Account, o opened) error {
	user := s.user(a, o.mfa)
	access, expires, err := s.keys.accessToken(r.Context(), identity.Identity{
		Subject: identity.CustomerID(a.ID), SessionID: o.sessionID, Roles: user.Roles, Email: a.Email, Name: a.Name, AuthenticatedAt: o.began,
	})
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, sessionAnswer{access, expires.UTC(), o.refreshToken, o.refreshExpires.UTC(), user})
}

// logout ends the session. It answers alike whether there was one, so that a repeat is no error.
func (s *server) logout(w http.ResponseWriter, r *http.Request) error {
	var req refreshRequest
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	if err := s.accounts.SignOut(r.Context(), tokenHash(req.RefreshToken), s.now()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// maxGuests are the guests that one call may ask for.
const maxGuests = 100

// admittedGuest is the access token of somebody without an account.
type admittedGuest struct {
	AccessToken     string    `json:"accessToken"`
	AccessExpiresAt time.Time `json:"accessExpiresAt"`
}

// admitGuests makes access tokens for people without an account, each known by the random text of a cookie, in the order in
// which they are named. The same text is the same guest; whoever sees a guest's id cannot find the text.
func (s *server) admitGuests(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Guests []string `json:"guests"`
	}
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	if len(req.Guests) < 1 || len(req.Guests) > maxGuests {
		return problem.New(problem.Invalid, "invalid-guests", "Ask for 1 to %d guests.", maxGuests).
			WithFields(problem.FieldError{Field: "guests", Detail: fmt.Sprintf("must be 1 to %d", maxGuests)})
	}
	admitted := web.Page[admittedGuest]{}
	for _, guest := range req.Guests {
		if len(guest) < 20 || len(guest) > 200 {
			return problem.New(problem.Invalid, "invalid-guest", "A guest is known by 20 to 200 random characters.").
				WithFields(problem.FieldError{Field: "guests", Detail: "must have 20 to 200 characters each"})
		}
		subject := "guest:" + base64.RawURLEncoding.EncodeToString(tokenHash(guest))
		access, expires, err := s.keys.accessToken(r.Context(), identity.Identity{
			Subject: identity.CustomerID(subject), Roles: []identity.Role{identity.Guest},
		})
		if err != nil {
			return err
		}
		admitted.Items = append(admitted.Items, admittedGuest{access, expires.UTC()})
	}
	return web.Encode(w, http.StatusOK, admitted)
}

// me tells a signed-in caller who they are, as of now rather than as of their token.
func (s *server) me(w http.ResponseWriter, r *http.Request, caller identity.Identity) error {
	a, err := s.accounts.Account(r.Context(), string(caller.Subject))
	if err != nil {
		return err
	}
	session, err := s.accounts.liveSession(r.Context(), caller.SessionID)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, s.user(a, session.MFA))
}

// jwks publishes the keys that access tokens are verified with (RFC 7517).
func (s *server) jwks(w http.ResponseWriter, r *http.Request) error {
	set, err := s.keys.published(r.Context())
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, set)
}

// account tells the services that write to people their address and name.
func (s *server) account(w http.ResponseWriter, r *http.Request) error {
	a, err := s.accounts.Account(r.Context(), mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, struct {
		ID    string `json:"id"`
		Email string `json:"email"`
		Name  string `json:"name"`
	}{a.ID, a.Email, a.Name})
}

// makeVerificationMail makes the token of a mail at the moment it is written, so that it lies nowhere in clear.
func (s *server) makeVerificationMail(w http.ResponseWriter, r *http.Request) error {
	token, hash := newToken()
	email, name, err := s.accounts.VerificationMail(r.Context(), mux.Vars(r)["requestId"], hash, s.now())
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, mailAnswer{email, name, token})
}

// mailAnswer is whom to write to, and the token for them alone.
type mailAnswer struct {
	Email string `json:"email"`
	Name  string `json:"name"`
	Token string `json:"token"`
}
