package identity

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/problem"
)

// answers is an auth that tells what the test put in.
type answers struct {
	mu    sync.Mutex
	next  []EndedSessions
	err   error
	asked []time.Time
}

func (a *answers) ask(_ context.Context, since time.Time) (EndedSessions, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, since)
	if a.err != nil || len(a.next) == 0 {
		return EndedSessions{Until: since}, a.err
	}
	told := a.next[0]
	a.next = a.next[1:]
	return told, nil
}

func TestATokenOfAnEndedSessionIsRefusedThoughItWasJustVerified(t *testing.T) {
	public, private := keyPair(t)
	v := verifier(public)
	sign := func(session string) string {
		token, err := NewSigner("k1", private).Sign(Identity{Subject: "c-1", SessionID: session, Roles: []Role{Customer}}, time.Now(), MaxTTL)
		require.NoError(t, err)
		return token
	}
	here, there, guest := sign("s-1"), sign("s-2"), sign("")
	for _, token := range []string{here, there, guest} {
		_, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
	}
	auth := &answers{next: []EndedSessions{{Items: []string{"s-1", ""}, Until: time.Now()}}}
	_, err := v.askOnce(t.Context(), auth.ask)
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), here)
	require.True(t, problem.Is(err, "session-expired"), "%v", err)
	_, err = v.Verify(t.Context(), sign("s-1"))
	require.True(t, problem.Is(err, "session-expired"), "a token not seen before: %v", err)
	for _, token := range []string{there, guest} {
		_, err = v.Verify(t.Context(), token)
		require.NoError(t, err)
	}
}

func TestFollowGoesOnWhereItWasAndStandsAuthsAbsence(t *testing.T) {
	public, _ := keyPair(t)
	v := verifier(public)
	first, second := time.Now().Add(-time.Minute), time.Now()
	auth := &answers{next: []EndedSessions{{Items: []string{"s-1"}, Until: first, More: true}, {Items: []string{"s-2"}, Until: second}}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- v.Follow(ctx, auth.ask) }()
	require.Eventually(t, func() bool { return v.ended.has("s-2") }, time.Second, time.Millisecond, "more is asked for at once")
	stop()
	require.NoError(t, <-done)
	require.True(t, v.ended.has("s-1"))
	require.Equal(t, []time.Time{{}, first}, auth.asked)

	auth.err = errors.New("away")
	_, err := v.askOnce(t.Context(), auth.ask)
	require.Error(t, err)
	require.True(t, v.ended.has("s-1"), "what is known stays known")
	auth.err = nil
	_, err = v.askOnce(t.Context(), auth.ask)
	require.NoError(t, err)
	require.Equal(t, second, auth.asked[len(auth.asked)-1])
}

func TestEndedSessionsAreForgottenWhenTheyMatterNoLonger(t *testing.T) {
	e := ended{sessions: map[string]time.Time{}}
	now := time.Now()
	for i := range 100 {
		e.add(EndedSessions{Items: []string{fmt.Sprint(i), "again"}}, now.Add(time.Duration(i)*time.Minute))
	}
	require.True(t, e.has("99"))
	require.False(t, e.has("0"))
	require.Less(t, len(e.sessions), 15)
	require.GreaterOrEqual(t, EndedKept, MaxTTL+leeway, "no token outlives the memory of its session's end")
}
