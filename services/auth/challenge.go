package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

// challengeHeader is the header in which the gateway, which alone may call, brings back the texts of the challenges that it
// keeps in a cookie of the browser, the latest first, with commas between them: every tab may have begun something.
const challengeHeader = "Sidecart-Challenge"

const (
	challengeTTL   = 5 * time.Minute
	mostChallenges = 8 // of one browser; earlier ones are forgotten
)

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

// findChallenge loads the challenge of a request that is to finish it: of those that its browser has begun for the
// purpose the one that fits, or else the latest.
func (s *server) findChallenge(r *http.Request, purpose string, fits func(challenge) bool) (latest begun, err error) {
	tokens := strings.Split(r.Header.Get(challengeHeader), ",")
	for _, token := range tokens[:min(len(tokens), mostChallenges)] {
		b := begun{key: challengeKey(tokenHash(token))}
		etag, found, err := s.state.Get(r.Context(), b.key, &b.challenge)
		if err != nil {
			return b, stateAway(err)
		}
		if !found || b.Purpose != purpose {
			continue
		}
		b.etag = etag
		if fits(b.challenge) {
			return b, nil
		}
		if latest.key == "" {
			latest = b
		}
	}
	if latest.key == "" {
		return latest, challengeExpired()
	}
	return latest, nil
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
