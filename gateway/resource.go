package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// resource is what is the same for everybody who asks for it, in two representations: as it is, and as gzip makes it (RFC 9110,
// section 8.4), each with an entity tag of its own. Nothing that a visitor may not see is among it, so that its length, too,
// tells nothing.
type resource struct {
	contentType string
	body        []byte
	etag        string
	level       int // of compression

	once   sync.Once
	packed []byte // nil where it would not help
}

const packedMark = "-gzip" // what the tag of a packed body has in its end

// smallestPacked is how many bytes are sent in one packet anyway.
const smallestPacked = 1400

// newResource is packed, at a level of gzip's, when it is first asked for in that way.
func newResource(contentType string, body []byte, level int) *resource {
	sum := sha256.Sum256(body)
	return &resource{contentType: contentType, body: body, etag: base64.RawURLEncoding.EncodeToString(sum[:12]), level: level}
}

// serve answers with the representation that the caller takes, or with 304 to one who has either.
func (res *resource) serve(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	body, mark := res.body, ""
	if len(body) > smallestPacked {
		h.Set("Vary", "Accept-Encoding")
		if takesGzip(r) && res.pack() != nil {
			body, mark = res.packed, packedMark
		}
	}
	h.Set("Etag", `"`+res.etag+mark+`"`)
	if status == http.StatusOK && (matches(r, `"`+res.etag+`"`) || matches(r, `"`+res.etag+packedMark+`"`)) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if mark != "" {
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", res.contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the status has gone out: a failed write is the client's hanging up
	}
}

// packers are for what is asked for at the time, since one takes longer to make than to use.
var packers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return w
}}

func (res *resource) pack() []byte {
	res.once.Do(func() {
		var packed bytes.Buffer
		var w *gzip.Writer
		if res.level == gzip.BestSpeed {
			w = packers.Get().(*gzip.Writer)
			defer packers.Put(w)
			w.Reset(&packed)
		} else {
			w, _ = gzip.NewWriterLevel(&packed, res.level)
		}
		_, _ = w.Write(res.body) // a buffer takes everything
		_ = w.Close()
		if packed.Len() < len(res.body)*9/10 {
			res.packed = packed.Bytes()
		}
	})
	return res.packed
}

// takesGzip reports whether the caller has named gzip, and not to refuse it (RFC 9110, section 12.5.3).
func takesGzip(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(line, ",") {
			name, weight, _ := strings.Cut(coding, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			_, q, weighed := strings.Cut(weight, "=")
			n, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
			return !weighed || err == nil && n > 0
		}
	}
	return false
}
