package main

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/identity"
)

// code is what the authenticator app shows, some steps from now.
func (s *service) code(secret string, steps int) string {
	code, err := totp.GenerateCode(secret, s.clock().Add(time.Duration(steps)*totpStep))
	require.NoError(s.t, err)
	return code
}

// enrol gives a signed-in customer an authenticator app.
func (s *service) enrol(session answer) (secret string, recovery []string) {
	made := s.as(session, "POST", "/factors/totp", nil)
	require.Equal(s.t, 200, made.status, made.text)
	confirmed := s.as(session, "POST", "/factors/totp/confirmation", m{"code": s.code(made.string("secret"), 0)})
	require.Equal(s.t, 200, confirmed.status, confirmed.text)
	for _, code := range confirmed.fields["recoveryCodes"].([]any) {
		recovery = append(recovery, code.(string))
	}
	return made.string("secret"), recovery
}

// second answers the question for a second factor.
func (s *service) second(challenge, code string) answer {
	return s.do(request{method: "POST", path: "/login/totp", from: "gateway", challenge: challenge, body: m{"code": code}})
}

func TestSignInWithAnAuthenticatorApp(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	session := s.login("ada@example.com", password)
	requireProblem(t, 404, "totp-not-found", s.as(session, "POST", "/factors/totp/confirmation", m{"code": "123456"}))
	made := s.as(session, "POST", "/factors/totp", nil)
	require.Contains(t, made.string("uri"), "otpauth://totp/Sidecart:ada@example.com?")
	require.True(t, strings.HasPrefix(made.string("qr"), "data:image/png;base64,iVBOR"))
	require.Equal(t, 200, s.login("ada@example.com", password).status, "not asked for before it was confirmed")
	requireProblem(t, 403, "wrong-code", s.as(session, "POST", "/factors/totp/confirmation", m{"code": "000000"}))
	require.Zero(t, s.count(`select count(*) from totp where encode(sealed, 'escape') like '%`+made.string("secret")+`%'`))

	secret, recovery := s.enrol(session)
	require.Len(t, recovery, 10)
	requireProblem(t, 409, "totp-in-use", s.as(session, "POST", "/factors/totp", nil))
	require.JSONEq(t, `{"totp":true,"recoveryCodes":10}`, s.as(session, "GET", "/factors", nil).text)

	s.wait(totpStep)
	begun := s.login("ada@example.com", password)
	require.Equal(t, 200, begun.status)
	require.Empty(t, begun.string("accessToken"), "the password alone opens nothing")
	require.Equal(t, true, begun.fields["answer"].(m)["mfaRequired"])
	challenge := begun.string("challenge")
	require.Len(t, challenge, 43)
	requireProblem(t, 401, "wrong-code", s.second(challenge, "000000"))
	requireProblem(t, 401, "wrong-code", s.second(challenge, s.code(secret, -1)))
	requireProblem(t, 401, "wrong-code", s.second(challenge, s.code(secret, 3)))
	requireProblem(t, 401, "challenge-expired", s.second(challenge+"x", s.code(secret, 0)))
	code := s.code(secret, 0)
	signedIn := s.second(challenge, code)
	require.Equal(t, 200, signedIn.status, signedIn.text)
	require.Equal(t, 200, s.refresh(signedIn.string("refreshToken")).status)
	requireProblem(t, 401, "challenge-expired", s.second(challenge, s.code(secret, 1)))

	again := s.login("ada@example.com", password).string("challenge")
	requireProblem(t, 401, "wrong-code", s.second(again, code))
	requireProblem(t, 401, "wrong-code", s.second(again, "      "))
	ahead := s.code(secret, 1)
	require.Equal(t, 200, s.second(again, ahead[:3]+" "+ahead[3:]).status, "the app's clock may be a step ahead")
}

func TestACodeUsedAtOnceWorksOnce(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	secret, _ := s.enrol(s.login("ada@example.com", password))
	s.wait(totpStep)
	code := s.code(secret, 0)
	challenges := make([]string, 4)
	for i := range challenges {
		challenges[i] = s.login("ada@example.com", password).string("challenge")
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	byStatus := map[int]int{}
	for _, challenge := range challenges {
		wg.Go(func() {
			a := s.second(challenge, code)
			mu.Lock()
			defer mu.Unlock()
			byStatus[a.status]++
		})
	}
	wg.Wait()
	require.Equal(t, map[int]int{200: 1, 401: 3}, byStatus)
}

func TestRecoveryCodesWorkOnce(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	session := s.login("ada@example.com", password)
	_, codes := s.enrol(session)
	require.Regexp(t, `^([a-z0-9]{4}-){3}[a-z0-9]{4}$`, codes[0])
	require.Zero(t, s.count(`select count(*) from recovery_codes where encode(hash, 'escape') like '%`+codes[0]+`%'`))
	login := func(code string) answer {
		return s.second(s.login("ada@example.com", password).string("challenge"), code)
	}
	require.Equal(t, 200, login(strings.ToUpper(codes[3])).status)
	requireProblem(t, 401, "wrong-code", login(codes[3]))
	require.Equal(t, 200, login(strings.ReplaceAll(codes[4], "-", " ")).status)
	require.JSONEq(t, `{"totp":true,"recoveryCodes":8}`, s.as(session, "GET", "/factors", nil).text)
	require.Contains(t, s.told("security-noticed-v1", "notice"), "recovery-code-used")

	renewed := s.as(session, "POST", "/factors/recovery-codes", nil)
	require.Len(t, renewed.fields["recoveryCodes"], 10)
	requireProblem(t, 401, "wrong-code", login(codes[5]))
	require.Equal(t, 200, login(renewed.fields["recoveryCodes"].([]any)[0].(string)).status)

	require.Equal(t, 204, s.as(session, "DELETE", "/factors/totp", nil).status)
	requireProblem(t, 404, "totp-not-found", s.as(session, "DELETE", "/factors/totp", nil))
	requireProblem(t, 409, "no-second-factor", s.as(session, "POST", "/factors/recovery-codes", nil))
	require.NotEmpty(t, s.login("ada@example.com", password).string("accessToken"))
}

func TestCodesAreGuessedTenTimesAnHour(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	s.enrol(s.login("ada@example.com", password))
	evaluated := 0
	for range 60 {
		s.wait(time.Minute)
		a := s.second(s.login("ada@example.com", password).string("challenge"), "000000")
		if a.status == 401 {
			evaluated++
		} else {
			requireProblem(t, 429, "too-many-attempts", a)
		}
	}
	require.Equal(t, codesPerHour, evaluated)
}

func TestAResetDoesNotSkipTheSecondFactor(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	s.enrol(s.login("ada@example.com", password))
	require.Equal(t, 200, s.post("/password/reset", m{"token": s.resetToken("ada@example.com"), "password": another}).status)
	require.Empty(t, s.login("ada@example.com", another).string("accessToken"))
}

func TestChallengesEndAndAreForOnePurpose(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	secret, _ := s.enrol(s.login("ada@example.com", password))
	s.wait(totpStep)
	challenge := s.login("ada@example.com", password).string("challenge")
	s.memory.Wipe()
	requireProblem(t, 401, "challenge-expired", s.second(challenge, s.code(secret, 0)))
	requireProblem(t, 401, "challenge-expired", s.second("", s.code(secret, 0)))
	token, hash := newToken()
	require.NoError(t, s.state.Save(t.Context(), challengeKey(hash), challenge1(s), "", challengeTTL))
	requireProblem(t, 401, "challenge-expired", s.second(token, s.code(secret, 0)))
}

// challenge1 is one of another purpose for the only account.
func challenge1(s *service) challenge {
	var id string
	require.NoError(s.t, s.accounts.db.QueryRow(s.t.Context(), `select id::text from accounts`).Scan(&id))
	return challenge{Purpose: "something else", AccountID: id}
}

func TestStaffHaveTheirRolesOnlyWithASecondFactor(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	require.NoError(t, s.accounts.Grant(t.Context(), "ada@example.com", identity.Admin))
	roles := func(a answer) []identity.Role {
		who, err := s.keys.verifier().Verify(t.Context(), a.string("accessToken"))
		require.NoError(t, err)
		return who.Roles
	}
	plain := s.login("ada@example.com", password)
	require.Equal(t, []identity.Role{identity.Customer}, roles(plain))
	require.Equal(t, true, plain.fields["user"].(m)["secondFactorRequired"])
	require.Equal(t, []any{"customer"}, s.as(plain, "GET", "/me", nil).fields["roles"])

	secret, _ := s.enrol(plain)
	upgraded := s.refresh(plain.string("refreshToken"))
	require.ElementsMatch(t, []identity.Role{identity.Customer, identity.Admin}, roles(upgraded), "who has just shown a code has shown two factors")
	require.Equal(t, []any{"customer", "admin"}, s.as(upgraded, "GET", "/me", nil).fields["roles"])
	changed := s.as(upgraded, "POST", "/password/change", m{"currentPassword": password, "newPassword": another})
	require.Contains(t, roles(changed), identity.Admin)

	s.wait(totpStep)
	signedIn := s.second(s.login("ada@example.com", another).string("challenge"), s.code(secret, 0))
	require.Contains(t, roles(signedIn), identity.Admin)
	require.Nil(t, signedIn.fields["user"].(m)["secondFactorRequired"])

	require.Equal(t, 204, s.as(signedIn, "DELETE", "/factors/totp", nil).status)
	require.NotContains(t, roles(s.login("ada@example.com", another)), identity.Admin)
	s.staffMFA = false
	require.Contains(t, roles(s.login("ada@example.com", another)), identity.Admin)
}

func TestFactorsChangeOnlyAfterAFreshSignIn(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	session := s.login("ada@example.com", password)
	s.wait(10*time.Minute + time.Second)
	session = s.refresh(session.string("refreshToken"))
	for _, c := range []struct{ method, path string }{
		{"POST", "/factors/totp"}, {"DELETE", "/factors/totp"}, {"POST", "/factors/totp/confirmation"}, {"POST", "/factors/recovery-codes"},
	} {
		requireProblem(t, 403, "fresh-login-required", s.as(session, c.method, c.path, m{"code": "000000"}))
	}
	require.Equal(t, 200, s.as(session, "GET", "/factors", nil).status)
	require.Equal(t, 204, s.as(session, "POST", "/logout-all", nil).status)
	requireProblem(t, 401, "session-expired", s.as(session, "POST", "/factors/totp", nil))
}

func TestCodesOfTheRFC(t *testing.T) {
	// RFC 6238 appendix B, SHA-1, the last six of its eight digits.
	secret := "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	for at, code := range map[int64]string{59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"} {
		for _, drift := range []int64{-30, 0, 30} {
			step, ok := totpStepOf(secret, code, time.Unix(at+drift, 0))
			require.True(t, ok, "%d %d", at, drift)
			require.Equal(t, at/30, step)
		}
		for _, drift := range []int64{-61, 61} {
			_, ok := totpStepOf(secret, code, time.Unix(at+drift, 0))
			require.False(t, ok)
		}
	}
}

func TestStaffMFASetting(t *testing.T) {
	for _, c := range []struct {
		setting     string
		local, want bool
	}{{"", false, true}, {"", true, false}, {"required", true, true}, {"optional", false, false}} {
		got, err := readStaffMFA(c.setting, c.local)
		require.NoError(t, err)
		require.Equal(t, c.want, got, c)
	}
	_, err := readStaffMFA("off", false)
	require.ErrorContains(t, err, "AUTH_STAFF_MFA")
	require.ErrorContains(t, run(t.Context(), boot.NewEnv(app, func(key string) string {
		return map[string]string{"AUTH_STAFF_MFA": "no", "AUTH_DATABASE_URL": "postgres://127.0.0.1:1/none"}[key]
	})), "AUTH_STAFF_MFA")
}

func FuzzRecoveryHash(f *testing.F) {
	codes := newRecoveryCodes()
	f.Add(codes[0])
	f.Add("ABCD EFGH JKMN PQRS")
	f.Fuzz(func(t *testing.T, code string) {
		hash := recoveryHash(code)
		if hash != nil && len(hash) != 32 {
			t.Fatal(base64.StdEncoding.EncodeToString(hash))
		}
		if step, ok := totpStepOf("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", code, time.Unix(59, 0)); ok && (len(code) != 6 || step < 0 || step > 2) {
			t.Fatalf("%q is a code of step %d", code, step)
		}
	})
}

func TestFactorsAreTheOwners(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	s.customer("bob@example.com")
	_, codes := s.enrol(s.login("ada@example.com", password))
	bobs := s.login("bob@example.com", password)
	require.JSONEq(t, `{"totp":false,"recoveryCodes":0}`, s.as(bobs, "GET", "/factors", nil).text)
	s.enrol(bobs)
	requireProblem(t, http.StatusUnauthorized, "wrong-code", s.second(s.login("bob@example.com", password).string("challenge"), codes[0]))
}
