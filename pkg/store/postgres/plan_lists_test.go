package postgres

import (
	"strings"
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

// TestPlansOfListsByOutcome holds a page by outcome to looking up the attempts of what it looks through, and the health
// of a page of endpoints to their own counts.
func TestPlansOfListsByOutcome(t *testing.T) {
	t.Parallel()
	p, busy, rare := setupLists(t)
	w := p.claim(store.ClaimRequest{Items: p.many(3, rare)}).Work
	_, err := p.Record(p.ctx, []store.Result{success(w[0]), failure(w[1], time.Minute)})
	require.NoError(t, err)
	p.exec(`INSERT INTO attempts (delivery_id, attempt_no, status, started_at, total_us, outcome, recorded_at)
		SELECT id, 1, 200, now(), 5, 'success', now() - interval '5 hours' FROM deliveries WHERE endpoint_id = $1`, busy.ID)
	p.exec("ANALYZE")
	plan := p.of("The outcome of the attempt that was recorded last", func() {
		page, err := p.DeliveriesByOutcome(p.ctx, store.DeliveryQuery{
			Tenant: p.tenant, Endpoint: rare.ID, Limit: 50,
		}, webhook.OutcomeSuccess)
		require.NoError(t, err)
		require.Len(t, page.Deliveries, 1)
	})
	requireOneWeek(t, strings.ReplaceAll(plan, "_pkey", ""), "attempts")
	require.NotRegexp(t, `Rows Removed by (Filter|Index Recheck): \d{2}|actual time=[0-9.]+ rows=\d{2}`, plan)

	p.exec(`INSERT INTO tallies (width, at, tenant, endpoint, events, succeeded, exhausted, outcomes, cells, counts)
		SELECT 60, date_trunc('hour', now()) - n * interval '1 hour', 'acme', e, 0, 1, 0, '{"success": 1}', '{}', '{}'
		FROM generate_series(1, 500) n, unnest($1::uuid[]) e`, []string{busy.ID.String(), rare.ID.String()})
	p.exec("ANALYZE")
	plan = p.of("the endpoints of a page besides their settings", func() {
		since := time.Now().Add(-24 * time.Hour).Truncate(time.Hour)
		page, err := p.HealthPage(p.ctx, p.tenant, []webhook.ID{rare.ID}, since)
		require.NoError(t, err)
		require.InDelta(t, 24, page[rare.ID].Sent, 1)
	})
	require.Regexp(t, `tallies_pkey`, plan)
	require.NotContains(t, plan, "Seq Scan on tallies")
	require.NotRegexp(t, `tallies.*rows=\d{3}`, plan, "of one day and one endpoint")
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
