package main

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar/sidecartest"
)

func TestSignInDelay(t *testing.T) {
	for failures, want := range map[int]time.Duration{
		0: 0, 1: 0, 4: 0, 5: time.Second, 6: 2 * time.Second, 9: 16 * time.Second, 11: time.Minute, 1 << 30: time.Minute,
	} {
		require.Equal(t, want, signInDelay(failures, freeHere), failures)
	}
	require.Zero(t, signInDelay(freeAddress-1, freeAddress))
}

// Whoever guesses from wherever, known places or not, at whatever pace: in no minute are more than twenty guesses
// evaluated for an account, and a right one does not open the door to more.
func TestAtMostTwentyGuessesAMinute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		g := &guard{state: sidecartest.NewMemory(), now: func() time.Time { return now }}
		var evaluated []time.Time
		for range rapid.IntRange(1, 300).Draw(t, "guesses") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 10, 500, 3000, 20_000}).Draw(t, "ms")) * time.Millisecond)
			attempt := guess{subject: "ada", address: fmt.Sprint(rapid.IntRange(0, 40).Draw(t, "address"))}
			if attempt.known = rapid.Bool().Draw(t, "known"); attempt.known && rapid.Bool().Draw(t, "device") {
				attempt.device = fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "device"))
			}
			err := g.Begin(t.Context(), attempt)
			if err == nil {
				evaluated = append(evaluated, now)
			} else if !problem.Is(err, "too-many-attempts") || problem.From(err).RetryAfter <= 0 {
				t.Fatal(err)
			}
		}
		for i, first := range evaluated {
			if i+20 < len(evaluated) && evaluated[i+20].Sub(first) < time.Minute {
				t.Fatalf("21 guesses within %s", evaluated[i+20].Sub(first))
			}
		}
	})
}

func TestRefusedGuessesProlongNothing(t *testing.T) {
	now := time.Now()
	g := &guard{state: sidecartest.NewMemory(), now: func() time.Time { return now }}
	stranger := guess{subject: "ada", address: "192.0.2.1"}
	for range freeHere {
		require.NoError(t, g.Begin(t.Context(), stranger))
	}
	for range 50 {
		require.Error(t, g.Begin(t.Context(), stranger))
	}
	now = now.Add(time.Second)
	require.NoError(t, g.Begin(t.Context(), stranger))

	// Where the account's own limit refuses, the place and the address do not count it either.
	for i := range perMinute {
		_ = g.Begin(t.Context(), guess{subject: "ada", address: fmt.Sprintf("198.51.100.%d", i)})
	}
	late := guess{subject: "ada", address: "203.0.113.1"}
	for range 2 * freeHere {
		require.Error(t, g.Begin(t.Context(), late))
	}
	now = now.Add(time.Minute)
	require.NoError(t, g.Begin(t.Context(), late))
}

func TestAnAddressThatTriesManyAccountsIsSlowedDown(t *testing.T) {
	g := &guard{state: sidecartest.NewMemory(), now: time.Now}
	refused := 0
	for i := range 2 * freeAddress {
		if g.Begin(t.Context(), guess{subject: fmt.Sprint("account ", i), address: "192.0.2.1"}) != nil {
			refused++
		}
	}
	require.Equal(t, freeAddress, refused)
	require.NoError(t, g.Begin(t.Context(), guess{subject: "account", address: "192.0.2.2"}))
	require.NoError(t, g.Begin(t.Context(), guess{subject: "account", address: "192.0.2.1", device: "x", known: true}),
		"a browser that signed in before does not suffer for its neighbours")
}

func TestGuessesAtOnceFromManyReplicasAllCount(t *testing.T) {
	shared := sidecartest.NewMemory()
	now := time.Now()
	var wg sync.WaitGroup
	var mu sync.Mutex
	evaluated := 0
	for i := range 200 {
		wg.Go(func() {
			g := &guard{state: shared, now: func() time.Time { return now }} // a replica each
			err := g.Begin(t.Context(), guess{subject: "ada", address: fmt.Sprint(i)})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				evaluated++
			} else if !problem.Is(err, "too-many-attempts") {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, evaluated, perMinute)
	require.Positive(t, evaluated)
}

func TestAThousandGuessesDoNotKeepTheOwnerOut(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	from := func(address, device, email, password string) answer {
		return s.do(request{
			method: http.MethodPost, path: "/login", from: "gateway", address: address, device: device, body: m{"email": email, "password": password},
		})
	}
	require.Equal(t, 200, from("192.0.2.1", "her browser", "ada@example.com", password).status)
	for _, email := range []string{"ada@example.com", "nobody@example.com"} {
		evaluated := 0
		for i := range 1000 {
			if a := from(fmt.Sprintf("198.51.100.%d", i%100), "", email, "wrong password"); a.status == 401 {
				evaluated++
			} else {
				requireProblem(t, 429, "too-many-attempts", a)
				require.NotEmpty(t, a.header.Get("Retry-After"))
			}
		}
		require.Equal(t, perMinute, evaluated, email)
	}
	require.Equal(t, 200, from("192.0.2.1", "", "ada@example.com", password).status, "at home, in another browser")
	require.Equal(t, 200, from("198.51.100.7", "her browser", "ada@example.com", password).status, "with her browser, elsewhere")
	requireProblem(t, 429, "too-many-attempts", from("203.0.113.9", "", "ada@example.com", password))

	token := s.resetToken("ada@example.com")
	reset := s.do(request{
		method: http.MethodPost, path: "/password/reset", from: "gateway", address: "203.0.113.9", body: m{"token": token, "password": another},
	})
	require.Equal(t, 200, reset.status, reset.text)
	require.Equal(t, 200, from("203.0.113.9", "", "ada@example.com", another).status, "whoever reads her mail is let in")
}

func TestANewBrowserIsToldOf(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	login := func(device string) {
		a := s.do(request{method: http.MethodPost, path: "/login", from: "gateway", device: device, body: m{"email": "ada@example.com", "password": password}})
		require.Equal(t, 200, a.status, a.text)
	}
	login("first")
	login("first")
	require.Empty(t, s.told("security-noticed-v1", "notice"))
	login("second")
	login("second")
	login("first")
	require.Equal(t, []string{"new-device"}, s.told("security-noticed-v1", "notice"))
	require.Zero(t, s.count(`select count(*) from places where encode(hash, 'escape') like '%first%'`))

	s.wait(placesKept + time.Hour)
	require.NoError(t, s.accounts.Sweep(t.Context(), s.clock()))
	require.Zero(t, s.count(`select count(*) from places`))
}

func TestPlacesOfAnAccountAreBounded(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	for i := range 40 {
		s.wait(time.Second)
		a := s.do(request{
			method: http.MethodPost, path: "/login", from: "gateway", device: fmt.Sprint("d", i), address: fmt.Sprint("a", i),
			body: m{"email": "ada@example.com", "password": password},
		})
		require.Equal(t, 200, a.status, a.text)
	}
	require.Equal(t, mostPlaces, s.count(`select count(*) from places`))
}

// Without the counts nobody may guess: the state store's absence must not be a way around them.
func TestWithoutTheStateStoreNobodyGuesses(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	for _, broken := range []string{"get", "save"} {
		s.memory.Before = func(verb string) error {
			if verb == broken {
				return io.ErrUnexpectedEOF
			}
			return nil
		}
		a := s.login("ada@example.com", password)
		requireProblem(t, 503, "service-unavailable", a)
		require.NotEmpty(t, a.header.Get("Retry-After"))
		require.NotContains(t, a.text, "EOF")
	}
	s.memory.Before = nil
	require.Equal(t, 200, s.login("ada@example.com", password).status)
}
