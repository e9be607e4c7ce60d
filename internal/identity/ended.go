package identity

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Access tokens outlive the sessions that they were made in. So that signing out means something before they end, every
// service asks auth every two seconds which sessions have ended lately, and believes no token of theirs (ADR 0011).
const (
	askEvery  = 2 * time.Second
	askWithin = 2 * time.Second

	// EndedKept is how long a session's end has to be remembered: no token of it is good any longer.
	EndedKept = MaxTTL + 2*leeway
)

// EndedSessions are sessions that were ended before their time.
type EndedSessions struct {
	Items []string  `json:"items"` // session ids; some may have been told before
	Until time.Time `json:"until"` // where to go on asking
	More  bool      `json:"more"`  // ask again at once
}

// AskEnded brings the sessions that ended since a moment; the zero time asks for all that still matter.
type AskEnded func(ctx context.Context, since time.Time) (EndedSessions, error)

// ended remembers sessions that are over, each as long as a token of it could be good.
type ended struct {
	mu       sync.RWMutex
	sessions map[string]time.Time // until when it matters
	since    time.Time
}

func (e *ended) has(session string) bool {
	if session == "" {
		return false
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	_, over := e.sessions[session]
	return over
}

func (e *ended) add(told EndedSessions, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, until := range e.sessions {
		if now.After(until) {
			delete(e.sessions, id)
		}
	}
	for _, id := range told.Items {
		if _, known := e.sessions[id]; !known {
			e.sessions[id] = now.Add(EndedKept)
		}
	}
	e.since = told.Until
}

// Follow learns of ended sessions until ctx ends. While auth is away, what is known stays known, and tokens go on being
// good until they end: auth's absence must not sign everybody out.
func (v *Verifier) Follow(ctx context.Context, ask AskEnded) error {
	away := false
	for {
		more, err := v.askOnce(ctx, ask)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end was asked for
		}
		if failed := err != nil; failed != away {
			away = failed
			if failed {
				slog.Warn("ended sessions are not known for now", "error", err.Error())
			} else {
				slog.Info("ended sessions are known again")
			}
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(askEvery):
		}
	}
}

func (v *Verifier) askOnce(ctx context.Context, ask AskEnded) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	told, err := ask(ctx, v.ended.since)
	if err != nil {
		return false, err
	}
	v.ended.add(told, time.Now())
	return told.More, nil
}
