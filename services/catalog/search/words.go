package search

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/registry"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// The fields of the index, by how much a word says of a product that stands there: a name says what a thing is, a
// description merely mentions others.
const (
	inName = iota
	inKind // brand and categories
	inFacts
	inText
	fieldCount
)

var fieldNames = [fieldCount]string{"name", "kind", "facts", "text"}

// words is the index of words on disk: which rows have which word in which field. It is bleve's, with its analysis, its
// dictionaries and its sets of documents; scores, filters and counts are made from our own columns, since bleve's are too
// slow for a page of a shop (docs/adr).
type words struct {
	index bleve.Index
	path  string

	mu   sync.Mutex
	rows map[uint64][]uint32 // of the documents of each segment, in its order

	updates atomic.Int64 // how many there were since it was opened
}

var errBrokenIndex = errors.New("the index of words cannot be read")

func newMapping() mapping.IndexMapping {
	m := bleve.NewIndexMapping()
	m.DefaultAnalyzer = analysisName
	m.StoreDynamic, m.IndexDynamic, m.DocValuesDynamic = false, false, false
	m.DefaultMapping.Dynamic = false
	for _, name := range fieldNames {
		field := bleve.NewTextFieldMapping()
		field.Analyzer, field.SkipFreqNorm = analysisName, true
		field.Store, field.DocValues, field.IncludeInAll, field.IncludeTermVectors = false, false, false, false
		m.DefaultMapping.AddFieldMappingsAt(name, field)
	}
	return m
}

// openWords opens what is at path.
func openWords(path string) (*words, error) {
	index, err := bleve.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBrokenIndex, err)
	}
	return &words{index: index, path: path, rows: map[uint64][]uint32{}}, nil
}

func (w *words) close() error { return w.index.Close() }

// texts are what one product is found by, per field.
type texts [fieldCount]string

func (t texts) document() map[string]any {
	document := make(map[string]any, fieldCount)
	for field, text := range t {
		if text != "" {
			document[fieldNames[field]] = text
		}
	}
	return document
}

// key is the name of a row in the index.
func key(row uint32) string { return string(binary.BigEndian.AppendUint32(nil, row)) }

// update puts rows into the index, or what they are now in place of what they were.
func (w *words) update(changed map[uint32]texts, removed []uint32) error {
	batch := w.index.NewBatch()
	for row, t := range changed {
		if err := batch.Index(key(row), t.document()); err != nil {
			return err
		}
	}
	for _, row := range removed {
		batch.Delete(key(row))
	}
	w.updates.Add(1)
	return w.index.Batch(batch)
}

// compact merges all segments into one if a tenth of the documents are not in the largest: a word is looked up in each.
func (w *words) compact(ctx context.Context) error {
	advanced, err := w.index.Advanced()
	if err != nil {
		return err
	}
	index, ok := advanced.(*scorch.Scorch)
	if !ok {
		return fmt.Errorf("%w: it is a %T", errBrokenIndex, advanced)
	}
	snap, err := w.snapshot()
	if err != nil {
		return err
	}
	var all, largest uint64
	for _, seg := range snap.Segments() {
		n := seg.Segment().Count()
		all, largest = all+n, max(largest, n)
	}
	if err := snap.Close(); err != nil || (all-largest)*10 < all {
		return err
	}
	return index.ForceMerge(ctx, nil)
}

// buildWords makes an index at path of all that each yields; nothing reads it before it is whole.
func buildWords(path string, each func(yield func(row uint32, t texts) error) error) error {
	var builder bleve.Builder
	err := each(func(row uint32, t texts) (err error) {
		if builder == nil {
			if err := os.MkdirAll(path, 0o700); err != nil {
				return err
			}
			if builder, err = bleve.NewBuilder(path, newMapping(), map[string]any{"buildPathPrefix": path, "batchSize": 2000}); err != nil {
				return err
			}
		}
		return builder.Index(key(row), t.document())
	})
	if builder != nil {
		return errors.Join(err, builder.Close())
	}
	if err != nil {
		return err
	}
	index, err := bleve.New(path, newMapping()) // a builder makes no index of nothing
	if err != nil {
		return err
	}
	return index.Close()
}

// snapshot is the index as it is at one moment.
type snapshot struct {
	*scorch.IndexSnapshot
	segments []segmentView
}

type segmentView struct {
	dictionaries [fieldCount]segment.TermDictionary
	deleted      *roaring.Bitmap
	rows         []uint32
}

// snapshot must be closed.
func (w *words) snapshot() (*snapshot, error) {
	advanced, err := w.index.Advanced()
	if err != nil {
		return nil, err
	}
	reader, err := advanced.Reader()
	if err != nil {
		return nil, err
	}
	s, ok := reader.(*scorch.IndexSnapshot)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%w: it is a %T", errBrokenIndex, reader), reader.Close())
	}
	snap := &snapshot{IndexSnapshot: s}
	if err := w.view(snap); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return snap, nil
}

func (w *words) view(s *snapshot) (err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	present := make(map[uint64]bool)
	for _, seg := range s.Segments() {
		present[seg.Id()] = true
		rows, known := w.rows[seg.Id()]
		if !known {
			if rows, err = rowsOf(seg.Segment()); err != nil {
				return err
			}
			w.rows[seg.Id()] = rows
		}
		view := segmentView{deleted: seg.Deleted(), rows: rows}
		for field, name := range fieldNames {
			if view.dictionaries[field], err = seg.Segment().Dictionary(name); err != nil {
				return err
			}
		}
		s.segments = append(s.segments, view)
	}
	for id := range w.rows {
		if !present[id] {
			delete(w.rows, id) // it was merged into another; a reader that still has it keeps its rows
		}
	}
	return nil
}

func rowsOf(seg segment.Segment) ([]uint32, error) {
	rows := make([]uint32, seg.Count())
	for i := range rows {
		id, err := seg.DocID(uint64(i))
		if err != nil {
			return nil, err
		}
		if len(id) != 4 {
			return nil, fmt.Errorf("%w: a document is named %x", errBrokenIndex, id)
		}
		rows[i] = binary.BigEndian.Uint32(id)
	}
	return rows, nil
}

// postings is the set of documents of one segment that have a term in a field.
type postings struct {
	rows []uint32
	set  *roaring.Bitmap // nil if it is one document only
	one  uint32
}

// postings finds a term in a field; each segment that has it gives a set.
func (s *snapshot) postings(field int, term string) (found []postings, count int, err error) {
	for i := range s.segments {
		seg := &s.segments[i]
		list, err := seg.dictionaries[field].PostingsList([]byte(term), seg.deleted, nil)
		if err != nil {
			return nil, 0, err
		}
		n := int(list.Count())
		if n == 0 {
			continue
		}
		set, ok := list.Iterator(false, false, false, nil).(segment.OptimizablePostingsIterator)
		if !ok {
			return nil, 0, fmt.Errorf("%w: its postings have no sets", errBrokenIndex)
		}
		p := postings{rows: seg.rows, set: set.ActualBitmap()}
		if one, single := set.DocNum1Hit(); single {
			p.set, p.one = nil, uint32(one)
		} else if p.set == nil {
			continue
		}
		found, count = append(found, p), count+n
	}
	return found, count, nil
}

// each yields the rows of the set in batches; the slice is used again.
func (p postings) each(buffer []uint32, yield func(rows []uint32)) {
	if p.set == nil {
		buffer[0] = p.rows[p.one]
		yield(buffer[:1])
		return
	}
	it := p.set.ManyIterator()
	for n := it.NextMany(buffer); n > 0; n = it.NextMany(buffer) {
		for i, document := range buffer[:n] {
			buffer[i] = p.rows[document]
		}
		yield(buffer[:n])
	}
}

// count is in how many documents a field has a term.
func (s *snapshot) count(field int, term string) (int, error) {
	total := 0
	for i := range s.segments {
		list, err := s.segments[i].dictionaries[field].PostingsList([]byte(term), s.segments[i].deleted, nil)
		if err != nil {
			return 0, err
		}
		total += int(list.Count())
	}
	return total, nil
}

// sharedAnalyzer serves queries and highlights; that of an index has the same name and is the same.
var sharedAnalyzer = sync.OnceValue(func() *analyzer {
	a, err := newAnalyzer(registry.NewCache())
	if err != nil {
		panic(err) // the filters are linked in
	}
	return a
})
