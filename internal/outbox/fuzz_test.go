package outbox

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/sidecart/sidecart/events"
)

func FuzzCursor(f *testing.F) {
	for _, cursor := range []string{"", "1-2", "1-2-3", "-1-2", "1--2", "9223372036854775808-1", "1-9223372036854775807", "1-", "+1-2", "a-b"} {
		f.Add(cursor)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text)
		if err != nil {
			return
		}
		if c.Xid < 0 || c.Seq < 0 {
			t.Fatalf("%q is %v", text, c)
		}
		if again, err := parseCursor(c.String()); err != nil || again != c {
			t.Fatalf("%q is %v, and that %v: %v", text, c, again, err)
		}
		cut, err := parseCut(text) // the numbers have one form
		if err != nil || cut.Horizon != c.Xid {
			t.Fatalf("%q is %v, %v", text, cut, err)
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
