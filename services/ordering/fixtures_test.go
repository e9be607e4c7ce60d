package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/services/ordering/order"
)

var (
	epoch = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	waits = order.Deadlines{Stock: 15 * time.Minute, Payment: 15 * time.Minute, Action: 30 * time.Minute, Refund: 15 * time.Minute}
	anna  = identity.Identity{Subject: "anna", Roles: []identity.Role{identity.Customer}, Email: "anna@example.com", Name: "Anna Berg"}
	boris = identity.Identity{Subject: "boris", Roles: []identity.Role{identity.Customer}, Email: "boris@example.com"}
	agent = identity.Identity{Subject: "agent", Roles: []identity.Role{identity.Customer, identity.Support}}
	visit = identity.Identity{Subject: "guest:abc", Roles: []identity.Role{identity.Guest}}
)

func eur(minor int64) money.Amount { return money.Must(minor, "EUR") }

func draftOf(who identity.Identity) order.Draft {
	quote, err := order.ShopTariff.Quote([]order.Wanted{{SKU: "mug-blue", Quantity: 2}},
		[]order.Variant{{SKU: "mug-blue", Name: "Mug", Slug: "mug", Price: eur(1250)}}, "EUR", "standard", "DE", nil)
	if err != nil {
		panic(err)
	}
	return order.Draft{
		ID: "019ab1c2-7e00-7000-8000-000000000001", Customer: who.Subject, BasketID: "basket-1", Quote: quote, Email: who.Email, Provider: "stripe", Method: "pm_card_visa",
		Address:   order.Address{Name: "Anna Berg", Line1: "Hauptstraße 1", City: "Berlin", PostalCode: "10115", Country: "DE"},
		ReturnURL: "http://localhost:8080/orders/o1",
	}
}

// afterSale is an order to which everything has happened that leaves it an order.
func afterSale(t testing.TB) *order.Order {
	o := placed()
	at := func(minutes int) time.Time { return epoch.Add(time.Duration(minutes) * time.Minute) }
	o.Reserve(waits, at(1))
	o.Settle("p1", o.Total, at(2))
	o.Invoice = "2026-000017"
	require.NoError(t, o.Ship(agent, "DHL", "JJD000390007882823", at(3)))
	require.NoError(t, o.Deliver(agent, at(4)))
	few := eur(500)
	require.NoError(t, o.Refund(agent, &few, "Sorry for the scratch.", at(5)))
	o.Return("p1", "r1", few, at(6))
	_, err := o.RequestReturn(anna, "019ab1c2-7e00-7000-8000-0000000000a1", []events.OrderLine{{SKU: "mug-blue", Quantity: 1}}, "Too small.", at(7))
	require.NoError(t, err)
	require.NoError(t, o.ApproveReturn(agent, o.Returns[0].ID, "Use the enclosed label.", at(8)))
	require.NoError(t, o.ReceiveReturn(agent, o.Returns[0].ID, "", true, at(9)))
	o.AddNote(agent, "Was kind on the phone.", at(10))
	return o
}

func placed() *order.Order { return order.Place("SC-2026-TEST001", draftOf(anna), waits, epoch) }
