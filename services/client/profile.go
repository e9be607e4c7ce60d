package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
)

const maxName = 100 // characters, as auth has it

// Profile is how a customer wants to be addressed and served.
type Profile struct {
	Name     string `bson:"name"`
	Phone    string `bson:"phone"`    // "" if not given
	Language string `bson:"language"` // BCP 47
	Currency string `bson:"currency"` // ISO 4217

	Consents []Consent `bson:"consents,omitempty"` // every decision, oldest first
}

// Customer is the one document that we keep about somebody. The versions count the changes of its parts, so that editing
// an address does not spoil an edit of the profile.
type Customer struct {
	ID               identity.CustomerID `bson:"_id"`
	Profile          Profile             `bson:"profile"`
	Version          int64               `bson:"version"`
	Addresses        []Address           `bson:"addresses"`
	AddressesVersion int64               `bson:"addressesVersion"`
	Wishlist         []Wish              `bson:"wishlist,omitempty"`
	WishlistVersion  int64               `bson:"wishlistVersion"`
	MailSecret       string              `bson:"mailSecret,omitempty"` // whoever has it may end mails to the customer
	RegisteredAt     time.Time           `bson:"registeredAt"`
}

// NewCustomer is somebody of whom only the name is known.
func NewCustomer(id identity.CustomerID, name string, now time.Time) Customer {
	return Customer{
		ID: id, Profile: Profile{Name: name, Language: "en", Currency: "EUR"}, Version: 1,
		Addresses: []Address{}, AddressesVersion: 1, WishlistVersion: 1, RegisteredAt: now,
	}
}

// ProfileChange holds the fields to change; nil leaves one as it is.
type ProfileChange struct {
	Name     *string `json:"name"`
	Phone    *string `json:"phone"` // "" takes the number away
	Language *string `json:"language"`
	Currency *string `json:"currency"`
}

var phoneNumber = regexp.MustCompile(`^\+?[0-9][0-9 ()./-]{3,28}[0-9]$`)

// Change applies c, or refuses it with every fault at once and changes nothing.
func (p *Profile) Change(c ProfileChange) error {
	next, faults := *p, faults{}
	if c.Name != nil {
		next.Name = faults.text("name", *c.Name, maxName)
	}
	if c.Phone != nil {
		next.Phone = strings.TrimSpace(*c.Phone)
		if next.Phone != "" && !phoneNumber.MatchString(next.Phone) {
			faults.add("phone", "is not a telephone number")
		}
	}
	if c.Language != nil {
		tag, err := language.Parse(*c.Language)
		if err != nil || len(*c.Language) > 35 || tag == language.Und {
			faults.add("language", "is not a language tag such as en or de-AT")
		}
		next.Language = tag.String()
	}
	if c.Currency != nil {
		next.Currency = strings.ToUpper(*c.Currency)
		if _, ok := money.Digits(next.Currency); !ok {
			faults.add("currency", "is not a currency such as EUR")
		}
	}
	if err := faults.problem("invalid-profile", "The profile cannot be changed like this."); err != nil {
		return err
	}
	*p = next
	return nil
}

// faults collects what is wrong with the fields of a request.
type faults []problem.FieldError

func (f *faults) add(field, format string, args ...any) {
	*f = append(*f, problem.FieldError{Field: field, Detail: fmt.Sprintf(format, args...)})
}

// text is a required line of at most longest characters: trimmed, NFC, without control characters.
func (f *faults) text(field, s string, longest int) string {
	s = f.optional(field, s, longest)
	if s == "" {
		f.add(field, "is required")
	}
	return s
}

func (f *faults) optional(field, s string, longest int) string {
	s = norm.NFC.String(strings.TrimSpace(s))
	if utf8.RuneCountInString(s) > longest {
		f.add(field, "must have at most %d characters", longest)
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		f.add(field, "must not have control characters")
	}
	return s
}

func (f faults) problem(code, detail string) error {
	if len(f) == 0 {
		return nil
	}
	return problem.New(problem.Invalid, code, "%s", detail).WithFields(f...)
}
