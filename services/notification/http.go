package main

import (
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/privacy"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

// server is notification's edge.
type server struct {
	pool  *pgxpool.Pool
	store *store
}

func (s *server) routes() http.Handler {
	r := web.Router()
	r.Handle("/messages", sidecar.OnlyFrom(identity.Require(s.listMessages, identity.Support, identity.Admin), "gateway")).Methods(http.MethodGet)
	outbox.Letters(r, s.pool, "notification", subscriptions()...)
	outbox.Trace(r, s.pool, "notification", s.store.trace)
	privacy.Routes(r, s.store)
	return r
}

// listMessages shows staff what was sent to whom, by ids, newest first.
func (s *server) listMessages(w http.ResponseWriter, r *http.Request) error {
	limit, err := web.Limit(r, 50, 200)
	if err != nil {
		return err
	}
	items, err := s.store.List(r.Context(), r.URL.Query().Get("cursor"), limit+1)
	if err != nil {
		return err
	}
	page := web.Page[Message]{Items: items}
	if len(items) > limit {
		page.Items, page.NextCursor = items[:limit], items[limit-1].ID
	}
	return web.Encode(w, http.StatusOK, page)
}
