package dataplane_test

import (
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/test/homingtest"
)

// inFlight is how many messages a dispatcher hands over at once, and how many RabbitMQ gives it at most.
const inFlight = 100

// waitForInFlight waits until a service holds as many requests as its dispatcher may hand over.
func (p *plane) waitForInFlight(service string) {
	p.T.Helper()
	homingtest.Wait(p.T, homingtest.Patience, service+" holds all that its dispatcher hands over", func() bool {
		return p.routes[service].underWay() >= inFlight
	})
}

// TestDispatchersAreEnded ends the dispatcher of the producers' events while it has 100 in flight, and that of the
// hints, once as a rollout does and once as a crash does.
func TestDispatchersAreEnded(t *testing.T) {
	for name, signal := range map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "SIGKILL": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			p := deploy(t, on{settings: []string{"HOMING_HOLD_BUDGET=4s"}})
			p.SubscribeForStorm(homingtest.Latency)
			const brokered = 320
			tr := p.produce(0, 0)
			p.routes["ingest-broker"].slow(2 * time.Second)
			p.More(tr, "events", 160, brokered)
			p.waitForInFlight("ingest-broker")
			tr.During(func() { p.pods["ingest-events-dispatcher"].signal(signal) })
			p.routes["ingest-broker"].slow(0)
			p.routes["deliver"].slow(2 * time.Second)
			p.pods["deliver-due-0-dispatcher"].signal(signal)
			p.routes["deliver"].slow(0)
			l := p.survive(tr)
			require.Equal(t, 160, l.Direct.Events)
			require.Equal(t, brokered, l.Stored.Events+l.Unstored.Events)
		})
	}
}

// TestSlowEndpointsLeaveTheDispatcherFree: more endpoints than a dispatcher has places have a hint each, and do not
// answer at all. The hints of the healthy endpoint pass by all the same, every one, while the slow hang: deliver
// answers a hint after its hold budget, long before the dispatcher would give up (after four tries of 10 s).
func TestSlowEndpointsLeaveTheDispatcherFree(t *testing.T) {
	const slow, healthy, soon = inFlight * 3 / 2, 200, 30 * time.Second
	p := deploy(t, on{settings: []string{
		"HOMING_ATTEMPT_TIMEOUT=90s", "HOMING_SHUTDOWN_TIMEOUT=120s", "HOMING_HOLD_BUDGET=2s", "HOMING_SLOTS=800",
	}})
	answers := make(chan struct{})
	answer := sync.OnceFunc(func() { close(answers) })
	typed := func(eventType string) func(*homingtest.Endpoint) {
		return func(e *homingtest.Endpoint) {
			e.Types = []string{eventType}
			e.Wants = func(c *homingtest.CloudEvent) bool { return c.EventType == eventType }
		}
	}
	hanging := homingtest.Orders("slow", slow)
	for _, e := range hanging {
		e.EventType = e.ID
		p.Subscribe(e.ID, func(*homingtest.Post) homingtest.Reply { return homingtest.Reply{Hold: answers} }, typed(e.ID))
	}
	t.Cleanup(answer) // or deliver would not end before its attempts
	well := p.Subscribe("healthy", nil, typed("order.paid"))
	tr := p.produce(0, 0)
	tr.Send(homingtest.Orders("alone", healthy)...)
	began := time.Now()
	p.Receiver.Wait(well, healthy)
	alone := time.Since(began)
	tr.Send(hanging...) // each is a hint of its own
	tr.Send(homingtest.Orders("beside", healthy)...)
	began = time.Now()
	p.Receiver.WaitWithin(soon, well, 2*healthy)
	t.Logf("the last of %d healthy arrived %s after it was sent, and %s beside the slow", healthy, alone,
		time.Since(began))
	hang := p.Count(`SELECT count(*) FROM deliveries d JOIN events e ON e.id = d.event_id
		WHERE e.type LIKE 'slow-%' AND d.wake_at IS NOT NULL`)
	require.Equal(t, slow, hang, "none of the slow has been answered")
	answer()
	p.survive(tr)
}

// withoutDeadLetters takes the dead-letter sinks away.
func withoutDeadLetters(m *manifests) {
	for _, tr := range m.triggers {
		tr.Spec.Delivery.DeadLetterSink = nil
	}
}
