package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/homing-hooks/homing/pkg/seal"
)

// bench is what all cases share.
type bench struct {
	settings     settings
	services     *services
	producer     *helper
	receiver     *helper
	receiverAddr string
	homing       string // the binary
	commit       string
	sealKey      string
	opened       int
	next         int64 // the number of the next event, so that no two cases use one
}

func newBench(ctx context.Context, s settings) (*bench, error) {
	b := &bench{settings: s, sealKey: seal.NewKey("k1"), next: 1, homing: s.homing}
	if err := b.start(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) start(ctx context.Context) (err error) {
	if b.services, err = startServices(ctx, b.settings.root); err != nil {
		return err
	}
	b.commit = b.describe(ctx)
	if b.homing == "" {
		b.homing = filepath.Join(b.services.dir, "homing")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", b.homing, "./cmd/homing")
		build.Dir, build.Stderr = b.settings.root, os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("go build: %w", err)
		}
	}
	if b.producer, err = startHelper("produce"); err != nil {
		return err
	}
	if b.receiver, err = startHelper("receive"); err != nil {
		return err
	}
	var at received
	if err := b.receiver.ask(nil, &at); err != nil {
		return fmt.Errorf("receiver: %w", err)
	}
	b.receiverAddr = at.Addr
	return nil
}

// describe names the commit that is measured.
func (b *bench) describe(ctx context.Context) string {
	git := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty")
	git.Dir = b.settings.root
	out, err := git.Output()
	if err != nil {
		return "unknown"
	}
	return string(out[:len(out)-1])
}

func (b *bench) close() {
	for _, h := range []*helper{b.producer, b.receiver} {
		if h != nil {
			_ = h.in.Close()
			_ = h.stop()
		}
	}
	if b.services != nil {
		b.services.close()
	}
}

// load is one thing to measure.
type load struct {
	job // First, Addr and Key are filled in
	// Fan is to how many endpoints each event goes.
	Fan       int
	Delay     time.Duration
	FailOneIn int64
	// Warm is how long the same load goes on before; 0: a third of Duration.
	Warm time.Duration
}

// outcome is what was measured.
type outcome struct {
	events, deliveries int64
	took               time.Duration
	cpu                usage
	accept, endToEnd   summary
	commits, wal       float64 // per event
	rss                int64   // highest so far, of Homing's processes together
	received           received
	first              int64 // number of the first event
	load               string
	// post is what a bare POST cost just before and after, in ms; 0 when that was not measured.
	post float64
}

// run makes a load, first to warm up and then to measure, and measures before and after what a bare POST costs: a
// machine that shares its host is fast and slow by turns of a minute or so.
func (sys *system) run(ctx context.Context, l load) (outcome, error) {
	if l.Warm == 0 {
		l.Warm = l.Duration / 3
	}
	warm := l
	warm.Duration = l.Warm
	if _, err := sys.once(ctx, warm); err != nil {
		return outcome{}, fmt.Errorf("warm-up: %w", err)
	}
	before, err := sys.b.postCost(ctx)
	if err != nil {
		return outcome{}, fmt.Errorf("bare POSTs: %w", err)
	}
	o, err := sys.once(ctx, l)
	if err != nil {
		return o, err
	}
	after, err := sys.b.postCost(ctx)
	if err != nil {
		return o, fmt.Errorf("bare POSTs: %w", err)
	}
	o.post = (before + after) / 2
	return o, nil
}

// once makes a load, waits until everything has arrived, and checks that it has.
func (sys *system) once(ctx context.Context, l load) (outcome, error) {
	b := sys.b
	o := outcome{first: b.next, load: loadAverage()}
	l.First, l.Addr, l.Key, l.Type = b.next, sys.addr, sys.key, typePrefix
	b.next += 10_000_000
	var got received
	err := b.receiver.ask(order{Op: "count", First: l.First, Fan: l.Fan, Delay: l.Delay, FailOneIn: l.FailOneIn}, &got)
	if err != nil {
		return o, fmt.Errorf("receiver: %w", err)
	}
	before, err := sys.written(ctx)
	if err != nil {
		return o, err
	}
	cpu := usageOf(sys.roots())
	var sent produced
	if err := b.producer.ask(l.job, &sent); err != nil {
		return o, fmt.Errorf("producer: %w", err)
	}
	want := sent.Accepted * int64(max(l.Fan, 1))
	got, err = sys.await(ctx, want)
	o.cpu = usageOf(sys.roots()).since(cpu)
	if err != nil {
		return o, err
	}
	if sent.Refused > 0 {
		return o, fmt.Errorf("%d events were not accepted: %s", sent.Refused, sent.Error)
	}
	after, err := sys.written(ctx)
	if err != nil {
		return o, err
	}
	o.events, o.deliveries, o.received = sent.Accepted, want, got
	o.took, o.accept, o.endToEnd = got.Last.Sub(sent.Began), sent.Latency, got.Latency
	o.commits = float64(after.commits-before.commits) / float64(max(o.events, 1))
	o.wal = float64(after.wal-before.wal) / float64(max(o.events, 1))
	for _, c := range sys.homing {
		_, peak := memory(c.pid())
		o.rss += peak
	}
	return o, nil
}

// drainPatience is for how long nothing may arrive while something is missing.
const drainPatience = 90 * time.Second

// await waits until want deliveries have arrived. Errors: some have not.
func (sys *system) await(ctx context.Context, want int64) (got received, err error) {
	last, since := int64(-1), time.Now()
	for {
		if err := sys.b.receiver.ask(order{Op: "stats"}, &got); err != nil {
			return got, fmt.Errorf("receiver: %w", err)
		}
		switch {
		case got.Distinct > want:
			return got, fmt.Errorf("%d deliveries arrived, %d were accepted", got.Distinct, want)
		case got.Distinct == want:
			return got, nil
		case got.Distinct != last:
			last, since = got.Distinct, time.Now()
		case time.Since(since) > drainPatience:
			return got, fmt.Errorf("LOST: %d of %d deliveries have not arrived within %s", want-got.Distinct, want,
				drainPatience)
		}
		if !pause(ctx, 20*time.Millisecond) {
			return got, errors.New("interrupted")
		}
	}
}
