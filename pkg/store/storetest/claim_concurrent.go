package storetest

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var claimConcurrentTests = []test{
	{"UsesEachAttemptNumberOnce", usesNumbersOnce},
	{"GivesOutEachDeliveryOnceByItemsAndPulls", givesOutOnce},
	{"KeepsOneSuccessAgainstTheReconciler", keepsSuccess},
}

// use is one attempt number of one delivery.
type use struct {
	delivery webhook.ID
	attempt  int
}

func usesNumbersOnce(t *testing.T, b *bundle) {
	const racers, deliveries, rounds = 6, 15, 3
	e := b.endpoint()
	wanted := items(b.many(e, deliveries))
	used := map[use]int{}
	for round := range rounds {
		got, errs := make([]store.Claims, racers), make([]error, racers)
		together(racers, func(i int) {
			mine := slices.Clone(wanted)
			shuffle := rand.New(rand.NewPCG(uint64(round), uint64(i)))
			shuffle.Shuffle(len(mine), func(x, y int) { mine[x], mine[y] = mine[y], mine[x] })
			got[i], errs[i] = b.Store.Claim(b.ctx, store.ClaimRequest{Items: mine})
		})
		var results []store.Result
		for i := range got {
			require.NoError(t, errs[i])
			for _, w := range got[i].Work {
				used[use{w.Delivery.ID, w.Delivery.Attempt}]++
				results = append(results, b.failure(w, 0))
			}
		}
		require.Len(t, results, deliveries)
		b.recordAll(results...)
		for i := range wanted {
			wanted[i].Attempt++
		}
	}
	require.Len(t, used, deliveries*rounds)
	for u, times := range used {
		require.Equal(t, 1, times, "attempt %d of %s", u.attempt, u.delivery)
	}
}

func givesOutOnce(t *testing.T, b *bundle) {
	const racers, deliveries = 6, 40
	e := b.endpoint()
	ds := b.many(e, deliveries)
	got, errs := make([][]store.Work, racers), make([]error, racers)
	together(racers, func(i int) {
		// Each names a part and pulls until nothing is left.
		r := store.ClaimRequest{Items: items(ds[i*5 : i*5+10])}
		for more := true; more && errs[i] == nil; {
			r.Pulls = []store.Pull{{Endpoint: e.ID, Limit: 3}}
			var c store.Claims
			c, errs[i] = b.Store.Claim(b.ctx, r)
			got[i] = append(got[i], c.Work...)
			more = len(c.Work) > 0
			r = store.ClaimRequest{}
		}
	})
	// Who meets rows that another claims at that moment may pass them over, so one more pull may find a rest.
	all := b.pulled(e.ID, deliveries).Work
	for i := range got {
		require.NoError(t, errs[i])
		all = append(all, got[i]...)
	}
	requireWork(t, ds, all)
}

// keepsSuccess lets results of attempts whose lease is over race with the reconciler that ends them: whoever comes
// first, the delivery has succeeded in the end.
func keepsSuccess(t *testing.T, b *bundle) {
	const deliveries = 20
	e := b.endpoint()
	b.many(e, deliveries)
	work := b.pulled(e.ID, deliveries).Work
	require.Len(t, work, deliveries)
	b.pass(b.Policy.WakeAfter(0, b.Policy.LeaseOf(&e)))
	errs := make([]error, deliveries+2)
	together(deliveries+2, func(i int) {
		if i < deliveries {
			_, errs[i] = b.Store.Record(b.ctx, []store.Result{success(work[i])})
		} else {
			_, errs[i] = b.Store.Reconcile(b.ctx, everything)
		}
	})
	for _, err := range errs {
		require.NoError(t, err)
	}
	for _, w := range work {
		v := b.view(w.Delivery.ID)
		require.Equal(t, webhook.StateSucceeded, v.Delivery.State)
		require.Equal(t, webhook.OutcomeSuccess, v.Attempts[0].Outcome)
	}
}
