//go:build linux

// Command stack is the developer's runner of the whole shop on one machine without containers. It builds what has
// changed, prepares private servers, writes the process runner's file from dapr.yaml (services and sidecars) and
// process-compose.yaml (servers), and keeps everything running until it is told to stop.
//
// It knows processes, ports and files, and nothing of what the services do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

type command struct {
	name, args, help string
	run              func(ctx context.Context, in *instance, args []string) error
}

func commands() []command {
	return []command{
		{"up", "", "build what changed and run everything until Ctrl-C; -detach returns once all are ready", up},
		{"servers", "", "run only the servers and the sandbox, in the background", servers},
		{"dev", "", "the servers, and the services by `dapr run -f dapr.yaml` in this terminal", dev},
		{"down", "", "stop what up or servers started", down},
		{"clean", "", "stop, and delete this instance's data", clean},
		{"ps", "", "print every process as JSON: name, kind, pid, state, restarts", ps},
		{"stats", "", "print the memory of every process, and of programs and sidecars together", stats},
		{"build", "[name…]", "build the named artefacts, or all that `up` needs; -list names them", build},
		{"env", "", "print the instance's environment file for `source`: ports, addresses, secrets", printEnv},
		{"exec", "[flags] -- command…", "(used by the process runner) wait, add secrets, change user, then become command", nil},
	}
}

func main() {
	// The death signal that children are given follows the thread that started them, so it must not end early.
	runtime.LockOSThread()
	if len(os.Args) > 1 && os.Args[1] == "exec" {
		fail(execute(os.Args[2:]))
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	for _, c := range commands() {
		if len(os.Args) > 1 && os.Args[1] == c.name {
			flags := flag.NewFlagSet("stack "+c.name, flag.ExitOnError)
			in := instanceFlags(flags)
			flags.Usage = func() {
				fmt.Fprintf(os.Stderr, "stack %s [flags] %s\n%s.\n\n", c.name, c.args, c.help)
				flags.PrintDefaults()
			}
			_ = flags.Parse(os.Args[2:]) // exits on error
			if err := in.complete(); err != nil {
				fail(err)
			}
			fail(c.run(ctx, in, flags.Args()))
			return
		}
	}
	fmt.Fprintln(os.Stderr, "stack runs the shop on this machine. Commands (each has --help):")
	for _, c := range commands() {
		if c.run != nil {
			fmt.Fprintf(os.Stderr, "  %-8s %s\n", c.name, c.help)
		}
	}
	if len(os.Args) < 2 || (os.Args[1] != "-h" && os.Args[1] != "--help" && os.Args[1] != "help") {
		os.Exit(2)
	}
}

func fail(err error) {
	if err == nil {
		return
	}
	if errors.Is(err, context.Canceled) {
		os.Exit(130) // Ctrl-C, as a shell reports it
	}
	fmt.Fprintln(os.Stderr, "stack:", err)
	os.Exit(1)
}
