package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/catalog/search"
)

// stockLevel is what inventory last told of a SKU.
type stockLevel struct {
	SKU     string `bson:"_id"`
	InStock bool   `bson:"inStock"`
	Version int64  `bson:"version"`
}

func (l stockLevel) stock() search.Stock {
	if l.InStock {
		return search.InStock
	}
	return search.OutOfStock
}

// stockroom is what catalog knows of inventory's stock: whether a SKU can be bought, not how many there are.
type stockroom struct {
	store *store
	bus   outbox.Bus
}

// subscribe is what we hear.
func (s *stockroom) subscribe() []boot.Task {
	return append(outbox.RunPlain(s.store, s.bus, app, outbox.PlainSubscription{
		Producer: "inventory", Topic: events.TopicStockAvailabilityChanged, Apply: s.availabilityChanged,
	}), s.begin)
}

// availabilityChanged keeps what is newest, whatever the order in which facts arrive. Every replica is told, by a repeat
// too: the one before may have ended in between.
func (s *stockroom) availabilityChanged(ctx context.Context, e events.Envelope) error {
	fact, err := outbox.Decode[events.StockAvailabilityChanged](e)
	if err != nil {
		return err
	}
	if !skuShape.MatchString(fact.SKU) {
		return fmt.Errorf("%w: SKU %q", events.ErrMalformed, fact.SKU)
	}
	if err := s.store.SaveStock(ctx, stockLevel{fact.SKU, fact.InStock, fact.Version}); err != nil {
		return err
	}
	return s.store.RecordChange(ctx, stockChanged, fact.SKU)
}

// begin reads from inventory, once, what it told before we listened. It waits for inventory as long as it takes.
func (s *stockroom) begin(ctx context.Context) error {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := s.readAll(ctx)
		if err == nil {
			<-ctx.Done()
			return nil
		}
		if ctx.Err() == nil {
			slog.Warn("what is in stock is not known yet", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

func (s *stockroom) readAll(ctx context.Context) error {
	done, err := s.store.value(ctx, stockKey)
	if err != nil || done != "" {
		return err
	}
	for after := ""; ; {
		var page web.Page[events.StockAvailabilityChanged]
		query := url.Values{"after": {after}, "limit": {"500"}}
		if err := s.bus.Call(ctx, "inventory", http.MethodGet, "/stock/availability?"+query.Encode(), nil, &page); err != nil {
			return err
		}
		levels, skus := make([]stockLevel, len(page.Items)), make([]string, len(page.Items))
		for i, item := range page.Items {
			levels[i], skus[i] = stockLevel{item.SKU, item.InStock, item.Version}, item.SKU
		}
		if len(levels) > 0 {
			// What is there already came as a fact, which was not older.
			if err := insertMissing(ctx, s.store.stock, levels); err != nil {
				return fmt.Errorf("save the stock: %w", err)
			}
			if err := s.store.RecordChange(ctx, stockChanged, skus...); err != nil {
				return err
			}
		}
		if after = page.NextCursor; after == "" {
			return s.store.set(ctx, stockKey, time.Now().UTC().Format(time.RFC3339))
		}
	}
}

// SaveStock keeps a level unless a newer one is known.
func (s *store) SaveStock(ctx context.Context, l stockLevel) error {
	_, err := s.stock.UpdateOne(ctx, bson.D{{Key: "_id", Value: l.SKU}, {Key: "version", Value: bson.D{{Key: "$lt", Value: l.Version}}}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "inStock", Value: l.InStock}, {Key: "version", Value: l.Version}}}}, options.UpdateOne().SetUpsert(true))
	if mongo.IsDuplicateKeyError(err) {
		return nil // there is one that is not older
	}
	if err != nil {
		return fmt.Errorf("save the stock of %s: %w", l.SKU, err)
	}
	return nil
}

// LoadStock reads what is known of the given SKUs, or of all if there are none.
func (s *store) LoadStock(ctx context.Context, skus []string) (map[string]search.Stock, error) {
	filter := bson.D{}
	if len(skus) > 0 {
		filter = bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: skus}}}}
	}
	if len(skus) == 1 {
		filter = bson.D{{Key: "_id", Value: skus[0]}} // which FerretDB looks for where the documents are
	}
	cursor, err := s.stock.Find(ctx, filter)
	if err != nil {
		return nil, fmt.Errorf("load the stock: %w", err)
	}
	var levels []stockLevel
	if err := cursor.All(ctx, &levels); err != nil {
		return nil, fmt.Errorf("load the stock: %w", err)
	}
	stock := make(map[string]search.Stock, len(levels))
	for _, l := range levels {
		stock[l.SKU] = l.stock()
	}
	return stock, nil
}

// Load is how far we have heard a producer.
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
