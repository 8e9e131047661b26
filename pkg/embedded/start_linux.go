package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// database is both the superuser and the database that clients use.
const database = "homing"

// pollInterval is how often a starting server is asked whether it is ready, and a stopping one whether it is gone.
const pollInterval = 25 * time.Millisecond

// Start starts the server on its data directory, which it makes the first time, and returns when it accepts
// connections. ctx bounds the start only, with all that may belong to it: installing Postgres, stopping a server left
// over, recovery after a crash. The errors ErrLocked, ErrNoBinaries and ErrUnreachable can be told apart.
func Start(ctx context.Context, config Config) (*Postgres, error) {
	config = config.withDefaults()
	dir, err := openDataDir(config.DataDir)
	if err != nil {
		return nil, fmt.Errorf("embedded: start: %w", err)
	}
	p, err := start(ctx, config, dir)
	if err != nil {
		return nil, fmt.Errorf("embedded: start: %w", errors.Join(err, dir.Close()))
	}
	return p, nil
}

func start(ctx context.Context, config Config, dir *dataDir) (*Postgres, error) {
	major, err := dir.major()
	if err != nil {
		return nil, err
	}
	server, err := newFinder(dir.download(), config.Out).find(ctx, major)
	if err != nil {
		return nil, err
	}
	if err := stopLeftOver(ctx, dir, config.Logger); err != nil {
		return nil, err
	}
	if major == 0 {
		config.Logger.InfoContext(ctx, "making a Postgres data directory", "dir", dir.data(), "version", server.major)
		if err := initialise(ctx, dir, server); err != nil {
			return nil, err
		}
	}
	sockets, err := dir.sockets()
	if err != nil {
		return nil, err
	}
	proc, err := launch(dir, server, sockets)
	if err != nil {
		return nil, err
	}
	if err := waitReady(ctx, proc, dir, sockets); err != nil {
		// The caller's time is over; what is left is to end the server in whatever way is quick.
		over, cancel := context.WithCancel(context.WithoutCancel(ctx))
		cancel()
		_ = proc.stop(over)
		return nil, err
	}
	config.Logger.InfoContext(ctx, "embedded Postgres is ready",
		"dir", dir.data(), "version", server.major, "pid", proc.command.Process.Pid)
	return &Postgres{url: socketURL(sockets, database), proc: proc, lock: dir}, nil
}

// initialise makes the data directory. It is made under another name and renamed when it is whole, so that a crash
// in between leaves nothing that looks like a data directory.
func initialise(ctx context.Context, dir *dataDir, server binaries) error {
	fresh := dir.data() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, filepath.Join(server.dir, "initdb"), "-D", fresh, "-U", database,
		"--auth-local=trust", "--auth-host=reject", "--encoding=UTF8",
		// Byte order: it needs no locale of the machine, and no upgrade of libc can change an index's order.
		"--locale=C")
	dir.runAsServer(command)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, lastLine(out))
	}
	if err := os.Rename(fresh, dir.data()); err != nil {
		return err
	}
	return syncDir(dir.root)
}

// settings of the server, as name=value. They are given at every start and not kept in the data directory, so that
// they are always those of this version of Homing. Small: it shares a laptop or one small server with Homing.
func settings(sockets string) []string {
	return []string{
		// Reached through the socket only, by its owner only.
		"listen_addresses=", "unix_socket_directories=" + sockets, "unix_socket_permissions=0700", "port=" + socketPort,
		"max_connections=50", "shared_buffers=32MB", "huge_pages=off", "jit=off",
		// Accepted means durable.
		"fsync=on", "synchronous_commit=on", "full_page_writes=on",
		"wal_compression=on", "max_wal_size=256MB", "min_wal_size=80MB", "checkpoint_timeout=5min",
		// Statements and details of errors would put payloads into the log.
		"log_min_messages=warning", "log_min_error_statement=panic", "log_error_verbosity=terse",
		"log_checkpoints=off", "log_line_prefix=%m [%p] ", "log_timezone=UTC", "timezone=UTC",
	}
}

// socketURL quotes nothing of the path away: it may hold any character.
func socketURL(sockets, database string) string {
	query := url.Values{"host": {sockets}, "port": {socketPort}, "sslmode": {"disable"}}
	u := url.URL{Scheme: "postgres", User: url.User("homing"), Path: "/" + database, RawQuery: query.Encode()}
	return u.String()
}

// waitReady waits until the server accepts connections, and makes the database if it is not there.
func waitReady(ctx context.Context, proc *process, dir *dataDir, sockets string) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, socketURL(sockets, "postgres"))
		if err == nil {
			return errors.Join(ensureDatabase(ctx, conn), conn.Close(ctx))
		}
		select {
		case <-proc.done:
			return fmt.Errorf("the server ended at once: %w; its log %s ends with: %s",
				orExited(proc.err), dir.log(), dir.lastLog())
		case <-ctx.Done():
			return fmt.Errorf("the server is not ready: %w (its log is %s)", ctx.Err(), dir.log())
		case <-tick.C:
		}
	}
}

func ensureDatabase(ctx context.Context, conn *pgx.Conn) error {
	var exists bool
	const ask = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)"
	if err := conn.QueryRow(ctx, ask, database).Scan(&exists); err != nil || exists {
		return err
	}
	_, err := conn.Exec(ctx, "CREATE DATABASE "+database)
	return err
}

// major returns the version of Postgres that made the data directory, 0 when there is none yet.
func (d *dataDir) major() (int, error) {
	b, err := os.ReadFile(filepath.Join(d.data(), "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || major < minMajor {
		return 0, fmt.Errorf("%s was made by Postgres %s; %d or newer is needed",
			d.data(), strings.TrimSpace(string(b)), minMajor)
	}
	return major, nil
}
