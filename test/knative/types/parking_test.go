package types_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	topology "knative.dev/eventing-rabbitmq/third_party/pkg/apis/rabbitmq.com/v1beta1"

	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
	"github.com/homing-hooks/homing/pkg/parking"
	"github.com/homing-hooks/homing/pkg/testenv"
)

// TestParkingNeedsNoMoreThanItsPermissions makes in a real RabbitMQ what the manifests declare, and parks and fetches
// as the users of ingest and of retry.
func TestParkingNeedsNoMoreThanItsPermissions(t *testing.T) {
	t.Parallel()
	e, r := build(t, "dev"), newRabbit(t)
	r.declare(t, e)
	ingest := open(t, r.user(t, "ingest", all[*topology.Permission](t, e)["parked-ingest"]))
	retry := open(t, r.user(t, "retry", all[*topology.Permission](t, e)["parked-retry"]))

	require.NoError(t, ingest.Park(t.Context(), parking.Parked{Body: []byte("an event")}))
	n, err := retry.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	take := func(_ context.Context, p parking.Parked) error {
		require.Equal(t, "an event", string(p.Body))
		return nil
	}
	_, err = ingest.Drain(t.Context(), 1, take)
	require.ErrorIs(t, err, parking.ErrUnavailable, "who parks may not fetch")
	require.ErrorIs(t, retry.Park(t.Context(), parking.Parked{Body: []byte("x")}), parking.ErrUnavailable,
		"who fetches may not park")
	taken, err := retry.Drain(t.Context(), 1, take)
	require.NoError(t, err)
	require.Equal(t, 1, taken)
}

// TestParkingUsersMayTouchNothingElse: not the queues of the brokers, nor the exchanges that lead to them.
func TestParkingUsersMayTouchNothingElse(t *testing.T) {
	t.Parallel()
	e, r := build(t, "dev"), newRabbit(t)
	r.declare(t, e)
	r.call(t, http.MethodPut, "/api/queues/"+r.vhost+"/other", map[string]any{"durable": true})
	for name, permission := range all[*topology.Permission](t, e) {
		connection, err := amqp.Dial(r.user(t, name, permission))
		require.NoError(t, err)
		for what, do := range trespasses(t) {
			channel, err := connection.Channel() // RabbitMQ closes it with each refusal
			require.NoError(t, err)
			var refused *amqp.Error
			require.ErrorAs(t, do(channel), &refused, "%s: %s", name, what)
			require.Equal(t, amqp.AccessRefused, refused.Code, "%s: %s", name, what)
		}
		require.NoError(t, connection.Close())
	}
}

// trespasses are what neither user may do.
func trespasses(t *testing.T) map[string]func(ch *amqp.Channel) error {
	t.Helper()
	return map[string]func(ch *amqp.Channel) error{
		"declare a queue": func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare("mine", true, false, false, false, nil)
			return err
		},
		"write to the default exchange": func(ch *amqp.Channel) error {
			closed := ch.NotifyClose(make(chan *amqp.Error, 1))
			require.NoError(t, ch.PublishWithContext(t.Context(), "", "other", false, false, amqp.Publishing{}))
			return <-closed
		},
		"read another queue": func(ch *amqp.Channel) error {
			_, _, err := ch.Get("other", true)
			return err
		},
		"delete the queue": func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete(parking.QueueDefault, false, false, false)
			return err
		},
	}
}

// rabbit is a virtual host of a RabbitMQ, and its management API.
type rabbit struct{ url, management, vhost string }

func newRabbit(t *testing.T) *rabbit {
	t.Helper()
	address := testenv.RabbitMQ(t)
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	return &rabbit{url: address, management: testenv.RabbitMQManagement(t), vhost: strings.TrimPrefix(parsed.Path, "/")}
}

// declare makes what the topology operator would.
func (r *rabbit) declare(t *testing.T, e *environment) {
	t.Helper()
	for _, q := range all[*topology.Queue](t, e) {
		arguments := map[string]any{"x-queue-type": q.Spec.Type}
		if q.Spec.Arguments != nil {
			require.NoError(t, json.Unmarshal(q.Spec.Arguments.Raw, &arguments))
		}
		r.call(t, http.MethodPut, "/api/queues/"+r.vhost+"/"+q.Spec.Name,
			map[string]any{"durable": q.Spec.Durable, "auto_delete": q.Spec.AutoDelete, "arguments": arguments})
	}
	for _, x := range all[*topology.Exchange](t, e) {
		r.call(t, http.MethodPut, "/api/exchanges/"+r.vhost+"/"+x.Spec.Name,
			map[string]any{"type": x.Spec.Type, "durable": x.Spec.Durable, "auto_delete": x.Spec.AutoDelete})
	}
	for _, b := range all[*topology.Binding](t, e) {
		require.Equal(t, "queue", b.Spec.DestinationType)
		r.call(t, http.MethodPost, "/api/bindings/"+r.vhost+"/e/"+b.Spec.Source+"/q/"+b.Spec.Destination,
			map[string]any{"routing_key": b.Spec.RoutingKey})
	}
}

// user makes a user with a permission, and returns his URL.
func (r *rabbit) user(t *testing.T, name string, p *topology.Permission) string {
	t.Helper()
	name = r.vhost + "_" + name // users belong to the whole server
	r.call(t, http.MethodPut, "/api/users/"+name, map[string]any{"password": "secret", "tags": ""})
	t.Cleanup(func() { r.call(t, http.MethodDelete, "/api/users/"+name, nil) })
	r.call(t, http.MethodPut, "/api/permissions/"+r.vhost+"/"+name, map[string]any{
		"configure": p.Spec.Permissions.Configure, "write": p.Spec.Permissions.Write, "read": p.Spec.Permissions.Read,
	})
	address, err := url.Parse(r.url)
	require.NoError(t, err)
	address.User = url.UserPassword(name, "secret")
	return address.String()
}

func (r *rabbit) call(t *testing.T, method, path string, body any) {
	t.Helper()
	sent, err := json.Marshal(body)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, r.management+path, bytes.NewReader(sent))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Less(t, response.StatusCode, http.StatusMultipleChoices, "%s %s", method, path)
}

// open opens the parking place as a user.
func open(t *testing.T, address string) *parking.Parking {
	t.Helper()
	p, err := parking.New(parking.Config{Link: link.Config{URL: address}})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, p.Close(ctx))
	})
	return p
}
