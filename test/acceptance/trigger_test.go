package acceptance_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/bus/amqp"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/wire"
	"github.com/homing-hooks/homing/test/homingtest"
)

// TestATriggerThatNobodyMade has hints go nowhere, because a trigger is missing or the hints are of partitions that no
// trigger knows: everything is delivered late, by the reconciler, and nothing is lost.
func TestATriggerThatNobodyMade(t *testing.T) {
	t.Parallel()
	t.Run("OfMostPartitions", func(t *testing.T) {
		t.Parallel()
		h := install(t, allServices, quick)
		for i := range 8 {
			h.Subscribe(fmt.Sprint("endpoint-", i), nil)
		}
		rest := h.Start(config.FunctionDeliver, config.FunctionRetry)
		h.Set("HOMING_PARTITIONS=16") // which it should be for all functions
		p := h.Producer(h.Start(config.FunctionIngest))
		p.Send(orders("astray", retried)...)
		h.SettleWithin(promised(h.Config(), 0), p)
		require.Equal(t, balance{Expected: 8 * retried}, h.Settle(p))
		require.Positive(t, rest.Metric("homing_retry_reconciled_total", "action", "hint"), "no hint went astray")
	})
	for name, c := range map[string]struct {
		trigger string
		due     time.Duration // of the last attempt
		astray  func(t *testing.T, all *process)
	}{
		"OfWhatIsDue": {
			trigger: "deliver-due-0",
			astray: func(t *testing.T, all *process) {
				require.Positive(t, all.Metric("homing_retry_reconciled_total", "action", "hint"), "no hint went astray")
			},
		},
		// Deliver may find what is due again by itself, while it works on others of the endpoint: then there is nothing left
		// to reconcile. But retry is told of nothing.
		"OfWhatIsRescheduled": {
			trigger: "retry-rescheduled",
			due:     time.Second,
			astray: func(t *testing.T, all *process) {
				require.Equal(t, all.Metric("homing_retry_reconciled_total", "action", "timer"),
					all.Metric("homing_retry_timers_set_total"), "timers that the reconciler did not ask for")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := install(t, allServices, quick)
			h.Subscribe("flaky", failing(1, http.StatusInternalServerError))
			all := h.Start()
			h.unbind(c.trigger)
			p := h.Producer(all)
			p.Send(orders("astray", retried)...)
			h.SettleWithin(2*promised(h.Config(), c.due), p) // each attempt's hint is lost
			require.Equal(t, balance{Expected: retried}, h.Settle(p))
			c.astray(t, all)
		})
	}
}

// TestEveryPartitionIsDeliveredAtOnce: outside Knative each partition has its subscription by the setting alone, and
// nothing waits for the reconciler.
func TestEveryPartitionIsDeliveredAtOnce(t *testing.T) {
	t.Parallel()
	const partitions = 3
	for name, s := range map[string]homingtest.Services{"InMemory": postgresAlone, "OverRabbitMQ": allServices} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := install(t, s, append(reconcilerOff, fmt.Sprint("HOMING_PARTITIONS=", partitions))...)
			of := make(map[int]bool)
			for len(of) < partitions {
				e := h.Subscribe(fmt.Sprint("endpoint-", len(h.Endpoints)), failing(1, http.StatusBadGateway))
				of[wire.PartitionOf(e.ID, partitions)] = true
			}
			all := h.Start()
			p := h.Producer(all)
			p.Send(orders("divided", 5)...)
			require.Equal(t, balance{Expected: 5 * len(h.Endpoints)}, h.Settle(p))
			require.Zero(t, all.Metric("homing_retry_reconciled_total"))
		})
	}
}

// unbind takes a trigger away: its queue gets nothing more.
func (h *installation) unbind(trigger string) {
	h.T.Helper()
	ch, closeAll := h.RabbitMQ()
	defer closeAll()
	for _, tr := range h.Triggers() {
		if tr.Name != trigger {
			continue
		}
		binding := amqp091.Table{"x-match": "all"}
		for name, value := range tr.Filter {
			binding[name] = value
		}
		require.NoError(h.T, ch.QueueUnbind(queueOf(tr), "", amqp.PrefixDefault+"."+tr.Broker, binding))
	}
}
