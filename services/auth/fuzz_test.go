package main

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// What is taken for an address is the same when it is read again, is one address to a mail server, and has no room for a
// second header.
func FuzzNormalEmail(f *testing.F) {
	for _, s := range []string{
		"Ada@Example.com", " ada@example.com ", "a+b@example.co.uk", "ä@exämple.de", "ada@localhost", "ada@@example.com", `"a b"@example.com`,
		"ada@example.com,eve@example.com", "<ada@example.com>", "a\r\nBcc: e@example.com", "ada@example.com\x00", "İ@example.com", "ß@example.com", "\xff@example.com",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		email, ok := NormalEmail(s)
		if !ok {
			return
		}
		if again, ok := NormalEmail(email); !ok || again != email {
			t.Fatalf("%q is %q, and that %q", s, email, again)
		}
		if !utf8.ValidString(email) || strings.Count(email, "@") != 1 || strings.ContainsFunc(email, unicode.IsSpace) || strings.ContainsAny(email, "<>,;\"\\\x00") {
			t.Fatalf("%q is taken for %q", s, email)
		}
	})
}

func FuzzRegistration(f *testing.F) {
	f.Add("ada@example.com", "Ada", "a long pass phrase")
	f.Add("", "<b>", "\xff")
	f.Add("ada@example.com", "http://evil.example", strings.Repeat("ü", 128))
	f.Fuzz(func(t *testing.T, email, name, password string) {
		reg, err := NewRegistration(email, name, password)
		if err == nil && (strings.ContainsAny(reg.Name, "<>/\r\n\"") || reg.Password != password || utf8.RuneCountInString(password) < minPassword) {
			t.Fatalf("%+v", reg)
		}
	})
}

// A hash comes from our own database, but what is there must neither cost more than it may nor crash.
func FuzzVerifyHash(f *testing.F) {
	h := newHasher()
	for _, encoded := range []string{h.dummy, "", "$argon2id$v=19$m=1,t=1,p=1$AAAA$AAAA", "$argon2id$v=19$m=99999999,t=1,p=1$AAAA$AAAA", "$argon2id$v=19$m=8,t=0,p=0$$", "$2a$10$x", "$argon2id$"} {
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		if strings.Count(encoded, "m=") == 1 && len(encoded) > 200 {
			return
		}
		right, err := h.Verify(t.Context(), encoded, "password")
		if right && err != nil {
			t.Fatalf("%q: right, and %v", encoded, err)
		}
	})
}
