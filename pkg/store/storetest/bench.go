package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
)

// Bench measures the hot paths of a back end: accepting alone and in groups, and claiming and recording 100 at once.
// Each event goes to one endpoint and has 1 KiB of payload.
func Bench(b *testing.B, open Open) {
	b.Run("Accept/1", func(b *testing.B) { benchAccept(b, open, 1) })
	b.Run("Accept/100", func(b *testing.B) { benchAccept(b, open, 100) })
	b.Run("Claim/100", func(b *testing.B) { benchAttempts(b, open, true, false) })
	b.Run("Record/100", func(b *testing.B) { benchAttempts(b, open, false, true) })
	b.Run("AcceptClaimRecord/100", func(b *testing.B) { benchAttempts(b, open, true, true) })
}

// group makes events for one endpoint.
func (b *bundle) group(size int) func() []store.NewEvent {
	e := b.endpoint()
	version := b.version()
	sample := b.event(e)
	return func() []store.NewEvent {
		events, ids := make([]store.NewEvent, size), b.idsTogether(2*size)
		for i := range events {
			n := sample
			n.ConfigVersion = version
			n.Event.CEID = token()
			n.Event.Data = make([]byte, 1<<10)
			n.Key = [16]byte([]byte(n.Event.CEID))
			n.Event.ID = ids[2*i]
			n.Deliveries = []store.NewDelivery{b.delivery(ids[2*i+1], &e)}
			events[i] = n
		}
		return events
	}
}

func benchAccept(tb *testing.B, open Open, size int) {
	b := setup(tb, open)
	group := b.group(size)
	tb.ReportAllocs()
	for tb.Loop() {
		tb.StopTimer()
		events := group()
		tb.StartTimer()
		b.accept(events...)
	}
	tb.ReportMetric(float64(tb.N*size)/tb.Elapsed().Seconds(), "events/s")
}

// benchAttempts accepts, claims and records, and measures the parts asked for (all three when both are).
func benchAttempts(tb *testing.B, open Open, claim, record bool) {
	const size = 100
	all := claim && record
	b := setup(tb, open)
	group := b.group(size)
	tb.ReportAllocs()
	for tb.Loop() {
		tb.StopTimer()
		events := group()
		wanted := make([]store.ClaimItem, 0, size)
		for _, n := range events {
			wanted = append(wanted, store.ClaimItem{Delivery: n.Deliveries[0].ID, Endpoint: n.Deliveries[0].Endpoint})
		}
		if all {
			tb.StartTimer()
		}
		b.accept(events...)
		var claims store.Claims
		timed(tb, claim && !all, func() { claims = b.claim(store.ClaimRequest{Items: wanted}) })
		require.Len(tb, claims.Work, size)
		results := make([]store.Result, 0, size)
		for _, w := range claims.Work {
			results = append(results, success(w))
		}
		timed(tb, record && !all, func() { b.recordAll(results...) })
		tb.StartTimer()
	}
	tb.ReportMetric(float64(tb.N*size)/tb.Elapsed().Seconds(), "deliveries/s")
}

// timed calls f with the timer running, if it is to be measured.
func timed(tb *testing.B, measure bool, f func()) {
	if measure {
		tb.StartTimer()
		defer tb.StopTimer()
	}
	f()
}
