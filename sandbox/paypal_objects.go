package main

import (
	"time"

	"github.com/sidecart/sidecart/internal/money"
)

// The JSON of PayPal's Orders v2 and Payments v2, the parts that a shop uses. api and site are where programs and browsers
// find the sandbox; what travels in a webhook has links, too, which nobody is known to follow, so api may be "".

type paypalMoney struct {
	CurrencyCode string `json:"currency_code"`
	Value        string `json:"value"`
}

func moneyOf(a money.Amount) paypalMoney { return paypalMoney{a.Currency(), a.Decimal()} }

type paypalLink struct {
	Href   string `json:"href"`
	Rel    string `json:"rel"`
	Method string `json:"method,omitempty"`
}

// orderView is https://developer.paypal.com/docs/api/orders/v2/#orders_get.
type orderView struct {
	ID            string         `json:"id"`
	Intent        string         `json:"intent,omitempty"`
	Status        string         `json:"status"`
	PaymentSource map[string]any `json:"payment_source,omitempty"`
	PurchaseUnits []unitView     `json:"purchase_units,omitempty"`
	Payer         *payerView     `json:"payer,omitempty"`
	CreateTime    *time.Time     `json:"create_time,omitempty"`
	UpdateTime    *time.Time     `json:"update_time,omitempty"`
	Links         []paypalLink   `json:"links"`
}

type unitView struct {
	ReferenceID string        `json:"reference_id"`
	Amount      *paypalMoney  `json:"amount,omitempty"`
	Payee       *payeeView    `json:"payee,omitempty"`
	Description string        `json:"description,omitempty"`
	CustomID    string        `json:"custom_id,omitempty"`
	InvoiceID   string        `json:"invoice_id,omitempty"`
	Payments    *paymentsView `json:"payments,omitempty"`
}

type payeeView struct {
	Email      string `json:"email_address"`
	MerchantID string `json:"merchant_id"`
}

type payerView struct {
	PayerID string `json:"payer_id"`
	Email   string `json:"email_address"`
}

// The people of the sandbox: one shop, one customer.
var (
	sandboxPayee = payeeView{"shop@sandbox.example", "SANDBOXSHOP77"}
	sandboxPayer = payerView{"SANDBOXPAYER7", "buyer@sandbox.example"}
)

type paymentsView struct {
	Captures []captureView `json:"captures,omitempty"`
	Refunds  []refundView  `json:"refunds,omitempty"`
}

// captureView is https://developer.paypal.com/docs/api/payments/v2/#captures_get.
type captureView struct {
	ID               string         `json:"id"`
	Status           string         `json:"status"`
	StatusDetails    *statusDetails `json:"status_details,omitempty"`
	Amount           paypalMoney    `json:"amount"`
	FinalCapture     bool           `json:"final_capture"`
	SellerProtection struct {
		Status string `json:"status"`
	} `json:"seller_protection"`
	Breakdown     *receivable   `json:"seller_receivable_breakdown,omitempty"`
	CustomID      string        `json:"custom_id,omitempty"`
	InvoiceID     string        `json:"invoice_id,omitempty"`
	Supplementary supplementary `json:"supplementary_data"`
	CreateTime    time.Time     `json:"create_time"`
	UpdateTime    time.Time     `json:"update_time"`
	Links         []paypalLink  `json:"links"`
}

type statusDetails struct {
	Reason string `json:"reason"`
}

type receivable struct {
	Gross paypalMoney `json:"gross_amount"`
	Fee   paypalMoney `json:"paypal_fee"`
	Net   paypalMoney `json:"net_amount"`
}

type supplementary struct {
	RelatedIDs relatedIDs `json:"related_ids"`
}

type relatedIDs struct {
	OrderID string `json:"order_id"`
}

// refundView is https://developer.paypal.com/docs/api/payments/v2/#refunds_get.
type refundView struct {
	ID         string       `json:"id"`
	Status     string       `json:"status"`
	Amount     *paypalMoney `json:"amount,omitempty"`
	CustomID   string       `json:"custom_id,omitempty"`
	InvoiceID  string       `json:"invoice_id,omitempty"`
	Note       string       `json:"note_to_payer,omitempty"`
	Breakdown  *payable     `json:"seller_payable_breakdown,omitempty"`
	CreateTime *time.Time   `json:"create_time,omitempty"`
	UpdateTime *time.Time   `json:"update_time,omitempty"`
	Links      []paypalLink `json:"links"`
}

type payable struct {
	Gross paypalMoney `json:"gross_amount"`
	Fee   paypalMoney `json:"paypal_fee"`
	Net   paypalMoney `json:"net_amount"`
	Total paypalMoney `json:"total_refunded_amount"`
}

// view is the whole order.
func (p *paypalPayment) view(api string) orderView {
	price := moneyOf(p.price())
	v := orderView{
		ID: p.ID, Intent: "CAPTURE", Status: p.Status, PaymentSource: p.source(), CreateTime: &p.CreatedAt, UpdateTime: &p.UpdatedAt,
		PurchaseUnits: []unitView{{
			ReferenceID: p.ReferenceID, Amount: &price, Payee: &sandboxPayee, Description: p.Description, CustomID: p.CustomID, InvoiceID: p.InvoiceID,
			Payments: p.payments(api),
		}},
		Links: []paypalLink{p.self(api)},
	}
	if !p.approvable() || p.Status == paypalApproved {
		v.Payer = &sandboxPayer
	}
	return v
}

// minimal is what "Prefer: return=minimal", the default, shows of an order.
func (p *paypalPayment) minimal(api string) orderView {
	v := orderView{ID: p.ID, Status: p.Status, PaymentSource: p.source(), Links: []paypalLink{p.self(api)}}
	if p.Capture != nil {
		v.PurchaseUnits, v.Payer = []unitView{{ReferenceID: p.ReferenceID, Payments: p.payments(api)}}, &sandboxPayer
	}
	return v
}

func (p *paypalPayment) self(api string) paypalLink {
	return paypalLink{api + "/v2/checkout/orders/" + p.ID, "self", "GET"}
}

// withActions adds to an order's links what can be done about it next.
func (p *paypalPayment) withActions(v orderView, api, site string) orderView {
	if p.Status == paypalCompleted {
		return v
	}
	page := site + "/checkoutnow?token=" + p.ID
	if p.Sourced {
		v.Links = append(v.Links, paypalLink{page, "payer-action", "GET"})
		return v
	}
	v.Links = append(v.Links, paypalLink{page, "approve", "GET"}, paypalLink{p.self(api).Href, "update", "PATCH"},
		paypalLink{p.self(api).Href + "/capture", "capture", "POST"})
	return v
}

func (p *paypalPayment) source() map[string]any {
	if !p.Sourced {
		return nil
	}
	if p.approvable() && p.Status != paypalApproved {
		return map[string]any{"paypal": struct{}{}}
	}
	return map[string]any{"paypal": map[string]string{"email_address": sandboxPayer.Email, "account_id": sandboxPayer.PayerID, "account_status": "VERIFIED"}}
}

func (p *paypalPayment) payments(api string) *paymentsView {
	if p.Capture == nil {
		return nil
	}
	v := &paymentsView{Captures: []captureView{p.captureView(api)}}
	for _, r := range p.Refunds {
		v.Refunds = append(v.Refunds, p.refundView(r, api))
	}
	return v
}

func (p *paypalPayment) captureView(api string) captureView {
	self := api + "/v2/payments/captures/" + p.Capture.ID
	v := captureView{
		ID: p.Capture.ID, Status: p.Capture.Status, Amount: moneyOf(p.price()), FinalCapture: true, CustomID: p.CustomID, InvoiceID: p.InvoiceID,
		Supplementary: supplementary{relatedIDs{p.ID}}, CreateTime: p.Capture.CreatedAt, UpdateTime: p.Capture.UpdatedAt,
		Links: []paypalLink{{self, "self", "GET"}, {self + "/refund", "refund", "POST"}, {p.self(api).Href, "up", "GET"}},
	}
	v.SellerProtection.Status = "ELIGIBLE"
	if p.Capture.Reason != "" {
		v.StatusDetails = &statusDetails{p.Capture.Reason}
		return v
	}
	v.Breakdown = &receivable{moneyOf(p.price()), moneyOf(p.sum(0)), moneyOf(p.price())} // the sandbox charges no fee
	return v
}

func (p *paypalPayment) refundView(r paypalRefund, api string) refundView {
	amount, total := moneyOf(p.sum(r.Minor)), int64(0)
	for _, other := range p.Refunds {
		if total += other.Minor; other.ID == r.ID {
			break
		}
	}
	return refundView{
		ID: r.ID, Status: "COMPLETED", Amount: &amount, CustomID: r.CustomID, InvoiceID: r.InvoiceID, Note: r.Note, CreateTime: &r.CreatedAt, UpdateTime: &r.CreatedAt,
		Breakdown: &payable{amount, moneyOf(p.sum(0)), amount, moneyOf(p.sum(total))}, Links: p.refundLinks(r, api),
	}
}

func (p *paypalPayment) refundLinks(r paypalRefund, api string) []paypalLink {
	return []paypalLink{{api + "/v2/payments/refunds/" + r.ID, "self", "GET"}, {api + "/v2/payments/captures/" + p.Capture.ID, "up", "GET"}}
}
