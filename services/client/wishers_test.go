package main

import (
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/identity"
)

// wishing is a customer with wishes, who wants to be told of their return or not.
func (s *service) wishing(agrees bool, skus ...string) identity.CustomerID {
	id := newID()
	token := s.bearer(id, identity.Customer)
	for _, sku := range skus {
		require.Equal(s.t, 200, s.do(token, "PUT", "/wishlist/"+sku, "").Code)
	}
	if agrees {
		require.Equal(s.t, 200, s.do(token, "PATCH", "/preferences", `{"consents":{"backInStock":true}}`).Code)
	}
	return id
}

// wishersOf reads all pages.
func (s *service) wishersOf(sku string, before time.Time, limit string) (found []string) {
	for cursor := ""; ; {
		query := url.Values{"sku": {sku}, "before": {before.Format(time.RFC3339Nano)}, "limit": {limit}, "cursor": {cursor}}
		a := s.do("", "GET", "/wishers?"+query.Encode(), "", "Dapr-Caller-App-Id", "notification")
		require.Equal(s.t, 200, a.Code, a.Body.String())
		for _, item := range a.fields["items"].([]any) {
			found = append(found, item.(map[string]any)["customerId"].(string))
		}
		next, more := a.fields["nextCursor"].(string)
		if !more {
			return found
		}
		cursor = next
	}
}

func TestWishersAreThoseWhoWantToBeTold(t *testing.T) {
	t.Parallel()
	s := newService(t)
	var want []string
	for range 5 {
		want = append(want, string(s.wishing(true, "MUG", "POT")))
	}
	s.wishing(false, "MUG")
	s.wishing(true, "POT")
	s.wishing(true)
	slices.Sort(want)
	later := time.Now().Add(time.Minute)
	require.Equal(t, want, s.wishersOf("MUG", later, "500"))
	require.Equal(t, want, s.wishersOf("MUG", later, "2"))
	require.Empty(t, s.wishersOf("MUG", time.Now().Add(-time.Minute), "500"), "who wished for it when it was there is not told that it came")
	require.Empty(t, s.wishersOf("CUP", later, "500"))
	require.Len(t, s.wishersOf("POT", later, "500"), 6)
	require.Equal(t, 200, s.do(s.bearer(identity.CustomerID(want[0]), identity.Customer), "DELETE", "/wishlist/MUG", "").Code)
	require.Equal(t, want[1:], s.wishersOf("MUG", later, "500"))
}

func TestWishersAreForNotificationAlone(t *testing.T) {
	t.Parallel()
	s := newService(t)
	requireProblem(t, 404, "no-such-route", s.do(s.bearer(newID(), identity.Admin), "GET", "/wishers?sku=A&before=2026-11-01T00:00:00Z", "", "Dapr-Caller-App-Id", "gateway"))
	for query, code := range map[string]string{
		"": "invalid-sku", "sku=%00&before=2026-11-01T00:00:00Z": "invalid-sku", "sku=$ne": "invalid-sku", "sku=A": "invalid-time",
		"sku=A&before=yesterday":                             "invalid-time",
		"sku=A&before=2026-11-01T00:00:00Z&cursor=x":         "invalid-cursor",
		"sku=A&before=2026-11-01T00:00:00Z&limit=501":        "invalid-limit",
		"sku=" + strings.Repeat("A", 65) + "&before=2026-11": "invalid-sku",
	} {
		requireProblem(t, 400, code, s.do("", "GET", "/wishers?"+query, "", "Dapr-Caller-App-Id", "notification"))
	}
}

func TestAMailIsEndedByItsToken(t *testing.T) {
	t.Parallel()
	s := newService(t)
	id := s.wishing(true, "MUG")
	tokens := func() map[string]any {
		a := s.do("", "GET", "/customers/"+string(id)+"/preferences", "", "Dapr-Caller-App-Id", "notification")
		require.Equal(t, 200, a.Code, a.Body.String())
		return a.fields["unsubscribe"].(map[string]any)
	}
	token := tokens()["backInStock"].(string)
	require.Equal(t, token, tokens()["backInStock"], "it stays the same")
	end := func(token string) answer {
		return s.do("", "POST", "/unsubscriptions/"+token, "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded", "Dapr-Caller-App-Id", "gateway")
	}
	parts := strings.Split(token, ".")
	for _, wrong := range []string{
		"x", "..", parts[0] + "." + parts[1] + ".", parts[0] + "." + parts[1] + "." + strings.ToLower(parts[2]), parts[0] + "." + string(newID()) + "." + parts[2],
		"everything." + parts[1] + "." + parts[2], parts[0] + ".x." + parts[2], token + ".x", "%00." + parts[1] + "." + parts[2],
		parts[0] + "." + string(s.wishing(true)) + ".", // one whose mails were never written has no token yet, and not an empty one
	} {
		requireProblem(t, 404, "unknown-token", end(wrong))
	}
	requireProblem(t, 404, "no-such-route", s.do("", "POST", "/unsubscriptions/"+token, "", "Dapr-Caller-App-Id", "basket"))
	require.Len(t, s.wishersOf("MUG", time.Now().Add(time.Minute), "9"), 1)
	for range 2 {
		require.Equal(t, 204, end(token).Code)
	}
	require.Empty(t, s.wishersOf("MUG", time.Now().Add(time.Minute), "9"))
	c, err := s.customers.Customer(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, c.Profile.Consents, 2, "the decision is kept like any other")
	require.False(t, c.Profile.Agrees(backInStock))
	require.NoError(t, s.customers.Delete(t.Context(), id))
	requireProblem(t, 404, "unknown-token", end(token))
}

func TestTwoMailsAtOnceShareASecret(t *testing.T) {
	t.Parallel()
	s := newService(t)
	id := s.wishing(true, "MUG")
	var mu sync.Mutex
	seen := map[any]bool{}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			a := s.do("", "GET", "/customers/"+string(id)+"/preferences", "", "Dapr-Caller-App-Id", "notification")
			mu.Lock()
			defer mu.Unlock()
			seen[a.fields["unsubscribe"].(map[string]any)["backInStock"]] = true
		})
	}
	group.Wait()
	require.Len(t, seen, 1)
}
