package postgres

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// sessionSettings are set in every connection as it starts, which no ALTER DATABASE or ALTER ROLE can undo.
var sessionSettings = map[string]string{
	// Accepted, claimed and recorded mean durable.
	"synchronous_commit": "on",
	// A day is 24 hours in every calculation with intervals.
	"timezone": "UTC",
	// The statements are written so that one plan is right for all values, and planning them costs more than running.
	"plan_cache_mode": "force_generic_plan",
	// A plan may have been made while its partition was empty, when reading all of it looked cheapest.
	"enable_seqscan": "off",
	"jit":            "off",
	// Nobody waits for long: the caller has a better way than to hang (park, answer 503, look again at the next tick).
	"lock_timeout":                        "5s",
	"statement_timeout":                   "30s",
	"idle_in_transaction_session_timeout": "30s",
}

// poolConfig reads the URL and adds what every connection needs.
func poolConfig(url string, o Options) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("store: open: the database URL cannot be read") // not the cause: it quotes the URL
	}
	params := config.ConnConfig.RuntimeParams
	maps.Copy(params, sessionSettings)
	if params["application_name"] == "" {
		params["application_name"] = "homing"
	}
	if o.Role != "" {
		params["role"] = o.Role
	}
	const connectTimeout = 5 * time.Second
	if config.ConnConfig.ConnectTimeout == 0 || config.ConnConfig.ConnectTimeout > connectTimeout {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	config.MaxConns = int32(o.MaxConns)
	config.MinConns = 0
	config.MaxConnIdleTime = o.IdleTime
	config.AfterConnect = func(_ context.Context, c *pgx.Conn) error {
		registerTypes(c.TypeMap())
		return nil
	}
	return config, nil
}

// maxTries bounds how often a statement is tried that the server undoes to let another one pass.
const maxTries = 5

// run is around every operation: it bounds its time, repeats what may be repeated, and translates its error.
func (s *Store) run(ctx context.Context, op string, f func(context.Context) error) error {
	return s.runWithin(ctx, op, s.options.Timeout, f)
}

// runWithin is run for an operation with a time of its own.
func (s *Store) runWithin(
	ctx context.Context, op string, timeout time.Duration, f func(context.Context) error,
) error {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := f(bounded)
	for try := 1; try < maxTries && retryable(err) && pause(bounded, try); try++ {
		err = f(bounded)
	}
	return classify(op, err)
}

// pause waits a little before another try, longer each time and not the same for everybody; false when there is no
// time.
func pause(ctx context.Context, try int) bool {
	const step = 5 * time.Millisecond
	wait := time.NewTimer(time.Duration(try)*step + rand.N(step))
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// inTx runs f in a transaction.
func (s *Store) inTx(ctx context.Context, f func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, f)
}

// makePartitions makes those that rows of these moments need. A statement that failed for the lack of them may then be
// repeated. It runs by itself, so that the lock it takes is short.
func (s *Store) makePartitions(ctx context.Context, first, last time.Time) (made int, err error) {
	err = s.pool.QueryRow(ctx, "SELECT make_partitions($1, $2)", first, last).Scan(&made)
	return made, err
}
