package storetest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// CheckInvariants requires what must be true of any store between two operations. It lists every delivery of every
// tenant, looks at the newest 300 of each with their events and attempts, and compares their number with the store's
// own statistics, so nobody may write meanwhile. It supposes that nothing was dropped for its age.
func CheckInvariants(tb testing.TB, s store.Store) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	tenants, err := s.TenantPage(ctx, "", 1000)
	require.NoError(tb, err)
	live := 0
	for _, t := range tenants {
		tenant := t.ID
		for i, d := range allDeliveries(tb, s, tenant) {
			checkDelivery(tb, &d)
			if !d.State.Terminal() {
				live++
			}
			if i >= mostViews {
				continue
			}
			v, err := s.Delivery(ctx, tenant, d.ID)
			require.NoError(tb, err)
			require.Equal(tb, d, v.Delivery, "a list and a look at one delivery show the same")
			checkAttempts(tb, &v)
			checkEvent(tb, &v)
		}
	}
	stats, err := s.Stats(ctx)
	require.NoError(tb, err)
	require.Equal(tb, live, stats.Live, "live deliveries that the statistics know")
}

// mostViews bounds the deliveries of a tenant that are looked at one by one.
const mostViews = 300

// allDeliveries lists a tenant's deliveries, page by page.
func allDeliveries(tb testing.TB, s store.Store, tenant string) []webhook.Delivery {
	tb.Helper()
	const page = 500
	var all []webhook.Delivery
	for q := (store.DeliveryQuery{Tenant: tenant, Limit: page}); ; q.Before = all[len(all)-1].ID {
		more, err := s.Deliveries(context.WithoutCancel(tb.Context()), q)
		require.NoError(tb, err)
		all = append(all, more...)
		if len(more) < page {
			return all
		}
	}
}

// checkDelivery holds the columns of a delivery to its state.
func checkDelivery(tb testing.TB, d *webhook.Delivery) {
	tb.Helper()
	require.False(tb, d.DueAt.IsZero(), "%s: every delivery has a due time", d.ID)
	require.False(tb, d.ExpiresAt.IsZero(), "%s: every delivery expires", d.ID)
	require.Equal(tb, d.Attempt > 0, !d.StartedAt.IsZero(), "%s: started when attempted", d.ID)
	require.LessOrEqual(tb, d.Interruptions, d.Attempt, "%s: an interruption is one of an attempt", d.ID)
	require.Equal(tb, d.State.Terminal(), d.WakeAt.IsZero(),
		"%s is %s: live deliveries have a wake time, terminal ones none", d.ID, d.State)
	require.Equal(tb, d.State == webhook.StateAttempting, !d.LeaseUntil.IsZero(),
		"%s is %s: there is a lease while an attempt is under way", d.ID, d.State)
	ended := d.State == webhook.StateExhausted || d.State == webhook.StateCancelled
	require.Equal(tb, ended, d.Reason != webhook.ReasonNone,
		"%s is %s: an end without success has a reason, else there is none", d.ID, d.State)
	if d.State == webhook.StateAttempting {
		require.Positive(tb, d.Attempt, "%s: an attempt under way has a number", d.ID)
		require.False(tb, d.WakeAt.Before(d.LeaseUntil), "%s: nobody wakes it under its lease", d.ID)
	}
}

// checkAttempts holds the records of attempts to the delivery.
func checkAttempts(tb testing.TB, v *store.DeliveryView) {
	tb.Helper()
	d := &v.Delivery
	want := d.Attempt
	if d.State == webhook.StateAttempting {
		want-- // the one under way is on the delivery itself
	}
	require.Len(tb, v.Attempts, want, "%s is %s after attempt %d: each that is over is there", d.ID, d.State, d.Attempt)
	succeeded := false
	for i := range v.Attempts {
		a := &v.Attempts[i]
		require.Equal(tb, i+1, a.Number, "%s: attempts are in order, each number once", d.ID)
		require.Equal(tb, d.ID, a.Delivery)
		require.Equal(tb, d.Tenant, a.Tenant)
		require.Equal(tb, d.Endpoint, a.Endpoint)
		require.False(tb, a.StartedAt.IsZero(), "%s: an attempt has a start", d.ID)
		succeeded = succeeded || a.Outcome == webhook.OutcomeSuccess
	}
	if d.State == webhook.StateSucceeded {
		require.True(tb, succeeded, "%s: succeeded by an attempt", d.ID)
	}
}

// checkEvent holds the event to the delivery.
func checkEvent(tb testing.TB, v *store.DeliveryView) {
	tb.Helper()
	d, e := &v.Delivery, &v.Event
	require.Equal(tb, d.Event, e.ID)
	require.Equal(tb, d.Tenant, e.Tenant)
	require.Equal(tb, e.ID.Time(), d.ID.Time(), "%s: a delivery's id has its event's millisecond", d.ID)
	require.True(tb, d.ReplayOf.IsZero() || !e.Origin.IsZero(), "%s: a replay's event has an origin", d.ID)
	require.False(tb, e.AcceptedAt.IsZero(), "%s: its event was accepted at a time", d.ID)
}
