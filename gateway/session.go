package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sidecart/sidecart/internal/batch"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

const (
	deviceTTL  = 400 * 24 * time.Hour // the most that browsers keep a cookie
	guestTTL   = 30 * 24 * time.Hour  // as long as the basket of a guest is kept; every change starts it anew
	renewEarly = 10 * time.Second     // a token this close to its end is renewed, so that it does not end on its way
	renewedTTL = 30 * time.Second     // how long a renewal is told to the tabs that asked with the same old token

	spareGuests = 16              // guests that are made before they come
	spareLife   = 3 * time.Minute // that a token has left at least when it is given to a new guest
)

// sessions turns cookies into access tokens. It keeps nothing that a restart or another replica would miss.
type sessions struct {
	sidecar  *sidecar.Client
	now      func() time.Time
	renewing singleflight.Group
	renewed  *recent[renewal]
	guests   *recent[guestToken]
	newcomer *batch.Batcher[struct{}, string]
	spare    []spareGuest // of newcomer's rounds, which do not overlap
}

// session is what auth answers to login and refresh; or, if there is a challenge, what has to be done first.
type session struct {
	challenge
	AccessToken      string    `json:"accessToken"`
	AccessExpiresAt  time.Time `json:"accessExpiresAt"`
	RefreshToken     string    `json:"refreshToken"`
	RefreshExpiresAt time.Time `json:"refreshExpiresAt"`
	User             user      `json:"user"`
}

type user struct {
	ID    string          `json:"id"`
	Email string          `json:"email"`
	Name  string          `json:"name"`
	Roles []identity.Role `json:"roles"`

	SecondFactorRequired bool `json:"secondFactorRequired,omitempty"`
}

// challenge is a secret for a cookie and what the browser is told with it.
type challenge struct {
	Challenge          string          `json:"challenge,omitempty"`
	ChallengeExpiresAt time.Time       `json:"challengeExpiresAt,omitzero"`
	Answer             json.RawMessage `json:"answer,omitempty"`
}

type renewal struct {
	session session
	until   time.Time
}

type guestToken struct {
	AccessToken     string    `json:"accessToken"`
	AccessExpiresAt time.Time `json:"accessExpiresAt"`
}

// spareGuest is an identity that nobody has yet.
type spareGuest struct {
	secret string
	token  guestToken
}

func newSessions(sc *sidecar.Client) *sessions {
	s := &sessions{
		sidecar: sc, now: time.Now,
		renewed: newRecent[renewal](10_000), guests: newRecent[guestToken](20_000),
	}
	s.newcomer = batch.New(spareGuests, s.admit)
	return s
}

var errSessionExpired = problem.New(problem.Unauthenticated, "session-expired", "The session has expired. Please sign in again.")

// token is the credential that a request to a route of the given access travels with, "" for none.
func (s *sessions) token(w http.ResponseWriter, r *http.Request, a access) (string, error) {
	if a == anyone || a == provider {
		return "", nil
	}
	token, err := s.customer(w, r)
	if token != "" || err != nil {
		return token, err
	}
	if a == visitor {
		token, err = s.guest(w, r)
	}
	if token == "" && err == nil {
		err = problem.New(problem.Unauthenticated, "sign-in-required", "Please sign in first.")
	}
	return token, err
}

// customer is the access token of the signed-in caller, renewed if it has ended, "" without a session. A session that is
// over loses its cookies.
func (s *sessions) customer(w http.ResponseWriter, r *http.Request) (string, error) {
	access, refresh := cookie(r, accessCookie), cookie(r, refreshCookie)
	left := expiry(access).Sub(s.now())
	switch {
	case access == "" && refresh == "":
		return "", nil
	case left > renewEarly:
		return access, nil
	}
	renewed, err := s.renew(r.Context(), refresh)
	switch {
	case err == nil:
		setSession(w, renewed)
		return renewed.AccessToken, nil
	case problem.From(err).Kind == problem.Unauthenticated:
		dropCookies(w, refreshCookie, accessCookie)
		return "", errSessionExpired
	case left > 0: // auth is away: what the caller has is still good
		return access, nil
	}
	return "", err
}

// renew exchanges a refresh token. Each can be exchanged once and a second use ends the session, so the tabs of a browser,
// which notice the end of their access token at the same moment, must share one exchange; its result is kept for those that
// come a little later. It goes on if the tab that began it is closed.
func (s *sessions) renew(ctx context.Context, refresh string) (session, error) {
	if refresh == "" {
		return session{}, errSessionExpired
	}
	key := fingerprint(refresh)
	v, err, _ := s.renewing.Do(key, func() (any, error) {
		if done, ok := s.renewed.get(key); ok && s.now().Before(done.until) {
			return done.session, nil
		}
		var next session
		request := map[string]string{"refreshToken": refresh}
		if err := s.sidecar.Call(context.WithoutCancel(ctx), "auth", http.MethodPost, "/refresh", request, &next); err != nil {
			return nil, err
		}
		s.renewed.put(key, renewal{next, s.now().Add(renewedTTL)})
		return next, nil
	})
	if err != nil {
		return session{}, err
	}
	return v.(session), nil
}

// guest is the access token of the caller's guest identity, which is made if the request changes something; "" if it only reads.
func (s *sessions) guest(w http.ResponseWriter, r *http.Request) (token string, err error) {
	changes := r.Method != http.MethodGet && r.Method != http.MethodHead
	secret := guestSecret(r)
	if secret == "" {
		if !changes {
			return "", nil
		}
		if secret, err = s.newGuest(r.Context()); err != nil {
			return "", err
		}
	}
	token, err = s.guestToken(r.Context(), secret)
	if err == nil && changes {
		setCookie(w, guestCookie, secret, guestTTL)
	}
	return token, err
}

// guestToken gets the access token of a guest, from auth or from memory while it lasts.
func (s *sessions) guestToken(ctx context.Context, secret string) (string, error) {
	key := fingerprint(secret)
	if t, ok := s.guests.get(key); ok && t.AccessExpiresAt.Sub(s.now()) > renewEarly {
		return t.AccessToken, nil
	}
	tokens, err := s.guestTokens(ctx, secret)
	if err != nil {
		return "", err
	}
	s.guests.put(key, tokens[0])
	return tokens[0].AccessToken, nil
}

func (s *sessions) guestTokens(ctx context.Context, secrets ...string) ([]guestToken, error) {
	var admitted web.Page[guestToken]
	if err := s.sidecar.Call(ctx, "auth", http.MethodPost, "/guests", map[string][]string{"guests": secrets}, &admitted); err != nil {
		return nil, err
	}
	if len(admitted.Items) != len(secrets) {
		return nil, fmt.Errorf("auth admitted %d guests instead of %d", len(admitted.Items), len(secrets))
	}
	return admitted.Items, nil
}

// newGuest is the secret of somebody new, whose token is in memory. New guests come from a stock that is made sixteen at a
// time; an identity that has lain there for long is nobody's.
func (s *sessions) newGuest(ctx context.Context) (secret string, err error) {
	made := s.newcomer.Do(ctx, struct{}{})[0]
	return made.Out, made.Err
}

func (s *sessions) admit(ctx context.Context, round []*batch.Item[struct{}, string]) {
	s.spare = slices.DeleteFunc(s.spare, func(g spareGuest) bool { return g.token.AccessExpiresAt.Sub(s.now()) < spareLife })
	if lacking := len(round) - len(s.spare); lacking > 0 {
		secrets := make([]string, lacking+spareGuests)
		for i := range secrets {
			secrets[i] = newSecret()
		}
		tokens, err := s.guestTokens(ctx, secrets...)
		if err != nil {
			for _, item := range round {
				item.Err = err
			}
			return
		}
		for i, token := range tokens {
			s.spare = append(s.spare, spareGuest{secrets[i], token})
		}
	}
	for i, item := range round {
		item.Out = s.spare[i].secret
		s.guests.put(fingerprint(item.Out), s.spare[i].token)
	}
	s.spare = slices.Delete(s.spare, 0, len(round))
}

// mergeGuest moves what the caller collected as a guest into the customer's basket. The guest cookie goes once that is
// done: until then it is tried again whenever the basket is looked at.
func (s *sessions) mergeGuest(w http.ResponseWriter, r *http.Request, customerToken string) error {
	secret := guestSecret(r)
	if secret == "" {
		return nil
	}
	guest, err := s.guestToken(r.Context(), secret)
	if err != nil {
		return err
	}
	ctx := sidecar.WithBearer(r.Context(), customerToken)
	if err := s.sidecar.Call(ctx, "basket", http.MethodPost, "/basket/merge", map[string]string{"guestToken": guest}, nil); err != nil {
		return err
	}
	s.guests.drop(fingerprint(secret))
	dropCookies(w, guestCookie)
	return nil
}

// forgetAccess drops an access token that a service refused, so that the next request gets a fresh one or learns that the
// session is over.
func (s *sessions) forgetAccess(w http.ResponseWriter, r *http.Request) {
	if cookie(r, accessCookie) != "" {
		dropCookies(w, accessCookie)
	}
	if secret := guestSecret(r); secret != "" {
		s.guests.drop(fingerprint(secret))
	}
}

// sessionAnswer is a session without its tokens.
type sessionAnswer struct {
	User            user      `json:"user"`
	AccessExpiresAt time.Time `json:"accessExpiresAt"`
}

// login serves every route that opens a session: it puts the tokens into cookies and takes the guest's basket along. A
// basket that cannot be merged now does not stand in the way. Where a second factor is asked for first, it begins that.
func (s *server) login(w http.ResponseWriter, r *http.Request, to target) error {
	device := secretOf(r, deviceCookie)
	if device == "" {
		device = newSecret()
		r = r.Clone(r.Context())
		r.AddCookie(&http.Cookie{Name: deviceCookie, Value: device})
	}
	resp, err := s.send(w, r, to)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var made session
	if err := json.NewDecoder(resp.Body).Decode(&made); err != nil {
		return unavailable(to.app, err)
	}
	if made.Challenge != "" {
		return answerChallenge(w, r, made.challenge)
	}
	s.endFormer(r)
	setSession(w, made)
	setCookie(w, deviceCookie, device, deviceTTL)
	if cookie(r, challengeCookie) != "" {
		dropCookies(w, challengeCookie)
	}
	if err := s.sessions.mergeGuest(w, r, made.AccessToken); err != nil {
		slog.WarnContext(r.Context(), "a guest's basket waits for the next look at it", "error", err.Error())
	}
	s.claimOrders(r, made.AccessToken)
	return web.Encode(w, http.StatusOK, sessionAnswer{made.User, made.AccessExpiresAt})
}

// endFormer ends the session that a browser had before the one that it has just got: nobody would ever sign out of it. What
// cannot be ended now runs out by itself.
func (s *server) endFormer(r *http.Request) {
	refresh := cookie(r, refreshCookie)
	if refresh == "" {
		return
	}
	if err := s.sidecar.Call(r.Context(), "auth", http.MethodPost, "/logout", map[string]string{"refreshToken": refresh}, nil); err != nil {
		slog.WarnContext(r.Context(), "the session before this one runs on", "error", err.Error())
	}
}

// claimWithin is how long a sign-in waits for the orders that its owner placed as a guest. What is not claimed now is at
// the next sign-in.
const claimWithin = time.Second

// claimOrders gives the customer the orders that were placed by guests with the customer's proved e-mail address.
func (s *server) claimOrders(r *http.Request, customerToken string) {
	ctx, cancel := context.WithTimeout(sidecar.WithBearer(r.Context(), customerToken), claimWithin)
	defer cancel()
	if err := s.sidecar.Call(ctx, "ordering", http.MethodPost, "/claims", nil, nil); err != nil {
		slog.WarnContext(r.Context(), "guest orders wait for the next sign-in", "error", err.Error())
	}
}

// begin serves the routes that begin what the same browser is to finish.
func (s *server) begin(w http.ResponseWriter, r *http.Request, to target) error {
	resp, err := s.send(w, r, to)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var made challenge
	if err := json.NewDecoder(resp.Body).Decode(&made); err != nil {
		return unavailable(to.app, err)
	}
	return answerChallenge(w, r, made)
}

func answerChallenge(w http.ResponseWriter, r *http.Request, made challenge) error {
	all := append([]string{made.Challenge}, challengesOf(r)...)
	setCookie(w, challengeCookie, strings.Join(all[:min(len(all), mostChallenges)], "."), time.Until(made.ChallengeExpiresAt))
	return web.Encode(w, http.StatusOK, made.Answer)
}

// refresh renews the session although it may have time left.
func (s *server) refresh(w http.ResponseWriter, r *http.Request, _ target) error {
	refresh := cookie(r, refreshCookie)
	if refresh == "" {
		return problem.New(problem.Unauthenticated, "sign-in-required", "Please sign in first.")
	}
	renewed, err := s.sessions.renew(r.Context(), refresh)
	switch {
	case err == nil:
	case problem.From(err).Kind == problem.Unauthenticated:
		dropCookies(w, refreshCookie, accessCookie)
		return errSessionExpired
	default:
		return err
	}
	setSession(w, renewed)
	return web.Encode(w, http.StatusOK, sessionAnswer{renewed.User, renewed.AccessExpiresAt})
}

// logout ends the session. If auth cannot be told, the cookies stay, so that trying again means something.
func (s *server) logout(w http.ResponseWriter, r *http.Request, to target) error {
	if refresh := cookie(r, refreshCookie); refresh != "" {
		err := s.sidecar.Call(r.Context(), to.app, r.Method, to.path, map[string]string{"refreshToken": refresh}, nil)
		if err != nil && problem.From(err).Kind != problem.Unauthenticated {
			return err
		}
	}
	dropCookies(w, refreshCookie, accessCookie)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// leave serves the routes that end the caller's sessions everywhere.
func (s *server) leave(w http.ResponseWriter, r *http.Request, to target) error {
	resp, err := s.send(w, r, to)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	dropCookies(w, refreshCookie, accessCookie)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
