package main

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/postgres/postgrestest"
)

func TestATraceHasAttemptsRefundsAndWebhooks(t *testing.T) {
	t.Parallel()
	s := newStore(postgrestest.New(t, migrations()))
	order, other := uuid.NewString(), uuid.NewString()
	amount := money.Must(1999, "EUR")
	for _, id := range []string{order, other} {
		require.NoError(t, postgres.InTx(t.Context(), s.pool, func(tx pgx.Tx) error {
			if err := (&server{offered: []string{"stripe"}}).paymentRequested(t.Context(), tx, events.PaymentRequested{OrderID: id, Amount: amount, Provider: "stripe", Method: "pm_card_visa", Attempt: 1}); err != nil {
				return err
			}
			return refundRequested(t.Context(), tx, events.RefundRequested{OrderID: id, PaymentID: "p-" + id, Amount: amount, Reason: "cancelled"})
		}))
		_, err := s.pool.Exec(t.Context(), `insert into webhooks (provider, event_id, type, object_id, order_id, created_at)
			values ('stripe', $1, 'payment_intent.succeeded', 'pi_1', $2, now())`, "evt_"+id, id)
		require.NoError(t, err)
	}
	steps, err := s.trace(t.Context(), order)
	require.NoError(t, err)
	seen := map[string]string{}
	for _, step := range steps {
		require.Equal(t, "payment", step.Service)
		require.WithinDuration(t, time.Now(), step.At, time.Minute)
		seen[step.Kind+" "+step.Name] = step.Detail
	}
	require.Equal(t, map[string]string{
		"attempt stripe attempt 1":         "started, 1999 minor units EUR, 0 tries",
		"refund cancelled":                 "refused, 1999 minor units EUR, exceeds_capture, 0 tries",
		"webhook payment_intent.succeeded": "stripe evt_" + order + " pi_1",
	}, seen)
	none, err := s.trace(t.Context(), uuid.NewString())
	require.NoError(t, err)
	require.Empty(t, none)
}
