package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// dispute is a customer's claim to money that was captured. Open it is an order's, a page's or a test card's affair; who is
// right is decided here on request. It moves no money in the ledger.
type dispute struct {
	ID        string    `json:"id"`
	Provider  string    `json:"provider"`
	PaymentID string    `json:"paymentId"`
	Charge    string    `json:"charge"` // the charge or the capture
	OrderID   string    `json:"orderId"`
	InvoiceID string    `json:"invoiceId,omitempty"`
	Minor     int64     `json:"amount"`
	Currency  string    `json:"currency"` // ISO 4217, upper case
	Reason    string    `json:"reason"`   // the provider's word
	Outcome   string    `json:"outcome"`  // open, review, won or lost, as the shop sees it
	OpenedAt  time.Time `json:"openedAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

// The outcomes of a dispute. What is won or lost stays so.
const (
	disputeOpen   = "open"
	disputeReview = "review"
	disputeWon    = "won"
	disputeLost   = "lost"
)

func (d *dispute) Over() bool { return d.Outcome == disputeWon || d.Outcome == disputeLost }

// stripeDisputes are the test cards whose payments are disputed at once (https://docs.stripe.com/testing#disputes).
var stripeDisputes = map[string]string{
	"pm_card_createDispute":                   "fraudulent",
	"pm_card_createDisputeProductNotReceived": "product_not_received",
}

func (d *dispute) stripeView() map[string]any {
	status := map[string]string{disputeOpen: "needs_response", disputeReview: "under_review", disputeWon: "won", disputeLost: "lost"}[d.Outcome]
	return map[string]any{
		"id": d.ID, "object": "dispute", "amount": d.Minor, "balance_transactions": []any{}, "charge": d.Charge, "created": d.OpenedAt.Unix(),
		"currency": strings.ToLower(d.Currency), "evidence": struct{}{}, "is_charge_refundable": false, "livemode": false, "metadata": struct{}{},
		"evidence_details": map[string]any{"due_by": d.OpenedAt.Add(7 * 24 * time.Hour).Unix(), "has_evidence": d.Outcome != disputeOpen, "past_due": false, "submission_count": 0},
		"payment_intent":   d.PaymentID, "reason": d.Reason, "status": status,
	}
}

// paypalView is https://developer.paypal.com/docs/api/customer-disputes/v1/#disputes_get.
func (d *dispute) paypalView(api string) map[string]any {
	sum := moneyOf(money.Must(d.Minor, d.Currency))
	v := map[string]any{
		"dispute_id": d.ID, "create_time": d.OpenedAt, "update_time": d.UpdatedAt, "reason": d.Reason, "dispute_amount": sum,
		"status":                   map[string]string{disputeOpen: "OPEN", disputeReview: "UNDER_REVIEW", disputeWon: "RESOLVED", disputeLost: "RESOLVED"}[d.Outcome],
		"dispute_life_cycle_stage": "CHARGEBACK", "dispute_channel": "INTERNAL",
		"disputed_transactions": []map[string]any{{
			"seller_transaction_id": d.Charge, "invoice_number": d.InvoiceID, "custom": d.OrderID, "gross_amount": sum, "transaction_status": "COMPLETED",
		}},
		"links": []paypalLink{{api + "/v1/customer/disputes/" + d.ID, "self", "GET"}},
	}
	if d.Over() {
		code := map[string]string{disputeWon: "RESOLVED_SELLER_FAVOUR", disputeLost: "RESOLVED_BUYER_FAVOUR"}[d.Outcome]
		v["dispute_outcome"] = map[string]any{"outcome_code": code, "amount_refunded": sum}
	}
	return v
}

// event is what the provider tells of a dispute as it stands.
func (s *server) disputeEvent(d *dispute, at time.Time) (provider string, e outgoing, err error) {
	if d.Provider == paypalHooks {
		kind := map[string]string{disputeOpen: "CREATED", disputeReview: "UPDATED", disputeWon: "RESOLVED", disputeLost: "RESOLVED"}[d.Outcome]
		raw, err := json.Marshal(d.paypalView(s.config.apiURL))
		if err != nil {
			return "", e, fmt.Errorf("encode dispute: %w", err)
		}
		e, err = s.paypalEvent(paypalRaised{"CUSTOMER.DISPUTE." + kind, "dispute", "A dispute: " + strings.ToLower(kind), raw}, at)
		return paypalHooks, e, err
	}
	kind := map[string]string{disputeOpen: "created", disputeReview: "updated", disputeWon: "closed", disputeLost: "closed"}[d.Outcome]
	raw, err := json.Marshal(d.stripeView())
	if err != nil {
		return "", e, fmt.Errorf("encode dispute: %w", err)
	}
	e, err = stripeEvent(raised{"charge.dispute." + kind, raw}, eventRequest{}, at)
	return stripeHooks, e, err
}

// saveDispute writes the dispute and owes the shop a webhook about it.
func (s *server) saveDispute(t *txn, d *dispute, at time.Time) ([]webhook, error) {
	d.UpdatedAt = at.UTC()
	if err := t.put(disputes, []byte(d.ID), d); err != nil {
		return nil, err
	}
	provider, e, err := s.disputeEvent(d, at)
	if err != nil {
		return nil, err
	}
	return s.courier.owe(t, provider, at, []outgoing{e})
}

func (t *txn) dispute(id string) (*dispute, bool, error) {
	var d dispute
	found, err := t.get(disputes, id, &d)
	return &d, found, err
}

// allDisputes are the newest first.
func (t *txn) allDisputes() ([]dispute, error) {
	found := []dispute{}
	err := t.tx.Bucket(disputes).ForEach(func(_, v []byte) error {
		var d dispute
		if err := json.Unmarshal(v, &d); err != nil {
			return fmt.Errorf("read disputes: %w", err)
		}
		found = append(found, d)
		return nil
	})
	slices.SortFunc(found, func(a, b dispute) int { return b.OpenedAt.Compare(a.OpenedAt) })
	return found, err
}

// disputeOf makes a dispute about the newest captured payment of an order.
func (t *txn) disputeOf(orderID, reason string, at time.Time) (*dispute, error) {
	cards, err := t.paymentsOf(orderID)
	if err != nil {
		return nil, err
	}
	for _, p := range cards {
		if p.Charge != nil && p.Charge.Captured {
			return p.dispute(reason, at), nil
		}
	}
	orders, err := t.paypalOfOrder(orderID)
	if err != nil {
		return nil, err
	}
	for _, p := range orders {
		if p.Capture != nil && p.Capture.Status != "PENDING" && p.Capture.Status != "DECLINED" {
			return p.dispute(reason, at), nil
		}
	}
	return nil, problem.New(problem.NotFound, "no-such-payment", "Nothing has been captured for the order %q.", orderID)
}

func (p *payment) dispute(reason string, at time.Time) *dispute {
	if reason == "" {
		reason = "fraudulent"
	}
	return &dispute{
		ID: newID("du", at), Provider: stripeHooks, PaymentID: p.Intent.ID, Charge: p.Charge.ID, OrderID: p.Intent.Metadata["order_id"],
		Minor: p.Charge.AmountCaptured, Currency: strings.ToUpper(p.Intent.Currency), Reason: reason, Outcome: disputeOpen, OpenedAt: at.UTC(),
	}
}

func (p *paypalPayment) dispute(reason string, at time.Time) *dispute {
	if reason == "" {
		reason = "MERCHANDISE_OR_SERVICE_NOT_RECEIVED"
	}
	return &dispute{
		ID: "PP-R-" + newPayPalID()[:12], Provider: paypalHooks, PaymentID: p.ID, Charge: p.Capture.ID, OrderID: p.CustomID, InvoiceID: p.InvoiceID,
		Minor: p.Minor, Currency: p.Currency, Reason: reason, Outcome: disputeOpen, OpenedAt: at.UTC(),
	}
}

// openDispute is what a customer does who asks for money back behind the shop's back: {"orderId", "reason"?}. The sandbox's own.
func (s *server) openDispute(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		OrderID string `json:"orderId"`
		Reason  string `json:"reason"`
	}
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	d, err := s.open(req.OrderID, req.Reason)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusCreated, d)
}

func (s *server) open(orderID, reason string) (d *dispute, err error) {
	if orderID == "" || len(reason) > 100 {
		return nil, problem.New(problem.Invalid, "invalid-dispute", "orderId must be given; reason may have 100 characters.")
	}
	var posts []webhook
	if err := s.store.update(func(t *txn) error {
		if d, err = t.disputeOf(orderID, reason, s.now()); err != nil {
			return err
		}
		posts, err = s.saveDispute(t, d, s.now())
		return err
	}); err != nil {
		return nil, err
	}
	s.courier.send(posts...)
	return d, nil
}

// decideDispute says how a dispute goes on: {"outcome": "review" | "won" | "lost"}, as the shop sees it. The sandbox's own.
func (s *server) decideDispute(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Outcome string `json:"outcome"`
	}
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	d, err := s.decide(pathID(r), req.Outcome)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, d)
}

func (s *server) decide(id, outcome string) (d *dispute, err error) {
	if outcome != disputeReview && outcome != disputeWon && outcome != disputeLost {
		return nil, problem.New(problem.Invalid, "invalid-outcome", "outcome must be review, won or lost.")
	}
	var posts []webhook
	if err := s.store.update(func(t *txn) error {
		posts = nil
		var found bool
		if d, found, err = t.dispute(id); err != nil {
			return err
		}
		if !found {
			return problem.New(problem.NotFound, "no-such-dispute", "There is no dispute %q.", id)
		}
		if d.Over() || d.Outcome == outcome {
			return nil
		}
		d.Outcome = outcome
		posts, err = s.saveDispute(t, d, s.now())
		return err
	}); err != nil {
		return nil, err
	}
	s.courier.send(posts...)
	return d, nil
}

// listDisputes shows all disputes of both providers. The sandbox's own.
func (s *server) listDisputes(w http.ResponseWriter, _ *http.Request) error {
	var found []dispute
	if err := s.store.view(func(t *txn) (err error) {
		found, err = t.allDisputes()
		return err
	}); err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, found)
}

type disputesView struct {
	Disputes []dispute
	Wrong    *problem.Error
}

// disputesPage lists disputes, with buttons to decide them and a form to open one.
func (s *server) disputesPage(w http.ResponseWriter, _ *http.Request) error {
	return s.showDisputes(w, nil)
}

func (s *server) showDisputes(w http.ResponseWriter, wrong *problem.Error) error {
	page, status := disputesView{Wrong: wrong}, http.StatusOK
	if wrong != nil {
		status = wrong.Kind.Status()
	}
	if err := s.store.view(func(t *txn) (err error) {
		page.Disputes, err = t.allDisputes()
		return err
	}); err != nil {
		return err
	}
	return show(w, status, "disputes", page)
}

// changeDispute takes the forms of the disputes page: an order's to open, or a dispute's to decide.
func (s *server) changeDispute(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, web.MaxBody)
	var err error
	if id := r.PostFormValue("dispute"); id != "" {
		_, err = s.decide(id, r.PostFormValue("outcome"))
	} else {
		_, err = s.open(strings.TrimSpace(r.PostFormValue("orderId")), "")
	}
	if err == nil {
		http.Redirect(w, r, "/disputes", http.StatusSeeOther)
		return nil
	}
	if e := problem.From(err); e.Kind != problem.Internal {
		return s.showDisputes(w, e)
	}
	return err
}

// getStripeDispute is https://docs.stripe.com/api/disputes/retrieve.
func (s *server) getStripeDispute(t *txn, c *call) (any, error) {
	d, found, err := t.dispute(c.id)
	if err == nil && (!found || d.Provider != stripeHooks) {
		err = noSuch("dispute", "dispute", c.id)
	}
	return d.stripeView(), err
}

// listStripeDisputes is https://docs.stripe.com/api/disputes/list, newest first.
func (s *server) listStripeDisputes(t *txn, c *call) (any, error) {
	limit, intent := c.pageSize(), c.text("payment_intent")
	if c.refusal != nil {
		return nil, c.refusal
	}
	all, err := t.allDisputes()
	page := list[any]{Object: "list", URL: "/v1/disputes", Data: []any{}}
	for _, d := range all {
		if d.Provider != stripeHooks || intent != "" && d.PaymentID != intent {
			continue
		}
		if page.HasMore = len(page.Data) == limit; page.HasMore {
			break
		}
		page.Data = append(page.Data, d.stripeView())
	}
	return page, err
}

// answerStripeDispute is https://docs.stripe.com/api/disputes/update, with the words by which Stripe's test mode decides.
func (s *server) answerStripeDispute(t *txn, c *call) (any, error) {
	outcome := map[string]string{"winning_evidence": disputeWon, "losing_evidence": disputeLost}[c.text("evidence[uncategorized_text]")]
	if outcome == "" {
		outcome = disputeReview
	}
	return s.endStripeDispute(t, c, outcome)
}

// closeStripeDispute is https://docs.stripe.com/api/disputes/close: the shop gives in.
func (s *server) closeStripeDispute(t *txn, c *call) (any, error) {
	return s.endStripeDispute(t, c, disputeLost)
}

func (s *server) endStripeDispute(t *txn, c *call, outcome string) (any, error) {
	d, found, err := t.dispute(c.id)
	switch {
	case err != nil:
		return nil, err
	case !found || d.Provider != stripeHooks:
		return nil, noSuch("dispute", "dispute", c.id)
	case d.Over():
		return nil, invalid("", "", "This dispute is already closed")
	}
	d.Outcome = outcome
	c.posts, err = s.saveDispute(t, d, c.now)
	return d.stripeView(), err
}

// getPayPalDispute is https://developer.paypal.com/docs/api/customer-disputes/v1/#disputes_get.
func (s *server) getPayPalDispute(t *txn, c *paypalCall) (any, error) {
	d, found, err := t.dispute(c.id)
	if err == nil && (!found || d.Provider != paypalHooks) {
		return nil, noSuchResource()
	}
	return d.paypalView(s.config.apiURL), err
}

// acceptClaim is https://developer.paypal.com/docs/api/customer-disputes/v1/#disputes_accept-claim: the shop gives in.
func (s *server) acceptClaim(t *txn, c *paypalCall) (any, error) {
	return s.endPayPalDispute(t, c, disputeLost)
}

// adjudicate is https://developer.paypal.com/docs/api/customer-disputes/v1/#disputes_adjudicate, which PayPal has in its sandbox only.
func (s *server) adjudicate(t *txn, c *paypalCall) (any, error) {
	var req struct {
		Outcome string `json:"adjudication_outcome"`
	}
	outcomes := map[string]string{"BUYER_FAVOR": disputeLost, "SELLER_FAVOR": disputeWon}
	if json.Unmarshal(c.body, &req) != nil || outcomes[req.Outcome] == "" {
		return nil, badField("/adjudication_outcome", "", "INVALID_PARAMETER_VALUE", "Must be one of "+strings.Join(slices.Sorted(maps.Keys(outcomes)), ", ")+".")
	}
	return s.endPayPalDispute(t, c, outcomes[req.Outcome])
}

func (s *server) endPayPalDispute(t *txn, c *paypalCall, outcome string) (any, error) {
	d, found, err := t.dispute(c.id)
	switch {
	case err != nil:
		return nil, err
	case !found || d.Provider != paypalHooks:
		return nil, noSuchResource()
	case d.Over():
		return nil, unprocessable("DISPUTE_ALREADY_RESOLVED", "The dispute is already resolved.")
	}
	d.Outcome = outcome
	c.posts, err = s.saveDispute(t, d, c.now)
	return map[string]any{"links": []paypalLink{{s.config.apiURL + "/v1/customer/disputes/" + d.ID, "self", "GET"}}}, err
}

func pathID(r *http.Request) string { return mux.Vars(r)["id"] }
