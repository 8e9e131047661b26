package main

import (
	"context"
	_ "embed" // for the statements
	"fmt"
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

// compare measures the closed load, changes the system, and measures it again.
func (sys *system) compare(ctx context.Context, first, second string, change func() error) (rows []row, err error) {
	before, err := sys.run(ctx, sys.b.closed())
	rows = append(rows, rowOf(first, &before))
	if err != nil {
		return rows, err
	}
	if err := change(); err != nil {
		return rows, err
	}
	after, err := sys.run(ctx, sys.b.closed())
	r := rowOf(second, &after)
	r.atMost("CPU", after.costlier(&before), 1.2, "times")
	return append(rows, r), err
}

// runWaiting measures beside deliveries that wait: a third is held by a paused endpoint, a third is due in a day, and a
// third within minutes, with a timer in Redis each.
func runWaiting(ctx context.Context, b *bench, name string) ([]row, error) {
	all := append(spread(1), webhook.Endpoint{URL: "/e/1", Types: []string{"other"}},
		webhook.Endpoint{URL: "/e/2", Types: []string{"other"}})
	return b.with(ctx, name, setup{endpoints: all}, func(sys *system) ([]row, error) {
		rows, err := sys.compare(ctx, "nothing waits", fmt.Sprintf("%d deliveries wait (held, scheduled, timers)",
			b.settings.waiting), func() error { return sys.fillWaiting(ctx, b.settings.waiting) })
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
	return b.with(ctx, name, setup{endpoints: endpoints(1)}, func(sys *system) ([]row, error) {
		title := fmt.Sprintf("%d events more are stored", b.settings.stored)
		return sys.compare(ctx, "few events are stored", title, func() error {
			for done := 0; done < b.settings.stored; done += fillStep {
				n := min(fillStep, b.settings.stored-done)
				if _, err := sys.db.Exec(ctx, storedSQL, done, n, tenant, sys.endpoints[0]); err != nil {
					return fmt.Errorf("fill: %w", err)
				}
			}
			return sys.settle(ctx)
		})
	})
}

// mostEndpoints is to how many endpoints the case endpoints goes.
const mostEndpoints = 10_000

func runEndpoints(ctx context.Context, b *bench, name string) (rows []row, err error) {
	many := mostEndpoints
	if b.settings.quick {
		many /= 100
	}
	var one outcome
	for _, n := range []int{1, many} {
		more, err := b.with(ctx, name, setup{endpoints: spread(n)}, func(sys *system) ([]row, error) {
			l := b.closed()
			l.Types = n
			o, err := sys.run(ctx, l)
			r := rowOf(fmt.Sprintf("%d endpoints, each event to one", n), &o)
			if n == 1 {
				one = o
			} else {
				r.atMost("CPU", o.costlier(&one), 1.2, "times")
			}
			return []row{r}, err
		})
		rows = append(rows, more...)
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}
