package dataplane_test

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	eventingv1 "knative.dev/eventing/pkg/apis/eventing/v1"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/bus/knative"
	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/pkg/wire"
	"github.com/homing-hooks/homing/test/homingtest"
)

// services are Homing's as Knative knows them: what runs in each, with the settings that are its own. Those that need
// no RabbitMQ do not get it.
var services = map[string]struct {
	program  string
	settings []string
	user     string // of RabbitMQ
}{
	"ingest":        {program: "ingest", settings: []string{"HOMING_INGEST_FACE=public"}},
	"ingest-broker": {program: "ingest", settings: []string{"HOMING_INGEST_FACE=broker"}, user: "parked-ingest"},
	"deliver":       {program: "deliver"},
	"retry":         {program: "retry", user: "parked-retry"},
}

// plane is a Homing on the broker's data plane.
type plane struct {
	*homingtest.Installation
	manifests
	own on // servers that are this plane's alone

	rabbitMQ, management string                         // URLs
	observability        string                         // K_OBSERVABILITY_CONFIG of everything
	routes               map[string]*route              // by service
	functions            map[string]*homingtest.Process // by service
	settings             map[string][]string            // by service
	ingresses            map[string]string              // host:port by broker
	users                map[string]string              // URLs of RabbitMQ by name of the manifest
	pods                 map[string]*pod                // by name of the Deployment

	stored  int // how many events were, when traffic was begun
	outages int // that there were, see outage
	purged  int // events, of those of which nobody else had a copy
}

// on is what a plane runs on; nothing means the shared services.
type on struct {
	rabbitMQ *testenv.Server
	postgres *testenv.Server
	redis    *testenv.Server
	settings []string
	// parking is the URL of the RabbitMQ to park in, when it is another than the broker's.
	parking string
	// change, when not nil, changes the manifests.
	change func(m *manifests)
	// observability is K_OBSERVABILITY_CONFIG.
	observability string
}

// deploy makes an installation, wires the broker as the manifests say, and starts everything. Slots are few enough that
// a backlog stands.
func deploy(t testing.TB, o on) *plane {
	t.Helper()
	p := &plane{
		own: o, manifests: readManifests(t), observability: o.observability, pods: make(map[string]*pod),
		routes: make(map[string]*route), functions: make(map[string]*homingtest.Process),
		settings: make(map[string][]string), ingresses: make(map[string]string), users: make(map[string]string),
	}
	if o.observability == "" { // not JSON: the dispatcher would crash on SIGTERM
		p.observability = "{}"
	}
	if o.change != nil {
		o.change(&p.manifests)
	}
	p.install(t, o)
	p.declare(t, p.rabbitMQ, p.management)
	p.admit()
	for name, broker := range p.brokers {
		address := homingtest.OwnAddress(t)
		p.ingresses[name] = address
		_, port, err := net.SplitHostPort(address)
		require.NoError(t, err)
		env := append(ingressEnv(broker, p.rabbitMQ), "PORT="+port, "K_OBSERVABILITY_CONFIG="+p.observability)
		p.pods[name+"-broker-ingress"] = runPod(t, name+"-broker-ingress", "ingress", env)
	}
	p.waitForIngresses()
	for name := range services {
		p.place(name)
		p.run(name)
	}
	for _, tr := range p.triggers {
		p.dispatch(tr)
	}
	p.waitForDispatchers()
	p.tick()
	return p
}

// install makes the installation, and the way in for producers' events.
func (p *plane) install(t testing.TB, o on) {
	t.Helper()
	settings := homingtest.StormSettings(append([]string{"HOMING_LOG_LEVEL=info"}, o.settings...))
	if o.redis != nil {
		settings = append(settings, "REDIS_URL="+o.redis.URL)
	}
	if o.postgres != nil {
		require.NoError(t, homingtest.Migrate(t.Context(), o.postgres.URL))
		p.Installation = homingtest.InstallOn(t, o.postgres.URL, homingtest.WithRedis, settings...)
	} else {
		p.Installation = homingtest.Install(t, homingtest.WithRedis, settings...)
	}
	if o.rabbitMQ != nil {
		p.rabbitMQ, p.management = o.rabbitMQ.URL, o.rabbitMQ.ManagementURL
	} else {
		p.rabbitMQ, p.management = testenv.RabbitMQ(t), testenv.RabbitMQManagement(t)
	}
	p.Set("K_OBSERVABILITY_CONFIG=" + p.observability)
}

// waitForIngresses waits until they listen, and makes the way to them.
func (p *plane) waitForIngresses() {
	p.T.Helper()
	for broker, address := range p.ingresses {
		homingtest.Wait(p.T, homingtest.Patience, "the ingress of "+broker+" listens", func() bool {
			c, err := net.Dial("tcp", address)
			if err == nil {
				_ = c.Close()
			}
			return err == nil
		})
	}
	b, err := knative.New(knative.Config{
		Sinks: map[string]string{bus.BrokerEvents: "http://" + p.ingresses[bus.BrokerEvents]},
		// A producer of the broker's sends again what it was not answered, on a connection of its own.
		Transport: &http.Transport{DisableKeepAlives: true},
	})
	require.NoError(p.T, err)
	p.T.Cleanup(func() { _ = b.Close(p.T.Context()) }) // it publishes nothing on its own
	p.Events = b
}

// place gives a service its addresses, and makes the way to it.
func (p *plane) place(service string) {
	p.T.Helper()
	listen, scrapes := homingtest.OwnAddress(p.T), homingtest.OwnAddress(p.T)
	p.settings[service] = append([]string{
		"K_SERVICE=" + service, "K_SINK=http://" + p.ingresses[bus.BrokerDeliveries],
		"HOMING_LISTEN=" + listen, "HOMING_METRICS_LISTEN=" + scrapes, "RABBITMQ_URL=", "HOMING_INGEST_FACE=",
	}, services[service].settings...)
	if services[service].user != "" {
		rabbitMQ := cmp.Or(p.own.parking, p.users[services[service].user])
		p.settings[service] = append(p.settings[service], "RABBITMQ_URL="+rabbitMQ)
	}
	p.routes[service] = newRoute(p.T, listen)
}

// run starts a process of a service, at the address of the one before.
func (p *plane) run(service string) *homingtest.Process {
	p.T.Helper()
	before := maps.Clone(p.Settings)
	defer func() { p.Settings = before }()
	p.Set(p.settings[service]...)
	process := p.Spawn(services[service].program)
	process.Scrapes = "http://" + p.Settings["HOMING_METRICS_LISTEN"]
	p.functions[service] = process
	return process
}

// kill kills a service's process and starts another.
func (p *plane) kill(service string) {
	p.T.Helper()
	p.functions[service].Kill()
	p.run(service)
}

// dispatch runs a trigger's dispatcher, and that of its dead letters.
func (p *plane) dispatch(tr *eventingv1.Trigger) {
	p.T.Helper()
	ingress := p.ingresses[tr.Spec.Broker]
	to := func(service string) string { return p.routes[service].address }
	observability := "K_OBSERVABILITY_CONFIG=" + p.observability
	name := tr.Name + "-dispatcher"
	env := p.dispatcherEnv(tr, false, to(tr.Spec.Subscriber.Ref.Name), ingress, p.rabbitMQ)
	p.pods[name] = runPod(p.T, name, "dispatcher", append(env, observability))
	if tr.Spec.Delivery == nil || tr.Spec.Delivery.DeadLetterSink == nil {
		return
	}
	name = tr.Name + "-dlx-dispatcher"
	env = p.dispatcherEnv(tr, true, to(tr.Spec.Delivery.DeadLetterSink.Ref.Name), ingress, p.rabbitMQ)
	p.pods[name] = runPod(p.T, name, "dispatcher", append(env, observability))
}

// queueNames are the names of all of them: of triggers, and of their dead letters.
func (p *plane) queueNames() (all []string) {
	for _, tr := range p.triggers {
		all = append(all, p.queueOf(tr))
		if tr.Spec.Delivery != nil && tr.Spec.Delivery.DeadLetterSink != nil {
			_, dead := deadLettersOf(tr)
			all = append(all, dead)
		}
	}
	return all
}

// waitForDispatchers waits until every queue is consumed.
func (p *plane) waitForDispatchers() {
	p.T.Helper()
	for _, queue := range p.queueNames() {
		homingtest.Wait(p.T, homingtest.Patience, "a consumer of "+queue, func() bool {
			conn, err := amqp091.Dial(p.rabbitMQ)
			if err != nil {
				return false
			}
			defer conn.Close()
			ch, err := conn.Channel()
			if err != nil {
				return false
			}
			q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
			return err == nil && q.Consumers > 0
		})
	}
}

// purge empties every queue, and returns how many of a producer's events there were, and of hints.
func (p *plane) purge() (events, hints int) {
	p.T.Helper()
	conn, err := amqp091.Dial(p.rabbitMQ)
	require.NoError(p.T, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(p.T, err)
	for _, tr := range p.triggers {
		n, err := ch.QueuePurge(p.queueOf(tr), false)
		require.NoError(p.T, err)
		if tr.Spec.Broker == bus.BrokerEvents {
			events += n
		} else {
			hints += n
		}
	}
	return events, hints
}

// tick posts what the PingSource does, once a second until the test ends. As there, one that fails is lost.
func (p *plane) tick() {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(time.Second) // HOMING_TICK of the installation
		defer ticker.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-ticker.C:
				p.post(n)
			}
		}
	}()
	p.T.Cleanup(func() {
		close(stop)
		<-done
	})
}

func (p *plane) post(n int) {
	req, err := http.NewRequest(http.MethodPost, "http://"+p.routes["retry"].address+"/", strings.NewReader("{}"))
	if err != nil {
		p.T.Errorf("tick: %v", err)
		return
	}
	for name, value := range map[string]string{
		"Ce-Specversion": "1.0", "Ce-Type": wire.TypeTick, "Ce-Id": fmt.Sprint("tick-", n),
		"Ce-Source": "/apis/v1/namespaces/homing/pingsources/tick", "Content-Type": "application/json",
	} {
		req.Header.Set(name, value)
	}
	if res, err := homingtest.Client.Do(req); err == nil {
		_ = res.Body.Close()
	}
}

// produce has direct events sent to the public face, and brokered ones to the ingress.
func (p *plane) produce(direct, brokered int) *homingtest.Traffic {
	p.T.Helper()
	p.stored = p.Stored()
	return p.Produce(p.functions["ingest"], direct, brokered)
}

// survive waits until what was accepted has come to its end, or is nowhere any more, and checks the books.
func (p *plane) survive(tr *homingtest.Traffic) homingtest.Ledger {
	p.T.Helper()
	p.end(tr)
	return p.Check(tr)
}

// end waits until what was accepted has come to its end, or is nowhere any more.
func (p *plane) end(tr *homingtest.Traffic) {
	p.T.Helper()
	tr.Work.Wait()
	began, due := time.Now(), p.stored+len(tr.Accepted)
	// RabbitMQ's numbers are up to 5 s old: a loss is one only when nothing has changed for longer.
	const old = 15 * time.Second
	since, before := time.Now(), ""
	homingtest.Wait(p.T, homingtest.StormPatience, "everything has come to its end", func() bool {
		stored, open := p.Stored(), p.UnderWay()
		if stored >= due && open == 0 {
			return true
		}
		if now := fmt.Sprint(stored, open, p.messages()); now != before {
			since, before = time.Now(), now
		}
		return open == 0 && p.messages() == 0 && time.Since(since) > old
	})
	p.T.Logf("all has come to its end %s after the last was sent", time.Since(began).Round(time.Millisecond))
}

// messages is how many messages the queues hold, those under way included, and what is parked.
func (p *plane) messages() (n int) {
	p.T.Helper()
	var queues []struct {
		Messages int `json:"messages"`
	}
	manage(p.T, http.MethodGet, p.management+"/api/queues/"+vhostOf(p.T, p.rabbitMQ), nil, &queues)
	for _, q := range queues {
		n += q.Messages
	}
	return n
}
