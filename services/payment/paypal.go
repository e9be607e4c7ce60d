package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/services/payment/payment"
)

// paypalAPI is PayPal as payment sees it: Orders v2 with the intent CAPTURE, which the customer approves at PayPal's page and
// whose money moves only when we ask for it, refunds of captures, and disputes. There is no official SDK for Go.
// https://developer.paypal.com/docs/api/orders/v2/ https://developer.paypal.com/docs/api/payments/v2/
type paypalAPI struct {
	base       string
	id, secret string // of our app at PayPal
	webhookID  string
	client     *http.Client
	certs      *certificates
	now        func() time.Time

	mu           sync.Mutex
	token        string
	tokenExpires time.Time
}

const (
	paypalLive = "https://api-m.paypal.com"
	paypalTest = "https://api-m.sandbox.paypal.com" // PayPal's own test environment
)

// newPayPal talks to PayPal, or to what is at address if that is not empty.
func newPayPal(address, id, secret, webhookID string) (*paypalAPI, error) {
	base := strings.TrimSuffix(cmp.Or(address, paypalLive), "/")
	at, err := url.Parse(base)
	if err != nil || at.Host == "" {
		return nil, fmt.Errorf("%q is not the address of PayPal", address)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = width
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &paypalAPI{
		base: base, id: id, secret: secret, webhookID: webhookID, client: client, certs: newCertificates(client, at), now: time.Now,
	}, nil
}

type paypalMoney struct {
	CurrencyCode string `json:"currency_code"`
	Value        string `json:"value"`
}

func paypalSum(a money.Amount) paypalMoney { return paypalMoney{a.Currency(), a.Decimal()} }

func (m paypalMoney) amount() (money.Amount, error) {
	a, err := money.Parse(m.Value, m.CurrencyCode)
	if err != nil {
		return a, fmt.Errorf("amount told by paypal: %w", err)
	}
	return a, nil
}

type paypalLink struct {
	Href string `json:"href"`
	Rel  string `json:"rel"`
}

type paypalOrder struct {
	ID            string       `json:"id"`
	Status        string       `json:"status"`
	CreateTime    time.Time    `json:"create_time"`
	Links         []paypalLink `json:"links"`
	PurchaseUnits []paypalUnit `json:"purchase_units"`
}

type paypalUnit struct {
	CustomID  string      `json:"custom_id"`  // the order
	InvoiceID string      `json:"invoice_id"` // the attempt: PayPal can be told to take the money of an invoice once only
	Amount    paypalMoney `json:"amount"`
	Payments  struct {
		Captures []paypalCapture `json:"captures"`
		Refunds  []paypalRefund  `json:"refunds"`
	} `json:"payments"`
}

type paypalCapture struct {
	ID            string `json:"id"`
	Status        string `json:"status"`
	StatusDetails struct {
		Reason string `json:"reason"`
	} `json:"status_details"`
	Amount        paypalMoney `json:"amount"`
	InvoiceID     string      `json:"invoice_id"`
	Supplementary struct {
		RelatedIDs struct {
			OrderID string `json:"order_id"`
		} `json:"related_ids"`
	} `json:"supplementary_data"`
}

type paypalRefund struct {
	ID       string      `json:"id"`
	Status   string      `json:"status"`
	Amount   paypalMoney `json:"amount"`
	CustomID string      `json:"custom_id"`
}

// Charge begins an order that the customer has to approve, or captures the one that was approved. PayPal keeps the key of
// the first for hours and that of the second for days, and captures an order once only.
func (p *paypalAPI) Charge(ctx context.Context, a payment.Attempt) (payment.Answer, error) {
	if a.Reference != "" {
		return p.capture(ctx, a)
	}
	type object = map[string]any
	var order paypalOrder
	err := p.call(ctx, http.MethodPost, "/v2/checkout/orders", a.Key(), object{
		"intent": "CAPTURE",
		"purchase_units": []object{{
			"custom_id": a.OrderID, "invoice_id": a.Key(), "amount": paypalSum(a.Amount),
		}},
		"payment_source": object{"paypal": object{"experience_context": object{
			"return_url": a.ReturnURL, "cancel_url": cancelURL(a.ReturnURL), "user_action": "PAY_NOW", "shipping_preference": "NO_SHIPPING",
			"payment_method_preference": "IMMEDIATE_PAYMENT_REQUIRED",
		}}},
	}, &order)
	if refusal, ok := paypalRefusal(err); ok {
		return payment.Answer{Outcome: payment.OutcomeFailed, Code: refusal.code()}, nil
	}
	if err != nil {
		return payment.Answer{}, err
	}
	return order.answer()
}

// cancelURL is the return address with a word for the shop's page that the customer did not approve.
func cancelURL(returnURL string) string {
	u, err := url.Parse(returnURL)
	if err != nil {
		return returnURL // PayPal refuses it
	}
	query := u.Query()
	query.Set("payment", "cancelled")
	u.RawQuery = query.Encode()
	return u.String()
}

func (p *paypalAPI) capture(ctx context.Context, a payment.Attempt) (payment.Answer, error) {
	var order paypalOrder
	err := p.call(ctx, http.MethodPost, "/v2/checkout/orders/"+url.PathEscape(a.Reference)+"/capture", "capture:"+a.Key(), struct{}{}, &order)
	if refusal, ok := paypalRefusal(err); ok {
		// It may have been captured before, by a request whose answer was lost; then that decides.
		ans, err := p.Find(ctx, a.Reference)
		waits := ans.Outcome == payment.OutcomeActionRequired || ans.Outcome == payment.OutcomeApproved
		switch {
		case err != nil || !waits:
			return ans, err
		case refusal.issue != "ORDER_NOT_APPROVED":
			return payment.Answer{Outcome: payment.OutcomeFailed, Reference: a.Reference, Code: refusal.code()}, nil
		case ans.Outcome == payment.OutcomeApproved:
			return payment.Answer{}, refusal // PayPal does not agree with itself
		}
		return ans, nil
	}
	if err != nil {
		return payment.Answer{}, err
	}
	return order.answer()
}

// Find asks for an order. PayPal forgets orders that nobody approved after some hours; those take no money.
func (p *paypalAPI) Find(ctx context.Context, reference string) (payment.Answer, error) {
	order, err := p.order(ctx, reference)
	if errors.Is(err, errAbsent) {
		return payment.Answer{Outcome: payment.OutcomeVoided, Reference: reference}, nil
	}
	if err != nil {
		return payment.Answer{}, err
	}
	return order.answer()
}

func (p *paypalAPI) order(ctx context.Context, reference string) (paypalOrder, error) {
	var order paypalOrder
	err := p.call(ctx, http.MethodGet, "/v2/checkout/orders/"+url.PathEscape(reference), "", nil, &order)
	if refusal, ok := errors.AsType[*paypalError](err); ok && refusal.status == http.StatusNotFound {
		return order, errAbsent
	}
	return order, err
}

// Search finds nothing: orders cannot be listed, and need not be. One whose id we never learned has been shown to nobody, so
// that nobody can approve it.
func (p *paypalAPI) Search(context.Context, payment.Attempt, time.Time, time.Time) (payment.Answer, error) {
	return payment.Answer{}, errAbsent
}

// Void sees to it that nothing is taken, which means to ask for no capture: what is approved and never captured lapses by
// itself. https://developer.paypal.com/docs/checkout/standard/customize/
func (p *paypalAPI) Void(ctx context.Context, reference string) (payment.Answer, error) {
	ans, err := p.Find(ctx, reference)
	if err == nil && (ans.Outcome == payment.OutcomeActionRequired || ans.Outcome == payment.OutcomeApproved) {
		ans = payment.Answer{Outcome: payment.OutcomeVoided, Reference: reference}
	}
	return ans, err
}

// Refund sends money of the order's capture back. Repeating it repeats PayPal's first answer for 45 days.
func (p *paypalAPI) Refund(ctx context.Context, f payment.Refund, reference string) (payment.RefundAnswer, error) {
	order, err := p.order(ctx, reference)
	if err != nil {
		return payment.RefundAnswer{}, err
	}
	capture, ok := order.capture()
	if !ok {
		return payment.RefundAnswer{}, fmt.Errorf("paypal: order %s has no capture to refund", reference)
	}
	var refund paypalRefund
	err = p.call(ctx, http.MethodPost, "/v2/payments/captures/"+url.PathEscape(capture.ID)+"/refund", "refund:"+f.ID,
		map[string]any{"amount": paypalSum(f.Amount), "custom_id": paypalRefundID(f)}, &refund)
	if refusal, ok := paypalRefusal(err); ok {
		return payment.RefundAnswer{State: payment.RefundFailed, Code: refusal.code()}, nil
	}
	if err != nil {
		return payment.RefundAnswer{}, err
	}
	return refund.answer()
}

// paypalRefundID names a refund at PayPal, which allows letters, digits and "-_.,".
func paypalRefundID(f payment.Refund) string { return f.OrderID + "." + f.ID }

// FindRefund asks how a refund stands, by PayPal's id or, if we never learned that, among the refunds of the order.
func (p *paypalAPI) FindRefund(ctx context.Context, f payment.Refund, reference string) (payment.RefundAnswer, error) {
	if f.Reference != "" {
		var refund paypalRefund
		if err := p.call(ctx, http.MethodGet, "/v2/payments/refunds/"+url.PathEscape(f.Reference), "", nil, &refund); err != nil {
			return payment.RefundAnswer{}, err
		}
		return refund.answer()
	}
	order, err := p.order(ctx, reference)
	if err != nil {
		return payment.RefundAnswer{}, err
	}
	for _, unit := range order.PurchaseUnits {
		for _, refund := range unit.Payments.Refunds {
			if refund.CustomID == paypalRefundID(f) {
				return refund.answer()
			}
		}
	}
	return payment.RefundAnswer{}, errAbsent
}

// Books asks for each order, since PayPal has no list of them.
func (p *paypalAPI) Books(ctx context.Context, _, _ time.Time, references []string) ([]entry, error) {
	entries := make([]entry, len(references))
	asking, ctx := errgroup.WithContext(ctx)
	asking.SetLimit(8)
	for i, reference := range references {
		asking.Go(func() error {
			order, err := p.order(ctx, reference)
			if errors.Is(err, errAbsent) {
				return nil
			}
			if err == nil {
				entries[i], err = order.entry()
			}
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	var found []entry
	for _, e := range entries {
		if e.Reference != "" {
			found = append(found, e)
		}
	}
	return found, nil
}

func (o paypalOrder) entry() (entry, error) {
	e := entry{Reference: o.ID, MadeAt: o.CreateTime}
	for _, unit := range o.PurchaseUnits {
		price, err := unit.Amount.amount()
		if err != nil {
			return entry{}, err
		}
		e.OrderID, e.Attempt, _ = splitKey(unit.InvoiceID)
		e.Captured, e.Refunded = money.Must(0, price.Currency()), money.Must(0, price.Currency())
		for _, c := range unit.Payments.Captures {
			if c.outcome() == payment.OutcomeCaptured {
				e.Captured, err = plus(e.Captured, c.Amount, err)
			}
		}
		for _, r := range unit.Payments.Refunds {
			if r.Status == "COMPLETED" {
				e.Refunded, err = plus(e.Refunded, r.Amount, err)
			}
		}
		if err != nil {
			return entry{}, err
		}
	}
	return e, nil
}

func plus(sum money.Amount, m paypalMoney, err error) (money.Amount, error) {
	if err != nil {
		return sum, err
	}
	a, err := m.amount()
	if err != nil {
		return sum, err
	}
	return sum.Add(a)
}

// splitKey is payment.Attempt.Key the other way round.
func splitKey(key string) (orderID string, number int, ok bool) {
	i := strings.LastIndexByte(key, ':')
	if i < 1 {
		return "", 0, false
	}
	number, err := strconv.Atoi(key[i+1:])
	return key[:i], number, err == nil
}

func (o paypalOrder) capture() (paypalCapture, bool) {
	for _, unit := range o.PurchaseUnits {
		for _, c := range unit.Payments.Captures {
			return c, true
		}
	}
	return paypalCapture{}, false
}

// answer reads an order. An order is COMPLETED as soon as its capture was accepted; whether the money is ours is said by the capture.
func (o paypalOrder) answer() (payment.Answer, error) {
	if o.ID == "" {
		return payment.Answer{}, errors.New("paypal's order has no id")
	}
	if c, ok := o.capture(); ok {
		return c.answer(o.ID)
	}
	ans := payment.Answer{Reference: o.ID}
	switch o.Status {
	case "CREATED", "SAVED", "PAYER_ACTION_REQUIRED":
		ans.Outcome = payment.OutcomeActionRequired
		for _, link := range o.Links {
			if (link.Rel == "payer-action" || link.Rel == "approve") && webAddress(link.Href) {
				ans.RedirectURL = link.Href
			}
		}
	case "APPROVED":
		ans.Outcome = payment.OutcomeApproved
	case "COMPLETED": // its capture is not to be seen yet
		ans.Outcome = payment.OutcomePending
	case "VOIDED":
		ans.Outcome = payment.OutcomeVoided
	default:
		return payment.Answer{}, fmt.Errorf("paypal says %q of an order, which we do not know", o.Status)
	}
	return ans, nil
}

func (c paypalCapture) outcome() payment.Outcome {
	switch c.Status {
	case "COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED":
		return payment.OutcomeCaptured
	case "DECLINED", "FAILED":
		return payment.OutcomeFailed
	}
	return payment.OutcomePending
}

func (c paypalCapture) answer(orderReference string) (payment.Answer, error) {
	ans := payment.Answer{Outcome: c.outcome(), Reference: orderReference}
	switch ans.Outcome {
	case payment.OutcomeCaptured:
		var err error
		if ans.Amount, err = c.Amount.amount(); err != nil {
			return payment.Answer{}, err
		}
	case payment.OutcomeFailed:
		ans.Code = strings.ToLower(cmp.Or(c.StatusDetails.Reason, c.Status))
	}
	return ans, nil
}

func (r paypalRefund) answer() (payment.RefundAnswer, error) {
	ans := payment.RefundAnswer{State: payment.RefundRequested, Reference: r.ID}
	var err error
	switch r.Status {
	case "COMPLETED":
		ans.State = payment.Refunded
		ans.Amount, err = r.Amount.amount()
	case "CANCELLED", "FAILED":
		ans.State, ans.Code = payment.RefundFailed, strings.ToLower(r.Status)
	case "PENDING":
	default:
		err = fmt.Errorf("paypal says %q of a refund, which we do not know", r.Status)
	}
	if err != nil {
		return payment.RefundAnswer{}, err
	}
	return ans, nil
}
