package main

import (
	"time"
)

// State is where a message stands.
type State string

const (
	Waiting State = "waiting" // owed
	Sent    State = "sent"    // SES has taken it
	Dropped State = "dropped" // no longer of use to anybody
	Failed  State = "failed"  // SES will never take it
)

// Message is one mail to one person because of one event. Who they are and what it says is found out when it is written.
type Message struct {
	ID        string    `json:"id"`
	EventID   string    `json:"eventId"`
	Template  string    `json:"template"`
	Recipient string    `json:"recipient"`        // account or customer id
	About     string    `json:"about"`            // verification request or order id
	Detail    string    `json:"detail,omitempty"` // id of the return or refund of that order, or the reason of an alert
	State     State     `json:"state"`
	Reason    string    `json:"reason,omitempty"` // why it was dropped or failed
	MessageID string    `json:"messageId,omitempty"`
	Tries     int       `json:"tries"`
	CreatedAt time.Time `json:"createdAt"`
	SentAt    time.Time `json:"sentAt,omitzero"`
	ExpiresAt time.Time `json:"expiresAt"`
}
