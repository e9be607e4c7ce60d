package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/problem"
)

const another = "another battery staple"

// resets are the reset mails asked for so far, oldest first.
func (s *service) resets() []string { return s.told("password-reset-requested-v1", "requestId") }

func (s *service) resetMail(requestID string) answer {
	return s.do(request{method: http.MethodPost, path: "/password-reset-mails/" + requestID, from: "notification"})
}

// resetToken asks for a reset mail and takes the token out of it.
func (s *service) resetToken(email string) string {
	require.Equal(s.t, http.StatusAccepted, s.post("/password/forgot", m{"email": email}).status)
	ids := s.resets()
	mail := s.resetMail(ids[len(ids)-1])
	require.Equal(s.t, http.StatusOK, mail.status, mail.text)
	return mail.string("token")
}

// as sends a request of somebody signed in.
func (s *service) as(session answer, method, path string, body any) answer {
	return s.do(request{method: method, path: path, from: "gateway", bearer: session.string("accessToken"), body: body})
}

func TestAForgottenPasswordIsReplacedOnce(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	session := s.login("ada@example.com", password)
	token := s.resetToken("Ada@example.com")
	require.GreaterOrEqual(t, len(token), 43)
	require.Zero(t, s.count(`select count(*) from outbox where data::text like '%ada%' or data::text like '%`+token+`%'`))

	requireProblem(t, 400, "invalid-password", s.post("/password/reset", m{"token": token, "password": "short"}))
	requireProblem(t, 400, "invalid-password", s.post("/password/reset", m{"token": token, "password": "ada@example.com"}))
	requireProblem(t, 400, "invalid-reset-token", s.post("/password/reset", m{"token": token + "x", "password": another}))
	a := s.post("/password/reset", m{"token": token, "password": another})
	require.JSONEq(t, `{"status":"password-changed"}`, a.text)
	requireProblem(t, 400, "invalid-reset-token", s.post("/password/reset", m{"token": token, "password": another}))

	requireProblem(t, 401, "session-expired", s.refresh(session.string("refreshToken")))
	requireProblem(t, 401, "invalid-credentials", s.login("ada@example.com", password))
	require.Equal(t, 200, s.login("ada@example.com", another).status)
	require.Equal(t, []string{"password-changed"}, s.told("security-noticed-v1", "notice"))
}

func TestForgotAnswersUnknownAddressesAlike(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	s.register("unproved@example.com", password)
	known := s.post("/password/forgot", m{"email": "ada@example.com"})
	for _, email := range []string{"nobody@example.com", "unproved@example.com"} {
		a := s.post("/password/forgot", m{"email": email})
		require.Equal(t, known.status, a.status)
		require.Equal(t, known.text, a.text)
		require.Equal(t, known.header, a.header)
	}
	require.Len(t, s.resets(), 1)
	requireProblem(t, 400, "invalid-email", s.post("/password/forgot", m{"email": "nobody"}))
}

func TestResetMailsAreFewAndShortLived(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	for range 3 { // a double click sends one mail
		require.Equal(t, http.StatusAccepted, s.post("/password/forgot", m{"email": "ada@example.com"}).status)
	}
	require.Len(t, s.resets(), 1)
	first := s.resetMail(s.resets()[0]).string("token")
	s.wait(resetTTL)
	requireProblem(t, 400, "invalid-reset-token", s.post("/password/reset", m{"token": first, "password": another}))
	requireProblem(t, 404, "reset-not-needed", s.resetMail(s.resets()[0]))
	for _, id := range []string{"%00", "x", "0196f1e5-0000-7000-8000-000000000000"} {
		requireProblem(t, 404, "reset-not-needed", s.resetMail(id))
	}
	for range maxMails + 2 {
		require.Equal(t, http.StatusAccepted, s.post("/password/forgot", m{"email": "ada@example.com"}).status)
		ids := s.resets()
		require.Equal(t, 200, s.resetMail(ids[len(ids)-1]).status)
	}
	require.Len(t, s.resets(), maxMails)

	token := s.resetMail(s.resets()[maxMails-1]).string("token")
	other := s.resetMail(s.resets()[maxMails-2]).string("token")
	require.Equal(t, 200, s.post("/password/reset", m{"token": token, "password": another}).status)
	requireProblem(t, 400, "invalid-reset-token", s.post("/password/reset", m{"token": other, "password": password}))
}

func TestAResetTokenUsedAtOnceWorksOnce(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	token := s.resetToken("ada@example.com")
	var wg sync.WaitGroup
	var mu sync.Mutex
	byStatus := map[int]int{}
	for range 5 {
		wg.Go(func() {
			a := s.post("/password/reset", m{"token": token, "password": another})
			mu.Lock()
			defer mu.Unlock()
			byStatus[a.status]++
		})
	}
	wg.Wait()
	require.Equal(t, map[int]int{200: 1, 400: 4}, byStatus)
}

func TestChangingThePasswordEndsAllSessionsButTheNewOne(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	here, there := s.login("ada@example.com", password), s.login("ada@example.com", password)
	unmade := s.resetToken("ada@example.com")
	change := func(current, next string) answer {
		return s.as(here, http.MethodPost, "/password/change", m{"currentPassword": current, "newPassword": next})
	}
	requireProblem(t, 403, "wrong-password", change("wrong password", another))
	requireProblem(t, 400, "invalid-password", change(password, "password"))
	made := change(password, another)
	require.Equal(t, 200, made.status, made.text)
	for _, old := range []answer{here, there} {
		requireProblem(t, 401, "session-expired", s.refresh(old.string("refreshToken")))
	}
	require.Equal(t, 200, s.refresh(made.string("refreshToken")).status)
	require.Equal(t, 200, s.login("ada@example.com", another).status)
	requireProblem(t, 400, "invalid-reset-token", s.post("/password/reset", m{"token": unmade, "password": password}))
}

func TestPasswordsAreGuessedNoFasterInside(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	session := s.login("ada@example.com", password)
	guess := func() answer {
		return s.as(session, http.MethodPost, "/password/change", m{"currentPassword": "wrong password", "newPassword": another})
	}
	for range 5 {
		requireProblem(t, 403, "wrong-password", guess())
	}
	requireProblem(t, 429, "too-many-attempts", guess())
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	s.customer("bob@example.com")
	from := func(email, agent string) answer {
		return s.do(request{method: http.MethodPost, path: "/login", from: "gateway", agent: agent, address: "203.0.113.77", body: m{"email": email, "password": password}})
	}
	here := from("ada@example.com", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	there := from("ada@example.com", "curl/8.5.0")
	bobs := from("bob@example.com", "")
	list := func(session answer) []m {
		a := s.as(session, http.MethodGet, "/sessions", nil)
		require.Equal(t, 200, a.status, a.text)
		var items []m
		for _, item := range a.fields["items"].([]any) {
			items = append(items, item.(m))
		}
		return items
	}
	items := list(here)
	require.Len(t, items, 2)
	require.Equal(t, "Another program", items[0]["agent"])
	require.Equal(t, false, items[0]["current"])
	require.Equal(t, "Firefox on Linux", items[1]["agent"])
	require.Equal(t, true, items[1]["current"])
	require.Equal(t, "203.0.113.x", items[1]["network"])
	for _, field := range []string{"createdAt", "lastSeenAt"} {
		at, err := time.Parse(time.RFC3339, items[1][field].(string))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), at, time.Minute)
	}

	theirs := list(bobs)[0]["id"].(string)
	for _, id := range []string{theirs, "x", "%00", "0196f1e5-0000-7000-8000-000000000000"} {
		requireProblem(t, 404, "session-not-found", s.as(here, http.MethodDelete, "/sessions/"+id, nil))
	}
	id := items[0]["id"].(string)
	require.Equal(t, 204, s.as(here, http.MethodDelete, "/sessions/"+id, nil).status)
	requireProblem(t, 404, "session-not-found", s.as(here, http.MethodDelete, "/sessions/"+id, nil))
	requireProblem(t, 401, "session-expired", s.refresh(there.string("refreshToken")))
	require.Len(t, list(here), 1)

	others := []answer{from("ada@example.com", ""), from("ada@example.com", "")}
	require.Equal(t, 204, s.as(here, http.MethodDelete, "/sessions", nil).status)
	require.Len(t, list(here), 1)
	for _, other := range others {
		requireProblem(t, 401, "session-expired", s.refresh(other.string("refreshToken")))
		requireProblem(t, 401, "session-expired", s.as(other, http.MethodDelete, "/sessions", nil))
	}

	require.Equal(t, 204, s.as(here, http.MethodPost, "/logout-all", nil).status)
	requireProblem(t, 401, "session-expired", s.refresh(here.string("refreshToken")))
	require.Equal(t, 200, s.refresh(bobs.string("refreshToken")).status)
}

func TestEndedSessionsAreToldToEveryService(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	ask := func(since string) answer {
		return s.do(request{method: http.MethodGet, path: "/ended-sessions?since=" + url.QueryEscape(since), from: "basket"})
	}
	beginning := ask("0001-01-01T00:00:00Z")
	require.Equal(t, 200, beginning.status, beginning.text)
	require.Empty(t, beginning.fields["items"])

	here, there := s.login("ada@example.com", password), s.login("ada@example.com", password)
	verify := s.keys.verifier()
	following, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { _ = verify.Follow(following, s.accounts.EndedSessions) }()
	for _, session := range []answer{here, there} {
		_, err := verify.Verify(t.Context(), session.string("accessToken"))
		require.NoError(t, err)
	}
	require.Equal(t, 204, s.post("/logout", m{"refreshToken": here.string("refreshToken")}).status)
	require.Eventually(t, func() bool {
		_, err := verify.Verify(t.Context(), here.string("accessToken"))
		return problem.Is(err, "session-expired")
	}, 5*time.Second, 50*time.Millisecond)
	_, err := verify.Verify(t.Context(), there.string("accessToken"))
	require.NoError(t, err)

	require.Len(t, ask(beginning.string("until")).fields["items"], 1)
	require.Empty(t, ask(time.Now().Add(time.Hour).Format(time.RFC3339)).fields["items"])
	_, err = s.accounts.db.Exec(t.Context(), `update sessions set ended_at = ended_at - interval '15 minutes'`)
	require.NoError(t, err)
	require.Empty(t, ask("0001-01-01T00:00:00Z").fields["items"], "what matters to nobody any more is not told")
	for _, since := range []string{"", "x", "\x00", "12", "2026-03-01"} {
		requireProblem(t, 400, "invalid-since", ask(since))
	}
}

func TestAnAccountHasRoomForSoManySessions(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	first := s.login("ada@example.com", password)
	_, err := s.accounts.db.Exec(t.Context(), `
		insert into sessions (id, account_id, created_at, expires_at)
		select gen_random_uuid(), account_id, now(), now() + interval '1 day' from sessions, generate_series(1, $1::int)`, mostSessions-1)
	require.NoError(t, err)
	second := s.login("ada@example.com", password)
	require.Equal(t, mostSessions, s.count(`select count(*) from sessions where ended_at is null`))
	requireProblem(t, 401, "session-expired", s.refresh(first.string("refreshToken")))
	require.Equal(t, 200, s.refresh(second.string("refreshToken")).status)
}

func TestTheOwnerHearsOfAStolenSession(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	stolen := s.login("ada@example.com", password).string("refreshToken")
	s.refresh(s.refresh(stolen).string("refreshToken"))
	for range 3 {
		requireProblem(t, 401, "session-expired", s.refresh(stolen))
	}
	require.Equal(t, []string{"session-stolen"}, s.told("security-noticed-v1", "notice"))
}

func TestAgentFamilies(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                        "Chrome on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":          "Edge on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15":                  "Safari on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1": "Chrome on iPhone",
		"Mozilla/5.0 (Linux; Android 15; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0 Mobile Safari/537.36": "Samsung Internet on Android",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                         "Chrome on ChromeOS",
		"Opera/9 (Windows NT 6.0)": "Another browser on Windows", "Firefox/140": "Firefox", "": "Another program", "\x00\xff": "Another program",
	} {
		require.Equal(t, want, agentFamily(agent), agent)
	}
}

func FuzzAgentFamily(f *testing.F) {
	f.Add("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	f.Fuzz(func(t *testing.T, agent string) {
		got := agentFamily(agent)
		if got == "" || len(got) > 40 || !utf8.ValidString(got) || strings.ContainsAny(got, "<>\"\r\n") {
			t.Fatalf("%q", got)
		}
	})
}
