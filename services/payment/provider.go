package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/services/payment/payment"
)

// provider takes money and gives it back. What moves money carries a key of ours, so that repeating it changes nothing for
// as long as the provider keeps the key (keyLife). An error means that the outcome is unknown, except errAbsent. Errors and
// logs never hold what was sent or answered.
type provider interface {
	// Charge begins an attempt, or takes the money of one that the customer has approved.
	Charge(ctx context.Context, a payment.Attempt) (payment.Answer, error)
	// Find asks how an attempt stands, by the provider's reference.
	Find(ctx context.Context, reference string) (payment.Answer, error)
	// Search looks for an attempt whose reference we never learned, begun between from and to.
	Search(ctx context.Context, a payment.Attempt, from, to time.Time) (payment.Answer, error)
	// Void makes sure that an attempt takes no money any more; if it has, the answer says so.
	Void(ctx context.Context, reference string) (payment.Answer, error)
	// Refund sends back money of the payment that reference names.
	Refund(ctx context.Context, f payment.Refund, reference string) (payment.RefundAnswer, error)
	// FindRefund asks how a refund stands, by the provider's id or, if we never learned that, by ours.
	FindRefund(ctx context.Context, f payment.Refund, reference string) (payment.RefundAnswer, error)
	// Books is what the provider has of our payments made between from and to, and of those that references names.
	Books(ctx context.Context, from, to time.Time, references []string) ([]entry, error)
	// Verify checks that a webhook is the provider's, at most noticeAge old, and reads it.
	Verify(ctx context.Context, header http.Header, body []byte) (Notice, error)
}

const (
	keyLife   = 20 * time.Hour  // Stripe promises to keep a key for 24 hours; PayPal's keys only begin what a customer has yet to approve
	noticeAge = 5 * time.Minute // the most that a webhook's signature may be old
)

var (
	// errAbsent means that the provider answered and knows of no such thing.
	errAbsent = errors.New("not known to the provider")
	// errAway marks an error that tells of the provider's state rather than of what was asked.
	errAway = errors.New("the provider is away")
	// errUnreadable means that a webhook is signed, but no event.
	errUnreadable = errors.New("not an event")
)

// Notice is a verified webhook: something changed, and perhaps how an attempt, a refund or a dispute of ours stands now.
type Notice struct {
	ID, Type, ObjectID string
	At                 time.Time
	OrderID            string                // empty: not known from the notice, or nothing that we began
	Attempt            int                   // with Answer
	Answer             *payment.Answer       // nil: not about an attempt
	RefundID           string                // with Refund
	Refund             *payment.RefundAnswer // nil: not about a refund
	Dispute            *Dispute              // nil: not about a dispute
}

// entry is a payment as the provider's books have it.
type entry struct {
	Reference          string
	OrderID            string
	Attempt            int
	MadeAt             time.Time
	Captured, Refunded money.Amount
}

// guarded is a provider behind a circuit breaker: after some failures in a row it is left alone for a while, so that an
// outage does not cost every attempt a time-out. What was not asked is an unknown outcome like any other and stays due.
type guarded struct {
	provider
	breaker *gobreaker.TwoStepCircuitBreaker[any]
}

const (
	tripAfter = 5               // failures in a row
	openFor   = 3 * time.Second // then one request at a time tries whether it is over
)

func guard(name string, p provider) *guarded {
	return &guarded{p, gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Name: name, Timeout: openFor,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= tripAfter },
		IsSuccessful: func(err error) bool { return !errors.Is(err, errAway) },
		OnStateChange: func(name string, from, to gobreaker.State) {
			slog.Warn("provider", "provider", name, "circuit", to.String(), "was", from.String())
		},
	})}
}

// Available says whether a customer is well advised to pay by this provider now.
func (g *guarded) Available() bool { return g.breaker.State() == gobreaker.StateClosed }

func guarding[T any](g *guarded, ask func() (T, error)) (answer T, err error) {
	done, err := g.breaker.Allow()
	if err != nil {
		return answer, fmt.Errorf("%s is not asked: %w", g.breaker.Name(), err)
	}
	defer func() { done(err) }()
	return ask()
}

func (g *guarded) Charge(ctx context.Context, a payment.Attempt) (payment.Answer, error) {
	return guarding(g, func() (payment.Answer, error) { return g.provider.Charge(ctx, a) })
}

func (g *guarded) Find(ctx context.Context, reference string) (payment.Answer, error) {
	return guarding(g, func() (payment.Answer, error) { return g.provider.Find(ctx, reference) })
}

func (g *guarded) Search(ctx context.Context, a payment.Attempt, from, to time.Time) (payment.Answer, error) {
	return guarding(g, func() (payment.Answer, error) { return g.provider.Search(ctx, a, from, to) })
}

func (g *guarded) Void(ctx context.Context, reference string) (payment.Answer, error) {
	return guarding(g, func() (payment.Answer, error) { return g.provider.Void(ctx, reference) })
}

func (g *guarded) Refund(ctx context.Context, f payment.Refund, reference string) (payment.RefundAnswer, error) {
	return guarding(g, func() (payment.RefundAnswer, error) { return g.provider.Refund(ctx, f, reference) })
}

func (g *guarded) FindRefund(ctx context.Context, f payment.Refund, reference string) (payment.RefundAnswer, error) {
	return guarding(g, func() (payment.RefundAnswer, error) { return g.provider.FindRefund(ctx, f, reference) })
}

func (g *guarded) Books(ctx context.Context, from, to time.Time, references []string) ([]entry, error) {
	return guarding(g, func() ([]entry, error) { return g.provider.Books(ctx, from, to, references) })
}
