package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// helloWorld is the yardstick: the least that a Go server can do, measured in the same run, by the same client, in a process of
// its own as the gateway is.
type helloWorld struct {
	address string
	pid     int
}

// helloCommand makes this program that server.
const helloCommand = "hello-world"

// serveHello says at which port of this machine it serves, until its input ends.
func serveHello() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello, world\n")) }),
		ReadHeaderTimeout: time.Second,
	}
	fmt.Printf("http://%s\n", listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	if err := server.Serve(listener); err != nil && err != http.ErrServerClosed {
		return err
	}
	return nil
}

// startHello starts it; it ends with ctx, or with this program.
func startHello(ctx context.Context) (h helloWorld, err error) {
	self, err := os.Executable()
	if err != nil {
		return h, err
	}
	cmd := exec.CommandContext(ctx, self, helloCommand)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		return h, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return h, err
	}
	if err := cmd.Start(); err != nil {
		return h, fmt.Errorf("start the hello-world: %w", err)
	}
	go func() { _ = cmd.Wait() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return h, fmt.Errorf("the hello-world does not say where it is: %w", err)
	}
	return helloWorld{strings.TrimSpace(line), cmd.Process.Pid}, nil
}

// cpu is what it has used so far.
func (h helloWorld) cpu() map[string]time.Duration {
	_, _, used, ok := readStat(fmt.Sprintf("/proc/%d/stat", h.pid))
	if !ok {
		return nil
	}
	return map[string]time.Duration{helloCommand: used}
}
