package main

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/ordering/order"
)

func TestATraceHasTheTimeline(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	id := s.place(t, anna, epoch).ID
	_, err := s.Update(t.Context(), id, func(o *order.Order) error { return o.Cancel(anna, "", epoch.Add(time.Minute)) })
	require.NoError(t, err)
	steps, err := s.trace(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, steps, 2)
	require.Equal(t, []string{"ordering", "timeline", "cancelled", "Cancelled by you."},
		[]string{steps[1].Service, steps[1].Kind, steps[1].Name, steps[1].Detail})
	require.Equal(t, epoch.Add(time.Minute), steps[1].At.UTC())
	none, err := s.trace(t.Context(), uuid.NewString())
	require.NoError(t, err)
	require.Empty(t, none)
}
