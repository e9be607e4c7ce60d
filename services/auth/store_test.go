package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/postgres/postgrestest"
	"github.com/sidecart/sidecart/internal/problem"
)

func newPrivateKey(t testing.TB) ed25519.PrivateKey {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return private
}

// kidOf is the key id that s signs with.
func kidOf(t testing.TB, s *service) string {
	_, set, err := s.keys.load(t.Context())
	require.NoError(t, err)
	require.Len(t, set.Keys, 1)
	return set.Keys[0].KeyID
}

func newKeyring(t testing.TB, db *store, secret string) *keyring {
	seal, err := newSeal(secret, true)
	require.NoError(t, err)
	return &keyring{store: db, seal: seal, now: time.Now}
}

func TestReplicasThatStartAtOnceShareOneKey(t *testing.T) {
	t.Parallel()
	db := &store{postgrestest.New(t, migrations())}
	secret := randomSecret()
	sets, errs := make([]identity.JWKS, 6), make([]error, 6)
	var wg sync.WaitGroup
	for i := range sets {
		ring := newKeyring(t, db, secret)
		wg.Go(func() { _, sets[i], errs[i] = ring.load(t.Context()) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	for _, set := range sets {
		require.Len(t, set.Keys, 1)
		require.Equal(t, sets[0], set)
	}
	_, _, err := newKeyring(t, db, randomSecret()).load(t.Context())
	require.ErrorContains(t, err, "was the secret changed?")
}

func TestRotation(t *testing.T) {
	now := time.Now()
	aged := func(ages ...time.Duration) (keys []SigningKey) { // newest first, named by their place
		for i, age := range ages {
			keys = append(keys, SigningKey{KID: string(rune('a' + i)), CreatedAt: now.Add(-age)})
		}
		return keys
	}
	for name, c := range map[string]struct {
		keys    []SigningKey
		due     bool
		retired []string
		signs   string
	}{
		"none":                  {nil, true, nil, ""},
		"the first":             {aged(0), false, nil, "a"},
		"in its time":           {aged(keyLife - 1), false, nil, "a"},
		"past its time":         {aged(keyLife), true, nil, "a"},
		"announced":             {aged(keyAhead-1, keyLife), false, nil, "b"},
		"taken over":            {aged(keyAhead, keyLife), false, nil, "a"},
		"still good":            {aged(keyAhead+keyOverlap-1, keyLife), false, nil, "a"},
		"nothing of it is good": {aged(keyAhead+keyOverlap, keyLife), false, []string{"b"}, "a"},
		"announced twice":       {aged(0, keyAhead, keyLife), false, nil, "b"},
		"long away":             {aged(2*keyLife, 3*keyLife, 4*keyLife), true, []string{"b", "c"}, "a"},
	} {
		due, retired := rotation(c.keys, now)
		require.Equal(t, c.due, due, name)
		require.Equal(t, c.retired, retired, name)
		if c.keys != nil {
			require.Equal(t, c.signs, signing(c.keys, now).KID, name)
			require.NotContains(t, retired, c.signs, name)
		}
	}
	require.Greater(t, keyOverlap, identity.EndedKept, "no token outlives its key")
}

// A service that holds the set of before takes tokens of the new key, and those of the old one until they are over.
func TestANewKeySignsWhileTheOldOneStillVerifies(t *testing.T) {
	t.Parallel()
	db := &store{postgrestest.New(t, migrations())}
	ring := newKeyring(t, db, randomSecret())
	now := time.Now()
	at := func(moment time.Time) { ring.now = func() time.Time { return moment } }
	guest := identity.Identity{Subject: "guest:x", Roles: []identity.Role{identity.Guest}}
	sign := func() string {
		token, _, err := ring.accessToken(t.Context(), guest)
		require.NoError(t, err)
		return token
	}
	at(now.Add(-keyLife - keyAhead))
	require.NoError(t, ring.rotate(t.Context()))
	at(now.Add(-2 * keysKept))
	old := sign()
	service := identity.NewVerifier(identity.RemoteKeys(ring.published))
	_, err := service.Verify(t.Context(), old)
	require.NoError(t, err)

	at(now.Add(-keyAhead))
	for range 3 {
		require.NoError(t, ring.rotate(t.Context()))
	}
	valid, err := db.SigningKeys(t.Context())
	require.NoError(t, err)
	require.Len(t, valid, 2, "one is due once")
	require.False(t, bytes.Contains(valid[0].Sealed, valid[0].PublicKey))
	at(now)
	newer := sign()
	require.NotEqual(t, strings.Split(old, ".")[0], strings.Split(newer, ".")[0], "another kid")
	require.Eventually(t, func() bool {
		_, err := service.Verify(t.Context(), newer)
		return err == nil
	}, 10*time.Second, 100*time.Millisecond, "a key that it has not met is asked for, at most once a second")
	_, err = ring.verifier().Verify(t.Context(), old)
	require.NoError(t, err)

	at(now.Add(keyOverlap))
	require.NoError(t, ring.rotate(t.Context()))
	_, err = ring.verifier().Verify(t.Context(), old)
	require.True(t, problem.Is(err, "invalid-token"), "%v", err)
	_, err = ring.verifier().Verify(t.Context(), newer)
	require.NoError(t, err)
	var sealed []byte
	require.NoError(t, db.db.QueryRow(t.Context(), `select sealed from signing_keys where retired_at is not null`).Scan(&sealed))
	require.Empty(t, sealed, "nobody will sign with it again")
}

func TestKeysByCommand(t *testing.T) {
	t.Parallel()
	url, secret := postgrestest.URL(t), randomSecret()
	run := func(secret string, args ...string) (code int, said string) {
		var out bytes.Buffer
		env := map[string]string{"AUTH_DATABASE_URL": url, "AUTH_KEY_ENCRYPTION_KEY": secret}
		code = command(t.Context(), args, func(name string) string { return env[name] }, &out, &out)
		return code, out.String()
	}
	code, said := run(secret, "rotate-keys")
	require.Zero(t, code, said)
	pool, err := postgres.Open(t.Context(), url, migrations())
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	ring := newKeyring(t, &store{pool}, secret)
	valid, err := ring.store.SigningKeys(t.Context())
	require.NoError(t, err)
	require.Len(t, valid, 2)
	token, _, err := ring.accessToken(t.Context(), identity.Identity{Subject: "guest:x", Roles: []identity.Role{identity.Guest}})
	require.NoError(t, err)

	code, said = run(randomSecret(), "replace-keys")
	require.Equal(t, 1, code)
	require.Contains(t, said, "was the secret changed?")
	code, said = run(secret, "replace-keys")
	require.Zero(t, code, said)
	set, err := ring.published(t.Context())
	require.NoError(t, err)
	require.Len(t, set.Keys, 1)
	for _, key := range valid {
		require.NotEqual(t, key.KID, set.Keys[0].KeyID)
	}
	_, err = ring.verifier().Verify(t.Context(), token)
	require.True(t, problem.Is(err, "invalid-token"), "%v", err)
	code, _ = run(secret, "rotate-keys", "ada@example.com")
	require.Equal(t, 2, code)
}

func TestSealedKeysCannotBeSwapped(t *testing.T) {
	seal, err := newSeal(randomSecret(), true)
	require.NoError(t, err)
	key, err := seal.newKey(time.Now())
	require.NoError(t, err)
	_, err = seal.signer(key)
	require.NoError(t, err)
	key.KID = "another"
	_, err = seal.signer(key)
	require.ErrorContains(t, err, "does not open signing key another")
}

func TestGrantAdmin(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	grant := func(args ...string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		code = command(t.Context(), args, func(string) string { return url }, &out, &errs)
		return code, out.String(), errs.String()
	}
	code, _, stderr := grant("grant-admin", "ada@example.com")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "there is no account with the address ada@example.com")

	s := newServiceAt(t, url)
	s.staffMFA = false
	s.register("ada@example.com", password)
	code, _, stderr = grant("grant-admin", "ada@example.com")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "has not been verified yet")
	require.Equal(t, 200, s.post("/verify-email", m{"token": s.mail(s.requests()[0]).string("token")}).status)
	session := s.login("ada@example.com", password)
	for range 2 {
		code, stdout, stderr := grant("grant-admin", "Ada@Example.com")
		require.Zero(t, code, stderr)
		require.Contains(t, stdout, "is an administrator now")
	}
	next := s.refresh(session.string("refreshToken"))
	require.Equal(t, []any{"customer", "admin"}, next.fields["user"].(m)["roles"])
	who, err := s.keys.verifier().Verify(t.Context(), next.string("accessToken"))
	require.NoError(t, err)
	require.True(t, who.Has(identity.Admin))

	code, stdout, _ := grant("suspend", "ada@example.com")
	require.Zero(t, code)
	require.Contains(t, stdout, "is suspended")
	requireProblem(t, 401, "session-expired", s.refresh(next.string("refreshToken")))
	requireProblem(t, 403, "account-suspended", s.login("ada@example.com", password))
	requireProblem(t, 401, "invalid-credentials", s.login("ada@example.com", "wrong password"))
	code, _, _ = grant("restore", "ada@example.com")
	require.Zero(t, code)
	require.Equal(t, 200, s.login("ada@example.com", password).status)
	code, _, _ = grant("grant-support", "ada@example.com")
	require.Zero(t, code)
	require.Equal(t, []any{"customer", "admin", "support"}, s.login("ada@example.com", password).fields["user"].(m)["roles"])

	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--help"}, 0, "grant-admin EMAIL"},
		{[]string{"grant-admin", "--help"}, 0, "grant-admin EMAIL"},
		{[]string{"grant-admin"}, 2, "takes one e-mail address"},
		{[]string{"grant-admin", "a@example.com", "b@example.com"}, 2, "takes one e-mail address"},
		{[]string{"grant-admin", "nobody"}, 1, "is not an e-mail address"},
		{[]string{"serve"}, 2, `no command "serve"`},
	} {
		code, stdout, stderr := grant(c.args...)
		require.Equal(t, c.code, code, c.args)
		require.Contains(t, stdout+stderr, c.says)
	}
	url = ""
	_, _, stderr = grant("grant-admin", "ada@example.com")
	require.Contains(t, stderr, "AUTH_DATABASE_URL is not set")
}
