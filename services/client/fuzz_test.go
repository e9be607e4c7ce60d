package main

import (
	"reflect"
	"strings"
	"testing"
)

// An address that was tidied up is tidy.
func FuzzAddress(f *testing.F) {
	f.Add("Ada", "Torstraße 1", "", "Berlin", "", "10119", "de")
	f.Add("Ada", "1 High St", "Flat 2", "London", "", "sw1a1aa", "GB")
	f.Add("Ada", "1 Main St", "", "Springfield", "IL", "62701-1234", "US")
	f.Add("\x00", "a\r\nb", "", " ", "", "١٢٣٤٥", "XK")
	f.Fuzz(func(t *testing.T, name, line1, line2, city, region, postalCode, country string) {
		a, err := Address{Name: name, Line1: line1, Line2: line2, City: city, Region: region, PostalCode: postalCode, Country: country}.Check()
		if err != nil {
			return
		}
		if again, err := a.Check(); err != nil || again != a {
			t.Fatalf("%+v is %+v, and that %+v: %v", name, a, again, err)
		}
	})
}

func FuzzProfileChange(f *testing.F) {
	f.Add("Ada", "+49 30 1234567", "de-AT", "eur")
	f.Add("\u202e", "110", "und", "XXX")
	f.Add("a\nb", "+", "x-private", "")
	f.Fuzz(func(t *testing.T, name, phone, language, currency string) {
		before := Profile{Name: "Ada", Language: "en", Currency: "EUR"}
		p := before
		if err := p.Change(ProfileChange{&name, &phone, &language, &currency}); err != nil {
			if !reflect.DeepEqual(p, before) {
				t.Fatalf("refused, and changed to %+v", p)
			}
			return
		}
		again := p
		if err := again.Change(ProfileChange{&p.Name, &p.Phone, &p.Language, &p.Currency}); err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("%+v, and again %+v: %v", p, again, err)
		}
	})
}

func FuzzIfMatch(f *testing.F) {
	for _, header := range []string{`"3"`, `*`, `W/"3"`, `"1", "3"`, `3`, `"`, ``, `,,`} {
		f.Add(header, int64(3))
	}
	f.Fuzz(func(t *testing.T, header string, version int64) {
		if matches(header, version) && header != "" && !strings.Contains(header, "*") && !strings.Contains(header, etag(version)) {
			t.Fatalf("%q matches version %d, which it does not name", header, version)
		}
	})
}
