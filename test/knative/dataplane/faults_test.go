package dataplane_test

import (
	"os"
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
			p.SubscribeForStorm()
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

// TestSlowEndpointsLeaveTheDispatcherFree: endpoints that do not answer at all have more hints than a dispatcher may
// hand over at once. Those of the healthy endpoint pass by all the same, every one, while the slow hang.
func TestSlowEndpointsLeaveTheDispatcherFree(t *testing.T) {
	const slow, healthy = 3 * inFlight, 200
	// The attempts outlast the test, as those of 10 s outlast everything else; the hold budget is what matters.
	p := deploy(t, on{settings: []string{
		"HOMING_ATTEMPT_TIMEOUT=60s", "HOMING_SHUTDOWN_TIMEOUT=90s", "HOMING_HOLD_BUDGET=2s", "HOMING_SLOTS=800",
	}})
	answers := make(chan struct{})
	isSlow := func(e *homingtest.CloudEvent) bool { return e.EventType == "slow" }
	hanging := func(*homingtest.Post) homingtest.Reply { return homingtest.Reply{Hold: answers} }
	for _, name := range []string{"slow-1", "slow-2"} {
		p.Subscribe(name, hanging, func(e *homingtest.Endpoint) {
			e.Types, e.Wants = []string{"slow"}, isSlow
		})
	}
	well := p.Subscribe("healthy", nil, func(e *homingtest.Endpoint) {
		e.Types, e.Wants = []string{"order.paid"}, func(c *homingtest.CloudEvent) bool { return !isSlow(c) }
	})
	tr := p.produce(0, 0)
	for _, e := range homingtest.Orders("alone", healthy) {
		tr.Send(e)
	}
	began := time.Now()
	p.Receiver.Wait(well, healthy)
	alone := time.Since(began)
	hints := homingtest.Orders("slow", slow)
	for _, e := range hints {
		e.EventType = "slow"
		tr.Send(e) // each is a hint of its own
	}
	for _, e := range homingtest.Orders("beside", healthy) {
		tr.Send(e)
	}
	began = time.Now()
	p.Receiver.Wait(well, 2*healthy)
	t.Logf("the last of %d healthy arrived %s after it was sent, and %s beside the slow", healthy, alone,
		time.Since(began))
	open := p.Count("SELECT count(*) FROM deliveries d JOIN events e ON e.id = d.event_id WHERE e.type = 'slow' " +
		"AND d.wake_at IS NOT NULL")
	require.Equal(t, 2*slow, open, "none of the slow has been answered")
	close(answers)
	p.survive(tr)
}

// withoutDeadLetters takes the dead-letter sinks away.
func withoutDeadLetters(m *manifests) {
	for _, tr := range m.triggers {
		tr.Spec.Delivery.DeadLetterSink = nil
	}
}
