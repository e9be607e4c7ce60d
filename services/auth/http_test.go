package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/postgres/postgrestest"
	"github.com/sidecart/sidecart/internal/sidecar/sidecartest"
	"github.com/sidecart/sidecart/internal/web"
)

const password = "correct horse battery"

// service is auth on a database of its own, with a clock that the test turns.
type service struct {
	t testing.TB
	*server
	handler http.Handler
	memory  *sidecartest.Memory
	mu      sync.Mutex
	ahead   time.Duration
}

func newService(t testing.TB) *service { return newServiceAt(t, postgrestest.URL(t)) }

func newServiceAt(t testing.TB, databaseURL string) *service {
	s := &service{t: t}
	pool, err := postgres.Open(t.Context(), databaseURL, migrations())
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	db := &store{pool}
	seal, err := newSeal(randomSecret(), true)
	require.NoError(t, err)
	keys := &keyring{store: db, seal: seal, now: time.Now}
	relyingParty, err := newRelyingParty("https://shop.example")
	require.NoError(t, err)
	s.memory = sidecartest.NewMemory()
	s.server = &server{
		accounts: db, keys: keys, passwords: newHasher(), placeKey: seal.placeKey, now: s.clock,
		guard: &guard{state: s.memory, now: s.clock}, state: s.memory, staffMFA: true,
		relyingParty: relyingParty,
	}
	s.handler = keys.verifier().Middleware(s.routes())
	return s
}

func randomSecret() string {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	return base64.StdEncoding.EncodeToString(secret)
}

func (s *service) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.ahead)
}

func (s *service) wait(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

// request is what a test sends; body is JSON text, or a value to encode.
type request struct {
	method, path, from, bearer, address, device, agent, challenge string

	body any
}

type answer struct {
	status int
	header http.Header
	text   string
	fields map[string]any
}

func (a answer) string(name string) string {
	s, _ := a.fields[name].(string)
	return s
}

func (s *service) do(q request) answer {
	body, isText := q.body.(string)
	if !isText && q.body != nil {
		b, err := json.Marshal(q.body)
		require.NoError(s.t, err)
		body = string(b)
	}
	r := httptest.NewRequest(q.method, q.path, bytes.NewBufferString(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Dapr-Caller-App-Id", q.from)
	if q.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+q.bearer)
	}
	if q.address != "" {
		r.Header.Set(clientAddress, q.address)
	}
	if q.device != "" {
		r.Header.Set(clientDevice, q.device)
	}
	r.Header.Set(clientAgent, q.agent)
	r.Header.Set(challengeHeader, q.challenge)
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, r)
	a := answer{status: rec.Code, header: rec.Header(), text: rec.Body.String()}
	if rec.Body.Len() > 0 {
		require.NoError(s.t, json.Unmarshal(rec.Body.Bytes(), &a.fields), a.text)
	}
	return a
}

func (s *service) post(path string, body any) answer {
	return s.do(request{method: http.MethodPost, path: path, from: "gateway", body: body})
}

type m = map[string]any

func (s *service) register(email, password string) {
	a := s.post("/register", m{"email": email, "password": password, "name": "Ada"})
	require.Equal(s.t, http.StatusAccepted, a.status, a.text)
}

// requests are the verification mails asked for so far, oldest first.
func (s *service) requests() []string { return s.told("verification-requested-v1", "requestId") }

// told is one field of every fact of a topic, oldest first.
func (s *service) told(topic, field string) (values []string) {
	rows, err := s.accounts.db.Query(s.t.Context(), `select data->>$2 from outbox where topic = $1 order by seq`, topic, field)
	require.NoError(s.t, err)
	values, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(s.t, err)
	return values
}

func (s *service) mail(requestID string) answer {
	return s.do(request{method: http.MethodPost, path: "/verification-mails/" + requestID, from: "notification"})
}

// customer registers an account and proves its address.
func (s *service) customer(email string) {
	s.register(email, password)
	ids := s.requests()
	a := s.post("/verify-email", m{"token": s.mail(ids[len(ids)-1]).string("token")})
	require.Equal(s.t, http.StatusOK, a.status, a.text)
}

func (s *service) login(email, password string) answer {
	return s.post("/login", m{"email": email, "password": password})
}

func (s *service) refresh(token string) answer { return s.post("/refresh", m{"refreshToken": token}) }

func (s *service) count(sql string) (n int) {
	require.NoError(s.t, s.accounts.db.QueryRow(s.t.Context(), sql).Scan(&n))
	return n
}

func requireProblem(t testing.TB, status int, code string, a answer) {
	t.Helper()
	require.Equal(t, status, a.status, a.text)
	require.Equal(t, code, a.string("code"))
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
}

func TestFromRegistrationToSignedOut(t *testing.T) {
	t.Parallel()
	s := newService(t)
	a := s.post("/register", m{"email": "Ada@Example.com", "password": password, "name": "Ada Lovelace"})
	require.Equal(t, http.StatusAccepted, a.status)
	require.JSONEq(t, `{"status":"verification-sent"}`, a.text)
	requireProblem(t, 403, "email-not-verified", s.login("ada@example.com", password))
	require.Equal(t, 1, s.count(`select count(*) from outbox where topic = 'user-registered-v1'`))
	require.Zero(t, s.count(`select count(*) from outbox where data::text like '%ada%'`), "facts carry no address")

	mail := s.mail(s.requests()[0])
	require.Equal(t, http.StatusOK, mail.status)
	require.Equal(t, "ada@example.com", mail.string("email"))
	require.Equal(t, "Ada Lovelace", mail.string("name"))
	token := mail.string("token")
	require.GreaterOrEqual(t, len(token), 43)
	require.Zero(t, s.count(`select count(*) from verification_tokens where encode(hash, 'escape') = '`+token+`'`))
	requireProblem(t, 400, "invalid-verification-token", s.post("/verify-email", m{"token": token + "x"}))
	a = s.post("/verify-email", m{"token": token})
	require.JSONEq(t, `{"status":"verified"}`, a.text)
	requireProblem(t, 400, "invalid-verification-token", s.post("/verify-email", m{"token": token}))
	requireProblem(t, 404, "verification-not-needed", s.mail(s.requests()[0]))

	session := s.login("ADA@example.com ", password)
	require.Equal(t, http.StatusOK, session.status, session.text)
	user := session.fields["user"].(m)
	require.Equal(t, "ada@example.com", user["email"])
	require.Equal(t, []any{"customer"}, user["roles"])
	require.Len(t, session.string("refreshToken"), 43)
	expires, err := time.Parse(time.RFC3339, session.string("accessExpiresAt"))
	require.NoError(t, err)
	require.LessOrEqual(t, time.Until(expires), identity.MaxTTL)

	who, err := s.keys.verifier().Verify(t.Context(), session.string("accessToken"))
	require.NoError(t, err)
	require.Equal(t, identity.CustomerID(user["id"].(string)), who.Subject)
	require.NotEmpty(t, who.SessionID)
	me := s.do(request{method: http.MethodGet, path: "/me", from: "gateway", bearer: session.string("accessToken")})
	require.Equal(t, user, me.fields)

	next := s.refresh(session.string("refreshToken"))
	require.Equal(t, http.StatusOK, next.status)
	require.NotEqual(t, session.string("refreshToken"), next.string("refreshToken"))
	require.Equal(t, user, next.fields["user"])
	for range 2 {
		require.Equal(t, http.StatusNoContent, s.post("/logout", m{"refreshToken": next.string("refreshToken")}).status)
	}
	requireProblem(t, 401, "session-expired", s.refresh(next.string("refreshToken")))
	require.Equal(t, http.StatusNoContent, s.post("/logout", m{"refreshToken": "unknown"}).status)
}

func TestRegisterAnswersKnownAddressesAlike(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	before := s.count(`select count(*) from outbox`)
	known := s.post("/register", m{"email": "ada@example.com", "password": "another password", "name": "Eve"})
	require.Equal(t, before, s.count(`select count(*) from outbox`), "no mail with a token for a proved address")
	unknown := s.post("/register", m{"email": "bob@example.com", "password": password, "name": "Bob"})
	require.Equal(t, unknown.status, known.status)
	require.Equal(t, unknown.text, known.text)
	require.Equal(t, unknown.header, known.header)
	require.Equal(t, http.StatusOK, s.login("ada@example.com", password).status, "the account is as it was")
}

func TestTwoRegistrationsAtOnceMakeOneAccount(t *testing.T) {
	t.Parallel()
	s := newService(t)
	answers := make([]answer, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			answers[i] = s.post("/register", m{"email": "ada@example.com", "password": password, "name": "Ada"})
		})
	}
	wg.Wait()
	for _, a := range answers {
		require.Equal(t, answers[0], a)
		require.Equal(t, http.StatusAccepted, a.status)
	}
	require.Equal(t, 1, s.count(`select count(*) from accounts`))
	require.Equal(t, 1, s.count(`select count(*) from outbox where topic = 'user-registered-v1'`))
	require.Len(t, s.requests(), 1)
}

func TestNobodyPreparesAnAccountForAnother(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.register("ada@example.com", "password of Eve")
	evesMail := s.mail(s.requests()[0])
	s.register("ada@example.com", password)
	adasMail := s.mail(s.requests()[1])
	s.register("ada@example.com", "password of Eve 2")
	require.Equal(t, 200, s.post("/verify-email", m{"token": adasMail.string("token")}).status)
	require.Equal(t, 200, s.login("ada@example.com", password).status)
	requireProblem(t, 401, "invalid-credentials", s.login("ada@example.com", "password of Eve"))
	requireProblem(t, 401, "invalid-credentials", s.login("ada@example.com", "password of Eve 2"))
	requireProblem(t, 400, "invalid-verification-token", s.post("/verify-email", m{"token": evesMail.string("token")}))
	requireProblem(t, 404, "verification-not-needed", s.mail(s.requests()[2]))
}

func TestStrangersCannotFloodAMailbox(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for range maxMails + 2 {
		s.register("ada@example.com", password)
		ids := s.requests()
		require.Equal(t, http.StatusOK, s.mail(ids[len(ids)-1]).status)
	}
	require.Len(t, s.requests(), maxMails)
	s.wait(24*time.Hour + time.Minute)
	s.register("ada@example.com", password)
	require.Len(t, s.requests(), maxMails+1)
}

func TestMailMayBeMadeTwiceAndTooLate(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.register("ada@example.com", password)
	id := s.requests()[0]
	first, second := s.mail(id), s.mail(id)
	require.NotEqual(t, first.string("token"), second.string("token"))
	s.wait(mailTTL)
	requireProblem(t, 400, "invalid-verification-token", s.post("/verify-email", m{"token": first.string("token")}))
	third := s.mail(id)
	require.Equal(t, 200, s.post("/verify-email", m{"token": third.string("token")}).status)

	s.register("bob@example.com", password)
	s.wait(requestTTL)
	requireProblem(t, 404, "verification-not-needed", s.mail(s.requests()[1]))
	requireProblem(t, 404, "verification-not-needed", s.mail("%00"))
	requireProblem(t, 404, "verification-not-needed", s.mail("0196f1e5-0000-7000-8000-000000000000"))
}

func TestSignInIsRefusedAlike(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	wrong := s.login("ada@example.com", "wrong password")
	requireProblem(t, 401, "invalid-credentials", wrong)
	for _, email := range []string{"nobody@example.com", "", "not an address", "ada@example.com\x00"} {
		require.Equal(t, wrong.text, s.login(email, password).text, email)
	}
	require.Equal(t, wrong.text, s.login("ada@example.com", strings.Repeat("x", 100_000)).text)
}

func TestGuessingIsSlowedDownAndNobodyLockedOut(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	from := func(address, email, password string) answer {
		return s.do(request{
			method: http.MethodPost, path: "/login", from: "gateway", address: address, body: m{"email": email, "password": password},
		})
	}
	for _, email := range []string{"ada@example.com", "nobody@example.com"} {
		for range 5 {
			requireProblem(t, 401, "invalid-credentials", from("192.0.2.1", email, "wrong password"))
		}
		for range 20 {
			a := from("192.0.2.1", email, password)
			requireProblem(t, 429, "too-many-attempts", a)
			require.Equal(t, "1", a.header.Get("Retry-After"))
		}
	}
	require.Equal(t, 200, from("198.51.100.7", "ada@example.com", password).status, "the owner elsewhere is not slowed down")
	s.wait(time.Second)
	require.Equal(t, 200, from("192.0.2.1", "ada@example.com", password).status, "refused attempts do not prolong the wait")
	requireProblem(t, 401, "invalid-credentials", from("192.0.2.1", "ada@example.com", "wrong password"))
	requireProblem(t, 401, "invalid-credentials", from("192.0.2.1", "ada@example.com", "wrong password"))
	s.wait(forgetGuesses + time.Minute)
	for range 5 {
		requireProblem(t, 401, "invalid-credentials", from("192.0.2.1", "nobody@example.com", "wrong password"))
	}
}

func TestGuessesAtOnceAllCount(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	now := time.Now()
	s.now = func() time.Time { return now }
	s.guard.now = s.now
	var wg sync.WaitGroup
	var mu sync.Mutex
	byStatus := map[int]int{}
	for range 30 {
		wg.Go(func() {
			a := s.login("ada@example.com", "wrong password")
			mu.Lock()
			defer mu.Unlock()
			byStatus[a.status]++
		})
	}
	wg.Wait()
	require.Equal(t, map[int]int{401: 5, 429: 25}, byStatus)
}

func TestReuseOfARefreshTokenEndsTheSession(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	stolen := s.login("ada@example.com", password).string("refreshToken")
	other := s.login("ada@example.com", password).string("refreshToken")
	second := s.refresh(stolen).string("refreshToken")
	third := s.refresh(second).string("refreshToken")
	requireProblem(t, 401, "session-expired", s.refresh(stolen))
	requireProblem(t, 401, "session-expired", s.refresh(third))
	require.Equal(t, 200, s.refresh(other).status, "another session of the account goes on")
	require.Equal(t, 1, s.count(`select count(*) from sessions where ended_reason = 'refresh token used twice'`))
}

func TestALostAnswerSignsNobodyOut(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	first := s.login("ada@example.com", password).string("refreshToken")
	lost := s.refresh(first).string("refreshToken")
	again := s.refresh(first)
	require.Equal(t, 200, again.status)
	require.Equal(t, 200, s.refresh(again.string("refreshToken")).status)
	requireProblem(t, 401, "session-expired", s.refresh(lost))

	first = s.login("ada@example.com", password).string("refreshToken")
	require.Equal(t, 200, s.refresh(first).status)
	s.wait(lostAnswer)
	requireProblem(t, 401, "session-expired", s.refresh(first))
}

func TestRefreshesAtOnceKeepTheSession(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	token := s.login("ada@example.com", password).string("refreshToken")
	answers := make([]answer, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = s.refresh(token) })
	}
	wg.Wait()
	for _, a := range answers {
		require.Equal(t, 200, a.status, a.text)
	}
	require.Equal(t, 200, s.refresh(answers[3].string("refreshToken")).status)
}

func TestSessionsHaveIdleAndAbsoluteLimits(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	idle := s.login("ada@example.com", password).string("refreshToken")
	busy := s.login("ada@example.com", password).string("refreshToken")
	for range int(sessionTTL/idleTTL) + 1 {
		s.wait(idleTTL - 2*time.Minute)
		a := s.refresh(busy)
		if a.status != 200 {
			break
		}
		busy = a.string("refreshToken")
	}
	s.wait(10 * time.Minute)
	requireProblem(t, 401, "session-expired", s.refresh(idle))
	s.wait(idleTTL)
	requireProblem(t, 401, "session-expired", s.refresh(busy))
	require.NoError(t, s.accounts.Sweep(t.Context(), s.clock()))
	require.Zero(t, s.count(`select count(*) from refresh_tokens`))
}

func TestGuestsAreTheSameForTheSameCookie(t *testing.T) {
	t.Parallel()
	s := newService(t)
	subject := func(guest string) identity.Identity {
		who, err := s.keys.verifier().Verify(t.Context(), s.guests(guest)[0].AccessToken)
		require.NoError(t, err)
		return who
	}
	one := subject("0123456789abcdefghij")
	require.Equal(t, one.Subject, subject("0123456789abcdefghij").Subject)
	require.NotEqual(t, one.Subject, subject("0123456789abcdefghiJ").Subject)
	require.Equal(t, []identity.Role{identity.Guest}, one.Roles)
	require.Regexp(t, `^guest:[A-Za-z0-9_-]{43}$`, string(one.Subject))

	many := s.guests("0123456789abcdefghij", "0123456789abcdefghiJ")
	require.Len(t, many, 2)
	who, err := s.keys.verifier().Verify(t.Context(), many[0].AccessToken)
	require.NoError(t, err)
	require.Equal(t, one.Subject, who.Subject, "the answers are in the order of the question")
	for _, wrong := range [][]string{nil, {""}, {"0123456789abcdefghij", "short"}, slices.Repeat([]string{"0123456789abcdefghij"}, maxGuests+1)} {
		require.Equal(t, 400, s.post("/guests", m{"guests": wrong}).status)
	}
}

// guests asks for the tokens of the guests with these cookies.
func (s *service) guests(cookies ...string) []admittedGuest {
	s.t.Helper()
	a := s.post("/guests", m{"guests": cookies})
	require.Equal(s.t, 200, a.status, a.text)
	var page web.Page[admittedGuest]
	require.NoError(s.t, json.Unmarshal([]byte(a.text), &page))
	return page.Items
}

func TestGarbageIsRefused(t *testing.T) {
	t.Parallel()
	s := newService(t)
	long := strings.Repeat("x", 2<<20)
	for path, fields := range map[string][]string{
		"/register":     {"email", "password", "name"},
		"/verify-email": {"token"},
		"/login":        {"email", "password"},
		"/refresh":      {"refreshToken"},
		"/guests":       {"guests"},

		"/login/totp":      {"code"},
		"/password/forgot": {"email"},
		"/password/reset":  {"token", "password"},
	} {
		bodies := map[string]int{
			"": 400, "{": 400, "[]": 400, `"x"`: 400, "12": 400, "{} {}": 400, "\x00": 400, `{"isAdmin":true}`: 400,
			`{"` + fields[0] + `":"` + long + `"}`: 413, strings.Repeat("[", 200_000): 400,
		}
		for _, field := range fields {
			for _, value := range []string{"1", "true", "{}", "[]", "1e999"} {
				bodies[`{"`+field+`":`+value+`}`] = 400
			}
		}
		for body, want := range bodies {
			a := s.post(path, body)
			require.Equal(t, want, a.status, "%s %.80q: %.300s", path, body, a.text)
			require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
		}
		// Well-formed, and still nothing that anybody has.
		for _, value := range []any{"", "\x00", "x\u2028\x00", "\ufffd", nil, strings.Repeat("x", 100_000), "' OR 1=1 --"} {
			body := m{}
			for _, field := range fields {
				body[field] = value
			}
			a := s.post(path, body)
			require.Contains(t, []int{400, 401, 429}, a.status, "%s %.80q: %.300s", path, value, a.text)
		}
	}
	a := s.post("/login", `{"email":1}`)
	requireProblem(t, 400, "wrong-type", a)
	require.Equal(t, "email", a.fields["errors"].([]any)[0].(m)["field"])

	r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader("email=a&password=b"))
	r.Header.Set("Dapr-Caller-App-Id", "gateway")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, r)
	require.Equal(t, http.StatusUnsupportedMediaType, rec.Code)
}

// Every route as every calling service and every kind of caller. Internal routes do not exist for services that have no
// business there; only /me looks at who is signed in.
func TestRoutesByCaller(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	session := s.login("ada@example.com", password)
	id := session.fields["user"].(m)["id"].(string)
	foreign, err := identity.NewSigner(kidOf(t, s), newPrivateKey(t)).Sign(identity.Identity{Subject: "x", Roles: []identity.Role{identity.Admin}}, time.Now(), time.Minute)
	require.NoError(t, err)

	apps := []string{"", "gateway", "basket", "catalog", "client", "inventory", "notification", "ordering", "payment", "auth", "stranger", "Gateway", "gateway,client"}
	for _, route := range []struct {
		method, path string
		body         any
		from         []string
		status       int // for the callers that may
	}{
		{"POST", "/register", m{"email": "eve@example.com", "password": password, "name": "Eve"}, []string{"gateway"}, 202},
		{"POST", "/verify-email", m{"token": "x"}, []string{"gateway"}, 400},
		{"POST", "/login", m{"email": "ada@example.com", "password": password}, []string{"gateway"}, 200},
		{"POST", "/refresh", m{"refreshToken": "x"}, []string{"gateway"}, 401},
		{"POST", "/logout", m{"refreshToken": "x"}, []string{"gateway"}, 204},
		{"POST", "/login/totp", m{"code": "123456"}, []string{"gateway"}, 401},
		{"GET", "/personal-data/0196f1e5-0000-7000-8000-000000000000", nil, []string{"client"}, 200},
		{"DELETE", "/personal-data/0196f1e5-0000-7000-8000-000000000000", nil, []string{"client"}, 200},
		{"GET", "/personal-data/x", nil, []string{"client"}, 200},
		{"GET", "/factors", nil, []string{"gateway"}, 401},
		{"GET", "/passkeys", nil, []string{"gateway"}, 401},
		{"DELETE", "/passkeys/x", nil, []string{"gateway"}, 401},
		{"POST", "/passkeys/register/begin", nil, []string{"gateway"}, 401},
		{"POST", "/passkeys/register/finish", nil, []string{"gateway"}, 401},
		{"POST", "/passkeys/login/begin", nil, []string{"gateway"}, 200},
		{"POST", "/passkeys/login/finish", m{}, []string{"gateway"}, 401},
		{"POST", "/factors/totp", nil, []string{"gateway"}, 401},
		{"DELETE", "/factors/totp", nil, []string{"gateway"}, 401},
		{"POST", "/factors/totp/confirmation", m{"code": "123456"}, []string{"gateway"}, 401},
		{"POST", "/factors/recovery-codes", nil, []string{"gateway"}, 401},
		{"POST", "/logout-all", nil, []string{"gateway"}, 401},
		{"GET", "/sessions", nil, []string{"gateway"}, 401},
		{"DELETE", "/sessions/x", nil, []string{"gateway"}, 401},
		{"POST", "/password/forgot", m{"email": "eve@example.com"}, []string{"gateway"}, 202},
		{"POST", "/password/reset", m{"token": "x", "password": password}, []string{"gateway"}, 400},
		{"POST", "/password/change", m{"currentPassword": "x", "newPassword": password}, []string{"gateway"}, 401},
		{"POST", "/password-reset-mails/x", nil, []string{"notification"}, 404},
		{"POST", "/guests", m{"guests": []string{"0123456789abcdefghij"}}, []string{"gateway"}, 200},
		{"GET", "/accounts/" + id, nil, []string{"client", "notification"}, 200},
		{"GET", "/accounts/0196f1e5-0000-7000-8000-000000000000", nil, []string{"client", "notification"}, 404},
		{"GET", "/accounts/nobody", nil, []string{"client", "notification"}, 404},
		{"GET", "/accounts/%00", nil, []string{"client", "notification"}, 404},
		{"POST", "/verification-mails/x", nil, []string{"notification"}, 404},
		{"GET", "/outbox?topics=user-registered-v1", nil, []string{"client"}, 200},
		{"GET", "/outbox?topics=verification-requested-v1,password-reset-requested-v1,security-noticed-v1", nil, []string{"notification"}, 200},
		{"GET", "/outbox?topics=order-paid-v1", nil, nil, 0},
		{"GET", "/jwks.json", nil, apps, 200},
		{"GET", "/ended-sessions?since=2026-03-01T12:00:00Z", nil, apps, 200},
		{"GET", "/me", nil, []string{"gateway"}, 401},
		{"DELETE", "/me", nil, apps, 405},
		{"GET", "/", nil, apps, 404},
		{"GET", "/accounts", nil, apps, 404},
		{"GET", "//me", nil, apps, 404},
	} {
		for _, app := range apps {
			want := http.StatusNotFound
			for _, allowed := range route.from {
				if app == allowed {
					want = route.status
				}
			}
			a := s.do(request{method: route.method, path: route.path, from: app, body: route.body})
			require.Equal(t, want, a.status, "%s %s from %q: %s", route.method, route.path, app, a.text)
		}
	}

	guest := s.guests("0123456789abcdefghij")[0].AccessToken
	gone, _, err := s.keys.accessToken(t.Context(), identity.Identity{Subject: "0196f1e5-0000-7000-8000-000000000000", Roles: []identity.Role{identity.Customer}})
	require.NoError(t, err)
	for bearer, want := range map[string]int{
		"": 401, guest: 401, session.string("accessToken"): 200, gone: 404, foreign: 401, "x": 401,
		session.string("refreshToken"): 401, session.string("accessToken") + "x": 401,
	} {
		a := s.do(request{method: "GET", path: "/me", from: "gateway", bearer: bearer})
		require.Equal(t, want, a.status, a.text)
	}
	a := s.do(request{method: "GET", path: "/me", from: "gateway", bearer: guest})
	requireProblem(t, 401, "sign-in-required", a)
}

func TestSettingsThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]string
		says     string
	}{
		"no secret":      {map[string]string{"AUTH_KEY_ENCRYPTION_KEY": "c2hvcnQ="}, "too weak"},
		"short":          {map[string]string{"AUTH_KEY_ENCRYPTION_KEY": "MDEyMzQ1Njc4OWFiY2RlZg=="}, "32 random bytes"},
		"constant":       {map[string]string{"AUTH_KEY_ENCRYPTION_KEY": base64.StdEncoding.EncodeToString(make([]byte, 32))}, "too weak"},
		"regular":        {map[string]string{"AUTH_KEY_ENCRYPTION_KEY": base64.StdEncoding.EncodeToString([]byte("0123456701234567 123456701234567"))}, "not random"},
		"weak password":  {map[string]string{"AUTH_KEY_ENCRYPTION_KEY": randomSecret(), "AUTH_DATABASE_URL": "postgres://auth:auth@db/auth"}, "too weak"},
		"known password": {map[string]string{"AUTH_KEY_ENCRYPTION_KEY": randomSecret(), "AUTH_DATABASE_URL": "postgres://auth:postgres@db/auth"}, "too weak"},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), boot.NewEnv(app, func(key string) string {
				if v, ok := c.settings[key]; ok {
					return v
				}
				return map[string]string{"AUTH_DATABASE_URL": "postgres://127.0.0.1:1/none", "SIDECART_PUBLIC_URL": "https://shop.example"}[key]
			}))
			require.ErrorContains(t, err, c.says)
		})
	}
}
