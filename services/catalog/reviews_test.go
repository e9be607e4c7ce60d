package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
)

func buyer(n int) identity.Identity {
	return identity.Identity{Subject: identity.CustomerID(fmt.Sprintf("0198a000-0000-7000-8000-%012d", n)), Name: fmt.Sprintf("Buyer Number%d", n), Roles: []identity.Role{identity.Customer}}
}

func said(stars int) string {
	return fmt.Sprintf(`{"rating":%d,"title":"<b>Pours</b> & more","text":"Not a drop.\r\n<script>alert(1)</script>"}`, stars)
}

type reviewPage struct {
	Items      []reviewView
	NextCursor string
	Summary    struct {
		Average float64
		Count   int
		Stars   map[string]int
	}
}

func (b *backOffice) publish(id string, version int64) reply {
	return b.do(admin, "PATCH", "/admin/reviews/"+id, fmt.Sprintf(`{"status":"published","version":%d}`, version))
}

func TestABuyersReviewIsReadPublishedAndCounted(t *testing.T) {
	b := newBackOffice(t)
	p := b.add("pot", "POT")
	const path = "/products/pot/reviews"
	b.do(anna, "POST", path, said(5)).isProblem(t, 403, "not-a-buyer")
	b.asked = problem.New(problem.Unavailable, "service-unavailable", "Away.")
	b.do(anna, "POST", path, said(5)).isProblem(t, 503, "service-unavailable")
	b.asked, b.bought = nil, true
	mine := read[reviewView](t, b.do(anna, "POST", path, said(5)), http.StatusCreated)
	require.Equal(t, []string{"Anna L.", string(Pending), "<b>Pours</b> & more", "Not a drop.\n<script>alert(1)</script>"}, []string{mine.Author, string(mine.Status), mine.Title, mine.Text})
	b.do(anna, "POST", path, said(4)).isProblem(t, 409, "already-reviewed")
	require.Empty(t, read[reviewPage](t, b.do(identity.Identity{}, "GET", path, ""), 200).Items, "nobody has read it")

	waiting := read[staffPage[staffReview]](t, b.do(support, "GET", "/admin/reviews?status=pending", ""), 200).Items
	require.Len(t, waiting, 1)
	require.Equal(t, productOfView{p.ID, "pot", "Enamel Teapot"}, waiting[0].Product)
	b.do(admin, "PATCH", "/admin/reviews/"+mine.ID, `{"status":"published","version":9}`).isProblem(t, 412, "changed-meanwhile")
	b.do(admin, "PATCH", "/admin/reviews/"+mine.ID, `{"status":"rejected","version":1}`).isProblem(t, 422, "invalid-decision")
	b.do(admin, "PATCH", "/admin/reviews/"+mine.ID, `{"status":"pending","version":1}`).isProblem(t, 422, "invalid-decision")
	b.do(admin, "PATCH", "/admin/reviews/none", `{"status":"published","version":1}`).isProblem(t, 404, "review-not-found")
	require.Equal(t, 200, b.publish(mine.ID, 1).Code)

	page := read[reviewPage](t, b.do(identity.Identity{}, "GET", path, ""), 200)
	require.Len(t, page.Items, 1)
	require.True(t, page.Items[0].Verified)
	require.Empty(t, page.Items[0].Status)
	require.Equal(t, 5.0, page.Summary.Average)
	require.NoError(t, b.follower.refresh(t.Context()))
	require.Contains(t, b.do(identity.Identity{}, "GET", "/products/pot", "").Body.String(), `"rating":5.0`)
	after := read[shown](t, b.do(support, "GET", "/admin/products/"+p.ID, ""), 200)
	require.Equal(t, []any{1, int64(1)}, []any{after.Reviews, after.Version}, "a rating is no version that an editor has to have seen")

	again := read[reviewView](t, b.do(anna, "PUT", path+"/mine", said(1)), 200)
	require.Equal(t, Pending, again.Status)
	require.Zero(t, read[reviewPage](t, b.do(identity.Identity{}, "GET", path, ""), 200).Summary.Count, "what is written anew is read anew")
	require.Equal(t, 200, b.do(admin, "PATCH", "/admin/reviews/"+mine.ID, `{"status":"rejected","reason":"Rude.","version":3}`).Code)
	require.Equal(t, "Rude.", read[reviewView](t, b.do(anna, "GET", path+"/mine", ""), 200).Reason)
	for range 2 {
		require.Equal(t, 204, b.do(anna, "DELETE", path+"/mine", "").Code)
	}
	b.do(anna, "GET", path+"/mine", "").isProblem(t, 404, "review-not-found")
	b.do(anna, "PUT", path+"/mine", said(1)).isProblem(t, 404, "review-not-found")
	require.Equal(t, 201, b.do(anna, "POST", path, said(3)).Code)

	var what []string
	for _, e := range read[staffPage[Entry]](t, b.do(support, "GET", "/admin/audit", ""), 200).Items {
		if e.Kind == reviewKind {
			what = append(what, e.What)
			require.NotContains(t, fmt.Sprint(e), "drop", "the trail outlives what people said")
		}
	}
	require.Equal(t, []string{"rejected", "published"}, what)
}

func TestAReviewIsRepeatedSafely(t *testing.T) {
	b := newBackOffice(t)
	b.bought = true
	b.add("pot", "POT")
	b.add("pan", "PAN")
	key := []string{"Idempotency-Key", "say-it-once"}
	answers := make([]reply, 10)
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() { answers[i] = b.do(anna, "POST", "/products/pot/reviews", said(5), key...) })
	}
	group.Wait()
	first := read[reviewView](t, answers[0], 201)
	for _, again := range answers {
		require.Equal(t, first, read[reviewView](t, again, 201))
	}
	b.bought = false
	require.Equal(t, first, read[reviewView](t, b.do(anna, "POST", "/products/pot/reviews", said(5), key...), 201), "whatever has become of the purchase")
	b.bought = true
	b.do(anna, "POST", "/products/pot/reviews", said(4), key...).isProblem(t, 422, "idempotency-key-reused")
	b.do(anna, "POST", "/products/pot/reviews", said(5), "Idempotency-Key", "another").isProblem(t, 409, "already-reviewed")
	b.do(anna, "POST", "/products/pot/reviews", said(5), "Idempotency-Key", "a b").isProblem(t, 400, "invalid-idempotency-key")
	require.Equal(t, 201, b.do(boris, "POST", "/products/pot/reviews", said(1), key...).Code, "another's key is another key")
	require.Equal(t, 201, b.do(anna, "POST", "/products/pan/reviews", said(2), key...).Code, "as is that of another product")

	require.Equal(t, 200, b.do(anna, "PUT", "/products/pot/reviews/mine", said(3)).Code)
	require.Equal(t, 3, read[reviewView](t, b.do(anna, "POST", "/products/pot/reviews", said(5), key...), 201).Rating, "a late repeat undoes nothing")
}

func TestReviewsAreRefused(t *testing.T) {
	b := newBackOffice(t)
	b.bought = true
	b.add("pot", "POT")
	for body, field := range map[string]string{
		`{"rating":0,"title":"x","text":""}`: "rating", `{"rating":6,"title":"x","text":""}`: "rating", `{"rating":5,"title":" ","text":""}`: "title",
		`{"rating":5,"title":"a\nb","text":""}`: "title", `{"rating":5,"title":"x","text":"` + strings.Repeat("x", 5001) + `"}`: "text",
		`{"rating":5,"title":"x","text":"a\u0000b"}`: "text",
	} {
		got := b.do(anna, "POST", "/products/pot/reviews", body)
		got.isProblem(t, 422, "invalid-review")
		require.Contains(t, got.Body.String(), `"field":"`+field+`"`)
	}
	b.do(anna, "POST", "/products/pot/reviews", `{"rating":4.5,"title":"x","text":""}`).isProblem(t, 400, "wrong-type")
	b.do(anna, "POST", "/products/none/reviews", said(5)).isProblem(t, 404, "no-such-product")
	b.do(anna, "GET", "/products/none/reviews", "").isProblem(t, 404, "no-such-product")
	for query, code := range map[string]string{"sort=x": "invalid-query", "cursor=x": "invalid-cursor", "limit=0": "invalid-limit"} {
		b.do(anna, "GET", "/products/pot/reviews?"+query, "").isProblem(t, 400, code)
	}
	b.do(support, "GET", "/admin/reviews?status=x", "").isProblem(t, 400, "invalid-query")
}

func TestReviewsAreSortedAndPaged(t *testing.T) {
	b := newBackOffice(t)
	b.bought = true
	b.add("pot", "POT")
	at := time.Now()
	b.critics.now = func() time.Time { at = at.Add(time.Second); return at }
	stars := []int{5, 3, 4, 1, 5, 2, 3}
	for i, n := range stars {
		r := read[reviewView](t, b.do(buyer(i), "POST", "/products/pot/reviews", said(n)), 201)
		require.Equal(t, 200, b.publish(r.ID, 1).Code)
	}
	for sort, want := range map[string][]int{"newest": {3, 2, 5, 1, 4, 3, 5}, "rating": {1, 2, 3, 3, 4, 5, 5}, "-rating": {5, 5, 4, 3, 3, 2, 1}} {
		var got []int
		seen, cursor := map[string]bool{}, ""
		for {
			page := read[reviewPage](t, b.do(anna, "GET", "/products/pot/reviews?limit=2&sort="+sort+"&cursor="+cursor, ""), 200)
			require.Equal(t, 7, page.Summary.Count)
			require.Equal(t, 3.3, page.Summary.Average)
			require.Equal(t, map[string]int{"1": 1, "2": 1, "3": 2, "4": 1, "5": 2}, page.Summary.Stars)
			for _, r := range page.Items {
				require.False(t, seen[r.ID])
				seen[r.ID] = true
				got = append(got, r.Rating)
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		require.Equal(t, want, got, sort)
	}
}

// However many are published and withdrawn at once, the rating is that of those that are there.
func TestRatingsOfManyAtOnceAreCountedOnce(t *testing.T) {
	b := newBackOffice(t)
	b.bought = true
	p := b.add("pot", "POT")
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			got := b.do(buyer(i), "POST", "/products/pot/reviews", said(1+i%5))
			if got.Code != 201 {
				t.Error(got.Body)
				return
			}
			id := reviewID(p.ID, buyer(i).Subject)
			if got := b.publish(id, 1); got.Code != 200 {
				t.Error(got.Body)
			}
			if i%3 == 0 {
				b.do(buyer(i), "DELETE", "/products/pot/reviews/mine", "")
			}
		})
	}
	group.Wait()
	require.NoError(t, b.store.settleAll(t.Context()))
	after := read[shown](t, b.do(support, "GET", "/admin/products/"+p.ID, ""), 200)
	require.Equal(t, 4, after.Reviews)
	require.Equal(t, "2.8", after.Rating.String(), "of 2, 3, 5 and 1 stars")
}

// One who dies between a review and its rating leaves it to be settled.
func TestAReviewOfOneThatDiedIsSettled(t *testing.T) {
	b := newBackOffice(t)
	b.bought = true
	p := b.add("pot", "POT")
	r := NewReview(p.ID, anna, ReviewText{4, "x", ""}, time.Now())
	r.Status, r.Settled = Published, false
	gone := NewReview(p.ID, boris, ReviewText{1, "x", ""}, time.Now())
	gone.Settled = false
	require.NoError(t, gone.Withdraw())
	for _, review := range []Review{r, gone} {
		_, err := b.store.AddReview(t.Context(), review)
		require.NoError(t, err)
	}
	_, err := b.store.AddReview(t.Context(), NewReview(p.ID, boris, ReviewText{1, "x", ""}, time.Now()))
	require.True(t, problem.Is(err, "already-reviewed"), "until the one before is forgotten: %v", err)
	require.NoError(t, b.store.settleAll(t.Context()))
	after := read[shown](t, b.do(support, "GET", "/admin/products/"+p.ID, ""), 200)
	require.Equal(t, "4.0", after.Rating.String())
	n, err := b.store.reviews.CountDocuments(t.Context(), bson.D{})
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}

func TestReviewsAreHandedOutAndErased(t *testing.T) {
	b := newBackOffice(t)
	b.bought = true
	p := b.add("pot", "POT")
	require.Equal(t, 201, b.do(anna, "POST", "/products/pot/reviews", said(5)).Code)
	require.Equal(t, 200, b.publish(reviewID(p.ID, anna.Subject), 1).Code)
	require.Equal(t, 201, b.do(boris, "POST", "/products/pot/reviews", said(1)).Code)
	require.Equal(t, 404, b.do(anna, "GET", "/personal-data/"+string(anna.Subject), "", "Dapr-Caller-App-Id", "gateway").Code)
	data := read[map[string][]map[string]any](t, b.do(identity.Identity{}, "GET", "/personal-data/"+string(anna.Subject), "", "Dapr-Caller-App-Id", "client"), 200)
	require.Len(t, data["reviews"], 1)
	require.Equal(t, "<b>Pours</b> & more", data["reviews"][0]["title"])
	for range 2 {
		require.Equal(t, 200, b.do(identity.Identity{}, "DELETE", "/personal-data/"+string(anna.Subject), "", "Dapr-Caller-App-Id", "client").Code)
	}
	require.Zero(t, read[reviewPage](t, b.do(boris, "GET", "/products/pot/reviews", ""), 200).Summary.Count)
	require.Equal(t, 200, b.do(boris, "GET", "/products/pot/reviews/mine", "").Code)

	require.Equal(t, 200, b.do(identity.Identity{}, "DELETE", "/personal-data/"+string(admin.Subject), "", "Dapr-Caller-App-Id", "client").Code)
	for _, e := range read[staffPage[Entry]](t, b.do(support, "GET", "/admin/audit", ""), 200).Items {
		require.Equal(t, Actor{string(admin.Subject), ""}, e.By)
	}
	for _, c := range []string{"reviews", "audit", "products"} {
		cursor, err := b.store.products.Database().Collection(c).Find(t.Context(), bson.D{})
		require.NoError(t, err)
		for cursor.Next(t.Context()) {
			require.NotContains(t, cursor.Current.String(), "Anna", c)
			require.NotContains(t, cursor.Current.String(), string(anna.Subject), c)
			require.NotContains(t, cursor.Current.String(), admin.Name, c)
		}
	}
}

func TestNamesAreShortened(t *testing.T) {
	for name, want := range map[string]string{
		"Ada Lovelace": "Ada L.", "Ada": "Ada", "": "A customer", "  ": "A customer", "Ada King Lovelace": "Ada L.", "李 小龍": "李 小.",
		"a\nb": "a b.", strings.Repeat("x", 99): strings.Repeat("x", 40),
	} {
		require.Equal(t, want, author(name))
	}
}

func TestTheMeanIsRoundedHalfUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stars := rapid.SliceOfN(rapid.IntRange(1, 5), 1, 200).Draw(t, "stars")
		sum := 0
		for _, n := range stars {
			sum += n
		}
		got := int(tenths(sum, len(stars)))
		require.LessOrEqual(t, 2*(got*len(stars)-10*sum), len(stars))
		require.Less(t, 2*(10*sum-got*len(stars)), len(stars))
	})
}

func TestRelatedIsWhatWasBoughtTogetherAndThenTheCategory(t *testing.T) {
	b := newBackOffice(t)
	b.add("pot", "POT")
	for i := range 10 {
		b.add(fmt.Sprintf("other-%d", i), fmt.Sprintf("OTHER-%d", i))
	}
	require.NoError(t, b.follower.refresh(t.Context()))
	b.together = []string{"OTHER-7", "GONE", "POT", "OTHER-3", "OTHER-7"}
	related := func() (slugs []string) {
		for _, p := range read[staffPage[struct{ Slug string }]](t, b.do(identity.Identity{}, "GET", "/products/pot/related", ""), 200).Items {
			slugs = append(slugs, p.Slug)
		}
		return slugs
	}
	found := related()
	require.Len(t, found, relatedMost)
	require.Equal(t, []string{"other-7", "other-3"}, found[:2])
	require.NotContains(t, found, "pot")
	b.asked = problem.New(problem.Unavailable, "service-unavailable", "Away.")
	require.Equal(t, found, related(), "it is remembered for a moment")
	b.server.companions = newCompanions(b)
	b.handler = b.server.routes()
	require.Len(t, related(), relatedMost, "without ordering there is still the category")
	b.do(identity.Identity{}, "GET", "/products/none/related", "").isProblem(t, 404, "no-such-product")
	b.do(identity.Identity{}, "GET", "/products/pot/related?currency=x", "").isProblem(t, 400, "unknown-currency")
}

// Who may do what: the table is the rule.
func TestEveryRouteForEverybody(t *testing.T) {
	b := newBackOffice(t)
	b.bought = true
	p := b.add("pot", "POT")
	require.NoError(t, b.follower.refresh(t.Context()))
	people := []identity.Identity{{}, visit, anna, support, admin}
	id := "/admin/products/" + p.ID
	for _, c := range []struct {
		method, path, body string
		want               [5]int // anonymous, guest, customer, support, admin
	}{
		{"GET", "/products", "", [5]int{200, 200, 200, 200, 200}},
		{"GET", "/products/pot", "", [5]int{200, 200, 200, 200, 200}},
		{"GET", "/products/pot/related", "", [5]int{200, 200, 200, 200, 200}},
		{"GET", "/products/pot/reviews", "", [5]int{200, 200, 200, 200, 200}},
		{"POST", "/products/pot/reviews", `{"rating":0}`, [5]int{401, 403, 422, 422, 422}},
		{"GET", "/products/pot/reviews/mine", "", [5]int{401, 403, 404, 404, 404}},
		{"PUT", "/products/pot/reviews/mine", said(1), [5]int{401, 403, 404, 404, 404}},
		{"DELETE", "/products/pot/reviews/mine", "", [5]int{401, 403, 204, 204, 204}},
		{"GET", "/images/teapot.webp", "", [5]int{200, 200, 200, 200, 200}},
		{"GET", "/admin/products", "", [5]int{401, 403, 403, 200, 200}},
		{"POST", "/admin/products", `{}`, [5]int{401, 403, 403, 403, 422}},
		{"GET", "/admin/products/export", "", [5]int{401, 403, 403, 200, 200}},
		{"GET", id, "", [5]int{401, 403, 403, 200, 200}},
		{"PUT", id, `{}`, [5]int{401, 403, 403, 403, 428}},
		{"PATCH", id, `{}`, [5]int{401, 403, 403, 403, 428}},
		{"DELETE", id, "", [5]int{401, 403, 403, 403, 428}},
		{"GET", id + "/history", "", [5]int{401, 403, 403, 200, 200}},
		{"GET", "/admin/audit", "", [5]int{401, 403, 403, 200, 200}},
		{"GET", "/admin/categories", "", [5]int{401, 403, 403, 200, 200}},
		{"POST", "/admin/categories", `{}`, [5]int{401, 403, 403, 403, 422}},
		{"PUT", "/admin/categories/kitchen", `{"slug":"kitchen","name":"K"}`, [5]int{401, 403, 403, 403, 428}},
		{"DELETE", "/admin/categories/kitchen", "", [5]int{401, 403, 403, 403, 428}},
		{"POST", "/admin/images", "", [5]int{401, 403, 403, 403, 201}},
		{"PUT", "/admin/images/x/parts/0", "x", [5]int{401, 403, 403, 403, 404}},
		{"PUT", "/admin/images/x/completion", `{"bytes":0,"parts":0}`, [5]int{401, 403, 403, 403, 404}},
		{"GET", "/admin/imports", "", [5]int{401, 403, 403, 200, 200}},
		{"POST", "/admin/imports", "", [5]int{401, 403, 403, 403, 201}},
		{"PUT", "/admin/imports/x/parts/0", "x", [5]int{401, 403, 403, 403, 404}},
		{"PUT", "/admin/imports/x/completion", `{"bytes":0,"parts":0}`, [5]int{401, 403, 403, 403, 404}},
		{"GET", "/admin/imports/x", "", [5]int{401, 403, 403, 404, 404}},
		{"GET", "/admin/imports/x/errors", "", [5]int{401, 403, 403, 404, 404}},
		{"POST", "/admin/imports/x/cancellation", "", [5]int{401, 403, 403, 403, 404}},
		{"GET", "/admin/reviews", "", [5]int{401, 403, 403, 200, 200}},
		{"PATCH", "/admin/reviews/x", `{}`, [5]int{401, 403, 403, 403, 404}},
		{"GET", "/personal-data/x", "", [5]int{404, 404, 404, 404, 404}},
		{"DELETE", "/personal-data/x", "", [5]int{404, 404, 404, 404, 404}},
	} {
		for i, who := range people {
			got := b.do(who, c.method, c.path, c.body)
			require.Equal(t, c.want[i], got.Code, "%s %s by %q: %s", c.method, c.path, who.Subject, got.Body)
		}
	}
}
