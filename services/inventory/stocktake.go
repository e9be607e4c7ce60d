package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/internal/idempotency"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/inventory/reservation"
)

const (
	countsAtOnce = 500  // in a transaction, during which their SKUs are locked
	maxFaults    = 1000 // reported of a file
)

// count is what somebody has counted, as a line of a file says it.
type count struct {
	Line   int
	SKU    string
	OnHand int64
	Reason string
}

// fault is what is wrong with a line of a file; the others are imported all the same.
type fault struct {
	Line   int    `json:"line"`
	Column string `json:"column,omitempty"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// importReport is what came of a file: how many lines it has, and of how many the count was changed, was right already,
// or was refused.
type importReport struct {
	Read      int     `json:"read"`
	Written   int     `json:"written"`
	Unchanged int     `json:"unchanged"`
	Failed    int     `json:"failed"`
	Errors    []fault `json:"errors"` // the first thousand, by line
}

func (r *importReport) add(part importReport) {
	r.Written, r.Unchanged, r.Failed = r.Written+part.Written, r.Unchanged+part.Unchanged, r.Failed+part.Failed
	r.Errors = append(r.Errors, part.Errors...)
}

// importStocktake sets the counts of SKUs to what was counted: CSV with the columns sku, onHand and, if there is one, reason.
// A line that cannot be taken is reported and keeps no other back. The lines are saved in parts, and the Idempotency-Key
// covers each: a repeat of a request that broke off goes on where it ended, and does not undo what was sold since.
func (s *server) importStocktake(w http.ResponseWriter, r *http.Request) error {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "text/csv" {
		return problem.New(problem.UnsupportedMediaType, "unsupported-media-type", "Send this file as text/csv.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, web.MaxBody))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem.New(problem.TooLarge, "body-too-large", "The file is larger than %d bytes. Send it in parts.", tooLarge.Limit)
	} else if err != nil {
		return problem.New(problem.Invalid, "incomplete-body", "The file did not arrive whole.")
	}
	counts, faults, err := readCounts(body)
	if err != nil {
		return err
	}
	key, err := keyOf(r, body)
	if err != nil {
		return err
	}
	report := importReport{Read: len(counts) + len(faults), Failed: len(faults), Errors: faults}
	by := caller(r)
	for part := range slices.Chunk(counts, countsAtOnce) {
		k := key
		k.Key = fmt.Sprintf("%s line %d", key.Key, part[0].Line)
		answer, err := idempotency.Run(r.Context(), s.stock.db, k, func(tx pgx.Tx) (int, any, error) {
			done, err := s.stock.Recount(r.Context(), tx, part, by)
			return http.StatusOK, done, err
		})
		if err != nil {
			return err
		}
		var done importReport
		if err := json.Unmarshal(answer.Body, &done); err != nil {
			return fmt.Errorf("read what came of a part: %w", err)
		}
		report.add(done)
	}
	slices.SortStableFunc(report.Errors, func(a, b fault) int { return a.Line - b.Line })
	report.Errors = report.Errors[:min(len(report.Errors), maxFaults)]
	return web.Encode(w, http.StatusOK, report)
}

// readCounts reads the lines of a file, each by itself: an unclosed quote spoils its own line only. Files by spreadsheets
// have a mark at the beginning, and semicolons where the comma is in numbers.
func readCounts(file []byte) (counts []count, faults []fault, err error) {
	lines := strings.Split(string(bytes.TrimPrefix(file, []byte("\ufeff"))), "\n")
	separator := ','
	if !strings.Contains(lines[0], ",") {
		separator = ';'
	}
	header, _ := fields(lines[0], separator)
	if len(header) < 2 || len(header) > 3 || header[0] != "sku" || header[1] != "onHand" || len(header) == 3 && header[2] != "reason" {
		return nil, nil, problem.New(problem.Unprocessable, "invalid-header", "The first line must be sku,onHand or sku,onHand,reason.")
	}
	first := map[string]int{} // line of each SKU
	for i, line := range lines[1:] {
		number := i + 2
		if strings.TrimSpace(line) == "" {
			continue
		}
		c, f := readCount(line, separator, len(header))
		if f == nil && first[c.SKU] > 0 {
			f = &fault{Column: "sku", Code: "repeated-sku", Detail: fmt.Sprintf("This SKU was counted in line %d already.", first[c.SKU])}
		}
		if f != nil {
			f.Line = number
			faults = append(faults, *f)
			continue
		}
		c.Line, first[c.SKU] = number, number
		counts = append(counts, c)
	}
	return counts, faults, nil
}

func readCount(line string, separator rune, columns int) (count, *fault) {
	values, err := fields(line, separator)
	if err != nil || !utf8.ValidString(line) {
		return count{}, &fault{Code: "invalid-line", Detail: "This is not a line of CSV in UTF-8."}
	}
	if len(values) != columns {
		return count{}, &fault{Code: "invalid-line", Detail: fmt.Sprintf("There are %d columns, not %d.", len(values), columns)}
	}
	c := count{SKU: values[0], Reason: stocktake}
	if !reservation.IsSKU(c.SKU) {
		return c, &fault{Column: "sku", Code: "invalid-sku", Detail: "A SKU has up to 64 letters, digits, dots, dashes and underscores."}
	}
	if c.OnHand, err = strconv.ParseInt(values[1], 10, 64); err != nil || c.OnHand < 0 || c.OnHand > maxPieces {
		return c, &fault{Column: "onHand", Code: "invalid-count", Detail: fmt.Sprintf("A count is a whole number from 0 to %d.", maxPieces)}
	}
	if columns == 3 && values[2] != "" {
		c.Reason = values[2]
	}
	if _, known := reasons[c.Reason]; !known {
		return c, &fault{Column: "reason", Code: "invalid-reason", Detail: "A reason is stocktake, received, damaged, lost, found, correction or returned."}
	}
	return c, nil
}

func fields(line string, separator rune) ([]string, error) {
	r := csv.NewReader(strings.NewReader(strings.TrimSuffix(line, "\r")))
	r.Comma = separator
	values, err := r.Read()
	for i := range values {
		values[i] = strings.TrimSpace(values[i])
	}
	return values, err
}

// Recount sets counts to what was counted, in tx. SKUs that we never had come into stock.
func (s *store) Recount(ctx context.Context, tx pgx.Tx, counts []count, by member) (importReport, error) {
	skus := make([]string, len(counts))
	for i, c := range counts {
		skus[i] = c.SKU
	}
	if err := s.bringIn(ctx, tx, skus); err != nil {
		return importReport{}, err
	}
	items, err := s.lockItems(ctx, tx, skus)
	if err != nil {
		return importReport{}, err
	}
	var report importReport
	var postings []posting
	for _, c := range counts {
		before := items[c.SKU]
		after := before
		m := Movement{Change: c.OnHand - before.OnHand, Reason: c.Reason, By: by}
		refuse := func(column, code, detail string) {
			report.Failed++
			report.Errors = append(report.Errors, fault{c.Line, column, code, detail})
		}
		if m.Change == 0 {
			report.Unchanged++
		} else if !fits(c.Reason, m.Change) {
			refuse("reason", "invalid-reason", fmt.Sprintf("The count changes by %+d, which %q does not do.", m.Change, c.Reason))
		} else if p, ok := errors.AsType[*problem.Error](after.Change(m.Change)); ok {
			refuse("onHand", p.Code, p.Detail)
		} else {
			report.Written++
			postings = append(postings, posting{before, after, m})
		}
	}
	return report, s.post(ctx, tx, postings)
}
