package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/web"
)

// call is one authenticated request to Stripe's API.
type call struct {
	*params
	id     string // of the object in the path
	now    time.Time
	origin eventRequest
	posts  []webhook // to be sent once the change is on disk
}

// answer is what a call was answered with; it is what an idempotency key brings back.
type answer struct {
	Status      int       `json:"status"`
	Body        []byte    `json:"body"`
	RequestID   string    `json:"requestId"`
	Path        string    `json:"path"`
	Fingerprint []byte    `json:"fingerprint"`
	At          time.Time `json:"at"`
}

// stripeAPI lets a request through that carries the secret key, as a bearer token or as Basic user name, and turns the
// error it ends with into Stripe's form.
func (s *server) stripeAPI(next web.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Request-Id", "req_"+rand.Text()[:14])
		w.Header().Set("Stripe-Version", apiVersion)
		err := s.authorized(r)
		if err == nil {
			err = bufferBody(w, r)
		}
		if err == nil {
			err = next(w, r)
		}
		if err != nil {
			s.refuse(w, err)
		}
	})
}

func (s *server) authorized(r *http.Request) error {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if user, _, basic := r.BasicAuth(); basic {
		key, ok = user, true
	}
	switch {
	case !ok || key == "":
		return &stripeError{status: http.StatusUnauthorized, Type: "invalid_request_error", Message: "You did not provide an API key. " +
			"You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."}
	case subtle.ConstantTimeCompare([]byte(key), []byte(s.config.stripeKey)) != 1:
		return &stripeError{status: http.StatusUnauthorized, Type: "invalid_request_error",
			Message: "Invalid API Key provided: " + key[:min(len(key), 8)] + "***"}
	}
	return nil
}

// bufferBody reads the body into memory: a fault may have to know it before the handler does.
func bufferBody(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, web.MaxBody))
	if err != nil {
		return invalid("", "", "Invalid request: the body cannot be read.")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// refuse answers with an error in Stripe's form.
func (s *server) refuse(w http.ResponseWriter, err error) {
	status, body := refusal(err)
	writeRaw(w, status, body)
}

func refusal(err error) (status int, body []byte) {
	e, ok := errors.AsType[*stripeError](err)
	if fault, asked := errors.AsType[*injected](err); asked {
		e = fault.asStripe()
	} else if !ok {
		slog.Error("call failed", "error", err)
		e = &stripeError{status: http.StatusInternalServerError, Type: "api_error", Message: "An unknown error occurred."}
	}
	body, err = json.Marshal(map[string]*stripeError{"error": e})
	if err != nil {
		slog.Error("encode refusal", "error", err)
	}
	return e.status, body
}

func writeRaw(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have gone
}

// read answers a GET.
func (s *server) read(operation string, known []string, query func(*txn, *call) (any, error)) http.Handler {
	return s.stripeAPI(s.faulty(operation, func(w http.ResponseWriter, r *http.Request) error {
		p, err := readParams(r, known...)
		if err != nil {
			return err
		}
		c := &call{params: p, id: mux.Vars(r)["id"], now: s.now()}
		var result any
		if err := s.store.view(func(t *txn) error {
			result, err = query(t, c)
			return err
		}); err != nil {
			return err
		}
		return web.Encode(w, http.StatusOK, result)
	}))
}

// change answers a POST, once per idempotency key (https://docs.stripe.com/api/idempotent_requests): the effect, the
// money it moved, the webhooks it owes and the answer are saved as one.
func (s *server) change(operation string, known []string, act func(*txn, *call) (any, error)) http.Handler {
	return s.stripeAPI(s.oneAtATime(s.faulty(operation, func(w http.ResponseWriter, r *http.Request) error {
		p, err := readParams(r, known...)
		if err != nil {
			return err
		}
		key := r.Header.Get("Idempotency-Key")
		fingerprint := sha256.Sum256([]byte(r.Method + r.URL.Path + "?" + p.values.Encode()))
		if key != "" {
			prior, found, err := s.priorAnswer(key)
			if err != nil {
				return err
			}
			if found {
				return replay(w, r, key, prior, fingerprint[:])
			}
		}
		c := &call{params: p, id: mux.Vars(r)["id"], now: s.now()}
		c.origin = eventRequest{ID: nullable(w.Header().Get("Request-Id")), IdempotencyKey: nullable(key)}
		var a answer
		if err := s.store.update(func(t *txn) error {
			a = answer{RequestID: w.Header().Get("Request-Id"), Path: r.URL.Path, Fingerprint: fingerprint[:], At: c.now}
			c.posts = nil
			return s.execute(t, c, act, key, &a)
		}); err != nil {
			return err
		}
		s.courier.send(c.posts...)
		writeRaw(w, a.Status, a.Body)
		return nil
	})))
}

// execute acts, puts the outcome into a, and saves it under key unless the request was refused before it changed anything.
func (s *server) execute(t *txn, c *call, act func(*txn, *call) (any, error), key string, a *answer) error {
	result, err := act(t, c)
	refused, ok := errors.AsType[*stripeError](err)
	switch {
	case err != nil && !ok:
		return err
	case ok:
		a.Status, a.Body = refusal(refused)
	default:
		a.Status = http.StatusOK
		if a.Body, err = json.Marshal(result); err != nil {
			return err
		}
	}
	if key == "" || ok && refused.unsaved {
		return nil
	}
	return t.put(answers, []byte(key), a)
}

func (s *server) priorAnswer(key string) (prior answer, found bool, err error) {
	err = s.store.view(func(t *txn) error {
		found, err = t.get(answers, key, &prior)
		return err
	})
	return prior, found, err
}

func replay(w http.ResponseWriter, r *http.Request, key string, prior answer, fingerprint []byte) error {
	mismatch := &stripeError{status: http.StatusBadRequest, Type: "idempotency_error"}
	switch {
	case prior.Path != r.URL.Path:
		mismatch.Message = "Keys for idempotent requests can only be used for the same endpoint they were first used for ('" + r.URL.Path + "' vs '" +
			prior.Path + "'). Try using a key other than '" + key + "' if you meant to execute a different request."
		return mismatch
	case !bytes.Equal(prior.Fingerprint, fingerprint):
		mismatch.Message = "Keys for idempotent requests can only be used with the same parameters they were first used with. " +
			"Try using a key other than '" + key + "' if you meant to execute a different request."
		return mismatch
	}
	w.Header().Set("Idempotency-Key", key)
	w.Header().Set("Idempotent-Replayed", "true")
	w.Header().Set("Original-Request", prior.RequestID)
	writeRaw(w, prior.Status, prior.Body)
	return nil
}

// oneAtATime refuses a call while another with the same idempotency key is still being answered.
func (s *server) oneAtATime(next web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		key := r.Header.Get("Idempotency-Key")
		if key == "" {
			return next(w, r)
		}
		if len(key) > 255 {
			return invalid("", "", "Idempotency keys can have up to 255 characters.")
		}
		if _, busy := s.inFlight.LoadOrStore(key, true); busy {
			return &stripeError{status: http.StatusConflict, Type: "idempotency_error", Code: "idempotency_key_in_use",
				Message: "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, " +
					"and the other request is still going through): " + key + ". Please try again later."}
		}
		defer s.inFlight.Delete(key)
		return next(w, r)
	}
}

// noSuchCall answers everything of Stripe's API that the sandbox does not have.
func (s *server) noSuchCall(_ http.ResponseWriter, r *http.Request) error {
	return &stripeError{status: http.StatusNotFound, Type: "invalid_request_error",
		Message: "Unrecognized request URL (" + r.Method + ": " + r.URL.Path + "). The sandbox knows PaymentIntents and Refunds."}
}
