package main

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/idempotency"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

type server struct {
	customers *store
	sidecar   *sidecar.Client
	now       func() time.Time
}

func (s *server) routes() http.Handler {
	r := web.Router()
	r.Handle("/profile", signedIn(s.profile)).Methods(http.MethodGet)
	r.Handle("/profile", signedIn(s.changeProfile)).Methods(http.MethodPatch)
	r.Handle("/preferences", signedIn(s.preferences)).Methods(http.MethodGet)
	r.Handle("/preferences", signedIn(s.changePreferences)).Methods(http.MethodPatch)
	r.Handle("/customers/{id}/preferences", sidecar.OnlyFrom(s.preferencesOf, "notification")).Methods(http.MethodGet)
	r.Handle("/wishers", sidecar.OnlyFrom(s.wishers, "notification")).Methods(http.MethodGet)
	r.Handle("/unsubscriptions/{token}", sidecar.OnlyFrom(s.unsubscribe, "gateway")).Methods(http.MethodPost)
	r.Handle("/privacy/export", s.freshly(s.requestExport)).Methods(http.MethodPost)
	r.Handle("/privacy/export", signedIn(s.exports)).Methods(http.MethodGet)
	r.Handle("/privacy/export/{link}", signedIn(s.download)).Methods(http.MethodGet)
	r.Handle("/privacy/erasure", s.freshly(s.requestErasure)).Methods(http.MethodPost)
	r.Handle("/privacy/erasure/{link}", sidecar.OnlyFrom(s.erasure, "gateway")).Methods(http.MethodGet)
	r.Handle("/wishlist", signedIn(s.wishlist)).Methods(http.MethodGet)
	r.Handle("/wishlist/{sku}", signedIn(s.wish)).Methods(http.MethodPut)
	r.Handle("/wishlist/{sku}", signedIn(s.unwish)).Methods(http.MethodDelete)
	r.Handle("/addresses", signedIn(s.addresses)).Methods(http.MethodGet)
	r.Handle("/addresses", signedIn(s.addAddress)).Methods(http.MethodPost)
	r.Handle("/addresses/{id}", signedIn(s.replaceAddress)).Methods(http.MethodPut)
	r.Handle("/addresses/{id}", signedIn(s.removeAddress)).Methods(http.MethodDelete)
	return r
}

// signedIn serves h to people with an account who come through the gateway. A guest is not refused for good but asked to
// sign in.
func signedIn(h web.Handler) web.Handler {
	return sidecar.OnlyFrom(func(w http.ResponseWriter, r *http.Request) error {
		if caller := identity.From(r.Context()); caller.Anonymous() || caller.Guest() {
			return problem.New(problem.Unauthenticated, "sign-in-required", "Please sign in first.")
		}
		return h(w, r)
	}, "gateway")
}

// caller is the customer that asks. While the fact of the registration is still under way the customer is made from the
// token, which auth signed and which therefore tells the same.
func (s *server) caller(r *http.Request) (Customer, error) {
	who := identity.From(r.Context())
	c, err := s.customers.Customer(r.Context(), who.Subject)
	if !problem.Is(err, "customer-not-found") {
		return c, err
	}
	if err := s.customers.Create(r.Context(), NewCustomer(who.Subject, who.Name, s.now())); err != nil {
		return Customer{}, err
	}
	return s.customers.Customer(r.Context(), who.Subject)
}

type profileAnswer struct {
	Name     string `json:"name"`
	Phone    string `json:"phone,omitempty"`
	Language string `json:"language"`
	Currency string `json:"currency"`
}

func answerProfile(w http.ResponseWriter, c Customer) error {
	w.Header().Set("ETag", etag(c.Version))
	return web.Encode(w, http.StatusOK, profileAnswer{c.Profile.Name, c.Profile.Phone, c.Profile.Language, c.Profile.Currency})
}

func etag(version int64) string { return fmt.Sprintf(`"%d"`, version) }

// profile answers with the caller's own.
func (s *server) profile(w http.ResponseWriter, r *http.Request) error {
	c, err := s.caller(r)
	if err != nil {
		return err
	}
	return answerProfile(w, c)
}

// changeProfile changes the fields that are sent. With If-Match it does so only to the version that the caller has seen.
func (s *server) changeProfile(w http.ResponseWriter, r *http.Request) error {
	var change ProfileChange
	if err := web.Decode(w, r, &change); err != nil {
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
		return c.Profile.Change(change)
	})
	if err != nil {
		return err
	}
	return answerProfile(w, c)
}

// matches follows RFC 9110 section 13.1.1: an absent header or "*" matches every version.
func matches(ifMatch string, version int64) bool {
	if ifMatch == "" {
		return true
	}
	for tag := range strings.SplitSeq(ifMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == etag(version) {
			return true
		}
	}
	return false
}

// addresses answers with the caller's address book, oldest first.
func (s *server) addresses(w http.ResponseWriter, r *http.Request) error {
	c, err := s.caller(r)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", etag(c.AddressesVersion))
	return web.Encode(w, http.StatusOK, web.Page[Address]{Items: c.Addresses})
}

type addressRequest struct {
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2"`
	City       string `json:"city"`
	Region     string `json:"region"`
	PostalCode string `json:"postalCode"`
	Country    string `json:"country"`
}

func (a addressRequest) address(id string) (Address, error) {
	return Address{id, a.Name, a.Line1, a.Line2, a.City, a.Region, a.PostalCode, a.Country}.Check()
}

// addAddress adds one to the caller's address book. With an Idempotency-Key a repeat adds none: the key decides the
// address's id, and there is one address under an id.
func (s *server) addAddress(w http.ResponseWriter, r *http.Request) error {
	var req addressRequest
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	key, err := keyID(r, "address")
	if err != nil {
		return err
	}
	id := cmp.Or(key, uuid.Must(uuid.NewV7()).String())
	address, err := req.address(id)
	if err != nil {
		return err
	}
	if err := s.changeAddresses(w, r, func(c *Customer) error { return c.AddAddress(address) }); err != nil {
		return err
	}
	w.Header().Set("Location", "/addresses/"+id)
	return web.Encode(w, http.StatusCreated, address)
}

// keyID is the id that the request's Idempotency-Key stands for among what the caller makes of a kind, "" without one.
func keyID(r *http.Request, kind string) (string, error) {
	if r.Header.Get("Idempotency-Key") == "" {
		return "", nil
	}
	key, err := idempotency.FromRequest(r)
	if err != nil {
		return "", err
	}
	owner := identity.From(r.Context()).Subject
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("urn:sidecart:"+kind+":"+string(owner)+":"+key)).String(), nil
}

// replaceAddress writes all fields of one of the caller's addresses.
func (s *server) replaceAddress(w http.ResponseWriter, r *http.Request) error {
	var req addressRequest
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	address, err := req.address(mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	if err := s.changeAddresses(w, r, func(c *Customer) error { return c.ReplaceAddress(address) }); err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, address)
}

// removeAddress takes one out of the caller's address book.
func (s *server) removeAddress(w http.ResponseWriter, r *http.Request) error {
	if err := s.changeAddresses(w, r, func(c *Customer) error { return c.RemoveAddress(mux.Vars(r)["id"]) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// changeAddresses changes the caller's address book, with If-Match only the version that the caller has seen, and tells
// the version that came of it.
func (s *server) changeAddresses(w http.ResponseWriter, r *http.Request, change func(*Customer) error) error {
	seen, err := s.caller(r)
	if err != nil {
		return err
	}
	c, err := s.customers.UpdateAddresses(r.Context(), seen.ID, func(c *Customer) error {
		if err := precondition(r, c.AddressesVersion); err != nil {
			return err
		}
		return change(c)
	})
	if err == nil {
		w.Header().Set("ETag", etag(c.AddressesVersion))
	}
	return err
}
