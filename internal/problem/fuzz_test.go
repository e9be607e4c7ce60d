package problem

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A refusal that is read back and written again says the same, whatever another program put into it.
func FuzzRead(f *testing.F) {
	f.Add(404, "application/problem+json", `{"status":404,"code":"order-not-found","detail":"No.","errors":[{"field":"a","detail":"b"}]}`)
	f.Add(418, "application/problem+json", `{"code":"x"}`)
	f.Add(500, "text/html", `<h1>`)
	f.Add(200, "application/json", `{}`)
	f.Fuzz(func(t *testing.T, status int, contentType, body string) {
		answer := func(body string) *http.Response {
			return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(strings.NewReader(body))}
		}
		err := Read(answer(body))
		if err == nil {
			return
		}
		w := httptest.NewRecorder()
		Write(w, nil, err)
		if strings.ContainsAny(w.Header().Get("Content-Type"), "\r\n") || w.Code < 400 {
			t.Fatalf("%q became %d %v", body, w.Code, w.Header())
		}
	})
}
