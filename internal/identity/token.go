package identity

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/hashicorp/golang-lru/v2/expirable"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

const (
	issuer    = "sidecart-auth"
	audience  = "sidecart"
	tokenType = "at+jwt" // RFC 9068

	// MaxTTL is the longest that an access token may live.
	MaxTTL = 10 * time.Minute
)

type claims struct {
	jwt.RegisteredClaims
	SessionID string `json:"sid,omitempty"`
	Roles     []Role `json:"roles"`
	Email     string `json:"email,omitempty"`
	Name      string `json:"name,omitempty"`

	AuthTime *jwt.NumericDate `json:"auth_time,omitempty"` // OpenID Connect Core, section 2
}

// Signer makes access tokens (JWT, RFC 9068; EdDSA, RFC 8037). Only auth has one.
type Signer struct {
	kid string
	key ed25519.PrivateKey
}

// NewSigner signs with key, which verifiers find under kid.
func NewSigner(kid string, key ed25519.PrivateKey) *Signer { return &Signer{kid, key} }

// Sign makes a token for i that is valid from now for ttl, at most MaxTTL.
func (s *Signer) Sign(i Identity, now time.Time, ttl time.Duration) (string, error) {
	if ttl <= 0 || ttl > MaxTTL {
		return "", fmt.Errorf("access token for %s: more than %s", ttl, MaxTTL)
	}
	if i.Anonymous() || len(i.Roles) == 0 {
		return "", errors.New("access token without subject or role")
	}
	var authTime *jwt.NumericDate
	if !i.AuthenticatedAt.IsZero() {
		authTime = jwt.NewNumericDate(i.AuthenticatedAt)
	}
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Audience: jwt.ClaimStrings{audience}, Subject: string(i.Subject),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
		},
		SessionID: i.SessionID, Roles: i.Roles, Email: i.Email, Name: i.Name, AuthTime: authTime,
	})
	t.Header["kid"], t.Header["typ"] = s.kid, tokenType
	return t.SignedString(s.key)
}

// Keys finds the public key of a key id.
type Keys func(ctx context.Context, kid string) (ed25519.PublicKey, error)

// Verifier checks access tokens: signature, algorithm, type, issuer, audience, times, and, while it follows auth, that
// their session has not ended.
type Verifier struct {
	keys   Keys
	parser *jwt.Parser
	recent *expirable.LRU[string, verified] // by token: a shopper's requests come in bunches
	ended  ended
}

type verified struct {
	identity Identity
	until    time.Time
}

const (
	leeway       = 5 * time.Second
	rememberFor  = 30 * time.Second // a key that is withdrawn is still believed for so long
	rememberMost = 10_000
)

// NewVerifier checks tokens against keys.
func NewVerifier(keys Keys) *Verifier {
	return &Verifier{
		keys: keys,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
			jwt.WithExpirationRequired(), jwt.WithNotBeforeRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway),
		),
		recent: expirable.NewLRU[string, verified](rememberMost, nil, rememberFor),
		ended:  ended{sessions: map[string]time.Time{}},
	}
}

// Verify returns who token speaks for. A token that does not hold is refused with a problem: "session-expired" if it is
// only too old or its session has ended, "invalid-token" otherwise.
func (v *Verifier) Verify(ctx context.Context, token string) (Identity, error) {
	i, err := v.verify(ctx, token)
	if err == nil && v.ended.has(i.SessionID) {
		return Identity{}, errSessionExpired()
	}
	return i, err
}

func errSessionExpired() error {
	return problem.New(problem.Unauthenticated, "session-expired", "The session has expired. Please sign in again.")
}

// verify remembers what it found for a moment.
func (v *Verifier) verify(ctx context.Context, token string) (Identity, error) {
	if known, ok := v.recent.Get(token); ok && time.Now().Before(known.until) {
		return known.identity, nil
	}
	var c claims
	var noKeys error
	_, err := v.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		if t.Header["typ"] != tokenType {
			return nil, errors.New("not an access token")
		}
		kid, _ := t.Header["kid"].(string)
		key, err := v.keys(ctx, kid)
		if err != nil {
			if !errors.Is(err, errUnknownKey) {
				noKeys = err
			}
			return nil, err
		}
		return key, nil
	})
	switch {
	case noKeys != nil:
		return Identity{}, problem.New(problem.Unavailable, "service-unavailable", "Signing in is not possible at the moment.").
			WithRetryAfter(2 * time.Second)
	case errors.Is(err, jwt.ErrTokenExpired):
		return Identity{}, errSessionExpired()
	case err != nil || c.Subject == "" || len(c.Roles) == 0:
		return Identity{}, problem.New(problem.Unauthenticated, "invalid-token", "The access token does not hold.")
	}
	i := Identity{
		Subject: CustomerID(c.Subject), SessionID: c.SessionID, Roles: c.Roles, Email: c.Email, Name: c.Name, IssuedAt: c.IssuedAt.Time,
	}
	if c.AuthTime != nil {
		i.AuthenticatedAt = c.AuthTime.Time
	}
	v.recent.Add(token, verified{i, c.ExpiresAt.Add(leeway)})
	return i, nil
}

// Middleware verifies a request's bearer token. No token means an anonymous caller; one that does not hold is an error
// even where a route would serve anybody.
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	return web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		header := r.Header.Get("Authorization")
		if header == "" {
			next.ServeHTTP(w, r)
			return nil
		}
		token, ok := strings.CutPrefix(header, "Bearer ")
		if !ok {
			return problem.New(problem.Unauthenticated, "invalid-token", "Only bearer tokens are accepted here.")
		}
		i, err := v.Verify(r.Context(), token)
		if err != nil {
			return err
		}
		web.SetCaller(r.Context(), string(i.Subject))
		next.ServeHTTP(w, r.WithContext(WithToken(With(r.Context(), i), token)))
		return nil
	})
}

// Require serves h only to callers that have one of roles.
func Require(h web.Handler, roles ...Role) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		i := From(r.Context())
		if i.Anonymous() {
			return problem.New(problem.Unauthenticated, "sign-in-required", "Please sign in first.")
		}
		for _, role := range roles {
			if i.Has(role) {
				return h(w, r)
			}
		}
		return problem.New(problem.Forbidden, "not-allowed", "This is not open to you.")
	}
}

// JWK is a public Ed25519 key (RFC 7517, RFC 8037).
type JWK struct {
	KeyType   string `json:"kty"`
	Curve     string `json:"crv"`
	KeyID     string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	X         string `json:"x"`
}

// JWKS is a set of public keys (RFC 7517 section 5).
type JWKS struct {
	Keys []JWK `json:"keys"`
}

// NewJWK describes key for a key set.
func NewJWK(kid string, key ed25519.PublicKey) JWK {
	return JWK{"OKP", "Ed25519", kid, "sig", "EdDSA", base64.RawURLEncoding.EncodeToString(key)}
}

// PublicKey is the key that j describes.
func (j JWK) PublicKey() (ed25519.PublicKey, error) {
	x, err := base64.RawURLEncoding.DecodeString(j.X)
	if err != nil || j.KeyType != "OKP" || j.Curve != "Ed25519" || len(x) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("key %q is not an Ed25519 public key", j.KeyID)
	}
	return x, nil
}

var errUnknownKey = errors.New("unknown key id")

// RemoteKeys finds keys in a key set that fetch brings. The set is kept for five minutes and fetched anew for a key id
// that is not in it, at most once a second, so that tokens with invented key ids do not turn into calls.
func RemoteKeys(fetch func(context.Context) (JWKS, error)) Keys {
	var (
		mu      sync.Mutex
		keys    map[string]ed25519.PublicKey
		fetched time.Time
	)
	return func(ctx context.Context, kid string) (ed25519.PublicKey, error) {
		mu.Lock()
		defer mu.Unlock()
		age := time.Since(fetched)
		key, known := keys[kid]
		if known && age < 5*time.Minute {
			return key, nil
		}
		if keys == nil || age > time.Second {
			set, err := fetch(ctx)
			switch {
			case err == nil:
				keys, fetched = make(map[string]ed25519.PublicKey, len(set.Keys)), time.Now()
				for _, j := range set.Keys {
					if k, err := j.PublicKey(); err == nil {
						keys[j.KeyID] = k
					}
				}
				key, known = keys[kid]
			case !known:
				return nil, fmt.Errorf("fetch the token keys: %w", err)
			}
		}
		if !known {
			return nil, errUnknownKey
		}
		return key, nil // auth may be away: a key once published stays good until we hear otherwise
	}
}
