package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sidecart/sidecart/internal/problem"
)

// errChanged means that somebody else changed the document between our reading and writing it.
var errChanged = errors.New("changed meanwhile")

const (
	writeWithin = 20 * time.Second // recording a change, writing it, recording it again; see auditAfter
	saveTries   = 5
)

func productNotFound() error {
	return problem.New(problem.NotFound, "product-not-found", "There is no such product.")
}

// taken says that another product has a key.
func taken(key string) error {
	if slug, ok := strings.CutPrefix(key, slugKey); ok {
		return problem.New(problem.Conflict, "slug-taken", "Another product has the address %q.", slug).
			WithFields(problem.FieldError{Field: "slug", Detail: "is another product's"})
	}
	sku := strings.TrimPrefix(key, skuKey)
	return problem.New(problem.Conflict, "sku-taken", "Another product has the SKU %s.", sku).
		WithFields(problem.FieldError{Field: "variants", Detail: sku + " is another product's"})
}

// Product is one by its id, whatever its status.
func (s *store) Product(ctx context.Context, id string) (*Product, error) {
	return s.oneProduct(ctx, bson.D{{Key: "_id", Value: id}})
}

// ProductBySlug is one by its address, whatever its status.
func (s *store) ProductBySlug(ctx context.Context, slug string) (*Product, error) {
	return s.oneProduct(ctx, bson.D{{Key: "slug", Value: slug}})
}

func (s *store) oneProduct(ctx context.Context, filter bson.D) (*Product, error) {
	var p Product
	err := s.products.FindOne(ctx, filter).Decode(&p)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, productNotFound()
	}
	if err != nil {
		return nil, fmt.Errorf("load a product: %w", err)
	}
	return &p, nil
}

// begin makes p's first version, by whoever adds it.
func (p *Product) begin(by Actor, what string, at time.Time) {
	p.AddedAt = at.UTC().Truncate(time.Millisecond)
	p.UpdatedAt, p.Version = p.AddedAt, 1
	e := newEntry(by, what, productKind, p.ID, p.Name, nil, nil, at)
	p.Last = &e
}

// entry is what p's last change is told by. The first one's fields are the product's own and not saved twice.
func (p *Product) entry() (Entry, bool) {
	if p.Last == nil {
		return Entry{}, false
	}
	e := *p.Last
	if p.Version == 1 {
		e.After = p.fields()
	}
	return e, true
}

// importedBy reports whether p's last change is an import's.
func (p *Product) importedBy(job *Import) bool { return p.Last != nil && p.Last.Import == job.ID }

// AddProduct saves a product that has begun. A repeat under the same id, with the same content, changes nothing.
func (s *store) AddProduct(ctx context.Context, p *Product) (*Product, error) {
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	if err := s.claim(ctx, p.ID, p.keys(), p.AddedAt); err != nil {
		return nil, err
	}
	if err := s.RecordChange(ctx, productsChanged, p.ID); err != nil {
		return nil, err
	}
	if _, err := s.products.InsertOne(ctx, p); err != nil {
		return s.notAdded(ctx, p, err)
	}
	s.written(ctx, p)
	return p, nil
}

// notAdded tells why p could not be inserted: it was before.
func (s *store) notAdded(ctx context.Context, p *Product, cause error) (*Product, error) {
	if !mongo.IsDuplicateKeyError(cause) {
		return nil, fmt.Errorf("add product %s: %w", p.ID, cause)
	}
	before, err := s.Product(ctx, p.ID)
	if err == nil {
		if e := newEntry(Actor{}, "", "", "", "", before.fields(), p.fields(), time.Now()); before.Version != 1 || !e.nothing() {
			return nil, keyReused()
		}
		return before, nil
	}
	return nil, fmt.Errorf("add product %s: %w", p.ID, cause)
}

// UpdateProduct loads a product, applies change, and saves it with the entry that tells of it; nothing is saved if change
// fails or changes nothing. change may run again when somebody else was faster.
func (s *store) UpdateProduct(ctx context.Context, id string, by Actor, what string, at time.Time, change func(*Product) error) (*Product, error) {
	return s.updateProduct(ctx, id, by, what, "", at, change)
}

// updateProduct is UpdateProduct, perhaps by an import.
func (s *store) updateProduct(ctx context.Context, id string, by Actor, what, job string, at time.Time, change func(*Product) error) (*Product, error) {
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	for range saveTries {
		before, err := s.Product(ctx, id)
		if err != nil {
			return nil, err
		}
		p := *before
		if err := change(&p); err != nil {
			return nil, err
		}
		saved, err := s.saveProduct(ctx, before, &p, by, what, job, at)
		if !errors.Is(err, errChanged) {
			return saved, err
		}
	}
	slog.WarnContext(ctx, "gave up saving against other writers", "product", id)
	return nil, problem.New(problem.Conflict, "too-many-changes", "This is being changed elsewhere. Please try again.").WithRetryAfter(time.Second)
}

// saveProduct writes p over before, if that is still what is there.
func (s *store) saveProduct(ctx context.Context, before, p *Product, by Actor, what, job string, at time.Time) (*Product, error) {
	e := newEntry(by, what, productKind, p.ID, p.Name, before.fields(), p.fields(), at)
	e.Import = job
	if e.nothing() {
		return before, nil
	}
	if last, ok := before.entry(); ok { // which the write below takes the place of
		if err := s.keep(ctx, last); err != nil {
			return nil, err
		}
	}
	if err := s.claim(ctx, p.ID, without(p.keys(), before.keys()), at); err != nil {
		return nil, err
	}
	if err := s.RecordChange(ctx, productsChanged, p.ID); err != nil {
		return nil, err
	}
	p.Version, p.UpdatedAt, p.Last = before.Version+1, e.At, &e
	result, err := s.products.UpdateOne(ctx, versioned(p.ID, before.Version), p.update())
	if err != nil {
		return nil, fmt.Errorf("save product %s: %w", p.ID, err)
	}
	if result.MatchedCount == 0 {
		return nil, errChanged
	}
	s.release(ctx, p.ID, without(before.keys(), p.keys()))
	s.written(ctx, p)
	return p, nil
}

// versioned finds a document in the version that was seen; documents that are older than versions have none.
func versioned(id string, version int64) bson.D {
	if version == 0 {
		return bson.D{{Key: "_id", Value: id}, {Key: "version", Value: bson.D{{Key: "$not", Value: bson.D{{Key: "$gt", Value: 0}}}}}}
	}
	return bson.D{{Key: "_id", Value: id}, {Key: "version", Value: version}}
}

// update writes what staff decide. What the reviews decide is written by those who count them.
func (p *Product) update() bson.D {
	return bson.D{{Key: "$set", Value: bson.D{
		{Key: "slug", Value: p.Slug}, {Key: "name", Value: p.Name}, {Key: "brand", Value: p.Brand}, {Key: "category", Value: p.Category},
		{Key: "description", Value: p.Description}, {Key: "attributes", Value: p.Attributes}, {Key: "images", Value: p.Images},
		{Key: "status", Value: p.Status}, {Key: "variants", Value: p.Variants},
		{Key: "version", Value: p.Version}, {Key: "updatedAt", Value: p.UpdatedAt}, {Key: "last", Value: p.Last},
	}}}
}

// written tells everybody of a product that has been saved. What fails here is made up for: by the change that was
// recorded before, and by keepEntries.
func (s *store) written(ctx context.Context, p *Product) {
	if err := s.RecordChange(ctx, productsChanged, p.ID); err != nil {
		slog.WarnContext(ctx, "a change is seen later than others", "product", p.ID, "error", err.Error())
	}
	if err := s.keepOf(ctx, p); err != nil {
		slog.WarnContext(ctx, "an audit entry is kept later than others", "product", p.ID, "error", err.Error())
	}
}

func (s *store) keepOf(ctx context.Context, p *Product) error {
	if e, ok := p.entry(); ok {
		return s.keep(ctx, e)
	}
	return nil
}

// keys are what only one product can have: its slug and its SKUs.
func (p *Product) keys() []string {
	keys := make([]string, 0, len(p.Variants)+1)
	keys = append(keys, slugKey+p.Slug)
	for _, v := range p.Variants {
		keys = append(keys, skuKey+v.SKU)
	}
	return keys
}

func (p *Product) skus() []string {
	skus := make([]string, len(p.Variants))
	for i, v := range p.Variants {
		skus[i] = v.SKU
	}
	return skus
}

const slugKey, skuKey = "slug ", "sku "

// without are those of a that are not in b.
func without(a, b []string) []string {
	in := make(map[string]bool, len(b))
	for _, s := range b {
		in[s] = true
	}
	var rest []string
	for _, s := range a {
		if !in[s] {
			rest = append(rest, s)
		}
	}
	return rest
}

// claimed says which product a key belongs to. Unique indexes do not do: one over the variants of all products does not
// hold on every server that speaks MongoDB's protocol, and one over slugs not always in updates. That of the ids does.
type claimed struct {
	Key     string    `bson:"_id"`
	Product string    `bson:"product"`
	At      time.Time `bson:"at"`
}

// claim makes keys a product's own before they are written into it. A claim of one that died before it wrote, or that has
// given the key up since, is taken over.
func (s *store) claim(ctx context.Context, product string, keys []string, at time.Time) error {
	claims := make([]claimed, len(keys))
	for i, key := range keys {
		claims[i] = claimed{key, product, at.UTC()}
	}
	lost, err := s.claimAll(ctx, claims)
	if err != nil {
		return err
	}
	for _, key := range lost {
		if err := s.takeOver(ctx, product, key, at); err != nil {
			s.release(ctx, product, without(keys, lost))
			return err
		}
	}
	return nil
}

// claimAll makes many claims, and tells which of the keys were claimed before, by the same product or another.
func (s *store) claimAll(ctx context.Context, claims []claimed) (lost []string, err error) {
	if len(claims) == 0 {
		return nil, nil
	}
	_, err = s.claims.InsertMany(ctx, claims, options.InsertMany().SetOrdered(false))
	if bulk, ok := errors.AsType[mongo.BulkWriteException](err); ok && bulk.WriteConcernError == nil {
		for _, failed := range bulk.WriteErrors {
			if !failed.HasErrorCode(11000) {
				return nil, fmt.Errorf("claim keys: %w", err)
			}
			lost = append(lost, claims[failed.Index].Key)
		}
		return lost, nil
	}
	if err != nil {
		return nil, fmt.Errorf("claim keys: %w", err)
	}
	return nil, nil
}

// takeOver makes a key that was claimed before the product's own, unless another one has it.
func (s *store) takeOver(ctx context.Context, product, key string, at time.Time) error {
	var c claimed
	err := s.claims.FindOne(ctx, bson.D{{Key: "_id", Value: key}}).Decode(&c)
	if errors.Is(err, mongo.ErrNoDocuments) { // given up just now
		lost, err := s.claimAll(ctx, []claimed{{key, product, at.UTC()}})
		if err == nil && len(lost) > 0 {
			err = taken(key)
		}
		return err
	}
	if err != nil {
		return fmt.Errorf("look for %s: %w", key, err)
	}
	if c.Product == product {
		return nil
	}
	if at.Sub(c.At) < auditAfter { // perhaps the other is about to write it
		return taken(key)
	}
	other, err := s.Product(ctx, c.Product)
	if err != nil && !problem.Is(err, "product-not-found") {
		return err
	}
	if err == nil && slices.Contains(other.keys(), key) {
		return taken(key)
	}
	result, err := s.claims.UpdateOne(ctx, bson.D{{Key: "_id", Value: key}, {Key: "product", Value: c.Product}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "product", Value: product}, {Key: "at", Value: at.UTC()}}}})
	if err != nil {
		return fmt.Errorf("take over %s: %w", key, err)
	}
	if result.MatchedCount == 0 {
		return taken(key)
	}
	return nil
}

// release gives keys up that a product does not have any more. Where that fails the next who wants one takes it over.
func (s *store) release(ctx context.Context, product string, keys []string) {
	for _, key := range keys {
		if _, err := s.claims.DeleteOne(ctx, bson.D{{Key: "_id", Value: key}, {Key: "product", Value: product}}); err != nil {
			slog.WarnContext(ctx, "a key is given up later", "key", key, "error", err.Error())
		}
	}
}

const claimedKey = "claimed"

// ClaimThose claims the keys of products that were saved before keys were claimed, once.
func (s *store) ClaimThose(ctx context.Context) error {
	done, err := s.value(ctx, claimedKey)
	if err != nil || done != "" {
		return err
	}
	var claims []claimed
	claim := func() error {
		_, err := s.claimAll(ctx, claims)
		claims = nil
		return err
	}
	if err := s.eachProduct(ctx, func(p *Product) error {
		for _, key := range p.keys() {
			claims = append(claims, claimed{key, p.ID, time.Now().UTC()})
		}
		if len(claims) < scannedAtOnce {
			return nil
		}
		return claim()
	}); err != nil {
		return err
	}
	if err := claim(); err != nil {
		return err
	}
	return s.set(ctx, claimedKey, time.Now().UTC().Format(time.RFC3339))
}

// FindProducts is a page of all products, with one more if there is one, and how many there are in all.
func (s *store) FindProducts(ctx context.Context, q StaffQuery) (found []*Product, total int64, err error) {
	filter := bson.D{}
	if q.Words != "" {
		part := bson.D{{Key: "$regex", Value: bson.Regex{Pattern: regexp.QuoteMeta(q.Words), Options: "i"}}}
		any := bson.A{}
		for _, field := range []string{"name", "brand", "slug", "variants.sku"} {
			any = append(any, bson.D{{Key: field, Value: part}})
		}
		filter = append(filter, bson.E{Key: "$or", Value: any})
	}
	if len(q.Categories) > 0 {
		filter = append(filter, bson.E{Key: "category", Value: bson.D{{Key: "$in", Value: q.Categories}}})
	}
	switch q.Status {
	case "":
	case Active: // documents that say nothing are older than statuses
		filter = append(filter, bson.E{Key: "status", Value: bson.D{{Key: "$nin", Value: bson.A{Draft, Archived}}}})
	default:
		filter = append(filter, bson.E{Key: "status", Value: q.Status})
	}
	if total, err = s.products.CountDocuments(ctx, filter); err != nil {
		return nil, 0, fmt.Errorf("count products: %w", err)
	}
	order, direction, past := staffSorts[q.Sort], 1, "$gt"
	if order.descending {
		direction, past = -1, "$lt"
	}
	if q.After != nil {
		var at any = q.After.Name
		if order.field != "name" {
			at = q.After.At
		}
		filter = append(filter, bson.E{Key: "$and", Value: bson.A{bson.D{{Key: "$or", Value: bson.A{
			bson.D{{Key: order.field, Value: bson.D{{Key: past, Value: at}}}},
			bson.D{{Key: order.field, Value: at}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: q.After.ID}}}},
		}}}}})
	}
	cursor, err := s.products.Find(ctx, filter, options.Find().
		SetSort(bson.D{{Key: order.field, Value: direction}, {Key: "_id", Value: 1}}).SetLimit(int64(q.Limit+1)))
	if err != nil {
		return nil, 0, fmt.Errorf("find products: %w", err)
	}
	if err := cursor.All(ctx, &found); err != nil {
		return nil, 0, fmt.Errorf("find products: %w", err)
	}
	return found, total, nil
}
