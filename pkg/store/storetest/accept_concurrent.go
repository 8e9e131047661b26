package storetest

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var acceptConcurrentTests = []test{
	{"GivesConcurrentDuplicatesOneFirst", oneFirstOfConcurrent},
	{"GivesShuffledGroupsOneFirstEach", oneFirstOfShuffled},
	{"NeverMissesAnEndpointThatWasThere", neverMissesEndpoint},
}

// together runs f n times at once and waits for all.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() { <-start; f(i) })
	}
	close(start)
	all.Wait()
}

// outcome is what a goroutine of a test got; the test looks at it afterwards, for only it may fail.
type outcome struct {
	results []store.Accepted
	err     error
}

func oneFirstOfConcurrent(t *testing.T, b *bundle) {
	e := b.endpoint()
	const racers = 12
	events, got := make([]store.NewEvent, racers), make([]outcome, racers)
	for i := range events {
		events[i] = b.event(e)
		events[i].Event.CEID, events[i].Key = events[0].Event.CEID, events[0].Key
	}
	together(racers, func(i int) { got[i].results, got[i].err = b.Store.Accept(b.ctx, events[i:i+1]) })

	stored := 0
	ids := map[webhook.ID]bool{}
	for i := range got {
		require.NoError(t, got[i].err)
		ids[got[i].results[0].EventID] = true
		if got[i].results[0].Status == store.AcceptStored {
			stored++
		} else {
			require.Equal(t, store.AcceptDuplicate, got[i].results[0].Status)
		}
	}
	require.Equal(t, 1, stored)
	require.Len(t, ids, 1, "all were told the id of the first")
	require.Len(t, allDeliveries(t, b.Store, b.tenant), 1)
}

// oneFirstOfShuffled offers the same identities in groups of different order, which deadlocks who does not sort.
func oneFirstOfShuffled(t *testing.T, b *bundle) {
	e := b.endpoint()
	const racers, identities, rounds = 6, 20, 3
	for range rounds {
		first := make([]store.NewEvent, identities)
		for i := range first {
			first[i] = b.event(e)
		}
		groups, got := make([][]store.NewEvent, racers), make([]outcome, racers)
		for i := range groups {
			for j := range first {
				n := b.event(e)
				n.Event.CEID, n.Key = first[j].Event.CEID, first[j].Key
				groups[i] = append(groups[i], n)
			}
			shuffle := rand.New(rand.NewPCG(1, uint64(i)))
			shuffle.Shuffle(identities, func(x, y int) { groups[i][x], groups[i][y] = groups[i][y], groups[i][x] })
		}
		together(racers, func(i int) { got[i].results, got[i].err = b.Store.Accept(b.ctx, groups[i]) })

		stored, ids := 0, map[webhook.Key]webhook.ID{}
		for i := range got {
			require.NoError(t, got[i].err)
			for j, result := range got[i].results {
				if result.Status == store.AcceptStored {
					stored++
				}
				key := groups[i][j].Key
				if known, ok := ids[key]; ok {
					require.Equal(t, known, result.EventID)
				}
				ids[key] = result.EventID
			}
		}
		require.Equal(t, identities, stored)
	}
}

// neverMissesEndpoint accepts with kept configuration while endpoints are made: whatever was stored after
// CreateEndpoint had returned must have been matched with that endpoint.
func neverMissesEndpoint(t *testing.T, b *bundle) {
	const accepters, endpoints = 3, 8
	var mu sync.Mutex
	var there []webhook.ID // whose creation has returned
	done := make(chan struct{})
	missed, failed := make([]int, accepters), make([]error, accepters)
	var work sync.WaitGroup
	for i := range accepters {
		work.Go(func() {
			kept := store.Subscriptions{Tenant: b.tenant}
			for last := false; !last && failed[i] == nil; {
				select {
				case <-done:
					last = true
				default:
				}
				mu.Lock()
				must := slices.Clone(there)
				mu.Unlock()
				missed[i], failed[i] = b.acceptKept(&kept, must, missed[i])
			}
		})
	}
	for range endpoints {
		e := b.endpoint()
		mu.Lock()
		there = append(there, e.ID)
		mu.Unlock()
	}
	close(done)
	work.Wait()
	for i := range accepters {
		require.NoError(t, failed[i])
		require.Zero(t, missed[i], "events stored without an endpoint that was there before")
	}
}

// acceptKept accepts an event as matched with kept configuration, renewing it when it is stale, and counts it when it
// was stored without one of the endpoints that must be there.
func (b *bundle) acceptKept(kept *store.Subscriptions, must []webhook.ID, missed int) (int, error) {
	for {
		now, err := b.Store.Now(b.ctx)
		if err != nil {
			return missed, err
		}
		n := store.NewEvent{ConfigVersion: kept.Version, Event: webhook.Event{
			ID: b.ids.New(now), Tenant: b.tenant, Source: "/kept", CEID: token(), Type: "order.paid",
		}}
		n.Key = webhook.IdentityKey(n.Event.Tenant, n.Event.Source, n.Event.CEID)
		results, err := b.Store.Accept(b.ctx, []store.NewEvent{n})
		if err != nil {
			return missed, err
		}
		if results[0].Status == store.AcceptStored {
			for _, id := range must {
				if !slices.ContainsFunc(kept.Endpoints, func(e webhook.Endpoint) bool { return e.ID == id }) {
					missed++
				}
			}
			return missed, nil
		}
		if *kept, err = b.Store.Subscriptions(b.ctx, b.tenant); err != nil {
			return missed, err
		}
	}
}
