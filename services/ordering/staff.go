package main

import (
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/ordering/order"
)

// staffView is an order as the staff reads it: with whose it is, who did what, and what customers are not told.
type staffView struct {
	orderView
	CustomerID      identity.CustomerID `json:"customerId"`
	Attention       string              `json:"attention,omitempty"` // why a person has to look
	Notes           []order.Note        `json:"notes"`
	DueAt           time.Time           `json:"dueAt,omitzero"` // when the shop acts next by itself
	PaymentAttempts int                 `json:"paymentAttempts"`
	Timeline        []order.Entry       `json:"timeline"` // in place of the customer's
}

func (s *server) newStaffView(o *order.Order) staffView {
	v := staffView{newOrderView(o, s.now()), o.Customer, o.Attention, []order.Note{}, o.Due(s.wait), o.Payment.Attempt, o.Timeline}
	v.Notes = append(v.Notes, o.Notes...)
	return v
}

var statuses = map[order.Status]bool{
	order.Placed: true, order.Reserved: true, order.Paid: true, order.Shipped: true, order.Delivered: true, order.Rejected: true,
	order.PaymentFailed: true, order.Expired: true, order.Cancelled: true, order.Refunded: true, order.Returned: true,
	order.NeedsAttention: true,
}

// searchOrders finds orders for the staff: by status, by number or e-mail address, and by the days they were placed on.
func (s *server) searchOrders(w http.ResponseWriter, r *http.Request) error {
	limit, before, err := pageOf(r)
	if err != nil {
		return err
	}
	values := r.URL.Query()
	q := search{Status: order.Status(values.Get("status")), Before: before}
	if q.Status != "" && !statuses[q.Status] {
		return problem.New(problem.Invalid, "invalid-status", "No order is %q.", string(q.Status)).
			WithFields(problem.FieldError{Field: "status", Detail: "must be a status of orders"})
	}
	text := strings.TrimSpace(values.Get("query"))
	if len(text) > 254 || !utf8.ValidString(text) || strings.Contains(text, "\x00") {
		return problem.New(problem.Invalid, "invalid-query", "Ask for an order's number or an e-mail address.").
			WithFields(problem.FieldError{Field: "query", Detail: "must be an order's number or an e-mail address"})
	}
	if strings.Contains(text, "@") {
		q.Email = text
	} else {
		q.Number = strings.ToUpper(text)
	}
	if q.From, err = timeOf(values.Get("from"), "from", 0); err != nil {
		return err
	}
	if q.To, err = timeOf(values.Get("to"), "to", 24*time.Hour); err != nil {
		return err
	}
	orders, err := s.orders.Search(r.Context(), q, limit+1)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, page(orders, limit, func(o *order.Order) (string, staffView) { return o.ID, s.newStaffView(o) }))
}

// timeOf reads a moment (RFC 3339), or a day, to which whole is added.
func timeOf(text, field string, whole time.Duration) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return t, problem.New(problem.Invalid, "invalid-time", "%q is neither a day nor a moment.", text).
			WithFields(problem.FieldError{Field: field, Detail: "must be a day (2026-11-30) or a moment (RFC 3339)"})
	}
	return t.Add(whole), nil
}

// showOrderToStaff shows any order.
func (s *server) showOrderToStaff(w http.ResponseWriter, r *http.Request) error {
	o, err := s.orders.Order(r.Context(), mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, s.newStaffView(o))
}

type shipment struct {
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"trackingNumber"`
}

// shipOrder says that the parcel of a paid order has left the house.
func (s *server) shipOrder(w http.ResponseWriter, r *http.Request) error {
	var req shipment
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	carrier, number := strings.TrimSpace(req.Carrier), strings.TrimSpace(req.TrackingNumber)
	by, at := identity.From(r.Context()), s.now()
	return s.change(w, r, http.StatusOK, func(o *order.Order) error { return o.Ship(by, carrier, number, at) })
}

// deliverOrder says that the parcel has arrived. The body may be left out.
func (s *server) deliverOrder(w http.ResponseWriter, r *http.Request) error {
	if err := decodeOptional(w, r, &struct{}{}); err != nil {
		return err
	}
	by, at := identity.From(r.Context()), s.now()
	return s.change(w, r, http.StatusOK, func(o *order.Order) error { return o.Deliver(by, at) })
}

// cancelForCustomer stops an order for its customer.
func (s *server) cancelForCustomer(w http.ResponseWriter, r *http.Request) error {
	o, err := s.cancel(w, r)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, s.newStaffView(o))
}

type refund struct {
	Amount *money.Amount `json:"amount"`
	Reason string        `json:"reason"`
}

// refundOrder sends money of a paid order back, or all that is left of it.
func (s *server) refundOrder(w http.ResponseWriter, r *http.Request) error {
	var req refund
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
	by, at := identity.From(r.Context()), s.now()
	answer, err := s.orders.UpdateOnce(r.Context(), k, mux.Vars(r)["id"],
		func(o *order.Order) error { return o.Refund(by, req.Amount, reason, at) },
		func(o *order.Order) (int, any) { return http.StatusAccepted, s.newStaffView(o) })
	if err != nil {
		return err
	}
	return web.Encode(w, answer.Status, answer.Body)
}

type note struct {
	Text string `json:"text"`
}

// addNote keeps something about an order that the staff should know; with an Idempotency-Key a repeat adds none.
func (s *server) addNote(w http.ResponseWriter, r *http.Request) error {
	var req note
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	text := strings.TrimSpace(req.Text)
	if text == "" || utf8.RuneCountInString(text) > 2000 || strings.Contains(text, "\x00") {
		return problem.New(problem.Unprocessable, "invalid-note", "A note is a text of at most 2000 characters.").
			WithFields(problem.FieldError{Field: "text", Detail: "must be 1 to 2000 characters"})
	}
	by, at := identity.From(r.Context()), s.now()
	write := func(o *order.Order) error {
		o.AddNote(by, text, at)
		return nil
	}
	if r.Header.Get("Idempotency-Key") == "" {
		return s.change(w, r, http.StatusCreated, write)
	}
	k, err := keyOf(r, req)
	if err != nil {
		return err
	}
	answer, err := s.orders.UpdateOnce(r.Context(), k, mux.Vars(r)["id"], write,
		func(o *order.Order) (int, any) { return http.StatusCreated, s.newStaffView(o) })
	if err != nil {
		return err
	}
	return web.Encode(w, answer.Status, answer.Body)
}

// change applies what a member of the staff wants and shows the order.
func (s *server) change(w http.ResponseWriter, r *http.Request, status int, change func(*order.Order) error) error {
	o, err := s.orders.Update(r.Context(), mux.Vars(r)["id"], change)
	if err != nil {
		return err
	}
	return web.Encode(w, status, s.newStaffView(o))
}
