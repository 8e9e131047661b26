//go:build faults

package recovery_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/test/homingtest"
)

// TestEverythingAcceptedBeforeThePointIsDelivered loses Postgres, its disk, Redis and RabbitMQ under load, and restores
// Postgres alone, to a moment. Homing, started on that with Redis and RabbitMQ empty, delivers everything that was
// accepted before the moment; twice only what the lost record explains. What was accepted later is delivered when its
// producer sends it again.
func TestEverythingAcceptedBeforeThePointIsDelivered(t *testing.T) { // alone: it measures
	first := archivingPostgres(t)
	redis, rabbitMQ := testenv.OwnRedis(t), testenv.OwnRabbitMQ(t)
	require.NoError(t, homingtest.Migrate(t.Context(), first.URL))
	h := homingtest.InstallOn(t, first.URL, homingtest.PostgresAlone, homingtest.StormSettings([]string{
		"REDIS_URL=" + redis.URL, "RABBITMQ_URL=" + rabbitMQ.URL, "HOMING_LISTEN=" + homingtest.OwnAddress(t),
		"HOMING_SCHEDULE=0s,200ms,400ms" + strings.Repeat(",2s", 90), // nothing is given up meanwhile
	})...)
	h.SubscribeForStorm(homingtest.Latency)
	var mended atomic.Bool
	h.Subscribe("broken", func(*homingtest.Post) homingtest.Reply { // its deliveries wait for a retry when all is lost
		if mended.Load() {
			return homingtest.Reply{}
		}
		return homingtest.Reply{Status: http.StatusServiceUnavailable, Header: map[string]string{"Retry-After": "2"}}
	})
	homing := h.Spawn("homing", "serve")
	h.WaitForQueues()

	tr := h.Produce(homing, 400, 200)
	h.Halfway(tr, 100)
	first.script(t, "base", first.backup) // while events are accepted and delivered
	h.More(tr, "second", 400, 200)
	h.Halfway(tr, 700)
	before := tr.Snapshot()
	point := moment(t, h)
	h.More(tr, "third", 400, 200)
	tr.Work.Wait()
	first.archivedUpTo(t)
	h.More(tr, "last", 200, 0) // maybe archived, maybe not
	tr.Work.Wait()

	homing.Kill()
	died := h.Deliveries() // what a real disaster takes along; it says which POSTs the restored record does not know
	accepted := tr.Snapshot()
	first.destroy(t)
	lostAt := time.Now()
	redis.Wipe()
	rabbitMQ.Wipe()

	t.Run("ToTheEndOfTheArchive", func(t *testing.T) { theEnd(t, first, accepted, lostAt) })

	began := time.Now()
	second := first.restore(t, point)
	require.NoError(t, second.err)
	opened := time.Since(began)
	h.MoveTo(second.url)
	stored := storedIDs(t, second.url)
	require.Less(t, len(stored), len(accepted), "it went past the point")
	for _, a := range before {
		if _, direct := a.Answered(); direct {
			require.Contains(t, stored, a.ID, "accepted before the point")
		}
	}
	known := h.Deliveries()
	posted := len(h.Receiver.All(nil))
	mended.Store(true)
	homing = h.Spawn("homing", "serve")
	ready := time.Since(began)
	homingtest.Wait(t, homingtest.StormPatience, "every delivery has ended", func() bool { return h.UnderWay() == 0 })
	t.Logf("RTO: the server was open after %s, Homing ready after %s, all %d deliveries ended after %s",
		opened.Round(time.Millisecond), ready.Round(time.Millisecond), len(known), time.Since(began).Round(time.Millisecond))
	h.CheckInvariants()
	books{died, known, posted}.check(t, h, len(stored))

	again := slices.DeleteFunc(accepted, func(a homingtest.Accepted) bool { return slices.Contains(stored, a.ID) })
	require.NotEmpty(t, again, "nothing was accepted after the point")
	p := h.Producer(homing)
	for _, a := range again {
		p.Send(a.CloudEvent)
	}
	homingtest.Wait(t, homingtest.StormPatience, "what was sent again has ended", func() bool { return h.UnderWay() == 0 })
	require.Equal(t, len(accepted), h.Stored())
	require.Equal(t, h.Count("SELECT count(*) FROM deliveries"),
		h.Count("SELECT count(*) FROM deliveries WHERE state = 'succeeded'"))
}

// moment returns the database's time.
func moment(t *testing.T, h *homingtest.Installation) (point string) {
	t.Helper()
	require.NoError(t, h.SQL.QueryRow(t.Context(), "SELECT clock_timestamp()::text").Scan(&point))
	return point
}

// theEnd restores as much as there is, and says what that costs: nothing that was older than the time after which the
// server archives.
func theEnd(t *testing.T, first *archived, accepted []homingtest.Accepted, lostAt time.Time) {
	t.Helper()
	const copying = 10 * time.Second // of a segment of 16 MiB, on a busy machine
	server := first.restore(t)
	require.NoError(t, server.err)
	stored := storedIDs(t, server.url)
	var lost int
	var oldest time.Duration
	for _, a := range accepted {
		if at, direct := a.Answered(); direct && !slices.Contains(stored, a.ID) {
			lost++
			oldest = max(oldest, lostAt.Sub(at))
		}
	}
	t.Logf("RPO: %d of %d accepted events are not in the archive; the oldest was %s old (archived after %s)",
		lost, len(accepted), oldest.Round(time.Millisecond), archiveTimeout)
	require.Less(t, oldest, archiveTimeout+copying)
}

// storedIDs are the producers' ids of the events that a database has.
func storedIDs(t *testing.T, database string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), "SELECT ce_id FROM events WHERE origin IS NULL")
	require.NoError(t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return ids
}

// TestARestoreThatCannotReachThePointDoesNotOpen takes a segment out of the archive: the server must refuse, and not
// open with what came before.
func TestARestoreThatCannotReachThePointDoesNotOpen(t *testing.T) {
	t.Parallel()
	first := archivingPostgres(t)
	conn := first.connect(t)
	step := func(statement string) (at string) {
		require.NoError(t, conn.QueryRow(t.Context(), statement).Scan(&at))
		return at
	}
	step("SELECT pg_create_restore_point('begin')::text")
	first.script(t, "base", first.backup)
	var missing string
	for range 3 {
		missing = filepath.Join(first.archive, step("SELECT pg_walfile_name(pg_current_wal_lsn())"))
		step("SELECT txid_current()::text")
		step("SELECT pg_switch_wal()::text")
	}
	point := step("SELECT clock_timestamp()::text")
	step("SELECT txid_current()::text")
	first.archivedUpTo(t)
	require.NoError(t, conn.Close(t.Context()))
	first.destroy(t)

	require.NoError(t, first.restore(t, point).err, "with the whole archive")
	require.NoError(t, os.Remove(missing))
	require.Error(t, first.restore(t, point).err, "it opened with a gap in its archive")
}
