package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sidecart/sidecart/internal/problem"
)

const (
	maxCategories  = 2000
	maxDefinitions = 50
	maxChoices     = 200
	maxDepth       = 8
)

// Tree is all categories, in one document: what is true of a tree is true of the whole of it, and two writers who each
// move one category into the other's cannot both be right.
type Tree struct {
	ID         string     `bson:"_id"`
	Version    int64      `bson:"version"`
	Categories []Category `bson:"categories"`
	Last       *Entry     `bson:"last,omitempty"`
}

func (t *Tree) index(slug string) int {
	return slices.IndexFunc(t.Categories, func(c Category) bool { return c.Slug == slug })
}

// Category is one of the tree's.
func (t *Tree) Category(slug string) (Category, error) {
	if i := t.index(slug); i >= 0 {
		return t.Categories[i], nil
	}
	return Category{}, problem.New(problem.NotFound, "category-not-found", "There is no such category.")
}

// Add puts a category among its siblings. A repeat under the same Idempotency-Key changes nothing.
func (t *Tree) Add(c Category) error {
	for _, before := range t.Categories {
		if repeat, err := c.Once.repeats(before.Once); repeat || err != nil {
			return err
		}
	}
	if t.index(c.Slug) >= 0 {
		return problem.New(problem.Conflict, "slug-taken", "There is a category %q already.", c.Slug)
	}
	if len(t.Categories) >= maxCategories {
		return problem.New(problem.Conflict, "too-many-categories", "There is room for %d categories.", maxCategories)
	}
	c.Version = 1
	return t.place(c)
}

// Replace writes c in the place of the category of its slug, and moves it if c's parent or position say so.
func (t *Tree) Replace(c Category) error {
	i := t.index(c.Slug)
	if i < 0 {
		return problem.New(problem.NotFound, "category-not-found", "There is no such category.")
	}
	c.Version, c.Once = t.Categories[i].Version+1, t.Categories[i].Once
	t.Categories = slices.Delete(slices.Clone(t.Categories), i, i+1)
	return t.place(c)
}

// place inserts c behind as many of its siblings as its position says, and numbers them.
func (t *Tree) place(c Category) error {
	t.Categories = append(t.Categories, c)
	for slug, depth := c.Parent, 1; slug != ""; depth++ {
		i := t.index(slug)
		switch {
		case i < 0:
			return misfit("parent", "There is no category %q.", slug)
		case slug == c.Slug || depth > maxCategories:
			return problem.New(problem.Unprocessable, "category-cycle", "A category cannot be part of itself.").
				WithFields(problem.FieldError{Field: "parent", Detail: "is part of this category"})
		}
		slug = t.Categories[i].Parent
	}
	if depth := t.depth(); depth > maxDepth {
		return misfit("parent", "Categories are nested %d deep at most.", maxDepth)
	}
	siblings := t.children(c.Parent)
	siblings = slices.DeleteFunc(siblings, func(slug string) bool { return slug == c.Slug })
	siblings = slices.Insert(siblings, min(max(c.Position, 0), len(siblings)), c.Slug)
	t.number(siblings)
	return nil
}

// Remove takes a category without children away.
func (t *Tree) Remove(slug string) error {
	i := t.index(slug)
	if i < 0 {
		return problem.New(problem.NotFound, "category-not-found", "There is no such category.")
	}
	if len(t.children(slug)) > 0 {
		return inUse("There are categories in it.")
	}
	parent := t.Categories[i].Parent
	t.Categories = slices.Delete(slices.Clone(t.Categories), i, i+1)
	t.number(t.children(parent))
	return nil
}

func inUse(why string) error { return problem.New(problem.Conflict, "category-in-use", "%s", why) }

// children are the slugs of what is directly part of a category, in the shop's order; of none, the roots.
func (t *Tree) children(parent string) []string {
	var found []Category
	for _, c := range t.Categories {
		if c.Parent == parent {
			found = append(found, c)
		}
	}
	slices.SortStableFunc(found, byPosition)
	slugs := make([]string, len(found))
	for i, c := range found {
		slugs[i] = c.Slug
	}
	return slugs
}

func byPosition(a, b Category) int { return cmp.Compare(a.Position, b.Position) }

func (t *Tree) number(siblings []string) {
	for position, slug := range siblings {
		t.Categories[t.index(slug)].Position = position
	}
}

// ordered is every category in the shop's order, each behind the one that it is part of.
func (t *Tree) ordered() []Category {
	all := make([]Category, 0, len(t.Categories))
	var walk func(parent string)
	walk = func(parent string) {
		for _, slug := range t.children(parent) {
			all = append(all, t.Categories[t.index(slug)])
			walk(slug)
		}
	}
	walk("")
	return all
}

func (t *Tree) depth() (deepest int) {
	for _, c := range t.Categories {
		deepest = max(deepest, len(t.path(c.Slug)))
	}
	return deepest
}

// path are the slugs from the top to a category.
func (t *Tree) path(slug string) (path []string) {
	for i := t.index(slug); i >= 0 && len(path) <= len(t.Categories); i = t.index(t.Categories[i].Parent) {
		path = append(path, t.Categories[i].Slug)
	}
	slices.Reverse(path)
	return path
}

// within are the slugs of a category and of all that is part of it.
func (t *Tree) within(slug string) []string {
	var found []string
	for _, c := range t.Categories {
		if slices.Contains(t.path(c.Slug), slug) {
			found = append(found, c.Slug)
		}
	}
	return found
}

// definitions are what the products of a category say about themselves, by name: what it defines, and what those do that
// it is part of.
func (t *Tree) definitions(slug string) map[string]AttributeDefinition {
	found := map[string]AttributeDefinition{}
	for _, slug := range t.path(slug) {
		for _, d := range t.Categories[t.index(slug)].Attributes {
			found[d.Name] = d
		}
	}
	return found
}

// Check tidies a category up, or refuses it with every fault at once.
func (c Category) Check() (Category, error) {
	f := faults{}
	if len(c.Slug) > maxSlug || !slugShape.MatchString(c.Slug) {
		f.add("slug", "must be words of small letters and digits with hyphens between them, like tea-cups")
	}
	c.Name = f.line("name", c.Name, 1, 100)
	c.Description = f.text("description", c.Description, 1000)
	if c.Image != "" && !imageShape.MatchString(c.Image) {
		f.add("image", "is not the name of a picture")
	}
	if len(c.Attributes) > maxDefinitions {
		f.add("attributes", "must be at most %d", maxDefinitions)
	}
	for i := range c.Attributes {
		d, field := &c.Attributes[i], fmt.Sprintf("attributes.%d", i)
		if !attributeShape.MatchString(d.Name) || len(d.Name) > maxAttributeName {
			f.add(field+".name", "must be a few words of letters and digits")
		}
		if slices.ContainsFunc(c.Attributes[:i], func(other AttributeDefinition) bool { return other.Name == d.Name }) {
			f.add(field+".name", "is there twice")
		}
		switch d.Kind {
		case "text", "number":
			d.Choices = nil
		case "choice":
			if len(d.Choices) == 0 || len(d.Choices) > maxChoices {
				f.add(field+".choices", "must be 1 to %d", maxChoices)
			}
			for j := range d.Choices {
				d.Choices[j] = f.line(fmt.Sprintf("%s.choices.%d", field, j), d.Choices[j], 1, maxAttributeValue)
			}
		default:
			f.add(field+".kind", "must be text, number or choice")
		}
	}
	return c, f.problem("invalid-category", "The category is not right yet.")
}

// fields are what an audit entry compares.
func (c Category) fields() map[string]any {
	definitions := make([]any, len(c.Attributes))
	for i, d := range c.Attributes {
		definitions[i] = map[string]any{"name": d.Name, "kind": d.Kind, "choices": d.Choices, "facet": d.Facet}
	}
	return map[string]any{
		"slug": c.Slug, "name": c.Name, "description": c.Description, "image": c.Image, "parent": c.Parent, "position": c.Position,
		"attributes": definitions,
	}
}
