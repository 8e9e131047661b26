package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// unit divides every duration of a replay. Time passes in whole hours, and what is stored is for a moment some units
// from then, so that nothing is ever due at the very moment of an operation: the seconds by which a database's own
// clock runs on during a replay decide nothing, and vanish when times are rounded.
const unit = 10 * time.Minute

// ReplayWindow is the dedupe window of stores for Replay.
const ReplayWindow = 30*time.Hour + 5*unit

// ReplayPolicy returns the policy of stores for Replay.
func ReplayPolicy() webhook.Policy {
	return webhook.Policy{
		Schedule:    []time.Duration{0, time.Hour, 10 * time.Hour, 15 * time.Hour},
		Timeout:     3 * unit,
		LeaseMargin: unit,
		WakeGrace:   3 * unit,
		PushCap:     3 * unit,
		HeldPush:    36*time.Hour + unit,
		Horizon:     10 * time.Hour,
		ExpirySlack: 24*time.Hour + 5*unit,
	}
}

// Replay applies one generated sequence of operations to two empty stores, opened with ReplayPolicy and ReplayWindow,
// and requires the same answers and the same state from both. The sequence is a function of the seed. Ids and times
// differ between the stores: ids are compared by what they stand for, times relative to each store's own, to ten
// minutes; payloads, the order of lists without one, and endpoints' wake times are not compared.
func Replay(tb testing.TB, first, second Harness, seed uint64, steps int) {
	tb.Helper()
	r := &replay{tb: tb, rng: rand.New(rand.NewPCG(seed, 0))}
	for i, h := range []Harness{first, second} {
		r.sides[i] = &bundle{
			Harness: h, tb: tb, ctx: context.WithoutCancel(tb.Context()), ids: &webhook.IDSource{},
		}
		r.index[i] = map[webhook.ID]int{}
	}
	for range 2 {
		r.newTenant()
		for range 2 {
			r.newEndpoint()
		}
	}
	for step := range steps {
		name := r.step()
		require.Equal(tb, r.said[0], r.said[1], "seed %d, step %d: %s", seed, step, name)
		if step%20 == 19 || step == steps-1 {
			r.each(func(b *bundle, i int) string { return r.state(b, i) })
			require.Equal(tb, r.said[0], r.said[1], "seed %d, the state after step %d: %s", seed, step, name)
		}
	}
	for _, side := range r.sides {
		CheckInvariants(tb, side.Store)
	}
}

// replay is one comparison under way. Things of both sides have one number, by which they are chosen and compared.
type replay struct {
	tb         testing.TB
	rng        *rand.Rand
	sides      [2]*bundle
	index      [2]map[webhook.ID]int // the number of each event and delivery
	said       [2]string             // what each side answered last
	tenants    []string
	endpoints  []webhook.Endpoint // the same ids on both sides
	identities []identity
	deliveries []pair
	work       []work
}

// work is a claimed attempt on both sides, and a number that decides how it ends, however often its result is told.
type work struct {
	sides [2]store.Work
	kind  int
}

// pair is a delivery on both sides.
type pair [2]store.ClaimItem

// identity is an event's tenant and id.
type identity struct{ tenant, id string }

// each does the same on both sides.
func (r *replay) each(f func(b *bundle, i int) string) {
	for i, b := range r.sides {
		r.said[i] = f(b, i)
	}
}

// step does one operation, and returns its name.
func (r *replay) step() string {
	operations := []struct {
		weight int
		name   string
		do     func()
	}{
		{14, "accept", r.accept},
		{16, "claim", r.claim},
		{24, "pull", r.pull},
		{32, "record", r.record},
		{14, "reconcile", r.reconcile},
		{14, "pass", r.pass},
		{8, "set status", r.setStatus},
		{3, "retry now", r.retryNow},
		{3, "cancel", r.cancel},
		{2, "new endpoint", r.newEndpoint},
		{2, "add secret", r.addSecret},
		{2, "housekeep", r.housekeep},
		{2, "stats", r.stats},
	}
	total := 0
	for _, o := range operations {
		total += o.weight
	}
	at := r.rng.IntN(total)
	for _, o := range operations {
		if at -= o.weight; at < 0 {
			o.do()
			return o.name
		}
	}
	return ""
}

// chance is true in percent of cases.
func (r *replay) chance(percent int) bool { return r.rng.IntN(100) < percent }

// hours returns up to n hours, and the units given.
func (r *replay) hours(n int, units time.Duration) time.Duration {
	return time.Duration(r.rng.IntN(n))*time.Hour + units*unit
}

// word names the kind of an error.
func word(err error) string {
	for _, known := range []error{store.ErrNotFound, store.ErrConflict, store.ErrInvalid, store.ErrUnavailable} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if err != nil {
		return "error: " + err.Error()
	}
	return "ok"
}

func (r *replay) newTenant() {
	id := fmt.Sprintf("t-%d", len(r.tenants))
	r.tenants = append(r.tenants, id)
	r.each(func(b *bundle, _ int) string { return word(b.Store.CreateTenant(b.ctx, id)) })
}

func (r *replay) newEndpoint() {
	e := webhook.Endpoint{
		ID: r.sides[0].id(), Tenant: r.tenants[len(r.tenants)-1-r.rng.IntN(1+len(r.endpoints)/4)%len(r.tenants)],
		URL: "https://receiver.example", Format: webhook.FormatBinary,
	}
	if r.chance(30) {
		e.Schedule, e.Timeout = []time.Duration{0, time.Hour}, 9*unit
	}
	r.endpoints = append(r.endpoints, e)
	secret := r.sides[0].secret(e.ID)
	r.each(func(b *bundle, _ int) string {
		return word(b.Store.CreateEndpoint(b.ctx, e, []webhook.Secret{secret}))
	})
}

func (r *replay) addSecret() {
	e := r.anyEndpoint()
	secret, overlap := r.sides[0].secret(e.ID), r.hours(20, 2)
	r.each(func(b *bundle, _ int) string {
		err := b.Store.AddSecret(b.ctx, e.Tenant, secret, overlap)
		left, _ := b.Store.Secrets(b.ctx, e.Tenant, e.ID)
		return fmt.Sprint(word(err), len(left))
	})
}

func (r *replay) anyEndpoint() webhook.Endpoint { return r.endpoints[r.rng.IntN(len(r.endpoints))] }

func (r *replay) setStatus() {
	e := r.anyEndpoint()
	status := webhook.EndpointActive
	switch n := r.rng.IntN(100); {
	case n < 20:
		status = webhook.EndpointPaused
	case n < 28:
		status = webhook.EndpointDisabled
	case n < 31:
		status = webhook.EndpointDeleted
	}
	r.each(func(b *bundle, _ int) string {
		return word(b.Store.SetEndpointStatus(b.ctx, e.Tenant, e.ID, status, "by hand"))
	})
}

func (r *replay) pass() {
	d := r.hours(4, 0) + time.Hour
	if r.chance(5) {
		d += 40 * time.Hour
	}
	r.each(func(b *bundle, _ int) string { b.pass(d); return "" })
}

func (r *replay) housekeep() {
	r.each(func(b *bundle, _ int) string { return fmt.Sprint(b.housekeep().KeysExpired) })
}

func (r *replay) stats() {
	r.each(func(b *bundle, _ int) string {
		s := b.stats()
		return fmt.Sprint(s.Live, s.OldestDue.Round(unit))
	})
}

// draft is an event of both sides before it has ids.
type draft struct {
	identity
	endpoints       []webhook.Endpoint
	dueIn, lifetime time.Duration
	stale, bad      bool
}

// draft makes up an event: mostly new, sometimes one seen before.
func (r *replay) draft() draft {
	d := draft{
		identity: identity{tenant: r.tenants[r.rng.IntN(len(r.tenants))], id: fmt.Sprint("ce-", len(r.identities))},
		lifetime: r.hours(250, 5), stale: r.chance(8), bad: r.chance(5),
	}
	if len(r.identities) > 0 && r.chance(20) {
		d.identity = r.identities[len(r.identities)-1-r.rng.IntN(min(20, len(r.identities)))]
	} else {
		r.identities = append(r.identities, d.identity)
	}
	if r.chance(40) {
		d.dueIn = r.hours(16, 2)
	}
	for _, e := range r.endpoints {
		if (e.Tenant == d.tenant || r.chance(3)) && r.chance(70) {
			d.endpoints = append(d.endpoints, e)
		}
	}
	return d
}

// onSide makes the draft's event for one side.
func (d *draft) onSide(b *bundle) store.NewEvent {
	b = b.as(d.tenant)
	n := dueIn(living(b.event(d.endpoints...), d.lifetime), d.dueIn)
	n.Event.CEID = d.id
	n.Key = webhook.IdentityKey(d.tenant, n.Event.Source, d.id)
	if d.stale {
		n.ConfigVersion--
	}
	if d.bad {
		n.Event.Subject = "\x00"
	}
	return n
}

func (r *replay) accept() {
	drafts := make([]draft, 1+r.rng.IntN(4))
	for i := range drafts {
		drafts[i] = r.draft()
	}
	var groups [2][]store.NewEvent
	r.each(func(b *bundle, i int) string {
		for j := range drafts {
			groups[i] = append(groups[i], drafts[j].onSide(b))
		}
		return ""
	})
	for j := range drafts {
		for k := range groups[0][j].Deliveries {
			r.number(drafts[j].endpoints[k].ID, groups[0][j].Deliveries[k].ID, groups[1][j].Deliveries[k].ID)
		}
		for i := range r.sides {
			r.index[i][groups[i][j].Event.ID] = len(r.index[i])
		}
	}
	r.each(func(b *bundle, i int) string {
		results, err := b.Store.Accept(b.ctx, groups[i])
		return word(err) + r.accepted(b, i, results)
	})
}

// number gives a delivery of both sides its number.
func (r *replay) number(endpoint webhook.ID, ids ...webhook.ID) {
	var p pair
	for i, id := range ids {
		p[i] = store.ClaimItem{Delivery: id, Endpoint: endpoint}
		r.index[i][id] = len(r.index[i])
	}
	r.deliveries = append(r.deliveries, p)
}

func (r *replay) claim() {
	if len(r.deliveries) == 0 {
		return
	}
	var requests [2]store.ClaimRequest
	for range 1 + r.rng.IntN(6) {
		p := r.deliveries[len(r.deliveries)-1-r.rng.IntN(min(60, len(r.deliveries)))]
		off := 0
		if r.chance(10) {
			off = 1
		}
		for i, b := range r.sides {
			wanted := p[i]
			wanted.Attempt = r.attemptOf(b, p[i].Delivery) + off
			requests[i].Items = append(requests[i].Items, wanted)
		}
	}
	if r.chance(20) {
		pull := store.Pull{Endpoint: r.anyEndpoint().ID, Limit: 1000}
		for i := range requests {
			requests[i].Pulls = []store.Pull{pull}
		}
	}
	r.claimBoth(requests)
}

// attemptOf returns how many attempts of a delivery were made; 0 when it is not stored.
func (r *replay) attemptOf(b *bundle, id webhook.ID) int {
	for _, tenant := range r.tenants {
		if v, err := b.Store.Delivery(b.ctx, tenant, id); err == nil {
			return v.Delivery.Attempt
		}
	}
	return 0
}

func (r *replay) pull() {
	request := store.ClaimRequest{Pulls: []store.Pull{{Endpoint: r.anyEndpoint().ID, Limit: 1000}}}
	r.claimBoth([2]store.ClaimRequest{request, request})
}

// claimBoth claims, and keeps the work for results.
func (r *replay) claimBoth(requests [2]store.ClaimRequest) {
	got := map[int][2]store.Work{}
	var order []int
	r.each(func(b *bundle, i int) string {
		c := b.claim(requests[i])
		for _, w := range c.Work {
			n := r.index[i][w.Delivery.ID]
			both, known := got[n]
			if !known {
				order = append(order, n)
			}
			both[i] = w
			got[n] = both
		}
		return r.claims(b, i, c)
	})
	for _, n := range order {
		if both := got[n]; both[0].Target != nil && both[1].Target != nil {
			r.work = append(r.work, work{both, r.rng.IntN(100)})
		}
	}
}
