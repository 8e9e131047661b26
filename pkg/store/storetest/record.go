package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var recordTests = []test{
	{"EndsASuccess", endsSuccess},
	{"SchedulesTheNextAttempt", schedulesNext},
	{"EndsAnExhaustedDelivery", endsExhausted},
	{"CountsAnInterruption", countsInterruption},
	{"KeepsTheAttemptAsGiven", keepsAttempt},
	{"AnswersInOrder", recordsInOrder},
	{"MayBeRepeated", recordMayBeRepeated},
	{"KnowsNoSuchDelivery", recordsUnknown},
	{"RefusesAnAttemptThatWasNeverClaimed", refusesUnclaimed},
	{"CorrectsOnlyTheRecordWhenLate", correctsWhenLate},
	{"CorrectsOnlyTheRecordOfAnEarlierAttempt", correctsEarlier},
	{"LetsALateSuccessWin", lateSuccessWins},
	{"LetsALateSuccessOfAnEarlierAttemptWin", earlierSuccessWins},
	{"LetsNothingLeaveATerminalState", terminalAbsorbs},
	{"TakesResultsOfOneDeliveryOneAfterTheOther", takesSeveralOfOne},
	{"ThrottlesTheEndpoint", throttles},
	{"NeverShortensAThrottle", neverShortensThrottle},
	{"LeavesTheEndpointAloneWhenLate", leavesEndpointWhenLate},
	{"DisablesTheEndpointOnce", disablesOnce},
	{"DisablesOnlyTheVersionSeen", disablesVersion},
	{"TakesAnEmptyGroup", recordsNothing},
	{"TakesALargeGroup", recordsMany},
}

func endsSuccess(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	require.Equal(t, store.Recorded{Applied: true, State: webhook.StateSucceeded}, b.record(success(b.begin(d.ID))))
	got := b.view(d.ID).Delivery
	require.Equal(t, webhook.StateSucceeded, got.State)
	require.Equal(t, webhook.ReasonNone, got.Reason)
}

func schedulesNext(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	w := b.begin(d.ID)
	r := b.failure(w, 7*time.Minute)
	r.WakeIn = 9 * time.Minute
	var out store.Recorded
	in := b.during(func() { out = b.record(r) })
	require.True(t, out.Applied)
	require.Equal(t, webhook.StateScheduled, out.State)
	in.requireAfter(t, 7*time.Minute, out.DueAt)
	got := b.view(d.ID).Delivery
	require.Equal(t, out.DueAt, got.DueAt)
	in.requireAfter(t, 9*time.Minute, got.WakeAt)
	require.Equal(t, 1, got.Attempt)
	require.Zero(t, got.Interruptions)
	require.Equal(t, w.Delivery.ExpiresAt, got.ExpiresAt)
	b.refuses(got)
	b.pass(7 * time.Minute)
	require.Equal(t, 2, b.begin(d.ID).Delivery.Attempt)
}

func endsExhausted(t *testing.T, b *bundle) {
	e := b.endpoint()
	for _, reason := range []webhook.Reason{webhook.ReasonSchedule, webhook.ReasonGone, webhook.ReasonInterrupted} {
		d := b.to(e)
		r := exhausted(b.begin(d.ID))
		r.Reason = reason
		require.Equal(t, store.Recorded{Applied: true, State: webhook.StateExhausted}, b.record(r))
		require.Equal(t, reason, b.view(d.ID).Delivery.Reason)
	}
}

func countsInterruption(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	r := b.failure(b.begin(d.ID), 0)
	r.Interrupted, r.Attempt.Outcome = true, webhook.OutcomeUnsent
	b.record(r)
	v := b.view(d.ID)
	require.Equal(t, 1, v.Delivery.Interruptions)
	require.Equal(t, 1, v.Delivery.Attempt)
	require.Equal(t, webhook.OutcomeUnsent, v.Attempts[0].Outcome)
}

// requireAttempt requires an attempt to be on record as it was given.
func requireAttempt(tb testing.TB, want, got webhook.Attempt) {
	tb.Helper()
	require.WithinDuration(tb, want.StartedAt, got.StartedAt, time.Millisecond)
	got.StartedAt = want.StartedAt
	require.Equal(tb, want, got)
}

func keepsAttempt(t *testing.T, b *bundle) {
	ds := b.many(b.endpoint(), 2)
	full, bare := success(b.begin(ds[0].ID)), success(b.begin(ds[1].ID))
	bare.Attempt = webhook.Attempt{
		Delivery: ds[1].ID, Number: 1, Tenant: b.tenant, Endpoint: ds[1].Endpoint,
		Outcome: webhook.OutcomeSuccess, StartedAt: bare.Attempt.StartedAt,
	}
	b.recordAll(full, bare)
	v := b.view(ds[0].ID)
	require.Len(t, v.Attempts, 1)
	requireAttempt(t, full.Attempt, v.Attempts[0])
	got := b.view(ds[1].ID).Attempts[0]
	require.Empty(t, got.ResponseHeaders)
	require.Empty(t, got.ResponseBody)
	got.ResponseHeaders, got.ResponseBody = nil, nil
	requireAttempt(t, bare.Attempt, got)
}

func recordsInOrder(t *testing.T, b *bundle) {
	ds := b.many(b.endpoint(), 4)
	again, done, gone := b.failure(b.begin(ds[0].ID), time.Hour), success(b.begin(ds[1].ID)), exhausted(b.begin(ds[2].ID))
	late := success(b.begin(ds[3].ID))
	require.NoError(t, b.Store.CancelDelivery(b.ctx, b.tenant, ds[3].ID))
	out := b.recordAll(late, gone, again, done)
	require.Equal(t, store.Recorded{State: webhook.StateCancelled}, out[0])
	require.Equal(t, store.Recorded{Applied: true, State: webhook.StateExhausted}, out[1])
	require.Equal(t, webhook.StateScheduled, out[2].State)
	require.Equal(t, store.Recorded{Applied: true, State: webhook.StateSucceeded}, out[3])
}

// recordMayBeRepeated is what a caller does whose connection broke in the commit.
func recordMayBeRepeated(t *testing.T, b *bundle) {
	ds := b.many(b.endpoint(), 2)
	done, again := success(b.begin(ds[0].ID)), b.failure(b.begin(ds[1].ID), time.Hour)
	b.recordAll(done, again)
	was := b.view(ds[1].ID)
	out := b.recordAll(done, again)
	require.Equal(t, store.Recorded{State: webhook.StateSucceeded}, out[0])
	require.Equal(t, store.Recorded{State: webhook.StateScheduled, DueAt: was.Delivery.DueAt}, out[1])
	require.Equal(t, was, b.view(ds[1].ID), "it is not put off once more")
}

func recordsUnknown(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	known := success(b.begin(d.ID))
	unknown := known
	unknown.Attempt.Delivery = b.id()
	out := b.recordAll(unknown, known)
	require.Equal(t, store.Recorded{}, out[0])
	require.Equal(t, store.Recorded{Applied: true, State: webhook.StateSucceeded}, out[1])
}

func refusesUnclaimed(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	w := b.begin(d.ID)
	for _, number := range []int{0, 2, 3} {
		r := success(w)
		r.Attempt.Number = number
		require.Equal(t, store.Recorded{State: webhook.StateAttempting}, b.record(r))
	}
	require.Equal(t, w.Delivery, b.view(d.ID).Delivery)
	require.Empty(t, b.view(d.ID).Attempts)
	require.True(t, b.record(success(w)).Applied)
}

// interrupted claims a delivery and lets its lease end.
func (b *bundle) interrupted(id webhook.ID) store.Work {
	w := b.begin(id)
	b.pass(b.view(id).Delivery.WakeAt.Sub(b.now()) + time.Second)
	require.Equal(b.tb, 1, b.reconcile(everything).Counts[webhook.ActionInterrupt])
	return w
}

func correctsWhenLate(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	w := b.interrupted(d.ID)
	was := b.view(d.ID)
	require.Equal(t, webhook.OutcomeInterrupted, was.Attempts[0].Outcome)
	late := exhausted(w)
	require.Equal(t, store.Recorded{State: webhook.StateScheduled, DueAt: was.Delivery.DueAt}, b.record(late))
	v := b.view(d.ID)
	require.Equal(t, was.Delivery, v.Delivery)
	require.Len(t, v.Attempts, 1)
	require.Equal(t, webhook.OutcomeServerError, v.Attempts[0].Outcome)
	require.Equal(t, 500, v.Attempts[0].Status)
	require.Equal(t, late.Attempt.ResponseBody, v.Attempts[0].ResponseBody)
}

func correctsEarlier(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	first := b.interrupted(d.ID)
	second := b.begin(d.ID)
	require.Equal(t, store.Recorded{State: webhook.StateAttempting}, b.record(b.failure(first, time.Hour)))
	require.Equal(t, second.Delivery, b.view(d.ID).Delivery, "the attempt under way goes on")
	require.Equal(t, webhook.OutcomeServerError, b.view(d.ID).Attempts[0].Outcome)
	require.True(t, b.record(success(second)).Applied)
}

func lateSuccessWins(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	w := b.interrupted(d.ID)
	require.Equal(t, store.Recorded{Applied: true, State: webhook.StateSucceeded}, b.record(success(w)))
	v := b.view(d.ID)
	require.Equal(t, webhook.StateSucceeded, v.Delivery.State)
	require.Equal(t, webhook.OutcomeSuccess, v.Attempts[0].Outcome)
	b.refuses(v.Delivery)
}

func earlierSuccessWins(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	first := b.interrupted(d.ID)
	second := b.begin(d.ID)
	require.Equal(t, store.Recorded{Applied: true, State: webhook.StateSucceeded}, b.record(success(first)))
	v := b.view(d.ID)
	require.Equal(t, webhook.OutcomeSuccess, v.Attempts[0].Outcome)
	require.Equal(t, webhook.OutcomeInterrupted, v.Attempts[1].Outcome, "until its result comes")
	require.WithinDuration(t, second.Delivery.StartedAt, v.Attempts[1].StartedAt, time.Millisecond)

	require.Equal(t, store.Recorded{State: webhook.StateSucceeded}, b.record(b.failure(second, 0)))
	v = b.view(d.ID)
	require.Equal(t, webhook.StateSucceeded, v.Delivery.State)
	require.Equal(t, webhook.OutcomeServerError, v.Attempts[1].Outcome)
}

func terminalAbsorbs(t *testing.T, b *bundle) {
	e := b.endpoint()
	ends := map[webhook.State]func(w store.Work){
		webhook.StateSucceeded: func(w store.Work) { b.record(success(w)) },
		webhook.StateExhausted: func(w store.Work) { b.record(exhausted(w)) },
		webhook.StateCancelled: func(w store.Work) {
			require.NoError(t, b.Store.CancelDelivery(b.ctx, b.tenant, w.Delivery.ID))
		},
	}
	for state, end := range ends {
		d := b.to(e)
		w := b.begin(d.ID)
		end(w)
		was := b.view(d.ID)
		for _, r := range []store.Result{b.failure(w, 0), exhausted(w), success(w)} {
			require.Equal(t, store.Recorded{State: state}, b.record(r))
			require.Equal(t, was.Delivery, b.view(d.ID).Delivery)
		}
		if state != webhook.StateCancelled { // whose attempt has an outcome only now
			require.Equal(t, was, b.view(d.ID))
		}
	}
}

func takesSeveralOfOne(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	first := b.interrupted(d.ID)
	second := b.begin(d.ID)
	out := b.recordAll(b.failure(first, time.Hour), success(second), b.failure(second, 0))
	require.Equal(t, []store.Recorded{
		{State: webhook.StateAttempting},
		{Applied: true, State: webhook.StateSucceeded},
		{State: webhook.StateSucceeded},
	}, out)
	v := b.view(d.ID)
	require.Equal(t, webhook.StateSucceeded, v.Delivery.State)
	require.Equal(t, webhook.OutcomeServerError, v.Attempts[0].Outcome)
	require.Equal(t, webhook.OutcomeSuccess, v.Attempts[1].Outcome, "what is known of an attempt stays")
}

func throttles(t *testing.T, b *bundle) {
	e := b.endpoint()
	r := b.failure(b.begin(b.to(e).ID), 0)
	r.ThrottleFor = 10 * time.Minute
	in := b.during(func() { b.record(r) })
	got := b.stored(e.ID)
	in.requireAfter(t, 10*time.Minute, got.ThrottledUntil)
	require.Equal(t, e.Version, got.Version, "a throttle is no change by hand")
	require.Equal(t, webhook.EndpointActive, got.Status)
	require.Zero(t, b.stored(b.endpoint().ID).ThrottledUntil, "other endpoints are left alone")
}

func neverShortensThrottle(t *testing.T, b *bundle) {
	e := b.endpoint()
	ds := b.many(e, 4)
	var rs []store.Result
	for i, throttle := range []time.Duration{2 * time.Hour, time.Hour, 0, 3 * time.Hour} {
		r := b.failure(b.begin(ds[i].ID), 0)
		r.ThrottleFor = throttle
		rs = append(rs, r)
	}
	in := b.during(func() { b.record(rs[0]) })
	in.requireAfter(t, 2*time.Hour, b.stored(e.ID).ThrottledUntil)
	b.record(rs[1])
	in.requireAfter(t, 2*time.Hour, b.stored(e.ID).ThrottledUntil)
	in = b.during(func() { b.recordAll(rs[3], rs[2]) })
	in.requireAfter(t, 3*time.Hour, b.stored(e.ID).ThrottledUntil)
}

func leavesEndpointWhenLate(t *testing.T, b *bundle) {
	e := b.endpoint()
	d := b.to(e)
	late := exhausted(b.interrupted(d.ID))
	late.ThrottleFor, late.DisableVersion = time.Hour, e.Version
	require.False(t, b.record(late).Disabled)
	got := b.stored(e.ID)
	require.Equal(t, webhook.EndpointActive, got.Status)
	require.Zero(t, got.ThrottledUntil)
}

func disablesOnce(t *testing.T, b *bundle) {
	e := b.endpoint()
	ds := b.many(e, 2)
	var rs []store.Result
	for _, d := range ds {
		r := exhausted(b.begin(d.ID))
		r.Reason, r.DisableVersion, r.DisableReason = webhook.ReasonGone, e.Version, "it answered 410"
		rs = append(rs, r)
	}
	before := b.version()
	out := b.recordAll(rs...)
	require.True(t, out[0].Disabled)
	require.False(t, out[1].Disabled, "it was disabled already")
	require.True(t, out[1].Applied)
	got := b.stored(e.ID)
	require.Equal(t, webhook.EndpointDisabled, got.Status)
	require.Equal(t, "it answered 410", got.StatusReason)
	require.Equal(t, e.Version+1, got.Version)
	require.Equal(t, before+1, b.version())
}

func disablesVersion(t *testing.T, b *bundle) {
	e := b.endpoint()
	ds := b.many(e, 2)
	gone := func(d webhook.Delivery) store.Result {
		r := exhausted(b.begin(d.ID))
		r.Reason, r.DisableVersion = webhook.ReasonGone, e.Version
		return r
	}
	first, second := gone(ds[0]), gone(ds[1])
	require.True(t, b.record(first).Disabled)
	b.set(e.ID, webhook.EndpointActive)
	out := b.record(second)
	require.True(t, out.Applied)
	require.False(t, out.Disabled, "what was seen is older than the change by hand")
	require.Equal(t, webhook.EndpointActive, b.stored(e.ID).Status)
}

func recordsNothing(t *testing.T, b *bundle) { require.Empty(t, b.recordAll()) }

func recordsMany(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.many(e, 120)
	var rs []store.Result
	for i, w := range b.pulled(e.ID, 120).Work {
		if i%3 == 0 {
			rs = append(rs, b.failure(w, time.Duration(i)*time.Minute))
		} else {
			rs = append(rs, success(w))
		}
	}
	in := b.during(func() {
		for i, out := range b.recordAll(rs...) {
			require.True(t, out.Applied)
			require.Equal(t, rs[i].Next, out.State)
		}
	})
	for _, r := range rs {
		got := b.view(r.Attempt.Delivery).Delivery
		require.Equal(t, r.Next, got.State)
		if r.Next == webhook.StateScheduled {
			in.requireAfter(t, r.RetryIn, got.DueAt)
		}
	}
}
