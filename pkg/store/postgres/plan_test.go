package postgres

import (
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// planned is a store whose server tells the plan of every statement, as it was run: generic plans, real parameters.
type planned struct {
	*bundle
	mu    sync.Mutex
	plans []string
}

func setupPlanned(t *testing.T) *planned {
	t.Helper()
	p := &planned{bundle: setup(t)}
	o := p.options
	o.MaxConns = 1
	config, err := poolConfig(p.url, o)
	require.NoError(t, err)
	config.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if strings.Contains(n.Message, "Query Text:") {
			p.plans = append(p.plans, n.Message)
		}
	}
	pool, err := pgxpool.NewWithConfig(p.ctx, config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	p.Store = &Store{pool: pool, options: o, policy: o.Policy, targets: newTargetCache()}
	p.exec("SELECT make_partitions(now() - interval '60 days', now())")
	for _, set := range []string{
		"LOAD 'auto_explain'", "SET auto_explain.log_min_duration = 0", "SET auto_explain.log_analyze = on",
		"SET auto_explain.log_level = notice",
	} {
		p.exec(set)
	}
	return p
}

// of returns the plan of the only statement that f makes of those whose text contains a phrase.
func (p *planned) of(phrase string, f func()) string {
	p.tb.Helper()
	p.mu.Lock()
	p.plans = nil
	p.mu.Unlock()
	f()
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []string
	for _, plan := range p.plans {
		if strings.Contains(plan, phrase) {
			found = append(found, plan)
		}
	}
	require.Len(p.tb, found, 1, "statements with %q", phrase)
	return found[0]
}

var (
	scans = regexp.MustCompile(`Scan (?:Backward )?(?:using \w+ )?on (events|deliveries|attempts)_\w+.*actual`)
	never = regexp.MustCompile(`Scan (?:Backward )?(?:using \w+ )?on (?:events|deliveries|attempts)_\w+.*never executed`)
)

// requireOneWeek requires that a plan read one partition of each table named, by index.
func requireOneWeek(t *testing.T, plan string, tables ...string) {
	t.Helper()
	require.NotRegexp(t, `Seq Scan on (events|deliveries|attempts)`, plan)
	got := map[string]map[string]bool{}
	for line := range strings.SplitSeq(plan, "\n") {
		m := scans.FindStringSubmatch(line)
		if m == nil || never.MatchString(line) {
			continue
		}
		if got[m[1]] == nil {
			got[m[1]] = map[string]bool{}
		}
		got[m[1]][regexp.MustCompile(`on (\w+)`).FindStringSubmatch(line)[1]] = true
	}
	require.Len(t, got, len(tables), plan)
	for _, table := range tables {
		require.Len(t, got[table], 1, "%s\n%s", table, plan)
	}
}

// TestPlansPrune holds each hot statement to reading the one week that its ids are of, on tables with ten weeks.
func TestPlansPrune(t *testing.T) {
	t.Parallel()
	p := setupPlanned(t)
	e := p.endpoint()
	items := p.many(3, e)
	late := store.ClaimItem{Delivery: p.ids.New(time.Now()), Endpoint: e.ID}
	var claims store.Claims
	plan := p.of("Begins the next attempt of the deliveries named", func() {
		claims = p.claim(store.ClaimRequest{Items: append(items, late)})
	})
	require.Len(t, claims.Work, 3)
	requireOneWeek(t, plan, "deliveries", "events")
	require.Regexp(t, `Index Cond: \(\(id = ANY \(\$4\)\) AND \(id >= \(\$4\)\[1\]\)`, plan, "by the primary key")

	plan = p.of("Records the outcomes", func() {
		_, err := p.Record(p.ctx, []store.Result{success(claims.Work[0]), failure(claims.Work[1], time.Minute)})
		require.NoError(t, err)
	})
	requireOneWeek(t, plan, "deliveries")
	require.Regexp(t, `(?s)deliveries_\w+ .*\(never executed\)`, plan, "what was decided is not looked up again")

	plan = p.of("deliveries of an event", func() {
		list, err := p.Deliveries(p.ctx, store.DeliveryQuery{
			Tenant: p.tenant, Event: claims.Work[0].Delivery.Event, Limit: 10,
		})
		require.NoError(t, err)
		require.Len(t, list, 1)
	})
	requireOneWeek(t, plan, "deliveries")

	plan = p.of("FROM events", func() {
		_, err := p.Event(p.ctx, p.tenant, claims.Work[0].Delivery.Event)
		require.NoError(t, err)
	})
	requireOneWeek(t, plan, "events")
}

// TestPlansWalkPartialIndexes holds the statements that search for work to the indexes made for them, whatever week the
// work is of.
func TestPlansWalkPartialIndexes(t *testing.T) {
	t.Parallel()
	p := setupPlanned(t)
	e := p.endpoint()
	p.many(3, e)
	plan := p.of("have been due for the longest time", func() {
		p.claim(store.ClaimRequest{Pulls: []store.Pull{{Endpoint: e.ID, Limit: 2}}})
	})
	require.Regexp(t, `endpoint_id_due_at_idx on deliveries_`, plan)
	require.NotRegexp(t, `Seq Scan on (events|deliveries|attempts)`, plan)

	plan = p.of("whose wake time has passed, the longest first", func() {
		_, err := p.Reconcile(p.ctx, store.ReconcileRequest{Limit: 10})
		require.NoError(t, err)
	})
	require.Regexp(t, `wake_at_idx on deliveries_`, plan)
	require.Regexp(t, `Merge Append .*\n\s+Sort Key: c.wake_at\n\s+->  Index Scan`, plan, "in the order of the index")
	require.Contains(t, plan, "Index Cond: ((wake_at IS NOT NULL) AND (wake_at <= (clock_timestamp())))")
	require.NotRegexp(t, `Seq Scan on (events|deliveries|attempts)`, plan)
}

// TestClaimIsHeapOnly holds a claim made in time to touching no index: pages and WAL for the heap alone. It has a
// server of its own, because what somebody writes in another database delays the reuse of space in this one.
func TestClaimIsHeapOnly(t *testing.T) {
	t.Parallel()
	b := setupOn(t, testenv.OwnPostgres(t).URL, func(o *Options) { o.MaxConns = 1 })
	e := b.endpoint()
	const n = 200
	items := b.many(n, e)
	updates := func() (all, hot int64) {
		b.exec("SELECT pg_stat_force_next_flush()")
		require.NoError(t, b.pool.QueryRow(b.ctx, `SELECT sum(n_tup_upd)::bigint, sum(n_tup_hot_upd)::bigint
			FROM pg_stat_user_tables WHERE relname LIKE 'deliveries\_%'`).Scan(&all, &hot))
		return all, hot
	}
	allBefore, hotBefore := updates()
	for i := 0; i < n; i += 10 { // in several transactions, as it happens: each may reuse what the earlier ones left
		require.Len(t, b.claim(store.ClaimRequest{Items: items[i : i+10]}).Work, 10)
	}
	all, hot := updates()
	require.EqualValues(t, n, all-allBefore)
	require.GreaterOrEqual(t, hot-hotBefore, int64(n*95/100), "heap-only updates")
}

func TestPartitionBoundsAreThoseOfTheIDs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC) // a Monday
	for _, moment := range []time.Time{at, at.Add(time.Hour), at.Add(week - time.Millisecond)} {
		require.Equal(t, webhook.FirstID(at), value[webhook.ID](b, "SELECT partition_bound($1)", moment))
		require.Equal(t, "events_2026w48", value[string](b, "SELECT partition_name('events', $1)", moment))
	}
	require.Equal(t, webhook.FirstID(at.Add(week)), value[webhook.ID](b, "SELECT partition_bound($1)", at.Add(week)))
}
