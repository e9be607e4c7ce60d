package api

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/shop"
)

// buyByPayPal places an order as a guest, and waits for the page at which PayPal wants to see her.
func buyByPayPal(ctx context.Context, t *testing.T, s *shop.Shopper) shop.Order {
	t.Helper()
	fill(ctx, t, s)
	checkout := shop.With("paypal")
	checkout.Payment.Provider, checkout.Email = "paypal", shop.NewAccount().Email
	order, err := s.Place(ctx, checkout, "")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		o, err := s.Order(ctx, order.ID)
		order = o
		return err == nil && o.Payment.RedirectURL != ""
	}, 15*time.Second, 50*time.Millisecond)
	return order
}

func cancel(ctx context.Context, t *testing.T, s *shop.Shopper, order shop.Order) {
	t.Helper()
	require.NoError(t, s.Do(ctx, http.MethodPut, "orders/"+order.ID+"/cancellation", map[string]string{"reason": "changed my mind"}, nil))
}

func TestPayPalFromApprovalToRefund(t *testing.T) {
	ctx := setup(t)
	s := shop.New()
	order := buyByPayPal(ctx, t, s)
	requireLedger(ctx, t, order)
	back, err := shop.Authenticate(ctx, order.Payment.RedirectURL, true)
	require.NoError(t, err)
	at, err := url.Parse(back)
	require.NoError(t, err)
	require.Equal(t, "/orders/"+order.ID, at.Path)
	_, err = s.Await(ctx, order.ID, "paid")
	require.NoError(t, err)
	requireLedger(ctx, t, order, "capture")

	cancel(ctx, t, s, order)
	require.Eventually(t, func() bool {
		o, err := s.Order(ctx, order.ID)
		return err == nil && o.Payment.Status == "refunded"
	}, 30*time.Second, 50*time.Millisecond)
	requireLedger(ctx, t, order, "capture", "refund")
}

func TestWhoLeavesPayPalMayComeBackUntilTheOrderIsCancelled(t *testing.T) {
	ctx := setup(t)
	s := shop.New()
	order := buyByPayPal(ctx, t, s)
	back, err := shop.Authenticate(ctx, order.Payment.RedirectURL, false)
	require.NoError(t, err)
	at, err := url.Parse(back)
	require.NoError(t, err)
	require.Equal(t, []string{"/orders/" + order.ID, "cancelled"}, []string{at.Path, at.Query().Get("payment")})
	open, err := s.Order(ctx, order.ID)
	require.NoError(t, err)
	require.Equal(t, []string{"reserved", "action_required"}, []string{open.Status, open.Payment.Status})

	cancel(ctx, t, s, order)
	_, err = s.Await(ctx, order.ID, "cancelled")
	require.NoError(t, err)
	_, err = shop.Authenticate(ctx, order.Payment.RedirectURL, true)
	require.NoError(t, err)
	other := buyByPayPal(ctx, t, s) // by the time this is taken, the first would be
	_, err = shop.Authenticate(ctx, other.Payment.RedirectURL, true)
	require.NoError(t, err)
	_, err = s.Await(ctx, other.ID, "paid")
	require.NoError(t, err)
	requireLedger(ctx, t, order)
}

func TestWhatCanBePaidWith(t *testing.T) {
	ctx := setup(t)
	var methods struct {
		Items []struct {
			Provider  string
			Available *bool
		}
	}
	require.NoError(t, shop.New().Do(ctx, http.MethodGet, "checkout/payment-methods", nil, &methods))
	var providers []string
	for _, m := range methods.Items {
		require.NotNil(t, m.Available)
		providers = append(providers, m.Provider)
	}
	require.Equal(t, []string{"stripe", "paypal"}, providers)
}

func TestStaffSeeDisputesAndThatTheBooksAgree(t *testing.T) {
	ctx := setup(t)
	if os.Getenv("AUTH_DATABASE_URL") == "" {
		require.Empty(t, os.Getenv("CI"), "AUTH_DATABASE_URL is needed to make an administrator")
		t.Skip("this test makes an administrator: `make test` does it, or set AUTH_DATABASE_URL to auth's database")
	}
	s, staff, account := shop.New(), shop.New(), shop.NewAccount()
	require.NoError(t, staff.Register(ctx, account))
	for _, path := range []string{"admin/disputes", "admin/reports/reconciliation"} {
		requireProblem(t, s.Do(ctx, http.MethodGet, path, nil, nil), 401)
		requireProblem(t, staff.Do(ctx, http.MethodGet, path, nil, nil), 403)
	}
	grant := exec.CommandContext(ctx, "../../.bin/auth", "grant-admin", account.Email)
	out, err := grant.CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, staff.Login(ctx, account))

	card := buy(ctx, t, s, "pm_card_visa")
	_, err = s.Await(ctx, card.ID, "paid")
	require.NoError(t, err)
	paypal := buyByPayPal(ctx, t, s)
	_, err = shop.Authenticate(ctx, paypal.Payment.RedirectURL, true)
	require.NoError(t, err)
	_, err = s.Await(ctx, paypal.ID, "paid")
	require.NoError(t, err)
	for _, order := range []shop.Order{card, paypal} {
		id, err := shop.Dispute(ctx, order.ID)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			var page struct {
				Items []struct {
					ID, OrderID, State string
					Amount             shop.Money
				}
			}
			if staff.Do(ctx, http.MethodGet, "admin/disputes?limit=100", nil, &page) != nil {
				return false
			}
			for _, d := range page.Items {
				if d.ID == id {
					return d.OrderID == order.ID && d.State == "open" && d.Amount == order.Total
				}
			}
			return false
		}, 30*time.Second, 100*time.Millisecond)
	}

	type side struct {
		Currency       string
		Ours, Provider int64
	}
	var report struct {
		Orders      int
		Captures    []side
		Differences []struct{ OrderID, Kind, Detail string }
	}
	require.NoError(t, staff.Do(ctx, http.MethodGet, "admin/reports/reconciliation", nil, &report))
	require.GreaterOrEqual(t, report.Orders, 2)
	require.NotEmpty(t, report.Captures)
	for _, d := range report.Differences { // others may be at work, and the provider be made to misbehave
		require.NotContains(t, []string{card.ID, paypal.ID}, d.OrderID, d.Kind+" "+d.Detail)
	}
	t.Logf("%+v", report)
}
