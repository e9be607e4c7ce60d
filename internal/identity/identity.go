// Package identity is who is asking: the verified claims of the caller's access token, and nothing that came from a path,
// a body or another header. auth signs tokens, every service verifies them itself.
package identity

import (
	"context"
	"slices"
	"time"

	"github.com/sidecart/sidecart/internal/problem"
)

// CustomerID is an account's id, or "guest:…" for somebody without an account.
type CustomerID string

// Role is what a caller may do. A token carries at least one.
type Role string

// The roles: guests have a basket and may check out, customers have an account, support and admin are staff.
const (
	Guest    Role = "guest"
	Customer Role = "customer"
	Support  Role = "support"
	Admin    Role = "admin"
)

// Identity is a verified caller; the zero value is an anonymous one.
type Identity struct {
	Subject   CustomerID
	SessionID string
	Roles     []Role
	Email     string // verified by auth; empty for guests
	Name      string
	IssuedAt  time.Time

	AuthenticatedAt time.Time // when the session began, with a proof of who they are; zero for guests
}

// freshFor is how lately somebody must have signed in to do what cannot be undone.
const freshFor = 10 * time.Minute

// Fresh refuses a caller whose sign-in is not recent: a browser left open must not be enough.
func (i Identity) Fresh(now time.Time) error {
	if now.Sub(i.AuthenticatedAt) <= freshFor {
		return nil
	}
	return problem.New(problem.Forbidden, "fresh-login-required", "Please sign in again to do this.")
}

func (i Identity) Anonymous() bool { return i.Subject == "" }
func (i Identity) Has(r Role) bool { return slices.Contains(i.Roles, r) }
func (i Identity) Guest() bool     { return i.Has(Guest) }

// Staff reports whether the caller works here, as support or admin.
func (i Identity) Staff() bool { return i.Has(Support) || i.Has(Admin) }

type (
	identityKey struct{}
	tokenKey    struct{}
)

// With puts a verified caller into ctx.
func With(ctx context.Context, i Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, i)
}

// From is the caller that ctx works for, the zero Identity if anonymous.
func From(ctx context.Context) Identity {
	i, _ := ctx.Value(identityKey{}).(Identity)
	return i
}

// WithToken puts the caller's access token into ctx, so that calls made for the caller carry it.
func WithToken(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, tokenKey{}, token)
}

// Token is the access token that ctx works under, or "".
func Token(ctx context.Context) string {
	s, _ := ctx.Value(tokenKey{}).(string)
	return s
}
