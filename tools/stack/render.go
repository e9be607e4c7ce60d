//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// instanceMark is the variable by which every process of an instance is known; its value is the instance's directory.
const instanceMark = "SIDECART_INSTANCE"

// plan lists every process of the instance, by name.
func plan(in *instance, found programs, withApps bool) (map[string]*process, error) {
	vars := map[string]string{
		"DIR": in.dir, "SOCKETS": in.sockets(), "POSTGRES_BIN": found.postgres, "POSTGRES_DATA": in.data(), "POSTGRES_SOCKETS": in.postgresSockets(),
		"REDIS_SERVER": found.redis, "RABBITMQ_SERVER": found.rabbitmq,
	}
	for name := range basePorts {
		vars["PORT_"+name] = strconv.Itoa(in.port(name))
	}
	servers, err := readServers(filepath.Join(in.root, "process-compose.yaml"), vars)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(servers, func(name string, _ *process) bool { return !in.uses(name) })
	if !withApps {
		return servers, nil
	}
	apps, err := readApps(filepath.Join(in.root, "dapr.yaml"), in.offset)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(servers)
	for _, a := range apps {
		for _, p := range []*process{in.sidecar(a), in.program(a)} {
			if _, taken := all[p.name]; taken {
				return nil, fmt.Errorf("dapr.yaml and process-compose.yaml both name %s", p.name)
			}
			all[p.name] = p
		}
	}
	return all, nil
}

// sidecar is the daprd of one app. It is started when what its components connect to is up.
func (in *instance) sidecar(a app) *process {
	p := &process{
		name: a.ID + "-daprd", kind: "sidecar",
		address: "127.0.0.1:" + strconv.Itoa(a.HTTPPort),
		health:  fmt.Sprintf("http://127.0.0.1:%d/v1.0/healthz/outbound", a.HTTPPort),
		Entrypoint: []string{
			".bin/daprd", "--app-id", a.ID, "--app-port", strconv.Itoa(a.Port), "--app-protocol", "http",
			"--dapr-http-port", strconv.Itoa(a.HTTPPort), "--dapr-grpc-port", strconv.Itoa(a.GRPCPort),
			"--dapr-internal-grpc-port", strconv.Itoa(a.InternalPort),
			"--dapr-listen-addresses", "127.0.0.1", "--dapr-internal-grpc-listen-address", "127.0.0.1", "--enable-metrics=false",
			"--resources-path", in.path("components"), "--config", in.path("configuration.yaml"), "--log-level", "warn",
		},
		Environment: append([]string{"SIDECART_ENV_FILE=/dev/null"}, goSettings(fewThreads, 100, "120MiB")...),
		Secrets: []string{
			"DAPR_API_TOKEN", "APP_API_TOKEN", strings.ToUpper(a.ID) + "_*",
			"RABBITMQ_URL", "REDIS_HOST", "REDIS_PASSWORD", "NATS_URL", "STATE_DATABASE_URL", "STATE_FILE",
		},
		Shutdown: map[string]any{"signal": 15, "timeout_seconds": 10},
	}
	switch in.broker {
	case "rabbitmq":
		p.Wait = append(p.Wait, "rabbitmq")
	case "jetstream":
		p.Wait = append(p.Wait, "nats")
	case "redis":
		p.Wait = append(p.Wait, "redis")
	}
	switch in.state {
	case "redis":
		p.Wait = append(p.Wait, "redis")
	case "postgresql":
		p.Wait = append(p.Wait, "postgres")
	}
	p.Wait = slices.Compact(p.Wait)
	if in.secure {
		p.Wait = append(p.Wait, "sentry")
		p.Entrypoint = append(p.Entrypoint, "--enable-mtls", "--sentry-address", fmt.Sprintf("127.0.0.1:%d", in.port("SENTRY")))
		if policy := filepath.Join(in.root, "components", "secure", a.ID+".yaml"); exists(policy) {
			p.Entrypoint = append(p.Entrypoint, "--config", policy)
		}
		p.Environment = append(p.Environment, "NAMESPACE=default")
		p.Files = map[string]string{"DAPR_TRUST_ANCHORS": in.path("sentry", "ca.crt")}
	}
	return p
}

// program is the app itself. Its passwords come from its sidecar, so it is told the tokens only.
func (in *instance) program(a app) *process {
	settings := goSettings(fewThreads, 100, "120MiB")
	if a.ID == "catalog" {
		// A search computes more than it waits. What catalog has in memory grows with what is sold: near a limit the collector
		// would run without end.
		settings = goSettings(runtime.NumCPU(), 200, "off")
	}
	p := &process{
		name: a.ID, kind: "program", Entrypoint: slices.Clone(a.Command),
		address:  "127.0.0.1:" + strconv.Itoa(a.Port),
		health:   fmt.Sprintf("http://127.0.0.1:%d/readyz", a.Port),
		Secrets:  []string{"DAPR_API_TOKEN", "APP_API_TOKEN"},
		Shutdown: map[string]any{"signal": 15, "timeout_seconds": 15},
		Environment: append([]string{
			"APP_ID=" + a.ID, fmt.Sprintf("APP_PORT=%d", a.Port), fmt.Sprintf("DAPR_HTTP_PORT=%d", a.HTTPPort), fmt.Sprintf("DAPR_GRPC_PORT=%d", a.GRPCPort),
		}, settings...),
	}
	for _, key := range slices.Sorted(maps.Keys(a.Env)) {
		value := a.Env[key]
		if rest, ours := strings.CutPrefix(value, ".run/"); ours {
			value = in.path(rest)
		}
		p.Environment = append(p.Environment, key+"="+value)
	}
	return p
}

// fewThreads is for programs that mostly wait for one another, eighteen on one machine: they wake one another less.
var fewThreads = max(1, runtime.NumCPU()/4)

// goSettings are how many threads a Go program has, how much garbage it may have beside what it uses, in percent, and how much
// memory in all. What is given was measured, see docs/performance.md.
func goSettings(threads, garbage int, memory string) []string {
	return []string{fmt.Sprint("GOMAXPROCS=", threads), fmt.Sprint("GOGC=", garbage), "GOMEMLIMIT=" + memory}
}

// ports are those that the processes serve on, with who needs them.
func ports(in *instance, processes map[string]*process, apps []app) map[int]string {
	wanted := make(map[int]string)
	for _, p := range processes {
		if port, err := strconv.Atoi(p.Port); err == nil && p.kind == "server" {
			wanted[port] = p.name
		}
	}
	if in.uses("rabbitmq") {
		wanted[in.port("RABBITMQ_DIST")] = "rabbitmq"
	}
	for _, a := range apps {
		for _, port := range []int{a.Port, a.HTTPPort, a.GRPCPort, a.InternalPort} {
			wanted[port] = a.ID
		}
	}
	if len(apps) > 0 {
		wanted[in.port("GATEWAY")] = "gateway"
	}
	return wanted
}

// renderComponents writes the component set that BROKER and STATE choose, and the Configuration with this instance's
// ports, where the sidecars of `make run` read them.
func renderComponents(in *instance) error {
	sources := filepath.Join(in.root, "components")
	target := in.path("components")
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	if err := os.MkdirAll(target, 0o700); err != nil {
		return err
	}
	chosen := map[string]string{"resiliency.yaml": "resiliency.yaml", "secrets.yaml": "secrets.yaml", "pubsub.yaml": "pubsub.yaml", "statestore.yaml": "statestore.yaml"}
	if in.broker != "rabbitmq" {
		chosen["pubsub.yaml"] = "alternatives/pubsub-" + in.broker + ".yaml"
	}
	if in.state != "redis" {
		chosen["statestore.yaml"] = "alternatives/statestore-" + in.state + ".yaml"
	}
	for name, source := range chosen {
		text, err := os.ReadFile(filepath.Join(sources, source))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(target, name), text, 0o600); err != nil {
			return err
		}
	}
	configuration, err := os.ReadFile(filepath.Join(sources, "configuration.yaml"))
	if err != nil {
		return err
	}
	return writeFile(in.path("configuration.yaml"), shiftAddresses(string(configuration), in.offset))
}

// linkSidecar puts our daprd where dapr.yaml's runtimePath has the CLI look for it.
func linkSidecar(in *instance) error {
	link := in.path("dapr", ".dapr", "bin", "daprd")
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return err
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(in.bin("daprd"), link)
}

// renderProcesses writes the process runner's file. Each process is wrapped in `stack exec`.
func renderProcesses(in *instance, processes map[string]*process) (string, error) {
	out := make(map[string]process, len(processes))
	for name, p := range processes {
		wrapped := []string{in.bin("stack"), "exec", "-log", in.path("log", name+".log")}
		var addresses []string
		for _, other := range p.Wait {
			target, ok := processes[other]
			if !ok {
				return "", fmt.Errorf("%s waits for %s, which is not part of this set", name, other)
			}
			addresses = append(addresses, target.address)
		}
		if len(addresses) > 0 {
			wrapped = append(wrapped, "-wait", strings.Join(addresses, ","))
		}
		if len(p.Secrets) > 0 {
			wrapped = append(wrapped, "-secrets", strings.Join(p.Secrets, ","))
		}
		for key, file := range p.Files {
			wrapped = append(wrapped, "-file", key+"="+file)
		}
		if p.User != "" {
			wrapped = append(wrapped, "-user", p.User)
		}
		out[name] = process{
			Entrypoint:   append(append(wrapped, "--"), p.Entrypoint...),
			Environment:  p.Environment,
			Shutdown:     p.Shutdown,
			Availability: map[string]any{"restart": "always", "backoff_seconds": 1},
		}
	}
	text, err := yaml.Marshal(map[string]any{"version": "0.5", "disable_env_expansion": true, "log_level": "warn", "processes": out})
	if err != nil {
		return "", err
	}
	path := in.path("process-compose.yaml")
	return path, writeFile(path, "# Written by stack from dapr.yaml and process-compose.yaml.\n"+string(text))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
