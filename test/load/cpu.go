package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ, which is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// process is what /proc tells of one.
type process struct {
	pid, parent int
	// cpu is user and system time, that of its ended and awaited children included.
	cpu time.Duration
}

// processes lists all there are. One that ends meanwhile is left out; its parent has its time.
func processes() map[int]process {
	all := make(map[int]process)
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		// The name, in parentheses, may hold anything; the fields after it are numbered from 3 (proc(5)).
		line := string(text)
		fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
		if len(fields) < 15 {
			continue
		}
		var p process
		p.pid, _ = strconv.Atoi(line[:strings.IndexByte(line, ' ')])
		p.parent, _ = strconv.Atoi(fields[1])
		for _, field := range fields[11:15] { // utime, stime, cutime, cstime
			n, _ := strconv.Atoi(field)
			p.cpu += time.Duration(n) * tick
		}
		all[p.pid] = p
	}
	return all
}

// running reports whether a process is there and no zombie.
func running(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	line := string(text)
	return err == nil && !strings.HasPrefix(line[strings.LastIndexByte(line, ')')+1:], " Z")
}

// groups of processes whose CPU is told apart.
const (
	groupHoming   = "homing"
	groupPostgres = "postgres"
	groupProducer = "producer"
	groupReceiver = "receiver"
	groupRedis    = "redis"
	groupRabbit   = "rabbitmq"
)

var groupNames = []string{groupHoming, groupPostgres, groupRedis, groupRabbit, groupProducer, groupReceiver}

// usage is CPU by group.
type usage map[string]time.Duration

// usageOf sums the CPU of each group's processes and of all their descendants.
func usageOf(roots map[string][]int) usage {
	all := processes()
	children := make(map[int][]int)
	for pid, p := range all {
		children[p.parent] = append(children[p.parent], pid)
	}
	u := make(usage)
	var add func(group string, pid int)
	add = func(group string, pid int) {
		u[group] += all[pid].cpu
		for _, c := range children[pid] {
			add(group, c)
		}
	}
	for group, pids := range roots {
		for _, pid := range pids {
			add(group, pid)
		}
	}
	return u
}

func (u usage) since(before usage) usage {
	d := make(usage)
	for group, t := range u {
		d[group] = t - before[group]
	}
	return d
}

func (u usage) total() (sum time.Duration) {
	for _, t := range u {
		sum += t
	}
	return sum
}

// memory returns the resident and the highest resident size of a process, in bytes.
func memory(pid int) (now, peak int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			now = kb << 10
		case "VmHWM":
			peak = kb << 10
		}
	}
	return now, peak
}

// loadAverage is that of the last minute.
func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// cpuModel names the processor.
func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
