package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/ordering/order"
)

type couponCheck struct {
	Code     string       `json:"code"`
	Subtotal money.Amount `json:"subtotal"`
}

type checkedCoupon struct {
	Code        string `json:"code"`
	Description string `json:"description"`
}

// checkCoupon says whether the caller could use a code for goods of this worth.
func (s *server) checkCoupon(w http.ResponseWriter, r *http.Request) error {
	var req couponCheck
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	if req.Subtotal.Currency() == "" {
		return problem.New(problem.Invalid, "wrong-type", "A sum is missing.").
			WithFields(problem.FieldError{Field: "subtotal", Detail: "must be a sum of money"})
	}
	who := identity.From(r.Context())
	claim, err := s.coupons.Claim(r.Context(), req.Code, who.Subject, who.Email, s.now())
	if err != nil {
		return err
	}
	if err := claim.Admit(req.Subtotal); err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, checkedCoupon{claim.Coupon.Code, claim.Coupon.Description})
}

// couponTerms is what an administrator can say of a coupon.
type couponTerms struct {
	Description        string           `json:"description"`
	Kind               order.CouponKind `json:"kind"`
	PercentBasisPoints int64            `json:"percentBasisPoints"`
	Amounts            sums             `json:"amounts"`
	Minimum            sums             `json:"minimum"`
	ValidFrom          *time.Time       `json:"validFrom"`
	ValidUntil         *time.Time       `json:"validUntil"`
	MaxUses            int              `json:"maxUses"`
	MaxUsesPerCustomer int              `json:"maxUsesPerCustomer"`
	Active             *bool            `json:"active"`
}

// sums are minor units by currency. What is given replaces what there was, where encoding/json would add to it.
type sums map[string]int64

func (s *sums) UnmarshalJSON(b []byte) error {
	var given map[string]int64
	err := json.Unmarshal(b, &given)
	*s = given
	return err
}

func (t couponTerms) coupon(code string) order.Coupon {
	return order.Coupon{
		Code: code, Description: strings.TrimSpace(t.Description), Kind: t.Kind, PercentBasisPoints: t.PercentBasisPoints,
		Amounts: t.Amounts, Minimum: t.Minimum, ValidFrom: t.ValidFrom, ValidUntil: t.ValidUntil,
		MaxUses: t.MaxUses, MaxUsesPerCustomer: t.MaxUsesPerCustomer, Active: t.Active == nil || *t.Active,
	}
}

// listCoupons shows the coupons in the order of their codes.
func (s *server) listCoupons(w http.ResponseWriter, r *http.Request) error {
	limit, err := web.Limit(r, 50, 200)
	if err != nil {
		return err
	}
	coupons, err := s.coupons.List(r.Context(), codeOf(r.URL.Query().Get("cursor")), limit+1)
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, page(coupons, limit, func(c order.Coupon) (string, order.Coupon) { return c.Code, c }))
}

// addCoupon makes a coupon, which is active unless it says otherwise. With an Idempotency-Key a repeat makes none.
func (s *server) addCoupon(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Code string `json:"code"`
		couponTerms
	}
	if err := web.Decode(w, r, &req); err != nil {
		return err
	}
	c := req.coupon(codeOf(req.Code))
	if err := c.Check(); err != nil {
		return err
	}
	if r.Header.Get("Idempotency-Key") == "" {
		if err := s.coupons.Add(r.Context(), c); err != nil {
			return err
		}
		return web.Encode(w, http.StatusCreated, c)
	}
	k, err := keyOf(r, c)
	if err != nil {
		return err
	}
	answer, err := s.coupons.AddOnce(r.Context(), k, c)
	if err != nil {
		return err
	}
	return web.Encode(w, answer.Status, answer.Body)
}

// showCoupon shows a coupon, and how often it was used.
func (s *server) showCoupon(w http.ResponseWriter, r *http.Request) error {
	c, _, err := s.coupons.Coupon(r.Context(), codeOf(mux.Vars(r)["code"]))
	if err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, c)
}

// changeCoupon changes what is given of a coupon; null takes a limit away.
func (s *server) changeCoupon(w http.ResponseWriter, r *http.Request) error {
	c, changedAt, err := s.coupons.Coupon(r.Context(), codeOf(mux.Vars(r)["code"]))
	if err != nil {
		return err
	}
	terms := couponTerms{
		c.Description, c.Kind, c.PercentBasisPoints, c.Amounts, c.Minimum, c.ValidFrom, c.ValidUntil, c.MaxUses, c.MaxUsesPerCustomer, &c.Active,
	}
	if err := web.Decode(w, r, &terms); err != nil {
		return err
	}
	changed := terms.coupon(c.Code)
	changed.Uses = c.Uses
	if err := changed.Check(); err != nil {
		return err
	}
	if err := s.coupons.Replace(r.Context(), changed, changedAt); err != nil {
		return err
	}
	return web.Encode(w, http.StatusOK, changed)
}

// removeCoupon deletes a coupon. One that is not there is no error.
func (s *server) removeCoupon(w http.ResponseWriter, r *http.Request) error {
	if err := s.coupons.Remove(r.Context(), codeOf(mux.Vars(r)["code"])); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// codeOf is a code as it is kept, however it was typed.
func codeOf(s string) string { return strings.ToUpper(strings.TrimSpace(s)) }
