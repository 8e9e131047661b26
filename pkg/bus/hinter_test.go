package bus_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// publisher is a bus that holds every publish until it is told how it ends.
type publisher struct {
	t    *testing.T
	ends chan error // nil: every publish succeeds at once

	mu    sync.Mutex
	hints []wire.Hint
}

func (p *publisher) Publish(ctx context.Context, broker string, e event.Event) error {
	h, err := wire.Decode(&e)
	p.mu.Lock()
	p.hints = append(p.hints, h)
	p.mu.Unlock()
	if err != nil || broker != bus.BrokerDeliveries || e.Validate() != nil {
		p.t.Errorf("published to %s: %v, %v", broker, err, e.Validate())
	}
	if p.ends == nil {
		return nil
	}
	select {
	case err := <-p.ends:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// published returns the hints so far, once everything that can go on without us has.
func (p *publisher) published() []wire.Hint {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]wire.Hint(nil), p.hints...)
}

type counts struct{ published, failed, dropped int }

// hinter returns a Hinter and what it counts; read the counts only after published.
func (p *publisher) hinter(cfg bus.HinterConfig) (*bus.Hinter, *counts) {
	var c counts
	var mu sync.Mutex
	add := func(to *int, n int) {
		mu.Lock()
		*to += n
		mu.Unlock()
	}
	cfg.Type = wire.TypeDue
	cfg.Published = func(n int) { add(&c.published, n) }
	cfg.Failed = func(n int, err error) { require.Error(p.t, err); add(&c.failed, n) }
	cfg.Dropped = func(n int) { add(&c.dropped, n) }
	return bus.NewHinter(p, cfg), &c
}

func id(n byte) webhook.ID { return webhook.ID{0: 1, 6: 0x70, 8: 0x80, 15: n} }

func due(endpoint byte, from, n int) []wire.Due {
	all := make([]wire.Due, n)
	for i := range all {
		d := id(0)
		d[13], d[14] = byte((from+i)>>8), byte(from+i)
		all[i] = wire.Due{Delivery: d, Endpoint: id(endpoint), Due: time.Unix(int64(1000+from+i), 0).UTC()}
	}
	return all
}

func TestHinter(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(t *testing.T){
		"PublishesOneDeliveryAtOnce":                  publishesAtOnce,
		"AccumulatesWhileOneIsInFlight":               accumulates,
		"NamesAHundredAtMost":                         namesAHundred,
		"TakesEndpointsInTurn":                        takesTurns,
		"CollapsesAnEndpointWithTooMany":              collapses,
		"DropsTheOldestWhenFull":                      dropsOldest,
		"PublishesEachPartitionByItself":              partitions,
		"KeepsToItsMaxInFlight":                       maxInFlight,
		"CountsAFailedHintAndGoesOn":                  failed,
		"EndsAPublishThatHangs":                       hangs,
		"ClosePublishesWhatWaits":                     closeFlushes,
		"CloseGivesUpWhenItsContextEnds":              closeGivesUp,
		"CountsWhatIsSaidAfterClose":                  afterClose,
		"MergesAnEndpointSaidTwiceToTheEarliestOfDue": mergesEndpoints,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, test)
		})
	}
}

func publishesAtOnce(t *testing.T) {
	p := &publisher{t: t}
	h, c := p.hinter(bus.HinterConfig{})
	began := time.Now()
	h.Say(due(1, 0, 1)...)
	require.Equal(t, []wire.Hint{{Type: wire.TypeDue, Deliveries: due(1, 0, 1)}}, p.published())
	require.Equal(t, began, time.Now(), "nothing waits")
	require.Equal(t, counts{published: 1}, *c)
}

func accumulates(t *testing.T) {
	p := &publisher{t: t, ends: make(chan error)}
	h, c := p.hinter(bus.HinterConfig{})
	h.Say(due(1, 0, 1)...)
	h.Say(due(2, 1, 1)...)
	h.Say(due(3, 2, 2)...)
	h.SayEndpoint(wire.Endpoint{Endpoint: id(4), Due: time.Unix(7, 0).UTC()})
	require.Len(t, p.published(), 1)
	p.ends <- nil
	require.Equal(t, wire.Hint{
		Type:       wire.TypeDue,
		Deliveries: append(due(2, 1, 1), due(3, 2, 2)...),
		Endpoints:  []wire.Endpoint{{Endpoint: id(4), Due: time.Unix(7, 0).UTC()}},
	}, p.published()[1])
	p.ends <- nil
	require.Len(t, p.published(), 2)
	require.Equal(t, counts{published: 5}, *c)
}

func namesAHundred(t *testing.T) {
	p := &publisher{t: t}
	h, c := p.hinter(bus.HinterConfig{})
	h.Say(due(1, 0, 250)...)
	var named []wire.Due
	for _, hint := range p.published() {
		require.LessOrEqual(t, len(hint.Deliveries), wire.MaxIDs)
		named = append(named, hint.Deliveries...)
	}
	require.Len(t, p.published(), 3)
	require.Equal(t, due(1, 0, 250), named)
	require.Equal(t, counts{published: 250}, *c)
}

func takesTurns(t *testing.T) {
	p := &publisher{t: t, ends: make(chan error)}
	h, _ := p.hinter(bus.HinterConfig{})
	h.Say(due(9, 0, 1)...)
	h.Say(due(1, 1, 150)...)
	h.Say(due(2, 200, 60)...)
	p.ends <- nil
	p.ends <- nil
	require.Equal(t, append(due(2, 200, 60), due(1, 101, 40)...), p.published()[2].Deliveries,
		"who has little does not wait for all of who has much")
	close(p.ends)
	require.NoError(t, h.Close(t.Context()))
	require.Equal(t, due(1, 141, 10), p.published()[3].Deliveries)
}

func collapses(t *testing.T) {
	p := &publisher{t: t, ends: make(chan error)}
	h, c := p.hinter(bus.HinterConfig{MaxQueuedPerEndpoint: 3})
	h.Say(due(9, 0, 1)...)
	h.Say(due(1, 10, 3)...)
	h.Say(due(2, 20, 1)...)
	h.Say(due(1, 5, 2)...)
	p.ends <- nil
	require.Equal(t, wire.Hint{
		Type:       wire.TypeDue,
		Deliveries: due(2, 20, 1),
		Endpoints:  []wire.Endpoint{{Endpoint: id(1), Due: time.Unix(1005, 0).UTC()}},
	}, p.published()[1])
	h.Say(due(1, 30, 1)...)
	p.ends <- nil
	require.Equal(t, due(1, 30, 1), p.published()[2].Deliveries, "the next is named again")
	p.ends <- nil
	p.published()
	require.Equal(t, counts{published: 4}, *c)
}

func mergesEndpoints(t *testing.T) {
	p := &publisher{t: t, ends: make(chan error)}
	h, _ := p.hinter(bus.HinterConfig{})
	h.Say(due(9, 0, 1)...)
	h.Say(due(1, 10, 3)...)
	for _, at := range []int64{30, 20, 40} {
		h.SayEndpoint(wire.Endpoint{Endpoint: id(1), Due: time.Unix(at, 0).UTC()})
	}
	p.ends <- nil
	hint := p.published()[1]
	require.Empty(t, hint.Deliveries)
	require.Equal(t, []wire.Endpoint{{Endpoint: id(1), Due: time.Unix(20, 0).UTC()}}, hint.Endpoints)
	p.ends <- nil
	p.published()
}

func dropsOldest(t *testing.T) {
	p := &publisher{t: t, ends: make(chan error)}
	h, c := p.hinter(bus.HinterConfig{MaxQueued: wire.MaxIDs})
	h.Say(due(9, 0, 1)...)
	synctest.Wait() // it is in flight and not in the queue
	h.Say(due(1, 0, 60)...)
	h.SayEndpoint(wire.Endpoint{Endpoint: id(2)})
	h.Say(due(3, 100, 60)...)
	p.published()
	require.Equal(t, 21, c.dropped)
	p.ends <- nil
	hint := p.published()[1]
	require.Equal(t, append(due(1, 21, 39), due(3, 100, 60)...), hint.Deliveries)
	require.Len(t, hint.Endpoints, 1)
	h.Say(due(4, 0, 101)...)
	h.Say(due(5, 0, 100)...)
	p.ends <- nil
	require.Equal(t, due(5, 0, 100), p.published()[2].Deliveries)
	p.ends <- nil
	p.published()
	require.Equal(t, counts{published: 201, dropped: 122}, *c)
}

func partitions(t *testing.T) {
	p := &publisher{t: t, ends: make(chan error)}
	h, _ := p.hinter(bus.HinterConfig{Partitions: 4})
	for i := range 40 {
		h.Say(due(byte(i), i, 1)...)
	}
	require.Len(t, p.published(), 4, "one of each")
	for range 8 {
		p.ends <- nil
	}
	named := 0
	for _, hint := range p.published() {
		for _, d := range hint.Deliveries {
			named++
			require.Equal(t, wire.PartitionOf(d.Endpoint, 4), hint.Partition)
		}
	}
	require.Equal(t, 40, named)
	require.Len(t, p.published(), 8)
}

func maxInFlight(t *testing.T) {
	p := &publisher{t: t, ends: make(chan error)}
	h, c := p.hinter(bus.HinterConfig{Partitions: 8, MaxInFlight: 2})
	for i := range 100 {
		h.Say(due(byte(i), i, 1)...)
	}
	var seen [8]bool
	for n := 2; n <= 8; n++ {
		require.Len(t, p.published(), n)
		p.ends <- nil
		h.Say(due(0, n, 1)...) // there is always more in one partition
	}
	for _, hint := range p.published() {
		seen[hint.Partition] = true
	}
	require.NotContains(t, seen, false, "no partition starves")
	close(p.ends)
	require.NoError(t, h.Close(t.Context()))
	require.Equal(t, counts{published: 107}, *c)
}

func failed(t *testing.T) {
	p := &publisher{t: t, ends: make(chan error)}
	h, c := p.hinter(bus.HinterConfig{})
	h.Say(due(1, 0, 1)...)
	h.Say(due(1, 1, 2)...)
	p.ends <- errors.New("refused")
	require.Len(t, p.published(), 2)
	p.ends <- nil
	p.published()
	require.Equal(t, counts{published: 2, failed: 1}, *c)
}

func hangs(t *testing.T) {
	p := &publisher{t: t, ends: make(chan error)}
	h, c := p.hinter(bus.HinterConfig{Timeout: 3 * time.Second})
	began := time.Now()
	h.Say(due(1, 0, 1)...)
	h.Say(due(1, 1, 2)...)
	require.NoError(t, h.Close(t.Context()))
	require.Equal(t, 6*time.Second, time.Since(began))
	require.Equal(t, counts{failed: 3}, *c)
}

func closeFlushes(t *testing.T) {
	p := &publisher{t: t, ends: make(chan error)}
	h, c := p.hinter(bus.HinterConfig{})
	h.Say(due(1, 0, 1)...)
	h.Say(due(1, 1, 150)...)
	time.AfterFunc(time.Second, func() { close(p.ends) })
	require.NoError(t, h.Close(t.Context()))
	require.Equal(t, counts{published: 151}, *c)
	require.NoError(t, h.Close(t.Context()), "again")
}

func closeGivesUp(t *testing.T) {
	p := &publisher{t: t, ends: make(chan error)}
	h, c := p.hinter(bus.HinterConfig{Timeout: time.Hour})
	h.Say(due(1, 0, 1)...)
	h.Say(due(1, 1, 150)...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	require.ErrorIs(t, h.Close(ctx), context.DeadlineExceeded)
	require.Len(t, p.published(), 1)
	require.Equal(t, counts{failed: 1, dropped: 150}, *c)
}

func afterClose(t *testing.T) {
	p := &publisher{t: t}
	h, c := p.hinter(bus.HinterConfig{})
	require.NoError(t, h.Close(t.Context()))
	h.Say(due(1, 0, 2)...)
	h.SayEndpoint(wire.Endpoint{Endpoint: id(1)})
	require.Empty(t, p.published())
	require.Equal(t, counts{dropped: 3}, *c)
}

type nowhere struct{}

func (nowhere) Publish(context.Context, string, event.Event) error { return nil }

// BenchmarkSay is what hints cost the work that causes them, encoding included, for one core.
func BenchmarkSay(b *testing.B) {
	h := bus.NewHinter(nowhere{}, bus.HinterConfig{Type: wire.TypeDue, MaxQueued: 1 << 30, MaxQueuedPerEndpoint: 1 << 30})
	items := make([]wire.Due, 256)
	for i := range items {
		items[i] = due(byte(i), i, 1)[0]
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		h.Say(items[i%len(items)])
		i++
	}
	require.NoError(b, h.Close(b.Context()))
}
