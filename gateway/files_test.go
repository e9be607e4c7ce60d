package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/problem"
)

// takeFile serves a service that takes files of at most so many bytes, in parts of so many.
func (s *shop) takeFile(path string, most, partSize int) (file func() string) {
	var mu sync.Mutex
	var parts []string
	s.serve("catalog POST "+path, answer(201, opened{ID: "f1", PartSize: partSize, Most: int64(most)}))
	for _, n := range []string{"0", "1", "2", "3"} {
		s.serve("catalog PUT "+path+"/f1/parts/"+n, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			mu.Lock()
			parts = append(parts, n+"="+string(b))
			mu.Unlock()
			w.WriteHeader(http.StatusNoContent)
		})
	}
	s.serve("catalog PUT "+path+"/f1/completion", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(b)
	})
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(parts, " ")
	}
}

func TestFilesArriveInParts(t *testing.T) {
	s := openShop(t)
	file := s.takeFile("/admin/imports", 10, 4)
	admin := s.browser()
	admin.do("POST", "/api/v1/admin/imports", "slug").isProblem(t, 401, "sign-in-required")
	admin.cookies[accessCookie] = token("ada", 600e9)
	got := admin.do("POST", "/api/v1/admin/imports?file=a.csv", "0123456789", "Content-Type", "text/csv", "Idempotency-Key", "12345678")
	require.Equal(t, 202, got.StatusCode, got.body)
	require.JSONEq(t, `{"bytes":10,"parts":3}`, got.body)
	require.Equal(t, "0=0123 1=4567 2=89", file())
	open := s.callsTo("catalog POST /admin/imports")[0]
	require.Equal(t, []string{"file=a.csv", "", "12345678"}, []string{open.query, open.body, open.header.Get("Idempotency-Key")})
	require.NotEmpty(t, s.callsTo("catalog PUT /admin/imports/f1/parts/0")[0].header.Get("Authorization"))

	require.Equal(t, 202, admin.do("POST", "/api/v1/admin/imports", "").StatusCode, "an empty file is a file")
	admin.do("POST", "/api/v1/admin/imports", "0123456789a").isProblem(t, 413, "body-too-large")
	require.Len(t, s.callsTo("catalog PUT /admin/imports/f1/completion"), 2, "what is too large is never completed")
}

func TestAFileThatIsNotWantedIsNotSent(t *testing.T) {
	s := openShop(t)
	s.takeFile("/admin/images", 10, 4)
	admin := s.browser()
	admin.cookies[accessCookie] = token("ada", 600e9)
	s.serve("catalog POST /admin/images", refuse(problem.Forbidden, "not-allowed"))
	admin.do("POST", "/api/v1/admin/images", "0123").isProblem(t, 403, "not-allowed")
	require.Empty(t, s.callsTo("catalog PUT /admin/images/f1/parts/0"))

	s.serve("catalog POST /admin/images", answer(201, opened{ID: "f1", PartSize: 4, Most: 10, Complete: true}))
	require.Equal(t, 202, admin.do("POST", "/api/v1/admin/images", "0123").StatusCode)
	require.Empty(t, s.callsTo("catalog PUT /admin/images/f1/parts/0"), "it has arrived before")

	s.serve("catalog POST /admin/images", answer(201, opened{ID: "f1", PartSize: 4, Most: 10}))
	s.serve("catalog PUT /admin/images/f1/parts/1", refuse(problem.Unavailable, "service-unavailable"))
	admin.do("POST", "/api/v1/admin/images", "0123456").isProblem(t, 503, "service-unavailable")
	for _, odd := range []any{opened{}, opened{ID: "f1", PartSize: -1, Most: 5}, "x"} {
		s.serve("catalog POST /admin/images", answer(201, odd))
		admin.do("POST", "/api/v1/admin/images", "0123").isProblem(t, 503, "service-unavailable")
	}
}

func TestFilesAreLargerThanOtherBodies(t *testing.T) {
	s := openShop(t)
	s.takeFile("/admin/imports", 4<<20, 1<<20)
	defer s.reopen()()
	admin := s.browser()
	admin.cookies[accessCookie] = token("ada", 600e9)
	got := admin.do("POST", "/api/v1/admin/imports", strings.Repeat("x", 3<<20))
	require.Equal(t, 202, got.StatusCode, got.body)
	var sent struct{ Bytes, Parts int }
	require.NoError(t, json.Unmarshal([]byte(got.body), &sent))
	require.Equal(t, 3<<20, sent.Bytes)
}

func TestHalfADownloadDoesNotPassForAWholeOne(t *testing.T) {
	s := openShop(t)
	s.serve("catalog GET /admin/products/export", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		w.Header().Set("Content-Disposition", `attachment; filename="products.csv"`)
		_, _ = io.WriteString(w, "slug\n")
		_ = http.NewResponseController(w).Flush()
		if r.URL.Query().Has("whole") {
			return
		}
		panic(http.ErrAbortHandler)
	})
	admin := s.browser()
	admin.cookies[accessCookie] = token("ada", 600e9)
	got := admin.get("/api/v1/admin/products/export?whole")
	require.Equal(t, 200, got.StatusCode)
	require.Equal(t, "slug\n", got.body)
	require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
	require.Contains(t, got.Header.Get("Content-Disposition"), "products.csv")

	r, err := http.NewRequest("GET", s.url+"/api/v1/admin/products/export", nil)
	require.NoError(t, err)
	r.AddCookie(&http.Cookie{Name: accessCookie, Value: token("ada", 600e9)})
	resp, err := http.DefaultClient.Do(r)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	require.Error(t, err)
	s.serve("catalog GET /admin/products/export", refuse(problem.Forbidden, "not-allowed"))
	admin.get("/api/v1/admin/products/export").isProblem(t, 403, "not-allowed")
}
