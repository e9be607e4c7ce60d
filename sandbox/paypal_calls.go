package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// savePayPal writes the order, the money it moved and the webhooks it owes.
func (s *server) savePayPal(t *txn, c *paypalCall, p *paypalPayment) error {
	if err := t.savePayPal(p); err != nil {
		return err
	}
	var owed []outgoing
	for _, e := range p.events {
		out, err := s.paypalEvent(e, c.now)
		if err != nil {
			return err
		}
		owed = append(owed, out)
	}
	posts, err := s.courier.owe(t, paypalHooks, c.now, owed)
	c.posts = append(c.posts, posts...)
	return err
}

var paypalCurrencies = []string{"AUD", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "JPY", "NOK", "PLN", "SEK", "USD"}

var decimal = regexp.MustCompile(`^-?([0-9]+|[0-9]*[.][0-9]+)$`)

// readSum reads an amount as PayPal does; field is where it stands in the body.
func readSum(field string, m paypalMoney) (money.Amount, error) {
	switch {
	case m.CurrencyCode == "" || m.Value == "":
		return money.Amount{}, badField(field, "", "MISSING_REQUIRED_PARAMETER", "A required field / parameter is missing.")
	case len(m.CurrencyCode) != 3:
		return money.Amount{}, badField(field+"/currency_code", m.CurrencyCode, "INVALID_STRING_LENGTH", "The value of a field is either too short or too long.")
	case !decimal.MatchString(m.Value) || len(m.Value) > 32:
		return money.Amount{}, badField(field+"/value", m.Value, "INVALID_PARAMETER_SYNTAX", "The value of a field does not conform to the expected format.")
	case !slices.Contains(paypalCurrencies, m.CurrencyCode):
		return money.Amount{}, unprocessable("CURRENCY_NOT_SUPPORTED", "Currency code is not currently supported. Please refer https://developer.paypal.com/docs/api/reference/currency-codes/ for list of supported currency codes.")
	}
	a, err := money.Parse(m.Value, m.CurrencyCode)
	switch {
	case err != nil:
		return a, unprocessable("DECIMAL_PRECISION", "If the currency supports decimals, only two decimal place precision is supported. If the currency does not support decimals, no decimals are allowed.")
	case a.Minor() <= 0:
		return a, unprocessable("CANNOT_BE_ZERO_OR_NEGATIVE", "Must be greater than zero. If the currency supports decimals, only two decimal place precision is supported.")
	case a.Minor() > 999_999_999:
		return a, unprocessable("MAX_VALUE_EXCEEDED", "Should be less than or equal to 9999999.99.")
	}
	return a, nil
}

// createOrder is https://developer.paypal.com/docs/api/orders/v2/#orders_create, for one purchase unit and the intent CAPTURE.
func (s *server) createOrder(t *txn, c *paypalCall) (any, error) {
	type context struct {
		ReturnURL string `json:"return_url"`
		CancelURL string `json:"cancel_url"`
	}
	var req struct {
		Intent        string `json:"intent"`
		PurchaseUnits []struct {
			ReferenceID string      `json:"reference_id"`
			CustomID    string      `json:"custom_id"`
			InvoiceID   string      `json:"invoice_id"`
			Description string      `json:"description"`
			Amount      paypalMoney `json:"amount"`
		} `json:"purchase_units"`
		PaymentSource *struct {
			PayPal *struct {
				ExperienceContext context `json:"experience_context"`
			} `json:"paypal"`
		} `json:"payment_source"`
		ApplicationContext context `json:"application_context"`
	}
	if json.Unmarshal(c.body, &req) != nil {
		return nil, badField("/", "", "MALFORMED_REQUEST_JSON", "The request JSON is not well formed.")
	}
	switch {
	case req.Intent == "":
		return nil, badField("/intent", "", "MISSING_REQUIRED_PARAMETER", "A required field / parameter is missing.")
	case req.Intent != "CAPTURE":
		return nil, badField("/intent", req.Intent, "INVALID_PARAMETER_VALUE", "The value of a field is invalid. The sandbox knows the intent CAPTURE.")
	case len(req.PurchaseUnits) == 0:
		return nil, badField("/purchase_units", "", "MISSING_REQUIRED_PARAMETER", "A required field / parameter is missing.")
	case len(req.PurchaseUnits) > 1:
		return nil, badField("/purchase_units", "", "INVALID_ARRAY_MAX_ITEMS", "The number of items in an array parameter is too large. The sandbox takes one.")
	case req.PaymentSource != nil && req.PaymentSource.PayPal == nil:
		return nil, badField("/payment_source", "", "INVALID_PARAMETER_VALUE", "The sandbox knows the payment source paypal.")
	}
	unit := req.PurchaseUnits[0]
	for name, value := range map[string]string{"reference_id": unit.ReferenceID, "custom_id": unit.CustomID, "invoice_id": unit.InvoiceID, "description": unit.Description} {
		if len(value) > map[string]int{"reference_id": 256, "custom_id": 255, "invoice_id": 127, "description": 3000}[name] {
			return nil, badField("/purchase_units/@reference_id=='default'/"+name, value[:40], "INVALID_STRING_LENGTH", "The value of a field is either too short or too long.")
		}
	}
	price, err := readSum("/purchase_units/@reference_id=='default'/amount", unit.Amount)
	if err != nil {
		return nil, err
	}
	p := &paypalPayment{
		ID: newPayPalID(), Status: paypalCreated, CreatedAt: c.now.UTC(), UpdatedAt: c.now.UTC(), ReferenceID: unit.ReferenceID, CustomID: unit.CustomID,
		InvoiceID: unit.InvoiceID, Description: unit.Description, Minor: price.Minor(), Currency: price.Currency(),
		ReturnURL: req.ApplicationContext.ReturnURL, CancelURL: req.ApplicationContext.CancelURL,
	}
	if p.ReferenceID == "" {
		p.ReferenceID = "default"
	}
	if req.PaymentSource != nil {
		where := req.PaymentSource.PayPal.ExperienceContext
		p.Status, p.Sourced, p.ReturnURL, p.CancelURL = paypalActionRequired, true, where.ReturnURL, where.CancelURL
	}
	for name, address := range map[string]string{"return_url": p.ReturnURL, "cancel_url": p.CancelURL} {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return nil, badField("/payment_source/paypal/experience_context/"+name, address, "INVALID_PARAMETER_SYNTAX", "The value of a field does not conform to the expected format.")
		}
	}
	if err := s.savePayPal(t, c, p); err != nil {
		return nil, err
	}
	return s.shownOrder(c, p), nil
}

// shownOrder is the answer to what changed an order: as much of it as the caller prefers.
func (s *server) shownOrder(c *paypalCall, p *paypalPayment) orderView {
	v := p.minimal(s.config.apiURL)
	if c.whole {
		v = p.view(s.config.apiURL)
	}
	return p.withActions(v, s.config.apiURL, s.config.publicURL)
}

// getOrder is https://developer.paypal.com/docs/api/orders/v2/#orders_get.
func (s *server) getOrder(t *txn, c *paypalCall) (any, error) {
	p, err := t.paypal(c.id)
	if err != nil {
		return nil, err
	}
	return p.withActions(p.view(s.config.apiURL), s.config.apiURL, s.config.publicURL), nil
}

// captureOrder is https://developer.paypal.com/docs/api/orders/v2/#orders_capture. An invoice is paid once, as the account of a careful
// seller has it set.
func (s *server) captureOrder(t *txn, c *paypalCall) (any, error) {
	p, err := t.paypal(c.id)
	if err != nil {
		return nil, err
	}
	if other := t.paypalOfInvoice(p.InvoiceID); other != "" && other != p.ID {
		return nil, unprocessable("DUPLICATE_INVOICE_ID", "Duplicate Invoice ID detected. To avoid a potential duplicate transaction your account setting "+
			"requires that Invoice Id be unique for each transaction.")
	}
	if err := p.take(c.now.UTC()); err != nil {
		if refusal, ok := errors.AsType[*paypalError](err); ok && refusal.Details[0].Issue == "INSTRUMENT_DECLINED" {
			refusal.Links = append(refusal.Links, paypalLink{s.config.publicURL + "/checkoutnow?token=" + p.ID, "redirect", "GET"})
		}
		return nil, err
	}
	if err := s.savePayPal(t, c, p); err != nil {
		return nil, err
	}
	return s.shownOrder(c, p), nil
}

// getCapture is https://developer.paypal.com/docs/api/payments/v2/#captures_get.
func (s *server) getCapture(t *txn, c *paypalCall) (any, error) {
	p, err := t.paypalOf(paypalCaptures, c.id)
	if err != nil {
		return nil, err
	}
	return p.captureView(s.config.apiURL), nil
}

// refundCapture is https://developer.paypal.com/docs/api/payments/v2/#captures_refund.
func (s *server) refundCapture(t *txn, c *paypalCall) (any, error) {
	var req struct {
		Amount    *paypalMoney `json:"amount"`
		CustomID  string       `json:"custom_id"`
		InvoiceID string       `json:"invoice_id"`
		Note      string       `json:"note_to_payer"`
	}
	if len(c.body) > 0 && json.Unmarshal(c.body, &req) != nil {
		return nil, badField("/", "", "MALFORMED_REQUEST_JSON", "The request JSON is not well formed.")
	}
	if len(req.CustomID) > 127 || strings.Trim(req.CustomID, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.,") != "" {
		return nil, badField("/custom_id", req.CustomID[:min(40, len(req.CustomID))], "INVALID_PARAMETER_SYNTAX", "The value of a field does not conform to the expected format.")
	}
	p, err := t.paypalOf(paypalCaptures, c.id)
	if err != nil {
		return nil, err
	}
	var minor int64
	if req.Amount != nil {
		sum, err := readSum("/amount", *req.Amount)
		if err != nil {
			return nil, err
		}
		if sum.Currency() != p.Currency {
			return nil, unprocessable("REFUND_CAPTURE_CURRENCY_MISMATCH", "Refund must be in the same currency as the capture.")
		}
		minor = sum.Minor()
	}
	r, err := p.sendBack(minor, paypalRefund{CustomID: req.CustomID, InvoiceID: req.InvoiceID, Note: req.Note}, c.now.UTC())
	if err != nil {
		return nil, err
	}
	if err := s.savePayPal(t, c, p); err != nil {
		return nil, err
	}
	if !c.whole {
		return refundView{ID: r.ID, Status: "COMPLETED", Links: p.refundLinks(r, s.config.apiURL)}, nil
	}
	return p.refundView(r, s.config.apiURL), nil
}

// getPayPalRefund is https://developer.paypal.com/docs/api/payments/v2/#refunds_get.
func (s *server) getPayPalRefund(t *txn, c *paypalCall) (any, error) {
	p, err := t.paypalOf(paypalRefunds, c.id)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(p.Refunds, func(r paypalRefund) bool { return r.ID == c.id })
	return p.refundView(p.Refunds[i], s.config.apiURL), nil
}

type approval struct {
	*paypalPayment
	Host string // of the shop that the customer came from
	Open bool
}

// Price is the order's amount for people.
func (a approval) Price() string { return a.price().String() }

// approvalPage stands for PayPal's: it shows the customer what she would pay, and asks.
func (s *server) approvalPage(w http.ResponseWriter, r *http.Request) error {
	var p *paypalPayment
	if err := s.store.view(func(t *txn) (err error) {
		p, err = t.awaited(r)
		return err
	}); err != nil {
		return err
	}
	page := approval{paypalPayment: p, Open: p.approvable()}
	if u, err := url.Parse(p.ReturnURL); err == nil {
		page.Host = u.Host
	}
	return show(w, http.StatusOK, "approve", page)
}

// answerApproval applies what the customer chose and sends her back to the shop. To cancel changes nothing at PayPal: the order
// can still be approved. Answering twice changes nothing.
func (s *server) answerApproval(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, web.MaxBody)
	outcome, instrument := r.PostFormValue("outcome"), r.PostFormValue("instrument")
	if instrument == "" {
		instrument = instrumentBalance
	}
	if outcome != "approve" && outcome != "cancel" || !slices.Contains([]string{instrumentBalance, instrumentDeclined, instrumentReviewed}, instrument) {
		return problem.New(problem.Invalid, "invalid-outcome", "outcome must be approve or cancel; instrument balance, declined or reviewed.")
	}
	c := &paypalCall{now: s.now()}
	var p *paypalPayment
	if err := s.store.update(func(t *txn) (err error) {
		c.posts = nil
		if p, err = t.awaited(r); err != nil || outcome == "cancel" {
			return err
		}
		p.approve(instrument, c.now.UTC())
		return s.savePayPal(t, c, p)
	}); err != nil {
		return err
	}
	s.courier.send(c.posts...)
	back := p.ReturnURL
	if outcome == "cancel" {
		back = p.CancelURL
	}
	u, err := url.Parse(back)
	if err != nil || back == "" {
		return show(w, http.StatusOK, "approve", approval{paypalPayment: p})
	}
	q := u.Query()
	q.Set("token", p.ID)
	if outcome == "approve" {
		q.Set("PayerID", sandboxPayer.PayerID)
	}
	u.RawQuery = q.Encode()
	http.Redirect(w, r, u.String(), http.StatusSeeOther)
	return nil
}

// awaited is the order of an approval page, which is found by its unguessable id alone, as at PayPal.
func (t *txn) awaited(r *http.Request) (*paypalPayment, error) {
	p, err := t.paypal(r.URL.Query().Get("token"))
	if err != nil {
		return nil, problem.New(problem.NotFound, "no-such-order", "There is no such payment to approve.")
	}
	return p, nil
}

// reviewCapture decides on a capture that PayPal holds for review: {"outcome": "complete" | "deny"}. It is the sandbox's own.
func (s *server) reviewCapture(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Outcome string `json:"outcome"`
	}
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	if req.Outcome != "complete" && req.Outcome != "deny" {
		return problem.New(problem.Invalid, "invalid-outcome", "outcome must be complete or deny.")
	}
	c := &paypalCall{now: s.now()}
	if err := s.store.update(func(t *txn) error {
		c.posts = nil
		p, err := t.paypalOf(paypalCaptures, pathID(r))
		if err != nil {
			return problem.New(problem.NotFound, "no-such-capture", "There is no such capture.")
		}
		p.review(req.Outcome == "complete", c.now.UTC())
		return s.savePayPal(t, c, p)
	}); err != nil {
		return err
	}
	s.courier.send(c.posts...)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
