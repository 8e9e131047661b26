package bustest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/homing-hooks/homing/pkg/bus"
)

// Bench measures events from Publish to handler, one subscription, for one publisher at a time and for many. Besides
// the usual it reports events a second and this process's CPU time an event (servers in other processes not counted).
func Bench(b *testing.B, open func(t testing.TB) Harness) {
	b.Helper()
	for _, publishers := range []int{1, 64} {
		b.Run(fmt.Sprintf("publishers=%d", publishers), func(b *testing.B) {
			p := join(b, open(b))
			var handed atomic.Int64
			all := make(chan struct{})
			p.subscribe(bus.Subscription{Name: "bench", Parallelism: 32}, func(context.Context, event.Event) error {
				if handed.Add(1) == int64(b.N) {
					close(all)
				}
				return nil
			})
			e := newEvent("bench")
			e.SetExtension("partition", "0")
			e.DataEncoded = make([]byte, 200)
			b.ReportAllocs()
			cpu, began := cpuTime(), time.Now()
			b.ResetTimer()
			publishMany(b, p, e, publishers)
			<-all
			b.StopTimer()
			b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "events/s")
			b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/float64(b.N), "cpu-ns/event")
		})
	}
}

func publishMany(b *testing.B, p *process, e event.Event, publishers int) {
	b.Helper()
	var all sync.WaitGroup
	var next atomic.Int64
	for range publishers {
		all.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if err := p.Publish(b.Context(), bus.BrokerDeliveries, e); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// cpuTime is the time that this process has spent on a processor.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // the arguments are constant and right
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
