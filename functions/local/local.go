// Package local is Homing in one process: all functions, or some of them, on the services that the settings name.
//
// It owns the life of such a process as a value: New, Start, Stop. `homing serve` is one, and so is each test that
// needs a whole Homing, on port 0. It promises that Start returns when requests are answered, and that Stop loses
// nothing. It never starts a database: DATABASE_URL is set by who calls it.
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/homing-hooks/homing/functions/internal/host"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/seal"
	"github.com/homing-hooks/homing/pkg/store"
)

// functions are those that a process may be made of, in the order in which a host takes them.
var functions = []function{
	{config.FunctionDeliver, host.Deliver},
	{config.FunctionIngest, host.Ingest},
	{config.FunctionRetry, host.Retry},
	{config.FunctionManage, host.Manage},
}

type function struct {
	name   config.Function
	attach host.Function
}

// App is a Homing in this process.
type App struct {
	host *host.Host
	end  context.CancelFunc
	done chan error
}

// New makes an App of the functions named, or of all when none is. Errors: settings that cannot be used.
func New(cfg *config.Config, log *slog.Logger, only ...config.Function) (*App, error) {
	return NewWithClock(cfg, log, time.Now, only...)
}

// NewWithClock is New for a machine whose clock shows another time than it is: now is what it shows.
func NewWithClock(cfg *config.Config, log *slog.Logger, now func() time.Time, only ...config.Function) (*App, error) {
	for _, name := range only {
		if !slices.ContainsFunc(functions, func(f function) bool { return f.name == name }) {
			return nil, fmt.Errorf("local: %q is not a function: ingest, deliver, retry and manage are", name)
		}
	}
	var attach []host.Function
	for _, f := range functions {
		if len(only) == 0 || slices.Contains(only, f.name) {
			attach = append(attach, f.attach)
		}
	}
	h, err := host.New(cfg, log, now, attach...)
	if err != nil {
		return nil, err
	}
	return &App{host: h}, nil
}

// Start starts everything and returns once requests are answered. ctx bounds the starting only. Errors: a part that
// does not start (a port that is taken, say); nothing is then left running.
func (a *App) Start(ctx context.Context) error {
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	a.end, a.done = end, make(chan error, 1)
	started := make(chan struct{})
	go func() { a.done <- a.host.Run(running, func() { close(started) }) }()
	select {
	case <-started:
		return nil
	case err := <-a.done:
		end()
		return err
	case <-ctx.Done():
		return errors.Join(ctx.Err(), a.Stop(context.WithoutCancel(ctx)))
	}
}

// Stop ends everything in order and waits for it, as long as ctx allows. Errors: what went wrong while running or
// stopping.
func (a *App) Stop(ctx context.Context) error {
	a.end()
	select {
	case err := <-a.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Done gives the error of a process that ended by itself.
func (a *App) Done() <-chan error { return a.done }

// Addr is the address that the process listens on, once it has started.
func (a *App) Addr() string { return a.host.Addr() }

// Store is the store that it works on.
func (a *App) Store() store.Store { return a.host.Store() }

// CheckURL refuses URLs that could never be delivered to with these settings.
func CheckURL(cfg *config.Config, raw string) error { return host.CheckURL(cfg, raw) }

// Keyring makes the keyring of the settings.
func Keyring(cfg *config.Config) (seal.Keyring, error) { return host.Keyring(cfg) }

// Version is that of this build.
func Version() string { return host.Version }
