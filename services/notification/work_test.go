package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/postgres/postgrestest"
	"github.com/sidecart/sidecart/internal/problem"
)

// fakeSES takes mails in the wire form of SES v2, or refuses with an error type and status.
type fakeSES struct {
	*httptest.Server
	mu      sync.Mutex
	sent    []sentMail
	asked   int
	refusal string // error type; "" sends
	status  int
	lose    int // answers to lose after the mail was taken
}

type sentMail struct {
	FromEmailAddress string
	Destination      struct{ ToAddresses []string }
	Content          struct {
		Simple struct {
			Subject struct{ Data string }
			Body    struct{ Html, Text struct{ Data string } }
			Headers []struct{ Name, Value string }
		}
	}
}

func newFakeSES(t *testing.T) *fakeSES {
	f := &fakeSES{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.asked++
		if f.refusal != "" {
			w.Header().Set("X-Amzn-ErrorType", f.refusal)
			w.WriteHeader(f.status)
			_, _ = w.Write([]byte(`{"message":"Address anna@example.com is on no list of ours."}`))
			return
		}
		var m sentMail
		if r.URL.Path != "/v2/email/outbound-emails" || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") || json.NewDecoder(r.Body).Decode(&m) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		f.sent = append(f.sent, m)
		if f.lose > 0 {
			f.lose--
			panic(http.ErrAbortHandler)
		}
		_, _ = fmt.Fprintf(w, `{"MessageId":"ses-%d"}`, len(f.sent))
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeSES) refuse(kind string, status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusal, f.status = kind, status
}

// mails is what was sent so far.
func (f *fakeSES) mails() []sentMail {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sent)
}

func (f *fakeSES) counts() (sent, asked int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sent), f.asked
}

// desk is notification on a real database, with fakes for SES and the owners of the data.
type desk struct {
	*testing.T
	pool   *pgxpool.Pool
	ses    *fakeSES
	writer *writer
	answer func(app, path string) (any, error) // of the owners
}

func newDesk(t *testing.T) *desk {
	t.Parallel()
	d := &desk{T: t, pool: postgrestest.New(t, migrations()), ses: newFakeSES(t)}
	d.answer = func(app, path string) (any, error) {
		switch {
		case app == "auth" && strings.HasPrefix(path, "POST /verification-mails/"):
			return tokenMail{"anna@example.com", "Anna", "secret-token-" + uuid.NewString()}, nil
		case app == "ordering" && strings.HasPrefix(path, "GET /orders/") && strings.HasSuffix(path, "/summary"):
			return anOrder(), nil
		}
		return nil, problem.New(problem.NotFound, "no-such-route", "")
	}
	call := func(_ context.Context, app, method, path string, _, out any) error {
		v, err := d.answer(app, method+" "+path)
		if err != nil {
			return err
		}
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return json.Unmarshal(b, out)
	}
	d.writer = &writer{
		store: newStore(d.pool), owners: owners{call}, ses: newSES(d.ses.URL, "eu-central-1", "id", "key", "shop@sidecart.example"),
		shop: shop, operators: "operators@sidecart.example", limit: rate.NewLimiter(rate.Inf, 1), now: time.Now,
	}
	return d
}

// start runs the background work of one replica until the test ends.
func (d *desk) start() {
	ctx, cancel := context.WithCancel(d.Context())
	var tasks sync.WaitGroup
	for _, task := range d.writer.background(d.pool) {
		tasks.Go(func() { _ = task(ctx) })
	}
	d.Cleanup(func() { cancel(); tasks.Wait() })
}

// hear applies a fact as the subscription would, without the inbox in front of it.
func (d *desk) hear(eventID string, fact events.Fact) error {
	data, err := json.Marshal(fact)
	require.NoError(d, err)
	for _, s := range subscriptions() {
		if s.Topic == fact.Topic() {
			return postgres.InTx(d.Context(), d.pool, func(tx pgx.Tx) error {
				return s.Apply(d.Context(), tx, events.Envelope{ID: eventID, Type: s.Topic, Data: data})
			})
		}
	}
	d.Fatalf("nobody hears %s", fact.Topic())
	return nil
}

func (d *desk) messages() []Message {
	d.Helper()
	found, err := d.writer.store.List(d.Context(), "", 100)
	require.NoError(d, err)
	return found
}

func (d *desk) await(state State) Message {
	d.Helper()
	require.Eventually(d, func() bool { m := d.messages(); return len(m) == 1 && m[0].State == state }, 10*time.Second, 10*time.Millisecond, "%s", state)
	return d.messages()[0]
}

func paid() events.OrderPaid {
	return events.OrderPaid{OrderID: anOrder().ID, Number: anOrder().Number, CustomerID: "customer-1", Total: anOrder().Total}
}

func TestHeardTenTimesMailedOnce(tt *testing.T) {
	d := newDesk(tt)
	d.start()
	d.start()
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if err := d.hear("event-1", paid()); err != nil {
				d.Error(err)
			}
		})
	}
	all.Wait()
	m := d.await(Sent)
	require.Equal(tt, "ses-1", m.MessageID)
	require.False(tt, m.SentAt.IsZero())
	for range 10 {
		require.NoError(tt, d.hear("event-1", paid()))
	}
	require.NoError(tt, d.hear("event-2", events.OrderClosed{OrderID: anOrder().ID, CustomerID: "customer-1", Status: "cancelled"}))
	require.Eventually(tt, func() bool { sent, _ := d.ses.counts(); return sent == 2 }, 10*time.Second, 10*time.Millisecond)
	require.Equal(tt, "Order SC-2026-TEST001 is paid", d.ses.mails()[0].Content.Simple.Subject.Data)
	require.Equal(tt, "Your order SC-2026-TEST001 is cancelled", d.ses.mails()[1].Content.Simple.Subject.Data)
	require.Equal(tt, []string{"anna@example.com"}, d.ses.mails()[0].Destination.ToAddresses)
	require.Equal(tt, "shop@sidecart.example", d.ses.mails()[0].FromEmailAddress)
}

func placed() events.OrderPlaced {
	return events.OrderPlaced{OrderID: anOrder().ID, Number: anOrder().Number, CustomerID: "customer-1", Total: anOrder().Total}
}

// states are the messages by template.
func (d *desk) states() map[string]State {
	d.Helper()
	found := map[string]State{}
	for _, m := range d.messages() {
		found[m.Template] = m.State
	}
	return found
}

// Who pays at once gets one mail, whichever fact is heard first.
func TestPaidAtOnceCostsOneMail(tt *testing.T) {
	for name, facts := range map[string][]events.Fact{
		"in order": {placed(), paid()}, "overtaken": {paid(), placed()},
		"closed":           {placed(), events.OrderClosed{OrderID: anOrder().ID, CustomerID: "customer-1", Status: "expired"}},
		"closed, unplaced": {events.OrderClosed{OrderID: anOrder().ID, CustomerID: "customer-1", Status: "expired"}, placed()},
	} {
		tt.Run(name, func(tt *testing.T) {
			d := newDesk(tt)
			for i, f := range facts {
				for range 3 {
					require.NoError(tt, d.hear(fmt.Sprint("event-", i), f))
				}
			}
			_, err := d.pool.Exec(tt.Context(), `update messages set due_at = now() where due_at is not null`)
			require.NoError(tt, err)
			d.start()
			require.Eventually(tt, func() bool { sent, _ := d.ses.counts(); return sent == 1 }, 10*time.Second, 10*time.Millisecond)
			require.Eventually(tt, func() bool {
				for template, state := range d.states() {
					if state != map[bool]State{true: Dropped, false: Sent}[template == "order-placed"] {
						return false
					}
				}
				return true
			}, 10*time.Second, 10*time.Millisecond)
			require.NotContains(tt, d.ses.mails()[0].Content.Simple.Subject.Data, "received")
		})
	}
}

// Who still has to approve the payment hears at least that the order has arrived here.
func TestPlacedAndNotPaidIsTold(tt *testing.T) {
	d := newDesk(tt)
	require.NoError(tt, d.hear("event-1", placed()))
	none, err := d.writer.store.Lease(tt.Context(), 10)
	require.NoError(tt, err)
	require.Empty(tt, none, "not yet")
	_, err = d.pool.Exec(tt.Context(), `update messages set due_at = now()`)
	require.NoError(tt, err)
	d.start()
	d.await(Sent)
	require.Equal(tt, "We have received your order SC-2026-TEST001", d.ses.mails()[0].Content.Simple.Subject.Data)

	// The receipt follows, and nothing is dropped that was sent.
	require.NoError(tt, d.hear("event-2", paid()))
	require.Eventually(tt, func() bool { sent, _ := d.ses.counts(); return sent == 2 }, 10*time.Second, 10*time.Millisecond)
	require.Eventually(tt, func() bool { return d.states()["order-paid"] == Sent && d.states()["order-placed"] == Sent }, 10*time.Second, 10*time.Millisecond)
}

func TestTheMailOfANewOrderWaitsHalfAMinute(tt *testing.T) {
	d := newDesk(tt)
	require.NoError(tt, d.hear("event-1", placed()))
	var waits float64
	require.NoError(tt, d.pool.QueryRow(tt.Context(), `select extract(epoch from due_at - created_at)::float8 from messages`).Scan(&waits))
	require.InDelta(tt, 30, waits, 1)
}

func TestMailsOfAnOrdersLaterLife(tt *testing.T) {
	d := newDesk(tt)
	d.start()
	o, back := anOrder(), anOrder().Returns[0].ID
	for i, f := range []events.Fact{
		events.OrderShipped{OrderID: o.ID, CustomerID: "c", Carrier: "DHL"},
		events.OrderDelivered{OrderID: o.ID, CustomerID: "c"},
		events.ReturnRequested{OrderID: o.ID, CustomerID: "c", ReturnID: back},
		events.ReturnDecided{OrderID: o.ID, CustomerID: "c", ReturnID: back, Approved: true},
		events.ReturnDecided{OrderID: o.ID, CustomerID: "c", ReturnID: back},
		events.OrderRefunded{OrderID: o.ID, CustomerID: "c", RefundID: "refund-1", Amount: o.Repaid["refund-1"]},
		events.OrderAttention{OrderID: o.ID, Number: o.Number, Reason: "refund-not-confirmed"},
	} {
		require.NoError(tt, d.hear(fmt.Sprint("event-", i), f))
	}
	require.Eventually(tt, func() bool { sent, _ := d.ses.counts(); return sent == 7 }, 10*time.Second, 10*time.Millisecond)
	to := map[string]string{}
	for _, m := range d.ses.mails() {
		to[m.Content.Simple.Subject.Data] = m.Destination.ToAddresses[0]
	}
	require.Equal(tt, map[string]string{
		"Your order SC-2026-TEST001 is on its way":                "anna@example.com",
		"Your order SC-2026-TEST001 has arrived":                  "anna@example.com",
		"Your return of order SC-2026-TEST001":                    "anna@example.com",
		"Your return of order SC-2026-TEST001 cannot be accepted": "anna@example.com",
		"Your return of order SC-2026-TEST001 is approved":        "anna@example.com",
		"€5.00 of your order SC-2026-TEST001 went back to you":    "anna@example.com",
		"Order SC-2026-TEST001 needs attention":                   "operators@sidecart.example",
	}, to)
}

func TestVerificationLeavesNoTrace(tt *testing.T) {
	d := newDesk(tt)
	d.start()
	require.NoError(tt, d.hear("event-1", events.VerificationRequested{RequestID: "request-1", AccountID: "account-1"}))
	d.await(Sent)
	require.Contains(tt, d.ses.mails()[0].Content.Simple.Body.Text.Data, "https://shop.example/verify-email?token=secret-token-")
	var rows string
	require.NoError(tt, d.pool.QueryRow(tt.Context(), `select string_agg(m::text, ' ') from messages m`).Scan(&rows))
	for _, personal := range []string{"secret-token", "anna", "Anna", "<html"} {
		require.NotContains(tt, rows, personal)
	}
}

func TestSESDownThenSentOnce(tt *testing.T) {
	d := newDesk(tt)
	d.ses.refuse("InternalServiceErrorException", http.StatusInternalServerError)
	d.start()
	require.NoError(tt, d.hear("event-1", paid()))
	require.Eventually(tt, func() bool { _, asked := d.ses.counts(); return asked >= 2 }, 15*time.Second, 10*time.Millisecond)
	require.Equal(tt, Waiting, d.messages()[0].State)
	d.ses.refuse("TooManyRequestsException", http.StatusTooManyRequests)
	_, before := d.ses.counts()
	require.Eventually(tt, func() bool { _, asked := d.ses.counts(); return asked > before }, 15*time.Second, 10*time.Millisecond)
	d.ses.refuse("", 0)
	require.GreaterOrEqual(tt, d.await(Sent).Tries, 3)
	sent, _ := d.ses.counts()
	require.Equal(tt, 1, sent)
}

func TestWhatSESWillNeverTake(tt *testing.T) {
	for kind, status := range map[string]int{"MessageRejected": 400, "BadRequestException": 400} {
		tt.Run(kind, func(tt *testing.T) {
			d := newDesk(tt)
			d.ses.refuse(kind, status)
			d.start()
			require.NoError(tt, d.hear("event-1", paid()))
			m := d.await(Failed)
			require.Contains(tt, m.Reason, kind)
			require.NotContains(tt, m.Reason, "anna", "SES quotes addresses in its errors; we do not keep them")
			_, asked := d.ses.counts()
			require.Equal(tt, 1, asked, "neither we nor the SDK try again")
		})
	}
}

// What may be a mistake of the operators ends when they mend it.
func TestWhatOperatorsCanMend(tt *testing.T) {
	for _, kind := range []string{"AccountSuspendedException", "MailFromDomainNotVerifiedException", "SendingPausedException", "NotFoundException", "UnrecognizedClientException"} {
		require.NotErrorIs(tt, sesErrorOf(tt, kind), errRefused, kind)
	}
}

func sesErrorOf(t *testing.T, kind string) error {
	fake := newFakeSES(t)
	fake.refuse(kind, http.StatusBadRequest)
	_, err := newSES(fake.URL, "eu-central-1", "id", "key", "shop@sidecart.example").Send(t.Context(), mail{To: "anna@example.com"}, "m")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "anna")
	return err
}

// The answer of SES is lost: the mail is sent again, since a mail too many is better than none.
func TestLostAnswerRepeatsTheMail(tt *testing.T) {
	d := newDesk(tt)
	d.ses.lose = 1
	d.start()
	require.NoError(tt, d.hear("event-1", paid()))
	d.await(Sent)
	sent, _ := d.ses.counts()
	require.Equal(tt, 2, sent)
}

func TestMailsOfNoUseAreDropped(tt *testing.T) {
	expired := func(d *desk) {
		_, err := d.pool.Exec(d.Context(), `update messages set expires_at = now() - interval '1 second'`)
		require.NoError(d, err)
	}
	gone := func(d *desk) {
		d.answer = func(string, string) (any, error) {
			return nil, fmt.Errorf("call auth: %w", problem.New(problem.NotFound, "verification-not-needed", "Already verified."))
		}
	}
	for name, spoil := range map[string]func(*desk){"older than its use": expired, "no longer needed": gone} {
		tt.Run(name, func(tt *testing.T) {
			d := newDesk(tt)
			require.NoError(tt, d.hear("event-1", events.VerificationRequested{RequestID: "request-1", AccountID: "account-1"}))
			spoil(d)
			d.start()
			require.NotEmpty(tt, d.await(Dropped).Reason)
			_, asked := d.ses.counts()
			require.Zero(tt, asked)
		})
	}
}

func TestVerificationsExpireAfterADay(tt *testing.T) {
	d := newDesk(tt)
	require.NoError(tt, d.hear("event-1", events.VerificationRequested{RequestID: "request-1", AccountID: "account-1"}))
	m := d.messages()[0]
	require.WithinDuration(tt, m.CreatedAt.Add(24*time.Hour), m.ExpiresAt, time.Minute)
}

func TestOwnerAway(tt *testing.T) {
	d := newDesk(tt)
	answer := d.answer
	var mu sync.Mutex
	away := 2
	d.answer = func(app, path string) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		if away--; away >= 0 {
			// An answer of a router, not of the owner: a release under way, not an order that is gone.
			return nil, problem.New([]problem.Kind{problem.NotFound, problem.Unavailable}[away], []string{"no-such-route", "service-unavailable"}[away], "")
		}
		return answer(app, path)
	}
	d.start()
	require.NoError(tt, d.hear("event-1", paid()))
	d.await(Sent)
	sent, _ := d.ses.counts()
	require.Equal(tt, 1, sent)
}

// Whoever registers while a thousand orders are being told of waits for none of their mails.
func TestWhoWaitsForAMailIsServedFirst(tt *testing.T) {
	d := newDesk(tt)
	for i := range 20 {
		order := paid()
		order.OrderID = fmt.Sprintf("%s%02d", order.OrderID[:len(order.OrderID)-2], i)
		require.NoError(tt, d.hear(fmt.Sprint("event-", i), order))
	}
	require.NoError(tt, postgres.InTx(tt.Context(), d.pool, func(tx pgx.Tx) error {
		return owe(tt.Context(), tx, Message{EventID: "event-20", Template: "verify-email", Recipient: "user-1", About: "request-1"})
	}))
	jobs, err := d.writer.store.Lease(tt.Context(), 1)
	require.NoError(tt, err)
	require.Len(tt, jobs, 1)
	require.Equal(tt, "verify-email", jobs[0].Template)
	require.True(tt, jobs[0].ExpiresAt.After(time.Now().Add(verificationLife-time.Minute)), "it is as good for as long as any")
}

// A writer dies after it leased a message; another takes over after the lease.
func TestKilledWhileWriting(tt *testing.T) {
	d := newDesk(tt)
	require.NoError(tt, d.hear("event-1", paid()))
	jobs, err := d.writer.store.Lease(tt.Context(), 10)
	require.NoError(tt, err)
	require.Len(tt, jobs, 1)
	again, err := d.writer.store.Lease(tt.Context(), 10)
	require.NoError(tt, err)
	require.Empty(tt, again)
	_, err = d.pool.Exec(tt.Context(), `update messages set leased_until = now() - interval '1 second'`)
	require.NoError(tt, err)
	d.start()
	d.await(Sent)
	require.NoError(tt, d.writer.store.Postpone(tt.Context(), jobs[0], 0), "the dead one was only slow")
	require.NoError(tt, d.writer.store.Settle(tt.Context(), jobs[0].ID, Failed, "late", ""))
	require.Equal(tt, Sent, d.messages()[0].State, "what was sent stays sent")
}

func TestSendRate(tt *testing.T) {
	d := newDesk(tt)
	d.writer.limit = rate.NewLimiter(20, 1)
	for i := range 11 {
		require.NoError(tt, d.hear(fmt.Sprint("event-", i), paid()))
	}
	start := time.Now()
	d.start()
	require.Eventually(tt, func() bool { sent, _ := d.ses.counts(); return sent == 11 }, 10*time.Second, time.Millisecond)
	require.GreaterOrEqual(tt, time.Since(start), 500*time.Millisecond)
}

func TestMalformedFacts(tt *testing.T) {
	d := newDesk(tt)
	for _, fact := range []events.Fact{
		events.VerificationRequested{}, events.VerificationRequested{RequestID: "r"}, events.VerificationRequested{AccountID: "a"},
		events.OrderClosed{}, events.OrderClosed{OrderID: "o", Status: "expired"}, events.OrderPlaced{OrderID: "o", Total: anOrder().Total}, events.OrderShipped{CustomerID: "c"},
		events.OrderDelivered{}, events.OrderRefunded{OrderID: "o", CustomerID: "c", Amount: anOrder().Total}, events.ReturnRequested{OrderID: "o", CustomerID: "c"},
		events.ReturnDecided{OrderID: "o", CustomerID: "c"}, events.OrderAttention{OrderID: "o"}, events.OrderAttention{Reason: "r"},
	} {
		require.ErrorIs(tt, d.hear("event-1", fact), events.ErrMalformed)
	}
	for _, s := range subscriptions() {
		require.ErrorIs(tt, s.Apply(tt.Context(), nil, events.Envelope{ID: "e", Data: []byte(`{"orderId":`)}), events.ErrMalformed)
	}
	require.Empty(tt, d.messages())
}

func TestWaysToCloseThatHaveNoWordsYet(tt *testing.T) {
	d := newDesk(tt)
	d.start()
	require.NoError(tt, d.hear("event-1", events.OrderClosed{OrderID: anOrder().ID, CustomerID: "c", Status: "lost_at_sea"}))
	require.Equal(tt, "order-closed", d.await(Sent).Template)
}
