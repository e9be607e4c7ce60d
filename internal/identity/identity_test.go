package identity

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

var ada = Identity{Subject: "c-1", SessionID: "s-1", Roles: []Role{Customer}, Email: "ada@example.com", Name: "Ada"}

func keyPair(t testing.TB) (ed25519.PublicKey, ed25519.PrivateKey) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return public, private
}

func verifier(public ed25519.PublicKey) *Verifier {
	return NewVerifier(RemoteKeys(func(context.Context) (JWKS, error) { return JWKS{[]JWK{NewJWK("k1", public)}}, nil }))
}

func TestSignedTokensVerify(t *testing.T) {
	public, private := keyPair(t)
	now := time.Now()
	token, err := NewSigner("k1", private).Sign(ada, now, MaxTTL)
	require.NoError(t, err)
	got, err := verifier(public).Verify(t.Context(), token)
	require.NoError(t, err)
	require.WithinDuration(t, now, got.IssuedAt, time.Second)
	got.IssuedAt = time.Time{}
	require.Equal(t, ada, got)
}

func TestSignRefusesLongLifeAndEmptyIdentity(t *testing.T) {
	_, private := keyPair(t)
	s := NewSigner("k1", private)
	for _, c := range []struct {
		i   Identity
		ttl time.Duration
	}{{ada, MaxTTL + 1}, {ada, 0}, {Identity{}, time.Minute}, {Identity{Subject: "x"}, time.Minute}} {
		_, err := s.Sign(c.i, time.Now(), c.ttl)
		require.Error(t, err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	public, private := keyPair(t)
	_, stranger := keyPair(t)
	now := time.Now()
	sign := func(method jwt.SigningMethod, key any, change func(*jwt.Token, *claims)) string {
		c := &claims{RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Audience: jwt.ClaimStrings{audience}, Subject: "c-1", IssuedAt: jwt.NewNumericDate(now),
			NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Minute)),
		}, Roles: []Role{Customer}}
		token := jwt.NewWithClaims(method, c)
		token.Header["kid"], token.Header["typ"] = "k1", tokenType
		if change != nil {
			change(token, c)
		}
		s, err := token.SignedString(key)
		require.NoError(t, err)
		return s
	}
	ed := jwt.SigningMethodEdDSA
	good := sign(ed, private, nil)
	_, err := verifier(public).Verify(t.Context(), good)
	require.NoError(t, err)

	for name, token := range map[string]string{
		"another key":   sign(ed, stranger, nil),
		"unknown kid":   sign(ed, private, func(t *jwt.Token, _ *claims) { t.Header["kid"] = "k2" }),
		"no kid":        sign(ed, private, func(t *jwt.Token, _ *claims) { delete(t.Header, "kid") }),
		"another type":  sign(ed, private, func(t *jwt.Token, _ *claims) { t.Header["typ"] = "JWT" }),
		"HMAC with key": sign(jwt.SigningMethodHS256, []byte(public), nil),
		"none":          sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil),
		"issuer":        sign(ed, private, func(_ *jwt.Token, c *claims) { c.Issuer = "evil" }),
		"audience":      sign(ed, private, func(_ *jwt.Token, c *claims) { c.Audience = nil }),
		"not yet":       sign(ed, private, func(_ *jwt.Token, c *claims) { c.NotBefore = jwt.NewNumericDate(now.Add(time.Hour)) }),
		"no expiry":     sign(ed, private, func(_ *jwt.Token, c *claims) { c.ExpiresAt = nil }),
		"no subject":    sign(ed, private, func(_ *jwt.Token, c *claims) { c.Subject = "" }),
		"no role":       sign(ed, private, func(_ *jwt.Token, c *claims) { c.Roles = nil }),
		"cut":           good[:len(good)-2],
		"other payload": strings.Replace(good, ".", ".e30", 1),
		"garbage":       "a.b.c",
		"empty":         "",
	} {
		_, err := verifier(public).Verify(t.Context(), token)
		require.Truef(t, problem.Is(err, "invalid-token"), "%s: %v", name, err)
	}
	old := sign(ed, private, func(_ *jwt.Token, c *claims) { c.ExpiresAt = jwt.NewNumericDate(now.Add(-time.Minute)) })
	_, err = verifier(public).Verify(t.Context(), old)
	require.True(t, problem.Is(err, "session-expired"))
}

func TestRemoteKeysOutliveAuth(t *testing.T) {
	public, private := keyPair(t)
	calls, down := 0, false
	v := NewVerifier(RemoteKeys(func(context.Context) (JWKS, error) {
		calls++
		if down {
			return JWKS{}, errors.New("auth is away")
		}
		return JWKS{[]JWK{NewJWK("k1", public), {KeyType: "RSA", KeyID: "k9"}}}, nil
	}))
	token, err := NewSigner("k1", private).Sign(ada, time.Now(), time.Minute)
	require.NoError(t, err)
	for range 3 {
		_, err = v.Verify(t.Context(), token)
		require.NoError(t, err)
	}
	require.Equal(t, 1, calls)
	down = true
	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err)
}

func TestNoKeysIsUnavailableNotUnauthenticated(t *testing.T) {
	_, private := keyPair(t)
	v := NewVerifier(RemoteKeys(func(context.Context) (JWKS, error) { return JWKS{}, errors.New("auth is away") }))
	token, err := NewSigner("k1", private).Sign(ada, time.Now(), time.Minute)
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), token)
	require.True(t, problem.Is(err, "service-unavailable"), err)
}

func TestMiddlewareAndRequire(t *testing.T) {
	public, private := keyPair(t)
	signer := NewSigner("k1", private)
	handler := verifier(public).Middleware(Require(func(w http.ResponseWriter, r *http.Request) error {
		return web.Encode(w, http.StatusOK, From(r.Context()).Subject)
	}, Support, Admin))
	bearer := func(i Identity) string {
		token, err := signer.Sign(i, time.Now(), time.Minute)
		require.NoError(t, err)
		return "Bearer " + token
	}
	for header, want := range map[string]int{
		"":           401,
		"Basic YTpi": 401,
		"Bearer x":   401,
		bearer(ada):  403,
		bearer(Identity{Subject: "a", Roles: []Role{Admin}}): 200,
		bearer(Identity{Subject: "g", Roles: []Role{Guest}}): 403,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", header)
		r.Header.Set("X-User-Id", "admin")
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		require.Equal(t, want, rec.Code, header)
	}
}

// A token that was not seen before: what every request would cost without the memory of the last ones.
func BenchmarkVerifyNew(b *testing.B) {
	public, private := keyPair(b)
	token, err := NewSigner("k1", private).Sign(ada, time.Now(), MaxTTL)
	require.NoError(b, err)
	v := verifier(public)
	for b.Loop() {
		v.recent.Purge()
		if _, err := v.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	public, private := keyPair(b)
	token, err := NewSigner("k1", private).Sign(ada, time.Now(), MaxTTL)
	require.NoError(b, err)
	v := verifier(public)
	for b.Loop() {
		if _, err := v.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}
