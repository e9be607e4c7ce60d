package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	netmail "net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/internal/web"
)

// mail is one message as its recipients see it.
type mail struct {
	ID         string       `json:"id"`
	MessageID  string       `json:"messageId"`
	From       string       `json:"from"`
	To         string       `json:"to"`         // the addresses of To, comma-separated
	Recipients []string     `json:"recipients"` // every address that gets it: To, Cc and Bcc
	Subject    string       `json:"subject"`
	HTML       string       `json:"html"`
	Text       string       `json:"text"`
	Headers    []mailHeader `json:"headers,omitempty"`
	SentAt     time.Time    `json:"sentAt"`
}

type mailHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// sendEmailRequest is https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html; what the sandbox does
// not look at (tags, configuration sets) is accepted and left out.
type sendEmailRequest struct {
	FromEmailAddress string
	Destination      struct{ ToAddresses, CcAddresses, BccAddresses []string }
	ReplyToAddresses []string
	Content          struct {
		Simple *struct {
			Subject content
			Body    struct{ Html, Text *content }
			Headers []mailHeader
		}
		Raw      *struct{ Data []byte }
		Template json.RawMessage
	}
}

type content struct{ Data, Charset string }

// sesError is an error in the form of AWS's rest-json protocol: its type goes into a header.
type sesError struct {
	status        int
	kind, message string
}

func (e *sesError) Error() string { return e.kind + ": " + e.message }

func badRequest(format string, args ...any) error {
	return &sesError{http.StatusBadRequest, "BadRequestException", fmt.Sprintf(format, args...)}
}

// asSES is what SES would say with this status.
func (e *injected) asSES() *sesError {
	kind := "InternalServiceErrorException"
	switch {
	case e.Status == http.StatusTooManyRequests:
		kind = "TooManyRequestsException"
	case e.Status < 500:
		kind = "MessageRejected"
	}
	return &sesError{e.Status, cmp.Or(e.Code, kind), "The sandbox was asked to fail here."}
}

// sesAPI lets signed requests through and turns the error they end with into AWS's form. The signature itself is not
// checked: the sandbox does not know the secret key.
func (s *server) sesAPI(next web.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amzn-RequestId", uuid.NewString())
		err := signed(r)
		if err == nil {
			err = bufferBody(w, r)
		}
		if err == nil {
			err = next(w, r)
		}
		if err == nil {
			return
		}
		e, ok := errors.AsType[*sesError](err)
		if fault, asked := errors.AsType[*injected](err); asked {
			e = fault.asSES()
		} else if !ok {
			slog.Error("send mail", "error", err)
			e = &sesError{http.StatusInternalServerError, "InternalServiceErrorException", "Something went wrong in the sandbox."}
		}
		w.Header().Set("X-Amzn-ErrorType", e.kind)
		body, err := json.Marshal(map[string]string{"message": e.message})
		if err != nil {
			slog.Error("encode error", "error", err)
		}
		writeRaw(w, e.status, body)
	})
}

var sigV4 = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=[^/\s,]+/\d{8}/[a-z0-9-]+/ses/aws4_request, ?SignedHeaders=[a-z0-9;-]+, ?Signature=[0-9a-f]{64}$`)

func signed(r *http.Request) error {
	switch auth := r.Header.Get("Authorization"); {
	case auth == "":
		return &sesError{http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token"}
	case !sigV4.MatchString(auth) || r.Header.Get("X-Amz-Date") == "":
		return &sesError{http.StatusForbidden, "IncompleteSignatureException", "The Authorization header is not a Signature Version 4 for ses."}
	}
	return nil
}

// sendEmail is SES v2 SendEmail. Like SES it has no idempotency: the same request twice is two mails.
func (s *server) sendEmail(w http.ResponseWriter, r *http.Request) error {
	var req sendEmailRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return &sesError{http.StatusBadRequest, "SerializationException", "The request body is not the JSON of a SendEmail request."}
	}
	m, err := req.mail(s.now())
	if err != nil {
		return err
	}
	if err := s.store.update(func(t *txn) error { return t.saveMail(m) }); err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, map[string]string{"MessageId": m.MessageID})
}

func (s *server) noSuchMailCall(_ http.ResponseWriter, r *http.Request) error {
	return &sesError{http.StatusNotFound, "NotFoundException", "The sandbox does not know " + r.Method + " " + r.URL.Path + "."}
}

func (req *sendEmailRequest) mail(at time.Time) (mail, error) {
	m := mail{MessageID: newID("msg", at), SentAt: at.UTC()}
	from, err := netmail.ParseAddress(req.FromEmailAddress)
	if err != nil && (req.FromEmailAddress != "" || req.Content.Raw == nil) {
		return m, badRequest("Invalid sender address <%s>.", req.FromEmailAddress)
	}
	if from != nil {
		m.From = from.String()
	}
	forms := 0
	for _, given := range []bool{req.Content.Simple != nil, req.Content.Raw != nil, len(req.Content.Template) > 0} {
		if given {
			forms++
		}
	}
	switch {
	case forms != 1:
		return m, badRequest("Content must have exactly one of Simple, Raw and Template.")
	case req.Content.Template != nil:
		return m, badRequest("The sandbox has no templates; send Simple or Raw content.")
	case req.Content.Simple != nil:
		err = req.simple(&m)
	default:
		err = readRaw(req.Content.Raw.Data, &m)
	}
	if err != nil {
		return m, err
	}
	return m, req.addressees(&m)
}

func (req *sendEmailRequest) simple(m *mail) error {
	simple := req.Content.Simple
	if strings.ContainsAny(simple.Subject.Data, "\r\n") {
		return badRequest("The subject must be one line.")
	}
	if simple.Body.Html == nil && simple.Body.Text == nil {
		return badRequest("Missing required field: Content.Simple.Body needs Html or Text.")
	}
	m.Subject = simple.Subject.Data
	if simple.Body.Html != nil {
		m.HTML = simple.Body.Html.Data
	}
	if simple.Body.Text != nil {
		m.Text = simple.Body.Text.Data
	}
	for _, h := range simple.Headers {
		if !headerName.MatchString(h.Name) || !headerValue.MatchString(h.Value) {
			return badRequest("Invalid header <%s>.", h.Name)
		}
	}
	m.Headers = simple.Headers
	return nil
}

// The limits of SES: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageHeader.html
var (
	headerName  = regexp.MustCompile(`^[!-9;-~]{1,126}$`)
	headerValue = regexp.MustCompile(`^[ -~]{1,870}$`)
)

// addressees takes the recipients from the request, or from the message itself if it is raw and the request names none.
func (req *sendEmailRequest) addressees(m *mail) error {
	to := req.Destination.ToAddresses
	all := slices.Concat(to, req.Destination.CcAddresses, req.Destination.BccAddresses)
	if len(all) == 0 && req.Content.Raw != nil {
		to, all = m.Recipients, m.Recipients
	}
	switch {
	case len(all) == 0:
		return badRequest("Missing required field: Destination needs a recipient.")
	case len(all) > 50:
		return badRequest("Recipient count exceeds 50.")
	}
	m.Recipients = nil
	for i, address := range all {
		parsed, err := netmail.ParseAddress(address)
		if err != nil {
			return badRequest("Invalid recipient address <%s>.", address)
		}
		if !slices.Contains(m.Recipients, parsed.Address) {
			m.Recipients = append(m.Recipients, parsed.Address)
		}
		if i == len(to)-1 {
			m.To = strings.Join(m.Recipients, ", ")
		}
	}
	return nil
}
