package main

import (
	"context"
	"reflect"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/internal/problem"
)

// revision is a product as an import found it, and as some lines of its file want it.
type revision struct {
	lines   []tableLine
	changed int // how many of the lines say something new

	before, after *Product // after is nil if the lines need a closer look
}

// revise brings lines about products that there are into the catalog, all that they say of a product in one write. It leaves
// the lines of products that are new, have gone or were renamed, get SKUs that they had not, would be refused something, or are
// being changed by somebody else.
func (b *batch) revise(ctx context.Context, lines []tableLine) (left []tableLine, written, unchanged int, err error) {
	var all []*revision
	of := map[string]*revision{} // by slug
	for _, line := range lines {
		r := of[line.slug()]
		switch {
		case r != nil:
		case b.there[line.slug()] == nil:
			left = append(left, line)
			continue
		default:
			r = &revision{}
			all, of[line.slug()] = append(all, r), r
		}
		r.lines = append(r.lines, line)
	}
	if err := b.readRevised(ctx, all); err != nil {
		return nil, 0, 0, err
	}
	at := b.now().UTC().Truncate(time.Millisecond)
	var news []*revision
	for _, r := range all {
		if err := b.propose(ctx, r, at); err != nil {
			return nil, 0, 0, err
		}
		if r.after != nil && r.changed > 0 {
			news = append(news, r)
		}
	}
	if err := b.store.Revise(ctx, news, at); err != nil {
		return nil, 0, 0, err
	}
	for _, r := range all {
		switch {
		case r.after == nil:
			left = append(left, r.lines...)
		case b.again && r.before.importedBy(b.job):
			written += len(r.lines)
		default:
			written, unchanged = written+r.changed, unchanged+len(r.lines)-r.changed
		}
		if r.after != nil {
			b.learn(r.after)
		}
	}
	return left, written, unchanged, nil
}

// readRevised finds the products as they are now.
func (b *batch) readRevised(ctx context.Context, all []*revision) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(sideBySide)
	for _, r := range all {
		group.Go(func() error {
			slug := r.lines[0].slug()
			p, err := b.store.Product(ctx, b.there[slug].id)
			if problem.Is(err, "product-not-found") {
				return nil
			}
			if err == nil && p.Slug == slug {
				r.before = p
			}
			return err
		})
	}
	return group.Wait()
}

// propose sets what the lines of r make of its product, unless they need a closer look.
func (b *batch) propose(ctx context.Context, r *revision, at time.Time) error {
	if r.before == nil {
		return nil
	}
	p := *r.before
	for _, line := range r.lines {
		was := p.fields()
		line.apply(&p)
		if err := b.check(ctx, &p); err != nil {
			if refused(err) {
				return nil
			}
			return err
		}
		if !reflect.DeepEqual(was, p.fields()) {
			r.changed++
		}
	}
	if len(without(p.keys(), r.before.keys())) > 0 {
		return nil
	}
	e := newEntry(b.job.Actor, imported, productKind, p.ID, p.Name, r.before.fields(), p.fields(), at)
	if e.nothing() { // or a later line takes back what an earlier one says
		r.changed = 0
	} else {
		e.Import = b.job.ID
		p.Version, p.UpdatedAt, p.Last = r.before.Version+1, at, &e
	}
	r.after = &p
	return nil
}
