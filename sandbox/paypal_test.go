package main

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// paypalSigned checks a webhook as PayPal's documentation has it checked.
func paypalSigned(header http.Header, body []byte) error {
	resp, err := http.Get(header.Get("PAYPAL-CERT-URL"))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("no certificate at %s", header.Get("PAYPAL-CERT-URL"))
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	if header.Get("PAYPAL-AUTH-ALGO") != "SHA256withRSA" {
		return errors.New("another algorithm")
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|WH-SHOP|%d", header.Get("PAYPAL-TRANSMISSION-ID"), header.Get("PAYPAL-TRANSMISSION-TIME"), crc32.ChecksumIEEE(body)))
	signature, err := base64.StdEncoding.DecodeString(header.Get("PAYPAL-TRANSMISSION-SIG"))
	if err != nil {
		return err
	}
	return rsa.VerifyPKCS1v15(certificate.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], signature)
}

// told waits for n events of PayPal's and returns their types in the order of arrival.
func (s *shop) toldTypes(t testing.TB, n int) (types []string) {
	t.Helper()
	require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.told) >= n }, 5*time.Second, 5*time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.told {
		types = append(types, e.EventType)
	}
	return types
}

type object = map[string]any

// paypal calls PayPal's API with a token; headers are pairs.
func (s *sandbox) paypal(method, path, body string, headers ...string) (status int, answer object) {
	s.t.Helper()
	req, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	require.NoError(s.t, err)
	req.Header.Set("Authorization", "Bearer "+s.server.newToken(time.Now().Add(time.Hour)))
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.Client().Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, json.Unmarshal(raw, &answer), string(raw))
	return resp.StatusCode, answer
}

func issue(answer object) string {
	details, _ := answer["details"].([]any)
	if len(details) == 0 {
		return ""
	}
	return details[0].(object)["issue"].(string)
}

const orderBody = `{"intent":"CAPTURE","purchase_units":[{"custom_id":"o1","invoice_id":"o1:1","amount":{"currency_code":"EUR","value":"49.99"}}],
	"payment_source":{"paypal":{"experience_context":{"return_url":"http://shop.example/orders/o1?x=1","cancel_url":"http://shop.example/orders/o1?left"}}}}`

func link(answer object, rel string) string {
	for _, l := range answer["links"].([]any) {
		if l.(object)["rel"] == rel {
			return l.(object)["href"].(string)
		}
	}
	return ""
}

// approve does what a customer does at the approval page; it returns where she is sent.
func (s *sandbox) approve(page, outcome, instrument string) string {
	s.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.PostForm(page, url.Values{"outcome": {outcome}, "instrument": {instrument}})
	require.NoError(s.t, err)
	defer resp.Body.Close()
	require.Equal(s.t, http.StatusSeeOther, resp.StatusCode)
	return resp.Header.Get("Location")
}

func TestPayPalTokens(t *testing.T) {
	s := newSandbox(t)
	grant := func(id, secret, form string) (int, object) {
		req, err := http.NewRequest(http.MethodPost, s.URL+"/v1/oauth2/token", strings.NewReader(form))
		require.NoError(t, err)
		req.SetBasicAuth(id, secret)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := s.Client().Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		var answer object
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
		return resp.StatusCode, answer
	}
	status, answer := grant("client", "secret", "grant_type=client_credentials")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "Bearer", answer["token_type"])
	require.EqualValues(t, 9*60*60, answer["expires_in"])
	token := answer["access_token"].(string)
	status, _ = s.paypal("GET", "/v2/checkout/orders/X", "", "Authorization", "Bearer "+token)
	require.Equal(t, http.StatusNotFound, status, "the token is good")
	status, answer = grant("client", "wrong", "grant_type=client_credentials")
	require.Equal(t, []any{401, "invalid_client"}, []any{status, answer["error"]})
	status, answer = grant("client", "secret", "grant_type=password")
	require.Equal(t, []any{400, "unsupported_grant_type"}, []any{status, answer["error"]})
	for name, bad := range map[string]string{
		"none": "", "garbage": "Bearer x", "forged": "Bearer A21AAzzzzzz_x", "ended": "Bearer " + s.server.newToken(time.Now().Add(-time.Second)),
		"changed": "Bearer " + strings.Replace(token, "A21AA", "A21AA1", 1), "stripe's": "Bearer " + testKey,
	} {
		status, answer := s.paypal("GET", "/v2/checkout/orders/X", "", "Authorization", bad)
		require.Equal(t, []any{401, "AUTHENTICATION_FAILURE"}, []any{status, answer["name"]}, name)
	}
}

func TestPayPalOrderFromCreationToRefund(t *testing.T) {
	s := newSandbox(t)
	status, order := s.paypal("POST", "/v2/checkout/orders", orderBody, "PayPal-Request-Id", "k1")
	require.Equal(t, http.StatusCreated, status)
	require.Equal(t, "PAYER_ACTION_REQUIRED", order["status"])
	require.NotContains(t, order, "purchase_units", "Prefer: return=minimal is the default")
	id := order["id"].(string)
	require.Len(t, id, 17)
	require.Equal(t, s.URL+"/checkoutnow?token="+id, link(order, "payer-action"))
	status, again := s.paypal("POST", "/v2/checkout/orders", orderBody, "PayPal-Request-Id", "k1")
	require.Equal(t, []any{200, id}, []any{status, again["id"]}, "the same request again is not another order")
	self := "/v2/checkout/orders/" + id

	status, refusal := s.paypal("POST", self+"/capture", "")
	require.Equal(t, []any{422, "UNPROCESSABLE_ENTITY", "ORDER_NOT_APPROVED"}, []any{status, refusal["name"], issue(refusal)})
	require.NotEmpty(t, refusal["debug_id"])
	require.Equal(t, "http://shop.example/orders/o1?left=&token="+id, s.approve(link(order, "payer-action"), "cancel", ""))
	_, got := s.paypal("GET", self, "")
	require.Equal(t, "PAYER_ACTION_REQUIRED", got["status"], "who cancels may come back")
	back := s.approve(link(order, "payer-action"), "approve", "declined")
	require.Equal(t, "http://shop.example/orders/o1?PayerID=SANDBOXPAYER7&token="+id+"&x=1", back)
	status, refusal = s.paypal("POST", self+"/capture", "{}", "PayPal-Request-Id", "c1")
	require.Equal(t, []any{422, "INSTRUMENT_DECLINED"}, []any{status, issue(refusal)})
	require.Equal(t, link(order, "payer-action"), link(refusal, "redirect"), "she may choose another instrument")
	require.Empty(t, s.kinds("o1"))

	s.approve(link(order, "payer-action"), "approve", "balance")
	_, got = s.paypal("GET", self, "")
	require.Equal(t, "APPROVED", got["status"])
	unit := got["purchase_units"].([]any)[0].(object)
	require.Equal(t, []any{"o1", "o1:1", "default", object{"currency_code": "EUR", "value": "49.99"}},
		[]any{unit["custom_id"], unit["invoice_id"], unit["reference_id"], unit["amount"]})
	status, captured := s.paypal("POST", self+"/capture", "{}", "PayPal-Request-Id", "c1")
	require.Equal(t, []any{201, "COMPLETED"}, []any{status, captured["status"]}, "a refusal does not use the key up")
	status, _ = s.paypal("POST", self+"/capture", "{}", "PayPal-Request-Id", "c1")
	require.Equal(t, 200, status)
	_, refusal = s.paypal("POST", self+"/capture", "{}", "PayPal-Request-Id", "c2")
	require.Equal(t, "ORDER_ALREADY_CAPTURED", issue(refusal))
	capture := captured["purchase_units"].([]any)[0].(object)["payments"].(object)["captures"].([]any)[0].(object)
	require.Equal(t, []any{"COMPLETED", true, "o1:1"}, []any{capture["status"], capture["final_capture"], capture["invoice_id"]})

	refunds := "/v2/payments/captures/" + capture["id"].(string) + "/refund"
	_, refusal = s.paypal("POST", refunds, `{"amount":{"currency_code":"USD","value":"1.00"}}`)
	require.Equal(t, "REFUND_CAPTURE_CURRENCY_MISMATCH", issue(refusal))
	_, refusal = s.paypal("POST", refunds, `{"custom_id":"no spaces"}`)
	require.Equal(t, "INVALID_PARAMETER_SYNTAX", issue(refusal))
	status, part := s.paypal("POST", refunds, `{"amount":{"currency_code":"EUR","value":"20.00"},"custom_id":"r1"}`, "PayPal-Request-Id", "r1", "Prefer", "return=representation")
	require.Equal(t, []any{201, "COMPLETED", "r1"}, []any{status, part["status"], part["custom_id"]})
	_, repeated := s.paypal("POST", refunds, `{"amount":{"currency_code":"EUR","value":"20.00"},"custom_id":"r1"}`, "PayPal-Request-Id", "r1")
	require.Equal(t, part["id"], repeated["id"])
	_, refusal = s.paypal("POST", refunds, `{"amount":{"currency_code":"EUR","value":"30.00"}}`)
	require.Equal(t, "REFUND_AMOUNT_EXCEEDED", issue(refusal))
	_, refund := s.paypal("GET", "/v2/payments/refunds/"+part["id"].(string), "")
	require.Equal(t, object{"currency_code": "EUR", "value": "20.00"}, refund["amount"])
	status, rest := s.paypal("POST", refunds, "")
	require.Equal(t, 201, status)
	require.NotContains(t, rest, "amount")
	_, refusal = s.paypal("POST", refunds, "")
	require.Equal(t, "CAPTURE_FULLY_REFUNDED", issue(refusal))
	_, got = s.paypal("GET", "/v2/payments/captures/"+capture["id"].(string), "")
	require.Equal(t, "REFUNDED", got["status"])
	require.Equal(t, []string{"capture", "refund", "refund"}, s.kinds("o1"))
	require.ElementsMatch(t, []string{"CHECKOUT.ORDER.APPROVED", "CHECKOUT.ORDER.APPROVED", "PAYMENT.CAPTURE.COMPLETED", "PAYMENT.CAPTURE.REFUNDED", "PAYMENT.CAPTURE.REFUNDED"},
		s.shop.toldTypes(t, 5))
}

func TestPayPalRefusesGarbage(t *testing.T) {
	s := newSandbox(t)
	amount := func(currency, value string) string {
		return `{"intent":"CAPTURE","purchase_units":[{"amount":{"currency_code":"` + currency + `","value":"` + value + `"}}]}`
	}
	for body, want := range map[string]string{
		`garbage`: "400 MALFORMED_REQUEST_JSON", `[]`: "400 MALFORMED_REQUEST_JSON", `{}`: "400 MISSING_REQUIRED_PARAMETER",
		`{"intent":"CAPTURE"}`: "400 MISSING_REQUIRED_PARAMETER", `{"intent":"TAKE","purchase_units":[{}]}`: "400 INVALID_PARAMETER_VALUE",
		`{"intent":"CAPTURE","purchase_units":[{},{}]}`: "400 INVALID_ARRAY_MAX_ITEMS", `{"intent":"CAPTURE","purchase_units":[{}]}`: "400 MISSING_REQUIRED_PARAMETER",
		amount("EURO", "1.00"): "400 INVALID_STRING_LENGTH", amount("EUR", "1,00"): "400 INVALID_PARAMETER_SYNTAX", amount("EUR", "NaN"): "400 INVALID_PARAMETER_SYNTAX",
		amount("KWD", "1.000"): "422 CURRENCY_NOT_SUPPORTED", amount("EUR", "1.001"): "422 DECIMAL_PRECISION", amount("JPY", "1.5"): "422 DECIMAL_PRECISION",
		amount("EUR", "0.00"): "422 CANNOT_BE_ZERO_OR_NEGATIVE", amount("EUR", "-1.00"): "422 CANNOT_BE_ZERO_OR_NEGATIVE", amount("EUR", "10000000.00"): "422 MAX_VALUE_EXCEEDED",
		strings.Replace(orderBody, "http://shop.example/orders/o1?x=1", "javascript:alert(1)", 1): "400 INVALID_PARAMETER_SYNTAX",
		strings.Replace(orderBody, "o1:1", strings.Repeat("x", 128), 1):                           "400 INVALID_STRING_LENGTH",
	} {
		status, answer := s.paypal("POST", "/v2/checkout/orders", body)
		require.Equal(t, want, fmt.Sprint(status, " ", issue(answer)), body)
	}
	status, order := s.paypal("POST", "/v2/checkout/orders", amount("JPY", "1500"))
	require.Equal(t, []any{201, "CREATED"}, []any{status, order["status"]})
	require.NotEmpty(t, link(order, "approve"))
	require.NotEmpty(t, link(order, "capture"))

	status, answer := s.paypal("POST", "/v2/checkout/orders", orderBody, "Content-Type", "text/plain")
	require.Equal(t, []any{415, "UNSUPPORTED_MEDIA_TYPE"}, []any{status, answer["name"]})
	status, answer = s.paypal("POST", "/v2/checkout/orders", orderBody, "PayPal-Request-Id", strings.Repeat("k", 109))
	require.Equal(t, []any{400, "INVALID_STRING_LENGTH"}, []any{status, issue(answer)})
	status, answer = s.paypal("POST", "/v2/checkout/orders", orderBody, "PayPal-Mock-Response", `{"mock_application_codes":"INTERNAL_SERVER_ERROR"}`)
	require.Equal(t, []any{500, "INTERNAL_SERVER_ERROR"}, []any{status, answer["name"]})
	for _, path := range []string{"/v2/checkout/orders/X", "/v2/payments/captures/X", "/v2/payments/refunds/X", "/v1/customer/disputes/X", "/v2/checkout/x", "/v1/notifications/x"} {
		status, answer := s.paypal("GET", path, "")
		require.Equal(t, []any{404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID"}, []any{status, answer["name"], issue(answer)}, path)
	}
	s.page("/checkoutnow?token=X", http.StatusNotFound)
	s.page("/v1/notifications/certs/CERT-x", http.StatusNotFound)
}

// Two orders of one invoice, which a shop that forgot the first might make: only one of them is paid.
func TestPayPalTakesAnInvoiceOnce(t *testing.T) {
	s := newSandbox(t)
	var issues []string
	for range 2 {
		_, order := s.paypal("POST", "/v2/checkout/orders", orderBody)
		s.approve(link(order, "payer-action"), "approve", "balance")
		_, answer := s.paypal("POST", "/v2/checkout/orders/"+order["id"].(string)+"/capture", "{}")
		issues = append(issues, issue(answer))
	}
	require.Equal(t, []string{"", "DUPLICATE_INVOICE_ID"}, issues)
	require.Equal(t, []string{"capture"}, s.kinds("o1"))
}

func TestPayPalCapturesOnceUnderManyRequests(t *testing.T) {
	s := newSandbox(t)
	_, order := s.paypal("POST", "/v2/checkout/orders", orderBody)
	s.approve(link(order, "payer-action"), "approve", "balance")
	s.faults(`{"operation":"paypal.capture","mode":"twice","count":2}`)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			req, _ := http.NewRequest(http.MethodPost, s.URL+"/v2/checkout/orders/"+order["id"].(string)+"/capture", strings.NewReader("{}"))
			req.Header.Set("Authorization", "Bearer "+s.server.newToken(time.Now().Add(time.Hour)))
			req.Header.Set("PayPal-Request-Id", fmt.Sprint("k", i%3))
			if resp, err := s.Client().Do(req); err == nil {
				resp.Body.Close()
			}
		})
	}
	all.Wait()
	require.Equal(t, []string{"capture"}, s.kinds("o1"))
}

func TestPayPalRemembersEverythingAfterARestart(t *testing.T) {
	s := newSandbox(t)
	_, order := s.paypal("POST", "/v2/checkout/orders", orderBody, "PayPal-Request-Id", "k1")
	s.approve(link(order, "payer-action"), "approve", "balance")
	s.shop.toldTypes(t, 1)
	token := s.server.newToken(time.Now().Add(time.Hour))
	key, err := s.server.paypalSigner.key()
	require.NoError(t, err)
	again := s.restart()
	kept, err := again.server.paypalSigner.key()
	require.NoError(t, err)
	require.Equal(t, key.Certificate, kept.Certificate)
	status, same := again.paypal("POST", "/v2/checkout/orders", orderBody, "PayPal-Request-Id", "k1", "Authorization", "Bearer "+token)
	require.Equal(t, []any{200, order["id"]}, []any{status, same["id"]})
	status, _ = again.paypal("POST", "/v2/checkout/orders/"+order["id"].(string)+"/capture", "{}")
	require.Equal(t, 201, status)
	require.Equal(t, []string{"capture"}, again.kinds("o1"))
}

func TestReviewedPayPalPayments(t *testing.T) {
	s := newSandbox(t)
	for i, outcome := range []string{"complete", "deny"} {
		order := fmt.Sprint("o", i)
		_, created := s.paypal("POST", "/v2/checkout/orders", strings.ReplaceAll(orderBody, "o1", order))
		s.approve(link(created, "payer-action"), "approve", "reviewed")
		_, captured := s.paypal("POST", "/v2/checkout/orders/"+created["id"].(string)+"/capture", "{}")
		capture := captured["purchase_units"].([]any)[0].(object)["payments"].(object)["captures"].([]any)[0].(object)
		require.Equal(t, []any{"PENDING", object{"reason": "PENDING_REVIEW"}}, []any{capture["status"], capture["status_details"]})
		_, refusal := s.paypal("POST", "/v2/payments/captures/"+capture["id"].(string)+"/refund", "")
		require.Equal(t, "PENDING_CAPTURE", issue(refusal))
		require.Empty(t, s.kinds(order))
		path := "/api/paypal/captures/" + capture["id"].(string)
		s.json(http.MethodPut, path, `{"outcome":"perhaps"}`, http.StatusBadRequest, nil)
		for range 2 {
			s.json(http.MethodPut, path, `{"outcome":"`+outcome+`"}`, http.StatusNoContent, nil)
		}
		require.Equal(t, map[string][]string{"complete": {"capture"}, "deny": {}}[outcome], s.kinds(order))
	}
	s.json(http.MethodPut, "/api/paypal/captures/X", `{"outcome":"deny"}`, http.StatusNotFound, nil)
	require.Subset(t, s.shop.toldTypes(t, 6), []string{"PAYMENT.CAPTURE.PENDING", "PAYMENT.CAPTURE.COMPLETED", "PAYMENT.CAPTURE.DENIED"})
}

// Whatever is asked of an order, in whatever order, its money adds up.
func TestPayPalMoneyAlwaysAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(1_800_000_000, 0)
		p := &paypalPayment{ID: "O", Status: paypalCreated, CustomID: "o1", Minor: rapid.Int64Range(1, 100_000).Draw(t, "amount"), Currency: "EUR"}
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				p.approve(rapid.SampledFrom([]string{instrumentBalance, instrumentDeclined, instrumentReviewed}).Draw(t, "instrument"), at)
			case 2:
				_ = p.take(at)
			case 3:
				p.review(rapid.Bool().Draw(t, "accepted"), at)
			default:
				if p.Capture != nil {
					_, _ = p.sendBack(rapid.Int64Range(0, 100_000).Draw(t, "refund"), paypalRefund{}, at)
				}
			}
			sum := total{}
			for _, m := range p.movements {
				require.Positive(t, m.Amount)
				sum.add(m)
			}
			require.LessOrEqual(t, sum.Captures, 1)
			require.LessOrEqual(t, sum.Refunded, sum.Captured)
			require.Contains(t, []int64{0, p.Minor}, sum.Captured)
			require.Equal(t, p.Capture != nil, p.Status == paypalCompleted)
		}
	})
}

func TestApprovalPageIsForPeople(t *testing.T) {
	s := newSandbox(t)
	_, order := s.paypal("POST", "/v2/checkout/orders", strings.ReplaceAll(orderBody, `"o1"`, `"<o1>"`))
	body, _ := s.page("/checkoutnow?token="+order["id"].(string), http.StatusOK)
	for _, shown := range []string{"49.99 EUR", "&lt;o1&gt;", "shop.example", ">Approve</button>", ">Cancel</button>", "<select"} {
		require.Contains(t, body, shown)
	}
	s.approve(link(order, "payer-action"), "approve", "")
	body, _ = s.page("/checkoutnow?token="+order["id"].(string), http.StatusOK)
	require.Contains(t, body, "nothing to approve")
	for _, form := range []url.Values{{"outcome": {"x"}}, {"outcome": {"approve"}, "instrument": {"gold"}}, {}} {
		resp, err := s.Client().PostForm(s.URL+"/checkoutnow?token="+order["id"].(string), form)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	}
}
