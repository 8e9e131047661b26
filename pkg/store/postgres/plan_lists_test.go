package postgres

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// setupLists has ten thousand deliveries that succeeded, to two endpoints of two tenants, over some weeks.
func setupLists(t *testing.T) (p *planned, busy, rare webhook.Endpoint) {
	t.Helper()
	p = setupPlanned(t)
	busy, rare = p.endpoint(), p.endpoint()
	p.exec("SET enable_seqscan = on")
	p.exec(`INSERT INTO deliveries (id, event_id, endpoint_id, due_at, expires_at, state, attempt_no, interruptions,
		tenant)
		SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - n * 200000::bigint), 12, '0') || '7000'
			|| '8' || lpad(to_hex(n), 15, '0'))::uuid, gen_random_uuid(), $1, now(), now(), 'succeeded', 1, 0, 'acme'
		FROM generate_series(1, 10000) n`, busy.ID)
	p.exec(`INSERT INTO events (id, accepted_at, tenant, source, ce_id, type)
		SELECT id, now(), 'other', '/s', '1', 't' FROM deliveries`)
	p.exec("ANALYZE")
	p.exec("SET enable_seqscan = off")
	return p, busy, rare
}

// TestPlansOfLists holds each list to the index that is made for it, so that what it does not look for costs it
// nothing.
func TestPlansOfLists(t *testing.T) {
	t.Parallel()
	p, busy, rare := setupLists(t)
	w := p.claim(store.ClaimRequest{Items: p.many(3, rare)}).Work
	gone := failure(w[0], time.Minute)
	gone.Next, gone.Reason = webhook.StateExhausted, webhook.ReasonSchedule
	_, err := p.Record(p.ctx, []store.Result{gone, success(w[1])})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		phrase, index string
		q             store.DeliveryQuery
		want          int
	}{
		"Endpoint": {
			"in the order of their index", `Index Scan (Backward )?using \w+endpoint_id_id_idx `,
			store.DeliveryQuery{Endpoint: rare.ID}, 3,
		},
		"BusyEndpoint": {
			"in the order of their index", `Index Scan (Backward )?using \w+endpoint_id_id_idx `,
			store.DeliveryQuery{Endpoint: busy.ID}, 50,
		},
		"Failed": {
			"that ended without success", `Index Scan (Backward )?using \w+endpoint_id_id_idx1 `,
			store.DeliveryQuery{State: webhook.StateExhausted}, 1,
		},
		"FailedOfAnEndpoint": {
			"that ended without success", `Index Scan (Backward )?using \w+endpoint_id_id_idx1 `,
			store.DeliveryQuery{State: webhook.StateExhausted, Endpoint: rare.ID}, 1,
		},
		"Live": {
			"Deliveries that are live", `(Index Scan using|Bitmap Index Scan on) \w+endpoint_id_due_at_idx`,
			store.DeliveryQuery{State: webhook.StateAttempting, Endpoint: rare.ID}, 1,
		},
		"Tenant": {
			"have some, as many as the page has from each", `Index Scan (Backward )?using \w+endpoint_id_id_idx `,
			store.DeliveryQuery{Before: webhook.FirstID(time.Now().Add(-30 * time.Hour)), From: webhook.FirstID(
				time.Now().Add(-31 * time.Hour))}, 18,
		},
	} {
		c.q.Tenant, c.q.Limit = p.tenant, 50
		plan := p.of(c.phrase, func() {
			list, err := p.Deliveries(p.ctx, c.q)
			require.NoError(t, err)
			require.Len(t, list, c.want, name)
		})
		require.Regexp(t, c.index, plan, name)
		require.NotContains(t, plan, "Seq Scan on deliveries", name)
		require.NotRegexp(t, `Rows Removed by Filter: \d{3}|actual time=[0-9.]+ rows=\d{4}`, plan, name)
	}
	plan := p.of("without their payloads", func() {
		_, err := p.Events(p.ctx, store.EventQuery{Tenant: p.tenant, Limit: 50})
		require.NoError(t, err)
	})
	require.Regexp(t, `Index Scan Backward using events_\w+tenant_id_idx`, plan)
	require.NotRegexp(t, `Sort Method`, plan, "in the order of the index")
}

// TestPlanOfTheCounting holds the counting to finding attempts by the time of their recording, through the index that
// costs those who record nothing, and their deliveries by key.
func TestPlanOfTheCounting(t *testing.T) {
	t.Parallel()
	p, _, rare := setupLists(t)
	w := p.claim(store.ClaimRequest{Items: p.many(3, rare)}).Work
	_, err := p.Record(p.ctx, []store.Result{success(w[0]), success(w[1])})
	require.NoError(t, err)
	p.exec(`INSERT INTO attempts (delivery_id, attempt_no, status, started_at, total_us, outcome, recorded_at)
		SELECT id, 1, 200, now(), 5, 'success', now() - interval '5 hours' FROM deliveries WHERE state = 'succeeded'
		ON CONFLICT DO NOTHING`)
	p.exec("ANALYZE")
	p.exec("UPDATE tallied SET through = now()")
	p.exec("SET auto_explain.log_nested_statements = on")
	tally := func() {
		_, err := p.Tally(p.ctx, store.TallyRequest{Spans: 1})
		require.NoError(t, err)
	}
	const byTime = `Bitmap Index Scan on attempts_\w+_recorded_at_idx`
	const looking = "SELECT coalesce(sum(1 +"
	plan := p.of(looking, tally)
	require.Regexp(t, byTime, plan)
	require.NotRegexp(t, `Seq Scan on (attempts|events)`, plan)
	plan = p.of(looking, func() {
		_, err := p.Agenda(p.ctx, webhook.FailingRule{Window: time.Hour})
		require.NoError(t, err)
	})
	require.Regexp(t, byTime, plan)
	require.NotRegexp(t, `Seq Scan on (attempts|events)`, plan)
	plan = p.of("Counts what was recorded in a slice", tally)
	require.Regexp(t, byTime, plan)
	require.Regexp(t, `Index Scan using deliveries_\w+_pkey`, plan)
	require.NotRegexp(t, `Seq Scan on (attempts|deliveries|events)`, plan)
}

// TestRecordingWellCostsNoNotice holds the statement that records successes to knowing nothing of notices.
func TestRecordingWellCostsNoNotice(t *testing.T) {
	t.Parallel()
	p := setupPlanned(t)
	w := p.claim(store.ClaimRequest{Items: p.many(2, p.endpoint())}).Work
	plan := p.of("Records the outcomes", func() {
		_, err := p.Record(p.ctx, []store.Result{success(w[0]), failure(w[1], time.Minute)})
		require.NoError(t, err)
	})
	require.NotContains(t, plan, "notices")
}
