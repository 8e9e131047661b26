package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var wakeTests = []test{
	{"NamesAnEndpointThatWasResumed", namesResumed},
	{"NamesItAgainWhenTheHintWasLost", namesAgain},
	{"FallsAsleepWhenTheWorkIsDone", fallsAsleep},
	{"FindsWhatWasHeldBeforeItWasDue", findsHeldBeforeDue},
	{"NamesAnEndpointWhoseThrottleIsOver", namesUnthrottled},
	{"NamesAnEndpointResumedUnderAThrottleWhenThatIsOver", namesResumedThrottled},
	{"NamesNoEndpointWithoutWork", namesNoIdle},
	{"NamesNoEndpointThatIsClosedAgain", namesNoClosed},
	{"StopsTheClockOfExpiryWhilePaused", stopsClock},
	{"RunsTheClockOfExpiryWhileDisabled", runsClock},
	{"CountsAPauseSetTwiceOnce", countsPauseOnce},
	{"GivesAnEventOfAPauseItsWholeLife", givesWholeLife},
}

// found reconciles for a while without anybody who listens, and reports whether a delivery of the endpoint was named,
// or the endpoint itself.
func (b *bundle) found(endpoint webhook.ID, within time.Duration) bool {
	steps := int(within/b.Policy.WakeGrace) + 1
	for range steps {
		out := b.reconcile(everything)
		named := func(d store.Due) bool { return d.Endpoint == endpoint }
		if slices.Contains(out.Endpoints, endpoint) || slices.ContainsFunc(out.Due, named) {
			return true
		}
		b.pass(b.Policy.WakeGrace)
	}
	return false
}

// held stores a delivery that the reconciler puts off far, because its endpoint is paused.
func (b *bundle) held(e webhook.Endpoint) webhook.Delivery {
	b.set(e.ID, webhook.EndpointPaused)
	d := b.to(e)
	b.overdue(d)
	b.moved(d, webhook.ActionHold, everything)
	return d
}

func namesResumed(t *testing.T, b *bundle) {
	e := b.endpoint()
	d := b.held(e)
	b.requireQuiet()
	b.set(e.ID, webhook.EndpointActive)
	require.Equal(t, []webhook.ID{e.ID}, b.reconcile(everything).Endpoints)
	requireWork(t, []webhook.Delivery{d}, b.pulled(e.ID, 10).Work)
}

func namesAgain(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.held(e)
	b.set(e.ID, webhook.EndpointActive)
	for range 4 {
		require.True(t, b.found(e.ID, b.Policy.PushCap))
		require.NotContains(t, b.reconcile(everything).Endpoints, e.ID, "once, until its next wake time")
	}
}

func fallsAsleep(t *testing.T, b *bundle) {
	e := b.endpoint()
	d := b.held(e)
	b.set(e.ID, webhook.EndpointActive)
	require.True(t, b.found(e.ID, 0))
	b.succeed(d.ID)
	require.False(t, b.found(e.ID, 2*b.Policy.PushCap))
}

func findsHeldBeforeDue(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.set(e.ID, webhook.EndpointPaused)
	wait := b.Policy.Horizon + time.Minute
	d := b.store(dueIn(b.event(e), wait))[0]
	b.overdue(d)
	b.moved(d, webhook.ActionHold, everything)
	b.set(e.ID, webhook.EndpointActive)
	require.False(t, b.found(e.ID, time.Minute), "nothing is due yet")
	b.pass(wait - time.Minute)
	require.True(t, b.found(e.ID, b.Policy.PushCap), "though the delivery's own wake time is far off")
}

func namesUnthrottled(t *testing.T, b *bundle) {
	e := b.endpoint()
	ds := b.many(e, 2)
	r := success(b.begin(ds[0].ID))
	r.ThrottleFor = time.Hour
	b.record(r)
	b.overdue(ds[1])
	b.moved(ds[1], webhook.ActionHold, everything)
	b.requireQuiet()
	b.pass(time.Hour)
	require.True(t, b.found(e.ID, b.Policy.PushCap))
	b.succeed(ds[1].ID)
}

func namesResumedThrottled(t *testing.T, b *bundle) {
	e := b.endpoint()
	ds := b.many(e, 2)
	r := success(b.begin(ds[0].ID))
	r.ThrottleFor = time.Hour
	b.record(r)
	b.set(e.ID, webhook.EndpointPaused)
	b.overdue(ds[1])
	b.moved(ds[1], webhook.ActionHold, everything)
	b.set(e.ID, webhook.EndpointActive)
	require.Empty(t, b.reconcile(everything).Endpoints, "it may not be sent to yet")
	b.pass(time.Hour)
	require.True(t, b.found(e.ID, b.Policy.PushCap))
}

func namesNoIdle(t *testing.T, b *bundle) {
	e := b.endpoint()
	require.False(t, b.found(e.ID, b.Policy.PushCap), "a new one")
	b.set(e.ID, webhook.EndpointPaused)
	b.set(e.ID, webhook.EndpointActive)
	require.False(t, b.found(e.ID, b.Policy.PushCap), "a resumed one")
	b.begin(b.to(e).ID)
	b.set(e.ID, webhook.EndpointActive)
	require.Empty(t, b.reconcile(everything).Endpoints, "one whose delivery is under way")
}

func namesNoClosed(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.held(e)
	b.set(e.ID, webhook.EndpointActive)
	b.set(e.ID, webhook.EndpointDisabled)
	require.False(t, b.found(e.ID, b.Policy.PushCap))
	b.set(e.ID, webhook.EndpointActive)
	require.True(t, b.found(e.ID, 0))
}

func stopsClock(t *testing.T, b *bundle) {
	e := b.endpoint()
	d := b.store(living(b.event(e), 10*time.Hour))[0]
	b.pass(4 * time.Hour)
	b.set(e.ID, webhook.EndpointPaused)
	b.pass(100 * time.Hour)
	b.moved(d, webhook.ActionHold, everything)
	b.set(e.ID, webhook.EndpointActive)
	got := b.stored(e.ID)
	require.Zero(t, got.PausedAt)
	require.InDelta(t, 100*time.Hour, got.PausedTotal, float64(time.Minute))
	b.pass(5 * time.Hour)
	b.record(b.failure(b.begin(d.ID), time.Minute))
	b.pass(time.Hour)
	b.refuses(b.view(d.ID).Delivery)
	b.moved(d, webhook.ActionExhaust, everything)
}

func runsClock(t *testing.T, b *bundle) {
	e := b.endpoint()
	d := b.store(living(b.event(e), 10*time.Hour))[0]
	b.set(e.ID, webhook.EndpointDisabled)
	b.pass(10 * time.Hour)
	b.moved(d, webhook.ActionExhaust, everything)
	require.Equal(t, webhook.ReasonGated, b.view(d.ID).Delivery.Reason)
}

func countsPauseOnce(t *testing.T, b *bundle) {
	e := b.endpoint()
	for _, next := range []webhook.EndpointStatus{webhook.EndpointActive, webhook.EndpointDisabled} {
		b.set(e.ID, webhook.EndpointPaused)
		b.pass(time.Hour)
		b.set(e.ID, webhook.EndpointPaused)
		require.InDelta(t, time.Hour, b.now().Sub(b.stored(e.ID).PausedAt), float64(time.Minute))
		b.pass(time.Hour)
		b.set(e.ID, next)
		b.pass(time.Hour)
	}
	got := b.stored(e.ID)
	require.InDelta(t, 4*time.Hour, got.PausedTotal, float64(time.Minute))
	require.Zero(t, got.PausedAt)
}

func givesWholeLife(_ *testing.T, b *bundle) {
	e := b.endpoint()
	b.set(e.ID, webhook.EndpointPaused)
	b.pass(100 * time.Hour)
	d := b.store(living(b.event(e), 10*time.Hour))[0]
	b.pass(100 * time.Hour)
	b.set(e.ID, webhook.EndpointActive)
	b.pass(9 * time.Hour)
	b.record(b.failure(b.begin(d.ID), 0))
	b.pass(time.Hour)
	b.refuses(b.view(d.ID).Delivery)
}
