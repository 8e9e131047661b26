package webhook_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
)

func policy() *webhook.Policy {
	p := webhook.DefaultPolicy()
	return &p
}

func active() *webhook.Endpoint { return &webhook.Endpoint{Status: webhook.EndpointActive} }

// planned is a delivery to the endpoint accepted at now.
func planned(e *webhook.Endpoint) webhook.Delivery {
	var d webhook.Delivery
	policy().Plan(&d, e, now)
	return d
}

func TestListsAreComplete(t *testing.T) {
	t.Parallel()
	for name, length := range map[string][2]int{
		"states": {5, len(webhook.States)}, "outcomes": {15, len(webhook.Outcomes)}, "actions": {7, len(webhook.Actions)},
	} {
		require.Equal(t, length[0], length[1], name)
	}
	for _, s := range webhook.States {
		live := s == webhook.StateScheduled || s == webhook.StateAttempting
		require.Equal(t, !live, s.Terminal(), s)
	}
}

func TestDefaultPolicyIsThatOfTheDesign(t *testing.T) {
	t.Parallel()
	var total time.Duration
	for _, wait := range policy().Schedule {
		total += wait
	}
	require.Len(t, policy().Schedule, 10)
	require.Equal(t, 75*time.Hour+35*time.Minute+5*time.Second, total)
	require.Equal(t, 35*time.Second, policy().LeaseOf(active()))
}

func TestEndpointsOwnDurationsGoFirst(t *testing.T) {
	t.Parallel()
	p, e := policy(), active()
	require.Equal(t, p.Schedule, p.ScheduleOf(e))
	require.Equal(t, p.Timeout, p.TimeoutOf(e))
	e.Schedule, e.Timeout = []time.Duration{time.Minute}, time.Second
	require.Equal(t, e.Schedule, p.ScheduleOf(e))
	require.Equal(t, time.Second, p.TimeoutOf(e))
	require.Equal(t, time.Second+p.LeaseMargin, p.LeaseOf(e))
	require.Equal(t, (time.Minute+time.Second)*3/2+p.ExpirySlack, p.Lifetime(e))
}

func TestRunningClock(t *testing.T) {
	t.Parallel()
	e := active()
	require.Equal(t, now, e.RunningClock(now))
	e.PausedTotal = time.Hour
	require.Equal(t, now.Add(-time.Hour), e.RunningClock(now))

	e.Status, e.PausedAt = webhook.EndpointPaused, now
	stopped := e.RunningClock(now)
	require.Equal(t, stopped, e.RunningClock(now.Add(1000*time.Hour)), "it stands still while paused")

	// Resumed after 1,000 hours, it goes on from where it stood.
	e.Status, e.PausedTotal = webhook.EndpointActive, e.PausedTotal+1000*time.Hour
	require.Equal(t, stopped.Add(time.Second), e.RunningClock(now.Add(1000*time.Hour+time.Second)))

	e.Status = webhook.EndpointDisabled
	require.Equal(t, stopped.Add(time.Second), e.RunningClock(now.Add(1000*time.Hour+time.Second)),
		"it runs while disabled")
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for status, want := range map[webhook.EndpointStatus]bool{
		webhook.EndpointActive: true, webhook.EndpointPaused: false, webhook.EndpointDisabled: false,
		webhook.EndpointDeleted: false,
	} {
		require.Equal(t, want, (&webhook.Endpoint{Status: status}).Open(now), status)
	}
	e := active()
	e.ThrottledUntil = now.Add(1)
	require.False(t, e.Open(now))
	require.True(t, e.Open(now.Add(1)), "the throttle is over at its end")
}

func TestClaim(t *testing.T) {
	t.Parallel()

	t.Run("OnlyWhatIsDueAndSeenRightAndOpen", func(t *testing.T) {
		t.Parallel()
		for name, c := range map[string]struct {
			spoil func(d *webhook.Delivery, e *webhook.Endpoint)
			want  bool
		}{
			"AsPlanned": {func(*webhook.Delivery, *webhook.Endpoint) {}, true},
			"NotDue":    {func(d *webhook.Delivery, _ *webhook.Endpoint) { d.DueAt = now.Add(1) }, false},
			"Attempted": {func(d *webhook.Delivery, _ *webhook.Endpoint) { d.Attempt = 1 }, false},
			"Paused":    {func(_ *webhook.Delivery, e *webhook.Endpoint) { e.Status = webhook.EndpointPaused }, false},
			"Throttled": {func(_ *webhook.Delivery, e *webhook.Endpoint) { e.ThrottledUntil = now.Add(1) }, false},
			"Expired":   {func(d *webhook.Delivery, _ *webhook.Endpoint) { d.ExpiresAt = now }, false},
			"NotExpiredOnTheRunningClock": {func(d *webhook.Delivery, e *webhook.Endpoint) {
				d.ExpiresAt, e.PausedTotal = now, time.Nanosecond
			}, true},
		} {
			e := active()
			d := planned(e)
			c.spoil(&d, e)
			require.Equal(t, c.want, d.Claimable(e, 0, now), name)
		}
		for _, s := range webhook.States {
			e := active()
			d := planned(e)
			d.State = s
			require.Equal(t, s == webhook.StateScheduled, d.Claimable(e, 0, now), s)
		}
	})
	t.Run("IsANewAttemptWithALease", func(t *testing.T) {
		t.Parallel()
		p, e := policy(), active()
		d := planned(e)
		d.Attempt = 3
		p.Claim(&d, e, now)
		require.Equal(t, webhook.StateAttempting, d.State)
		require.Equal(t, 4, d.Attempt)
		require.Equal(t, now, d.StartedAt)
		require.Equal(t, now.Add(35*time.Second), d.LeaseUntil)
		require.False(t, d.Claimable(e, 4, now), "nobody claims it twice")
	})
	t.Run("OnTimeLeavesTheWakeTimeAlone", func(t *testing.T) {
		t.Parallel()
		p, e := policy(), active()
		for late := time.Duration(0); late <= p.WakeGrace; late += time.Second {
			d := planned(e)
			wake := d.WakeAt
			p.Claim(&d, e, now.Add(late))
			require.Equal(t, wake, d.WakeAt, "so that the claim can be a heap-only update")
			require.False(t, d.WakeAt.Before(d.LeaseUntil), "nobody looks before the attempt is over")
		}
		d := planned(e)
		p.Claim(&d, e, now.Add(time.Hour))
		require.Equal(t, d.LeaseUntil, d.WakeAt)
	})
	t.Run("BringsAWakeTimeThatWasPutOffBackToTheLease", func(t *testing.T) {
		t.Parallel()
		p, e := policy(), active()
		d := planned(e)
		d.WakeAt = now.Add(p.HeldPush)
		p.Claim(&d, e, now.Add(time.Minute))
		require.Equal(t, d.LeaseUntil.Add(p.WakeGrace), d.WakeAt, "its process may die like any other")
	})
}

func TestWakeAfter(t *testing.T) {
	t.Parallel()
	p := policy()
	require.Equal(t, 65*time.Second, p.WakeAfter(0, 35*time.Second))
	require.Equal(t, p.Horizon+65*time.Second, p.WakeAfter(p.Horizon, 35*time.Second))
	require.Equal(t, time.Nanosecond, p.WakeAfter(p.Horizon+1, 35*time.Second), "in time to set a timer")
	require.Equal(t, 50*time.Minute, p.WakeAfter(time.Hour, 35*time.Second))
}

func TestReconcile(t *testing.T) {
	t.Parallel()
	attempting := func(e *webhook.Endpoint, attempt int) webhook.Delivery {
		d := planned(e)
		d.Attempt = attempt - 1
		policy().Claim(&d, e, now)
		return d
	}
	over := now.Add(time.Hour) // after any lease

	t.Run("LeavesAttemptsUnderTheirLease", func(t *testing.T) {
		t.Parallel()
		e := active()
		d := attempting(e, 1)
		got, action := policy().Reconcile(d, e, true, now)
		require.Equal(t, webhook.ActionWait, action)
		d.WakeAt = d.LeaseUntil
		require.Equal(t, d, got)
		_, action = policy().Reconcile(d, nil, true, now)
		require.Equal(t, webhook.ActionWait, action, "also those of an endpoint that is gone")
	})
	t.Run("EndsNoLeaseRightAfterAnOutage", func(t *testing.T) {
		t.Parallel()
		e := active()
		got, action := policy().Reconcile(attempting(e, 1), e, false, over)
		require.Equal(t, webhook.ActionWait, action)
		require.Equal(t, webhook.StateAttempting, got.State)
		require.Equal(t, over.Add(policy().LeaseMargin), got.WakeAt)
	})
	t.Run("MakesInterruptedAttemptsDueAtOnce", func(t *testing.T) {
		t.Parallel()
		e := active()
		got, action := policy().Reconcile(attempting(e, 1), e, true, over)
		require.Equal(t, webhook.ActionInterrupt, action)
		require.Equal(t, webhook.StateScheduled, got.State)
		require.Equal(t, 1, got.Interruptions)
		require.Equal(t, 1, got.Attempt)
		require.Equal(t, over, got.DueAt)
		require.Zero(t, got.LeaseUntil)
		require.True(t, got.Claimable(e, 1, over))
	})
	t.Run("EndsWhatIsInterruptedForever", func(t *testing.T) {
		t.Parallel()
		p, e := policy(), active()
		e.Schedule = []time.Duration{0, 0}
		d, at := planned(e), now
		for action := webhook.ActionHint; action != webhook.ActionExhaust; {
			require.True(t, d.Claimable(e, d.Attempt, at))
			p.Claim(&d, e, at)
			at = d.LeaseUntil
			d, action = p.Reconcile(d, e, true, at)
		}
		require.Equal(t, len(e.Schedule)+webhook.FreeInterruptions, d.Attempt)
		require.Equal(t, webhook.ReasonInterrupted, d.Reason)
	})
	t.Run("CancelsWhatHasNoEndpoint", func(t *testing.T) {
		t.Parallel()
		deleted := &webhook.Endpoint{Status: webhook.EndpointDeleted}
		for _, e := range []*webhook.Endpoint{nil, deleted} {
			for _, d := range []webhook.Delivery{planned(active()), attempting(active(), 1)} {
				got, action := policy().Reconcile(d, e, true, over)
				require.Equal(t, webhook.ActionCancel, action)
				requireEnd(t, got, webhook.StateCancelled, webhook.ReasonEndpointDeleted)
			}
		}
	})
	t.Run("EndsWhatExpiredBeforeItsTurn", func(t *testing.T) {
		t.Parallel()
		e := active()
		d := planned(e)
		got, action := policy().Reconcile(d, e, true, d.ExpiresAt)
		require.Equal(t, webhook.ActionExhaust, action)
		requireEnd(t, got, webhook.StateExhausted, webhook.ReasonGated)
		e.Status, e.PausedAt = webhook.EndpointPaused, now
		_, action = policy().Reconcile(d, e, true, d.ExpiresAt)
		require.Equal(t, webhook.ActionHold, action, "the clock stands still while paused")
	})
	t.Run("HoldsWhatMayNotBeSentNow", func(t *testing.T) {
		t.Parallel()
		throttled := active()
		throttled.ThrottledUntil = over
		for _, e := range []*webhook.Endpoint{
			{Status: webhook.EndpointPaused, PausedAt: now}, {Status: webhook.EndpointDisabled}, throttled,
		} {
			d := planned(e)
			got, action := policy().Reconcile(d, e, true, now)
			require.Equal(t, webhook.ActionHold, action)
			d.WakeAt = now.Add(policy().HeldPush)
			require.Equal(t, d, got)
		}
	})
	t.Run("SetsTimersWithinTheHorizon", func(t *testing.T) {
		t.Parallel()
		p, e := policy(), active()
		for in, want := range map[time.Duration]webhook.Action{
			1: webhook.ActionTimer, p.Horizon: webhook.ActionTimer, p.Horizon + 1: webhook.ActionHold,
			time.Hour: webhook.ActionHold,
		} {
			d := planned(e)
			d.DueAt = now.Add(in)
			got, action := p.Reconcile(d, e, true, now)
			require.Equal(t, want, action, in)
			require.Equal(t, now.Add(p.WakeAfter(in, p.LeaseOf(e))), got.WakeAt)
			require.True(t, got.WakeAt.After(now))
		}
	})
	t.Run("HintsWhatIsLateLessAndLessOften", func(t *testing.T) {
		t.Parallel()
		p, e := policy(), active()
		d := planned(e)
		at := now
		for _, want := range []time.Duration{30, 30, 60, 120, 240, 480, 600, 600} { // seconds
			got, action := p.Reconcile(d, e, true, at)
			require.Equal(t, webhook.ActionHint, action)
			require.Equal(t, want*time.Second, got.WakeAt.Sub(at), "%s late", at.Sub(now))
			at = got.WakeAt
		}
	})
}

func requireEnd(t *testing.T, d webhook.Delivery, s webhook.State, r webhook.Reason) {
	t.Helper()
	require.Equal(t, s, d.State)
	require.Equal(t, r, d.Reason)
	require.Zero(t, d.WakeAt)
	require.Zero(t, d.LeaseUntil)
}

// TestEveryDeliveryEndsWithNobodysHelp lets deliveries live by the reconciler alone, with processes that die, endpoints
// that are paused, throttled and deleted, and hints that are lost: every one ends, and the reconciler looks at each
// again only later than it just did.
func TestEveryDeliveryEndsWithNobodysHelp(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	for range 500 {
		p, e := policy(), active()
		d, at := planned(e), now
		for looks := 0; !d.State.Terminal(); looks++ {
			require.Less(t, looks, 10_000, "it ends")
			require.True(t, d.WakeAt.After(at) || looks == 0, "there is always a next look")
			at = d.WakeAt
			disturb(random, e, at)
			var action webhook.Action
			before := d
			d, action = p.Reconcile(d, e, random.IntN(10) > 0, at)
			require.Contains(t, webhook.Actions, action)
			require.GreaterOrEqual(t, d.Attempt, before.Attempt)
			if d.Claimable(e, d.Attempt, at) && action == webhook.ActionHint && random.IntN(3) > 0 {
				p.Claim(&d, e, at) // and its process dies
			}
		}
		require.NotEqual(t, webhook.ReasonNone, d.Reason)
	}
}

// disturb changes an endpoint as people and answers do.
func disturb(random *rand.Rand, e *webhook.Endpoint, at time.Time) {
	switch random.IntN(12) {
	case 0:
		if e.Status == webhook.EndpointActive {
			e.Status, e.PausedAt = webhook.EndpointPaused, at
		}
	case 1, 2, 3:
		if e.Status == webhook.EndpointPaused {
			e.PausedTotal += at.Sub(e.PausedAt)
			e.Status, e.PausedAt = webhook.EndpointActive, time.Time{}
		}
	case 4:
		e.ThrottledUntil = at.Add(time.Hour)
	case 5:
		if random.IntN(50) == 0 {
			e.Status = webhook.EndpointDeleted
		}
	}
}

func TestStep(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]int{{0, 0, 0}, {1, 0, 1}, {1, 1, 0}, {3, 3, 0}, {4, 4, 1}, {10, 3, 7}, {10, 9, 7}} {
		require.Equal(t, c[2], webhook.Step(c[0], c[1]), c)
	}
}

func ExamplePolicy_Reconcile() {
	p := webhook.DefaultPolicy()
	e := &webhook.Endpoint{Status: webhook.EndpointActive}
	d := webhook.Delivery{State: webhook.StateAttempting, Attempt: 1, LeaseUntil: now, ExpiresAt: now.Add(time.Hour)}
	d, action := p.Reconcile(d, e, true, now)
	fmt.Println(action, d.State, d.Interruptions)
	// Output: interrupt scheduled 1
}

func BenchmarkReconcile(b *testing.B) {
	p, e := policy(), active()
	d := planned(e)
	b.ReportAllocs()
	for b.Loop() {
		p.Reconcile(d, e, true, now)
	}
}
