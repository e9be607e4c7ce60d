package main

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

//go:embed openapi.yaml
var openapiYAML []byte

//go:embed docs.html
var docsHTML string

// description is the public API in the two forms that we serve.
type description struct {
	json   *publicAnswer
	page   []byte
	policy string // the page's Content-Security-Policy, which admits its one style sheet and no script
}

// openapi serves the description for programs.
func (s *server) openapi(w http.ResponseWriter, r *http.Request, _ target) error {
	s.api.json.publish(w, r)
	return nil
}

// docs serves the description for people.
func (s *server) docs(w http.ResponseWriter, _ *http.Request, _ target) error {
	h := w.Header()
	h.Set("Cache-Control", publicFor)
	h.Set("Content-Security-Policy", s.api.policy)
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(s.api.page)
	return nil
}

func newDescription(source []byte) (*description, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(source, &root); err != nil {
		return nil, err
	}
	var asJSON bytes.Buffer
	if err := writeJSON(&asJSON, root.Content[0]); err != nil {
		return nil, err
	}
	var api spec
	if err := root.Decode(&api); err != nil {
		return nil, err
	}
	page, err := template.New("docs").Funcs(template.FuncMap{
		"prose": prose, "parameter": api.parameter, "response": api.response, "rows": api.rows,
		"kind": kind, "example": api.exampleText, "anchor": anchor,
	}).Parse(docsHTML)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := page.Execute(&out, api); err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(out.String(), "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	return &description{
		json: newPublicAnswer(asJSON.Bytes(), true), page: out.Bytes(),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; " +
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}, nil
}

// What the page shows of OpenAPI 3.1, https://spec.openapis.org/oas/v3.1.0; what openapi.yaml does not use is not here.
type (
	spec struct {
		Info struct{ Title, Version, Summary, Description string }
		Tags []struct{ Name, Description string }

		Paths      inOrder[pathItem]
		Components struct {
			Parameters map[string]parameter
			Responses  map[string]response
			Schemas    inOrder[schema]
		}
	}
	pathItem struct {
		Parameters                    []parameter
		Get, Put, Post, Patch, Delete *operation
	}
	operation struct {
		OperationID          string `yaml:"operationId"`
		Summary, Description string
		Tags                 []string
		Security             *[]map[string]any
		Parameters           []parameter
		RequestBody          *struct{ Content inOrder[content] } `yaml:"requestBody"`
		Responses            inOrder[response]
	}
	parameter struct {
		Ref                   string `yaml:"$ref"`
		Name, In, Description string
		Required              bool
		Schema                schema
	}
	response struct {
		Ref         string `yaml:"$ref"`
		Description string
		Content     inOrder[content]
	}
	content struct {
		Schema  schema
		Example yaml.Node
	}
	schema struct {
		Ref                          string `yaml:"$ref"`
		Type                         types
		Format, Description, Pattern string
		Const                        string
		Enum, Required               []string
		Default, Example             yaml.Node
		Examples                     []yaml.Node
		Minimum, Maximum             *int64
		MinLength                    *int `yaml:"minLength"`
		MaxLength                    *int `yaml:"maxLength"`
		Items                        *schema
		Properties                   inOrder[schema]
		AdditionalProperties         *schema  `yaml:"additionalProperties"`
		AllOf                        []schema `yaml:"allOf"`
	}
)

// types is a JSON type, or a list of them in words.
type types string

func (t *types) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.SequenceNode {
		return node.Decode((*string)(t))
	}
	var several []string
	if err := node.Decode(&several); err != nil {
		return err
	}
	*t = types(strings.Join(several, " or "))
	return nil
}

// inOrder is a YAML mapping that keeps the order in which it was written.
type inOrder[T any] []named[T]

type named[T any] struct {
	Name  string
	Value T
}

func (o *inOrder[T]) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: not a mapping", n.Line)
	}
	for i := 0; i < len(n.Content); i += 2 {
		m := named[T]{Name: n.Content[i].Value}
		if err := n.Content[i+1].Decode(&m.Value); err != nil {
			return err
		}
		*o = append(*o, m)
	}
	return nil
}

func (o inOrder[T]) find(name string) (T, bool) {
	i := slices.IndexFunc(o, func(m named[T]) bool { return m.Name == name })
	if i < 0 {
		var none T
		return none, false
	}
	return o[i].Value, true
}

// endpoint is one operation where it is found.
type endpoint struct {
	Method, Path string
	*operation
	Parameters []parameter
}

// Endpoints are the operations of a tag, in the order of the file.
func (s spec) Endpoints(tag string) []endpoint {
	var found []endpoint
	for _, p := range s.Paths {
		item := p.Value
		for _, o := range []named[*operation]{
			{"GET", item.Get}, {"PUT", item.Put}, {"POST", item.Post}, {"PATCH", item.Patch}, {"DELETE", item.Delete},
		} {
			if o.Value != nil && slices.Contains(o.Value.Tags, tag) {
				found = append(found, endpoint{o.Name, p.Name, o.Value, slices.Concat(item.Parameters, o.Value.Parameters)})
			}
		}
	}
	return found
}

// Public reports whether an operation needs no session at all.
func (o operation) Public() bool { return o.Security != nil && len(*o.Security) == 0 }

func anchor(ref string) string { return ref[strings.LastIndex(ref, "/")+1:] }

func (s spec) parameter(p parameter) parameter {
	if p.Ref != "" {
		return s.Components.Parameters[anchor(p.Ref)]
	}
	return p
}

func (s spec) response(r response) response {
	if r.Ref != "" {
		return s.Components.Responses[anchor(r.Ref)]
	}
	return r
}

func (s spec) schema(sc schema) schema {
	if sc.Ref != "" {
		sc, _ = s.Components.Schemas.find(anchor(sc.Ref))
	}
	return sc
}

// row is one member of an object in a table; the members of an object within it follow as "outer.inner".
type row struct {
	Name     string
	Required bool
	Schema   schema
	Prose    string
}

func (s spec) rows(sc schema) []row {
	sc = s.schema(sc)
	var rows []row
	for _, part := range sc.AllOf {
		rows = append(rows, s.rows(part)...)
	}
	for _, p := range sc.Properties {
		text := p.Value.Description
		if text == "" && p.Value.Ref == "" && p.Value.Items != nil {
			text = p.Value.Items.Description
		}
		rows = append(rows, row{p.Name, slices.Contains(sc.Required, p.Name), p.Value, text})
		inner, suffix := p.Value, "."
		if inner.Items != nil && inner.Items.Ref == "" {
			inner, suffix = *inner.Items, "[]."
		}
		if inner.Ref == "" {
			for _, r := range s.rows(inner) {
				r.Name = p.Name + suffix + r.Name
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// kind tells in words what values a schema admits.
func kind(sc schema) template.HTML {
	var words []string
	say := func(format string, args ...any) {
		words = append(words, template.HTMLEscapeString(fmt.Sprintf(format, args...)))
	}
	switch {
	case sc.Ref != "":
		return template.HTML(fmt.Sprintf(`<a href="#%[1]s">%[1]s</a>`, template.HTMLEscapeString(anchor(sc.Ref))))
	case sc.Items != nil:
		return "list of " + kind(*sc.Items)
	case sc.Const != "":
		say("“%s”", sc.Const)
	case len(sc.Enum) > 0:
		say("%s", strings.Join(sc.Enum, " | "))
	case sc.AdditionalProperties != nil:
		return "any names, each " + kind(*sc.AdditionalProperties)
	default:
		say("%s", strings.TrimSpace(string(sc.Type)+" "+sc.Format))
	}
	if sc.Minimum != nil {
		say("from %d", *sc.Minimum)
	}
	if sc.Maximum != nil {
		say("to %d", *sc.Maximum)
	}
	if sc.MinLength != nil {
		say("at least %d characters", *sc.MinLength)
	}
	if sc.MaxLength != nil {
		say("at most %d characters", *sc.MaxLength)
	}
	if sc.Pattern != "" {
		say("like %s", sc.Pattern)
	}
	if !sc.Default.IsZero() {
		say("default %s", sc.Default.Value)
	}
	return template.HTML(strings.Join(words, ", ")) // every word is escaped above
}

// exampleText is the example of a body as JSON, made up from its schema where none is written.
func (s spec) exampleText(c content) (string, error) {
	node := &c.Example
	if node.IsZero() {
		node = s.example(c.Schema)
	}
	if node.Kind == yaml.ScalarNode && node.Tag == "!!str" {
		return node.Value, nil
	}
	var compact, pretty bytes.Buffer
	if err := writeJSON(&compact, node); err != nil {
		return "", err
	}
	err := json.Indent(&pretty, compact.Bytes(), "", "  ")
	return pretty.String(), err
}

func (s spec) example(sc schema) *yaml.Node {
	sc = s.schema(sc)
	scalar := func(tag, value string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value} }
	switch {
	case !sc.Example.IsZero():
		return &sc.Example
	case len(sc.Examples) > 0:
		return &sc.Examples[0]
	case sc.Const != "":
		return scalar("!!str", sc.Const)
	case len(sc.Enum) > 0:
		return scalar("!!str", sc.Enum[0])
	case sc.Items != nil:
		return &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{s.example(*sc.Items)}}
	case sc.Properties != nil || sc.AllOf != nil || sc.Type == "object":
		object := &yaml.Node{Kind: yaml.MappingNode}
		for _, part := range sc.AllOf {
			object.Content = append(object.Content, s.example(part).Content...)
		}
		for _, p := range sc.Properties {
			object.Content = append(object.Content, scalar("!!str", p.Name), s.example(p.Value))
		}
		return object
	case sc.Type == "integer", sc.Type == "number":
		return scalar("!!int", "1")
	case sc.Type == "boolean":
		return scalar("!!bool", "true")
	case sc.Pattern == "^[A-Z]{3}$":
		return scalar("!!str", "EUR")
	case sc.Format == "date-time":
		return scalar("!!str", "2026-11-22T10:15:00Z")
	case sc.Format == "uuid":
		return scalar("!!str", "0199f2c1-7d1a-7a43-9a55-0c5f5d6b7a10")
	case sc.Format == "email":
		return scalar("!!str", "ada@example.com")
	}
	return scalar("!!str", "…")
}

// writeJSON writes YAML as JSON in the order of the source.
func writeJSON(out *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.MappingNode:
		out.WriteByte('{')
		for i := 0; i < len(n.Content); i += 2 {
			if i > 0 {
				out.WriteByte(',')
			}
			key, err := json.Marshal(n.Content[i].Value)
			if err != nil {
				return err
			}
			out.Write(key)
			out.WriteByte(':')
			if err := writeJSON(out, n.Content[i+1]); err != nil {
				return err
			}
		}
		out.WriteByte('}')
	case yaml.SequenceNode:
		out.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeJSON(out, item); err != nil {
				return err
			}
		}
		out.WriteByte(']')
	case yaml.ScalarNode:
		var v any
		if err := n.Decode(&v); err != nil {
			return err
		}
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		out.Write(b)
	default:
		return fmt.Errorf("line %d: neither value, list nor mapping", n.Line)
	}
	return nil
}

var (
	codeMark   = regexp.MustCompile("`([^`]+)`")
	strongMark = regexp.MustCompile(`\*\*([^*]+)\*\*`)
)

// prose renders the little Markdown that openapi.yaml uses: paragraphs, `code` and **strong**.
func prose(text string) template.HTML {
	var out strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if paragraph == "" {
			continue
		}
		escaped := template.HTMLEscapeString(paragraph)
		escaped = codeMark.ReplaceAllString(escaped, "<code>$1</code>")
		escaped = strongMark.ReplaceAllString(escaped, "<strong>$1</strong>")
		out.WriteString("<p>" + escaped + "</p>")
	}
	return template.HTML(out.String()) // escaped above
}
