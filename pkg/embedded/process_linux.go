package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How long a server may take to end after a signal of each kind, before the next stronger one.
const (
	patienceFast      = 30 * time.Second // SIGINT: rolls back, writes a checkpoint
	patienceImmediate = 10 * time.Second // SIGQUIT: ends at once, recovers at the next start
)

// process is a server that is our child.
type process struct {
	command *exec.Cmd
	done    chan struct{} // closed when it has ended
	err     error         // how it ended; read after done
}

// launch starts the server. One goroutine, on one thread, starts it and waits for it: the kernel sends the signal of
// PR_SET_PDEATHSIG when the thread that made the child ends, and Go ends threads as it likes.
func launch(dir *dataDir, server binaries, sockets string) (*process, error) {
	log, err := dir.openLog()
	if err != nil {
		return nil, err
	}
	args := []string{"-D", dir.data()}
	for _, setting := range settings(sockets) {
		args = append(args, "-c", setting)
	}
	command := exec.Command(filepath.Join(server.dir, "postgres"), args...) //nolint:noctx // it outlives Start
	dir.runAsServer(command)
	command.SysProcAttr.Pdeathsig = syscall.SIGINT
	command.Stdout, command.Stderr = log, log

	p := &process{command: command, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = command.Wait()
		close(p.done)
	}()
	return p, errors.Join(<-started, log.Close())
}

// stop ends the server, gently first, and waits for its end.
func (p *process) stop(ctx context.Context) error {
	select {
	case <-p.done:
		return fmt.Errorf("embedded: stop: the server had ended before: %w", orExited(p.err))
	default:
	}
	fast, cancel := context.WithTimeout(ctx, patienceFast)
	defer cancel()
	_ = p.command.Process.Signal(syscall.SIGINT) // errs only when it has just ended
	select {
	case <-p.done:
		return p.err
	case <-fast.Done():
	}
	_ = p.command.Process.Signal(syscall.SIGQUIT)
	insist := time.AfterFunc(patienceImmediate, func() { _ = p.command.Process.Kill() })
	defer insist.Stop()
	<-p.done
	return fmt.Errorf("embedded: stop: ended at once, not in order: %w", fast.Err())
}

func orExited(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// stopLeftOver ends a server that a process before us has left on this directory, and removes the files that say it
// runs. The caller holds the directory's lock. Postgres removes stale files itself, but not when their pid is by now
// that of another process, as is usual in a container; it must not be guessed there, so this looks for processes.
func stopLeftOver(ctx context.Context, dir *dataDir, logger *slog.Logger) error {
	if pids := serversOn(dir.data()); len(pids) > 0 {
		logger.InfoContext(ctx, "stopping a Postgres left over by an earlier process", "pids", pids)
		if err := endServers(ctx, dir.data(), pids); err != nil {
			return err
		}
	}
	socket := filepath.Join(dir.root, "run", ".s.PGSQL."+socketPort)
	for _, stale := range []string{filepath.Join(dir.data(), "postmaster.pid"), socket, socket + ".lock"} {
		if err := os.Remove(stale); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// endServers ends the processes of a server, gently first. Without their postmaster, busy backends go on for as long as
// their statement takes, and there is nobody who could shut them down in order.
func endServers(ctx context.Context, data string, pids []int) error {
	postmaster := readPostmasterPid(data)
	if slices.Contains(pids, postmaster) {
		_ = syscall.Kill(postmaster, syscall.SIGINT)
		if err := waitGone(ctx, data, patienceFast); err == nil || ctx.Err() != nil {
			return err
		}
	}
	for _, pid := range serversOn(data) {
		_ = syscall.Kill(pid, syscall.SIGQUIT)
	}
	if err := waitGone(ctx, data, patienceImmediate); err == nil || ctx.Err() != nil {
		return err
	}
	for _, pid := range serversOn(data) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return waitGone(ctx, data, patienceImmediate)
}

// readPostmasterPid returns the pid in the directory's pid file, 0 when there is none.
func readPostmasterPid(data string) int {
	b, _ := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	first, _, _ := strings.Cut(string(b), "\n")
	pid, _ := strconv.Atoi(strings.TrimSpace(first))
	return pid
}

// serversOn returns the Postgres processes, parent and children, whose working directory is data: every process of a
// server moves there when it starts. Processes that we may not look at belong to other users, and so to other servers.
func serversOn(data string) []int {
	var pids []int
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		if cwd, err := os.Readlink(link); err != nil || cwd != data {
			continue
		}
		process := filepath.Dir(link)
		exe, err := os.Readlink(filepath.Join(process, "exe"))
		// After an upgrade of the package, the file of a running server is a deleted one.
		if err != nil || filepath.Base(strings.TrimSuffix(exe, " (deleted)")) != "postgres" {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(process)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// waitGone waits until no server is on data any more.
func waitGone(ctx context.Context, data string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		pids := serversOn(data)
		if len(pids) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("a Postgres left over by an earlier process does not end (pids %v): %w", pids, ctx.Err())
		case <-tick.C:
		}
	}
}
