// Package sidecart holds no code: the programs are in services/, gateway/ and sandbox/. This test keeps the direction of
// their imports. It parses the files itself, since the go tool caches tests that ask it.
package sidecart

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/sidecart/sidecart/"

// mayImport lists, for each part of the tree, which other parts it may import. The longest prefix decides.
var mayImport = map[string][]string{
	"services/":  {"events", "internal/"},
	"gateway":    {"internal/", "events"},
	"sandbox":    {"internal/"},
	"events":     {"internal/money"},
	"internal/":  {"internal/", "events"},
	"e2e/":       {"e2e/"},
	"e2e/bench":  {"e2e/", "services/catalog/search"}, // it measures the index by itself, too
	"e2e/prove":  {"e2e/shop", "events"},
	"e2e/model":  {"e2e/", "events", "internal/"},
	"e2e/mesh":   {"e2e/", "events"},
	"components": {"events"}, // its test compares
	"":           {},
}

// onlyIn lists libraries that have one home.
var onlyIn = map[string][]string{
	"github.com/dapr/":                 {"internal/sidecar", "e2e/mesh"},
	"google.golang.org/grpc":           {"internal/sidecar", "e2e/mesh"},
	"github.com/golang-jwt/":           {"internal/identity"},
	"github.com/stripe/":               {"services/payment", "sandbox"},
	"github.com/aws/":                  {"services/notification", "sandbox"},
	"go.mongodb.org/":                  {"services/catalog", "services/client", "e2e/bench"},
	"github.com/pressly/goose":         {"internal/postgres"},
	"github.com/stretchr/testify/mock": {},
}

func TestImports(t *testing.T) {
	seen := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "node_modules" || path == "tools") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		seen++
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			check(t, filepath.ToSlash(path), imported)
		}
		return nil
	}))
	require.Greater(t, seen, 50, "the walk must have found the code")
}

func check(t *testing.T, path, imported string) {
	dir := filepath.ToSlash(filepath.Dir(path))
	for library, homes := range onlyIn {
		if strings.HasPrefix(imported, library) && !anyPrefix(dir, homes) {
			t.Errorf("%s imports %s, whose home is %v", path, imported, homes)
		}
	}
	local, ok := strings.CutPrefix(imported, module)
	if !ok || local == dir {
		return
	}
	part := ""
	for p := range mayImport {
		if strings.HasPrefix(dir, p) && len(p) > len(part) {
			part = p
		}
	}
	// A service's sub-packages are its own, and the model's, which drives the true rules of several services together.
	if parts := strings.Split(local, "/"); len(parts) > 2 && parts[0] == "services" {
		if service := strings.Join(parts[:2], "/"); dir == service || strings.HasPrefix(dir, service+"/") || dir == "e2e/model" {
			return
		}
	}
	if !anyPrefix(local, mayImport[part]) {
		t.Errorf("%s imports %s; %q may import %v", path, local, part, mayImport[part])
	}
}

func anyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

func TestSubPackagesAreTheirServicesOwn(t *testing.T) {
	for path, imported := range map[string]string{
		"services/ordering/x.go":       module + "services/ordering/order",
		"services/ordering/order/x.go": module + "services/ordering/coupon",
		"e2e/model/x.go":               module + "services/inventory/reservation",
	} {
		check(t, path, imported)
	}
}

func TestArchitectureTestCanFail(t *testing.T) {
	for path, imported := range map[string]string{
		"services/ordering/x.go": module + "services/payment",
		"events/x.go":            module + "internal/web",
		"services/basket/x.go":   "github.com/dapr/go-sdk/client",
		"internal/web/x.go":      module + "services/auth",
		"gateway/x.go":           module + "services/auth",
		"services/payment/x.go":  module + "services/ordering/order",
		"e2e/api/x.go":           module + "services/ordering/order",
		"e2e/model/x.go":         module + "services/ordering",
	} {
		var inner testing.T
		check(&inner, path, imported)
		require.True(t, inner.Failed(), "%s importing %s", path, imported)
	}
}
