package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/internal/idempotency"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/inventory/reservation"
)

const maxNote = 500 // characters

// searchStock lists what is in stock, by SKU: all of it, what has the query in its SKU, or what is low.
func (s *server) searchStock(w http.ResponseWriter, r *http.Request) error {
	limit, err := web.Limit(r, 50, 100)
	if err != nil {
		return err
	}
	values := r.URL.Query()
	q := search{Query: strings.TrimSpace(values.Get("query")), After: values.Get("cursor")}
	if len(q.Query) > 64 || !utf8.ValidString(q.Query) || strings.ContainsFunc(q.Query, unicode.IsControl) {
		return refused("query", "must be a part of a SKU")
	}
	if q.After != "" && !reservation.IsSKU(q.After) {
		return refused("cursor", "must be one of ours")
	}
	switch low := values.Get("low"); low {
	case "", "false":
	case "true":
		q.Low = true
	default:
		return refused("low", "must be true or false")
	}
	items, err := s.stock.Search(r.Context(), q, limit+1)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, page(items, limit, func(i Item) string { return i.SKU }))
}

// refused is the problem of a query parameter.
func refused(parameter, detail string) error {
	return problem.New(problem.Invalid, "invalid-"+parameter, "%s %s.", parameter, detail).
		WithFields(problem.FieldError{Field: parameter, Detail: detail})
}

// page is up to limit items of a list that was asked for one more, with a cursor made of the last one if there are more.
func page[T any](items []T, limit int, cursor func(T) string) web.Page[T] {
	p := web.Page[T]{Items: items}
	if len(items) > limit {
		p.Items, p.NextCursor = items[:limit], cursor(items[limit-1])
	}
	return p
}

// sku reads the SKU of the path. What cannot be one is one that we never had.
func (s *server) sku(r *http.Request) (string, error) {
	sku := mux.Vars(r)["sku"]
	if !reservation.IsSKU(sku) {
		return "", problem.New(problem.NotFound, "unknown-sku", "There is no such SKU.")
	}
	return sku, nil
}

// showItem shows the stock of one SKU.
func (s *server) showItem(w http.ResponseWriter, r *http.Request) error {
	sku, err := s.sku(r)
	if err != nil {
		return err
	}
	item, err := s.stock.Item(r.Context(), sku)
	if err != nil {
		return err
	}
	return answerItem(w, item)
}

func answerItem(w http.ResponseWriter, i Item) error {
	w.Header().Set("ETag", etag(i))
	return web.Encode(w, http.StatusOK, i)
}

func etag(i Item) string { return fmt.Sprintf(`"%d"`, i.Version) }

type adjustment struct {
	Change int64  `json:"change"`
	Reason string `json:"reason"`
	Note   string `json:"note"`
}

func (a adjustment) check() error {
	var faults []problem.FieldError
	if a.Change == 0 || a.Change > maxPieces || a.Change < -maxPieces {
		faults = append(faults, problem.FieldError{Field: "change", Detail: fmt.Sprintf("must be a number of pieces other than 0, at most %d", maxPieces)})
	}
	if _, known := reasons[a.Reason]; !known || a.Reason == stocktake {
		faults = append(faults, problem.FieldError{Field: "reason", Detail: "must be received, damaged, lost, found, correction or returned"})
	} else if !fits(a.Reason, a.Change) {
		faults = append(faults, problem.FieldError{Field: "change", Detail: "has the wrong sign for this reason"})
	}
	if utf8.RuneCountInString(a.Note) > maxNote || strings.ContainsFunc(a.Note, unicode.IsControl) {
		faults = append(faults, problem.FieldError{Field: "note", Detail: fmt.Sprintf("must be one line of at most %d characters", maxNote)})
	}
	if faults != nil {
		return problem.New(problem.Unprocessable, "invalid-adjustment", "The count cannot be changed like this.").WithFields(faults...)
	}
	return nil
}

// adjustStock changes the count of a SKU by a number of pieces, for a reason, once per Idempotency-Key. What comes in may be
// of a SKU that we never had.
func (s *server) adjustStock(w http.ResponseWriter, r *http.Request) error {
	sku, err := s.sku(r)
	if err != nil {
		return err
	}
	var req adjustment
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	req.Note = strings.TrimSpace(req.Note)
	if err := req.check(); err != nil {
		return err
	}
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	key, err := keyOf(r, body)
	if err != nil {
		return err
	}
	m := Movement{Change: req.Change, Reason: req.Reason, Note: req.Note, By: caller(r)}
	answer, err := idempotency.Run(r.Context(), s.stock.db, key, func(tx pgx.Tx) (int, any, error) {
		item, err := s.stock.Adjust(r.Context(), tx, sku, m)
		return http.StatusCreated, item, err
	})
	if err != nil {
		return err
	}
	return web.Encode(w, answer.Status, answer.Body)
}

// caller is the member of staff who asks.
func caller(r *http.Request) member {
	who := identity.From(r.Context())
	return member{string(who.Subject), who.Name}
}

func keyOf(r *http.Request, body []byte) (idempotency.Key, error) {
	key, err := idempotency.FromRequest(r)
	if err != nil {
		return idempotency.Key{}, err
	}
	return idempotency.Key{Scope: string(identity.From(r.Context()).Subject) + " " + r.URL.Path, Key: key, Body: body}, nil
}

type watch struct {
	Threshold *int64 `json:"threshold"`
}

// watchItem sets at how few free pieces a SKU is low. With If-Match it does so only to the version that the caller has seen.
func (s *server) watchItem(w http.ResponseWriter, r *http.Request) error {
	sku, err := s.sku(r)
	if err != nil {
		return err
	}
	var req watch
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	if req.Threshold == nil || *req.Threshold < 0 || *req.Threshold > maxPieces {
		return problem.New(problem.Unprocessable, "invalid-threshold", "A threshold is a number of pieces, or 0.").
			WithFields(problem.FieldError{Field: "threshold", Detail: fmt.Sprintf("must be from 0 to %d", maxPieces)})
	}
	var item Item
	err = postgres.InTx(r.Context(), s.stock.db, func(tx pgx.Tx) (err error) {
		item, err = s.stock.Watch(r.Context(), tx, sku, *req.Threshold, caller(r), func(seen Item) error {
			if tag := r.Header.Get("If-Match"); tag != "" && tag != etag(seen) {
				return problem.New(problem.PreconditionFailed, "changed-meanwhile", "This was changed elsewhere. Please look at it again.")
			}
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	return answerItem(w, item)
}

// listMovements is the ledger of a SKU, newest first.
func (s *server) listMovements(w http.ResponseWriter, r *http.Request) error {
	sku, err := s.sku(r)
	if err != nil {
		return err
	}
	limit, err := web.Limit(r, 50, 100)
	if err != nil {
		return err
	}
	var before int64
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		if before, err = strconv.ParseInt(cursor, 10, 64); err != nil || before < 1 {
			return refused("cursor", "must be one of ours")
		}
	}
	if _, err := s.stock.Item(r.Context(), sku); err != nil {
		return err
	}
	movements, err := s.stock.Movements(r.Context(), sku, before, limit+1)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, page(movements, limit, func(m Movement) string { return strconv.FormatInt(m.ID, 10) }))
}

// listClaims is which orders pieces of a SKU are held for, and which are owed some.
func (s *server) listClaims(w http.ResponseWriter, r *http.Request) error {
	sku, err := s.sku(r)
	if err != nil {
		return err
	}
	limit, err := web.Limit(r, 50, 100)
	if err != nil {
		return err
	}
	after := r.URL.Query().Get("cursor")
	if after != "" && uuid.Validate(after) != nil {
		return refused("cursor", "must be one of ours")
	}
	if _, err := s.stock.Item(r.Context(), sku); err != nil {
		return err
	}
	claims, err := s.stock.Claims(r.Context(), sku, after, limit+1)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, page(claims, limit, func(c Claim) string { return c.OrderID }))
}
