package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var browseTests = []test{
	{"SelectsEventsWithoutPayloads", selectsEvents},
	{"BoundsListsInTime", boundsLists},
	{"ListsTheNewestFirst", listsNewestFirst},
	{"ListsPageByPage", listsPages},
	{"SelectsDeliveries", selectsDeliveries},
	{"SelectsByTheLastOutcome", selectsOutcomes},
	{"LooksThroughSoManyForAnOutcome", boundsOutcomes},
	{"RefusesABadPageSize", refusesBadPage},
	{"ShowsADeliveryWithItsAttemptsInOrder", showsAttempts},
	{"KnowsNoSuchDelivery", knowsNoDelivery},
	{"MakesAScheduledDeliveryDue", makesDue},
	{"RetriesWhatIsDueAlready", retriesDue},
	{"ReplaysATerminalDelivery", replays},
	{"ReplaysAReplayByItsOrigin", replaysReplay},
	{"ReplaysOutsideTheDedupe", replaysOutsideDedupe},
	{"RetriesNothingUnderWay", retriesNothingUnderWay},
	{"RetriesNothingOfADeletedEndpoint", retriesNothingDeleted},
	{"CancelsALiveDelivery", cancels},
	{"CancelsAnAttemptUnderWay", cancelsAttempting},
	{"CancelsNothingThatHasEnded", cancelsNothingEnded},
}

// list makes one query for the tenant.
func (b *bundle) list(q store.DeliveryQuery) []webhook.Delivery {
	q.Tenant = b.tenant
	if q.Limit == 0 {
		q.Limit = 1000
	}
	got, err := b.Store.Deliveries(b.ctx, q)
	require.NoError(b.tb, err)
	return got
}

func listsNewestFirst(t *testing.T, b *bundle) {
	want := b.many(b.endpoint(), 5)
	slices.Reverse(want)
	require.Equal(t, want, b.list(store.DeliveryQuery{}))
	require.Equal(t, want[:2], b.list(store.DeliveryQuery{Limit: 2}))
}

func listsPages(t *testing.T, b *bundle) {
	e := b.endpoint()
	want := b.store(b.event(e, e, e)) // of one event: one millisecond
	want = append(want, b.many(e, 4)...)
	slices.Reverse(want)
	var got []webhook.Delivery
	var before webhook.ID
	for {
		page := b.list(store.DeliveryQuery{Limit: 2, Before: before})
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		before = page[len(page)-1].ID
	}
	require.Equal(t, want, got)
}

func selectsDeliveries(t *testing.T, b *bundle) {
	first, second := b.endpoint(), b.endpoint()
	both := b.store(b.event(first, second))
	one := b.to(first)
	done := b.succeed(both[0].ID)
	for name, c := range map[string]struct {
		q    store.DeliveryQuery
		want []webhook.Delivery
	}{
		"endpoint": {store.DeliveryQuery{Endpoint: first.ID}, []webhook.Delivery{one, done}},
		"event":    {store.DeliveryQuery{Event: done.Event}, []webhook.Delivery{both[1], done}},
		"state":    {store.DeliveryQuery{State: webhook.StateScheduled}, []webhook.Delivery{one, both[1]}},
		"all of them": {
			store.DeliveryQuery{Endpoint: first.ID, Event: done.Event, State: webhook.StateSucceeded, Before: one.ID},
			[]webhook.Delivery{done},
		},
		"before": {store.DeliveryQuery{Before: both[1].ID}, []webhook.Delivery{done}},
	} {
		require.Equal(t, c.want, b.list(c.q), name)
	}
	require.Empty(t, b.list(store.DeliveryQuery{State: webhook.StateExhausted}))
	require.Empty(t, b.list(store.DeliveryQuery{Event: b.id()}))
}

// outcomes makes one query for the tenant, and returns what it found and where it came to.
func (b *bundle) outcomes(q store.DeliveryQuery, o webhook.Outcome) ([]webhook.Delivery, webhook.ID) {
	q.Tenant = b.tenant
	page, err := b.Store.DeliveriesByOutcome(b.ctx, q, o)
	require.NoError(b.tb, err)
	return page.Deliveries, page.Next
}

func selectsOutcomes(t *testing.T, b *bundle) {
	e, other := b.endpoint(), b.endpoint()
	recovered := b.to(e)
	b.record(b.failure(b.begin(recovered.ID), 0))
	recovered = b.succeed(recovered.ID)
	failed := b.fail(b.to(e))
	waiting := b.to(e)
	b.record(b.failure(b.begin(waiting.ID), 0))
	waiting = b.begin(waiting.ID).Delivery // another attempt is under way, which has no outcome yet
	b.to(e)
	elsewhere := b.fail(b.to(other))
	for name, c := range map[string]struct {
		q       store.DeliveryQuery
		outcome webhook.Outcome
		want    []webhook.Delivery
	}{
		"success":  {store.DeliveryQuery{}, webhook.OutcomeSuccess, []webhook.Delivery{recovered}},
		"error":    {store.DeliveryQuery{}, webhook.OutcomeServerError, []webhook.Delivery{elsewhere, waiting, failed}},
		"endpoint": {store.DeliveryQuery{Endpoint: e.ID}, webhook.OutcomeServerError, []webhook.Delivery{waiting, failed}},
		"state": {
			store.DeliveryQuery{State: webhook.StateExhausted}, webhook.OutcomeServerError,
			[]webhook.Delivery{elsewhere, failed},
		},
		"live": {
			store.DeliveryQuery{State: webhook.StateAttempting}, webhook.OutcomeServerError, []webhook.Delivery{waiting},
		},
		"event":  {store.DeliveryQuery{Event: failed.Event}, webhook.OutcomeServerError, []webhook.Delivery{failed}},
		"before": {store.DeliveryQuery{Before: waiting.ID}, webhook.OutcomeServerError, []webhook.Delivery{failed}},
		"none":   {store.DeliveryQuery{}, webhook.OutcomeTimeout, nil},
	} {
		c.q.Limit = 10
		got, next := b.outcomes(c.q, c.outcome)
		require.Equal(t, c.want, got, name)
		require.Zero(t, next, name)
	}
	got, next := b.outcomes(store.DeliveryQuery{Limit: 2}, webhook.OutcomeServerError)
	require.Equal(t, []webhook.Delivery{elsewhere, waiting}, got)
	require.Equal(t, waiting.ID, next)
	stranger := b.as(b.newTenant())
	got, _ = stranger.outcomes(store.DeliveryQuery{Limit: 10, Endpoint: e.ID}, webhook.OutcomeServerError)
	require.Empty(t, got)
	_, err := b.Store.DeliveriesByOutcome(b.ctx, store.DeliveryQuery{Tenant: b.tenant}, webhook.OutcomeSuccess)
	require.ErrorIs(t, err, store.ErrInvalid)
}

func boundsOutcomes(t *testing.T, b *bundle) {
	e := b.endpoint()
	oldest := b.fail(b.to(e))
	b.batch(e, store.OutcomeWalk+1)
	got, next := b.outcomes(store.DeliveryQuery{Limit: 10}, webhook.OutcomeServerError)
	require.Empty(t, got, "it is not looked for so far")
	require.False(t, next.IsZero(), "and the page says so")
	got, next = b.outcomes(store.DeliveryQuery{Limit: 10, Before: next}, webhook.OutcomeServerError)
	require.Equal(t, []webhook.Delivery{oldest}, got)
	require.Zero(t, next)
}

func refusesBadPage(t *testing.T, b *bundle) {
	for _, limit := range []int{-1, 0, 1001} {
		_, err := b.Store.Deliveries(b.ctx, store.DeliveryQuery{Tenant: b.tenant, Limit: limit})
		require.ErrorIs(t, err, store.ErrInvalid)
	}
}

func showsAttempts(t *testing.T, b *bundle) {
	e := b.endpoint()
	n := b.event(e)
	d := b.store(n)[0]
	var want []webhook.Attempt
	for number := 1; number <= 11; number++ { // past one digit, for the order must not be that of texts
		r := b.failure(b.begin(d.ID), 0)
		r.Attempt.Status = 500 + number
		b.record(r)
		want = append(want, r.Attempt)
	}
	v := b.view(d.ID)
	requireEvent(t, n.Event, v.Event)
	require.Len(t, v.Attempts, len(want))
	for i := range want {
		requireAttempt(t, want[i], v.Attempts[i])
	}
}

func knowsNoDelivery(t *testing.T, b *bundle) {
	_, err := b.Store.Delivery(b.ctx, b.tenant, b.id())
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = b.Store.RetryNow(b.ctx, b.tenant, b.id(), b.ids)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.ErrorIs(t, b.Store.CancelDelivery(b.ctx, b.tenant, b.id()), store.ErrNotFound)
}

// retryNow retries by hand.
func (b *bundle) retryNow(id webhook.ID) store.Due {
	got, err := b.Store.RetryNow(b.ctx, b.tenant, id, b.ids)
	require.NoError(b.tb, err)
	return got
}

func makesDue(t *testing.T, b *bundle) {
	e := b.endpoint()
	d := b.to(e)
	b.record(b.failure(b.begin(d.ID), 20*time.Hour))
	was := b.view(d.ID).Delivery
	var got store.Due
	in := b.during(func() { got = b.retryNow(d.ID) })
	now := b.view(d.ID).Delivery
	require.Equal(t, due(now), got)
	in.requireAfter(t, 0, now.DueAt)
	in.requireAfter(t, 0, now.WakeAt)
	now.DueAt, now.WakeAt = was.DueAt, was.WakeAt
	require.Equal(t, was, now)
	b.succeed(d.ID)
}

func retriesDue(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	got := b.retryNow(d.ID)
	require.Equal(t, item(d), got.ClaimItem)
	require.Equal(t, got, due(b.view(d.ID).Delivery))
	b.succeed(d.ID)
}

func replays(t *testing.T, b *bundle) {
	e := b.endpoint()
	ends := map[webhook.State]func(d webhook.Delivery){
		webhook.StateSucceeded: func(d webhook.Delivery) { b.succeed(d.ID) },
		webhook.StateExhausted: func(d webhook.Delivery) { b.record(exhausted(b.begin(d.ID))) },
		webhook.StateCancelled: func(d webhook.Delivery) {
			require.NoError(t, b.Store.CancelDelivery(b.ctx, b.tenant, d.ID))
		},
	}
	for state, end := range ends {
		n := b.event(e)
		old := b.store(n)[0]
		end(old)
		was := b.view(old.ID)
		require.Equal(t, state, was.Delivery.State)
		var hint store.Due
		in := b.during(func() { hint = b.retryNow(old.ID) })
		require.Equal(t, was, b.view(old.ID), "the old one stays as it is")

		v := b.view(hint.Delivery)
		require.NotEqual(t, old.ID, v.Delivery.ID)
		require.Equal(t, due(v.Delivery), hint)
		require.Equal(t, webhook.Delivery{
			ID: v.Delivery.ID, Tenant: b.tenant, Event: v.Event.ID, Endpoint: e.ID, State: webhook.StateScheduled,
			DueAt: v.Delivery.DueAt, WakeAt: v.Delivery.WakeAt, ExpiresAt: v.Delivery.ExpiresAt, ReplayOf: old.ID,
		}, v.Delivery)
		in.requireAfter(t, 0, v.Delivery.DueAt)
		in.requireAfter(t, 0, v.Delivery.WakeAt)
		in.requireAfter(t, b.Policy.Lifetime(&e), v.Delivery.ExpiresAt)
		in.requireAfter(t, 0, v.Event.AcceptedAt)

		copied := n.Event
		copied.ID, copied.Origin = v.Event.ID, n.Event.ID
		require.NotEqual(t, n.Event.ID, v.Event.ID)
		requireEvent(t, copied, v.Event)
		require.Equal(t, n.Event.ID, v.Event.OriginID(), "what receivers know it by")
		b.succeed(v.Delivery.ID)
	}
}

func replaysReplay(t *testing.T, b *bundle) {
	e := b.endpoint()
	first := b.succeed(b.to(e).ID)
	second := b.succeed(b.retryNow(first.ID).Delivery)
	third := b.view(b.retryNow(second.ID).Delivery)
	require.Equal(t, second.ID, third.Delivery.ReplayOf)
	require.Equal(t, first.Event, third.Event.Origin)
	again := b.view(b.retryNow(first.ID).Delivery)
	require.NotEqual(t, second.ID, again.Delivery.ID, "each replay is a new one")
}

func replaysOutsideDedupe(t *testing.T, b *bundle) {
	n := b.event(b.endpoint())
	d := b.succeed(b.store(n)[0].ID)
	b.retryNow(d.ID)
	result := b.accept(n)[0]
	require.Equal(t, store.AcceptDuplicate, result.Status)
	require.Equal(t, n.Event.ID, result.EventID, "the first one, not its replay")
}

func retriesNothingUnderWay(t *testing.T, b *bundle) {
	w := b.begin(b.to(b.endpoint()).ID)
	_, err := b.Store.RetryNow(b.ctx, b.tenant, w.Delivery.ID, b.ids)
	require.ErrorIs(t, err, store.ErrConflict)
	require.Equal(t, w.Delivery, b.view(w.Delivery.ID).Delivery)
}

func retriesNothingDeleted(t *testing.T, b *bundle) {
	e := b.endpoint()
	ended, live := b.succeed(b.to(e).ID), b.to(e)
	b.set(e.ID, webhook.EndpointDeleted)
	for _, d := range []webhook.Delivery{ended, live} {
		_, err := b.Store.RetryNow(b.ctx, b.tenant, d.ID, b.ids)
		require.ErrorIs(t, err, store.ErrConflict)
	}
	require.Len(t, allDeliveries(t, b.Store, b.tenant), 2)
}

func cancels(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	require.NoError(t, b.Store.CancelDelivery(b.ctx, b.tenant, d.ID))
	v := b.view(d.ID)
	require.Equal(t, webhook.StateCancelled, v.Delivery.State)
	require.Equal(t, webhook.ReasonByHand, v.Delivery.Reason)
	require.Empty(t, v.Attempts)
	b.refuses(v.Delivery)
}

func cancelsAttempting(t *testing.T, b *bundle) {
	w := b.begin(b.to(b.endpoint()).ID)
	require.NoError(t, b.Store.CancelDelivery(b.ctx, b.tenant, w.Delivery.ID))
	v := b.view(w.Delivery.ID)
	require.Equal(t, webhook.StateCancelled, v.Delivery.State)
	require.Equal(t, webhook.OutcomeInterrupted, v.Attempts[0].Outcome, "until its result comes")
	require.False(t, b.record(success(w)).Applied)
	v = b.view(w.Delivery.ID)
	require.Equal(t, webhook.StateCancelled, v.Delivery.State)
	require.Equal(t, webhook.OutcomeSuccess, v.Attempts[0].Outcome)
}

func cancelsNothingEnded(t *testing.T, b *bundle) {
	e := b.endpoint()
	done := b.succeed(b.to(e).ID)
	require.ErrorIs(t, b.Store.CancelDelivery(b.ctx, b.tenant, done.ID), store.ErrConflict)
	require.Equal(t, done, b.view(done.ID).Delivery)
	d := b.to(e)
	require.NoError(t, b.Store.CancelDelivery(b.ctx, b.tenant, d.ID))
	require.ErrorIs(t, b.Store.CancelDelivery(b.ctx, b.tenant, d.ID), store.ErrConflict)
}

func selectsEvents(t *testing.T, b *bundle) {
	e := b.endpoint()
	var all []webhook.Event
	for i, typ := range []string{"a", "b", "a"} {
		n := b.event(e)
		n.Event.Type, n.Event.Subject = typ, []string{"x", "y", "y"}[i]
		b.store(n)
		stored, err := b.Store.Event(b.ctx, b.tenant, n.Event.ID)
		require.NoError(t, err)
		stored.Data = nil
		all = append(all, *stored)
	}
	other := b.as(b.newTenant())
	other.store(other.event())
	for name, c := range map[string]struct {
		query store.EventQuery
		want  []webhook.Event
	}{
		"All":       {store.EventQuery{}, []webhook.Event{all[2], all[1], all[0]}},
		"FirstPage": {store.EventQuery{Limit: 2}, []webhook.Event{all[2], all[1]}},
		"NextPage":  {store.EventQuery{Limit: 2, Before: all[1].ID}, []webhook.Event{all[0]}},
		"From":      {store.EventQuery{From: all[1].ID}, []webhook.Event{all[2], all[1]}},
		"Type":      {store.EventQuery{Type: "a"}, []webhook.Event{all[2], all[0]}},
		"Subject":   {store.EventQuery{Subject: "y", Type: "b"}, []webhook.Event{all[1]}},
		"None":      {store.EventQuery{Type: "c"}, nil},
	} {
		c.query.Tenant = b.tenant
		if c.query.Limit == 0 {
			c.query.Limit = 10
		}
		got, err := b.Store.Events(b.ctx, c.query)
		require.NoError(t, err, name)
		require.Len(t, got, len(c.want), name)
		for i := range c.want {
			require.Equal(t, c.want[i], got[i], name)
		}
	}
	_, err := b.Store.Events(b.ctx, store.EventQuery{Tenant: b.tenant, Limit: 1001})
	require.ErrorIs(t, err, store.ErrInvalid)
}

func boundsLists(t *testing.T, b *bundle) {
	e := b.endpoint()
	first, second := b.to(e), b.to(e)
	for name, q := range map[string]store.DeliveryQuery{
		"tenant's":   {},
		"endpoint's": {Endpoint: e.ID},
		"event's":    {Event: second.Event},
	} {
		q.Tenant, q.Limit, q.From = b.tenant, 10, second.ID
		list, err := b.Store.Deliveries(b.ctx, q)
		require.NoError(t, err, name)
		require.Equal(t, []webhook.Delivery{second}, list, name)
	}
	list, err := b.Store.Deliveries(b.ctx, store.DeliveryQuery{
		Tenant: b.tenant, Event: first.Event, From: second.ID, Limit: 10,
	})
	require.NoError(t, err)
	require.Empty(t, list)
}
