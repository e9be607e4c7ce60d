package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/shop"
)

const jsonType = "application/json"

func TestGarbageGetsAProblem(t *testing.T) {
	ctx := setup(t)
	s := shop.New()
	fill(ctx, t, s)
	variants, err := shop.InStock(ctx, 1)
	require.NoError(t, err)
	item := "/api/v1/basket/items/" + variants[0].SKU
	order := "/api/v1/orders/" + uuid.NewString()
	checkout := `{"address":{"name":"A","line1":"B","city":"C","postalCode":"10119","country":"DE"},"shippingMethod":"standard","payment":{"provider":"stripe","method":"pm_card_visa"},"email":"a@example.com"}`
	for _, c := range []struct {
		method, path, contentType, body string
		status                          []int
	}{
		{"PUT", item, jsonType, `{"quantity":`, []int{400}},
		{"PUT", item, jsonType, ``, []int{400}},
		{"PUT", item, jsonType, `[]`, []int{400}},
		{"PUT", item, jsonType, `null`, []int{400, 422}},
		{"PUT", item, jsonType, `{"quantity":"two"}`, []int{400}},
		{"PUT", item, jsonType, `{"quantity":1.5}`, []int{400}},
		{"PUT", item, jsonType, `{"quantity":0}`, []int{400, 422}},
		{"PUT", item, jsonType, `{"quantity":-1}`, []int{400, 422}},
		{"PUT", item, jsonType, `{"quantity":1000000000}`, []int{400, 422}},
		{"PUT", item, jsonType, `{"quantity":1,"price":1}`, []int{400}},
		{"PUT", item, "text/plain", `{"quantity":1}`, []int{415}},
		{"PUT", item, jsonType, `{"quantity":1}` + strings.Repeat(" ", 1<<20), []int{413}},
		{"PUT", "/api/v1/basket/items/NO-SUCH-SKU", jsonType, `{"quantity":1}`, []int{404, 422}},
		{"PUT", "/api/v1/basket/items/%00", jsonType, `{"quantity":1}`, []int{400, 404, 422}},
		{"PUT", "/api/v1/basket/items/" + strings.Repeat("X", 5000), jsonType, `{"quantity":1}`, []int{400, 404, 414, 422}},
		{"GET", "/api/v1/basket?currency=XXX", "", "", []int{400, 422}},
		{"POST", "/api/v1/checkout", jsonType, checkout, []int{400}}, // no Idempotency-Key
		{"POST", "/api/v1/checkout/quote", jsonType, `{"address":{"country":"ZZ"},"shippingMethod":"standard"}`, []int{400, 422}},
		{"POST", "/api/v1/checkout/quote", jsonType, `{"address":{"country":"DE"},"shippingMethod":"teleport"}`, []int{400, 422}},
		{"GET", "/api/v1/products?limit=0", "", "", []int{400}},
		{"GET", "/api/v1/products?limit=x", "", "", []int{400}},
		{"GET", "/api/v1/products?cursor=garbage", "", "", []int{400}},
		{"GET", "/api/v1/products?minPrice=-1", "", "", []int{400}},
		{"GET", "/api/v1/products?sort=sideways", "", "", []int{400}},
		{"GET", "/api/v1/products?currency=XXX", "", "", []int{400}},
		{"GET", "/api/v1/products/no-such-product", "", "", []int{404}},
		{"GET", "/api/v1/products/%2e%2e%2fadmin", "", "", []int{404}},
		{"GET", order, "", "", []int{404}},
		{"GET", "/api/v1/orders/1%20or%201=1", "", "", []int{400, 404}},
		{"PUT", order + "/cancellation", jsonType, `{}`, []int{404}},
		{"POST", "/api/v1/auth/login", jsonType, `{"email":5,"password":"x"}`, []int{400}},
		{"POST", "/api/v1/auth/login", jsonType, `{}`, []int{400, 401, 422}},
		{"POST", "/api/v1/auth/register", jsonType, `{"email":"no","password":"a long pass phrase","name":"x"}`, []int{400, 422}},
		{"POST", "/api/v1/auth/register", jsonType, `{"email":"x@example.com","password":"short","name":"x"}`, []int{400, 422}},
		{"POST", "/api/v1/auth/register", jsonType, `{"email":"x@example.com","password":"password1","name":"x"}`, []int{400, 422}},
		{"POST", "/api/v1/auth/register", jsonType, "{\"email\":\"x\\u0000@example.com\",\"password\":\"a long pass phrase\",\"name\":\"x\"}", []int{400, 422}},
		{"POST", "/api/v1/auth/verify-email", jsonType, `{"token":"nope"}`, []int{400, 404, 410, 422}},
		{"DELETE", "/api/v1/products", "", "", []int{404, 405}},
		{"POST", "/webhooks/stripe", jsonType, `{"id":"evt_1","type":"payment_intent.succeeded"}`, []int{400, 401}},
		{"GET", "/webhooks/stripe", "", "", []int{404, 405}},
	} {
		resp, body, err := s.Raw(ctx, c.method, c.path, c.contentType, c.body, nil)
		require.NoError(t, err)
		require.Containsf(t, c.status, resp.StatusCode, "%s %.80s %.80s: %s", c.method, c.path, c.body, body)
		require.Equalf(t, "application/problem+json", resp.Header.Get("Content-Type"), "%s %.80s", c.method, c.path)
		require.Containsf(t, body, `"code":"`, "%s %.80s", c.method, c.path)
	}
	_, body, err := s.Raw(ctx, "GET", "/api/v1/basket", "", "", nil)
	require.NoError(t, err)
	require.Contains(t, body, variants[0].SKU, "nothing was lost")
}

func TestATamperedWebhookIsRefused(t *testing.T) {
	ctx := setup(t)
	for _, signature := range []string{"", "t=1,v1=00", "t=99999999999,v1=" + strings.Repeat("a", 64), "garbage"} {
		resp, body, err := shop.New().Raw(ctx, http.MethodPost, "/webhooks/stripe", jsonType,
			`{"id":"evt_1","object":"event","type":"payment_intent.succeeded","data":{"object":{"id":"pi_1"}}}`,
			http.Header{"Stripe-Signature": {signature}})
		require.NoError(t, err)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, body)
		require.Contains(t, body, "invalid-signature")
	}
}

func TestTheGatewayIsTheOnlyDoor(t *testing.T) {
	ctx := setup(t)
	s := shop.New()
	for _, path := range []string{
		"/metrics", "/livez", "/readyz", "/v1.0/invoke/ordering/method/orders", "/v1.0/secrets/ordering-secrets/DATABASE_URL",
		"/dapr/subscribe", "/dapr/config", "/api/v1/outbox", "/outbox", "/api/v1/../../metrics", "/api/v1//orders", "/api/v1/orders/%2e%2e/outbox",
		"/api/v1/accounts/1", "/api/v1/guests", "/api/v1/jwks.json", "/api/v1/stock?skus=x", "/api/v1/variants?skus=x",
	} {
		resp, body, err := s.Raw(ctx, http.MethodGet, path, "", "", http.Header{"Dapr-App-Id": {"ordering"}})
		require.NoError(t, err)
		require.Equalf(t, http.StatusNotFound, resp.StatusCode, "%s: %.200s", path, body)
	}
}

func TestAStrangersPageMayNotWrite(t *testing.T) {
	ctx := setup(t)
	s := shop.New()
	fill(ctx, t, s)
	for _, header := range []http.Header{
		{"Origin": {"https://evil.example"}},
		{"Sec-Fetch-Site": {"cross-site"}},
		{"Origin": {"null"}},
	} {
		resp, _, err := s.Raw(ctx, http.MethodDelete, "/api/v1/basket/items/X", "", "", header)
		require.NoError(t, err)
		require.Equal(t, http.StatusForbidden, resp.StatusCode, header)
	}
}

func TestForgedIdentityIsIgnored(t *testing.T) {
	ctx := setup(t)
	for _, header := range []http.Header{
		{"Authorization": {"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsInJvbGVzIjpbImFkbWluIl19."}},
		{"X-User-Id": {"admin"}, "X-User-Role": {"admin"}},
		{"Dapr-Caller-App-Id": {"notification"}, "Dapr-Api-Token": {"x"}},
	} {
		resp, body, err := shop.New().Raw(ctx, http.MethodGet, "/api/v1/auth/me", "", "", header)
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode, body)
	}
}

func TestEveryAnswerIsHardened(t *testing.T) {
	ctx := setup(t)
	for _, path := range []string{"/", "/api/v1/products", "/api/v1/basket", "/api/v1/nothing", "/api/docs", "/api/openapi.json", "/orders/x"} {
		resp, _, err := shop.New().Raw(ctx, http.MethodGet, path, "", "", nil)
		require.NoError(t, err)
		for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Strict-Transport-Security", "Cross-Origin-Opener-Policy"} {
			require.NotEmpty(t, resp.Header.Get(name), "%s of %s", name, path)
		}
		require.NotContains(t, resp.Header.Get("Content-Security-Policy"), "unsafe-inline")
		require.Empty(t, resp.Header.Get("Access-Control-Allow-Origin"))
	}
}
