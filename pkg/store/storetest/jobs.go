package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var jobTests = []test{
	{"ReplaysWhatFailed", replaysFailed},
	{"ReplaysWhatIsAskedFor", replaysSelected},
	{"ReplaysAnEvent", replaysEvent},
	{"SendsWhatAnEndpointHasMissed", sendsMissing},
	{"ReplaysEachOnceInChunks", replaysInChunks},
	{"ReplaysEachOnceWhateverTheNumberOfRunners", replaysConcurrently},
	{"KeepsTheRate", keepsRate},
	{"PausesResumesAndCancels", pausesJobs},
	{"BoundsTheJobsOfATenant", boundsJobs},
	{"RefusesJobsThatCannotBe", refusesJobs},
	{"ListsJobsInPages", listsJobs},
	{"ForgetsJobsInTime", forgetsJobs},
	{"DropsWhatIsHeldAndResumes", dropsHeld},
	{"DropsNothingThatCameAfterTheCall", dropsNothingLater},
	{"BeginsOnAVersionOfTheEndpointOnly", beginsOnVersion},
	{"StopsDroppingWhenTheEndpointIsResumed", stopsDropping},
	{"StopsAReplayToAnEndpointThatIsDeleted", stopsReplay},
}

// start begins a job.
func (b *bundle) start(kind store.JobKind, spec store.JobSpec, perSecond int) store.Job {
	b.tb.Helper()
	b.pass(time.Millisecond) // what is there was there before
	j, err := b.Store.StartJob(b.ctx, b.jobOf(kind, spec, perSecond))
	require.NoError(b.tb, err)
	return j
}

func (b *bundle) jobOf(kind store.JobKind, spec store.JobSpec, perSecond int) store.Job {
	return store.Job{ID: b.id(), Tenant: b.tenant, Kind: kind, Spec: spec, PerSecond: perSecond, Total: -1}
}

// job returns a job as stored.
func (b *bundle) job(id webhook.ID) store.Job {
	b.tb.Helper()
	j, err := b.Store.Job(b.ctx, b.tenant, id)
	require.NoError(b.tb, err)
	return j
}

// chunk runs one chunk, of whatever job is due.
func (b *bundle) chunk() store.JobRun {
	b.tb.Helper()
	r, err := b.Store.RunJob(b.ctx, b.ids)
	require.NoError(b.tb, err)
	return r
}

// runJobs runs chunks until none is due, and returns what they made.
func (b *bundle) runJobs() (due []store.Due) {
	b.tb.Helper()
	const most = 200
	for range most {
		r := b.chunk()
		require.LessOrEqual(b.tb, r.Changed, store.JobChunk)
		due = append(due, r.Due...)
		if r.Job.ID.IsZero() {
			return due
		}
	}
	require.Fail(b.tb, "the jobs do not end")
	return nil
}

// fail makes an attempt of a delivery, which is its last and fails.
func (b *bundle) fail(d webhook.Delivery) webhook.Delivery {
	b.tb.Helper()
	require.True(b.tb, b.record(exhausted(b.begin(d.ID))).Applied)
	return b.view(d.ID).Delivery
}

// replays counts the replays of each delivery.
func (b *bundle) replays() map[webhook.ID]int {
	count := map[webhook.ID]int{}
	for _, d := range allDeliveries(b.tb, b.Store, b.tenant) {
		if !d.ReplayOf.IsZero() {
			count[d.ReplayOf]++
		}
	}
	return count
}

func replaysFailed(t *testing.T, b *bundle) {
	e, other := b.endpoint(), b.endpoint()
	failed, cancelled := b.fail(b.to(e)), b.to(e)
	require.NoError(t, b.Store.CancelDelivery(b.ctx, b.tenant, cancelled.ID))
	b.succeed(b.to(e).ID)
	b.to(e)
	b.fail(b.to(other))
	spec := store.JobSpec{Endpoint: e.ID}
	preview, err := b.Store.PreviewReplay(b.ctx, b.tenant, spec)
	require.NoError(t, err)
	require.Equal(t, store.ReplayPreview{Matched: 2, Exact: true, First: []store.ReplayMatch{
		{Event: failed.Event, Endpoint: e.ID, Delivery: failed.ID, Type: "order.paid"},
		{Event: cancelled.Event, Endpoint: e.ID, Delivery: cancelled.ID, Type: "order.paid"},
	}}, preview)
	require.Empty(t, b.replays(), "a preview changes nothing")

	j := b.start(store.JobReplay, spec, 0)
	require.Equal(t, store.JobRunning, j.State)
	require.Equal(t, j, b.job(j.ID))
	in := b.during(func() {
		due := b.runJobs()
		require.Len(t, due, 2)
		for i, of := range []webhook.Delivery{failed, cancelled} {
			v := b.view(due[i].Delivery)
			require.Equal(t, of.ID, v.Delivery.ReplayOf)
			require.Equal(t, of.Event, v.Event.Origin)
			require.Equal(t, b.view(of.ID).Event.Data, v.Event.Data)
			require.Equal(t, due[i].DueAt, v.Delivery.DueAt)
			require.Len(t, b.claim(store.ClaimRequest{Items: []store.ClaimItem{due[i].ClaimItem}}).Work, 1, "due at once")
		}
	})
	j = b.job(j.ID)
	require.Equal(t, store.JobDone, j.State)
	require.Equal(t, 2, j.Done)
	require.True(t, j.WakeAt.IsZero())
	in.requireAfter(t, 0, j.FinishedAt)
	require.Equal(t, map[webhook.ID]int{failed.ID: 1, cancelled.ID: 1}, b.replays())

	// A replay is not replayed in its turn, or its event would be sent twice.
	b.start(store.JobReplay, store.JobSpec{Endpoint: e.ID, States: []webhook.State{webhook.StateExhausted}}, 0)
	require.Len(t, b.runJobs(), 1)
}

func replaysSelected(t *testing.T, b *bundle) {
	e := b.endpoint()
	first := b.event(e)
	first.Event.Subject = "eu-1"
	second := b.event(e)
	second.Event.Type = "order.sent"
	one, two := b.succeed(b.store(first)[0].ID), b.fail(b.store(second)[0])
	after := two.ID.Time().Add(time.Millisecond)
	all := []webhook.State{webhook.StateSucceeded, webhook.StateExhausted, webhook.StateCancelled}
	for name, c := range map[string]struct {
		spec store.JobSpec
		want []webhook.ID
	}{
		"States":    {store.JobSpec{States: all[:1]}, []webhook.ID{one.ID}},
		"AllStates": {store.JobSpec{States: all}, []webhook.ID{one.ID, two.ID}},
		"Types":     {store.JobSpec{States: all, Types: []string{"*.sent"}}, []webhook.ID{two.ID}},
		"Filter": {
			store.JobSpec{States: all, Filter: "subject LIKE 'eu-%'"},
			[]webhook.ID{one.ID},
		},
		"From": {store.JobSpec{From: after}, nil},
		"To":   {store.JobSpec{To: one.ID.Time()}, nil},
		"Span": {store.JobSpec{From: two.ID.Time(), To: after}, []webhook.ID{two.ID}},
	} {
		c.spec.Endpoint = e.ID
		preview, err := b.Store.PreviewReplay(b.ctx, b.tenant, c.spec)
		require.NoError(t, err, name)
		var got []webhook.ID
		for _, m := range preview.First {
			got = append(got, m.Delivery)
		}
		require.Equal(t, c.want, got, name)
		require.Equal(t, len(c.want), preview.Matched, name)
	}
}

func replaysEvent(t *testing.T, b *bundle) {
	e, other, gone := b.endpoint(), b.endpoint(), b.endpoint()
	ds := b.store(b.event(e, other, gone))
	for _, d := range ds {
		b.succeed(d.ID)
	}
	b.succeed(b.to(e).ID)
	b.set(gone.ID, webhook.EndpointDeleted)
	ended := []webhook.State{webhook.StateSucceeded, webhook.StateExhausted, webhook.StateCancelled}
	b.start(store.JobReplay, store.JobSpec{Event: ds[0].Event, States: ended}, 0)
	due := b.runJobs()
	require.Len(t, due, 2, "all but the one to the endpoint that is deleted")
	require.Equal(t, b.view(due[0].Delivery).Event, b.view(due[1].Delivery).Event, "one copy serves both")
	require.Equal(t, map[webhook.ID]int{ds[0].ID: 1, ds[1].ID: 1}, b.replays())

	b.start(store.JobReplay, store.JobSpec{Event: ds[0].Event, Endpoint: e.ID, States: ended}, 0)
	require.Len(t, b.runJobs(), 1)
	// A replay can be named by its own event.
	b.succeed(due[0].Delivery)
	again := b.view(due[0].Delivery).Delivery
	b.start(store.JobReplay, store.JobSpec{Event: again.Event, States: ended}, 0)
	next := b.runJobs()
	require.Len(t, next, 1)
	require.Equal(t, ds[0].Event, b.view(next[0].Delivery).Event.Origin, "receivers know it by the first event")
}

func sendsMissing(t *testing.T, b *bundle) {
	early := b.event()
	b.accept(early)
	unwanted := b.event()
	unwanted.Event.Type = "user.created"
	b.accept(unwanted)
	e := b.endpoint() // of order.*
	b.to(e)
	spec := store.JobSpec{Endpoint: e.ID, Missing: true}
	preview, err := b.Store.PreviewReplay(b.ctx, b.tenant, spec)
	require.NoError(t, err)
	require.Equal(t, []store.ReplayMatch{{Event: early.Event.ID, Endpoint: e.ID, Type: "order.paid"}}, preview.First)

	b.start(store.JobReplay, spec, 0)
	due := b.runJobs()
	require.Len(t, due, 1)
	v := b.view(due[0].Delivery)
	require.Equal(t, early.Event.ID, v.Event.Origin)
	require.Equal(t, early.Event.Data, v.Event.Data)
	require.True(t, v.Delivery.ReplayOf.IsZero(), "nothing was sent before")

	narrow := spec
	narrow.Types = []string{"order.sent"}
	preview, err = b.Store.PreviewReplay(b.ctx, b.tenant, narrow)
	require.NoError(t, err)
	require.Zero(t, preview.Matched)
}

// batch stores n events for an endpoint in one commit, and returns their deliveries.
func (b *bundle) batch(e webhook.Endpoint, n int) []webhook.ID {
	b.tb.Helper()
	one := b.event(e)
	events, ids := make([]store.NewEvent, 0, n), make([]webhook.ID, 0, n)
	for range n {
		next := one
		next.Event.CEID = token()
		next.Key = webhook.IdentityKey(b.tenant, next.Event.Source, next.Event.CEID)
		next.Event.ID = b.id()
		next.Deliveries = []store.NewDelivery{b.delivery(next.Event.ID.Sibling(), &e)}
		events, ids = append(events, next), append(ids, next.Deliveries[0].ID)
	}
	for _, r := range b.accept(events...) {
		require.Equal(b.tb, store.AcceptStored, r.Status)
	}
	return ids
}

// failed makes n deliveries to an endpoint that have been given up.
func (b *bundle) failed(e webhook.Endpoint, n int) {
	b.tb.Helper()
	b.batch(e, n)
	for left := n; left > 0; {
		work := b.pulled(e.ID, left).Work
		require.NotEmpty(b.tb, work)
		results := make([]store.Result, 0, len(work))
		for _, w := range work {
			results = append(results, exhausted(w))
		}
		b.recordAll(results...)
		left -= len(work)
	}
}

func replaysInChunks(t *testing.T, b *bundle) {
	const n = store.JobChunk + 120
	e := b.endpoint()
	b.failed(e, n)
	j := b.start(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 0)
	first := b.chunk()
	require.Equal(t, store.JobChunk, first.Changed)
	require.Equal(t, store.JobRunning, first.Job.State)
	require.Equal(t, first.Job, b.job(j.ID), "the progress goes with the chunk")
	b.runJobs()
	require.Equal(t, n, b.job(j.ID).Done)
	replays := b.replays()
	require.Len(t, replays, n)
	for id, count := range replays {
		require.Equal(t, 1, count, id)
	}
}

func replaysConcurrently(t *testing.T, b *bundle) {
	const n, runners = 130, 4
	e := b.endpoint()
	b.failed(e, n)
	j := b.start(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 20)
	var group sync.WaitGroup
	for !b.job(j.ID).State.Over() {
		for range runners {
			group.Go(func() {
				_, err := b.Store.RunJob(b.ctx, b.ids)
				require.NoError(t, err)
			})
		}
		group.Wait()
		b.pass(time.Second)
	}
	replays := b.replays()
	require.Len(t, replays, n)
	for id, count := range replays {
		require.Equal(t, 1, count, id)
	}
}

func keepsRate(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.failed(e, 25)
	j := b.start(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 10)
	var r store.JobRun
	in := b.during(func() { r = b.chunk() })
	require.Equal(t, 10, r.Changed)
	in.requireAfter(t, time.Second, r.Next)
	require.Equal(t, r.Next, b.job(j.ID).WakeAt)
	none := b.chunk()
	require.True(t, none.Job.ID.IsZero(), "not before its time")
	require.Equal(t, r.Next, none.Next)
	for _, want := range []int{10, 5} {
		b.pass(time.Second)
		require.Equal(t, want, b.chunk().Changed)
	}
	require.Equal(t, store.JobDone, b.job(j.ID).State)
	require.True(t, b.chunk().Next.IsZero())
}

func pausesJobs(t *testing.T, b *bundle) {
	set := func(id webhook.ID, s store.JobState) store.Job {
		j, err := b.Store.SetJobState(b.ctx, b.tenant, id, s)
		require.NoError(t, err)
		require.Equal(t, s, j.State)
		require.Equal(t, j, b.job(id))
		return j
	}
	e := b.endpoint()
	b.failed(e, 12)
	j := b.start(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 5)
	require.Len(t, b.runJobs(), 5)
	paused := set(j.ID, store.JobPaused)
	require.True(t, paused.WakeAt.IsZero())
	require.Equal(t, paused, set(j.ID, store.JobPaused), "again changes nothing")
	b.pass(time.Hour)
	require.Empty(t, b.runJobs(), "it does nothing while it is paused")
	set(j.ID, store.JobRunning)
	require.Len(t, b.runJobs(), 5, "it goes on at once, where it was")
	b.pass(time.Second)
	in := b.during(func() { set(j.ID, store.JobCancelled) })
	in.requireAfter(t, 0, b.job(j.ID).FinishedAt)
	require.Empty(t, b.runJobs())
	require.Len(t, b.replays(), 10, "what it has done stays done")
	for _, s := range []store.JobState{store.JobRunning, store.JobPaused} {
		_, err := b.Store.SetJobState(b.ctx, b.tenant, j.ID, s)
		require.ErrorIs(t, err, store.ErrConflict)
	}
	_, err := b.Store.SetJobState(b.ctx, b.tenant, j.ID, store.JobDone)
	require.ErrorIs(t, err, store.ErrInvalid)
}

func boundsJobs(t *testing.T, b *bundle) {
	e := b.endpoint()
	var last store.Job
	for range store.MaxJobs {
		last = b.start(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 1)
	}
	_, err := b.Store.StartJob(b.ctx, b.jobOf(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 1))
	require.ErrorIs(t, err, store.ErrConflict)
	other := b.as(b.newTenant())
	other.start(store.JobReplay, store.JobSpec{Endpoint: other.endpoint().ID}, 1)
	_, err = b.Store.SetJobState(b.ctx, b.tenant, last.ID, store.JobCancelled)
	require.NoError(t, err)
	b.start(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 1)
}

func refusesJobs(t *testing.T, b *bundle) {
	e, gone := b.endpoint(), b.endpoint()
	b.set(gone.ID, webhook.EndpointDeleted)
	n := b.event(e)
	b.store(n)
	foreign := b.as(b.newTenant()).endpoint()
	live := []webhook.State{webhook.StateScheduled}
	both := store.JobSpec{Endpoint: e.ID, Event: n.Event.ID, Missing: true}
	for name, c := range map[string]struct {
		kind store.JobKind
		spec store.JobSpec
		want error
	}{
		"NoEndpoint":       {store.JobReplay, store.JobSpec{}, store.ErrInvalid},
		"UnknownEndpoint":  {store.JobReplay, store.JobSpec{Endpoint: b.id()}, store.ErrNotFound},
		"ForeignEndpoint":  {store.JobReplay, store.JobSpec{Endpoint: foreign.ID}, store.ErrNotFound},
		"DeletedEndpoint":  {store.JobReplay, store.JobSpec{Endpoint: gone.ID}, store.ErrConflict},
		"UnknownEvent":     {store.JobReplay, store.JobSpec{Event: b.id()}, store.ErrNotFound},
		"LiveStates":       {store.JobReplay, store.JobSpec{Endpoint: e.ID, States: live}, store.ErrInvalid},
		"BadFilter":        {store.JobReplay, store.JobSpec{Endpoint: e.ID, Filter: "((("}, store.ErrInvalid},
		"MissingOfAnEvent": {store.JobReplay, both, store.ErrInvalid},
		"ActiveEndpoint":   {store.JobDropHeld, store.JobSpec{Endpoint: e.ID}, store.ErrConflict},
		"DropOfForeign":    {store.JobDropHeld, store.JobSpec{Endpoint: foreign.ID}, store.ErrNotFound},
		"Erasure":          {store.JobEraseTenant, store.JobSpec{}, store.ErrInvalid},
		"AnyKind":          {"tidy", store.JobSpec{Endpoint: e.ID}, store.ErrInvalid},
	} {
		_, err := b.Store.StartJob(b.ctx, b.jobOf(c.kind, c.spec, 0))
		require.ErrorIs(t, err, c.want, name)
		if c.kind == store.JobReplay {
			_, err = b.Store.PreviewReplay(b.ctx, b.tenant, c.spec)
			require.ErrorIs(t, err, c.want, name)
		}
	}
	list, err := b.Store.JobPage(b.ctx, store.JobQuery{Tenant: b.tenant, Limit: 10})
	require.NoError(t, err)
	require.Empty(t, list)
	_, err = b.Store.StartJob(b.ctx, b.as("nobody").jobOf(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 0))
	require.ErrorIs(t, err, store.ErrNotFound)
}

func listsJobs(t *testing.T, b *bundle) {
	e := b.endpoint()
	one := b.start(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 0)
	b.runJobs()
	two := b.start(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 0)
	b.set(e.ID, webhook.EndpointPaused)
	three := b.start(store.JobDropHeld, store.JobSpec{Endpoint: e.ID}, 0)
	for name, c := range map[string]struct {
		query store.JobQuery
		want  []webhook.ID
	}{
		"All":     {store.JobQuery{Limit: 1000}, []webhook.ID{three.ID, two.ID, one.ID}},
		"Page":    {store.JobQuery{Limit: 1, Before: three.ID}, []webhook.ID{two.ID}},
		"Kind":    {store.JobQuery{Limit: 9, Kind: store.JobReplay}, []webhook.ID{two.ID, one.ID}},
		"Running": {store.JobQuery{Limit: 9, State: store.JobRunning}, []webhook.ID{three.ID, two.ID}},
		"Done":    {store.JobQuery{Limit: 9, State: store.JobDone}, []webhook.ID{one.ID}},
	} {
		c.query.Tenant = b.tenant
		list, err := b.Store.JobPage(b.ctx, c.query)
		require.NoError(t, err, name)
		var got []webhook.ID
		for _, j := range list {
			require.Equal(t, b.job(j.ID), j, name)
			got = append(got, j.ID)
		}
		require.Equal(t, c.want, got, name)
	}
	for _, limit := range []int{0, 1001} {
		_, err := b.Store.JobPage(b.ctx, store.JobQuery{Tenant: b.tenant, Limit: limit})
		require.ErrorIs(t, err, store.ErrInvalid)
	}
}

func forgetsJobs(t *testing.T, b *bundle) {
	e := b.endpoint()
	over := b.start(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 0)
	b.runJobs()
	still := b.start(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 0)
	keep := func() {
		_, err := b.Store.Housekeep(b.ctx, store.Retention{})
		require.NoError(t, err)
	}
	b.pass(store.JobKept - time.Hour)
	keep()
	b.job(over.ID)
	b.pass(2 * time.Hour)
	keep()
	_, err := b.Store.Job(b.ctx, b.tenant, over.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	b.job(still.ID)
}

func dropsHeld(t *testing.T, b *bundle) {
	const n = store.JobChunk + 20
	e, other := b.endpoint(), b.endpoint()
	b.set(e.ID, webhook.EndpointPaused)
	held := b.batch(e, n)
	untouched := b.to(other)
	version := b.version()
	j := b.start(store.JobDropHeld, store.JobSpec{Endpoint: e.ID}, 0)
	require.Equal(t, n, j.Total)
	require.True(t, j.TotalExact)
	again, err := b.Store.StartJob(b.ctx, b.jobOf(store.JobDropHeld, store.JobSpec{Endpoint: e.ID}, 0))
	require.NoError(t, err)
	require.Equal(t, j, again, "it is being dropped already")

	first := b.chunk()
	require.Equal(t, store.JobChunk, first.Changed)
	require.Empty(t, first.Endpoints)
	require.Equal(t, webhook.EndpointPaused, b.stored(e.ID).Status, "it stays closed until all is dropped")
	last := b.chunk()
	require.Equal(t, n-store.JobChunk, last.Changed)
	require.Equal(t, []webhook.ID{e.ID}, last.Endpoints)
	require.Equal(t, store.JobDone, last.Job.State)
	require.Equal(t, n, last.Job.Done)
	got := b.stored(e.ID)
	require.Equal(t, webhook.EndpointActive, got.Status)
	require.True(t, got.PausedAt.IsZero())
	require.Positive(t, got.PausedTotal)
	require.Greater(t, b.version(), version)
	dropped := 0
	for _, d := range allDeliveries(t, b.Store, b.tenant) {
		if d.State == webhook.StateCancelled && d.Reason == webhook.ReasonByHand && d.Endpoint == e.ID {
			dropped++
		}
	}
	require.Equal(t, len(held), dropped)
	require.Equal(t, webhook.StateScheduled, b.view(untouched.ID).Delivery.State)
	b.succeed(b.to(e).ID)
}

func dropsNothingLater(t *testing.T, b *bundle) {
	e := b.endpoint()
	retried := b.to(e)
	b.record(b.failure(b.begin(retried.ID), time.Hour))
	under := b.begin(b.to(e).ID)
	b.set(e.ID, webhook.EndpointPaused)
	held := b.to(e)
	b.start(store.JobDropHeld, store.JobSpec{Endpoint: e.ID}, 0)
	after := b.to(e)
	b.runJobs()
	require.Equal(t, webhook.StateCancelled, b.view(held.ID).Delivery.State)
	require.Equal(t, webhook.StateCancelled, b.view(retried.ID).Delivery.State, "also what was due later only")
	require.Equal(t, webhook.StateAttempting, b.view(under.Delivery.ID).Delivery.State, "what is in flight is not held")
	require.True(t, b.record(success(under)).Applied)
	require.Equal(t, after, b.view(after.ID).Delivery)
	require.Contains(t, b.reconcile(everything).Endpoints, e.ID, "it is found without any hint")
	b.succeed(after.ID)
}

func stopsDropping(t *testing.T, b *bundle) {
	for _, to := range []webhook.EndpointStatus{webhook.EndpointActive, webhook.EndpointDeleted} {
		e := b.endpoint()
		b.set(e.ID, webhook.EndpointPaused)
		d := b.to(e)
		j := b.start(store.JobDropHeld, store.JobSpec{Endpoint: e.ID}, 0)
		b.set(e.ID, to)
		if to == webhook.EndpointActive {
			b.set(e.ID, webhook.EndpointPaused)
		}
		require.Empty(t, b.runJobs())
		j = b.job(j.ID)
		require.Equal(t, store.JobCancelled, j.State)
		require.NotEmpty(t, j.Error)
		require.Equal(t, webhook.StateScheduled, b.view(d.ID).Delivery.State)
	}
}

func stopsReplay(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.failed(e, 10)
	j := b.start(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 5)
	b.runJobs()
	b.set(e.ID, webhook.EndpointDeleted)
	b.pass(time.Second)
	require.Empty(t, b.runJobs())
	j = b.job(j.ID)
	require.Equal(t, store.JobCancelled, j.State)
	require.Equal(t, "the endpoint was deleted", j.Error)
	require.Equal(t, 5, j.Done)
}

func beginsOnVersion(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.to(e)
	b.set(e.ID, webhook.EndpointPaused)
	seen := b.stored(e.ID).Version
	require.NoError(t, b.Store.UpdateEndpoint(b.ctx, b.stored(e.ID)), "somebody else is faster")
	j := b.jobOf(store.JobDropHeld, store.JobSpec{Endpoint: e.ID}, 0)
	j.IfVersion = seen
	_, err := b.Store.StartJob(b.ctx, j)
	require.ErrorIs(t, err, store.ErrConflict)
	j.IfVersion = b.stored(e.ID).Version
	started, err := b.Store.StartJob(b.ctx, j)
	require.NoError(t, err)
	again := b.jobOf(store.JobDropHeld, store.JobSpec{Endpoint: e.ID}, 0)
	again.IfVersion = seen
	_, err = b.Store.StartJob(b.ctx, again)
	require.ErrorIs(t, err, store.ErrConflict, "also while it is being dropped already")
	again.IfVersion = j.IfVersion
	under, err := b.Store.StartJob(b.ctx, again)
	require.NoError(t, err)
	require.Equal(t, started.ID, under.ID)
}
