package postgres

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// counted returns how many attempts of the bundle's tenant are counted.
func (b *bundle) counted() int64 {
	b.tb.Helper()
	list, err := b.Tallies(b.ctx, store.TallyQuery{
		Tenant: b.tenant, From: time.Now().Add(-100 * time.Hour), Until: time.Now().Add(time.Hour),
	})
	require.NoError(b.tb, err)
	var n int64
	for i := range list {
		n += list[i].Sent()
	}
	return n
}

// tally counts all that can be counted.
func (b *bundle) tally() {
	b.tb.Helper()
	done, err := b.Tally(b.ctx, store.TallyRequest{Spans: 10_000})
	require.NoError(b.tb, err)
	require.False(b.tb, done.More)
}

func (b *bundle) uncounted() bool {
	b.tb.Helper()
	a, err := b.Agenda(b.ctx, webhook.FailingRule{Window: 15 * time.Minute})
	require.NoError(b.tb, err)
	return a.Uncounted
}

// TestCountsWhatIsCommittedLate: an attempt gets its time when it is written and is seen when that is committed, up to
// TallySettled later. What was written before something else that is counted already, and is committed after it, is
// neither passed over nor left for the next attempt to bring to light.
func TestCountsWhatIsCommittedLate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.claim(store.ClaimRequest{Items: b.many(2, b.endpoint())}).Work
	late, err := b.pool.Begin(b.ctx)
	require.NoError(t, err)
	defer func() { _ = late.Rollback(b.ctx) }()
	_, err = late.Exec(b.ctx, `INSERT INTO attempts (delivery_id, attempt_no, status, started_at, total_us, outcome)
		VALUES ($1, 7, 200, now(), 5, 'success')`, w[0].Delivery.ID)
	require.NoError(t, err)

	_, err = b.Record(b.ctx, []store.Result{success(w[1])})
	require.NoError(t, err)
	b.tally()
	require.EqualValues(t, 1, b.counted())
	require.False(t, b.uncounted())
	require.NoError(t, late.Commit(b.ctx))
	require.True(t, b.uncounted())
	b.tally()
	require.EqualValues(t, 2, b.counted())
	require.False(t, b.uncounted())
}

// TestCountingPiecesAddUp: what was recorded over hours is counted the same in many small calls, which are interrupted
// anywhere, as it is there.
func TestCountingPiecesAddUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := b.many(1, b.endpoint())[0]
	const attempts = 2000 // over 100 minutes, three seconds apart
	b.exec(`INSERT INTO attempts (delivery_id, attempt_no, status, started_at, total_us, outcome, recorded_at)
		SELECT '` + d.Delivery.String() + `', n, 200, now(), 5, 'success', clock_timestamp() - n * interval '3 s'
		FROM generate_series(1, 2000) n`)
	b.exec("UPDATE tallied SET through = clock_timestamp() - interval '3 hours', mark = NULL")
	calls := 0
	for more := true; more; calls++ {
		done, err := b.Tally(b.ctx, store.TallyRequest{Spans: 7})
		require.NoError(t, err)
		require.LessOrEqual(t, done.Spans, 7)
		more = done.More
	}
	require.Greater(t, calls, 20, "so it was in pieces")
	require.EqualValues(t, attempts, b.counted())
	b.tally()
	require.EqualValues(t, attempts, b.counted())
	var left int
	require.NoError(t, b.pool.QueryRow(b.ctx, `SELECT count(*) FROM tallies, tallied
		WHERE width = 0 AND at < date_bin('5 min', through, '2000-01-01 00:00+00')`).Scan(&left))
	require.Zero(t, left, "slices become spans")
}
