package attempt

import (
	"context"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Reserve takes a slot for a first attempt at each endpoint that has one free, and reports for which. What an endpoint
// may hold is what it may by hints; one of which nothing is known yet, that has a backlog, or a rate limit, gets none
// here: its deliveries come by hints. Each slot is then given to Release, or with its claim to Attempt.
func (d *Deliverer) Reserve(endpoints []webhook.ID) []bool {
	reserved := make([]bool, len(endpoints))
	if !d.enter() {
		return reserved
	}
	defer d.inFlight.Done()
	if n := d.slots.reserve(endpoints, reserved, d.cfg.Now()); n > 0 {
		d.inFlight.Add(n)
	}
	return reserved
}

// Release frees slots of Reserve that were not used.
func (d *Deliverer) Release(endpoints []webhook.ID) {
	for _, endpoint := range endpoints {
		d.slots.giveBack(endpoint, 1)
		d.inFlight.Done()
	}
	d.freed()
}

// Attempt makes first attempts that were just claimed with slots of Reserve, and does not wait for them. askedAt is
// before the claim was asked for, by the process's clock.
func (d *Deliverer) Attempt(work []store.Work, askedAt time.Time) {
	answered := time.Now()
	d.learn(context.Background(), work)
	for i := range work {
		d.start(job{work: &work[i], askedAt: askedAt, answeredAt: answered})
		d.inFlight.Done() // start has counted it for itself
	}
	d.cfg.Metrics.claimed("accept", len(work))
}
