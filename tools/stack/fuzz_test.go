//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"
)

// What cannot be a run file is refused, and no port leaves the range that is ours.
func FuzzRunFile(f *testing.F) {
	text, err := os.ReadFile("../../dapr.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, 1000)
	f.Add([]byte("apps: [{appID: a, appPort: 70000, command: [x]}]"), 0)
	f.Add([]byte("apps: [{appID: a, env: {A: 127.0.0.1:99999999999999999999}}]"), -1)
	f.Add([]byte("apps: {}"), 0)
	path := filepath.Join(f.TempDir(), "dapr.yaml")
	f.Fuzz(func(t *testing.T, text []byte, offset int) {
		if offset < 0 || offset > 20000 {
			return // instance.complete refuses it
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		apps, err := readApps(path, offset)
		if err != nil {
			return
		}
		for _, a := range apps {
			for _, port := range []int{a.Port, a.HTTPPort, a.GRPCPort, a.InternalPort} {
				if a.ID == "" || port <= 0 || port > 32767 {
					t.Fatalf("%+v", a)
				}
			}
		}
	})
}

func FuzzServerFile(f *testing.F) {
	text, err := os.ReadFile("../../process-compose.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("processes: {a: {entrypoint: [x], x-port: ${PORT}}}"))
	path := filepath.Join(f.TempDir(), "process-compose.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		servers, err := readServers(path, map[string]string{"PORT": "1"})
		if err != nil {
			return
		}
		for name, p := range servers {
			if p.name != name || len(p.Entrypoint) == 0 || p.Port == "" {
				t.Fatalf("%s: %+v", name, p)
			}
		}
	})
}
