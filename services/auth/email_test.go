package main

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const elsewhere = "ada@new.example"

// wanted are the changes of address that a mail was asked for, oldest first.
func (s *service) wanted() []string { return s.told("email-change-requested-v1", "requestId") }

func (s *service) emailChangeMail(requestID string) answer {
	return s.do(request{method: http.MethodPost, path: "/email-change-mails/" + requestID, from: "notification"})
}

// emailToken asks for another address and takes the token out of the mail that goes there.
func (s *service) emailToken(session answer, email string) string {
	a := s.as(session, http.MethodPost, "/email/change", m{"email": email})
	require.Equal(s.t, http.StatusAccepted, a.status, a.text)
	ids := s.wanted()
	mail := s.emailChangeMail(ids[len(ids)-1])
	require.Equal(s.t, http.StatusOK, mail.status, mail.text)
	return mail.string("token")
}

func (s *service) confirmEmail(session answer, token string) answer {
	return s.as(session, http.MethodPost, "/email/confirmation", m{"token": token})
}

func TestAnAccountMovesToAnotherAddress(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	here, there := s.login("ada@example.com", password), s.login("ada@example.com", password)
	id := here.fields["user"].(m)["id"].(string)
	reset := s.resetToken("ada@example.com")

	token := s.emailToken(here, " Ada@NEW.example ")
	require.GreaterOrEqual(t, len(token), 43)
	var told string
	require.NoError(t, s.accounts.db.QueryRow(t.Context(), `select data::text from outbox where topic = 'email-change-requested-v1'`).Scan(&told))
	require.JSONEq(t, `{"requestId":"`+s.wanted()[0]+`","accountId":"`+id+`"}`, told)
	require.Zero(t, s.count(`select count(*) from email_change_tokens where encode(hash, 'escape') = '`+token+`'`))
	requireProblem(t, 401, "invalid-credentials", s.login(elsewhere, password))

	requireProblem(t, 400, "invalid-email-token", s.confirmEmail(here, token+"x"))
	require.Equal(t, 204, s.confirmEmail(here, token).status)
	for _, session := range []answer{here, there} {
		requireProblem(t, 401, "session-expired", s.refresh(session.string("refreshToken")))
	}
	requireProblem(t, 401, "invalid-credentials", s.login("ada@example.com", password))
	requireProblem(t, 400, "invalid-reset-token", s.post("/password/reset", m{"token": reset, "password": another}))
	now := s.login(elsewhere, password)
	require.Equal(t, 200, now.status, now.text)
	require.Equal(t, m{"id": id, "email": elsewhere, "name": "Ada", "roles": []any{"customer"}}, now.fields["user"])
	requireProblem(t, 400, "invalid-email-token", s.confirmEmail(now, token))

	require.Equal(t, []string{"email-changed"}, s.told("security-noticed-v1", "notice"))
	change := s.told("security-noticed-v1", "emailChangeId")[0]
	former := s.do(request{method: http.MethodGet, path: "/former-addresses/" + change, from: "notification"})
	require.JSONEq(t, `{"email":"ada@example.com","name":"Ada"}`, former.text)
	require.Zero(t, s.count(`select count(*) from outbox where data::text like '%@%'`), "facts carry no address")

	s.wait(changesKept)
	require.NoError(t, s.accounts.Sweep(t.Context(), s.clock()))
	for _, unknown := range []string{change, "x", "%00"} {
		requireProblem(t, 404, "email-change-not-found", s.do(request{method: http.MethodGet, path: "/former-addresses/" + unknown, from: "notification"}))
	}
}

func TestNobodyIsLedIntoSomebodyElsesAccount(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("eve@example.com")
	s.customer("bob@example.com")
	eve, bob := s.login("eve@example.com", password), s.login("bob@example.com", password)
	token := s.emailToken(eve, elsewhere)
	requireProblem(t, 400, "invalid-email-token", s.confirmEmail(bob, token))
	requireProblem(t, 401, "sign-in-required", s.post("/email/confirmation", m{"token": token}))
	require.Equal(t, 204, s.post("/logout", m{"refreshToken": eve.string("refreshToken")}).status)
	requireProblem(t, 401, "session-expired", s.confirmEmail(eve, token))
}

func TestAnAddressWithAnAccountIsAskedForAlike(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	s.customer("bob@example.com")
	session := s.login("ada@example.com", password)
	free := s.as(session, http.MethodPost, "/email/change", m{"email": elsewhere})
	taken := s.as(session, http.MethodPost, "/email/change", m{"email": "bob@example.com"})
	require.Equal(t, 202, free.status, free.text)
	require.Equal(t, free.text, taken.text)
	require.Equal(t, free.header, taken.header)
	require.Len(t, s.wanted(), 1)

	token := s.emailChangeMail(s.wanted()[0]).string("token")
	s.customer(elsewhere) // somebody was faster
	requireProblem(t, 409, "email-taken", s.confirmEmail(session, token))
	requireProblem(t, 404, "email-change-not-needed", s.emailChangeMail(s.wanted()[0]))
	require.Equal(t, 200, s.login("ada@example.com", password).status, "nothing was changed")
}

func TestWhoProvesAnAddressHasIt(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	s.register(elsewhere, another) // by somebody who never proves it
	session := s.login("ada@example.com", password)
	require.Equal(t, 204, s.confirmEmail(session, s.emailToken(session, elsewhere)).status)
	require.Equal(t, 200, s.login(elsewhere, password).status)
	requireProblem(t, 401, "invalid-credentials", s.login(elsewhere, another))
	requireProblem(t, 404, "verification-not-needed", s.mail(s.requests()[1]))
	s.customer("ada@example.com") // is free again
}

func TestAnotherAddressNeedsAFreshSignIn(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	session := s.login("ada@example.com", password)
	ask := func(email string) answer { return s.as(session, http.MethodPost, "/email/change", m{"email": email}) }
	for _, email := range []string{"", "ada", "a@b", "a\x00@b.example", `"x"@b.example`} {
		requireProblem(t, 400, "invalid-email", ask(email))
	}
	requireProblem(t, 400, "invalid-email", ask("ADA@example.com"))
	for range 3 { // a double click sends one mail
		require.Equal(t, 202, ask(elsewhere).status)
	}
	require.Len(t, s.wanted(), 1)
	for range maxMails - 1 {
		require.Equal(t, 200, s.emailChangeMail(s.wanted()[len(s.wanted())-1]).status)
		require.Equal(t, 202, ask(elsewhere).status)
	}
	require.Equal(t, 200, s.emailChangeMail(s.wanted()[maxMails-1]).status)
	requireProblem(t, 429, "too-many-mails", ask(elsewhere))

	changed := s.as(session, http.MethodPost, "/password/change", m{"currentPassword": password, "newPassword": another})
	require.Equal(t, 200, changed.status, changed.text)
	require.Zero(t, s.count(`select count(*) from email_changes`), "whoever asked may be the one who is out now")
	session = changed
	token := s.emailToken(session, elsewhere)
	s.wait(mailTTL)
	requireProblem(t, 404, "email-change-not-needed", s.emailChangeMail(s.wanted()[len(s.wanted())-1]))
	late := s.login("ada@example.com", another)
	requireProblem(t, 400, "invalid-email-token", s.confirmEmail(late, token))
	for _, id := range []string{"x", "%00", "0196f1e5-0000-7000-8000-000000000000"} {
		requireProblem(t, 404, "email-change-not-needed", s.emailChangeMail(id))
	}
	session = late
	s.wait(11 * time.Minute)
	requireProblem(t, 403, "fresh-login-required", ask(elsewhere))
}

func TestATokenForAnAddressUsedAtOnceWorksOnce(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	session := s.login("ada@example.com", password)
	token := s.emailToken(session, elsewhere)
	var wg sync.WaitGroup
	statuses := make([]int, 5)
	for i := range statuses {
		wg.Go(func() { statuses[i] = s.confirmEmail(session, token).status })
	}
	wg.Wait()
	moved := 0
	for _, status := range statuses {
		if status == 204 {
			moved++
		}
	}
	require.Equal(t, 1, moved, statuses)
	require.Len(t, s.told("security-noticed-v1", "notice"), 1)
}

func TestTwoAccountsWantOneAddress(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	s.customer("bob@example.com")
	sessions := []answer{s.login("ada@example.com", password), s.login("bob@example.com", password)}
	tokens := []string{s.emailToken(sessions[0], elsewhere), s.emailToken(sessions[1], elsewhere)}
	var wg sync.WaitGroup
	statuses := make([]int, 2)
	for i := range sessions {
		wg.Go(func() { statuses[i] = s.confirmEmail(sessions[i], tokens[i]).status })
	}
	wg.Wait()
	require.ElementsMatch(t, []int{204, 409}, statuses)
	require.Equal(t, 1, s.count(`select count(*) from accounts where email = '`+elsewhere+`'`))
}

func TestNetworksAreNeighbourhoods(t *testing.T) {
	for address, want := range map[string]string{
		"203.0.113.77": "203.0.113.x", "::ffff:203.0.113.77": "203.0.113.x", "2001:db8:1:2::3": "2001:db8:1:x", "::1": "0:0:0:x",
		"": "", "x": "", "203.0.113.77:80": "", "\x00": "",
	} {
		require.Equal(t, want, networkOf(address), address)
	}
}
