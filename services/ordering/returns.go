package main

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/idempotency"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/ordering/order"
)

// returnView is a return as its customer reads it. Refund is what goes back for it, or would if the goods came now.
type returnView struct {
	ID          string             `json:"id"`
	Status      order.ReturnStatus `json:"status"`
	Lines       []events.OrderLine `json:"lines"`
	Reason      string             `json:"reason"`
	Refund      money.Amount       `json:"refund"`
	RequestedAt time.Time          `json:"requestedAt"`
	Note        string             `json:"note,omitempty"`
}

func newReturnView(o *order.Order, r *order.Return) returnView {
	return returnView{r.ID, r.Status, r.Lines, r.Reason, o.RefundOf(r), r.RequestedAt, r.Note}
}

type returnRequest struct {
	Lines  []events.OrderLine `json:"lines"`
	Reason string             `json:"reason"`
}

type requestedView struct {
	Return returnView `json:"return"`
}

// requestReturn asks the shop to take goods of the caller's order back.
func (s *server) requestReturn(w http.ResponseWriter, r *http.Request) error {
	var req returnRequest
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	reason, err := oneLine("reason", req.Reason, 500)
	if err != nil {
		return err
	}
	k, err := keyOf(r, req)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	by, at := identity.From(r.Context()), s.now()
	var asked *order.Return
	answer, err := s.orders.UpdateOnce(r.Context(), k, mux.Vars(r)["id"], func(o *order.Order) (err error) {
		asked, err = o.RequestReturn(by, id.String(), req.Lines, reason, at)
		return err
	}, func(o *order.Order) (int, any) { return http.StatusCreated, requestedView{newReturnView(o, asked)} })
	if err != nil {
		return err
	}
	return web.Encode(w, answer.Status, answer.Body)
}

// staffReturnView is a return as the staff reads it, with the order that it belongs to.
type staffReturnView struct {
	returnView
	OrderID     string              `json:"orderId"`
	OrderNumber string              `json:"orderNumber"`
	CustomerID  identity.CustomerID `json:"customerId"`
	By          identity.CustomerID `json:"by,omitempty"`
}

func newStaffReturnView(o *order.Order, id string) (staffReturnView, error) {
	r, err := o.Find(id)
	if err != nil {
		return staffReturnView{}, err
	}
	return staffReturnView{newReturnView(o, r), o.ID, o.Number, o.Customer, r.By}, nil
}

// listReturns shows the staff what customers want to send back, the newest first.
func (s *server) listReturns(w http.ResponseWriter, r *http.Request) error {
	limit, before, err := pageOf(r)
	if err != nil {
		return err
	}
	status := order.ReturnStatus(r.URL.Query().Get("status"))
	switch status {
	case "", order.ReturnRequested, order.ReturnApproved, order.ReturnRejected, order.ReturnReceived, order.ReturnRefunded:
	default:
		return problem.New(problem.Invalid, "invalid-status", "No return is %q.", string(status)).
			WithFields(problem.FieldError{Field: "status", Detail: "must be requested, approved, rejected, received or refunded"})
	}
	returns, err := s.orders.Returns(r.Context(), status, before, limit+1)
	if err != nil {
		return err
	}
	views := make([]staffReturnView, len(returns))
	for i, f := range returns {
		if views[i], err = newStaffReturnView(f.Order, f.ReturnID); err != nil {
			return err
		}
	}
	return web.Encode(w, http.StatusOK, page(views, limit, func(v staffReturnView) (string, staffReturnView) { return v.ID, v }))
}

type returnDecision struct {
	Status  order.ReturnStatus `json:"status"`
	Note    string             `json:"note"`
	Restock *bool              `json:"restock"`
}

// decideReturn answers a customer who wants to send goods back, or says that the goods are here.
func (s *server) decideReturn(w http.ResponseWriter, r *http.Request) error {
	var req returnDecision
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	note, err := oneLine("note", req.Note, 500)
	if err != nil {
		return err
	}
	id, by, at := mux.Vars(r)["id"], identity.From(r.Context()), s.now()
	var change func(o *order.Order) error
	switch req.Status {
	case order.ReturnApproved:
		change = func(o *order.Order) error { return o.ApproveReturn(by, id, note, at) }
	case order.ReturnRejected:
		change = func(o *order.Order) error { return o.RejectReturn(by, id, note, at) }
	case order.ReturnReceived:
		restock := req.Restock == nil || *req.Restock
		change = func(o *order.Order) error { return o.ReceiveReturn(by, id, note, restock, at) }
	default:
		return problem.New(problem.Unprocessable, "invalid-status", "A return can be approved, rejected or received.").
			WithFields(problem.FieldError{Field: "status", Detail: "must be approved, rejected or received"})
	}
	orderID, err := s.orders.OrderOfReturn(r.Context(), id)
	if err != nil {
		return err
	}
	o, err := s.orders.Update(r.Context(), orderID, change)
	if err != nil {
		return err
	}
	view, err := newStaffReturnView(o, id)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, view)
}

// keyOf is the idempotency key of a request to this route by this caller.
func keyOf(r *http.Request, body any) (k idempotency.Key, err error) {
	key, err := idempotency.FromRequest(r)
	if err != nil {
		return k, err
	}
	b, err := json.Marshal(body)
	if err != nil {
		return k, err
	}
	return idempotency.Key{Scope: string(identity.From(r.Context()).Subject) + " " + r.Method + " " + r.URL.Path, Key: key, Body: b}, nil
}
