package main

import (
	"cmp"
	"log/slog"
	"net/http"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// basket shows the caller's basket. Looking makes nobody a guest: who never put anything in has an empty one, which needs
// no service. A session that is over is forgotten here without ado, since the front page asks for the basket.
func (s *server) basket(w http.ResponseWriter, r *http.Request, to target) error {
	token, err := s.sessions.customer(w, r)
	switch {
	case problem.Is(err, errSessionExpired.Code):
	case err != nil:
		return err
	case token != "":
		if err := s.sessions.mergeGuest(w, r, token); err != nil {
			slog.WarnContext(r.Context(), "a guest's basket waits for the next look at it", "error", err.Error())
		}
	}
	if token == "" {
		if token, err = s.sessions.guest(w, r); err != nil {
			return err
		}
	}
	if token == "" {
		return emptyBasket(w, r)
	}
	return s.proxy(w, r.WithContext(identity.WithToken(r.Context(), token)), to)
}

func emptyBasket(w http.ResponseWriter, r *http.Request) error {
	nothing, err := money.New(0, cmp.Or(r.URL.Query().Get("currency"), "EUR"))
	if err != nil {
		return problem.New(problem.Invalid, "unknown-currency", "We have no prices in this currency.").
			WithFields(problem.FieldError{Field: "currency", Detail: "must be a currency of the shop, e.g. EUR"})
	}
	return web.Encode(w, http.StatusOK, struct {
		Currency string       `json:"currency"`
		Lines    []string     `json:"lines"`
		Subtotal money.Amount `json:"subtotal"`
		Count    int          `json:"count"`
	}{nothing.Currency(), []string{}, nothing, 0})
}
