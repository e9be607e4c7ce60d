package main

import (
	"slices"
	"strings"

	"golang.org/x/text/language"

	"github.com/sidecart/sidecart/internal/problem"
)

const maxAddresses = 20

// Address is a place to send things to. Orders keep their own copy, so changing or deleting one changes no order.
type Address struct {
	ID         string `bson:"id" json:"id"`
	Name       string `bson:"name" json:"name"`
	Line1      string `bson:"line1" json:"line1"`
	Line2      string `bson:"line2" json:"line2,omitempty"`
	City       string `bson:"city" json:"city"`
	Region     string `bson:"region" json:"region,omitempty"`
	PostalCode string `bson:"postalCode" json:"postalCode,omitempty"`
	Country    string `bson:"country" json:"country"` // ISO 3166-1 alpha-2
}

// withoutPostalCodes are the countries of our customers where a letter needs none.
var withoutPostalCodes = []string{"AE", "BS", "HK", "JM", "PA", "QA"}

// Check returns the address tidied up, or refuses it with every fault at once.
func (a Address) Check() (Address, error) {
	faults := faults{}
	a.Name = faults.text("name", a.Name, maxName)
	a.Line1 = faults.text("line1", a.Line1, 100)
	a.Line2 = faults.optional("line2", a.Line2, 100)
	a.City = faults.text("city", a.City, 100)
	a.Region = faults.optional("region", a.Region, 100)
	a.PostalCode = faults.optional("postalCode", strings.ToUpper(a.PostalCode), 16)
	a.Country = strings.ToUpper(strings.TrimSpace(a.Country))
	switch {
	case !isCountry(a.Country):
		faults.add("country", "is not an ISO 3166 country code such as DE")
	case a.PostalCode == "" && !slices.Contains(withoutPostalCodes, a.Country):
		faults.add("postalCode", "is required")
	case a.PostalCode != "":
		tidy, ok := tidyPostalCode(a.Country, a.PostalCode)
		if a.PostalCode = tidy; !ok {
			faults.add("postalCode", "is not one of this country, e.g. %s", countries[a.Country].example)
		}
	}
	if a.Region == "" && countries[a.Country].region {
		faults.add("region", "is required: the state or province")
	}
	return a, faults.problem("invalid-address", "The address is not complete.")
}

// notCountries are regions that the parser takes for countries and ISO 3166-1 does not: reserved codes and countries that
// are no more.
var notCountries = []string{
	"AC", "AN", "CP", "CQ", "CS", "DG", "EA", "EZ", "FQ", "IC", "NT", "PC", "SU", "TA", "UN", "XK", "YU",
}

// isCountry reports whether s is an ISO 3166-1 alpha-2 code; the parser also takes numbers, alpha-3 codes and old names.
func isCountry(s string) bool {
	region, err := language.ParseRegion(s)
	return err == nil && len(s) == 2 && region.IsCountry() && region.Canonicalize().String() == s && !slices.Contains(notCountries, s)
}

func addressNotFound() error {
	return problem.New(problem.NotFound, "address-not-found", "There is no such address.")
}

func (c *Customer) findAddress(id string) int {
	return slices.IndexFunc(c.Addresses, func(a Address) bool { return a.ID == id })
}

// AddAddress puts a at the end of the list. An address that is there already under its id is a repeat of the same
// request and changes nothing, unless it says something else.
func (c *Customer) AddAddress(a Address) error {
	if i := c.findAddress(a.ID); i >= 0 {
		if c.Addresses[i] == a {
			return nil
		}
		return problem.New(problem.Unprocessable, "idempotency-key-reused", "This Idempotency-Key was used for another address.")
	}
	if len(c.Addresses) >= maxAddresses {
		return problem.New(problem.Conflict, "too-many-addresses", "There is room for %d addresses.", maxAddresses)
	}
	c.Addresses = append(c.Addresses, a)
	return nil
}

// ReplaceAddress writes a in the place of the address with the same id.
func (c *Customer) ReplaceAddress(a Address) error {
	i := c.findAddress(a.ID)
	if i < 0 {
		return addressNotFound()
	}
	c.Addresses[i] = a
	return nil
}

// RemoveAddress takes one out of the list.
func (c *Customer) RemoveAddress(id string) error {
	i := c.findAddress(id)
	if i < 0 {
		return addressNotFound()
	}
	c.Addresses = slices.Delete(c.Addresses, i, i+1)
	return nil
}
