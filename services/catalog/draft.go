package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
)

const (
	maxSlug           = 100
	maxName           = 200
	maxBrand          = 100
	maxDescription    = 10_000
	maxAttributes     = 50
	maxAttributeName  = 50
	maxAttributeValue = 500
	maxOptions        = 10
	maxImages         = 20
	maxVariants       = 200
	maxSKU            = 64
	maxPrice          = 1e11 // minor units; what a number of JavaScript holds many times over
)

var (
	// attributeShape leaves out what has a meaning in a document's path, in a cell of a CSV file, or in an address.
	attributeShape = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N} ()/&%-]*$`)
	numberShape    = regexp.MustCompile(`^-?[0-9]+([.,][0-9]+)?( ?[\p{L}%°²³/"]+)?$`) // with its unit
)

// faults collects what is wrong with the fields of a request.
type faults struct{ found []problem.FieldError }

func (f *faults) add(field, format string, args ...any) {
	f.found = append(f.found, problem.FieldError{Field: field, Detail: fmt.Sprintf(format, args...)})
}

// line is s without space around it; it must have from least to most characters, and no line breaks.
func (f *faults) line(field, s string, least, most int) string {
	s = strings.TrimSpace(s)
	switch n := utf8.RuneCountInString(s); {
	case n < least || n > most:
		f.add(field, "must have %d to %d characters", least, most)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		f.add(field, "must be one line of text")
	}
	return s
}

// text is s without space around it and with plain line breaks.
func (f *faults) text(field, s string, most int) string {
	s = strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s))
	switch {
	case utf8.RuneCountInString(s) > most:
		f.add(field, "must have at most %d characters", most)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		f.add(field, "must be text")
	}
	return s
}

func (f *faults) problem(code, detail string) error {
	if len(f.found) == 0 {
		return nil
	}
	return problem.New(problem.Unprocessable, code, "%s", detail).WithFields(f.found...)
}

// misfit refuses one field.
func misfit(field, format string, args ...any) error {
	detail := fmt.Sprintf(format, args...)
	return problem.New(problem.Unprocessable, "invalid-fields", "%s", detail).WithFields(problem.FieldError{Field: field, Detail: detail})
}

// ProductChange is what staff say of a product: the whole of it, or the parts to be changed.
type ProductChange struct {
	Slug        *string            `json:"slug"`
	Name        *string            `json:"name"`
	Brand       *string            `json:"brand"`
	Category    *string            `json:"category"`
	Description *string            `json:"description"`
	Attributes  *map[string]string `json:"attributes"`
	Images      *[]string          `json:"images"`
	Status      *Status            `json:"status"`
	Variants    *[]Variant         `json:"variants"`
}

// whole is the change with nothing left as it is: what is not said is empty, and a draft.
func (c ProductChange) whole() ProductChange {
	fill(&c.Slug)
	fill(&c.Name)
	fill(&c.Brand)
	fill(&c.Category)
	fill(&c.Description)
	fill(&c.Attributes)
	fill(&c.Images)
	fill(&c.Variants)
	if c.Status == nil {
		draft := Draft
		c.Status = &draft
	}
	return c
}

func fill[T any](p **T) {
	if *p == nil {
		*p = new(T)
	}
}

// apply writes what is said into p.
func (c ProductChange) apply(p *Product) {
	set(&p.Slug, c.Slug)
	set(&p.Name, c.Name)
	set(&p.Brand, c.Brand)
	set(&p.Category, c.Category)
	set(&p.Description, c.Description)
	set(&p.Attributes, c.Attributes)
	set(&p.Images, c.Images)
	set(&p.Status, c.Status)
	set(&p.Variants, c.Variants)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// Tidy makes a product as it is kept, or refuses it with every fault at once. The tree has the categories that there are.
func (p *Product) Tidy(tree *Tree) error {
	f := faults{}
	if len(p.Slug) > maxSlug || !slugShape.MatchString(p.Slug) {
		f.add("slug", "must be words of small letters and digits with hyphens between them, like enamel-teapot")
	}
	p.Name, p.Brand = f.line("name", p.Name, 1, maxName), f.line("brand", p.Brand, 1, maxBrand)
	p.Description = f.text("description", p.Description, maxDescription)
	if tree.index(p.Category) < 0 {
		f.add("category", "is not a category")
	}
	if p.Status == "" {
		p.Status = Active
	}
	if p.Status != Draft && p.Status != Active && p.Status != Archived {
		f.add("status", "must be draft, active or archived")
	}
	p.Attributes = f.pairs("attributes", p.Attributes, maxAttributes)
	definitions := tree.definitions(p.Category)
	for name, value := range p.Attributes {
		if detail := definitions[name].fault(value); detail != "" {
			f.add("attributes."+name, "%s", detail)
		}
	}
	if len(p.Images) > maxImages {
		f.add("images", "must be at most %d", maxImages)
	}
	for i, name := range p.Images {
		if !imageShape.MatchString(name) || slices.Contains(p.Images[:i], name) {
			f.add(fmt.Sprintf("images.%d", i), "is not the name of a picture, or there twice")
		}
	}
	p.tidyVariants(&f)
	if p.Status == Active {
		if len(p.Images) == 0 {
			f.add("images", "must have one before the product is sold")
		}
		if len(p.Variants) == 0 {
			f.add("variants", "must have one before the product is sold")
		}
	}
	return f.problem("invalid-product", "The product is not right yet.")
}

func (p *Product) tidyVariants(f *faults) {
	if len(p.Variants) > maxVariants {
		f.add("variants", "must be at most %d", maxVariants)
	}
	skus := map[string]bool{}
	for i := range p.Variants {
		v, field := &p.Variants[i], fmt.Sprintf("variants.%d", i)
		if !skuShape.MatchString(v.SKU) || len(v.SKU) > maxSKU {
			f.add(field+".sku", "must be words of capital letters and digits with hyphens between them, like TEAPOT-RED")
		}
		if skus[v.SKU] {
			f.add(field+".sku", "is there twice")
		}
		skus[v.SKU] = true
		v.Options = f.pairs(field+".options", v.Options, maxOptions)
		if len(v.Prices) == 0 && p.Status == Active {
			f.add(field+".prices", "must have one before the product is sold")
		}
		for currency, minor := range v.Prices {
			if _, err := money.New(minor, currency); err != nil || !slices.Contains(Currencies[:], currency) {
				f.add(field+".prices."+currency, "is not a currency of the shop")
			} else if minor <= 0 || minor > maxPrice {
				f.add(field+".prices."+currency, "must be a positive number of minor units")
			}
		}
		if v.Prices == nil {
			v.Prices = Prices{}
		}
	}
}

// pairs are names and values without space around them; never nil, so that what is kept and what is asked for compare.
func (f *faults) pairs(field string, given map[string]string, most int) map[string]string {
	if len(given) > most {
		f.add(field, "must be at most %d", most)
		return given
	}
	tidy := make(map[string]string, len(given))
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !attributeShape.MatchString(name) || utf8.RuneCountInString(name) > maxAttributeName {
			f.add(field, "has a name that is not a few words of letters and digits")
			continue
		}
		tidy[name] = f.line(field+"."+name, given[name], 1, maxAttributeValue)
	}
	return tidy
}

// fault is why a value is not one of the definition's; "" if it is, or if nothing is defined.
func (d AttributeDefinition) fault(value string) string {
	switch {
	case d.Kind == "number" && !numberShape.MatchString(value):
		return "must be a number, with its unit if it has one"
	case d.Kind == "choice" && !slices.Contains(d.Choices, value):
		return "must be one of " + strings.Join(d.Choices, ", ")
	}
	return ""
}

// fields are what an audit entry compares.
func (p *Product) fields() map[string]any {
	variants := make([]any, len(p.Variants))
	for i, v := range p.Variants {
		variants[i] = map[string]any{"sku": v.SKU, "options": orEmpty(v.Options), "prices": v.Prices}
	}
	status := p.Status
	if status == "" {
		status = Active
	}
	return map[string]any{
		"slug": p.Slug, "name": p.Name, "brand": p.Brand, "category": p.Category, "description": p.Description,
		"attributes": orEmpty(p.Attributes), "images": append([]string{}, p.Images...), "status": string(status), "variants": variants,
	}
}

// orEmpty is m, or an empty map: documents may leave out what is empty.
func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
