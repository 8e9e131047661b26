//go:build faults

package acceptance_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/test/homingtest"
)

// TestSurvivesAHangingEndpoint has 10,000 deliveries queued for an endpoint that never answers, while 50 healthy ones
// receive 100 a second: the hanging one holds no more than its share of the slots, and one once it has failed in a row;
// the healthy ones always find slots. It measures time, so it runs alone.
func TestSurvivesAHangingEndpoint(t *testing.T) {
	const (
		slots, share = 100, 10
		queued       = 10_000
		healthy      = 50
		rounds       = 24
		timeout      = 10 * time.Second
	)
	h := install(t, postgresAlone, fmt.Sprint("HOMING_ATTEMPT_TIMEOUT=", timeout), fmt.Sprint("HOMING_SLOTS=", slots),
		fmt.Sprint("HOMING_ENDPOINT_SHARE=", share), "HOMING_SCHEDULE=0s,1h", "HOMING_LOG_LEVEL=info")
	never := make(chan struct{})
	hanging := h.Subscribe("hanging", func(*post) reply { return reply{Hold: never} }, ofType("hanging"))
	for i := range healthy {
		h.Subscribe(fmt.Sprint("healthy-", i), nil, ofType(fmt.Sprint("healthy-", i)))
	}
	t.Cleanup(func() { close(never) })
	all := h.Start()
	p := h.Producer(all)
	for some := range slices.Chunk(typed("hanging", "hanging", queued), 500) {
		p.SendAs(batched, some...)
	}
	wait(t, patience, "the hanging endpoint holds what it may", func() bool {
		now, _ := h.Receiver.Opened(hanging)
		return now == share
	})
	h.openLoop(p, rounds, healthy)

	_, most := h.Receiver.Opened(hanging)
	require.LessOrEqual(t, most, share, "more than its share of the slots")
	for _, e := range h.Endpoints[1:] {
		require.Len(t, h.Receiver.Wait(e, rounds), rounds, "each of them, once")
	}
	late := h.latest("e.url NOT LIKE '%/hanging'")
	t.Logf("a healthy endpoint's latest attempt began %s after it was due, beside %d held back", late, h.UnderWay())
	require.Less(t, late, timeout/2, "a healthy endpoint's delivery waited as for a slot of the hanging one")
	require.Greater(t, h.UnderWay(), queued*9/10, "it hung all the while")
	wait(t, patience, "the circuit leaves one probe at a time", func() bool {
		now, _ := h.Receiver.Opened(hanging)
		return now == 1
	})
	h.CheckInvariants()
}

// ofType subscribes an endpoint to one type of events.
func ofType(name string) func(*endpoint) {
	return func(e *endpoint) {
		e.Types = []string{name}
		e.Wants = func(ce *cloudEvent) bool { return ce.EventType == name }
	}
}

// typed makes n events of a type.
func typed(name, eventType string, n int) []*cloudEvent {
	events := orders(name, n)
	for _, e := range events {
		e.EventType = eventType
	}
	return events
}

// openLoop sends 100 events a second, whatever becomes of them: in each round one to each of the healthy endpoints.
func (h *installation) openLoop(p *producer, rounds, healthy int) {
	h.T.Helper()
	const every = 10 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	var sending sync.WaitGroup
	for round := range rounds {
		for i := range healthy {
			<-tick.C
			name := fmt.Sprint("healthy-", i)
			sending.Go(func() { p.Send(typed(fmt.Sprint(name, "-", round), name, 1)...) })
		}
	}
	sending.Wait()
}

// latest is how long after its time the latest first attempt began, of the endpoints that a condition names.
func (h *installation) latest(condition string, args ...any) (late time.Duration) {
	h.T.Helper()
	query := `SELECT coalesce(max(coalesce(d.started_at, clock_timestamp()) - d.due_at), '0')
		FROM deliveries d JOIN endpoints e ON e.id = d.endpoint_id WHERE d.attempt_no <= 1 AND ` + condition
	require.NoError(h.T, h.SQL.QueryRow(h.T.Context(), query, args...).Scan(&late))
	return late
}

// TestSurvivesAFlood has one tenant flood the process while two others send 10 a second: theirs do not wait behind the
// flood, neither to be accepted nor to be delivered. It measures time, so it runs alone. (The load program floods
// with a million; this test with 100,000 deliveries, a thirtieth of which would already take longer than it allows.)
func TestSurvivesAFlood(t *testing.T) {
	const flooded, endpoints, quiet, each = 10_000, 10, 2, 60
	latency := func() time.Duration { return 100 * time.Millisecond }
	h := install(t, postgresAlone, "HOMING_SLOTS=60", "HOMING_LOG_LEVEL=info")
	for i := range endpoints {
		h.Subscribe(fmt.Sprint("flooded-", i), homingtest.Taking(latency, refusingOnce(0)))
	}
	all := h.Start()
	flood := h.Producer(all)
	flood.Patience = stormPatience
	var others []*tenant
	for i := range quiet {
		others = append(others, h.tenantOf(fmt.Sprint("quiet-", i), all))
	}
	var work sync.WaitGroup
	for i, some := range slices.Collect(slices.Chunk(orders("flood", flooded), flooded/4)) {
		work.Go(func() {
			for events := range slices.Chunk(some, 50+i) {
				flood.SendAs(batched, events...)
			}
		})
	}
	const behind = flooded * endpoints / 4
	wait(t, stormPatience, "the flood has risen", func() bool { return h.UnderWay() > behind })
	for _, o := range others {
		work.Go(func() { o.sendTenASecond(each) })
	}
	for _, o := range others {
		h.Receiver.WaitWithin(stormPatience, o.endpoint, each)
	}
	left := h.UnderWay()
	t.Logf("the flood has %d deliveries left when the others have all of theirs", left)
	require.Greater(t, left, behind/2, "the others' deliveries waited behind the flood")
	work.Wait()
	for _, o := range others {
		late := h.latest("e.tenant = $1", o.name)
		t.Logf("%s: accepted within %s, the latest attempt began %s after it was due", o.name, o.slowest, late)
		require.Less(t, max(late, o.slowest), 10*time.Second, "a thirtieth of what the flood takes")
	}
}

// tenant is another tenant, with one endpoint.
type tenant struct {
	*homingtest.Producer
	name     string
	endpoint *endpoint
	slowest  time.Duration // of the answers
}

// tenantOf makes a tenant that sends to a process.
func (h *installation) tenantOf(name string, to *process) *tenant {
	h.T.Helper()
	require.NoError(h.T, h.Store.CreateTenant(h.T.Context(), name))
	as := &homingtest.Installation{
		T: h.T, Settings: h.Settings, Tenant: name, SQL: h.SQL, Store: h.Store, Receiver: h.Receiver,
	}
	as.Key = as.CreateKey(time.Time{})
	e := as.Subscribe(name, nil)
	return &tenant{Producer: as.Producer(to), name: name, endpoint: e}
}

// sendTenASecond sends n events.
func (o *tenant) sendTenASecond(n int) {
	const every = 100 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for _, e := range orders(o.name, n) {
		<-tick.C
		began := time.Now()
		o.Send(e)
		o.slowest = max(o.slowest, time.Since(began))
	}
}
