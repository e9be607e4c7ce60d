package main

import (
	"net/http"
	"strings"
	"time"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/inventory/reservation"
)

const (
	maxSKUs   = 500  // asked for at once
	maxLevels = 5000 // of a page of availability
)

type server struct {
	stock *store
	hold  time.Duration
	now   func() time.Time
}

func (s *server) routes() http.Handler {
	staff := func(h web.Handler) web.Handler {
		return sidecar.OnlyFrom(identity.Require(h, identity.Support, identity.Admin), "gateway")
	}
	admin := func(h web.Handler) web.Handler {
		return sidecar.OnlyFrom(identity.Require(h, identity.Admin), "gateway")
	}
	r := web.Router()
	r.Handle("/stock", web.Handler(s.available)).Methods(http.MethodGet)
	r.Handle("/stock/availability", sidecar.OnlyFrom(s.availability, "catalog")).Methods(http.MethodGet)
	r.Handle("/admin/stock", staff(s.searchStock)).Methods(http.MethodGet)
	r.Handle("/admin/stock/import", admin(s.importStocktake)).Methods(http.MethodPost)
	r.Handle("/admin/stock/{sku}", staff(s.showItem)).Methods(http.MethodGet)
	r.Handle("/admin/stock/{sku}", admin(s.watchItem)).Methods(http.MethodPut)
	r.Handle("/admin/stock/{sku}/adjustments", admin(s.adjustStock)).Methods(http.MethodPost)
	r.Handle("/admin/stock/{sku}/movements", staff(s.listMovements)).Methods(http.MethodGet)
	r.Handle("/admin/stock/{sku}/reservations", staff(s.listClaims)).Methods(http.MethodGet)
	r.Handle("/reports/stock", staff(s.showAudit)).Methods(http.MethodGet)
	outbox.Routes(r, s.stock.db, app)
	outbox.Letters(r, s.stock.db, app, s.subscriptions()...)
	outbox.Trace(r, s.stock.db, app, s.stock.trace)
	return r
}

// Stock is how many pieces of a SKU can be bought.
type Stock struct {
	SKU       string `json:"sku"`
	Available int64  `json:"available"`
}

// available tells what can be bought of ?skus=a,b. What we never had is absent.
func (s *server) available(w http.ResponseWriter, r *http.Request) error {
	skus, err := readSKUs(r)
	if err != nil {
		return err
	}
	stock, err := s.stock.Available(r.Context(), skus)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, web.Page[Stock]{Items: stock})
}

// availability lists, by SKU behind ?after=, what events.StockAvailabilityChanged would say of each, for who begins to keep a
// copy and hears of the changes from then on.
func (s *server) availability(w http.ResponseWriter, r *http.Request) error {
	limit, err := web.Limit(r, 1000, maxLevels)
	if err != nil {
		return err
	}
	after := r.URL.Query().Get("after")
	if after != "" && !reservation.IsSKU(after) {
		return refused("after", "must be a SKU")
	}
	levels, err := s.stock.Levels(r.Context(), after, limit+1)
	if err != nil {
		return err
	}
	found := page(levels, limit, func(l level) string { return l.SKU })
	answer := web.Page[events.StockAvailabilityChanged]{Items: make([]events.StockAvailabilityChanged, len(found.Items)), NextCursor: found.NextCursor}
	for i, l := range found.Items {
		answer.Items[i] = l.availability()
	}
	return web.Encode(w, http.StatusOK, answer)
}

// readSKUs reads ?skus=. What cannot be a SKU is one that we never had, and does not get as far as the database.
func readSKUs(r *http.Request) ([]string, error) {
	given := strings.Split(r.URL.Query().Get("skus"), ",")
	if len(given) > maxSKUs || given[0] == "" {
		return nil, problem.New(problem.Invalid, "invalid-skus", "skus must be 1 to %d SKUs with commas between them.", maxSKUs).
			WithFields(problem.FieldError{Field: "skus", Detail: "must be a list of SKUs"})
	}
	skus := make([]string, 0, len(given))
	for _, sku := range given {
		if reservation.IsSKU(sku) {
			skus = append(skus, sku)
		}
	}
	return skus, nil
}
