package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/klauspost/compress/zstd"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// Files come in parts that a sidecar holds and can repeat, and that any replica takes: opened by POST, sent by PUT, and
// completed by PUT, which is when somebody looks at them.
const (
	partSize  = web.MaxBody
	partsKept = 24 * time.Hour
	maxImport = 200 << 20
)

// opened is the answer to the wish to send a file.
type opened struct {
	ID       string `json:"id"`
	PartSize int    `json:"partSize"`
	Most     int64  `json:"most"`
	Complete bool   `json:"complete"` // it has arrived before
}

// completion says how much was sent.
type completion struct {
	Bytes int64 `json:"bytes"`
	Parts int   `json:"parts"`
}

// part is one of a file's.
type part struct {
	ID    string    `bson:"_id"` // the file's id and the part's number
	Bytes []byte    `bson:"bytes"`
	Zstd  bool      `bson:"zstd,omitempty"` // Bytes are packed, see RFC 8878: tables shrink to a fifth, pictures do not
	Lines int       `bson:"lines"`          // line feeds in it
	At    time.Time `bson:"at"`
}

// Both may be used by many at a time.
var (
	packer, _   = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1)) // the options are valid
	unpacker, _ = zstd.NewReader(nil, zstd.WithDecoderMaxMemory(partSize), zstd.WithDecoderConcurrency(1))
)

func partID(file string, n int) string { return file + "/" + strconv.Itoa(n) }

// putPart keeps a part of a file. A repeat writes it over.
func (o *office) putPart(w http.ResponseWriter, r *http.Request) error {
	id := mux.Vars(r)["id"]
	n, err := strconv.Atoi(mux.Vars(r)["n"])
	if err != nil || n > maxImport/partSize || uuid.Validate(id) != nil {
		return problem.New(problem.NotFound, "no-such-file", "There is no such file on its way.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, partSize))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return problem.New(problem.TooLarge, "body-too-large", "A part is larger than %d bytes.", partSize)
	} else if err != nil {
		return problem.New(problem.Invalid, "incomplete-body", "The body did not arrive whole.")
	}
	if err := o.store.PutPart(r.Context(), id, n, body); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func readCompletion(w http.ResponseWriter, r *http.Request, most int64) (id string, c completion, err error) {
	id = mux.Vars(r)["id"]
	if err := web.Decode(w, r, &c); err != nil {
		return id, c, err
	}
	switch {
	case uuid.Validate(id) != nil:
		return id, c, problem.New(problem.NotFound, "no-such-file", "There is no such file on its way.")
	case c.Bytes < 0 || c.Parts < 0 || c.Bytes > most || int64(c.Parts) > most/partSize+1:
		return id, c, problem.New(problem.TooLarge, "body-too-large", "The body is larger than %d bytes.", most)
	}
	return id, c, nil
}

// PutPart saves a part of a file.
func (s *store) PutPart(ctx context.Context, file string, n int, b []byte) error {
	p := part{ID: partID(file, n), Bytes: b, Lines: bytes.Count(b, []byte("\n")), At: time.Now().UTC()}
	if packed := packer.EncodeAll(b, nil); len(packed) < len(b)*9/10 {
		p.Bytes, p.Zstd = packed, true
	}
	write := func() error {
		_, err := s.parts.ReplaceOne(ctx, bson.D{{Key: "_id", Value: p.ID}}, p, options.Replace().SetUpsert(true))
		return err
	}
	err := write()
	if mongo.IsDuplicateKeyError(err) {
		err = write() // a repeat was faster
	}
	if err != nil {
		return fmt.Errorf("keep part %s: %w", p.ID, err)
	}
	return nil
}

// Part is one that was put.
func (s *store) Part(ctx context.Context, file string, n int) (part, error) {
	var p part
	err := s.parts.FindOne(ctx, bson.D{{Key: "_id", Value: partID(file, n)}}).Decode(&p)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return p, problem.New(problem.Unprocessable, "incomplete-body", "A part of the file is missing.")
	}
	if err != nil {
		return p, fmt.Errorf("read part %s: %w", partID(file, n), err)
	}
	if p.Zstd {
		if p.Bytes, err = unpacker.DecodeAll(p.Bytes, nil); err != nil {
			return p, fmt.Errorf("unpack part %s: %w", partID(file, n), err)
		}
		p.Zstd = false
	}
	return p, nil
}

// DropParts forgets the parts of a file.
func (s *store) DropParts(ctx context.Context, file string, parts int) error {
	for n := range parts {
		if _, err := s.parts.DeleteOne(ctx, bson.D{{Key: "_id", Value: partID(file, n)}}); err != nil {
			return fmt.Errorf("drop part %s: %w", partID(file, n), err)
		}
	}
	return nil
}

// SweepParts forgets the parts of files that were never completed, or whose import ended without doing so itself.
func (s *store) SweepParts(ctx context.Context, now time.Time) error {
	if _, err := s.parts.DeleteMany(ctx, bson.D{{Key: "at", Value: bson.D{{Key: "$lt", Value: now.Add(-partsKept)}}}}); err != nil {
		return fmt.Errorf("sweep parts: %w", err)
	}
	return nil
}
