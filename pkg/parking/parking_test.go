package parking_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
	"github.com/homing-hooks/homing/pkg/parking"
	"github.com/homing-hooks/homing/pkg/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 2 * time.Minute // the machine may be busy starting servers

func newParking(t *testing.T, url string, cfg parking.Config) *parking.Parking {
	t.Helper()
	cfg.Link = link.Config{
		URL: url, Name: t.Name(), MinPause: time.Millisecond, MaxPause: 200 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if cfg.Wait == 0 {
		cfg.Wait = 20 * time.Second
	}
	p, err := parking.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, p.Close(ctx))
	})
	return p
}

func parked(n int) parking.Parked {
	return parking.Parked{
		Header: map[string]string{
			"ce-id": fmt.Sprint(n), "ce-subject": "ünïcode", "content-type": "text/plain", "x-empty": "",
		},
		Body: []byte{0, 1, 2, 0xff, byte(n)}, ReceivedAt: time.Date(2026, 3, 1, 12, 0, n, 123456789, time.UTC),
	}
}

func park(t *testing.T, p *parking.Parking, from, n int) {
	t.Helper()
	for i := range n {
		require.NoError(t, p.Park(t.Context(), parked(from+i)))
	}
}

// kept remembers what was handed over.
type kept struct {
	mu  sync.Mutex
	ids map[string]int
	all []parking.Parked
}

func (k *kept) take(_ context.Context, e parking.Parked) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ids == nil {
		k.ids = map[string]int{}
	}
	k.ids[e.Header["ce-id"]]++
	k.all = append(k.all, e)
	return nil
}

func depth(t *testing.T, p *parking.Parking) int {
	t.Helper()
	n, err := p.Depth(t.Context())
	require.NoError(t, err)
	return n
}

// holds waits until as many events wait in the queue: what a consumer had and did not acknowledge comes back a moment
// after it has gone.
func holds(t *testing.T, p *parking.Parking, want int) {
	t.Helper()
	require.Eventually(t, func() bool { return depth(t, p) == want }, patience, 10*time.Millisecond)
}

func raw(t *testing.T, url string, f func(ch *amqp.Channel) error) {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, f(ch))
}

func TestWhatIsParkedComesOutAsItWentIn(t *testing.T) {
	t.Parallel()
	p := newParking(t, testenv.RabbitMQ(t), parking.Config{Parallelism: 4})
	require.Zero(t, depth(t, p))
	n, err := p.Drain(t.Context(), 100, nil)
	require.NoError(t, err)
	require.Zero(t, n)

	park(t, p, 0, 25)
	require.NoError(t, p.Park(t.Context(), parking.Parked{}))
	holds(t, p, 26)
	var k kept
	n, err = p.Drain(t.Context(), 10, k.take)
	require.NoError(t, err)
	require.Equal(t, 10, n)
	holds(t, p, 16) // no more were taken than asked for
	n, err = p.Drain(t.Context(), 100, k.take)
	require.NoError(t, err)
	require.Equal(t, 16, n)
	require.Zero(t, depth(t, p))
	want := []parking.Parked{{Header: map[string]string{}, Body: nil}}
	for i := range 25 {
		want = append(want, parked(i))
	}
	for i := range k.all {
		if len(k.all[i].Body) == 0 {
			k.all[i].Body = nil
		}
	}
	require.ElementsMatch(t, want, k.all)
}

func TestWhatIsRefusedStays(t *testing.T) {
	t.Parallel()
	p := newParking(t, testenv.RabbitMQ(t), parking.Config{Parallelism: 2})
	park(t, p, 0, 20)
	refusal := errors.New("poison")
	var k kept
	n, err := p.Drain(t.Context(), 100, func(ctx context.Context, e parking.Parked) error {
		if e.Header["ce-id"] == "3" || e.Header["ce-id"] == "7" {
			return refusal
		}
		return k.take(ctx, e)
	})
	require.ErrorIs(t, err, refusal)
	require.Equal(t, 18, n, "the rest goes on beside it")
	holds(t, p, 2)
	n, err = p.Drain(t.Context(), 100, k.take)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	want := map[string]int{}
	for i := range 20 {
		want[fmt.Sprint(i)] = 1
	}
	require.Equal(t, want, k.ids)
}

func TestDrainStopsWhenTheStoreIsAwayAgain(t *testing.T) {
	t.Parallel()
	p := newParking(t, testenv.RabbitMQ(t), parking.Config{Parallelism: 4})
	park(t, p, 0, 50)
	var mu sync.Mutex
	tries := 0
	away := errors.New("store away")
	for range 30 { // far more often than RabbitMQ 4 would redeliver by default
		n, err := p.Drain(t.Context(), 100, func(context.Context, parking.Parked) error {
			mu.Lock()
			defer mu.Unlock()
			tries++
			return away
		})
		require.ErrorIs(t, err, away)
		require.Zero(t, n)
	}
	require.LessOrEqual(t, tries, 30*(parking.MaxFailures+4))
	var k kept
	n, err := p.Drain(t.Context(), 100, k.take)
	require.NoError(t, err)
	require.Equal(t, 50, n, "nothing is lost by refusing")
	require.Len(t, k.ids, 50)
}

func TestDrainEndsWithItsContext(t *testing.T) {
	t.Parallel()
	p := newParking(t, testenv.RabbitMQ(t), parking.Config{Parallelism: 2})
	park(t, p, 0, 10)
	ctx, cancel := context.WithCancel(t.Context())
	var k kept
	n, err := p.Drain(ctx, 100, func(ctx context.Context, e parking.Parked) error {
		cancel()
		return k.take(ctx, e)
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, len(k.ids), n)
	holds(t, p, 10-n)
}

func TestDrainersShare(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	p := newParking(t, url, parking.Config{Parallelism: 2})
	const all = 60
	park(t, p, 0, all)
	var k kept
	var drainers sync.WaitGroup
	taken := make(chan int, 3)
	for range cap(taken) {
		drainers.Go(func() {
			n, err := p.Drain(t.Context(), 100, k.take)
			if err != nil {
				t.Error(err)
			}
			taken <- n
		})
	}
	drainers.Wait()
	require.Equal(t, all, <-taken+<-taken+<-taken)
	for id, times := range k.ids {
		require.Equal(t, 1, times, id)
	}
}

func TestParkRefusesWhatIsTooBig(t *testing.T) {
	t.Parallel()
	const longest = 1000
	p := newParking(t, testenv.RabbitMQ(t), parking.Config{MaxBody: longest})
	for name, test := range map[string]struct {
		event parking.Parked
		ok    bool
	}{
		"TheLongestBody":  {parking.Parked{Body: make([]byte, longest)}, true},
		"ALongerBody":     {parking.Parked{Body: make([]byte, longest+1)}, false},
		"TheLongestValue": {parking.Parked{Header: map[string]string{"a": strings.Repeat("x", parking.MaxHeader-1)}}, true},
		"ALongerValue":    {parking.Parked{Header: map[string]string{"a": strings.Repeat("x", parking.MaxHeader)}}, false},
		"ALongName":       {parking.Parked{Header: map[string]string{strings.Repeat("x", 256): ""}}, false},
		"MostHeaders":     {parking.Parked{Header: many(parking.MaxHeaders)}, true},
		"MoreHeaders":     {parking.Parked{Header: many(parking.MaxHeaders + 1)}, false},
	} {
		err := p.Park(t.Context(), test.event)
		if test.ok {
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, parking.ErrTooBig, name)
		}
	}
	var k kept
	n, err := p.Drain(t.Context(), 10, k.take)
	require.NoError(t, err)
	require.Equal(t, 3, n)
}

func many(n int) map[string]string {
	header := map[string]string{}
	for i := range n {
		header[fmt.Sprintf("header-%d", i)] = "x"
	}
	return header
}

func TestADeletedQueueIsNoticedAndMadeAnew(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	p := newParking(t, url, parking.Config{})
	park(t, p, 0, 1)
	raw(t, url, func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(parking.QueueDefault, false, false, false)
		return err
	})
	err := p.Park(t.Context(), parked(1))
	require.ErrorIs(t, err, parking.ErrUnavailable)
	require.ErrorIs(t, err, link.ErrUnroutable)
	require.Eventually(t, func() bool { return p.Park(t.Context(), parked(2)) == nil }, patience, time.Millisecond)
	holds(t, p, 1)
}

// A process of another version, or a person, may have put something else into the queue.
func TestReadsWhatOthersWrote(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	p := newParking(t, url, parking.Config{})
	require.Zero(t, depth(t, p))
	raw(t, url, func(ch *amqp.Channel) error {
		for _, headers := range []amqp.Table{
			{"attributes": amqp.Table{"ce-id": "golden"}, "received-at": "2026-03-01T12:00:00.000000001Z", "newer": int32(1)},
			{"attributes": amqp.Table{"ce-id": "odd", "number": int32(1)}, "received-at": "yesterday"},
			{"attributes": "text"},
			nil,
		} {
			m := amqp.Publishing{Headers: headers, Body: []byte("body")}
			if err := ch.Publish(parking.QueueDefault, "", true, false, m); err != nil {
				return err
			}
		}
		return nil
	})
	holds(t, p, 4)
	var k kept
	n, err := p.Drain(t.Context(), 10, k.take)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	for i := range k.all {
		require.Equal(t, "body", string(k.all[i].Body))
		if k.all[i].Header["ce-id"] == "golden" {
			require.Equal(t, time.Date(2026, 3, 1, 12, 0, 0, 1, time.UTC), k.all[i].ReceivedAt)
		} else {
			require.Zero(t, k.all[i].ReceivedAt)
		}
		require.NotContains(t, k.all[i].Header, "number")
	}
	require.True(t, maps.Equal(map[string]int{"golden": 1, "odd": 1, "": 2}, k.ids))
}

func TestNewRefusesAURLWithoutShowingIt(t *testing.T) {
	t.Parallel()
	_, err := parking.New(parking.Config{Link: link.Config{URL: "http://user:secret@host"}})
	require.ErrorIs(t, err, link.ErrURL)
	require.NotContains(t, err.Error(), "secret")
}
