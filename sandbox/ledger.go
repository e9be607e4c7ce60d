package main

import (
	"encoding/json"
	"fmt"
	"time"
)

// movement is one entry of the ledger. Amount is in minor units; a void is an authorization, or its rest, let go.
type movement struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"` // authorization, capture, refund or void
	PaymentID string    `json:"paymentId"`
	OrderID   string    `json:"orderId"` // metadata[order_id] of the payment
	Amount    int64     `json:"amount"`
	Currency  string    `json:"currency"` // ISO 4217, upper case
	At        time.Time `json:"at"`
}

// total is what moved in one currency, in minor units.
type total struct {
	Currency   string `json:"currency"`
	Authorized int64  `json:"authorized"`
	Captured   int64  `json:"captured"`
	Refunded   int64  `json:"refunded"`
	Voided     int64  `json:"voided"`
	Captures   int    `json:"captures"`
}

// add counts a movement.
func (s *total) add(m movement) {
	switch m.Kind {
	case "authorization":
		s.Authorized += m.Amount
	case "capture":
		s.Captured += m.Amount
		s.Captures++
	case "refund":
		s.Refunded += m.Amount
	case "void":
		s.Voided += m.Amount
	}
}

// enter writes a movement into the ledger.
func (t *txn) enter(m movement) error {
	key, err := t.next(ledger)
	if err != nil {
		return err
	}
	if err := t.put(ledger, key, m); err != nil {
		return err
	}
	if m.OrderID != "" {
		if err := t.index(ledgerOrders, m.OrderID, key); err != nil {
			return err
		}
	}
	sum := total{Currency: m.Currency}
	if _, err := t.get(totals, m.Currency, &sum); err != nil {
		return err
	}
	sum.add(m)
	return t.put(totals, []byte(m.Currency), sum)
}

// movements are the newest entries of the ledger, at most limit, of one order if orderID is not empty. limit 0 is all.
func (t *txn) movements(orderID string, limit int) ([]movement, error) {
	found := []movement{}
	read := func(raw []byte) error {
		var m movement
		if err := json.Unmarshal(raw, &m); err != nil {
			return fmt.Errorf("read ledger: %w", err)
		}
		found = append(found, m)
		return nil
	}
	bucket, prefix := ledger, []byte(nil)
	if orderID != "" {
		bucket, prefix = ledgerOrders, []byte(orderID+"\x00")
	}
	for k, v := range t.newestFirst(bucket, prefix, nil) {
		if limit > 0 && len(found) == limit {
			break
		}
		if orderID != "" {
			v = t.tx.Bucket(ledger).Get(k[len(prefix):])
		}
		if err := read(v); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// totals are the sums of the whole ledger, one per currency.
func (t *txn) totals() ([]total, error) {
	var sums []total
	err := t.tx.Bucket(totals).ForEach(func(_, v []byte) error {
		var s total
		if err := json.Unmarshal(v, &s); err != nil {
			return fmt.Errorf("read totals: %w", err)
		}
		sums = append(sums, s)
		return nil
	})
	return sums, err
}
