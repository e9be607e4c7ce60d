package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

// service is client on a database of its own, beside a sidecar that answers for auth.
type service struct {
	t testing.TB
	*server
	handler http.Handler
	signer  *identity.Signer
	auth    http.Handler
	others  http.Handler                        // the holders of personal data, if the test has any
	catalog func(skus string) ([]string, error) // which of them are sold
	calls   atomic.Int64
}

func newService(t testing.TB) *service {
	s := &service{t: t, auth: web.Router(), catalog: func(skus string) ([]string, error) { return []string{skus}, nil }}
	outbound := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Dapr-App-Id") == "catalog" && r.URL.Path == "/variants" {
			sold, err := s.catalog(r.URL.Query().Get("skus"))
			if err != nil {
				problem.Write(w, r, err)
				return
			}
			items := []map[string]string{}
			for _, sku := range sold {
				items = append(items, map[string]string{"sku": sku})
			}
			_ = web.Encode(w, http.StatusOK, map[string]any{"items": items})
			return
		}
		if strings.HasPrefix(r.URL.Path, "/personal-data/") {
			s.others.ServeHTTP(w, r)
			return
		}
		if r.Header.Get("Dapr-App-Id") != "auth" {
			http.Error(w, "another app", http.StatusTeapot)
			return
		}
		s.calls.Add(1)
		s.auth.ServeHTTP(w, r)
	}))
	t.Cleanup(outbound.Close)
	calls, err := sidecar.New(app, outbound.URL, "")
	require.NoError(t, err)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	s.signer = identity.NewSigner("k", private)
	verifier := identity.NewVerifier(func(context.Context, string) (ed25519.PublicKey, error) { return public, nil })
	s.server = &server{customers: newStore(t), sidecar: calls, now: time.Now}
	s.handler = verifier.Middleware(s.routes())
	return s
}

func (s *service) bearer(id identity.CustomerID, roles ...identity.Role) string {
	token, err := s.signer.Sign(identity.Identity{Subject: id, Roles: roles, Name: "Ada", AuthenticatedAt: time.Now()}, time.Now(), time.Minute)
	require.NoError(s.t, err)
	return "Bearer " + token
}

type answer struct {
	*httptest.ResponseRecorder
	fields map[string]any
}

// raw is for answers that are no JSON.
func (s *service) raw(bearer, method, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Dapr-Caller-App-Id", "gateway")
	r.Header.Set("Authorization", bearer)
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, r)
	return rec
}

func (s *service) do(bearer, method, path, body string, headers ...string) answer {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Dapr-Caller-App-Id", "gateway")
	if bearer != "" {
		r.Header.Set("Authorization", bearer)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	a := answer{ResponseRecorder: httptest.NewRecorder()}
	s.handler.ServeHTTP(a, r)
	if a.Body.Len() > 0 {
		require.NoError(s.t, json.Unmarshal(a.Body.Bytes(), &a.fields), a.Body.String())
	}
	return a
}

func requireProblem(t testing.TB, status int, code string, a answer) {
	t.Helper()
	require.Equal(t, status, a.Code, a.Body.String())
	require.Equal(t, code, a.fields["code"])
	require.Equal(t, "application/problem+json", a.Header().Get("Content-Type"))
}

const berlinJSON = `{"name":"Ada","line1":"Unter den Linden 1","city":"Berlin","postalCode":"10117","country":"DE"}`

func TestProfileIsThereBeforeItsFact(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ada := s.bearer(newID(), identity.Customer)
	a := s.do(ada, "GET", "/profile", "")
	require.Equal(t, 200, a.Code, a.Body.String())
	require.JSONEq(t, `{"name":"Ada","language":"en","currency":"EUR"}`, a.Body.String())
	require.Equal(t, `"1"`, a.Header().Get("ETag"))
	require.Zero(t, s.calls.Load())
}

func TestProfileChangesOnlyTheVersionSeen(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ada := s.bearer(newID(), identity.Customer)
	a := s.do(ada, "PATCH", "/profile", `{"currency":"USD"}`)
	require.Equal(t, 200, a.Code, a.Body.String())
	require.JSONEq(t, `{"name":"Ada","language":"en","currency":"USD"}`, a.Body.String())
	seen := a.Header().Get("ETag")
	require.Equal(t, `"2"`, seen)

	var wg sync.WaitGroup
	statuses := make([]int, 6)
	for i := range statuses {
		wg.Go(func() {
			statuses[i] = s.do(ada, "PATCH", "/profile", fmt.Sprintf(`{"name":"Ada %d"}`, i), "If-Match", seen).Code
		})
	}
	wg.Wait()
	won := 0
	for _, status := range statuses {
		if status == 200 {
			won++
			continue
		}
		require.Equal(t, 412, status)
	}
	require.Equal(t, 1, won, statuses)
	requireProblem(t, 412, "changed-meanwhile", s.do(ada, "PATCH", "/profile", `{"name":"x"}`, "If-Match", seen))
	requireProblem(t, 412, "changed-meanwhile", s.do(ada, "PATCH", "/profile", `{"name":"x"}`, "If-Match", "garbage"))
	require.Equal(t, 200, s.do(ada, "PATCH", "/profile", `{"name":"x"}`, "If-Match", "*").Code)
	require.Equal(t, 200, s.do(ada, "PATCH", "/profile", `{"name":"x"}`, "If-Match", `"7", "4"`).Code)
}

func TestAddressBookThroughRoutes(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ada, eve := s.bearer(newID(), identity.Customer), s.bearer(newID(), identity.Customer)
	require.JSONEq(t, `{"items":[]}`, s.do(ada, "GET", "/addresses", "").Body.String())
	a := s.do(ada, "POST", "/addresses", berlinJSON)
	require.Equal(t, 201, a.Code, a.Body.String())
	path := a.Header().Get("Location")
	require.Equal(t, "/addresses/"+a.fields["id"].(string), path)
	require.Equal(t, "Berlin", a.fields["city"])

	changed := strings.Replace(berlinJSON, "Berlin", "Potsdam", 1)
	requireProblem(t, 404, "address-not-found", s.do(eve, "PUT", path, changed))
	requireProblem(t, 404, "address-not-found", s.do(eve, "DELETE", path, ""))
	require.Equal(t, 200, s.do(ada, "PUT", path, changed).Code)
	a = s.do(ada, "GET", "/addresses", "")
	require.Len(t, a.fields["items"], 1)
	require.Contains(t, a.Body.String(), "Potsdam")
	require.Equal(t, `"1"`, s.do(ada, "GET", "/profile", "").Header().Get("ETag"), "an address is not the profile")
	require.Equal(t, 204, s.do(ada, "DELETE", path, "").Code)
	requireProblem(t, 404, "address-not-found", s.do(ada, "DELETE", path, ""))

	for range maxAddresses {
		require.Equal(t, 201, s.do(ada, "POST", "/addresses", berlinJSON).Code)
	}
	requireProblem(t, 409, "too-many-addresses", s.do(ada, "POST", "/addresses", berlinJSON))
}

func TestARepeatedKeyAddsOneAddress(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ada, eve := s.bearer(newID(), identity.Customer), s.bearer(newID(), identity.Customer)
	answers := make([]answer, 6)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = s.do(ada, "POST", "/addresses", berlinJSON, "Idempotency-Key", "k1") })
	}
	wg.Wait()
	for _, a := range answers {
		require.Equal(t, 201, a.Code, a.Body.String())
		require.Equal(t, answers[0].fields, a.fields)
	}
	require.Len(t, s.do(ada, "GET", "/addresses", "").fields["items"], 1)
	changed := strings.Replace(berlinJSON, "Berlin", "Potsdam", 1)
	requireProblem(t, 422, "idempotency-key-reused", s.do(ada, "POST", "/addresses", changed, "Idempotency-Key", "k1"))
	requireProblem(t, 400, "invalid-idempotency-key", s.do(ada, "POST", "/addresses", changed, "Idempotency-Key", "a b"))
	theirs := s.do(eve, "POST", "/addresses", berlinJSON, "Idempotency-Key", "k1")
	require.Equal(t, 201, theirs.Code)
	require.NotEqual(t, answers[0].fields["id"], theirs.fields["id"])
}

func TestGarbageIsRefused(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ada := s.bearer(newID(), identity.Customer)
	path := s.do(ada, "POST", "/addresses", berlinJSON).Header().Get("Location")
	for _, route := range []struct{ method, path, field string }{
		{"PATCH", "/profile", "name"}, {"POST", "/addresses", "line1"}, {"PUT", path, "city"},
	} {
		for body, want := range map[string]int{
			"": 400, "{": 400, "[]": 400, `"x"`: 400, "{} {}": 400, "\x00": 400, `{"id":"x"}`: 400, `{"version":7}`: 400,
			`{"` + route.field + `":1}`: 400, `{"` + route.field + `":{"$gt":""}}`: 400, `{"` + route.field + `":"\u0000"}`: 400,
			`{"` + route.field + `":"` + strings.Repeat("x", 2<<20) + `"}`: 413,
			`{"` + route.field + `":"` + strings.Repeat("x", 1000) + `"}`:  400,
		} {
			a := s.do(ada, route.method, route.path, body)
			require.Equal(t, want, a.Code, "%s %s %.80q: %.300s", route.method, route.path, body, a.Body)
			require.Equal(t, "application/problem+json", a.Header().Get("Content-Type"))
		}
		a := s.do(ada, route.method, route.path, berlinJSON, "Content-Type", "text/plain")
		requireProblem(t, 415, "unsupported-media-type", a)
	}
	for _, id := range []string{"x", "%00", "%2e%2e", strings.Repeat("x", 5000), "$where"} {
		requireProblem(t, 404, "address-not-found", s.do(ada, "PUT", "/addresses/"+id, berlinJSON))
		requireProblem(t, 404, "address-not-found", s.do(ada, "DELETE", "/addresses/"+id, ""))
	}
}

func TestRoutesByCaller(t *testing.T) {
	t.Parallel()
	s := newService(t)
	owner := s.bearer(newID(), identity.Customer)
	path := s.do(owner, "POST", "/addresses", berlinJSON).Header().Get("Location")
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	foreign, err := identity.NewSigner("k", private).Sign(identity.Identity{Subject: "x", Roles: []identity.Role{identity.Admin}}, time.Now(), time.Minute)
	require.NoError(t, err)
	callers := []struct {
		name, bearer string
	}{
		{"anonymous", ""},
		{"foreign token", "Bearer " + foreign},
		{"guest", s.bearer("guest:x", identity.Guest)},
		{"other customer", s.bearer(newID(), identity.Customer)},
		{"support", s.bearer(newID(), identity.Customer, identity.Support)},
		{"admin", s.bearer(newID(), identity.Customer, identity.Admin)},
		{"owner", owner},
	}
	for _, route := range []struct {
		method, path, body string
		want               [7]int // by caller; staff have profiles of their own and see no other
	}{
		{"GET", "/profile", "", [7]int{401, 401, 401, 200, 200, 200, 200}},
		{"PATCH", "/profile", `{"language":"de"}`, [7]int{401, 401, 401, 200, 200, 200, 200}},
		{"GET", "/addresses", "", [7]int{401, 401, 401, 200, 200, 200, 200}},
		{"POST", "/addresses", berlinJSON, [7]int{401, 401, 401, 201, 201, 201, 201}},
		{"PUT", path, berlinJSON, [7]int{401, 401, 401, 404, 404, 404, 200}},
		{"DELETE", path, "", [7]int{401, 401, 401, 404, 404, 404, 204}},
		{"GET", path, "", [7]int{405, 401, 405, 405, 405, 405, 405}},
		{"GET", "/outbox", "", [7]int{404, 401, 404, 404, 404, 404, 404}},
	} {
		for i, caller := range callers {
			a := s.do(caller.bearer, route.method, route.path, route.body)
			require.Equal(t, route.want[i], a.Code, "%s %s as %s: %s", route.method, route.path, caller.name, a.Body)
		}
	}
	requireProblem(t, 401, "sign-in-required", s.do(callers[2].bearer, "GET", "/profile", ""))
}

func envelope(data string) events.Envelope {
	return events.Envelope{SpecVersion: "1.0", ID: "e1", Source: "auth", Type: events.TopicUserRegistered, Data: json.RawMessage(data)}
}

func TestUserRegisteredMakesTheProfileOnce(t *testing.T) {
	t.Parallel()
	s := newService(t)
	id := newID()
	s.auth = web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != http.MethodGet || r.URL.Path != "/accounts/"+string(id) {
			return problem.New(problem.NotFound, "no-such-route", "not %s", r.URL.Path)
		}
		return web.Encode(w, 200, map[string]string{"id": string(id), "email": "grace@example.com", "name": "Grace"})
	})
	fact := envelope(fmt.Sprintf(`{"accountId":%q,"at":"2026-03-01T12:00:00Z","later":"field"}`, id))
	errs := make([]error, 10)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = s.userRegistered(t.Context(), fact) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	grace := s.bearer(id, identity.Customer)
	require.JSONEq(t, `{"name":"Grace","language":"en","currency":"EUR"}`, s.do(grace, "GET", "/profile", "").Body.String())
	require.Equal(t, 200, s.do(grace, "PATCH", "/profile", `{"name":"Grace H."}`).Code)
	before := s.calls.Load()
	require.NoError(t, s.userRegistered(t.Context(), fact), "a day later")
	require.Equal(t, before, s.calls.Load())
	require.Contains(t, s.do(grace, "GET", "/profile", "").Body.String(), "Grace H.")
}

func TestUserRegisteredIsTriedAgainOrDropped(t *testing.T) {
	t.Parallel()
	s := newService(t)
	id := newID()
	fact := envelope(fmt.Sprintf(`{"accountId":%q,"at":"2026-03-01T12:00:00Z"}`, id))
	refuse := func(err error) {
		s.auth = web.Handler(func(http.ResponseWriter, *http.Request) error { return err })
	}
	refuse(problem.New(problem.Unavailable, "service-unavailable", "later"))
	require.Error(t, s.userRegistered(t.Context(), fact), "auth is away: again later")
	refuse(problem.New(problem.NotFound, "no-such-route", "another version of auth"))
	require.Error(t, s.userRegistered(t.Context(), fact))
	refuse(problem.New(problem.NotFound, "account-not-found", "gone"))
	require.NoError(t, s.userRegistered(t.Context(), fact))
	_, err := s.customers.Customer(t.Context(), id)
	require.True(t, problem.Is(err, "customer-not-found"))
	for _, data := range []string{"", "null", "[]", `"x"`, "{", `{"accountId":7}`, `{"accountId":"../../x"}`, `{"accountId":""}`} {
		require.ErrorIs(t, s.userRegistered(t.Context(), envelope(data)), events.ErrMalformed, data)
	}
}
