package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	"math/big"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/internal/problem"
)

// paypalEventView is https://developer.paypal.com/docs/api/webhooks/v1/#definition-event.
type paypalEventView struct {
	ID              string          `json:"id"`
	EventVersion    string          `json:"event_version"`
	CreateTime      time.Time       `json:"create_time"`
	ResourceType    string          `json:"resource_type"`
	ResourceVersion string          `json:"resource_version"`
	EventType       string          `json:"event_type"`
	Summary         string          `json:"summary"`
	Resource        json.RawMessage `json:"resource"`
	Links           []paypalLink    `json:"links"`
}

func (s *server) paypalEvent(e paypalRaised, at time.Time) (outgoing, error) {
	id := "WH-" + newPayPalID() + "-" + newPayPalID()
	self := s.config.apiURL + "/v1/notifications/webhooks-events/" + id
	body, err := json.Marshal(paypalEventView{
		ID: id, EventVersion: "1.0", CreateTime: at.UTC(), ResourceType: e.ResourceType, ResourceVersion: "2.0", EventType: e.Type, Summary: e.Summary,
		Resource: e.Resource, Links: []paypalLink{{self, "self", "GET"}, {self + "/resend", "resend", "POST"}},
	})
	if err != nil {
		return outgoing{}, fmt.Errorf("encode event: %w", err)
	}
	return outgoing{ID: id, Type: e.Type, Body: body}, nil
}

// signer signs webhooks as PayPal does, by a key whose certificate the sandbox serves. The key is made when it is first needed
// and kept, since a webhook may be sent again after a restart.
type signer struct {
	store     *store
	apiURL    string
	webhookID string
	now       func() time.Time

	mu   sync.Mutex
	kept *signingKey
}

type signingKey struct {
	Key         []byte `json:"key"`         // PKCS #8
	Certificate []byte `json:"certificate"` // DER
	private     *rsa.PrivateKey
}

var signingKeyName = []byte("paypal_signing_key")

func (s *signer) key() (*signingKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept != nil {
		return s.kept, nil
	}
	kept := &signingKey{}
	err := s.store.update(func(t *txn) error {
		found, err := t.get(settings, string(signingKeyName), kept)
		if err == nil && !found {
			if err = kept.make(s.now()); err == nil {
				err = t.put(settings, signingKeyName, kept)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("key for webhooks: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(kept.Key)
	if err != nil {
		return nil, fmt.Errorf("key for webhooks: %w", err)
	}
	kept.private = parsed.(*rsa.PrivateKey)
	s.kept = kept
	return kept, nil
}

func (k *signingKey) make(now time.Time) error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	const name = "messageverificationcerts.paypal.com"
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{"Sidecart sandbox"}}, DNSNames: []string{name},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(10, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if k.Certificate, err = x509.CreateCertificate(rand.Reader, template, template, private.Public(), private); err != nil {
		return err
	}
	k.Key, err = x509.MarshalPKCS8PrivateKey(private)
	return err
}

func (k *signingKey) name() string {
	sum := sha256.Sum256(k.Certificate)
	return "CERT-" + hex.EncodeToString(sum[:16])
}

// sign adds PayPal's headers to a webhook (https://developer.paypal.com/api/rest/webhooks/rest/): each transmission has an id and
// a time of its own.
func (s *signer) sign(req *http.Request, body []byte) error {
	k, err := s.key()
	if err != nil {
		return err
	}
	id, stamp := uuid.NewString(), s.now().UTC().Format(time.RFC3339)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%s|%d", id, stamp, s.webhookID, crc32.ChecksumIEEE(body)))
	signature, err := rsa.SignPKCS1v15(nil, k.private, crypto.SHA256, sum[:])
	if err != nil {
		return err
	}
	req.Header.Set("PAYPAL-TRANSMISSION-ID", id)
	req.Header.Set("PAYPAL-TRANSMISSION-TIME", stamp)
	req.Header.Set("PAYPAL-TRANSMISSION-SIG", base64.StdEncoding.EncodeToString(signature))
	req.Header.Set("PAYPAL-CERT-URL", s.apiURL+"/v1/notifications/certs/"+k.name())
	req.Header.Set("PAYPAL-AUTH-ALGO", "SHA256withRSA")
	req.Header.Set("User-Agent", "PayPal/AUHD-214.0-sandbox (Sidecart sandbox)")
	return nil
}

// showCertificate is where PAYPAL-CERT-URL leads.
func (s *server) showCertificate(w http.ResponseWriter, r *http.Request) error {
	k, err := s.paypalSigner.key()
	if err != nil {
		return err
	}
	if pathID(r) != k.name() {
		return problem.New(problem.NotFound, "no-such-certificate", "There is no such certificate.")
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	return pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: k.Certificate})
}
