package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/services/catalog/search"
)

// replica is a shelf that follows the store as a process of the service does.
func replica(t *testing.T, s *store, dir string) (*Shelf, *follower) {
	shelf, f := waitingReplica(t, s, dir, time.Now)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = f.run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	return shelf, f
}

// waitingReplica is a replica that looks at the store when its test has it do so.
func waitingReplica(t *testing.T, s *store, dir string, now func() time.Time) (*Shelf, *follower) {
	shelf, err := openShelf(dir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = shelf.index.Close() })
	f, err := newFollower(t.Context(), s, shelf, now)
	require.NoError(t, err)
	return shelf, f
}

func save(t *testing.T, s *store, products ...*Product) {
	for _, p := range products {
		require.NoError(t, s.RecordChange(t.Context(), productsChanged, p.ID))
		_, err := s.products.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: p.ID}})
		require.NoError(t, err)
		_, err = s.products.InsertOne(t.Context(), p)
		require.NoError(t, err)
		require.NoError(t, s.RecordChange(t.Context(), productsChanged, p.ID))
	}
}

func sold(shelf *Shelf, slug string) bool {
	_, err := shelf.Product(slug)
	return err == nil
}

func toy(slug, name string) *Product {
	p := newTestProduct(slug, name, 100)
	p.Variants[0].SKU = strings.ToUpper(slug) + "-1"
	return p
}

func TestEveryReplicaFollows(t *testing.T) {
	s := newTestStore(t)
	require.NoError(t, s.Seed(t.Context(), []*Product{toy("a", "Spinning Top")}, testCategories))
	one, _ := replica(t, s, t.TempDir())
	two, _ := replica(t, s, t.TempDir())
	require.True(t, sold(one, "a"))

	began := time.Now()
	save(t, s, toy("b", "Wooden Train"))
	for _, shelf := range []*Shelf{one, two} {
		require.Eventually(t, func() bool {
			products, _ := look(t, shelf, search.Query{Words: "train"})
			return len(products) == 1 && sold(shelf, "b")
		}, 20*time.Second, 10*time.Millisecond)
	}
	t.Logf("both replicas show it after %s", time.Since(began))

	archived := toy("a", "Spinning Top")
	archived.Status = Archived
	save(t, s, archived)
	require.NoError(t, s.SaveStock(t.Context(), stockLevel{"B-1", true, 1}))
	require.NoError(t, s.RecordChange(t.Context(), stockChanged, "B-1"))
	for _, shelf := range []*Shelf{one, two} {
		require.Eventually(t, func() bool {
			_, found := look(t, shelf, search.Query{InStock: true})
			return !sold(shelf, "a") && found.Total == 1
		}, 20*time.Second, 10*time.Millisecond)
	}

	// The database goes away: what was read is still there to read.
	require.NoError(t, s.Close())
	products, _ := look(t, one, search.Query{Words: "train"})
	require.Equal(t, []string{"b"}, slugsOf(products))
}

func TestARestartReadsOnlyWhatChanged(t *testing.T) {
	s := newTestStore(t)
	require.NoError(t, s.Seed(t.Context(), []*Product{toy("a", "Spinning Top"), toy("b", "Wooden Train")}, testCategories))
	dir := t.TempDir()
	begin := func() *Shelf {
		shelf, err := openShelf(dir)
		require.NoError(t, err)
		_, err = newFollower(t.Context(), s, shelf, time.Now)
		require.NoError(t, err)
		return shelf
	}
	shelf := begin()
	require.NoError(t, shelf.index.Close())
	words, err := filepath.Glob(filepath.Join(dir, "words-*"))
	require.NoError(t, err)
	require.Len(t, words, 1)

	// A change that was not told of, and one that was.
	_, err = s.changes.DeleteMany(t.Context(), bson.D{})
	require.NoError(t, err)
	_, err = s.products.UpdateByID(t.Context(), "id-a", bson.D{{Key: "$set", Value: bson.D{{Key: "name", Value: "Humming Top"}}}})
	require.NoError(t, err)
	save(t, s, toy("c", "Kite"))
	shelf = begin()
	a, err := shelf.Product("a")
	require.NoError(t, err)
	require.Equal(t, "Spinning Top", a.Name, "what was not told to have changed is not read")
	require.True(t, sold(shelf, "c"))
	again, err := filepath.Glob(filepath.Join(dir, "words-*"))
	require.NoError(t, err)
	require.Equal(t, words, again, "the words are not indexed again")

	// After a long time away it reads everything, and takes away what is gone.
	require.NoError(t, shelf.index.Apply(search.Change{Cursor: time.Now().Add(-2 * changesKept).Format(time.RFC3339Nano)}))
	require.NoError(t, shelf.index.Close())
	_, err = s.products.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: "id-b"}})
	require.NoError(t, err)
	_, err = s.products.UpdateByID(t.Context(), "id-c", bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: Archived}}}})
	require.NoError(t, err)
	shelf = begin()
	a, err = shelf.Product("a")
	require.NoError(t, err)
	require.Equal(t, "Humming Top", a.Name)
	require.False(t, sold(shelf, "b"))
	require.False(t, sold(shelf, "c"))
	require.NoError(t, shelf.index.Close())
}

// A writer tells before and after. If it dies in between, its document is read again when the first word has settled.
func TestAWriterThatDiesIsReadInTheEnd(t *testing.T) {
	s := newTestStore(t)
	require.NoError(t, s.Seed(t.Context(), []*Product{toy("a", "Spinning Top")}, testCategories))
	now := time.Now()
	shelf, f := waitingReplica(t, s, t.TempDir(), func() time.Time { return now })
	require.NoError(t, s.RecordChange(t.Context(), productsChanged, "id-b"))
	require.NoError(t, f.refresh(t.Context()))
	_, err := s.products.InsertOne(t.Context(), toy("b", "Wooden Train"))
	require.NoError(t, err)
	require.NoError(t, f.refresh(t.Context()))
	require.False(t, sold(shelf, "b"))
	now = now.Add(settleFor)
	require.NoError(t, f.refresh(t.Context()))
	require.True(t, sold(shelf, "b"))

	// Of a writer who told twice nothing more is to come, so nothing is read again.
	save(t, s, toy("c", "Kite"))
	require.NoError(t, f.refresh(t.Context()))
	require.True(t, sold(shelf, "c"))
	_, err = s.products.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: "id-c"}})
	require.NoError(t, err)
	now = now.Add(2 * settleFor)
	require.NoError(t, f.refresh(t.Context()))
	require.True(t, sold(shelf, "c"))
	for range 2 {
		now = now.Add(10 * time.Minute)
		require.NoError(t, f.refresh(t.Context()))
	}
	require.Empty(t, f.heard, "what has settled is forgotten")
	require.Equal(t, now.Format(time.RFC3339Nano), shelf.index.Cursor())
}

// What is to settle is remembered, so that nothing is asked for again.
func TestWhatSettlesIsNotAskedForAgain(t *testing.T) {
	s := newTestStore(t)
	now := time.Now()
	shelf, f := waitingReplica(t, s, t.TempDir(), func() time.Time { return now })
	require.NoError(t, s.RecordChange(t.Context(), productsChanged, "id-a", "id-b"))
	require.NoError(t, f.refresh(t.Context()))
	first := now
	_, err := s.changes.DeleteMany(t.Context(), bson.D{})
	require.NoError(t, err)
	_, err = s.products.InsertMany(t.Context(), []*Product{toy("a", "Spinning Top"), toy("b", "Wooden Train")})
	require.NoError(t, err)

	// Another one begins and tells of the same product, before the first has settled.
	now = now.Add(settleFor - time.Second)
	for range 2 {
		require.NoError(t, s.RecordChange(t.Context(), productsChanged, "id-b"))
	}
	require.NoError(t, f.refresh(t.Context()))
	require.False(t, sold(shelf, "a"))
	require.True(t, sold(shelf, "b"))
	require.True(t, f.since.Before(first.Add(settleFor-time.Second)), "a restart begins before what has not settled")
	now = now.Add(time.Second)
	require.NoError(t, f.refresh(t.Context()))
	require.True(t, sold(shelf, "a"))
	now = now.Add(settleFor)
	require.NoError(t, f.refresh(t.Context()))
	require.Empty(t, f.waiting)
	require.Empty(t, f.open)
	require.Equal(t, now, f.since)
}

// What could not be read stays due.
func TestAReadThatFailsIsMadeUpFor(t *testing.T) {
	s := newTestStore(t)
	shelf, f := waitingReplica(t, s, t.TempDir(), time.Now)
	save(t, s, toy("a", "Spinning Top"))
	products := s.products
	s.products = products.Database().Client().Database("of nobody").Collection("products") // a name that no server takes
	since := f.since
	require.Error(t, f.refresh(t.Context()))
	require.Equal(t, since, f.since)
	s.products = products
	require.NoError(t, f.refresh(t.Context()))
	require.True(t, sold(shelf, "a"))
}

// Products that are added together are found by when they were.
func TestProductsThatAreAddedTogetherAreFollowed(t *testing.T) {
	s := newTestStore(t)
	now := time.Now()
	shelf, f := waitingReplica(t, s, t.TempDir(), func() time.Time { return now })
	batch := func(slugs ...string) (products []*Product) {
		for _, slug := range slugs {
			p := toy(slug, "Kite")
			p.begin(Actor{}, imported, now)
			products = append(products, p)
		}
		return products
	}
	draft := batch("a", "b", "c")
	draft[1].Status = Draft
	require.NoError(t, s.AddProducts(t.Context(), draft))
	require.NoError(t, f.refresh(t.Context()))
	require.True(t, sold(shelf, "a"))
	require.False(t, sold(shelf, "b"))
	require.True(t, sold(shelf, "c"))

	// Of one who dies after the first word, and of one who changes a product before that has settled.
	now = now.Add(time.Second)
	torn := batch("d", "e")
	require.NoError(t, s.recordChange(t.Context(), change{Kind: productsChanged, Refs: references{"id-d", "id-e"}, At: torn[0].UpdatedAt}))
	require.NoError(t, f.refresh(t.Context()))
	_, err := s.products.InsertMany(t.Context(), torn)
	require.NoError(t, err)
	_, err = s.UpdateProduct(t.Context(), "id-e", Actor{}, "", now.Add(time.Second), func(p *Product) error { p.Name = "Glider"; return nil })
	require.NoError(t, err)
	require.NoError(t, f.refresh(t.Context()))
	e, err := shelf.Product("e")
	require.NoError(t, err)
	require.Equal(t, "Glider", e.Name)
	require.False(t, sold(shelf, "d"))
	now = now.Add(settleFor)
	require.NoError(t, f.refresh(t.Context()))
	require.True(t, sold(shelf, "d"))
	require.True(t, sold(shelf, "e"))
}

// An older program records changes without a slot, and their references as a list.
func TestChangesOfOlderProgramsAreHeard(t *testing.T) {
	s := newTestStore(t)
	dir := t.TempDir()
	tell := func(id string) {
		revision := uuid.Must(uuid.NewV7()).String()
		_, err := s.changes.InsertOne(t.Context(), bson.D{{Key: "_id", Value: revision}, {Key: "kind", Value: "products"}, {Key: "refs", Value: bson.A{id}}})
		require.NoError(t, err)
		require.NoError(t, s.set(t.Context(), revisionKey, revision))
	}
	shelf, err := openShelf(dir)
	require.NoError(t, err)
	f, err := newFollower(t.Context(), s, shelf, time.Now)
	require.NoError(t, err)
	_, err = s.products.InsertMany(t.Context(), []*Product{toy("a", "Spinning Top"), toy("b", "Wooden Train")})
	require.NoError(t, err)
	save(t, s, toy("c", "Kite"))
	require.NoError(t, f.refresh(t.Context()))
	require.False(t, sold(shelf, "a"))
	tell("id-a")
	require.NoError(t, f.refresh(t.Context()))
	require.True(t, sold(shelf, "a"), "while it works beside this one")
	require.NoError(t, shelf.index.Close())

	tell("id-b")
	save(t, s, toy("c", "Glider"))
	shelf, err = openShelf(dir)
	require.NoError(t, err)
	defer shelf.index.Close()
	_, err = newFollower(t.Context(), s, shelf, time.Now)
	require.NoError(t, err)
	require.True(t, sold(shelf, "b"), "when this one begins")
}

func TestRenamedCategoriesAreFoundByTheirNewName(t *testing.T) {
	s := newTestStore(t)
	require.NoError(t, s.Seed(t.Context(), []*Product{toy("a", "Spinning Top")}, testCategories))
	shelf, f := replica(t, s, t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { _ = f.indexWords(ctx) }()
	renameCategory(t, s, "toys", "Playthings")
	require.NoError(t, s.RecordChange(t.Context(), categoriesChanged, "toys"))
	require.Eventually(t, func() bool {
		products, found := look(t, shelf, search.Query{Words: "playthings"})
		return len(products) == 1 && found.Facets.Categories[0].Name == "Playthings"
	}, 20*time.Second, 20*time.Millisecond)
}

func renameCategory(t *testing.T, s *store, slug, name string) {
	tree, err := s.tree(t.Context())
	require.NoError(t, err)
	tree.Categories[slices.IndexFunc(tree.Categories, func(c Category) bool { return c.Slug == slug })].Name = name
	_, err = s.trees.ReplaceOne(t.Context(), bson.D{{Key: "_id", Value: treeID}}, tree)
	require.NoError(t, err)
}

func TestAnIndexThatCannotBeReadIsMadeAnew(t *testing.T) {
	s := newTestStore(t)
	require.NoError(t, s.Seed(t.Context(), []*Product{toy("a", "Spinning Top")}, testCategories))
	for name, damage := range map[string]func(dir string) error{
		"no file of documents": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "documents.db"), []byte("this is no database"), 0o600)
		},
		"no index of words": func(dir string) error {
			folders, err := filepath.Glob(filepath.Join(dir, "words-*"))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(folders[0], "index_meta.json"), []byte("?"), 0o600)
		},
	} {
		dir := t.TempDir()
		shelf, err := openShelf(dir)
		require.NoError(t, err)
		_, err = newFollower(t.Context(), s, shelf, time.Now)
		require.NoError(t, err)
		require.NoError(t, shelf.index.Close())
		require.NoError(t, damage(dir), name)

		shelf, err = openShelf(dir)
		require.NoError(t, err, name)
		_, err = newFollower(t.Context(), s, shelf, time.Now)
		require.NoError(t, err, name)
		products, _ := look(t, shelf, search.Query{Words: "spinning"})
		require.Len(t, products, 1, name)
		require.NoError(t, shelf.index.Close())
	}
}

func TestOnlyTheNewestStockCounts(t *testing.T) {
	s := newTestStore(t)
	require.NoError(t, s.Seed(t.Context(), []*Product{toy("a", "Spinning Top")}, testCategories))
	shelf, _ := replica(t, s, t.TempDir())
	require.Nil(t, shelf.available("A-1"))
	room := &stockroom{store: s}
	hear := func(fact events.StockAvailabilityChanged) error {
		data, err := json.Marshal(fact)
		require.NoError(t, err)
		return room.availabilityChanged(t.Context(), events.Envelope{ID: "1", Type: fact.Topic(), Data: data})
	}
	for _, fact := range []events.StockAvailabilityChanged{
		{SKU: "A-1", InStock: true, Available: 5, Version: 2}, {SKU: "A-1", Version: 1}, {SKU: "A-1", InStock: true, Version: 2}, {SKU: "Z-9", Version: 1},
	} {
		require.NoError(t, hear(fact))
	}
	require.Eventually(t, func() bool { return shelf.available("A-1") != nil }, 20*time.Second, 10*time.Millisecond)
	require.True(t, *shelf.available("A-1"))
	require.NoError(t, hear(events.StockAvailabilityChanged{SKU: "A-1", Version: 3}))
	require.Eventually(t, func() bool { return !*shelf.available("A-1") }, 20*time.Second, 10*time.Millisecond)
	for _, sku := range []string{"", "a b", "'; drop"} {
		require.ErrorIs(t, hear(events.StockAvailabilityChanged{SKU: sku, Version: 1}), events.ErrMalformed)
	}
	require.ErrorIs(t, room.availabilityChanged(t.Context(), events.Envelope{Data: []byte("?")}), events.ErrMalformed)
}

// bus answers as inventory does.
type bus struct {
	outbox.Bus
	pages map[string]string
}

func (b *bus) Call(_ context.Context, app, _, path string, _, out any) error {
	page, ok := b.pages[path]
	if app != "inventory" || !ok {
		return problem.New(problem.Unavailable, "service-unavailable", "%s", path)
	}
	return json.Unmarshal([]byte(page), out)
}

func TestTheStockIsReadOnceFromInventory(t *testing.T) {
	s := newTestStore(t)
	require.NoError(t, s.SaveStock(t.Context(), stockLevel{"A-1", true, 7}))
	b := &bus{pages: map[string]string{}}
	room := &stockroom{store: s, bus: b}
	require.Error(t, room.readAll(t.Context()), "inventory is away")
	b.pages["/stock/availability?after=&limit=500"] = `{"items":[{"sku":"A-1","available":0,"inStock":false,"version":3},{"sku":"B-1","available":4,"inStock":true,"version":1}],"nextCursor":"B-1"}`
	require.Error(t, room.readAll(t.Context()), "inventory went away")
	b.pages["/stock/availability?after=B-1&limit=500"] = `{"items":[{"sku":"C-1","available":0,"inStock":false,"version":1}]}`
	require.NoError(t, room.readAll(t.Context()))
	stock, err := s.LoadStock(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, map[string]search.Stock{"A-1": search.InStock, "B-1": search.InStock, "C-1": search.OutOfStock}, stock)
	b.pages = nil
	require.NoError(t, room.readAll(t.Context()), "it is not asked again")
}
