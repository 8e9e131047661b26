package accept

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/batch"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// Config is what an Accepter is made of. Every field is required but where it says otherwise.
type Config struct {
	Store store.Accepter
	// Policy plans the deliveries of an event.
	Policy webhook.Policy
	// Hint says that deliveries are due. It must not block, and may lose what it is told.
	Hint func(due ...wire.Due)
	// Sender makes first attempts in this very process; nil leaves all to hints.
	Sender Sender
	// Now is the store's time, as well as this process knows it.
	Now func() time.Time
	// GroupItems and GroupBytes bound what one commit takes; defaults 500 events and 8 MiB.
	GroupItems, GroupBytes int
	// Writers is how many commits may be under way at once; default 1. Events with very many deliveries have one of their
	// own beside them.
	Writers int
	// RejectedPerDay bounds what is kept of a tenant's rejected events a day; 0 keeps none.
	RejectedPerDay int
	Log            *slog.Logger
	Metrics        *Metrics
}

// Accepter stores events with their deliveries. Its methods are safe for concurrent use.
type Accepter struct {
	cfg       Config
	ids       webhook.IDSource
	directory *directory
	// group commits events, huge those with so many deliveries that the others should not wait for them.
	group, huge *batch.Group[store.NewEvent, store.Accepted]
}

// Receipt is the answer for one event.
type Receipt struct {
	// ID is Homing's own id of the event: the first one's for a duplicate.
	ID        webhook.ID
	Duplicate bool
	// Deliveries is how many endpoints it goes to; 0 for a duplicate.
	Deliveries int
}

// maxRedo bounds how often an event is matched anew because its tenant's configuration changed between match and write.
const maxRedo = 8

// New makes an Accepter. Close it when done.
func New(cfg Config) *Accepter {
	cfg.GroupItems = cmp.Or(cfg.GroupItems, 500)
	cfg.GroupBytes = cmp.Or(cfg.GroupBytes, 8<<20)
	cfg.Writers = cmp.Or(cfg.Writers, 1)
	a := &Accepter{cfg: cfg}
	a.directory = newDirectory(cfg.Store, a.bad)
	group := batch.Config[store.NewEvent]{
		MaxItems: cfg.GroupItems, MaxBytes: cfg.GroupBytes, MaxInFlight: cfg.Writers,
		Size:    func(e store.NewEvent) int { return len(e.Event.Data) + 512 + 64*len(e.Deliveries) },
		OnFlush: cfg.Metrics.group,
	}
	a.group = batch.New(group, a.store)
	group.MaxInFlight = 1
	a.huge = batch.New(group, a.store)
	return a
}

// Close waits for the commits under way.
func (a *Accepter) Close(ctx context.Context) error {
	return errors.Join(a.group.Close(ctx), a.huge.Close(ctx))
}

// commit stores events and returns what became of each. Events with very many deliveries are stored after the others.
func (a *Accepter) commit(ctx context.Context, events []store.NewEvent) ([]store.Accepted, error) {
	isHuge := func(e store.NewEvent) bool { return len(e.Deliveries) > store.HugeFanOut }
	if !slices.ContainsFunc(events, isHuge) {
		return a.group.DoMany(ctx, events)
	}
	var small, huge []store.NewEvent
	for _, e := range events {
		if isHuge(e) {
			huge = append(huge, e)
		} else {
			small = append(small, e)
		}
	}
	smallDone, err := a.group.DoMany(ctx, small)
	if err != nil {
		return nil, err
	}
	hugeDone, err := a.huge.DoMany(ctx, huge)
	if err != nil {
		return nil, err
	}
	all := make([]store.Accepted, len(events))
	for i, e := range events {
		from := &smallDone
		if isHuge(e) {
			from = &hugeDone
		}
		all[i], *from = (*from)[0], (*from)[1:]
	}
	return all, nil
}

// Accept stores events of one tenant, which must be valid, and returns a receipt for each once all are committed.
// allowed says whether the sender may send by the tenant's configuration of a version, or a later one (nil: always);
// events are stored only if that is still the present version. Errors: store.ErrNotFound (no such tenant),
// store.ErrUnavailable (some may be stored: send all again, they are duplicates then), ErrInvalid (cannot be stored),
// ErrSchema (the data of some do not satisfy the schema of their type, whose policy is to reject them; none is stored,
// unless the schema changed meanwhile), or what allowed returned.
func (a *Accepter) Accept(ctx context.Context, events []webhook.Event,
	allowed func(ctx context.Context, version int64) error,
) ([]Receipt, error) {
	receipts := make([]Receipt, len(events))
	pending := make([]int, len(events))
	for i := range pending {
		pending[i] = i
	}
	var stale int64
	for range maxRedo {
		subs, err := a.directory.of(ctx, events[0].Tenant, stale)
		if err != nil {
			return nil, err
		}
		if allowed != nil {
			if err := allowed(ctx, subs.version); err != nil {
				return nil, err
			}
		}
		if err := a.holdToSchemas(events, pending, subs); err != nil {
			// Only the present schema may refuse; of what is written, the write says whether it was that.
			now, versionErr := a.cfg.Store.ConfigVersion(ctx, events[0].Tenant)
			if versionErr != nil {
				return nil, fmt.Errorf("accept: %w", versionErr)
			}
			if now == subs.version {
				return nil, err
			}
			stale = subs.version
			continue
		}
		pending, err = a.write(ctx, events, pending, subs, receipts)
		if err != nil || len(pending) == 0 {
			return receipts, err
		}
		stale = subs.version
	}
	return nil, fmt.Errorf("accept: the configuration of tenant %q keeps changing: %w", events[0].Tenant,
		store.ErrUnavailable)
}

// write matches and stores the events named by pending, fills in their receipts, and returns those that were stale.
func (a *Accepter) write(ctx context.Context, events []webhook.Event, pending []int, subs *subscriptions,
	receipts []Receipt,
) (stale []int, err error) {
	group := make([]store.NewEvent, len(pending))
	for i, at := range pending {
		group[i] = a.plan(events[at], subs)
	}
	accepted, err := a.commit(ctx, group)
	if err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	var refused error
	for i, result := range accepted {
		at := pending[i]
		switch result.Status {
		case store.AcceptStale:
			stale = append(stale, at)
		case store.AcceptRefused:
			refused = errors.Join(refused, &InvalidError{Index: at, Attribute: "event", Problem: "cannot be stored: " +
				result.Err.Error()})
		case store.AcceptDuplicate:
			receipts[at] = Receipt{ID: result.EventID, Duplicate: true}
		case store.AcceptStored:
			receipts[at] = Receipt{ID: result.EventID, Deliveries: len(group[i].Deliveries)}
		}
		a.cfg.Metrics.accepted(result.Status, len(group[i].Deliveries))
	}
	return stale, refused
}

// plan matches an event and lays out its deliveries.
func (a *Accepter) plan(e webhook.Event, subs *subscriptions) store.NewEvent {
	e.ID = a.ids.New(a.cfg.Now())
	matched, faults := subs.matcher.Match(nil, &e)
	a.cfg.Metrics.filterFaults.Add(float64(len(faults)))
	n := store.NewEvent{
		Event: e, Key: webhook.IdentityKey(e.Tenant, e.Source, e.CEID), ConfigVersion: subs.version,
		Deliveries: make([]store.NewDelivery, len(matched)),
	}
	for i, at := range matched {
		endpoint := &subs.endpoints[at]
		n.Deliveries[i] = store.NewDelivery{
			ID: e.ID.Sibling(), Endpoint: endpoint.ID, DueIn: a.cfg.Policy.ScheduleOf(endpoint)[0],
			Lifetime: a.cfg.Policy.Lifetime(endpoint), Lease: a.cfg.Policy.LeaseOf(endpoint),
		}
	}
	return n
}

// bad reports a subscription or schema that cannot be compiled any more: it was valid when it was made, so this is a
// change of ours. It matches nothing, or nothing is held to it, until it is mended.
func (a *Accepter) bad(tenant, what string, err error) {
	a.cfg.Metrics.filterFaults.Inc()
	a.cfg.Log.Error("a subscription or schema cannot be used", "tenant", tenant, "of", what, "error", err)
}
