package main

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/web"
)

// paypalCall is one authenticated request to PayPal's API.
type paypalCall struct {
	id    string // of the object in the path
	body  []byte
	now   time.Time
	whole bool      // "Prefer: return=representation"
	posts []webhook // to be sent once the change is on disk
}

// paypalError is https://developer.paypal.com/api/rest/responses/#link-failedrequests.
type paypalError struct {
	status int

	Name    string         `json:"name"`
	Message string         `json:"message"`
	DebugID string         `json:"debug_id"`
	Details []paypalDetail `json:"details,omitempty"`
	Links   []paypalLink   `json:"links,omitempty"`
}

type paypalDetail struct {
	Field       string `json:"field,omitempty"`
	Value       string `json:"value,omitempty"`
	Location    string `json:"location,omitempty"`
	Issue       string `json:"issue"`
	Description string `json:"description,omitempty"`
}

func (e *paypalError) Error() string { return e.Name + ": " + e.Message }

// The names of errors, with the sentence that always goes along.
var paypalErrors = map[int]paypalError{
	http.StatusBadRequest:           {Name: "INVALID_REQUEST", Message: "Request is not well-formed, syntactically incorrect, or violates schema."},
	http.StatusUnauthorized:         {Name: "AUTHENTICATION_FAILURE", Message: "Authentication failed due to missing authorization header, or invalid authentication credentials."},
	http.StatusForbidden:            {Name: "NOT_AUTHORIZED", Message: "Authorization failed due to insufficient permissions."},
	http.StatusNotFound:             {Name: "RESOURCE_NOT_FOUND", Message: "The specified resource does not exist."},
	http.StatusConflict:             {Name: "RESOURCE_CONFLICT", Message: "The server has detected a conflict while processing this request."},
	http.StatusUnsupportedMediaType: {Name: "UNSUPPORTED_MEDIA_TYPE", Message: "The server does not support the request payload's media type."},
	http.StatusUnprocessableEntity:  {Name: "UNPROCESSABLE_ENTITY", Message: "The requested action could not be performed, semantically incorrect, or failed business validation."},
	http.StatusTooManyRequests:      {Name: "RATE_LIMIT_REACHED", Message: "Too many requests. Blocked due to rate limiting."},
	http.StatusInternalServerError:  {Name: "INTERNAL_SERVER_ERROR", Message: "An internal server error has occurred."},
	http.StatusServiceUnavailable:   {Name: "SERVICE_UNAVAILABLE", Message: "Service Unavailable."},
}

func paypalRefusal(status int, details ...paypalDetail) *paypalError {
	e, known := paypalErrors[status]
	if !known {
		e = paypalErrors[http.StatusInternalServerError]
	}
	e.status, e.DebugID, e.Details = status, strings.ToLower(rand.Text()[:13]), details
	for _, d := range details {
		e.Links = append(e.Links, paypalLink{"https://developer.paypal.com/docs/api/orders/v2/#error-" + d.Issue, "information_link", "GET"})
	}
	return &e
}

// unprocessable refuses what is well said but cannot be done.
func unprocessable(issue, description string) *paypalError {
	return paypalRefusal(http.StatusUnprocessableEntity, paypalDetail{Issue: issue, Description: description})
}

// badField refuses a request that does not fit the schema.
func badField(field, value, issue, description string) *paypalError {
	return paypalRefusal(http.StatusBadRequest, paypalDetail{Field: field, Value: value, Location: "body", Issue: issue, Description: description})
}

func noSuchResource() *paypalError {
	return paypalRefusal(http.StatusNotFound, paypalDetail{Issue: "INVALID_RESOURCE_ID", Description: "Specified resource ID does not exist. Please check the resource ID and try again."})
}

// asPayPal is what PayPal would say with this status.
func (e *injected) asPayPal() *paypalError {
	issue := strings.ToUpper(e.Code)
	if issue == "" {
		return paypalRefusal(e.Status)
	}
	return paypalRefusal(e.Status, paypalDetail{Issue: issue, Description: "The sandbox was asked to fail here."})
}

// paypalAnswers turns the error that a handler ends with into PayPal's form.
func (s *server) paypalAnswers(next web.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Paypal-Debug-Id", strings.ToLower(rand.Text()[:13]))
		err := error(nil)
		if bufferBody(w, r) != nil {
			err = badField("/", "", "MALFORMED_REQUEST_JSON", "The request JSON is not well formed.")
		}
		if err == nil {
			err = next(w, r)
		}
		if err == nil {
			return
		}
		e, ok := errors.AsType[*paypalError](err)
		if fault, asked := errors.AsType[*injected](err); asked {
			e = fault.asPayPal()
		} else if !ok {
			slog.Error("call failed", "error", err)
			e = paypalRefusal(http.StatusInternalServerError)
		}
		body, err := json.Marshal(e)
		if err != nil {
			slog.Error("encode refusal", "error", err)
		}
		writeRaw(w, e.status, body)
	})
}

// paypalAPI lets a request through that carries a token of ours.
func (s *server) paypalAPI(next web.Handler) http.Handler {
	return s.paypalAnswers(func(w http.ResponseWriter, r *http.Request) error {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || !s.tokenIsOurs(token) {
			w.Header().Set("Www-Authenticate", `Bearer error="invalid_token"`)
			return paypalRefusal(http.StatusUnauthorized)
		}
		return next(w, r)
	})
}

const tokenLife = 9 * time.Hour

// A token says when it ends and is signed, so that the sandbox knows it again after a restart.
func (s *server) newToken(ends time.Time) string {
	stamp := strconv.FormatInt(ends.Unix(), 36)
	return "A21AA" + stamp + "_" + s.tokenMAC(stamp)
}

func (s *server) tokenMAC(stamp string) string {
	mac := hmac.New(sha256.New, []byte(s.config.paypalSecret))
	mac.Write([]byte(stamp))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (s *server) tokenIsOurs(token string) bool {
	stamp, mac, ok := strings.Cut(strings.TrimPrefix(token, "A21AA"), "_")
	ends, err := strconv.ParseInt(stamp, 36, 64)
	return ok && err == nil && s.config.paypalSecret != "" && hmac.Equal([]byte(mac), []byte(s.tokenMAC(stamp))) && s.now().Unix() < ends
}

// grantToken is https://developer.paypal.com/api/rest/authentication/.
func (s *server) grantToken(w http.ResponseWriter, r *http.Request) error {
	refuse := func(status int, name, description string) error {
		return web.Encode(w, status, map[string]string{"error": name, "error_description": description})
	}
	id, secret, _ := r.BasicAuth()
	known := subtle.ConstantTimeCompare([]byte(id), []byte(s.config.paypalID)) & subtle.ConstantTimeCompare([]byte(secret), []byte(s.config.paypalSecret))
	switch {
	case known != 1 || s.config.paypalSecret == "":
		return refuse(http.StatusUnauthorized, "invalid_client", "Client Authentication failed")
	case r.PostFormValue("grant_type") != "client_credentials":
		return refuse(http.StatusBadRequest, "unsupported_grant_type", "Grant Type is NULL or unsupported")
	}
	now := s.now()
	return web.Encode(w, http.StatusOK, map[string]any{
		"scope":        "https://uri.paypal.com/services/payments/payment https://uri.paypal.com/services/payments/refund https://uri.paypal.com/services/disputes/read-seller",
		"access_token": s.newToken(now.Add(tokenLife)), "token_type": "Bearer", "app_id": "APP-SANDBOX",
		"expires_in": int(tokenLife.Seconds()), "nonce": now.UTC().Format(time.RFC3339) + rand.Text(),
	})
}

// paypalRead answers a GET.
func (s *server) paypalRead(operation string, query func(*txn, *paypalCall) (any, error)) http.Handler {
	return s.paypalAPI(s.faulty(operation, func(w http.ResponseWriter, r *http.Request) error {
		c := &paypalCall{id: mux.Vars(r)["id"], now: s.now()}
		var result any
		if err := s.store.view(func(t *txn) (err error) {
			result, err = query(t, c)
			return err
		}); err != nil {
			return err
		}
		return web.Encode(w, http.StatusOK, result)
	}))
}

// paypalChange answers a POST with status made, or with what the same PayPal-Request-Id was answered before and 200
// (https://developer.paypal.com/api/rest/reference/idempotency/). What was refused changed nothing and may be asked again.
func (s *server) paypalChange(operation string, made int, act func(*txn, *paypalCall) (any, error)) http.Handler {
	return s.paypalAPI(s.paypalOneAtATime(s.faulty(operation, func(w http.ResponseWriter, r *http.Request) error {
		c := &paypalCall{id: mux.Vars(r)["id"], now: s.now(), whole: strings.Contains(r.Header.Get("Prefer"), "return=representation")}
		var err error
		if c.body, err = io.ReadAll(r.Body); err != nil {
			return err
		}
		mediaType, _, err := mime.ParseMediaType(cmp.Or(r.Header.Get("Content-Type"), "application/json"))
		if err != nil || mediaType != "application/json" {
			return paypalRefusal(http.StatusUnsupportedMediaType)
		}
		if refusal := mockedRefusal(r.Header.Get("PayPal-Mock-Response")); refusal != nil {
			return refusal
		}
		key := requestKey(r)
		if key != "" {
			prior, found, err := s.priorAnswer(key)
			if err != nil {
				return err
			}
			if found {
				writeRaw(w, http.StatusOK, prior.Body)
				return nil
			}
		}
		a := answer{Status: made, Path: r.URL.Path, At: c.now}
		if err := s.store.update(func(t *txn) error {
			c.posts = nil
			result, err := act(t, c)
			if err != nil {
				return err
			}
			if a.Body, err = json.Marshal(result); err != nil || key == "" {
				return err
			}
			return t.put(answers, []byte(key), a)
		}); err != nil {
			return err
		}
		s.courier.send(c.posts...)
		writeRaw(w, a.Status, a.Body)
		return nil
	})))
}

// requestKey names a request for ever; "" if its caller did not.
func requestKey(r *http.Request) string {
	if id := r.Header.Get("PayPal-Request-Id"); id != "" {
		return "paypal " + r.URL.Path + " " + id
	}
	return ""
}

// paypalOneAtATime refuses a call while another with the same PayPal-Request-Id is still being answered.
func (s *server) paypalOneAtATime(next web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		key := requestKey(r)
		if key == "" {
			return next(w, r)
		}
		if len(r.Header.Get("PayPal-Request-Id")) > 108 {
			return paypalRefusal(http.StatusBadRequest, paypalDetail{Field: "PayPal-Request-Id", Location: "header", Issue: "INVALID_STRING_LENGTH",
				Description: "The value of a field is either too short or too long."})
		}
		if _, busy := s.inFlight.LoadOrStore(key, true); busy {
			return paypalRefusal(http.StatusConflict, paypalDetail{Issue: "PREVIOUS_REQUEST_IN_PROGRESS",
				Description: "A previous request on this resource is currently in progress. Please wait for some time and try again."})
		}
		defer s.inFlight.Delete(key)
		return next(w, r)
	}
}

var issueName = regexp.MustCompile(`^[A-Z_]{1,64}$`)

// mockedRefusal is what a caller asks for by PayPal's header for negative testing, {"mock_application_codes":"INSTRUMENT_DECLINED"}
// (https://developer.paypal.com/tools/sandbox/negative-testing/request-headers/).
func mockedRefusal(header string) error {
	var wanted struct {
		Codes string `json:"mock_application_codes"`
	}
	_ = json.Unmarshal([]byte(header), &wanted) // what cannot be read asks for nothing
	if !issueName.MatchString(wanted.Codes) {
		return nil
	}
	for status, e := range paypalErrors {
		if e.Name == wanted.Codes {
			return paypalRefusal(status)
		}
	}
	return unprocessable(wanted.Codes, "As asked for by PayPal-Mock-Response.")
}

// noSuchPayPalCall answers everything of PayPal's API that the sandbox does not have.
func (s *server) noSuchPayPalCall(http.ResponseWriter, *http.Request) error { return noSuchResource() }
