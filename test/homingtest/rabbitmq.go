package homingtest

import (
	"context"
	"slices"

	"github.com/cloudevents/sdk-go/v2/event"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/eventing"
	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/bus/amqp"
	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
	"github.com/homing-hooks/homing/pkg/config"
)

// QueueOf is the name of a trigger's queue outside Knative: it is part of what RabbitMQ's operators see.
func QueueOf(t eventing.Trigger) string { return amqp.PrefixDefault + "." + t.Broker + "." + t.Name }

// Triggers are those that end at one of the functions; at any, when none is named.
func (h *Installation) Triggers(of ...config.Function) []eventing.Trigger {
	h.T.Helper()
	all, err := eventing.Triggers(h.Config().Services.Partitions)
	require.NoError(h.T, err)
	return slices.DeleteFunc(slices.Clone(all), func(tr eventing.Trigger) bool {
		return len(of) > 0 && !slices.Contains(of, config.Function(tr.Subscriber))
	})
}

// RabbitMQ opens a channel of the test's own; closed tells when RabbitMQ has closed it, as it does after an error.
func (h *Installation) RabbitMQ() (ch *amqp091.Channel, closeAll func()) {
	h.T.Helper()
	conn, err := amqp091.Dial(h.Settings["RABBITMQ_URL"])
	require.NoError(h.T, err)
	ch, err = conn.Channel()
	require.NoError(h.T, err)
	return ch, func() { _ = conn.Close() }
}

// WaitForQueues waits until the queues of the functions' triggers are consumed: a hint that is said before a queue is
// bound is lost, which is allowed, and makes what follows slow. Without RabbitMQ there is nothing to wait for.
func (h *Installation) WaitForQueues(of ...config.Function) {
	h.T.Helper()
	if h.Settings["RABBITMQ_URL"] == "" {
		return
	}
	for _, trigger := range h.Triggers(of...) {
		Wait(h.T, Patience, "a consumer of "+QueueOf(trigger), func() bool {
			ch, closeAll := h.RabbitMQ()
			defer closeAll()
			q, err := ch.QueueDeclarePassive(QueueOf(trigger), true, false, false, false, nil)
			return err == nil && q.Consumers > 0
		})
	}
}

// Purge empties the queues of hints, and returns how many there were.
func (h *Installation) Purge() int {
	h.T.Helper()
	ch, closeAll := h.RabbitMQ()
	defer closeAll()
	purged := 0
	for _, trigger := range h.Triggers() {
		if trigger.Broker != bus.BrokerDeliveries {
			continue
		}
		n, err := ch.QueuePurge(QueueOf(trigger), false)
		require.NoError(h.T, err)
		purged += n
	}
	return purged
}

// Waiting returns how many hints wait in a queue for a function.
func (h *Installation) Waiting(f config.Function) int {
	h.T.Helper()
	ch, closeAll := h.RabbitMQ()
	defer closeAll()
	n := 0
	for _, trigger := range h.Triggers(f) {
		q, err := ch.QueueDeclarePassive(QueueOf(trigger), true, false, false, false, nil)
		require.NoError(h.T, err)
		n += q.Messages
	}
	return n
}

// Publisher hands events to brokers.
type Publisher interface {
	Publish(ctx context.Context, broker string, e event.Event) error
}

// Broker publishes events to the events broker, as its ingress does for producers in the cluster.
func (h *Installation) Broker() Publisher {
	h.T.Helper()
	if h.Events != nil {
		return h.Events
	}
	b, err := amqp.New(amqp.Config{Link: link.Config{URL: h.Settings["RABBITMQ_URL"], Name: "acceptance"}})
	require.NoError(h.T, err)
	h.T.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		require.NoError(h.T, b.Close(ctx))
	})
	return b
}

// PublishUndecodable publishes a message to the events broker that is no CloudEvent.
func (h *Installation) PublishUndecodable(body string) {
	h.T.Helper()
	ch, closeAll := h.RabbitMQ()
	defer closeAll()
	require.NoError(h.T, ch.PublishWithContext(h.T.Context(), amqp.PrefixDefault+"."+bus.BrokerEvents, "", true, false,
		amqp091.Publishing{Headers: amqp091.Table{"type": "order.paid"}, Body: []byte(body)}))
}
