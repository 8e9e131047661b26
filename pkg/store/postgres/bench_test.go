package postgres

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// meter measures what a benchmark costs the database: the CPU time of the one backend that does it, as the kernel
// counts it, and the WAL written. The server belongs to the benchmark, so that nobody else's WAL is counted.
type meter struct {
	*bundle
	events    int
	cpu, wal  int64
	startCPU  int64
	startWAL  int64
	statsFile string
}

// newMeter opens a store with one connection on a server of its own.
func newMeter(b *testing.B, change ...func(*Options)) *meter {
	b.Helper()
	one := func(o *Options) { o.MaxConns = 1 }
	m := &meter{bundle: setupOn(b, testenv.OwnPostgres(b).URL, append(change, one)...)}
	m.exec("SELECT make_partitions(now() - interval '90 days', now())") // as many as there are after a while
	m.statsFile = fmt.Sprintf("/proc/%d/schedstat", value[int](m.bundle, "SELECT pg_backend_pid()"))
	return m
}

func (m *meter) read() (cpu, wal int64) {
	text, err := os.ReadFile(m.statsFile)
	require.NoError(m.tb, err)
	cpu, err = strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
	require.NoError(m.tb, err)
	return cpu, value[int64](m.bundle, "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
}

// time runs one step of the benchmark on the clock.
func (m *meter) time(b *testing.B, events int, f func()) {
	m.startCPU, m.startWAL = m.read()
	b.StartTimer()
	f()
	b.StopTimer()
	cpu, wal := m.read()
	m.cpu, m.wal, m.events = m.cpu+cpu-m.startCPU, m.wal+wal-m.startWAL, m.events+events
}

func (m *meter) report(b *testing.B) {
	n := float64(m.events)
	b.ReportMetric(float64(b.Elapsed().Microseconds())/n, "µs/event")
	b.ReportMetric(float64(m.cpu)/1000/n, "pgµs/event")
	b.ReportMetric(float64(m.wal)/n, "walB/event")
	b.ReportMetric(0, "ns/op")
}

// group makes events of 1 KiB with a delivery to each endpoint.
func (m *meter) group(size int, endpoints []webhook.Endpoint) []store.NewEvent {
	subs, err := m.Subscriptions(m.ctx, m.tenant)
	require.NoError(m.tb, err)
	events := make([]store.NewEvent, size)
	for i := range events {
		events[i] = m.event(endpoints...)
		events[i].Event.Data = make([]byte, 1<<10)
		events[i].ConfigVersion = subs.Version
	}
	return events
}

func (m *meter) endpoints(n int) []webhook.Endpoint {
	list := make([]webhook.Endpoint, n)
	for i := range list {
		list[i] = m.endpoint()
	}
	return list
}

func BenchmarkAccept(b *testing.B) {
	for _, c := range []struct{ size, fanOut int }{{1, 1}, {100, 1}, {500, 1}, {100, 10}} {
		b.Run(fmt.Sprintf("%dx%d", c.size, c.fanOut), func(b *testing.B) {
			m := newMeter(b)
			endpoints := m.endpoints(c.fanOut)
			b.ReportAllocs()
			b.StopTimer()
			b.ResetTimer()
			for range b.N {
				group := m.group(c.size, endpoints)
				m.time(b, c.size, func() { _, _ = m.Accept(m.ctx, group) })
			}
			m.report(b)
		})
	}
}

func BenchmarkClaim(b *testing.B)  { benchmarkAttempts(b, true) }
func BenchmarkRecord(b *testing.B) { benchmarkAttempts(b, false) }

// benchmarkAttempts claims and records deliveries together, and times one of the two.
func benchmarkAttempts(b *testing.B, timeClaim bool) {
	for _, c := range []struct{ size, endpoints int }{{1, 1}, {10, 1}, {100, 1}, {100, 100}} {
		size, endpoints := c.size, c.endpoints
		b.Run(fmt.Sprintf("%dof%d", size, endpoints), func(b *testing.B) {
			m := newMeter(b)
			list := m.endpoints(endpoints)
			b.ReportAllocs()
			b.StopTimer()
			b.ResetTimer()
			for range b.N {
				group := m.group(size, nil)
				var items []store.ClaimItem
				for i := range group {
					one := m.event(list[i%endpoints])
					one.ConfigVersion, one.Event.Data = group[i].ConfigVersion, group[i].Event.Data
					group[i] = one
					items = append(items, store.ClaimItem{Delivery: one.Deliveries[0].ID, Endpoint: one.Deliveries[0].Endpoint})
				}
				_, err := m.Accept(m.ctx, group)
				require.NoError(b, err)
				var claims store.Claims
				claim := func() { claims = m.claim(store.ClaimRequest{Items: items}) }
				var results []store.Result
				record := func() { _, err = m.Record(m.ctx, results) }
				if timeClaim {
					m.time(b, size, claim)
				} else {
					claim()
				}
				require.Len(b, claims.Work, size)
				for _, w := range claims.Work {
					results = append(results, success(w))
				}
				if timeClaim {
					record()
				} else {
					m.time(b, size, record)
				}
				require.NoError(b, err)
			}
			m.report(b)
		})
	}
}
