package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
)

// store keeps products and categories in MongoDB, one document each, and tells of the changes to them, see changes.go. It
// uses only what the smaller servers that speak MongoDB's protocol do too: no transactions, no change streams.
type store struct {
	client     *mongo.Client
	products   *mongo.Collection
	claims     *mongo.Collection // which product a slug or SKU belongs to, see claim
	trees      *mongo.Collection // one document, the Tree
	categories *mongo.Collection // as they were kept before there was a tree
	changes    *mongo.Collection
	audit      *mongo.Collection
	parts      *mongo.Collection // of files on their way in
	images     *mongo.Collection // pictures, and each of their sizes
	imports    *mongo.Collection
	errors     *mongo.Collection // what was wrong with lines of imports
	reviews    *mongo.Collection
	stock      *mongo.Collection // which SKUs can be bought, as inventory tells
	cursors    *mongo.Collection // how far we have heard others
	meta       *mongo.Collection
}

const (
	revisionKey = "revision"
	seedKey     = "seeded"
	stockKey    = "stock-read" // of inventory
)

type mark struct {
	Key   string `bson:"_id"`
	Value string `bson:"value"`
}

// openStore connects to the database that the URI names and waits for its server at most 30 seconds.
func openStore(ctx context.Context, uri string) (*store, error) {
	cs, err := connstring.Parse(uri)
	if err != nil || cs.Database == "" {
		return nil, errors.New("CATALOG_DATABASE_URL must be mongodb://HOST/DATABASE") // the parser's error may quote the password
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetAppName(app).
		SetTimeout(5 * time.Second).SetServerSelectionTimeout(2 * time.Second).SetMaxPoolSize(20).
		SetBSONOptions(&options.BSONOptions{DefaultDocumentM: true})) // what an audit entry has of a document is answered as JSON
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db := client.Database(cs.Database)
	s := &store{
		client, db.Collection("products"), db.Collection("claims"), db.Collection("trees"), db.Collection("categories"),
		db.Collection("changes"), db.Collection("audit"), db.Collection("parts"), db.Collection("images"), db.Collection("imports"),
		db.Collection("importErrors"), db.Collection("reviews"), db.Collection("stock"), db.Collection("cursors"), db.Collection("meta"),
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare waits for the server and makes the indexes, which is a no-op for all but the first.
func (s *store) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := s.client.Ping(ctx, nil)
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the database does not answer: %w", err)
		case <-time.After(200 * time.Millisecond):
		}
	}
	// One at a time: FerretDB panics on a list of which two are there already.
	for _, of := range []struct {
		in     *mongo.Collection
		field  string
		unique bool
	}{
		{s.products, "slug", true}, {s.products, "variants.sku", true}, {s.products, "updatedAt", false}, {s.changes, "slot", false},
		{s.audit, "ref", false},
		{s.reviews, "product", false}, {s.reviews, "customer", false}, {s.errors, "import", false},
	} {
		index := mongo.IndexModel{Keys: bson.D{{Key: of.field, Value: 1}}, Options: options.Index().SetUnique(of.unique)}
		if _, err := of.in.Indexes().CreateOne(ctx, index); err != nil {
			return fmt.Errorf("index %s: %w", of.in.Name(), err)
		}
	}
	return nil
}

// Close ends the connections.
func (s *store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return s.client.Disconnect(ctx)
}

// Seed puts the first contents into the catalog, once: never again after it has succeeded, so that what was deleted
// stays deleted. Replicas may seed at once, and one that is killed half-way is made up for by the next start; documents
// that are there already are left as they are.
func (s *store) Seed(ctx context.Context, products []*Product, categories []Category) error {
	seeded, err := s.value(ctx, seedKey)
	if err != nil || seeded != "" {
		return err
	}
	if _, err := s.trees.InsertOne(ctx, Tree{ID: treeID, Version: 1, Categories: categories}); err != nil && !mongo.IsDuplicateKeyError(err) {
		return fmt.Errorf("seed categories: %w", err)
	}
	if err := insertMissing(ctx, s.products, products); err != nil {
		return fmt.Errorf("seed products: %w", err)
	}
	if err := s.RecordChange(ctx, categoriesChanged, idsOf(categories, func(c Category) string { return c.Slug })...); err != nil {
		return err
	}
	if err := s.RecordChange(ctx, productsChanged, idsOf(products, func(p *Product) string { return p.ID })...); err != nil {
		return err
	}
	return s.set(ctx, seedKey, time.Now().UTC().Format(time.RFC3339))
}

func (s *store) value(ctx context.Context, key string) (string, error) {
	var m mark
	err := s.meta.FindOne(ctx, bson.D{{Key: "_id", Value: key}}).Decode(&m)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return "", nil
	}
	return m.Value, err
}

func (s *store) set(ctx context.Context, key, value string) error {
	write := func() error {
		_, err := s.meta.UpdateOne(ctx, bson.D{{Key: "_id", Value: key}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "value", Value: value}}}}, options.UpdateOne().SetUpsert(true))
		return err
	}
	err := write()
	if mongo.IsDuplicateKeyError(err) {
		err = write() // another replica made the document in between
	}
	if err != nil {
		return fmt.Errorf("set %s: %w", key, err)
	}
	return nil
}

func idsOf[T any](documents []T, id func(T) string) []string {
	ids := make([]string, len(documents))
	for i, d := range documents {
		ids[i] = id(d)
	}
	return ids
}

func all[T any](ctx context.Context, c *mongo.Collection) ([]T, error) {
	cursor, err := c.Find(ctx, bson.D{})
	if err != nil {
		return nil, err
	}
	var found []T
	return found, cursor.All(ctx, &found)
}

// insertMissing inserts the documents whose ids are not there yet.
func insertMissing[T any](ctx context.Context, c *mongo.Collection, documents []T) error {
	if len(documents) == 0 {
		return nil
	}
	_, err := c.InsertMany(ctx, documents, options.InsertMany().SetOrdered(false))
	if bulk, ok := errors.AsType[mongo.BulkWriteException](err); ok && bulk.WriteConcernError == nil {
		for _, failed := range bulk.WriteErrors {
			if !failed.HasErrorCode(11000) {
				return err
			}
		}
		return nil
	}
	return err
}
