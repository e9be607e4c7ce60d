// Package privacy is how a service answers for what it holds about a person: it hands it out and it erases it. Who asks,
// when, and whether all have answered is the affair of client, which alone may call.
package privacy

import (
	"context"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

// Orchestrator is the app that asks.
const Orchestrator = "client"

// Holder holds personal data. Both methods may run more than once for a person, and for one of whom nothing is held.
type Holder interface {
	// Export is everything that is held about the person, by topic, as JSON that a person can make sense of.
	Export(ctx context.Context, person identity.CustomerID) (map[string]any, error)

	// Erase removes it and tells what had to stay. What cannot go yet is NotYet.
	Erase(ctx context.Context, person identity.CustomerID) ([]Kept, error)
}

// Kept is something that the law asks us to keep for a while.
type Kept struct {
	What  string    `json:"what" bson:"what"`
	Why   string    `json:"why" bson:"why"`
	Until time.Time `json:"until" bson:"until"`
}

// NotYet means that an erasure has to wait, for an order under way for example; it is asked for again.
func NotYet(why string) error {
	return problem.New(problem.Conflict, "not-yet", "%s", why).WithRetryAfter(time.Minute)
}

// Erasure is a holder's answer to having erased.
type Erasure struct {
	Kept []Kept `json:"kept"`
}

// Path is where a holder answers for a person.
func Path(person identity.CustomerID) string { return "/personal-data/" + string(person) }

// Routes adds the two routes of a holder.
func Routes(r *mux.Router, h Holder) {
	r.Handle("/personal-data/{person}", sidecar.OnlyFrom(func(w http.ResponseWriter, r *http.Request) error {
		data, err := h.Export(r.Context(), identity.CustomerID(mux.Vars(r)["person"]))
		if err != nil {
			return err
		}
		return web.Encode(w, http.StatusOK, data)
	}, Orchestrator)).Methods(http.MethodGet)
	r.Handle("/personal-data/{person}", sidecar.OnlyFrom(func(w http.ResponseWriter, r *http.Request) error {
		kept, err := h.Erase(r.Context(), identity.CustomerID(mux.Vars(r)["person"]))
		if err != nil {
			return err
		}
		return web.Encode(w, http.StatusOK, Erasure{append([]Kept{}, kept...)})
	}, Orchestrator)).Methods(http.MethodDelete)
}
