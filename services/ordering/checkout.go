package main

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/services/ordering/order"
)

// purchase is what basket sends: the client's own words, and the lines of the basket.
type purchase struct {
	Checkout   Checkout       `json:"checkout"`
	BasketID   string         `json:"basketId"`
	CheckoutID string         `json:"checkoutId"` // names this content of the basket
	Currency   string         `json:"currency"`
	Lines      []order.Wanted `json:"lines"`
	Coupon     string         `json:"coupon"`
}

// Checkout is what the client asks for.
type Checkout struct {
	Address        order.Address `json:"address"`
	ShippingMethod string        `json:"shippingMethod"`
	Payment        struct {
		Provider string `json:"provider"`
		Method   string `json:"method"`
	} `json:"payment"`
	Email    string `json:"email"`
	Currency string `json:"currency"`
}

// body is the checkout as bytes that are equal for equal requests; the basket's lines and its coupon are left out, since a
// repeated request finds them cleared.
func (c Checkout) body() ([]byte, error) { return json.Marshal(c) }

// methods are what each provider's references to payment methods look like: Stripe's ids, and for PayPal, where the
// customer chooses, its own name. A card number does not fit, so that one can never be stored. Which of the providers are
// on offer is payment's to say.
var methods = map[string]*regexp.Regexp{
	"stripe": regexp.MustCompile(`^pm_[A-Za-z0-9_]{1,100}$`),
	"paypal": regexp.MustCompile(`^paypal$`),
}

// check makes sure that the checkout can be delivered, paid and written to, and returns it in its normal form. A customer
// is written to at the verified address of the account, a guest at the one given.
func (c Checkout) check(who identity.Identity) (Checkout, error) {
	var wrong []problem.FieldError
	refuse := func(field, format string, args ...any) {
		wrong = append(wrong, problem.FieldError{Field: field, Detail: fmt.Sprintf(format, args...)})
	}
	a := &c.Address
	for _, f := range []struct {
		name     string
		value    *string
		required bool
		most     int
	}{
		{"address.name", &a.Name, true, 100}, {"address.line1", &a.Line1, true, 100}, {"address.line2", &a.Line2, false, 100},
		{"address.city", &a.City, true, 100}, {"address.region", &a.Region, false, 100},
		{"address.postalCode", &a.PostalCode, true, 20}, {"address.country", &a.Country, true, 2},
	} {
		*f.value = strings.TrimSpace(*f.value)
		switch {
		case f.required && *f.value == "":
			refuse(f.name, "is required")
		case utf8.RuneCountInString(*f.value) > f.most:
			refuse(f.name, "must be at most %d characters", f.most)
		case strings.ContainsFunc(*f.value, unicode.IsControl):
			refuse(f.name, "must be a single line of text")
		}
	}
	a.Country = strings.ToUpper(a.Country)
	if form, known := methods[c.Payment.Provider]; !known {
		refuse("payment.provider", "must be stripe or paypal")
	} else if !form.MatchString(c.Payment.Method) {
		refuse("payment.method", "must be the provider's id of a payment method, such as pm_card_visa")
	}
	if who.Email != "" {
		c.Email = who.Email
	}
	if parsed, err := mail.ParseAddress(c.Email); err != nil || parsed.Address != c.Email || len(c.Email) > 254 {
		refuse("email", "must be an e-mail address")
	}
	if wrong != nil {
		return c, problem.New(problem.Unprocessable, "invalid-checkout", "The checkout is not complete or not right.").WithFields(wrong...)
	}
	return c, nil
}

// checkLines refuses what no basket may hold.
func (p purchase) checkLines() error {
	if len(p.Lines) == 0 {
		return problem.New(problem.Unprocessable, "basket-empty", "There is nothing in the basket.")
	}
	seen := make(map[string]bool, len(p.Lines))
	for _, l := range p.Lines {
		if l.SKU == "" || seen[l.SKU] || l.Quantity < 1 || l.Quantity > order.MaxQuantity || len(p.Lines) > order.MaxLines {
			return problem.New(problem.Unprocessable, "invalid-lines",
				"An order has at most %d different articles, 1 to %d of each.", order.MaxLines, order.MaxQuantity)
		}
		seen[l.SKU] = true
	}
	return nil
}
