package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/outbox"
)

// orderLife is how long a mail about an order is of use.
const orderLife = 7 * 24 * time.Hour

// placedDelay is how long the mail about a new order waits for the one that says what became of it: who pays by card has
// the receipt within seconds, and needs no other.
const placedDelay = 30 * time.Second

// operators is the recipient of alerts, whose address is a setting.
const operators = "operators"

// subscriptions is what we hear. Each fact leaves a row per mail in the transaction of its inbox entry; writing and
// sending come after that commit.
func subscriptions() []outbox.Subscription {
	return slices.Concat(accountSubscriptions(), stockSubscriptions(), []outbox.Subscription{
		{Producer: "ordering", Topic: events.TopicOrderPlaced, Apply: hear(orderPlaced)}, // mostly overtaken by then
		{Producer: "ordering", Topic: events.TopicOrderPaid, Apply: hear(orderPaid)},
		{Producer: "ordering", Topic: events.TopicOrderClosed, Apply: hear(orderClosed)},
		{Producer: "ordering", Topic: events.TopicOrderShipped, Apply: hear(orderShipped)},
		{Producer: "ordering", Topic: events.TopicOrderDelivered, Apply: hear(orderDelivered)},
		{Producer: "ordering", Topic: events.TopicOrderRefunded, Apply: hear(orderRefunded)},
		{Producer: "ordering", Topic: events.TopicReturnRequested, Apply: hear(returnRequested)},
		{Producer: "ordering", Topic: events.TopicReturnDecided, Apply: hear(returnDecided)},
		{Producer: "ordering", Topic: events.TopicOrderAttention, Apply: hear(orderAttention)},
	})
}

// hear is owed what a fact asks for.
func hear[T any](mail func(T) (Message, error)) func(context.Context, pgx.Tx, events.Envelope) error {
	return func(ctx context.Context, tx pgx.Tx, e events.Envelope) error {
		fact, err := outbox.Decode[T](e)
		if err != nil {
			return err
		}
		m, err := mail(fact)
		if err != nil {
			return err
		}
		m.EventID = e.ID
		return owe(ctx, tx, m)
	}
}

func orderPlaced(f events.OrderPlaced) (Message, error) {
	return Message{Template: "order-placed", Recipient: f.CustomerID, About: f.OrderID}, nil
}

func orderPaid(f events.OrderPaid) (Message, error) {
	return Message{Template: "order-paid", Recipient: f.CustomerID, About: f.OrderID}, nil
}

// orderClosed writes a mail of its own for each way in which an order can end.
func orderClosed(f events.OrderClosed) (Message, error) {
	template := "order-" + strings.ReplaceAll(f.Status, "_", "-")
	if _, known := closings[template]; !known {
		template = "order-closed" // a way that we have no words for yet
	}
	return Message{Template: template, Recipient: f.CustomerID, About: f.OrderID}, nil
}

func orderShipped(f events.OrderShipped) (Message, error) {
	return Message{Template: "order-shipped", Recipient: f.CustomerID, About: f.OrderID}, nil
}

func orderDelivered(f events.OrderDelivered) (Message, error) {
	return Message{Template: "order-delivered", Recipient: f.CustomerID, About: f.OrderID}, nil
}

func orderRefunded(f events.OrderRefunded) (Message, error) {
	return part(Message{Template: "order-refunded", Recipient: f.CustomerID, About: f.OrderID}, f.RefundID)
}

func returnRequested(f events.ReturnRequested) (Message, error) {
	return part(Message{Template: "return-requested", Recipient: f.CustomerID, About: f.OrderID}, f.ReturnID)
}

func returnDecided(f events.ReturnDecided) (Message, error) {
	template := "return-rejected"
	if f.Approved {
		template = "return-approved"
	}
	return part(Message{Template: template, Recipient: f.CustomerID, About: f.OrderID}, f.ReturnID)
}

// orderAttention calls for the operators, since the order cannot go on without a person.
func orderAttention(f events.OrderAttention) (Message, error) {
	return part(Message{Template: "order-attention", Recipient: operators, About: f.OrderID}, f.Reason)
}

// part is a mail about a part of an order.
func part(m Message, id string) (Message, error) {
	if id == "" {
		return m, fmt.Errorf("%w: %s about nothing", events.ErrMalformed, m.Template)
	}
	m.Detail = id
	return m, nil
}
