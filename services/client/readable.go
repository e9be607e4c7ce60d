package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
)

// readablePage shows any JSON as nested lists. It needs no script and nothing from elsewhere.
var readablePage = template.Must(template.New("export").Funcs(template.FuncMap{
	"words": words, "keys": func(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) },
	"isMap": func(v any) bool { _, ok := v.(map[string]any); return ok }, "isList": func(v any) bool { _, ok := v.([]any); return ok },
	"plain": plainValue,
}).Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Your data at Sidecart</title>
<style>body{font:16px/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}dt{font-weight:bold}dd{margin:0 0 .5rem 1.5rem}li{margin-bottom:.5rem}</style></head>
<body><h1>Your data at Sidecart</h1><p>Everything that the shop held about you on {{.At}}. The same is in export.json for programs.</p>
{{range $service := keys .Data}}<h2>{{words $service}}</h2>{{template "value" index $.Data $service}}{{end}}
</body></html>
{{define "value"}}{{if isMap .}}<dl>{{$m := .}}{{range $key := keys .}}<dt>{{words $key}}</dt><dd>{{template "value" index $m $key}}</dd>{{end}}</dl>
{{else if isList .}}{{if .}}<ol>{{range .}}<li>{{template "value" .}}</li>{{end}}</ol>{{else}}none{{end}}
{{else}}{{plain .}}{{end}}{{end}}`))

// readable makes a page of an export.
func readable(asJSON []byte, at time.Time) ([]byte, error) {
	data := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(asJSON))
	decoder.UseNumber() // no amount becomes a float on its way
	if err := decoder.Decode(&data); err != nil {
		return nil, fmt.Errorf("read export: %w", err)
	}
	var page bytes.Buffer
	err := readablePage.Execute(&page, struct {
		At   string
		Data map[string]any
	}{at.UTC().Format("2 January 2006, 15:04 UTC"), data})
	return page.Bytes(), err
}

func plainValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case bool:
		if v {
			return "yes"
		}
		return "no"
	}
	return fmt.Sprint(v)
}

// words turns a name such as "lastSeenAt" or "placed_at" into words.
func words(name string) string {
	var b strings.Builder
	for i, c := range name {
		switch {
		case i == 0:
			b.WriteRune(unicode.ToUpper(c))
		case c == '_':
			b.WriteByte(' ')
		case unicode.IsUpper(c):
			b.WriteByte(' ')
			b.WriteRune(unicode.ToLower(c))
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
