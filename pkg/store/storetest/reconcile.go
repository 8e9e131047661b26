package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var reconcileTests = []test{
	{"LeavesAloneWhatIsOnTime", leavesOnTime},
	{"HintsWhatIsLate", hintsLate},
	{"PutsOffByAsMuchAsItIsLate", putsOff},
	{"CommitsBeforeItReturns", commitsFirst},
	{"SetsTimersWithinTheHorizon", setsTimers},
	{"HoldsWhatMayNotBeSent", holdsClosed},
	{"InterruptsWhenTheLeaseIsOver", interruptsAttempt},
	{"WaitsWhenLeasesMayNotBeEnded", waitsForLease},
	{"TakesThreeInterruptionsForFreeAndThenSteps", freeInterruptions},
	{"ExhaustsWhatWasInterruptedAfterItsEnd", exhaustsInterrupted},
	{"ExhaustsWhatNeverGotItsTurn", exhaustsGated},
	{"CancelsWhatIsOfADeletedEndpoint", cancelsDeleted},
	{"EndsALeaseBeforeItCancels", cancelsAfterLease},
	{"LeavesAloneWhatHasEnded", leavesEnded},
	{"BoundsTheRows", boundsRows},
	{"TakesTheLatestFirst", takesLatestFirst},
	{"NamesABusyEndpointAsAWhole", namesBusyEndpoint},
	{"NamesTimersOneByOne", namesTimers},
	{"GivesConcurrentCallsDifferentRows", differentRows},
}

// overdue lets a delivery's wake time pass.
func (b *bundle) overdue(d webhook.Delivery) {
	b.pass(b.view(d.ID).Delivery.WakeAt.Sub(b.now()) + time.Second)
}

// moved reconciles once, and requires that the delivery was moved by the action expected, as the policy says.
func (b *bundle) moved(d webhook.Delivery, want webhook.Action, r store.ReconcileRequest) store.Reconciled {
	b.tb.Helper()
	was, e := b.view(d.ID).Delivery, b.stored(d.Endpoint)
	var out store.Reconciled
	in := b.during(func() { out = b.reconcile(r) })
	require.Equal(b.tb, map[webhook.Action]int{want: 1}, counted(out))
	from, action := b.Policy.Reconcile(was, &e, r.EndLeases, in.from)
	to, _ := b.Policy.Reconcile(was, &e, r.EndLeases, in.to)
	require.Equal(b.tb, want, action, "the test means another action than the policy")
	got := b.view(d.ID).Delivery
	in.requireBetween(b.tb, from.WakeAt, to.WakeAt, got.WakeAt)
	in.requireBetween(b.tb, from.DueAt, to.DueAt, got.DueAt)
	from.WakeAt, from.DueAt = got.WakeAt, got.DueAt
	require.Equal(b.tb, from, got)
	return out
}

// counted returns the counts that are not zero.
func counted(r store.Reconciled) map[webhook.Action]int {
	out := map[webhook.Action]int{}
	for action, n := range r.Counts {
		if n != 0 {
			out[action] = n
		}
	}
	return out
}

// due names a delivery as the reconciler does.
func due(d webhook.Delivery) store.Due { return store.Due{ClaimItem: item(d), DueAt: d.DueAt} }

// requireQuiet requires that the reconciler finds nothing.
func (b *bundle) requireQuiet() {
	b.tb.Helper()
	out := b.reconcile(everything)
	require.Empty(b.tb, counted(out))
	require.Empty(b.tb, out.Due)
	require.Empty(b.tb, out.Timers)
	require.Empty(b.tb, out.Endpoints)
	require.False(b.tb, out.More)
}

func leavesOnTime(t *testing.T, b *bundle) {
	e := b.endpoint()
	ds := b.many(e, 3)
	b.begin(ds[1].ID)
	b.record(b.failure(b.begin(ds[2].ID), time.Hour))
	was := b.view(ds[0].ID)
	b.requireQuiet()
	require.Equal(t, was, b.view(ds[0].ID))
}

func hintsLate(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	b.overdue(d)
	out := b.moved(d, webhook.ActionHint, everything)
	require.Equal(t, []store.Due{due(b.view(d.ID).Delivery)}, out.Due)
	require.Empty(t, out.Timers)
	require.Empty(t, out.Endpoints)

	b.record(b.failure(b.begin(d.ID), time.Minute))
	b.overdue(d)
	out = b.moved(d, webhook.ActionHint, everything)
	require.Len(t, out.Due, 1)
	require.Equal(t, 1, out.Due[0].Attempt, "the attempts made")
}

func putsOff(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	late := make([]time.Duration, 0, 12)
	for range cap(late) {
		b.overdue(d)
		b.moved(d, webhook.ActionHint, everything)
		late = append(late, b.view(d.ID).Delivery.WakeAt.Sub(b.now()))
	}
	require.Greater(t, late[1], late[0]*3/2, "it doubles")
	require.InDelta(t, b.Policy.PushCap, late[len(late)-1], float64(time.Minute), "up to the cap")
}

func commitsFirst(t *testing.T, b *bundle) {
	ds := b.many(b.endpoint(), 3)
	b.overdue(ds[2])
	require.Len(t, b.reconcile(everything).Due, 3)
	b.requireQuiet()
	requireWork(t, ds, b.claim(store.ClaimRequest{Items: items(ds)}).Work)
}

func setsTimers(t *testing.T, b *bundle) {
	d := b.store(dueIn(b.event(b.endpoint()), b.Policy.Horizon+time.Hour))[0]
	b.pass(30 * time.Minute)
	b.requireQuiet()
	b.overdue(d)
	out := b.moved(d, webhook.ActionTimer, everything)
	require.Equal(t, []store.Due{due(b.view(d.ID).Delivery)}, out.Timers)
	require.Empty(t, out.Due)
	b.requireQuiet()
	b.overdue(d) // the timer was lost
	b.moved(d, webhook.ActionHint, everything)
}

func holdsClosed(t *testing.T, b *bundle) {
	for _, status := range []webhook.EndpointStatus{webhook.EndpointPaused, webhook.EndpointDisabled} {
		e := b.endpoint()
		d := b.to(e)
		b.set(e.ID, status)
		b.overdue(d)
		out := b.moved(d, webhook.ActionHold, everything)
		require.Empty(t, out.Due)
		require.Empty(t, out.Endpoints)
		require.NoError(t, b.Store.CancelDelivery(b.ctx, b.tenant, d.ID))
	}
	e := b.endpoint()
	ds := b.many(e, 2)
	r := success(b.begin(ds[0].ID))
	r.ThrottleFor = time.Hour
	b.record(r)
	b.overdue(ds[1])
	require.Empty(t, b.moved(ds[1], webhook.ActionHold, everything).Endpoints)
}

func interruptsAttempt(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	w := b.begin(d.ID)
	b.overdue(d)
	var out store.Reconciled
	in := b.during(func() { out = b.moved(d, webhook.ActionInterrupt, everything) })
	v := b.view(d.ID)
	in.requireAfter(t, 0, v.Delivery.DueAt)
	require.Equal(t, 1, v.Delivery.Interruptions)
	require.Equal(t, []store.Due{due(v.Delivery)}, out.Due)
	require.Equal(t, 1, out.Due[0].Attempt)
	require.Equal(t, webhook.OutcomeInterrupted, v.Attempts[0].Outcome)
	require.Equal(t, v.Delivery.StartedAt, v.Attempts[0].StartedAt)
	require.Zero(t, v.Attempts[0].Status)
	require.Equal(t, w.Delivery.Attempt+1, b.begin(d.ID).Delivery.Attempt)
}

func waitsForLease(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	w := b.begin(d.ID)
	b.overdue(d)
	gentle := everything
	gentle.EndLeases = false
	out := b.moved(d, webhook.ActionWait, gentle)
	require.Empty(t, out.Due)
	b.requireQuiet()
	require.True(t, b.record(success(w)).Applied, "the outcome was on its way")
}

func freeInterruptions(t *testing.T, b *bundle) {
	d := b.to(b.endpoint(func(e *webhook.Endpoint) { e.Schedule = []time.Duration{0, time.Hour} }))
	const attempts = webhook.FreeInterruptions + 2
	for number := 1; number < attempts; number++ {
		b.begin(d.ID)
		b.overdue(d)
		b.moved(d, webhook.ActionInterrupt, everything)
	}
	b.begin(d.ID)
	b.overdue(d)
	require.Empty(t, b.moved(d, webhook.ActionExhaust, everything).Due)
	v := b.view(d.ID)
	require.Equal(t, webhook.StateExhausted, v.Delivery.State)
	require.Equal(t, webhook.ReasonInterrupted, v.Delivery.Reason)
	require.Equal(t, attempts, v.Delivery.Attempt)
	require.Equal(t, attempts, v.Delivery.Interruptions)
	require.Equal(t, webhook.OutcomeInterrupted, v.Attempts[attempts-1].Outcome)
}

func exhaustsInterrupted(t *testing.T, b *bundle) {
	d := b.store(living(b.event(b.endpoint()), time.Hour))[0]
	b.begin(d.ID)
	b.pass(time.Hour)
	b.moved(d, webhook.ActionExhaust, everything)
	require.Equal(t, webhook.ReasonInterrupted, b.view(d.ID).Delivery.Reason)
}

func exhaustsGated(t *testing.T, b *bundle) {
	d := b.store(living(b.event(b.endpoint()), time.Hour))[0]
	b.pass(time.Hour)
	require.Empty(t, b.moved(d, webhook.ActionExhaust, everything).Due)
	require.Equal(t, webhook.ReasonGated, b.view(d.ID).Delivery.Reason)
}

func cancelsDeleted(t *testing.T, b *bundle) {
	e := b.endpoint()
	d := b.to(e)
	b.set(e.ID, webhook.EndpointDeleted)
	b.overdue(d)
	b.moved(d, webhook.ActionCancel, everything)
	got := b.view(d.ID).Delivery
	require.Equal(t, webhook.StateCancelled, got.State)
	require.Equal(t, webhook.ReasonEndpointDeleted, got.Reason)
}

func cancelsAfterLease(t *testing.T, b *bundle) {
	e := b.endpoint()
	d := b.to(e)
	b.begin(d.ID)
	b.set(e.ID, webhook.EndpointDeleted)
	b.overdue(d)
	gentle := everything
	gentle.EndLeases = false
	b.moved(d, webhook.ActionWait, gentle)
	b.overdue(d)
	b.moved(d, webhook.ActionCancel, everything)
	require.Equal(t, webhook.OutcomeInterrupted, b.view(d.ID).Attempts[0].Outcome)
}

func leavesEnded(t *testing.T, b *bundle) {
	e := b.endpoint()
	ds := b.many(e, 3)
	b.succeed(ds[0].ID)
	b.record(exhausted(b.begin(ds[1].ID)))
	require.NoError(t, b.Store.CancelDelivery(b.ctx, b.tenant, ds[2].ID))
	b.pass(365 * 24 * time.Hour)
	b.requireQuiet()
}

func boundsRows(t *testing.T, b *bundle) {
	ds := b.many(b.endpoint(), 7)
	b.overdue(ds[6])
	few := everything
	few.Limit = 3
	var named []store.Due
	for _, want := range []int{3, 3, 1} {
		out := b.reconcile(few)
		require.Len(t, out.Due, want)
		named = append(named, out.Due...)
		if want == few.Limit {
			require.True(t, out.More)
		}
	}
	require.False(t, b.reconcile(few).More)
	require.ElementsMatch(t, items(ds), dueItems(named))
}

func dueItems(ds []store.Due) []store.ClaimItem {
	out := make([]store.ClaimItem, 0, len(ds))
	for _, d := range ds {
		out = append(out, d.ClaimItem)
	}
	return out
}

func takesLatestFirst(t *testing.T, b *bundle) {
	e := b.endpoint()
	var ds []webhook.Delivery
	for _, in := range []time.Duration{3 * time.Minute, time.Minute, 2 * time.Minute} {
		ds = append(ds, b.store(dueIn(b.event(e), in))[0])
	}
	b.pass(time.Hour)
	one := everything
	one.Limit = 1
	for _, want := range []int{1, 2, 0} {
		require.Equal(t, []store.ClaimItem{item(ds[want])}, dueItems(b.reconcile(one).Due))
	}
}

func namesBusyEndpoint(t *testing.T, b *bundle) {
	busy, calm := b.endpoint(), b.endpoint()
	b.many(busy, 4)
	ds := b.many(calm, 3)
	b.overdue(ds[2])
	r := everything
	r.PerEndpoint = 3
	out := b.reconcile(r)
	require.Equal(t, 7, out.Counts[webhook.ActionHint])
	require.Equal(t, []webhook.ID{busy.ID}, out.Endpoints)
	require.ElementsMatch(t, items(ds), dueItems(out.Due))
}

func namesTimers(t *testing.T, b *bundle) {
	e := b.endpoint()
	var ds []webhook.Delivery
	for range 3 {
		ds = append(ds, b.store(dueIn(b.event(e), b.Policy.Horizon+time.Hour))[0])
	}
	b.overdue(ds[2])
	r := everything
	r.PerEndpoint = 1
	out := b.reconcile(r)
	require.ElementsMatch(t, items(ds), dueItems(out.Timers))
	require.Empty(t, out.Endpoints)
}

func differentRows(t *testing.T, b *bundle) {
	const callers = 5
	var ds []webhook.Delivery
	for range 3 {
		ds = append(ds, b.many(b.endpoint(), 20)...)
	}
	b.overdue(ds[len(ds)-1])
	got, errs := make([][]store.Due, callers), make([]error, callers)
	together(callers, func(i int) {
		few := everything
		few.Limit = 4
		for more := true; more && errs[i] == nil; {
			var out store.Reconciled
			out, errs[i] = b.Store.Reconcile(b.ctx, few)
			got[i] = append(got[i], out.Due...)
			more = len(out.Due) > 0
		}
	})
	// A caller that met only rows which others held has stopped early, so the rest is taken now.
	all := b.reconcile(everything).Due
	for i := range got {
		require.NoError(t, errs[i])
		all = append(all, got[i]...)
	}
	require.ElementsMatch(t, items(ds), dueItems(all))
	b.requireQuiet()
}
