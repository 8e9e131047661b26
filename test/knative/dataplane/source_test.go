//go:build faults

package dataplane_test

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	naming "knative.dev/eventing-rabbitmq/pkg/rabbitmqnaming"
	eventingv1 "knative.dev/eventing/pkg/apis/eventing/v1"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/test/homingtest"
)

// Producers' events come to ingest by a trigger, or by a RabbitmqSource on a queue of our own, which nacks what it
// could not hand over. docs/decisions/0018 decides between them by what TestSurvivesATriggerOrASource says.

// The queue of our own. What is nacked waits a second in the other queue, and comes back.
const (
	sourceQueue, waitingQueue       = "homing.events", "homing.events.waiting"
	sourceExchange, waitingExchange = "homing.events", "homing.events.waiting"
	waitingMillis                   = 1000
)

const eventsTrigger = "ingest-events"

// bySource takes the trigger of the producers' events away.
func bySource(m *manifests) {
	m.triggers = slices.DeleteFunc(m.triggers, func(tr *eventingv1.Trigger) bool { return tr.Name == eventsTrigger })
}

// lessPatient has the trigger give up soon, so that a test can outlast it: after 0.7 s instead of some seven minutes.
func lessPatient(m *manifests) {
	for _, tr := range m.triggers {
		if tr.Name == eventsTrigger {
			tr.Spec.Delivery.Retry, tr.Spec.Delivery.BackoffDelay = new(int32(2)), new("PT0.1S")
		}
	}
}

// runSource declares the queues, and runs the source's adapter with the environment that its controller gives it: as
// parallel and as patient as the trigger of lessPatient.
func (p *plane) runSource() *pod {
	p.T.Helper()
	conn, err := amqp091.Dial(p.rabbitMQ)
	require.NoError(p.T, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(p.T, err)
	queue := func(name, exchange, deadLetters string, args amqp091.Table) {
		args["x-queue-type"], args["x-dead-letter-exchange"] = "quorum", deadLetters
		args["x-dead-letter-strategy"], args["x-overflow"] = "at-least-once", "reject-publish"
		require.NoError(p.T, ch.ExchangeDeclare(exchange, "fanout", true, false, false, false, nil))
		_, err := ch.QueueDeclare(name, true, false, false, false, args)
		require.NoError(p.T, err)
		require.NoError(p.T, ch.QueueBind(name, "", exchange, false, nil))
	}
	queue(sourceQueue, sourceExchange, waitingExchange, amqp091.Table{})
	queue(waitingQueue, waitingExchange, sourceExchange, amqp091.Table{"x-message-ttl": waitingMillis})
	broker := naming.BrokerExchangeName(p.brokers[bus.BrokerEvents], false)
	require.NoError(p.T, ch.ExchangeBind(sourceExchange, "", broker, false, amqp091.Table{"x-match": "all"}))
	// The address of no API server: the adapter wants one named, and asks it nothing.
	return runPod(p.T, "events-source", "receive_adapter", []string{
		"RABBIT_URL=" + p.rabbitMQ, "RABBITMQ_QUEUE_NAME=" + sourceQueue, "RABBITMQ_PREDECLARED=true",
		fmt.Sprint("RABBITMQ_CHANNEL_PARALLELISM=", inFlight), "K_SINK=http://" + p.routes["ingest-broker"].address + "/",
		"NAME=events", "NAMESPACE=homing", "K_LOGGING_CONFIG={}", "K_OBSERVABILITY_CONFIG={}",
		"HTTP_SENDER_RETRY=2", "HTTP_SENDER_BACKOFF_POLICY=exponential", "HTTP_SENDER_BACKOFF_DELAY=PT0.1S",
	}, "-server", "http://"+homingtest.Nobody)
}

// TestSurvivesATriggerOrASource measures what is lost of events that were not stored yet, and how fast they come.
func TestSurvivesATriggerOrASource(t *testing.T) {
	for name, bySourceToo := range map[string]bool{"Trigger": false, "Source": true} {
		t.Run(name, func(t *testing.T) {
			change := lessPatient
			if bySourceToo {
				change = bySource
			}
			p := deploy(t, on{change: change})
			carrier := p.pods[eventsTrigger+"-dispatcher"]
			if bySourceToo {
				carrier = p.runSource()
			}
			p.Subscribe("steady", nil)
			lost := map[string]int{}
			lost["ingest away for 10 s"] = p.outage(func() {
				const away = 10 * time.Second
				p.functions["ingest-broker"].Stop()
				homingtest.Elapse(t, away)
				p.run("ingest-broker")
			})
			lost["ingest killed"] = p.outage(func() { p.kill("ingest-broker") })
			for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
				lost["carrier ended by "+signal.String()] = p.outage(func() {
					p.routes["ingest-broker"].slow(2 * time.Second)
					p.waitForInFlight("ingest-broker")
					carrier.signal(signal)
					p.routes["ingest-broker"].slow(0)
				})
			}
			t.Logf("lost of %d each: %v", outageEvents, lost)
			t.Logf("%.0f events a second", p.throughput(carrier))
			if bySourceToo {
				for what, n := range lost {
					require.Zero(t, n, "by the source: %s", what)
				}
			}
			require.Zero(t, lost["ingest killed"], "what a trigger or a source can try again is not lost")
		})
	}
}

const outageEvents = 400

// outage breaks something while events come through the broker, and returns how many never came.
func (p *plane) outage(breaks func()) (lost int) {
	p.T.Helper()
	tr := p.produce(0, 0)
	p.outages++
	p.More(tr, fmt.Sprint("outage-", p.outages), 0, outageEvents)
	tr.During(breaks)
	p.end(tr)
	stored := p.Count("SELECT count(*) FROM events WHERE ce_id LIKE $1", fmt.Sprintf("outage-%d-%%", p.outages))
	return len(tr.Accepted) - stored
}

// throughput fills the queue while nobody takes from it, and returns how many events a second are stored then.
func (p *plane) throughput(carrier *pod) float64 {
	p.T.Helper()
	const events = 4000
	carrier.send(syscall.SIGSTOP)
	tr := p.produce(0, 0)
	p.More(tr, "throughput", 0, events)
	tr.Work.Wait()
	before := p.Stored()
	carrier.send(syscall.SIGCONT)
	began := time.Now()
	homingtest.Wait(p.T, homingtest.StormPatience, "all are stored", func() bool { return p.Stored() >= before+events })
	return events / time.Since(began).Seconds()
}
