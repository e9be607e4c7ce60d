// Package problem is the one error type that crosses a boundary. An Error travels up from the domain to the edge of a
// service, is rendered once as an RFC 9457 problem document, and is read back into the same type by the caller, so that
// "not found" stays "not found" through the gateway. It is not for logging and not for errors that stay inside a service.
package problem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kind classifies an error and decides its HTTP status.
type Kind int

// The kinds of problem, each with the HTTP status it is answered with. The zero Kind is Internal, so that a forgotten
// kind never passes for the caller's fault.
const (
	Internal             Kind = iota // 500
	Invalid                          // 400
	Unauthenticated                  // 401
	Forbidden                        // 403
	NotFound                         // 404
	MethodNotAllowed                 // 405
	Conflict                         // 409
	PreconditionFailed               // 412
	TooLarge                         // 413
	UnsupportedMediaType             // 415
	Unprocessable                    // 422
	PreconditionRequired             // 428
	TooMany                          // 429
	Unavailable                      // 503
)

var statuses = map[Kind]int{
	Internal:             http.StatusInternalServerError,
	Invalid:              http.StatusBadRequest,
	Unauthenticated:      http.StatusUnauthorized,
	Forbidden:            http.StatusForbidden,
	NotFound:             http.StatusNotFound,
	MethodNotAllowed:     http.StatusMethodNotAllowed,
	Conflict:             http.StatusConflict,
	PreconditionFailed:   http.StatusPreconditionFailed,
	TooLarge:             http.StatusRequestEntityTooLarge,
	UnsupportedMediaType: http.StatusUnsupportedMediaType,
	Unprocessable:        http.StatusUnprocessableEntity,
	PreconditionRequired: http.StatusPreconditionRequired,
	TooMany:              http.StatusTooManyRequests,
	Unavailable:          http.StatusServiceUnavailable,
}

// Status is the HTTP status of the kind.
func (k Kind) Status() int { return statuses[k] }

// FieldError says what is wrong with one field of a request.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Error is a failure that a caller is told about. Code is stable kebab-case for programs, Detail a sentence for people.
type Error struct {
	Kind       Kind
	Code       string
	Detail     string
	Fields     []FieldError
	RetryAfter time.Duration // sent as Retry-After, in whole seconds, when positive
}

func (e *Error) Error() string { return e.Code + ": " + e.Detail }

// New makes an error; format and args make its detail.
func New(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// WithFields adds what is wrong with single fields.
func (e *Error) WithFields(fields ...FieldError) *Error {
	e.Fields = append(e.Fields, fields...)
	return e
}

// WithRetryAfter tells the caller when it is worth trying again.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	e.RetryAfter = d
	return e
}

// From finds our error in err's chain. An error that is not ours becomes one without detail, so that no SQL text or path
// ever reaches a client: "service-unavailable" if a server that we depend on did not answer, else "internal-error".
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if away(err) {
		return New(Unavailable, "service-unavailable", "A part of the shop does not answer at the moment.").WithRetryAfter(2 * time.Second)
	}
	return New(Internal, "internal-error", "Something went wrong on our side. Please try again.")
}

// away tells a database or another server that is down from a fault of ours: a connection that failed or broke, a
// deadline that passed, or a database that says so itself (PostgreSQL error classes 08, connection, and 57P, shutdown).
func away(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	var db interface{ SQLState() string }
	return errors.As(err, &db) && (strings.HasPrefix(db.SQLState(), "08") || strings.HasPrefix(db.SQLState(), "57P"))
}

// Is reports whether err carries the given code.
func Is(err error, code string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// document is the wire form, RFC 9457 section 3, with our extension members code and errors.
type document struct {
	Type   string       `json:"type"`
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Code   string       `json:"code"`
	Detail string       `json:"detail,omitempty"`
	Errors []FieldError `json:"errors,omitempty"`
}

// Write answers r with err as application/problem+json.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	e := From(err)
	status := e.Kind.Status()
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Length")
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	w.WriteHeader(status)
	if r != nil && r.Method == http.MethodHead {
		return
	}
	doc := document{
		Type: "urn:sidecart:problem:" + e.Code, Title: http.StatusText(status), Status: status,
		Code: e.Code, Detail: e.Detail, Errors: e.Fields,
	}
	if err := json.NewEncoder(w).Encode(doc); err != nil {
		slog.Debug("problem document not delivered", "error", err)
	}
}

// Read turns an answer that is not 2xx back into the Error it was written from. It returns nil for 2xx and leaves the
// body of such an answer unread.
func Read(resp *http.Response) error {
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	e := &Error{Kind: kindOf(resp.StatusCode)}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var doc document
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") ||
		json.Unmarshal(body, &doc) != nil || doc.Code == "" {
		return fmt.Errorf("answer %d without a problem document", resp.StatusCode)
	}
	e.Code, e.Detail, e.Fields = doc.Code, doc.Detail, doc.Errors
	return e
}

func kindOf(status int) Kind {
	for kind, s := range statuses {
		if s == status {
			return kind
		}
	}
	return Internal
}
