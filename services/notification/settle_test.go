package main

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/batch"
)

type endings = []*batch.Item[ending, struct{}]

// owing is a desk with messages that nobody works on, and their ids.
func owing(t *testing.T, n int) (d *desk, ids []string) {
	d = newDesk(t)
	for i := range n {
		require.NoError(t, d.hear(fmt.Sprint("event-", i), paid()))
	}
	for _, m := range d.messages() {
		ids = append(ids, m.ID)
	}
	slices.Sort(ids)
	return d, ids
}

func (d *desk) message(id string) Message {
	d.Helper()
	all := d.messages()
	return all[slices.IndexFunc(all, func(m Message) bool { return m.ID == id })]
}

func TestMailsThatEndTogetherEndEachInItsWay(tt *testing.T) {
	d, ids := owing(tt, 4)
	round := endings{
		{In: ending{ids[3], Sent, "", "ses-3"}},
		{In: ending{ids[0], Failed, "refused", ""}},
		{In: ending{ids[1], Dropped, "of no use", ""}},
		{In: ending{"forgotten", Sent, "", "ses-4"}},
	}
	for range 10 {
		d.writer.store.settle(tt.Context(), round)
		for _, item := range round {
			require.NoError(tt, item.Err)
		}
	}
	failed, dropped, waiting, sent := d.message(ids[0]), d.message(ids[1]), d.message(ids[2]), d.message(ids[3])
	require.Equal(tt, []any{Failed, "refused"}, []any{failed.State, failed.Reason})
	require.Equal(tt, []any{Dropped, "of no use"}, []any{dropped.State, dropped.Reason})
	require.Equal(tt, Waiting, waiting.State)
	require.Equal(tt, []any{Sent, "ses-3"}, []any{sent.State, sent.MessageID})
	require.False(tt, sent.SentAt.IsZero())
	require.True(tt, failed.SentAt.IsZero())
	var due int
	require.NoError(tt, d.pool.QueryRow(tt.Context(), `select count(*) from messages where due_at is not null`).Scan(&due))
	require.Equal(tt, 1, due)
}

// Two writers had the same message, and end at the same moment.
func TestSentHoldsInTheSameRound(tt *testing.T) {
	d, ids := owing(tt, 2)
	d.writer.store.settle(tt.Context(), endings{
		{In: ending{ids[0], Sent, "", "ses-0"}}, {In: ending{ids[0], Failed, "refused", ""}},
		{In: ending{ids[1], Dropped, "expired", ""}}, {In: ending{ids[1], Sent, "", "ses-1"}},
	})
	for i, id := range ids {
		m := d.message(id)
		require.Equal(tt, []any{Sent, "", fmt.Sprint("ses-", i)}, []any{m.State, m.Reason, m.MessageID})
	}
}

func TestAnEndingThatCannotBeSavedHoldsNoOtherBack(tt *testing.T) {
	d, ids := owing(tt, 3)
	round := endings{
		{In: ending{ids[0], Sent, "", "ses-0"}}, {In: ending{ids[1], Failed, "\x00", ""}}, {In: ending{ids[2], Sent, "", "ses-2"}},
	}
	d.writer.store.settle(tt.Context(), round)
	require.NoError(tt, round[0].Err)
	require.Error(tt, round[1].Err)
	require.NoError(tt, round[2].Err)
	require.Equal(tt, []State{Sent, Waiting, Sent}, []State{d.message(ids[0]).State, d.message(ids[1]).State, d.message(ids[2]).State})
}

// Replicas settle, drop what is overtaken, and forget a person at the same time, all in one order.
func TestNobodyWhoEndsMailsWaitsInACircle(tt *testing.T) {
	d := newDesk(tt)
	for part := range 5 {
		var round endings
		var placed, overtaking []debt
		for i := range 500 {
			order := fmt.Sprint("order-", part, "-", i)
			placed = append(placed, debt{Message: Message{EventID: "placed-" + order, Template: "order-placed", Recipient: "customer-1", About: order}})
			overtaking = append(overtaking, debt{Message: Message{EventID: "paid-" + order, Template: "order-paid", Recipient: "customer-1", About: order}})
		}
		inTx := func(debts []debt) error {
			return pgx.BeginFunc(tt.Context(), d.pool, func(tx pgx.Tx) error { return save(tt.Context(), tx, debts) })
		}
		require.NoError(tt, inTx(placed))
		rows, err := d.pool.Query(tt.Context(), `select id from messages where state = 'waiting' and template = 'order-placed'`)
		require.NoError(tt, err)
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(tt, err)
		require.Len(tt, ids, 500)
		for _, id := range ids {
			round = append(round, &batch.Item[ending, struct{}]{In: ending{id, Failed, "refused", ""}})
		}
		reversed := slices.Clone(round)
		slices.Reverse(reversed)
		var group sync.WaitGroup
		for _, end := range []func() error{
			func() error { return d.writer.store.settleAll(tt.Context(), round) },
			func() error { return d.writer.store.settleAll(tt.Context(), reversed) },
			func() error { return inTx(overtaking) },
			func() error { _, err := d.writer.store.Erase(tt.Context(), "customer-1"); return err },
		} {
			group.Go(func() {
				if err := end(); err != nil {
					tt.Error(err)
				}
			})
		}
		group.Wait()
	}
}
