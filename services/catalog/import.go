package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/services/catalog/sheet"
)

// How far an import is.
const (
	receiving = "receiving"
	running   = "running"
	done      = "done"
	failed    = "failed" // the file cannot be read as a whole
	cancelled = "cancelled"
)

const (
	batchLines    = 1000
	maxFaults     = 50_000 // a file with more wrong lines is the wrong file
	importLease   = 2 * time.Minute
	batchWithin   = 90 * time.Second
	importPause   = 2 * time.Second
	receivedIn    = time.Hour // an upload that takes longer has broken off
	scanWithin    = 10 * time.Minute
	scannedAtOnce = 1000
	shownFaults   = 1000
	importsSwept  = time.Hour
	importsKept   = 30 * 24 * time.Hour // unless the setting says otherwise

	forgottenAtOnce = 100
)

// Import is a file of products and how far it has been read. It is worked on by the replica that holds its lease; another
// goes on from the last batch that was counted when the lease runs out. A batch that is done twice changes nothing twice.
type Import struct {
	ID         string      `bson:"_id" json:"id"`
	File       string      `bson:"file" json:"file"`
	Status     string      `bson:"status" json:"status"`
	Reason     string      `bson:"reason,omitempty" json:"reason,omitempty"`
	Actor      Actor       `bson:"actor" json:"-"`
	By         string      `bson:"-" json:"by"`
	Total      int         `bson:"total" json:"total,omitempty"`
	Read       int         `bson:"read" json:"read"`
	Written    int         `bson:"written" json:"written"`
	Unchanged  int         `bson:"unchanged" json:"unchanged"`
	Failed     int         `bson:"failed" json:"failed"`
	Errors     []lineFault `bson:"-" json:"errors,omitempty"`
	StartedAt  time.Time   `bson:"startedAt" json:"startedAt"`
	FinishedAt time.Time   `bson:"finishedAt,omitempty" json:"finishedAt,omitzero"`

	Parts     int       `bson:"parts" json:"-"`
	Line      int       `bson:"line" json:"-"` // the last one that is counted
	Cancel    bool      `bson:"cancel,omitempty" json:"-"`
	Lease     string    `bson:"lease,omitempty" json:"-"`
	DueAt     time.Time `bson:"dueAt" json:"-"`     // when somebody else may go on
	CountedAt time.Time `bson:"countedAt" json:"-"` // when the last batch was begun
}

// importer works on imports.
type importer struct {
	store   *store
	gallery *gallery
	kept    time.Duration // how long one that is over can be looked at
	now     func() time.Time
}

// keepImportsFor reads CATALOG_IMPORTS_KEPT, a duration such as 720h.
func keepImportsFor(s string) (time.Duration, error) {
	if s == "" {
		return importsKept, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, errors.New("CATALOG_IMPORTS_KEPT must be a duration such as 720h")
	}
	return d, nil
}

// run works on one import after the other until ctx ends.
func (im *importer) run(ctx context.Context) error {
	swept := time.Time{}
	for {
		more, err := im.next(ctx)
		if err != nil && ctx.Err() == nil {
			slog.Warn("an import waits", "error", err.Error())
		}
		if now := im.now(); now.Sub(swept) > importsSwept {
			swept = now
			if err := im.sweep(ctx, now); err != nil && ctx.Err() == nil {
				slog.Warn("sweep failed, next try in an hour", "error", err.Error())
			}
		}
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(importPause):
		}
	}
}

// sweep ends what did not arrive, and removes what is kept no longer.
func (im *importer) sweep(ctx context.Context, now time.Time) error {
	return errors.Join(im.store.SweepImports(ctx, now), im.store.SweepParts(ctx, now), im.store.ForgetImports(ctx, now.Add(-im.kept)))
}

// next works on an import that is due, if there is one.
func (im *importer) next(ctx context.Context) (found bool, err error) {
	job, found, err := im.store.LeaseImport(ctx, uuid.NewString(), im.now())
	if err != nil || !found {
		return false, err
	}
	slog.InfoContext(ctx, "import", "import", job.ID, "line", job.Line)
	err = im.work(ctx, &job)
	refusal, refused := errors.AsType[*problem.Error](err)
	switch {
	case ctx.Err() != nil: // we are to stop: whoever starts next goes on at once
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), importPause)
		defer cancel()
		return true, im.store.SaveImport(ctx, &job, im.now())
	case errors.Is(err, errChanged): // somebody else has it
		return true, nil
	case refused && refusal.Kind != problem.Unavailable:
		job.Status, job.Reason = failed, refusal.Detail
	case err != nil: // somebody, perhaps we, tries again soon
		return true, errors.Join(err, im.store.SaveImport(context.WithoutCancel(ctx), &job, im.now().Add(importPause)))
	case job.Cancel:
		job.Status = cancelled
	default:
		job.Status = done
	}
	job.FinishedAt = im.now().UTC().Truncate(time.Millisecond)
	if err := im.store.SaveImport(ctx, &job, time.Time{}); err != nil {
		return true, err
	}
	slog.InfoContext(ctx, "import ended", "import", job.ID, "status", job.Status, "written", job.Written, "unchanged", job.Unchanged, "failed", job.Failed)
	return true, im.store.DropParts(ctx, job.ID, job.Parts)
}

// work reads the file from the last counted line on.
func (im *importer) work(ctx context.Context, job *Import) error {
	if job.Cancel {
		return nil
	}
	if job.Total == 0 {
		lines, err := im.store.PartLines(ctx, job.ID, job.Parts)
		if err != nil {
			return err
		}
		job.Total = lines
	}
	r, heading, err := sheet.NewReader(&partReader{ctx: ctx, store: im.store, file: job.ID, parts: job.Parts})
	if err != nil {
		return unreadable(err)
	}
	columns, err := readHeading(heading)
	if err != nil {
		return err
	}
	b := &batch{importer: im, job: job, table: columns}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	b.again = true
	for more := true; more && !job.Cancel; b.again = false {
		begun := im.now()
		if more, err = b.read(r); err != nil {
			return err
		}
		if err := b.writeWithin(ctx, batchWithin); err != nil {
			return err
		}
		job.CountedAt = begun.UTC()
		if err := im.store.SaveImport(ctx, job, im.now().Add(importLease)); err != nil {
			return err
		}
		if job.Failed > maxFaults {
			return problem.New(problem.Unprocessable, "too-many-errors", "More than %d lines are wrong; is this the right file?", maxFaults)
		}
		if !more {
			job.Total = job.Read
		}
	}
	return nil
}

// unreadable tells what is wrong with a file as a whole.
func unreadable(err error) error {
	if fault, ok := errors.AsType[*sheet.LineError](err); ok {
		return problem.New(problem.Unprocessable, fault.Code, "%s", fault.Detail)
	}
	if errors.Is(err, sheet.ErrEmpty) || errors.Is(err, sheet.ErrEncoding) {
		return problem.New(problem.Unprocessable, "unreadable-file", "This cannot be read: %s.", err)
	}
	return err
}

// partReader reads the parts of a file one behind the other.
type partReader struct {
	ctx   context.Context
	store *store
	file  string
	parts int
	next  int
	rest  []byte
}

func (r *partReader) Read(b []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.next == r.parts {
			return 0, io.EOF
		}
		p, err := r.store.Part(r.ctx, r.file, r.next)
		if err != nil {
			return 0, err
		}
		r.rest = p.Bytes
		r.next++
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

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
	k := &known{id: p.ID, product: productHash(p), mine: p.Last != nil && p.Last.Import == b.job.ID}
	for i := range p.Variants {
		k.variants = append(k.variants, variantHash(&p.Variants[i]))
	}
	b.there[p.Slug] = k
	for _, name := range p.Images {
		b.images[name] = true
	}
}

// read takes the next lines that are not counted yet; more is false at the end of the file.
func (b *batch) read(r *sheet.Reader) (more bool, err error) {
	b.lines, b.faults, b.wrong, b.count, b.last = nil, nil, map[int]bool{}, 0, b.job.Line
	for b.count < batchLines {
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
		b.count, b.last = b.count+1, number
		if wrong {
			b.refuse(number, lineFault{number, "", fault.Code, fault.Detail})
			continue
		}
		line, found := b.table.read(cells, number)
		if len(found) > 0 {
			b.refuse(number, found...)
			continue
		}
		b.lines = append(b.lines, line)
	}
	return true, nil
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
	var rest []tableLine          // to be held against what there is, one by one
	for i, line := range b.lines {
		if k := b.there[line.slug()]; k != nil {
			switch same := b.same(ctx, k, line); {
			case same && k.mine && b.again:
				written++
			case same:
				unchanged++
			default:
				rest = append(rest, line)
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
	refusal, refused := errors.AsType[*problem.Error](err)
	if !refused || refusal.Kind == problem.Unavailable || refusal.Kind == problem.Internal {
		return err
	}
	b.refuse(line, faultsOf(err, line)...)
	return nil
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
	for _, p := range fresh {
		if slow[p.Slug] {
			b.store.release(ctx, p.ID, p.keys())
			continue
		}
		p.begin(b.job.Actor, imported, b.now())
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
	mine := p.Last != nil && p.Last.Import == b.job.ID
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
