//go:build linux

package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// instance is one running copy of the shop. Several can run side by side, each with a directory and a port offset.
type instance struct {
	root       string // the checkout
	dir        string // data, logs, rendered files
	offset     int    // added to every port
	offsetText string
	broker     string // rabbitmq, jetstream, redis
	state      string // redis, postgresql, sqlite
	profile    string // default, embedded
	secure     bool   // mTLS and the invocation allow-list
	settings   string // for every process, beside what dapr.yaml says: NAME=value, separated by spaces
	detach     bool
	list       bool
	stock      bool // dev with the daprd of `dapr init`
}

// basePorts are those of an instance without offset. The services' are in dapr.yaml. All lie below 32768, where the
// kernel takes no port for an outgoing connection.
var basePorts = map[string]int{
	"POSTGRES": 5532, "REDIS": 6479, "RABBITMQ": 5772, "RABBITMQ_DIST": 25772, "EPMD": 4470, "MONGO": 27117, "NATS": 4322,
	"SENTRY": 4501, "SENTRY_HEALTH": 4502, "SANDBOX": 8090, "GATEWAY": 8080,
}

// maxOffset keeps every port below the kernel's own range.
const maxOffset = 5000

func instanceFlags(f *flag.FlagSet) *instance {
	in := &instance{}
	env := func(name, def string) string { return cmp.Or(os.Getenv(name), def) }
	f.StringVar(&in.dir, "dir", env("SIDECART_DIR", ".run"), "directory of the instance (SIDECART_DIR)")
	f.StringVar(&in.offsetText, "offset", env("PORT_OFFSET", "0"), "added to every port (PORT_OFFSET)")
	f.StringVar(&in.profile, "profile", env("PROFILE", "default"), "default, or embedded: no server to install but PostgreSQL (PROFILE)")
	f.StringVar(&in.broker, "broker", os.Getenv("BROKER"), "rabbitmq, jetstream or redis (BROKER)")
	f.StringVar(&in.state, "state", os.Getenv("STATE"), "redis, postgresql or sqlite (STATE)")
	f.BoolVar(&in.secure, "secure", env("SECURE", "0") == "1", "mTLS between sidecars, and the invocation allow-list (SECURE=1)")
	f.BoolVar(&in.stock, "stock", env("DAPRD", "") == "stock", "dev: use the CLI and sidecar of `dapr init` (DAPRD=stock)")
	f.StringVar(&in.settings, "settings", os.Getenv("SIDECART_SETTINGS"), "more settings for the programs: NAME=value, separated by spaces (SIDECART_SETTINGS)")
	f.BoolVar(&in.detach, "detach", false, "up: return when everything is ready")
	f.BoolVar(&in.list, "list", false, "build: print the artefacts' names")
	return in
}

// complete checks the settings and fills in what depends on others.
func (in *instance) complete() error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	in.root = root
	if _, err := os.Stat(filepath.Join(root, "dapr.yaml")); err != nil {
		return fmt.Errorf("there is no dapr.yaml here (%s): run in the top folder of the checkout", root)
	}
	if in.dir, err = filepath.Abs(in.dir); err != nil {
		return err
	}
	if in.offset, err = strconv.Atoi(in.offsetText); err != nil || in.offset < 0 || in.offset > maxOffset {
		return fmt.Errorf("PORT_OFFSET is %q: choose a number from 0 to %d", in.offsetText, maxOffset)
	}
	switch in.profile {
	case "default":
		in.broker, in.state = cmp.Or(in.broker, "rabbitmq"), cmp.Or(in.state, "redis")
	case "embedded":
		in.broker, in.state = cmp.Or(in.broker, "jetstream"), cmp.Or(in.state, "postgresql")
	default:
		return fmt.Errorf("PROFILE is %q: choose default or embedded", in.profile)
	}
	switch in.broker {
	case "rabbitmq", "jetstream", "redis":
	default:
		return fmt.Errorf("BROKER is %q: choose rabbitmq, jetstream or redis", in.broker)
	}
	switch in.state {
	case "redis", "postgresql", "sqlite":
	default:
		return fmt.Errorf("STATE is %q: choose redis, postgresql or sqlite", in.state)
	}
	return nil
}

// makeDir makes the instance's directory. Others may pass through it, for PostgreSQL runs as another user than root;
// what is in it is readable by the owner only.
func (in *instance) makeDir() error {
	if err := os.MkdirAll(in.dir, 0o711); err != nil {
		return err
	}
	if err := os.Chmod(in.dir, 0o711); err != nil {
		return err
	}
	return os.MkdirAll(in.path("log"), 0o700)
}

// remembered are the settings of a running instance that other commands need.
type remembered struct {
	Offset  int    `json:"offset"`
	Broker  string `json:"broker"`
	State   string `json:"state"`
	Profile string `json:"profile"`
	Secure  bool   `json:"secure"`
}

func (in *instance) remember() error {
	text, err := json.Marshal(remembered{in.offset, in.broker, in.state, in.profile, in.secure})
	if err != nil {
		return err
	}
	return writeFile(in.path("instance.json"), string(text))
}

// recall takes the settings that the instance was started with.
func (in *instance) recall() {
	var r remembered
	if text, err := os.ReadFile(in.path("instance.json")); err == nil && json.Unmarshal(text, &r) == nil {
		in.offset, in.broker, in.state, in.profile, in.secure = r.Offset, r.Broker, r.State, r.Profile, r.Secure
	}
}

// embed turns to the embedded profile, for a machine that lacks servers and may not install them.
func (in *instance) embed() { in.profile, in.broker, in.state = "embedded", "jetstream", "postgresql" }

func (in *instance) port(name string) int { return basePorts[name] + in.offset }

func (in *instance) path(parts ...string) string {
	return filepath.Join(append([]string{in.dir}, parts...)...)
}

func (in *instance) bin(name string) string { return filepath.Join(in.root, ".bin", name) }

// sockets is a directory whose name is short: a socket's path may have 107 bytes at most.
func (in *instance) sockets() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("sidecart-%d-%s", os.Getuid(), in.hash()))
}

// data is where PostgreSQL keeps its files. It refuses to run as root, and another user cannot enter a checkout under
// root's home, so that they may have to lie elsewhere.
func (in *instance) data() string {
	if os.Getuid() == 0 && !traversable(in.dir) {
		return filepath.Join("/var/tmp", "sidecart-"+in.hash(), "postgres")
	}
	return in.path("postgres")
}

func (in *instance) hash() string {
	sum := sha256.Sum256([]byte(in.dir))
	return hex.EncodeToString(sum[:5])
}

// traversable reports whether every user may pass through dir's parents.
func traversable(dir string) bool {
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		if info, err := os.Stat(parent); err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if parent == "/" {
			return true
		}
	}
}

// uses reports whether a server of process-compose.yaml belongs to this instance.
func (in *instance) uses(server string) bool {
	switch server {
	case "redis":
		return in.broker == "redis" || in.state == "redis"
	case "rabbitmq", "epmd":
		return in.broker == "rabbitmq"
	case "nats":
		return in.broker == "jetstream"
	case "sentry":
		return in.secure
	}
	return true
}
