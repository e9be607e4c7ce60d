package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// Services that keep an inbox, and so have dead letters, and those of them that know of orders. basket and client hear
// facts too, but by natural key, and keep no record of each.
var (
	withLetters = []string{"auth", "inventory", "notification", "ordering", "payment"}
	withTraces  = []string{"inventory", "notification", "ordering", "payment"}
)

const eventsAtOnce = 100 // asked for in one address

// step is one thing that happened to an order. Consumers are those of an event, with the time of its effect there or
// null while it is outstanding.
type step struct {
	At        time.Time  `json:"at"`
	Service   string     `json:"service"`
	Kind      string     `json:"kind"`
	Name      string     `json:"name"`
	Detail    string     `json:"detail"`
	EventID   string     `json:"eventId,omitempty"`
	Consumers []consumer `json:"consumers,omitempty"`
}

type consumer struct {
	Service     string     `json:"service"`
	DeliveredAt *time.Time `json:"deliveredAt"`
}

// composed is a list from several services. Those that did not answer are named, since what is missing may be theirs.
type composed[T any] struct {
	Items       []T      `json:"items"`
	Unavailable []string `json:"unavailable,omitempty"`
}

// trace is everything that happened to an order, in all services, the oldest first.
func (s *server) trace(w http.ResponseWriter, r *http.Request, to target) error {
	found, err := gather[step](s, r.Context(), withTraces, func(string) string { return to.path })
	if err != nil {
		return err
	}
	if len(found.Items) == 0 && len(found.Unavailable) == 0 {
		return problem.New(problem.NotFound, "order-not-found", "There is no such order.")
	}
	told := map[string]step{}
	for _, item := range found.Items {
		if item.Kind == "event" {
			told[item.EventID] = item
		}
	}
	heard, err := s.deliveries(r.Context(), to.path, told)
	if err != nil {
		return err
	}
	at := map[[2]string]time.Time{} // of delivery, by event and consumer
	for i, d := range heard.Items {
		at[[2]string{d.EventID, d.Service}] = d.At
		heard.Items[i].Name = told[d.EventID].Name
	}
	for i, item := range found.Items {
		if item.Kind != "event" {
			continue
		}
		for _, app := range events.Routes[item.Name].Consumers {
			if !slices.Contains(withTraces, app) {
				continue
			}
			c := consumer{Service: app}
			if t, delivered := at[[2]string{item.EventID, app}]; delivered {
				c.DeliveredAt = &t
			}
			found.Items[i].Consumers = append(found.Items[i].Consumers, c)
		}
	}
	found.Items = append(found.Items, heard.Items...)
	found.Unavailable = union(found.Unavailable, heard.Unavailable)
	slices.SortStableFunc(found.Items, func(a, b step) int { return a.At.Compare(b.At) })
	return web.Encode(w, http.StatusOK, found)
}

// deliveries asks each consumer which of the events it has heard.
func (s *server) deliveries(ctx context.Context, path string, told map[string]step) (all composed[step], err error) {
	waited := map[string][]string{} // events by consumer
	for id, event := range told {
		for _, app := range events.Routes[event.Name].Consumers {
			if slices.Contains(withTraces, app) {
				waited[app] = append(waited[app], id)
			}
		}
	}
	for round := 0; ; round++ {
		var apps []string
		for app, ids := range waited {
			if len(ids) > round*eventsAtOnce {
				apps = append(apps, app)
			}
		}
		if len(apps) == 0 {
			return all, nil
		}
		page, err := gather[step](s, ctx, apps, func(app string) string {
			ids := waited[app][round*eventsAtOnce:]
			return path + "/deliveries?events=" + url.QueryEscape(strings.Join(ids[:min(len(ids), eventsAtOnce)], ","))
		})
		if err != nil {
			return all, err
		}
		all.Items = append(all.Items, page.Items...)
		all.Unavailable = union(all.Unavailable, page.Unavailable)
	}
}

// letter is an event that a service could not apply.
type letter struct {
	fields
	FailedAt time.Time
}

func (l *letter) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &l.fields); err != nil {
		return err
	}
	return json.Unmarshal(l.fields["failedAt"], &l.FailedAt)
}

func (l letter) MarshalJSON() ([]byte, error) { return json.Marshal(l.fields) }

// letters are the dead letters of all services, the latest first.
func (s *server) letters(w http.ResponseWriter, r *http.Request, to target) error {
	found, err := gather[letter](s, r.Context(), withLetters, func(string) string { return to.path })
	if err != nil {
		return err
	}
	slices.SortStableFunc(found.Items, func(a, b letter) int { return b.FailedAt.Compare(a.FailedAt) })
	return web.Encode(w, http.StatusOK, found)
}

// letter hands a request about one letter to the service that the path names.
func (s *server) letter(w http.ResponseWriter, r *http.Request, to target) error {
	to.app = mux.Vars(r)["service"]
	if !slices.Contains(withLetters, to.app) {
		return problem.New(problem.NotFound, "letter-not-found", "There is no such letter; perhaps somebody has dealt with it.")
	}
	return s.proxy(w, r, to)
}

// gather asks several services for their part of a list. One that does not answer is named; one that refuses refuses for
// all.
func gather[T any](s *server, ctx context.Context, apps []string, path func(app string) string) (composed[T], error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	all := composed[T]{Items: []T{}}
	var refusal error
	var mu sync.Mutex
	var group sync.WaitGroup
	for _, app := range apps {
		group.Go(func() {
			var page web.Page[T]
			err := s.sidecar.Call(ctx, app, http.MethodGet, path(app), nil, &page)
			mu.Lock()
			defer mu.Unlock()
			if p, ok := errors.AsType[*problem.Error](err); ok && p.Kind.Status() < http.StatusInternalServerError {
				refusal = cmp.Or(refusal, err)
			} else if err != nil {
				slog.WarnContext(ctx, "a part is missing", "app", app, "error", err.Error())
				all.Unavailable = append(all.Unavailable, app)
			}
			all.Items = append(all.Items, page.Items...)
		})
	}
	group.Wait()
	slices.Sort(all.Unavailable)
	return all, refusal
}

func union(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}
