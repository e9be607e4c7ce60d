package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v82/webhook"
)

// Nobody's signature but Stripe's is taken, and what Stripe has signed is read or refused.
func FuzzStripeWebhook(f *testing.F) {
	for _, body := range []string{
		`{"id":"evt_1","object":"event","type":"payment_intent.succeeded","created":1,"data":{"object":{"id":"pi_1","object":"payment_intent","amount":1999,"currency":"eur","metadata":{"order_id":"o","attempt":"1"}}}}`,
		`{"id":"evt_1","type":"charge.refunded","data":{"object":{"object":"refund","amount":-5}}}`, `{"id":"evt_1","type":"x","data":{"object":{"object":"dispute"}}}`,
		`{"data":null}`, `[]`, ``, `{"id":"e","type":"t","data":{"object":{"object":"payment_intent","amount":"x"}}}`,
	} {
		f.Add("t=1,v1=00", []byte(body))
		f.Add(fmt.Sprintf("t=%d,v1=%s", time.Now().Unix(), strings.Repeat("a", 64)), []byte(body))
	}
	stripe := newStripe("http://127.0.0.1:1", "sk_test_x", "whsec_x")
	f.Fuzz(func(t *testing.T, signature string, body []byte) {
		if _, err := stripe.Verify(t.Context(), http.Header{"Stripe-Signature": {signature}}, body); err == nil {
			t.Fatalf("%q is taken for a signature", signature)
		}
		signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: "whsec_x", Timestamp: time.Now()})
		notice, err := stripe.Verify(t.Context(), http.Header{"Stripe-Signature": {signed.Header}}, body)
		if err == nil && (notice.ID == "" || notice.Type == "") {
			t.Fatalf("%q is %+v", body, notice)
		}
	})
}

func FuzzPayPalEvent(f *testing.F) {
	for _, body := range []string{
		`{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED","resource_type":"capture","create_time":"2026-03-01T12:00:00Z","resource":{"id":"c","invoice_id":"o.1","amount":{"value":"19.99","currency_code":"EUR"},"supplementary_data":{"related_ids":{"order_id":"x"}}}}`,
		`{"id":"WH-1","event_type":"X","resource_type":"refund","resource":{"custom_id":"a.b","amount":{"value":"1e9"}}}`, `{"id":"WH-1","event_type":"X","resource_type":"dispute","resource":{}}`,
		`{"id":"WH-1","event_type":"X","resource_type":"checkout-order","resource":{"purchase_units":[{}]}}`, `{}`, `null`, ``,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		notice, err := readPayPalEvent(body)
		if err == nil && (notice.ID == "" || notice.Type == "") {
			t.Fatalf("%q is %+v", body, notice)
		}
	})
}

// The signature's own headers are read before any certificate is fetched.
func FuzzPayPalSignature(f *testing.F) {
	f.Add("id", time.Now().Format(time.RFC3339), "SHA256withRSA", "AAAA", "http://127.0.0.1:1/cert")
	f.Add("", "yesterday", "none", "%", "file:///etc/passwd")
	api, err := url.Parse("https://api-m.paypal.com")
	if err != nil {
		f.Fatal(err)
	}
	nobody := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) { return nil, errors.New("nothing is fetched here") })}
	paypal := &paypalAPI{now: time.Now, webhookID: "w", certs: newCertificates(nobody, api)}
	f.Fuzz(func(t *testing.T, id, stamp, algorithm, signature, cert string) {
		header := http.Header{}
		for name, value := range map[string]string{
			"Paypal-Transmission-Id": id, "Paypal-Transmission-Time": stamp, "Paypal-Auth-Algo": algorithm, "Paypal-Transmission-Sig": signature, "Paypal-Cert-Url": cert,
		} {
			header.Set(name, value)
		}
		if _, err := paypal.Verify(t.Context(), header, []byte(`{}`)); err == nil {
			t.Fatalf("%v is taken for a signature", header)
		}
	})
}

type roundTripper func(r *http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func FuzzDisputeCursor(f *testing.F) {
	for _, cursor := range []string{"", "1_a", "-1_a", "253370764800000000_x", "99999999999999999999_x", "_", "1"} {
		f.Add(cursor)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		if before, _, err := parseDisputeCursor(cursor); err == nil && (before.Year() > 9999 || before.Year() < 1970) {
			t.Fatalf("%q is %v", cursor, before)
		}
	})
}
