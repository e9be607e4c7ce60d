package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// process is one of the instance's, as `stack ps` lists it.
type process struct {
	Name, Kind, Address string
	PID                 int
	Ready               bool
}

// processes asks the runner of the instance what is running.
func processes(ctx context.Context) ([]process, error) {
	out, err := exec.CommandContext(ctx, ".bin/stack", "ps").Output()
	if err != nil {
		return nil, fmt.Errorf("stack ps: %w", err)
	}
	var list []process
	return list, json.Unmarshal(out, &list)
}

// environment is what `stack env` says of the instance: addresses and logins.
func environment(ctx context.Context) (map[string]string, error) {
	out, err := exec.CommandContext(ctx, ".bin/stack", "env").Output()
	if err != nil {
		return nil, fmt.Errorf("stack env: %w", err)
	}
	env := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			env[key] = value
		}
	}
	return env, nil
}

// answers asks a process itself whether it is ready for work.
func (p process) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	switch p.Kind {
	case "program":
		return healthy(ctx, "http://"+p.Address+"/readyz")
	case "sidecar":
		return healthy(ctx, "http://"+p.Address+"/v1.0/healthz/outbound")
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", p.Address)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func healthy(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode < 300
}

// sleep waits for d; false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
