package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
)

var (
	admin   = identity.Identity{Subject: "0198a000-0000-7000-8000-00000000000a", Name: "Ada Admin", Roles: []identity.Role{identity.Admin}}
	support = identity.Identity{Subject: "0198a000-0000-7000-8000-00000000000b", Name: "Sue Support", Roles: []identity.Role{identity.Support}}
	anna    = identity.Identity{Subject: "0198a000-0000-7000-8000-00000000000c", Name: "Anna Lee", Roles: []identity.Role{identity.Customer}}
	boris   = identity.Identity{Subject: "0198a000-0000-7000-8000-00000000000d", Name: "Boris", Roles: []identity.Role{identity.Customer}}
	visit   = identity.Identity{Subject: "guest:1", Roles: []identity.Role{identity.Guest}}
)

// backOffice is a catalog on a database of its own, with a few categories.
type backOffice struct {
	*testing.T
	*server
	store    *store
	handler  http.Handler
	follower *follower

	bought   bool // whatever anybody asks for
	together []string
	asked    error
}

// Bought and Together stand in for ordering.
func (b *backOffice) Bought(context.Context, []string) (bool, error) { return b.bought, b.asked }
func (b *backOffice) Together(context.Context, []string) ([]string, error) {
	return b.together, b.asked
}

func newBackOffice(t *testing.T) *backOffice {
	s := newTestStore(t)
	images, err := demoImages()
	require.NoError(t, err)
	require.NoError(t, s.Seed(t.Context(), nil, []Category{
		{Slug: "kitchen", Name: "Kitchen", Image: "teapot.webp", Attributes: []AttributeDefinition{{Name: "Material", Kind: "choice", Choices: []string{"Enamel", "Glass"}}, {Name: "Weight", Kind: "number"}}},
		{Slug: "garden", Name: "Garden", Image: "rose.webp", Position: 1},
	}))
	shelf, err := openShelf(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { _ = shelf.index.Close() })
	follower, err := newFollower(t.Context(), s, shelf, time.Now)
	require.NoError(t, err)
	gallery := newGallery(images, s)
	b := &backOffice{T: t, store: s, follower: follower, server: &server{
		shelf: shelf, gallery: gallery, office: &office{store: s, gallery: gallery, now: time.Now},
	}}
	b.critics, b.companions = &critics{store: s, orders: b, now: time.Now}, newCompanions(b)
	b.handler = b.server.routes()
	return b
}

type reply struct{ *httptest.ResponseRecorder }

func (b *backOffice) do(who identity.Identity, method, path, body string, header ...string) reply {
	b.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	b.handler.ServeHTTP(rec, r.WithContext(identity.With(r.Context(), who)))
	return reply{rec}
}

func (r reply) isProblem(t testing.TB, status int, code string) {
	t.Helper()
	var doc struct{ Code string }
	require.Equal(t, status, r.Code, r.Body)
	require.NoError(t, json.Unmarshal(r.Body.Bytes(), &doc), r.Body)
	require.Equal(t, code, doc.Code, r.Body)
}

func read[T any](t testing.TB, r reply, status int) (v T) {
	t.Helper()
	require.Equal(t, status, r.Code, r.Body)
	require.NoError(t, json.Unmarshal(r.Body.Bytes(), &v), r.Body)
	return v
}

type staffPage[T any] struct {
	Items      []T
	NextCursor string
	Total      int
}

// shown is a product as staff see it; its rating is a number with a fraction in JSON alone.
type shown struct {
	staffProduct
	Rating json.Number `json:"rating"`
}

// draft is a product that could be sold.
func draft(slug, sku string) string {
	return fmt.Sprintf(`{"slug":%q,"name":"Enamel Teapot","brand":"Hearth","category":"kitchen","description":"Pours.","attributes":{"Material":"Enamel"},
		"images":["teapot.webp"],"status":"active","variants":[{"sku":%q,"options":{"Colour":"red"},"prices":{"EUR":3450}}]}`, slug, sku)
}

func (b *backOffice) add(slug, sku string) shown {
	b.Helper()
	return read[shown](b, b.do(admin, "POST", "/admin/products", draft(slug, sku)), http.StatusCreated)
}

func TestAProductIsAddedChangedAndArchived(t *testing.T) {
	b := newBackOffice(t)
	made := b.do(admin, "POST", "/admin/products", draft("enamel-teapot", "TEAPOT-RED"))
	p := read[shown](t, made, http.StatusCreated)
	require.Equal(t, `"1"`, made.Header().Get("ETag"))
	path := "/admin/products/" + p.ID

	require.NoError(t, b.follower.refresh(t.Context()))
	require.Equal(t, http.StatusOK, b.do(identity.Identity{}, "GET", "/products/enamel-teapot", "").Code)

	b.do(admin, "PATCH", path, `{"name":"Robin Teapot"}`).isProblem(t, 428, "if-match-required")
	b.do(admin, "PATCH", path, `{"name":"Robin Teapot"}`, "If-Match", `"7"`).isProblem(t, 412, "changed-meanwhile")
	after := read[shown](t, b.do(admin, "PATCH", path, `{"name":" Robin Teapot "}`, "If-Match", `"1"`), 200)
	require.Equal(t, "Robin Teapot", after.Name)
	require.EqualValues(t, 2, after.Version)
	require.Equal(t, p.Variants, after.Variants)
	same := read[shown](t, b.do(admin, "PATCH", path, `{"name":"Robin Teapot"}`, "If-Match", `"2"`), 200)
	require.Equal(t, after, same, "what changes nothing is no new version")

	require.Equal(t, 204, b.do(admin, "DELETE", path, "", "If-Match", `"2"`).Code)
	require.NoError(t, b.follower.refresh(t.Context()))
	b.do(identity.Identity{}, "GET", "/products/enamel-teapot", "").isProblem(t, 404, "no-such-product")
	sold := read[staffPage[offerView]](t, b.do(identity.Identity{}, "GET", "/variants?skus=TEAPOT-RED", ""), 200)
	require.Empty(t, sold.Items, "what is archived cannot be bought")
	require.Equal(t, Archived, read[shown](t, b.do(support, "GET", path, ""), 200).Status)

	replaced := read[shown](t, b.do(admin, "PUT", path, draft("red-teapot", "TEAPOT-2"), "If-Match", `"3"`), 200)
	require.Equal(t, []string{"red-teapot", "TEAPOT-2", "active"}, []string{replaced.Slug, replaced.Variants[0].SKU, string(replaced.Status)})
	b.add("enamel-teapot", "TEAPOT-RED") // both are free again

	rows := read[staffPage[Entry]](t, b.do(support, "GET", path+"/history", ""), 200).Items
	require.Len(t, rows, 4)
	var what []string
	for _, e := range rows {
		what = append(what, e.What)
		require.Equal(t, Actor{string(admin.Subject), "Ada Admin"}, e.By)
	}
	require.Equal(t, []string{changed, archived, changed, added}, what)
	require.Equal(t, map[string]any{"name": "Enamel Teapot"}, rows[2].Before)
	require.Equal(t, map[string]any{"name": "Robin Teapot"}, rows[2].After)
	require.Empty(t, rows[3].Before)
	require.Equal(t, "enamel-teapot", rows[3].After["slug"])
	require.Equal(t, map[string]any{"status": "active"}, rows[1].Before)
	all := read[staffPage[Entry]](t, b.do(support, "GET", "/admin/audit?limit=3", ""), 200)
	require.Len(t, all.Items, 3)
	rest := read[staffPage[Entry]](t, b.do(support, "GET", "/admin/audit?limit=3&cursor="+all.NextCursor, ""), 200)
	require.Len(t, rest.Items, 2)
	require.Empty(t, rest.NextCursor)
	b.do(support, "GET", "/admin/audit?cursor=x", "").isProblem(t, 400, "invalid-cursor")
}

func TestAProductThatIsNotRightIsRefused(t *testing.T) {
	b := newBackOffice(t)
	for body, field := range map[string]string{
		`{}`: "slug",
		strings.Replace(draft("a", "A"), `"slug":"a"`, `"slug":"A b"`, 1):                           "slug",
		strings.Replace(draft("a", "A"), "Enamel Teapot", strings.Repeat("x", 201), 1):              "name",
		strings.Replace(draft("a", "A"), "Enamel Teapot", `a\nb`, 1):                                "name",
		strings.Replace(draft("a", "A"), `"kitchen"`, `"attic"`, 1):                                 "category",
		strings.Replace(draft("a", "A"), `"Material":"Enamel"`, `"Material":"Cheese"`, 1):           "attributes.Material",
		strings.Replace(draft("a", "A"), `"Material":"Enamel"`, `"Weight":"heavy"`, 1):              "attributes.Weight",
		strings.Replace(draft("a", "A"), `"Material":"Enamel"`, `"a.b":"x"`, 1):                     "attributes",
		strings.Replace(draft("a", "A"), `"Material":"Enamel"`, `"$set":"x"`, 1):                    "attributes",
		strings.Replace(draft("a", "A"), "teapot.webp", "../../etc/passwd", 1):                      "images.0",
		strings.Replace(draft("a", "A"), "teapot.webp", "nothing.webp", 1):                          "images",
		strings.Replace(draft("a", "A"), `["teapot.webp"]`, `[]`, 1):                                "images",
		strings.Replace(draft("a", "A"), `"active"`, `"gone"`, 1):                                   "status",
		strings.Replace(draft("a", "A"), `"A"`, `"a b"`, 1):                                         "variants.0.sku",
		strings.Replace(draft("a", "A"), `{"EUR":3450}`, `{"EUR":-1}`, 1):                           "variants.0.prices.EUR",
		strings.Replace(draft("a", "A"), `{"EUR":3450}`, `{"EUR":0}`, 1):                            "variants.0.prices.EUR",
		strings.Replace(draft("a", "A"), `{"EUR":3450}`, `{"XXX":1}`, 1):                            "variants.0.prices.XXX",
		strings.Replace(draft("a", "A"), `{"EUR":3450}`, `{"EUR":9007199254740993}`, 1):             "variants.0.prices.EUR",
		strings.Replace(draft("a", "A"), `{"EUR":3450}`, `{}`, 1):                                   "variants.0.prices",
		strings.Replace(draft("a", "A"), `"variants":[`, `"variants":[{"sku":"A","prices":{}},`, 1): "variants.0.prices",
	} {
		got := b.do(admin, "POST", "/admin/products", body)
		got.isProblem(t, 422, map[bool]string{true: "invalid-fields", false: "invalid-product"}[strings.Contains(body, "nothing.webp")])
		require.Contains(t, got.Body.String(), `"field":"`+field+`"`, body)
	}
	for body, code := range map[string]string{
		`{`: "malformed-json", `{"price":1}`: "unknown-field", `{"name":1}`: "wrong-type",
		strings.Replace(draft("a", "A"), "3450", "34.5", 1): "wrong-type",
	} {
		b.do(admin, "POST", "/admin/products", body).isProblem(t, 400, code)
	}
	total, err := b.store.products.CountDocuments(t.Context(), bson.D{})
	require.NoError(t, err)
	require.Zero(t, total)
	b.do(support, "GET", "/admin/products/nobody", "").isProblem(t, 404, "product-not-found")
	b.do(admin, "PATCH", "/admin/products/nobody", `{}`, "If-Match", "*").isProblem(t, 404, "product-not-found")
}

func TestADraftMayBeUnfinished(t *testing.T) {
	b := newBackOffice(t)
	p := read[shown](t, b.do(admin, "POST", "/admin/products", `{"slug":"later","name":"Later","brand":"B","category":"garden"}`), 201)
	require.Equal(t, Draft, p.Status)
	require.NoError(t, b.follower.refresh(t.Context()))
	b.do(identity.Identity{}, "GET", "/products/later", "").isProblem(t, 404, "no-such-product")
	b.do(admin, "PATCH", "/admin/products/"+p.ID, `{"status":"active"}`, "If-Match", `"1"`).isProblem(t, 422, "invalid-product")
}

func TestTwoWritersOfAProductLoseNothing(t *testing.T) {
	b := newBackOffice(t)
	p := b.add("contested", "C")
	won := make([]bool, 10)
	var group sync.WaitGroup
	for i := range won {
		group.Go(func() {
			got := b.do(admin, "PATCH", "/admin/products/"+p.ID, fmt.Sprintf(`{"description":"Writer %d."}`, i), "If-Match", `"1"`)
			won[i] = got.Code == http.StatusOK
			if !won[i] && got.Code != http.StatusPreconditionFailed {
				t.Errorf("writer %d: %d %s", i, got.Code, got.Body)
			}
		})
	}
	group.Wait()
	winners := 0
	after := read[shown](t, b.do(admin, "GET", "/admin/products/"+p.ID, ""), 200)
	for i, w := range won {
		if w {
			winners++
			require.Equal(t, fmt.Sprintf("Writer %d.", i), after.Description)
		}
	}
	require.Equal(t, 1, winners)
	require.EqualValues(t, 2, after.Version)
	require.Len(t, read[staffPage[Entry]](t, b.do(admin, "GET", "/admin/products/"+p.ID+"/history", ""), 200).Items, 2)

	// Without a version in mind everybody's change is kept, one after the other.
	for i := range 5 {
		group.Go(func() {
			if got := b.do(admin, "PATCH", "/admin/products/"+p.ID, fmt.Sprintf(`{"attributes":{"Weight":"%d g"}}`, i+1), "If-Match", "*"); got.Code != 200 && got.Code != 409 {
				t.Errorf("%d %s", got.Code, got.Body)
			}
		})
	}
	group.Wait()
	last := read[shown](t, b.do(admin, "GET", "/admin/products/"+p.ID, ""), 200)
	rows := read[staffPage[Entry]](t, b.do(admin, "GET", "/admin/products/"+p.ID+"/history", ""), 200).Items
	require.Len(t, rows, int(last.Version), "a row for every version")
	for i := 0; i+1 < len(rows); i++ {
		for field, was := range rows[i].Before {
			if is, told := rows[i+1].After[field]; told {
				require.Equal(t, is, was, "each row begins where the one before ended")
			}
		}
	}
}

func TestSlugsAndSKUsHaveOneProduct(t *testing.T) {
	b := newBackOffice(t)
	first := b.add("one", "SKU-1")
	b.do(admin, "POST", "/admin/products", draft("one", "SKU-2")).isProblem(t, 409, "slug-taken")
	b.do(admin, "POST", "/admin/products", draft("two", "SKU-1")).isProblem(t, 409, "sku-taken")
	second := b.add("two", "SKU-2") // what was refused keeps no claim
	b.do(admin, "PATCH", "/admin/products/"+second.ID, `{"slug":"one"}`, "If-Match", `"1"`).isProblem(t, 409, "slug-taken")
	b.do(admin, "PATCH", "/admin/products/"+second.ID, `{"variants":[{"sku":"SKU-1","prices":{"EUR":1}}]}`, "If-Match", `"1"`).isProblem(t, 409, "sku-taken")
	require.Equal(t, 200, b.do(admin, "PATCH", "/admin/products/"+first.ID, `{"variants":[{"sku":"SKU-9","prices":{"EUR":1}}]}`, "If-Match", `"1"`).Code)
	require.Equal(t, 200, b.do(admin, "PATCH", "/admin/products/"+second.ID, `{"variants":[{"sku":"SKU-1","prices":{"EUR":1}}]}`, "If-Match", `"1"`).Code)

	made := make(chan int, 8)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			made <- b.do(admin, "POST", "/admin/products", draft(fmt.Sprintf("rival-%d", i), "RIVAL")).Code
		})
	}
	group.Wait()
	close(made)
	winners := 0
	for code := range made {
		if code == http.StatusCreated {
			winners++
		}
	}
	require.Equal(t, 1, winners)
}

// A writer that claims a SKU and dies before it writes holds it up for a moment only.
func TestAClaimOfOneThatDiedIsTakenOver(t *testing.T) {
	b := newBackOffice(t)
	require.NoError(t, b.store.claim(t.Context(), "nobody", []string{"sku HELD"}, time.Now()))
	b.do(admin, "POST", "/admin/products", draft("held", "HELD")).isProblem(t, 409, "sku-taken")
	b.office.now = func() time.Time { return time.Now().Add(time.Hour) }
	require.NoError(t, b.store.claim(t.Context(), "somebody", []string{"sku HELD"}, time.Now().Add(time.Hour)))
	require.True(t, problem.Is(b.store.claim(t.Context(), "third", []string{"sku HELD"}, time.Now().Add(time.Hour)), "sku-taken"))
}

func TestAnAdditionIsRepeatedSafely(t *testing.T) {
	b := newBackOffice(t)
	key := []string{"Idempotency-Key", "add-it-once"}
	first := read[shown](t, b.do(admin, "POST", "/admin/products", draft("once", "ONCE"), key...), 201)
	again := read[shown](t, b.do(admin, "POST", "/admin/products", draft("once", "ONCE"), key...), 201)
	require.Equal(t, first, again)
	b.do(admin, "POST", "/admin/products", draft("twice", "TWICE"), key...).isProblem(t, 422, "idempotency-key-reused")
}

func TestACategoryIsRepeatedSafely(t *testing.T) {
	b := newBackOffice(t)
	add := func(who identity.Identity, body, key string) reply {
		return b.do(who, "POST", "/admin/categories", body, "Idempotency-Key", key)
	}
	const attic = `{"slug":"attic","name":"Attic","position":0}`
	first := read[staffCategory](t, add(admin, attic, "add-it-once"), 201)
	require.Equal(t, first, read[staffCategory](t, add(admin, attic, "add-it-once"), 201))
	add(admin, `{"slug":"loft","name":"Attic","position":0}`, "add-it-once").isProblem(t, 422, "idempotency-key-reused")
	add(admin, `{"slug":"attic","name":"Loft"}`, "add-it-once").isProblem(t, 422, "idempotency-key-reused")
	add(admin, attic, "another").isProblem(t, 409, "slug-taken")
	b.do(admin, "POST", "/admin/categories", attic).isProblem(t, 409, "slug-taken")
	add(admin, attic, "a b").isProblem(t, 400, "invalid-idempotency-key")

	require.Equal(t, 200, b.do(admin, "PUT", "/admin/categories/attic", `{"slug":"attic","name":"Loft"}`, "If-Match", "*").Code)
	require.Equal(t, "Loft", read[staffCategory](t, add(admin, attic, "add-it-once"), 201).Name, "a late repeat undoes nothing")
	require.Len(t, read[staffPage[staffCategory]](t, b.do(support, "GET", "/admin/categories", ""), 200).Items, 3)
}

// The entry is inside the document, so that whoever dies after the write has told all the same.
func TestAnEntryOfOneThatDiedIsKept(t *testing.T) {
	b := newBackOffice(t)
	p := b.add("kept", "KEPT")
	require.Equal(t, 200, b.do(admin, "PATCH", "/admin/products/"+p.ID, `{"name":"Second"}`, "If-Match", `"1"`).Code)
	require.Equal(t, 201, b.do(admin, "POST", "/admin/categories", `{"slug":"attic","name":"Attic"}`).Code)
	_, err := b.store.audit.DeleteMany(t.Context(), bson.D{})
	require.NoError(t, err)

	require.NoError(t, b.store.keepSince(t.Context(), time.Now().Add(time.Minute)))
	rows := read[staffPage[Entry]](t, b.do(admin, "GET", "/admin/audit", ""), 200).Items
	require.Len(t, rows, 2)
	require.Equal(t, []string{"Attic", "Second"}, []string{rows[0].Name, rows[1].Name})
	require.NoError(t, b.store.keepSince(t.Context(), time.Now().Add(2*time.Minute)))
	require.Len(t, read[staffPage[Entry]](t, b.do(admin, "GET", "/admin/audit", ""), 200).Items, 2)

	_, err = b.store.audit.DeleteMany(t.Context(), bson.D{})
	require.NoError(t, err)
	require.Equal(t, 200, b.do(admin, "PATCH", "/admin/products/"+p.ID, `{"name":"Third"}`, "If-Match", `"2"`).Code)
	rows = read[staffPage[Entry]](t, b.do(admin, "GET", "/admin/products/"+p.ID+"/history", ""), 200).Items
	require.Len(t, rows, 2, "the next writer keeps it before it writes its own")
}

func TestStaffFindProducts(t *testing.T) {
	b := newBackOffice(t)
	for i := range 7 {
		b.add(fmt.Sprintf("pot-%d", i), fmt.Sprintf("POT-%d", i))
	}
	b.do(admin, "POST", "/admin/products", `{"slug":"rose","name":"Rose (red)","brand":"Thorn","category":"garden"}`)
	for query, want := range map[string]int{
		"": 8, "?status=draft": 1, "?status=active": 7, "?status=archived": 0, "?category=garden": 1, "?category=nowhere": 0,
		"?query=ROSE": 1, "?query=thorn": 1, "?query=(red": 1, "?query=.*": 0, "?query=POT-3": 1, "?query=pot-3": 1,
	} {
		page := read[staffPage[staffSummary]](t, b.do(support, "GET", "/admin/products"+strings.ReplaceAll(query, "(", "%28"), ""), 200)
		require.Equal(t, want, page.Total, query)
		require.Len(t, page.Items, want, query)
	}
	for _, sort := range []string{"name", "-updated", "newest"} {
		seen, cursor := map[string]bool{}, ""
		for {
			page := read[staffPage[staffSummary]](t, b.do(support, "GET", "/admin/products?limit=3&sort="+sort+"&cursor="+cursor, ""), 200)
			for _, p := range page.Items {
				require.False(t, seen[p.ID], sort)
				seen[p.ID] = true
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		require.Len(t, seen, 8, sort)
	}
	for target, code := range map[string]string{
		"?sort=price": "invalid-query", "?status=x": "invalid-query", "?limit=0": "invalid-limit", "?cursor=x": "invalid-cursor",
		"?query=" + strings.Repeat("x", 201): "invalid-query",
	} {
		b.do(support, "GET", "/admin/products"+target, "").isProblem(t, 400, code)
	}
}

func TestStaffGrowATree(t *testing.T) {
	b := newBackOffice(t)
	add := func(slug, parent string, position int) {
		t.Helper()
		require.Equal(t, 201, b.do(admin, "POST", "/admin/categories", fmt.Sprintf(`{"slug":%q,"name":"C","parent":%q,"position":%d}`, slug, parent, position)).Code)
	}
	slugs := func() (found []string) {
		for _, c := range read[staffPage[staffCategory]](t, b.do(support, "GET", "/admin/categories", ""), 200).Items {
			found = append(found, c.Slug)
		}
		return found
	}
	add("pots", "kitchen", 0)
	add("teapots", "pots", 5)
	add("cups", "kitchen", 0)
	require.Equal(t, []string{"kitchen", "cups", "pots", "teapots", "garden"}, slugs())
	put := func(slug, body, match string) reply {
		return b.do(admin, "PUT", "/admin/categories/"+slug, body, "If-Match", match)
	}

	put("pots", `{"slug":"pots","name":"Pots","parent":"teapots"}`, `"1"`).isProblem(t, 422, "category-cycle")
	put("pots", `{"slug":"pots","name":"Pots","parent":"pots"}`, `"1"`).isProblem(t, 422, "category-cycle")
	put("pots", `{"slug":"pots","name":"Pots","parent":"nowhere"}`, `"1"`).isProblem(t, 422, "invalid-fields")
	put("pots", `{"slug":"pans","name":"Pots"}`, `"1"`).isProblem(t, 422, "invalid-fields")
	put("pots", `{"slug":"pots","name":"Pots"}`, `"2"`).isProblem(t, 412, "changed-meanwhile")
	put("pots", `{"slug":"pots","name":"Pots"}`, "").isProblem(t, 428, "if-match-required")
	moved := put("pots", `{"slug":"pots","name":"Pots","parent":"garden","attributes":[{"name":"Size","kind":"choice","choices":["S","M"],"facet":true}]}`, `"1"`)
	require.Equal(t, `"2"`, moved.Header().Get("ETag"))
	require.EqualValues(t, 2, read[staffCategory](t, moved, 200).Version)
	require.Equal(t, []string{"kitchen", "cups", "garden", "pots", "teapots"}, slugs())

	b.add("pot", "POT")
	remove := func(slug, match string) reply {
		return b.do(admin, "DELETE", "/admin/categories/"+slug, "", "If-Match", match)
	}
	remove("garden", "*").isProblem(t, 409, "category-in-use")
	remove("kitchen", "*").isProblem(t, 409, "category-in-use")
	remove("teapots", `"9"`).isProblem(t, 412, "changed-meanwhile")
	require.Equal(t, 204, remove("teapots", `"1"`).Code)
	remove("teapots", "*").isProblem(t, 404, "category-not-found")
	b.do(admin, "POST", "/admin/categories", `{"slug":"cups","name":"Cups"}`).isProblem(t, 409, "slug-taken")
	for body, field := range map[string]string{
		`{"slug":"A","name":"x"}`: "slug", `{"slug":"a","name":""}`: "name", `{"slug":"a","name":"x","image":"../x"}`: "image",
		`{"slug":"a","name":"x","attributes":[{"name":"a.b","kind":"text"}]}`:                            "attributes.0.name",
		`{"slug":"a","name":"x","attributes":[{"name":"a","kind":"date"}]}`:                              "attributes.0.kind",
		`{"slug":"a","name":"x","attributes":[{"name":"a","kind":"choice"}]}`:                            "attributes.0.choices",
		`{"slug":"a","name":"x","attributes":[{"name":"a","kind":"text"},{"name":"a","kind":"number"}]}`: "attributes.1.name",
	} {
		got := b.do(admin, "POST", "/admin/categories", body)
		got.isProblem(t, 422, "invalid-category")
		require.Contains(t, got.Body.String(), `"field":"`+field+`"`, body)
	}
	rows := read[staffPage[Entry]](t, b.do(support, "GET", "/admin/audit", ""), 200).Items
	require.Equal(t, []string{removed, "product added", changed, added, added, added}, func() (what []string) {
		for _, e := range rows {
			if e.Kind == productKind {
				e.What = "product " + e.What
			}
			what = append(what, e.What)
		}
		return what
	}())
}

// Two who move each into the other's category cannot both be right.
func TestTwoWritersOfTheTreeMakeNoCycle(t *testing.T) {
	b := newBackOffice(t)
	for range 5 {
		var group sync.WaitGroup
		for _, c := range [][2]string{{"kitchen", "garden"}, {"garden", "kitchen"}} {
			group.Go(func() {
				b.do(admin, "PUT", "/admin/categories/"+c[0], fmt.Sprintf(`{"slug":%q,"name":"C","parent":%q}`, c[0], c[1]), "If-Match", "*")
			})
		}
		group.Wait()
		require.Len(t, read[staffPage[staffCategory]](t, b.do(support, "GET", "/admin/categories", ""), 200).Items, 2, "all hang on the top")
		for _, slug := range []string{"kitchen", "garden"} {
			require.Equal(t, 200, b.do(admin, "PUT", "/admin/categories/"+slug, fmt.Sprintf(`{"slug":%q,"name":"C"}`, slug), "If-Match", "*").Code)
		}
	}
}

func (b *backOffice) upload(path string, file []byte) reply {
	b.Helper()
	open := read[opened](b, b.do(admin, "POST", path, ""), http.StatusCreated)
	parts := 0
	for rest := file; len(rest) > 0; parts++ {
		n := min(len(rest), open.PartSize)
		require.Equal(b, 204, b.do(admin, "PUT", fmt.Sprintf("%s/%s/parts/%d", path, open.ID, parts), string(rest[:n])).Code)
		rest = rest[n:]
	}
	return b.do(admin, "PUT", path+"/"+open.ID+"/completion", fmt.Sprintf(`{"bytes":%d,"parts":%d}`, len(file), parts))
}

func TestPicturesAreAddedAndServed(t *testing.T) {
	b := newBackOffice(t)
	var file bytes.Buffer
	require.NoError(t, png.Encode(&file, image.NewGray(image.Rect(0, 0, 700, 350))))
	type added struct {
		Name          string
		Width, Height int
		URLs          map[string]string
	}
	img := read[added](t, b.upload("/admin/images", file.Bytes()), 201)
	require.Equal(t, []int{700, 350}, []int{img.Width, img.Height})
	require.Len(t, img.URLs, 3)
	require.Equal(t, img, read[added](t, b.upload("/admin/images", file.Bytes()), 201), "the same file is the same picture")
	sizes := map[string]int{}
	for _, query := range []string{"", "?width=1", "?width=320", "?width=321", "?width=9999"} {
		got := b.do(identity.Identity{}, "GET", "/images/"+img.Name+query, "")
		require.Equal(t, 200, got.Code)
		require.Equal(t, "image/webp", got.Header().Get("Content-Type"))
		require.Contains(t, got.Header().Get("Cache-Control"), "immutable")
		sizes[query] = got.Body.Len()
	}
	require.Equal(t, sizes["?width=1"], sizes["?width=320"])
	require.Equal(t, sizes[""], sizes["?width=9999"])
	require.Less(t, sizes["?width=320"], sizes["?width=321"])
	b.do(identity.Identity{}, "GET", "/images/"+img.Name+"?width=x", "").isProblem(t, 400, "invalid-query")
	b.do(identity.Identity{}, "GET", "/images/"+strings.Repeat("0", 32)+".webp", "").isProblem(t, 404, "no-such-image")

	p := b.add("pictured", "PICTURED")
	require.Equal(t, 200, b.do(admin, "PATCH", "/admin/products/"+p.ID, fmt.Sprintf(`{"images":[%q,"teapot.webp"]}`, img.Name), "If-Match", `"1"`).Code)
	left, err := b.store.parts.CountDocuments(t.Context(), bson.D{})
	require.NoError(t, err)
	require.Zero(t, left)

	b.upload("/admin/images", []byte("<svg/>")).isProblem(t, 422, "invalid-image")
	b.upload("/admin/images", nil).isProblem(t, 422, "invalid-image")
	open := read[opened](t, b.do(admin, "POST", "/admin/images", ""), 201)
	b.do(admin, "PUT", "/admin/images/"+open.ID+"/completion", `{"bytes":5,"parts":1}`).isProblem(t, 422, "incomplete-body")
	b.do(admin, "PUT", "/admin/images/"+open.ID+"/completion", `{"bytes":99999999999,"parts":1}`).isProblem(t, 413, "body-too-large")
	b.do(admin, "PUT", "/admin/images/"+open.ID+"/completion", `{"bytes":-1,"parts":-1}`).isProblem(t, 413, "body-too-large")
	b.do(admin, "PUT", "/admin/images/"+open.ID+"/parts/0", strings.Repeat("x", partSize+1)).isProblem(t, 413, "body-too-large")
	b.do(admin, "PUT", "/admin/images/"+open.ID+"/parts/99999", "x").isProblem(t, 404, "no-such-file")
	b.do(admin, "PUT", "/admin/images/x/parts/0", "x").isProblem(t, 404, "no-such-file")
}
