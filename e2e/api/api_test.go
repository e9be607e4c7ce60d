// Package api is the shop's public API as a program would use it, against the whole running system.
package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/shop"
)

func setup(t *testing.T) context.Context {
	shop.Require(t)
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// requireProblem asserts that err is a problem with this status and, if any are given, one of these codes.
func requireProblem(t *testing.T, err error, status int, codes ...string) {
	t.Helper()
	var p *shop.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, status, p.Status, p.Error())
	if len(codes) > 0 {
		require.Contains(t, codes, p.Code)
	}
}

// fill puts one piece of one variant and two of another into the basket.
func fill(ctx context.Context, t *testing.T, s *shop.Shopper) {
	t.Helper()
	variants, err := shop.InStock(ctx, 2)
	require.NoError(t, err)
	for i, v := range variants {
		_, err := s.Put(ctx, v.SKU, i+1)
		require.NoError(t, err)
	}
}

// buy fills the basket and places an order as a guest who pays by method.
func buy(ctx context.Context, t *testing.T, s *shop.Shopper, method string) shop.Order {
	t.Helper()
	fill(ctx, t, s)
	checkout := shop.With(method)
	checkout.Email = shop.NewAccount().Email
	order, err := s.Place(ctx, checkout, "")
	require.NoError(t, err)
	return order
}

// requireLedger asserts that the payment provider moved an order's money in these ways, and no other.
func requireLedger(ctx context.Context, t *testing.T, order shop.Order, kinds ...string) {
	t.Helper()
	entries, err := shop.Ledger(ctx, order.ID)
	require.NoError(t, err)
	var got []string
	for _, e := range entries {
		if e.Kind == "authorization" {
			continue
		}
		got = append(got, e.Kind)
		require.Equal(t, order.Total, shop.Money{Amount: e.Amount, Currency: e.Currency})
	}
	require.ElementsMatch(t, kinds, got)
}

func TestACustomersWholeJourney(t *testing.T) {
	ctx := setup(t)
	s, account := shop.New(), shop.NewAccount()
	require.NoError(t, s.Register(ctx, account))
	var me struct {
		Email string
		Roles []string
	}
	require.NoError(t, s.Do(ctx, http.MethodGet, "auth/me", nil, &me))
	require.Equal(t, account.Email, me.Email)
	require.Contains(t, me.Roles, "customer")

	fill(ctx, t, s)
	var basket shop.Basket
	require.NoError(t, s.Do(ctx, http.MethodGet, "basket", nil, &basket))
	require.Len(t, basket.Lines, 2)
	require.Equal(t, 3, basket.Count)

	var quote shop.Order
	require.NoError(t, s.Do(ctx, http.MethodPost, "checkout/quote", map[string]any{"address": shop.Home, "shippingMethod": "standard"}, &quote))
	order, err := s.Place(ctx, shop.With("pm_card_visa"), "")
	require.NoError(t, err)
	require.Equal(t, quote.Total, order.Total, "the price that was quoted is the price that is paid")
	require.Equal(t, order.Total.Amount, order.Subtotal.Amount-order.Discount.Amount+order.Shipping.Amount+order.Tax.Amount)

	order, err = s.Await(ctx, order.ID, "paid")
	require.NoError(t, err)
	requireLedger(ctx, t, order, "capture")
	mail, err := shop.AwaitMail(ctx, account.Email, order.Number)
	require.NoError(t, err)
	require.Contains(t, mail.HTML, order.Number)

	require.Eventually(t, func() bool {
		var after shop.Basket
		return s.Do(ctx, http.MethodGet, "basket", nil, &after) == nil && len(after.Lines) == 0
	}, 15*time.Second, 50*time.Millisecond, "what was bought leaves the basket")
	var history struct{ Items []shop.Order }
	require.NoError(t, s.Do(ctx, http.MethodGet, "orders", nil, &history))
	require.Len(t, history.Items, 1)
	require.Equal(t, order.ID, history.Items[0].ID)

	require.NoError(t, s.Do(ctx, http.MethodPost, "auth/logout", nil, nil))
	requireProblem(t, s.Do(ctx, http.MethodGet, "auth/me", nil, nil), http.StatusUnauthorized)
}

func TestAGuestBuysInEachCurrency(t *testing.T) {
	ctx := setup(t)
	for _, currency := range []string{"EUR", "USD", "GBP", "JPY"} {
		s := shop.New()
		fill(ctx, t, s)
		checkout := shop.With("pm_card_visa")
		checkout.Email, checkout.Currency = shop.NewAccount().Email, currency
		order, err := s.Place(ctx, checkout, "")
		require.NoError(t, err)
		require.Equal(t, currency, order.Total.Currency)
		order, err = s.Await(ctx, order.ID, "paid")
		require.NoError(t, err)
		requireLedger(ctx, t, order, "capture")
		_, err = shop.AwaitMail(ctx, checkout.Email, order.Number)
		require.NoError(t, err)
	}
}

func TestTheBasketComesAlongAtSignIn(t *testing.T) {
	ctx := setup(t)
	account := shop.NewAccount()
	require.NoError(t, shop.New().Register(ctx, account))
	s := shop.New()
	fill(ctx, t, s)
	require.NoError(t, s.Login(ctx, account))
	var basket shop.Basket
	require.NoError(t, s.Do(ctx, http.MethodGet, "basket", nil, &basket))
	require.Len(t, basket.Lines, 2)
	for _, c := range s.Cookies() {
		require.NotEqual(t, "__Host-guest", c.Name, "the guest is no more")
	}
}

func TestADeclinedCardTakesNoMoneyAndGivesTheStockBack(t *testing.T) {
	ctx := setup(t)
	s := shop.New()
	order := buy(ctx, t, s, "pm_card_visa_chargeDeclined")
	order, err := s.Await(ctx, order.ID, "payment_failed")
	require.NoError(t, err)
	require.NotEmpty(t, order.Payment.Failure)
	requireLedger(ctx, t, order)
}

func TestThreeDSecureWaitsForTheCustomer(t *testing.T) {
	ctx := setup(t)
	s := shop.New()
	order := buy(ctx, t, s, "pm_card_threeDSecure2Required")
	require.Eventually(t, func() bool {
		o, err := s.Order(ctx, order.ID)
		order = o
		return err == nil && o.Payment.RedirectURL != ""
	}, 15*time.Second, 50*time.Millisecond)
	require.NotEqual(t, "paid", order.Status)
	requireLedger(ctx, t, order)

	require.NoError(t, s.Do(ctx, http.MethodPut, "orders/"+order.ID+"/cancellation", map[string]string{"reason": "changed my mind"}, nil))
	order, err := s.Await(ctx, order.ID, "cancelled")
	require.NoError(t, err)
	requireLedger(ctx, t, order)
}

func TestOneKeyAHundredTimesIsOneOrder(t *testing.T) {
	ctx := setup(t)
	s := shop.New()
	fill(ctx, t, s)
	checkout, key := shop.With("pm_card_visa"), uuid.NewString()
	checkout.Email = shop.NewAccount().Email
	var mu sync.Mutex
	ids := map[string]int{}
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			order, err := s.Place(ctx, checkout, key)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				ids[order.ID]++
			} else if p, ok := errors.AsType[*shop.Problem](err); !ok || p.Status != http.StatusConflict && p.Status != http.StatusTooManyRequests {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.Len(t, ids, 1)
	for id := range ids {
		order, err := s.Await(ctx, id, "paid")
		require.NoError(t, err)
		requireLedger(ctx, t, order, "capture")
		again, err := s.Place(ctx, checkout, key)
		require.NoError(t, err, "a retry after the basket is empty still gets its answer")
		require.Equal(t, id, again.ID)
	}
	checkout.ShippingMethod = "express"
	_, err := s.Place(ctx, checkout, key)
	requireProblem(t, err, http.StatusUnprocessableEntity, "idempotency-key-reused")
}

func TestAnOrderIsFollowedLive(t *testing.T) {
	ctx := setup(t)
	s := shop.New()
	order := buy(ctx, t, s, "pm_card_visa")
	// follow reads the stream of one who has seen the event last until the order has a status; opened is called once it is open.
	follow := func(last, status string, opened func()) (ids []int) {
		resp := openEvents(ctx, t, s, order.ID, last)
		defer resp.Body.Close()
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, "text/event-stream", strings.Split(resp.Header.Get("Content-Type"), ";")[0])
		opened()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "id:"); ok {
				n, err := strconv.Atoi(strings.TrimSpace(id))
				require.NoError(t, err)
				ids = append(ids, n)
			}
			if strings.HasPrefix(lines.Text(), "data:") && strings.Contains(lines.Text(), `"status":"`+status+`","placedAt"`) {
				return ids
			}
		}
		require.Fail(t, "the stream ended", "before the order was %s: %v", status, lines.Err())
		return nil
	}
	ids := follow("", "paid", func() {})
	require.NotEmpty(t, ids)
	for i := 1; i < len(ids); i++ {
		require.Greater(t, ids[i], ids[i-1], "every event is newer than the one before")
	}
	resumed := follow("1", "paid", func() {})
	require.Greater(t, resumed[0], 1, "a stream goes on where it was left")

	last := ids[len(ids)-1]
	later := follow(strconv.Itoa(last), "cancelled", func() {
		require.NoError(t, s.Do(ctx, http.MethodPut, "orders/"+order.ID+"/cancellation", map[string]string{}, nil))
	})
	require.Greater(t, later[0], last, "who has seen everything hears of what is new alone")
}

// openEvents opens an order's stream as a browser does that has seen the event last. Sidecars take notice of what it accepts.
func openEvents(ctx context.Context, t *testing.T, s *shop.Shopper, id, last string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, shop.BaseURL()+"/api/v1/orders/"+id+"/events", nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Last-Event-ID", last)
	for _, c := range s.Cookies() {
		req.AddCookie(c)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	return resp
}

func TestAnotherCustomersOrderIsNotFound(t *testing.T) {
	ctx := setup(t)
	owner := shop.New()
	order := buy(ctx, t, owner, "pm_card_visa")
	stranger := shop.New()
	require.NoError(t, stranger.Register(ctx, shop.NewAccount()))
	guest := shop.New()
	fill(ctx, t, guest)
	for _, s := range []*shop.Shopper{stranger, guest} {
		requireProblem(t, s.Do(ctx, http.MethodGet, "orders/"+order.ID, nil, nil), http.StatusNotFound)
		requireProblem(t, s.Do(ctx, http.MethodGet, "orders/"+order.ID+"/events", nil, nil), http.StatusNotFound)
		refused := openEvents(ctx, t, s, order.ID, "")
		require.NoError(t, refused.Body.Close())
		require.Equal(t, http.StatusNotFound, refused.StatusCode)
		requireProblem(t, s.Do(ctx, http.MethodPut, "orders/"+order.ID+"/cancellation", map[string]string{}, nil), http.StatusNotFound)
	}
	requireProblem(t, shop.New().Do(ctx, http.MethodGet, "orders/"+order.ID, nil, nil), http.StatusUnauthorized)
}

func TestRegistrationTellsNobodyWhoHasAnAccount(t *testing.T) {
	ctx := setup(t)
	s, account := shop.New(), shop.NewAccount()
	require.NoError(t, s.Register(ctx, account))
	body := func(email string) string {
		return fmt.Sprintf(`{"email":%q,"password":"some other long pass phrase","name":"Eve"}`, email)
	}
	known, knownBody, err := s.Raw(ctx, http.MethodPost, "/api/v1/auth/register", "application/json", body(account.Email), nil)
	require.NoError(t, err)
	fresh, freshBody, err := s.Raw(ctx, http.MethodPost, "/api/v1/auth/register", "application/json", body(shop.NewAccount().Email), nil)
	require.NoError(t, err)
	require.Equal(t, fresh.StatusCode, known.StatusCode)
	require.Equal(t, freshBody, knownBody)
	requireProblem(t, shop.New().Login(ctx, shop.Account{Email: account.Email, Password: "some other long pass phrase"}), http.StatusUnauthorized, "invalid-credentials")
	requireProblem(t, shop.New().Login(ctx, shop.NewAccount()), http.StatusUnauthorized, "invalid-credentials")
	require.NoError(t, shop.New().Login(ctx, account), "the first password stays")
}

func TestSessionsRefreshAndEnd(t *testing.T) {
	ctx := setup(t)
	s := shop.New()
	require.NoError(t, s.Register(ctx, shop.NewAccount()))
	for _, c := range s.Cookies() {
		require.True(t, strings.HasPrefix(c.Name, "__Host-"), c.Name)
	}
	s.SetCookie(&http.Cookie{Name: "__Host-access", Value: "", Path: "/", Secure: true, MaxAge: -1})
	require.NoError(t, s.Do(ctx, http.MethodGet, "auth/me", nil, nil), "a lost access token is renewed quietly")
	require.NoError(t, s.Do(ctx, http.MethodPost, "auth/refresh", nil, nil))

	s.SetCookie(&http.Cookie{Name: "__Host-access", Value: "a.b.c", Path: "/", Secure: true})
	s.SetCookie(&http.Cookie{Name: "__Host-refresh", Value: "stolen", Path: "/", Secure: true})
	requireProblem(t, s.Do(ctx, http.MethodGet, "auth/me", nil, nil), http.StatusUnauthorized)
}
