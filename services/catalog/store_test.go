package main

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// newTestStore is a store in a database of the test's own.
func newTestStore(t *testing.T) *store {
	t.Helper()
	t.Parallel()
	server := os.Getenv("TEST_MONGODB_URL")
	if server == "" && os.Getenv("CI") == "" {
		t.Skip("this test needs MongoDB: `make test` starts a server, or set TEST_MONGODB_URL")
	}
	u, err := url.Parse(server)
	require.NoError(t, err)
	u.Path = "/test_" + strings.ToLower(rand.Text()[:16])
	s, err := openStore(t.Context(), u.String())
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = s.products.Database().Drop(context.Background())
		_ = s.Close()
	})
	return s
}

func TestReplicasSeedTheSameCatalogOnce(t *testing.T) {
	s := newTestStore(t)
	products, categories, err := demoCatalog()
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if err := s.Seed(t.Context(), products, categories); err != nil {
				t.Errorf("seed: %v", err)
			}
		})
	}
	group.Wait()
	require.Equal(t, len(products), count(t, s.products))
	tree, err := s.Categories(t.Context())
	require.NoError(t, err)
	require.Len(t, tree, len(categories))
	want := products[0]
	got := stored(t, s, want.ID)
	require.Equal(t, want.Variants, got.Variants, "documents survive the journey")
	require.Equal(t, want.Attributes, got.Attributes)
	require.True(t, want.AddedAt.Equal(got.AddedAt))

	_, err = s.products.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: want.ID}})
	require.NoError(t, err)
	require.NoError(t, s.Seed(t.Context(), products, categories))
	require.Equal(t, len(products)-1, count(t, s.products), "what was deleted stays deleted")
}

func count(t *testing.T, c *mongo.Collection) int {
	n, err := c.CountDocuments(t.Context(), bson.D{})
	require.NoError(t, err)
	return int(n)
}

func stored(t *testing.T, s *store, id string) *Product {
	bodies, err := s.LoadProducts(t.Context(), []string{id})
	require.NoError(t, err)
	require.Len(t, bodies, 1)
	p, err := readProduct(bodies[0])
	require.NoError(t, err)
	return p
}

func TestAHalfDoneSeedIsFinished(t *testing.T) {
	s := newTestStore(t)
	products, categories, err := demoCatalog()
	require.NoError(t, err)
	kept := *products[0]
	kept.Name = "Changed by Hand"
	require.NoError(t, insertMissing(t.Context(), s.products, []*Product{&kept, products[1]}))
	require.NoError(t, s.Seed(t.Context(), products, categories))
	require.Equal(t, len(products), count(t, s.products))
	require.Equal(t, "Changed by Hand", stored(t, s, kept.ID).Name)
}

func TestTwoProductsCannotShareASlug(t *testing.T) {
	s := newTestStore(t)
	one, two := newTestProduct("same", "One", 1), newTestProduct("same", "Two", 2)
	two.ID = "another"
	_, err := s.products.InsertOne(t.Context(), one)
	require.NoError(t, err)
	_, err = s.products.InsertOne(t.Context(), two)
	require.ErrorContains(t, err, "11000")
}

func TestChangesAreToldInOrderAndForgottenInTheEnd(t *testing.T) {
	s := newTestStore(t)
	start := time.Now()
	require.NoError(t, s.RecordChange(t.Context(), productsChanged, "a", "b"))
	require.NoError(t, s.RecordChange(t.Context(), categoriesChanged, "toys"))
	first, err := s.Revision(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.RecordChange(t.Context(), productsChanged, "a"))
	second, err := s.Revision(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first, second)

	told, err := s.Changes(t.Context(), start)
	require.NoError(t, err)
	require.Len(t, told, 3)
	require.Equal(t, references{"a", "b"}, told[0].Refs)
	require.Equal(t, categoriesChanged, told[1].Kind)
	require.Equal(t, second, told[2].ID)
	recent, err := s.RecentChanges(t.Context(), start)
	require.NoError(t, err)
	require.Equal(t, told, recent)
	told, err = s.Changes(t.Context(), time.Now().Add(time.Minute))
	require.NoError(t, err)
	require.Empty(t, told)

	require.NoError(t, s.TrimChanges(t.Context(), time.Now()))
	told, err = s.Changes(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Len(t, told, 3)
	require.NoError(t, s.TrimChanges(t.Context(), time.Now().Add(changesKept+time.Minute)))
	told, err = s.Changes(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Empty(t, told)
}

func TestRecentChangesAreThoseOfTheirMinutes(t *testing.T) {
	s := newTestStore(t)
	now := time.Now()
	var want []string
	for _, ago := range []time.Duration{2 * recentSlots * slotLength, 3*slotLength + time.Second, 2 * slotLength, time.Second, -overlap + time.Second} {
		at := now.Add(-ago)
		c := change{ID: earliestID(at), Slot: slotOf(at), Kind: productsChanged, Refs: references{"a"}}
		_, err := s.changes.InsertOne(t.Context(), c)
		require.NoError(t, err)
		want = append(want, c.ID)
	}
	for since, first := range map[time.Duration]int{3 * slotLength: 2, 3*slotLength + 2*time.Second: 1, 3 * recentSlots * slotLength: 0} {
		found, err := s.RecentChanges(t.Context(), now.Add(-since))
		require.NoError(t, err)
		require.Equal(t, want[first:], idsOf(found, func(c change) string { return c.ID }))
	}
}

func TestProductsAreLoadedByTheirIDs(t *testing.T) {
	s := newTestStore(t)
	products, categories, err := demoCatalog()
	require.NoError(t, err)
	require.NoError(t, s.Seed(t.Context(), products, categories))
	for _, n := range []int{0, 3, loadedOneByOne + 10} {
		ids := append(idsOf(products[:n], func(p *Product) string { return p.ID }), "no-such-product")
		found, err := s.LoadProducts(t.Context(), ids)
		require.NoError(t, err)
		require.ElementsMatch(t, ids[:n], idsOf(found, func(body bson.Raw) string { return body.Lookup("_id").StringValue() }))
	}
}

func TestAddressesOfOtherThingsAreNoDatabase(t *testing.T) {
	for _, uri := range []string{"", "postgres://u:secret@h/db", "mongodb://u:secret@127.0.0.1:1", "mongodb://[::/db"} {
		_, err := openStore(t.Context(), uri)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "secret")
	}
}
