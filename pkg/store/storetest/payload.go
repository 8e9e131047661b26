package storetest

import (
	"crypto/ed25519"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var payloadTests = []test{
	{"ErasesAPayloadWithItsCopiesAndAnswers", erases},
	{"LeavesOthersAlone", erasesOnlyOne},
	{"CancelsWhatIsLive", eraseCancels},
	{"KeepsNothingThatComesAfterwards", eraseOutlastsAttempts},
	{"KeepsNothingThatComesAfterAnInterruption", eraseOutlastsInterruptions},
	{"KeepsNothingThatComesMeanwhile", eraseAgainstLateResults},
	{"SendsNoEmptyBodyInItsPlace", eraseAgainstClaims},
	{"LeavesNoCopyThatIsMadeMeanwhile", eraseAgainstReplays},
	{"IsPassedOverByReplaysOfARange", erasePassedOver},
	{"SendsATestToOneEndpoint", sendsTest},
	{"SendsNoTestToAnEndpointThatIsNotActive", sendsNoTest},
}

func newEd25519(tb testing.TB) (ed25519.PublicKey, ed25519.PrivateKey) {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(tb, err)
	return public, private
}

func (b *bundle) erase(event webhook.ID) time.Time {
	at, err := b.Store.ErasePayload(b.ctx, b.tenant, event)
	require.NoError(b.tb, err)
	return at
}

// replay sends an ended delivery again.
func (b *bundle) replay(id webhook.ID) webhook.Delivery {
	due, err := b.Store.RetryNow(b.ctx, b.tenant, id, b.ids)
	require.NoError(b.tb, err)
	return b.view(due.Delivery).Delivery
}

func erases(t *testing.T, b *bundle) {
	first := b.succeed(b.to(b.endpoint()).ID)
	second := b.succeed(b.replay(first.ID).ID)
	third := b.succeed(b.replay(second.ID).ID)
	before := b.view(second.ID)
	require.NotEmpty(t, before.Event.Data)
	var at time.Time
	in := b.during(func() { at = b.erase(second.Event) }) // the middle one stands for all
	in.requireAfter(t, 0, at)
	for _, d := range []webhook.Delivery{first, second, third} {
		v := b.view(d.ID)
		require.Nil(t, v.Event.Data)
		require.False(t, v.Event.ErasedAt.IsZero())
		require.Equal(t, d, v.Delivery, "what has ended stays as it is")
		require.Len(t, v.Attempts, 1)
		require.Nil(t, v.Attempts[0].ResponseBody)
		require.Nil(t, v.Attempts[0].ResponseHeaders)
		_, err := b.Store.RetryNow(b.ctx, b.tenant, d.ID, b.ids)
		require.ErrorIs(t, err, store.ErrErased)
	}
	after := b.view(second.ID)
	want := before.Event
	want.Data, want.ErasedAt = nil, at
	require.Equal(t, want, after.Event, "the record stays")
	require.NotEmpty(t, before.Attempts[0].ResponseHeaders)
	attempt := before.Attempts[0]
	attempt.ResponseHeaders, attempt.ResponseBody = nil, nil
	requireAttempt(t, attempt, after.Attempts[0])
	list, err := b.Store.Events(b.ctx, store.EventQuery{Tenant: b.tenant, Limit: 10})
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.False(t, list[0].ErasedAt.IsZero())
	require.Equal(t, at, b.erase(second.Event), "again changes nothing")
	_, err = b.Store.ErasePayload(b.ctx, b.tenant, b.id())
	require.ErrorIs(t, err, store.ErrNotFound)
}

func erasesOnlyOne(t *testing.T, b *bundle) {
	e := b.endpoint()
	other, own := b.succeed(b.to(e).ID), b.to(e)
	live := b.to(e)
	was, wasLive := b.view(other.ID), b.view(live.ID)
	b.erase(own.Event)
	require.Equal(t, was, b.view(other.ID))
	require.Equal(t, wasLive, b.view(live.ID))
	b.replay(other.ID)
}

func eraseCancels(t *testing.T, b *bundle) {
	e, paused := b.endpoint(), b.endpoint()
	ended, waiting := b.succeed(b.to(e).ID), b.to(paused)
	replay := b.replay(ended.ID)
	b.set(paused.ID, webhook.EndpointPaused)
	b.erase(ended.Event)
	b.erase(waiting.Event)
	for _, d := range []webhook.Delivery{replay, waiting} {
		got := b.view(d.ID).Delivery
		require.Equal(t, webhook.StateCancelled, got.State)
		require.Equal(t, webhook.ReasonErased, got.Reason)
		require.True(t, got.WakeAt.IsZero())
		b.refuses(d)
	}
}

// eraseOutlastsAttempts has an attempt under way: it may finish, and leaves nothing behind.
func eraseOutlastsAttempts(t *testing.T, b *bundle) {
	w := b.begin(b.to(b.endpoint()).ID)
	require.NotEmpty(t, w.Event.Data)
	b.erase(w.Delivery.Event)
	v := b.view(w.Delivery.ID)
	require.Equal(t, webhook.StateCancelled, v.Delivery.State)
	require.Len(t, v.Attempts, 1)
	require.Equal(t, webhook.OutcomeInterrupted, v.Attempts[0].Outcome)
	require.False(t, b.record(success(w)).Applied)
	v = b.view(w.Delivery.ID)
	require.Equal(t, webhook.StateCancelled, v.Delivery.State)
	require.Equal(t, webhook.OutcomeSuccess, v.Attempts[0].Outcome, "that it was sent is on record")
	require.Nil(t, v.Attempts[0].ResponseBody, "what it was answered is not")
	require.Nil(t, v.Attempts[0].ResponseHeaders)
}

// eraseOutlastsInterruptions has the result of an attempt come back that was given up for interrupted, after the
// delivery has ended by another attempt, and after its payload was erased.
func eraseOutlastsInterruptions(t *testing.T, b *bundle) {
	d := b.to(b.endpoint())
	w := b.interrupted(d.ID)
	b.succeed(d.ID)
	b.erase(d.Event)
	require.False(t, b.record(success(w)).Applied)
	v := b.view(d.ID)
	require.Len(t, v.Attempts, 2)
	require.Equal(t, webhook.OutcomeSuccess, v.Attempts[0].Outcome, "that it was sent is on record")
	for _, a := range v.Attempts {
		require.Nil(t, a.ResponseBody)
		require.Nil(t, a.ResponseHeaders)
	}
}

// eraseAgainstLateResults has such a result come while the payload is erased.
func eraseAgainstLateResults(t *testing.T, b *bundle) {
	for range 20 {
		d := b.to(b.endpoint())
		w := b.interrupted(d.ID)
		b.succeed(d.ID)
		var group sync.WaitGroup
		var recordErr, eraseErr error
		group.Go(func() { _, recordErr = b.Store.Record(b.ctx, []store.Result{success(w)}) })
		group.Go(func() { _, eraseErr = b.Store.ErasePayload(b.ctx, b.tenant, d.Event) })
		group.Wait()
		require.NoError(t, errors.Join(recordErr, eraseErr))
		for _, a := range b.view(d.ID).Attempts {
			require.Nil(t, a.ResponseBody)
			require.Nil(t, a.ResponseHeaders)
		}
	}
}

// eraseAgainstClaims claims while payloads are erased: whoever gets a delivery gets its payload.
func eraseAgainstClaims(t *testing.T, b *bundle) {
	for range 20 {
		d := b.to(b.endpoint())
		var group sync.WaitGroup
		var got store.Claims
		var claimErr, eraseErr error
		group.Go(func() {
			got, claimErr = b.Store.Claim(b.ctx, store.ClaimRequest{Items: []store.ClaimItem{item(d)}})
		})
		group.Go(func() { _, eraseErr = b.Store.ErasePayload(b.ctx, b.tenant, d.Event) })
		group.Wait()
		require.NoError(t, errors.Join(claimErr, eraseErr))
		for _, w := range got.Work {
			require.NotEmpty(t, w.Event.Data, "an empty body would be sent")
			require.False(t, b.record(success(w)).Applied)
		}
		v := b.view(d.ID)
		require.Equal(t, webhook.StateCancelled, v.Delivery.State)
		for _, a := range v.Attempts {
			require.Nil(t, a.ResponseBody)
		}
	}
}

// eraseAgainstReplays replays while payloads are erased: no copy keeps one.
func erasePassedOver(t *testing.T, b *bundle) {
	e := b.endpoint()
	erased, kept := b.fail(b.to(e)), b.fail(b.to(e))
	b.erase(erased.Event)
	spec := store.JobSpec{Event: erased.Event, States: []webhook.State{webhook.StateExhausted}}
	_, err := b.Store.StartJob(b.ctx, b.jobOf(store.JobReplay, spec, 0))
	require.ErrorIs(t, err, store.ErrErased)
	b.pass(time.Millisecond)
	preview, err := b.Store.PreviewReplay(b.ctx, b.tenant, store.JobSpec{Endpoint: e.ID})
	require.NoError(t, err)
	require.True(t, preview.Exact)
	require.Equal(t, 1, preview.Matched, "what is counted is what is made")
	require.Equal(t, kept.ID, preview.First[0].Delivery)
	j := b.start(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 0)
	b.runJobs()
	require.Equal(t, map[webhook.ID]int{kept.ID: 1}, b.replays())
	require.Equal(t, preview.Matched, b.job(j.ID).Done)

	late := b.endpoint()
	missing := store.JobSpec{Endpoint: late.ID, Missing: true}
	preview, err = b.Store.PreviewReplay(b.ctx, b.tenant, missing)
	require.NoError(t, err)
	j = b.start(store.JobReplay, missing, 0)
	b.runJobs()
	require.Equal(t, preview.Matched, b.job(j.ID).Done)
	require.Equal(t, 1, preview.Matched)
}

func eraseAgainstReplays(t *testing.T, b *bundle) {
	for range 20 {
		d := b.succeed(b.to(b.endpoint()).ID)
		copied := b.succeed(b.replay(d.ID).ID)
		var group sync.WaitGroup
		for _, id := range []webhook.ID{d.ID, copied.ID} {
			group.Go(func() {
				if _, err := b.Store.RetryNow(b.ctx, b.tenant, id, b.ids); err != nil && !errors.Is(err, store.ErrErased) {
					t.Error(err)
				}
			})
		}
		group.Go(func() {
			if _, err := b.Store.ErasePayload(b.ctx, b.tenant, d.Event); err != nil {
				t.Error(err)
			}
		})
		group.Wait()
		for _, d := range allDeliveries(t, b.Store, b.tenant) {
			v := b.view(d.ID)
			require.Nil(t, v.Event.Data)
			require.True(t, v.Delivery.State.Terminal())
		}
	}
}

// testOf makes a test event for an endpoint.
func (b *bundle) testOf(endpoint webhook.ID) store.NewTest {
	ids := b.idsTogether(2)
	return store.NewTest{Delivery: ids[1], Endpoint: endpoint, Event: webhook.Event{
		ID: ids[0], Tenant: b.tenant, Source: "/homing/test", CEID: token(), Type: "io.homing.test",
		DataType: "application/json", Data: []byte(`{"a": 1}`), Time: b.now().Truncate(time.Second),
	}}
}

func sendsTest(t *testing.T, b *bundle) {
	e := b.endpoint(func(e *webhook.Endpoint) { e.Types = []string{"something.else"} })
	b.endpoint(func(e *webhook.Endpoint) { e.Types = nil })
	test := b.testOf(e.ID)
	var due store.Due
	in := b.during(func() {
		var err error
		due, err = b.Store.SendTest(b.ctx, test)
		require.NoError(t, err)
	})
	in.requireAfter(t, 0, due.DueAt)
	require.Equal(t, store.ClaimItem{Delivery: test.Delivery, Endpoint: e.ID}, due.ClaimItem)
	require.Len(t, allDeliveries(t, b.Store, b.tenant), 1, "to that endpoint only")
	v := b.view(test.Delivery)
	require.Equal(t, due.DueAt, v.Delivery.DueAt)
	test.Event.AcceptedAt = v.Event.AcceptedAt
	require.Equal(t, test.Event, v.Event)
	require.Equal(t, []store.Due{due}, b.reconcile(everything).Due, "the tick finds it when nobody can hint")
	b.succeed(test.Delivery)
	b.replay(test.Delivery)
}

func sendsNoTest(t *testing.T, b *bundle) {
	e := b.endpoint()
	for _, status := range []webhook.EndpointStatus{
		webhook.EndpointPaused, webhook.EndpointDisabled, webhook.EndpointDeleted,
	} {
		b.set(e.ID, status)
		_, err := b.Store.SendTest(b.ctx, b.testOf(e.ID))
		require.ErrorIs(t, err, store.ErrConflict)
	}
	_, err := b.Store.SendTest(b.ctx, b.testOf(b.id()))
	require.ErrorIs(t, err, store.ErrNotFound)
	require.Empty(t, allDeliveries(t, b.Store, b.tenant))
}
