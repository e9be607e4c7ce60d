package main

import (
	"net/http"
	"slices"
	"time"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// consentVersion names the wording that a consent is given to. A changed wording is another version, and asks anew.
const consentVersion = "2026-11"

// purposes are what a customer can consent to; nothing is consented to by default.
var purposes = []string{"marketing", "basketReminders", backInStock}

// mostConsents is how many decisions are kept: the proof of what was agreed to, and when it ended.
const mostConsents = 200

// Consent is one decision, as it was made.
type Consent struct {
	Purpose string    `bson:"purpose" json:"purpose"`
	Granted bool      `bson:"granted" json:"granted"`
	Version string    `bson:"version" json:"version"`
	At      time.Time `bson:"at" json:"at"`
}

// Decide records a decision, unless it is the one that holds already.
func (p *Profile) Decide(purpose string, granted bool, at time.Time) {
	last, decided := p.consent(purpose)
	if decided && last.Granted == granted && last.Version == consentVersion || !decided && !granted {
		return
	}
	p.Consents = append(slices.Clone(p.Consents), Consent{purpose, granted, consentVersion, at})
	if excess := len(p.Consents) - mostConsents; excess > 0 {
		p.Consents = p.Consents[excess:]
	}
}

// Agrees reports whether the customer agrees to a purpose, in the wording of now.
func (p *Profile) Agrees(purpose string) bool {
	last, decided := p.consent(purpose)
	return decided && last.Granted && last.Version == consentVersion
}

func (p *Profile) consent(purpose string) (last Consent, decided bool) {
	for _, c := range p.Consents {
		if c.Purpose == purpose {
			last, decided = c, true
		}
	}
	return last, decided
}

// consentAnswer is what holds for a purpose; Version and At are absent while nothing was decided.
type consentAnswer struct {
	Granted bool      `json:"granted"`
	Version string    `json:"version,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

type preferencesAnswer struct {
	Language string                   `json:"language"`
	Currency string                   `json:"currency"`
	Consents map[string]consentAnswer `json:"consents"`
}

func newPreferences(p Profile) preferencesAnswer {
	a := preferencesAnswer{p.Language, p.Currency, map[string]consentAnswer{}}
	for _, purpose := range purposes {
		last, _ := p.consent(purpose)
		a.Consents[purpose] = consentAnswer{p.Agrees(purpose), last.Version, last.At}
	}
	return a
}

func answerPreferences(w http.ResponseWriter, c Customer) error {
	w.Header().Set("ETag", etag(c.Version))
	return web.Encode(w, http.StatusOK, newPreferences(c.Profile))
}

// preferences answers with the caller's own.
func (s *server) preferences(w http.ResponseWriter, r *http.Request) error {
	c, err := s.caller(r)
	if err != nil {
		return err
	}
	return answerPreferences(w, c)
}

// changePreferences changes what is sent. With If-Match it does so only to the version that the caller has seen, which is
// the profile's: language and currency are in both.
func (s *server) changePreferences(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Language *string         `json:"language"`
		Currency *string         `json:"currency"`
		Consents map[string]bool `json:"consents"`
	}
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	faults := faults{}
	for purpose := range req.Consents {
		if !slices.Contains(purposes, purpose) {
			faults.add("consents", "knows no purpose %.40q", purpose)
		}
	}
	if err := faults.problem("invalid-preferences", "The preferences cannot be changed like this."); err != nil {
		return err
	}
	seen, err := s.caller(r)
	if err != nil {
		return err
	}
	c, err := s.customers.UpdateProfile(r.Context(), seen.ID, func(c *Customer) error {
		if err := precondition(r, c.Version); err != nil {
			return err
		}
		if err := c.Profile.Change(ProfileChange{Language: req.Language, Currency: req.Currency}); err != nil {
			return err
		}
		for _, purpose := range purposes {
			if granted, sent := req.Consents[purpose]; sent {
				c.Profile.Decide(purpose, granted, s.now().UTC().Truncate(time.Millisecond))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return answerPreferences(w, c)
}

// precondition refuses a change to a version that the caller has not seen (RFC 9110 section 13.1.1).
func precondition(r *http.Request, version int64) error {
	if matches(r.Header.Get("If-Match"), version) {
		return nil
	}
	return problem.New(problem.PreconditionFailed, "changed-meanwhile", "This was changed elsewhere. Please look at it again.")
}
