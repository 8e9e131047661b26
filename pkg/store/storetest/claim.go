package storetest

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var claimTests = []test{
	{"BeginsTheFirstAttempt", beginsAttempt},
	{"GivesWhatIsNeededToSend", givesWhatIsNeeded},
	{"NumbersAttempts", numbersAttempts},
	{"HoldsForTheLeaseOfTheEndpoint", holdsForLease},
	{"KeepsTheWakeTimeOfAClaimOnTime", keepsWakeTime},
	{"PutsTheWakeTimeBehindTheLeaseOfALateClaim", wakesBehindLease},
	{"BringsTheWakeTimeOfWhatWasHeldBackToTheLease", wakesSoonAfterHold},
	{"PassesOverWhatIsUnderWay", passesOverAttempting},
	{"PassesOverWhatHasEnded", passesOverEnded},
	{"PassesOverAnotherAttemptNumber", passesOverNumber},
	{"PassesOverAnotherEndpoint", passesOverEndpoint},
	{"PassesOverWhatIsUnknown", passesOverUnknown},
	{"TellsWhatIsNotDueYet", tellsNotDue},
	{"PassesOverAClosedEndpointAndNamesIt", namesClosed},
	{"TellsWhenAThrottleEnds", tellsThrottle},
	{"PassesOverWhatHasExpired", passesOverExpired},
	{"ClaimsAnItemNamedTwiceOnce", claimsTwiceNamedOnce},
	{"ClaimsWhatIsBothNamedAndPulledOnce", claimsNamedAndPulledOnce},
	{"PullsWhatHasBeenDueLongest", pullsOldest},
	{"PullsOnlyFromTheEndpointNamed", pullsFromOne},
	{"SaysWhenAnEndpointIsDrained", saysDrained},
	{"SharesEventAndTarget", sharesEventAndTarget},
	{"BoundsThePayloads", boundsPayloads},
	{"LeavesOutOnePayloadLargerThanTheBound", leavesOutLargePayload},
	{"SignsWithEverySecretNotExpired", givesSecrets},
	{"TakesAnEmptyRequest", takesEmptyRequest},
	{"TakesAFullRequest", takesFullRequest},
}

func beginsAttempt(t *testing.T, b *bundle) {
	e := b.endpoint()
	d := b.to(e)
	var w store.Work
	in := b.during(func() { w = b.begin(d.ID) })
	require.Equal(t, webhook.StateAttempting, w.Delivery.State)
	require.Equal(t, 1, w.Delivery.Attempt)
	in.requireAfter(t, 0, w.Delivery.StartedAt)
	in.requireAfter(t, b.Policy.LeaseOf(&e), w.Delivery.LeaseUntil)
	require.Equal(t, w.Delivery, b.view(d.ID).Delivery, "it is committed as returned")
	require.Empty(t, b.view(d.ID).Attempts)
}

func givesWhatIsNeeded(t *testing.T, b *bundle) {
	e := b.endpoint(func(e *webhook.Endpoint) {
		e.Format, e.Timeout, e.RatePerSecond = webhook.FormatStandard, 9*time.Second, 5
		e.Consent = webhook.Consent{Origin: "homing.example", PerMinute: 30, At: time.Unix(1e9, 0).UTC()}
		e.Schedule = []time.Duration{0, time.Minute}
		e.Filter = "amount > 10"
	})
	n := b.event(e)
	d := b.store(n)[0]
	w := b.begin(d.ID)
	require.NoError(t, w.Err)
	require.False(t, w.DataLeftOut)
	requireEvent(t, n.Event, *w.Event)
	require.Equal(t, e, w.Target.Endpoint)
	secrets, err := b.Store.Secrets(b.ctx, b.tenant, e.ID)
	require.NoError(t, err)
	require.Len(t, secrets, 1)
	require.Equal(t, secrets, w.Target.Secrets)
}

func numbersAttempts(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	for number := 1; number <= 4; number++ {
		w := b.begin(d.ID)
		require.Equal(t, number, w.Delivery.Attempt)
		b.record(b.failure(w, 0))
	}
	require.Len(t, b.view(d.ID).Attempts, 4)
}

func holdsForLease(t *testing.T, b *bundle) {
	e := b.endpoint(func(e *webhook.Endpoint) { e.Timeout = 3 * time.Minute })
	d := b.to(e)
	var w store.Work
	in := b.during(func() { w = b.begin(d.ID) })
	in.requireAfter(t, 3*time.Minute+b.Policy.LeaseMargin, w.Delivery.LeaseUntil)
}

func keepsWakeTime(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	require.Equal(t, d.WakeAt, b.begin(d.ID).Delivery.WakeAt)
}

func wakesBehindLease(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	b.pass(time.Hour)
	w := b.begin(d.ID)
	require.Equal(t, w.Delivery.LeaseUntil, w.Delivery.WakeAt)
}

func wakesSoonAfterHold(t *testing.T, b *bundle) {
	e := b.endpoint()
	named, pulled := b.to(e), b.to(e)
	b.set(e.ID, webhook.EndpointPaused)
	b.pass(time.Hour)
	require.Equal(t, 2, b.reconcile(everything).Counts[webhook.ActionHold])
	b.set(e.ID, webhook.EndpointActive)
	work := append([]store.Work{b.begin(named.ID)}, b.claim(store.ClaimRequest{Pulls: []store.Pull{{
		Endpoint: e.ID, Limit: 1,
	}}}).Work...)
	requireWork(t, []webhook.Delivery{named, pulled}, work)
	for _, w := range work {
		require.Equal(t, w.Delivery.LeaseUntil.Add(b.Policy.WakeGrace), w.Delivery.WakeAt,
			"its process may die like any other")
	}
}

func passesOverAttempting(_ *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	w := b.begin(d.ID)
	b.refuses(d)
	b.refuses(w.Delivery)
	b.pass(24 * time.Hour)
	b.refuses(w.Delivery) // only the reconciler ends a lease
}

func passesOverEnded(t *testing.T, b *bundle) {
	e := b.endpoint()
	ds := b.many(e, 3)
	b.succeed(ds[0].ID)
	b.record(exhausted(b.begin(ds[1].ID)))
	require.NoError(t, b.Store.CancelDelivery(b.ctx, b.tenant, ds[2].ID))
	for _, d := range ds {
		b.refuses(b.view(d.ID).Delivery)
	}
}

func passesOverNumber(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	for _, seen := range []int{-1, 1, 2} {
		c := b.claim(store.ClaimRequest{Items: []store.ClaimItem{
			{Delivery: d.ID, Endpoint: d.Endpoint, Attempt: seen},
		}})
		require.Empty(t, c.Work)
		require.Empty(t, c.NotDue)
	}
	b.record(b.failure(b.begin(d.ID), 0))
	stale := b.claim(store.ClaimRequest{Items: []store.ClaimItem{item(d)}})
	require.Empty(t, stale.Work, "a hint that has not seen the first attempt")
	b.succeed(d.ID)
}

func passesOverEndpoint(t *testing.T, b *bundle) {
	first, second := b.endpoint(), b.endpoint()
	d := b.to(first)
	forged := store.ClaimItem{Delivery: d.ID, Endpoint: second.ID}
	require.Empty(t, b.claim(store.ClaimRequest{Items: []store.ClaimItem{forged}}).Work)

	b.set(first.ID, webhook.EndpointPaused)
	require.Empty(t, b.claim(store.ClaimRequest{Items: []store.ClaimItem{forged}}).Work, "by way of an open one")
	late := b.store(dueIn(b.event(first), time.Hour))[0]
	c := b.claim(store.ClaimRequest{Items: []store.ClaimItem{{Delivery: late.ID, Endpoint: second.ID}}})
	require.Empty(t, c.NotDue)
}

func passesOverUnknown(t *testing.T, b *bundle) {
	e := b.endpoint()
	c := b.claim(store.ClaimRequest{
		Items: []store.ClaimItem{{Delivery: b.id(), Endpoint: e.ID}, {Delivery: b.id(), Endpoint: b.id()}},
		Pulls: []store.Pull{{Endpoint: e.ID, Limit: 3}},
	})
	require.Equal(t, store.Claims{Drained: []webhook.ID{e.ID}}, normal(c))
}

// normal returns claims with nil for what is empty.
func normal(c store.Claims) store.Claims {
	if len(c.Work) == 0 {
		c.Work = nil
	}
	if len(c.NotDue) == 0 {
		c.NotDue = nil
	}
	if len(c.Drained) == 0 {
		c.Drained = nil
	}
	if len(c.Closed) == 0 {
		c.Closed = nil
	}
	return c
}

func tellsNotDue(t *testing.T, b *bundle) {
	d := b.store(dueIn(b.event(b.endpoint()), time.Hour))[0]
	c := b.refuses(d)
	require.Len(t, c.NotDue, 1)
	require.Equal(t, item(d), c.NotDue[0].ClaimItem)
	require.InDelta(t, time.Hour, c.NotDue[0].DueIn, float64(time.Minute))
	require.Equal(t, []webhook.ID{d.Endpoint}, c.Drained, "a pull does not take it either")
	other := item(d)
	other.Attempt++
	require.Empty(t, b.claim(store.ClaimRequest{Items: []store.ClaimItem{other}}).NotDue, "not scheduled as expected")
	b.pass(time.Hour)
	b.begin(d.ID)
}

func namesClosed(t *testing.T, b *bundle) {
	for _, status := range []webhook.EndpointStatus{
		webhook.EndpointPaused, webhook.EndpointDisabled, webhook.EndpointDeleted,
	} {
		e := b.endpoint()
		d := b.to(e)
		b.set(e.ID, status)
		c := b.refuses(d)
		require.Equal(t, []store.Closed{{Endpoint: e.ID}}, c.Closed, status)
		require.Empty(t, c.Drained, status)
	}
}

func tellsThrottle(t *testing.T, b *bundle) {
	e := b.endpoint()
	ds := b.many(e, 2)
	r := b.failure(b.begin(ds[0].ID), 0)
	r.ThrottleFor = time.Hour
	b.record(r)
	c := b.refuses(ds[1])
	require.Len(t, c.Closed, 1)
	require.Equal(t, e.ID, c.Closed[0].Endpoint)
	require.InDelta(t, time.Hour, c.Closed[0].OpenIn, float64(time.Minute))
	b.pass(time.Hour)
	require.Len(t, b.pulled(e.ID, 10).Work, 2)
}

func passesOverExpired(_ *testing.T, b *bundle) {
	d := b.store(living(b.event(b.endpoint()), time.Hour))[0]
	b.pass(59 * time.Minute)
	b.record(b.failure(b.begin(d.ID), 0))
	b.pass(time.Minute)
	b.refuses(b.view(d.ID).Delivery)
}

func claimsTwiceNamedOnce(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	c := b.claim(store.ClaimRequest{Items: []store.ClaimItem{item(d), item(d), item(d)}})
	require.Len(t, c.Work, 1)
	require.Equal(t, 1, b.view(d.ID).Delivery.Attempt)
}

func claimsNamedAndPulledOnce(t *testing.T, b *bundle) {
	e := b.endpoint()
	ds := b.many(e, 4)
	c := b.claim(store.ClaimRequest{
		Items: items(ds[:1]), Pulls: []store.Pull{{Endpoint: e.ID, Limit: 2}},
	})
	requireWork(t, ds[:3], c.Work)
	require.Empty(t, c.Drained)
}

// requireWork requires works of exactly those deliveries, each once, in any order.
func requireWork(tb testing.TB, want []webhook.Delivery, got []store.Work) {
	tb.Helper()
	wanted, had := make([]webhook.ID, 0, len(want)), make([]webhook.ID, 0, len(got))
	for _, d := range want {
		wanted = append(wanted, d.ID)
	}
	for _, w := range got {
		had = append(had, w.Delivery.ID)
	}
	require.ElementsMatch(tb, wanted, had)
}

func pullsOldest(t *testing.T, b *bundle) {
	e := b.endpoint()
	var ds []webhook.Delivery
	for _, in := range []time.Duration{5 * time.Minute, 3 * time.Minute, time.Minute, 4 * time.Minute} {
		ds = append(ds, b.store(dueIn(b.event(e), in))[0])
	}
	b.pass(time.Hour)
	requireWork(t, []webhook.Delivery{ds[2], ds[1]}, b.pulled(e.ID, 2).Work)
	requireWork(t, ds[3:], b.pulled(e.ID, 1).Work)
}

func pullsFromOne(t *testing.T, b *bundle) {
	first, second := b.endpoint(), b.endpoint()
	ds := b.many(first, 2)
	b.many(second, 2)
	requireWork(t, ds, b.pulled(first.ID, 10).Work)
}

func saysDrained(t *testing.T, b *bundle) {
	full, bare := b.endpoint(), b.endpoint()
	b.many(full, 3)
	c := b.claim(store.ClaimRequest{Pulls: []store.Pull{
		{Endpoint: full.ID, Limit: 2}, {Endpoint: bare.ID, Limit: 2},
	}})
	require.Len(t, c.Work, 2)
	require.Equal(t, []webhook.ID{bare.ID}, c.Drained)
	c = b.pulled(full.ID, 1)
	require.Len(t, c.Work, 1)
	require.Empty(t, c.Drained, "it gave as many as asked for")
	c = b.pulled(full.ID, 2)
	require.Empty(t, c.Work)
	require.Equal(t, []webhook.ID{full.ID}, c.Drained)
}

func sharesEventAndTarget(t *testing.T, b *bundle) {
	first, second := b.endpoint(), b.endpoint()
	ds := b.store(b.event(first, second))
	ds = append(ds, b.to(first))
	c := b.claim(store.ClaimRequest{Items: items(ds)})
	requireWork(t, ds, c.Work)
	work := map[webhook.ID]store.Work{}
	for _, w := range c.Work {
		work[w.Delivery.ID] = w
	}
	require.Same(t, work[ds[0].ID].Event, work[ds[1].ID].Event)
	require.Same(t, work[ds[0].ID].Target, work[ds[2].ID].Target)
	require.NotSame(t, work[ds[0].ID].Target, work[ds[1].ID].Target)
	require.NotSame(t, work[ds[0].ID].Event, work[ds[2].ID].Event)
}

func boundsPayloads(t *testing.T, b *bundle) {
	first, second := b.endpoint(), b.endpoint()
	const size, budget = 1000, 3000
	var ds []webhook.Delivery
	data := map[webhook.ID][]byte{}
	for i := range 5 {
		n := b.event(first, second)
		n.Event.Data = bytes.Repeat([]byte{byte('a' + i)}, size)
		data[n.Event.ID] = n.Event.Data
		ds = append(ds, b.store(n)...)
	}
	c := b.claim(store.ClaimRequest{Items: items(ds), MaxBytes: budget})
	requireWork(t, ds, c.Work)
	with := map[webhook.ID]bool{}
	for _, w := range c.Work {
		require.Equal(t, w.DataLeftOut, len(w.Event.Data) == 0)
		require.Equal(t, "order.paid", w.Event.Type, "only the payload is left out")
		if !w.DataLeftOut {
			require.Equal(t, data[w.Event.ID], w.Event.Data)
			with[w.Event.ID] = true
			continue
		}
		whole, err := b.Store.Event(b.ctx, b.tenant, w.Event.ID)
		require.NoError(t, err)
		require.Equal(t, data[w.Event.ID], whole.Data)
	}
	require.Len(t, with, budget/size, "as many payloads as fit, each counted once for its event")
}

func leavesOutLargePayload(t *testing.T, b *bundle) {
	n := b.event(b.endpoint())
	n.Event.Data = make([]byte, 1001)
	d := b.store(n)[0]
	c := b.claim(store.ClaimRequest{Items: []store.ClaimItem{item(d)}, MaxBytes: 1000})
	require.Len(t, c.Work, 1)
	require.True(t, c.Work[0].DataLeftOut)
	require.Empty(t, c.Work[0].Event.Data)
}

func givesSecrets(t *testing.T, b *bundle) {
	e := b.endpoint()
	ds := b.many(e, 2)
	require.NoError(t, b.Store.AddSecret(b.ctx, b.tenant, b.secret(e.ID), time.Hour))
	secrets, err := b.Store.Secrets(b.ctx, b.tenant, e.ID)
	require.NoError(t, err)
	require.Len(t, secrets, 2)
	require.Equal(t, secrets, b.begin(ds[0].ID).Target.Secrets)
	b.pass(time.Hour)
	got := b.begin(ds[1].ID).Target.Secrets
	require.Len(t, got, 1)
	require.Equal(t, secrets[0].ID, got[0].ID, "the newest is left")
}

func takesEmptyRequest(t *testing.T, b *bundle) {
	require.Equal(t, store.Claims{}, normal(b.claim(store.ClaimRequest{})))
}

func takesFullRequest(t *testing.T, b *bundle) {
	var ds []webhook.Delivery
	var pulls []store.Pull
	for range 4 {
		e := b.endpoint()
		own := b.many(e, 30)
		ds = append(ds, own...)
		pulls = append(pulls, store.Pull{Endpoint: e.ID, Limit: 10})
	}
	c := b.claim(store.ClaimRequest{Items: items(ds[:60]), Pulls: pulls})
	require.Len(t, c.Work, 60+2*10)
	require.Len(t, c.Drained, 2)
	seen := map[webhook.ID]bool{}
	for _, w := range c.Work {
		require.False(t, seen[w.Delivery.ID])
		seen[w.Delivery.ID] = true
	}
}
