//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// runFile is what we need of dapr.yaml, a run template of the dapr CLI.
type runFile struct {
	Common struct {
		Env      map[string]string `yaml:"env"`
		LogLevel string            `yaml:"logLevel"`
	} `yaml:"common"`
	Apps []app `yaml:"apps"`
}

type app struct {
	ID           string            `yaml:"appID"`
	Port         int               `yaml:"appPort"`
	HTTPPort     int               `yaml:"daprHTTPPort"`
	GRPCPort     int               `yaml:"daprGRPCPort"`
	InternalPort int               `yaml:"daprInternalGRPCPort"`
	Command      []string          `yaml:"command"`
	Env          map[string]string `yaml:"env"`
}

// readApps reads the services of dapr.yaml, with offset added to their ports and to those of local addresses in their
// environment.
func readApps(path string, offset int) ([]app, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file runFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s is not a run file of dapr: %w", path, err)
	}
	if len(file.Apps) == 0 {
		return nil, fmt.Errorf("%s names no apps", path)
	}
	owner := make(map[int]string)
	for i := range file.Apps {
		a := &file.Apps[i]
		if a.ID == "" || len(a.Command) == 0 {
			return nil, fmt.Errorf("%s: app %d needs an appID and a command", path, i+1)
		}
		for name, port := range map[string]*int{"appPort": &a.Port, "daprHTTPPort": &a.HTTPPort, "daprGRPCPort": &a.GRPCPort, "daprInternalGRPCPort": &a.InternalPort} {
			if *port <= 0 || *port+offset > 32767 {
				return nil, fmt.Errorf("%s: %s of %s is %d: it must be set, and below 32768 with the offset", path, name, a.ID, *port)
			}
			if other, taken := owner[*port]; taken {
				return nil, fmt.Errorf("%s: %s of %s is %d, which is %s's", path, name, a.ID, *port, other)
			}
			owner[*port] = a.ID
			*port += offset
		}
		env := make(map[string]string)
		for _, from := range []map[string]string{file.Common.Env, a.Env} {
			for key, value := range from {
				env[key] = shiftAddresses(value, offset)
			}
		}
		a.Env = env
	}
	return file.Apps, nil
}

var localAddress = regexp.MustCompile(`\b(127\.0\.0\.1|localhost):(\d+)`)

// shiftAddresses adds offset to the port of every local address in text.
func shiftAddresses(text string, offset int) string {
	return localAddress.ReplaceAllStringFunc(text, func(address string) string {
		host, port, _ := strings.Cut(address, ":")
		number, err := strconv.Atoi(port)
		if err != nil {
			return address
		}
		return fmt.Sprintf("%s:%d", host, number+offset)
	})
}

// process is one entry of process-compose's file. The x- keys are ours.
type process struct {
	Entrypoint   []string       `yaml:"entrypoint"`
	Environment  []string       `yaml:"environment,omitempty"`
	Shutdown     map[string]any `yaml:"shutdown,omitempty"`
	Availability map[string]any `yaml:"availability,omitempty"`

	Port    string   `yaml:"x-port,omitempty"`
	Secrets []string `yaml:"x-secrets,omitempty"`
	Wait    []string `yaml:"x-wait,omitempty"`
	User    string   `yaml:"x-user,omitempty"`

	Files map[string]string `yaml:"-"` // variables whose value is a file's content

	name, kind string // kind: server, sidecar, program
	address    string
	health     string // URL that answers 2xx when ready; none: an open port
}

// readServers reads process-compose.yaml and fills in its variables.
func readServers(path string, vars map[string]string) (map[string]*process, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var unknown []string
	expanded := os.Expand(withoutComments(text), func(name string) string {
		value, ok := vars[name]
		if !ok {
			unknown = append(unknown, name)
		}
		return value
	})
	if len(unknown) > 0 {
		return nil, fmt.Errorf("%s: unknown variable %s", path, strings.Join(slices.Compact(unknown), ", "))
	}
	var file struct {
		Version   string              `yaml:"version"`
		Processes map[string]*process `yaml:"processes"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(expanded)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for name, p := range file.Processes {
		if p == nil || len(p.Entrypoint) == 0 || p.Port == "" {
			return nil, fmt.Errorf("%s: %s needs an entrypoint and an x-port", path, name)
		}
		p.name, p.kind, p.address = name, "server", "127.0.0.1:"+p.Port
	}
	if len(file.Processes) == 0 {
		return nil, errors.New(path + " names no processes")
	}
	return file.Processes, nil
}

func withoutComments(text []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}
