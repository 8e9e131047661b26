package acceptance_test

import (
	"context"
	"slices"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/eventing"
	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/bus/amqp"
	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
	"github.com/homing-hooks/homing/pkg/config"
)

// exchange and queue names are part of what RabbitMQ's operators see.
func queueOf(t eventing.Trigger) string { return amqp.PrefixDefault + "." + t.Broker + "." + t.Name }

// triggers are those that end at one of the functions; at any, when none is named.
func (h *installation) triggers(of ...config.Function) []eventing.Trigger {
	h.t.Helper()
	all, err := eventing.Triggers(h.config().Services.Partitions)
	require.NoError(h.t, err)
	return slices.DeleteFunc(slices.Clone(all), func(tr eventing.Trigger) bool {
		return len(of) > 0 && !slices.Contains(of, config.Function(tr.Subscriber))
	})
}

// rabbitMQ opens a channel of the test's own; closed tells when RabbitMQ has closed it, as it does after an error.
func (h *installation) rabbitMQ() (ch *amqp091.Channel, closeAll func()) {
	h.t.Helper()
	conn, err := amqp091.Dial(h.settings["RABBITMQ_URL"])
	require.NoError(h.t, err)
	ch, err = conn.Channel()
	require.NoError(h.t, err)
	return ch, func() { _ = conn.Close() }
}

// waitForQueues waits until the queues of the functions' triggers are consumed: a hint that is said before a queue is
// bound is lost, which is allowed, and makes what follows slow. Without RabbitMQ there is nothing to wait for.
func (h *installation) waitForQueues(of ...config.Function) {
	h.t.Helper()
	if h.settings["RABBITMQ_URL"] == "" {
		return
	}
	for _, trigger := range h.triggers(of...) {
		wait(h.t, patience, "a consumer of "+queueOf(trigger), func() bool {
			ch, closeAll := h.rabbitMQ()
			defer closeAll()
			q, err := ch.QueueDeclarePassive(queueOf(trigger), true, false, false, false, nil)
			return err == nil && q.Consumers > 0
		})
	}
}

// purge empties the queues of hints, and returns how many there were.
func (h *installation) purge() int {
	h.t.Helper()
	ch, closeAll := h.rabbitMQ()
	defer closeAll()
	purged := 0
	for _, trigger := range h.triggers() {
		if trigger.Broker != bus.BrokerDeliveries {
			continue
		}
		n, err := ch.QueuePurge(queueOf(trigger), false)
		require.NoError(h.t, err)
		purged += n
	}
	return purged
}

// waiting returns how many hints wait in a queue for a function.
func (h *installation) waiting(f config.Function) int {
	h.t.Helper()
	ch, closeAll := h.rabbitMQ()
	defer closeAll()
	n := 0
	for _, trigger := range h.triggers(f) {
		q, err := ch.QueueDeclarePassive(queueOf(trigger), true, false, false, false, nil)
		require.NoError(h.t, err)
		n += q.Messages
	}
	return n
}

// broker publishes events to the events broker, as its ingress does for producers in the cluster.
func (h *installation) broker() *amqp.Bus {
	h.t.Helper()
	b, err := amqp.New(amqp.Config{Link: link.Config{URL: h.settings["RABBITMQ_URL"], Name: "acceptance"}})
	require.NoError(h.t, err)
	h.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(h.t, b.Close(ctx))
	})
	return b
}

// publishUndecodable publishes a message to the events broker that is no CloudEvent.
func (h *installation) publishUndecodable(body string) {
	h.t.Helper()
	ch, closeAll := h.rabbitMQ()
	defer closeAll()
	require.NoError(h.t, ch.PublishWithContext(h.t.Context(), amqp.PrefixDefault+"."+bus.BrokerEvents, "", true, false,
		amqp091.Publishing{Headers: amqp091.Table{"type": "order.paid"}, Body: []byte(body)}))
}
