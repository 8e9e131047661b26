package postgres

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func TestAcceptRepeatedAfterALostAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := b.event(b.endpoint())
	first := b.try(n)[0]
	require.Equal(t, store.AcceptStored, first.Status)
	again := b.try(n)[0]
	first.Status = store.AcceptDuplicate
	require.Equal(t, first, again)
	require.Equal(t, 1, value[int](b, "SELECT count(*)::int FROM deliveries"))
}

func TestAcceptRefusesThePoisonAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.endpoint()
	var events []store.NewEvent
	for range 9 {
		events = append(events, b.event(e))
	}
	events[2].Event.Source = "a\x00b"
	events[5].Event.Extensions = map[string]any{"size": 1.5}
	events[8].Event.ID = webhook.FirstID(time.Now().Add(-365 * 24 * time.Hour)) // no partition, and none to be made
	for i, a := range b.try(events...) {
		if i == 2 || i == 5 || i == 8 {
			require.Equal(t, store.AcceptRefused, a.Status, i)
			require.ErrorIs(t, a.Err, store.ErrInvalid)
			require.NotContains(t, a.Err.Error(), "a\x00b")
			continue
		}
		require.Equal(t, store.AcceptStored, a.Status, i)
	}
	require.Equal(t, 6, value[int](b, "SELECT count(*)::int FROM events"))
	require.Equal(t, 6, value[int](b, "SELECT count(*)::int FROM event_keys"), "nothing refused holds a key")
}

func TestAcceptHugeFanOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.endpoint()
	huge, small := b.event(e), b.event(e)
	one := huge.Deliveries[0]
	for i := range store.HugeFanOut + 500 {
		// Any id of the event's millisecond will do.
		one.ID = webhook.FirstID(huge.Event.ID.Time())
		one.ID[14], one.ID[15] = byte(i>>8), byte(i)
		huge.Deliveries = append(huge.Deliveries, one)
	}
	b.accept(huge, small)
	require.Equal(t, len(huge.Deliveries)+1, value[int](b, "SELECT count(*)::int FROM deliveries"))
}

func TestAcceptMakesThePartitionThatIsMissing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.endpoint()
	b.exec(dropWeeks)
	b.accept(b.event(e))
	require.Equal(t, 3, value[int](b, "SELECT count(*)::int FROM pg_inherits WHERE inhparent IN ("+
		"'events'::regclass, 'deliveries'::regclass, 'attempts'::regclass)"))
}

// dropWeeks drops every partition of the large tables.
const dropWeeks = `DO $$
DECLARE name text;
BEGIN
	FOR name IN SELECT inhrelid::regclass FROM pg_inherits
		WHERE inhparent IN ('events'::regclass, 'deliveries'::regclass, 'attempts'::regclass) LOOP
		EXECUTE 'DROP TABLE ' || name;
	END LOOP;
END $$`

// TestAcceptInOppositeOrders has groups of the same keys in opposite orders at the same time: sorted, they cannot wait
// for each other in a circle.
func TestAcceptInOppositeOrders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.endpoint()
	var deadlocks int64
	const rounds, size = 20, 50
	stored := 0
	var mu sync.Mutex
	for range rounds {
		forth := make([]store.NewEvent, size)
		for i := range forth {
			forth[i] = b.event(e)
		}
		back := make([]store.NewEvent, size)
		for i := range back {
			back[i] = b.event(e)
			back[i].Key = forth[size-1-i].Key
		}
		var group sync.WaitGroup
		for _, events := range [][]store.NewEvent{forth, back} {
			group.Go(func() {
				for _, a := range b.try(events...) {
					if a.Status == store.AcceptStored {
						mu.Lock()
						stored++
						mu.Unlock()
					}
				}
			})
		}
		group.Wait()
	}
	require.Equal(t, rounds*size, stored, "each key once")
	b.exec("SELECT pg_stat_force_next_flush()")
	deadlocks = value[int64](b, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
	require.Zero(t, deadlocks)
}

// TestCommitsAreSynchronous holds the pool to its own setting, against that of the database.
func TestCommitsAreSynchronous(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := b.connect()
	name := value[string](b, "SELECT current_database()")
	_, err := conn.Exec(b.ctx,
		fmt.Sprintf("ALTER DATABASE %s SET synchronous_commit = off", pgx.Identifier{name}.Sanitize()))
	require.NoError(t, err)
	var plain string
	require.NoError(t, b.connect().QueryRow(b.ctx, "SHOW synchronous_commit").Scan(&plain))
	require.Equal(t, "off", plain)
	fresh := &bundle{Store: b.open(), tb: t, ctx: b.ctx}
	require.Equal(t, "on", value[string](fresh, "SHOW synchronous_commit"))
}
