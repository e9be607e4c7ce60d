package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/catalog/search"
)

func newTestServer(t testing.TB) http.Handler {
	images, err := demoImages()
	require.NoError(t, err)
	return (&server{shelf: demoShelf(t), gallery: newGallery(images, nil), office: &office{}, critics: &critics{}}).routes()
}

func get(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func decode[T any](t *testing.T, rec *httptest.ResponseRecorder) (v T) {
	require.Equal(t, http.StatusOK, rec.Code, rec.Body)
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &v))
	return v
}

type listed struct {
	Items []struct {
		ID, Slug, Name, Brand, Category, Image string
		Price                                  struct {
			Amount   int64
			Currency string
		}
		Rating   json.Number
		Variants []struct{ SKU string }
	}
	Facets     search.Facets
	Correction string
	NextCursor string
	Total      int
}

func TestListPagesThroughTheWholeShop(t *testing.T) {
	h := newTestServer(t)
	seen := map[string]bool{}
	target := "/products?sort=-price&currency=JPY&limit=50"
	page := decode[listed](t, get(h, target))
	total, last := page.Total, int64(1<<62)
	for {
		for _, p := range page.Items {
			require.False(t, seen[p.ID])
			seen[p.ID] = true
			require.Equal(t, "JPY", p.Price.Currency)
			require.LessOrEqual(t, p.Price.Amount, last)
			last = p.Price.Amount
			require.NotEmpty(t, p.Variants)
			require.Regexp(t, `^[1-5]\.[0-9]$`, p.Rating.String())
			require.True(t, strings.HasPrefix(p.Image, "/api/v1/images/"), p.Image)
		}
		if page.NextCursor == "" {
			break
		}
		page = decode[listed](t, get(h, target+"&cursor="+page.NextCursor))
		require.Equal(t, total, page.Total)
	}
	require.Len(t, seen, total)
}

func TestListFiltersAndSearches(t *testing.T) {
	h := newTestServer(t)
	page := decode[listed](t, get(h, "/products?query=Teapot"))
	require.Equal(t, "robin-teapot", page.Items[0].Slug)

	page = decode[listed](t, get(h, "/products?category=kitchen&brand=Hearthwick&minPrice=3000&maxPrice=6400&sort=price&limit=100"))
	require.Positive(t, page.Total)
	require.Len(t, page.Items, page.Total)
	for _, p := range page.Items {
		require.Equal(t, []string{"kitchen", "Hearthwick"}, []string{p.Category, p.Brand})
		require.True(t, 3000 <= p.Price.Amount && p.Price.Amount <= 6400, p.Price.Amount)
	}
	require.NotEmpty(t, page.Facets.Categories)
	require.NotEmpty(t, page.Facets.Brands)
	require.NotEmpty(t, page.Facets.Prices)
	require.NotEmpty(t, page.Facets.Ratings)
	page = decode[listed](t, get(h, "/products?query=no+such+thing+anywhere"))
	require.NotNil(t, page.Items)
	require.Zero(t, page.Total)
}

func TestGarbageIsRefused(t *testing.T) {
	h := newTestServer(t)
	foreign := decode[listed](t, get(h, "/products?sort=price&limit=1")).NextCursor
	for target, code := range map[string]string{
		"/products?cursor=garbage":                                    "invalid-cursor",
		"/products?cursor=%00%ff":                                     "invalid-cursor",
		"/products?cursor=bnVsbA":                                     "invalid-cursor", // null
		"/products?cursor=W10":                                        "invalid-cursor", // []
		"/products?cursor=WyJwcmljZSIsIkVVUiIsMC41LCIiLDFd":           "invalid-cursor",
		"/products?sort=price&cursor=WyJwcmljZSIsIkVVUiIsMCwiIiwwXQ":  "invalid-cursor", // ["price","EUR",0,"",0]
		"/products?sort=price&cursor=WyJwcmljZSIsIkVVUiIsMCwiIiwtMV0": "invalid-cursor", // a tie of -1
		"/products?sort=name&cursor=" + foreign:                       "invalid-cursor",
		"/products?sort=price&currency=USD&cursor=" + foreign:         "invalid-cursor",
		"/products?limit=0":                                           "invalid-limit",
		"/products?limit=1e9":                                         "invalid-limit",
		"/products?sort=random":                                       "invalid-query",
		"/products?minPrice=9.99":                                     "invalid-query",
		"/products?maxPrice=-1":                                       "invalid-query",
		"/products?maxPrice=99999999999999999999":                     "invalid-query",
		"/products?inStock=yes":                                       "invalid-query",
		"/products?minRating=6":                                       "invalid-query",
		"/products?minRating=5.1":                                     "invalid-query",
		"/products?minRating=-1":                                      "invalid-query",
		"/products?minRating=4.55":                                    "invalid-query",
		"/products?minRating=NaN":                                     "invalid-query",
		"/products?attribute=Colour":                                  "invalid-query",
		"/products?attribute=:Red":                                    "invalid-query",
		"/products?attribute=Colour:":                                 "invalid-query",
		"/products?brand=" + strings.Repeat("b", 201):                 "invalid-query",
		"/products?category=" + strings.Repeat("c", 201):              "invalid-query",
		"/products?" + strings.Repeat("&brand=b", 51):                 "invalid-query",
		"/products?" + strings.Repeat("&attribute=a:b", 51):           "invalid-query",
		"/products?slugs=":                                            "invalid-query",
		"/products?slugs=" + strings.Repeat("a,", 24):                 "invalid-query",
		"/products?slugs=a&currency=BTC":                              "unknown-currency",
		"/products?currency=BTC":                                      "unknown-currency",
		"/products?currency=eur":                                      "unknown-currency",
		"/products?query=" + strings.Repeat("a", 201):                 "invalid-query",
		"/products/robin-teapot?currency=XXX":                         "unknown-currency",
		"/suggest?q=" + strings.Repeat("a", 201):                      "invalid-query",
		"/variants":                                                   "invalid-query",
		"/variants?skus=":                                             "invalid-query",
		"/variants?skus=" + strings.Repeat("A,", 100):                 "invalid-query",
		"/variants?skus=A&currency=KWD":                               "unknown-currency",
	} {
		rec := get(h, target)
		require.Equal(t, http.StatusBadRequest, rec.Code, target)
		require.Equal(t, "application/problem+json", rec.Header().Get("Content-Type"))
		require.Contains(t, rec.Body.String(), `"`+code+`"`, target)
	}
}

func TestProductShowsEverything(t *testing.T) {
	h := newTestServer(t)
	rec := get(h, "/products/robin-teapot?currency=JPY")
	p := decode[map[string]any](t, rec)
	require.Equal(t, "Robin Teapot", p["name"])
	require.Equal(t, map[string]any{"amount": 4480.0, "currency": "JPY"}, p["price"], "the lowest of its variants")
	require.Len(t, p["variants"], 3)
	require.Equal(t, map[string]any{"Capacity": "0.9 l"}, p["variants"].([]any)[1].(map[string]any)["options"])
	require.Contains(t, p["description"], "cherry-red")
	require.Contains(t, p["attributes"], "Material")
	require.Equal(t, []any{"/api/v1/images/teapot.webp"}, p["images"])

	require.Equal(t, http.StatusNotModified, get(h, "/products/robin-teapot?currency=JPY", "If-None-Match", rec.Header().Get("Etag")).Code)
	for _, slug := range []string{"no-such-thing", "Robin-Teapot", "%2e%2e", "robin-teapot%00"} {
		rec := get(h, "/products/"+slug)
		require.Equal(t, http.StatusNotFound, rec.Code, slug)
		require.Contains(t, rec.Body.String(), `"no-such-product"`)
	}
}

func TestCategoriesAreATree(t *testing.T) {
	plush := newTestProduct("bear", "Bear", 100)
	plush.Category = "plush"
	car := newTestProduct("car", "Car", 100)
	car.Variants[0].SKU = "SKU-2"
	h := (&server{shelf: newTestShelf(t, []*Product{plush, car}, testCategories), gallery: newGallery(nil, nil), office: &office{}}).routes()
	require.JSONEq(t, `{"items":[
		{"slug":"kitchen","name":"Kitchen","description":"","image":"/api/v1/images/","count":0},
		{"slug":"toys","name":"Toys","description":"","image":"/api/v1/images/","count":2,"children":[
			{"slug":"plush","name":"Plush","description":"","image":"/api/v1/images/","parent":"toys","count":1}]}]}`,
		get(h, "/categories").Body.String())
}

func TestSuggestCompletesWords(t *testing.T) {
	h := newTestServer(t)
	type suggested struct {
		Items      []suggestion
		Queries    []suggestedQuery
		Categories []pathView
	}
	found := decode[suggested](t, get(h, "/suggest?q=teap"))
	require.Equal(t, suggestion{"robin-teapot", "Robin Teapot", "/api/v1/images/teapot.webp", "kitchen"}, found.Items[0])
	require.LessOrEqual(t, len(decode[suggested](t, get(h, "/suggest?q=s")).Items), suggestions)
	nothing := `{"items":[],"queries":[],"categories":[]}`
	require.JSONEq(t, nothing, get(h, "/suggest?q=").Body.String())
	require.JSONEq(t, nothing, get(h, "/suggest?q="+url.QueryEscape("🫖 \x00")).Body.String())
}

func TestVariantsAreWhatBasketsAndOrdersNeed(t *testing.T) {
	h := newTestServer(t)
	rec := get(h, "/variants?skus=KIT-TEAPOT-09,NO-SUCH,KIT-TEAPOT-09,HOM-CANDLE&currency=USD")
	idOf := func(slug string) []byte {
		id, err := json.Marshal(decode[map[string]any](t, get(h, "/products/"+slug))["id"])
		require.NoError(t, err)
		return id
	}
	product, candle := idOf("robin-teapot"), idOf("power-cut-candle")
	require.JSONEq(t, `{"items":[
		{"sku":"KIT-TEAPOT-09","productId":`+string(product)+`,"slug":"robin-teapot","name":"Robin Teapot, 0.9 l","image":"/api/v1/images/teapot.webp",
		 "options":{"Capacity":"0.9 l"},"price":{"amount":3695,"currency":"USD"}},
		{"sku":"HOM-CANDLE","productId":`+string(candle)+`,"slug":"power-cut-candle","name":"Power Cut Candle","image":"/api/v1/images/candle.webp",
		 "price":{"amount":1050,"currency":"USD"}}]}`, rec.Body.String())
	require.JSONEq(t, `{"items":[]}`, get(h, "/variants?skus=NO-SUCH").Body.String())
}

func TestImagesAreNamesAndNotPaths(t *testing.T) {
	h := newTestServer(t)
	rec := get(h, "/images/teapot.webp")
	require.Equal(t, http.StatusOK, rec.Code)
	require.Equal(t, "image/webp", rec.Header().Get("Content-Type"))
	require.Contains(t, rec.Header().Get("Cache-Control"), "immutable")
	require.Equal(t, "RIFF", rec.Body.String()[:4])
	for _, target := range []string{
		"/images/nothing.webp", "/images/../products.json", "/images/%2e%2e%2fproducts.json", "/images/..%5cproducts.json",
		"/images/NOTICE", "/images/teapot.webp%00.html", "/images/", "/images/demo/images/teapot.webp", "/images/TEAPOT.WEBP",
	} {
		rec := get(h, target)
		require.Equal(t, http.StatusNotFound, rec.Code, target)
		require.Equal(t, "application/problem+json", rec.Header().Get("Content-Type"), target)
	}
}

func TestNamedProductsComeInTheirOrder(t *testing.T) {
	h := newTestServer(t)
	page := decode[listed](t, get(h, "/products?slugs=power-cut-candle,no-such,robin-teapot,power-cut-candle&currency=JPY"))
	require.Len(t, page.Items, 2)
	require.Equal(t, 2, page.Total)
	require.Equal(t, "power-cut-candle", page.Items[0].Slug)
	require.Equal(t, "JPY", page.Items[1].Price.Currency)
}

func TestMisspeltWordsAreCorrectedAndWhatWasFoundIsMarked(t *testing.T) {
	h := newTestServer(t)
	var page struct {
		Correction string
		Items      []struct {
			Slug       string
			Highlights []highlight
		}
	}
	require.NoError(t, json.Unmarshal(get(h, "/products?query=robbin+teapto").Body.Bytes(), &page))
	require.Equal(t, "robin teapot", page.Correction)
	require.Equal(t, "robin-teapot", page.Items[0].Slug)
	require.Equal(t, highlight{"name", []search.Part{{Text: "Robin", Match: true}, {Text: " "}, {Text: "Teapot", Match: true}}}, page.Items[0].Highlights[0])
	require.NotContains(t, get(h, "/products?query=teapot").Body.String(), "correction")
}

func TestAttributesAndOptionsAreFacets(t *testing.T) {
	h := newTestServer(t)
	all := decode[listed](t, get(h, "/products?category=clothing&limit=100"))
	require.NotEmpty(t, all.Facets.Attributes)
	facet := all.Facets.Attributes[0]
	value := facet.Values[0]
	some := decode[listed](t, get(h, "/products?category=clothing&limit=100&attribute="+url.QueryEscape(facet.Name+":"+value.Value)))
	require.Equal(t, value.Count, some.Total)
	good := decode[listed](t, get(h, "/products?minRating=4.5&limit=100"))
	require.Positive(t, good.Total)
	for _, p := range good.Items {
		stars, err := p.Rating.Float64()
		require.NoError(t, err)
		require.GreaterOrEqual(t, stars, 4.5)
	}
}

func TestSearchingMayFailWhileBrowsingGoesOn(t *testing.T) {
	shelf, err := openShelf(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { _ = shelf.index.Close() })
	putProducts(t, shelf, newTestProduct("a", "Spinning Top", 100))
	h := (&server{shelf: shelf, gallery: newGallery(nil, nil), office: &office{}}).routes()
	require.Equal(t, 1, decode[listed](t, get(h, "/products?sort=price")).Total)
	for _, target := range []string{"/products?query=top", "/suggest?q=top"} {
		rec := get(h, target)
		require.Equal(t, http.StatusServiceUnavailable, rec.Code, target)
		require.Contains(t, rec.Body.String(), `"search-unavailable"`)
		require.NotEmpty(t, rec.Header().Get("Retry-After"))
	}
}

func FuzzList(f *testing.F) {
	h := newTestServer(f)
	f.Add("teapot", "price", "EUR", "WyJwcmljZSIsIkVVUiIsMCwiIiwxXQ", "10", "Colour:Red", "4.5")
	f.Add("sock", "", "JPY", "", "", "a:", "true")
	f.Fuzz(func(t *testing.T, query, sort, currency, cursor, limit, attribute, other string) {
		values := url.Values{
			"query": {query}, "sort": {sort}, "currency": {currency}, "cursor": {cursor}, "limit": {limit}, "minPrice": {limit},
			"attribute": {attribute, query}, "minRating": {other}, "inStock": {other}, "brand": {attribute}, "category": {attribute},
		}
		require.Less(t, get(h, "/products?"+values.Encode()).Code, 500)
		require.Less(t, get(h, "/products?slugs="+url.QueryEscape(query)).Code, 500)
		require.Less(t, get(h, "/suggest?q="+url.QueryEscape(query)).Code, 500)
	})
}
