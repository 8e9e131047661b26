package main

import (
	"context"
	_ "embed" // for the statement
	"fmt"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

//go:embed lists.sql
var listsSQL string

// rareTenant has few deliveries among many of another's.
const rareTenant = "rare"

// listGoal is how long a page may take at the 99th percentile.
const listGoal = 50 * time.Millisecond

// listTimes is how often each list is read.
const listTimes = 200

// quiet keeps Homing's own tick, which counts too, out of what is measured.
var quiet = []string{"HOMING_TICK=1h", "HOMING_HORIZON=1h"}

// listPage is how many each asks for: a page of the API, and the one more that says whether there is another.
const listPage = 51

// listed is one list to measure. page reads a page, before an id (zero: the newest), and returns where the next begins.
type listed struct {
	title string
	page  func(ctx context.Context, before webhook.ID) (next webhook.ID, err error)
}

// runLists measures the lists of the API, at the store, with many deliveries in it: from the newest page on, page after
// page.
func runLists(ctx context.Context, b *bench, name string) ([]row, error) {
	return b.with(ctx, name, setup{endpoints: spread(22), environ: quiet}, func(sys *system) ([]row, error) {
		lonely := sys.endpoints[21]
		if err := sys.fillLists(ctx); err != nil {
			return nil, err
		}
		var rows []row
		began := time.Now()
		spans, err := sys.tallyAll(ctx)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{
			title: fmt.Sprintf("%d attempts counted for the statistics, in %d spans: %.1f s", b.settings.lists, spans,
				time.Since(began).Seconds()),
			load: loadAverage(),
		})
		for _, l := range sys.lists(sys.endpoints[0], sys.endpoints[20], lonely) {
			r, err := l.measure(ctx)
			rows = append(rows, r)
			if err != nil {
				return rows, err
			}
		}
		return rows, nil
	})
}

// fillLists makes the deliveries, the last endpoint another tenant's.
func (sys *system) fillLists(ctx context.Context) error {
	if err := sys.store.CreateTenant(ctx, rareTenant); err != nil {
		return err
	}
	const weekMS = 6.9 * 24 * 3600 * 1000
	n := sys.b.settings.lists
	statements := []struct {
		sql  string
		args []any
	}{
		{"SELECT make_partitions(now() - interval '10 days', now())", nil},
		{"UPDATE endpoints SET tenant = $1 WHERE id = $2", []any{rareTenant, sys.endpoints[21]}},
	}
	for _, s := range statements {
		if _, err := sys.db.Exec(ctx, s.sql, s.args...); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	for done := 0; done < n; done += fillStep {
		_, err := sys.db.Exec(ctx, listsSQL, done, min(fillStep, n-done), int64(weekMS)/int64(n), tenant,
			sys.endpoints[:20], sys.endpoints[20], rareTenant, sys.endpoints[21])
		if err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	return sys.settle(ctx)
}

// tallyAll counts everything for the statistics.
func (sys *system) tallyAll(ctx context.Context) (spans int, err error) {
	for {
		done, err := sys.store.Tally(ctx, store.TallyRequest{Spans: 1000})
		spans += done.Spans
		if err != nil || !done.More {
			return spans, err
		}
	}
}

// lists are those that are measured.
func (sys *system) lists(busy, rare, lonely webhook.ID) []listed {
	deliveries := func(title string, q store.DeliveryQuery) listed {
		return listed{title, func(ctx context.Context, before webhook.ID) (webhook.ID, error) {
			q.Before, q.Limit = before, listPage
			list, err := sys.store.Deliveries(ctx, q)
			if err != nil || len(list) < listPage {
				return webhook.ID{}, err
			}
			return list[listPage-2].ID, nil
		}}
	}
	events := func(title, of string) listed {
		return listed{title, func(ctx context.Context, before webhook.ID) (webhook.ID, error) {
			list, err := sys.store.Events(ctx, store.EventQuery{Tenant: of, Before: before, Limit: listPage})
			if err != nil || len(list) < listPage {
				return webhook.ID{}, err
			}
			return list[listPage-2].ID, nil
		}}
	}
	stats := func(title string, of webhook.ID) listed {
		return listed{title, func(ctx context.Context, _ webhook.ID) (webhook.ID, error) {
			now := time.Now()
			_, err := sys.store.Tallies(ctx, store.TallyQuery{
				Tenant: tenant, Endpoint: of, From: now.Add(-7 * 24 * time.Hour), Until: now, Hourly: true,
			})
			return webhook.ID{}, err
		}}
	}
	exhausted, scheduled := webhook.StateExhausted, webhook.StateScheduled
	return []listed{
		deliveries("deliveries of a tenant", store.DeliveryQuery{Tenant: tenant}),
		deliveries("of a tenant, exhausted (1 in 10,000)", store.DeliveryQuery{Tenant: tenant, State: exhausted}),
		deliveries("of a tenant, scheduled (1 in 10,000)", store.DeliveryQuery{Tenant: tenant, State: scheduled}),
		deliveries("of a tenant that has 1 in 50,000", store.DeliveryQuery{Tenant: rareTenant}),
		deliveries("of an endpoint", store.DeliveryQuery{Tenant: tenant, Endpoint: busy}),
		deliveries("of an endpoint that has 1 in 50,000", store.DeliveryQuery{Tenant: tenant, Endpoint: rare}),
		deliveries("of an endpoint, exhausted", store.DeliveryQuery{Tenant: tenant, Endpoint: busy, State: exhausted}),
		deliveries("of an endpoint, scheduled", store.DeliveryQuery{Tenant: tenant, Endpoint: busy, State: scheduled}),
		deliveries("of an endpoint, attempting (none)", store.DeliveryQuery{
			Tenant: rareTenant, Endpoint: lonely, State: webhook.StateAttempting,
		}),
		events("events of a tenant", tenant),
		events("events of a tenant that has 1 in 50,000", rareTenant),
		stats("statistics of a week, of a tenant", webhook.ID{}),
		stats("statistics of a week, of an endpoint", busy),
	}
}

// measure reads page after page, and from the newest again at the end.
func (l *listed) measure(ctx context.Context) (row, error) {
	var h histogram
	var before webhook.ID
	for range listTimes {
		began := time.Now()
		next, err := l.page(ctx, before)
		if err != nil {
			return row{title: l.title}, err
		}
		h.add(time.Since(began))
		before = next
	}
	s := h.summary()
	r := row{
		title: fmt.Sprintf("%s: p50 %.1f ms, p99 %.1f ms", l.title, millis(s.P50), millis(s.P99)), load: loadAverage(),
	}
	r.atMost("p99", millis(s.P99), millis(listGoal), "ms")
	return r, nil
}
