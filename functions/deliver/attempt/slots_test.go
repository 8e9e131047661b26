package attempt

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store/memory"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// known returns slots with endpoints that are known already.
func known(t *testing.T, total int, endpoints ...byte) *slots {
	t.Helper()
	s := newSlots(SlotConfig{Total: total})
	for _, e := range endpoints {
		s.learn(id(e), "tenant", "host"+string(rune('a'+e)), 0)
	}
	return s
}

// TestABudgetOfNothingIsNone: 0 is a setting like any other, and no default.
func TestABudgetOfNothingIsNone(t *testing.T) {
	t.Parallel()
	d := New(Config{
		Store: memory.New(memory.Options{}), Now: time.Now, Metrics: NewMetrics(prometheus.NewRegistry()),
	})
	require.Zero(t, d.cfg.HoldBudget)
	require.NoError(t, d.Close(t.Context()))
}

func id(b byte) webhook.ID { return webhook.ID{15: b} }

func TestSlots(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)

	t.Run("AnEndpointNobodyKnowsGetsOneUntilItIsLearnt", func(t *testing.T) {
		t.Parallel()
		s := newSlots(SlotConfig{Total: 1000})
		got, _ := s.take(id(1), 50, now)
		require.Equal(t, 1, got)
		s.learn(id(1), "tenant", "host", 7)
		got, rate := s.take(id(1), 50, now)
		require.Equal(t, firstShare-1, got)
		require.Equal(t, 7, rate)
	})

	t.Run("QuickAnswersGrowTheShareToItsBound", func(t *testing.T) {
		t.Parallel()
		s := known(t, 400, 1)
		for range 200 {
			got, _ := s.take(id(1), 1, now)
			require.Equal(t, 1, got)
			s.done(id(1), webhook.OutcomeSuccess, time.Millisecond)
		}
		got, _ := s.take(id(1), 400, now)
		require.Equal(t, 100, got, "a quarter of the process's slots")
	})

	t.Run("SlowAnswersDoNot", func(t *testing.T) {
		t.Parallel()
		s := known(t, 400, 1)
		for range 50 {
			s.take(id(1), 1, now)
			s.done(id(1), webhook.OutcomeSuccess, quickAnswer+1)
		}
		got, _ := s.take(id(1), 400, now)
		require.Equal(t, firstShare, got)
	})

	t.Run("TimeoutsHalveTheShareAndARowOfFailuresLeavesOne", func(t *testing.T) {
		t.Parallel()
		s := known(t, 400, 1)
		s.take(id(1), firstShare, now)
		s.done(id(1), webhook.OutcomeTimeout, time.Second)
		require.Equal(t, firstShare/2, s.of(id(1)).limit)
		for range failuresInARow - 1 {
			s.done(id(1), webhook.OutcomeServerError, time.Second)
		}
		require.Equal(t, 1, s.of(id(1)).limit)
		s.done(id(1), webhook.OutcomeSuccess, time.Millisecond)
		require.Equal(t, 2, s.of(id(1)).limit, "one success closes the circuit")
	})

	t.Run("ATenantAndAHostHaveAShareTogether", func(t *testing.T) {
		t.Parallel()
		s := newSlots(SlotConfig{Total: 20, EndpointShare: 1, TenantShare: 0.5, HostShare: 0.25})
		s.learn(id(1), "flood", "a", 0)
		s.learn(id(2), "flood", "b", 0)
		s.learn(id(3), "flood", "c", 0)
		s.learn(id(4), "other", "d", 0)
		for _, want := range []struct{ endpoint, got int }{{1, 5}, {2, 5}, {3, 0}, {4, 5}} {
			got, _ := s.take(id(byte(want.endpoint)), 20, now)
			require.Equal(t, want.got, got, "endpoint %d", want.endpoint)
		}
	})

	t.Run("WorkThatFoundNoSlotIsPulledInTurns", func(t *testing.T) {
		t.Parallel()
		s := known(t, 8, 1, 2) // two slots an endpoint
		for e := byte(1); e <= 2; e++ {
			got, _ := s.take(id(e), 5, now)
			require.Equal(t, 2, got)
			s.mark(id(e), now)
		}
		taken, _ := s.pulls(now)
		require.Empty(t, taken, "their shares are used up")

		s.done(id(2), webhook.OutcomeSuccess, time.Millisecond)
		taken, _ = s.pulls(now)
		require.Equal(t, []pull{{endpoint: id(2), slots: 1, marks: 1, at: now}}, taken)
		got, _ := s.take(id(2), 1, now)
		require.Zero(t, got, "what waits goes first")
		s.giveBack(id(2), 1)
		s.pulled(taken[0], true)
		taken, _ = s.pulls(now)
		require.Empty(t, taken, "it is drained")
		require.Equal(t, []webhook.ID{id(1)}, s.behind())
		taken, next := s.pulls(now.Add(recheck - 1))
		require.Empty(t, taken)
		require.Equal(t, now.Add(recheck), next)
		got, _ = s.take(id(2), 1, now)
		require.Equal(t, 1, got, "nothing waits for the second look")
		s.giveBack(id(2), 1)
		taken, _ = s.pulls(now.Add(recheck))
		require.Len(t, taken, 1, "work that was marked a little before it was due is found by it")
		s.giveBack(id(2), taken[0].slots)
		s.pulled(taken[0], true)
		taken, next = s.pulls(now.Add(time.Hour))
		require.Empty(t, taken)
		require.Zero(t, next)
	})

	t.Run("AMarkDuringAPullIsNotForgotten", func(t *testing.T) {
		t.Parallel()
		s := known(t, 8, 1)
		s.mark(id(1), now)
		taken, _ := s.pulls(now)
		require.Len(t, taken, 1)
		s.mark(id(1), now)
		s.giveBack(id(1), taken[0].slots)
		s.pulled(taken[0], true)
		taken, _ = s.pulls(now)
		require.Len(t, taken, 1)
	})

	t.Run("TheGateDelaysAnEndpointWithoutBlockingOthers", func(t *testing.T) {
		t.Parallel()
		s := known(t, 8, 1, 2)
		s.mark(id(1), now)
		s.mark(id(2), now)
		s.delay(id(1), now.Add(time.Second))
		taken, next := s.pulls(now)
		require.Len(t, taken, 1)
		require.Equal(t, id(2), taken[0].endpoint)
		require.Equal(t, now.Add(time.Second), next)
		taken, _ = s.pulls(now.Add(time.Second))
		require.Len(t, taken, 1)
	})

	t.Run("IdleEndpointsAreForgottenAndBusyOnesAreNot", func(t *testing.T) {
		t.Parallel()
		s := known(t, 8, 1, 2, 3)
		s.take(id(1), 1, now)
		s.mark(id(2), now)
		s.forgetIdle()
		require.Len(t, s.endpoints, 2)
		used, behind := s.inFlight()
		require.Equal(t, 1, used)
		require.Equal(t, 1, behind)
	})
}
