package attempt

import (
	"context"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// claimed is what became of one item that was to be claimed: at most one field is set, none when the hint was stale.
type claimed struct {
	work *store.Work
	// askedAt and answeredAt are those of a job.
	askedAt, answeredAt time.Time

	dueIn  time.Duration
	openIn time.Duration
}

// claimGroup claims what several hints named in one statement; it is the run of the claims' group commit.
func (d *Deliverer) claimGroup(ctx context.Context, items []store.ClaimItem) ([]claimed, error) {
	asked := time.Now()
	claims, err := d.cfg.Store.Claim(ctx, store.ClaimRequest{Items: items, MaxBytes: d.cfg.ClaimBytes})
	if err != nil {
		return nil, err
	}
	answered := time.Now()
	d.learn(ctx, claims.Work)
	answers := make([]claimed, len(items))
	work := make(map[webhook.ID]*store.Work, len(claims.Work))
	for i := range claims.Work {
		work[claims.Work[i].Delivery.ID] = &claims.Work[i]
	}
	closed := make(map[webhook.ID]time.Duration, len(claims.Closed))
	for _, c := range claims.Closed {
		closed[c.Endpoint] = c.OpenIn
	}
	dueIn := make(map[webhook.ID]time.Duration, len(claims.NotDue))
	for _, n := range claims.NotDue {
		dueIn[n.Delivery] = n.DueIn
	}
	for i, item := range items {
		answers[i].askedAt, answers[i].answeredAt = asked, answered
		if w := work[item.Delivery]; w != nil {
			answers[i].work = w
			delete(work, item.Delivery) // named twice in one group: the first has it
			continue
		}
		answers[i].dueIn = dueIn[item.Delivery]
		answers[i].openIn = closed[item.Endpoint]
	}
	return answers, nil
}

// meet tells the slots whose an endpoint is. The one attempt that it had before its rate was known counts as one of its
// rate: of a few a minute it is not one more.
func (d *Deliverer) meet(ctx context.Context, t *store.Target) {
	rate := t.PerMinute()
	if first := d.slots.learn(t.ID, t.Tenant, hostOf(t.URL), rate); first {
		d.passGate(ctx, t.ID, rate, 1)
	}
}

// learn tells the slots whose endpoints these are.
func (d *Deliverer) learn(ctx context.Context, work []store.Work) {
	var last *store.Target
	for i := range work {
		if t := work[i].Target; t != nil && t != last {
			d.meet(ctx, t)
			last = t
		}
	}
}
