package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/catalog/sheet"
)

// stalledAfter is how long whoever reads a file may take for its next piece.
const stalledAfter = 30 * time.Second

// openImport begins to take a file of products. With an Idempotency-Key a repeat begins nothing new.
func (o *office) openImport(w http.ResponseWriter, r *http.Request) error {
	f, who := faults{}, identity.From(r.Context())
	file := f.line("file", r.URL.Query().Get("file"), 0, 200)
	if err := f.problem("invalid-fields", "The name of the file is not right."); err != nil {
		return err
	}
	id, err := newID(r, "import", who)
	if err != nil {
		return err
	}
	job := Import{ID: id, File: file, Status: receiving, Actor: actor(who), StartedAt: o.now().UTC().Truncate(time.Millisecond)}
	if err := o.store.AddImport(r.Context(), job); err != nil {
		return err
	}
	if job, err = o.store.Import(r.Context(), id); err != nil {
		return err
	}
	return web.Encode(w, http.StatusCreated, opened{ID: id, PartSize: partSize, Most: maxImport, Complete: job.Status != receiving})
}

// startImport lets an import begin whose file has arrived.
func (o *office) startImport(w http.ResponseWriter, r *http.Request) error {
	id, sent, err := readCompletion(w, r, maxImport)
	if err != nil {
		return err
	}
	job, err := o.store.Import(r.Context(), id)
	if err != nil {
		return err
	}
	if job.Status == receiving {
		if err := o.store.ReceivedImport(r.Context(), id, sent.Parts, o.now()); err != nil {
			return err
		}
	}
	return o.answerImport(w, r, http.StatusAccepted, id)
}

func (o *office) answerImport(w http.ResponseWriter, r *http.Request, status int, id string) error {
	job, err := o.store.Import(r.Context(), id)
	if err != nil {
		return err
	}
	if job.Failed > 0 {
		if job.Errors, err = o.store.Faults(r.Context(), id, shownFaults); err != nil {
			return err
		}
	}
	return web.Encode(w, status, job.shown())
}

// shown is the import as staff see it.
func (job Import) shown() Import {
	job.By, job.StartedAt, job.FinishedAt = job.Actor.Name, job.StartedAt.UTC(), job.FinishedAt.UTC()
	return job
}

// showImport answers with how far an import is.
func (o *office) showImport(w http.ResponseWriter, r *http.Request) error {
	return o.answerImport(w, r, http.StatusOK, mux.Vars(r)["id"])
}

// cancelImport asks an import to stop.
func (o *office) cancelImport(w http.ResponseWriter, r *http.Request) error {
	id := mux.Vars(r)["id"]
	if err := o.store.CancelImport(r.Context(), id, o.now()); err != nil {
		return err
	}
	return o.answerImport(w, r, http.StatusOK, id)
}

// listImports answers with a page of imports, the latest first.
func (o *office) listImports(w http.ResponseWriter, r *http.Request) error {
	limit, err := web.Limit(r, defaultLimit, maxLimit)
	if err != nil {
		return err
	}
	before := time.Time{}
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		b, err := base64.RawURLEncoding.DecodeString(cursor)
		if err == nil {
			before, err = time.Parse(time.RFC3339Nano, string(b))
		}
		if err != nil {
			return badCursor()
		}
	}
	found, err := o.store.Imports(r.Context(), before, limit+1)
	if err != nil {
		return err
	}
	page := web.Page[Import]{Items: []Import{}}
	for i, job := range found {
		if i == limit {
			page.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(found[i-1].StartedAt.UTC().Format(time.RFC3339Nano)))
			break
		}
		page.Items = append(page.Items, job.shown())
	}
	return web.Encode(w, http.StatusOK, page)
}

// importErrors answers with everything that was wrong with a file, as a table.
func (o *office) importErrors(w http.ResponseWriter, r *http.Request) error {
	job, err := o.store.Import(r.Context(), mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	found, err := o.store.Faults(r.Context(), job.ID, 0)
	if err != nil {
		return err
	}
	out := begin(w, "import-errors.csv")
	if err := out.Write([]string{"line", "column", "code", "detail"}); err != nil {
		return err
	}
	for _, f := range found {
		if err := out.Write([]string{strconv.Itoa(f.Line), f.Column, f.Code, f.Detail}); err != nil {
			panic(http.ErrAbortHandler) // nobody is there to be answered
		}
	}
	_ = out.Flush() // as is a failure here
	return nil
}

func begin(w http.ResponseWriter, name string) *sheet.Writer {
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	return sheet.NewWriter(w)
}

// exportProducts answers with all products as a table, piece by piece as they are read.
func (o *office) exportProducts(w http.ResponseWriter, r *http.Request) error {
	conn := http.NewResponseController(w)
	var out *sheet.Writer
	rows := 0
	write := func(cells []string) error {
		if out == nil { // what fails before the first line is still told
			out = begin(w, "products.csv")
			if err := out.Write(tableHeading()); err != nil {
				return err
			}
		}
		if cells == nil {
			return nil
		}
		if rows++; rows%1000 == 0 {
			if err := conn.SetWriteDeadline(time.Now().Add(stalledAfter)); err != nil {
				return fmt.Errorf("extend the write limit of an export: %w", err)
			}
		}
		return out.Write(cells)
	}
	err := o.store.eachProduct(r.Context(), func(p *Product) error {
		for _, line := range tableLines(p) {
			if err := write(line); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && out == nil {
		return err
	}
	if err == nil {
		err = write(nil)
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		panic(http.ErrAbortHandler) // half a file must not pass for a whole one
	}
	return nil
}
