package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/sidecart/sidecart/internal/failpoint"
	"github.com/sidecart/sidecart/internal/lease"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/payment/payment"
)

const (
	width = 32 // attempts at work at once, in one replica

	stepTimeout = lease.JobTime - 2*time.Second // asking the provider; the rest of a job is its commit

	firstLook      = 2 * time.Second        // after which a customer who has to approve is first asked about
	firstPause     = 500 * time.Millisecond // before an unknown outcome is asked for again
	longestPause   = 10 * time.Second
	reconcileEvery = time.Minute     // everything unfinished is compared with the provider this often
	certainAfter   = 2 * time.Minute // a request that the provider has not recorded by then has not reached it
)

// worker asks the provider about every attempt and refund that is due, outside of any transaction, and commits what it
// said. It may die at any moment: what it asked is asked again under the same key by the next one.
type worker struct {
	store     *store
	providers map[string]*guarded
	now       func() time.Time
}

// settle takes one attempt a step further.
func (w *worker) settle(ctx context.Context, job work) {
	ctx = web.WithTraceParent(ctx, job.Trace)
	start := w.now()
	failpoint.Hit("before-provider-call")
	ans, err := w.ask(ctx, job)
	failpoint.Hit("after-provider-answer")
	if err == nil {
		err = w.store.Update(ctx, job.OrderID, func(p *payment.Payment) { p.Learn(job.Number, ans, newID(), w.now()) })
	}
	log := slog.With("order", job.OrderID, "attempt", job.Number, "tries", job.Tries, "ms", w.now().Sub(start).Milliseconds())
	if err != nil {
		log.Warn("payment undecided", "error", err)
		w.postpone(ctx, job.ID, job.leased, pause(job.Tries))
		return
	}
	log.Info("payment asked for", "outcome", ans.Outcome.String(), "code", ans.Code)
	if ans.Outcome.Open() {
		w.postpone(ctx, job.ID, job.leased, lookAgain(ans.Outcome, w.now().Sub(job.Changed)))
	}
}

// lookAgain is how long a provider is not asked about an attempt that stands at o since age. A webhook mostly comes sooner.
// A customer who approves comes back from the provider and wants to see it: a lost webhook must not cost more than seconds.
func lookAgain(o payment.Outcome, age time.Duration) time.Duration {
	switch {
	case o != payment.OutcomeActionRequired:
		return reconcileEvery
	case age < time.Minute:
		return firstLook
	}
	return min(age/10, reconcileEvery)
}

// ask is the one place that decides what to ask of the provider. An error means that the outcome is unknown.
func (w *worker) ask(ctx context.Context, job work) (payment.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	p, err := w.provider(job.Provider)
	if err != nil {
		return payment.Answer{}, err
	}
	var ans payment.Answer
	now := w.now()
	switch {
	case job.Reference != "":
		ans, err = p.Find(ctx, job.Reference)
	case job.FirstSent.IsZero():
		return payment.Answer{Outcome: payment.OutcomeVoided}, nil // given up before the provider heard of it
	case job.Closing || now.Sub(job.FirstSent) > keyLife:
		// Asking again under the key could charge now: look whether it ever did.
		ans, err = p.Search(ctx, job.Attempt, job.FirstSent, job.LastSent.Add(certainAfter))
		if errors.Is(err, errAbsent) && now.Sub(job.LastSent) > certainAfter {
			return payment.Answer{Outcome: payment.OutcomeVoided}, nil
		}
	default:
		ans, err = p.Charge(ctx, job.Attempt)
	}
	switch {
	case err != nil || ans.Reference == "" || !ans.Outcome.Open():
		return ans, err
	case !job.Closing && ans.Outcome == payment.OutcomeApproved:
		a := job.Attempt
		a.Reference = ans.Reference
		return p.Charge(ctx, a)
	case !job.Closing:
		return ans, nil
	case ans.Outcome == payment.OutcomeApproved && now.Sub(job.LastSent) < certainAfter:
		return payment.Answer{Outcome: payment.OutcomePending, Reference: ans.Reference}, nil // a request to take it may be on its way
	}
	return p.Void(ctx, ans.Reference)
}

// provider is the adapter that a row asks for.
func (w *worker) provider(name string) (*guarded, error) {
	if p := w.providers[name]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("provider %q is not configured", name)
}

// refund takes one refund a step further.
func (w *worker) refund(ctx context.Context, job refundWork) {
	ctx = web.WithTraceParent(ctx, job.Trace)
	ans, err := w.askRefund(ctx, job)
	failpoint.Hit("after-refund-answer")
	if err == nil {
		err = w.store.Update(ctx, job.OrderID, func(p *payment.Payment) { p.LearnRefund(job.ID, ans) })
	}
	log := slog.With("order", job.OrderID, "refund", job.ID, "tries", job.Tries)
	switch {
	case err != nil:
		log.Warn("refund undecided", "error", err)
		w.postpone(ctx, job.ID, job.leased, pause(job.Tries))
	case ans.State == payment.RefundRequested:
		w.postpone(ctx, job.ID, job.leased, reconcileEvery)
	default:
		log.Info("refund asked for", "state", ans.State)
	}
}

func (w *worker) askRefund(ctx context.Context, job refundWork) (payment.RefundAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	p, err := w.provider(job.Provider)
	if err != nil {
		return payment.RefundAnswer{}, err
	}
	if job.Tries > 1 {
		if ans, err := p.FindRefund(ctx, job.Refund, job.Payment); !errors.Is(err, errAbsent) {
			return ans, err
		}
	}
	return p.Refund(ctx, job.Refund, job.Payment)
}

func (w *worker) postpone(ctx context.Context, id string, l leased, d time.Duration) {
	if err := w.store.Postpone(ctx, id, l, d); err != nil {
		slog.Warn("lease not given back", "error", err) // it ends by itself
	}
}

// pause grows from half a second to ten and is never the same for two, so that an outage does not end in a stampede.
func pause(tries int) time.Duration {
	d := min(firstPause<<min(tries-1, 10), longestPause)
	return d/2 + rand.N(d/2)
}

// reconcile compares everything unfinished with the provider, at start and then every minute: it makes it due, and the
// worker asks.
func (w *worker) reconcile(ctx context.Context) error {
	for {
		all, old, err := w.store.HastenAll(ctx)
		err = errors.Join(err, w.store.AdoptDisputes(ctx))
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end was asked for
		case err != nil:
			slog.Error("reconcile", "error", err)
		case old > 0:
			slog.Error("payments unfinished for more than an hour", "unfinished", all, "old", old)
		case all > 0:
			slog.Info("reconcile", "unfinished", all)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reconcileEvery):
		}
	}
}
