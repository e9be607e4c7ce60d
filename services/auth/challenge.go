package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

// challengeHeader is the header in which the gateway, which alone may call, brings back the text of the challenge that it
// keeps in a cookie of the browser.
const challengeHeader = "Sidecart-Challenge"

const challengeTTL = 5 * time.Minute

// challenge is what was begun and is to be finished by the same browser, once and soon. It lies in the state store, so
// that any replica can finish it.
type challenge struct {
	Purpose   string `json:"purpose"` // what it may be finished as
	AccountID string `json:"accountId,omitempty"`
	Session   []byte `json:"session,omitempty"` // of a passkey's ceremony
}

// challengeAnswer goes to the gateway, which puts the challenge into a cookie and only the answer into the body.
type challengeAnswer struct {
	Challenge          string    `json:"challenge"`
	ChallengeExpiresAt time.Time `json:"challengeExpiresAt"`
	Answer             any       `json:"answer"`
}

// answerChallenge begins c and answers with what the browser is to show or sign.
func (s *server) answerChallenge(w http.ResponseWriter, r *http.Request, c challenge, answer any) error {
	token, hash := newToken()
	if err := s.state.Save(r.Context(), challengeKey(hash), c, "", challengeTTL); err != nil {
		return stateAway(err)
	}
	return web.Encode(w, http.StatusOK, challengeAnswer{token, s.now().Add(challengeTTL).UTC(), answer})
}

func challengeKey(hash []byte) string {
	return "challenge/" + base64.RawURLEncoding.EncodeToString(hash)
}

// begun is the challenge that a request finishes, and the version of it to take it away by.
type begun struct {
	challenge
	key, etag string
}

// findChallenge loads the challenge of a request that is to finish it.
func (s *server) findChallenge(r *http.Request, purpose string) (begun, error) {
	b := begun{key: challengeKey(tokenHash(r.Header.Get(challengeHeader)))}
	etag, found, err := s.state.Get(r.Context(), b.key, &b.challenge)
	if err != nil {
		return b, stateAway(err)
	}
	if !found || b.Purpose != purpose {
		return b, challengeExpired()
	}
	b.etag = etag
	return b, nil
}

// finish takes a challenge away; of two that finish it at once only one succeeds.
func (s *server) finish(ctx context.Context, b begun) error {
	err := s.state.Delete(ctx, b.key, b.etag)
	if errors.Is(err, sidecar.ErrETag) {
		return challengeExpired()
	}
	return stateAway(err)
}

func challengeExpired() error {
	return problem.New(problem.Unauthenticated, "challenge-expired", "This took too long. Please begin again.")
}

func stateAway(err error) error {
	if err == nil {
		return nil
	}
	p := problem.New(problem.Unavailable, "service-unavailable", "Signing in is not possible at the moment.").WithRetryAfter(time.Second)
	return fmt.Errorf("%w: %w", p, err)
}
