package main

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
)

// A table has a line per variant, with the fields of its product, so that each line stands for itself. A product without
// variants has a line without a SKU.
var productColumns = []string{"slug", "status", "name", "brand", "category", "description", "images", "attributes"}

// tableHeading are all columns, as an export has them.
func tableHeading() []string {
	return append(append(slices.Clone(productColumns), "sku", "options"), Currencies[:]...)
}

// tableLines are the lines of a product, in the order of tableHeading.
func tableLines(p *Product) [][]string {
	status := string(p.Status)
	if status == "" {
		status = string(Active)
	}
	product := []string{p.Slug, status, p.Name, p.Brand, p.Category, p.Description, strings.Join(p.Images, " | "), joinPairs(p.Attributes)}
	if len(p.Variants) == 0 {
		return [][]string{append(product, make([]string, 2+len(Currencies))...)}
	}
	var lines [][]string
	for _, v := range p.Variants {
		line := append(slices.Clone(product), v.SKU, joinPairs(v.Options))
		for _, currency := range Currencies {
			price := ""
			if minor, sold := v.Prices[currency]; sold {
				price = money.Must(minor, currency).Decimal()
			}
			line = append(line, price)
		}
		lines = append(lines, line)
	}
	return lines
}

var escapePairs, unescapePairs = strings.NewReplacer(`\`, `\\`, "|", `\|`), strings.NewReplacer(`\\`, `\`, `\|`, "|")

// joinPairs writes names and values into a cell: "Care: By hand | Material: Enamel".
func joinPairs(pairs map[string]string) string {
	var cell []string
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		cell = append(cell, name+": "+escapePairs.Replace(pairs[name]))
	}
	return strings.Join(cell, " | ")
}

// splitPairs reads what joinPairs writes.
func splitPairs(cell string) (map[string]string, error) {
	pairs := map[string]string{}
	for _, pair := range splitList(cell) {
		name, value, ok := strings.Cut(pair, ":")
		name = strings.TrimSpace(name)
		if _, twice := pairs[name]; !ok || twice {
			return nil, fmt.Errorf("%q is not like Material: Enamel, or there twice", pair)
		}
		pairs[name] = strings.TrimSpace(unescapePairs.Replace(value))
	}
	return pairs, nil
}

// splitList are the parts of a cell between bars that are not escaped, as they are written.
func splitList(cell string) (parts []string) {
	begin, escaped := 0, false
	for i, r := range cell + "|" {
		switch {
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
		case r == '|':
			if part := strings.TrimSpace(cell[begin:i]); part != "" {
				parts = append(parts, part)
			}
			begin = i + 1
		}
	}
	return parts
}

// table is what the heading of a file says about its lines.
type table struct {
	columns map[string]int
	whole   bool // every column is there, so that a line says all about its product and its variant
}

// readHeading finds the columns. One that is not known is refused: somebody meant something by it.
func readHeading(heading []string) (table, error) {
	t := table{columns: map[string]int{}, whole: true}
	known := tableHeading()
	for i, name := range heading {
		if !slices.Contains(known, name) {
			return t, problem.New(problem.Unprocessable, "unknown-column", "There is no column %q.", name)
		}
		if _, twice := t.columns[name]; twice {
			return t, problem.New(problem.Unprocessable, "column-twice", "The column %q is there twice.", name)
		}
		t.columns[name] = i
	}
	if _, ok := t.columns["slug"]; !ok {
		return t, problem.New(problem.Unprocessable, "column-missing", "The column slug is missing.")
	}
	t.whole = len(t.columns) == len(known)
	return t, nil
}

// tableLine is one line, read but not yet held against what there is.
type tableLine struct {
	number  int
	product ProductChange
	sku     string
	options map[string]string // nil: as they are
	prices  map[string]int64  // 0: not sold in this currency; absent: as it is
}

func (l tableLine) slug() string { return *l.product.Slug }

// lineFault is what is wrong with a line.
type lineFault struct {
	Line   int    `bson:"line" json:"line"`
	Column string `bson:"column,omitempty" json:"column,omitempty"`
	Code   string `bson:"code" json:"code"`
	Detail string `bson:"detail" json:"detail"`
}

// read makes sense of a line's cells, or says of which it cannot.
func (t table) read(cells []string, number int) (l tableLine, found []lineFault) {
	l = tableLine{number: number, prices: map[string]int64{}}
	cell := func(name string) *string {
		if i, ok := t.columns[name]; ok {
			return &cells[i]
		}
		return nil
	}
	fault := func(column, format string, args ...any) {
		found = append(found, lineFault{number, column, "invalid-" + strings.ToLower(column), fmt.Sprintf(format, args...)})
	}
	l.product = ProductChange{Slug: cell("slug"), Name: cell("name"), Brand: cell("brand"), Category: cell("category"), Description: cell("description")}
	if status := cell("status"); status != nil && *status != "" {
		s := Status(*status)
		l.product.Status = &s
	}
	if images := cell("images"); images != nil {
		names := splitList(*images)
		l.product.Images = &names
	}
	if attributes := cell("attributes"); attributes != nil {
		pairs, err := splitPairs(*attributes)
		if err != nil {
			fault("attributes", "%s.", err)
		}
		l.product.Attributes = &pairs
	}
	if sku := cell("sku"); sku != nil {
		l.sku = strings.TrimSpace(*sku)
	}
	if options := cell("options"); options != nil {
		pairs, err := splitPairs(*options)
		if err != nil {
			fault("options", "%s.", err)
		}
		l.options = pairs
	}
	for _, currency := range Currencies {
		price := cell(currency)
		if price == nil {
			continue
		}
		if *price = strings.TrimSpace(*price); *price == "" {
			l.prices[currency] = 0
			continue
		}
		amount, err := money.Parse(*price, currency)
		if err != nil || amount.Minor() <= 0 {
			example := money.Must(3450, currency).Decimal()
			fault(currency, "A price in %s looks like %s.", currency, example)
			continue
		}
		l.prices[currency] = amount.Minor()
	}
	if l.sku == "" && (len(l.options) > 0 || slices.ContainsFunc(slices.Collect(maps.Values(l.prices)), func(minor int64) bool { return minor != 0 })) {
		fault("sku", "Options and prices belong to a variant, which needs a SKU.")
	}
	return l, found
}

// apply writes what the line says into p.
func (l tableLine) apply(p *Product) {
	l.product.apply(p)
	if l.sku == "" {
		return
	}
	p.Variants = slices.Clone(p.Variants)
	at := slices.IndexFunc(p.Variants, func(v Variant) bool { return v.SKU == l.sku })
	if at < 0 {
		at = len(p.Variants)
		p.Variants = append(p.Variants, Variant{SKU: l.sku})
	}
	v := &p.Variants[at]
	if l.options != nil {
		v.Options = maps.Clone(l.options)
	}
	v.Prices = maps.Clone(v.Prices)
	if v.Prices == nil {
		v.Prices = Prices{}
	}
	for currency, minor := range l.prices {
		if minor == 0 {
			delete(v.Prices, currency)
		} else {
			v.Prices[currency] = minor
		}
	}
}

// columnOf is the column that a field of a product is in.
func columnOf(field string) string {
	parts := strings.Split(field, ".")
	if parts[0] != "variants" || len(parts) < 3 {
		return strings.TrimSuffix(parts[0], "variants")
	}
	switch parts[2] {
	case "prices":
		return parts[len(parts)-1]
	default:
		return parts[2]
	}
}

// faultsOf are what a refusal says about a line.
func faultsOf(err error, number int) []lineFault {
	refusal := problem.From(err)
	if len(refusal.Fields) == 0 {
		return []lineFault{{number, "", refusal.Code, refusal.Detail}}
	}
	var found []lineFault
	for _, f := range refusal.Fields {
		column := columnOf(f.Field)
		code := "invalid-" + strings.ToLower(column)
		if refusal.Code == "sku-taken" || refusal.Code == "slug-taken" {
			code = refusal.Code
		}
		found = append(found, lineFault{number, column, strings.TrimSuffix(code, "-"), f.Detail + "."})
	}
	return found
}

// productHash and variantHash tell whether a line says what there is already, without what there is.
func productHash(p *Product) uint64 {
	status := p.Status
	if status == "" {
		status = Active
	}
	return hash(p.Slug, string(status), p.Name, p.Brand, p.Category, p.Description, strings.Join(p.Images, "|"), joinPairs(p.Attributes))
}

func variantHash(v *Variant) uint64 {
	fields := []string{v.SKU, joinPairs(v.Options)}
	for _, currency := range slices.Sorted(maps.Keys(v.Prices)) {
		fields = append(fields, currency, fmt.Sprint(v.Prices[currency]))
	}
	return hash(fields...)
}

func hash(fields ...string) uint64 {
	h := fnv.New64a()
	for _, f := range fields {
		_, _ = h.Write([]byte(f))
		_, _ = h.Write([]byte{0})
	}
	return h.Sum64()
}
