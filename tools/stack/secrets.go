//go:build linux

package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// secrets is the instance's env file: KEY=value lines, random values made once, readable by the owner only.
type secrets struct {
	keys   []string
	values map[string]string
}

func readSecrets(path string) (*secrets, error) {
	s := &secrets{values: make(map[string]string)}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(key, "#") {
			s.set(key, value)
		}
	}
	return s, nil
}

func (s *secrets) set(key, value string) {
	if _, known := s.values[key]; !known {
		s.keys = append(s.keys, key)
	}
	s.values[key] = value
}

// once returns the value of key, which make supplies the first time.
func (s *secrets) once(key string, make func() string) string {
	if s.values[key] == "" {
		s.set(key, make())
	}
	return s.values[key]
}

func random() string { return hex.EncodeToString(randomBytes(20)) }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func (s *secrets) write(path string) error {
	var b strings.Builder
	b.WriteString("# Secrets of this instance, made by `stack` at its first start. Addresses follow PORT_OFFSET.\n")
	for _, key := range s.keys {
		fmt.Fprintf(&b, "%s=%s\n", key, s.values[key])
	}
	next := path + ".next"
	if err := os.WriteFile(next, []byte(b.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// databases are the PostgreSQL databases, each with a login of the same name; documents are the logins that share the
// database of the MongoDB-compatible server, each with a schema of its own.
var (
	databases = []string{"auth", "inventory", "notification", "ordering", "payment", "state"}
	documents = []string{"catalog", "client"}
)

// databaseURL leads to PostgreSQL by its socket, which costs both sides less than a port does, or else by its port.
func (in *instance) databaseURL(name, password string) string {
	port := in.port("POSTGRES")
	if in.postgresSockets() == "" {
		return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", name, password, port, name)
	}
	return fmt.Sprintf("postgres://%s:%s@:%d/%s?host=%s", name, password, port, name, url.QueryEscape(in.postgresSockets()))
}

// longestSocket is what fits into sockaddr_un, see unix(7), less the name of the socket and of its lock.
const longestSocket = 107 - len("/.s.PGSQL.65535.lock")

// postgresSockets is the folder of PostgreSQL's socket: its data, where only its own account and root get in. It is "" where
// the name is too long for the kernel, or would be several folders to PostgreSQL.
func (in *instance) postgresSockets() string {
	if dir := in.data(); len(dir) <= longestSocket && !strings.Contains(dir, ",") {
		return dir
	}
	return ""
}

// fill makes what is missing and derives the addresses that hold passwords.
func (s *secrets) fill(in *instance) {
	s.once("DAPR_API_TOKEN", random)
	s.once("APP_API_TOKEN", random)
	s.once("POSTGRES_PASSWORD", random)
	for _, name := range databases {
		password := s.once("POSTGRES_PASSWORD_"+strings.ToUpper(name), random)
		s.set(strings.ToUpper(name)+"_DATABASE_URL", in.databaseURL(name, password))
	}
	for _, name := range documents {
		password := s.once("POSTGRES_PASSWORD_"+strings.ToUpper(name), random)
		s.set(strings.ToUpper(name)+"_DATABASE_URL",
			fmt.Sprintf("mongodb://%s:%s@127.0.0.1:%d/%s?authMechanism=PLAIN&directConnection=true", name, password, in.port("MONGO"), name))
	}
	s.set("REDIS_HOST", fmt.Sprintf("127.0.0.1:%d", in.port("REDIS")))
	s.once("REDIS_PASSWORD", random)
	s.set("RABBITMQ_URL", fmt.Sprintf("amqp://sidecart:%s@127.0.0.1:%d/", s.once("RABBITMQ_PASSWORD", random), in.port("RABBITMQ")))
	s.set("NATS_URL", fmt.Sprintf("nats://sidecart:%s@127.0.0.1:%d", s.once("NATS_PASSWORD", random), in.port("NATS")))

	s.set("STATE_FILE", in.path("state.db"))

	s.once("AUTH_KEY_ENCRYPTION_KEY", func() string { return base64.StdEncoding.EncodeToString(randomBytes(32)) })
	s.once("NOTIFICATION_AWS_ACCESS_KEY_ID", func() string { return "AKIA" + strings.ToUpper(hex.EncodeToString(randomBytes(8))) })
	s.once("NOTIFICATION_AWS_SECRET_ACCESS_KEY", random)
	// The sandbox knows the shop by the keys that the shop knows it by.
	s.set("SANDBOX_STRIPE_KEY", s.once("PAYMENT_STRIPE_KEY", func() string { return "sk_test_" + random() }))
	s.set("SANDBOX_STRIPE_WEBHOOK_SECRET", s.once("PAYMENT_STRIPE_WEBHOOK_SECRET", func() string { return "whsec_" + random() }))
	for _, name := range []string{"PAYPAL_CLIENT_ID", "PAYPAL_CLIENT_SECRET", "PAYPAL_WEBHOOK_ID"} {
		s.set("SANDBOX_"+name, s.once("PAYMENT_"+name, random))
	}
}

// prepareSecrets makes the instance's env file, or brings it up to date.
func prepareSecrets(in *instance) (*secrets, error) {
	path := in.path("env")
	s, err := readSecrets(path)
	if err != nil {
		return nil, fmt.Errorf("read secrets: %w", err)
	}
	s.fill(in)
	if err := s.write(path); err != nil {
		return nil, fmt.Errorf("write secrets: %w", err)
	}
	return s, nil
}

// pick returns KEY=value for each name; a name may end in * to take all that begin so.
func (s *secrets) pick(names []string) []string {
	var picked []string
	for _, key := range s.keys {
		for _, name := range names {
			if prefix, all := strings.CutSuffix(name, "*"); key == name || all && strings.HasPrefix(key, prefix) {
				picked = append(picked, key+"="+s.values[key])
				break
			}
		}
	}
	return picked
}

// writeFile writes a rendered file of the instance, readable by the owner only.
func writeFile(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o600)
}
