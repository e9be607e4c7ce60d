package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// serveAuth rotates refresh tokens strictly: r0 → r1 → r2 …, each good once, like auth at its most severe.
func (s *shop) serveAuth() (exchanges *atomic.Int64) {
	exchanges = new(atomic.Int64)
	s.serve("auth POST /login", answer(200, sessionOf("ada", "r0")))
	s.serve("auth POST /logout", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	s.serve("auth POST /refresh", func(w http.ResponseWriter, r *http.Request) {
		var req struct{ RefreshToken string }
		_ = json.NewDecoder(r.Body).Decode(&req)
		n := exchanges.Load()
		if req.RefreshToken != fmt.Sprintf("r%d", n) || !exchanges.CompareAndSwap(n, n+1) {
			refuse(problem.Unauthenticated, "session-expired")(w, r)
			return
		}
		time.Sleep(20 * time.Millisecond) // so that tabs overlap
		_ = web.Encode(w, 200, sessionOf("ada", fmt.Sprintf("r%d", n+1)))
	})
	s.serve("auth POST /guests", func(w http.ResponseWriter, r *http.Request) {
		var req struct{ Guests []string }
		_ = json.NewDecoder(r.Body).Decode(&req)
		var admitted web.Page[guestToken]
		for _, guest := range req.Guests {
			admitted.Items = append(admitted.Items, guestToken{token("guest:"+guest, time.Hour), time.Now().Add(time.Hour)})
		}
		_ = web.Encode(w, 200, admitted)
	})
	s.serve("auth GET /me", answer(200, user{ID: "ada"}))
	s.serve("basket GET /basket", answer(200, map[string]any{"lines": []int{}}))
	s.serve("basket PUT /basket/items/A", answer(200, map[string]any{"lines": []int{1}}))
	s.serve("basket POST /basket/merge", answer(200, map[string]any{}))
	return exchanges
}

func cookieNamed(t *testing.T, r reply, name string) *http.Cookie {
	t.Helper()
	for _, c := range r.Cookies() {
		if c.Name == name {
			return c
		}
	}
	require.Fail(t, "no cookie "+name)
	return nil
}

func TestLoginPutsTokensIntoCookiesOnly(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	b := s.browser()
	got := b.do("POST", "/api/v1/auth/login", `{"email":"ada@example.com","password":"x"}`)
	require.Equal(t, 200, got.StatusCode)
	require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
	for name, ttl := range map[string]time.Duration{accessCookie: 10 * time.Minute, refreshCookie: 30 * 24 * time.Hour} {
		c := cookieNamed(t, got, name)
		require.True(t, c.HttpOnly)
		require.True(t, c.Secure)
		require.Equal(t, http.SameSiteLaxMode, c.SameSite)
		require.Equal(t, "/", c.Path)
		require.Empty(t, c.Domain)
		require.InDelta(t, ttl.Seconds(), c.MaxAge, 5)
		require.NotContains(t, got.body, c.Value)
	}
	require.NotContains(t, strings.ToLower(got.body), "token")
	var answer sessionAnswer
	require.NoError(t, json.Unmarshal([]byte(got.body), &answer))
	require.Equal(t, "ada", answer.User.ID)
	require.WithinDuration(t, time.Now().Add(10*time.Minute), answer.AccessExpiresAt, time.Minute)
	seen := s.callsTo("auth POST /login")[0]
	require.JSONEq(t, `{"email":"ada@example.com","password":"x"}`, seen.body)
	require.Equal(t, "127.0.0.1", seen.header.Get("Sidecart-Client-Address"))

	require.Equal(t, 200, b.get("/api/v1/auth/me").StatusCode)
	require.Equal(t, "Bearer "+b.cookies[accessCookie], s.callsTo("auth GET /me")[0].header.Get("Authorization"))
}

// The browser is told apart from others before its first sign-in succeeds, and is the same one ever after.
func TestABrowserIsKnownByACookieOfItsOwn(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	b := s.browser()
	for range 2 {
		require.Equal(t, 200, b.do("POST", "/api/v1/auth/login", `{}`, "Sidecart-Client-Device", "forged").StatusCode)
	}
	b.get("/api/v1/auth/me")
	for _, seen := range append(s.callsTo("auth POST /login"), s.callsTo("auth GET /me")...) {
		require.Equal(t, []string{b.cookies[deviceCookie]}, seen.header.Values("Sidecart-Client-Device"))
	}
	b.get("/api/v1/basket")
	require.Empty(t, s.callsTo("basket GET /basket")[0].header.Get("Sidecart-Client-Device"), "nobody else has a use for it")
	b.cookies[deviceCookie] = "planted"
	require.Equal(t, 200, b.do("POST", "/api/v1/auth/login", `{}`).StatusCode)
	require.Len(t, b.cookies[deviceCookie], 43)
}

func TestASecondFactorIsAskedForBeforeTheSession(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	secret := newSecret()
	s.serve("auth POST /login", answer(200, challenge{secret, time.Now().Add(5 * time.Minute), json.RawMessage(`{"mfaRequired":true,"methods":["totp"]}`)}))
	s.serve("auth POST /login/totp", answer(200, sessionOf("ada", "r0")))
	b := s.browser()
	got := b.do("POST", "/api/v1/auth/login", `{}`)
	require.Equal(t, 200, got.StatusCode)
	require.JSONEq(t, `{"mfaRequired":true,"methods":["totp"]}`, got.body)
	c := cookieNamed(t, got, challengeCookie)
	require.True(t, c.HttpOnly && c.Secure)
	require.InDelta(t, 300, c.MaxAge, 5)
	require.NotContains(t, b.cookies, accessCookie)
	require.Equal(t, 200, b.do("POST", "/api/v1/auth/login/totp", `{"code":"123456"}`, "Sidecart-Challenge", "forged").StatusCode)
	require.Equal(t, []string{secret}, s.callsTo("auth POST /login/totp")[0].header.Values("Sidecart-Challenge"))
	require.Contains(t, b.cookies, accessCookie)
	require.NotContains(t, b.cookies, challengeCookie)
}

// A second tab that begins something leaves what the first has begun.
func TestTheChallengesOfABrowsersTabsAreKept(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	var begun []string
	begin := func(w http.ResponseWriter, r *http.Request) {
		begun = append([]string{newSecret()}, begun...)
		answer(200, challenge{begun[0], time.Now().Add(5 * time.Minute), json.RawMessage(`{}`)})(w, r)
	}
	s.serve("auth POST /login", begin)
	s.serve("auth POST /passkeys/login/begin", begin)
	s.serve("auth POST /login/totp", refuse(problem.Unauthenticated, "wrong-code"))
	b := s.browser()
	brought := func() string {
		b.do("POST", "/api/v1/auth/login/totp", `{"code":"123456"}`).isProblem(t, 401, "wrong-code")
		calls := s.callsTo("auth POST /login/totp")
		return calls[len(calls)-1].header.Get("Sidecart-Challenge")
	}
	require.Equal(t, 200, b.do("POST", "/api/v1/auth/login", `{}`).StatusCode)
	for range 2 {
		require.Equal(t, 200, b.do("POST", "/api/v1/auth/passkeys/login/begin", `{}`).StatusCode)
	}
	require.Len(t, begun, 3)
	require.Equal(t, strings.Join(begun, ","), brought())
	for range mostChallenges {
		require.Equal(t, 200, b.do("POST", "/api/v1/auth/passkeys/login/begin", `{}`).StatusCode)
	}
	require.Equal(t, strings.Join(begun[:mostChallenges], ","), brought(), "the latest few")
	b.cookies[challengeCookie] = "planted." + begun[0] + "..x"
	require.Equal(t, begun[0], brought())
	b.cookies[challengeCookie] = ""
	require.Empty(t, brought())
}

func TestRefusedLoginSetsNothing(t *testing.T) {
	s := openShop(t)
	for code, kind := range map[string]problem.Kind{"invalid-credentials": problem.Unauthenticated, "email-not-verified": problem.Forbidden} {
		s.serve("auth POST /login", refuse(kind, code))
		got := s.browser().do("POST", "/api/v1/auth/login", `{"email":"ada@example.com","password":"x"}`)
		got.isProblem(t, kind.Status(), code)
		require.Empty(t, got.Cookies())
	}
}

func TestLoginTakesTheGuestsBasketAlong(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	b := s.browser()
	require.Equal(t, 200, b.do("PUT", "/api/v1/basket/items/A", `{"quantity":1}`).StatusCode)
	secret := b.cookies[guestCookie]
	require.NotEmpty(t, secret)
	require.Equal(t, 200, b.do("POST", "/api/v1/auth/login", `{}`).StatusCode)
	require.NotContains(t, b.cookies, guestCookie)
	merge := s.callsTo("basket POST /basket/merge")[0]
	require.Equal(t, "Bearer "+b.cookies[accessCookie], merge.header.Get("Authorization"))
	require.Contains(t, merge.body, `{"guestToken":"e30.`)
	require.NotContains(t, merge.body, secret)
}

func TestAMergeThatFailsWaitsForTheNextLookAtTheBasket(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	b := s.browser()
	b.do("PUT", "/api/v1/basket/items/A", `{"quantity":1}`)
	s.serve("basket POST /basket/merge", refuse(problem.Unavailable, "not-ready"))
	require.Equal(t, 200, b.do("POST", "/api/v1/auth/login", `{}`).StatusCode)
	require.Contains(t, b.cookies, guestCookie)
	require.Equal(t, 200, b.get("/api/v1/basket").StatusCode)
	require.Contains(t, b.cookies, guestCookie)
	s.serve("basket POST /basket/merge", answer(200, nil))
	require.Equal(t, 200, b.get("/api/v1/basket").StatusCode)
	require.NotContains(t, b.cookies, guestCookie)
	require.Len(t, s.callsTo("basket POST /basket/merge"), 3)
}

func TestEndedAccessIsRenewedUnnoticed(t *testing.T) {
	s := openShop(t)
	exchanges := s.serveAuth()
	for name, access := range map[string]string{"gone": "", "ended": token("ada", -time.Minute), "about to end": token("ada", 3*time.Second), "garbage": "x"} {
		b := s.browser()
		b.cookies[refreshCookie] = fmt.Sprintf("r%d", exchanges.Load())
		if access != "" {
			b.cookies[accessCookie] = access
		}
		before := exchanges.Load()
		require.Equal(t, 200, b.get("/api/v1/auth/me").StatusCode, name)
		require.Equal(t, before+1, exchanges.Load(), name)
		require.Equal(t, 200, b.get("/api/v1/auth/me").StatusCode, name)
		require.Equal(t, before+1, exchanges.Load(), name)
		calls := s.callsTo("auth GET /me")
		require.Equal(t, "Bearer "+b.cookies[accessCookie], calls[len(calls)-1].header.Get("Authorization"))
	}
}

func TestTabsShareOneRenewal(t *testing.T) {
	s := openShop(t)
	exchanges := s.serveAuth()
	var tabs sync.WaitGroup
	for range 20 {
		tabs.Go(func() {
			b := s.browser() // each with the cookies as they were
			b.cookies[refreshCookie] = "r0"
			if got := b.get("/api/v1/auth/me"); got.StatusCode != 200 || b.cookies[refreshCookie] != "r1" {
				t.Errorf("%d, refresh cookie %q", got.StatusCode, b.cookies[refreshCookie])
			}
		})
	}
	tabs.Wait()
	require.EqualValues(t, 1, exchanges.Load())

	late := s.browser() // its request was on the way when the others had their answer
	late.cookies[refreshCookie] = "r0"
	require.Equal(t, 200, late.get("/api/v1/auth/me").StatusCode)
	require.Equal(t, "r1", late.cookies[refreshCookie])
	require.EqualValues(t, 1, exchanges.Load())

	s.server.sessions.now = func() time.Time { return time.Now().Add(renewedTTL + time.Second) }
	thief := s.browser()
	thief.cookies[refreshCookie] = "r0"
	thief.get("/api/v1/auth/me").isProblem(t, 401, "session-expired")
}

func TestARenewalOutlivesTheTabThatBeganIt(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	begun, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	exchange := s.services["auth POST /refresh"]
	s.serve("auth POST /refresh", func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(begun) })
		<-goOn
		exchange(w, r)
	})
	tab, leave := context.WithCancel(t.Context())
	go func() {
		<-begun
		leave()
	}()
	r, err := http.NewRequestWithContext(tab, "GET", s.url+"/api/v1/auth/me", nil)
	require.NoError(t, err)
	r.AddCookie(&http.Cookie{Name: refreshCookie, Value: "r0"})
	_, err = http.DefaultClient.Do(r)
	require.ErrorIs(t, err, context.Canceled)
	close(goOn)
	b := s.browser()
	b.cookies[refreshCookie] = "r0"
	require.Equal(t, 200, b.get("/api/v1/auth/me").StatusCode)
	require.Len(t, s.callsTo("auth POST /refresh"), 1)
}

func TestASessionThatIsOver(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	s.serve("auth POST /refresh", refuse(problem.Unauthenticated, "session-expired"))
	over := func() *browser {
		b := s.browser()
		b.cookies[accessCookie], b.cookies[refreshCookie] = token("ada", -time.Second), "old"
		return b
	}
	for _, request := range [][2]string{{"GET", "/api/v1/auth/me"}, {"GET", "/api/v1/account/profile"}, {"PUT", "/api/v1/basket/items/A"}, {"POST", "/api/v1/auth/refresh"}} {
		b := over()
		got := b.do(request[0], request[1], "")
		got.isProblem(t, 401, "session-expired")
		require.Empty(t, b.cookies, request)
		require.True(t, cookieNamed(t, got, refreshCookie).Secure, "or a browser keeps it")
	}
	b := over()
	require.Equal(t, 200, b.get("/api/v1/basket").StatusCode, "whoever only looks is a visitor again")
	require.Empty(t, b.cookies)
	over().get("/api/v1/products").isProblem(t, 503, "service-unavailable") // catalog is away, the session is not asked for

	halfOver := s.browser()
	halfOver.cookies[accessCookie] = token("ada", -time.Second)
	halfOver.get("/api/v1/auth/me").isProblem(t, 401, "session-expired")
	require.Empty(t, halfOver.cookies)
}

func TestAuthAwayEndsNoSession(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	s.serve("auth POST /refresh", nil)
	b := s.browser()
	b.cookies[refreshCookie] = "r0"
	b.get("/api/v1/auth/me").isProblem(t, 503, "service-unavailable")
	require.Equal(t, "r0", b.cookies[refreshCookie])
	b.cookies[accessCookie] = token("ada", 3*time.Second)
	require.Equal(t, 200, b.get("/api/v1/auth/me").StatusCode)
}

func TestATokenThatServicesRefuseIsForgotten(t *testing.T) {
	s := openShop(t)
	exchanges := s.serveAuth()
	b := s.browser()
	b.cookies[accessCookie], b.cookies[refreshCookie] = token("ada", time.Hour), "r0"
	s.serve("auth GET /me", refuse(problem.Unauthenticated, "invalid-token"))
	b.get("/api/v1/auth/me").isProblem(t, 401, "invalid-token")
	require.NotContains(t, b.cookies, accessCookie)
	s.serve("auth GET /me", answer(200, user{ID: "ada"}))
	require.Equal(t, 200, b.get("/api/v1/auth/me").StatusCode)
	require.EqualValues(t, 1, exchanges.Load())
}

func TestLogout(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	b := s.browser()
	b.do("POST", "/api/v1/auth/login", `{}`)
	s.serve("auth POST /logout", nil)
	b.do("POST", "/api/v1/auth/logout", "").isProblem(t, 503, "service-unavailable")
	require.Contains(t, b.cookies, refreshCookie, "or trying again would end nothing")
	s.serve("auth POST /logout", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	require.Equal(t, 204, b.do("POST", "/api/v1/auth/logout", "").StatusCode)
	require.Equal(t, []string{deviceCookie}, slices.Collect(maps.Keys(b.cookies)), "the browser stays known, the session does not")
	require.JSONEq(t, `{"refreshToken":"r0"}`, s.callsTo("auth POST /logout")[1].body)
	require.Equal(t, 204, b.do("POST", "/api/v1/auth/logout", "").StatusCode)
	require.Len(t, s.callsTo("auth POST /logout"), 2)
	b.get("/api/v1/auth/me").isProblem(t, 401, "sign-in-required")
}

func TestSigningInAgainEndsTheSessionBefore(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	b := s.browser()
	require.Equal(t, 200, b.do("POST", "/api/v1/auth/login", `{}`).StatusCode)
	require.Empty(t, s.callsTo("auth POST /logout"))
	b.cookies[refreshCookie] = "before"
	s.serve("auth POST /login", refuse(problem.Unauthenticated, "invalid-credentials"))
	b.do("POST", "/api/v1/auth/login", `{}`).isProblem(t, 401, "invalid-credentials")
	require.Empty(t, s.callsTo("auth POST /logout"), "a wrong password ends nothing")
	s.serveAuth()
	require.Equal(t, 200, b.do("POST", "/api/v1/auth/login", `{}`).StatusCode)
	require.JSONEq(t, `{"refreshToken":"before"}`, s.callsTo("auth POST /logout")[0].body)
	require.Equal(t, "r0", b.cookies[refreshCookie])
	s.serve("auth POST /logout", nil)
	require.Equal(t, 200, b.do("POST", "/api/v1/auth/login", `{}`).StatusCode, "it runs out by itself")
}

func TestAnotherAddressEndsTheSession(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	b := s.browser()
	b.do("POST", "/api/v1/auth/login", `{}`)
	s.serve("auth POST /email/confirmation", refuse(problem.Invalid, "invalid-email-token"))
	b.do("POST", "/api/v1/auth/email/confirmation", `{"token":"x"}`).isProblem(t, 400, "invalid-email-token")
	require.Contains(t, b.cookies, refreshCookie)
	s.serve("auth POST /email/confirmation", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	require.Equal(t, 204, b.do("POST", "/api/v1/auth/email/confirmation", `{"token":"x"}`).StatusCode)
	require.Equal(t, []string{deviceCookie}, slices.Collect(maps.Keys(b.cookies)))
}

func TestRefreshOnRequest(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	b := s.browser()
	b.do("POST", "/api/v1/auth/refresh", "").isProblem(t, 401, "sign-in-required")
	b.do("POST", "/api/v1/auth/login", `{}`)
	got := b.do("POST", "/api/v1/auth/refresh", "")
	require.Equal(t, 200, got.StatusCode)
	require.Equal(t, "r1", b.cookies[refreshCookie])
	require.NotContains(t, strings.ToLower(got.body), "token")
}

func TestGuestsAreMadeByTheFirstChange(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	b := s.browser()
	got := b.get("/api/v1/basket?currency=JPY")
	require.Equal(t, 200, got.StatusCode)
	require.JSONEq(t, `{"currency":"JPY","lines":[],"subtotal":{"amount":0,"currency":"JPY"},"count":0}`, got.body)
	b.get("/api/v1/basket?currency=XXX").isProblem(t, 400, "unknown-currency")
	b.get("/api/v1/orders").isProblem(t, 401, "sign-in-required")
	b.get("/api/v1/orders/1").isProblem(t, 401, "sign-in-required")
	require.Empty(t, b.cookies)
	require.Empty(t, s.calls)

	put := b.do("PUT", "/api/v1/basket/items/A?currency=GBP", `{"quantity":2}`)
	require.Equal(t, 200, put.StatusCode)
	c := cookieNamed(t, put, guestCookie)
	require.True(t, c.HttpOnly && c.Secure && c.SameSite == http.SameSiteLaxMode && c.Path == "/" && c.Domain == "")
	require.InDelta(t, guestTTL.Seconds(), c.MaxAge, 5)
	require.Len(t, c.Value, 43)
	require.NotContains(t, put.body, c.Value)
	seen := s.callsTo("basket PUT /basket/items/A")[0]
	require.Equal(t, "currency=GBP", seen.query)
	require.JSONEq(t, `{"quantity":2}`, seen.body)

	for range 5 {
		require.Equal(t, 200, b.get("/api/v1/basket").StatusCode)
	}
	require.Equal(t, c.Value, b.cookies[guestCookie])
	require.Len(t, s.callsTo("auth POST /guests"), 1)
	require.Equal(t, seen.header.Get("Authorization"), s.callsTo("basket GET /basket")[4].header.Get("Authorization"))

	b.get("/api/v1/account/profile").isProblem(t, 401, "sign-in-required")
}

func TestInventedGuestCookiesCountForNothing(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	for _, invented := range []string{"x", "admin", strings.Repeat("A", 42), strings.Repeat("A", 100)} {
		b := s.browser()
		b.cookies[guestCookie] = invented
		require.Equal(t, 200, b.get("/api/v1/basket").StatusCode)
		b.do("PUT", "/api/v1/basket/items/A", `{"quantity":1}`)
		require.NotEqual(t, invented, b.cookies[guestCookie])
	}
}

func TestAGuestTokenThatServicesRefuseIsMadeAnew(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	b := s.browser()
	b.do("PUT", "/api/v1/basket/items/A", `{"quantity":1}`)
	s.serve("basket GET /basket", refuse(problem.Unauthenticated, "invalid-token"))
	b.get("/api/v1/basket").isProblem(t, 401, "invalid-token")
	s.serve("basket GET /basket", answer(200, "basket"))
	require.Equal(t, 200, b.get("/api/v1/basket").StatusCode)
	require.Len(t, s.callsTo("auth POST /guests"), 2)
}

func TestIdempotencyKeysTravel(t *testing.T) {
	s := openShop(t)
	s.serveAuth()
	s.serve("basket POST /checkout", func(w http.ResponseWriter, r *http.Request) {
		_ = web.Encode(w, http.StatusAccepted, map[string]string{"key": r.Header.Get("Idempotency-Key")})
	})
	got := s.browser().do("POST", "/api/v1/checkout", `{}`, "Idempotency-Key", "k-1")
	require.Equal(t, 202, got.StatusCode)
	require.JSONEq(t, `{"key":"k-1"}`, got.body)
}
