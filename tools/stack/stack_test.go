//go:build linux

package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// checkout is the top of the repository, two folders up.
var checkout, _ = filepath.Abs("../..")

// newInstance is an instance on the real checkout with an empty directory of its own.
func newInstance(t *testing.T) *instance {
	t.Helper()
	t.Chdir(checkout)
	in := &instance{dir: t.TempDir(), offsetText: "1000", profile: "default"}
	require.NoError(t, in.complete())
	return in
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestAppsOfDaprYAML(t *testing.T) {
	apps, err := readApps(filepath.Join(checkout, "dapr.yaml"), 1000)
	require.NoError(t, err)
	byID := make(map[string]app)
	for _, a := range apps {
		byID[a.ID] = a
	}
	require.Len(t, byID, 9)
	gateway := byID["gateway"]
	require.Equal(t, 8109, gateway.Port)
	require.Equal(t, 4609, gateway.HTTPPort)
	require.Equal(t, 4709, gateway.GRPCPort)
	require.Equal(t, 4809, gateway.InternalPort)
	require.Equal(t, []string{".bin/gateway"}, gateway.Command)
	require.Equal(t, "127.0.0.1:9080", gateway.Env["GATEWAY_ADDR"], "addresses in the environment move along")
	require.Equal(t, "http://localhost:9080", gateway.Env["SIDECART_PUBLIC_URL"], "the common environment too")
	require.Equal(t, "http://127.0.0.1:9090", byID["payment"].Env["PAYMENT_STRIPE_URL"])
}

func TestAnAppsEnvironmentHoldsNoPassword(t *testing.T) {
	apps, err := readApps(filepath.Join(checkout, "dapr.yaml"), 0)
	require.NoError(t, err)
	for _, a := range apps {
		for key := range a.Env {
			require.NotRegexp(t, "PASSWORD|SECRET|_KEY|DATABASE_URL|TOKEN", key, "%s: secrets come from the secret store", a.ID)
		}
	}
}

func TestRunFilesThatMakeNoSense(t *testing.T) {
	app := func(id string, base int) string {
		port := strconv.Itoa
		return "- {appID: " + id + ", appPort: " + port(base) + ", daprHTTPPort: " + port(base+1) + ", daprGRPCPort: " + port(base+2) +
			", daprInternalGRPCPort: " + port(base+3) + ", command: [x]}\n"
	}
	for name, c := range map[string]struct{ text, says string }{
		"not yaml":    {"apps: [", "is not a run file"},
		"other shape": {"apps: 7", "is not a run file"},
		"empty":       {"", "names no apps"},
		"no id":       {"apps:\n- {appPort: 1}\n", "app 1 needs an appID"},
		"no port":     {"apps:\n- {appID: a, command: [x], appPort: 1, daprHTTPPort: 2, daprGRPCPort: 3}\n", "daprInternalGRPCPort of a is 0"},
		"same port":   {"apps:\n" + app("a", 7000) + app("b", 7002), "which is"},
		"high port":   {"apps:\n" + app("a", 32760), "below 32768"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readApps(write(t, "dapr.yaml", c.text), 10)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestServerFilesThatMakeNoSense(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"not yaml":         {"processes: {", "yaml"},
		"unknown key":      {"processes:\n  a: {entrypoint: [x], x-port: 1, comand: y}\n", "comand"},
		"unknown variable": {"processes:\n  a: {entrypoint: [\"${NOPE}\"], x-port: 1}\n", "unknown variable NOPE"},
		"no entrypoint":    {"processes:\n  a: {x-port: 1}\n", "a needs an entrypoint"},
		"nothing":          {"processes: {}\n", "names no processes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readServers(write(t, "process-compose.yaml", c.text), nil)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	t.Chdir(checkout)
	for _, in := range []*instance{
		{profile: "default", offsetText: "-1"}, {profile: "default", offsetText: "30000"}, {profile: "default", offsetText: "many"}, {profile: "tiny", offsetText: "0"},
		{profile: "default", offsetText: "0", broker: "pigeon"}, {profile: "default", offsetText: "0", state: "memory"},
	} {
		require.Error(t, in.complete())
	}
	t.Chdir(t.TempDir())
	require.ErrorContains(t, (&instance{profile: "default"}).complete(), "no dapr.yaml here")
}

func TestEveryPortMovesAndNoneIsTheKernels(t *testing.T) {
	in := newInstance(t)
	moved := allPorts(t, in)
	in.offset = 0
	for port := range allPorts(t, in) {
		require.Less(t, port+maxOffset, 32768, "the kernel gives out ports from 32768 on")
		require.NotContains(t, moved, port, "two instances share a port")
	}
}

func allPorts(t *testing.T, in *instance) map[int]string {
	t.Helper()
	processes, err := plan(in, programs{postgres: "/p", redis: "/r", rabbitmq: "/q"}, true)
	require.NoError(t, err)
	apps, err := readApps("dapr.yaml", in.offset)
	require.NoError(t, err)
	wanted := ports(in, processes, apps)
	require.Len(t, wanted, 9*4+7+1, "four for each app and its sidecar, one for each server, RabbitMQ's second, the gateway's public one")
	return wanted
}

func TestATakenPortIsNamedWithItsHolder(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	err = checkPorts(map[int]string{port: "gateway"})
	require.ErrorContains(t, err, "port "+strconv.Itoa(port)+", which gateway needs")
	require.ErrorContains(t, err, "process "+strconv.Itoa(os.Getpid()))
	require.ErrorContains(t, err, "PORT_OFFSET")
	listener.Close()
	require.NoError(t, checkPorts(map[int]string{port: "gateway"}))
}

func TestSecretsAreMadeOnceAndAddressesFollowThePorts(t *testing.T) {
	in := newInstance(t)
	require.NoError(t, in.makeDir())
	first, err := prepareSecrets(in)
	require.NoError(t, err)
	info, err := os.Stat(in.path("env"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	in.offset = 2000
	second, err := prepareSecrets(in)
	require.NoError(t, err)
	for key, value := range first.values {
		switch {
		case strings.HasSuffix(key, "_URL"), key == "REDIS_HOST":
			require.NotEqual(t, value, second.values[key], key)
		default:
			require.Equal(t, value, second.values[key], key)
			require.GreaterOrEqual(t, len(value), 20, key)
		}
	}
	require.Equal(t, first.values["PAYMENT_STRIPE_KEY"], first.values["SANDBOX_STRIPE_KEY"])
	require.ElementsMatch(t,
		[]string{"AUTH_DATABASE_URL=" + second.values["AUTH_DATABASE_URL"], "AUTH_KEY_ENCRYPTION_KEY=" + second.values["AUTH_KEY_ENCRYPTION_KEY"], "REDIS_HOST=127.0.0.1:8479"},
		second.pick([]string{"AUTH_*", "REDIS_HOST"}))
}

func TestAProcessGetsItsOwnSecretsOnly(t *testing.T) {
	in := newInstance(t)
	processes, err := plan(in, programs{postgres: "/p", redis: "/r", rabbitmq: "/q"}, true)
	require.NoError(t, err)
	s := &secrets{values: make(map[string]string)}
	s.fill(in)
	for name, p := range processes {
		for _, line := range s.pick(p.Secrets) {
			key, _, _ := strings.Cut(line, "=")
			require.NotContains(t, key, "POSTGRES_PASSWORD", name)
			switch p.kind {
			case "program":
				require.Contains(t, []string{"DAPR_API_TOKEN", "APP_API_TOKEN"}, key, name)
			case "sidecar":
				for _, other := range append(databases, documents...) {
					if own := strings.TrimSuffix(name, "-daprd"); other != own && other != "state" {
						require.False(t, strings.HasPrefix(key, strings.ToUpper(other)+"_"), "%s gets %s", name, key)
					}
				}
			}
		}
	}
}

func TestRenderedProcessesArePlainProcessCompose(t *testing.T) {
	for _, c := range []struct{ broker, state, waits string }{
		{"rabbitmq", "redis", "127.0.0.1:6772,127.0.0.1:7479"}, {"jetstream", "postgresql", "127.0.0.1:5322,127.0.0.1:6532"}, {"redis", "redis", "127.0.0.1:7479"},
	} {
		in := newInstance(t)
		in.broker, in.state = c.broker, c.state
		processes, err := plan(in, programs{postgres: "/p", redis: "/r", rabbitmq: "/q"}, true)
		require.NoError(t, err)
		path, err := renderProcesses(in, processes)
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NotContains(t, string(text), "${", "everything is filled in")
		var file struct {
			Processes map[string]struct {
				Entrypoint   []string
				Availability struct{ Restart string }
				Rest         map[string]any `yaml:",inline"`
			}
		}
		require.NoError(t, yaml.Unmarshal(text, &file))
		require.Len(t, file.Processes, len(processes))
		for name, p := range file.Processes {
			require.Equal(t, "always", p.Availability.Restart, name)
			require.Equal(t, "exec", p.Entrypoint[1], name)
			for key := range p.Rest {
				require.False(t, strings.HasPrefix(key, "x-"), "%s: %s is ours alone", name, key)
			}
		}
		require.Contains(t, file.Processes["basket-daprd"].Entrypoint, c.waits)
	}
}

func TestComponentsOfEverySet(t *testing.T) {
	for _, broker := range []string{"rabbitmq", "jetstream", "redis"} {
		for _, state := range []string{"redis", "postgresql"} {
			in := newInstance(t)
			in.broker, in.state = broker, state
			require.NoError(t, renderComponents(in))
			text, err := os.ReadFile(in.path("components", "pubsub.yaml"))
			require.NoError(t, err)
			require.Contains(t, string(text), "type: pubsub."+broker)
			text, err = os.ReadFile(in.path("components", "statestore.yaml"))
			require.NoError(t, err)
			require.Contains(t, string(text), "type: state."+state)
			text, err = os.ReadFile(in.path("configuration.yaml"))
			require.NoError(t, err)
			require.Contains(t, string(text), "ordering: 127.0.0.1:4807")
		}
	}
}

func TestOnlyOneRunsAnInstance(t *testing.T) {
	in := newInstance(t)
	release, err := in.lock("up")
	require.NoError(t, err)
	require.Equal(t, os.Getpid(), in.holderOfLock())
	_, err = in.lock("up")
	require.ErrorContains(t, err, "already running here: process "+strconv.Itoa(os.Getpid()))
	release()
	require.Zero(t, in.holderOfLock())
}

func TestWhatAnEarlierRunLeftBehindIsEnded(t *testing.T) {
	in := newInstance(t)
	other := *in
	other.dir += "-other"
	start := func(of *instance) *exec.Cmd {
		cmd := exec.Command("sleep", "600")
		cmd.Env = of.environment()
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		return cmd
	}
	ours, theirs := start(in), start(&other)
	ended := make(chan error, 1)
	go func() { ended <- ours.Wait() }()
	require.Eventually(t, func() bool { return len(in.ours()) == 1 }, 5*time.Second, 10*time.Millisecond)
	in.sweep()
	require.Error(t, <-ended, "ended by a signal")
	require.Equal(t, []int{theirs.Process.Pid}, other.ours(), "another instance's process lives on")
	_ = theirs.Process.Kill()
	_ = theirs.Wait()
}

func TestABuildIsSkippedUntilASourceChanges(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, ".bin", ".stamps"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "src"), 0o755))
	source := filepath.Join(root, "src", "a.txt")
	require.NoError(t, os.WriteFile(source, []byte("one"), 0o600))
	b := &builder{root: root, running: make(map[string]time.Time)}
	a := artefact{name: "a", dir: "src", command: []string{"sh", "-c", "echo built >> {root}/.bin/a"}, inputs: []string{"src"}, outputs: []string{".bin/a"}}
	builds := func() int {
		require.NoError(t, b.make(t.Context(), a))
		text, err := os.ReadFile(filepath.Join(root, ".bin", "a"))
		require.NoError(t, err)
		return strings.Count(string(text), "built")
	}
	require.Equal(t, 1, builds())
	require.Equal(t, 1, builds(), "nothing changed")
	require.NoError(t, os.WriteFile(source, []byte("two"), 0o600))
	require.Equal(t, 2, builds())
	require.NoError(t, os.Remove(filepath.Join(root, ".bin", "a")))
	require.Equal(t, 1, builds(), "the output was gone")
	a.command = []string{"sh", "-c", "echo no such thing >&2; exit 3"}
	require.ErrorContains(t, b.make(t.Context(), a), "no such thing")
}

func TestExecute(t *testing.T) {
	const inside = "TEST_EXECUTE"
	if os.Getenv(inside) != "" { // the process that becomes another
		require.NoError(t, execute([]string{"-secrets", "OURS,OF_*", "--", "sh", "-c", `cat /proc/$$/timerslack_ns; echo "$OURS $OF_US $THEIRS"`}))
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "env"), []byte("OURS=1\nOF_US=2\nTHEIRS=3\n"), 0o600))
	cmd := exec.Command(os.Args[0], "-test.run=^TestExecute$")
	cmd.Env = append(os.Environ(), inside+"=1", instanceMark+"="+dir)
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, string(said))
	require.Equal(t, strconv.FormatInt(timerSlack.Nanoseconds(), 10)+"\n1 2 \n", string(said))
}
