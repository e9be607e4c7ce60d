package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
)

func TestConsentsAreOffDatedAndVersioned(t *testing.T) {
	now := time.Date(2026, 11, 1, 9, 30, 0, 0, time.UTC)
	p := NewCustomer("c", "Ada", now).Profile
	for _, purpose := range purposes {
		require.False(t, p.Agrees(purpose))
	}
	p.Decide("marketing", false, now)
	require.Empty(t, p.Consents, "refusing what was never asked for is no decision")
	p.Decide("marketing", true, now)
	p.Decide("marketing", true, now.Add(time.Hour))
	require.Equal(t, []Consent{{"marketing", true, consentVersion, now}}, p.Consents, "a repeat changes nothing")
	require.True(t, p.Agrees("marketing"))
	require.False(t, p.Agrees("basketReminders"))
	p.Decide("marketing", false, now.Add(time.Hour))
	require.False(t, p.Agrees("marketing"))
	require.Len(t, p.Consents, 2, "the proof of what was agreed to stays")

	p.Consents = []Consent{{"marketing", true, "2019-01", now}}
	require.False(t, p.Agrees("marketing"), "an older wording is not what is asked for now")
	for range mostConsents {
		p.Decide("marketing", true, now)
		p.Decide("marketing", false, now)
	}
	require.Len(t, p.Consents, mostConsents)
}

func TestPreferencesAreChangedOnlyInTheVersionSeen(t *testing.T) {
	t.Parallel()
	s := newService(t)
	id := newID()
	ada := s.bearer(id, identity.Customer)
	a := s.do(ada, "GET", "/preferences", "")
	require.Equal(t, 200, a.Code, a.Body.String())
	require.JSONEq(t, `{"language":"en","currency":"EUR","consents":{"marketing":{"granted":false},"basketReminders":{"granted":false},"backInStock":{"granted":false}}}`, a.Body.String())
	seen := a.Header().Get("ETag")
	a = s.do(ada, "PATCH", "/preferences", `{"language":"de","consents":{"marketing":true}}`, "If-Match", seen)
	require.Equal(t, 200, a.Code, a.Body.String())
	require.Equal(t, "de", a.fields["language"])
	marketing := a.fields["consents"].(map[string]any)["marketing"].(map[string]any)
	require.Equal(t, true, marketing["granted"])
	require.Equal(t, consentVersion, marketing["version"])
	require.NotEmpty(t, marketing["at"])
	requireProblem(t, 412, "changed-meanwhile", s.do(ada, "PATCH", "/preferences", `{"currency":"USD"}`, "If-Match", seen))
	require.JSONEq(t, `{"name":"Ada","language":"de","currency":"EUR"}`, s.do(ada, "GET", "/profile", "").Body.String())
	requireProblem(t, 400, "invalid-preferences", s.do(ada, "PATCH", "/preferences", `{"consents":{"everything":true}}`))
	requireProblem(t, 400, "invalid-profile", s.do(ada, "PATCH", "/preferences", `{"currency":"EURO","consents":{"marketing":false}}`))
	require.Equal(t, a.fields["consents"], s.do(ada, "GET", "/preferences", "").fields["consents"], "a refused change changes nothing")

	path := "/customers/" + string(id) + "/preferences"
	requireProblem(t, 404, "no-such-route", s.do(ada, "GET", path, ""))
	told := s.do("", "GET", path, "", "Dapr-Caller-App-Id", "notification")
	for field, value := range a.fields {
		require.Equal(t, value, told.fields[field])
	}
	requireProblem(t, 404, "customer-not-found", s.do("", "GET", "/customers/x/preferences", "", "Dapr-Caller-App-Id", "notification"))
}

func TestWishlist(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ada, bob := s.bearer(newID(), identity.Customer), s.bearer(newID(), identity.Customer)
	require.JSONEq(t, `{"items":[]}`, s.do(ada, "GET", "/wishlist", "").Body.String())
	for range 2 {
		a := s.do(ada, "PUT", "/wishlist/TEAPOT-RED", "")
		require.Equal(t, 200, a.Code, a.Body.String())
		require.Len(t, a.fields["items"], 1)
	}
	seen := s.do(ada, "GET", "/wishlist", "").Header().Get("ETag")
	require.Equal(t, 200, s.do(ada, "PUT", "/wishlist/MUG", "", "If-Match", seen).Code)
	requireProblem(t, 412, "changed-meanwhile", s.do(ada, "DELETE", "/wishlist/MUG", "", "If-Match", seen))
	require.JSONEq(t, `{"items":[]}`, s.do(bob, "GET", "/wishlist", "").Body.String())
	s.catalog = func(string) ([]string, error) { return nil, nil }
	requireProblem(t, 404, "unknown-sku", s.do(ada, "PUT", "/wishlist/GONE", ""))
	s.catalog = func(string) ([]string, error) { t.Error("catalog was asked for garbage"); return nil, nil }
	for _, sku := range []string{"%00", "a%20b", strings.Repeat("x", 65), "-", "a%2Cb", "%C3%A4"} {
		requireProblem(t, 404, "unknown-sku", s.do(ada, "PUT", "/wishlist/"+sku, ""))
	}
	s.catalog = func(string) ([]string, error) {
		return nil, problem.New(problem.Unavailable, "service-unavailable", "Away.")
	}
	requireProblem(t, 503, "service-unavailable", s.do(ada, "PUT", "/wishlist/NEW", ""))
	for range 2 {
		require.Equal(t, 200, s.do(ada, "DELETE", "/wishlist/MUG", "").Code, "what is not sold any more can be taken off")
	}
	require.Len(t, s.do(ada, "GET", "/wishlist", "").fields["items"], 1)
	for _, c := range []struct{ method, path string }{
		{"GET", "/wishlist"}, {"PUT", "/wishlist/A"}, {"DELETE", "/wishlist/A"}, {"GET", "/preferences"}, {"PATCH", "/preferences"},
	} {
		requireProblem(t, 401, "sign-in-required", s.do("", c.method, c.path, "{}"))
		requireProblem(t, 401, "sign-in-required", s.do(s.bearer("guest:x", identity.Guest), c.method, c.path, "{}"))
	}
}

func TestWishesAtOnceAreAllKept(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ada := s.bearer(newID(), identity.Customer)
	s.do(ada, "GET", "/wishlist", "")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if a := s.do(ada, "PUT", fmt.Sprint("/wishlist/SKU-", i), ""); a.Code != 200 {
				t.Error(a.Body.String())
			}
		})
	}
	wg.Wait()
	require.Len(t, s.do(ada, "GET", "/wishlist", "").fields["items"], 8)
	c := NewCustomer("c", "Ada", time.Now())
	for i := range maxWishes {
		require.NoError(t, c.Wish(fmt.Sprint(i), time.Now()))
	}
	require.True(t, problem.Is(c.Wish("one more", time.Now()), "wishlist-full"))
}

func TestAWishlistInADocumentThatIsOlder(t *testing.T) {
	t.Parallel()
	s := newService(t)
	id := newID()
	ada := s.bearer(id, identity.Customer)
	s.do(ada, "GET", "/profile", "")
	_, err := s.customers.customers.UpdateOne(t.Context(), map[string]any{"_id": id},
		map[string]any{"$unset": map[string]any{"wishlistVersion": "", "wishlist": ""}})
	require.NoError(t, err)
	require.Equal(t, 200, s.do(ada, "PUT", "/wishlist/A", "").Code)
	require.Equal(t, 200, s.do(ada, "PUT", "/wishlist/B", "").Code)
	require.Len(t, s.do(ada, "GET", "/wishlist", "").fields["items"], 2)
}

func TestTheAddressBookIsChangedOnlyInTheVersionSeen(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ada := s.bearer(newID(), identity.Customer)
	made := s.do(ada, "POST", "/addresses", berlinJSON)
	require.Equal(t, http.StatusCreated, made.Code, made.Body.String())
	id, seen := made.fields["id"].(string), made.Header().Get("ETag")
	require.Equal(t, seen, s.do(ada, "GET", "/addresses", "").Header().Get("ETag"))
	changed := s.do(ada, "PUT", "/addresses/"+id, berlinJSON, "If-Match", seen)
	require.Equal(t, 200, changed.Code)
	for _, c := range []struct{ method, path string }{{"PUT", "/addresses/" + id}, {"DELETE", "/addresses/" + id}, {"POST", "/addresses"}} {
		requireProblem(t, 412, "changed-meanwhile", s.do(ada, c.method, c.path, berlinJSON, "If-Match", seen))
	}
	require.Equal(t, 204, s.do(ada, "DELETE", "/addresses/"+id, "", "If-Match", changed.Header().Get("ETag")).Code)
}

func TestPostalCodes(t *testing.T) {
	for _, c := range []struct{ country, code, want string }{
		{"DE", "10117", "10117"}, {"GB", "sw1a1aa", "SW1A 1AA"}, {"GB", "M1 1AE", "M1 1AE"}, {"NL", "1012ab", "1012 AB"},
		{"CA", "k1a0b1", "K1A 0B1"}, {"US", "94103", "94103"}, {"US", "94103 1234", "94103-1234"}, {"PL", "00001", "00-001"},
		{"JP", "1000001", "100-0001"}, {"SE", "11129", "111 29"}, {"LV", "1050", "LV-1050"}, {"IE", "d02af30", "D02 AF30"},
		{"BR", "01310100", "01310-100"}, {"PT", "1100148", "1100-148"}, {"FO", "100", "100"}, {"MT", "vlt1117", "VLT 1117"},
	} {
		a := berlin
		a.Country, a.PostalCode, a.Region = c.country, c.code, "Region"
		checked, err := a.Check()
		require.NoError(t, err, c)
		require.Equal(t, c.want, checked.PostalCode)
	}
	for _, c := range []struct{ country, code string }{
		{"DE", "1011"}, {"DE", "D-10117"}, {"US", "9410"}, {"GB", "12345"}, {"CA", "D1A 0B1"}, {"NL", "0012 AB"}, {"ES", "99999"}, {"FR", "75001\u0000"},
	} {
		a := berlin
		a.Country, a.PostalCode, a.Region = c.country, c.code, "Region"
		_, err := a.Check()
		require.Equal(t, "postalCode", problem.From(err).Fields[0].Field, c)
	}
	a := berlin
	a.Country, a.PostalCode = "US", "94103"
	_, err := a.Check()
	require.Equal(t, []problem.FieldError{{Field: "region", Detail: "is required: the state or province"}}, problem.From(err).Fields)
	for code, c := range countries {
		require.True(t, isCountry(code), code)
		for _, example := range strings.Split(c.example, " or ") {
			tidy, ok := tidyPostalCode(code, example)
			require.True(t, ok, code)
			require.Equal(t, example, tidy, "an example is written as the post writes it")
		}
	}
}

// What was tidied up once stays as it is.
func FuzzPostalCode(f *testing.F) {
	f.Add("GB", "sw1a1aa")
	f.Add("US", "94103-1234")
	f.Fuzz(func(t *testing.T, country, code string) {
		if len(code) > 64 {
			return
		}
		tidy, ok := tidyPostalCode(country, strings.ToUpper(code))
		if again, still := tidyPostalCode(country, tidy); ok && (!still || again != tidy) {
			t.Fatalf("%s %q became %q and then %q", country, code, tidy, again)
		}
	})
}
