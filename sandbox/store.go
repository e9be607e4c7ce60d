package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sidecart/sidecart/internal/problem"
)

// The buckets. Keys of payments are ids, which sort by time; mails and movements have a running number; the two
// indexes hold "value NUL key" and nothing else.
var (
	payments       = []byte("payments")
	byOrder        = []byte("payments_by_order")
	refunds        = []byte("refunds") // refund id → payment id
	answers        = []byte("answers") // idempotency key → answer
	paypalOrders   = []byte("paypal_orders")
	paypalByOrder  = []byte("paypal_orders_by_order")
	paypalCaptures = []byte("paypal_captures") // capture id → PayPal order id
	paypalRefunds  = []byte("paypal_refunds")  // refund id → PayPal order id
	paypalInvoices = []byte("paypal_invoices") // invoice id → PayPal order id that was captured for it
	disputes       = []byte("disputes")
	ledger         = []byte("ledger")
	ledgerOrders   = []byte("ledger_by_order")
	totals         = []byte("totals") // currency → total
	mails          = []byte("mails")
	mailsTo        = []byte("mails_by_recipient")
	webhooks       = []byte("webhooks") // undelivered
	settings       = []byte("settings")
)

// keptFor is how long an idempotency key is remembered, as at Stripe.
const keptFor = 24 * time.Hour

// store keeps the sandbox's state in one bbolt file. What update has returned from is on disk, so that a killed sandbox remembers everything that it answered.
type store struct {
	db     *bolt.DB
	writes chan write
	ended  chan struct{} // closed when the writer has stopped
}

type write struct {
	change func(*txn) error
	done   chan error
}

func openStore(path string) (*store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: 2 * time.Second, FreelistType: bolt.FreelistMapType, NoFreelistSync: true})
	if err != nil {
		return nil, fmt.Errorf("open %s (is another sandbox running?): %w", path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{payments, byOrder, refunds, answers, paypalOrders, paypalByOrder, paypalCaptures, paypalRefunds, paypalInvoices, disputes, ledger, ledgerOrders, totals, mails, mailsTo, webhooks, settings} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", path, err)
	}
	s := &store{db: db, writes: make(chan write), ended: make(chan struct{})}
	go s.write()
	return s, nil
}

// Close waits for the writer; there must be no update after it.
func (s *store) Close() error {
	close(s.writes)
	<-s.ended
	return s.db.Close()
}

// update runs change in a transaction that others may share, and returns when it is on disk. change may run twice:
// what it leaves outside the transaction must be assigned, never appended.
func (s *store) update(change func(*txn) error) error {
	w := write{change, make(chan error, 1)}
	s.writes <- w
	return <-w.done
}

// write is the one writer. What arrives while a transaction is being synced shares the next one, so that an idle sandbox
// answers at once and a busy one syncs once for many; bbolt's own Batch would make every request wait for a timer.
func (s *store) write() {
	defer close(s.ended)
	for first := range s.writes {
		group := []write{first}
		for more := true; more && len(group) < 256; {
			select {
			case next, open := <-s.writes:
				if more = open; open {
					group = append(group, next)
				}
			default:
				more = false
			}
		}
		if err := s.commit(group); err == nil || len(group) == 1 {
			answerAll(group, err)
			continue
		}
		for i := range group { // one of them failed and undid the others: each alone
			answerAll(group[i:i+1], s.commit(group[i:i+1]))
		}
	}
}

func answerAll(group []write, err error) {
	for _, w := range group {
		w.done <- err
	}
}

func (s *store) commit(group []write) error {
	return s.db.Update(func(tx *bolt.Tx) (err error) {
		defer func() {
			if p := recover(); p != nil { // a mistake in one request must not end the sandbox
				err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
			}
		}()
		for _, w := range group {
			if err := w.change(&txn{tx}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *store) view(read func(*txn) error) error {
	return s.db.View(func(tx *bolt.Tx) error { return read(&txn{tx}) })
}

// txn is a transaction on everything the sandbox remembers.
type txn struct{ tx *bolt.Tx }

func (t *txn) get(bucket []byte, key string, v any) (bool, error) {
	raw := t.tx.Bucket(bucket).Get([]byte(key))
	if raw == nil {
		return false, nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return false, fmt.Errorf("read %s %s: %w", bucket, key, err)
	}
	return true, nil
}

func (t *txn) put(bucket, key []byte, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", bucket, key, err)
	}
	if err := t.tx.Bucket(bucket).Put(key, raw); err != nil {
		return fmt.Errorf("write %s %s: %w", bucket, key, err)
	}
	return nil
}

// index makes key findable by value.
func (t *txn) index(bucket []byte, value string, key []byte) error {
	if err := t.tx.Bucket(bucket).Put(append([]byte(value+"\x00"), key...), []byte{}); err != nil {
		return fmt.Errorf("index %s: %w", bucket, err)
	}
	return nil
}

// next makes a key that sorts after all others of the bucket.
func (t *txn) next(bucket []byte) ([]byte, error) {
	n, err := t.tx.Bucket(bucket).NextSequence()
	return binary.BigEndian.AppendUint64(nil, n), err
}

// newestFirst walks a bucket's keys downwards from before, which it leaves out; nil starts at the newest. Only keys that
// begin with prefix are met.
func (t *txn) newestFirst(bucket, prefix, before []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		c := t.tx.Bucket(bucket).Cursor()
		if before == nil {
			before = append(bytes.Clone(prefix), bytes.Repeat([]byte{0xff}, 32)...)
		}
		prev := c.Prev
		if k, _ := c.Seek(before); k == nil {
			prev = c.Last
		}
		k, v := prev()
		for ; k != nil && bytes.HasPrefix(k, prefix); k, v = c.Prev() {
			if !yield(k, v) {
				return
			}
		}
	}
}

// payment finds a payment by its PaymentIntent's id.
func (t *txn) payment(id string) (*payment, error) {
	var p payment
	found, err := t.get(payments, id, &p)
	if err == nil && !found {
		err = noSuch("payment_intent", "intent", id)
	}
	return &p, err
}

// paymentOfRefund finds the payment that a refund belongs to.
func (t *txn) paymentOfRefund(id string) (*payment, error) {
	raw := t.tx.Bucket(refunds).Get([]byte(id))
	if raw == nil {
		return nil, noSuch("refund", "refund", id)
	}
	return t.payment(string(raw))
}

// paymentsOf are the payments of an order.
func (t *txn) paymentsOf(orderID string) ([]*payment, error) {
	var found []*payment
	prefix := []byte(orderID + "\x00")
	for k := range t.newestFirst(byOrder, prefix, nil) {
		p, err := t.payment(string(k[len(prefix):]))
		if err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	return found, nil
}

// payments are the newest payments that accept wants, at most limit, older than the payment before if that is given.
func (t *txn) payments(before string, limit int, accept func(*payment) bool) ([]*payment, error) {
	var found []*payment
	var start []byte
	if before != "" {
		start = []byte(before)
	}
	for _, v := range t.newestFirst(payments, nil, start) {
		if len(found) == limit {
			break
		}
		var p payment
		if err := json.Unmarshal(v, &p); err != nil {
			return nil, fmt.Errorf("read payments: %w", err)
		}
		if accept(&p) {
			found = append(found, &p)
		}
	}
	return found, nil
}

// savePayment writes the payment with the money it moved.
func (t *txn) savePayment(p *payment) error {
	if err := t.put(payments, []byte(p.Intent.ID), p); err != nil {
		return err
	}
	if order := p.Intent.Metadata["order_id"]; order != "" {
		if err := t.index(byOrder, order, []byte(p.Intent.ID)); err != nil {
			return err
		}
	}
	for _, r := range p.Refunds {
		if err := t.tx.Bucket(refunds).Put([]byte(r.ID), []byte(p.Intent.ID)); err != nil {
			return fmt.Errorf("index refund: %w", err)
		}
	}
	for _, m := range p.movements {
		if err := t.enter(m); err != nil {
			return err
		}
	}
	return nil
}

// paypal finds a PayPal order by its id.
func (t *txn) paypal(id string) (*paypalPayment, error) {
	var p paypalPayment
	found, err := t.get(paypalOrders, id, &p)
	if err == nil && !found {
		return nil, noSuchResource()
	}
	return &p, err
}

// paypalOf finds the PayPal order that a capture or a refund, by the index given, belongs to.
func (t *txn) paypalOf(index []byte, id string) (*paypalPayment, error) {
	return t.paypal(string(t.tx.Bucket(index).Get([]byte(id))))
}

// paypalOfInvoice is the id of the PayPal order that was captured for an invoice, or "".
func (t *txn) paypalOfInvoice(invoice string) string {
	return string(t.tx.Bucket(paypalInvoices).Get([]byte(invoice)))
}

// paypalOfOrder are the PayPal orders of an order of the shop's.
func (t *txn) paypalOfOrder(orderID string) ([]*paypalPayment, error) {
	var found []*paypalPayment
	prefix := []byte(orderID + "\x00")
	for k := range t.newestFirst(paypalByOrder, prefix, nil) {
		p, err := t.paypal(string(k[len(prefix):]))
		if err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	return found, nil
}

// savePayPal writes the PayPal order with the money it moved.
func (t *txn) savePayPal(p *paypalPayment) error {
	if err := t.put(paypalOrders, []byte(p.ID), p); err != nil {
		return err
	}
	if p.CustomID != "" {
		if err := t.index(paypalByOrder, p.CustomID, []byte(p.ID)); err != nil {
			return err
		}
	}
	if p.Capture != nil {
		if err := t.point(paypalCaptures, p.Capture.ID, p.ID); err != nil {
			return err
		}
		if err := t.point(paypalInvoices, p.InvoiceID, p.ID); err != nil {
			return err
		}
	}
	for _, r := range p.Refunds {
		if err := t.point(paypalRefunds, r.ID, p.ID); err != nil {
			return err
		}
	}
	for _, m := range p.movements {
		if err := t.enter(m); err != nil {
			return err
		}
	}
	return nil
}

// point makes id lead to another, unless it is "".
func (t *txn) point(bucket []byte, id, to string) error {
	if id == "" {
		return nil
	}
	if err := t.tx.Bucket(bucket).Put([]byte(id), []byte(to)); err != nil {
		return fmt.Errorf("write %s: %w", bucket, err)
	}
	return nil
}

// saveMail writes a mail, findable by each of its recipients.
func (t *txn) saveMail(m mail) error {
	key, err := t.next(mails)
	if err != nil {
		return err
	}
	m.ID = fmt.Sprintf("%d", binary.BigEndian.Uint64(key))
	if err := t.put(mails, key, m); err != nil {
		return err
	}
	for _, to := range m.Recipients {
		if err := t.index(mailsTo, strings.ToLower(to), key); err != nil {
			return err
		}
	}
	return nil
}

// mail finds a mail by its running number.
func (t *txn) mail(number uint64) (mail, error) {
	var m mail
	found, err := t.get(mails, string(binary.BigEndian.AppendUint64(nil, number)), &m)
	if err == nil && !found {
		err = problem.New(problem.NotFound, "no-such-mail", "There is no mail %d.", number)
	}
	return m, err
}

// mails are the newest mails that accept wants, at most limit; to, if not empty, is one recipient's whole address.
func (t *txn) mails(to string, limit int, accept func(mail) bool) ([]mail, error) {
	found := []mail{}
	bucket, prefix := mails, []byte(nil)
	if to != "" {
		bucket, prefix = mailsTo, []byte(strings.ToLower(to)+"\x00")
	}
	for k, v := range t.newestFirst(bucket, prefix, nil) {
		if len(found) == limit {
			break
		}
		if to != "" {
			v = t.tx.Bucket(mails).Get(k[len(prefix):])
		}
		var m mail
		if err := json.Unmarshal(v, &m); err != nil {
			return nil, fmt.Errorf("read mails: %w", err)
		}
		if accept(m) {
			found = append(found, m)
		}
	}
	return found, nil
}

// forgetAnswers drops idempotency keys that were first used before a time.
func (t *txn) forgetAnswers(before time.Time) error {
	c := t.tx.Bucket(answers).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		var a answer
		if err := json.Unmarshal(v, &a); err != nil {
			return fmt.Errorf("read answers: %w", err)
		}
		if a.At.Before(before) {
			if err := c.Delete(); err != nil {
				return fmt.Errorf("forget answer: %w", err)
			}
		}
	}
	return nil
}
