package api

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/shop"
)

var mailedToken = regexp.MustCompile(`[?&]token=([A-Za-z0-9_-]+)`)

// tokenOf is the token in the link of a mail.
func tokenOf(t *testing.T, mail shop.Mail) string {
	t.Helper()
	found := mailedToken.FindStringSubmatch(mail.Text)
	require.NotNil(t, found, mail.Text)
	return found[1]
}

// signedIn is a browser of a new customer.
func signedIn(ctx context.Context, t *testing.T) (*shop.Shopper, shop.Account) {
	t.Helper()
	s, account := shop.New(), shop.NewAccount()
	require.NoError(t, s.Register(ctx, account))
	return s, account
}

func TestAForgottenPasswordIsReplaced(t *testing.T) {
	ctx := setup(t)
	s, account := signedIn(ctx, t)
	stranger := shop.New()
	require.NoError(t, stranger.Do(ctx, http.MethodPost, "auth/password/forgot", map[string]string{"email": account.Email}, nil))
	require.NoError(t, stranger.Do(ctx, http.MethodPost, "auth/password/forgot", map[string]string{"email": shop.NewAccount().Email}, nil))
	mail, err := shop.AwaitMail(ctx, account.Email, "new password")
	require.NoError(t, err)
	next := shop.Account{Email: account.Email, Password: "quite another long pass phrase"}
	body := map[string]string{"token": tokenOf(t, mail), "password": next.Password}
	require.NoError(t, shop.New().Do(ctx, http.MethodPost, "auth/password/reset", body, nil))
	requireProblem(t, shop.New().Do(ctx, http.MethodPost, "auth/password/reset", body, nil), http.StatusBadRequest, "invalid-reset-token")

	requireProblem(t, s.Do(ctx, http.MethodPost, "auth/refresh", nil, nil), http.StatusUnauthorized)
	requireProblem(t, shop.New().Login(ctx, account), http.StatusUnauthorized, "invalid-credentials")
	require.NoError(t, shop.New().Login(ctx, next))
	_, err = shop.AwaitMail(ctx, account.Email, "password was changed")
	require.NoError(t, err)
}

func TestChangingThePasswordKeepsOnlyThisDevice(t *testing.T) {
	ctx := setup(t)
	here, account := signedIn(ctx, t)
	there := shop.New()
	require.NoError(t, there.Login(ctx, account))
	body := map[string]string{"currentPassword": "not the password", "newPassword": "quite another long pass phrase"}
	requireProblem(t, here.Do(ctx, http.MethodPost, "auth/password/change", body, nil), http.StatusForbidden, "wrong-password")
	body["currentPassword"] = account.Password
	require.NoError(t, here.Do(ctx, http.MethodPost, "auth/password/change", body, nil))
	require.NoError(t, here.Do(ctx, http.MethodPost, "auth/refresh", nil, nil))
	requireProblem(t, there.Do(ctx, http.MethodPost, "auth/refresh", nil, nil), http.StatusUnauthorized)
}

func TestAnAccountMovesToAnotherAddress(t *testing.T) {
	ctx := setup(t)
	here, account := signedIn(ctx, t)
	next := shop.Account{Email: shop.NewAccount().Email, Password: account.Password}
	require.NoError(t, here.Do(ctx, http.MethodPost, "auth/email/change", map[string]string{"email": next.Email}, nil))
	mail, err := shop.AwaitMail(ctx, next.Email, "new e-mail address")
	require.NoError(t, err)
	body := map[string]string{"token": tokenOf(t, mail)}
	stranger, _ := signedIn(ctx, t)
	requireProblem(t, stranger.Do(ctx, http.MethodPost, "auth/email/confirmation", body, nil), http.StatusBadRequest, "invalid-email-token")
	require.NoError(t, here.Do(ctx, http.MethodPost, "auth/email/confirmation", body, nil))
	requireProblem(t, here.Do(ctx, http.MethodGet, "auth/me", nil, nil), http.StatusUnauthorized, "sign-in-required")
	requireProblem(t, shop.New().Login(ctx, account), http.StatusUnauthorized, "invalid-credentials")
	require.NoError(t, shop.New().Login(ctx, next))
	_, err = shop.AwaitMail(ctx, account.Email, "was changed")
	require.NoError(t, err)
}

type device struct {
	ID, Agent             string
	CreatedAt, LastSeenAt time.Time
	Current               bool
}

func TestDevicesAreListedAndSignedOut(t *testing.T) {
	ctx := setup(t)
	here, account := signedIn(ctx, t)
	there, stranger := shop.New(), shop.New()
	require.NoError(t, there.Login(ctx, account))
	require.NoError(t, stranger.Register(ctx, shop.NewAccount()))
	var list struct{ Items []device }
	require.NoError(t, here.Do(ctx, http.MethodGet, "auth/sessions", nil, &list))
	require.Len(t, list.Items, 2)
	for _, d := range list.Items {
		requireProblem(t, stranger.Do(ctx, http.MethodDelete, "auth/sessions/"+d.ID, nil, nil), http.StatusNotFound, "session-not-found")
		if !d.Current {
			require.NoError(t, here.Do(ctx, http.MethodDelete, "auth/sessions/"+d.ID, nil, nil))
		}
	}
	require.NoError(t, here.Do(ctx, http.MethodGet, "auth/sessions", nil, &list))
	require.Len(t, list.Items, 1)
	require.True(t, list.Items[0].Current)
	requireProblem(t, there.Do(ctx, http.MethodPost, "auth/refresh", nil, nil), http.StatusUnauthorized)
}

// A copy of the access cookie, without the refresh cookie, is what a thief might have: it is good in every service until
// the session ends, and five seconds later in none. The session is of an administrator, who may ask every service
// something; notification alone has nothing for anybody.
func TestWhatEndsSessionsWorksInEveryServiceWithinFiveSeconds(t *testing.T) {
	ctx := setup(t)
	everywhere := []struct {
		service, method, path string
		body                  any
	}{
		{"auth", http.MethodGet, "auth/me", nil},
		{"basket", http.MethodPost, "checkout/quote", map[string]any{}}, // which is refused for what it lacks
		{"catalog", http.MethodGet, "admin/products", nil},
		{"client", http.MethodGet, "account/profile", nil},
		{"inventory", http.MethodGet, "admin/stock", nil},
		{"ordering", http.MethodGet, "orders", nil},
		{"payment", http.MethodGet, "admin/disputes", nil},
	}
	for name, end := range map[string]func(s *shop.Shopper, account shop.Account) error{
		"signed out here": func(s *shop.Shopper, _ shop.Account) error {
			return s.Do(ctx, http.MethodPost, "auth/logout", nil, nil)
		},
		"signed out everywhere": func(_ *shop.Shopper, account shop.Account) error {
			other := shop.New()
			if err := other.Login(ctx, account); err != nil {
				return err
			}
			return other.Do(ctx, http.MethodPost, "auth/logout-all", nil, nil)
		},
		"another password": func(s *shop.Shopper, account shop.Account) error {
			return s.Do(ctx, http.MethodPost, "auth/password/change",
				map[string]string{"currentPassword": account.Password, "newPassword": "quite another long pass phrase"}, nil)
		},
		"suspended": func(_ *shop.Shopper, account shop.Account) error { return shop.Command(ctx, "suspend", account.Email) },
	} {
		t.Run(name, func(t *testing.T) {
			s, account := signedIn(ctx, t)
			require.NoError(t, shop.Command(ctx, "grant-admin", account.Email))
			require.NoError(t, s.Login(ctx, account))
			access := cookieOf(t, s, "__Host-access")
			isIn := func(method, path string, body any) bool {
				thief := shop.New()
				thief.SetCookie(&http.Cookie{Name: "__Host-access", Value: access, Path: "/", Secure: true})
				err := thief.Do(ctx, method, path, body, nil)
				refusal, refused := errors.AsType[*shop.Problem](err)
				require.True(t, err == nil || refused && refusal.Status < 500 && refusal.Status != http.StatusTooManyRequests, "%s: %v", path, err)
				return err == nil || refusal.Status != http.StatusUnauthorized
			}
			for _, at := range everywhere {
				require.True(t, isIn(at.method, at.path, at.body), "%s knows the session", at.service)
			}
			require.NoError(t, end(s, account))
			ended := time.Now()
			for _, at := range everywhere {
				for isIn(at.method, at.path, at.body) {
					require.Less(t, time.Since(ended), 5*time.Second, "%s still believes the session", at.service)
					time.Sleep(50 * time.Millisecond)
				}
			}
			for _, at := range everywhere {
				require.False(t, isIn(at.method, at.path, at.body), "%s believes the session again", at.service)
			}
		})
	}
}

func TestASuspendedAccountIsRestored(t *testing.T) {
	ctx := setup(t)
	s, account := signedIn(ctx, t)
	require.NoError(t, shop.Command(ctx, "suspend", account.Email))
	requireProblem(t, s.Do(ctx, http.MethodPost, "auth/refresh", nil, nil), http.StatusUnauthorized, "session-expired")
	requireProblem(t, shop.New().Login(ctx, account), http.StatusForbidden, "account-suspended")
	require.NoError(t, shop.Command(ctx, "restore", account.Email))
	require.NoError(t, shop.New().Login(ctx, account))
}

func TestASecondFactorIsAskedFor(t *testing.T) {
	ctx := setup(t)
	s, account := signedIn(ctx, t)
	var app struct{ Secret string }
	require.NoError(t, s.Do(ctx, http.MethodPost, "auth/factors/totp", nil, &app))
	code := func(at time.Time) map[string]string {
		code, err := totp.GenerateCode(app.Secret, at)
		require.NoError(t, err)
		return map[string]string{"code": code}
	}
	var recovery struct{ RecoveryCodes []string }
	require.NoError(t, s.Do(ctx, http.MethodPost, "auth/factors/totp/confirmation", code(time.Now().Add(-30*time.Second)), &recovery))
	require.Len(t, recovery.RecoveryCodes, 10)

	login := func() *shop.Shopper {
		next := shop.New()
		var answer struct{ MFARequired bool }
		require.NoError(t, next.Do(ctx, http.MethodPost, "auth/login", map[string]string{"email": account.Email, "password": account.Password}, &answer))
		require.True(t, answer.MFARequired)
		requireProblem(t, next.Do(ctx, http.MethodGet, "auth/me", nil, nil), http.StatusUnauthorized)
		return next
	}
	next := login()
	requireProblem(t, next.Do(ctx, http.MethodPost, "auth/login/totp", map[string]string{"code": "000000"}, nil), http.StatusUnauthorized, "wrong-code")
	used := code(time.Now())
	require.NoError(t, next.Do(ctx, http.MethodPost, "auth/login/totp", used, nil))
	require.NoError(t, next.Do(ctx, http.MethodGet, "auth/me", nil, nil))
	next = login()
	requireProblem(t, next.Do(ctx, http.MethodPost, "auth/login/totp", used, nil), http.StatusUnauthorized, "wrong-code")
	require.NoError(t, next.Do(ctx, http.MethodPost, "auth/login/totp", map[string]string{"code": recovery.RecoveryCodes[0]}, nil))
	requireProblem(t, shop.New().Do(ctx, http.MethodPost, "auth/login/totp", used, nil), http.StatusUnauthorized, "challenge-expired")
}

func TestAPasskeySignsIn(t *testing.T) {
	ctx := setup(t)
	s, account := signedIn(ctx, t)
	origin, err := url.Parse(shop.BaseURL())
	require.NoError(t, err)
	site := virtualwebauthn.RelyingParty{ID: origin.Hostname(), Name: "Sidecart", Origin: origin.Scheme + "://" + origin.Host}
	device, key := virtualwebauthn.NewAuthenticator(), virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	for len(key.Key.AttestationData()) != 77 { // it drops leading zeros of coordinates, which real ones never do
		key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}

	var options json.RawMessage
	require.NoError(t, s.Do(ctx, http.MethodPost, "auth/passkeys/register/begin", nil, &options))
	asked, err := virtualwebauthn.ParseAttestationOptions(string(options))
	require.NoError(t, err)
	var made struct{ ID string }
	require.NoError(t, s.Do(ctx, http.MethodPost, "auth/passkeys/register/finish",
		map[string]any{"name": "My key", "credential": json.RawMessage(virtualwebauthn.CreateAttestationResponse(site, device, key, *asked))}, &made))
	var who struct {
		PublicKey struct{ User struct{ ID string } }
	}
	require.NoError(t, json.Unmarshal(options, &who))
	device.Options.UserHandle, err = base64.RawURLEncoding.DecodeString(who.PublicKey.User.ID)
	require.NoError(t, err)

	signIn := func() (*shop.Shopper, error) {
		next := shop.New()
		require.NoError(t, next.Do(ctx, http.MethodPost, "auth/passkeys/login/begin", map[string]string{}, &options))
		wanted, err := virtualwebauthn.ParseAssertionOptions(string(options))
		require.NoError(t, err)
		signed := map[string]any{"credential": json.RawMessage(virtualwebauthn.CreateAssertionResponse(site, device, key, *wanted))}
		return next, next.Do(ctx, http.MethodPost, "auth/passkeys/login/finish", signed, nil)
	}
	next, err := signIn()
	require.NoError(t, err)
	var me struct{ Email string }
	require.NoError(t, next.Do(ctx, http.MethodGet, "auth/me", nil, &me))
	require.Equal(t, account.Email, me.Email)
	require.NoError(t, next.Do(ctx, http.MethodDelete, "auth/passkeys/"+made.ID, nil, nil))
	_, err = signIn()
	requireProblem(t, err, http.StatusUnauthorized, "invalid-credentials")
}

// privacyRequest is what the API tells of an export or an erasure.
type privacyRequest struct {
	Status, Link string
	Parts        []struct {
		Service, Waiting string
		Done             bool
		Kept             []struct{ What, Why string }
	}
}

func TestACustomerTakesTheDataAlong(t *testing.T) {
	ctx := setup(t)
	s, account := signedIn(ctx, t)
	require.NoError(t, s.Do(ctx, http.MethodPost, "account/addresses", shop.Home, nil))
	fill(ctx, t, s)
	order, err := s.Place(ctx, shop.With("pm_card_visa"), "")
	require.NoError(t, err)
	var request privacyRequest
	require.NoError(t, s.Do(ctx, http.MethodPost, "account/privacy/export", nil, &request))
	stranger, _ := signedIn(ctx, t)
	var resp *http.Response
	var body string
	require.Eventually(t, func() bool {
		resp, body, err = s.Raw(ctx, http.MethodGet, request.Link, "", "", nil)
		return err == nil && resp.StatusCode != http.StatusConflict
	}, 30*time.Second, 200*time.Millisecond)
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	for _, again := range []*shop.Shopper{s, stranger} {
		resp, _, err := again.Raw(ctx, http.MethodGet, request.Link, "", "", nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusNotFound, resp.StatusCode)
	}
	archive, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	require.Len(t, archive.File, 2)
	for _, f := range archive.File {
		r, err := f.Open()
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		for _, mine := range []string{account.Email, order.Number, shop.Home.Line1} {
			require.Contains(t, string(text), mine, f.Name)
		}
	}
}

func TestACustomerIsErased(t *testing.T) {
	ctx := setup(t)
	s, account := signedIn(ctx, t)
	require.NoError(t, s.Do(ctx, http.MethodPost, "account/addresses", shop.Home, nil))
	fill(ctx, t, s)
	order, err := s.Place(ctx, shop.With("pm_card_visa_chargeDeclined"), "")
	require.NoError(t, err)
	_, err = s.Await(ctx, order.ID, "payment_failed")
	require.NoError(t, err)
	var request privacyRequest
	require.NoError(t, s.Do(ctx, http.MethodPost, "account/privacy/erasure", nil, &request))
	anybody, path := shop.New(), strings.TrimPrefix(request.Link, "/api/v1/")
	require.Eventually(t, func() bool {
		return anybody.Do(ctx, http.MethodGet, path, nil, &request) == nil && request.Status == "done"
	}, 60*time.Second, 200*time.Millisecond, "%+v", request)
	for _, part := range request.Parts {
		require.True(t, part.Done, part.Service)
		require.Empty(t, part.Kept, "there is no invoice of what was not bought")
	}
	requireProblem(t, shop.New().Login(ctx, account), http.StatusUnauthorized, "invalid-credentials")
	requireProblem(t, s.Do(ctx, http.MethodGet, "account/profile", nil, nil), http.StatusUnauthorized)
	require.NoError(t, shop.New().Do(ctx, http.MethodPost, "auth/register",
		map[string]string{"email": account.Email, "password": account.Password, "name": "Somebody else"}, nil))
}

func TestAGuestsOrderIsClaimedByTheOwnerOfItsAddress(t *testing.T) {
	ctx := setup(t)
	account := shop.NewAccount()
	guest := shop.New()
	fill(ctx, t, guest)
	checkout := shop.With("pm_card_visa")
	checkout.Email = account.Email
	order, err := guest.Place(ctx, checkout, "")
	require.NoError(t, err)
	_, err = guest.Await(ctx, order.ID, "paid")
	require.NoError(t, err)

	stranger, _ := signedIn(ctx, t)
	requireProblem(t, stranger.Do(ctx, http.MethodGet, "orders/"+order.ID, nil, nil), http.StatusNotFound)
	owner := shop.New()
	require.NoError(t, owner.Register(ctx, account))
	mine, err := owner.Order(ctx, order.ID)
	require.NoError(t, err)
	require.Equal(t, order.Number, mine.Number)
}

func TestPreferencesAndWishes(t *testing.T) {
	ctx := setup(t)
	s, _ := signedIn(ctx, t)
	var preferences struct {
		Consents map[string]struct{ Granted bool }
	}
	require.NoError(t, s.Do(ctx, http.MethodGet, "account/preferences", nil, &preferences))
	require.False(t, preferences.Consents["marketing"].Granted)
	require.NoError(t, s.Do(ctx, http.MethodPatch, "account/preferences", map[string]any{"consents": map[string]bool{"marketing": true}}, &preferences))
	require.True(t, preferences.Consents["marketing"].Granted)
	requireProblem(t, s.Do(ctx, http.MethodPatch, "account/preferences", map[string]any{"language": "de"}, nil, "If-Match", `"0"`),
		http.StatusPreconditionFailed, "changed-meanwhile")

	variants, err := shop.InStock(ctx, 1)
	require.NoError(t, err)
	var wishlist struct{ Items []struct{ SKU string } }
	require.NoError(t, s.Do(ctx, http.MethodPut, "account/wishlist/"+variants[0].SKU, nil, &wishlist))
	require.Equal(t, variants[0].SKU, wishlist.Items[0].SKU)
	requireProblem(t, s.Do(ctx, http.MethodPut, "account/wishlist/NO-SUCH-THING", nil, nil), http.StatusNotFound, "unknown-sku")
	require.NoError(t, s.Do(ctx, http.MethodDelete, "account/wishlist/"+variants[0].SKU, nil, &wishlist))
	require.Empty(t, wishlist.Items)
}

// Strangers at a hundred addresses guess a password: few guesses are looked at, and the owner gets in all the same, with
// the browser she has used before, or at the address she has been at before.
func TestStrangersGuessInVainAndLockNobodyOut(t *testing.T) {
	shop.Require(t)
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	s, account := signedIn(ctx, t)
	base, err := url.Parse(shop.BaseURL())
	require.NoError(t, err)
	var mu sync.Mutex
	var evaluated []time.Time // when a guess had been looked at
	guess := func(i int) error {
		from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%100))}}
		stranger := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return from.DialContext(ctx, "tcp4", "127.0.0.1:"+base.Port())
		}}}
		body, err := json.Marshal(map[string]string{"email": account.Email, "password": fmt.Sprint("guess ", i)})
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, shop.BaseURL()+"/api/v1/auth/login", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := stranger.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		switch {
		case resp.StatusCode == http.StatusUnauthorized:
			mu.Lock()
			defer mu.Unlock()
			evaluated = append(evaluated, time.Now())
		case resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "":
			return fmt.Errorf("guess %d: %s", i, resp.Status)
		}
		return nil
	}
	var guesses errgroup.Group
	guesses.SetLimit(10)
	for i := range 1000 {
		guesses.Go(func() error { return guess(i) })
	}
	require.NoError(t, guesses.Wait())
	slices.SortFunc(evaluated, time.Time.Compare)
	require.NotEmpty(t, evaluated)
	for i := 20; i < len(evaluated); i++ {
		require.GreaterOrEqual(t, evaluated[i].Sub(evaluated[i-20]), time.Minute-time.Second, "at most twenty guesses a minute are looked at")
	}
	require.NoError(t, s.Login(ctx, account), "her browser")
	require.NoError(t, shop.New().Login(ctx, account), "another browser at home")
}
