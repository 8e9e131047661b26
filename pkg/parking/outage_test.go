package parking_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/parking"
	"github.com/homing-hooks/homing/pkg/testenv"
)

// The promise that ingest's answer to the broker rests on: what is parked is there after a crash of RabbitMQ. Tested as
// the user who may do nothing else.
func TestParkedEventsOutliveRabbitMQ(t *testing.T) {
	t.Parallel()
	server := testenv.OwnRabbitMQ(t)
	owner := newParking(t, server.URL, parking.Config{})
	require.Zero(t, depth(t, owner)) // declares
	server.Stop()                    // a queue that is seconds old does not survive a crash: see the package's comment
	server.Start()
	restricted := newUser(t, server)
	p := newParking(t, restricted, parking.Config{})
	park(t, p, 0, 20)
	refusedElsewhere(t, restricted)

	server.Kill()
	began := time.Now()
	for range 3 {
		require.Eventually(t, func() bool { return p.Park(t.Context(), parked(99)) != nil }, patience, time.Millisecond)
	}
	_, err := p.Depth(t.Context())
	require.ErrorIs(t, err, parking.ErrUnavailable)
	_, err = p.Drain(t.Context(), 1, nil)
	require.ErrorIs(t, err, parking.ErrUnavailable)
	require.Less(t, time.Since(began), 10*time.Second)

	server.Start()
	require.Eventually(t, func() bool { return p.Park(t.Context(), parked(20)) == nil }, patience, 10*time.Millisecond)
	var k kept
	require.Eventually(t, func() bool {
		_, err := p.Drain(t.Context(), 100, k.take)
		return err == nil && len(k.ids) >= 21
	}, patience, 100*time.Millisecond)
	for i := range 21 {
		require.Contains(t, k.ids, parked(i).Header["ce-id"])
	}

	// Who may not make the queue says so when it is not there, and uses it when somebody else has made it.
	raw(t, server.URL, func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(parking.QueueDefault, false, false, false)
		return err
	})
	for range 3 {
		require.ErrorIs(t, p.Park(t.Context(), parked(1)), parking.ErrUnavailable)
		_, err = p.Drain(t.Context(), 1, nil)
		require.ErrorIs(t, err, parking.ErrUnavailable)
		require.ErrorContains(t, err, "ACCESS_REFUSED")
	}
	require.Zero(t, depth(t, newParking(t, server.URL, parking.Config{})))
	require.Eventually(t, func() bool { return p.Park(t.Context(), parked(1)) == nil }, patience, 10*time.Millisecond)
}

// newUser returns the URL of a user with the permissions that the package's comment names for draining, no more.
func newUser(t *testing.T, server *testenv.Server) string {
	t.Helper()
	const name, password = "parker", "parker"
	manage := func(path string, body any) {
		b, err := json.Marshal(body)
		require.NoError(t, err)
		request, err := http.NewRequest(http.MethodPut, server.ManagementURL+path, bytes.NewReader(b))
		require.NoError(t, err)
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Less(t, response.StatusCode, 300)
	}
	manage("/api/users/"+name, map[string]string{"password": password, "tags": ""})
	manage("/api/permissions/%2F/"+name, map[string]string{
		"configure": "^$", "write": `^homing\.parked$`, "read": `^homing\.parked$`,
	})
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	u.User = url.UserPassword(name, password)
	return u.String()
}

// refusedElsewhere proves that the user is restricted.
func refusedElsewhere(t *testing.T, url string) {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(t, err)
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	require.NoError(t, ch.Publish("", parking.QueueDefault, false, false, amqp.Publishing{})) // the default exchange
	refused := <-closed
	require.NotNil(t, refused)
	require.Equal(t, amqp.AccessRefused, refused.Code)
}
