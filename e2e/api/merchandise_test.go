package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/shop"
)

// staffProduct is a product as staff see it.
type staffProduct struct {
	ID, Slug, Name, Status string
	Images                 []string
	Version                int
	Reviews                int
	Rating                 float64
}

func draft(slug, sku string) map[string]any {
	return map[string]any{
		"slug": slug, "name": "Enamel Teapot " + slug, "brand": "Hearth", "category": "kitchen", "description": "Pours.", "status": "active",
		"attributes": map[string]string{"Material": "Enamel"}, "images": []string{"teapot.webp"},
		"variants": []any{map[string]any{"sku": sku, "options": map[string]string{"Colour": "red"}, "prices": map[string]int{"EUR": 3450}}},
	}
}

// newName is a slug and a SKU that nothing has yet.
func newName() (slug, sku string) {
	slug = "t-" + uuid.NewString()[:13]
	return slug, strings.ToUpper(slug)
}

// eventually asks until the answer is as it should be: every replica follows a change within three seconds.
func eventually(t *testing.T, ask func() bool) {
	t.Helper()
	require.Eventually(t, ask, 30*time.Second, 100*time.Millisecond)
}

func TestStaffAddChangeAndArchiveAProduct(t *testing.T) {
	ctx := setup(t)
	admin, guest := newStaff(ctx, t), shop.New()
	slug, sku := newName()
	var p staffProduct
	require.NoError(t, admin.Do(ctx, http.MethodPost, "admin/products", draft(slug, sku), &p, "Idempotency-Key", uuid.NewString()))
	requireProblem(t, admin.Do(ctx, http.MethodPost, "admin/products", draft(slug, sku+"-2"), nil), 409, "slug-taken")
	requireProblem(t, guest.Do(ctx, http.MethodPost, "admin/products", draft(slug, sku), nil), 401, "sign-in-required")
	eventually(t, func() bool { return guest.Do(ctx, http.MethodGet, "products/"+slug, nil, nil) == nil })
	_, err := guest.Put(ctx, sku, 1)
	require.NoError(t, err)

	path := "admin/products/" + p.ID
	requireProblem(t, admin.Do(ctx, http.MethodPatch, path, map[string]string{"name": "New"}, nil), 428, "if-match-required")
	var results sync.Map
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			results.Store(i, admin.Do(ctx, http.MethodPatch, path, map[string]string{"name": fmt.Sprint("Writer ", i)}, nil, "If-Match", `"1"`) == nil)
		})
	}
	group.Wait()
	winners := 0
	results.Range(func(_, won any) bool {
		if won.(bool) {
			winners++
		}
		return true
	})
	require.Equal(t, 1, winners, "of four who have seen the same version")

	require.NoError(t, admin.Do(ctx, http.MethodDelete, path, nil, nil, "If-Match", `"2"`))
	eventually(t, func() bool { return guest.Do(ctx, http.MethodGet, "products/"+slug, nil, nil) != nil })
	requireProblem(t, guest.Do(ctx, http.MethodGet, "products/"+slug, nil, nil), 404, "no-such-product")
	eventually(t, func() bool { // baskets remember for a moment what is sold
		_, err := shop.New().Put(ctx, sku, 1)
		return err != nil
	})

	var history struct {
		Items []struct {
			What          string
			By            struct{ Name string }
			Before, After map[string]any
		}
	}
	require.NoError(t, admin.Do(ctx, http.MethodGet, path+"/history", nil, &history))
	require.Len(t, history.Items, 3)
	require.Equal(t, []string{"archived", "changed", "added"}, []string{history.Items[0].What, history.Items[1].What, history.Items[2].What})
	require.Equal(t, "active", history.Items[0].Before["status"])
	require.NotEmpty(t, history.Items[0].By.Name)
}

func TestPicturesAreTakenAndRefused(t *testing.T) {
	ctx := setup(t)
	admin := newStaff(ctx, t)
	img := image.NewRGBA(image.Rect(0, 0, 1500, 1000))
	for i := range img.Pix {
		img.Pix[i] = byte(i * i / 7)
	}
	img.SetRGBA(0, 0, color.RGBA{byte(time.Now().UnixNano()), 1, 2, 255})
	var file bytes.Buffer
	require.NoError(t, jpeg.Encode(&file, img, &jpeg.Options{Quality: 100}))
	require.Greater(t, file.Len(), 1<<20, "it comes in several parts")
	resp, text, err := admin.Raw(ctx, http.MethodPost, "/api/v1/admin/images", "image/jpeg", file.String(), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, resp.StatusCode, text)
	var made struct {
		Name          string
		Width, Height int
		URLs          map[string]string
	}
	require.NoError(t, json.Unmarshal([]byte(text), &made))
	require.Equal(t, []int{1280, 853}, []int{made.Width, made.Height})
	for _, url := range made.URLs {
		resp, body, err := shop.New().Raw(ctx, http.MethodGet, url, "", "", nil)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, "image/webp", resp.Header.Get("Content-Type"))
		require.Equal(t, "WEBP", body[8:12])
		require.Contains(t, resp.Header.Get("Cache-Control"), "immutable")
	}
	for _, garbage := range []string{"", "GIF89a", "<svg onload=alert(1)>", file.String()[:5000]} {
		resp, text, err := admin.Raw(ctx, http.MethodPost, "/api/v1/admin/images", "image/png", garbage, nil)
		require.NoError(t, err)
		require.Equal(t, 422, resp.StatusCode, text)
	}
	resp, text, err = admin.Raw(ctx, http.MethodPost, "/api/v1/admin/images", "image/jpeg", strings.Repeat("x", 10<<20+1), nil)
	require.NoError(t, err)
	require.Equal(t, 413, resp.StatusCode, text)
}

type imported struct {
	ID, Status, Reason         string
	Total, Read                int
	Written, Unchanged, Failed int
	Errors                     []struct {
		Line int
		Code string
	}
}

// load imports a file and waits until that is over.
func load(ctx context.Context, t *testing.T, admin *shop.Shopper, file string) (job imported) {
	t.Helper()
	resp, text, err := admin.Raw(ctx, http.MethodPost, "/api/v1/admin/imports?file=test.csv", "text/csv", file, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, resp.StatusCode, text)
	require.NoError(t, json.Unmarshal([]byte(text), &job))
	require.Eventually(t, func() bool {
		require.NoError(t, admin.Do(ctx, http.MethodGet, "admin/imports/"+job.ID, nil, &job))
		return job.Status != "running"
	}, 2*time.Minute, 200*time.Millisecond)
	return job
}

func TestProductsAreImportedAndExported(t *testing.T) {
	ctx := setup(t)
	admin := newStaff(ctx, t)
	slug, sku := newName()
	var file strings.Builder
	file.WriteString("\xef\xbb\xbfslug,status,name,brand,category,description,images,attributes,sku,options,EUR,USD,GBP,JPY\r\n")
	const n = 1200
	for i := range n {
		price := "34.50"
		if i == 7 {
			price = "cheap"
		}
		fmt.Fprintf(&file, "%s-%d,draft,Pot %d,Hearth,kitchen,\"%s\",teapot.webp,Material: Enamel,%s-%d,,%s,,,\r\n", slug, i, i, strings.Repeat("Long. ", 150), sku, i, price)
	}
	require.Greater(t, file.Len(), 1<<20, "it comes in several parts")
	job := load(ctx, t, admin, file.String())
	require.Equal(t, "done", job.Status, job.Reason)
	require.Equal(t, []int{n, n - 1, 0, 1}, []int{job.Read, job.Written, job.Unchanged, job.Failed})
	require.Equal(t, 9, job.Errors[0].Line)
	_, report, err := admin.Raw(ctx, http.MethodGet, "/api/v1/admin/imports/"+job.ID+"/errors", "", "", nil)
	require.NoError(t, err)
	require.Equal(t, "line,column,code,detail\n9,EUR,invalid-eur,A price in EUR looks like 34.50.\n", report)

	resp, table, err := admin.Raw(ctx, http.MethodGet, "/api/v1/admin/products/export", "", "", nil)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.Greater(t, strings.Count(table, "\n"), n)
	require.Contains(t, table, slug+"-19,")
	for _, garbage := range []string{"", "\xff\xfe", "price\n1\n", "slug,\"sku\n"} {
		require.Equal(t, "failed", load(ctx, t, admin, garbage).Status, garbage)
	}
	requireProblem(t, shop.New().Do(ctx, http.MethodGet, "admin/products/export", nil, nil), 401, "sign-in-required")
}

func TestOnlyBuyersReviewAndStaffPublish(t *testing.T) {
	ctx := setup(t)
	admin := newStaff(ctx, t)
	buyer, _, order := paid(ctx, t)
	stranger := shop.New()
	require.NoError(t, stranger.Register(ctx, shop.NewAccount()))
	var found struct{ Items []shop.Product }
	require.NoError(t, buyer.Do(ctx, http.MethodGet, "products?query="+order.Lines[0].SKU, nil, &found))
	require.NotEmpty(t, found.Items)
	slug := found.Items[0].Slug
	path := "products/" + slug + "/reviews"
	said := map[string]any{"rating": 4, "title": "<i>Good</i>", "text": "I would buy it again."}
	requireProblem(t, shop.New().Do(ctx, http.MethodPost, path, said, nil), 401, "sign-in-required")
	requireProblem(t, stranger.Do(ctx, http.MethodPost, path, said, nil), 403, "not-a-buyer")
	var mine struct{ ID, Status, Author string }
	require.NoError(t, buyer.Do(ctx, http.MethodPost, path, said, &mine))
	require.Equal(t, []string{"pending", "Ada L."}, []string{mine.Status, mine.Author})
	requireProblem(t, buyer.Do(ctx, http.MethodPost, path, said, nil), 409, "already-reviewed")
	requireProblem(t, stranger.Do(ctx, http.MethodGet, path+"/mine", nil, nil), 404, "review-not-found")
	requireProblem(t, buyer.Do(ctx, http.MethodPatch, "admin/reviews/"+mine.ID, map[string]any{"status": "published", "version": 1}, nil), 403, "not-allowed")
	require.NoError(t, admin.Do(ctx, http.MethodPatch, "admin/reviews/"+mine.ID, map[string]any{"status": "published", "version": 1}, nil))
	eventually(t, func() bool {
		var page struct {
			Items   []struct{ ID, Title string }
			Summary struct{ Count int }
		}
		require.NoError(t, shop.New().Do(ctx, http.MethodGet, path, nil, &page))
		for _, r := range page.Items {
			if r.ID == mine.ID {
				require.Equal(t, "<i>Good</i>", r.Title)
				return true
			}
		}
		return false
	})
	require.NoError(t, buyer.Do(ctx, http.MethodDelete, path+"/mine", nil, nil))
	require.NoError(t, shop.New().Do(ctx, http.MethodGet, "products/"+slug+"/related", nil, &found))
	require.NotEmpty(t, found.Items)
}

func TestGarbageInTheBackOffice(t *testing.T) {
	ctx := setup(t)
	admin := newStaff(ctx, t)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "admin/products", `{"slug":`, 400},
		{"POST", "admin/products", `[]`, 400},
		{"POST", "admin/products", `{}`, 422},
		{"POST", "admin/products", `{"price":1.5}`, 400},
		{"POST", "admin/products", `{"slug":"x","name":"x","brand":"x","category":"kitchen","variants":[{"sku":"X","prices":{"EUR":1.5}}]}`, 400},
		{"POST", "admin/categories", `{"slug":"../x","name":"x"}`, 422},
		{"PUT", "admin/categories/none", `{"slug":"none","name":"x"}`, 404},
		{"PATCH", "admin/reviews/none", `{"status":"published","version":1}`, 404},
		{"GET", "admin/products/none", "", 404},
		{"GET", "admin/products?limit=0", "", 400},
		{"GET", "admin/products?cursor=x", "", 400},
		{"GET", "admin/audit?cursor=x", "", 400},
		{"GET", "admin/imports/none", "", 404},
		{"GET", "admin/reviews?status=x", "", 400},
		{"GET", "products/none/related", "", 404},
		{"GET", "images/teapot.webp?width=x", "", 400},
	} {
		resp, text, err := admin.Raw(ctx, c.method, "/api/v1/"+c.path, jsonType, c.body, http.Header{"If-Match": {"*"}})
		require.NoError(t, err)
		require.Equal(t, c.status, resp.StatusCode, "%s %s %s: %s", c.method, c.path, c.body, text)
		require.Contains(t, resp.Header.Get("Content-Type"), "application/problem+json", "%s %s", c.method, c.path)
	}
}
