package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/internal/problem"
)

func TestNormalEmail(t *testing.T) {
	for in, want := range map[string]string{
		"ada@example.com":       "ada@example.com",
		"  Ada@EXAMPLE.com\n":   "ada@example.com",
		"a+b.c@mail.example.x":  "a+b.c@mail.example.x",
		"e\u0301va@example.com": "\u00e9va@example.com",
	} {
		got, ok := NormalEmail(in)
		require.True(t, ok, in)
		require.Equal(t, want, got)
	}
	for _, in := range []string{
		"", "@", "ada", "ada@", "@example.com", "ada@localhost", "ada@@example.com", "Ada <ada@example.com>",
		"ada@example.com, eve@example.com", `"a b"@example.com`, "ada@example.com\x00", "a\x00da@example.com",
		"ada@exa mple.com", "ada@[127.0.0.1]", "ada(x)@example.com", "ada@example.com\nBcc: eve@example.com",
		strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat("b.", 200) + "com", "ada\xff@example.com",
	} {
		_, ok := NormalEmail(in)
		require.False(t, ok, "%q", in)
	}
}

func TestNormalEmailIsItsOwnNormalForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(rapid.String(), rapid.StringMatching(`[\pL.+-]{1,10}@[\pL0-9-]{1,8}\.[a-zA-Z]{2,5}`)).Draw(t, "in")
		first, ok := NormalEmail(in)
		if !ok {
			return
		}
		second, ok := NormalEmail(first)
		require.True(t, ok, "%q of %q", first, in)
		require.Equal(t, first, second)
	})
}

func TestRegistrationNamesEveryFault(t *testing.T) {
	reg, err := NewRegistration("Ada@Example.com", " Zoë O’Neil-Łuk, Jr. 李 ", "correct horse")
	require.NoError(t, err)
	require.Equal(t, Registration{"ada@example.com", "Zoë O’Neil-Łuk, Jr. 李", "correct horse"}, reg)

	for _, c := range []struct{ name, email, person, password, field string }{
		{"no address", "nobody", "Ada", "correct horse", "email"},
		{"no name", "ada@example.com", " \t", "correct horse", "name"},
		{"long name", "ada@example.com", strings.Repeat("ä", 101), "correct horse", "name"},
		{"NUL in the name", "ada@example.com", "A\x00da", "correct horse", "name"},
		{"link in the name", "ada@example.com", "Win http://evil.example", "correct horse", "name"},
		{"mark-up in the name", "ada@example.com", "<b>Ada", "correct horse", "name"},
		{"short", "ada@example.com", "Ada", "7 chars", "password"},
		{"short in characters", "ada@example.com", "Ada", "üüüüüüü", "password"},
		{"long", "ada@example.com", "Ada", strings.Repeat("x", 129), "password"},
		{"common", "ada@example.com", "Ada", "Password1", "password"},
		{"common, other case", "ada@example.com", "Ada", "QWERTYUIOP", "password"},
		{"the address", "adalovelace@example.com", "Ada", "AdaLovelace@example.com", "password"},
		{"its first part", "adalovelace@example.com", "Ada", "adalovelace", "password"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewRegistration(c.email, c.person, c.password)
			p := problem.From(err)
			require.Equal(t, problem.Invalid, p.Kind)
			require.Len(t, p.Fields, 1)
			require.Equal(t, c.field, p.Fields[0].Field)
		})
	}
	_, err = NewRegistration("", "", "")
	require.Len(t, problem.From(err).Fields, 3)
}

func TestAnyCharactersMayBeInAPassword(t *testing.T) {
	for _, password := range []string{"        x", "пароль длинный", "🦊🦊🦊🦊🦊🦊🦊🦊", "nul\x00inside", strings.Repeat("ü", 128)} {
		require.Empty(t, passwordFault(password, "ada@example.com"), "%q", password)
	}
}

func TestPasswordListIsWhatItSays(t *testing.T) {
	require.Len(t, commonPasswords, 5000)
	for password := range commonPasswords {
		require.GreaterOrEqual(t, len(password), minPassword)
		require.Equal(t, strings.ToLower(password), password)
	}
}
