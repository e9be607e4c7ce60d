package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/payment/payment"
)

const (
	longestReport = 31 * 24 * time.Hour
	mostAttempts  = 5000            // in one report
	reportTime    = 8 * time.Second // for the providers' answers
)

// report compares our books with the providers', for the attempts begun in a period, in minor units.
type report struct {
	CheckedAt   time.Time    `json:"checkedAt"`
	From        time.Time    `json:"from"`
	To          time.Time    `json:"to"`
	Orders      int          `json:"orders"`
	Captures    []sums       `json:"captures"`
	Refunds     []sums       `json:"refunds"`
	Differences []difference `json:"differences"`
}

type sums struct {
	Currency string `json:"currency"`
	Ours     int64  `json:"ours"`
	Provider int64  `json:"provider"`
}

// difference is one payment on which the books do not agree. Kind is one of unsettled (the provider has taken money that we
// do not know of yet), missing-at-provider, capture-differs, refund-differs, unknown-payment (the provider took money in the
// name of an order, for no attempt of ours).
type difference struct {
	OrderID  string       `json:"orderId"`
	Kind     string       `json:"kind"`
	Ours     money.Amount `json:"ours"`
	Provider money.Amount `json:"provider"`
	Detail   string       `json:"detail"`
}

// reconciliation shows staff whether what we think was paid is what the providers have; from and to are times (RFC 3339) or
// days, the last 24 hours unless given.
func (s *server) reconciliation(w http.ResponseWriter, r *http.Request) error {
	to, err := reportDate(r, "to", s.now())
	if err != nil {
		return err
	}
	from, err := reportDate(r, "from", to.Add(-24*time.Hour))
	if err != nil {
		return err
	}
	if !from.Before(to) || to.Sub(from) > longestReport {
		return problem.New(problem.Invalid, "invalid-period", "from must be before to, and at most 31 days before it.")
	}
	ctx, cancel := context.WithTimeout(r.Context(), reportTime)
	defer cancel()
	for try := 1; ; try++ {
		began := s.now()
		made, moving, err := s.compare(ctx, from, to, began)
		if err != nil {
			return err
		}
		// A payment that moved while we read may differ for a moment.
		if !moving || try == 3 {
			return web.Encode(w, http.StatusOK, made)
		}
	}
}

func reportDate(r *http.Request, name string, otherwise time.Time) (time.Time, error) {
	value := r.URL.Query().Get(name)
	if value == "" {
		return otherwise.UTC(), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, value); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, problem.New(problem.Invalid, "invalid-period", "%s must be a day, 2026-01-31, or a time, 2026-01-31T12:00:00Z.", name)
}

// compare makes a report. moving says whether a payment on which the books differ has changed since began.
func (s *server) compare(ctx context.Context, from, to, began time.Time) (made *report, moving bool, err error) {
	asked, err := s.store.Booked(ctx, from, to)
	if err != nil {
		return nil, false, err
	}
	if len(asked) > mostAttempts {
		return nil, false, problem.New(problem.Unprocessable, "period-too-large", "There are more than %d payments in that period; choose a shorter one.", mostAttempts)
	}
	references := map[string][]string{}
	for _, b := range asked {
		if b.Reference != "" {
			references[b.Provider] = append(references[b.Provider], b.Reference)
		}
	}
	type place struct{ provider, key string }
	theirs := map[place]entry{}
	var strangers []place
	for name, p := range s.providers {
		entries, err := p.Books(ctx, from, to, references[name])
		if err != nil {
			return nil, false, fmt.Errorf("%w (%w)", problem.New(problem.Unavailable, "provider-unavailable", "The books of %s cannot be read at the moment.", name), err)
		}
		for _, e := range entries {
			at := place{name, payment.Attempt{OrderID: e.OrderID, Number: e.Attempt}.Key()}
			if known, ok := theirs[at]; ok { // the provider forgot our key, and took the money again
				if e.Captured, err = e.Captured.Add(known.Captured); err != nil {
					return nil, false, err
				}
				if e.Refunded, err = e.Refunded.Add(known.Refunded); err != nil {
					return nil, false, err
				}
			}
			theirs[at] = e
		}
	}
	ours, err := s.store.Booked(ctx, from, to) // again: theirs must not be the newer of the two
	if err != nil {
		return nil, false, err
	}

	orders := map[string]bool{}
	captures, refunds := map[string]*sums{}, map[string]*sums{}
	made = &report{CheckedAt: began.UTC(), From: from, To: to, Differences: []difference{}}
	differ := func(b booked, kind string, ours, provider money.Amount, detail string) {
		moving = moving || !b.Changed.Before(began.Add(-time.Second))
		made.Differences = append(made.Differences, difference{b.OrderID, kind, ours, provider, detail})
	}
	for _, b := range ours {
		orders[b.OrderID] = true
		at := place{b.Provider, b.Key()}
		e, found := theirs[at]
		delete(theirs, at)
		add(captures, b.Captured, e.Captured)
		add(refunds, b.Refunded, e.Refunded)
		name := fmt.Sprintf("attempt %d at %s, %s", b.Number, b.Provider, cmp.Or(b.Reference, "reference not known"))
		switch {
		case !found && !b.Captured.IsZero():
			differ(b, "missing-at-provider", b.Captured, money.Must(0, b.Amount.Currency()), name)
		case !found:
		case b.Captured != e.Captured && !(b.Captured.IsZero() && e.Captured.IsZero()):
			kind := "capture-differs"
			if b.Captured.IsZero() && b.State.Unfinished() {
				kind = "unsettled"
			}
			differ(b, kind, b.Captured, e.Captured, name)
		case b.Refunded.Minor() != e.Refunded.Minor():
			differ(b, "refund-differs", b.Refunded, e.Refunded, name)
		}
	}
	for at, e := range theirs {
		if e.Captured.IsZero() {
			continue
		}
		strangers = append(strangers, at)
	}
	slices.SortFunc(strangers, func(a, b place) int { return cmp.Compare(a.key, b.key) })
	for _, at := range strangers {
		e := theirs[at]
		known, err := s.store.Began(ctx, e.OrderID, e.Attempt)
		if err != nil {
			return nil, false, err
		}
		if known { // in another period
			continue
		}
		add(captures, money.Must(0, e.Captured.Currency()), e.Captured)
		add(refunds, money.Must(0, e.Captured.Currency()), e.Refunded)
		made.Differences = append(made.Differences, difference{e.OrderID, "unknown-payment", money.Must(0, e.Captured.Currency()), e.Captured,
			fmt.Sprintf("attempt %d at %s, %s", e.Attempt, at.provider, e.Reference)})
	}
	made.Orders, made.Captures, made.Refunds = len(orders), sorted(captures), sorted(refunds)
	return made, moving, nil
}

func add(to map[string]*sums, ours, provider money.Amount) {
	for _, a := range []money.Amount{ours, provider} {
		if a.Currency() != "" && to[a.Currency()] == nil {
			to[a.Currency()] = &sums{Currency: a.Currency()}
		}
	}
	if ours.Currency() != "" {
		to[ours.Currency()].Ours += ours.Minor()
	}
	if provider.Currency() != "" {
		to[provider.Currency()].Provider += provider.Minor()
	}
}

func sorted(all map[string]*sums) []sums {
	list := []sums{}
	for _, currency := range slices.Sorted(maps.Keys(all)) {
		list = append(list, *all[currency])
	}
	return list
}

// booked is an attempt with the money that we know to have moved for it.
type booked struct {
	payment.Attempt
	Captured, Refunded money.Amount
	Changed            time.Time // it, or a refund of it
}

// Booked are the attempts begun in a period, at most one more than a report may hold.
func (s *store) Booked(ctx context.Context, from, to time.Time) ([]booked, error) {
	// Of stray money, which may have any amount, the refund has kept how much it was.
	rows, err := s.pool.Query(ctx, `
		select `+attemptColumns+`, strayed, coalesce(stray_currency, ''), coalesce(returned, 0),
			greatest(changed_at, (select max(r.changed_at) from refunds r where r.attempt_id = a.id))
		from attempts a
			left join lateral (
				select r.amount as strayed, r.currency as stray_currency from refunds r where r.attempt_id = a.id and r.reason = 'stray:' || a.id) s on true
			left join lateral (
				select sum(r.amount)::bigint as returned from refunds r where r.attempt_id = a.id and r.state = 'refunded') b on true
		where created_at >= $1 and created_at < $2 order by created_at limit $3`, from, to, mostAttempts+1)
	if err != nil {
		return nil, fmt.Errorf("read our books: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b booked, err error) {
		var strayed *int64
		var strayCurrency string
		var returned int64
		a, err := scanAttempt(row, &strayed, &strayCurrency, &returned, &b.Changed)
		if err != nil {
			return b, err
		}
		b.Attempt, b.Captured = *a, money.Must(0, a.Amount.Currency())
		switch {
		case strayed != nil:
			b.Captured, err = money.New(*strayed, strayCurrency)
		case a.State == payment.Captured:
			b.Captured = a.Amount
		}
		if err == nil {
			b.Refunded, err = money.New(returned, b.Captured.Currency())
		}
		return b, err
	})
	if err != nil {
		return nil, fmt.Errorf("read our books: %w", err)
	}
	return list, nil
}

// Began says whether an attempt is ours, whenever it was begun.
func (s *store) Began(ctx context.Context, orderID string, number int) (known bool, err error) {
	err = s.pool.QueryRow(ctx, `select exists (select from attempts where order_id = $1 and number = $2)`, orderID, number).Scan(&known)
	if err != nil {
		return false, fmt.Errorf("look for attempt %s:%d: %w", orderID, number, err)
	}
	return known, nil
}
