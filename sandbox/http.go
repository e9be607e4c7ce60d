package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

type server struct {
	config       config
	store        *store
	courier      *courier
	paypalSigner *signer
	now          func() time.Time
	inFlight     sync.Map // idempotency keys being answered
	faulted      atomic.Pointer[map[string]bool]
	lost         lostAnswers
}

// newServer wires the sandbox and resumes what an earlier run left undone; ctx ends its background work.
func newServer(ctx context.Context, cfg config, st *store, now func() time.Time) (*server, error) {
	s := &server{config: cfg, store: st, now: now, paypalSigner: &signer{store: st, apiURL: cfg.apiURL, webhookID: cfg.paypalWebhookID, now: now}}
	endpoints := map[string]endpoint{}
	if cfg.webhookURL != "" {
		endpoints[stripeHooks] = endpoint{cfg.webhookURL, signStripe(cfg.webhookSecret, now)}
	}
	if cfg.paypalWebhookURL != "" {
		endpoints[paypalHooks] = endpoint{cfg.paypalWebhookURL, s.paypalSigner.sign}
	}
	s.courier = newCourier(ctx, cfg, endpoints, st, now)
	if err := st.view(func(t *txn) error {
		set, err := t.faults()
		s.watch(set)
		return err
	}); err != nil {
		return nil, err
	}
	return s, s.courier.resume()
}

//go:embed static
var static embed.FS

func (s *server) routes() http.Handler {
	r := web.Router()
	get, post := http.MethodGet, http.MethodPost

	r.Handle("/v1/payment_intents", s.change("stripe.create", createParams, s.createIntent)).Methods(post)
	r.Handle("/v1/payment_intents", s.read("stripe.get", []string{"limit", "starting_after", "created"}, s.listIntents)).Methods(get)
	r.Handle("/v1/payment_intents/search", s.read("stripe.get", []string{"query", "limit"}, s.searchIntents)).Methods(get)
	r.Handle("/v1/payment_intents/{id}", s.read("stripe.get", []string{"client_secret"}, s.getIntent)).Methods(get)
	r.Handle("/v1/payment_intents/{id}/confirm", s.change("stripe.confirm", confirmParams, s.confirmIntent)).Methods(post)
	r.Handle("/v1/payment_intents/{id}/capture", s.change("stripe.capture", captureParams, s.captureIntent)).Methods(post)
	r.Handle("/v1/payment_intents/{id}/cancel", s.change("stripe.cancel", []string{"cancellation_reason"}, s.cancelIntent)).Methods(post)
	r.Handle("/v1/refunds", s.change("stripe.refund", refundParams, s.createRefund)).Methods(post)
	r.Handle("/v1/refunds", s.read("stripe.get", []string{"payment_intent", "limit"}, s.listRefunds)).Methods(get)
	r.Handle("/v1/refunds/{id}", s.read("stripe.get", nil, s.getRefund)).Methods(get)
	r.Handle("/v1/disputes", s.read("stripe.get", []string{"payment_intent", "limit"}, s.listStripeDisputes)).Methods(get)
	r.Handle("/v1/disputes/{id}", s.read("stripe.get", nil, s.getStripeDispute)).Methods(get)
	r.Handle("/v1/disputes/{id}", s.change("stripe.dispute", []string{"evidence", "submit", "metadata"}, s.answerStripeDispute)).Methods(post)
	r.Handle("/v1/disputes/{id}/close", s.change("stripe.dispute", nil, s.closeStripeDispute)).Methods(post)

	r.Handle("/v1/oauth2/token", s.paypalAnswers(s.faulty("paypal.token", s.grantToken))).Methods(post)
	r.Handle("/v2/checkout/orders", s.paypalChange("paypal.create", http.StatusCreated, s.createOrder)).Methods(post)
	r.Handle("/v2/checkout/orders/{id}", s.paypalRead("paypal.get", s.getOrder)).Methods(get)
	r.Handle("/v2/checkout/orders/{id}/capture", s.paypalChange("paypal.capture", http.StatusCreated, s.captureOrder)).Methods(post)
	r.Handle("/v2/payments/captures/{id}", s.paypalRead("paypal.get", s.getCapture)).Methods(get)
	r.Handle("/v2/payments/captures/{id}/refund", s.paypalChange("paypal.refund", http.StatusCreated, s.refundCapture)).Methods(post)
	r.Handle("/v2/payments/refunds/{id}", s.paypalRead("paypal.get", s.getPayPalRefund)).Methods(get)
	r.Handle("/v1/customer/disputes/{id}", s.paypalRead("paypal.get", s.getPayPalDispute)).Methods(get)
	r.Handle("/v1/customer/disputes/{id}/accept-claim", s.paypalChange("paypal.dispute", http.StatusOK, s.acceptClaim)).Methods(post)
	r.Handle("/v1/customer/disputes/{id}/adjudicate", s.paypalChange("paypal.dispute", http.StatusOK, s.adjudicate)).Methods(post)
	r.Handle("/v1/notifications/certs/{id}", web.Handler(s.showCertificate)).Methods(get)
	for _, prefix := range []string{"/v1/oauth2/", "/v2/checkout/", "/v2/payments/", "/v1/customer/", "/v1/notifications/"} {
		r.PathPrefix(prefix).Handler(s.paypalAPI(s.noSuchPayPalCall))
	}
	r.PathPrefix("/v1/").Handler(s.stripeAPI(s.noSuchCall))

	r.Handle("/v2/email/outbound-emails", s.sesAPI(s.faulty("ses.send", s.sendEmail))).Methods(post)
	r.PathPrefix("/v2/").Handler(s.sesAPI(s.noSuchMailCall))

	r.Handle("/api/ledger", web.Handler(s.listMovements)).Methods(get)
	r.Handle("/api/mails", web.Handler(s.listMails)).Methods(get)
	r.Handle("/api/disputes", web.Handler(s.listDisputes)).Methods(get)
	r.Handle("/api/disputes", web.Handler(s.openDispute)).Methods(post)
	r.Handle("/api/disputes/{id}", web.Handler(s.decideDispute)).Methods(http.MethodPut)
	r.Handle("/api/paypal/captures/{id}", web.Handler(s.reviewCapture)).Methods(http.MethodPut)
	r.Handle("/api/faults", web.Handler(s.getFaults)).Methods(get)
	r.Handle("/api/faults", web.Handler(s.putFaults)).Methods(http.MethodPut)
	r.Handle("/api/faults", web.Handler(s.deleteFaults)).Methods(http.MethodDelete)

	r.Handle("/", web.Handler(s.inboxPage)).Methods(get)
	r.Handle("/mails/{id:[0-9]+}", web.Handler(s.mailPage)).Methods(get)
	r.Handle("/mails/{id:[0-9]+}/body", web.Handler(s.mailBody)).Methods(get)
	r.Handle("/ledger", web.Handler(s.ledgerPage)).Methods(get)
	r.Handle("/faults", web.Handler(s.faultsPage)).Methods(get)
	r.Handle("/faults", web.Handler(s.addFault)).Methods(post)
	r.Handle("/faults/removal", web.Handler(s.removeFault)).Methods(post)
	r.Handle("/disputes", web.Handler(s.disputesPage)).Methods(get)
	r.Handle("/disputes", web.Handler(s.changeDispute)).Methods(post)
	r.Handle("/checkoutnow", web.Handler(s.approvalPage)).Methods(get)
	r.Handle("/checkoutnow", web.Handler(s.answerApproval)).Methods(post)
	r.Handle("/authenticate/{id}", web.Handler(s.authenticatePage)).Methods(get)
	r.Handle("/authenticate/{id}", web.Handler(s.authenticate)).Methods(post)
	r.PathPrefix("/static/").Handler(http.FileServerFS(static)).Methods(get)

	r.HandleFunc("/livez", func(http.ResponseWriter, *http.Request) {}).Methods(get)
	r.Handle("/readyz", web.Handler(s.ready)).Methods(get)
	return web.Trace(web.Log(pageSafety(r)))
}

// ready answers when the store can be read.
func (s *server) ready(w http.ResponseWriter, _ *http.Request) error {
	if err := s.store.view(func(*txn) error { return nil }); err != nil {
		return problem.New(problem.Unavailable, "store-unavailable", "The sandbox cannot read its state.")
	}
	return nil
}

// listMovements is the ledger, newest first: all of it, for it is the judge of who was charged; ?orderId= narrows it.
func (s *server) listMovements(w http.ResponseWriter, r *http.Request) error {
	var found []movement
	if err := s.store.view(func(t *txn) (err error) {
		found, err = t.movements(r.URL.Query().Get("orderId"), 0)
		return err
	}); err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, found)
}

// listMails lists mails, newest first; ?to= is a recipient's whole address in any case, ?limit= is 100 unless given.
func (s *server) listMails(w http.ResponseWriter, r *http.Request) error {
	limit, err := web.Limit(r, 100, 1000)
	if err != nil {
		return err
	}
	to := strings.ReplaceAll(r.URL.Query().Get("to"), " ", "+") // a plus that the caller forgot to escape
	var found []mail
	if err := s.store.view(func(t *txn) (err error) {
		found, err = t.mails(to, limit, func(mail) bool { return true })
		return err
	}); err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, found)
}

// getFaults shows the faults and how often each has struck.
func (s *server) getFaults(w http.ResponseWriter, _ *http.Request) error {
	var set faultSet
	if err := s.store.view(func(t *txn) (err error) {
		set, err = t.faults()
		return err
	}); err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, set)
}

// putFaults replaces all faults.
func (s *server) putFaults(w http.ResponseWriter, r *http.Request) error {
	req := faultSet{Faults: []fault{}}
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	set, err := s.setFaults(func(set *faultSet) error {
		*set = req
		return nil
	})
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, set)
}

// deleteFaults makes everything work again.
func (s *server) deleteFaults(w http.ResponseWriter, _ *http.Request) error {
	if _, err := s.setFaults(func(set *faultSet) error {
		set.Faults = []fault{}
		return nil
	}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// housekeeping forgets old idempotency keys, hourly.
func (s *server) housekeeping(ctx context.Context) {
	for {
		if err := s.store.update(func(t *txn) error { return t.forgetAnswers(s.now().Add(-keptFor)) }); err != nil {
			slog.Error("housekeeping", "error", err)
		}
		s.sleep(ctx, time.Hour)
		if ctx.Err() != nil {
			return
		}
	}
}

// sleep waits for d or the end of ctx.
func (s *server) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// lostAnswers are the requests whose answer the fault mode twice has swallowed, each until it is sent again.
type lostAnswers struct {
	mu  sync.Mutex
	set map[[sha256.Size]byte]bool
}

func (l *lostAnswers) remember(request [sha256.Size]byte) {
	const most = 10_000 // callers that never try again must not fill the memory
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.set == nil || len(l.set) >= most {
		l.set = map[[sha256.Size]byte]bool{}
	}
	l.set[request] = true
}

func (l *lostAnswers) forget(request [sha256.Size]byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := l.set[request]
	delete(l.set, request)
	return found
}
