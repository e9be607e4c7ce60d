package main

import (
	"regexp"
	"strings"
)

// country is what a letter to a country needs beyond a name, a line and a city, where we know it; a country that is not
// here is taken as it is written, since a wrong guess would lose a customer.
type country struct {
	postal  *regexp.Regexp // nil where any will do; matched after spaces and dashes are gone and letters are capital
	write   string         // how the groups of postal are written down, "" for as they are
	example string
	region  bool // a state or province is needed
}

func postal(form, write, example string) country {
	return country{postal: regexp.MustCompile("^(?:" + form + ")$"), write: write, example: example}
}

func withRegion(c country) country { c.region = true; return c }

const (
	four  = `(\d{4})`
	five  = `(\d{5})`
	six   = `(\d{6})`
	three = `(\d{3})`
	two   = `(\d{2})`
)

// countries follow the Universal Postal Union's addressing sheets.
var countries = map[string]country{
	"AR": postal(`([A-Z]?\d{4}(?:[A-Z]{3})?)`, "", "C1425"),
	"AT": postal(four, "", "1010"),
	"AU": withRegion(postal(four, "", "2000")),
	"BE": postal(four, "", "1000"),
	"BG": postal(four, "", "1000"),
	"BR": withRegion(postal(five+three, "$1-$2", "01310-100")),
	"CA": withRegion(postal(`([ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z])(\d[ABCEGHJ-NPRSTV-Z]\d)`, "$1 $2", "K1A 0B1")),
	"CH": postal(four, "", "8001"),
	"CN": withRegion(postal(six, "", "100000")),
	"CY": postal(four, "", "1010"),
	"CZ": postal(three+two, "$1 $2", "110 00"),
	"DE": postal(five, "", "10117"),
	"DK": postal(four, "", "1050"),
	"EE": postal(five, "", "10111"),
	"ES": postal(`((?:0[1-9]|[1-4]\d|5[0-2])\d{3})`, "", "28013"),
	"FI": postal(five, "", "00100"),
	"FR": postal(five, "", "75001"),
	"GB": postal(`([A-Z]{1,2}\d[A-Z\d]?)(\d[A-Z]{2})`, "$1 $2", "SW1A 1AA"),
	"GR": postal(three+two, "$1 $2", "105 57"),
	"HR": postal(five, "", "10000"),
	"HU": postal(four, "", "1051"),
	"IE": postal(`([AC-FHKNPRTV-Y]\d[\dW])([\dAC-FHKNPRTV-Y]{4})`, "$1 $2", "D02 AF30"),
	"IL": postal(`(\d{5}|\d{7})`, "", "9190401"),
	"IN": withRegion(postal(`([1-9]\d{5})`, "", "110001")),
	"IS": postal(three, "", "101"),
	"IT": postal(five, "", "00184"),
	"JP": withRegion(postal(three+four, "$1-$2", "100-0001")),
	"KR": postal(five, "", "03051"),
	"KW": postal(five, "", "13001"),
	"LI": postal(`(94\d{2})`, "", "9490"),
	"LT": postal(`(?:LT)?(\d{5})`, "$1", "01103"),
	"LU": postal(`(?:L)?(\d{4})`, "$1", "1111"),
	"LV": postal(`(?:LV)?(\d{4})`, "LV-$1", "LV-1050"),
	"MC": postal(`(980\d{2})`, "", "98000"),
	"MT": postal(`([A-Z]{3})(\d{4})`, "$1 $2", "VLT 1117"),
	"MX": withRegion(postal(five, "", "06000")),
	"NL": postal(`([1-9]\d{3})([A-Z]{2})`, "$1 $2", "1012 AB"),
	"NO": postal(four, "", "0150"),
	"NZ": postal(four, "", "6011"),
	"PL": postal(two+three, "$1-$2", "00-001"),
	"PT": postal(four+three, "$1-$2", "1100-148"),
	"RO": postal(six, "", "010011"),
	"SE": postal(three+two, "$1 $2", "111 29"),
	"SG": postal(six, "", "018956"),
	"SI": postal(four, "", "1000"),
	"SK": postal(three+two, "$1 $2", "811 01"),
	"TR": postal(five, "", "34122"),
	"UA": postal(five, "", "01001"),
	"US": withRegion(postal(`(\d{5})|(\d{5})(\d{4})`, "", "94103 or 94103-1234")),
	"ZA": postal(four, "", "8001"),
}

var separators = strings.NewReplacer(" ", "", "-", "", "\u2013", "")

// tidyPostalCode writes a code as the country's post does, and reports whether it is one of that country's.
func tidyPostalCode(countryCode, code string) (tidy string, ok bool) {
	c, known := countries[countryCode]
	if !known || c.postal == nil {
		return code, true
	}
	plain := separators.Replace(code)
	groups := c.postal.FindStringSubmatch(plain)
	switch {
	case groups == nil:
		return code, false
	case countryCode == "US" && groups[2] != "":
		return groups[2] + "-" + groups[3], true
	case c.write == "":
		return plain, true
	}
	return c.postal.ReplaceAllString(plain, c.write), true
}
