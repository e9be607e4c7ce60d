package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/web"
)

const catchupPeriod = 3 * time.Second

// consumer is what catch-up asks of the service's own store.
type consumer interface {
	Cursors
	unseen(ctx context.Context, page []events.Envelope) ([]events.Envelope, error)
	apply(ctx context.Context, missing []events.Envelope) []error
	failed(ctx context.Context, e events.Envelope, cause error) error
}

// plain is the store of a consumer that works by natural key: everything is applied again, nothing is counted.
type plain struct {
	Cursors
	handlers map[string]func(context.Context, events.Envelope) error
}

func (plain) unseen(_ context.Context, page []events.Envelope) ([]events.Envelope, error) {
	return page, nil
}

func (p plain) apply(ctx context.Context, delivered []events.Envelope) []error {
	errs := make([]error, len(delivered))
	for i, e := range delivered {
		handle, known := p.handlers[e.Type]
		if !known {
			errs[i] = fmt.Errorf("%w: nobody here hears %q", events.ErrMalformed, e.Type)
		} else {
			errs[i] = handle(web.WithTraceParent(ctx, e.TraceParent), e)
		}
		if errors.Is(errs[i], events.ErrMalformed) {
			slog.Error("event dropped", "topic", e.Type, "event", e.ID, "error", errs[i].Error())
		}
	}
	return errs
}

func (p plain) hear(ctx context.Context, delivered []events.Envelope) error {
	return transient(p.apply(ctx, delivered))
}

func (plain) failed(_ context.Context, _ events.Envelope, cause error) error { return cause }

// transient joins the errors that another try may mend.
func transient(errs []error) (again error) {
	for _, err := range errs {
		if err != nil && !errors.Is(err, events.ErrMalformed) {
			again = errors.Join(again, err)
		}
	}
	return again
}

// catchup reads one producer's feed and applies what the broker did not bring.
type catchup struct {
	bus      Bus
	producer string
	topics   []string
	store    consumer

	stored string // the cursor that was saved last, by this replica or another
	cursor string // that, or one beyond it that no fact lies between
	cut    string // where the next reading ends
}

func (c *catchup) run(ctx context.Context) error {
	for {
		if err := c.round(ctx); err != nil && ctx.Err() == nil {
			slog.Warn("catch-up", "producer", c.producer, "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(catchupPeriod):
		}
	}
}

// round reads the feed from the cursor to its end. An event that fails does not keep those behind it waiting, for its end
// goes on; but the cursor stays before it, so that the next round offers it again.
func (c *catchup) round(ctx context.Context) error {
	stored, err := c.store.Load(ctx, c.producer)
	if err != nil {
		return fmt.Errorf("load cursor: %w", err)
	}
	if stored != c.stored {
		c.stored, c.cursor = stored, stored
	}
	cursor := c.cursor
	whole := true
	for more := true; more; {
		var page feedPage
		query := url.Values{"topics": {strings.Join(c.topics, ",")}, "after": {cursor}, "cut": {c.cut}}
		if err := c.bus.Call(ctx, c.producer, http.MethodGet, "/outbox?"+query.Encode(), nil, &page); err != nil {
			return err
		}
		missing, err := c.store.unseen(ctx, page.Items)
		if err != nil {
			return err
		}
		for i, err := range c.store.apply(ctx, missing) {
			if err == nil || errors.Is(err, events.ErrMalformed) {
				continue
			}
			if err = c.store.failed(ctx, missing[i], err); err != nil {
				slog.Warn("catch-up", "producer", c.producer, "topic", missing[i].Type, "event", missing[i].ID, "error", err.Error())
				whole = false
			}
		}
		if whole && len(page.Items) > 0 {
			if err := c.store.Save(ctx, c.producer, page.NextCursor); err != nil {
				return fmt.Errorf("save cursor: %w", err)
			}
			c.stored = page.NextCursor
		}
		if whole { // without facts that is worth no write
			c.cursor = page.NextCursor
		}
		cursor, c.cut, more = page.NextCursor, page.Cut, page.More
	}
	return nil
}
