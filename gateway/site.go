package main

import (
	"cmp"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// pages are the addresses that the storefront's router knows; it is one HTML document that shows them all.
// They are those of storefront/src/paths.ts.
var pages = []string{
	"/", "/products", "/products/*", "/basket", "/checkout", "/sign-in", "/register", "/verify-email",
	"/forgot-password", "/reset-password", "/confirm-email", "/unsubscribe",
	"/account", "/account/addresses", "/account/security", "/account/devices", "/account/preferences", "/account/wishlist", "/account/privacy",
	"/erasure/*", "/orders", "/orders/*",
	"/admin", "/admin/orders", "/admin/orders/*", "/admin/returns", "/admin/stock", "/admin/stock/of/*", "/admin/stock/import",
	"/admin/coupons", "/admin/coupons/new", "/admin/coupons/edit/*",
	"/admin/products", "/admin/products/new", "/admin/products/*", "/admin/products/*/history", "/admin/categories",
	"/admin/reviews", "/admin/imports", "/admin/imports/*", "/admin/audit",
	"/admin/dead-letters", "/admin/disputes", "/admin/reconciliation",
}

const notBuilt = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sidecart</title>
<h1>The storefront is not built</h1>
<p>This gateway was compiled without it. <code>make run</code> builds and embeds it; by hand:
<code>npm ci</code> and <code>npm run build</code> in <code>storefront/</code>, then build the gateway again.</p>
<p>The API is here all the same: <a href="/api/docs">its description</a>.</p>
</html>
`

// site is the storefront: a handful of files, read and compressed once at start.
type site struct {
	files map[string]file // by address
	index file
	built bool
}

type file struct {
	*resource
	cacheControl string
}

func newSite(root fs.FS) (*site, error) {
	s := &site{files: map[string]file{}, index: newFile("index.html", []byte(notBuilt))}
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		body, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		f := newFile(name, body)
		if name == "index.html" {
			s.index, s.built = f, true
			return nil
		}
		s.files["/"+name] = f
		return nil
	})
	return s, err
}

func newFile(name string, body []byte) file {
	f := file{
		resource:     newResource(cmp.Or(mime.TypeByExtension(path.Ext(name)), http.DetectContentType(body)), body, gzip.BestCompression),
		cacheControl: "no-cache", // asks each time, by ETag: a new release shows at once
	}
	f.pack()
	if strings.HasPrefix(name, "assets/") {
		f.cacheControl = "public, max-age=31536000, immutable" // named by their content
	}
	return f
}

// or serves the storefront's files and pages, and leaves the rest to miss. A person who mistypes a page's address sees the
// shop's own "not found" page; programs and the addresses of the API get miss's answer.
func (s *site) or(miss http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, found := s.files[r.URL.Path]
		status := http.StatusOK
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			miss.ServeHTTP(w, r)
			return
		case found:
		case isPage(r.URL.Path):
			f = s.index
			if !s.built {
				status = http.StatusServiceUnavailable
			}
		case s.built && strings.Contains(r.Header.Get("Accept"), "text/html") && !forPrograms(r.URL.Path):
			f, status = s.index, http.StatusNotFound
		default:
			miss.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Cache-Control", f.cacheControl)
		f.serve(w, r, status)
	})
}

func isPage(address string) bool {
	for _, page := range pages {
		if ok, _ := path.Match(page, address); ok {
			return true
		}
	}
	return false
}

func forPrograms(address string) bool {
	return strings.HasPrefix(address, "/api") || strings.HasPrefix(address, "/webhooks")
}
