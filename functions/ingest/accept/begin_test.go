package accept_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/memory"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// desk is a sender that has a number of slots for each endpoint and sends nothing.
type desk struct {
	mu    sync.Mutex
	room  map[webhook.ID]int
	held  int
	begun []store.Work
	at    time.Time
}

func (d *desk) Reserve(endpoints []webhook.ID) []bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	reserved := make([]bool, len(endpoints))
	for i, id := range endpoints {
		if d.room[id] > 0 {
			d.room[id]--
			d.held++
			reserved[i] = true
		}
	}
	return reserved
}

func (d *desk) Release(endpoints []webhook.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range endpoints {
		d.room[id]++
		d.held--
	}
}

func (d *desk) Attempt(work []store.Work, askedAt time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun = append(d.begun, work...)
	d.held -= len(work)
	d.at = askedAt
}

// seen returns the attempts that were handed over. No slot may be held by then.
func (d *desk) seen(t *testing.T) []store.Work {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	require.Zero(t, d.held, "every slot is given to an attempt, or back")
	return d.begun
}

func TestSender(t *testing.T) {
	t.Parallel()

	t.Run("GetsTheFirstAttemptsThatItHasSlotsFor", func(t *testing.T) {
		t.Parallel()
		d := &desk{room: map[webhook.ID]int{}}
		b := setupWith(t, d)
		ready, full := b.endpoint(t), b.endpoint(t)
		d.room[ready] = 1
		before := time.Now()
		b.post(t, request(`{"n":1}`, "", ""))
		begun := d.seen(t)
		require.Len(t, begun, 1)
		require.Equal(t, ready, begun[0].Delivery.Endpoint)
		require.Equal(t, webhook.StateAttempting, begun[0].Delivery.State)
		require.JSONEq(t, `{"n":1}`, string(begun[0].Event.Data))
		claimed := begun[0].Delivery.StartedAt.Add(time.Microsecond) // which is as fine as it is stored
		require.WithinRange(t, d.at, before, claimed, "before the claim was asked for")
		require.Len(t, b.hints(), 1, "the others go by hints")
		require.Equal(t, full, b.hints()[0].Endpoint)
	})

	t.Run("GetsNothingThatIsNotStored", func(t *testing.T) {
		t.Parallel()
		d := &desk{room: map[webhook.ID]int{}}
		b := setupWith(t, d)
		d.room[b.endpoint(t)] = 10
		b.post(t, request(`{}`, "", ""))
		b.post(t, request(`{}`, "", "")) // a duplicate
		require.Len(t, d.seen(t), 1)
		b.setHook(func(op string, _ memory.Phase) error {
			if op == "accept" {
				return store.ErrUnavailable
			}
			return nil
		})
		got := b.post(t, request(`{}`, "Ce-Id", "another"))
		require.Equal(t, http.StatusServiceUnavailable, got.status)
		require.Len(t, d.seen(t), 1)
	})

	t.Run("GetsNothingOfAnEndpointThatIsClosed", func(t *testing.T) {
		t.Parallel()
		d := &desk{room: map[webhook.ID]int{}}
		b := setupWith(t, d)
		id := b.endpoint(t)
		d.room[id] = 10
		require.NoError(t, b.store.SetEndpointStatus(t.Context(), "acme", id, webhook.EndpointPaused, ""))
		b.post(t, request(`{}`, "", ""))
		require.Empty(t, d.seen(t))
		require.Len(t, b.hints(), 1)
	})

	t.Run("GetsNoPayloadThatAClaimShouldBound", func(t *testing.T) {
		t.Parallel()
		d := &desk{room: map[webhook.ID]int{}}
		b := setupWith(t, d)
		d.room[b.endpoint(t)] = 10
		e := webhook.Event{Tenant: "acme", Source: "/s", CEID: "large", Type: "t", Data: make([]byte, 64<<10+1)}
		_, err := b.accepter.Accept(t.Context(), []webhook.Event{e}, nil)
		require.NoError(t, err)
		require.Empty(t, d.seen(t))
		require.Len(t, b.hints(), 1)
		e.CEID, e.Data = "just", make([]byte, 64<<10)
		_, err = b.accepter.Accept(t.Context(), []webhook.Event{e}, nil)
		require.NoError(t, err)
		require.Len(t, d.seen(t), 1)
	})
}

// What is due of an event that was stored is seen to, also when its producer has gone before the answer.
func TestAProducerThatGoesAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.endpoint(t)
	committing, gone := make(chan struct{}), make(chan struct{})
	b.setHook(func(op string, phase memory.Phase) error {
		if op == "accept" && phase == memory.Before {
			close(committing)
			<-gone
		}
		return nil
	})
	ctx, leave := context.WithCancelCause(t.Context())
	left := errors.New("left")
	answered := make(chan int)
	go func() {
		r := request(`{}`, "", "").WithContext(ctx)
		r.Header.Set("Authorization", "Bearer "+apiKey)
		w := httptest.NewRecorder()
		b.public.ServeHTTP(w, r)
		answered <- w.Code
	}()
	<-committing
	leave(left)
	require.Equal(t, http.StatusServiceUnavailable, <-answered)
	require.Empty(t, b.hints())
	close(gone)
	require.Eventually(t, func() bool { return len(b.hints()) == 1 }, 10*time.Second, time.Millisecond)
	require.Len(t, b.deliveries(t), 1)
}
