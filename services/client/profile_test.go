package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/internal/problem"
)

var berlin = Address{ID: "a", Name: "Ada Lovelace", Line1: "Unter den Linden 1", City: "Berlin", PostalCode: "10117", Country: "DE"}

func text(s string) *string { return &s }

func TestProfileChanges(t *testing.T) {
	p := NewCustomer("c", "Ada", time.Now()).Profile
	require.NoError(t, p.Change(ProfileChange{
		Name: text(" Ada King\u00a0"), Phone: text("+49 (30) 1234-567"), Language: text("DE_at"), Currency: text("jpy"),
	}))
	require.Equal(t, Profile{"Ada King", "+49 (30) 1234-567", "de-AT", "JPY", nil}, p)
	require.NoError(t, p.Change(ProfileChange{}))
	require.NoError(t, p.Change(ProfileChange{Phone: text("")}))
	require.Equal(t, Profile{"Ada King", "", "de-AT", "JPY", nil}, p)

	before := p
	for _, c := range []struct {
		change ProfileChange
		field  string
	}{
		{ProfileChange{Name: text("  ")}, "name"},
		{ProfileChange{Name: text(strings.Repeat("ä", 101))}, "name"},
		{ProfileChange{Name: text("A\x00da")}, "name"},
		{ProfileChange{Name: text("A\nda")}, "name"},
		{ProfileChange{Phone: text("call me")}, "phone"},
		{ProfileChange{Phone: text("+49")}, "phone"},
		{ProfileChange{Phone: text(strings.Repeat("1", 40))}, "phone"},
		{ProfileChange{Phone: text("123456\x00")}, "phone"},
		{ProfileChange{Language: text("")}, "language"},
		{ProfileChange{Language: text("english")}, "language"},
		{ProfileChange{Language: text("xx")}, "language"},
		{ProfileChange{Language: text("en-" + strings.Repeat("a-bcdefgh-", 500))}, "language"},
		{ProfileChange{Currency: text("EURO")}, "currency"},
		{ProfileChange{Currency: text("XXX")}, "currency"},
		{ProfileChange{Currency: text("")}, "currency"},
	} {
		c.change.Name = firstOf(c.change.Name, text("Changed"))
		fault := problem.From(p.Change(c.change))
		require.Equal(t, "invalid-profile", fault.Code)
		require.Len(t, fault.Fields, 1, fault.Fields)
		require.Equal(t, c.field, fault.Fields[0].Field)
		require.Equal(t, before, p, "a refused change changes nothing")
	}
}

func firstOf(a, b *string) *string {
	if a != nil {
		return a
	}
	return b
}

func TestAddressesAreChecked(t *testing.T) {
	got, err := Address{"a", " Ada ", " Main St 1", "\tFlat 2", "Dublin ", "", "d02 x285", " ie"}.Check()
	require.NoError(t, err)
	require.Equal(t, Address{"a", "Ada", "Main St 1", "Flat 2", "Dublin", "", "D02 X285", "IE"}, got)
	_, err = Address{Name: "Ada", Line1: "1 Queen's Road", City: "Hong Kong", Country: "HK"}.Check()
	require.NoError(t, err)

	for field, change := range map[string]func(*Address){
		"name":       func(a *Address) { a.Name = " " },
		"line1":      func(a *Address) { a.Line1 = strings.Repeat("x", 101) },
		"line2":      func(a *Address) { a.Line2 = "x\x00" },
		"city":       func(a *Address) { a.City = "" },
		"region":     func(a *Address) { a.Region = strings.Repeat("x", 101) },
		"postalCode": func(a *Address) { a.PostalCode = "" },
		"country":    func(a *Address) { a.Country = "Germany" },
	} {
		a := berlin
		change(&a)
		_, err := a.Check()
		fault := problem.From(err)
		require.Equal(t, "invalid-address", fault.Code)
		require.Len(t, fault.Fields, 1, fault.Fields)
		require.Equal(t, field, fault.Fields[0].Field)
	}
	_, err = Address{}.Check()
	require.Len(t, problem.From(err).Fields, 4, "all faults at once")
}

func TestCountriesAreThoseOfISO3166(t *testing.T) {
	n := 0
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			if isCountry(string(a) + string(b)) {
				n++
			}
		}
	}
	require.Equal(t, 249, n)
	for _, code := range []string{"", "D", "de", "DEU", "276", "UK", "EU", "ZZ", "SU", "XK", "001", "D\x00"} {
		require.False(t, isCountry(code), code)
	}
}

// Whatever is done to an address book, it never has more than twenty entries nor two under one id, and a refused command
// changes nothing.
func TestAddressBook(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := NewCustomer("c", "Ada", time.Now())
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			a := berlin
			a.ID = fmt.Sprint(rapid.IntRange(0, 25).Draw(t, "id"))
			a.Line2 = rapid.SampledFrom([]string{"", "Flat 2"}).Draw(t, "line2")
			before := append([]Address(nil), c.Addresses...)
			var err error
			switch rapid.SampledFrom([]string{"add", "add", "replace", "remove"}).Draw(t, "command") {
			case "add":
				if err = c.AddAddress(a); err == nil {
					require.Contains(t, c.Addresses, a)
				}
			case "replace":
				if err = c.ReplaceAddress(a); err == nil {
					require.Contains(t, c.Addresses, a)
				}
			case "remove":
				if err = c.RemoveAddress(a.ID); err == nil {
					require.Equal(t, -1, c.findAddress(a.ID))
				}
			}
			if err != nil {
				require.Equal(t, before, append([]Address(nil), c.Addresses...))
			}
			require.LessOrEqual(t, len(c.Addresses), maxAddresses)
			ids := map[string]bool{}
			for _, a := range c.Addresses {
				require.False(t, ids[a.ID])
				ids[a.ID] = true
			}
		}
	})
}
