package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The cookies that hold what a browser may not see. The __Host- prefix makes browsers refuse them from another host, from
// a subdomain and without TLS.
const (
	accessCookie  = "__Host-access"
	refreshCookie = "__Host-refresh"
	guestCookie   = "__Host-guest"

	// deviceCookie tells auth the browsers in which somebody has signed in before, so that strangers who guess passwords
	// do not keep the owner out. It opens nothing by itself and outlives the sessions.
	deviceCookie = "__Host-device"

	// challengeCookie holds what sign-ins and passkeys' ceremonies were begun with until the same browser finishes them: the
	// latest few, with dots between them, since a page that offers passkeys begins one while another tab asks for a code.
	challengeCookie = "__Host-challenge"
)

const mostChallenges = 8

func setSession(w http.ResponseWriter, made session) {
	setCookie(w, accessCookie, made.AccessToken, time.Until(made.AccessExpiresAt))
	setCookie(w, refreshCookie, made.RefreshToken, time.Until(made.RefreshExpiresAt))
}

func setCookie(w http.ResponseWriter, name, value string, ttl time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: max(1, int(ttl.Seconds())),
		HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
	})
}

func dropCookies(w http.ResponseWriter, names ...string) {
	for _, name := range names {
		http.SetCookie(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
	}
}

func cookie(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

func guestSecret(r *http.Request) string { return secretOf(r, guestCookie) }

// secretOf is a cookie that holds a secret of newSecret, if it has the form of one.
func secretOf(r *http.Request, name string) string {
	secret := cookie(r, name)
	if !isSecret(secret) {
		return ""
	}
	return secret
}

func isSecret(s string) bool {
	b, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil && len(b) == 32
}

// challengesOf are what r's browser has begun, the latest first.
func challengesOf(r *http.Request) []string {
	all := strings.SplitN(cookie(r, challengeCookie), ".", mostChallenges+1)
	return slices.DeleteFunc(all[:min(len(all), mostChallenges)], func(s string) bool { return !isSecret(s) })
}

func newSecret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(b)
}

// fingerprint names a secret in memory without keeping it.
func fingerprint(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return string(sum[:])
}

// sessionKey tells sessions apart without knowing whose they are; "" for a visitor without cookies.
func sessionKey(r *http.Request) string {
	for _, name := range []string{refreshCookie, guestCookie, accessCookie} {
		if secret := cookie(r, name); secret != "" {
			return fingerprint(secret)
		}
	}
	return ""
}

// expiry reads when an access token ends, the zero time if it is none. The signature is not checked here: every service
// does that, and all that depends on this is whether a renewal is tried first.
func expiry(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}
	}
	var claims struct {
		ExpiresAt int64 `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.ExpiresAt <= 0 {
		return time.Time{}
	}
	return time.Unix(claims.ExpiresAt, 0)
}
