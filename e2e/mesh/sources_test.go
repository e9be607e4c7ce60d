package mesh_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/mesh"
	"github.com/sidecart/sidecart/events"
)

// source is the Go files of one folder, and what their names stand for.
type source struct {
	files     []*ast.File
	functions map[string]ast.Node // by name: functions, methods and local wrappers, each with its body
	constants map[string]string
}

func readSource(t *testing.T, dir string) source {
	t.Helper()
	paths, err := filepath.Glob(dir + "/*.go")
	require.NoError(t, err)
	s := source{functions: map[string]ast.Node{}, constants: map[string]string{}}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		s.files = append(s.files, file)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				s.functions[n.Name.Name] = n.Body
			case *ast.AssignStmt:
				if literal, ok := n.Rhs[0].(*ast.FuncLit); ok && len(n.Lhs) == 1 {
					if name, ok := n.Lhs[0].(*ast.Ident); ok {
						s.functions[name.Name] = literal.Body
					}
				}
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if i < len(n.Values) {
						if value, ok := text(n.Values[i]); ok {
							s.constants[name.Name] = value
						}
					}
				}
			}
			return true
		})
	}
	require.NotEmpty(t, s.files, dir)
	return s
}

func text(e ast.Expr) (string, bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(literal.Value)
	return value, err == nil
}

// pattern is a path as code puts it together: what is not written out is "{}", and the query is left out.
func (s source) pattern(e ast.Expr) string {
	if value, ok := text(e); ok {
		return value
	}
	if sum, ok := e.(*ast.BinaryExpr); ok && sum.Op == token.ADD {
		path, _, _ := strings.Cut(s.pattern(sum.X)+s.pattern(sum.Y), "?")
		return path
	}
	return "{}"
}

// name is the last part of an identifier such as sidecar.OnlyFrom.
func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.IndexExpr:
		return name(e.X)
	}
	return ""
}

func verb(e ast.Expr) string { return strings.ToUpper(strings.TrimPrefix(name(e), "Method")) }

// onlyFrom are the apps that a handler is for, in the expression itself or in a wrapper that it calls.
func (s source) onlyFrom(n ast.Node) (apps []string) {
	if n == nil {
		return nil
	}
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch called := name(call.Fun); {
		case called == "OnlyFrom":
			for _, arg := range call.Args[1:] {
				if value, ok := text(arg); ok {
					apps = append(apps, value)
				} else {
					apps = append(apps, s.constants[name(arg)])
				}
			}
		case s.functions[called] != nil:
			apps = append(apps, s.onlyFrom(s.functions[called])...)
		}
		return true
	})
	return apps
}

// shared are the functions that add routes of their own, by the package they are in.
var shared = map[string]string{"outbox": "internal/outbox", "privacy": "internal/privacy"}

// handled are the routes that a piece of code adds, each with the apps that alone may use it.
func (s source) handled(t *testing.T, n ast.Node) map[string][]string {
	routes := map[string][]string{}
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if dir := shared[name(selector.X)]; dir != "" && len(call.Args) > 0 && name(call.Args[0]) == "r" {
			other := readSource(t, dir)
			maps.Copy(routes, other.handled(t, other.functions[selector.Sel.Name]))
			return true
		}
		if selector.Sel.Name != "Methods" {
			return true
		}
		handle, ok := selector.X.(*ast.CallExpr)
		if !ok || name(handle.Fun) != "Handle" {
			return true
		}
		for _, arg := range call.Args {
			routes[verb(arg)+" "+s.pattern(handle.Args[0])] = s.onlyFrom(handle.Args[1])
		}
		return true
	})
	return routes
}

func table(t *testing.T) []mesh.Call {
	t.Helper()
	t.Chdir("../..")
	calls, err := mesh.Calls()
	require.NoError(t, err)
	return calls
}

// services are the folders, each a service of that name.
func services(t *testing.T) []string {
	t.Helper()
	folders, err := filepath.Glob("services/*/http.go")
	require.NoError(t, err)
	for i, folder := range folders {
		folders[i] = filepath.Base(filepath.Dir(folder))
	}
	return folders
}

func TestTheTableIsTheRoutesOfTheServices(t *testing.T) {
	written := map[string]mesh.Call{}
	for _, c := range table(t) {
		require.NotContains(t, written, c.String(), "twice in calls.txt")
		written[c.String()] = c
	}
	require.ElementsMatch(t, mesh.Apps, append(services(t), "gateway"))
	for _, app := range services(t) {
		s := readSource(t, "services/"+app)
		require.NotNil(t, s.functions["routes"], app)
		routes := s.handled(t, s.functions["routes"])
		if app == "payment" { // one route for each provider
			for _, provider := range []string{"stripe", "paypal"} {
				routes["POST /webhooks/"+provider] = routes["POST /webhooks/{}"]
			}
			delete(routes, "POST /webhooks/{}")
		}
		for route, only := range routes {
			c, known := written[app+" "+route]
			require.True(t, known, "%s %s is not in calls.txt: who may call it?", app, route)
			delete(written, app+" "+route)
			if route == "GET /outbox" { // it looks for the caller in events.Routes itself
				require.ElementsMatch(t, hearersOf(app), c.Callers, c)
				continue
			}
			require.Equal(t, only == nil, c.Open, "%s: whether the service itself asks who calls", c)
			if !c.Open {
				require.ElementsMatch(t, c.Callers, only, c)
			}
		}
	}
	maps.DeleteFunc(written, func(_ string, c mesh.Call) bool { return c.Soon })
	require.Empty(t, written, "in calls.txt, but no route")
}

// hearersOf are the apps that hear what an app tells.
func hearersOf(app string) (apps []string) {
	for _, route := range events.Routes {
		if route.Producer == app {
			apps = append(apps, route.Consumers...)
		}
	}
	slices.Sort(apps)
	return slices.Compact(apps)
}

// called are the calls that an app's code writes out, as "callee METHOD path".
func (s source) called(caller string) map[string]bool {
	calls := map[string]bool{}
	for _, file := range s.files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				for i := 0; i+2 < len(n.Args); i++ {
					app, ok := text(n.Args[i])
					if ok && slices.Contains(mesh.Apps, app) && strings.HasPrefix(name(n.Args[i+1]), "Method") {
						calls[app+" "+verb(n.Args[i+1])+" "+s.pattern(n.Args[i+2])] = true
					}
				}
			case *ast.CompositeLit: // of the gateway's table: {"GET", "/api/…", access, target{"app", "/path"}, answer}
				if len(n.Elts) < 5 {
					return true
				}
				method, isText := text(n.Elts[0])
				to, isTarget := n.Elts[3].(*ast.CompositeLit)
				if !isText || !isTarget || len(to.Elts) != 2 {
					return true
				}
				app, _ := text(to.Elts[0])
				path, _ := text(to.Elts[1])
				if app != "" {
					calls[app+" "+method+" "+path] = true
				}
			}
			return true
		})
	}
	return calls
}

// unwritten are the calls whose app or path the code finds out as it runs.
func unwritten(caller, callee, route string) bool {
	switch {
	case callee == "auth" && (route == "GET /jwks.json" || route == "GET /ended-sessions"):
		return true // internal/boot: every service verifies tokens
	case route == "GET /outbox":
		return slices.Contains(hearersOf(callee), caller) // internal/outbox: catch-up
	case strings.HasSuffix(route, " /personal-data/{person}"):
		return caller == "client"
	case callee == "inventory" && route == "GET /stock":
		return caller == "gateway" // gateway/catalog.go asks for a hundred SKUs at a time
	case callee == "ordering" && route == "GET /news":
		return caller == "gateway" // gateway/follow.go reads it as a stream
	case callee == "client" && route == "GET /customers/{id}/preferences":
		return caller == "notification" // for mails that a customer may do without, of which there are none yet
	case callee == "notification" && route == "GET /messages":
		return caller == "gateway" // for the back office, which shows none yet
	case strings.Contains(route, "/parts/") || strings.HasSuffix(route, "/completion"):
		return caller == "gateway" // gateway/files.go sends files in parts
	case strings.Contains(route, " /dead-letters") || strings.Contains(route, " /trace/"):
		return caller == "gateway" // gateway/admin.go asks several services
	}
	return false
}

// same reports whether a path as code writes it is a path of the table.
func same(pattern, path string) bool {
	want, got := strings.Split(path, "/"), strings.Split(pattern, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] != got[i] && !(strings.HasPrefix(want[i], "{") && strings.HasPrefix(got[i], "{")) {
			return false
		}
	}
	return true
}

func TestTheTableIsTheCallsOfTheServices(t *testing.T) {
	calls := table(t)
	made := map[string]bool{}
	for _, caller := range mesh.Apps {
		dir := "services/" + caller
		if caller == "gateway" {
			dir = caller
		}
		for call := range readSource(t, dir).called(caller) {
			fields := strings.Fields(call)
			found := fields[2] == "{}" // see unwritten
			for _, c := range calls {
				if c.Callee == fields[0] && c.Method == fields[1] && same(fields[2], c.Path) {
					require.Contains(t, c.Callers, caller, "%s calls %s, which calls.txt does not allow", caller, call)
					made[caller+" "+c.String()], found = true, true
				}
			}
			require.True(t, found, "%s calls %s, which nobody answers", caller, call)
		}
	}
	for _, c := range calls {
		for _, caller := range c.Callers {
			require.True(t, c.Soon || made[caller+" "+c.String()] || unwritten(caller, c.Callee, c.Method+" "+c.Path),
				"calls.txt lets %s call %s, but nothing there does", caller, c)
		}
	}
}

func TestTheAllowListsAreTheTable(t *testing.T) {
	calls := table(t)
	for _, app := range mesh.Apps {
		listed, err := mesh.AllowList(".", app)
		require.NoError(t, err)
		wanted := map[string]bool{}
		for _, c := range calls {
			for _, caller := range c.Callers {
				if c.Callee == app {
					wanted[caller+" "+c.Method+" "+c.Segment()] = true
				}
			}
		}
		require.Equal(t, slices.Sorted(maps.Keys(wanted)), slices.Sorted(maps.Keys(listed)), "components/secure/%s.yaml", app)
	}
}
