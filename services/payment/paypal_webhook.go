package main

import (
	"context"
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
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sidecart/sidecart/services/payment/payment"
)

var errSignature = errors.New("the signature does not match, or is too old")

// Verify checks PayPal's signature over transmission id, time, our webhook's id and the body's checksum, with the
// certificate that the message names. https://developer.paypal.com/api/rest/webhooks/rest/
func (p *paypalAPI) Verify(ctx context.Context, header http.Header, body []byte) (Notice, error) {
	transmission, stamp := header.Get("Paypal-Transmission-Id"), header.Get("Paypal-Transmission-Time")
	sent, err := time.Parse(time.RFC3339, stamp)
	if err != nil || p.now().Sub(sent).Abs() > noticeAge || transmission == "" || !strings.EqualFold(header.Get("Paypal-Auth-Algo"), "SHA256withRSA") {
		return Notice{}, errSignature
	}
	signature, err := base64.StdEncoding.DecodeString(header.Get("Paypal-Transmission-Sig"))
	if err != nil {
		return Notice{}, errSignature
	}
	key, err := p.certs.key(ctx, header.Get("Paypal-Cert-Url"), p.now())
	if err != nil {
		return Notice{}, err
	}
	signed := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%s|%d", transmission, stamp, p.webhookID, crc32.ChecksumIEEE(body)))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, signed[:], signature) != nil {
		return Notice{}, errSignature
	}
	return readPayPalEvent(body)
}

// readPayPalEvent reads https://developer.paypal.com/api/rest/webhooks/event-names/.
func readPayPalEvent(body []byte) (Notice, error) {
	var event struct {
		ID           string          `json:"id"`
		EventType    string          `json:"event_type"`
		ResourceType string          `json:"resource_type"`
		CreateTime   time.Time       `json:"create_time"`
		Resource     json.RawMessage `json:"resource"`
	}
	if json.Unmarshal(body, &event) != nil || event.ID == "" || event.EventType == "" {
		return Notice{}, errUnreadable
	}
	n := Notice{ID: event.ID, Type: event.EventType, At: event.CreateTime}
	read := map[string]func(json.RawMessage, *Notice) error{
		"checkout-order": noticeOfOrder, "capture": noticeOfCapture, "refund": noticeOfRefund, "dispute": noticeOfDispute,
	}[event.ResourceType]
	if read == nil {
		return n, nil
	}
	if read(event.Resource, &n) != nil {
		return Notice{}, errUnreadable
	}
	return n, nil
}

func noticeOfOrder(raw json.RawMessage, n *Notice) error {
	var order paypalOrder
	if err := json.Unmarshal(raw, &order); err != nil {
		return err
	}
	n.ObjectID = order.ID
	if len(order.PurchaseUnits) != 1 {
		return nil
	}
	return n.about(order.PurchaseUnits[0].InvoiceID, order.answer)
}

func noticeOfCapture(raw json.RawMessage, n *Notice) error {
	var capture paypalCapture
	if err := json.Unmarshal(raw, &capture); err != nil {
		return err
	}
	n.ObjectID = capture.ID
	reference := capture.Supplementary.RelatedIDs.OrderID
	if reference == "" {
		return nil
	}
	return n.about(capture.InvoiceID, func() (payment.Answer, error) { return capture.answer(reference) })
}

// about fills in what a notice says of the attempt that invoice names. What is not ours, or of the future, is only recorded.
func (n *Notice) about(invoice string, answer func() (payment.Answer, error)) error {
	orderID, number, ok := splitKey(invoice)
	ans, err := answer()
	if ok && err == nil {
		n.OrderID, n.Attempt, n.Answer = orderID, number, &ans
	}
	return nil
}

func noticeOfRefund(raw json.RawMessage, n *Notice) error {
	var refund paypalRefund
	if err := json.Unmarshal(raw, &refund); err != nil {
		return err
	}
	n.ObjectID = refund.ID
	orderID, refundID, ours := strings.Cut(refund.CustomID, ".")
	ans, err := refund.answer()
	if ours && err == nil {
		n.OrderID, n.RefundID, n.Refund = orderID, refundID, &ans
	}
	return nil
}

// noticeOfDispute reads https://developer.paypal.com/docs/api/customer-disputes/v1/#disputes_get.
func noticeOfDispute(raw json.RawMessage, n *Notice) error {
	var d struct {
		ID         string      `json:"dispute_id"`
		CreateTime time.Time   `json:"create_time"`
		Reason     string      `json:"reason"`
		Status     string      `json:"status"`
		Amount     paypalMoney `json:"dispute_amount"`
		Outcome    struct {
			Code string `json:"outcome_code"`
		} `json:"dispute_outcome"`
		Transactions []struct {
			InvoiceNumber string `json:"invoice_number"`
		} `json:"disputed_transactions"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return err
	}
	n.ObjectID = d.ID
	amount, err := d.Amount.amount()
	if err != nil || d.ID == "" || len(d.Transactions) != 1 {
		return nil //nolint:nilerr // not about a payment of ours
	}
	orderID, number, ok := splitKey(d.Transactions[0].InvoiceNumber)
	if !ok {
		return nil
	}
	n.OrderID = orderID
	n.Dispute = &Dispute{
		ID: d.ID, OrderID: orderID, Attempt: number, Amount: amount, State: DisputeOpen, Reason: strings.ToLower(d.Reason), OpenedAt: d.CreateTime,
	}
	if d.Status == "RESOLVED" {
		n.Dispute.State = DisputeLost
		if slices.Contains([]string{"RESOLVED_SELLER_FAVOUR", "RESOLVED_WITH_PAYOUT", "CANCELED_BY_BUYER", "DENIED"}, d.Outcome.Code) {
			n.Dispute.State = DisputeWon
		}
	}
	return nil
}

// certificates fetches the certificates by which PayPal signs webhooks, each once.
type certificates struct {
	client  *http.Client
	scheme  string
	hosts   []string // that certificates may come from
	standIn bool     // the certificate of a stand-in vouches for itself

	fetching singleflight.Group
	mu       sync.Mutex
	known    map[string]*x509.Certificate
}

// certificateName is whose certificates PayPal signs webhooks by.
const certificateName = "messageverificationcerts.paypal.com"

// newCertificates trusts PayPal's hosts, or the stand-in itself if api is one.
func newCertificates(client *http.Client, api *url.URL) *certificates {
	c := &certificates{client: client, scheme: "https", known: map[string]*x509.Certificate{}}
	switch api.Scheme + "://" + api.Host {
	case paypalLive:
		c.hosts = []string{"api.paypal.com", "api-m.paypal.com"}
	case paypalTest:
		c.hosts = []string{"api.sandbox.paypal.com", "api-m.sandbox.paypal.com"}
	default:
		c.scheme, c.hosts, c.standIn = api.Scheme, []string{api.Host}, true
	}
	return c
}

var certificatePath = regexp.MustCompile(`^/v1/notifications/certs/[A-Za-z0-9-]{1,100}$`)

// key is the public key of the certificate at address. The address comes from whoever called, so it must be one of PayPal's.
func (c *certificates) key(ctx context.Context, address string, now time.Time) (*rsa.PublicKey, error) {
	at, err := url.Parse(address)
	if err != nil || at.Scheme != c.scheme || !slices.Contains(c.hosts, at.Host) || !certificatePath.MatchString(at.EscapedPath()) ||
		at.RawQuery != "" || at.User != nil || at.Fragment != "" {
		return nil, errSignature
	}
	c.mu.Lock()
	certificate := c.known[address]
	c.mu.Unlock()
	if certificate == nil || now.After(certificate.NotAfter) {
		fetched, err, _ := c.fetching.Do(address, func() (any, error) { return c.fetch(context.WithoutCancel(ctx), address, now) })
		if err != nil {
			return nil, err
		}
		certificate = fetched.(*x509.Certificate)
	}
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, errSignature
	}
	return key, nil
}

func (c *certificates) fetch(ctx context.Context, address string, now time.Time) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, errSignature
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: fetch the certificate of a webhook: %w", errAway, err)
	}
	defer resp.Body.Close()
	if away(resp.StatusCode) {
		return nil, fmt.Errorf("%w: fetch the certificate of a webhook: status %d", errAway, resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, errSignature
	}
	certificate, err := c.verified(text, now)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSignature, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= 100 { // PayPal has a handful
		clear(c.known)
	}
	c.known[address] = certificate
	return certificate, nil
}

// verified reads a chain of certificates, the signer's first, and checks who vouches for it.
func (c *certificates) verified(text []byte, now time.Time) (*x509.Certificate, error) {
	var chain []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		chain = append(chain, certificate)
	}
	if len(chain) == 0 {
		return nil, errors.New("no certificate")
	}
	options := x509.VerifyOptions{
		DNSName: certificateName, CurrentTime: now, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, certificate := range chain[1:] {
		options.Intermediates.AddCert(certificate)
	}
	if c.standIn {
		options.Roots = x509.NewCertPool()
		options.Roots.AddCert(chain[0])
	}
	_, err := chain[0].Verify(options)
	return chain[0], err
}
