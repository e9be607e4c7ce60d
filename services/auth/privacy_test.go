package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/problem"
)

func TestAnErasedAccountLeavesNobody(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	session := s.login("ada@example.com", password)
	s.enrol(session)
	require.Equal(t, 201, s.gadget().register(session).status)
	s.post("/password/forgot", m{"email": "ada@example.com"})
	id := session.fields["user"].(m)["id"].(string)
	path := "/personal-data/" + id
	export := s.do(request{method: "GET", path: path, from: "client"})
	require.Equal(t, 200, export.status, export.text)
	require.Contains(t, export.text, "ada@example.com")
	require.Len(t, export.fields["passkeys"], 1)
	require.NotContains(t, export.text, "argon2id")

	for range 2 {
		erased := s.do(request{method: "DELETE", path: path, from: "client"})
		require.JSONEq(t, `{"kept":[]}`, erased.text)
	}
	for _, table := range []string{"accounts", "sessions", "verifications", "password_resets", "totp", "recovery_codes", "passkeys", "places", "refresh_tokens", "outbox"} {
		// As a word of its own: an id in hexadecimal may have these letters, too.
		require.Zero(t, s.count(`select count(*) from `+table+` t where t::text ~* '\yada\y' or t::text like '%argon2id%'`), table)
	}
	require.Zero(t, s.count(`select count(*) from totp`)+s.count(`select count(*) from passkeys`)+s.count(`select count(*) from places`))
	requireProblem(t, 401, "session-expired", s.refresh(session.string("refreshToken")))
	requireProblem(t, 401, "invalid-credentials", s.login("ada@example.com", password))
	requireProblem(t, 401, "invalid-credentials", s.login("erased "+id, ""))
	requireProblem(t, 404, "account-not-found", s.do(request{method: "GET", path: "/accounts/" + id, from: "notification"}))
	told, err := s.accounts.EndedSessions(t.Context(), time.Time{})
	require.NoError(t, err)
	require.NotEmpty(t, told.Items, "the other services still hear that the sessions ended")
	require.Empty(t, s.do(request{method: "GET", path: path, from: "client"}).fields["account"])

	s.customer("ada@example.com") // the address is free again, and leads to another account
	require.NotEqual(t, id, s.login("ada@example.com", password).fields["user"].(m)["id"])
	s.wait(erasedKept + sessionTTL)
	require.NoError(t, s.accounts.Sweep(t.Context(), s.clock()))
	require.Equal(t, 1, s.count(`select count(*) from accounts`))
	_, err = s.accounts.Account(t.Context(), id)
	require.True(t, problem.Is(err, "account-not-found"))
}
