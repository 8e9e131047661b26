package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	server := func(code string) error {
		return &pgconn.PgError{Code: code, Message: "value: hunter2", Detail: "Key (a)=(hunter2)", ConstraintName: "c"}
	}
	for _, c := range []struct {
		err  error
		want error
	}{
		{server("08006"), store.ErrUnavailable},
		{server("57P01"), store.ErrUnavailable},
		{server("57P02"), store.ErrUnavailable},
		{server("57P03"), store.ErrUnavailable},
		{server("57014"), store.ErrUnavailable},
		{server("53300"), store.ErrUnavailable},
		{server("53100"), store.ErrUnavailable},
		{server("25006"), store.ErrUnavailable},
		{server("40001"), store.ErrUnavailable},
		{server("40P01"), store.ErrUnavailable},
		{server("55P03"), store.ErrUnavailable},
		{server("22021"), store.ErrInvalid},
		{server("23514"), store.ErrInvalid},
		{server("23505"), store.ErrConflict},
		{server("23503"), store.ErrNotFound},
		{pgx.ErrNoRows, store.ErrNotFound},
		{store.ErrConflict, store.ErrConflict},
		{context.Canceled, context.Canceled},
		{context.DeadlineExceeded, store.ErrUnavailable},
		{context.DeadlineExceeded, context.DeadlineExceeded},
		{io.ErrUnexpectedEOF, store.ErrUnavailable},
		{&net.OpError{Op: "write", Err: errors.New("broken pipe")}, store.ErrUnavailable},
		{pgconn.ErrConnClosed, store.ErrUnavailable},
	} {
		for _, err := range []error{c.err, fmt.Errorf("wrapped: %w", c.err)} {
			got := classify("op", err)
			require.ErrorIs(t, got, c.want)
			require.True(t, strings.HasPrefix(got.Error(), "store: op: "), got.Error())
			require.NotContains(t, got.Error(), "hunter2", "no data")
			var driver *pgconn.PgError
			require.NotErrorAs(t, got, &driver, "no driver error leaves the package")
		}
	}
	require.NoError(t, classify("op", nil))
}

func TestOpenNeedsNoDatabase(t *testing.T) {
	t.Parallel()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := nobody.Addr().String()
	require.NoError(t, nobody.Close())
	s, err := Open(context.Background(), "postgres://user:hunter2@"+address+"/db?sslmode=disable", Options{})
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Now(context.Background())
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.NotContains(t, err.Error(), "hunter2")
	require.NotContains(t, err.Error(), "user")
}

func TestBadURLIsNotQuoted(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://u:hunter2@h:port/db", "host=h password='hunter2"} {
		_, err := Open(context.Background(), url, Options{})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
		_, err = Migrate(context.Background(), url)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

// TestSurvivesACrashOfTheDatabase kills the server with a store connected: operations say that it is unavailable, what
// was accepted and claimed is still there afterwards, and the same store goes on.
func TestSurvivesACrashOfTheDatabase(t *testing.T) {
	t.Parallel()
	server := testenv.OwnPostgres(t)
	b := setupOn(t, server.URL)
	e := b.endpoint()
	items := b.many(3, e)
	work := b.claim(store.ClaimRequest{Items: items[:1]}).Work
	next := b.event(e)
	server.Kill()
	_, err := b.Accept(b.ctx, []store.NewEvent{next})
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = b.Claim(b.ctx, store.ClaimRequest{Items: items})
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.ErrorIs(t, b.ProbeWrite(b.ctx), store.ErrUnavailable)
	server.Start()
	require.NoError(t, b.ProbeWrite(b.ctx))
	view, err := b.Delivery(b.ctx, b.tenant, items[0].Delivery)
	require.NoError(t, err)
	require.Equal(t, webhook.StateAttempting, view.Delivery.State)
	require.Equal(t, work[0].Delivery, view.Delivery)
	require.Len(t, b.claim(store.ClaimRequest{Items: items}).Work, 2)

	// Its attempt may still be reported, so its lease is not ended just after the start.
	b.exec("UPDATE deliveries SET lease_until = now() - interval '1 s', wake_at = now() - interval '1 s'")
	found, err := b.Reconcile(b.ctx, store.ReconcileRequest{Limit: 10, PerEndpoint: 10, EndLeases: true})
	require.NoError(t, err)
	require.Equal(t, map[webhook.Action]int{webhook.ActionWait: 3}, found.Counts)
}

// TestReadOnlyIsUnavailable is a failover that has not come to its end.
func TestReadOnlyIsUnavailable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("ALTER DATABASE " + pgx.Identifier{value[string](b, "SELECT current_database()")}.Sanitize() +
		" SET default_transaction_read_only = on")
	other := b.open()
	require.ErrorIs(t, other.ProbeWrite(b.ctx), store.ErrUnavailable)
	_, err := other.Now(b.ctx)
	require.NoError(t, err)
}

// TestNoFreeConnectionIsUnavailable has one store take its only connection; the bound on time is that of a store of its
// own, so that only the wait for the connection is measured by it.
func TestNoFreeConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	short := b.open(func(o *Options) { o.MaxConns, o.Timeout = 1, 200*time.Millisecond })
	conn, err := short.pool.Acquire(b.ctx)
	require.NoError(t, err)
	defer conn.Release()
	_, err = short.Now(b.ctx)
	require.ErrorIs(t, err, store.ErrUnavailable)
}

// TestDeadlockIsRepeated has somebody else hold rows in the opposite order: Postgres ends one of the two, and if it is
// the store's statement, it is repeated.
func TestDeadlockIsRepeated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.endpoint()
	for range 4 {
		items := b.many(2, e)
		work := b.claim(store.ClaimRequest{Items: items}).Work
		first, second := work[0].Delivery.ID, work[1].Delivery.ID
		if minID(first, second) != first {
			first, second = second, first
		}
		tx, err := b.connect().Begin(b.ctx)
		require.NoError(t, err)
		lock := "UPDATE deliveries SET tenant = tenant WHERE id = $1"
		_, err = tx.Exec(b.ctx, lock, second.String())
		require.NoError(t, err)
		var group sync.WaitGroup
		group.Go(func() {
			recorded, err := b.Record(b.ctx, []store.Result{success(work[0]), success(work[1])})
			if err != nil || !recorded[0].Applied || !recorded[1].Applied {
				t.Errorf("record: %v, %v", recorded, err)
			}
		})
		// The statement has the first row once it waits for the second.
		require.Eventually(t, func() bool {
			return value[bool](b, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
		}, 10*time.Second, 5*time.Millisecond)
		_, err = tx.Exec(b.ctx, lock, first.String())
		require.True(t, err == nil || hasCode(err, codeDeadlock), "%v", err)
		require.NoError(t, tx.Rollback(b.ctx))
		group.Wait()
	}
}

// TestClaimOnceUnderContention has many claim the same deliveries, by name and by pull: each attempt begins once.
func TestClaimOnceUnderContention(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.MaxConns = 8 })
	e := b.endpoint()
	const n = 120
	items := b.many(n, e)
	var mu sync.Mutex
	claimed := map[webhook.ID]int{}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := 0; i < n; i += 20 {
				r := store.ClaimRequest{Items: items[i : i+20]}
				if worker%2 == 1 {
					r = store.ClaimRequest{Pulls: []store.Pull{{Endpoint: e.ID, Limit: 15}}}
				}
				c, err := b.Claim(b.ctx, r)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, w := range c.Work {
					claimed[w.Delivery.ID]++
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	require.Len(t, claimed, n)
	for id, times := range claimed {
		require.Equal(t, 1, times, id)
	}
}
