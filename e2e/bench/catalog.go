package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"github.com/sidecart/sidecart/e2e/goods"
	"github.com/sidecart/sidecart/e2e/shop"
)

// stock puts made-up products into catalog's database until it has n of them, tells catalog, and waits until shoppers see
// them.
func stock(ctx context.Context, n int) error {
	start := time.Now()
	uri := os.Getenv("CATALOG_DATABASE_URL")
	cs, err := connstring.Parse(uri)
	if err != nil {
		return errors.New("-goods needs CATALOG_DATABASE_URL")
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	db := client.Database(cs.Database)
	var categories bson.A
	for i, c := range goods.Categories() {
		categories = append(categories, bson.D{
			{Key: "_id", Value: "g-" + c.Slug}, {Key: "name", Value: c.Name}, {Key: "description", Value: ""}, {Key: "image", Value: "teapot.webp"},
			{Key: "parent", Value: parent(c)}, {Key: "position", Value: 100 + i},
		})
	}
	if _, err := db.Collection("trees").UpdateOne(ctx, bson.D{{Key: "categories._id", Value: bson.D{{Key: "$ne", Value: "g-home"}}}},
		bson.D{{Key: "$push", Value: bson.D{{Key: "categories", Value: bson.D{{Key: "$each", Value: categories}}}}}}); err != nil {
		return fmt.Errorf("add categories: %w", err)
	}
	if err := tell(ctx, db, bson.D{{Key: "kind", Value: "categories"}, {Key: "refs", Value: "g-home"}}); err != nil {
		return err
	}
	for from := 0; from < n; from += 1000 {
		at := time.Now().UTC().Truncate(time.Millisecond)
		var ids []string
		var documents []any
		for i := from; i < min(from+1000, n); i++ {
			p := goods.At(i)
			ids, documents = append(ids, p.ID), append(documents, productDocument(p, at))
		}
		change := bson.D{{Key: "kind", Value: "products"}, {Key: "refs", Value: strings.Join(ids, "\n")}, {Key: "at", Value: at}}
		if err := tell(ctx, db, change); err != nil {
			return err
		}
		_, err := db.Collection("products").InsertMany(ctx, documents, options.InsertMany().SetOrdered(false))
		if err != nil && !mongo.IsDuplicateKeyError(err) { // those that are there already
			return fmt.Errorf("add products: %w", err)
		}
		if err := tell(ctx, db, change); err != nil {
			return err
		}
	}
	inserted := time.Since(start)
	for {
		var list shop.Products
		if err := shop.New().Do(ctx, http.MethodGet, "products?limit=1", nil, &list); err != nil {
			return err
		}
		if list.Total >= n {
			fmt.Printf("%d products: in the database after %.0fs, in the shop after %.0fs\n", n, inserted.Seconds(), time.Since(start).Seconds())
			return nil
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// tell records a change as catalog's own writers do.
func tell(ctx context.Context, db *mongo.Database, change bson.D) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	seconds, nanoseconds := id.Time().UnixTime()
	slot := time.Unix(seconds, nanoseconds).UTC().Format("2006-01-02T15:04")
	change = append(bson.D{{Key: "_id", Value: id.String()}, {Key: "slot", Value: slot}}, change...)
	if _, err := db.Collection("changes").InsertOne(ctx, change); err != nil {
		return fmt.Errorf("tell of a change: %w", err)
	}
	_, err = db.Collection("meta").UpdateOne(ctx, bson.D{{Key: "_id", Value: "revision"}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "value", Value: id.String()}}}}, options.UpdateOne().SetUpsert(true))
	return err
}

func parent(c goods.Category) string {
	if c.Parent == "" {
		return ""
	}
	return "g-" + c.Parent
}

func productDocument(p goods.Product, at time.Time) bson.D {
	var variants bson.A
	for _, v := range p.Variants {
		variants = append(variants, bson.D{
			{Key: "sku", Value: v.SKU}, {Key: "options", Value: v.Options},
			{Key: "prices", Value: bson.D{{Key: "EUR", Value: v.Price}, {Key: "USD", Value: v.Price + 100}, {Key: "GBP", Value: v.Price - 50}, {Key: "JPY", Value: v.Price * 3 / 2}}},
		})
	}
	return bson.D{
		{Key: "_id", Value: p.ID}, {Key: "slug", Value: p.Slug}, {Key: "name", Value: p.Name}, {Key: "brand", Value: p.Brand},
		{Key: "category", Value: "g-" + p.Category}, {Key: "description", Value: p.Description}, {Key: "attributes", Value: p.Attributes},
		{Key: "images", Value: bson.A{p.Image}}, {Key: "rating", Value: p.Rating}, {Key: "reviews", Value: p.Reviews}, {Key: "status", Value: "active"},
		{Key: "version", Value: int64(1)}, {Key: "addedAt", Value: p.AddedAt}, {Key: "updatedAt", Value: at}, {Key: "variants", Value: variants},
	}
}

// searchFor is the query of a list as a shopper asks for it, with words mostly, and now and then with a filter.
func searchFor(n int) string {
	q := listOf(n)
	values := url.Values{"limit": {"24"}, "sort": {q.Sort}}
	if q.Words != "" {
		values.Set("query", q.Words)
	} else {
		values.Set("category", "g-"+q.Category)
	}
	if q.Max != nil {
		values.Set("maxPrice", strconv.FormatInt(*q.Max, 10))
	}
	for _, brand := range q.Brands {
		values.Add("brand", brand)
	}
	for _, a := range q.Attributes {
		values.Add("attribute", a.Name+":"+a.Value)
	}
	return values.Encode()
}
