package main

import (
	"context"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/web"
)

// staffCategory is a category as staff change it.
type staffCategory struct {
	Slug        string                `json:"slug"`
	Name        string                `json:"name"`
	Description string                `json:"description"`
	Image       string                `json:"image"`
	Parent      string                `json:"parent,omitempty"`
	Position    int                   `json:"position"`
	Attributes  []AttributeDefinition `json:"attributes"`
	Products    int                   `json:"products"`
	Version     int64                 `json:"version"`
}

func newStaffCategory(c Category, products int) staffCategory {
	return staffCategory{
		c.Slug, c.Name, c.Description, c.Image, c.Parent, c.Position, append([]AttributeDefinition{}, c.Attributes...), products, c.Version,
	}
}

// categoryDraft is what staff say of a category.
type categoryDraft struct {
	Slug        string                `json:"slug"`
	Name        string                `json:"name"`
	Description string                `json:"description"`
	Image       string                `json:"image"`
	Parent      string                `json:"parent"`
	Position    *int                  `json:"position"`
	Attributes  []AttributeDefinition `json:"attributes"`
}

// category is the draft tidied up. What has no position goes to the end.
func (d categoryDraft) category() (Category, error) {
	c := Category{
		Slug: d.Slug, Name: d.Name, Description: d.Description, Image: d.Image, Parent: d.Parent, Position: maxCategories, Attributes: d.Attributes,
	}
	if d.Position != nil {
		c.Position = *d.Position
	}
	return c.Check()
}

// listCategories answers with all of them in the shop's order.
func (o *office) listCategories(w http.ResponseWriter, r *http.Request) error {
	tree, err := o.store.tree(r.Context())
	if err != nil {
		return err
	}
	products, err := o.store.productsIn(r.Context())
	if err != nil {
		return err
	}
	page := web.Page[staffCategory]{Items: []staffCategory{}}
	for _, c := range tree.ordered() {
		page.Items = append(page.Items, newStaffCategory(c, products[c.Slug]))
	}
	return web.Encode(w, http.StatusOK, page)
}

// addCategory makes a category. With an Idempotency-Key a repeat makes none.
func (o *office) addCategory(w http.ResponseWriter, r *http.Request) error {
	c, err := o.readCategory(w, r)
	if err != nil {
		return err
	}
	if c.Once, err = onceOf(r, "category", c.fields()); err != nil {
		return err
	}
	return o.changeTree(w, r, http.StatusCreated, c.Slug, added, func(t *Tree) error { return t.Add(c) })
}

// replaceCategory writes everything that staff say of a category.
func (o *office) replaceCategory(w http.ResponseWriter, r *http.Request) error {
	c, err := o.readCategory(w, r)
	if err != nil {
		return err
	}
	if c.Slug != mux.Vars(r)["slug"] {
		return misfit("slug", "The slug of a category stays as it is.")
	}
	return o.changeTree(w, r, http.StatusOK, c.Slug, changed, func(t *Tree) error {
		before, err := t.Category(c.Slug)
		if err == nil {
			err = seen(r, before.Version)
		}
		if err != nil {
			return err
		}
		return t.Replace(c)
	})
}

func (o *office) readCategory(w http.ResponseWriter, r *http.Request) (c Category, err error) {
	var req categoryDraft
	if err := web.Decode(w, r, &req); err != nil {
		return c, err
	}
	if c, err = req.category(); err != nil || c.Image == "" {
		return c, err
	}
	missing, err := o.gallery.missing(r.Context(), []string{c.Image})
	if err == nil && len(missing) > 0 {
		err = misfit("image", "There is no picture %s.", c.Image)
	}
	return c, err
}

func (o *office) changeTree(w http.ResponseWriter, r *http.Request, status int, slug, what string, change func(*Tree) error) error {
	tree, err := o.store.UpdateTree(r.Context(), slug, actor(identity.From(r.Context())), what, o.now(), change)
	if err != nil {
		return err
	}
	c, err := tree.Category(slug)
	if err != nil {
		return err
	}
	products, err := o.store.productsIn(r.Context(), slug)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", etag(c.Version))
	return web.Encode(w, status, newStaffCategory(c, products[slug]))
}

// removeCategory takes away a category that nothing is in. A product that is put into it at the same moment is then in
// none, and shows up as such in the back office.
func (o *office) removeCategory(w http.ResponseWriter, r *http.Request) error {
	slug := mux.Vars(r)["slug"]
	_, err := o.store.UpdateTree(r.Context(), slug, actor(identity.From(r.Context())), removed, o.now(), func(t *Tree) error {
		c, err := t.Category(slug)
		if err == nil {
			err = seen(r, c.Version)
		}
		if err == nil {
			err = o.empty(r.Context(), slug)
		}
		if err != nil {
			return err
		}
		return t.Remove(slug)
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (o *office) empty(ctx context.Context, slug string) error {
	products, err := o.store.productsIn(ctx, slug)
	if err != nil {
		return err
	}
	if products[slug] > 0 {
		return inUse("There are products in it, perhaps archived ones.")
	}
	return nil
}
