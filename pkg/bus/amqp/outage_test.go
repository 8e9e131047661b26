package amqp_test

import (
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/bus/amqp"
	"github.com/homing-hooks/homing/pkg/testenv"
)

// arrives publishes until an event of its own has been taken.
func arrives(t *testing.T, b *amqp.Bus, broker, id string, ids <-chan string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		_ = b.Publish(t.Context(), broker, newEvent(id))
		for {
			select {
			case got := <-ids:
				if got == id {
					return
				}
				continue
			case <-time.After(50 * time.Millisecond):
			}
			break
		}
	}
	require.FailNow(t, "nothing arrives", id)
}

func TestHealsAfterQueuesAndExchangesAreDeleted(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	b := newBus(t, url, amqp.Config{})
	hinted, ingested := collect(t, b, hints), collect(t, b, events)
	arrives(t, b, bus.BrokerDeliveries, "first", hinted)
	arrives(t, b, bus.BrokerEvents, "first", ingested)

	raw(t, url, func(ch *amqp091.Channel) error {
		_, err := ch.QueuePurge(hintsQueue, false)
		return err
	})
	arrives(t, b, bus.BrokerDeliveries, "after a purge", hinted)

	raw(t, url, func(ch *amqp091.Channel) error {
		for _, queue := range []string{hintsQueue, eventsQueue} {
			if _, err := ch.QueueDelete(queue, false, false, false); err != nil {
				return err
			}
		}
		return nil
	})
	arrives(t, b, bus.BrokerDeliveries, "after the queue", hinted)
	arrives(t, b, bus.BrokerEvents, "after the queue", ingested)

	raw(t, url, func(ch *amqp091.Channel) error {
		if err := ch.ExchangeDelete("homing.events", false, false); err != nil {
			return err
		}
		_, err := ch.QueueDelete(eventsQueue, false, false, false)
		return err
	})
	arrives(t, b, bus.BrokerEvents, "after the exchange", ingested)
}

func TestRabbitMQMayBeAway(t *testing.T) {
	t.Parallel()
	server := testenv.OwnRabbitMQ(t)
	// The durable queue is made before, and the server stopped in its orderly way: a quorum queue that is seconds old
	// does not survive a crash.
	earlier := newBus(t, server.URL, amqp.Config{})
	arrives(t, earlier, bus.BrokerEvents, "at first", collect(t, earlier, events))
	require.NoError(t, earlier.Close(t.Context()))
	server.Stop()
	b := newBus(t, server.URL, amqp.Config{PublishWait: patience})
	began := time.Now()
	hinted, ingested := collect(t, b, hints), collect(t, b, events)
	for range 3 {
		require.ErrorIs(t, b.Publish(t.Context(), bus.BrokerEvents, newEvent("away")), bus.ErrUnavailable)
	}
	require.Less(t, time.Since(began), patience, "nothing waits for a server that is not there")

	server.Start()
	arrives(t, b, bus.BrokerDeliveries, "after the start", hinted)
	arrives(t, b, bus.BrokerEvents, "after the start", ingested)

	// What is in a durable queue outlives the server; nobody subscribes meanwhile.
	require.NoError(t, b.Drain(t.Context()))
	publisher := newBus(t, server.URL, amqp.Config{})
	require.NoError(t, publisher.Publish(t.Context(), bus.BrokerEvents, newEvent("kept")))
	server.Kill()
	require.Eventually(t, func() bool {
		return publisher.Publish(t.Context(), bus.BrokerEvents, newEvent("away")) != nil
	}, patience, time.Millisecond)
	server.Start()
	again := newBus(t, server.URL, amqp.Config{})
	ids := collect(t, again, events)
	for got := ""; got != "kept"; got = recv(t, ids) {
		t.Logf("received %q", got)
	}
	hinted = collect(t, again, hints)
	arrives(t, publisher, bus.BrokerDeliveries, "after the crash", hinted)
}
