package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/privacy"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// holders stands in for the other services: what each was asked, and how it answers.
type holders struct {
	mu     sync.Mutex
	asked  []string
	refuse map[string]error
}

func (h *holders) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	service := r.Header.Get("Dapr-App-Id")
	h.asked = append(h.asked, r.Method+" "+service+" "+r.URL.Path)
	if err := h.refuse[service]; err != nil {
		problem.Write(w, r, err)
		return
	}
	if r.Method == http.MethodGet {
		_ = web.Encode(w, 200, map[string]any{"name": "<script>alert(1)</script>", "total": 12345678901234567, "of": service})
		return
	}
	kept := []privacy.Kept{}
	if service == "ordering" {
		kept = append(kept, privacy.Kept{What: "Invoice", Why: "Law", Until: time.Now().Add(invoiceAge)})
	}
	_ = web.Encode(w, 200, privacy.Erasure{Kept: kept})
}

const invoiceAge = 10 * 365 * 24 * time.Hour

// ahead turns the service's clock.
func (s *service) ahead(d time.Duration) {
	now := s.now
	s.now = func() time.Time { return now().Add(d) }
}

// settle serves requests until nothing is due.
func (s *service) settle() {
	for s.serveOne(context.WithoutCancel(s.t.Context())) {
	}
}

func newPrivacy(t *testing.T) (*service, *holders, string, identity.CustomerID) {
	t.Parallel()
	s := newService(t)
	h := &holders{refuse: map[string]error{}}
	s.others = h
	id := newID()
	ada := s.bearer(id, identity.Customer)
	require.Equal(t, http.StatusCreated, s.do(ada, "POST", "/addresses", berlinJSON).Code)
	return s, h, ada, id
}

func (s *service) begin(bearer, kind string) (link string) {
	a := s.do(bearer, "POST", "/privacy/"+kind, "")
	require.Equal(s.t, http.StatusAccepted, a.Code, a.Body.String())
	link, ok := strings.CutPrefix(a.fields["link"].(string), "/api/v1/account/privacy/"+kind+"/")
	require.True(s.t, ok)
	require.Len(s.t, link, 43)
	return link
}

func TestAnExportIsWholeAndFetchedOnce(t *testing.T) {
	s, h, ada, id := newPrivacy(t)
	link := s.begin(ada, "export")
	requireProblem(t, 409, "export-not-ready", s.do(ada, "GET", "/privacy/export/"+link, ""))
	h.refuse["ordering"] = problem.New(problem.Unavailable, "service-unavailable", "Away.")
	s.settle()
	list := s.do(ada, "GET", "/privacy/export", "").fields["items"].([]any)
	require.Equal(t, "running", list[0].(map[string]any)["status"], "nothing is left out because a service is away")
	delete(h.refuse, "ordering")
	s.ahead(time.Minute)
	s.settle()
	require.Equal(t, "ready", s.do(ada, "GET", "/privacy/export", "").fields["items"].([]any)[0].(map[string]any)["status"])
	require.NotContains(t, s.do(ada, "GET", "/privacy/export", "").Body.String(), "script")

	bob := s.bearer(newID(), identity.Customer)
	requireProblem(t, 404, "request-not-found", s.do(bob, "GET", "/privacy/export/"+link, ""))
	requireProblem(t, 404, "request-not-found", s.do(ada, "GET", "/privacy/export/"+link+"x", ""))
	requireProblem(t, 404, "request-not-found", s.do("", "GET", "/privacy/erasure/"+link, ""))
	got := s.raw(ada, "GET", "/privacy/export/"+link)
	require.Equal(t, 200, got.Code, got.Body.String())
	require.Equal(t, "application/zip", got.Header().Get("Content-Type"))
	files := unzip(t, got.Body.Bytes())
	var data map[string]map[string]any
	require.NoError(t, json.Unmarshal(files["export.json"], &data))
	for _, service := range exportOrder {
		require.Contains(t, data, service)
		require.Contains(t, string(files["export.html"]), words(service))
	}
	require.Contains(t, string(files["export.json"]), "Unter den Linden 1")
	page := string(files["export.html"])
	require.Contains(t, page, "Unter den Linden 1")
	require.Contains(t, page, "12345678901234567")
	require.NotContains(t, page, "<script>")
	requireProblem(t, 404, "request-not-found", s.do(ada, "GET", "/privacy/export/"+link, ""))
	n, err := s.customers.requests.CountDocuments(t.Context(), map[string]any{"parts.data": map[string]any{"$regex": "Linden"}})
	require.NoError(t, err)
	require.Zero(t, n, "what was fetched is kept nowhere")
	require.Contains(t, h.asked, "GET basket /personal-data/"+string(id))
}

func TestAnExportNobodyFetchesIsForgotten(t *testing.T) {
	s, _, ada, _ := newPrivacy(t)
	link := s.begin(ada, "export")
	s.settle()
	s.ahead(linkTTL)
	requireProblem(t, 404, "request-not-found", s.do(ada, "GET", "/privacy/export/"+link, ""))
	s.settle()
	require.Equal(t, "expired", s.do(ada, "GET", "/privacy/export", "").fields["items"].([]any)[0].(map[string]any)["status"])
	n, err := s.customers.requests.CountDocuments(t.Context(), map[string]any{"parts.data": map[string]any{"$regex": "Linden"}})
	require.NoError(t, err)
	require.Zero(t, n)
	s.ahead(requestsKept)
	require.NoError(t, s.customers.SweepRequests(t.Context(), s.now()))
	n, err = s.customers.requests.CountDocuments(t.Context(), map[string]any{})
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestExportsAreFewAndFresh(t *testing.T) {
	s, _, ada, id := newPrivacy(t)
	for range exportsADay {
		s.begin(ada, "export")
	}
	requireProblem(t, 429, "too-many-exports", s.do(ada, "POST", "/privacy/export", ""))
	s.ahead(11 * time.Minute)
	for _, kind := range []string{"export", "erasure"} {
		requireProblem(t, 403, "fresh-login-required", s.do(ada, "POST", "/privacy/"+kind, ""))
		requireProblem(t, 401, "sign-in-required", s.do("", "POST", "/privacy/"+kind, ""))
		requireProblem(t, 401, "sign-in-required", s.do(s.bearer("guest:x", identity.Guest), "POST", "/privacy/"+kind, ""))
	}
	all, err := s.customers.Requests(t.Context(), id, erasureKind)
	require.NoError(t, err)
	require.Empty(t, all)
}

// The link is told once; when that answer got lost, a repeat is told another, and nothing is begun twice.
func TestAPrivacyRequestIsRepeatedSafely(t *testing.T) {
	s, _, ada, id := newPrivacy(t)
	ask := func(kind, key string) (answer, string) {
		a := s.do(ada, "POST", "/privacy/"+kind, "", "Idempotency-Key", key)
		link, _ := a.fields["link"].(string)
		return a, strings.TrimPrefix(link, "/api/v1/account")
	}
	export, lost := ask("export", "k1")
	require.Equal(t, 202, export.Code, export.Body)
	leased, found, err := s.customers.LeaseRequest(t.Context(), s.now())
	require.NoError(t, err)
	require.True(t, found)
	again, _ := ask("export", "k1")
	require.Equal(t, 202, again.Code, again.Body)
	require.Equal(t, export.fields["id"], again.fields["id"])
	leased.Tries++
	require.ErrorIs(t, s.customers.SaveRequest(t.Context(), leased, leased.DueAt, leased.State), errChanged, "who was at work does not bring the lost link back")
	for range exportsADay - 1 {
		s.begin(ada, "export")
	}
	requireProblem(t, 429, "too-many-exports", s.do(ada, "POST", "/privacy/export", "", "Idempotency-Key", "k2"))
	again, _ = ask("export", "k1")
	require.Equal(t, 202, again.Code, "a repeat is no further export: %s", again.Body)
	requireProblem(t, 400, "invalid-idempotency-key", s.do(ada, "POST", "/privacy/export", "", "Idempotency-Key", "a b"))
	s.ahead(requestLease + time.Second)
	s.settle()
	again, link := ask("export", "k1")
	require.Equal(t, "ready", again.fields["status"])
	requireProblem(t, 404, "request-not-found", s.do(ada, "GET", lost, ""))
	require.Equal(t, 200, s.raw(ada, "GET", link).Code)
	_, link = ask("export", "k1")
	requireProblem(t, 404, "request-not-found", s.do(ada, "GET", link, ""))

	erasure, lost := ask("erasure", "k1")
	require.Equal(t, 202, erasure.Code, erasure.Body)
	s.settle()
	again, link = ask("erasure", "k1")
	require.Equal(t, 202, again.Code, again.Body)
	requireProblem(t, 409, "erasure-under-way", s.do(ada, "POST", "/privacy/erasure", "", "Idempotency-Key", "k2"))
	s.ahead(sessionsFade + time.Second)
	s.settle()
	requireProblem(t, 404, "request-not-found", s.do("", "GET", lost, ""))
	require.Equal(t, "done", s.do("", "GET", link, "").fields["status"])
	all, err := s.customers.Requests(t.Context(), id, erasureKind)
	require.NoError(t, err)
	require.Len(t, all, 1)
}

func TestAnErasureReachesEveryServiceAndProvesIt(t *testing.T) {
	s, h, ada, id := newPrivacy(t)
	link := s.begin(ada, "erasure")
	requireProblem(t, 409, "erasure-under-way", s.do(ada, "POST", "/privacy/erasure", ""))
	status := func() map[string]any {
		a := s.do("", "GET", "/privacy/erasure/"+link, "")
		require.Equal(t, 200, a.Code, a.Body.String())
		require.NotContains(t, a.Body.String(), string(id), "the public status names nobody")
		return a.fields
	}
	require.Equal(t, "running", status()["status"])
	h.refuse["basket"] = problem.New(problem.Unavailable, "service-unavailable", "Away.")
	h.refuse["ordering"] = privacy.NotYet("An order is under way.")
	s.settle()
	require.Equal(t, []string{"DELETE auth /personal-data/" + string(id)}, h.asked, "first nobody signs in any more")
	_, err := s.customers.Customer(t.Context(), id)
	require.NoError(t, err, "a request under way could bring it back: the sessions end first")
	s.ahead(sessionsFade)
	s.settle()
	delete(h.refuse, "basket")
	s.ahead(longestPause)
	s.settle()
	_, err = s.customers.Customer(t.Context(), id)
	require.True(t, problem.Is(err, "customer-not-found"), "%v", err)
	require.Equal(t, "not-yet", status()["parts"].([]any)[4].(map[string]any)["waiting"])
	for range 5 {
		s.ahead(longestPause)
		s.settle()
		require.Equal(t, "running", status()["status"])
	}
	delete(h.refuse, "ordering")
	s.ahead(longestPause)
	s.settle()
	end := status()
	require.Equal(t, "done", end["status"])
	require.NotEmpty(t, end["finishedAt"])
	for i, part := range end["parts"].([]any) {
		require.Equal(t, erasureOrder[i], part.(map[string]any)["service"])
		require.Equal(t, true, part.(map[string]any)["done"])
	}
	kept := end["parts"].([]any)[4].(map[string]any)["kept"].([]any)
	require.Equal(t, "Invoice", kept[0].(map[string]any)["what"])
	before := len(h.asked)
	s.ahead(24 * time.Hour)
	s.settle()
	require.Len(t, h.asked, before, "what is done stays done")
}

func TestTwoReplicasServeARequestOnce(t *testing.T) {
	s, h, ada, _ := newPrivacy(t)
	s.begin(ada, "export")
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(s.settle)
	}
	wg.Wait()
	s.settle()
	seen := map[string]int{}
	for _, call := range h.asked {
		seen[call]++
	}
	require.Len(t, seen, len(exportOrder)-1, "all but client itself")
	for call, n := range seen {
		require.Equal(t, 1, n, call)
	}
}

func TestAKilledReplicasRequestGoesOn(t *testing.T) {
	s, _, ada, _ := newPrivacy(t)
	link := s.begin(ada, "export")
	_, found, err := s.customers.LeaseRequest(t.Context(), s.now())
	require.NoError(t, err)
	require.True(t, found)
	s.settle()
	requireProblem(t, 409, "export-not-ready", s.do(ada, "GET", "/privacy/export/"+link, ""))
	s.ahead(requestLease + time.Second)
	s.settle()
	require.Equal(t, 200, s.raw(ada, "GET", "/privacy/export/"+link).Code)
}

func unzip(t *testing.T, body []byte) map[string][]byte {
	archive, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	files := map[string][]byte{}
	for _, f := range archive.File {
		r, err := f.Open()
		require.NoError(t, err)
		files[f.Name], err = io.ReadAll(r)
		require.NoError(t, err)
	}
	return files
}

func TestWords(t *testing.T) {
	for name, want := range map[string]string{"lastSeenAt": "Last seen at", "placed_at": "Placed at", "": "", "auth": "Auth", "ß": "ß"} {
		require.Equal(t, want, words(name), name)
	}
}

// Whatever services hold, the page shows it as text.
func FuzzReadable(f *testing.F) {
	f.Add(`{"a":{"b":["<script>",1e400,null,true]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		page, err := readable([]byte(text), time.Time{})
		if err == nil && (bytes.Contains(page, []byte("<script")) || bytes.Contains(page, []byte("<img"))) {
			t.Fatal(string(page))
		}
	})
}
