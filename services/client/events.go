package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/problem"
)

// subscribe is what we hear.
func (s *server) subscribe() []boot.Task {
	return outbox.RunPlain(s.customers, s.sidecar, app,
		outbox.PlainSubscription{Producer: "auth", Topic: events.TopicUserRegistered, Apply: s.userRegistered})
}

// userRegistered makes the profile of a new account. A repeat, and a profile made meanwhile from the customer's first
// visit, changes nothing.
func (s *server) userRegistered(ctx context.Context, e events.Envelope) error {
	fact, err := outbox.Decode[events.UserRegistered](e)
	if err != nil {
		return err
	}
	if uuid.Validate(fact.AccountID) != nil {
		return fmt.Errorf("%w: account id %q", events.ErrMalformed, fact.AccountID)
	}
	id := identity.CustomerID(fact.AccountID)
	if _, err := s.customers.Customer(ctx, id); !problem.Is(err, "customer-not-found") {
		return err
	}
	var account struct {
		Name string `json:"name"`
	}
	err = s.sidecar.Call(ctx, "auth", http.MethodGet, "/accounts/"+url.PathEscape(fact.AccountID), nil, &account)
	if problem.Is(err, "account-not-found") {
		// The fact was committed with the account, so the account has been deleted since.
		slog.InfoContext(ctx, "no profile for an account that is gone", "account", fact.AccountID)
		return nil
	}
	if err != nil {
		return err
	}
	return s.customers.Create(ctx, NewCustomer(id, account.Name, fact.At))
}
