package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
)

// The limits on guessing. Together they let at most twenty guesses a minute be evaluated for an account, however many
// addresses they come from, and keep ten of these for where the owner has been before: strangers cannot use them up.
const (
	perMinute    = 10 // guesses of a password evaluated for an account, of those from known places and of all others
	codesPerHour = 10 // …and of six-digit codes, of which three are right at any time
	freeHere     = 5  // failures in a row for an account from one place before the next has to wait
	freeAddress  = 50 // …and from one address, whatever the accounts

	forgetGuesses = 30 * time.Minute
	guardTries    = 20
)

// signInDelay is how long to wait after the given number of failures in a row: nothing for the first few, then doubling
// to at most a minute, so that guessing is hopeless and nobody is locked out.
func signInDelay(failures, free int) time.Duration {
	if failures < free {
		return 0
	}
	return min(time.Second<<min(failures-free, 10), time.Minute)
}

// state is what the guard needs of a key-value store: versioned reads and writes, as sidecar.StateStore gives them.
type state interface {
	Get(ctx context.Context, key string, v any) (etag string, found bool, err error)
	Save(ctx context.Context, key string, v any, etag string, ttl time.Duration) error
	Delete(ctx context.Context, key, etag string) error
}

// guard slows guessing down. It counts in the state store, so that replicas share the counts, and never joins them with
// accounts, so that an address without an account is slowed down just the same.
type guard struct {
	state state
	now   func() time.Time
}

// guess is an attempt to prove to be somebody.
type guess struct {
	subject string // the e-mail address it is guessed for
	code    bool   // a code after the right password, rather than a password
	address string // of the client
	device  string // what the browser is known by, "" if the subject was never proved with it
	known   bool   // whether the subject was proved from this device or address before
}

// counter is one of the counts of a guess.
type counter struct {
	key  string
	free int           // of a streak; 0 for a window
	most int           // of a window
	per  time.Duration // of a window
}

// counters are kept by hashes: the store is no place for addresses.
func (g guess) counters() []counter {
	here, class := g.address, "strangers"
	if g.device != "" {
		here = "device " + g.device
	}
	if g.known {
		class = "known"
	}
	what, most, per := "password", perMinute, time.Minute
	if g.code {
		what, most, per = "code", codesPerHour, time.Hour
	}
	counters := []counter{{key: counterKey("here", what, g.subject, here), free: freeHere}}
	if g.device == "" {
		counters = append(counters, counter{key: counterKey("address", g.address), free: freeAddress})
	}
	return append(counters, counter{key: counterKey("account", what, g.subject, class), most: most, per: per})
}

func counterKey(parts ...string) string {
	sum := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return "guesses/" + base64.RawURLEncoding.EncodeToString(sum.Sum(nil))
}

// counted is what the store holds of a counter.
type counted struct {
	Failures int         `json:"failures,omitempty"` // in a row
	Last     time.Time   `json:"last,omitzero"`
	Times    []time.Time `json:"times,omitempty"` // of a window, oldest first
}

// take counts a guess, or says how long it has to wait.
func (c *counted) take(of counter, now time.Time) (wait time.Duration) {
	if of.free == 0 {
		c.Times = slices.DeleteFunc(c.Times, func(t time.Time) bool { return now.Sub(t) >= of.per })
		if len(c.Times) >= of.most {
			return of.per - now.Sub(c.Times[0])
		}
		c.Times = append(c.Times, now)
		return 0
	}
	if now.Sub(c.Last) > forgetGuesses {
		c.Failures = 0
	}
	if wait = signInDelay(c.Failures, of.free) - now.Sub(c.Last); wait > 0 {
		return wait
	}
	c.Failures, c.Last = c.Failures+1, now
	return 0
}

// giveBack uncounts a guess that was not evaluated, or was right.
func (c *counted) giveBack() {
	c.Failures = max(0, c.Failures-1)
	if len(c.Times) > 0 {
		c.Times = c.Times[:len(c.Times)-1]
	}
}

// Begin counts a guess as wrong before it is looked at, so that a hundred at once count as a hundred. It refuses while
// the delay for earlier ones lasts; a refused guess counts nowhere and so prolongs nothing.
func (g *guard) Begin(ctx context.Context, attempt guess) error {
	counters := attempt.counters()
	for i, c := range counters {
		var wait time.Duration
		err := g.update(ctx, c, func(n *counted) { wait = n.take(c, g.now()) })
		if err == nil && wait <= 0 {
			continue
		}
		for _, earlier := range counters[:i] {
			err = errors.Join(err, g.update(ctx, earlier, (*counted).giveBack))
		}
		if err != nil {
			return err
		}
		return problem.New(problem.TooMany, "too-many-attempts", "Too many failed attempts. Please wait a moment.").WithRetryAfter(wait)
	}
	return nil
}

// Forgive uncounts a guess that was right, and what was wrong in the same place before it.
func (g *guard) Forgive(ctx context.Context, attempt guess) error {
	for i, c := range attempt.counters() {
		err := g.update(ctx, c, func(n *counted) {
			n.giveBack()
			if i == 0 {
				n.Failures = 0
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// update changes what is counted, again and again until nobody else has written meanwhile. So many at once for one
// counter that it does not succeed are refused: only an attack looks like this.
func (g *guard) update(ctx context.Context, c counter, change func(*counted)) error {
	for try := range guardTries {
		var n counted
		etag, _, err := g.state.Get(ctx, c.key, &n)
		if err == nil {
			change(&n)
			ttl := forgetGuesses
			if c.free == 0 {
				ttl = c.per
			}
			err = g.state.Save(ctx, c.key, n, etag, ttl)
		}
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, sidecar.ErrETag):
			p := problem.New(problem.Unavailable, "service-unavailable", "Signing in is not possible at the moment.").WithRetryAfter(time.Second)
			return fmt.Errorf("%w: count guesses: %w", p, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(time.Millisecond * time.Duration(5*(try+1)))):
		}
	}
	return problem.New(problem.TooMany, "too-many-attempts", "Too many attempts at once. Please wait a moment.").WithRetryAfter(time.Second)
}
