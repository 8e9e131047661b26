package attempt

import (
	"context"
	"time"

	"github.com/homing-hooks/homing/pkg/gate"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// pullRetry is how long to wait after the store could not be asked for work.
const pullRetry = time.Second

// pullLoop takes work for endpoints with a backlog as slots free, until ctx ends. One claim serves many endpoints.
func (d *Deliverer) pullLoop(ctx context.Context) {
	for ctx.Err() == nil {
		taken, next := d.slots.pulls(d.cfg.Now())
		if len(taken) > 0 {
			// A claim under way is not cut: its answer would be lost, and its attempts found interrupted.
			err := d.pullOnce(context.WithoutCancel(ctx), taken)
			if err == nil {
				continue
			}
			d.cfg.Log.WarnContext(ctx, "work not pulled", "error", err, "again_in", pullRetry.String())
			next = d.cfg.Now().Add(pullRetry)
		}
		if !d.waitForRoom(ctx, next) {
			return
		}
	}
}

// waitForRoom waits until a slot frees, work is marked, or next comes; false means that ctx ended.
func (d *Deliverer) waitForRoom(ctx context.Context, next time.Time) bool {
	var after <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(max(next.Sub(d.cfg.Now()), 0))
		defer t.Stop()
		after = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-d.room:
	case <-after:
	}
	return true
}

// pullOnce claims the oldest due deliveries of the endpoints that slots were taken for, and starts their attempts.
func (d *Deliverer) pullOnce(ctx context.Context, taken []pull) error {
	request := store.ClaimRequest{MaxBytes: d.cfg.ClaimBytes}
	held := make(map[webhook.ID]int, len(taken))
	for i := range taken {
		p := &taken[i]
		granted := d.passGate(ctx, p.endpoint, p.rate, p.slots)
		d.slots.giveBack(p.endpoint, p.slots-granted)
		p.slots = granted
		if granted > 0 {
			held[p.endpoint] = granted
			request.Pulls = append(request.Pulls, store.Pull{Endpoint: p.endpoint, Limit: granted})
		}
	}
	var claims store.Claims
	var err error
	asked := time.Now()
	if len(request.Pulls) > 0 {
		claims, err = d.cfg.Store.Claim(ctx, request)
	}
	answered := time.Now()
	if len(request.Pulls) > 0 {
		d.cfg.Metrics.claimGroup(len(claims.Work), answered.Sub(asked))
	}
	d.learn(ctx, claims.Work)
	for i := range claims.Work {
		held[claims.Work[i].Delivery.Endpoint]--
		d.start(job{work: &claims.Work[i], askedAt: asked, answeredAt: answered})
	}
	d.cfg.Metrics.claimed("pull", len(claims.Work))
	for endpoint, left := range held {
		d.slots.giveBack(endpoint, left)
	}
	d.settle(taken, &claims)
	return err
}

// settle notes which endpoints have nothing more to pull.
func (d *Deliverer) settle(taken []pull, claims *store.Claims) {
	over := make(map[webhook.ID]bool, len(claims.Drained)+len(claims.Closed))
	for _, id := range claims.Drained {
		over[id] = true
	}
	for _, c := range claims.Closed {
		over[c.Endpoint] = true // its resumption, or its timer, says so when there is work again
		d.wakeEndpoint(c.Endpoint, c.OpenIn)
	}
	for _, p := range taken {
		d.slots.pulled(p, over[p.endpoint])
	}
}

// wakeEndpoint has a hint about an endpoint come when it opens again; in is 0 when that is not known.
func (d *Deliverer) wakeEndpoint(endpoint webhook.ID, in time.Duration) {
	if in > 0 && in <= d.cfg.Policy.Horizon {
		d.cfg.HintEndpoint(wire.Endpoint{Endpoint: endpoint, Due: d.cfg.Now().Add(in)})
	}
}

// passGate asks the gate for n attempts at an endpoint with a rate limit, and returns how many may be made now. For the
// others the endpoint waits its time.
func (d *Deliverer) passGate(ctx context.Context, endpoint webhook.ID, rate, n int) int {
	if rate <= 0 || n == 0 {
		return n
	}
	now := d.cfg.Now()
	grants, err := d.cfg.Gate.Take(ctx, now, []gate.Request{{Endpoint: endpoint, PerMinute: rate, Want: n}})
	if err != nil {
		// The gate that is given falls back by itself; an error here is a fault in it, and a limit is not worth a delivery.
		d.cfg.Log.WarnContext(ctx, "gate not asked", "error", err)
		return n
	}
	if grants[0].Granted < n {
		d.slots.delay(endpoint, now.Add(grants[0].RetryIn))
	}
	return grants[0].Granted
}
