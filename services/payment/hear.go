package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/internal/batch"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/services/payment/payment"
)

// Hear records a webhook and applies what it says, once, in one transaction.
func (s *store) Hear(ctx context.Context, provider string, n Notice, now time.Time) error {
	told := heard{provider, n}
	if known := s.known.Do(ctx, told)[0]; known.Err != nil || known.Out {
		return known.Err
	}
	if n.Dispute != nil {
		return postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, recordWebhook+` values ($1, $2, $3, $4, $5, $6) on conflict do nothing`, provider, n.ID, n.Type, n.ObjectID, n.OrderID, n.At)
			if err != nil {
				return fmt.Errorf("record webhook %s: %w", n.ID, err)
			}
			if tag.RowsAffected() == 0 {
				return nil
			}
			return dispute(ctx, tx, provider, *n.Dispute)
		})
	}
	return s.commitSoon(ctx, change{orderID: n.OrderID, told: &told, do: func(p *payment.Payment) {
		if n.Answer != nil {
			p.Learn(n.Attempt, *n.Answer, newID(), now)
		}
		if n.Refund != nil {
			p.LearnRefund(n.RefundID, *n.Refund)
		}
	}})
}

// meant records the webhooks among the changes of a round, and returns the changes without those that webhooks tell of which
// were recorded before, or which are about no order of ours: others may use the same account at the provider, and an attempt
// is committed before the provider learns of it.
func meant(ctx context.Context, tx pgx.Tx, all []change) ([]change, error) {
	var texts [5][]string
	var times []time.Time
	for _, c := range all {
		if c.told == nil {
			continue
		}
		for i, text := range []string{c.told.provider, c.told.ID, c.told.Type, c.told.ObjectID, c.told.OrderID} {
			texts[i] = append(texts[i], text)
		}
		times = append(times, c.told.At)
	}
	if len(times) == 0 {
		return all, nil
	}
	rows, err := tx.Query(ctx, `
		with recorded as (`+recordWebhook+`
			select provider, id, type, object, order_id, at
			from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[]) as n (provider, id, type, object, order_id, at)
			order by provider, id on conflict do nothing returning provider, event_id, order_id)
		select provider || ' ' || event_id from recorded r where exists (select from payments p where p.order_id = r.order_id)`,
		texts[0], texts[1], texts[2], texts[3], texts[4], times)
	if err != nil {
		return nil, fmt.Errorf("record webhooks: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("record webhooks: %w", err)
	}
	fresh := make(map[string]bool, len(ids))
	for _, id := range ids {
		fresh[id] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(c change) bool {
		if c.told == nil {
			return false
		}
		first := fresh[c.told.key()]
		delete(fresh, c.told.key()) // the same one may be there twice
		return !first
	}), nil
}

const recordWebhook = `insert into webhooks (provider, event_id, type, object_id, order_id, created_at)`

// heard is a webhook, by whose.
type heard struct {
	provider string
	Notice
}

func (h heard) key() string { return h.provider + " " + h.ID }

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
		byID[n.key()] = item
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
