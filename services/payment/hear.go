package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/internal/batch"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/services/payment/payment"
)

// Hear records a webhook and applies what it says, once, in one transaction.
func (s *store) Hear(ctx context.Context, provider string, n Notice, now time.Time) error {
	if known := s.known.Do(ctx, heard{provider, n})[0]; known.Err != nil || known.Out {
		return known.Err
	}
	return postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, recordWebhook+` values ($1, $2, $3, $4, $5, $6) on conflict do nothing`, provider, n.ID, n.Type, n.ObjectID, n.OrderID, n.At)
		if err != nil {
			return fmt.Errorf("record webhook %s: %w", n.ID, err)
		}
		switch {
		case tag.RowsAffected() == 0:
			return nil
		case n.Dispute != nil:
			return dispute(ctx, tx, provider, *n.Dispute)
		case n.OrderID == "":
			return nil
		}
		// Others may use the same account at the provider: an order that we never heard of is none of ours, since an
		// attempt is committed before the provider learns of it.
		var ours bool
		if err := tx.QueryRow(ctx, `select exists (select from payments where order_id = $1)`, n.OrderID).Scan(&ours); err != nil {
			return fmt.Errorf("look for order %s: %w", n.OrderID, err)
		}
		if !ours {
			return nil
		}
		return plan(ctx, tx, n.OrderID, func(p *payment.Payment) {
			if n.Answer != nil {
				p.Learn(n.Attempt, *n.Answer, newID(), now)
			}
			if n.Refund != nil {
				p.LearnRefund(n.RefundID, *n.Refund)
			}
		})
	})
}

const recordWebhook = `insert into webhooks (provider, event_id, type, object_id, order_id, created_at)`

// heard is a webhook, by whose.
type heard struct {
	provider string
	Notice
}

// hearNothingNew records a round of webhooks that tell of nothing, or only what we know already, as most do: the answer to our
// own question is mostly first. It is one statement without a lock; of what it does not recognise Out is false.
func (s *store) hearNothingNew(ctx context.Context, round []*batch.Item[heard, bool]) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	err := s.recordKnown(ctx, round)
	for i, item := range round {
		if item.Err = err; err != nil && len(round) > 1 {
			item.Err = s.recordKnown(ctx, round[i:i+1])
		}
	}
}

func (s *store) recordKnown(ctx context.Context, round []*batch.Item[heard, bool]) error {
	var texts [7][]string
	var times []time.Time
	var plain []bool
	var numbers []int
	byID := make(map[string]*batch.Item[heard, bool], len(round))
	for _, item := range round {
		n, reference := item.In, ""
		if n.Answer != nil {
			reference = n.Answer.Reference
		}
		for i, text := range []string{n.provider, n.ID, n.Type, n.ObjectID, n.OrderID, reference, n.RefundID} {
			texts[i] = append(texts[i], text)
		}
		times, numbers = append(times, n.At), append(numbers, n.Attempt)
		plain = append(plain, n.Answer == nil && n.Refund == nil && n.Dispute == nil)
		byID[n.provider+" "+n.ID] = item
	}
	rows, err := s.pool.Query(ctx, recordWebhook+`
		select provider, id, type, object, n.order_id, at
		from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::boolean[], $10::int[])
			as n (provider, id, type, object, order_id, reference, refund, at, plain, attempt)
		where plain
			or exists (select from attempts a where a.order_id = n.order_id and number = attempt and a.reference = n.reference and state in ('captured', 'stray'))
			or exists (select from refunds r where r.id = refund and state = 'refunded')
		on conflict do nothing returning provider || ' ' || event_id`,
		texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], texts[6], times, plain, numbers)
	if err != nil {
		return fmt.Errorf("record webhooks: %w", err)
	}
	recorded, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("record webhooks: %w", err)
	}
	for _, id := range recorded {
		byID[id].Out = true
	}
	return nil
}
