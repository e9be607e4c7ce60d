package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

// server is payment's edge. It has no route by which a charge or a refund could be asked for: those come as facts.
type server struct {
	pool      *pgxpool.Pool
	store     *store
	providers map[string]*guarded // that attempts may be of
	offered   []string            // of these, what customers may choose, in that order
	now       func() time.Time
}

func (s *server) routes() http.Handler {
	staff := func(h web.Handler) web.Handler {
		return sidecar.OnlyFrom(identity.Require(h, identity.Support, identity.Admin), "gateway")
	}
	r := web.Router()
	r.Handle("/payment-methods", sidecar.OnlyFrom(s.paymentMethods, "gateway")).Methods(http.MethodGet)
	r.Handle("/disputes", staff(s.listDisputes)).Methods(http.MethodGet)
	r.Handle("/reports/reconciliation", staff(s.reconciliation)).Methods(http.MethodGet)
	for name, p := range s.providers {
		r.Handle("/webhooks/"+name, sidecar.OnlyFrom(s.hear(name, p), "gateway")).Methods(http.MethodPost)
	}
	outbox.Routes(r, s.pool, "payment")
	outbox.Letters(r, s.pool, "payment", s.subscriptions()...)
	outbox.Trace(r, s.pool, "payment", s.store.trace)
	return r
}

type methodView struct {
	Provider  string   `json:"provider"`
	Name      string   `json:"name"`
	Methods   []string `json:"methods,omitempty"` // absent: the provider's own page or script makes one
	Available bool     `json:"available"`         // false: it does not answer at the moment
}

// paymentMethods says what customers may pay with.
func (s *server) paymentMethods(w http.ResponseWriter, _ *http.Request) error {
	known := map[string]methodView{
		"stripe": {Provider: "stripe", Name: "Card"},
		"paypal": {Provider: "paypal", Name: "PayPal", Methods: []string{"paypal"}},
	}
	items := []methodView{}
	for _, name := range s.offered {
		view := known[name]
		view.Available = s.providers[name].Available()
		items = append(items, view)
	}
	return web.Encode(w, http.StatusOK, web.Page[methodView]{Items: items})
}

// hear takes a provider's webhook: whoever may call, only what the provider signed counts. It is answered with 2xx only
// after it and its effect are committed; the provider repeats anything else for days. A repeat, an unknown type and an order
// that is not ours are fine, too.
func (s *server) hear(name string, p provider) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, web.MaxBody))
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return problem.New(problem.TooLarge, "body-too-large", "The body is larger than %d bytes.", web.MaxBody)
		}
		if err != nil {
			return problem.New(problem.Invalid, "unreadable-body", "The body ended early.")
		}
		notice, err := p.Verify(r.Context(), r.Header, body)
		switch {
		case errors.Is(err, errAway):
			return fmt.Errorf("%w (%w)", problem.New(problem.Unavailable, "provider-unavailable", "The certificate of the signature cannot be fetched."), err)
		case errors.Is(err, errUnreadable):
			return problem.New(problem.Invalid, "malformed-event", "The event cannot be read.")
		case err != nil:
			return problem.New(problem.Invalid, "invalid-signature", "The signature does not match the body, or is too old.")
		}
		if err := s.store.Hear(r.Context(), name, notice, s.now()); err != nil {
			return err
		}
		slog.Info("webhook", "provider", name, "event", notice.ID, "type", notice.Type, "order", notice.OrderID)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}
