//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// detachedMark tells a copy of ourselves that it runs in the background for another, which waits for the file "ready".
const detachedMark = "STACK_DETACHED"

func up(ctx context.Context, in *instance, _ []string) error {
	if in.detach && os.Getenv(detachedMark) == "" {
		return background(ctx, in)
	}
	return in.serve(ctx, "up", true)
}

func servers(ctx context.Context, in *instance, _ []string) error {
	if os.Getenv(detachedMark) == "" {
		return background(ctx, in)
	}
	return in.serve(ctx, "servers", false)
}

// serve prepares the instance and runs it until ctx ends.
func (in *instance) serve(ctx context.Context, what string, withApps bool) error {
	release, err := in.lock(what)
	if err != nil {
		return err
	}
	defer release()
	_ = os.Remove(in.path("ready"))
	in.sweep()
	found, err := ensurePrograms(ctx, in)
	if err != nil {
		return err
	}
	// What is wrong with files and ports is told before minutes are spent on building.
	processes, err := plan(in, found, withApps)
	if err != nil {
		return err
	}
	var apps []app
	if withApps {
		if apps, err = readApps(filepath.Join(in.root, "dapr.yaml"), in.offset); err != nil {
			return err
		}
	}
	if err := checkPorts(ports(in, processes, apps)); err != nil {
		return err
	}
	needed := in.needed()
	if !withApps {
		// The CLI runs the services; it needs the sidecar where dapr.yaml says.
		needed = append(needed, "dapr")
	}
	if err := build(ctx, in, needed); err != nil {
		return err
	}
	s, err := prepareSecrets(in)
	if err != nil {
		return err
	}
	if err := prepareServers(ctx, in, found, s); err != nil {
		return err
	}
	if err := renderComponents(in); err != nil {
		return err
	}
	if err := in.linkRunFile(); err != nil {
		return err
	}
	if err := in.remember(); err != nil {
		return err
	}
	file, err := renderProcesses(in, processes)
	if err != nil {
		return err
	}
	say("starting %d processes (%s, %s)", len(processes), in.broker, in.state)
	return newRunner(in, processes).run(ctx, file, func(took time.Duration) {
		if withApps {
			say("\nReady in %s.\n\n%s", took.Round(100*time.Millisecond), in.addresses())
		} else {
			say("the servers are up; next: .bin/dapr run -f dapr.yaml")
		}
		_ = writeFile(in.path("ready"), "")
	})
}

func (in *instance) addresses() string {
	return fmt.Sprintf(`  shop            http://localhost:%[1]d
  API docs        http://localhost:%[1]d/api/docs
  sandbox inbox   http://localhost:%[2]d/
  sandbox ledger  http://localhost:%[2]d/ledger
  logs            %[3]s
`, in.port("GATEWAY"), in.port("SANDBOX"), in.path("log"))
}

// background runs this same command in a session of its own, shows what it says, and returns when it is ready.
func background(ctx context.Context, in *instance) error {
	if pid := in.holderOfLock(); pid != 0 {
		_, err := in.lock("")
		return err
	}
	if err := in.makeDir(); err != nil {
		return err
	}
	_ = os.Remove(in.path("ready"))
	log, err := os.Create(in.path("log", "stack.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), detachedMark+"=1")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	var how error
	go func() {
		how = cmd.Wait()
		close(ended)
	}()
	shown, err := os.Open(log.Name())
	if err != nil {
		return err
	}
	defer shown.Close()
	for {
		_, _ = io.Copy(os.Stderr, shown)
		if exists(in.path("ready")) {
			_, _ = io.Copy(os.Stderr, shown)
			return nil
		}
		select {
		case <-ctx.Done():
			_ = cmd.Process.Signal(syscall.SIGTERM)
			<-ended
			_, _ = io.Copy(os.Stderr, shown)
			return ctx.Err()
		case <-ended:
			_, _ = io.Copy(os.Stderr, shown)
			if how == nil {
				how = errors.New("it ended")
			}
			return fmt.Errorf("did not get ready (%w); see %s", how, log.Name())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func down(_ context.Context, in *instance, _ []string) error {
	pid := in.holderOfLock()
	if pid == 0 {
		if len(in.ours()) == 0 {
			say("nothing is running in %s", in.dir)
			return nil
		}
		in.sweep()
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if in.holderOfLock() == 0 {
			return nil
		}
	}
	return fmt.Errorf("process %d has not stopped after 90 s", pid)
}

func clean(ctx context.Context, in *instance, args []string) error {
	if err := down(ctx, in, args); err != nil {
		return err
	}
	if !exists(in.path("env")) && !exists(in.path("lock")) {
		return nil // not an instance: delete nothing
	}
	if data := in.data(); !strings.HasPrefix(data, in.dir) {
		if err := os.RemoveAll(filepath.Dir(data)); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(in.sockets()); err != nil {
		return err
	}
	return os.RemoveAll(in.dir)
}

// linkRunFile makes what `dapr run -f dapr.yaml` needs beside the file: our sidecar under its runtimePath, and, where
// this instance does not use the component set of components/ itself, the set that comes first for the CLI.
func (in *instance) linkRunFile() error {
	if in.dir != filepath.Join(in.root, ".run") {
		return nil
	}
	resources, configuration := filepath.Join(in.root, ".dapr", "resources"), filepath.Join(in.root, ".dapr", "config.yaml")
	_, _ = os.RemoveAll(resources), os.RemoveAll(configuration)
	if in.broker != "rabbitmq" || in.state != "redis" {
		if err := os.MkdirAll(filepath.Dir(resources), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(in.path("components"), resources); err != nil {
			return err
		}
	}
	_ = os.RemoveAll(in.path("dapr"))
	if !in.stock {
		return linkSidecar(in)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(configuration), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(filepath.Join(in.root, "components", "alternatives", "configuration-stock.yaml"), configuration); err != nil {
		return err
	}
	return os.Symlink(home, in.path("dapr"))
}

// dev runs the servers in the background and dapr.yaml in this terminal.
func dev(ctx context.Context, in *instance, _ []string) error {
	if in.offset != 0 || in.dir != filepath.Join(in.root, ".run") {
		return errors.New("dev takes dapr.yaml as it is: it has neither PORT_OFFSET nor SIDECART_DIR")
	}
	cli := in.bin("dapr")
	if in.stock {
		var err error
		if cli, err = exec.LookPath("dapr"); err != nil {
			return errors.New("DAPRD=stock needs the dapr CLI on the PATH, and `dapr init --slim` to have run")
		}
	}
	if in.holderOfLock() == 0 {
		self := exec.CommandContext(ctx, "/proc/self/exe", append([]string{"servers"}, os.Args[2:]...)...)
		self.Stdout, self.Stderr = os.Stdout, os.Stderr
		if err := self.Run(); err != nil {
			return err
		}
		defer func() { _ = down(context.WithoutCancel(ctx), in, nil) }()
	} else if err := build(ctx, in, append(in.needed(), "dapr")); err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe", "exec", "--", cli, "run", "-f", "dapr.yaml")
	cmd.Stdout, cmd.Stderr, cmd.Env = os.Stdout, os.Stderr, append(os.Environ(), instanceMark+"="+in.dir)
	if in.stock {
		// Upstream's programs do not read our env file.
		s, err := readSecrets(in.path("env"))
		if err != nil {
			return err
		}
		cmd.Env = append(cmd.Env, s.pick([]string{"*"})...)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	var how error
	go func() {
		how = cmd.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return how
	case <-ctx.Done():
		// A terminal's Ctrl-C has reached the CLI too; a signal to us alone has not.
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
	}
	return nil
}

// listed is one line of ps.
type listed struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"` // server, sidecar, program
	PID      int    `json:"pid"`
	State    string `json:"state"`
	Ready    bool   `json:"ready"`
	Restarts int    `json:"restarts"`
	Address  string `json:"address"`
}

func (in *instance) listProcesses(ctx context.Context) ([]listed, error) {
	in.recall()
	file, err := os.ReadFile(in.path("process-compose.yaml"))
	if err != nil || in.holderOfLock() == 0 {
		return nil, fmt.Errorf("nothing is running in %s", in.dir)
	}
	processes, err := plan(in, findPrograms(), strings.Contains(string(file), "-daprd:"))
	if err != nil {
		return nil, err
	}
	r := newRunner(in, processes)
	states, err := r.statuses(ctx)
	if err != nil {
		return nil, fmt.Errorf("the process runner does not answer: %w", err)
	}
	byName := make(map[string]status)
	for _, s := range states {
		byName[s.Name] = s
	}
	known := make(map[string]bool)
	r.notReady(ctx, known)
	var list []listed
	for _, name := range sortedNames(processes) {
		p, s := processes[name], byName[name]
		if s.Name == "" {
			continue
		}
		pid := s.PID
		if !s.IsRunning {
			pid = 0
		}
		list = append(list, listed{name, p.kind, pid, strings.ToLower(s.State), known[name], s.Restarts, p.address})
	}
	return list, nil
}

func ps(ctx context.Context, in *instance, _ []string) error {
	list, err := in.listProcesses(ctx)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(list)
}

// stats prints what each process has in memory. Proportional size counts a page that several processes share once; the
// nine sidecars share one program.
func stats(ctx context.Context, in *instance, _ []string) error {
	list, err := in.listProcesses(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%-22s %-8s %8s %10s %14s\n", "process", "kind", "pid", "resident", "proportional")
	var resident, proportional int
	for _, p := range list {
		rss, pss := memory(p.PID)
		fmt.Printf("%-22s %-8s %8d %6d MiB %10d MiB\n", p.Name, p.Kind, p.PID, rss>>10, pss>>10)
		if p.Kind != "server" {
			resident += rss
			proportional += pss
		}
	}
	fmt.Printf("%-22s %-8s %8s %6d MiB %10d MiB\n", "programs and sidecars", "", "", resident>>10, proportional>>10)
	return nil
}

// memory is the resident and the proportional set size of a process, in KiB.
func memory(pid int) (rss, pss int) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "Rss: %d kB", &rss)
		_, _ = fmt.Sscanf(lines.Text(), "Pss: %d kB", &pss)
	}
	return rss, pss
}

// printEnv prints the instance's secrets and addresses for a shell or a test to take.
func printEnv(_ context.Context, in *instance, _ []string) error {
	in.recall()
	s, err := readSecrets(in.path("env"))
	if err != nil {
		return err
	}
	fmt.Printf("SIDECART_DIR=%s\nPORT_OFFSET=%d\nSHOP_URL=http://localhost:%d\nSANDBOX_URL=http://localhost:%d\n", in.dir, in.offset, in.port("GATEWAY"), in.port("SANDBOX"))
	for _, line := range s.pick([]string{"*"}) {
		fmt.Println(line)
	}
	return nil
}
