package boot

import (
	"fmt"
	"net/url"
	"strings"
)

const (
	fewestCharacters = 16 // of a secret, of which…
	fewestDifferent  = 6  // …so many differ
)

// checkSecret refuses secrets that somebody could guess: what stands in examples is short, or one character over and over.
// Of the address of a server the password is the secret; one without relies on a certificate or a socket. No error quotes
// the secret.
func checkSecret(name, secret string) error {
	guessable := fmt.Errorf("the secret %s is too weak for production: use %d random characters or more (SIDECART_MODE=local is for a laptop)", name, fewestCharacters)
	if strings.Contains(secret, "://") {
		u, err := url.Parse(secret)
		if err != nil {
			return fmt.Errorf("the secret %s is not a URL", name)
		}
		password, set := u.User.Password()
		if !set {
			return nil
		}
		secret = password
	}
	different := map[rune]bool{}
	for _, c := range secret {
		different[c] = true
	}
	if len(secret) < fewestCharacters || len(different) < fewestDifferent {
		return guessable
	}
	for _, word := range []string{"password", "changeme", "change-me", "secret", "example", "sidecart"} {
		if strings.Contains(strings.ToLower(secret), word) {
			return guessable
		}
	}
	return nil
}
