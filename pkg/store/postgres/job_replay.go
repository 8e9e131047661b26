package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// maxCopied bounds the payloads that a chunk copies.
const maxCopied = 16 << 20

// replay makes the next deliveries of a replay.
func (r *jobRun) replay(ctx context.Context, tx pgx.Tx) error {
	j := &r.job
	w := walk{q: tx, tenant: j.Tenant, spec: j.Spec, after: j.Cursor, most: j.Chunk()}
	if err := w.next(ctx); err != nil {
		return err
	}
	ids := make([]webhook.ID, 0, len(w.found)+1)
	for i := range w.found {
		ids = append(ids, w.found[i].Endpoint)
	}
	if !j.Spec.Endpoint.IsZero() {
		ids = append(ids, j.Spec.Endpoint)
	}
	endpoints, err := jobEndpoints(ctx, tx, j.Tenant, ids)
	if err != nil {
		return err
	}
	open := func(id webhook.ID) bool {
		return endpoints[id] != nil && endpoints[id].Status != webhook.EndpointDeleted
	}
	if !j.Spec.Endpoint.IsZero() && !open(j.Spec.Endpoint) {
		r.cancel("the endpoint was deleted")
		return nil
	}
	w.found = slices.DeleteFunc(w.found, func(f walked) bool { return !open(f.Endpoint) })
	made, cut, err := r.copyEvents(ctx, tx, w.found)
	switch {
	case err != nil:
		return err
	case cut != nil:
		j.Cursor = before(cut) // the rest is for the next chunk
	default:
		j.Cursor = w.after
		if w.ended {
			j.State = store.JobDone
		}
	}
	return r.addDeliveries(ctx, tx, made, endpoints)
}

// before is the id that a walk goes on after to come to f again.
func before(f *walked) webhook.ID {
	id := f.Delivery
	if id.IsZero() {
		id = f.Event
	}
	for i := len(id) - 1; i >= 0; i-- {
		id[i]--
		if id[i] != 0xff {
			break
		}
	}
	return id
}

// made is a delivery with the copy of its event.
type made struct {
	walked
	copied webhook.ID
}

// copyEvents copies the events of deliveries to now, each once, as long as they fit. It returns the deliveries whose
// events were still there, and the first one that is left for later; nil when none is.
func (r *jobRun) copyEvents(ctx context.Context, tx pgx.Tx, found []walked) (out []made, cut *walked, err error) {
	if len(found) == 0 {
		return nil, nil, nil
	}
	copies := make(map[webhook.ID]webhook.ID, len(found))
	var ids, events array
	for i := range found {
		event := found[i].Event
		if _, twice := copies[event]; twice {
			continue
		}
		copies[event] = r.ids.New(r.now)
		ids.uuid(copies[event])
		events.uuid(event)
	}
	rows, err := tx.Query(ctx, copyEventsSQL, &ids, &events, r.job.Tenant, r.now, maxCopied)
	if err != nil {
		return nil, nil, err
	}
	there := make(map[webhook.ID]bool, len(copies))
	var original webhook.ID
	var copied bool
	_, err = pgx.ForEachRow(rows, []any{&original, &copied}, func() error {
		there[original] = copied
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for i := range found {
		copied, reached := there[found[i].Event]
		if !reached {
			return out, &found[i], nil
		}
		if copied {
			out = append(out, made{found[i], copies[found[i].Event]})
		}
	}
	return out, nil, nil
}

// addDeliveries stores the deliveries of a chunk, due at once.
func (r *jobRun) addDeliveries(
	ctx context.Context, tx pgx.Tx, list []made, endpoints map[webhook.ID]*webhook.Endpoint,
) error {
	if len(list) == 0 {
		return nil
	}
	var id, event, endpoint, dueAt, wakeAt, expiresAt, replayOf array
	for _, m := range list {
		d := webhook.Delivery{ID: m.copied.Sibling(), Endpoint: m.Endpoint}
		e := endpoints[m.Endpoint]
		r.s.policy.Plan(&d, e, r.now)
		d.DueAt, d.WakeAt = r.now, r.now.Add(r.s.policy.WakeAfter(0, r.s.policy.LeaseOf(e)))
		id.uuid(d.ID)
		event.uuid(m.copied)
		endpoint.uuid(d.Endpoint)
		dueAt.time(d.DueAt)
		wakeAt.time(d.WakeAt)
		expiresAt.time(d.ExpiresAt)
		if m.Delivery.IsZero() {
			replayOf.null()
		} else {
			replayOf.uuid(m.Delivery)
		}
		r.out.Due = append(r.out.Due, store.Due{
			ClaimItem: store.ClaimItem{Delivery: d.ID, Endpoint: d.Endpoint}, DueAt: d.DueAt,
		})
	}
	r.out.Changed = len(list)
	_, err := tx.Exec(ctx, addDeliveriesSQL, &id, &event, &endpoint, &dueAt, &wakeAt, &expiresAt, &replayOf, r.job.Tenant)
	return err
}
