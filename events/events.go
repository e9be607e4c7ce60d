// Package events is what services tell each other: the topics and their payloads, one file per producer, without
// behaviour. Facts carry ids and amounts, never a person's name, e-mail address or postal address: who needs those asks
// their owner. Fields are only added; a changed meaning is a new topic "…-v2".
package events

import (
	"encoding/json"
	"errors"
	"time"
)

// Fact is something that happened. Its topic is a constant of its type; its subject is the id of the aggregate that it
// is about.
type Fact interface {
	Topic() string
	Subject() string
}

// Envelope is a fact as it travels: a CloudEvents 1.0 event in JSON format. ID is the producer's outbox row and stays
// the same over every re-send, so consumers recognise a repeat by it.
type Envelope struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"` // the producer's app id
	Type            string          `json:"type"`   // the topic
	Subject         string          `json:"subject"`
	Time            time.Time       `json:"time"`
	DataContentType string          `json:"datacontenttype"`
	TraceParent     string          `json:"traceparent,omitempty"` // W3C Trace Context
	Data            json.RawMessage `json:"data"`
}

// ErrMalformed marks a delivery that no redelivery can mend; it goes to the dead letters at once.
var ErrMalformed = errors.New("malformed event")

// Route says who tells a fact and who hears it.
type Route struct {
	Producer  string
	Consumers []string
}

// Unhurried are the topics whose effect nobody waits for: a fact waits a fifth of a second for others to travel with.
var Unhurried = map[string]bool{TopicOrderPaid: true}

// Patient are the consumers of a topic where nobody waits for its effect: they take it from the producer's feed alone, some
// seconds later and many facts at a time.
var Patient = map[string][]string{TopicOrderPlaced: {"basket", "notification"}}

// Routes is every topic of the system. The scopes of the pub/sub component and the right to read a producer's feed
// equal this table; a test compares them.
var Routes = map[string]Route{
	TopicUserRegistered:           {"auth", []string{"client"}},
	TopicVerificationRequested:    {"auth", []string{"notification"}},
	TopicPasswordReset:            {"auth", []string{"notification"}},
	TopicEmailChangeRequested:     {"auth", []string{"notification"}},
	TopicSecurityNoticed:          {"auth", []string{"notification"}},
	TopicOrderPlaced:              {"ordering", []string{"basket", "inventory", "notification"}},
	TopicPaymentRequested:         {"ordering", []string{"payment"}},
	TopicOrderPaid:                {"ordering", []string{"inventory", "notification"}},
	TopicOrderClosed:              {"ordering", []string{"inventory", "notification", "payment"}},
	TopicRefundRequested:          {"ordering", []string{"payment"}},
	TopicOrderShipped:             {"ordering", []string{"notification"}},
	TopicOrderDelivered:           {"ordering", []string{"notification"}},
	TopicOrderRefunded:            {"ordering", []string{"notification"}},
	TopicOrderAttention:           {"ordering", []string{"notification"}},
	TopicReturnRequested:          {"ordering", []string{"notification"}},
	TopicReturnDecided:            {"ordering", []string{"notification"}},
	TopicReturnReceived:           {"ordering", []string{"inventory"}},
	TopicStockReserved:            {"inventory", []string{"ordering"}},
	TopicStockRejected:            {"inventory", []string{"ordering"}},
	TopicStockAvailabilityChanged: {"inventory", []string{"catalog", "notification"}},
	TopicStockLow:                 {"inventory", []string{"notification"}},
	TopicPaymentCaptured:          {"payment", []string{"ordering"}},
	TopicPaymentFailed:            {"payment", []string{"ordering"}},
	TopicPaymentActionRequired:    {"payment", []string{"ordering"}},
	TopicPaymentRefunded:          {"payment", []string{"ordering"}},
	TopicPaymentDisputed:          {"payment", []string{"ordering"}},
}
