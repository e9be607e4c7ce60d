package identity

import (
	"crypto/ed25519"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// No text but the one that was signed is believed.
func FuzzVerify(f *testing.F) {
	public, private := keyPair(f)
	good, err := NewSigner("k1", private).Sign(ada, time.Now(), MaxTTL)
	if err != nil {
		f.Fatal(err)
	}
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	for _, token := range []string{
		good, good + ".", header + "." + payload + ".", "." + payload + "." + signature, "eyJhbGciOiJub25lIn0." + payload + ".", "a.b.c", "..", "",
		header + "." + payload + "=." + signature, strings.Repeat("a.", 1000), "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIn0." + payload + "." + signature,
	} {
		f.Add(token)
	}
	v := verifier(public)
	f.Fuzz(func(t *testing.T, token string) {
		if who, err := v.Verify(t.Context(), token); err == nil && token != good {
			t.Fatalf("%q speaks for %v", token, who)
		}
	})
}

func FuzzJWKS(f *testing.F) {
	public, _ := keyPair(f)
	good, err := json.Marshal(JWKS{[]JWK{NewJWK("k1", public)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"},{"kty":"RSA"},null]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var set JWKS
		if json.Unmarshal(text, &set) != nil {
			return
		}
		for _, j := range set.Keys {
			if key, err := j.PublicKey(); err == nil && len(key) != ed25519.PublicKeySize {
				t.Fatalf("%v is a key of %d bytes", j, len(key))
			}
		}
	})
}
