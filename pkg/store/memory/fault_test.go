package memory_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/memory"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var errCrash = errors.New("crash")

// faulty is a store whose hook fails one operation on one side of its commit.
type faulty struct {
	*memory.Store
	op    string
	phase memory.Phase
	calls []string
}

func newFaulty(options memory.Options) *faulty {
	f := &faulty{}
	options.Hook = func(op string, phase memory.Phase) error {
		f.calls = append(f.calls, op+" "+string(phase))
		if op == f.op && phase == f.phase {
			return errCrash
		}
		return nil
	}
	f.Store = memory.New(options)
	return f
}

// fill makes a tenant with an endpoint and two events for it, and returns the deliveries.
func fill(t *testing.T, s store.Store, ids *webhook.IDSource) []webhook.ID {
	t.Helper()
	now, err := s.Now(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.CreateTenant(t.Context(), "a"))
	e := webhook.Endpoint{ID: ids.New(now), Tenant: "a", URL: "https://receiver.example"}
	require.NoError(t, s.CreateEndpoint(t.Context(), e, nil))
	subs, err := s.Subscriptions(t.Context(), "a")
	require.NoError(t, err)
	var out []webhook.ID
	for _, id := range []string{"1", "2"} {
		n := store.NewEvent{
			Event: webhook.Event{ID: ids.New(now), Tenant: "a", Source: "/s", CEID: id, Type: "t"}, ConfigVersion: subs.Version,
			Key:        webhook.IdentityKey("a", "/s", id),
			Deliveries: []store.NewDelivery{{ID: ids.New(now), Endpoint: e.ID, Lifetime: time.Hour, Lease: time.Minute}},
		}
		results, err := s.Accept(t.Context(), []store.NewEvent{n})
		require.NoError(t, err)
		require.Equal(t, store.AcceptStored, results[0].Status)
		out = append(out, n.Deliveries[0].ID)
	}
	return out
}

func TestHook(t *testing.T) {
	t.Parallel()
	cancel := func(t *testing.T, phase memory.Phase) (webhook.State, []string) {
		f := newFaulty(memory.Options{})
		d := fill(t, f, &webhook.IDSource{})[0]
		f.op, f.phase, f.calls = "canceldelivery", phase, nil
		require.ErrorIs(t, f.CancelDelivery(t.Context(), "a", d), errCrash)
		calls := f.calls
		v, err := f.Delivery(t.Context(), "a", d)
		require.NoError(t, err)
		return v.Delivery.State, calls
	}
	t.Run("StopsAnOperationBeforeItsCommit", func(t *testing.T) {
		t.Parallel()
		state, calls := cancel(t, memory.Before)
		require.Equal(t, webhook.StateScheduled, state)
		require.Equal(t, []string{"canceldelivery before"}, calls)
	})
	t.Run("LosesTheAnswerAfterTheCommit", func(t *testing.T) {
		t.Parallel()
		state, calls := cancel(t, memory.After)
		require.Equal(t, webhook.StateCancelled, state)
		require.Equal(t, []string{"canceldelivery before", "canceldelivery after"}, calls)
	})
	t.Run("MayCallTheStore", func(t *testing.T) {
		t.Parallel()
		var s *memory.Store
		s = memory.New(memory.Options{Hook: func(op string, _ memory.Phase) error {
			if op == "tenants" {
				s.SetUnavailable(true)
			}
			return nil
		}})
		_, err := s.Tenants(t.Context())
		require.ErrorIs(t, err, store.ErrUnavailable)
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	s := memory.New(memory.Options{})
	d := fill(t, s, &webhook.IDSource{})[0]
	now, err := s.Now(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), now, time.Minute)
	v, err := s.Delivery(t.Context(), "a", d)
	require.NoError(t, err)
	policy := webhook.DefaultPolicy()
	require.Equal(t, policy.WakeAfter(0, time.Minute), v.Delivery.WakeAt.Sub(v.Delivery.DueAt), "the default policy")
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T) *memory.Store {
		c := newClock()
		s := memory.New(memory.Options{Clock: c.Now})
		ds := fill(t, s, &webhook.IDSource{})
		work, err := s.Claim(t.Context(), store.ClaimRequest{Pulls: []store.Pull{
			{Endpoint: s.Snapshot().Endpoints[0].ID, Limit: 1},
		}})
		require.NoError(t, err)
		require.Equal(t, ds[0], work.Work[0].Delivery.ID)
		c.Pass(time.Second)
		_, err = s.Record(t.Context(), []store.Result{{
			Attempt: webhook.Attempt{
				Delivery: ds[0], Number: 1, Tenant: "a", Outcome: webhook.OutcomeSuccess, Status: 204,
				StartedAt: work.Work[0].Delivery.StartedAt, Latency: webhook.Latency{Total: time.Second},
				ResponseHeaders: map[string]string{"A": "b"},
			},
			Next: webhook.StateSucceeded,
		}})
		require.NoError(t, err)
		return s
	}
	t.Run("WritesTwoRunsThatDidTheSameAlike", func(t *testing.T) {
		t.Parallel()
		first, second := run(t), run(t)
		require.NotEqual(t, first.Snapshot().Deliveries[0].ID, second.Snapshot().Deliveries[0].ID)
		require.Equal(t, first.Snapshot().String(), second.Snapshot().String())
	})
	t.Run("WritesEveryDeliveryAndAttempt", func(t *testing.T) {
		t.Parallel()
		const want = `endpoint e1 active version=1 paused=-/0s throttled=- reason=""
delivery d1 tenant=a event=v1 endpoint=e1 succeeded reason="" attempt=1 interruptions=0 replayof=0` +
			` due=-1s started=-1s lease=- wake=- expires=59m59s
attempt d1/1 success status=204 started=-1s took=1s detail=""
delivery d2 tenant=a event=v2 endpoint=e1 scheduled reason="" attempt=0 interruptions=0 replayof=0` +
			` due=-1s started=- lease=- wake=1m29s expires=59m59s
`
		require.Equal(t, want, run(t).Snapshot().String())
	})
	t.Run("IsACopy", func(t *testing.T) {
		t.Parallel()
		s := run(t)
		s.Snapshot().Deliveries[0].Attempts[0].ResponseHeaders["A"] = "c"
		require.Equal(t, "b", s.Snapshot().Deliveries[0].Attempts[0].ResponseHeaders["A"])
	})
}
