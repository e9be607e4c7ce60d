// Package web is the HTTP edge that every program shares: handlers that return their error, strict JSON in and out, and
// one log line and one measurement per request. It knows nothing of Dapr, of databases or of the shop.
package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/problem"
)

// MaxBody is the most that a request body may hold, in bytes, unless a route states otherwise.
const MaxBody = 1 << 20

// Handler answers a request or returns why it could not; the error is rendered as a problem document.
type Handler func(w http.ResponseWriter, r *http.Request) error

func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h(w, r); err != nil {
		note(r.Context(), err)
		problem.Write(w, r, err)
	}
}

// Router is a mux router whose misses are problem documents too, and whose route templates reach the request log.
// Paths are matched as they were sent, so that an encoded slash never becomes a real one.
func Router() *mux.Router {
	r := mux.NewRouter().UseEncodedPath().SkipClean(true)
	r.NotFoundHandler = Handler(func(_ http.ResponseWriter, r *http.Request) error {
		return problem.New(problem.NotFound, "no-such-route", "There is nothing at this address.")
	})
	r.MethodNotAllowedHandler = Handler(func(_ http.ResponseWriter, r *http.Request) error {
		return problem.New(problem.MethodNotAllowed, "method-not-allowed", "This address does not answer to %s.", r.Method)
	})
	r.Use(noteRoute)
	return r
}

// Decode reads r's JSON body into v. It is strict: another content type, more than MaxBody bytes, unknown or repeated
// trailing data and wrong types are refused, each with its own problem code.
func Decode[T any](w http.ResponseWriter, r *http.Request, v *T) error {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json") {
		return problem.New(problem.UnsupportedMediaType, "unsupported-media-type", "Send this request as application/json.")
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return decodeProblem(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return problem.New(problem.Invalid, "malformed-json", "The body holds more than one JSON value.")
	}
	return nil
}

func decodeProblem(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem.New(problem.TooLarge, "body-too-large", "The body is larger than %d bytes.", tooLarge.Limit)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return problem.New(problem.Invalid, "wrong-type", "The field %q cannot be a %s.", wrong.Field, wrong.Value).
			WithFields(problem.FieldError{Field: wrong.Field, Detail: "must be " + jsonType(wrong.Type)})
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		field := strings.Trim(name, `"`)
		return problem.New(problem.Invalid, "unknown-field", "There is no field %q here.", field).
			WithFields(problem.FieldError{Field: field, Detail: "is not known"})
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return problem.New(problem.Invalid, "malformed-json", "The body is not well-formed JSON.")
	}
	// What is left comes from a field's own UnmarshalJSON, such as an amount of money or a time.
	return problem.New(problem.Invalid, "wrong-type", "A field of the body does not have the right form.")
}

func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map, reflect.Pointer, reflect.Interface:
		return "an object"
	default:
		return "a whole number in range"
	}
}

// Encode answers with v as JSON.
func Encode(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the status has gone out: a failed write is the client's hanging up
	return nil
}

// Page is one page of a list; NextCursor is absent on the last.
type Page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"nextCursor,omitempty"`
}

// Limit reads the query parameter limit: def if absent, refused outside 1…most.
func Limit(r *http.Request, def, most int) (int, error) {
	s := r.URL.Query().Get("limit")
	if s == "" {
		return def, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		return 0, problem.New(problem.Invalid, "invalid-limit", "limit must be a whole number from 1 to %d.", most).
			WithFields(problem.FieldError{Field: "limit", Detail: fmt.Sprintf("must be from 1 to %d", most)})
	}
	return n, nil
}
