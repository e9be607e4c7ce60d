package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/dapr/components-contrib/nameresolution"
	"github.com/dapr/dapr/cmd/daprd/options"
)

// made are the parts of the runtime's configuration that are no flags.
var made = map[string]bool{"Metrics": true, "Registry": true, "Security": true, "Healthz": true, "WorkflowEventSink": true}

func TestEveryFlagReachesTheRuntime(t *testing.T) {
	opts := &options.Options{}
	fillIn(reflect.ValueOf(opts).Elem())
	cfg := reflect.ValueOf(config(opts)).Elem()
	for i := range cfg.NumField() {
		if name := cfg.Type().Field(i).Name; cfg.Field(i).IsZero() && !made[name] {
			t.Errorf("runtime.Config.%s comes from no flag: is it named differently in options.Options?", name)
		}
	}
}

// fillIn gives every field that it can a value.
func fillIn(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int, reflect.Int64:
			f.SetInt(1)
		case reflect.Uint:
			f.SetUint(1)
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		}
	}
}

func TestStaticResolver(t *testing.T) {
	r := newStaticResolver(nil)
	md := nameresolution.Metadata{Configuration: map[string]any{"ordering": "127.0.0.1:3807"}}
	if err := r.Init(t.Context(), md); err != nil {
		t.Fatal(err)
	}
	if address, err := r.ResolveID(t.Context(), nameresolution.ResolveRequest{ID: "ordering"}); err != nil || address != "127.0.0.1:3807" {
		t.Errorf("ordering is at %q, %v", address, err)
	}
	if _, err := r.ResolveID(t.Context(), nameresolution.ResolveRequest{ID: "nobody"}); err == nil {
		t.Error("an unknown app has an address")
	}
	for _, wrong := range []any{nil, "text", map[string]any{"a": 7}} {
		if err := newStaticResolver(nil).Init(t.Context(), nameresolution.Metadata{Configuration: wrong}); err == nil {
			t.Errorf("%v is taken for a table", wrong)
		}
	}
}

func TestEnvFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(path, []byte("# comment\n\nTEST_A=1=2\nTEST_B=file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_B", "set before")
	t.Cleanup(func() { os.Unsetenv("TEST_A") })
	if err := loadEnvFile(path); err != nil {
		t.Fatal(err)
	}
	if a, b := os.Getenv("TEST_A"), os.Getenv("TEST_B"); a != "1=2" || b != "set before" {
		t.Errorf("TEST_A is %q, TEST_B is %q", a, b)
	}
	if err := loadEnvFile(path + ".none"); err != nil {
		t.Errorf("no file is an error: %v", err)
	}
	if err := os.WriteFile(path, []byte("garbage\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := loadEnvFile(path); err == nil {
		t.Error("garbage is taken for a setting")
	}
}
