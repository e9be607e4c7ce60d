package api

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"

	"github.com/sidecart/sidecart/e2e/shop"
)

// TestMain holds every answer that any test here gets against the description of the API: an answer of another status, or
// with a field that is not written there or of another form, fails the suite. So does what the logs tell of people and
// secrets when all tests have run.
func TestMain(m *testing.M) {
	described, err := readDescription("../../gateway/openapi.yaml")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	seen := &secretsSeen{values: map[string]bool{}}
	shop.Watch = func(resp *http.Response, body string) {
		seen.note(resp)
		described.check(resp, body)
	}
	code := m.Run()
	if dir := os.Getenv("SIDECART_DIR"); dir != "" && described.seen > 0 {
		faults, err := logFaults(dir, seen.values)
		if err != nil {
			fmt.Fprintln(os.Stderr, "the logs were not read:", err)
			code = max(code, 1)
		}
		for i, fault := range faults {
			if code = max(code, 1); i < 20 {
				fmt.Fprintln(os.Stderr, "a log tells too much:", fault)
			}
		}
	}
	for _, fault := range slices.Sorted(maps.Keys(described.faults)) {
		fmt.Fprintf(os.Stderr, "not as openapi.yaml has it (%d times): %s\n", described.faults[fault], fault)
		code = max(code, 1)
	}
	if described.seen > 0 {
		fmt.Printf("%d answers of %d operations were compared with openapi.yaml\n", described.seen, len(described.operations))
	}
	os.Exit(code)
}

type description struct {
	validator validator.Validator

	mu         sync.Mutex
	seen       int
	operations map[string]bool
	faults     map[string]int
}

func readDescription(path string) (*description, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	v, errs := validator.NewValidator(document, config.WithStrictMode(), config.WithStrictIgnorePaths("$.headers.**"), config.WithFormatAssertions())
	if len(errs) > 0 {
		return nil, fmt.Errorf("read %s: %w", path, errs[0])
	}
	if sound, faults := v.ValidateDocument(); !sound {
		return nil, fmt.Errorf("%s is no OpenAPI document: %w", path, faults[0])
	}
	return &description{validator: v, operations: map[string]bool{}, faults: map[string]int{}}, nil
}

// anyOperation are the answers that the description's introduction lets every operation give.
var anyOperation = []int{http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusTooManyRequests, http.StatusServiceUnavailable}

// check compares one answer. What is no operation of the API - pages, other methods, tricks - is 404 or 405 and not
// described.
func (d *description) check(resp *http.Response, body string) {
	path := resp.Request.URL.Path
	if !strings.HasPrefix(path, "/api/v1/") && !strings.HasPrefix(path, "/webhooks/") || slices.Contains(anyOperation, resp.StatusCode) ||
		strings.Contains(body, `"code":"no-such-route"`) || strings.Contains(body, `"code":"method-not-allowed"`) {
		return
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return // an endless one
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	copied := *resp
	copied.Body = io.NopCloser(bytes.NewBufferString(body))
	sound, faults := d.validator.ValidateHttpResponse(resp.Request, &copied)
	d.seen++
	for _, fault := range faults {
		d.operations[fault.RequestMethod+" "+fault.SpecPath] = true
	}
	if sound {
		d.operations[resp.Request.Method+" "+path] = true
		return
	}
	for _, fault := range faults {
		if strings.HasSuffix(fault.Reason, "Declared properties: []") {
			continue // the description leaves open what is in there, as the options of a passkey
		}
		details := []string{fault.Reason}
		for _, inner := range fault.SchemaValidationErrors {
			details = append(details, inner.FieldPath+": "+inner.Reason)
		}
		d.faults[fmt.Sprintf("%s %s %d: %s: %s", resp.Request.Method, cmp.Or(fault.SpecPath, path), resp.StatusCode, fault.Message, strings.Join(details, "; "))]++
	}
}
