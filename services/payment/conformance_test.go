package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/services/payment/payment"
)

func anAttempt(method string) payment.Attempt {
	name := "stripe"
	if method == "paypal" {
		name = "paypal"
	}
	return payment.Attempt{
		ID: newID(), OrderID: uuid.NewString(), Number: 1, Provider: name, Method: method, Amount: price,
		ReturnURL: "https://shop.example/orders/1", State: payment.Started,
	}
}

// outside is a provider as the suite finds it, with customers who do what they are told.
type outside struct {
	provider
	good, bad, approved      string                               // methods: paid at once or after approval; refused; always to be approved
	hopeless                 payment.Attempt                      // that no provider takes in this form
	customer                 func(t *testing.T, page, act string) // nil: nobody can approve; act is approve, decline or leave
	faults                   func(t *testing.T, document string)  // nil: nothing goes wrong; "" ends it
	create, refund, approval string                               // names of the faults' operations: what begins, refunds, takes the money
}

// step asks as the worker does: it begins, looks, and takes what is approved.
func (o *outside) step(ctx context.Context, a payment.Attempt, reference string) (payment.Answer, error) {
	var ans payment.Answer
	var err error
	if reference == "" {
		ans, err = o.Charge(ctx, a)
	} else {
		ans, err = o.Find(ctx, reference)
	}
	if err == nil && ans.Outcome == payment.OutcomeApproved {
		a.Reference = ans.Reference
		ans, err = o.Charge(ctx, a)
	}
	return ans, err
}

// pay lets an attempt come to its end, with the customer acting where that is needed.
func (o *outside) pay(t *testing.T, a payment.Attempt, act string) payment.Answer {
	t.Helper()
	ans, err := o.step(t.Context(), a, "")
	require.NoError(t, err)
	if ans.Outcome == payment.OutcomeActionRequired {
		o.customer(t, ans.RedirectURL, act)
		ans, err = o.step(t.Context(), a, ans.Reference)
		require.NoError(t, err)
	}
	return ans
}

// conformance is what payment relies on, whoever answers as the provider.
func conformance(t *testing.T, o *outside) {
	ctx := t.Context()
	t.Run("a charge, ten times, is one", func(t *testing.T) {
		a := anAttempt(o.good)
		first := o.pay(t, a, "approve")
		require.Equal(t, payment.OutcomeCaptured, first.Outcome)
		require.Equal(t, price, first.Amount)
		a.Reference = first.Reference
		for range 10 {
			again, err := o.step(ctx, a, "")
			require.NoError(t, err)
			require.Equal(t, first, again)
		}
		found, err := o.Find(ctx, first.Reference)
		require.NoError(t, err)
		require.Equal(t, first, found)
		books, err := o.Books(ctx, time.Now().Add(-time.Minute), time.Now().Add(time.Minute), []string{first.Reference, "PI-NOSUCH"})
		require.NoError(t, err)
		var entries []entry
		for _, e := range books {
			if e.OrderID == a.OrderID {
				entries = append(entries, e)
			}
		}
		require.Len(t, entries, 1)
		require.Equal(t, []any{1, price, money.Must(0, "EUR")}, []any{entries[0].Attempt, entries[0].Captured, entries[0].Refunded})
	})
	t.Run("ten at once under one key begin one payment", func(t *testing.T) {
		a := anAttempt(o.good)
		references := map[string]bool{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if ans, err := o.Charge(ctx, a); err == nil { // an error: still running, unknown
					mu.Lock()
					defer mu.Unlock()
					references[ans.Reference] = true
				}
			})
		}
		all.Wait()
		require.Len(t, references, 1)
	})
	t.Run("yen have no digits after the point", func(t *testing.T) {
		a := anAttempt(o.good)
		a.Amount = money.Must(1500, "JPY")
		require.Equal(t, a.Amount, o.pay(t, a, "approve").Amount)
	})
	t.Run("a refusal is final and has a reason", func(t *testing.T) {
		ans := o.pay(t, anAttempt(o.bad), "decline")
		require.Equal(t, payment.OutcomeFailed, ans.Outcome)
		require.Contains(t, []string{"card_declined", "instrument_declined"}, ans.Code)
		require.NotEmpty(t, ans.Reference)
	})
	t.Run("a request that can never be accepted", func(t *testing.T) {
		ans, err := o.Charge(ctx, o.hopeless)
		require.NoError(t, err)
		require.Equal(t, payment.OutcomeFailed, ans.Outcome)
		require.NotEmpty(t, ans.Code)
	})
	t.Run("an approval that never comes is given up", func(t *testing.T) {
		a := anAttempt(o.approved)
		for range 2 {
			ans, err := o.step(ctx, a, "")
			require.NoError(t, err)
			require.Equal(t, payment.OutcomeActionRequired, ans.Outcome)
			require.True(t, webAddress(ans.RedirectURL), ans.RedirectURL)
			a.Reference = ans.Reference
		}
		ans := payment.Answer{Reference: a.Reference}
		for range 2 {
			voided, err := o.Void(ctx, ans.Reference)
			require.NoError(t, err)
			require.Equal(t, payment.OutcomeVoided, voided.Outcome)
		}
	})
	if o.customer != nil {
		t.Run("an approval is asked for, given, and given up", func(t *testing.T) {
			a := anAttempt(o.approved)
			require.Equal(t, payment.OutcomeCaptured, o.pay(t, a, "approve").Outcome)
			left := o.pay(t, anAttempt(o.approved), "leave")
			require.Contains(t, []payment.Outcome{payment.OutcomeActionRequired, payment.OutcomeFailed}, left.Outcome)
		})
	}
	t.Run("what has taken money cannot be voided, and says so", func(t *testing.T) {
		ans := o.pay(t, anAttempt(o.good), "approve")
		voided, err := o.Void(ctx, ans.Reference)
		require.NoError(t, err)
		require.Equal(t, ans, voided)
	})
	t.Run("an attempt that never arrived", func(t *testing.T) {
		_, err := o.Search(ctx, anAttempt(o.good), time.Now().Add(-time.Minute), time.Now())
		require.ErrorIs(t, err, errAbsent)
	})
	t.Run("refunds in parts, each once, and no more than was taken", func(t *testing.T) {
		a := anAttempt(o.good)
		paid := o.pay(t, a, "approve")
		part := payment.Refund{ID: newID(), OrderID: a.OrderID, Amount: money.Must(1200, "EUR")}
		_, err := o.FindRefund(ctx, part, paid.Reference)
		require.ErrorIs(t, err, errAbsent)
		for range 3 {
			ans, err := o.Refund(ctx, part, paid.Reference)
			require.NoError(t, err)
			require.Equal(t, payment.Refunded, ans.State)
			require.Equal(t, part.Amount, ans.Amount)
			found, err := o.FindRefund(ctx, part, paid.Reference)
			require.NoError(t, err)
			require.Equal(t, ans, found)
			known := part
			known.Reference = ans.Reference
			found, err = o.FindRefund(ctx, known, paid.Reference)
			require.NoError(t, err)
			require.Equal(t, ans, found)
		}
		tooMuch, err := o.Refund(ctx, payment.Refund{ID: newID(), OrderID: a.OrderID, Amount: money.Must(800, "EUR")}, paid.Reference)
		require.NoError(t, err)
		require.Equal(t, payment.RefundFailed, tooMuch.State)
		rest, err := o.Refund(ctx, payment.Refund{ID: newID(), OrderID: a.OrderID, Amount: money.Must(799, "EUR")}, paid.Reference)
		require.NoError(t, err)
		require.Equal(t, payment.Refunded, rest.State)
		books, err := o.Books(ctx, time.Now().Add(-time.Minute), time.Now().Add(time.Minute), []string{paid.Reference})
		require.NoError(t, err)
		for _, e := range books {
			if e.OrderID == a.OrderID {
				require.Equal(t, price, e.Refunded)
			}
		}
		after, err := o.Find(ctx, paid.Reference)
		require.NoError(t, err)
		require.Equal(t, paid, after, "what was refunded was captured all the same")
	})
	if o.faults == nil {
		return
	}
	for _, mode := range []string{`"mode":"timeout","delayMs":20`, `"mode":"twice"`, `"mode":"fail","status":500`, `"mode":"fail","status":429`} {
		t.Run("an answer that is lost is unknown, and asked for by key: "+mode, func(t *testing.T) {
			a := anAttempt(o.good)
			lose := func(operation string) { o.faults(t, `{"faults":[{"operation":"`+operation+`",`+mode+`,"count":1}]}`) }
			unknown := func(err error) { // net/http asks again by itself under Stripe's key, on a connection that was used before
				require.True(t, err == nil && a.Provider == "stripe" || errors.Is(err, errAway), "%v", err)
			}
			defer o.faults(t, "")
			lose(o.create)
			_, err := o.Charge(ctx, a)
			unknown(err)
			paid, err := o.step(ctx, a, "")
			require.NoError(t, err)
			if paid.Outcome == payment.OutcomeActionRequired {
				o.customer(t, paid.RedirectURL, "approve")
				lose(o.approval)
				_, err = o.step(ctx, a, paid.Reference)
				unknown(err)
				paid, err = o.step(ctx, a, paid.Reference)
				require.NoError(t, err)
			}
			require.Equal(t, payment.OutcomeCaptured, paid.Outcome)

			back := payment.Refund{ID: newID(), OrderID: a.OrderID, Amount: price}
			lose(o.refund)
			_, err = o.Refund(ctx, back, paid.Reference)
			unknown(err)
			if strings.Contains(mode, "fail") {
				_, err = o.FindRefund(ctx, back, paid.Reference)
				require.ErrorIs(t, err, errAbsent)
			}
			ans, err := o.Refund(ctx, back, paid.Reference)
			require.NoError(t, err)
			require.Equal(t, payment.Refunded, ans.State)
			found, err := o.FindRefund(ctx, back, paid.Reference)
			require.NoError(t, err)
			require.Equal(t, ans, found)
		})
	}
}

func TestFakeConforms(t *testing.T) {
	conformance(t, &outside{
		provider: newFakeStripe(t).adapter(), good: "pm_card_visa", bad: "pm_card_visa_chargeDeclined", approved: "pm_card_threeDSecure2Required",
		hopeless: anAttempt("pm_nosuch"),
	})
}

func TestStripeItselfConforms(t *testing.T) {
	key := os.Getenv("STRIPE_TEST_KEY")
	if !strings.HasPrefix(key, "sk_test_") {
		t.Skip("set STRIPE_TEST_KEY=sk_test_… to run against Stripe's test mode")
	}
	conformance(t, &outside{
		provider: newStripe("", key, webhookSecret), good: "pm_card_visa", bad: "pm_card_visa_chargeDeclined", approved: "pm_card_threeDSecure2Required",
		hopeless: anAttempt("pm_nosuch"),
	})
}

// sandboxed is the sandbox as a process of its own, and what it told by webhook.
type sandboxed struct {
	address string
	stripe  *stripeAPI
	paypal  *paypalAPI

	mu   sync.Mutex
	hear func(provider string, header http.Header, body []byte) int // answers a webhook
}

var (
	built          string // the folder of what tests have built
	sandboxProgram = sync.OnceValues(buildSandbox)
)

func buildSandbox() (program string, err error) {
	if built, err = os.MkdirTemp("", "sandbox"); err != nil {
		return "", err
	}
	program = filepath.Join(built, "sandbox")
	out, err := exec.Command("go", "build", "-o", program, "../../sandbox").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return program, err
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

func newSandboxed(t *testing.T) *sandboxed {
	if testing.Short() {
		t.Skip("builds and starts the sandbox")
	}
	program, err := sandboxProgram()
	require.NoError(t, err)
	s := &sandboxed{hear: func(string, http.Header, []byte) int { return http.StatusNoContent }}
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		hear := s.hear
		s.mu.Unlock()
		w.WriteHeader(hear(strings.TrimPrefix(r.URL.Path, "/webhooks/"), r.Header, body))
	}))
	t.Cleanup(shop.Close)
	for try := 1; s.address == ""; try++ { // a port that was free may be taken by the time that the sandbox wants it
		require.LessOrEqual(t, try, 10, "the sandbox does not start")
		s.address = startSandbox(t, program, shop.URL)
	}
	s.stripe = newStripe(s.address, "sk_test_sandbox", webhookSecret)
	s.paypal, err = newPayPal(s.address, "sandbox-client", "sandbox-secret", "WEBHOOK-1")
	require.NoError(t, err)
	return s
}

// startSandbox returns the sandbox's address once it says that it is up; "" if it ended instead.
func startSandbox(t *testing.T, program, shop string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().String()
	require.NoError(t, listener.Close())
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "SANDBOX_ADDR="+addr, "SANDBOX_DATA="+filepath.Join(t.TempDir(), "sandbox.db"), "SANDBOX_PUBLIC_URL=http://"+addr,
		"SANDBOX_STRIPE_KEY=sk_test_sandbox", "SANDBOX_STRIPE_WEBHOOK_SECRET="+webhookSecret, "SANDBOX_STRIPE_WEBHOOK_URL="+shop+"/webhooks/stripe",
		"SANDBOX_PAYPAL_CLIENT_ID=sandbox-client", "SANDBOX_PAYPAL_CLIENT_SECRET=sandbox-secret", "SANDBOX_PAYPAL_WEBHOOK_ID=WEBHOOK-1",
		"SANDBOX_PAYPAL_WEBHOOK_URL="+shop+"/webhooks/paypal")
	log, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if !awaitLine(log, "sandbox is up") {
		return ""
	}
	return "http://" + addr
}

// awaitLine reads a program's log until a line contains text, and goes on reading what follows.
func awaitLine(log io.Reader, text string) bool {
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if strings.Contains(lines.Text(), text) {
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return true
		}
	}
	return false
}

func (s *sandboxed) onWebhook(hear func(provider string, header http.Header, body []byte) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hear = hear
}

// json calls the sandbox's own API.
func (s *sandboxed) json(t *testing.T, method, path, body string, out any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.address+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Less(t, resp.StatusCode, 300, string(answer))
	if out != nil {
		require.NoError(t, json.Unmarshal(answer, out))
	}
}

func (s *sandboxed) faults(t *testing.T, document string) {
	t.Helper()
	if document == "" {
		s.json(t, http.MethodDelete, "/api/faults", "", nil)
		return
	}
	s.json(t, http.MethodPut, "/api/faults", document, nil)
}

// customer acts at the page that a provider sent her to, and returns where she is sent back to.
func (s *sandboxed) customer(t *testing.T, page, act string) string {
	t.Helper()
	form := url.Values{}
	switch stripe := strings.Contains(page, "/authenticate/"); {
	case stripe:
		form.Set("outcome", map[string]string{"approve": "complete", "decline": "fail", "leave": "fail"}[act])
	case act == "decline":
		form.Set("outcome", "approve")
		form.Set("instrument", "declined")
	case act == "review":
		form.Set("outcome", "approve")
		form.Set("instrument", "reviewed")
	default:
		form.Set("outcome", map[string]string{"approve": "approve", "leave": "cancel"}[act])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.PostForm(page, form)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusSeeOther, resp.StatusCode)
	return resp.Header.Get("Location")
}

func (s *sandboxed) outside(name string) *outside {
	o := &outside{
		provider: s.stripe, hopeless: anAttempt("pm_nosuch"), good: "pm_card_visa", bad: "pm_card_visa_chargeDeclined", approved: "pm_card_threeDSecure2Required",
		create: "stripe.create", refund: "stripe.refund", faults: s.faults,
		customer: func(t *testing.T, page, act string) { s.customer(t, page, act) },
	}
	if name == "paypal" {
		o.provider, o.good, o.bad, o.approved = s.paypal, "paypal", "paypal", "paypal"
		o.hopeless = anAttempt("paypal")
		o.hopeless.Amount = money.Must(500, "KWD") // a currency that PayPal does not know
		o.create, o.refund, o.approval = "paypal.create", "paypal.refund", "paypal.capture"
	}
	return o
}

func TestSandboxConforms(t *testing.T) {
	s := newSandboxed(t)
	for _, name := range []string{"stripe", "paypal"} {
		t.Run(name, func(t *testing.T) { conformance(t, s.outside(name)) })
	}
}

func TestSandboxTellsByWebhookWhatItAnswers(t *testing.T) {
	s := newSandboxed(t)
	notices := make(chan Notice, 100)
	s.onWebhook(func(name string, header http.Header, body []byte) int {
		notice, err := map[string]provider{"stripe": s.stripe, "paypal": s.paypal}[name].Verify(context.Background(), header, body)
		if err != nil {
			t.Errorf("webhook of %s: %v", name, err)
		}
		notices <- notice
		return http.StatusNoContent
	})
	await := func(t *testing.T, what string, wanted func(Notice) bool) {
		t.Helper()
		for deadline := time.After(10 * time.Second); ; {
			select {
			case n := <-notices:
				if wanted(n) {
					return
				}
			case <-deadline:
				t.Fatal("never heard of " + what)
			}
		}
	}
	for _, name := range []string{"stripe", "paypal"} {
		t.Run(name, func(t *testing.T) {
			o := s.outside(name)
			a := anAttempt(o.good)
			ans := o.pay(t, a, "approve")
			await(t, "the capture", func(n Notice) bool {
				return n.OrderID == a.OrderID && n.Attempt == 1 && n.Answer != nil && *n.Answer == ans
			})
			back := payment.Refund{ID: newID(), OrderID: a.OrderID, Amount: price}
			_, err := o.Refund(t.Context(), back, ans.Reference)
			require.NoError(t, err)
			await(t, "the refund", func(n Notice) bool {
				return n.OrderID == a.OrderID && n.RefundID == back.ID && n.Refund.State == payment.Refunded && n.Refund.Amount == price
			})
			var opened struct{ ID string }
			s.json(t, http.MethodPost, "/api/disputes", `{"orderId":"`+a.OrderID+`"}`, &opened)
			for _, outcome := range []string{"", "review", "lost"} {
				if outcome != "" {
					s.json(t, http.MethodPut, "/api/disputes/"+opened.ID, `{"outcome":"`+outcome+`"}`, nil)
				}
				state := map[string]DisputeState{"lost": DisputeLost}[outcome]
				await(t, "the dispute "+outcome, func(n Notice) bool {
					return n.Dispute != nil && n.Dispute.ID == opened.ID && n.Dispute.Amount == price && n.Dispute.State == cmp.Or(state, DisputeOpen) &&
						(n.Dispute.Reference == ans.Reference || n.Dispute.OrderID == a.OrderID && n.Dispute.Attempt == 1)
				})
			}
		})
	}
	t.Run("a review that is denied", func(t *testing.T) {
		a := anAttempt("paypal")
		o := s.outside("paypal")
		ans := o.pay(t, a, "review")
		require.Equal(t, payment.OutcomePending, ans.Outcome)
		voided, err := o.Void(t.Context(), ans.Reference)
		require.NoError(t, err)
		require.Equal(t, payment.OutcomePending, voided.Outcome, "what PayPal has is not ours to give up")
		order, err := s.paypal.order(t.Context(), ans.Reference)
		require.NoError(t, err)
		capture, ok := order.capture()
		require.True(t, ok)
		s.json(t, http.MethodPut, "/api/paypal/captures/"+capture.ID, `{"outcome":"deny"}`, nil)
		await(t, "the denial", func(n Notice) bool {
			return n.Type == "PAYMENT.CAPTURE.DENIED" && n.OrderID == a.OrderID && n.Answer.Outcome == payment.OutcomeFailed
		})
		found, err := o.Find(t.Context(), ans.Reference)
		require.NoError(t, err)
		require.Equal(t, payment.OutcomeFailed, found.Outcome)
	})
}
