package main

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/services/inventory/reservation"
)

func TestATraceHasTheReservation(t *testing.T) {
	f := newFixture(t, reservation.Line{SKU: "A", Quantity: 5}, reservation.Line{SKU: "B", Quantity: 5})
	order := uuid.NewString()
	require.NoError(t, f.place(order, events.OrderLine{SKU: "B", Quantity: 1}, events.OrderLine{SKU: "A", Quantity: 2}))
	require.NoError(t, f.pay(order))
	steps, err := f.stock.trace(t.Context(), order)
	require.NoError(t, err)
	require.Len(t, steps, 1)
	require.Equal(t, []string{"inventory", "timeline", "reservation committed", "2 × A, 1 × B"},
		[]string{steps[0].Service, steps[0].Kind, steps[0].Name, steps[0].Detail})
	none, err := f.stock.trace(t.Context(), uuid.NewString())
	require.NoError(t, err)
	require.Empty(t, none)
}
