package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/services/catalog/sheet"
)

// known is what an import has to know of a product that there is, to see that a line says nothing new.
type known struct {
	id       string
	product  uint64
	variants []uint64
	mine     bool // its last change is this import's
}

// batch is some lines of an import.
type batch struct {
	*importer
	job   *Import
	table table
	again bool // perhaps it was done before, by one that could not count it any more

	tree   *Tree
	there  map[string]*known // by slug
	images map[string]bool   // those that are known to be there

	ahead  *tableLine // the first of the next batch, if it was read already
	lines  []tableLine
	faults []lineFault
	wrong  map[int]bool // lines that are wrong
	count  int
	last   int
}

// prepare learns what there is, in one pass over all products: to look each up costs more, on some servers far more. What
// changes meanwhile is found out when it is written. What a batch before had written and not yet told of is told.
func (b *batch) prepare(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, scanWithin) // the store's own limit is for looking things up
	defer cancel()
	if b.tree, err = b.store.tree(ctx); err != nil {
		return err
	}
	b.there, b.images = map[string]*known{}, map[string]bool{}
	if b.job.Line > 0 {
		if err := b.store.keepBatches(ctx, b.job.CountedAt.Add(-time.Second)); err != nil {
			return err
		}
	}
	renewed := b.now()
	return b.store.eachProduct(ctx, func(p *Product) error {
		b.learn(p)
		if now := b.now(); now.Sub(renewed) > importLease/4 {
			renewed = now
			return b.store.SaveImport(ctx, b.job, now.Add(importLease))
		}
		return nil
	})
}

func (b *batch) learn(p *Product) {
	k := &known{id: p.ID, product: productHash(p), mine: p.importedBy(b.job)}
	for i := range p.Variants {
		k.variants = append(k.variants, variantHash(&p.Variants[i]))
	}
	b.there[p.Slug] = k
	for _, name := range p.Images {
		b.images[name] = true
	}
}

// read takes the next lines that are not counted yet, as many as a batch has and the rest of the last product's, so that it
// is written once; more is false at the end of the file.
func (b *batch) read(r *sheet.Reader) (more bool, err error) {
	b.lines, b.faults, b.wrong, b.count, b.last = nil, nil, map[int]bool{}, 0, b.job.Line
	if b.ahead != nil {
		b.take(*b.ahead)
		b.ahead = nil
	}
	for b.count < 2*b.most {
		cells, number, err := r.Read()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		fault, wrong := errors.AsType[*sheet.LineError](err)
		if err != nil && !wrong {
			return false, err
		}
		if number <= b.job.Line {
			continue
		}
		var line tableLine
		var found []lineFault
		if wrong {
			found = []lineFault{{number, "", fault.Code, fault.Detail}}
		} else {
			line, found = b.table.read(cells, number)
		}
		switch n := len(b.lines); {
		case len(found) > 0:
			b.count, b.last = b.count+1, number
			b.refuse(number, found...)
		case b.count >= b.most && (n == 0 || b.lines[n-1].slug() != line.slug()):
			b.ahead = &line
			return true, nil
		default:
			b.take(line)
		}
	}
	return true, nil
}

func (b *batch) take(line tableLine) {
	b.lines, b.count, b.last = append(b.lines, line), b.count+1, line.number
}

func (b *batch) refuse(line int, found ...lineFault) {
	b.faults = append(b.faults, found...)
	b.wrong[line] = true
}

// writeWithin is write in a time of its own, shorter than the lease: many documents at once take longer than the store's
// limit for looking things up.
func (b *batch) writeWithin(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return b.write(ctx)
}

// write brings the lines of the batch into the catalog, and counts them.
func (b *batch) write(ctx context.Context) error {
	written, unchanged := 0, 0
	var fresh []*Product          // products that there are not yet
	lines := map[string][]int{}   // of a fresh product, by its slug: places in b.lines
	made := map[string]*Product{} // fresh ones by slug
	var rest []tableLine          // to be held against what there is
	revised := map[string]bool{}  // slugs of those: what a later line says is no longer what there is
	for i, line := range b.lines {
		if k := b.there[line.slug()]; k != nil {
			switch same := !revised[line.slug()] && b.same(ctx, k, line); {
			case same && k.mine && b.again:
				written++
			case same:
				unchanged++
			default:
				rest, revised[line.slug()] = append(rest, line), true
			}
			continue
		}
		p, err := b.fresh(ctx, made[line.slug()], line)
		if err != nil {
			if err := b.fault(err, line.number); err != nil {
				return err
			}
			continue
		}
		if made[p.Slug] == nil {
			fresh, made[p.Slug] = append(fresh, p), p
		}
		lines[p.Slug] = append(lines[p.Slug], i)
	}
	slow, err := b.add(ctx, fresh)
	if err != nil {
		return err
	}
	for slug, places := range lines {
		if slow[slug] {
			for _, i := range places {
				rest = append(rest, b.lines[i])
			}
			continue
		}
		written += len(places)
	}
	rest, changed, same, err := b.revise(ctx, rest)
	if err != nil {
		return err
	}
	written, unchanged = written+changed, unchanged+same
	slices.SortFunc(rest, func(a, b tableLine) int { return a.number - b.number })
	for _, line := range rest {
		did, err := b.apply(ctx, line)
		if err != nil {
			if err := b.fault(err, line.number); err != nil {
				return err
			}
			continue
		}
		if did {
			written++
		} else {
			unchanged++
		}
	}
	if err := b.store.AddFaults(ctx, b.job.ID, b.faults); err != nil {
		return err
	}
	b.job.Read, b.job.Written, b.job.Unchanged = b.job.Read+b.count, b.job.Written+written, b.job.Unchanged+unchanged
	b.job.Failed, b.job.Line = b.job.Failed+len(b.wrong), b.last
	b.job.Total = max(b.job.Total, b.job.Read)
	return nil
}

// fault reports a refusal of a line; what is no refusal ends the batch.
func (b *batch) fault(err error, line int) error {
	if !refused(err) {
		return err
	}
	b.refuse(line, faultsOf(err, line)...)
	return nil
}

// refused reports whether err is what is wrong with what was asked for.
func refused(err error) bool {
	refusal, is := errors.AsType[*problem.Error](err)
	return is && refusal.Kind != problem.Unavailable && refusal.Kind != problem.Internal
}

// same reports whether a line says what there is. A line that does not say all is held against the document.
func (b *batch) same(ctx context.Context, k *known, line tableLine) bool {
	if !b.table.whole || line.product.Status == nil {
		return false
	}
	p := &Product{}
	line.apply(p)
	if err := b.check(ctx, p); err != nil { // it will be refused, with its faults
		return false
	}
	return productHash(p) == k.product && (line.sku == "" || slices.Contains(k.variants, variantHash(&p.Variants[0])))
}

// check is what the back office checks, with pictures looked for once.
func (b *batch) check(ctx context.Context, p *Product) error {
	if err := p.Tidy(b.tree); err != nil {
		return err
	}
	for _, name := range p.Images {
		if b.images[name] {
			continue
		}
		missing, err := b.gallery.missing(ctx, []string{name})
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			return misfit("images", "There is no picture %s.", name)
		}
		b.images[name] = true
	}
	return nil
}

// fresh is a product that there is not, with what a line says added to what earlier ones said.
func (b *batch) fresh(ctx context.Context, so *Product, line tableLine) (*Product, error) {
	p := &Product{ID: uuid.NewSHA1(uuid.NameSpaceURL, []byte("urn:sidecart:import:"+b.job.ID+":"+line.slug())).String()} // the same when it is done again
	line.product.whole().apply(p)
	if so != nil {
		copied := *so
		p = &copied
	}
	line.apply(p)
	if err := b.check(ctx, p); err != nil {
		return nil, err
	}
	if so != nil {
		*so = *p
		return so, nil
	}
	return p, nil
}

// add saves products that there are not, all at once. Those of which somebody else has a key are left to be looked at
// line by line.
func (b *batch) add(ctx context.Context, fresh []*Product) (slow map[string]bool, err error) {
	slow = map[string]bool{}
	if len(fresh) == 0 {
		return slow, nil
	}
	var claims []claimed
	owner := map[string]*Product{}
	for _, p := range fresh {
		for _, key := range p.keys() {
			if other := owner[key]; other != nil && other != p {
				slow[p.Slug] = true
				continue
			}
			owner[key] = p
			claims = append(claims, claimed{key, p.ID, b.now().UTC()})
		}
	}
	lost, err := b.store.claimAll(ctx, claims)
	if err != nil {
		return nil, err
	}
	for _, key := range lost {
		slow[owner[key].Slug] = true
	}
	var products []*Product
	var entries []Entry
	at := b.now() // of all, which is what they are found by
	for _, p := range fresh {
		if slow[p.Slug] {
			b.store.release(ctx, p.ID, p.keys())
			continue
		}
		p.begin(b.job.Actor, imported, at)
		p.Last.Import = b.job.ID
		products = append(products, p)
		e, _ := p.entry()
		entries = append(entries, e)
	}
	if len(products) == 0 {
		return slow, nil
	}
	if err := b.store.AddProducts(ctx, products); err != nil {
		return nil, err
	}
	for _, p := range products {
		b.learn(p)
	}
	if err := b.store.keep(ctx, entries...); err != nil {
		return nil, err
	}
	return slow, nil
}

// apply brings one line into the catalog, whatever is there now.
func (b *batch) apply(ctx context.Context, line tableLine) (written bool, err error) {
	p, err := b.store.ProductBySlug(ctx, line.slug())
	if problem.Is(err, "product-not-found") {
		if p, err = b.fresh(ctx, nil, line); err != nil {
			return false, err
		}
		p.begin(b.job.Actor, imported, b.now())
		p.Last.Import = b.job.ID
		if p, err = b.store.AddProduct(ctx, p); err != nil {
			return false, err
		}
		b.learn(p)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	mine := p.importedBy(b.job)
	version := p.Version
	after, err := b.store.updateProduct(ctx, p.ID, b.job.Actor, imported, b.job.ID, b.now(), func(p *Product) error {
		line.apply(p)
		return b.check(ctx, p)
	})
	if err != nil {
		return false, err
	}
	b.learn(after)
	return after.Version != version || mine && b.again, nil
}
