package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var noticesTests = []test{
	{"TellsOfADeliveryThatIsGivenUp", tellsExhausted},
	{"TellsOfADeliveryThatExpired", tellsExpired},
	{"TellsOfAnEndpointThatIsDisabled", tellsDisabled},
	{"SaysNothingWhenAllIsWell", saysNothing},
	{"AcceptsWhatTellsAndMarksIt", acceptsTelling},
	{"DoesNothingWhenStale", tellsNothingStale},
	{"TellsOnce", tellsOnce},
	{"KeepsWhatWasNotTold", keepsUntold},
}

// untold lists the notices that wait.
func (b *bundle) untold() []store.Notice {
	list, err := b.Store.Untold(b.ctx, 1000)
	require.NoError(b.tb, err)
	return list
}

// giveUp makes a delivery that is given up after one attempt.
func (b *bundle) giveUp(e webhook.Endpoint) webhook.Delivery {
	d := b.to(e)
	require.True(b.tb, b.record(exhausted(b.begin(d.ID))).Applied)
	return b.view(d.ID).Delivery
}

func tellsExhausted(t *testing.T, b *bundle) {
	e := b.endpoint()
	w, fine := b.begin(b.to(e).ID), b.begin(b.to(e).ID)
	in := b.during(func() { b.recordAll(exhausted(w), success(fine)) })
	told := b.untold()
	require.Len(t, told, 1)
	require.False(t, told[0].ID.IsZero())
	in.requireAfter(t, 0, told[0].At)
	require.Equal(t, store.Notice{
		ID: told[0].ID, At: told[0].At, Kind: store.NoticeExhausted, Tenant: b.tenant, Endpoint: e.ID,
		Delivery: w.Delivery.ID, Event: w.Delivery.Event, Reason: "schedule", Attempts: 1,
	}, told[0])
	b.record(exhausted(w))
	require.Len(t, b.untold(), 1, "again is too late to tell")
	_, err := b.Store.Untold(b.ctx, 0)
	require.ErrorIs(t, err, store.ErrInvalid)
}

func tellsExpired(t *testing.T, b *bundle) {
	d := b.store(living(b.event(b.endpoint()), 1))[0]
	b.pass(b.Policy.WakeGrace + b.Policy.LeaseMargin + b.Policy.Timeout + b.Policy.HeldPush)
	b.reconcile(everything)
	require.Equal(t, webhook.StateExhausted, b.view(d.ID).Delivery.State)
	told := b.untold()
	require.Len(t, told, 1)
	require.Equal(t, d.ID, told[0].Delivery)
	require.Equal(t, string(webhook.ReasonGated), told[0].Reason)
}

func tellsDisabled(t *testing.T, b *bundle) {
	byAnswer, byHand := b.endpoint(), b.endpoint()
	w := b.begin(b.to(byAnswer).ID)
	r := b.failure(w, 0)
	r.DisableVersion, r.DisableReason = w.Target.Version, "it answered 410"
	require.True(t, b.record(r).Disabled)
	b.set(byHand.ID, webhook.EndpointDisabled)
	b.set(byHand.ID, webhook.EndpointDisabled)
	told := b.untold()
	require.Len(t, told, 2)
	require.Equal(t, store.Notice{
		ID: told[0].ID, At: told[0].At, Kind: store.NoticeDisabled, Tenant: b.tenant, Endpoint: byAnswer.ID,
		Reason: "it answered 410",
	}, told[0])
	require.Equal(t, byHand.ID, told[1].Endpoint)
}

func saysNothing(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.succeed(b.to(e).ID)
	require.NoError(t, b.Store.CancelDelivery(b.ctx, b.tenant, b.to(e).ID))
	b.record(b.failure(b.begin(b.to(e).ID), 0))
	b.set(e.ID, webhook.EndpointPaused)
	b.set(e.ID, webhook.EndpointActive)
	b.set(e.ID, webhook.EndpointDeleted)
	require.Empty(t, b.untold())
}

func acceptsTelling(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.giveUp(e)
	b.giveUp(e)
	told := b.untold()
	n := b.event(e)
	results, err := b.Store.Tell(b.ctx, []webhook.ID{told[0].ID}, []store.NewEvent{n})
	require.NoError(t, err)
	require.Len(t, results, 1)
	require.Equal(t, store.AcceptStored, results[0].Status)
	require.Equal(t, webhook.StateScheduled, b.view(n.Deliveries[0].ID).Delivery.State)
	require.Equal(t, told[1:], b.untold())
	results, err = b.Store.Tell(b.ctx, []webhook.ID{told[1].ID}, nil)
	require.NoError(t, err)
	require.Empty(t, results)
	require.Empty(t, b.untold(), "what nobody wants to be told of is told, too")
}

func tellsNothingStale(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.giveUp(e)
	told := b.untold()
	stale, fresh := b.event(e), b.event(e)
	stale.ConfigVersion--
	results, err := b.Store.Tell(b.ctx, []webhook.ID{told[0].ID}, []store.NewEvent{fresh, stale})
	require.NoError(t, err)
	require.Equal(t, store.AcceptStale, results[1].Status)
	require.Equal(t, told, b.untold())
	b.requireNothingOf(t, fresh)
	b.requireNothingOf(t, stale)
}

func tellsOnce(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.giveUp(e)
	told := b.untold()
	n := b.event(e)
	statuses := make([]store.AcceptStatus, 3)
	together(3, func(i int) {
		results, err := b.Store.Tell(b.ctx, []webhook.ID{told[0].ID}, []store.NewEvent{n})
		if err == nil {
			statuses[i] = results[0].Status
		}
	})
	require.ElementsMatch(t, []store.AcceptStatus{store.AcceptStored, store.AcceptDuplicate, store.AcceptDuplicate},
		statuses)
}

func keepsUntold(t *testing.T, b *bundle) {
	e := b.endpoint()
	b.giveUp(e)
	b.pass(3 * time.Hour)
	b.tally()
	keep := retention
	keep.Tallies = time.Minute
	_, err := b.Store.Housekeep(b.ctx, keep)
	require.NoError(t, err)
	require.Len(t, b.untold(), 1, "whatever its age")
}
