package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
)

var (
	anna  = identity.Identity{Subject: "anna", Roles: []identity.Role{identity.Customer}}
	agent = identity.Identity{Subject: "agent", Roles: []identity.Role{identity.Customer, identity.Support}}
	boss  = identity.Identity{Subject: "boss", Name: "Bo", Roles: []identity.Role{identity.Customer, identity.Admin}}
)

// answer is what came of a request.
type answer struct {
	status int
	body   string
	header http.Header
}

func (a answer) into(t *testing.T, v any) {
	require.NoError(t, json.Unmarshal([]byte(a.body), v), a.body)
}

func (a answer) item(t *testing.T) (i Item) {
	a.into(t, &i)
	return i
}

// as sends a request of somebody's, with headers in pairs.
func (f *fixture) as(who identity.Identity, method, target, body string, headers ...string) answer {
	r := httptest.NewRequest(method, target, strings.NewReader(body)).WithContext(identity.With(f.Context(), who))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Dapr-Caller-App-Id", "gateway")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	f.routes().ServeHTTP(rec, r)
	return answer{rec.Code, rec.Body.String(), rec.Header()}
}

func (f *fixture) adjust(sku string, change int64, reason, key string) answer {
	return f.as(boss, "POST", "/admin/stock/"+sku+"/adjustments", fmt.Sprintf(`{"change":%d,"reason":%q,"note":"by hand"}`, change, reason), "Idempotency-Key", key)
}

func (f *fixture) movements(sku string) (list []Movement) {
	var page struct{ Items []Movement }
	f.as(agent, "GET", "/admin/stock/"+sku+"/movements", "").into(f.T, &page)
	return page.Items
}

func TestSupportReadsAndAdministratorsWrite(t *testing.T) {
	f := newFixture(t, pieces("A", 5))
	_, err := f.stock.Audit(t.Context())
	require.NoError(t, err)
	for _, route := range []struct {
		method, target, body string
		support              int
	}{
		{"GET", "/admin/stock", "", 200},
		{"GET", "/admin/stock/A", "", 200},
		{"GET", "/admin/stock/A/movements", "", 200},
		{"GET", "/admin/stock/A/reservations", "", 200},
		{"GET", "/reports/stock", "", 200},
		{"PUT", "/admin/stock/A", `{"threshold":2}`, 403},
		{"POST", "/admin/stock/A/adjustments", `{"change":1,"reason":"found"}`, 403},
		{"POST", "/admin/stock/import", "sku,onHand\nA,5\n", 403},
	} {
		headers := []string{"Idempotency-Key", "role-test-" + route.target}
		if strings.HasSuffix(route.target, "import") {
			headers = append(headers, "Content-Type", "text/csv")
		}
		for who, want := range map[*identity.Identity]int{{}: 401, &anna: 403, &agent: route.support} {
			got := f.as(*who, route.method, route.target, route.body, headers...)
			require.Equal(t, want, got.status, "%s %s as %v: %s", route.method, route.target, who.Roles, got.body)
		}
		got := f.as(boss, route.method, route.target, route.body, headers...)
		require.Less(t, got.status, 300, "%s %s: %s", route.method, route.target, got.body)
	}
}

func TestStockIsListedBySKU(t *testing.T) {
	f := newFixture(t, pieces("KIT-MUG-20", 30), pieces("KIT-MUG-30", 5), pieces("KIT-POT-1", 0), pieces("TOY-9_9", 7))
	require.NoError(t, f.place(newOrder(), events.OrderLine{SKU: "TOY-9_9", Quantity: 2}))
	list := func(query string) (skus []string, next string) {
		var page struct {
			Items      []Item
			NextCursor string
		}
		got := f.as(agent, "GET", "/admin/stock"+query, "")
		require.Equal(t, 200, got.status, got.body)
		got.into(t, &page)
		for _, i := range page.Items {
			skus = append(skus, i.SKU)
		}
		return skus, page.NextCursor
	}
	all, next := list("")
	require.Equal(t, []string{"KIT-MUG-20", "KIT-MUG-30", "KIT-POT-1", "TOY-9_9"}, all)
	require.Empty(t, next)
	low, _ := list("?low=true")
	require.Equal(t, []string{"KIT-MUG-30", "KIT-POT-1", "TOY-9_9"}, low, "five of seven are free")
	mugs, _ := list("?query=+mug-")
	require.Equal(t, []string{"KIT-MUG-20", "KIT-MUG-30"}, mugs)
	both, _ := list("?query=mug&low=true")
	require.Equal(t, []string{"KIT-MUG-30"}, both)
	wild, _ := list("?query=%25")
	require.Empty(t, wild, "a sign of patterns is a sign like any other")
	literal, _ := list("?query=9_9")
	require.Equal(t, []string{"TOY-9_9"}, literal)

	var paged []string
	for cursor := ""; ; {
		skus, next := list("?limit=3&cursor=" + cursor)
		paged = append(paged, skus...)
		if cursor = next; cursor == "" {
			break
		}
	}
	require.Equal(t, all, paged)
	require.JSONEq(t, `{"sku":"TOY-9_9","onHand":7,"reserved":2,"available":5,"threshold":5,"version":1}`, f.as(agent, "GET", "/admin/stock/TOY-9_9", "").body)
}

func TestGarbageInTheBackOfficeIsRefused(t *testing.T) {
	f := newFixture(t, pieces("A", 5))
	for target, code := range map[string]string{
		"/admin/stock?query=" + strings.Repeat("x", 65):       "invalid-query",
		"/admin/stock?query=%00":                              "invalid-query",
		"/admin/stock?query=%ff":                              "invalid-query",
		"/admin/stock?low=yes":                                "invalid-low",
		"/admin/stock?cursor=%27%3B":                          "invalid-cursor",
		"/admin/stock?limit=0":                                "invalid-limit",
		"/admin/stock/A/movements?cursor=-1":                  "invalid-cursor",
		"/admin/stock/A/movements?cursor=x":                   "invalid-cursor",
		"/admin/stock/A/movements?cursor=9223372036854775808": "invalid-cursor",
		"/admin/stock/A/movements?limit=101":                  "invalid-limit",
		"/admin/stock/A/reservations?cursor=x":                "invalid-cursor",
	} {
		got := f.as(agent, "GET", target, "")
		require.Equal(t, 400, got.status, target)
		require.Contains(t, got.body, code, target)
	}
	for _, path := range []string{"/admin/stock/B", "/admin/stock/B/movements", "/admin/stock/B/reservations", "/admin/stock/%27", "/admin/stock/%00/movements"} {
		require.Equal(t, 404, f.as(agent, "GET", path, "").status, path)
	}
	for body, status := range map[string]int{
		`{`:                              400,
		`{"change":1.5,"reason":"lost"}`: 400,
		`{"change":1,"reason":"found","by":"me"}`: 400,
		`{"change":0,"reason":"correction"}`:      422,
		`{"change":99999999999,"reason":"found"}`: 422,
		`{"change":1}`:                                                            422,
		`{"change":1,"reason":"sold"}`:                                            422,
		`{"change":1,"reason":"stocktake"}`:                                       422,
		`{"change":1,"reason":"lost"}`:                                            422,
		`{"change":-1,"reason":"received"}`:                                       422,
		`{"change":1,"reason":"found","note":"a\nb"}`:                             422,
		`{"change":1,"reason":"found","note":"` + strings.Repeat("ü", 501) + `"}`: 422,
	} {
		got := f.as(boss, "POST", "/admin/stock/A/adjustments", body, "Idempotency-Key", "some-key")
		require.Equal(t, status, got.status, "%s: %s", body, got.body)
	}
	got := f.as(boss, "POST", "/admin/stock/A/adjustments", `{"change":1,"reason":"found"}`)
	require.Equal(t, 400, got.status)
	require.Contains(t, got.body, "idempotency-key-required")
	require.Equal(t, 404, f.adjust("B", -1, "lost", "unknown-sku").status)
	require.Equal(t, 404, f.adjust("a%20b", 1, "found", "no-sku").status)
	for body, status := range map[string]int{`{}`: 422, `{"threshold":-1}`: 422, `{"threshold":"5"}`: 400, `{"threshold":1000000001}`: 422} {
		require.Equal(t, status, f.as(boss, "PUT", "/admin/stock/A", body).status, body)
	}
	require.Equal(t, 404, f.as(boss, "PUT", "/admin/stock/B", `{"threshold":1}`).status)
	require.Equal(t, [2]int64{5, 0}, f.counts("A"))
}

func TestAnAdjustmentIsInTheLedger(t *testing.T) {
	f := newFixture(t, pieces("A", 5))
	got := f.adjust("A", 7, "received", "delivery-1")
	require.Equal(t, 201, got.status, got.body)
	require.Equal(t, Item{"A", 12, 0, 12, 5, 2}, got.item(t))
	require.Equal(t, got.body, f.adjust("A", 7, "received", "delivery-1").body, "a repeat answers the same")
	require.Equal(t, [2]int64{12, 0}, f.counts("A"))
	other := f.adjust("A", 8, "received", "delivery-1")
	require.Equal(t, 422, other.status)
	require.Contains(t, other.body, "idempotency-key-reused")

	require.Equal(t, 201, f.adjust("A", -2, "damaged", "broken").status)
	require.Equal(t, 201, f.adjust("A", 1, "returned", "back-1").status)
	require.Equal(t, 201, f.adjust("A", 1, "returned", "back-2").status, "two returns that nobody asked for")
	list := f.movements("A")
	require.Len(t, list, 5)
	require.Equal(t, []string{"returned", "returned", "damaged", "received", "stocktake"},
		[]string{list[0].Reason, list[1].Reason, list[2].Reason, list[3].Reason, list[4].Reason})
	require.Equal(t, []any{member{"boss", "Bo"}, "by hand", int64(-2)}, []any{list[2].By, list[2].Note, list[2].Change})
	require.Equal(t, "test", list[4].Ref)

	var first, second struct {
		Items      []Movement
		NextCursor string
	}
	f.as(agent, "GET", "/admin/stock/A/movements?limit=3", "").into(t, &first)
	require.Equal(t, list[:3], first.Items)
	f.as(agent, "GET", "/admin/stock/A/movements?limit=3&cursor="+first.NextCursor, "").into(t, &second)
	require.Equal(t, list[3:], second.Items)
}

func TestWhatComesInMayBeNew(t *testing.T) {
	f := newFixture(t)
	require.Equal(t, 201, f.adjust("NEW", 3, "received", "first-delivery").status)
	require.Equal(t, []events.Fact{events.StockAvailabilityChanged{SKU: "NEW", Available: 3, InStock: true, Version: 2}}, f.toldOf("NEW"))
}

func TestWhatIsHeldStays(t *testing.T) {
	f := newFixture(t, pieces("A", 5))
	order := newOrder()
	require.NoError(t, f.place(order, events.OrderLine{SKU: "A", Quantity: 3}))
	got := f.adjust("A", -3, "lost", "too-many")
	require.Equal(t, 409, got.status)
	require.Contains(t, got.body, "below-reserved")
	require.Contains(t, got.body, "at most 2 can go")
	require.Equal(t, 201, f.adjust("A", -2, "lost", "what-is-free").status)
	require.Equal(t, [2]int64{3, 3}, f.counts("A"))
	require.NoError(t, f.pay(order))
	require.Equal(t, [2]int64{0, 0}, f.counts("A"))
}

func TestOrdersWithAClaimAreListed(t *testing.T) {
	f := newFixture(t, pieces("A", 5), pieces("B", 5))
	held, sold, owed := newOrder(), newOrder(), newOrder()
	require.NoError(t, f.place(held, events.OrderLine{SKU: "B", Quantity: 1}, events.OrderLine{SKU: "A", Quantity: 2}))
	require.NoError(t, f.place(sold, events.OrderLine{SKU: "A", Quantity: 1}))
	require.NoError(t, f.pay(sold))
	require.NoError(t, f.place(owed, events.OrderLine{SKU: "A", Quantity: 5}))
	require.NoError(t, f.pay(owed))
	var page struct {
		Items      []Claim
		NextCursor string
	}
	got := f.as(agent, "GET", "/admin/stock/A/reservations?limit=1", "")
	got.into(t, &page)
	require.Len(t, page.Items, 1)
	require.Equal(t, []any{held, "held", int64(2)}, []any{page.Items[0].OrderID, page.Items[0].State, page.Items[0].Quantity})
	f.as(agent, "GET", "/admin/stock/A/reservations?cursor="+page.NextCursor, "").into(t, &page)
	require.Len(t, page.Items, 1)
	require.Equal(t, []any{owed, "owed", int64(5)}, []any{page.Items[0].OrderID, page.Items[0].State, page.Items[0].Quantity})
}

func TestAThresholdIsChangedFromTheVersionSeen(t *testing.T) {
	f := newFixture(t, pieces("A", 8))
	seen := f.as(boss, "GET", "/admin/stock/A", "")
	got := f.as(boss, "PUT", "/admin/stock/A", `{"threshold":10}`, "If-Match", seen.header.Get("Etag"))
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, Item{"A", 8, 0, 8, 10, 2}, got.item(t))
	require.NotEqual(t, seen.header.Get("Etag"), got.header.Get("Etag"))
	late := f.as(boss, "PUT", "/admin/stock/A", `{"threshold":3}`, "If-Match", seen.header.Get("Etag"))
	require.Equal(t, 412, late.status)
	require.Contains(t, late.body, "changed-meanwhile")
	require.Equal(t, 200, f.as(boss, "PUT", "/admin/stock/A", `{"threshold":10}`).status)
	require.Equal(t, []events.Fact{
		events.StockAvailabilityChanged{SKU: "A", Available: 8, InStock: true, Version: 1},
		events.StockLow{SKU: "A", Available: 8, Threshold: 10},
	}, f.toldOf("A"), "low by the new threshold, told once")

	list := f.movements("A")
	require.Len(t, list, 2, "what was refused, or changed nothing, leaves no trace")
	require.Equal(t, Movement{ID: list[0].ID, Reason: "threshold", By: member{"boss", "Bo"}, Note: "5 → 10", At: list[0].At}, list[0])
}

// Two of the staff, and customers, at the same count.
func TestAdjustmentsBesideOrdersLoseNothing(t *testing.T) {
	f := newFixture(t, pieces("A", 50))
	var group sync.WaitGroup
	for writer := range 2 {
		group.Go(func() {
			for i := range 15 {
				change, reason := int64(2), "found"
				if i%3 == 0 {
					change, reason = -1, "lost"
				}
				if got := f.adjust("A", change, reason, fmt.Sprintf("writer-%d-%d", writer, i)); got.status != 201 {
					t.Errorf("adjust: %s", got.body)
				}
			}
		})
		group.Go(func() {
			for range 10 {
				order := uuid.Must(uuid.NewV7()).String()
				if err := f.place(order, events.OrderLine{SKU: "A", Quantity: 1}); err != nil {
					t.Errorf("place: %v", err)
				}
				if err := f.pay(order); err != nil {
					t.Errorf("pay: %v", err)
				}
			}
		})
	}
	group.Wait()
	require.Equal(t, [2]int64{50 + 2*(10*2-5) - 20, 0}, f.counts("A"))
}

func TestOneKeyAtTheSameTimeCountsOnce(t *testing.T) {
	f := newFixture(t, pieces("A", 5))
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			if got := f.adjust("A", 1, "found", "double-click"); got.status != 201 && got.status != 409 {
				t.Errorf("adjust: %d %s", got.status, got.body)
			}
		})
	}
	group.Wait()
	require.Equal(t, [2]int64{6, 0}, f.counts("A"))
}

func TestAnAuditFindsWhatTheLedgerDoesNotExplain(t *testing.T) {
	f := newFixture(t, pieces("A", 5), pieces("B", 5), pieces("C", 5))
	got := f.as(agent, "GET", "/reports/stock", "")
	require.Equal(t, 404, got.status)
	require.Contains(t, got.body, "not-checked-yet")
	require.NoError(t, f.place(newOrder(), events.OrderLine{SKU: "A", Quantity: 2}))
	found, err := f.stock.Audit(t.Context())
	require.NoError(t, err)
	require.Equal(t, []any{int64(3), int64(3), []Discrepancy{}}, []any{found.SKUs, found.Movements, found.Wrong})

	_, err = f.stock.db.Exec(t.Context(), `update stock set on_hand = on_hand + 1 where sku = 'B'; update stock set reserved = 1 where sku = 'C'`)
	require.NoError(t, err)
	_, err = f.stock.Audit(t.Context())
	require.NoError(t, err)
	var shown Audit
	f.as(agent, "GET", "/reports/stock", "").into(t, &shown)
	require.Equal(t, []Discrepancy{{"B", 6, 5, 0, 0}, {"C", 5, 5, 1, 0}}, shown.Wrong)
	_, err = f.stock.db.Exec(t.Context(), `update stock set on_hand = on_hand - 1 where sku = 'B'; update stock set reserved = 0 where sku = 'C'`)
	require.NoError(t, err)
}

func TestAvailabilityIsListedForTheCatalogue(t *testing.T) {
	f := newFixture(t, pieces("A", 5), pieces("B", 0), pieces("C", 2))
	require.NoError(t, f.place(newOrder(), events.OrderLine{SKU: "C", Quantity: 2}))
	list := func(query string) answer {
		return f.as(identity.Identity{}, "GET", "/stock/availability"+query, "", "Dapr-Caller-App-Id", "catalog")
	}
	require.JSONEq(t, `{"items":[{"sku":"A","available":5,"inStock":true,"version":1},{"sku":"B","available":0,"inStock":false,"version":1}],"nextCursor":"B"}`,
		list("?limit=2").body)
	require.JSONEq(t, `{"items":[{"sku":"C","available":0,"inStock":false,"version":2}]}`, list("?limit=2&after=B").body)
	require.JSONEq(t, `{"items":[]}`, list("?after=ZZZ").body)
	for _, query := range []string{"?limit=5001", "?limit=x", "?after=%27", "?after=%00"} {
		require.Equal(t, 400, list(query).status, query)
	}
	require.Equal(t, 404, f.as(boss, "GET", "/stock/availability", "", "Dapr-Caller-App-Id", "gateway").status)
}
