//go:build linux

package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// checkPorts says which of the ports that the processes are to serve on is taken, and by whom.
func checkPorts(wanted map[int]string) error {
	var taken []string
	for port, name := range wanted {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			listener.Close()
			continue
		}
		taken = append(taken, fmt.Sprintf("port %d, which %s needs, is taken by %s", port, name, holder(port)))
	}
	if len(taken) == 0 {
		return nil
	}
	return fmt.Errorf("%s; stop that, or choose other ports: PORT_OFFSET=1000 make run", strings.Join(taken, "; "))
}

// holder describes the process that listens on a port, as far as this user may know.
func holder(port int) string {
	inodes := make(map[string]bool)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		file, err := os.Open(table)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			const listening = "0A"
			if len(fields) > 9 && fields[3] == listening && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
				inodes["socket:["+fields[9]+"]"] = true
			}
		}
		file.Close()
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !inodes[target] {
			continue
		}
		pid, _, _ := strings.Cut(strings.TrimPrefix(link, "/proc/"), "/")
		number, _ := strconv.Atoi(pid)
		return fmt.Sprintf("%s (process %s)", processName(number), pid)
	}
	return "a process of another user"
}

// processName is the program and first arguments of a process.
func processName(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(text) == 0 {
		return "a process"
	}
	parts := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
	return strings.Join(parts[:min(len(parts), 3)], " ")
}
