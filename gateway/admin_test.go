package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

const orderID = "01a20d68-c7f3-7943-8aba-eb591a80b6f5"

func (s *shop) signedIn() *browser {
	s.serveAuth()
	b := s.browser()
	require.Equal(s, 200, b.do("POST", "/api/v1/auth/login", `{}`).StatusCode)
	return b
}

func page(items ...any) http.HandlerFunc { return answer(200, web.Page[any]{Items: items}) }

func at(second int) time.Time { return time.Date(2026, 11, 22, 10, 0, second, 0, time.UTC) }

func TestATraceJoinsWhatAllServicesKnow(t *testing.T) {
	s := openShop(t)
	b := s.signedIn()
	s.serve("ordering GET /trace/"+orderID, page(
		step{At: at(0), Service: "ordering", Kind: "timeline", Name: "placed"},
		step{At: at(1), Service: "ordering", Kind: "event", Name: events.TopicOrderPlaced, EventID: "e1"},
		step{At: at(5), Service: "ordering", Kind: "event", Name: events.TopicOrderPaid, EventID: "e2"}))
	s.serve("payment GET /trace/"+orderID, page(step{At: at(3), Service: "payment", Kind: "attempt", Name: "stripe attempt 1"}))
	s.serve("inventory GET /trace/"+orderID, page())
	s.serve("notification GET /trace/"+orderID, page())
	s.serve("inventory GET /trace/"+orderID+"/deliveries", page(step{At: at(2), Service: "inventory", Kind: "delivery", EventID: "e1"}))
	s.serve("notification GET /trace/"+orderID+"/deliveries", page())

	got := b.get("/api/v1/admin/orders/" + orderID + "/trace")
	require.Equal(t, 200, got.StatusCode, got.body)
	var trace composed[step]
	require.NoError(t, json.Unmarshal([]byte(got.body), &trace))
	require.Empty(t, trace.Unavailable)
	var seen []string
	for _, item := range trace.Items {
		line := item.Service + " " + item.Kind + " " + item.Name
		for _, c := range item.Consumers {
			state := " waits"
			if c.DeliveredAt != nil {
				state = " " + c.DeliveredAt.Format(time.TimeOnly)
			}
			line += ", " + c.Service + state
		}
		seen = append(seen, line)
	}
	require.Equal(t, []string{
		"ordering timeline placed",
		"ordering event order-placed-v1, inventory 10:00:02, notification waits",
		"inventory delivery order-placed-v1",
		"payment attempt stripe attempt 1",
		"ordering event order-paid-v1, inventory waits, notification waits",
	}, seen)
	require.Contains(t, got.body, `"deliveredAt":null`)
	asked := s.callsTo("inventory GET /trace/" + orderID + "/deliveries")
	require.Len(t, asked, 1)
	require.Contains(t, []string{"events=e1%2Ce2", "events=e2%2Ce1"}, asked[0].query)
	require.Equal(t, "Bearer "+b.cookies[accessCookie], asked[0].header.Get("Authorization"))
}

func TestATraceSaysWhatIsMissing(t *testing.T) {
	s := openShop(t)
	b := s.signedIn()
	s.serve("ordering GET /trace/"+orderID, page(step{At: at(1), Service: "ordering", Kind: "event", Name: events.TopicOrderPaid, EventID: "e1"}))
	s.serve("inventory GET /trace/"+orderID, page())
	got := b.get("/api/v1/admin/orders/" + orderID + "/trace")
	require.Equal(t, 200, got.StatusCode, got.body)
	var trace composed[step]
	require.NoError(t, json.Unmarshal([]byte(got.body), &trace))
	require.Equal(t, []string{"inventory", "notification", "payment"}, trace.Unavailable)
	require.Len(t, trace.Items, 1)
	require.NotContains(t, got.body, "10.1.2.3")
}

func TestManyEventsAreAskedForInRounds(t *testing.T) {
	s := openShop(t)
	b := s.signedIn()
	var told []any
	for i := range 250 {
		told = append(told, step{At: at(0), Service: "ordering", Kind: "event", Name: events.TopicPaymentRequested, EventID: strings.Repeat("e", i+1)})
	}
	s.serve("ordering GET /trace/"+orderID, page(told...))
	for _, app := range []string{"inventory", "notification", "payment"} {
		s.serve(app+" GET /trace/"+orderID, page())
	}
	s.serve("payment GET /trace/"+orderID+"/deliveries", page())
	require.Equal(t, 200, b.get("/api/v1/admin/orders/"+orderID+"/trace").StatusCode)
	require.Len(t, s.callsTo("payment GET /trace/"+orderID+"/deliveries"), 3)
}

func TestAnOrderThatNobodyKnowsHasNoTrace(t *testing.T) {
	s := openShop(t)
	b := s.signedIn()
	for _, app := range withTraces {
		s.serve(app+" GET /trace/"+orderID, page())
	}
	b.get("/api/v1/admin/orders/"+orderID+"/trace").isProblem(t, 404, "order-not-found")
}

func TestWhatAServiceRefusesIsRefused(t *testing.T) {
	s := openShop(t)
	s.browser().get("/api/v1/admin/orders/"+orderID+"/trace").isProblem(t, 401, "sign-in-required")
	s.browser().get("/api/v1/admin/dead-letters").isProblem(t, 401, "sign-in-required")
	b := s.signedIn()
	for _, app := range withLetters {
		s.serve(app+" GET /trace/"+orderID, refuse(problem.Forbidden, "not-allowed"))
		s.serve(app+" GET /dead-letters", refuse(problem.Forbidden, "not-allowed"))
	}
	b.get("/api/v1/admin/orders/"+orderID+"/trace").isProblem(t, 403, "not-allowed")
	b.get("/api/v1/admin/dead-letters").isProblem(t, 403, "not-allowed")
}

func TestDeadLettersOfAllServicesLatestFirst(t *testing.T) {
	s := openShop(t)
	b := s.signedIn()
	for i, app := range withLetters[:4] {
		s.serve(app+" GET /dead-letters", page(map[string]any{"service": app, "id": "e", "failedAt": at(i), "envelope": map[string]any{"id": "e"}}))
	}
	got := b.get("/api/v1/admin/dead-letters")
	require.Equal(t, 200, got.StatusCode, got.body)
	var list composed[map[string]any]
	require.NoError(t, json.Unmarshal([]byte(got.body), &list))
	require.Equal(t, []string{"payment"}, list.Unavailable)
	var order []string
	for _, item := range list.Items {
		order = append(order, item["service"].(string))
		require.Equal(t, map[string]any{"id": "e"}, item["envelope"])
	}
	require.Equal(t, []string{"ordering", "notification", "inventory", "auth"}, order)
}

func TestALettersRequestGoesToItsService(t *testing.T) {
	s := openShop(t)
	b := s.signedIn()
	s.serve("payment POST /dead-letters/e1/replay", answer(204, nil))
	s.serve("payment DELETE /dead-letters/e1", refuse(problem.Conflict, "letter-fails-again"))
	require.Equal(t, 204, b.do("POST", "/api/v1/admin/dead-letters/payment/e1/replay", "").StatusCode)
	b.do("DELETE", "/api/v1/admin/dead-letters/payment/e1", "").isProblem(t, 409, "letter-fails-again")
	for _, app := range []string{"basket", "gateway", "catalog", "other", "placement"} {
		b.do("POST", "/api/v1/admin/dead-letters/"+app+"/e1/replay", "").isProblem(t, 404, "letter-not-found")
		b.do("DELETE", "/api/v1/admin/dead-letters/"+app+"/e1", "").isProblem(t, 404, "letter-not-found")
	}
	for _, c := range s.calls {
		require.NotContains(t, c.name, "basket POST /dead-letters")
	}
}
