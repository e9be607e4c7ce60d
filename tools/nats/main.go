// Command nats is the broker of the embedded profile: a NATS server with JetStream, and the one stream that Dapr's
// jetstream component expects to find. It is for machines that cannot install RabbitMQ.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:4322", "address to serve on")
	dir := flag.String("dir", ".run/nats", "directory of the stream's files")
	stream := flag.String("stream", "sidecart", "stream that takes every topic")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *dir, *stream, os.Getenv("NATS_PASSWORD")); err != nil {
		fmt.Fprintln(os.Stderr, "nats:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. The login is sidecart with the given password.
func run(ctx context.Context, listen, dir, stream, password string) error {
	if password == "" {
		return errors.New("NATS_PASSWORD is not set")
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("port of %s: %w", listen, err)
	}
	broker, err := server.NewServer(&server.Options{
		Host: host, Port: number, Username: "sidecart", Password: password,
		JetStream: true, StoreDir: dir, SyncAlways: true, NoSigs: true,
	})
	if err != nil {
		return err
	}
	broker.ConfigureLogger()
	broker.Start()
	defer func() {
		broker.Shutdown()
		broker.WaitForShutdown()
	}()
	if !broker.ReadyForConnections(20 * time.Second) {
		return errors.New("not ready after 20 s")
	}
	if err := ensureStream(ctx, broker, stream, password); err != nil {
		return fmt.Errorf("create stream %s: %w", stream, err)
	}
	<-ctx.Done()
	return nil
}

// ensureStream makes the stream unless it is there. A topic of ours has no dot in it, so "*" takes them all and none of
// the broker's own subjects.
func ensureStream(ctx context.Context, broker *server.Server, name, password string) error {
	conn, err := nats.Connect(broker.ClientURL(), nats.InProcessServer(broker), nats.UserInfo("sidecart", password))
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: name, Subjects: []string{"*"}, Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, MaxAge: 7 * 24 * time.Hour,
	})
	return err
}
