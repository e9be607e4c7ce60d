//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// artefact is one thing to build. It is built when an input's content, or how it is built, differs from last time.
type artefact struct {
	name    string
	about   string
	dir     string   // of the Go module, or of the npm package
	command []string // run in dir
	inputs  []string // files and folders, relative to the checkout
	skip    []string // folders inside inputs that are not sources
	outputs []string // files that must exist, relative to the checkout
	after   []string // artefacts to build before
}

const (
	daprVersion    = "1.18.0" // of the sidecar; the CLI compares versions
	daprCLIVersion = "1.16.5" // the newest that the module proxy serves; it drives the sidecar above
)

// goBuild is a build of one program of a Go module under tools/ into .bin.
func goBuild(name, about, module, pkg string, flags ...string) artefact {
	inputs := []string{module + "/go.mod", module + "/go.sum"}
	if strings.HasPrefix(pkg, ".") {
		inputs = append(inputs, filepath.Join(module, pkg))
	}
	command := append([]string{"go", "build", "-mod=readonly"}, flags...)
	return artefact{
		name: name, about: about, dir: module, inputs: inputs, outputs: []string{".bin/" + name},
		command: append(command, "-o", "{root}/.bin/"+name, pkg),
	}
}

// artefacts lists everything that can be built, the longest first.
func artefacts() []artefact {
	return []artefact{
		goBuild("daprd", "the Dapr sidecar", "tools/daprd", ".", "-ldflags", "-s -w -X github.com/dapr/dapr/pkg/buildinfo.version="+daprVersion),
		{
			name: "node_modules", about: "what the shop's pages are made with", dir: "storefront",
			command: []string{"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"},
			inputs:  []string{"storefront/package.json", "storefront/package-lock.json"}, outputs: []string{"storefront/node_modules/.package-lock.json"},
		},
		{
			name: "storefront", about: "the shop's pages", dir: "storefront", command: []string{"npm", "run", "build"},
			inputs: []string{"storefront"}, skip: []string{"node_modules", "dist"}, outputs: []string{"gateway/static/index.html"},
			after: []string{"node_modules"},
		},
		{
			name: "services", about: "the services and the sandbox", dir: ".",
			command: []string{"go", "build", "-mod=readonly", "-ldflags", "-s -w", "-o", "{root}/.bin/", "./services/...", "./sandbox"},
			inputs:  []string{"go.mod", "go.sum", "services", "sandbox", "internal", "events"}, outputs: append(each(".bin/", serviceNames()), ".bin/sandbox"),
		},
		goBuild("process-compose", "the process runner", "tools", "github.com/f1bonacc1/process-compose", "-ldflags", "-s -w"),
		goBuild("mongo", "the MongoDB-compatible server", "tools", "./mongo", "-tags", "ferretdb_no_mysql,ferretdb_no_sqlite", "-ldflags", "-s -w"),
		{
			name: "gateway", about: "the gateway, with the pages in it", dir: ".",
			command: []string{"go", "build", "-mod=readonly", "-ldflags", "-s -w", "-o", "{root}/.bin/gateway", "./gateway"},
			inputs:  []string{"go.mod", "go.sum", "gateway", "internal", "events"}, outputs: []string{".bin/gateway"},
			after: []string{"services", "storefront"},
		},
		goBuild("nats", "the embedded broker", "tools", "./nats", "-ldflags", "-s -w"),
		goBuild("sentry", "Dapr's certificate authority", "tools/daprd", "github.com/dapr/dapr/cmd/sentry", "-ldflags", "-s -w"),
		goBuild("dapr", "the dapr CLI", "tools/daprcli", ".", "-ldflags", "-s -w -X main.version="+daprCLIVersion),
		goBuild("golangci-lint", "the linter", "tools/lint", "github.com/golangci/golangci-lint/v2/cmd/golangci-lint", "-ldflags", "-s -w"),
		goBuild("cyclonedx-gomod", "what lists the modules in a program", "tools/sbom", "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod", "-ldflags", "-s -w"),
	}
}

func serviceNames() []string {
	folders, _ := filepath.Glob("services/*/main.go")
	for i, folder := range folders {
		folders[i] = filepath.Base(filepath.Dir(folder))
	}
	return folders
}

func each(prefix string, names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = prefix + name
	}
	return out
}

// needed is what `up` runs.
func (in *instance) needed() []string {
	names := []string{"daprd", "node_modules", "storefront", "services", "process-compose", "mongo", "gateway"}
	if in.uses("nats") {
		names = append(names, "nats")
	}
	if in.uses("sentry") {
		names = append(names, "sentry")
	}
	return names
}

// build makes the named artefacts that are not up to date, two at a time, and says how it goes.
func build(ctx context.Context, in *instance, names []string) error {
	all := artefacts()
	if in.list {
		for _, a := range all {
			fmt.Printf("%-16s %s\n", a.name, a.about)
		}
		return nil
	}
	if len(names) == 0 {
		names = in.needed()
	}
	b := &builder{root: in.root, done: make(map[string]chan struct{}), slots: make(chan struct{}, 2), running: make(map[string]time.Time)}
	if err := os.MkdirAll(in.bin(".stamps"), 0o755); err != nil {
		return err
	}
	var chosen []artefact
	for _, a := range all {
		if slices.Contains(names, a.name) {
			chosen = append(chosen, a)
			b.done[a.name] = make(chan struct{})
		}
	}
	if len(chosen) < len(names) {
		return fmt.Errorf("build: one of %s is not an artefact; see stack build -list", strings.Join(names, ", "))
	}
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go b.report(ctx)
	var (
		wait   sync.WaitGroup
		mu     sync.Mutex
		failed error
	)
	for _, a := range chosen {
		// In this order, so that the longest starts first.
		if len(a.after) == 0 {
			b.slots <- struct{}{}
		}
		wait.Go(func() {
			defer close(b.done[a.name])
			if len(a.after) > 0 {
				for _, other := range a.after {
					if done, chosen := b.done[other]; chosen {
						<-done
					}
				}
				b.slots <- struct{}{}
			}
			defer func() { <-b.slots }()
			if ctx.Err() != nil {
				return
			}
			if err := b.make(ctx, a); err != nil {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
				cancel()
			}
		})
	}
	wait.Wait()
	if failed == nil {
		return outer.Err()
	}
	return failed
}

type builder struct {
	root  string
	done  map[string]chan struct{}
	slots chan struct{}

	mu      sync.Mutex
	running map[string]time.Time
}

func (b *builder) make(ctx context.Context, a artefact) error {
	stamp, err := b.stamp(a)
	if err != nil {
		return fmt.Errorf("build %s: %w", a.name, err)
	}
	path := filepath.Join(b.root, ".bin", ".stamps", a.name)
	if before, err := os.ReadFile(path); err == nil && string(before) == stamp && b.exists(a.outputs) {
		return nil
	}
	start := time.Now()
	say("building %s (%s) …", a.name, a.about)
	b.mu.Lock()
	b.running[a.name] = start
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.running, a.name)
		b.mu.Unlock()
	}()
	args := make([]string, len(a.command))
	for i, arg := range a.command {
		args[i] = strings.ReplaceAll(arg, "{root}", b.root)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = filepath.Join(b.root, a.dir)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false -tags=nodynamic", "GOWORK=off")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil // another one failed, or we are to stop
		}
		return fmt.Errorf("build %s: %w\n%s", a.name, err, ends(out.String(), 20))
	}
	say("built %s in %s", a.name, time.Since(start).Round(time.Second))
	// The sources may have changed while it was being built; then the stamp is that of the older ones, and the next
	// run builds again.
	return os.WriteFile(path, []byte(stamp), 0o644)
}

// stamp is a digest of how an artefact is built and of every file it is built from.
func (b *builder) stamp(a artefact) (string, error) {
	digest := sha256.New()
	_, _ = fmt.Fprintln(digest, runtime.Version(), a.command)
	for _, input := range a.inputs {
		err := filepath.WalkDir(filepath.Join(b.root, input), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() {
				if slices.Contains(a.skip, entry.Name()) {
					return fs.SkipDir
				}
				return nil
			}
			if !entry.Type().IsRegular() || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			defer file.Close()
			_, _ = fmt.Fprintln(digest, strings.TrimPrefix(path, b.root))
			_, err = io.Copy(digest, file)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}

func (b *builder) exists(outputs []string) bool {
	for _, output := range outputs {
		if _, err := os.Stat(filepath.Join(b.root, output)); err != nil {
			return false
		}
	}
	return true
}

// report says now and then what is still being built, so that nobody takes minutes of silence for a hang.
func (b *builder) report(ctx context.Context) {
	for ticker := time.NewTicker(20 * time.Second); ; {
		select {
		case <-ctx.Done():
			ticker.Stop()
			return
		case now := <-ticker.C:
			b.mu.Lock()
			var names []string
			for name, since := range b.running {
				names = append(names, fmt.Sprintf("%s (%s)", name, now.Sub(since).Round(time.Second)))
			}
			b.mu.Unlock()
			if len(names) > 0 {
				slices.Sort(names)
				say("still building: %s", strings.Join(names, ", "))
			}
		}
	}
}

// say prints one line of progress.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
