package simulation

import (
	"context"
	"slices"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/memory"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// mutant names a protocol with one guard taken out.
type mutant string

// Mutants of the actors; the actors ask sim.is.
const (
	hintBeforeCommit    mutant = "HintBeforeCommit"
	answerWithoutCommit mutant = "AnswerWithoutCommit"
	leaseNotChecked     mutant = "LeaseNotCheckedBeforeThePOST"
	scheduleNeverEnds   mutant = "ScheduleNeverEnds"
	noWakeOnReschedule  mutant = "NoWakeTimeOnReschedule"
	timerBeforeHint     mutant = "TimerRemovedBeforeItsHintIsOut"
	blindToAttempting   mutant = "ReconcilerBlindToAttempting"
	blindToScheduled    mutant = "ReconcilerBlindToScheduled"
	expiryNever         mutant = "ExpiryNeverComes"
)

// Mutants of the store.
const (
	shortLease          mutant = "LeaseShorterThanTheTimeout"
	claimWithoutDue     mutant = "ClaimWithoutTheDueCheck"
	claimWithoutState   mutant = "ClaimWithoutTheStateCheck"
	numberReused        mutant = "AttemptNumberReused"
	recordWithoutCAS    mutant = "RecordWithoutCompareAndSet"
	lateSuccessIgnored  mutant = "LateSuccessIgnored"
	endpointWakeLost    mutant = "EndpointsWakeLost"
	dedupeOff           mutant = "NoDeduplication"
	staleMatch          mutant = "StaleMatchAccepted"
	disableWithoutCheck mutant = "DisabledWithoutTheVersion"
	duplicateBegins     mutant = "DuplicateBeginsAgain"
	begunUncommitted    mutant = "BegunWithoutACommit"
)

// mutants lists all.
var mutants = []mutant{
	hintBeforeCommit, answerWithoutCommit, leaseNotChecked, scheduleNeverEnds, noWakeOnReschedule, timerBeforeHint,
	blindToAttempting, blindToScheduled, expiryNever, shortLease, claimWithoutDue, claimWithoutState, numberReused,
	recordWithoutCAS, lateSuccessIgnored, endpointWakeLost, dedupeOff, staleMatch, disableWithoutCheck,
	duplicateBegins, begunUncommitted,
}

// is reports whether a mutant is what runs.
func (s *sim) is(m mutant) bool { return s.mutant == m }

// mutatePolicy changes what the store is opened with.
func (s *sim) mutatePolicy(p *webhook.Policy) {
	if s.is(shortLease) {
		p.LeaseMargin = -p.Timeout / 2
	}
}

// mutateStore puts a broken store before the whole one.
func (s *sim) mutateStore(m *memory.Store) backend {
	if s.mutant == "" {
		return m
	}
	return &broken{Store: m, s: s, claimed: map[webhook.ID]store.Work{}, begun: map[string][]store.Work{}}
}

// broken is a store with one guard taken out.
type broken struct {
	*memory.Store
	s       *sim
	claimed map[webhook.ID]store.Work
	begun   map[string][]store.Work
	keys    byte
}

func (b *broken) Accept(ctx context.Context, events []store.NewEvent) ([]store.Accepted, error) {
	changed := append([]store.NewEvent(nil), events...)
	for i := range changed {
		if b.s.is(dedupeOff) {
			b.keys++
			changed[i].Key[0] ^= b.keys
		}
		if b.s.is(begunUncommitted) {
			changed[i].Deliveries = slices.Clone(changed[i].Deliveries)
			for j := range changed[i].Deliveries {
				changed[i].Deliveries[j].Begin = false
			}
		}
		if b.s.is(staleMatch) {
			if subs, err := b.Subscriptions(ctx, tenant); err == nil {
				changed[i].ConfigVersion = subs.Version
			}
		}
	}
	out, err := b.Store.Accept(ctx, changed)
	for i := range out {
		b.begins(&events[i], &out[i])
	}
	return out, err
}

// begins breaks what begins with an event.
func (b *broken) begins(n *store.NewEvent, out *store.Accepted) {
	switch {
	case b.s.is(duplicateBegins) && out.Status == store.AcceptDuplicate:
		out.Begun = b.begun[n.Event.CEID]
	case b.s.is(duplicateBegins):
		b.begun[n.Event.CEID] = out.Begun
	case b.s.is(begunUncommitted) && out.Status == store.AcceptStored:
		for _, d := range n.Deliveries {
			row := b.delivery(d.ID)
			e, err := b.Endpoint(context.Background(), tenant, d.Endpoint)
			if d.Begin && d.DueIn == 0 && row != nil && err == nil && e.Open(b.s.now) {
				row.Attempt, row.State = 1, webhook.StateAttempting
				out.Begun = append(out.Begun, store.Work{Delivery: *row, Event: &n.Event, Target: &store.Target{Endpoint: e}})
			}
		}
	}
}

func (b *broken) Claim(ctx context.Context, r store.ClaimRequest) (store.Claims, error) {
	if b.s.is(claimWithoutDue) {
		for _, item := range r.Items {
			if d := b.delivery(item.Delivery); d != nil && d.State == webhook.StateScheduled {
				_, _ = b.RetryNow(ctx, tenant, item.Delivery, &b.s.store.ids) // refused when the store is away
			}
		}
	}
	out, err := b.Store.Claim(ctx, r)
	if err != nil {
		return out, err
	}
	if b.s.is(claimWithoutState) {
		for _, item := range r.Items {
			d := b.delivery(item.Delivery)
			if w, ok := b.claimed[item.Delivery]; ok && d.State == webhook.StateAttempting {
				out.Work = append(out.Work, w)
			}
		}
	}
	for i := range out.Work {
		if d := &out.Work[i].Delivery; b.s.is(numberReused) && d.Attempt > 1 {
			d.Attempt--
		}
		b.claimed[out.Work[i].Delivery.ID] = out.Work[i]
	}
	return out, nil
}

func (b *broken) Record(ctx context.Context, results []store.Result) ([]store.Recorded, error) {
	changed := append([]store.Result(nil), results...)
	for i := range changed {
		r := &changed[i]
		d := b.delivery(r.Attempt.Delivery)
		late := d.State != webhook.StateAttempting || d.Attempt != r.Attempt.Number
		switch {
		case b.s.is(recordWithoutCAS) && late && d.State == webhook.StateAttempting:
			r.Attempt.Number = d.Attempt
		case b.s.is(lateSuccessIgnored) && late:
			r.Next = webhook.StateScheduled
		case b.s.is(disableWithoutCheck) && r.DisableVersion != 0:
			if e, err := b.Endpoint(ctx, tenant, d.Endpoint); err == nil {
				r.DisableVersion = e.Version
			}
		}
	}
	return b.Store.Record(ctx, changed)
}

func (b *broken) Reconcile(ctx context.Context, r store.ReconcileRequest) (store.Reconciled, error) {
	out, err := b.Store.Reconcile(ctx, r)
	if b.s.is(endpointWakeLost) {
		out.Endpoints = nil
	}
	return out, err
}

// delivery looks past the store's faults.
func (b *broken) delivery(id webhook.ID) *webhook.Delivery {
	snapshot := b.Snapshot()
	for i := range snapshot.Deliveries {
		if snapshot.Deliveries[i].ID == id {
			return &snapshot.Deliveries[i].Delivery
		}
	}
	return nil
}
