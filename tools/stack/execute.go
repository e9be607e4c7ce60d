//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timerSlack is how much later than asked a process may be woken. Go's monitor of a program that has just woken up asks for
// every 20 µs, and on a virtual machine each of these costs more than what it looks at (docs/adr/0023).
const timerSlack = 5 * time.Millisecond

// execute becomes another program, the way each of ours is to run: not before what it needs takes connections, with no
// secrets but its own, writing to its own log, and ending with the process runner even if that is killed. Waiting here
// rather than failing keeps a sidecar from being restarted over and over while its broker boots.
func execute(args []string) error {
	flags := flag.NewFlagSet("stack exec", flag.ExitOnError)
	wait := flags.String("wait", "", "addresses to wait for, separated by commas")
	names := flags.String("secrets", "", "keys of the instance's env file to hand over, separated by commas; KEY* takes all that begin so")
	file := flags.String("file", "", "KEY=path: a variable whose value is the content of a file")
	account := flags.String("user", "", "account to run under when started by root")
	log := flags.String("log", "", "file to append output to")
	_ = flags.Parse(args)
	if flags.NArg() == 0 {
		return errors.New("exec: no command")
	}
	runtime.LockOSThread() // what prctl sets is of this thread, which becomes the program
	for address := range strings.SplitSeq(*wait, ",") {
		await(address)
	}
	env := os.Environ()
	if *names != "" {
		s, err := readSecrets(filepath.Join(os.Getenv(instanceMark), "env"))
		if err != nil {
			return err
		}
		env = append(env, s.pick(strings.Split(*names, ","))...)
	}
	if key, path, ok := strings.Cut(*file, "="); ok {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		env = append(env, key+"="+string(text))
	}
	path, err := exec.LookPath(flags.Arg(0))
	if err != nil {
		return err
	}
	if *log != "" {
		if err := redirect(*log); err != nil {
			return fmt.Errorf("open log: %w", err)
		}
	}
	if *account != "" && os.Getuid() == 0 {
		if err := become(*account); err != nil {
			return err
		}
	}
	// Set after the change of user, which clears it.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0, 0, 0); err != nil {
		return err
	}
	return syscall.Exec(path, flags.Args(), env)
}

// await returns when address takes connections.
func await(address string) {
	for address != "" && !open(address) {
		time.Sleep(50 * time.Millisecond)
	}
}

func open(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

const maxLog = 20 << 20

// redirect sends output to the end of a file, and starts a new one when the old has grown large.
func redirect(path string) error {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		_ = os.Rename(path, path+".1")
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for _, fd := range []int{1, 2} {
		if err := unix.Dup3(int(file.Fd()), fd, 0); err != nil {
			return err
		}
	}
	return nil
}

// become gives up root for the named account, or for nobody where there is none of that name.
func become(name string) error {
	uid, gid, err := ids(name)
	if err != nil {
		return err
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setgid(gid); err != nil {
		return err
	}
	return syscall.Setuid(uid)
}

func ids(name string) (uid, gid int, err error) {
	account, err := user.Lookup(name)
	if err != nil {
		if account, err = user.Lookup("nobody"); err != nil {
			return 0, 0, err
		}
	}
	uid, _ = strconv.Atoi(account.Uid)
	gid, _ = strconv.Atoi(account.Gid)
	return uid, gid, nil
}
