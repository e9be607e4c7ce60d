package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Mail is one that the sandbox's SES took.
type Mail struct {
	ID, To, Subject, HTML, Text string
	SentAt                      time.Time
}

// Entry is one movement of money in the sandbox's ledger.
type Entry struct {
	ID, Kind, PaymentID, OrderID, Currency string
	Amount                                 int64
	At                                     time.Time
}

func sandbox(ctx context.Context, method, path string, body io.Reader, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, SandboxURL()+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("sandbox %s %s: %d %.300s", method, path, resp.StatusCode, b)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

// Mails are those sent to an address, newest first, at most a thousand.
func Mails(ctx context.Context, to string) (mails []Mail, err error) {
	return mails, sandbox(ctx, http.MethodGet, "/api/mails?limit=1000&to="+url.QueryEscape(to), nil, &mails)
}

// AwaitMail polls for a mail to an address whose subject contains a text.
func AwaitMail(ctx context.Context, to, subject string) (Mail, error) {
	for {
		mails, err := Mails(ctx, to)
		for _, m := range mails {
			if strings.Contains(m.Subject, subject) {
				return m, nil
			}
		}
		select {
		case <-ctx.Done():
			return Mail{}, fmt.Errorf("no mail %q to %s among %d: %w", subject, to, len(mails), errors.Join(err, ctx.Err()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// WholeLedger is every movement of money.
func WholeLedger(ctx context.Context) (entries []Entry, err error) {
	return entries, sandbox(ctx, http.MethodGet, "/api/ledger", nil, &entries)
}

// Ledger is every movement of money for an order.
func Ledger(ctx context.Context, orderID string) (entries []Entry, err error) {
	var all []Entry
	if err := sandbox(ctx, http.MethodGet, "/api/ledger?orderId="+url.QueryEscape(orderID), nil, &all); err != nil {
		return nil, err
	}
	for _, e := range all {
		if e.OrderID == orderID {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// SetFaults replaces the sandbox's faults; "" clears them.
func SetFaults(ctx context.Context, document string) error {
	if document == "" {
		return sandbox(ctx, http.MethodDelete, "/api/faults", nil, nil)
	}
	return sandbox(ctx, http.MethodPut, "/api/faults", strings.NewReader(document), nil)
}

// Authenticate is the customer's answer at the page that a payment redirects to, the bank's or PayPal's: yes, or no. It
// returns where the page sends the customer back to.
func Authenticate(ctx context.Context, redirectURL string, yes bool) (back string, err error) {
	outcomes, form := map[bool]string{true: "complete", false: "fail"}, url.Values{}
	if strings.Contains(redirectURL, "/checkoutnow") {
		outcomes = map[bool]string{true: "approve", false: "cancel"}
		form.Set("instrument", "balance")
	}
	form.Set("outcome", outcomes[yes])
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, redirectURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultTransport.RoundTrip(req) // the redirect back to the shop is for a browser
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther && resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s at the provider's page: %s", outcomes[yes], resp.Status)
	}
	return resp.Header.Get("Location"), nil
}

// Dispute is what a customer does who claims the money of an order back behind the shop's back.
func Dispute(ctx context.Context, orderID string) (id string, err error) {
	var opened struct{ ID string }
	err = sandbox(ctx, http.MethodPost, "/api/disputes", strings.NewReader(`{"orderId":"`+orderID+`"}`), &opened)
	return opened.ID, err
}

// Fault is something that goes wrong at the sandbox on request, and how often it has.
type Fault struct {
	Operation   string  `json:"operation"`
	Mode        string  `json:"mode"`
	Probability float64 `json:"probability"`
	Status      int     `json:"status,omitempty"`
	DelayMs     int     `json:"delayMs,omitempty"`
	Copies      int     `json:"copies,omitempty"`
	Struck      int     `json:"struck"`
}

// Faults are those set, with how often each has struck.
func Faults(ctx context.Context) (set struct{ Faults []Fault }, err error) {
	return set, sandbox(ctx, http.MethodGet, "/api/faults", nil, &set)
}
