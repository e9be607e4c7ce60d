package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/shop"
)

type stockItem struct {
	SKU                                             string
	OnHand, Reserved, Available, Threshold, Version int64
}

// adjust changes a count and returns how it stands then.
func adjust(ctx context.Context, t *testing.T, staff *shop.Shopper, sku string, change int64) (item stockItem) {
	t.Helper()
	body := map[string]any{"change": change, "reason": "correction"}
	require.NoError(t, staff.Do(ctx, http.MethodPost, "admin/stock/"+sku+"/adjustments", body, &item, "Idempotency-Key", uuid.NewString()))
	return item
}

// lastOf leaves one piece of a SKU that can be bought, and brings the others back when the test ends.
func lastOf(ctx context.Context, t *testing.T, staff *shop.Shopper) string {
	variants, err := shop.InStock(ctx, 40)
	require.NoError(t, err)
	sku := variants[len(variants)-1].SKU
	var item stockItem
	require.NoError(t, staff.Do(ctx, http.MethodGet, "admin/stock/"+sku, nil, &item))
	require.Greater(t, item.Available, int64(1))
	require.Equal(t, int64(1), adjust(ctx, t, staff, sku, 1-item.Available).Available)
	t.Cleanup(func() { adjust(context.WithoutCancel(ctx), t, staff, sku, item.Available-1) })
	return sku
}

func TestTheLastPieceIsSoldOnceAndTheOthersAreTold(t *testing.T) {
	ctx := setup(t)
	staff := newStaff(ctx, t)
	sku := lastOf(ctx, t, staff)
	const buyers = 60
	var mu sync.Mutex
	ended := map[string]int{}
	var group sync.WaitGroup
	for range buyers {
		group.Go(func() {
			s := shop.New()
			if _, err := s.Put(ctx, sku, 1); err != nil {
				t.Errorf("put: %v", err)
				return
			}
			c := shop.With("pm_card_visa")
			c.Email = shop.NewAccount().Email
			order, err := s.Place(ctx, c, "")
			if err == nil {
				order, err = s.Await(ctx, order.ID, "paid", "rejected")
			}
			if err != nil {
				t.Errorf("buy: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			ended[order.Status]++
		})
	}
	group.Wait()
	require.Equal(t, map[string]int{"paid": 1, "rejected": buyers - 1}, ended)
	require.Eventually(t, func() bool {
		var item stockItem
		require.NoError(t, staff.Do(ctx, http.MethodGet, "admin/stock/"+sku, nil, &item))
		return item.OnHand == 0 && item.Reserved == 0
	}, 30*time.Second, 100*time.Millisecond, "sold")
	var ledger struct {
		Items []struct {
			Change      int64
			Reason, Ref string
		}
	}
	require.NoError(t, staff.Do(ctx, http.MethodGet, "admin/stock/"+sku+"/movements?limit=1", nil, &ledger))
	require.Equal(t, int64(-1), ledger.Items[0].Change)
	require.Equal(t, "sold", ledger.Items[0].Reason)
}

func TestTheStockIsForStaff(t *testing.T) {
	ctx := setup(t)
	staff := newStaff(ctx, t)
	sku := "API-" + uuid.NewString()[:13]
	body := map[string]any{"change": 5, "reason": "received", "note": "first delivery"}
	customer := shop.New()
	require.NoError(t, customer.Register(ctx, shop.NewAccount()))
	for _, r := range []struct {
		method, path string
		in           any
	}{
		{http.MethodGet, "admin/stock", nil},
		{http.MethodGet, "admin/stock/" + sku, nil},
		{http.MethodGet, "admin/stock/" + sku + "/movements", nil},
		{http.MethodGet, "admin/stock/" + sku + "/reservations", nil},
		{http.MethodGet, "admin/reports/stock", nil},
		{http.MethodPut, "admin/stock/" + sku, map[string]int{"threshold": 1}},
		{http.MethodPost, "admin/stock/" + sku + "/adjustments", body},
		{http.MethodPost, "admin/stock/import", nil},
	} {
		requireProblem(t, shop.New().Do(ctx, r.method, r.path, r.in, nil, "Idempotency-Key", uuid.NewString()), http.StatusUnauthorized, "sign-in-required")
		requireProblem(t, customer.Do(ctx, r.method, r.path, r.in, nil, "Idempotency-Key", uuid.NewString()), http.StatusForbidden, "not-allowed")
	}

	key := uuid.NewString()
	var group sync.WaitGroup
	for range 5 { // a browser that does not know whether it got through
		group.Go(func() {
			var refused *shop.Problem
			err := staff.Do(ctx, http.MethodPost, "admin/stock/"+sku+"/adjustments", body, nil, "Idempotency-Key", key)
			if err != nil && !(errors.As(err, &refused) && refused.Code == "still-running") {
				t.Errorf("adjust: %v", err)
			}
		})
	}
	group.Wait()
	var item stockItem
	require.NoError(t, staff.Do(ctx, http.MethodGet, "admin/stock/"+sku, nil, &item))
	require.Equal(t, []int64{5, 0, 5}, []int64{item.OnHand, item.Reserved, item.Available})
	err := staff.Do(ctx, http.MethodPost, "admin/stock/"+sku+"/adjustments", map[string]any{"change": -6, "reason": "lost"}, nil, "Idempotency-Key", uuid.NewString())
	requireProblem(t, err, http.StatusConflict, "below-reserved")
	requireProblem(t, staff.Do(ctx, http.MethodPut, "admin/stock/"+sku, map[string]int{"threshold": 1}, nil, "If-Match", `"99"`), http.StatusPreconditionFailed, "changed-meanwhile")

	file := "sku,onHand\n" + sku + ",8\n" + sku + ",8\nnot a sku,1\n"
	header := http.Header{"Idempotency-Key": {uuid.NewString()}}
	for range 2 {
		resp, text, err := staff.Raw(ctx, http.MethodPost, "/api/v1/admin/stock/import", "text/csv", file, header)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode, text)
		require.Contains(t, text, `"read":3,"written":1,"unchanged":0,"failed":2,"errors":[{"line":3,"column":"sku","code":"repeated-sku"`)
	}
	var found struct{ Items []stockItem }
	require.NoError(t, staff.Do(ctx, http.MethodGet, "admin/stock?query="+sku[:8], nil, &found))
	require.Len(t, found.Items, 1)
	require.Equal(t, int64(8), found.Items[0].OnHand)
	var report struct{ Wrong []any }
	require.NoError(t, staff.Do(ctx, http.MethodGet, "admin/reports/stock", nil, &report))
	require.Empty(t, report.Wrong)
}
