package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// fault is something that goes wrong on request. Which fields a mode uses, and their defaults, is the table modes.
type fault struct {
	Operation   string  `json:"operation"`
	Mode        string  `json:"mode"`
	Count       int     `json:"count,omitempty"`       // how often it strikes; 0 is until it is removed
	Struck      int     `json:"struck"`                // how often it has; set by the sandbox
	Probability float64 `json:"probability,omitempty"` // 0 < p ≤ 1 per request or event; default 1
	Status      int     `json:"status,omitempty"`      // fail: the HTTP status
	Code        string  `json:"code,omitempty"`        // fail: the provider's error code or type
	DelayMs     int     `json:"delayMs,omitempty"`     // timeout, late, delay, reorder
	Copies      int     `json:"copies,omitempty"`      // repeat
}

type faultSet struct {
	Faults []fault `json:"faults"`
}

// mode says what a fault does. Webhook modes apply to the operation "webhook" only, the others to all but that.
type mode struct {
	Name, Does string
	Webhook    bool
	status     int // default; 0 if the mode has no such field
	delayMs    int
	copies     int
}

var modes = []mode{
	{Name: "fail", Does: "answers with status and code; nothing happens", status: 503},
	{Name: "timeout", Does: "does the work, is silent for delayMs, then hangs up", delayMs: 30_000},
	{Name: "late", Does: "does the work and answers delayMs later", delayMs: 5_000},
	{Name: "twice", Does: "does the work and hangs up; the same request sent again is answered"},
	{Name: "lose", Does: "never sends the event", Webhook: true},
	{Name: "delay", Does: "sends the event delayMs later", Webhook: true, delayMs: 5_000},
	{Name: "repeat", Does: "sends the event copies times", Webhook: true, copies: 2},
	{Name: "reorder", Does: "sends the event after the next one, at the latest delayMs later", Webhook: true, delayMs: 5_000},
}

const webhookOperation = "webhook"

var operations = []string{"stripe.create", "stripe.confirm", "stripe.capture", "stripe.cancel", "stripe.refund", "stripe.dispute", "stripe.get",
	"paypal.token", "paypal.create", "paypal.capture", "paypal.refund", "paypal.dispute", "paypal.get", "ses.send", webhookOperation}

var errorCode = regexp.MustCompile(`^[A-Za-z_]{1,64}$`)

// complete fills in defaults and says what is wrong with the fault; field prefixes the names.
func (f *fault) complete(field string) (wrong []problem.FieldError) {
	refuse := func(name, format string, args ...any) {
		wrong = append(wrong, problem.FieldError{Field: field + name, Detail: fmt.Sprintf(format, args...)})
	}
	if !slices.Contains(operations, f.Operation) {
		refuse("operation", "must be one of %s", strings.Join(operations, ", "))
	}
	var fitting []string
	var m mode
	for _, candidate := range modes {
		if candidate.Webhook == (f.Operation == webhookOperation) {
			fitting = append(fitting, candidate.Name)
			if candidate.Name == f.Mode {
				m = candidate
			}
		}
	}
	if m.Name == "" {
		refuse("mode", "must be one of %s", strings.Join(fitting, ", "))
		return wrong
	}
	if f.Count < 0 || f.Count > 1_000_000 {
		refuse("count", "must be from 0 to 1000000, where 0 is until removed")
	}
	if f.Struck < 0 {
		refuse("struck", "must not be negative")
	}
	f.Probability = cmp.Or(f.Probability, 1)
	if !(f.Probability > 0 && f.Probability <= 1) {
		refuse("probability", "must be more than 0 and at most 1")
	}
	number := func(name string, value *int, byDefault, least, most int) {
		switch {
		case byDefault == 0 && *value != 0:
			refuse(name, "has no meaning for %s", m.Name)
		case byDefault != 0 && *value == 0:
			*value = byDefault
		case byDefault != 0 && (*value < least || *value > most):
			refuse(name, "must be from %d to %d", least, most)
		}
	}
	number("status", &f.Status, m.status, 400, 599)
	number("delayMs", &f.DelayMs, m.delayMs, 1, 3_600_000)
	number("copies", &f.Copies, m.copies, 2, 100)
	if f.Code != "" && (m.status == 0 || !errorCode.MatchString(f.Code)) {
		refuse("code", "must be up to 64 letters and underscores, for the mode fail")
	}
	return wrong
}

func (f fault) delay() time.Duration { return time.Duration(f.DelayMs) * time.Millisecond }

// complete checks the whole set.
func (fs *faultSet) complete() error {
	var wrong []problem.FieldError
	if len(fs.Faults) > 100 {
		return problem.New(problem.Invalid, "too-many-faults", "There can be at most 100 faults.")
	}
	for i := range fs.Faults {
		wrong = append(wrong, fs.Faults[i].complete(fmt.Sprintf("faults[%d].", i))...)
	}
	return invalidFault(wrong)
}

func invalidFault(wrong []problem.FieldError) error {
	if len(wrong) == 0 {
		return nil
	}
	return problem.New(problem.Invalid, "invalid-fault", "%s %s.", wrong[0].Field, wrong[0].Detail).WithFields(wrong...)
}

var faultsKey = []byte("faults")

func (t *txn) faults() (faultSet, error) {
	set := faultSet{Faults: []fault{}}
	_, err := t.get(settings, string(faultsKey), &set)
	return set, err
}

// strike picks the first fault of the operation whose turn it is, and counts it.
func (t *txn) strike(operation string) (f fault, struck bool, err error) {
	set, err := t.faults()
	if err != nil {
		return f, false, err
	}
	for i, candidate := range set.Faults {
		used := candidate.Count > 0 && candidate.Struck >= candidate.Count
		if candidate.Operation != operation || used || rand.Float64() >= candidate.Probability {
			continue
		}
		set.Faults[i].Struck++
		return candidate, true, t.put(settings, faultsKey, set)
	}
	return f, false, nil
}

// setFaults replaces all faults, and keeps in memory which operations have one, so that the others cost nothing.
func (s *server) setFaults(change func(*faultSet) error) (set faultSet, err error) {
	err = s.store.update(func(t *txn) error {
		if set, err = t.faults(); err != nil {
			return err
		}
		if err := change(&set); err != nil {
			return err
		}
		if err := set.complete(); err != nil {
			return err
		}
		return t.put(settings, faultsKey, set)
	})
	if err == nil {
		s.watch(set)
	}
	return set, err
}

func (s *server) watch(set faultSet) {
	watched := map[string]bool{}
	for _, f := range set.Faults {
		watched[f.Operation] = true
	}
	s.faulted.Store(&watched)
}

// faulty lets the operation's faults happen to a request. The wrapped handler's answer is held back until it is clear
// whether, and when, it may go out.
func (s *server) faulty(operation string, next web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !(*s.faulted.Load())[operation] {
			return next(w, r)
		}
		fingerprint, err := fingerprintOf(r)
		if err != nil {
			return err
		}
		if s.lost.forget(fingerprint) {
			return next(w, r)
		}
		var f fault
		var struck bool
		if err := s.store.update(func(t *txn) error {
			f, struck, err = t.strike(operation)
			return err
		}); err != nil {
			return err
		}
		switch {
		case !struck:
			return next(w, r)
		case f.Mode == "fail":
			return &injected{f}
		}
		held := &heldAnswer{ResponseWriter: w, status: http.StatusOK}
		if err := next(held, r); err != nil {
			return err
		}
		switch f.Mode {
		case "twice":
			s.lost.remember(fingerprint)
			panic(http.ErrAbortHandler)
		case "timeout":
			s.sleep(r.Context(), f.delay())
			panic(http.ErrAbortHandler)
		default:
			s.sleep(r.Context(), f.delay())
			held.release()
			return nil
		}
	}
}

// injected is the error of the fault mode fail; each API has its own words for it.
type injected struct{ fault }

func (e *injected) Error() string { return "fault on request: " + e.Operation }

// asStripe is what Stripe would say with this status.
func (e *injected) asStripe() *stripeError {
	out := &stripeError{status: e.Status, Type: "api_error", Code: e.Code, Message: "The sandbox was asked to fail here."}
	switch {
	case e.Status == http.StatusPaymentRequired:
		out.Type, out.Code = "card_error", cmp.Or(e.Code, "card_declined")
	case e.Status == http.StatusTooManyRequests:
		out.Type, out.Code = "invalid_request_error", cmp.Or(e.Code, "rate_limit")
	case e.Status < 500:
		out.Type = "invalid_request_error"
	}
	return out
}

// heldAnswer keeps status and body until release; headers are set on the real answer meanwhile.
type heldAnswer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (h *heldAnswer) WriteHeader(status int)      { h.status = status }
func (h *heldAnswer) Write(b []byte) (int, error) { return h.body.Write(b) }
func (h *heldAnswer) release() {
	h.ResponseWriter.WriteHeader(h.status)
	_, _ = h.ResponseWriter.Write(h.body.Bytes()) // the client may have stopped waiting
}

func fingerprintOf(r *http.Request) ([sha256.Size]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("read body: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	head := r.Method + " " + r.URL.RequestURI() + "\n" + r.Header.Get("Idempotency-Key") + r.Header.Get("PayPal-Request-Id") + "\n"
	return sha256.Sum256(append([]byte(head), body...)), nil
}
