//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// runner is process-compose at work on an instance's processes.
type runner struct {
	in        *instance
	processes map[string]*process
	http      *http.Client
}

func newRunner(in *instance, processes map[string]*process) *runner {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", in.runnerSocket())
	}
	return &runner{in: in, processes: processes, http: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

func (in *instance) runnerSocket() string { return filepath.Join(in.sockets(), "runner.sock") }

// status is what process-compose says of a process.
type status struct {
	Name      string `json:"name"`
	PID       int    `json:"pid"`
	State     string `json:"status"`
	Restarts  int    `json:"restarts"`
	ExitCode  int    `json:"exit_code"`
	IsRunning bool   `json:"is_running"`
}

func (r *runner) statuses(ctx context.Context) ([]status, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://runner/processes", nil)
	if err != nil {
		return nil, err
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Data []status `json:"data"`
	}
	return answer.Data, json.NewDecoder(resp.Body).Decode(&answer)
}

// start runs process-compose. It is in a process group of its own, so that Ctrl-C reaches us alone and things stop in
// order, and it ends if we are killed.
func (r *runner) start(file string) (*exec.Cmd, error) {
	log, err := os.OpenFile(r.in.path("log", "process-compose.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	_ = os.Remove(r.in.runnerSocket())
	cmd := exec.Command(r.in.bin("process-compose"), "-f", file, "-t=false", "-U", "-u", r.in.runnerSocket(), "-L", "/dev/null",
		"--keep-project", "--disable-dotenv")
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.in.root, log, log
	cmd.Env = r.in.environment("XDG_CONFIG_HOME=" + r.in.path("process-compose"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	return cmd, cmd.Start()
}

// environment is what every process of the instance starts from: little, so that nothing of the developer's shell
// leaks in, and the mark that we know our processes by.
func (in *instance) environment(more ...string) []string {
	env := []string{instanceMark + "=" + in.dir}
	for _, key := range []string{"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR"} {
		if value, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+value)
		}
	}
	return append(append(env, strings.Fields(in.settings)...), more...)
}

// stop ends programs first, while their sidecars and servers still answer, then sidecars, then servers.
func (r *runner) stop(cmd *exec.Cmd, ended <-chan struct{}) {
	for _, kind := range []string{"program", "sidecar", "server"} {
		var wait sync.WaitGroup
		for name, p := range r.processes {
			if p.kind == kind {
				wait.Go(func() { r.stopProcess(name) })
			}
		}
		wait.Wait()
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
	}
}

func (r *runner) stopProcess(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, "http://runner/process/stop/"+name, nil)
	if err != nil {
		return
	}
	if resp, err := r.http.Do(req); err == nil {
		resp.Body.Close()
	}
}

// run keeps the processes running until ctx ends, and calls ready once when all are. process-compose restarts what
// ends; if it ends itself, everything is started afresh.
func (r *runner) run(ctx context.Context, file string, ready func(time.Duration)) error {
	for quick := 0; ; {
		begun := time.Now()
		cmd, err := r.start(file)
		if err != nil {
			return fmt.Errorf("start the process runner: %w", err)
		}
		ended := make(chan struct{})
		go func() {
			err = cmd.Wait()
			close(ended)
		}()
		watch, cancel := context.WithCancel(ctx)
		watching := make(chan struct{})
		go func() {
			defer close(watching)
			if r.awaitReady(watch, begun) {
				ready(time.Since(begun))
				r.reportRestarts(watch)
			}
		}()
		select {
		case <-ctx.Done():
			cancel()
			<-watching
			say("stopping …")
			r.stop(cmd, ended)
			r.in.sweep()
			say("stopped")
			return nil
		case <-ended:
			cancel()
			<-watching
			r.in.sweep()
			if quick++; time.Since(begun) > time.Minute {
				quick = 0
			}
			if quick == 3 {
				return fmt.Errorf("the process runner ended three times (%w); see %s", err, r.in.path("log", "process-compose.log"))
			}
			say("the process runner ended (%v): starting everything again", err)
		}
	}
}

// isReady asks a process itself.
func (p *process) isReady(ctx context.Context) bool {
	if p.health == "" {
		return open(p.address)
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.health, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode < 300
}

// notReady lists the processes that do not answer yet.
func (r *runner) notReady(ctx context.Context, known map[string]bool) (names []string) {
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
	)
	for name, p := range r.processes {
		if known[name] {
			continue
		}
		wait.Go(func() {
			ok := p.isReady(ctx)
			mu.Lock()
			defer mu.Unlock()
			if ok {
				known[name] = true
			} else {
				names = append(names, name)
			}
		})
	}
	wait.Wait()
	slices.Sort(names)
	return names
}

const patience = 3 * time.Minute

// awaitReady shows how many processes are up until all are, and reports what is wrong with one that takes too long.
func (r *runner) awaitReady(ctx context.Context, begun time.Time) bool {
	var shown string
	var lastShown time.Time
	known := make(map[string]bool)
	complained := false
	for {
		waiting := r.notReady(ctx, known)
		if ctx.Err() != nil {
			return false
		}
		line := fmt.Sprintf("%d of %d up", len(r.processes)-len(waiting), len(r.processes))
		if len(waiting) > 0 {
			line += ", waiting for " + strings.Join(waiting[:min(len(waiting), 5)], ", ")
			if len(waiting) > 5 {
				line += " …"
			}
		}
		if line != shown && (time.Since(lastShown) > time.Second || len(waiting) == 0) {
			say("%s", line)
			shown, lastShown = line, time.Now()
		}
		if len(waiting) == 0 {
			return true
		}
		if time.Since(begun) > patience && !complained {
			complained = true
			for _, name := range waiting {
				text, _ := os.ReadFile(r.in.path("log", name+".log"))
				say("%s is not ready after %s; the end of %s:\n%s", name, patience, r.in.path("log", name+".log"), tail(string(text), 5))
			}
			if os.Getenv(detachedMark) != "" {
				say("giving up")
				_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(150 * time.Millisecond):
		}
	}
}

// reportRestarts says when a process ended and was started again.
func (r *runner) reportRestarts(ctx context.Context) {
	before := make(map[string]int)
	for first := true; ; first = false {
		states, err := r.statuses(ctx)
		if err == nil {
			for _, s := range states {
				if !first && s.Restarts > before[s.Name] {
					say("%s %s ended and was started again", time.Now().Format(time.TimeOnly), s.Name)
				}
				before[s.Name] = s.Restarts
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Second):
		}
	}
}

// ours lists the processes that belong to this instance: those whose environment carries its mark, and the PostgreSQL
// that owns its data. A recorded process id would not do: the number may be another's by now.
func (in *instance) ours() []int {
	var pids []int
	mark := "\x00" + instanceMark + "=" + in.dir + "\x00"
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		pid, _ := strconv.Atoi(filepath.Base(folder))
		if pid == os.Getpid() {
			continue
		}
		if env, err := os.ReadFile(filepath.Join(folder, "environ")); err == nil && strings.Contains("\x00"+string(env), mark) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// sweep ends what an earlier run of this instance left behind, politely first.
func (in *instance) sweep() {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, 10 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
		for _, pid := range in.ours() {
			_ = syscall.Kill(pid, step.signal)
		}
		for deadline := time.Now().Add(step.wait); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			if len(in.ours()) == 0 {
				return
			}
		}
	}
}

// alivePostmaster reports whether the process named in PostgreSQL's pid file is a PostgreSQL at work.
func alivePostmaster(pidFile string) bool {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return false
	}
	line, _, _ := strings.Cut(string(text), "\n")
	name, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(line), "comm"))
	return err == nil && strings.TrimSpace(string(name)) == "postgres"
}

// lock makes this process the only one that runs the instance. The kernel lets go of it whatever way we end.
func (in *instance) lock(what string) (release func(), err error) {
	if err := in.makeDir(); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(in.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		text, _ := io.ReadAll(file)
		file.Close()
		return nil, fmt.Errorf("already running here: %s (`make stop` stops it; another copy needs its own SIDECART_DIR and PORT_OFFSET)", strings.TrimSpace(string(text)))
	}
	_ = file.Truncate(0)
	fmt.Fprintf(file, "process %d, stack %s, http://localhost:%d\n", os.Getpid(), what, in.port("GATEWAY"))
	return func() { file.Close() }, nil
}

// holderOfLock is the process that runs the instance, or 0.
func (in *instance) holderOfLock() int {
	file, err := os.Open(in.path("lock"))
	if err != nil {
		return 0
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil || !errors.Is(err, syscall.EWOULDBLOCK) {
		return 0
	}
	text, _ := io.ReadAll(file)
	var pid int
	_, _ = fmt.Sscanf(string(text), "process %d", &pid)
	return pid
}

func sortedNames(processes map[string]*process) []string {
	return slices.SortedFunc(maps.Keys(processes), func(a, b string) int {
		order := map[string]int{"server": 0, "sidecar": 1, "program": 2}
		if d := order[processes[a].kind] - order[processes[b].kind]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}
