package main

import (
	"cmp"
	"context"
	_ "embed" // for the statements
	"fmt"
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/timer"
	timerredis "github.com/homing-hooks/homing/pkg/timer/redis"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var (
	//go:embed waiting.sql
	waitingSQL string
	//go:embed stored.sql
	storedSQL string
)

// fillStep is how many rows one statement makes.
const fillStep = 50_000

// turns is how often each of two systems is measured that are compared. They take turns, for a machine that shares its
// host may be another one a minute later.
const turns = 3

// compare measures a small system and a grown one by turns and returns of each the row of median CPU per delivery. How
// much costlier the grown one is, is the median of what the turns say. Errors: a turn lost something; then no other
// turn's numbers count either.
func compare(ctx context.Context, small, grown *measured) ([]row, error) {
	var costlier []float64
	for range turns {
		for _, m := range []*measured{small, grown} {
			if err := m.again(ctx); err != nil {
				return nil, err
			}
		}
		costlier = append(costlier, grown.last().costlier(small.last()))
	}
	slices.Sort(costlier)
	r := grown.row()
	r.atMost("CPU", costlier[turns/2], 1.2, "times")
	return []row{small.row(), r}, nil
}

// measured is a system and what was measured of it.
type measured struct {
	*system
	title    string
	load     load
	outcomes []outcome
}

// measure prepares a comparison of a system under the closed load.
func (sys *system) measure(title string) *measured {
	l := sys.b.closed()
	l.Duration /= 2 // there are several
	return &measured{system: sys, title: title, load: l}
}

func (m *measured) again(ctx context.Context) error {
	o, err := m.run(ctx, m.load)
	if err == nil {
		m.outcomes = append(m.outcomes, o)
	}
	return err
}

func (m *measured) last() *outcome { return &m.outcomes[len(m.outcomes)-1] }

func (m *measured) row() row {
	byCost := slices.SortedFunc(slices.Values(m.outcomes), func(a, b outcome) int {
		return cmp.Compare(a.cpuPerDelivery(), b.cpuPerDelivery())
	})
	return rowOf(m.title, &byCost[len(byCost)/2])
}

// runWaiting measures beside deliveries that wait: a third is held by a paused endpoint, a third is due in a day, and a
// third within minutes, with a timer in Redis each.
func runWaiting(ctx context.Context, b *bench, name string) ([]row, error) {
	all := append(spread(1), webhook.Endpoint{URL: "/e/1", Types: []string{"other"}},
		webhook.Endpoint{URL: "/e/2", Types: []string{"other"}})
	s := setup{endpoints: all}
	return b.withTwo(ctx, name, s, s, func(small, grown *system) ([]row, error) {
		if err := grown.fillWaiting(ctx, b.settings.waiting); err != nil {
			return nil, err
		}
		rows, err := compare(ctx, small.measure("nothing waits"),
			grown.measure(fmt.Sprintf("%d deliveries wait (held, scheduled, timers)", b.settings.waiting)))
		if err == nil {
			r := &rows[1]
			r.atMost("RSS", float64(r.rss)/1e6, 300, "MB")
		}
		return rows, err
	})
}

func (sys *system) fillWaiting(ctx context.Context, n int) error {
	held, later := sys.endpoints[1], sys.endpoints[2]
	if err := sys.store.SetEndpointStatus(ctx, tenant, held, webhook.EndpointPaused, "load"); err != nil {
		return err
	}
	for done := 0; done < n; done += fillStep {
		if _, err := sys.db.Exec(ctx, waitingSQL, done, min(fillStep, n-done), tenant, held, later); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	if err := sys.setTimers(ctx); err != nil {
		return fmt.Errorf("timers: %w", err)
	}
	return sys.settle(ctx)
}

// setTimers sets what retry would have set: a timer for each delivery that is due soon.
func (sys *system) setTimers(ctx context.Context) error {
	t, err := timerredis.Open(sys.b.services.env["TEST_REDIS_URL"], timerredis.Options{
		Prefix: sys.name + ":", Timeout: 5 * time.Second,
	})
	if err != nil {
		return err
	}
	defer t.Close()
	rows, err := sys.db.Query(ctx, `SELECT id, endpoint_id, due_at FROM deliveries
		WHERE state = 'scheduled' AND due_at BETWEEN now() AND now() + interval '1 hour'`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var entries []timer.Entry
	flush := func() error {
		defer func() { entries = entries[:0] }()
		return t.Set(ctx, entries)
	}
	for rows.Next() {
		var e timer.Entry
		if err := rows.Scan(&e.Delivery, &e.Endpoint, &e.Due); err != nil {
			return err
		}
		if entries = append(entries, e); len(entries) == 1000 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return flush()
}

// settle brings Postgres to where it would be had the rows come over hours.
func (sys *system) settle(ctx context.Context) error {
	for _, statement := range []string{"VACUUM (ANALYZE)", "CHECKPOINT"} {
		if _, err := sys.db.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func runStored(ctx context.Context, b *bench, name string) ([]row, error) {
	s := setup{endpoints: endpoints(1)}
	return b.withTwo(ctx, name, s, s, func(small, grown *system) ([]row, error) {
		if err := grown.fillStored(ctx, b.settings.stored); err != nil {
			return nil, err
		}
		return compare(ctx, small.measure("few events are stored"),
			grown.measure(fmt.Sprintf("%d events more are stored", b.settings.stored)))
	})
}

func (sys *system) fillStored(ctx context.Context, n int) error {
	for done := 0; done < n; done += fillStep {
		if _, err := sys.db.Exec(ctx, storedSQL, done, min(fillStep, n-done), tenant, sys.endpoints[0]); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	return sys.settle(ctx)
}

// mostEndpoints is to how many endpoints the case endpoints goes.
const mostEndpoints = 10_000

func runEndpoints(ctx context.Context, b *bench, name string) ([]row, error) {
	many := mostEndpoints
	if b.settings.quick {
		many /= 100
	}
	of := func(sys *system, n int) *measured {
		m := sys.measure(fmt.Sprintf("%d endpoints, each event to one", n))
		m.load.Types = n
		return m
	}
	return b.withTwo(ctx, name, setup{endpoints: spread(1)}, setup{endpoints: spread(many)},
		func(small, grown *system) ([]row, error) { return compare(ctx, of(small, 1), of(grown, many)) })
}
