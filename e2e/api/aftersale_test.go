package api

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/shop"
)

func newStaff(ctx context.Context, t *testing.T) *shop.Shopper {
	t.Helper()
	s, err := shop.NewStaff(ctx)
	require.NoError(t, err)
	return s
}

// paid is a new customer with a paid order.
func paid(ctx context.Context, t *testing.T) (*shop.Shopper, shop.Account, shop.Order) {
	t.Helper()
	s, account := shop.New(), shop.NewAccount()
	require.NoError(t, s.Register(ctx, account))
	fill(ctx, t, s)
	order, err := s.Place(ctx, shop.With("pm_card_visa"), "")
	require.NoError(t, err)
	order, err = s.Await(ctx, order.ID, "paid")
	require.NoError(t, err)
	return s, account, order
}

// requireRefunded waits until the provider has sent back exactly this much of an order.
func requireRefunded(ctx context.Context, t *testing.T, order shop.Order, want int64) {
	t.Helper()
	var got int64
	require.Eventually(t, func() bool {
		entries, err := shop.Ledger(ctx, order.ID)
		require.NoError(t, err)
		got = 0
		for _, e := range entries {
			if e.Kind == "refund" {
				got += e.Amount
			}
		}
		return got >= want
	}, 30*time.Second, 50*time.Millisecond, "%d of %d", got, want)
	require.Equal(t, want, got)
}

func TestACouponMakesAPurchaseCheaper(t *testing.T) {
	ctx := setup(t)
	s := shop.New()
	fill(ctx, t, s)
	for _, code := range []string{"NO-SUCH-CODE", "", "'; drop table coupons"} {
		requireProblem(t, s.Do(ctx, http.MethodPut, "basket/coupon", map[string]string{"code": code}, nil), http.StatusUnprocessableEntity, "invalid-coupon")
	}
	var basket shop.Basket
	require.NoError(t, s.Do(ctx, http.MethodPut, "basket/coupon", map[string]string{"code": "welcome10"}, &basket))
	require.Equal(t, "WELCOME10", basket.Coupon.Code)
	require.True(t, basket.Coupon.Valid)
	var quote shop.Order
	require.NoError(t, s.Do(ctx, http.MethodPost, "checkout/quote", map[string]any{"address": shop.Home, "shippingMethod": "standard"}, &quote))
	require.Equal(t, (quote.Subtotal.Amount+5)/10, quote.Discount.Amount)

	checkout := shop.With("pm_card_visa")
	checkout.Email = shop.NewAccount().Email
	order, err := s.Place(ctx, checkout, "")
	require.NoError(t, err)
	require.Equal(t, "WELCOME10", order.Coupon)
	require.Equal(t, quote.Total, order.Total)
	order, err = s.Await(ctx, order.ID, "paid")
	require.NoError(t, err)
	requireLedger(ctx, t, order, "capture")
	require.Eventually(t, func() bool {
		var after shop.Basket
		return s.Do(ctx, http.MethodGet, "basket", nil, &after) == nil && after.Coupon == nil && len(after.Lines) == 0
	}, 15*time.Second, 50*time.Millisecond, "the coupon went with the order")
}

func TestTheLastUseOfACoupon(t *testing.T) {
	ctx := setup(t)
	admin := newStaff(ctx, t)
	code := "ONCE-" + strings.ToUpper(uuid.NewString()[:8])
	coupon := map[string]any{"code": code, "description": "Free delivery", "kind": "free-shipping", "maxUses": 1}
	require.NoError(t, admin.Do(ctx, http.MethodPost, "admin/coupons", coupon, nil))
	requireProblem(t, admin.Do(ctx, http.MethodPost, "admin/coupons", coupon, nil), http.StatusConflict, "coupon-exists")

	first, second := shop.New(), shop.New()
	for _, s := range []*shop.Shopper{first, second} {
		fill(ctx, t, s)
		require.NoError(t, s.Do(ctx, http.MethodPut, "basket/coupon", map[string]string{"code": code}, nil))
	}
	buy := func(s *shop.Shopper) (shop.Order, error) {
		checkout := shop.With("pm_card_visa")
		checkout.Email, checkout.ShippingMethod = shop.NewAccount().Email, "express"
		return s.Place(ctx, checkout, "")
	}
	order, err := buy(first)
	require.NoError(t, err)
	require.Equal(t, order.Shipping, order.Discount)
	_, err = buy(second)
	requireProblem(t, err, http.StatusUnprocessableEntity, "coupon-used-up")
	var basket shop.Basket
	require.NoError(t, second.Do(ctx, http.MethodGet, "basket", nil, &basket))
	require.Equal(t, "coupon-used-up", basket.Coupon.Problem)

	require.NoError(t, first.Do(ctx, http.MethodPut, "orders/"+order.ID+"/cancellation", map[string]string{}, nil))
	order, err = buy(second)
	require.NoError(t, err, "an order without a purchase gives its use back")
	require.Equal(t, code, order.Coupon)

	var shown struct{ Uses int }
	require.NoError(t, admin.Do(ctx, http.MethodGet, "admin/coupons/"+code, nil, &shown))
	require.Equal(t, 1, shown.Uses)
	require.NoError(t, admin.Do(ctx, http.MethodPatch, "admin/coupons/"+code, map[string]any{"active": false}, nil))
	requireProblem(t, first.Do(ctx, http.MethodPut, "basket/coupon", map[string]string{"code": code}, nil), http.StatusUnprocessableEntity, "invalid-coupon")
	require.NoError(t, admin.Do(ctx, http.MethodDelete, "admin/coupons/"+code, nil, nil))
}

func TestTwoTabsBuyOneBasketOnce(t *testing.T) {
	ctx := setup(t)
	s := shop.New()
	fill(ctx, t, s)
	checkout := shop.With("pm_card_visa")
	checkout.Email = shop.NewAccount().Email
	var group sync.WaitGroup
	var mu sync.Mutex
	ids := map[string]bool{}
	for range 10 {
		group.Go(func() {
			order, err := s.Place(ctx, checkout, "") // each with a key of its own
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				ids[order.ID] = true
			} else {
				// Once the basket is empty, there is nothing left to buy.
				requireProblem(t, err, http.StatusUnprocessableEntity, "basket-empty")
			}
		})
	}
	group.Wait()
	require.Len(t, ids, 1)
	for id := range ids {
		order, err := s.Await(ctx, id, "paid")
		require.NoError(t, err)
		requireLedger(ctx, t, order, "capture")
	}
}

func TestAnOrderFromItsParcelToItsReturn(t *testing.T) {
	ctx := setup(t)
	admin := newStaff(ctx, t)
	s, account, order := paid(ctx, t)
	path := "admin/orders/" + order.ID
	require.NoError(t, admin.Do(ctx, http.MethodPut, path+"/shipment", map[string]string{"carrier": "DHL", "trackingNumber": "JJD000390007882823"}, nil))
	order, err := s.Await(ctx, order.ID, "shipped")
	require.NoError(t, err)
	require.Contains(t, order.Shipment.TrackingURL, "JJD000390007882823")
	requireProblem(t, s.Do(ctx, http.MethodPut, "orders/"+order.ID+"/cancellation", map[string]string{}, nil), http.StatusConflict, "order-not-cancellable")
	require.NoError(t, admin.Do(ctx, http.MethodPut, path+"/delivery", map[string]any{}, nil))
	for _, subject := range []string{"is on its way", "has arrived"} {
		_, err = shop.AwaitMail(ctx, account.Email, subject)
		require.NoError(t, err)
	}

	goBack := func(key string, lines ...shop.Line) (shop.Return, error) {
		var request []map[string]any
		for _, l := range lines {
			request = append(request, map[string]any{"sku": l.SKU, "quantity": l.Quantity})
		}
		var answer struct{ Return shop.Return }
		err := s.Do(ctx, http.MethodPost, "orders/"+order.ID+"/returns", map[string]any{"lines": request, "reason": "Too small."}, &answer, "Idempotency-Key", key)
		return answer.Return, err
	}
	one := order.Lines[1]
	one.Quantity = 1
	key := uuid.NewString()
	wish, err := goBack(key, one)
	require.NoError(t, err)
	again, err := goBack(key, one)
	require.NoError(t, err)
	require.Equal(t, wish.ID, again.ID)
	_, err = goBack(uuid.NewString(), order.Lines[1])
	requireProblem(t, err, http.StatusUnprocessableEntity, "invalid-return")

	decide := func(id, status string) {
		require.NoError(t, admin.Do(ctx, http.MethodPatch, "admin/returns/"+id, map[string]string{"status": status}, nil), status)
	}
	requireProblem(t, admin.Do(ctx, http.MethodPatch, "admin/returns/"+wish.ID, map[string]string{"status": "received"}, nil), http.StatusConflict, "return-not-open")
	decide(wish.ID, "approved")
	decide(wish.ID, "received")
	requireRefunded(ctx, t, order, wish.Refund.Amount)
	for _, subject := range []string{"is approved", "went back to you"} {
		_, err = shop.AwaitMail(ctx, account.Email, subject)
		require.NoError(t, err)
	}

	rest, err := goBack(uuid.NewString(), order.Lines[0], one)
	require.NoError(t, err)
	decide(rest.ID, "approved")
	decide(rest.ID, "received")
	requireRefunded(ctx, t, order, order.Total.Amount)
	require.Eventually(t, func() bool {
		order, err = s.Order(ctx, order.ID)
		return err == nil && order.Refunded == order.Total && order.Returns[1].Status == "refunded"
	}, 15*time.Second, 50*time.Millisecond)
	require.Equal(t, "returned", order.Status)
	require.False(t, order.Returnable)

	var list struct {
		Items []struct{ ID, OrderNumber string }
	}
	require.NoError(t, admin.Do(ctx, http.MethodGet, "admin/returns?status=refunded&limit=100", nil, &list))
	found := false
	for _, r := range list.Items {
		found = found || r.ID == rest.ID && r.OrderNumber == order.Number
	}
	require.True(t, found)
}

func TestRefundsByTheStaff(t *testing.T) {
	ctx := setup(t)
	admin := newStaff(ctx, t)
	s, account, order := paid(ctx, t)
	path, key := "admin/orders/"+order.ID, uuid.NewString()
	part := map[string]any{"amount": map[string]any{"amount": 100, "currency": "EUR"}, "reason": "For the scratch."}
	for range 3 {
		require.NoError(t, admin.Do(ctx, http.MethodPost, path+"/refunds", part, nil, "Idempotency-Key", key))
	}
	requireRefunded(ctx, t, order, 100)
	_, err := shop.AwaitMail(ctx, account.Email, "€1.00")
	require.NoError(t, err)
	part["amount"] = map[string]any{"amount": order.Total.Amount - 99, "currency": "EUR"}
	requireProblem(t, admin.Do(ctx, http.MethodPost, path+"/refunds", part, nil, "Idempotency-Key", uuid.NewString()), http.StatusUnprocessableEntity, "refund-exceeds-payment")
	require.NoError(t, admin.Do(ctx, http.MethodPost, path+"/notes", map[string]string{"text": "Was kind on the phone."}, nil))

	// Cancelling gives back the rest, and no more.
	require.NoError(t, admin.Do(ctx, http.MethodPut, path+"/cancellation", map[string]string{"reason": "It fell off the shelf."}, nil))
	requireRefunded(ctx, t, order, order.Total.Amount)
	order, err = s.Await(ctx, order.ID, "cancelled")
	require.NoError(t, err)
	require.Contains(t, order.Timeline[len(order.Timeline)-1].Note+order.Timeline[len(order.Timeline)-2].Note, "by the shop. It fell off the shelf.")
	var seen struct {
		CustomerID string
		Notes      []struct{ Text, By string }
	}
	require.NoError(t, admin.Do(ctx, http.MethodGet, path, nil, &seen))
	require.Equal(t, "Was kind on the phone.", seen.Notes[0].Text)
	require.NotEmpty(t, seen.Notes[0].By)
	_, body, err := s.Raw(ctx, http.MethodGet, "/api/v1/orders/"+order.ID, "", "", nil)
	require.NoError(t, err)
	require.NotContains(t, body, "kind on the phone")
	require.NotContains(t, body, seen.Notes[0].By)

	for _, query := range []string{"query=" + order.Number, "query=" + strings.ToUpper(account.Email), "status=cancelled&query=" + account.Email} {
		var list struct{ Items []shop.Order }
		require.NoError(t, admin.Do(ctx, http.MethodGet, "admin/orders?"+query, nil, &list))
		require.Len(t, list.Items, 1, query)
		require.Equal(t, order.ID, list.Items[0].ID)
	}
}

func TestInvoice(t *testing.T) {
	ctx := setup(t)
	waiting := shop.New()
	unpaid := buy(ctx, t, waiting, "pm_card_threeDSecure2Required")
	requireProblem(t, waiting.Do(ctx, http.MethodGet, "orders/"+unpaid.ID+"/invoice", nil, nil), http.StatusConflict, "no-invoice-yet")
	require.NoError(t, waiting.Do(ctx, http.MethodPut, "orders/"+unpaid.ID+"/cancellation", map[string]string{}, nil))

	s, _, order := paid(ctx, t)
	require.Regexp(t, `^\d{4}-\d{6}$`, order.Invoice)
	resp, body, err := s.Raw(ctx, http.MethodGet, "/api/v1/orders/"+order.ID+"/invoice", "", "", nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", resp.Header.Get("Content-Type"))
	require.Contains(t, resp.Header.Get("Content-Security-Policy"), "style-src 'sha256-")
	require.Contains(t, body, order.Invoice)
	require.Contains(t, body, shop.Home.Name)
	requireProblem(t, waiting.Do(ctx, http.MethodGet, "orders/"+order.ID+"/invoice", nil, nil), http.StatusNotFound)
}

// What the staff may do, others may not.
func TestTheBackOfficeIsForTheStaff(t *testing.T) {
	ctx := setup(t)
	s, _, order := paid(ctx, t)
	guest := shop.New()
	fill(ctx, t, guest)
	for _, route := range []string{
		"GET orders", "GET orders/{id}", "PUT orders/{id}/shipment", "PUT orders/{id}/delivery", "PUT orders/{id}/cancellation",
		"POST orders/{id}/refunds", "POST orders/{id}/notes", "GET returns", "PATCH returns/{id}",
		"GET coupons", "POST coupons", "GET coupons/WELCOME10", "PATCH coupons/WELCOME10", "DELETE coupons/WELCOME10",
	} {
		method, path, _ := strings.Cut(strings.ReplaceAll(route, "{id}", order.ID), " ")
		var in any
		if method != http.MethodGet && method != http.MethodDelete {
			in = map[string]any{}
		}
		for _, nobody := range []*shop.Shopper{shop.New(), guest} {
			requireProblem(t, nobody.Do(ctx, method, "admin/"+path, in, nil, "Idempotency-Key", uuid.NewString()), http.StatusUnauthorized, "sign-in-required")
		}
		requireProblem(t, s.Do(ctx, method, "admin/"+path, in, nil, "Idempotency-Key", uuid.NewString()), http.StatusForbidden, "not-allowed")
	}
	order, err := s.Order(ctx, order.ID)
	require.NoError(t, err)
	require.Equal(t, "paid", order.Status)
}
