package events

import (
	"time"

	"github.com/sidecart/sidecart/internal/money"
)

// Topics told by ordering.
const (
	TopicOrderPlaced      = "order-placed-v1"
	TopicPaymentRequested = "payment-requested-v1"
	TopicOrderPaid        = "order-paid-v1"
	TopicOrderClosed      = "order-closed-v1"
	TopicRefundRequested  = "refund-requested-v1"
	TopicOrderShipped     = "order-shipped-v1"
	TopicOrderDelivered   = "order-delivered-v1"
	TopicOrderRefunded    = "order-refunded-v1"
	TopicOrderAttention   = "order-attention-v1"
	TopicReturnRequested  = "return-requested-v1"
	TopicReturnDecided    = "return-decided-v1"
	TopicReturnReceived   = "return-received-v1"
)

// OrderLine is one position of an order: which variant, and how many pieces of it.
type OrderLine struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// OrderPlaced is told by ordering when an order has been accepted and awaits its stock. BasketID is the basket that it
// was checked out from. ExpiresAt is when ordering stops waiting for the stock.
type OrderPlaced struct {
	OrderID    string       `json:"orderId"`
	Number     string       `json:"number"`
	CustomerID string       `json:"customerId"`
	BasketID   string       `json:"basketId"`
	Lines      []OrderLine  `json:"lines"`
	Total      money.Amount `json:"total"`
	ExpiresAt  time.Time    `json:"expiresAt"`
}

func (OrderPlaced) Topic() string     { return TopicOrderPlaced }
func (e OrderPlaced) Subject() string { return e.OrderID }

// PaymentRequested is told by ordering when the stock of an order is held and its money is due. Attempt counts from 1;
// order id and attempt together name the payment for ever. Method is the provider's reference to a payment method, never
// card data. ReturnURL is where the customer lands after an approval at the provider.
type PaymentRequested struct {
	OrderID   string       `json:"orderId"`
	Number    string       `json:"number"`
	Amount    money.Amount `json:"amount"`
	Provider  string       `json:"provider"`
	Method    string       `json:"method"`
	ReturnURL string       `json:"returnUrl"`
	Attempt   int          `json:"attempt"`
}

func (PaymentRequested) Topic() string     { return TopicPaymentRequested }
func (e PaymentRequested) Subject() string { return e.OrderID }

// OrderPaid is told by ordering when the money of an order has arrived in time: the held stock is sold.
type OrderPaid struct {
	OrderID    string       `json:"orderId"`
	Number     string       `json:"number"`
	CustomerID string       `json:"customerId"`
	Total      money.Amount `json:"total"`
}

func (OrderPaid) Topic() string     { return TopicOrderPaid }
func (e OrderPaid) Subject() string { return e.OrderID }

// OrderClosed is told by ordering when an order ended without being delivered. Status is one of rejected,
// payment_failed, expired, cancelled; whatever was held for the order is to be let go.
type OrderClosed struct {
	OrderID    string `json:"orderId"`
	Number     string `json:"number"`
	CustomerID string `json:"customerId"`
	Status     string `json:"status"`
	Reason     string `json:"reason"`
}

func (OrderClosed) Topic() string     { return TopicOrderClosed }
func (e OrderClosed) Subject() string { return e.OrderID }

// RefundRequested is told by ordering when money that arrived is to go back.
type RefundRequested struct {
	OrderID   string       `json:"orderId"`
	PaymentID string       `json:"paymentId"`
	Amount    money.Amount `json:"amount"`
	Reason    string       `json:"reason"`
}

func (RefundRequested) Topic() string     { return TopicRefundRequested }
func (e RefundRequested) Subject() string { return e.OrderID }

// OrderShipped is told by ordering when the parcel of an order has left the house. Carrier and TrackingNumber may be "".
type OrderShipped struct {
	OrderID        string `json:"orderId"`
	Number         string `json:"number"`
	CustomerID     string `json:"customerId"`
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"trackingNumber"`
}

func (OrderShipped) Topic() string     { return TopicOrderShipped }
func (e OrderShipped) Subject() string { return e.OrderID }

// OrderDelivered is told by ordering when the parcel of an order has arrived.
type OrderDelivered struct {
	OrderID    string `json:"orderId"`
	Number     string `json:"number"`
	CustomerID string `json:"customerId"`
}

func (OrderDelivered) Topic() string     { return TopicOrderDelivered }
func (e OrderDelivered) Subject() string { return e.OrderID }

// OrderRefunded is told by ordering when money of an order has gone back to its customer; Amount is what went back this
// time, of the payment that RefundID belongs to.
type OrderRefunded struct {
	OrderID    string       `json:"orderId"`
	Number     string       `json:"number"`
	CustomerID string       `json:"customerId"`
	RefundID   string       `json:"refundId"`
	Amount     money.Amount `json:"amount"`
}

func (OrderRefunded) Topic() string     { return TopicOrderRefunded }
func (e OrderRefunded) Subject() string { return e.OrderID }

// OrderAttention is told by ordering when an order cannot go on without a person. Reason is stable kebab-case.
type OrderAttention struct {
	OrderID string `json:"orderId"`
	Number  string `json:"number"`
	Reason  string `json:"reason"`
}

func (OrderAttention) Topic() string     { return TopicOrderAttention }
func (e OrderAttention) Subject() string { return e.OrderID }

// ReturnRequested is told by ordering when a customer wants to send goods back.
type ReturnRequested struct {
	OrderID    string      `json:"orderId"`
	Number     string      `json:"number"`
	CustomerID string      `json:"customerId"`
	ReturnID   string      `json:"returnId"`
	Lines      []OrderLine `json:"lines"`
}

func (ReturnRequested) Topic() string     { return TopicReturnRequested }
func (e ReturnRequested) Subject() string { return e.OrderID }

// ReturnDecided is told by ordering when the shop has approved or rejected a return.
type ReturnDecided struct {
	OrderID    string `json:"orderId"`
	Number     string `json:"number"`
	CustomerID string `json:"customerId"`
	ReturnID   string `json:"returnId"`
	Approved   bool   `json:"approved"`
}

func (ReturnDecided) Topic() string     { return TopicReturnDecided }
func (e ReturnDecided) Subject() string { return e.OrderID }

// ReturnReceived is told by ordering when returned goods are here. With Restock they can be sold again.
type ReturnReceived struct {
	OrderID  string      `json:"orderId"`
	ReturnID string      `json:"returnId"`
	Lines    []OrderLine `json:"lines"`
	Restock  bool        `json:"restock"`
}

func (ReturnReceived) Topic() string     { return TopicReturnReceived }
func (e ReturnReceived) Subject() string { return e.OrderID }
