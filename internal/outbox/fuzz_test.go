package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/sidecart/sidecart/events"
)

func FuzzCursor(f *testing.F) {
	for _, cursor := range []string{"", "1-2", "-1-2", "9223372036854775808-1", "1-", "1-2-3", "+1-2", "a-b"} {
		f.Add(cursor)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		xid, seq, err := parseCursor(cursor)
		if err != nil {
			return
		}
		if xid < 0 || seq < 0 {
			t.Fatalf("%q is %d-%d", cursor, xid, seq)
		}
		if x, s, err := parseCursor(fmt.Sprintf("%d-%d", xid, seq)); err != nil || x != xid || s != seq {
			t.Fatalf("%q is %d-%d, and that %d-%d: %v", cursor, xid, seq, x, s, err)
		}
	})
}

// What cannot be read is malformed, which is what keeps it from being offered for ever.
func FuzzFact(f *testing.F) {
	for _, data := range []string{`{"orderId":"x","lines":[{"sku":"A","quantity":1}]}`, `{"orderId":5}`, `[]`, `null`, ``, `{"total":{"amount":1.5,"currency":"EUR"}}`} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e := events.Envelope{Type: "t", Data: json.RawMessage(data)}
		for _, read := range []func() error{
			func() error { _, err := Decode[events.OrderPlaced](e); return err },
			func() error { _, err := Decode[events.PaymentCaptured](e); return err },
			func() error { _, err := Decode[events.StockReserved](e); return err },
			func() error { _, err := Decode[events.SecurityNoticed](e); return err },
		} {
			if err := read(); err != nil && !errors.Is(err, events.ErrMalformed) {
				t.Fatalf("%q: %v", data, err)
			}
		}
	})
}
