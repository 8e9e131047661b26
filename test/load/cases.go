package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// typePrefix begins the type of every event.
const typePrefix = "load."

// saturating is how many connections send at once where nothing else bounds the load.
const saturating = 64

// testCase is a row or several of the table.
type testCase struct {
	name string
	run  func(ctx context.Context, b *bench, name string) ([]row, error)
}

// cases in the order of the table.
var cases = []testCase{
	{"fast", runFast},
	{"fanout", runFanout},
	{"slow", runSlow},
	{"open", runOpen},
	{"retry", runRetry},
	{"waiting", runWaiting},
	{"idle", runIdle},
	{"stored", runStored},
	{"lists", runLists},
	{"endpoints", runEndpoints},
	{"bus", runBus},
	{"split", runSplit},
	{"hang", runHang},
	{"flood", runFlood},
}

func caseNames() []string {
	names := make([]string, len(cases))
	for i, c := range cases {
		names[i] = c.name
	}
	return names
}

// repeat runs a case as often as wanted and returns, for each of its rows, that of the median CPU per delivery. Errors:
// that of the first run that failed, with its rows.
func (b *bench) repeat(ctx context.Context, c *testCase) ([]row, error) {
	var runs [][]row
	for range max(b.settings.repeat, 1) {
		rows, err := c.run(ctx, b, c.name)
		if err != nil {
			return rows, err
		}
		runs = append(runs, rows)
	}
	median := make([]row, len(runs[0]))
	for i := range median {
		slices.SortFunc(runs, func(a, b []row) int { return cmp.Compare(a[i].cost(), b[i].cost()) })
		median[i] = runs[len(runs)/2][i]
		if len(runs) > 1 {
			median[i].note = strings.TrimPrefix(fmt.Sprintf("%s, of %d runs", median[i].note, len(runs)), ", ")
		}
	}
	return median, nil
}

// with opens a system, calls f, and closes the system, whose own end counts too.
func (b *bench) with(ctx context.Context, name string, s setup, f func(*system) ([]row, error)) ([]row, error) {
	sys, err := b.open(ctx, name, s)
	if err != nil {
		return nil, err
	}
	rows, err := f(sys)
	return rows, errors.Join(err, sys.close())
}

// withTwo is with for two systems at once.
func (b *bench) withTwo(
	ctx context.Context, name string, one, other setup, f func(one, other *system) ([]row, error),
) ([]row, error) {
	return b.with(ctx, name, one, func(first *system) ([]row, error) {
		return b.with(ctx, name, other, func(second *system) ([]row, error) { return f(first, second) })
	})
}

// endpoints returns n of them that get every event.
func endpoints(n int) []webhook.Endpoint {
	all := make([]webhook.Endpoint, n)
	for i := range all {
		all[i].URL = fmt.Sprintf("/e/%d", i)
	}
	return all
}

// spread returns n endpoints that each get the events of a type of their own.
func spread(n int) []webhook.Endpoint {
	all := endpoints(n)
	for i := range all {
		all[i].Types = []string{typeName(typePrefix, i)}
	}
	return all
}

// closed is the load of producers that send as fast as they are answered.
func (b *bench) closed() load {
	return load{job: job{Conns: saturating, Duration: b.settings.duration}}
}

func runFast(ctx context.Context, b *bench, name string) ([]row, error) {
	return b.with(ctx, name, setup{endpoints: endpoints(1)}, func(sys *system) ([]row, error) {
		o, err := sys.run(ctx, b.closed())
		r := rowOf("1 endpoint, as fast as it goes, 64 producers", &o)
		r.cpu, r.rate = 0.35, 5000
		r.atMost("commits", o.commits, 0.1, "per event")
		r.atMost("WAL", o.wal/1000, 6, "KB per event")
		return []row{r}, err
	})
}

func runFanout(ctx context.Context, b *bench, name string) ([]row, error) {
	return b.with(ctx, name, setup{endpoints: endpoints(10)}, func(sys *system) ([]row, error) {
		l := b.closed()
		l.Fan = 10
		o, err := sys.run(ctx, l)
		r := rowOf("1 event to 10 endpoints", &o)
		r.cpu, r.rate = 0.25, 8000
		return []row{r}, err
	})
}

func runSlow(ctx context.Context, b *bench, name string) ([]row, error) {
	return b.with(ctx, name, setup{endpoints: endpoints(1)}, func(sys *system) ([]row, error) {
		l := b.closed()
		l.Delay = 100 * time.Millisecond
		o, err := sys.run(ctx, l)
		r := rowOf("receiver takes 100 ms", &o)
		r.cpu, r.rate = 0.35, 3000
		return []row{r}, err
	})
}

func runOpen(ctx context.Context, b *bench, name string) ([]row, error) {
	return b.with(ctx, name, setup{endpoints: endpoints(1)}, func(sys *system) ([]row, error) {
		o, err := sys.run(ctx, load{job: job{Conns: saturating, Rate: 200, Duration: 3 * b.settings.duration},
			Warm: b.settings.duration / 3})
		r := rowOf("open loop, 200/s", &o)
		r.atMost("accept p99", millis(o.accept.P99), 8, "ms")
		r.atMost("end to end p50", millis(o.endToEnd.P50), 4, "ms")
		r.atMost("p99", millis(o.endToEnd.P99), 12, "ms")
		return []row{r}, err
	})
}

// runRetry compares when second attempts arrive with when the store has them due.
func runRetry(ctx context.Context, b *bench, name string) ([]row, error) {
	one := endpoints(1)
	one[0].Schedule = []time.Duration{0, time.Second, time.Second, time.Second}
	return b.with(ctx, name, setup{endpoints: one}, func(sys *system) ([]row, error) {
		o, err := sys.run(ctx, load{job: job{Conns: saturating, Rate: 500, Duration: b.settings.duration}, FailOneIn: 10})
		r := rowOf("500/s, the first attempt of 10 % fails, retry after 1 s", &o)
		if err != nil {
			return []row{r}, err
		}
		late, err := sys.lateness(ctx)
		r.note = fmt.Sprintf("retries %d, late p50 %.1f ms, p99 %.1f ms, most %.1f ms", late.Count, millis(late.P50),
			millis(late.P99), millis(late.Max))
		r.atMost("lateness p99", millis(late.P99), 50, "ms")
		if err == nil && late.Count != uint64(o.received.Failed) {
			err = fmt.Errorf("%d attempts failed, %d were retried", o.received.Failed, late.Count)
		}
		return []row{r}, err
	})
}

// lateness reads when the retries of the last load were due, which the store keeps, and when they arrived.
func (sys *system) lateness(ctx context.Context) (summary, error) {
	var got received
	if err := sys.b.receiver.ask(order{Op: "retries"}, &got); err != nil {
		return summary{}, err
	}
	rows, err := sys.db.Query(ctx, `SELECT e.ce_id::bigint, d.due_at FROM deliveries d
		JOIN events e ON e.id = d.event_id WHERE d.attempt_no = 2`)
	if err != nil {
		return summary{}, err
	}
	defer rows.Close()
	var late histogram
	for rows.Next() {
		var number int64
		var due time.Time
		if err := rows.Scan(&number, &due); err != nil {
			return summary{}, err
		}
		if at, ok := got.Retries[number]; ok {
			late.add(time.Unix(0, at).Sub(due))
		}
	}
	return late.summary(), rows.Err()
}

// idleFor is how long an idle Homing is looked at.
const idleFor = 10 * time.Second

func runIdle(ctx context.Context, b *bench, name string) ([]row, error) {
	return b.with(ctx, name, setup{endpoints: endpoints(1)}, func(sys *system) ([]row, error) {
		// One event has gone through it, so that everything is connected and compiled.
		o, err := sys.once(ctx, load{job: job{Conns: 1, Count: 1, Duration: 5 * time.Second}})
		if err != nil {
			return nil, err
		}
		before := usageOf(sys.roots())
		if !pause(ctx, min(idleFor, b.settings.duration)) {
			return nil, ctx.Err()
		}
		spent := usageOf(sys.roots()).since(before)
		now, _ := memory(sys.homing[0].pid())
		r := row{title: "idle", load: o.load, rss: now}
		r.note = fmt.Sprintf("homing uses %.1f %% of a core", 100*spent[groupHoming].Seconds()/
			min(idleFor, b.settings.duration).Seconds())
		r.atMost("RSS", float64(now)/1e6, 80, "MB")
		return []row{r}, nil
	})
}

func runBus(ctx context.Context, b *bench, name string) ([]row, error) {
	return b.with(ctx, name, setup{endpoints: endpoints(1), amqp: true}, func(sys *system) ([]row, error) {
		o, err := sys.run(ctx, b.closed())
		return []row{rowOf("as fast; one process, hints over RabbitMQ", &o)}, err
	})
}

func runSplit(ctx context.Context, b *bench, name string) ([]row, error) {
	s := setup{endpoints: endpoints(1), amqp: true, split: true}
	return b.with(ctx, name, s, func(sys *system) ([]row, error) {
		o, err := sys.run(ctx, b.closed())
		return []row{rowOf("as fast; ingest, deliver, retry as processes, hints over RabbitMQ", &o)}, err
	})
}
