package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// fill gives the bundle's tenant something in every table that there is for tenants' things.
func (b *bundle) fill(deliveries int) {
	b.tb.Helper()
	id := func() webhook.ID { return b.ids.New(time.Now()) }
	e := b.endpoint()
	items := b.many(deliveries, e)
	claims := b.claim(store.ClaimRequest{Items: items[:2]})
	_, err := b.Record(b.ctx, []store.Result{success(claims.Work[0]), failure(claims.Work[1], time.Hour)})
	require.NoError(b.tb, err)
	_, err = b.RetryNow(b.ctx, b.tenant, items[0].Delivery, b.ids)
	require.NoError(b.tb, err)
	key := store.APIKey{ID: id(), Tenant: b.tenant}
	copy(key.Hash[:], b.tenant)
	once := &store.Once{Owner: key.ID, Key: "k", Tenant: b.tenant, Response: []byte("a")}
	audit := &store.AuditEntry{ID: id(), Actor: id(), Tenant: b.tenant, Action: "key.create", Target: b.tenant}
	require.NoError(b.tb, b.CreateKey(store.WithNote(b.ctx, store.Note{Once: once, Audit: audit}), key))
	_, err = b.Reject(b.ctx, store.Rejected{ID: id(), Tenant: b.tenant}, 5)
	require.NoError(b.tb, err)
	_, err = b.StartJob(b.ctx, store.Job{
		ID: id(), Tenant: b.tenant, Kind: store.JobReplay, Spec: store.JobSpec{Endpoint: e.ID}, PerSecond: 1,
	})
	require.NoError(b.tb, err)
	b.exec("UPDATE jobs SET state = 'paused', wake_at = NULL WHERE kind = 'replay'")
	require.NoError(b.tb, b.CreateEventType(b.ctx, store.EventType{Tenant: b.tenant, Name: "order.paid"}))
	require.NoError(b.tb, b.SetEndpointStatus(b.ctx, b.tenant, b.endpoint().ID, webhook.EndpointDisabled, "")) // a notice
	b.exec(`INSERT INTO tallies (width, at, tenant, endpoint, events, succeeded, exhausted, outcomes, cells, counts)
		SELECT 5, now(), tenant, id, 0, 1, 1, '{}', '{}', '{}' FROM endpoints ON CONFLICT DO NOTHING`)
	b.exec("INSERT INTO endpoint_health (endpoint, tenant) SELECT id, tenant FROM endpoints ON CONFLICT DO NOTHING")
}

// tables lists the tables with a column tenant, and those whose rows are a tenant's in another way, each with what
// selects a tenant's rows. It asks the catalogue, so that a table that is added later is among them.
func (b *bundle) tables() map[string]string {
	b.tb.Helper()
	rows, err := b.pool.Query(b.ctx, `SELECT c.relname FROM pg_class c
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition`)
	require.NoError(b.tb, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(b.tb, err)
	require.Contains(b.tb, names, "deliveries")
	of := map[string]string{
		"tenants":    "id = $1",
		"attempts":   "EXISTS (SELECT FROM deliveries d WHERE d.id = delivery_id AND d.tenant = $1)",
		"event_keys": "EXISTS (SELECT FROM events e WHERE e.id = event_id AND e.tenant = $1)",
	}
	for _, name := range names {
		of[name] = "tenant = $1"
	}
	return of
}

// rowsOf returns a tenant's rows of every table, as text.
func (b *bundle) rowsOf(tenant string) map[string]string {
	b.tb.Helper()
	all := map[string]string{}
	for table, of := range b.tables() {
		all[table] = value[string](b, fmt.Sprintf(
			"SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM %s t WHERE %s", table, of), tenant)
	}
	return all
}

// settle makes the time of a deleted tenant's last writes be over.
func (b *bundle) settle() {
	b.tb.Helper()
	b.exec("UPDATE tenants SET deleted_at = deleted_at - interval '10 minutes'")
	b.exec("UPDATE jobs SET wake_at = wake_at - interval '10 minutes'")
}

// erase runs chunks, each by a runner of its own in the role of retry, until the tenant is gone, and returns how many.
func (b *bundle) erase() int {
	b.tb.Helper()
	b.settle()
	for n := 1; n < 100; n++ {
		runner := b.as("homing_retry")
		run, err := runner.RunJob(b.ctx, b.ids)
		require.NoError(b.tb, err)
		runner.Close() // nothing is remembered from chunk to chunk
		if run.Job.State == store.JobDone {
			return n
		}
		b.settle()
	}
	require.FailNow(b.tb, "the erasure does not end")
	return 0
}

// TestAnErasedTenantHasNothingAnywhere asks the catalogue for every table that could have something of a tenant.
func TestAnErasedTenantHasNothingAnywhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, b.CreateTenant(b.ctx, "other"))
	other := *b
	other.tenant = "other"
	other.fill(5)
	b.fill(1203)
	for table, rows := range b.rowsOf(b.tenant) {
		require.NotEmpty(t, rows, "%s: the test has to fill every table", table)
	}
	// A table that comes later, and one that refers to it.
	b.exec("CREATE TABLE a_new_one (id integer PRIMARY KEY, tenant text NOT NULL)")
	b.exec("CREATE TABLE b_refers (tenant text NOT NULL, to_id integer NOT NULL REFERENCES a_new_one (id))")
	b.exec("INSERT INTO a_new_one VALUES (1, 'acme'), (2, 'other')")
	b.exec("INSERT INTO b_refers VALUES ('acme', 1), ('other', 2)")
	others := b.rowsOf("other")
	keys := value[int](b, "SELECT count(*) FROM event_keys")

	require.NoError(t, b.as("homing_manage").DeleteTenant(b.ctx, b.tenant))
	require.Greater(t, b.erase(), 6, "in chunks")
	for table, rows := range b.rowsOf(b.tenant) {
		if table == "audit_log" {
			require.NotEmpty(t, rows, "the audit log stays")
			continue
		}
		require.Empty(t, rows, table)
	}
	require.Equal(t, others, b.rowsOf("other"), "nothing of another tenant's")
	require.Zero(t, value[int](b, "SELECT count(*) FROM attempts a WHERE NOT EXISTS "+
		"(SELECT FROM deliveries d WHERE d.id = a.delivery_id)"), "orphans")
	require.Equal(t, keys-1203, value[int](b, "SELECT count(*) FROM event_keys"))
	require.Zero(t, value[int](b, "SELECT count(*) FROM idempotency_keys WHERE owner NOT IN (SELECT id FROM api_keys)"))
}

// TestAnAttemptOfAnErasedDeliveryIsNotLeftBehind records a result while the delivery is being deleted.
func TestAnAttemptOfAnErasedDeliveryIsNotLeftBehind(t *testing.T) {
	t.Parallel()
	b := setup(t)
	items := b.many(1, b.endpoint())
	work := b.claim(store.ClaimRequest{Items: items}).Work
	eraser := b.connect()
	tx, err := eraser.Begin(b.ctx)
	require.NoError(t, err)
	_, err = tx.Exec(b.ctx, "DELETE FROM deliveries WHERE id = $1", items[0].Delivery.String())
	require.NoError(t, err)
	recorded := make(chan []store.Recorded)
	go func() {
		got, _ := b.Record(context.Background(), []store.Result{success(work[0])})
		recorded <- got
	}()
	require.Eventually(t, func() bool {
		return value[bool](b, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND database = "+
			"(SELECT oid FROM pg_database WHERE datname = current_database()) OR NOT granted AND locktype = 'transactionid')")
	}, 10*time.Second, 5*time.Millisecond, "it waits for the delivery")
	require.NoError(t, tx.Commit(b.ctx))
	require.Equal(t, []store.Recorded{{}}, <-recorded)
	require.Zero(t, value[int](b, "SELECT count(*) FROM attempts"))
}

// TestIdentityKeyIsTheSameInSQL: the erasure finds what guards events against duplicates by it.
func TestIdentityKeyIsTheSameInSQL(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range [][3]string{{"acme", "/shop", "1"}, {"a", "", "zürich ⚓"}, {"ab", "c", strings.Repeat("x", 300)}} {
		key := webhook.IdentityKey(c[0], c[1], c[2])
		require.Equal(t, webhook.ID(key), value[webhook.ID](b, "SELECT identity_key($1, $2, $3)", c[0], c[1], c[2]))
	}
}

// TestAChunkCopiesABoundedAmount: what does not fit is for the next chunk, and is not lost.
func TestAChunkCopiesABoundedAmount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.endpoint()
	var events []store.NewEvent
	for range 5 {
		n := b.event(e)
		n.Event.Data = make([]byte, 5<<20)
		events = append(events, n)
	}
	b.accept(events...)
	b.exec("UPDATE deliveries SET state = 'exhausted', reason = 'schedule', wake_at = NULL")
	j, err := b.StartJob(b.ctx, store.Job{
		ID: b.ids.New(time.Now()), Tenant: b.tenant, Kind: store.JobReplay, Spec: store.JobSpec{Endpoint: e.ID},
	})
	require.NoError(t, err)
	for _, want := range []int{3, 2} {
		run, err := b.as("homing_retry").RunJob(b.ctx, b.ids)
		require.NoError(t, err)
		require.Equal(t, want, run.Changed)
	}
	require.Equal(t, 5, value[int](b, "SELECT count(DISTINCT replay_of) FROM deliveries WHERE replay_of IS NOT NULL"))
	got, err := b.Job(b.ctx, b.tenant, j.ID)
	require.NoError(t, err)
	require.Equal(t, store.JobDone, got.State)
}

// TestAChunkThatGoesWrongChangesNothing and is tried again, until the job has failed; resumed, it goes on.
func TestAChunkThatGoesWrongChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.endpoint()
	b.many(20, e)
	b.exec("UPDATE deliveries SET state = 'exhausted', reason = 'schedule', wake_at = NULL")
	j, err := b.StartJob(b.ctx, store.Job{
		ID: b.ids.New(time.Now()), Tenant: b.tenant, Kind: store.JobReplay, Spec: store.JobSpec{Endpoint: e.ID},
	})
	require.NoError(t, err)
	// The deliveries of the chunk are there when its last statement fails.
	b.exec("ALTER TABLE jobs ADD CONSTRAINT broken CHECK (done = 0)")
	for try := 1; try <= store.JobTries; try++ {
		run, err := b.RunJob(b.ctx, b.ids)
		require.ErrorIs(t, err, store.ErrInvalid)
		require.Equal(t, 20, value[int](b, "SELECT count(*) FROM deliveries"))
		got, err := b.Job(b.ctx, b.tenant, j.ID)
		require.NoError(t, err)
		require.NotEmpty(t, got.Error)
		require.NotContains(t, got.Error, b.tenant, "no value of a row")
		if try < store.JobTries {
			require.Equal(t, store.JobRunning, got.State)
			require.True(t, got.WakeAt.After(got.UpdatedAt), "it is put off")
			require.Zero(t, run)
		} else {
			require.Equal(t, store.JobFailed, got.State)
			require.Equal(t, j.ID, run.Job.ID)
			require.Equal(t, store.JobFailed, run.Job.State, "the one who counts learns of it")
		}
		b.settle()
	}
	b.exec("ALTER TABLE jobs DROP CONSTRAINT broken")
	_, err = b.SetJobState(b.ctx, b.tenant, j.ID, store.JobRunning)
	require.NoError(t, err)
	run, err := b.RunJob(b.ctx, b.ids)
	require.NoError(t, err)
	require.Equal(t, 20, run.Changed)
	require.Empty(t, run.Job.Error)
}

// TestPlansOfJobs holds the statements of jobs to the indexes made for them, and to a bounded number of rows.
func TestPlansOfJobs(t *testing.T) {
	t.Parallel()
	p, _, e := setupLists(t)
	items := p.many(3, e)
	p.exec("UPDATE deliveries SET state = 'exhausted', reason = 'schedule', wake_at = NULL")
	_, err := p.StartJob(p.ctx, store.Job{
		ID: p.ids.New(time.Now()), Tenant: p.tenant, Kind: store.JobReplay,
		Spec: store.JobSpec{Endpoint: e.ID, From: time.Now().Add(-time.Hour)},
	})
	require.NoError(t, err)
	plan := p.of("Looks at the next deliveries of an endpoint", func() {
		_, err := p.RunJob(p.ctx, p.ids)
		require.NoError(t, err)
	})
	require.NotRegexp(t, `Seq Scan on (events|deliveries|attempts)`, plan)
	require.Regexp(t, `Limit .*\n\s+->  (Merge Append|Append) `, plan, "it stops when it has seen enough")
	require.Regexp(t, `Index (Only )?Scan using \w+endpoint_id_id_idx `, plan)
	require.NotRegexp(t, `Rows Removed by Filter: \d{2}|actual time=[0-9.]+ rows=\d{2}`, plan, "nothing of the others'")
	requireOneWeek(t, strings.ReplaceAll(plan, "on deliveries", "of deliveries"), "events")

	plan = p.of("Looks at the next deliveries of anybody", func() {
		view, err := p.Delivery(p.ctx, p.tenant, items[0].Delivery)
		require.NoError(t, err)
		_, err = p.PreviewReplay(p.ctx, p.tenant, store.JobSpec{
			Event: view.Event.ID, States: []webhook.State{webhook.StateExhausted},
		})
		require.NoError(t, err)
	})
	requireOneWeek(t, plan, "deliveries", "events")

	plan = p.of("Looks at the next events after an id", func() {
		_, err := p.PreviewReplay(p.ctx, p.tenant, store.JobSpec{
			Endpoint: e.ID, Missing: true, From: time.Now().Add(-time.Hour),
		})
		require.NoError(t, err)
	})
	// A lookup by a bitmap names the index beside the table.
	requireOneWeek(t, strings.ReplaceAll(plan, "_pkey", ""), "deliveries", "events")

	plan = p.of("when the next chunk of any job is due", func() {
		_, err := p.RunJob(p.ctx, p.ids)
		require.NoError(t, err)
	})
	require.Contains(t, plan, "jobs_wake")
}
