package postgres

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// plant puts an event with a delivery and an attempt into the week of a moment.
func (b *bundle) plant(at time.Time, state webhook.State) webhook.ID {
	b.tb.Helper()
	ids := new(webhook.IDSource) // one that has not run ahead
	event, delivery, endpoint := ids.New(at), ids.New(at), ids.New(at)
	b.exec("SELECT make_partitions($1, $1)", at)
	b.exec(`INSERT INTO events (id, accepted_at, tenant, source, ce_id, type) VALUES ($1, $2, $3, 's', 'i', 't')`,
		event, at, b.tenant)
	b.exec(`INSERT INTO deliveries (id, event_id, endpoint_id, due_at, wake_at, expires_at, state, attempt_no,
			interruptions, tenant)
		VALUES ($1, $2, $3, $4, CASE WHEN $5 = 'scheduled' THEN now() + interval '1 day' END, $4,
			$5::text::delivery_state, 1, 0, $6)`, delivery, event, endpoint, at, string(state), b.tenant)
	b.exec(`INSERT INTO attempts (delivery_id, attempt_no, outcome, status, started_at)
		VALUES ($1, 1, 'success', 200, $2)`, delivery, at)
	return delivery
}

func (b *bundle) weeks(parent string) []string {
	b.tb.Helper()
	return value[[]string](b, "SELECT coalesce(array_agg(inhrelid::regclass::text ORDER BY 1), '{}') FROM pg_inherits "+
		"WHERE inhparent = $1::text::regclass", parent)
}

const day = 24 * time.Hour

var retention = store.Retention{Events: 90 * day, Attempts: 30 * day, Rejected: 10 * day, Ahead: 28 * day}

func TestHousekeepDropsWhatIsOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	now := time.Now()
	young, middle, old, live := now.Add(-20*day), now.Add(-50*day), now.Add(-120*day), now.Add(-150*day)
	for _, at := range []time.Time{young, middle, old} {
		b.plant(at, webhook.StateSucceeded)
	}
	held := b.plant(live, webhook.StateScheduled)
	out, err := b.Housekeep(b.ctx, retention)
	require.NoError(t, err)
	name := func(parent string, at time.Time) string {
		return value[string](b, "SELECT partition_name($1, $2)", parent, at)
	}
	for _, parent := range []string{"events", "deliveries", "attempts"} {
		weeks := b.weeks(parent)
		require.NotContains(t, weeks, name(parent, old))
		require.Contains(t, weeks, name(parent, live), "it holds something live")
		require.Contains(t, weeks, name(parent, young))
		require.Contains(t, weeks, name(parent, now.Add(28*day)), "made ahead")
	}
	require.Contains(t, b.weeks("events"), name("events", middle))
	require.NotContains(t, b.weeks("attempts"), name("attempts", middle), "attempts are kept for less")
	require.Equal(t, 4, out.PartitionsDropped)
	require.Equal(t, 3, out.PartitionsKept)
	require.Positive(t, out.PartitionsMade)

	b.exec("UPDATE deliveries SET state = 'cancelled', wake_at = NULL WHERE id = $1", held)
	out, err = b.Housekeep(b.ctx, retention)
	require.NoError(t, err)
	require.Equal(t, 3, out.PartitionsDropped)
	require.Zero(t, out.PartitionsKept)
	require.Zero(t, out.PartitionsMade)
}

// TestHousekeepGivesWay has somebody in the middle of a transaction: partitions are made all the same, a drop gives up
// soon and blocks nobody for long, and the next call drops it.
func TestHousekeepGivesWay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.plant(time.Now().Add(-120*day), webhook.StateSucceeded)
	e := b.endpoint()
	tx, err := b.connect().Begin(b.ctx)
	require.NoError(t, err)
	for _, table := range []string{"events", "deliveries", "attempts"} {
		_, err = tx.Exec(b.ctx, fmt.Sprintf("DELETE FROM %s WHERE false", table))
		require.NoError(t, err)
	}
	out, err := b.Housekeep(b.ctx, retention)
	require.NoError(t, err)
	require.Positive(t, out.PartitionsMade)
	require.Zero(t, out.PartitionsDropped)
	require.Zero(t, out.PartitionsKept, "nothing live is in it")
	b.many(1, e) // under no lock
	require.NoError(t, tx.Commit(b.ctx))
	out, err = b.Housekeep(b.ctx, retention)
	require.NoError(t, err)
	require.Equal(t, 3, out.PartitionsDropped)
}

func TestOnlyPastPartitionsAreDropped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct {
		parent string
		at     time.Time
	}{{"events", time.Now()}, {"events", time.Now().Add(7 * day)}, {"tenants", time.Now().Add(-100 * day)}} {
		_, err := b.pool.Exec(b.ctx, "SELECT drop_partition($1, $2)", c.parent, c.at)
		require.True(t, hasCode(err, "22023"), "%v: %v", c, err)
	}
}

func TestAnEventIsOfTheWeekOfItsDeliveries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.endpoint()
	items := b.many(20, e, e, e)
	for range 3 {
		w := b.claim(store.ClaimRequest{Pulls: []store.Pull{{Endpoint: e.ID, Limit: 1}}}).Work[0]
		_, err := b.Record(b.ctx, []store.Result{success(w)})
		require.NoError(t, err)
		_, err = b.RetryNow(b.ctx, b.tenant, w.Delivery.ID, b.ids) // a replay
		require.NoError(t, err)
	}
	require.Equal(t, len(items)+3, value[int](b, "SELECT count(*)::int FROM deliveries"))
	require.Zero(t, value[int](b, `SELECT count(*)::int FROM deliveries d JOIN events v ON v.id = d.event_id
		WHERE left(d.id::text, 13) <> left(v.id::text, 13)`), "not of one millisecond")
}
