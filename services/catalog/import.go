package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
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
	batchLines    = 8000   // each batch is told of and looked for as one
	maxFaults     = 50_000 // a file with more wrong lines is the wrong file
	importLease   = 2 * time.Minute
	batchWithin   = 90 * time.Second
	importPause   = 2 * time.Second
	receivedIn    = time.Hour // an upload that takes longer has broken off
	scanWithin    = 10 * time.Minute
	scannedAtOnce = 1000
	sideBySide    = 4 // documents that an import reads, or writes, at the same time
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
	most    int           // lines of a batch
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
