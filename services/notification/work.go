package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/time/rate"

	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/failpoint"
	"github.com/sidecart/sidecart/internal/lease"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/web"
)

const (
	width = 8 // mails being written at once, in one replica

	settleTimeout = 2 * time.Second
	sendTimeout   = lease.JobTime - settleTimeout // finding out, writing and sending; the rest of a job is its commit

	firstPause   = time.Second // before a mail is tried again
	longestPause = 15 * time.Second
)

// writer turns messages that are due into mails.
type writer struct {
	store  *store
	owners owners
	ses    *sesSender
	shop   *url.URL

	operators string // the address for alerts
	limit     *rate.Limiter
	now       func() time.Time
}

func (w *writer) background(pool *pgxpool.Pool) []boot.Task {
	wake := make(chan struct{}, 1)
	return []boot.Task{
		func(ctx context.Context) error {
			return postgres.Listen(ctx, pool, dueChannel, func(string, any) { lease.Wake(wake) })
		},
		func(ctx context.Context) error { return lease.Run(ctx, width, wake, w.store.Lease, w.send) },
	}
}

// send takes one message as far as it goes. A mail whose outcome is not known is tried again, so that a customer may get
// it twice but never not at all.
func (w *writer) send(ctx context.Context, job work) {
	ctx = web.WithTraceParent(ctx, job.Trace)
	log := slog.With("message", job.ID, "template", job.Template, "about", job.About, "tries", job.Tries)
	messageID, err := w.deliver(ctx, job)
	failpoint.Hit("after-ses-before-settle")
	state, reason := Sent, ""
	switch {
	case errors.Is(err, errPointless):
		state, reason = Dropped, err.Error()
	case errors.Is(err, errRefused):
		state, reason = Failed, err.Error()
	case err != nil:
		log.Warn("mail not sent", "error", err.Error())
		if err := w.store.Postpone(ctx, job, pause(job.Tries)); err != nil {
			log.Warn("lease not given back", "error", err) // it ends by itself
		}
		return
	}
	// Until this is saved, the next writer would send again: the window is kept small - who ends alone waits for nobody, who
	// ends while others are being saved shares the next statement - and a short outage of the database is waited for.
	for try := range 5 {
		if err = w.store.Settle(ctx, job.ID, state, reason, messageID); err == nil || ctx.Err() != nil {
			break
		}
		time.Sleep(time.Duration(try+1) * 100 * time.Millisecond)
	}
	switch {
	case err != nil:
		log.Error("mail may be sent again", "error", err)
	case state == Failed:
		log.Error("mail refused", "reason", reason)
	default:
		log.Info("mail "+string(state), "reason", reason)
	}
}

// deliver finds out whom to write to, writes, and sends.
func (w *writer) deliver(ctx context.Context, job work) (messageID string, err error) {
	if w.now().After(job.ExpiresAt) {
		return "", fmt.Errorf("%w: expired", errPointless)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if err := w.limit.Wait(ctx); err != nil {
		return "", fmt.Errorf("wait for the send rate: %w", err)
	}
	m, err := w.write(ctx, job.Message)
	if err != nil {
		return "", err
	}
	return w.ses.Send(ctx, m, job.ID)
}

// write asks the owner of what the message is about and renders it.
func (w *writer) write(ctx context.Context, m Message) (mail, error) {
	if written, mine, err := w.writeAboutAccount(ctx, m); mine {
		return written, err
	}
	if written, mine, err := w.writeAboutStock(ctx, m); mine {
		return written, err
	}
	order, err := w.owners.order(ctx, m.About)
	if err != nil {
		return mail{}, err
	}
	switch {
	case m.Template == "order-paid":
		return paidMail(w.shop, order)
	case m.Template == "order-attention":
		return attentionMail(w.shop, w.operators, order, m.Detail)
	case tidings[m.Template] != nil:
		return newsMail(w.shop, order, m.Template, m.Detail)
	}
	return closedMail(w.shop, order, m.Template)
}

// pause grows from a second to fifteen and is never the same for two.
func pause(tries int) time.Duration {
	d := min(firstPause<<min(tries-1, 10), longestPause)
	return d/2 + rand.N(d/2)
}
