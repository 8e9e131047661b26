package knative_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/bus/bustest"
	"github.com/homing-hooks/homing/pkg/bus/knative"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// process is a function: its bus, and the address where the triggers reach it.
type process struct {
	*knative.Bus
	brokers map[string]*bustest.StandIn
	server  *httptest.Server
}

// Subscribe makes the trigger too, as eventing/ does for a cluster.
func (p *process) Subscribe(s bus.Subscription, h bus.Handler) error {
	if err := p.Bus.Subscribe(s, h); err != nil {
		return err
	}
	p.brokers[s.Broker].AddTrigger(s, p.server.URL)
	return nil
}

const tries = 6

func open(t testing.TB) bustest.Harness {
	brokers := map[string]*bustest.StandIn{}
	sinks := map[string]string{}
	for _, name := range []string{bus.BrokerEvents, bus.BrokerDeliveries} {
		broker := bustest.NewStandIn(tries-1, time.Millisecond)
		t.Cleanup(broker.Close)
		brokers[name], sinks[name] = broker, broker.URL()
	}
	return bustest.Harness{Tries: tries, Join: func(t testing.TB) bus.Bus {
		b, err := knative.New(knative.Config{Sinks: sinks})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(b.Handler())
		t.Cleanup(func() {
			_ = b.Close(context.Background())
			server.Close()
		})
		return &process{Bus: b, brokers: brokers, server: server}
	}}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	bustest.Run(t, open)
}

func Benchmark(b *testing.B) { bustest.Bench(b, open) }
