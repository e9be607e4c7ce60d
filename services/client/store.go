package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
)

// store keeps customers in MongoDB, one document each, and how far we have heard each producer. It uses only what the
// smaller servers that speak MongoDB's protocol do too: no transactions, atomic changes of single documents.
type store struct {
	client    *mongo.Client
	customers *mongo.Collection
	cursors   *mongo.Collection
	requests  *mongo.Collection // for one's data, or its erasure
}

// openStore connects to the database that the URI names and waits for its server at most 30 seconds.
func openStore(ctx context.Context, uri string) (*store, error) {
	cs, err := connstring.Parse(uri)
	if err != nil || cs.Database == "" {
		return nil, errors.New("CLIENT_DATABASE_URL must be mongodb://HOST/DATABASE") // the parser's error may quote the password
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetAppName(app).
		SetTimeout(5 * time.Second).SetServerSelectionTimeout(2 * time.Second).SetMaxPoolSize(20))
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db := client.Database(cs.Database)
	s := &store{client, db.Collection("customers"), db.Collection("cursors"), db.Collection("requests")}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if err = s.Ready(ctx); err == nil {
			err = s.indexWishlists(ctx)
		}
		if err == nil {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("the database does not answer: %w", err), s.Close())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Ready reports whether the server answers.
func (s *store) Ready(ctx context.Context) error { return s.client.Ping(ctx, nil) }

// Close ends the connections.
func (s *store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return s.client.Disconnect(ctx)
}

// Customer loads one by id.
func (s *store) Customer(ctx context.Context, id identity.CustomerID) (Customer, error) {
	var c Customer
	err := s.customers.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&c)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return Customer{}, problem.New(problem.NotFound, "customer-not-found", "There is no such customer.")
	}
	if err != nil {
		return Customer{}, fmt.Errorf("load customer %s: %w", id, err)
	}
	return c, nil
}

// Create saves a customer of whom nothing was known; one that exists already stays as it is, so a repeat changes nothing.
func (s *store) Create(ctx context.Context, c Customer) error {
	if _, err := s.customers.InsertOne(ctx, c); err != nil && !mongo.IsDuplicateKeyError(err) {
		return fmt.Errorf("create customer %s: %w", c.ID, err)
	}
	return nil
}

// errChanged means that somebody else changed the document between our reading and writing it.
var errChanged = errors.New("changed meanwhile")

// saveProfile writes c's profile if it still has the version that c was loaded with, and counts c's version up.
func (s *store) saveProfile(ctx context.Context, c *Customer) error {
	err := s.replacePart(ctx, c.ID, "version", c.Version, "profile", c.Profile)
	if err == nil {
		c.Version++
	}
	return err
}

func (s *store) saveAddresses(ctx context.Context, c *Customer) error {
	err := s.replacePart(ctx, c.ID, "addressesVersion", c.AddressesVersion, "addresses", c.Addresses)
	if err == nil {
		c.AddressesVersion++
	}
	return err
}

func (s *store) saveWishlist(ctx context.Context, c *Customer) error {
	err := s.replacePart(ctx, c.ID, "wishlistVersion", c.WishlistVersion, "wishlist", c.Wishlist)
	if err == nil {
		c.WishlistVersion++
	}
	return err
}

func (s *store) replacePart(ctx context.Context, id identity.CustomerID, versionField string, version int64, field string, value any) error {
	var seen any = version
	if version == 0 { // a document that is older than this part of it
		seen = bson.D{{Key: "$exists", Value: false}}
	}
	result, err := s.customers.UpdateOne(ctx,
		bson.D{{Key: "_id", Value: id}, {Key: versionField, Value: seen}},
		bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: value}, {Key: versionField, Value: version + 1}}}})
	if err != nil {
		return fmt.Errorf("save %s of customer %s: %w", field, id, err)
	}
	if result.MatchedCount == 0 {
		return errChanged
	}
	return nil
}

// UpdateProfile loads the customer, applies change, and saves the profile unless change fails. change may run again when
// somebody else was faster.
func (s *store) UpdateProfile(ctx context.Context, id identity.CustomerID, change func(*Customer) error) (Customer, error) {
	return s.update(ctx, id, change, s.saveProfile)
}

// UpdateAddresses is UpdateProfile for the address book.
func (s *store) UpdateAddresses(ctx context.Context, id identity.CustomerID, change func(*Customer) error) (Customer, error) {
	return s.update(ctx, id, change, s.saveAddresses)
}

// UpdateWishlist is UpdateProfile for the wishlist.
func (s *store) UpdateWishlist(ctx context.Context, id identity.CustomerID, change func(*Customer) error) (Customer, error) {
	return s.update(ctx, id, change, s.saveWishlist)
}

func (s *store) update(ctx context.Context, id identity.CustomerID, change func(*Customer) error, save func(context.Context, *Customer) error) (Customer, error) {
	for range 20 {
		c, err := s.Customer(ctx, id)
		if err != nil {
			return Customer{}, err
		}
		if err := change(&c); err != nil {
			return Customer{}, err
		}
		if err := save(ctx, &c); !errors.Is(err, errChanged) {
			return c, err
		}
	}
	slog.WarnContext(ctx, "gave up saving against other writers", "customer", string(id))
	return Customer{}, problem.New(problem.Conflict, "too-many-changes", "This is being changed elsewhere. Please try again.").
		WithRetryAfter(time.Second)
}

// Load is how far we have heard a producer, "" if not at all.
func (s *store) Load(ctx context.Context, producer string) (string, error) {
	var c struct {
		Cursor string `bson:"cursor"`
	}
	err := s.cursors.FindOne(ctx, bson.D{{Key: "_id", Value: producer}}).Decode(&c)
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return "", fmt.Errorf("load cursor of %s: %w", producer, err)
	}
	return c.Cursor, nil
}

// Save remembers how far we have heard a producer.
func (s *store) Save(ctx context.Context, producer, cursor string) error {
	_, err := s.cursors.UpdateOne(ctx, bson.D{{Key: "_id", Value: producer}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "cursor", Value: cursor}}}}, options.UpdateOne().SetUpsert(true))
	if err != nil {
		return fmt.Errorf("save cursor of %s: %w", producer, err)
	}
	return nil
}
