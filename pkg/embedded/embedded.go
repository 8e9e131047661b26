package embedded

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
)

// Errors of Start. All come wrapped with the fact that helps (a pid, a directory, a version).
var (
	// ErrLocked means that another process uses the data directory. The message names its pid.
	ErrLocked = errors.New("data directory is in use")
	// ErrNoBinaries means that no Postgres was found and none could be installed. The message says what to install.
	ErrNoBinaries = errors.New("no Postgres binaries")
	// ErrUnreachable means that the unprivileged user that the server runs as cannot enter the data directory.
	ErrUnreachable = errors.New("data directory is unreachable for the server's user")
	// ErrNotSupported means that this operating system is not Linux. Configure DATABASE_URL there.
	ErrNotSupported = errors.New("the embedded Postgres needs Linux; set DATABASE_URL")
)

// Config says where and with what the server runs.
type Config struct {
	// DataDir is the directory of `homing serve`. Only DataDir/postgres and the lock file DataDir/postgres.lock in it
	// are this package's; both are made when missing, and DataDir too. Required.
	DataDir string
	// Logger gets what happens, at debug and info; Postgres's own messages go to DataDir/postgres/postgres.log.
	// Default: discards.
	Logger *slog.Logger
	// Out gets the sentences that a person who waits should read ("installing ..."). Default: discards.
	Out io.Writer
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Out == nil {
		c.Out = io.Discard
	}
	return c
}

// Postgres is a running server.
type Postgres struct {
	url  string
	proc *process
	lock io.Closer

	stopOnce sync.Once
	stopErr  error
}

// URL is the postgres:// URL of the database `homing`, over the unix socket. It holds no secret. The user owns the
// database and may do everything.
func (p *Postgres) URL() string { return p.url }

// Done is closed when the server has ended, whoever ended it.
func (p *Postgres) Done() <-chan struct{} { return p.proc.done }

// Stop ends the server in order: open transactions are rolled back, everything committed is on disk. When ctx ends
// first, the server is told to end at once (it recovers from its log at the next start, and loses nothing) and Stop
// still waits for that. Further calls return the result of the first.
func (p *Postgres) Stop(ctx context.Context) error {
	p.stopOnce.Do(func() { p.stopErr = errors.Join(p.proc.stop(ctx), p.lock.Close()) })
	return p.stopErr
}
