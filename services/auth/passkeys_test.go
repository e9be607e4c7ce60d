package main

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/identity"
)

// gadget is a virtual authenticator with one key, and the browser it is plugged into.
type gadget struct {
	*service
	virtualwebauthn.Authenticator
	key virtualwebauthn.Credential
	at  virtualwebauthn.RelyingParty
}

// newKey is one that the virtual authenticator writes down right: it drops leading zeros of coordinates, which real ones
// never do, so one key in 128 would not be read.
func newKey() virtualwebauthn.Credential {
	for {
		if key := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(key.Key.AttestationData()) == 77 {
			return key
		}
	}
}

func (s *service) gadget() *gadget {
	return &gadget{
		s, virtualwebauthn.NewAuthenticator(), newKey(),
		virtualwebauthn.RelyingParty{ID: "shop.example", Name: "Sidecart", Origin: "https://shop.example"},
	}
}

// options are what the browser was asked for, as text and as the challenge to finish it with.
func options(t testing.TB, a answer) (text, challenge string) {
	require.Equal(t, 200, a.status, a.text)
	b, err := json.Marshal(a.fields["answer"])
	require.NoError(t, err)
	return string(b), a.string("challenge")
}

// make answers a wish for a new passkey.
func (g *gadget) make(text string) json.RawMessage {
	asked, err := virtualwebauthn.ParseAttestationOptions(text)
	require.NoError(g.t, err)
	return json.RawMessage(virtualwebauthn.CreateAttestationResponse(g.at, g.Authenticator, g.key, *asked))
}

// sign answers a wish for a passkey.
func (g *gadget) sign(text string) json.RawMessage {
	asked, err := virtualwebauthn.ParseAssertionOptions(text)
	require.NoError(g.t, err)
	return json.RawMessage(virtualwebauthn.CreateAssertionResponse(g.at, g.Authenticator, g.key, *asked))
}

func (s *service) finishAt(session answer, path, challenge string, body any) answer {
	return s.do(request{method: "POST", path: path, from: "gateway", bearer: session.string("accessToken"), challenge: challenge, body: body})
}

// register makes a passkey for a signed-in customer.
func (g *gadget) register(session answer) answer {
	text, challenge := options(g.t, g.as(session, "POST", "/passkeys/register/begin", nil))
	var asked struct {
		PublicKey struct{ User struct{ ID string } }
	}
	require.NoError(g.t, json.Unmarshal([]byte(text), &asked))
	handle, err := base64.RawURLEncoding.DecodeString(asked.PublicKey.User.ID)
	require.NoError(g.t, err)
	g.Options.UserHandle = handle
	made := g.make(text)
	return g.finishAt(session, "/passkeys/register/finish", challenge, m{"name": "My key", "credential": made})
}

func (g *gadget) login() answer {
	text, challenge := options(g.t, g.post("/passkeys/login/begin", m{}))
	return g.finishAt(answer{}, "/passkeys/login/finish", challenge, m{"credential": g.sign(text)})
}

func TestSignInWithAPasskey(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	require.NoError(t, s.accounts.Grant(t.Context(), "ada@example.com", identity.Admin))
	session := s.login("ada@example.com", password)
	g := s.gadget()
	made := g.register(session)
	require.Equal(t, 201, made.status, made.text)
	require.Equal(t, "My key", made.string("name"))
	require.NotContains(t, made.text, "publicKey")

	for counter := range uint32(3) {
		g.key.Counter = counter + 1
		in := g.login()
		require.Equal(t, 200, in.status, in.text)
		require.Equal(t, "ada@example.com", in.fields["user"].(m)["email"])
		require.Equal(t, []any{"customer", "admin"}, in.fields["user"].(m)["roles"], "a passkey is two factors")
		require.Equal(t, 200, s.refresh(in.string("refreshToken")).status)
	}
	list := s.as(session, "GET", "/passkeys", nil).fields["items"].([]any)
	require.Len(t, list, 1)
	require.NotNil(t, list[0].(m)["lastUsedAt"])
	require.Equal(t, []string{"factors-changed"}, s.told("security-noticed-v1", "notice"))

	requireProblem(t, 409, "passkey-exists", g.register(session))
	s.customer("bob@example.com")
	bobs := s.login("bob@example.com", password)
	requireProblem(t, 404, "passkey-not-found", s.as(bobs, "DELETE", "/passkeys/"+made.string("id"), nil))
	require.Empty(t, s.as(bobs, "GET", "/passkeys", nil).fields["items"])
	for _, id := range []string{"x", "AAAA", "%00", "!"} {
		requireProblem(t, 404, "passkey-not-found", s.as(session, "DELETE", "/passkeys/"+id, nil))
	}
	require.Equal(t, 204, s.as(session, "DELETE", "/passkeys/"+made.string("id"), nil).status)
	requireProblem(t, 401, "invalid-credentials", g.login())
}

func TestPasskeysThatDoNotHold(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	session := s.login("ada@example.com", password)
	g := s.gadget()
	g.key.Counter = 7
	require.Equal(t, 201, g.register(session).status)
	g.key.Counter = 8
	require.Equal(t, 200, g.login().status)
	for name, spoil := range map[string]func(g *gadget){
		"a copy, whose counter lags":  func(g *gadget) { g.key.Counter = 5 },
		"another key":                 func(g *gadget) { g.key.Key = newKey().Key },
		"unknown":                     func(g *gadget) { g.key = newKey() },
		"another site":                func(g *gadget) { g.at.Origin = "https://shop.example.evil.example" },
		"another host":                func(g *gadget) { g.at.ID = "evil.example" },
		"user not verified":           func(g *gadget) { g.Options.UserNotVerified = true },
		"user not present":            func(g *gadget) { g.Options.UserNotPresent = true },
		"for an account that is none": func(g *gadget) { g.Options.UserHandle = []byte("0196f1e5-0000-7000-8000-000000000000") },
		"for what is no account's id": func(g *gadget) { g.Options.UserHandle = []byte("\x00'; --") },
	} {
		spoilt := *g
		spoilt.key.Counter = 100
		spoil(&spoilt)
		a := spoilt.login()
		require.Equal(t, 401, a.status, "%s: %s", name, a.text)
	}
	g.key.Counter = 101
	require.Equal(t, 200, g.login().status)
	require.NoError(t, s.accounts.Suspend(t.Context(), "ada@example.com", time.Now()))
	g.key.Counter = 102
	requireProblem(t, 403, "account-suspended", g.login())
}

func TestACeremonyIsFinishedOnceByWhoBeganIt(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	s.customer("bob@example.com")
	adas, bobs := s.login("ada@example.com", password), s.login("bob@example.com", password)
	g := s.gadget()
	text, challenge := options(t, s.as(adas, "POST", "/passkeys/register/begin", nil))
	body := m{"credential": g.make(text)}
	requireProblem(t, 401, "challenge-expired", s.finishAt(bobs, "/passkeys/register/finish", challenge, body))
	requireProblem(t, 401, "challenge-expired", s.finishAt(adas, "/passkeys/register/finish", challenge, body))
	require.Equal(t, 201, g.register(adas).status)

	text, challenge = options(t, s.post("/passkeys/login/begin", m{}))
	signed := m{"credential": g.sign(text)}
	requireProblem(t, 401, "challenge-expired", s.second(challenge, "000000"))
	require.Equal(t, 200, s.finishAt(answer{}, "/passkeys/login/finish", challenge, signed).status)
	requireProblem(t, 401, "challenge-expired", s.finishAt(answer{}, "/passkeys/login/finish", challenge, signed))
	_, other := options(t, s.post("/passkeys/login/begin", m{}))
	requireProblem(t, 401, "invalid-credentials", s.finishAt(answer{}, "/passkeys/login/finish", other, signed))
}

// Every tab with the sign-in page begins a passkey's ceremony, by which the browser offers passkeys.
func TestTheTabsOfABrowserFinishEachItsOwn(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	session := s.login("ada@example.com", password)
	secret, _ := s.enrol(session)
	g := s.gadget()
	require.Equal(t, 201, g.register(session).status)

	code := s.login("ada@example.com", password).string("challenge")
	one, first := options(t, s.post("/passkeys/login/begin", m{}))
	two, second := options(t, s.post("/passkeys/login/begin", m{}))
	all := strings.Join([]string{second, first, code}, ",")
	require.Equal(t, 200, s.second(all, s.code(secret, 1)).status, "the step that asks for a code goes on")
	require.Equal(t, 200, s.finishAt(answer{}, "/passkeys/login/finish", all, m{"credential": g.sign(one)}).status)
	requireProblem(t, 401, "invalid-credentials", s.finishAt(answer{}, "/passkeys/login/finish", all, m{"credential": g.sign(one)}))
	requireProblem(t, 401, "challenge-expired", s.finishAt(answer{}, "/passkeys/login/finish", all, m{"credential": g.sign(two)}))

	text, mine := options(t, s.post("/passkeys/login/begin", m{}))
	tooMany := strings.Repeat("x,", mostChallenges-1) + mine
	require.Equal(t, 200, s.finishAt(answer{}, "/passkeys/login/finish", tooMany, m{"credential": g.sign(text)}).status)
	text, mine = options(t, s.post("/passkeys/login/begin", m{}))
	tooMany = strings.Repeat("x,", mostChallenges) + mine
	requireProblem(t, 401, "challenge-expired", s.finishAt(answer{}, "/passkeys/login/finish", tooMany, m{"credential": g.sign(text)}))
}

func TestGarbageIsNoPasskey(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	session := s.login("ada@example.com", password)
	for _, garbage := range []string{`null`, `{}`, `[]`, `"x"`, `1e999`, `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`,
		`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA","authenticatorData":"AA","signature":"AA"}}`} {
		body := `{"credential":` + garbage + `}`
		_, challenge := options(t, s.as(session, "POST", "/passkeys/register/begin", nil))
		a := s.finishAt(session, "/passkeys/register/finish", challenge, body)
		require.Equal(t, 400, a.status, "%s: %s", garbage, a.text)
		_, challenge = options(t, s.post("/passkeys/login/begin", m{}))
		a = s.finishAt(answer{}, "/passkeys/login/finish", challenge, body)
		require.Contains(t, []int{400, 401}, a.status, "%s: %s", garbage, a.text)
	}
	requireProblem(t, 400, "invalid-name", s.finishAt(session, "/passkeys/register/finish", "", m{"name": strings.Repeat("x", 101)}))
	requireProblem(t, 401, "challenge-expired", s.finishAt(session, "/passkeys/register/finish", "", m{}))
}

func TestThereIsRoomForSoManyPasskeys(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.customer("ada@example.com")
	session := s.login("ada@example.com", password)
	for range mostPasskeys {
		require.Equal(t, 201, s.gadget().register(session).status)
	}
	requireProblem(t, 409, "too-many-passkeys", s.as(session, "POST", "/passkeys/register/begin", nil))
}

func TestPublicURLs(t *testing.T) {
	for _, url := range []string{"", "shop.example", "://", "https://"} {
		_, err := newRelyingParty(url)
		require.ErrorContains(t, err, "SIDECART_PUBLIC_URL", url)
	}
	local, err := newRelyingParty("http://localhost:8080")
	require.NoError(t, err)
	require.Equal(t, "localhost", local.Config.RPID)
	require.Equal(t, []string{"http://localhost:8080"}, local.Config.RPOrigins)
}

// The parsers of what browsers send are the library's; what reaches them here is bounded and must not end the process.
func FuzzCredential(f *testing.F) {
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA","authenticatorData":"AA","signature":"AA"}}`))
	f.Fuzz(func(_ *testing.T, body []byte) {
		_, _ = protocol.ParseCredentialCreationResponseBytes(body)
		_, _ = protocol.ParseCredentialRequestResponseBytes(body)
	})
}
