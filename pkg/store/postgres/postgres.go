package postgres

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/homing-hooks/homing/pkg/seal"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Options are the settings of a [Store]. The zero value is that of the defaults named.
type Options struct {
	// Policy times deliveries. Default: [webhook.DefaultPolicy].
	Policy webhook.Policy
	// DedupeWindow is how long the identity of an event is remembered. Default: 24 h.
	DedupeWindow time.Duration
	// Keyring seals and opens secrets and headers. Without one, endpoints with either cannot be created or sent to;
	// ingest and retry need none.
	Keyring seal.Keyring
	// MaxConns bounds the pool. Default: 8. The sum over all processes must stay below the server's max_connections.
	MaxConns int
	// IdleTime is how long a connection that nobody uses is kept. Default: 5 min.
	IdleTime time.Duration
	// Timeout bounds one operation, waiting for a connection included, where the caller's context does not bound it
	// more. Beyond it the operation fails with store.ErrUnavailable. Default: 15 s.
	Timeout time.Duration
	// Role is the database role to take on in every connection, for a user who is a member of several (homing_ingest,
	// homing_deliver, homing_retry, homing_manage). Default: none, the user of the URL itself.
	Role string
	// Logger is told what no caller can be told, such as headers that cannot be opened. Default: slog.Default.
	Logger *slog.Logger
	// startGrace is how long after the server's start no lease is ended, because outcomes may still be on their way to
	// it. Default: one attempt timeout of the policy.
	startGrace time.Duration
}

// withDefaults returns the options with every default filled in.
func (o Options) withDefaults() Options {
	if len(o.Policy.Schedule) == 0 {
		o.Policy = webhook.DefaultPolicy()
	}
	o.startGrace = cmp.Or(o.startGrace, o.Policy.Timeout)
	o.DedupeWindow = cmp.Or(o.DedupeWindow, 24*time.Hour)
	o.MaxConns = cmp.Or(o.MaxConns, 8)
	o.IdleTime = cmp.Or(o.IdleTime, 5*time.Minute)
	o.Timeout = cmp.Or(o.Timeout, 15*time.Second)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	return o
}

// Store is a [store.Store] in Postgres. It is safe for concurrent use.
type Store struct {
	pool    *pgxpool.Pool
	options Options
	policy  webhook.Policy
	targets *targetCache
	ids     webhook.IDSource // of the jobs that a change begins by itself
}

var _ store.Store = (*Store)(nil)

// Open makes a store on the database of url (postgres://…, see pgx). It connects when the first operation needs it, so
// that it succeeds also while the database is away. The schema must have been made by [Migrate]. Errors: a url that
// cannot be read; the text does not quote it.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	o = o.withDefaults()
	config, err := poolConfig(url, o)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, errors.New("store: open: the database's settings cannot be used")
	}
	return &Store{pool: pool, options: o, policy: o.Policy, targets: newTargetCache()}, nil
}

// Close closes the connections, waiting for those in use.
func (s *Store) Close() { s.pool.Close() }

// Now returns the database's clock.
func (s *Store) Now(ctx context.Context) (now time.Time, err error) {
	err = s.run(ctx, "now", func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now)
	})
	return now, err
}

// ProbeWrite commits a write to a row that exists for it.
func (s *Store) ProbeWrite(ctx context.Context) error {
	return s.run(ctx, "probe write", func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, "UPDATE write_probe SET probed_at = clock_timestamp()")
		return err
	})
}
