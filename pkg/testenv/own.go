package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a server that belongs to one test. It keeps its address and password over stop and start. Its methods
// return when the thing is done and fail the test when it cannot be done; call them on the test's own goroutine.
type Server struct {
	// URL is a postgres://, redis:// or amqp:// URL with a user that may do everything.
	URL string
	// ManagementURL is the base URL of RabbitMQ's management API, with user and password; else empty.
	ManagementURL string

	t    testing.TB
	name string // as hack/services.sh calls it
	dir  string // HOMING_DEV_DIR of the script
}

// OwnPostgres starts a Postgres for this test alone, with the settings of the shared one. Takes about 2 s.
func OwnPostgres(t testing.TB) *Server { t.Helper(); return own(t, "postgres", envPostgres) }

// OwnRedis starts a Redis for this test alone. It keeps nothing on disk: a stopped one comes back empty.
func OwnRedis(t testing.TB) *Server { t.Helper(); return own(t, "redis", envRedis) }

// OwnRabbitMQ starts a RabbitMQ for this test alone, with the management plugin. Takes about 5 s.
func OwnRabbitMQ(t testing.TB) *Server { t.Helper(); return own(t, "rabbitmq", envRabbitMQ) }

func own(t testing.TB, name, variable string) *Server {
	t.Helper()
	s := &Server{t: t, name: name, dir: t.TempDir()}
	t.Cleanup(func() { s.script("wipe") })
	s.Start()
	file := filepath.Join(s.dir, "services.env")
	var err error
	if s.URL, err = readExport(file, variable); err != nil {
		t.Fatalf("testenv: own %s: %v", name, err)
	}
	if name == "rabbitmq" {
		if s.ManagementURL, err = readExport(file, envManagement); err != nil {
			t.Fatalf("testenv: own %s: %v", name, err)
		}
	}
	return s
}

// Start starts the server after Stop or Kill, and waits until it answers. It does nothing when it runs.
func (s *Server) Start() {
	s.t.Helper()
	s.script("up", s.name)
	if s.URL == "" {
		return
	}
	again, err := os.ReadFile(filepath.Join(s.dir, "state", "url."+s.name))
	if err != nil || strings.TrimSpace(string(again)) != s.URL {
		s.t.Fatalf("testenv: own %s: another process has taken its port", s.name)
	}
}

// TryStart is Start for a server that may refuse to come up. Errors: it did not, with what it said.
func (s *Server) TryStart() error { return s.run("up", s.name) }

// Data returns the directory of a Postgres's data, which the server's own user owns.
func (s *Server) Data() string {
	s.t.Helper()
	dir, err := os.ReadFile(filepath.Join(s.dir, "state", "postgres.dir"))
	if err != nil {
		s.t.Fatalf("testenv: data of own %s: %v", s.name, err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), "data")
}

// Stop stops the server in its orderly way: connections are closed, what was acknowledged is on disk.
func (s *Server) Stop() { s.t.Helper(); s.script("down") }

// Kill ends the server with SIGKILL, as a crash does: nothing is flushed and nobody is told.
func (s *Server) Kill() {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, "state", "pid."+s.name))
	if err != nil {
		s.t.Fatalf("testenv: kill own %s: it does not run: %v", s.name, err)
	}
	text, _, _ := strings.Cut(string(b), " ")
	pid, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatalf("testenv: kill own %s: %v", s.name, err)
	}
	// Postgres is a family of processes, which would otherwise go on for a moment without their parent. The parent
	// is halted first so that it makes no more of them.
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	family := append(children(pid), pid)
	for _, p := range family {
		if err := syscall.Kill(p, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			s.t.Fatalf("testenv: kill own %s: %v", s.name, err)
		}
	}
	for _, p := range family {
		s.waitGone(p)
	}
}

// Wipe stops the server and starts it again with nothing in it, at the same address.
func (s *Server) Wipe() {
	s.t.Helper()
	s.Stop()
	data := map[string]string{"postgres": "postgres/data", "redis": "redis", "rabbitmq": "rabbitmq/mnesia"}[s.name]
	if err := os.RemoveAll(filepath.Join(s.dir, data)); err != nil {
		s.t.Fatalf("testenv: wipe own %s: %v", s.name, err)
	}
	s.Start()
}

// script runs hack/services.sh on this server's directory. Should this process die without cleaning up, the script's
// watchdog stops the server and removes the directory's content.
func (s *Server) script(args ...string) {
	s.t.Helper()
	if err := s.run(args...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) run(args ...string) error {
	root, err := checkout()
	if err != nil {
		return fmt.Errorf("testenv: own %s: %w", s.name, err)
	}
	const patience = 3 * time.Minute // more than all the script's own limits
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(root, "hack", "services.sh"), args...)
	command.Env = append(os.Environ(), "HOMING_DEV_DIR="+s.dir, "HOMING_DEV_OWNER="+strconv.Itoa(os.Getpid()))
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("testenv: own %s: services.sh %s: %w\n%s", s.name, args[0], err, out)
	}
	return nil
}

// children returns the processes whose parent is pid.
func children(pid int) []int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var all []int
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for field := range strings.FieldsSeq(string(b)) {
			if child, err := strconv.Atoi(field); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}

// waitGone waits until a killed process, which is not a child of ours, has ended.
func (s *Server) waitGone(pid int) {
	s.t.Helper()
	const every, atMost = 5 * time.Millisecond, 10 * time.Second
	for deadline := time.Now().Add(atMost); time.Now().Before(deadline); {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil || strings.Contains(string(b), "State:\tZ") {
			return
		}
		<-time.After(every)
	}
	s.t.Fatalf("testenv: kill own %s: process %d is still there", s.name, pid)
}
