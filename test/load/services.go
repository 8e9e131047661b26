package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// services are Postgres, Redis and RabbitMQ of our own, from hack/services.sh: on loopback, with fsync on, and a
// watchdog that stops them and removes their data when this process is gone.
type services struct {
	root, dir string
	env       map[string]string
}

// postgresSettings are set beside those of hack/services.sh; docs/benchmarks.md says why. Durability keeps its
// defaults: fsync, synchronous_commit and full_page_writes are on.
var postgresSettings = [][2]string{
	{"shared_buffers", "256MB"},
	{"wal_compression", "on"},
	{"max_wal_size", "4GB"},
	{"checkpoint_timeout", "15min"},
}

// startServices starts them. The directory must be one that Postgres's unprivileged user can pass through.
func startServices(ctx context.Context, root string) (*services, error) {
	dir, err := os.MkdirTemp("", "homing-load-")
	if err != nil {
		return nil, err
	}
	s := &services{root: root, dir: dir}
	if err := s.up(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *services) up(ctx context.Context) error {
	if err := os.Chmod(s.dir, 0o711); err != nil { // Postgres runs as another user; its data is 0700 below
		return err
	}
	if err := s.script(ctx, "up", "postgres"); err != nil {
		return err
	}
	if err := s.tunePostgres(ctx); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return s.script(ctx, "up")
}

// script runs a command of hack/services.sh on our directory.
func (s *services) script(ctx context.Context, args ...string) error {
	c := exec.CommandContext(ctx, filepath.Join(s.root, "hack", "services.sh"), args...)
	c.Env = append(os.Environ(), "HOMING_DEV_DIR="+s.dir, "HOMING_DEV_OWNER="+strconv.Itoa(os.Getpid()))
	c.Stderr = os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("hack/services.sh %s: %w", strings.Join(args, " "), err)
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "services.env"))
	if err != nil && args[0] == "up" {
		return err
	}
	s.env = make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "="); ok {
			s.env[name] = strings.Trim(value, "'")
		}
	}
	return nil
}

// tunePostgres writes the settings and stops the server; the next `up` starts it with them.
func (s *services) tunePostgres(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.database("postgres"))
	if err != nil {
		return err
	}
	for _, setting := range postgresSettings {
		if _, err := conn.Exec(ctx, fmt.Sprintf("ALTER SYSTEM SET %s = '%s'", setting[0], setting[1])); err != nil {
			return err
		}
	}
	if err := conn.Close(ctx); err != nil {
		return err
	}
	pid := s.pid("postgres")
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
		return err
	}
	for running(pid) {
		if !pause(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}

// pid is that of a server, 0 when it is not ours.
func (s *services) pid(name string) int {
	text, err := os.ReadFile(filepath.Join(s.dir, "state", "pid."+name))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	pid, _ := strconv.Atoi(first)
	return pid
}

// database is the URL of a database of our Postgres.
func (s *services) database(name string) string {
	u, err := url.Parse(s.env["TEST_DATABASE_URL"])
	if err != nil {
		return ""
	}
	u.Path = "/" + name
	return u.String()
}

// close stops them and removes their data.
func (s *services) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.script(ctx, "wipe"); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
	}
	_ = os.RemoveAll(s.dir)
}

// roots are the processes of each group, homing's to be added.
func (s *services) roots() map[string][]int {
	return map[string][]int{
		groupPostgres: {s.pid("postgres")},
		groupRedis:    {s.pid("redis")},
		groupRabbit:   {s.pid("rabbitmq"), s.pid("epmd")},
	}
}
