package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/privacy"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

type requestAnswer struct {
	ID         string       `json:"id"`
	Status     string       `json:"status"`
	CreatedAt  time.Time    `json:"createdAt"`
	FinishedAt time.Time    `json:"finishedAt,omitzero"`
	ExpiresAt  time.Time    `json:"expiresAt,omitzero"` // of an export's link
	Link       string       `json:"link,omitempty"`     // told once
	Parts      []partAnswer `json:"parts"`
}

type partAnswer struct {
	Service string         `json:"service"`
	Done    bool           `json:"done"`
	At      time.Time      `json:"at,omitzero"`
	Waiting string         `json:"waiting,omitempty"`
	Kept    []privacy.Kept `json:"kept,omitempty"`
}

func newRequestAnswer(r Request) requestAnswer {
	a := requestAnswer{ID: r.ID, Status: r.State, CreatedAt: r.CreatedAt.UTC(), FinishedAt: r.FinishedAt.UTC(), Parts: []partAnswer{}}
	if r.Kind == exportKind {
		a.ExpiresAt = r.ExpiresAt.UTC()
	}
	for _, p := range r.Parts {
		a.Parts = append(a.Parts, partAnswer{p.Service, p.Done, p.At.UTC(), p.Waiting, p.Kept})
	}
	return a
}

// freshly serves h to people who have signed in a moment ago.
func (s *server) freshly(h web.Handler) web.Handler {
	return signedIn(func(w http.ResponseWriter, r *http.Request) error {
		if err := identity.From(r.Context()).Fresh(s.now()); err != nil {
			return err
		}
		return h(w, r)
	})
}

// requestExport begins to collect what every service holds about the caller. The link in the answer, which is told once,
// leads to it for a day and works once, for its owner.
func (s *server) requestExport(w http.ResponseWriter, r *http.Request) error {
	key, err := keyID(r, exportKind)
	if err != nil {
		return err
	}
	return s.request(w, r, exportKind, "export "+cmp.Or(key, uuid.Must(uuid.NewV7()).String()), key)
}

// requestErasure begins to erase the caller everywhere. It cannot be taken back; the link in the answer leads to its
// status, and at the end to the proof of it, without signing in.
func (s *server) requestErasure(w http.ResponseWriter, r *http.Request) error {
	key, err := keyID(r, erasureKind)
	if err != nil {
		return err
	}
	return s.request(w, r, erasureKind, "erasure "+string(identity.From(r.Context()).Subject), key)
}

// request begins what is asked for. A repeat under the same Idempotency-Key begins nothing; since nobody but the first
// answer knew the link, it gets another, in the place of the former.
func (s *server) request(w http.ResponseWriter, r *http.Request, kind, id, key string) error {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails since Go 1.24
	link := base64.RawURLEncoding.EncodeToString(b)
	made := NewRequest(id, kind, identity.From(r.Context()).Subject, link, s.now().UTC().Truncate(time.Millisecond))
	made.Key = key
	made, err := s.customers.AddRequest(r.Context(), made)
	if err != nil {
		return err
	}
	slog.InfoContext(r.Context(), "privacy request", "kind", kind, "request", made.ID, "customer", string(made.Customer))
	answer := newRequestAnswer(made)
	answer.Link = "/api/v1/account/privacy/" + kind + "/" + link
	return web.Encode(w, http.StatusAccepted, answer)
}

// exports shows how far the caller's exports are, the latest first.
func (s *server) exports(w http.ResponseWriter, r *http.Request) error {
	all, err := s.customers.Requests(r.Context(), identity.From(r.Context()).Subject, exportKind)
	if err != nil {
		return err
	}
	page := web.Page[requestAnswer]{Items: []requestAnswer{}}
	for _, request := range all {
		page.Items = append(page.Items, newRequestAnswer(request))
	}
	return web.Encode(w, http.StatusOK, page)
}

// erasure shows whoever has the link how far an erasure is; it names nobody.
func (s *server) erasure(w http.ResponseWriter, r *http.Request) error {
	request, err := s.customers.RequestByLink(r.Context(), erasureKind, mux.Vars(r)["link"])
	if err != nil {
		return err
	}
	answer := newRequestAnswer(request)
	answer.ID = "" // it has the customer's id in it
	return web.Encode(w, http.StatusOK, answer)
}

// download hands out an export, once and to its owner, and forgets it.
func (s *server) download(w http.ResponseWriter, r *http.Request) error {
	request, err := s.customers.RequestByLink(r.Context(), exportKind, mux.Vars(r)["link"])
	if err != nil {
		return err
	}
	switch {
	case request.Customer != identity.From(r.Context()).Subject:
		return requestNotFound()
	case request.State == running:
		return problem.New(problem.Conflict, "export-not-ready", "The export is still being collected.").WithRetryAfter(2 * time.Second)
	case request.State != ready || !s.now().Before(request.ExpiresAt):
		return requestNotFound()
	}
	archive, err := pack(request)
	if err != nil {
		return err
	}
	before := request.DueAt
	request.forget(downloaded)
	if err := s.customers.SaveRequest(r.Context(), request, before, ready); errors.Is(err, errChanged) {
		return requestNotFound() // another browser was faster
	} else if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="sidecart-export.zip"`)
	_, _ = w.Write(archive) // the status has gone out: a failed write is the client's hanging up
	return nil
}

// pack makes the archive: the data for programs, and the same to be read.
func pack(r Request) ([]byte, error) {
	data := map[string]json.RawMessage{}
	for _, p := range r.Parts {
		data[p.Service] = json.RawMessage(p.Data)
	}
	asJSON, err := json.MarshalIndent(data, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("pack export %s: %w", r.ID, err)
	}
	asHTML, err := readable(asJSON, r.CreatedAt)
	if err != nil {
		return nil, fmt.Errorf("pack export %s: %w", r.ID, err)
	}
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for _, file := range []struct {
		name string
		body []byte
	}{{"export.json", asJSON}, {"export.html", asHTML}} {
		w, err := archive.Create(file.name)
		if err != nil {
			return nil, fmt.Errorf("pack export %s: %w", r.ID, err)
		}
		if _, err := w.Write(file.body); err != nil {
			return nil, fmt.Errorf("pack export %s: %w", r.ID, err)
		}
	}
	if err := archive.Close(); err != nil {
		return nil, fmt.Errorf("pack export %s: %w", r.ID, err)
	}
	return out.Bytes(), nil
}

// serveRequests goes on with what is due, request by request, until ctx ends. What a killed replica had begun is due
// again when its lease ends; every step may run twice.
func (s *server) serveRequests(ctx context.Context) error {
	swept := time.Time{}
	for {
		for s.serveOne(ctx) {
		}
		if now := s.now(); now.Sub(swept) > time.Hour {
			swept = now
			if err := s.customers.SweepRequests(ctx, now); err != nil && ctx.Err() == nil {
				slog.Warn("sweep failed, next try in an hour", "error", err.Error())
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

func (s *server) serveOne(ctx context.Context) (more bool) {
	request, found, err := s.customers.LeaseRequest(ctx, s.now())
	if err != nil {
		if ctx.Err() == nil {
			slog.Warn("no privacy request leased", "error", err.Error())
		}
		return false
	}
	if !found {
		return false
	}
	lease, state := request.DueAt, request.State
	if state == ready {
		request.Expire()
	} else {
		s.advance(ctx, &request)
	}
	if err := s.customers.SaveRequest(ctx, request, lease, state); err != nil && ctx.Err() == nil {
		slog.Warn("privacy request not saved, it is done again", "request", request.ID, "error", err.Error())
	}
	return true
}

// advance does the next part of a request. One that fails is tried again after a pause that grows: a request is never
// given up.
func (s *server) advance(ctx context.Context, r *Request) {
	now := s.now().UTC().Truncate(time.Millisecond)
	part, ok := r.Next()
	if !ok {
		r.Finish(now)
		slog.InfoContext(ctx, "privacy request finished", "kind", r.Kind, "request", r.ID)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeLimit)
	defer cancel()
	var err error
	if r.Kind == exportKind {
		part.Data, err = s.collect(ctx, part.Service, r.Customer)
	} else {
		part.Kept, err = s.erase(ctx, part.Service, r.Customer)
	}
	if err != nil {
		part.Waiting = problem.From(err).Code
		r.Tries++
		r.DueAt = now.Add(min(time.Second<<min(r.Tries, 20), longestPause))
		slog.WarnContext(ctx, "privacy request waits", "kind", r.Kind, "request", r.ID, "service", part.Service, "error", err.Error())
		return
	}
	part.Done, part.At, part.Waiting = true, now, ""
	r.Tries, r.DueAt = 0, now
	if r.Kind == erasureKind && part.Service == "auth" {
		r.DueAt = now.Add(sessionsFade)
	}
}

// collect gets what a service holds about a customer, as JSON.
func (s *server) collect(ctx context.Context, service string, customer identity.CustomerID) (string, error) {
	if service == app {
		c, err := s.customers.Customer(ctx, customer)
		if err != nil && !problem.Is(err, "customer-not-found") {
			return "", err
		}
		data, err := json.Marshal(map[string]any{
			"profile":  profileAnswer{c.Profile.Name, c.Profile.Phone, c.Profile.Language, c.Profile.Currency},
			"consents": c.Profile.Consents, "addresses": c.Addresses, "wishlist": c.Wishlist, "registeredAt": c.RegisteredAt.UTC(),
		})
		return string(data), err
	}
	var data json.RawMessage
	err := s.sidecar.Call(ctx, service, http.MethodGet, privacy.Path(customer), nil, &data)
	return string(data), err
}

// erase has a service forget a customer.
func (s *server) erase(ctx context.Context, service string, customer identity.CustomerID) ([]privacy.Kept, error) {
	if service == app {
		return nil, s.customers.Delete(ctx, customer)
	}
	var answer privacy.Erasure
	err := s.sidecar.Call(ctx, service, http.MethodDelete, privacy.Path(customer), nil, &answer)
	return answer.Kept, err
}
