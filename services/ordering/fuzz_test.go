package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/sidecart/sidecart/internal/identity"
)

// A checkout that is taken is taken again as it is, and writes to the account's own address.
func FuzzCheckout(f *testing.F) {
	for _, body := range []string{
		`{"address":{"name":"Ada","line1":"Torstraße 1","city":"Berlin","postalCode":"10119","country":"de"},"shippingMethod":"standard","payment":{"provider":"stripe","method":"pm_card_visa"},"email":"a@example.com"}`,
		`{"payment":{"provider":"paypal","method":"paypal"},"email":"a@example.com, b@example.com"}`, `{"address":{"name":"a\r\nb"}}`, `{}`, `null`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var c Checkout
		if json.Unmarshal(body, &c) != nil {
			return
		}
		for _, who := range []identity.Identity{{}, {Email: "ada@example.com"}} {
			checked, err := c.check(who)
			if err != nil {
				continue
			}
			if again, err := checked.check(who); err != nil || !reflect.DeepEqual(again, checked) {
				t.Fatalf("%+v, and again %+v: %v", checked, again, err)
			}
			if who.Email != "" && checked.Email != who.Email || strings.ContainsAny(checked.Address.Name+checked.Address.Line1+checked.Email, "\r\n\x00") {
				t.Fatalf("%+v", checked)
			}
		}
	})
}

func FuzzPurchaseLines(f *testing.F) {
	f.Add([]byte(`{"lines":[{"sku":"A","quantity":1}]}`))
	f.Add([]byte(`{"lines":[{"sku":"A","quantity":99},{"sku":"A","quantity":1}]}`))
	f.Add([]byte(`{"lines":[{"sku":"","quantity":-1}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var p purchase
		if json.Unmarshal(body, &p) != nil || p.checkLines() != nil {
			return
		}
		for _, l := range p.Lines {
			if l.SKU == "" || l.Quantity < 1 {
				t.Fatalf("%+v", l)
			}
		}
	})
}
