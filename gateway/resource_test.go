package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
)

func TestPublicAnswersArePackedForThoseWhoTakeGzip(t *testing.T) {
	s := openShop(t)
	names := strings.Repeat(`"kitchen","garden",`, 200)
	s.serve("catalog GET /categories", answer(200, map[string]any{"items": json.RawMessage("[" + strings.TrimSuffix(names, ",") + "]")}))
	plain := s.browser().get("/api/v1/categories")
	require.Empty(t, plain.Header.Get("Content-Encoding"))
	packed := s.browser().get("/api/v1/categories", "Accept-Encoding", "br, GZIP;q=0.8")
	require.Equal(t, "gzip", packed.Header.Get("Content-Encoding"))
	require.Less(t, len(packed.body), len(plain.body)/10)
	unpacked, err := gzip.NewReader(strings.NewReader(packed.body))
	require.NoError(t, err)
	body, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	require.Equal(t, plain.body, string(body))
	for _, got := range []string{plain.Header.Get("Vary"), packed.Header.Get("Vary")} {
		require.Equal(t, "Accept-Encoding", got)
	}
	require.NotEqual(t, plain.Header.Get("Etag"), packed.Header.Get("Etag"), "RFC 9110, section 8.8.3.3")
	for _, etag := range []string{plain.Header.Get("Etag"), packed.Header.Get("Etag")} {
		again := s.browser().get("/api/v1/categories", "Accept-Encoding", "gzip", "If-None-Match", etag)
		require.Equal(t, 304, again.StatusCode, etag)
		require.Empty(t, again.Header.Get("Content-Encoding"))
	}

	s.serve("catalog GET /categories", answer(200, map[string]any{"items": []string{}}))
	s.server.answers.kept.Purge()
	small := s.browser().get("/api/v1/categories", "Accept-Encoding", "gzip")
	require.Empty(t, small.Header.Get("Content-Encoding"), "it fits into a packet as it is")
}

func TestTakesGzip(t *testing.T) {
	for given, want := range map[string]bool{
		"": false, "gzip": true, "br,gzip": true, "GZip": true, "gzip;q=0": false, "gzip; q=0.000": false, "gzip;q=0.001": true, "gzip;q=": false,
		"gzip;q=no": false, "xgzip": false, "identity, deflate": false, "*": false, ";;,=,gzip": true,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Accept-Encoding", given)
		require.Equal(t, want, takesGzip(r), given)
	}
}

func BenchmarkPack(b *testing.B) {
	body := bytes.Repeat([]byte(`{"sku":"TEAPOT-BLUE","price":{"amount":1299,"currency":"EUR"}},`), 600)
	for b.Loop() {
		newResource("application/json", body, gzip.BestSpeed).pack()
	}
}
