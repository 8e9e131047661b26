package backoff_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/backoff"
	"github.com/homing-hooks/homing/pkg/outcome"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// steps is a schedule whose steps can be told apart.
var steps = []time.Duration{time.Second, 10 * time.Second, 100 * time.Second}

// decisions has a line for every outcome.
var decisions = map[webhook.Outcome]struct {
	first, last backoff.Decision // after the first attempt of three, and after the third
}{
	webhook.OutcomeSuccess: {
		backoff.Decision{Next: webhook.StateSucceeded},
		backoff.Decision{Next: webhook.StateSucceeded},
	},
	webhook.OutcomeGone: {
		backoff.Decision{Next: webhook.StateExhausted, Reason: webhook.ReasonGone, Disable: true},
		backoff.Decision{Next: webhook.StateExhausted, Reason: webhook.ReasonGone, Disable: true},
	},
	webhook.OutcomeThrottled: {
		backoff.Decision{Next: webhook.StateScheduled, RetryIn: time.Minute, ThrottleFor: time.Minute},
		backoff.Decision{Next: webhook.StateExhausted, Reason: webhook.ReasonSchedule, ThrottleFor: time.Minute},
	},
	webhook.OutcomeUnsent: {
		backoff.Decision{Next: webhook.StateScheduled, Interrupted: true},
		backoff.Decision{Next: webhook.StateScheduled, Interrupted: true},
	},
	webhook.OutcomeInterrupted: {
		backoff.Decision{Next: webhook.StateScheduled, Interrupted: true},
		backoff.Decision{Next: webhook.StateScheduled, Interrupted: true},
	},
	webhook.OutcomeRedirect: plain, webhook.OutcomeClientError: plain, webhook.OutcomeServerError: plain,
	webhook.OutcomeTimeout: plain, webhook.OutcomeDNS: plain, webhook.OutcomeConnect: plain, webhook.OutcomeTLS: plain,
	webhook.OutcomeProtocol: plain, webhook.OutcomeBlocked: plain, webhook.OutcomeConfig: plain,
	"of a version to come": plain,
}

var plain = struct{ first, last backoff.Decision }{
	backoff.Decision{Next: webhook.StateScheduled, RetryIn: 10 * time.Second},
	backoff.Decision{Next: webhook.StateExhausted, Reason: webhook.ReasonSchedule},
}

func TestDecide(t *testing.T) {
	t.Parallel()

	t.Run("HasALineForEveryOutcome", func(t *testing.T) {
		t.Parallel()
		for _, o := range webhook.Outcomes {
			require.Contains(t, decisions, o)
		}
		require.Len(t, decisions, len(webhook.Outcomes)+1)
		for o, want := range decisions {
			f := backoff.Facts{Attempt: 1, Schedule: steps, Outcome: o, RetryAfter: time.Minute}
			require.Equal(t, want.first, backoff.Decide(f), o)
			f.Attempt = 3
			require.Equal(t, want.last, backoff.Decide(f), o)
			require.Equal(t, outcome.Retryable(o), want.first.Next == webhook.StateScheduled, o)
		}
	})
	t.Run("InterruptionsUseUpStepsBeyondTheFreeOnes", func(t *testing.T) {
		t.Parallel()
		f := backoff.Facts{Schedule: steps, Outcome: webhook.OutcomeUnsent}
		for attempt := 1; attempt < len(steps)+webhook.FreeInterruptions; attempt++ {
			f.Attempt = attempt
			require.Equal(t, webhook.StateScheduled, backoff.Decide(f).Next, attempt)
			f.Interruptions++
		}
		f.Attempt++
		require.Equal(t, backoff.Decision{
			Next: webhook.StateExhausted, Reason: webhook.ReasonInterrupted, Interrupted: true,
		}, backoff.Decide(f))
	})
	t.Run("WhatIsNotSentWaitsWhenItUsesUpAStep", func(t *testing.T) {
		t.Parallel()
		f := backoff.Facts{Schedule: steps, Outcome: webhook.OutcomeUnsent}
		var waits []time.Duration
		for d := (backoff.Decision{Next: webhook.StateScheduled}); d.Next == webhook.StateScheduled; f.Interruptions++ {
			f.Attempt++
			d = backoff.Decide(f)
			waits = append(waits, d.RetryIn)
		}
		require.Equal(t, []time.Duration{0, 0, 0, steps[1], steps[2], 0}, waits, "the last one ends it")
	})
	t.Run("FailuresAfterFreeInterruptionsStillHaveTheWholeSchedule", func(t *testing.T) {
		t.Parallel()
		f := backoff.Facts{Attempt: 4, Interruptions: 3, Schedule: steps, Outcome: webhook.OutcomeTimeout}
		require.Equal(t, 10*time.Second, backoff.Decide(f).RetryIn)
		f.Attempt = 6
		require.Equal(t, webhook.ReasonSchedule, backoff.Decide(f).Reason)
	})
	t.Run("BoundsHowLongAnEndpointIsThrottled", func(t *testing.T) {
		t.Parallel()
		for after, want := range map[time.Duration]time.Duration{
			-time.Hour: 0, 0: 0, time.Minute: time.Minute, backoff.MaxThrottle: backoff.MaxThrottle,
			48 * time.Hour: backoff.MaxThrottle,
		} {
			d := backoff.Decide(backoff.Facts{Attempt: 1, Schedule: steps, Outcome: webhook.OutcomeThrottled, RetryAfter: after})
			require.Equal(t, want, d.ThrottleFor)
			require.Equal(t, min(max(after, steps[1]), outcome.MaxRetryAfter), d.RetryIn)
		}
	})
	t.Run("AgreesWithTheReconcilerAboutInterruptions", func(t *testing.T) {
		t.Parallel()
		now := time.Unix(1_700_000_000, 0)
		policy := webhook.DefaultPolicy()
		policy.Schedule = steps
		endpoint := &webhook.Endpoint{Status: webhook.EndpointActive}
		for attempt := 1; attempt < 10; attempt++ {
			for interruptions := range attempt {
				delivery := webhook.Delivery{State: webhook.StateAttempting, Attempt: attempt, Interruptions: interruptions,
					LeaseUntil: now, ExpiresAt: now.Add(time.Hour)}
				reconciled, _ := policy.Reconcile(delivery, endpoint, true, now)
				decided := backoff.Decide(backoff.Facts{Attempt: attempt, Interruptions: interruptions, Schedule: steps,
					Outcome: webhook.OutcomeInterrupted})
				require.Equal(t, reconciled.State, decided.Next)
				require.Equal(t, reconciled.Reason, decided.Reason)
			}
		}
	})
}

// TestEveryDeliveryEnds runs deliveries through random outcomes: each ends after at most its schedule and the free
// interruptions, within its lifetime if nobody asks it to wait longer.
func TestEveryDeliveryEnds(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 5))
	policy := webhook.DefaultPolicy()
	for range 1000 {
		endpoint := &webhook.Endpoint{Schedule: randomSchedule(random)}
		f := backoff.Facts{Schedule: endpoint.Schedule}
		var lived time.Duration
		for next := webhook.StateScheduled; !next.Terminal(); {
			f.Attempt++
			f.Outcome = webhook.Outcomes[1+random.IntN(len(webhook.Outcomes)-1)]
			f.Jitter = random.Float64()
			d := backoff.Decide(f)
			require.Contains(t, []webhook.State{webhook.StateSucceeded, webhook.StateExhausted, webhook.StateScheduled}, d.Next)
			require.Equal(t, d.Next == webhook.StateExhausted, d.Reason != webhook.ReasonNone)
			require.Equal(t, d.Reason == webhook.ReasonGone, d.Disable)
			require.True(t, d.RetryIn == 0 || d.Next == webhook.StateScheduled)
			if d.Interrupted {
				f.Interruptions++
			}
			lived += d.RetryIn + policy.Timeout
			next = d.Next
		}
		require.LessOrEqual(t, f.Attempt, len(endpoint.Schedule)+webhook.FreeInterruptions)
		require.LessOrEqual(t, lived, policy.Lifetime(endpoint))
	}
}

func ExampleDecide() {
	d := backoff.Decide(backoff.Facts{
		Attempt: 2, Schedule: []time.Duration{0, 5 * time.Second, 5 * time.Minute},
		Outcome: webhook.OutcomeThrottled, RetryAfter: 10 * time.Minute, Jitter: 0.5,
	})
	fmt.Println(d.Next, d.RetryIn, d.ThrottleFor)
	// Output: scheduled 11m0s 10m0s
}
