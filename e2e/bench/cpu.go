package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ticks is the unit of CPU time in /proc: USER_HZ, 100 a second on every Linux port of today.
const ticks = 10 * time.Millisecond

// cpuByProcess is the CPU time that each process of the shop has used so far, its children's included. It is empty where
// the shop was not started by the runner beside us.
func cpuByProcess(ctx context.Context) map[string]time.Duration {
	out, err := exec.CommandContext(ctx, filepath.Join(".bin", "stack"), "ps").Output()
	if err != nil {
		return nil
	}
	var list []struct {
		Name string
		PID  int
	}
	if json.Unmarshal(out, &list) != nil {
		return nil
	}
	children := map[int][]int{}
	own := map[int]time.Duration{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		pid, parent, used, ok := readStat(path)
		if ok {
			children[parent] = append(children[parent], pid)
			own[pid] = used
		}
	}
	var sum func(pid int) time.Duration
	sum = func(pid int) time.Duration {
		total := own[pid]
		for _, child := range children[pid] {
			total += sum(child)
		}
		return total
	}
	byName := map[string]time.Duration{}
	for _, p := range list {
		if p.PID > 0 {
			byName[p.Name] = sum(p.PID)
		}
	}
	return byName
}

// readStat reads proc_pid_stat(5): the parent, and utime+stime+cutime+cstime.
func readStat(path string) (pid, parent int, used time.Duration, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, 0, false // it has ended
	}
	end := strings.LastIndexByte(string(text), ')') // the command's name may hold anything
	if _, err := fmt.Sscanf(string(text), "%d", &pid); err != nil || end < 0 {
		return 0, 0, 0, false
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 15 {
		return 0, 0, 0, false
	}
	_, _ = fmt.Sscan(fields[1], &parent)
	var sum int64
	for _, field := range fields[11:15] {
		var n int64
		_, _ = fmt.Sscan(field, &n)
		sum += n
	}
	return pid, parent, time.Duration(sum) * ticks, true
}

// printCPU shows what the processes spent, per thing done.
func printCPU(before, after map[string]time.Duration, done int64) {
	if len(after) == 0 || done == 0 {
		return
	}
	type share struct {
		name string
		ms   float64
	}
	var shares []share
	total := 0.0
	for name, used := range after {
		ms := float64((used - before[name]).Microseconds()) / 1000 / float64(done)
		total += ms
		if ms >= 0.005 {
			shares = append(shares, share{name, ms})
		}
	}
	slices.SortFunc(shares, func(a, b share) int { return int((b.ms - a.ms) * 1e6) })
	fmt.Printf("  CPU %.2f ms each:", total)
	for _, s := range shares {
		fmt.Printf(" %s %.2f", s.name, s.ms)
	}
	fmt.Println()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
