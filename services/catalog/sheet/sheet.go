// Package sheet reads and writes tables as CSV (RFC 4180) the way spreadsheets make them and people break them: whatever
// is wrong with one line, the others are read. It knows nothing of what the cells mean.
package sheet

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	maxRecord = 256 << 10 // bytes; a quote that is never closed reaches no further
	maxLines  = 500       // …nor more lines
)

// Why a file is no table at all.
var (
	ErrEmpty    = errors.New("the file is empty")
	ErrEncoding = errors.New("the file is not UTF-8; save it as CSV UTF-8")
)

// LineError is what is wrong with one line.
type LineError struct {
	Line   int
	Code   string
	Detail string
}

func (e *LineError) Error() string { return e.Detail }

// Reader reads a table record by record.
type Reader struct {
	in      *bufio.Reader
	comma   rune
	line    int      // of the last one that was taken from in or from ahead
	ahead   [][]byte // lines that were taken for part of a record, and were not
	columns int
}

// NewReader reads the heading. The cells are separated by whichever of comma and semicolon the heading has more of.
func NewReader(in io.Reader) (r *Reader, heading []string, err error) {
	r = &Reader{in: bufio.NewReaderSize(in, 64<<10), comma: ','}
	start, err := r.in.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	switch {
	case len(start) == 0:
		return nil, nil, ErrEmpty
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		_, _ = r.in.Discard(3)
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		return nil, nil, ErrEncoding
	}
	first, err := r.next()
	if errors.Is(err, io.EOF) {
		return nil, nil, ErrEmpty
	} else if err != nil {
		return nil, nil, err
	}
	if bytes.Count(first, []byte(";")) > bytes.Count(first, []byte(",")) {
		r.comma = ';'
	}
	if !utf8.Valid(first) {
		return nil, nil, ErrEncoding
	}
	heading, err = r.parse(first)
	if err != nil {
		return nil, nil, &LineError{1, "invalid-heading", "The heading cannot be read."}
	}
	for i := range heading {
		heading[i] = strings.TrimSpace(heading[i])
	}
	r.columns = len(heading)
	return r, heading, nil
}

// Read is the next record and the line that it begins at; io.EOF after the last. A *LineError says that this line cannot
// be read, and the next call goes on behind it. Lines without any text are passed over.
func (r *Reader) Read() (cells []string, line int, err error) {
	first, err := r.next()
	for err == nil && len(bytes.TrimSpace(first)) == 0 {
		first, err = r.next()
	}
	if err != nil {
		return nil, 0, err
	}
	line = r.line
	record, taken, whole := first, [][]byte(nil), quotes(first)%2 == 0
	for !whole && len(record) < maxRecord && len(taken) < maxLines {
		more, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, 0, err
		}
		taken = append(taken, more)
		record = append(record, more...)
		whole = quotes(more)%2 == 1
	}
	if whole {
		cells, err = r.parse(record)
	}
	switch {
	case !whole:
		err = &LineError{line, "unclosed-quote", "A quotation mark is opened and not closed."}
	case err != nil:
		err = &LineError{line, "malformed-line", "The quotation marks of this line do not fit together."}
	case len(record) > maxRecord:
		err = &LineError{line, "line-too-long", "The line is too long."}
	case !utf8.Valid(record):
		err = &LineError{line, "invalid-encoding", "The line is not UTF-8."}
	case len(cells) != r.columns:
		err = &LineError{line, "wrong-columns", "The line does not have as many cells as the heading."}
	default:
		return cells, line, nil
	}
	// What was taken for the rest of a broken record is looked at once more, line by line.
	r.ahead = append(taken, r.ahead...)
	r.line = line
	return nil, line, err
}

// next is one line of the file with its end.
func (r *Reader) next() ([]byte, error) {
	if len(r.ahead) > 0 {
		line := r.ahead[0]
		r.ahead = r.ahead[1:]
		r.line++
		return line, nil
	}
	var line []byte
	for {
		piece, err := r.in.ReadSlice('\n')
		if keep := maxRecord + 1 - len(line); keep > 0 { // the rest of a line that is too long is passed over
			line = append(line, piece[:min(keep, len(piece))]...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(line) > 0, err == nil:
			r.line++
			return line, nil
		default:
			return nil, err
		}
	}
}

func quotes(line []byte) int { return bytes.Count(line, []byte(`"`)) }

func (r *Reader) parse(record []byte) ([]string, error) {
	in := csv.NewReader(bytes.NewReader(record))
	in.Comma = r.comma
	in.FieldsPerRecord = -1
	cells, err := in.Read()
	if err != nil {
		return nil, err
	}
	if _, err := in.Read(); !errors.Is(err, io.EOF) { // two records, though the quotation marks come in pairs
		return nil, csv.ErrQuote
	}
	for i := range cells {
		cells[i] = Plain(cells[i])
	}
	return cells, nil
}

// Neutral is a cell that no spreadsheet takes for a formula (CWE-1236): what begins like one gets an apostrophe, which
// spreadsheets take for "this is text". Plain takes it off again.
func Neutral(cell string) string {
	if formula(cell) {
		return "'" + cell
	}
	return cell
}

// Plain is the cell that Neutral was given.
func Plain(cell string) string {
	if rest, ok := strings.CutPrefix(cell, "'"); ok && formula(rest) {
		return rest
	}
	return cell
}

// formula reports whether a cell begins like a formula, perhaps behind apostrophes, so that what Neutral does to a cell
// can be told from what was there.
func formula(cell string) bool {
	cell = strings.TrimLeft(cell, "'")
	return cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0]))
}

// Writer writes a table that Reader reads.
type Writer struct{ out *csv.Writer }

// NewWriter writes to out; every cell is neutral.
func NewWriter(out io.Writer) *Writer { return &Writer{csv.NewWriter(out)} }

// Write writes a record.
func (w *Writer) Write(cells []string) error {
	neutral := make([]string, len(cells))
	for i, cell := range cells {
		neutral[i] = Neutral(cell)
	}
	return w.out.Write(neutral)
}

// Flush writes what is still in memory.
func (w *Writer) Flush() error {
	w.out.Flush()
	return w.out.Error()
}
