package simulation

import (
	"context"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/memory"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// backend is the part of a store that the protocol uses. Mutants wrap it.
type backend interface {
	Accept(ctx context.Context, events []store.NewEvent) ([]store.Accepted, error)
	Subscriptions(ctx context.Context, tenant string) (store.Subscriptions, error)
	Claim(ctx context.Context, r store.ClaimRequest) (store.Claims, error)
	Record(ctx context.Context, results []store.Result) ([]store.Recorded, error)
	Reconcile(ctx context.Context, r store.ReconcileRequest) (store.Reconciled, error)
	CreateEndpoint(ctx context.Context, e webhook.Endpoint, secrets []webhook.Secret) error
	SetEndpointStatus(ctx context.Context, tenant string, id webhook.ID, s webhook.EndpointStatus, reason string) error
	RetryNow(ctx context.Context, tenant string, id webhook.ID, ids *webhook.IDSource) (store.Due, error)
	CancelDelivery(ctx context.Context, tenant string, id webhook.ID) error
}

// gateway is the store as the actors see it: it may refuse, and its answers may be lost after the commit (as
// memory.Options.Hook would have it; here the oracle sees the answer first). The oracle looks at every change, and the
// trace keeps it.
type gateway struct {
	s     *sim
	inner backend
	ids   webhook.IDSource
	trace []operation
}

// operation is one change of the store, as it can be done again to another one.
type operation struct {
	at        time.Duration
	name      string
	events    []store.NewEvent
	claim     store.ClaimRequest
	results   []store.Result
	reconcile store.ReconcileRequest
	endpoint  webhook.Endpoint
	delivery  webhook.ID
	replay    webhook.ID // what a retry by hand made; zero when nothing
	// said is the answer, in names; after is what was stored then.
	said  string
	after memory.Snapshot
}

// call does one operation with the faults of the moment around it. seen is told the answer before it can be lost.
func call[T any](g *gateway, op *operation, do func() (T, error), seen func(T) string) (T, error) {
	s := g.s
	var none T
	if s.cutOff() || s.hits(s.storeFails) {
		s.say("%s fails", op.name)
		return none, store.ErrUnavailable
	}
	out, err := do()
	if err != nil {
		s.say("%s: %v", op.name, err)
	} else {
		s.oracle.refresh()
		op.said = seen(out)
		s.oracle.check()
		s.say("%s: %s", op.name, op.said)
	}
	if s.coarse && !isUnavailable(err) {
		op.at, op.said, op.after = s.now.Sub(epoch), said(op.said, err), s.oracle.last
		g.trace = append(g.trace, *op)
	}
	if err == nil && s.hits(s.answerLost) {
		s.say("%s: its answer is lost", op.name)
		s.stats["answers lost"]++
		return none, store.ErrUnavailable
	}
	return out, err
}

func (g *gateway) subscriptions() (store.Subscriptions, error) {
	if g.s.cutOff() || g.s.hits(g.s.storeFails) {
		return store.Subscriptions{}, store.ErrUnavailable
	}
	return g.inner.Subscriptions(g.s.ctx, tenant)
}

func (g *gateway) accept(events []store.NewEvent) ([]store.Accepted, error) {
	return call(g, &operation{name: "accept", events: events},
		func() ([]store.Accepted, error) { return g.inner.Accept(g.s.ctx, events) },
		func(out []store.Accepted) string {
			g.s.oracle.accepted(events, out)
			g.s.oracle.begun(events, out)
			return g.s.scribe().accepted(out)
		})
}

func (g *gateway) claim(r store.ClaimRequest) (store.Claims, error) {
	return call(g, &operation{name: "claim", claim: r},
		func() (store.Claims, error) { return g.inner.Claim(g.s.ctx, r) },
		func(out store.Claims) string {
			g.s.oracle.wanted(&r)
			g.s.oracle.claimed(&out)
			return g.s.scribe().claims(&out)
		})
}

func (g *gateway) record(results []store.Result) ([]store.Recorded, error) {
	return call(g, &operation{name: "record", results: results},
		func() ([]store.Recorded, error) { return g.inner.Record(g.s.ctx, results) },
		func(out []store.Recorded) string {
			g.s.oracle.recorded(results, out)
			return g.s.scribe().recorded(results, out)
		})
}

func (g *gateway) reconcile(r store.ReconcileRequest) (store.Reconciled, error) {
	return call(g, &operation{name: "reconcile", reconcile: r},
		func() (store.Reconciled, error) { return g.inner.Reconcile(g.s.ctx, r) },
		func(out store.Reconciled) string {
			g.s.oracle.reconciled(&out)
			return g.s.scribe().reconciled(&out)
		})
}

func (g *gateway) createEndpoint(e webhook.Endpoint) error {
	_, err := call(g, &operation{name: "create endpoint", endpoint: e},
		func() (struct{}, error) { return struct{}{}, g.inner.CreateEndpoint(g.s.ctx, e, nil) }, nothing)
	return err
}

func (g *gateway) setStatus(id webhook.ID, status webhook.EndpointStatus) error {
	_, err := call(g, &operation{name: "set status", endpoint: webhook.Endpoint{ID: id, Status: status}},
		func() (struct{}, error) {
			return struct{}{}, g.inner.SetEndpointStatus(g.s.ctx, tenant, id, status, "by hand")
		}, nothing)
	return err
}

func (g *gateway) retryNow(id webhook.ID) (store.Due, error) {
	op := operation{name: "retry now", delivery: id}
	return call(g, &op,
		func() (store.Due, error) {
			due, err := g.inner.RetryNow(g.s.ctx, tenant, id, &g.ids)
			if err == nil && due.Delivery != id {
				g.s.named('d', due.Delivery)
				op.replay = due.Delivery
			}
			return due, err
		},
		func(out store.Due) string {
			g.s.oracle.retried(id, out)
			return g.s.scribe().due(out)
		})
}

func (g *gateway) cancel(id webhook.ID) error {
	_, err := call(g, &operation{name: "cancel", delivery: id},
		func() (struct{}, error) { return struct{}{}, g.inner.CancelDelivery(g.s.ctx, tenant, id) },
		func(struct{}) string {
			g.s.oracle.cancelled(id)
			return "done"
		})
	return err
}

func nothing(struct{}) string { return "done" }

// cutOff reports whether who takes the present step does not reach the store.
func (s *sim) cutOff() bool { return s.runs != nil && s.now.Before(s.runs.cutOff) && !s.quiet }
