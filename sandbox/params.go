package main

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// params reads a request's parameters as Stripe does: by name, form-encoded, nested as name[key]. The first thing that
// is wrong is kept in refusal, so that a handler reads everything and asks once.
type params struct {
	values  url.Values
	refusal error
}

// readParams takes the query of a GET or the form of a POST, and refuses names that are neither known nor "expand".
func readParams(r *http.Request, known ...string) (*params, error) {
	p := &params{values: r.URL.Query()}
	if r.Method == http.MethodPost {
		contentType := r.Header.Get("Content-Type")
		mediaType, _, err := mime.ParseMediaType(contentType)
		if contentType != "" && (err != nil || mediaType != "application/x-www-form-urlencoded") {
			return nil, invalid("", "", "Invalid request (check that your POST content type is application/x-www-form-urlencoded).")
		}
		if err := r.ParseForm(); err != nil {
			return nil, invalid("", "", "Invalid request: the body is not a valid form.")
		}
		p.values = r.Form
	}
	for name, values := range p.values {
		top, _, _ := strings.Cut(name, "[")
		if top != "expand" && !slices.Contains(known, top) {
			return nil, invalid("parameter_unknown", name, "Received unknown parameter: %s", name)
		}
		for _, v := range values {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				return nil, invalid("invalid_characters", name, "Invalid characters in %s", name)
			}
		}
	}
	return p, nil
}

func (p *params) refuse(code, name, format string, args ...any) {
	if p.refusal == nil {
		p.refusal = invalid(code, name, format, args...)
	}
}

func (p *params) text(name string) string { return strings.TrimSpace(p.values.Get(name)) }

func (p *params) required(name string) string {
	v := p.text(name)
	if v == "" {
		p.refuse("parameter_missing", name, "Missing required param: %s.", name)
	}
	return v
}

// integer reads a whole number from 1 on; 0 if it is absent.
func (p *params) integer(name string) int64 {
	v := p.text(name)
	if v == "" {
		return 0
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		p.refuse("parameter_invalid_integer", name, "Invalid integer: %s", v)
		return 0
	}
	if n < 1 {
		p.refuse("parameter_invalid_integer", name, "This value must be greater than or equal to 1.")
	}
	return n
}

func (p *params) flag(name string) bool {
	switch v := p.text(name); v {
	case "", "false":
	case "true":
		return true
	default:
		p.refuse("", name, "Invalid boolean: %s", v)
	}
	return false
}

func (p *params) oneOf(name, otherwise string, options ...string) string {
	v := p.text(name)
	if v == "" {
		return otherwise
	}
	if !slices.Contains(options, v) {
		p.refuse("", name, "Invalid %s: must be one of %s", name, strings.Join(options, ", "))
	}
	return v
}

// metadata reads metadata[key]=value within Stripe's limits (https://docs.stripe.com/api/metadata).
func (p *params) metadata() map[string]string {
	found := map[string]string{}
	for name, values := range p.values {
		key, ok := strings.CutPrefix(name, "metadata[")
		if !ok {
			continue
		}
		key, ok = strings.CutSuffix(key, "]")
		switch v := values[len(values)-1]; {
		case !ok || key == "" || strings.ContainsAny(key, "[]") || len(key) > 40:
			p.refuse("", name, "Metadata keys must be 1 to 40 characters, without square brackets.")
		case utf8.RuneCountInString(v) > 500:
			p.refuse("", name, "Metadata values can have up to 500 characters.")
		default:
			found[key] = v
		}
	}
	if len(found) > 50 {
		p.refuse("", "metadata", "You can have up to 50 metadata keys.")
	}
	return found
}

// webURL reads an absolute http or https address.
func (p *params) webURL(name string) string {
	v := p.text(name)
	if v == "" {
		return ""
	}
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		p.refuse("url_invalid", name, "Not a valid URL")
	}
	return v
}

func (p *params) list(name string) []string {
	var found []string
	for n, values := range p.values {
		if n == name || strings.HasPrefix(n, name+"[") {
			found = append(found, values...)
		}
	}
	slices.Sort(found)
	return found
}

// invalid refuses a request before it is executed.
func invalid(code, param, format string, args ...any) *stripeError {
	return &stripeError{status: http.StatusBadRequest, unsaved: true, Type: "invalid_request_error", Code: code, Param: param,
		Message: fmt.Sprintf(format, args...)}
}

// noSuch is Stripe's answer for an id that it does not know.
func noSuch(object, param, id string) *stripeError {
	return &stripeError{status: http.StatusNotFound, Type: "invalid_request_error", Code: "resource_missing", Param: param,
		Message: fmt.Sprintf("No such %s: '%s'", object, id)}
}

func (e *stripeError) Error() string { return e.Type + ": " + e.Message }
