package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

const teapot = `{"id":"p1","slug":"teapot","price":{"amount":9007199254740993,"currency":"KWD"},"later":{"added":[1.50]},
	"variants":[{"sku":"RED","price":{"amount":1,"currency":"KWD"}},{"sku":"BLUE","price":{"amount":2,"currency":"KWD"}},{"sku":"NEW"}]}`

func (s *shop) serveStock(stock map[string]int) {
	s.serve("inventory GET /stock", func(w http.ResponseWriter, r *http.Request) {
		type item struct {
			SKU       string `json:"sku"`
			Available int    `json:"available"`
		}
		items := []item{}
		for sku := range strings.SplitSeq(r.URL.Query().Get("skus"), ",") {
			if n, ok := stock[sku]; ok {
				items = append(items, item{sku, n})
			}
		}
		_ = web.Encode(w, 200, map[string]any{"items": items})
	})
}

func TestAProductTellsWhatIsInStock(t *testing.T) {
	s := openShop(t)
	s.serve("catalog GET /products/teapot", answer(200, json.RawMessage(teapot)))
	s.serveStock(map[string]int{"RED": 3, "BLUE": 250})
	product := `{"id":"p1","slug":"teapot","price":{"amount":9007199254740993,"currency":"KWD"},"later":{"added":[1.50]},"available":true,"variants":[` +
		`{"sku":"RED","price":{"amount":1,"currency":"KWD"},"available":true,"stock":3},` +
		`{"sku":"BLUE","price":{"amount":2,"currency":"KWD"},"available":true},{"sku":"NEW","available":false}]}`
	got := s.browser().get("/api/v1/products/teapot?currency=KWD")
	require.Equal(t, 200, got.StatusCode)
	require.JSONEq(t, product, got.body)
	require.Contains(t, got.body, `9007199254740993`)
	require.Contains(t, got.body, `1.50`)
	require.Equal(t, "currency=KWD", s.callsTo("catalog GET /products/teapot")[0].query)
	require.Equal(t, publicFor, got.Header.Get("Cache-Control"))

	s.serveStock(map[string]int{"RED": 0, "BLUE": 0})
	s.server.answers.kept.Purge()
	require.Contains(t, s.browser().get("/api/v1/products/teapot?currency=KWD").body, `"available":false,"id"`)
}

func TestListsAreCatalogsAlone(t *testing.T) {
	s := openShop(t)
	list := `{"items":[` + teapot + `],"total":1,"facets":{"x":[1]}}`
	s.serve("catalog GET /products", answer(200, json.RawMessage(list)))
	got := s.browser().get("/api/v1/products?query=tea%20pot&limit=5")
	require.JSONEq(t, list, got.body)
	require.Equal(t, "query=tea%20pot&limit=5", s.callsTo("catalog GET /products")[0].query)
	require.Equal(t, publicFor, got.Header.Get("Cache-Control"))
	require.Empty(t, s.callsTo("inventory GET /stock"))
}

func TestProductsWithoutInventoryLackOnlyTheStock(t *testing.T) {
	s := openShop(t)
	s.serve("catalog GET /products/teapot", answer(200, json.RawMessage(teapot)))
	slow := func(http.ResponseWriter, *http.Request) { time.Sleep(2 * stockWithin) }
	for name, inventory := range map[string]http.HandlerFunc{"dead": nil, "slow": slow, "broken": answer(200, "?"), "failing": refuse(problem.Internal, "internal-error")} {
		s.serve("inventory GET /stock", inventory)
		s.server.stockAgain.Store(0)
		s.server.answers.kept.Purge()
		got := s.browser().get("/api/v1/products/teapot")
		require.Equal(t, 200, got.StatusCode, name)
		require.JSONEq(t, teapot, got.body, name)
		require.Equal(t, "no-cache", got.Header.Get("Cache-Control"), name)
	}

	asked := len(s.callsTo("inventory GET /stock"))
	for i := range 5 {
		require.Equal(t, 200, s.browser().get(fmt.Sprint("/api/v1/products/teapot?n=", i)).StatusCode)
	}
	require.Len(t, s.callsTo("inventory GET /stock"), asked, "pages do not wait one by one for what is away")
}

func TestProductsWithoutCatalogAreUnavailable(t *testing.T) {
	s := openShop(t)
	s.serveStock(nil)
	s.browser().get("/api/v1/products").isProblem(t, 503, "service-unavailable")
	s.serve("catalog GET /products", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"items":`)) })
	s.browser().get("/api/v1/products").isProblem(t, 503, "service-unavailable")
	s.serve("catalog GET /products/teapot", refuse(problem.NotFound, "product-not-found"))
	s.browser().get("/api/v1/products/teapot").isProblem(t, 404, "product-not-found")
}

func TestStockIsAskedForInBatches(t *testing.T) {
	s := openShop(t)
	stock := map[string]int{}
	var variants []string
	for i := range 130 {
		sku := fmt.Sprintf("SKU-%03d", i)
		stock[sku] = 50
		variants = append(variants, fmt.Sprintf(`{"sku":%q}`, sku))
	}
	s.serve("catalog GET /products/many", answer(200, json.RawMessage(`{"slug":"many","variants":[`+strings.Join(variants, ",")+`]}`)))
	s.serveStock(stock)
	got := s.browser().get("/api/v1/products/many")
	require.Equal(t, 131, strings.Count(got.body, `"available":true`))
	require.Len(t, s.callsTo("inventory GET /stock"), 2)
}

func TestPublicReadsAreNotSentTwice(t *testing.T) {
	s := openShop(t)
	s.serve("catalog GET /categories", answer(200, map[string]any{"items": []string{"kitchen"}}))
	first := s.browser().get("/api/v1/categories")
	etag := first.Header.Get("Etag")
	require.NotEmpty(t, etag)
	for _, given := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
		again := s.browser().get("/api/v1/categories", "If-None-Match", given)
		require.Equal(t, 304, again.StatusCode, given)
		require.Empty(t, again.body)
	}
	s.serve("catalog GET /categories", answer(200, map[string]any{"items": []string{"garden"}}))
	s.server.answers.kept.Purge()
	require.Equal(t, 200, s.browser().get("/api/v1/categories", "If-None-Match", etag).StatusCode)
	require.Empty(t, s.callsTo("catalog GET /categories")[1].header.Get("If-None-Match"))
}

func TestPublicReadsKnowNobody(t *testing.T) {
	s := openShop(t)
	s.serve("catalog GET /suggest", answer(200, map[string]any{}))
	b := s.browser()
	b.cookies[accessCookie], b.cookies[guestCookie] = token("ada", time.Hour), newSecret()
	require.Equal(t, 200, b.get("/api/v1/suggest?q=te").StatusCode)
	seen := s.callsTo("catalog GET /suggest")[0].header
	require.Empty(t, seen.Get("Authorization"))
	require.Empty(t, seen.Get("Cookie"))
}

func TestTheSameIsAskedOnce(t *testing.T) {
	s := openShop(t)
	s.server.answers = newAnswers(time.Hour)
	released := make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	t.Cleanup(release)
	s.serve("catalog GET /products", func(w http.ResponseWriter, r *http.Request) {
		<-released
		_ = web.Encode(w, 200, map[string]any{"items": []int{}})
	})
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			query := []string{"a=1&b=2", "b=2&a=1"}[i%2] // the order of parameters does not matter
			if got := s.browser().get("/api/v1/products?" + query); got.StatusCode != 200 {
				t.Errorf("%d", got.StatusCode)
			}
		})
	}
	require.Eventually(t, func() bool { return len(s.callsTo("catalog GET /products")) == 1 }, time.Minute, time.Millisecond)
	time.AfterFunc(50*time.Millisecond, release) // for most of them to wait
	group.Wait()
	require.Len(t, s.callsTo("catalog GET /products"), 1)
	s.browser().get("/api/v1/products?a=2")
	require.Len(t, s.callsTo("catalog GET /products"), 2)
	s.browser().get("/api/v1/products?a=1&b=2&%zz")
	s.browser().get("/api/v1/products?a=1;b=2&c=3")
	require.Len(t, s.callsTo("catalog GET /products"), 4)
}

func TestRefusalsAndWhatIsForOneAreNotKept(t *testing.T) {
	s := openShop(t)
	s.serve("catalog GET /products/gone", refuse(problem.NotFound, "no-such-product"))
	for range 3 {
		s.browser().get("/api/v1/products/gone").isProblem(t, 404, "no-such-product")
	}
	require.Len(t, s.callsTo("catalog GET /products/gone"), 3)
	for _, rt := range s.server.routes() {
		if rt.access != anyone {
			require.NotContains(t, []string{"publicRead", "product"}, handlerName(rt.answer), rt.path)
		}
	}
}

func handlerName(answer func(http.ResponseWriter, *http.Request, target) error) string {
	name := runtime.FuncForPC(reflect.ValueOf(answer).Pointer()).Name()
	return strings.TrimSuffix(name[strings.LastIndexByte(name, '.')+1:], "-fm")
}

// The one who asked first may leave: the others still get their answer.
func TestTheFirstToAskMayLeave(t *testing.T) {
	s := openShop(t)
	s.server.answers = newAnswers(time.Hour)
	asked, released := make(chan struct{}), make(chan struct{})
	ask, release := sync.OnceFunc(func() { close(asked) }), sync.OnceFunc(func() { close(released) })
	t.Cleanup(release)
	s.serve("catalog GET /categories", func(w http.ResponseWriter, r *http.Request) {
		ask()
		<-released
		_ = web.Encode(w, 200, map[string]any{"items": []int{}})
	})
	ctx, leave := context.WithCancel(t.Context())
	first := make(chan struct{})
	go func() {
		defer close(first)
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/v1/categories", nil)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	<-asked
	second := make(chan int, 1)
	go func() { second <- s.browser().get("/api/v1/categories").StatusCode }()
	leave()
	<-first
	release()
	require.Equal(t, 200, <-second)
	require.Len(t, s.callsTo("catalog GET /categories"), 1)
}

// What a public read that is at hand costs the gateway, beside a handler that says hello.
func BenchmarkPublicRead(b *testing.B) {
	standIn := httptest.NewServer(answer(200, json.RawMessage(`{"items":[`+strings.TrimSuffix(strings.Repeat(teapot+",", 24), ",")+`]}`)))
	defer standIn.Close()
	sc, err := sidecar.New("gateway", standIn.URL, "dapr-token")
	require.NoError(b, err)
	lim, err := newLimits("1e9", "")
	require.NoError(b, err)
	s, err := newServer(sc, lim, fstest.MapFS{})
	require.NoError(b, err)
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(io.Discard, nil)))
	defer slog.SetDefault(old)
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello, world\n")) })
	for name, handler := range map[string]http.Handler{"hello": hello, "list": s.handler()} {
		b.Run(name, func(b *testing.B) {
			server := httptest.NewServer(handler)
			defer server.Close()
			for b.Loop() {
				resp, err := http.Get(server.URL + "/api/v1/products?limit=24&query=teapot")
				require.NoError(b, err)
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
		b.Run(name+" alone", func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/api/v1/products?limit=24&query=teapot", nil)
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
