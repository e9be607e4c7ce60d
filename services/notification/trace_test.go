package main

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/postgres/postgrestest"
)

func TestATraceHasTheMailsAboutTheOrder(t *testing.T) {
	t.Parallel()
	s := newStore(postgrestest.New(t, migrations()))
	order := uuid.Must(uuid.NewV7()).String()
	for _, about := range []string{order, uuid.NewString()} {
		require.NoError(t, postgres.InTx(t.Context(), s.pool, func(tx pgx.Tx) error {
			return owe(t.Context(), tx, Message{EventID: "e1", Template: "order-paid", Recipient: about, About: about})
		}))
	}
	steps, err := s.trace(t.Context(), order)
	require.NoError(t, err)
	require.Len(t, steps, 1)
	require.Equal(t, []string{"notification", "mail", "order-paid", "waiting, 0 tries", "e1"},
		[]string{steps[0].Service, steps[0].Kind, steps[0].Name, steps[0].Detail, steps[0].EventID})
}
