package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var insightTests = []test{
	{"CountsWhatWasRecorded", countsRecorded},
	{"CountsTheSameAgain", countsTheSame},
	{"CountsDeliveriesThatNeverHadTheirTurn", countsGated},
	{"CountsACorrectionByItsOutcome", countsCorrection},
	{"CountsNoReplayAsAnEvent", countsNoReplay},
	{"MakesHoursOfSpansThatAreOver", makesHours},
	{"MayCountConcurrently", talliesConcurrently},
	{"DropsCountsPastTheirRetention", dropsCounts},
	{"ShowsCountsOfTheTenantOnly", showsOwnCounts},
	{"KnowsTheLastSuccessAndFailure", knowsLast},
	{"KnowsTheHealthOfManyAtOnce", knowsHealthOfMany},
	{"KnowsSinceWhenAStatusIs", knowsStatusSince},
	{"KnowsSinceWhenRequestsLookAsTheyDo", knowsRequestSince},
	{"CountsWhatWaits", countsWaiting},
	{"JudgesEndpointsThatFailAndRecover", judgesFailing},
	{"RestsWhileNothingIsRecorded", restsCounted},
	{"JudgesWhatTimeChanges", judgesByTime},
	{"CountsAfterALongRest", countsAfterRest},
}

// rule is that of the tests.
var rule = webhook.FailingRule{Window: 15 * time.Minute, Attempts: 3, Below: 50}

// tally counts until nothing is left to count.
func (b *bundle) tally() {
	for range 10_000 {
		done, err := b.Store.Tally(b.ctx, store.TallyRequest{Spans: 10, Failing: rule})
		require.NoError(b.tb, err)
		require.LessOrEqual(b.tb, done.Spans, 10)
		if !done.More {
			return
		}
	}
	require.Fail(b.tb, "the counting does not end")
}

// tallies returns the counts of the last days.
func (b *bundle) tallies(endpoint webhook.ID, hourly bool) []store.Tally {
	now := b.now()
	list, err := b.Store.Tallies(b.ctx, store.TallyQuery{
		Tenant: b.tenant, Endpoint: endpoint, From: now.Add(-100 * 24 * time.Hour), Until: now.Add(time.Hour), Hourly: hourly,
	})
	require.NoError(b.tb, err)
	return list
}

// sum adds up counts, which may be in two spans when the test has run over the end of one.
func sum(list []store.Tally) store.Tally {
	all := store.Tally{Outcomes: map[webhook.Outcome]int64{}, Latency: store.Histogram{}}
	for i := range list {
		all.Merge(&list[i])
	}
	return all
}

// counted is the sum of all counts.
func (b *bundle) counted(endpoint webhook.ID) store.Tally { return sum(b.tallies(endpoint, false)) }

func (b *bundle) health(endpoint webhook.ID) store.Health {
	h, err := b.Store.Health(b.ctx, b.tenant, endpoint)
	require.NoError(b.tb, err)
	return h
}

func countsRecorded(t *testing.T, b *bundle) {
	e, other := b.endpoint(), b.endpoint()
	b.succeed(b.to(e).ID)
	d := b.to(e)
	b.record(b.failure(b.begin(d.ID), 0))
	b.record(exhausted(b.begin(d.ID)))
	b.record(b.failure(b.begin(b.to(other).ID), time.Hour))
	require.Empty(t, b.tallies(e.ID, false), "nothing before it is counted")
	b.tally()

	got := b.counted(e.ID)
	require.Equal(t, map[webhook.Outcome]int64{webhook.OutcomeSuccess: 1, webhook.OutcomeServerError: 2}, got.Outcomes)
	require.EqualValues(t, 3, got.Sent())
	require.EqualValues(t, 1, got.Succeeded)
	require.EqualValues(t, 1, got.Exhausted)
	require.Zero(t, got.Events, "events are the tenant's")
	require.InEpsilon(t, 50*time.Millisecond, got.Latency.Quantile(0.5), 0.05)
	require.InEpsilon(t, 50*time.Millisecond, got.Latency.Quantile(0.99), 0.05)

	whole := b.counted(webhook.ID{})
	require.Equal(t, map[webhook.Outcome]int64{webhook.OutcomeSuccess: 1, webhook.OutcomeServerError: 3}, whole.Outcomes)
	require.EqualValues(t, 1, whole.Succeeded)
	require.EqualValues(t, 1, whole.Exhausted)
	require.EqualValues(t, 3, whole.Events)
	_, err := b.Store.Tallies(b.ctx, store.TallyQuery{Tenant: b.tenant})
	require.ErrorIs(t, err, store.ErrInvalid)
}

func countsTheSame(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.succeed(b.to(e).ID)
	b.tally()
	was := b.counted(e.ID)
	b.tally()
	require.Equal(t, was, b.counted(e.ID))
	b.succeed(b.to(e).ID)
	b.tally()
	require.EqualValues(t, 2, b.counted(e.ID).Succeeded, "what came into an open span is counted as well")
}

func countsGated(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.store(living(b.event(e), time.Minute))
	b.tally()
	b.pass(time.Hour)
	b.reconcile(everything)
	b.tally()
	got := b.counted(e.ID)
	require.EqualValues(t, 1, got.Exhausted)
	require.Empty(t, got.Outcomes)
	require.EqualValues(t, 1, b.counted(webhook.ID{}).Exhausted)
}

func countsCorrection(t *testing.T, b *bundle) {
	e := b.endpoint()
	w := b.begin(b.to(e).ID)
	b.pass(time.Hour)
	b.reconcile(everything)
	require.True(t, b.record(success(w)).Applied)
	b.tally()
	got := b.counted(e.ID)
	require.EqualValues(t, 1, got.Outcomes[webhook.OutcomeSuccess])
	require.EqualValues(t, 1, got.Succeeded)
	require.EqualValues(t, 1, got.Sent())
}

func countsNoReplay(t *testing.T, b *bundle) {
	e := b.endpoint()
	d := b.succeed(b.to(e).ID)
	_, err := b.Store.RetryNow(b.ctx, b.tenant, d.ID, b.ids)
	require.NoError(t, err)
	b.tally()
	require.EqualValues(t, 1, b.counted(webhook.ID{}).Events)
}

func makesHours(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.succeed(b.to(e).ID)
	b.record(b.failure(b.begin(b.to(e).ID), time.Hour))
	b.tally()
	was := b.counted(e.ID)
	require.EqualValues(t, 2, was.Sent())
	b.pass(3 * time.Hour) // whole hours: spans stay where spans begin
	b.tally()
	require.Equal(t, was, b.counted(e.ID), "short spans stay")
	hours := b.tallies(e.ID, true)
	for _, h := range hours {
		require.Equal(t, h.At.Truncate(time.Hour), h.At)
	}
	require.Equal(t, was, sum(hours))
	b.succeed(b.to(e).ID)
	b.tally()
	both := sum(b.tallies(e.ID, true))
	require.EqualValues(t, 3, both.Sent(), "what is not in an hour yet comes by short spans")
	require.EqualValues(t, 2, both.Succeeded)
	require.EqualValues(t, 2, sum(b.tallies(webhook.ID{}, true)).Succeeded)
}

func talliesConcurrently(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.succeed(b.to(e).ID)
	errs := make([]error, 4)
	together(4, func(i int) { _, errs[i] = b.Store.Tally(b.ctx, store.TallyRequest{Spans: 1000, Failing: rule}) })
	for _, err := range errs {
		require.NoError(t, err)
	}
	b.tally()
	require.EqualValues(t, 1, b.counted(e.ID).Succeeded)
}

func dropsCounts(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.succeed(b.to(e).ID)
	b.tally()
	keep := retention
	keep.Tallies = 20 * 24 * time.Hour
	housekeep := func() {
		_, err := b.Store.Housekeep(b.ctx, keep)
		require.NoError(t, err)
	}
	b.pass(2 * time.Hour)
	b.tally()
	housekeep()
	require.EqualValues(t, 1, b.counted(e.ID).Succeeded)
	b.pass(store.TallyKept)
	housekeep()
	require.Empty(t, b.tallies(e.ID, false))
	require.EqualValues(t, 1, sum(b.tallies(e.ID, true)).Succeeded, "hours stay longer")
	b.pass(keep.Tallies)
	housekeep()
	require.Empty(t, b.tallies(e.ID, true))
}

func showsOwnCounts(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.succeed(b.to(e).ID)
	b.tally()
	stranger := b.as(b.newTenant())
	require.Empty(t, stranger.tallies(e.ID, false))
	require.Empty(t, stranger.tallies(webhook.ID{}, true))
	require.NotEmpty(t, b.tallies(e.ID, false))
}

func knowsLast(t *testing.T, b *bundle) {
	e := b.endpoint()
	require.Equal(t, store.Failure{}, b.health(e.ID).LastFailure)
	require.Zero(t, b.health(e.ID).LastSuccessAt)
	d := b.to(e)
	in := b.during(func() { b.record(b.failure(b.begin(d.ID), 0)) })
	b.tally()
	h := b.health(e.ID)
	in.requireAfter(t, 0, h.LastFailure.At)
	require.Equal(t, store.Failure{
		At: h.LastFailure.At, Delivery: d.ID, Outcome: webhook.OutcomeServerError, Status: 500,
	}, h.LastFailure)
	require.Zero(t, h.LastSuccessAt)
	in = b.during(func() { b.succeed(d.ID) })
	asOf := b.during(b.tally)
	h = b.health(e.ID)
	in.requireAfter(t, 0, h.LastSuccessAt)
	asOf.requireAfter(t, 0, h.AsOf)
	require.Equal(t, d.ID, h.LastFailure.Delivery, "a success leaves the last failure")

	later := b.to(e)
	r := b.failure(b.begin(later.ID), time.Hour)
	r.Attempt.Outcome, r.Attempt.Status = webhook.OutcomeTimeout, 0
	b.record(r)
	b.tally()
	h = b.health(e.ID)
	require.Equal(t, later.ID, h.LastFailure.Delivery)
	require.Equal(t, webhook.OutcomeTimeout, h.LastFailure.Outcome)
	require.Zero(t, h.LastFailure.Status)
}

func knowsHealthOfMany(t *testing.T, b *bundle) {
	busy, idle, stranger := b.endpoint(), b.endpoint(), b.as(b.newTenant())
	b.interrupted(b.to(busy).ID) // which does not count as sent
	b.succeed(b.to(busy).ID)
	b.tally()
	b.pass(3 * time.Hour) // a whole number of spans: those that are counted stay spans
	since := b.now()
	b.succeed(b.to(busy).ID)
	for range 2 {
		b.record(b.failure(b.begin(b.to(busy).ID), time.Hour))
	}
	b.set(idle.ID, webhook.EndpointPaused)
	b.tally()
	theirs := stranger.endpoint()
	ids := []webhook.ID{busy.ID, idle.ID, theirs.ID, b.id()}
	page := func(since time.Time) map[webhook.ID]store.Summary {
		got, err := b.Store.HealthPage(b.ctx, b.tenant, ids, since)
		require.NoError(t, err)
		return got
	}
	got := page(since.Truncate(time.Hour))
	require.Len(t, got, 2, "nothing of another tenant's")
	for _, id := range ids[:2] {
		want := b.health(id)
		want.Waiting = 0
		require.Equal(t, want, got[id].Health, "the same as of each alone, but for what waits")
	}
	require.EqualValues(t, 3, got[busy.ID].Sent)
	require.EqualValues(t, 1, got[busy.ID].Succeeded)
	require.Zero(t, got[idle.ID].Sent)
	require.EqualValues(t, 4, page(since.Add(-100 * time.Hour))[busy.ID].Sent, "hours that are over count as well")
	_, err := b.Store.HealthPage(b.ctx, b.tenant, make([]webhook.ID, 1001), since)
	require.ErrorIs(t, err, store.ErrInvalid)
}

func knowsStatusSince(t *testing.T, b *bundle) {
	e := b.endpoint()
	require.Zero(t, b.health(e.ID).StatusAt)
	in := b.during(func() { b.set(e.ID, webhook.EndpointPaused) })
	in.requireAfter(t, 0, b.health(e.ID).StatusAt)
	b.pass(time.Hour)
	was := b.health(e.ID).StatusAt
	b.set(e.ID, webhook.EndpointPaused)
	require.Equal(t, was, b.health(e.ID).StatusAt, "again changes nothing")
	b.set(e.ID, webhook.EndpointActive)
	w := b.begin(b.to(e).ID)
	r := exhausted(w)
	r.Reason, r.DisableVersion, r.DisableReason = webhook.ReasonGone, w.Target.Version, "410"
	in = b.during(func() { require.True(t, b.record(r).Disabled) })
	in.requireAfter(t, 0, b.health(e.ID).StatusAt)
}

func knowsRequestSince(t *testing.T, b *bundle) {
	e := b.endpoint()
	d := b.to(e)
	since := func() time.Time { return b.view(d.ID).RequestSince }
	update := func(change func(*webhook.Endpoint)) span {
		now := b.stored(e.ID)
		now.Headers = nil
		change(&now)
		return b.during(func() { require.NoError(t, b.Store.UpdateEndpoint(b.ctx, now)) })
	}
	update(func(e *webhook.Endpoint) { e.URL, e.Timeout = "https://other.example", time.Second })
	require.Zero(t, since(), "neither changes what a request looks like")
	update(func(e *webhook.Endpoint) { e.Format = webhook.FormatStandard }).requireAfter(t, 0, since())
	update(func(e *webhook.Endpoint) { e.Headers = map[string]string{"A": "b"} }).requireAfter(t, 0, since())
}

func countsWaiting(t *testing.T, b *bundle) {
	e := b.endpoint()
	ds := b.many(e, 4)
	b.to(b.endpoint())
	b.succeed(ds[0].ID)
	b.begin(ds[1].ID)
	require.Equal(t, 3, b.health(e.ID).Waiting)
}

func judgesFailing(t *testing.T, b *bundle) {
	e, fine := b.endpoint(), b.endpoint()
	fail := func() { b.record(b.failure(b.begin(b.to(e).ID), time.Hour)) }
	b.succeed(b.to(fine).ID)
	fail()
	fail()
	b.tally()
	require.Zero(t, b.health(e.ID).FailingSince, "too few to judge")
	fail()
	in := b.during(b.tally)
	in.requireAfter(t, 0, b.health(e.ID).FailingSince)
	require.Zero(t, b.health(fine.ID).FailingSince)
	b.set(b.endpoint().ID, webhook.EndpointPaused)
	b.set(b.endpoint().ID, webhook.EndpointDeleted)
	require.Equal(t, store.EndpointCounts{Active: 1, Failing: 1, Paused: 1}, b.stats().Endpoints)
	b.tally()
	told := b.untold()
	require.Len(t, told, 1, "it is told once")
	require.Equal(t, store.Notice{
		ID: told[0].ID, At: told[0].At, Kind: store.NoticeFailing, Tenant: b.tenant, Endpoint: e.ID, Attempts: 3,
	}, told[0])

	b.pass(time.Hour)
	b.tally()
	require.NotZero(t, b.health(e.ID).FailingSince, "silence is no recovery")
	b.succeed(b.to(e).ID)
	b.tally()
	require.Zero(t, b.health(e.ID).FailingSince)
	told = b.untold()
	require.Len(t, told, 2)
	require.Equal(t, store.NoticeRecovered, told[1].Kind)
	require.EqualValues(t, 1, told[1].Succeeded)
	b.set(e.ID, webhook.EndpointDisabled)
	require.Equal(t, store.EndpointCounts{Active: 1, Paused: 1, Disabled: 1}, b.stats().Endpoints)
}

// agenda is what there is to do.
func (b *bundle) agenda() store.Agenda {
	a, err := b.Store.Agenda(b.ctx, rule)
	require.NoError(b.tb, err)
	return a
}

func restsCounted(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.tally()
	require.False(t, b.agenda().Uncounted, "nothing was recorded")
	for name, record := range map[string]func(){
		"an attempt":     func() { b.succeed(b.to(e).ID) },
		"a failure":      func() { b.record(b.failure(b.begin(b.to(e).ID), time.Hour)) },
		"an event alone": func() { b.store(b.event()) },
	} {
		record()
		require.True(t, b.agenda().Uncounted, name)
		b.tally()
		require.False(t, b.agenda().Uncounted, "%s is counted", name)
	}
	w := b.begin(b.to(e).ID)
	b.tally()
	b.pass(time.Hour)
	b.reconcile(everything)
	b.tally()
	require.False(t, b.agenda().Uncounted)
	b.record(success(w))
	require.True(t, b.agenda().Uncounted, "a correction is counted")
	b.tally()
	b.pass(2 * time.Hour)
	require.True(t, b.agenda().Uncounted, "the hour is over")
	b.tally()
	require.False(t, b.agenda().Uncounted)
	b.pass(2 * time.Hour)
	var at time.Time
	in := b.during(func() {
		var err error
		at, err = b.Store.TalliedAt(b.ctx)
		require.NoError(t, err)
	})
	in.requireAfter(t, 0, at)
}

func judgesByTime(t *testing.T, b *bundle) {
	e := b.endpoint()
	for range 6 {
		b.succeed(b.to(e).ID)
	}
	b.pass(10 * time.Minute)
	for range 3 {
		b.record(b.failure(b.begin(b.to(e).ID), time.Hour))
	}
	b.tally()
	require.Zero(t, b.health(e.ID).FailingSince)
	require.False(t, b.agenda().Uncounted)
	b.pass(10 * time.Minute) // and the successes are out of the window
	require.True(t, b.agenda().Uncounted)
	b.tally()
	require.NotZero(t, b.health(e.ID).FailingSince)
	require.False(t, b.agenda().Uncounted)
}

func countsAfterRest(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.succeed(b.to(e).ID)
	b.tally()
	b.pass(5 * 24 * time.Hour)
	b.succeed(b.to(e).ID)
	calls := 0
	for more := true; more; calls++ {
		done, err := b.Store.Tally(b.ctx, store.TallyRequest{Spans: 100, Failing: rule})
		require.NoError(t, err)
		more = done.More
	}
	require.LessOrEqual(t, calls, 4, "hours in which nothing was recorded are passed over at once")
	require.EqualValues(t, 2, b.counted(e.ID).Succeeded)
	require.EqualValues(t, 2, sum(b.tallies(e.ID, true)).Succeeded)
	require.EqualValues(t, 2, b.counted(webhook.ID{}).Succeeded)
}
