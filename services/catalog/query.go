package main

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/catalog/search"
)

const (
	defaultLimit = 24
	maxLimit     = 100
	maxQuery     = 200 // bytes; longer ones are not what people type
	maxSKUs      = 100
	maxSlugs     = 24
	maxFilters   = 50  // of a kind
	maxFilter    = 200 // bytes
)

// readQuery reads what a list is asked for. An empty parameter is as none.
func readQuery(r *http.Request) (q search.Query, err error) {
	values := r.URL.Query()
	q = search.Query{Category: values.Get("category"), Sort: cmp.Or(values.Get("sort"), search.Sorts[0])}
	if q.Words, err = readWords(values, "query"); err != nil {
		return q, err
	}
	if len(q.Category) > maxFilter {
		return q, invalid("category", "must be shorter than %d bytes", maxFilter)
	}
	if q.Brands, err = readFilters(values, "brand"); err != nil {
		return q, err
	}
	if q.Attributes, err = readAttributes(values); err != nil {
		return q, err
	}
	if !slices.Contains(search.Sorts, q.Sort) {
		return q, invalid("sort", "must be one of %s", strings.Join(search.Sorts, ", "))
	}
	currency, err := readCurrency(values)
	if err != nil {
		return q, err
	}
	q.Currency = slices.Index(Currencies[:], currency)
	if q.Min, err = readPrice(values, "minPrice"); err != nil {
		return q, err
	}
	if q.Max, err = readPrice(values, "maxPrice"); err != nil {
		return q, err
	}
	if q.InStock, err = readBool(values, "inStock"); err != nil {
		return q, err
	}
	if q.MinRating, err = readStars(values, "minRating"); err != nil {
		return q, err
	}
	if q.Limit, err = web.Limit(r, defaultLimit, maxLimit); err != nil {
		return q, err
	}
	if cursor := values.Get("cursor"); cursor != "" {
		q.After, err = readCursor(q, cursor)
	}
	return q, err
}

// maxCursor is more than a cursor has: its longest parts are the name of a product and the reading of the words.
const maxCursor = 6000

// writeCursor makes a cursor, which is opaque to the caller. It names the order that it belongs to, since it means nothing
// in another.
func writeCursor(q search.Query, c *search.Cursor) string {
	if c == nil {
		return ""
	}
	b, err := json.Marshal([]any{q.Sort, Currencies[q.Currency], c.Number, c.Text, c.Tie, c.Reading})
	if err != nil {
		panic(err) // strings and numbers
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func readCursor(q search.Query, s string) (*search.Cursor, error) {
	var c search.Cursor
	var sort, currency string
	fields := []any{&sort, &currency, &c.Number, &c.Text, &c.Tie, &c.Reading}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(s) > maxCursor || json.Unmarshal(b, &fields) != nil || len(fields) != 6 || c.Tie == 0 ||
		sort != q.Sort || currency != Currencies[q.Currency] || !c.Reading.Fits(q.Words) {
		return nil, problem.New(problem.Invalid, "invalid-cursor", "The cursor is not one of this list.").
			WithFields(problem.FieldError{Field: "cursor", Detail: "must come from the page before, for the same words, in the same order and currency"})
	}
	return &c, nil
}

func readWords(values url.Values, name string) (string, error) {
	words := strings.TrimSpace(values.Get(name))
	if len(words) > maxQuery {
		return "", invalid(name, "must be shorter than %d bytes", maxQuery)
	}
	return words, nil
}

// readFilters reads a parameter that may be given several times.
func readFilters(values url.Values, name string) (filters []string, err error) {
	for _, value := range values[name] {
		if value == "" {
			continue
		}
		if len(value) > maxFilter {
			return nil, invalid(name, "must be shorter than %d bytes", maxFilter)
		}
		filters = append(filters, value)
	}
	if len(filters) > maxFilters {
		return nil, invalid(name, "may be given %d times at most", maxFilters)
	}
	return filters, nil
}

// readAttributes reads ?attribute=Name:Value. A name has no colon.
func readAttributes(values url.Values) (attributes []search.Attribute, err error) {
	filters, err := readFilters(values, "attribute")
	if err != nil {
		return nil, err
	}
	for _, filter := range filters {
		name, value, ok := strings.Cut(filter, ":")
		if !ok || name == "" || value == "" {
			return nil, invalid("attribute", "must be a name and a value with a colon between them")
		}
		attributes = append(attributes, search.Attribute{Name: name, Value: value})
	}
	return attributes, nil
}

func readBool(values url.Values, name string) (bool, error) {
	switch values.Get(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, invalid(name, "must be true or false")
}

var starsShape = regexp.MustCompile(`^[0-5](\.[0-9])?$`)

// readStars reads stars with one digit behind the point, e.g. 4 or 3.5, as tenths.
func readStars(values url.Values, name string) (int, error) {
	s := values.Get(name)
	if s == "" {
		return 0, nil
	}
	if !starsShape.MatchString(s) {
		return 0, invalid(name, "must be stars from 0 to 5, such as 4 or 3.5")
	}
	whole, tenths, _ := strings.Cut(s, ".")
	stars := 10*int(whole[0]-'0') + int(cmp.Or(tenths, "0")[0]-'0')
	if stars > 50 {
		return 0, invalid(name, "must be stars from 0 to 5, such as 4 or 3.5")
	}
	return stars, nil
}

// readSlugs reads ?slugs=a,b.
func readSlugs(values url.Values) ([]string, error) {
	slugs := strings.Split(values.Get("slugs"), ",")
	if slugs[0] == "" || len(slugs) > maxSlugs {
		return nil, invalid("slugs", "must be 1 to %d slugs with commas between them", maxSlugs)
	}
	return slugs, nil
}

func readCurrency(values url.Values) (string, error) {
	currency := cmp.Or(values.Get("currency"), Currencies[0])
	if !slices.Contains(Currencies[:], currency) {
		return "", problem.New(problem.Invalid, "unknown-currency", "Prices are in %s.", strings.Join(Currencies[:], ", ")).
			WithFields(problem.FieldError{Field: "currency", Detail: "must be one of " + strings.Join(Currencies[:], ", ")})
	}
	return currency, nil
}

func readPrice(values url.Values, name string) (*int64, error) {
	s := values.Get(name)
	if s == "" {
		return nil, nil
	}
	minor, err := strconv.ParseInt(s, 10, 64)
	if err != nil || minor < 0 {
		return nil, invalid(name, "must be a whole number of minor units, not negative")
	}
	return &minor, nil
}

// readSKUs reads ?skus=a,b; each is named once in the answer, and those that we do not sell are not.
func readSKUs(values url.Values) ([]string, error) {
	skus := strings.Split(values.Get("skus"), ",")
	if skus[0] == "" || len(skus) > maxSKUs {
		return nil, invalid("skus", "must be 1 to %d SKUs with commas between them", maxSKUs)
	}
	return skus, nil
}

func invalid(field, format string, args ...any) error {
	detail := fmt.Sprintf(format, args...)
	return problem.New(problem.Invalid, "invalid-query", "%s %s.", field, detail).
		WithFields(problem.FieldError{Field: field, Detail: detail})
}
