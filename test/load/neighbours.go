package main

import (
	"context"
	"fmt"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// hangQueued is how many deliveries the hanging endpoint has.
const hangQueued = 10_000

func runHang(ctx context.Context, b *bench, name string) ([]row, error) {
	const healthy = 50
	all := append(spread(healthy), webhook.Endpoint{URL: "/hang", Types: []string{typeName(typePrefix, 99_999)}})
	return b.with(ctx, name, setup{endpoints: all}, func(sys *system) ([]row, error) {
		l := load{job: job{Conns: saturating, Rate: 100, Duration: b.settings.duration, Types: healthy}}
		alone, err := sys.run(ctx, l)
		rows := []row{rowOf("50 endpoints, 100/s in all", &alone)}
		if err != nil {
			return rows, err
		}
		var sent produced
		err = b.producer.ask(job{
			Addr: sys.addr, Key: sys.key, First: b.next, Count: hangQueued, Conns: saturating, Duration: time.Minute,
			Type: typePrefix, OnlyType: 99_999,
		}, &sent)
		b.next += hangQueued
		if err != nil || sent.Accepted != hangQueued {
			return rows, fmt.Errorf("queueing %d events: %w %s", hangQueued, err, sent.Error)
		}
		beside, err := sys.once(ctx, l)
		r := rowOf("the same beside one that hangs, 10,000 queued", &beside)
		r.note = fmt.Sprintf("%d POSTs hang", beside.received.Hanging)
		r.atMost("end to end p99", millis(beside.endToEnd.P99)/max(millis(alone.endToEnd.P99), 0.001), 2, "times")
		return append(rows, r), err
	})
}

// Numbers of the case flood: how many events others send a second, to how many endpoints, and how late the slowest
// hundredth of them may be. Behind the flood they would be minutes late.
const (
	othersRate, othersEndpoints = 10, 10
	othersLate                  = 500 * time.Millisecond
)

// runFlood measures a tenant's few events while another one sends a million as fast as they are taken.
func runFlood(ctx context.Context, b *bench, name string) ([]row, error) {
	return b.with(ctx, name, setup{endpoints: spread(othersEndpoints)}, func(sys *system) ([]row, error) {
		l := load{job: job{Conns: othersRate, Rate: othersRate, Duration: 3 * b.settings.duration, Types: othersEndpoints}}
		alone, err := sys.run(ctx, l)
		rows := []row{rowOf("10 endpoints, 10/s in all", &alone)}
		if err != nil {
			return rows, err
		}
		f, err := sys.startFlood(ctx)
		if err != nil {
			return rows, err
		}
		beside, err := sys.once(ctx, l)
		r := rowOf("the same beside another tenant's flood", &beside)
		if ended := f.end(ctx); err == nil {
			err = ended
		}
		r.note = fmt.Sprintf("%d events flooded, %.0f/s accepted, and their CPU counts here", f.sent.Accepted,
			float64(f.sent.Accepted)/f.took().Seconds())
		r.atMost("end to end p99", millis(beside.endToEnd.P99), millis(othersLate), "ms")
		return append(rows, r), err
	})
}

// flood is a tenant that sends as fast as it is answered.
type flood struct {
	sys  *system
	from *helper
	sent produced
	err  error
	done chan struct{}
}

// startFlood begins one. Its events have numbers before those of the others, so the receiver counts them apart.
func (sys *system) startFlood(ctx context.Context) (*flood, error) {
	const flooding = "flooding"
	key, err := sys.createTenant(ctx, flooding)
	if err != nil {
		return nil, err
	}
	if err := sys.createEndpoints(ctx, flooding, endpoints(1)); err != nil {
		return nil, err
	}
	f := &flood{sys: sys, done: make(chan struct{})}
	if f.from, err = startHelper("produce"); err != nil {
		return nil, err
	}
	j := job{
		Addr: sys.addr, Key: key, First: sys.b.next, Count: int64(sys.b.settings.flood), Conns: saturating,
		Duration: time.Hour, Type: typePrefix,
	}
	sys.b.next += j.Count
	go func() {
		defer close(f.done)
		f.err = f.from.ask(j, &f.sent)
	}()
	return f, nil
}

func (f *flood) took() time.Duration { return max(f.sent.Ended.Sub(f.sent.Began), time.Millisecond) }

// end waits until all of the flood is delivered. Errors: it is not.
func (f *flood) end(ctx context.Context) error {
	<-f.done
	_ = f.from.in.Close()
	_ = f.from.stop()
	if f.err != nil || f.sent.Refused > 0 {
		return fmt.Errorf("the flood was not accepted: %w %s", f.err, f.sent.Error)
	}
	for last, since := int64(-1), time.Now(); ; {
		var succeeded int64
		err := f.sys.db.QueryRow(ctx, "SELECT count(*) FROM deliveries WHERE state = 'succeeded' AND tenant = 'flooding'").
			Scan(&succeeded)
		switch {
		case err != nil:
			return err
		case succeeded == f.sent.Accepted:
			return nil
		case succeeded != last:
			last, since = succeeded, time.Now()
		case time.Since(since) > drainPatience:
			return fmt.Errorf("LOST: %d of the flood's %d deliveries", f.sent.Accepted-succeeded, f.sent.Accepted)
		}
		if !pause(ctx, time.Second) {
			return ctx.Err()
		}
	}
}
