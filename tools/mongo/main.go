// Command mongo is a MongoDB-compatible server for machines that have no MongoDB: FerretDB, embedded, on the PostgreSQL
// that is running anyway, behind a proxy that makes its writes atomic. It is for development and tests; Compose and
// Kubernetes run MongoDB.
//
// A login is PostgreSQL's (authMechanism=PLAIN): a Mongo database is a schema, and PostgreSQL keeps one service's
// login out of another's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"regexp"
	"sync"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:27117", "address to serve the MongoDB protocol on")
	postgres := flag.String("postgres", "postgres://127.0.0.1:5532/mongo", "PostgreSQL database that holds the documents, without a login")
	dir := flag.String("dir", ".run/mongo", "directory for the socket between proxy and server")
	flag.Parse()

	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *postgres, *dir, log); err != nil {
		fmt.Fprintln(os.Stderr, "mongo:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, listen, postgres, dir string, log *slog.Logger) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// A socket's path may have 107 bytes at most, so it is named relative to its directory.
	if err := os.Chdir(dir); err != nil {
		return err
	}
	front, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	b := &backends{ctx: ctx, postgres: postgres, log: log, started: make(map[string]bool)}
	go (&proxy{backend: b.dial}).serve(front)
	<-ctx.Done()
	front.Close()
	b.running.Wait()
	return nil
}

// backends are the FerretDB servers, one for each login. A FerretDB learns which databases exist from what the first
// login to come may see, and trips over those that it could not.
type backends struct {
	ctx      context.Context
	postgres string
	log      *slog.Logger
	running  sync.WaitGroup

	mu      sync.Mutex
	started map[string]bool
}

var validLogin = regexp.MustCompile(`^[a-z]{1,32}$`)

// dial connects to the FerretDB of a login, which it starts the first time. What comes before a client has logged in
// has a FerretDB of its own.
func (b *backends) dial(login string) (net.Conn, error) {
	name := "anonymous"
	if validLogin.MatchString(login) {
		name = "login-" + login
	}
	socket := name + ".sock"
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.started[name] {
		if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		server, err := ferretdb.New(&ferretdb.Config{
			Listener:      ferretdb.ListenerConfig{Unix: socket},
			Handler:       "postgresql",
			PostgreSQLURL: b.postgres,
			Logger:        b.log,
		})
		if err != nil {
			return nil, fmt.Errorf("start a server for %s: %w", name, err)
		}
		b.started[name] = true
		b.running.Go(func() {
			_ = server.Run(b.ctx)
		})
	}
	return net.Dial("unix", socket)
}
