package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Accept implements [store.Accepter]. A group is one statement and one commit; events with more than 2,000 deliveries
// follow it one by one.
func (s *Store) Accept(ctx context.Context, events []store.NewEvent) ([]store.Accepted, error) {
	results := make([]store.Accepted, len(events))
	pending := make([]int, len(events))
	for i := range pending {
		pending[i] = i
	}
	for len(pending) > 0 {
		groups, leaders := grouped(events, pending)
		for _, group := range groups {
			if err := s.acceptGroup(ctx, acceptance{events, group, results}); err != nil {
				return nil, err
			}
		}
		pending = followers(events, pending, leaders, results)
	}
	return results, nil
}

// grouped arranges the pending events into groups to store: the first of each key, because a statement cannot touch a
// key twice. leaders has the first of each key.
func grouped(events []store.NewEvent, pending []int) (groups [][]int, leaders map[webhook.Key]int) {
	leaders = make(map[webhook.Key]int, len(pending))
	var group []int
	for _, i := range pending {
		if _, twice := leaders[events[i].Key]; twice {
			continue
		}
		leaders[events[i].Key] = i
		if len(events[i].Deliveries) > store.HugeFanOut {
			groups = append(groups, []int{i})
		} else {
			group = append(group, i)
		}
	}
	if len(group) > 0 {
		groups = slices.Insert(groups, 0, group)
	}
	return groups, leaders
}

// followers settles the events whose key came earlier in the same call: they are duplicates of it, if that one is in
// the store. If not, they are returned, to be tried themselves.
func followers(events []store.NewEvent, pending []int, leaders map[webhook.Key]int, results []store.Accepted) []int {
	var again []int
	for _, i := range pending {
		leader := leaders[events[i].Key]
		if leader == i {
			continue
		}
		switch first := results[leader]; first.Status {
		case store.AcceptStored, store.AcceptDuplicate:
			first.Status, first.Begun = store.AcceptDuplicate, nil
			results[i] = first
		default:
			again = append(again, i)
		}
	}
	return again
}

// acceptance is a group of events under way: which of all the events, and where their results go.
type acceptance struct {
	events  []store.NewEvent
	group   []int
	results []store.Accepted
}

// batcher is what a round trip needs: the pool, or a transaction.
type batcher interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

func (s *Store) acceptGroup(ctx context.Context, a acceptance) error {
	return s.run(ctx, "accept", func(ctx context.Context) error {
		err := s.acceptOnce(ctx, s.pool, a)
		if noPartition(err) && s.partitionsFor(ctx, a) == nil {
			err = s.acceptOnce(ctx, s.pool, a)
		}
		if isPoison(err) {
			// Still all or nothing: the halves are savepoints of one transaction.
			err = s.inTx(ctx, func(tx pgx.Tx) error { return s.acceptHalves(ctx, tx, a) })
		}
		return err
	})
}

// partitionsFor makes the partitions that the group's ids need, if these are of about now: an id that is not must not
// be able to make tables.
func (s *Store) partitionsFor(ctx context.Context, a acceptance) error {
	first, last := a.events[a.group[0]].Event.ID, a.events[a.group[0]].Event.ID
	for _, i := range a.group {
		first = minID(first, a.events[i].Event.ID)
		last = maxID(last, a.events[i].Event.ID)
	}
	const about = 7 * 24 * time.Hour
	now := time.Now()
	if first.Time().Before(now.Add(-about)) || last.Time().After(now.Add(about)) {
		return store.ErrInvalid
	}
	_, err := s.makePartitions(ctx, first.Time(), last.Time())
	return err
}

// acceptHalves stores a group that has an event in it that cannot be stored, by halving the group until that one stands
// alone.
func (s *Store) acceptHalves(ctx context.Context, tx pgx.Tx, a acceptance) error {
	err := pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error { return s.acceptOnce(ctx, savepoint, a) })
	if !isPoison(err) {
		return err
	}
	if len(a.group) == 1 {
		refused := classify("accept", err)
		if !errors.Is(refused, store.ErrInvalid) {
			refused = fmt.Errorf("store: accept: %w: its id or key is taken", store.ErrInvalid)
		}
		a.results[a.group[0]] = store.Accepted{Status: store.AcceptRefused, Err: refused}
		return nil
	}
	half := len(a.group) / 2
	if err := s.acceptHalves(ctx, tx, acceptance{a.events, a.group[:half], a.results}); err != nil {
		return err
	}
	return s.acceptHalves(ctx, tx, acceptance{a.events, a.group[half:], a.results})
}

// acceptOnce runs the statement for a group, and reads the endpoints of the attempts that are to begin: one round trip.
func (s *Store) acceptOnce(ctx context.Context, q batcher, a acceptance) error {
	taken := takenKeys{a: a, by: make(map[webhook.Key]holder, len(a.group))}
	begin := s.beginning(a)
	b := new(pgx.Batch)
	b.Queue(acceptSQL, s.acceptArguments(a)...).Query(func(rows pgx.Rows) error { return taken.scan(rows, begin) })
	if begin != nil {
		b.Queue(claimTargetsSQL, uuids(begin.endpoints), s.targets.versions(begin.endpoints)).Query(begin.scanTargets)
	}
	if err := q.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	taken.settle(begin)
	return nil
}

// takenKeys are the keys of a group, and who holds each.
type takenKeys struct {
	a  acceptance
	by map[webhook.Key]holder
}

// holder is the event that holds a key. It is new when it holds it since just now.
type holder struct {
	event      webhook.ID
	acceptedAt time.Time
	new        bool
}

// scan reads the rows of accept.sql: the keys, and the deliveries that have begun, which are told to begin.
func (k *takenKeys) scan(rows pgx.Rows, begin *beginning) error {
	for rows.Next() {
		var id, event webhook.ID
		var at, dueAt, leaseUntil, wakeAt, expiresAt time.Time
		var isNew *bool
		if err := rows.Scan(&id, &event, &at, &isNew, &dueAt, &leaseUntil, &wakeAt, &expiresAt); err != nil {
			return err
		}
		if isNew != nil {
			k.by[webhook.Key(id)] = holder{event, at, *isNew}
			continue
		}
		begin.began(webhook.Delivery{
			ID: id, State: webhook.StateAttempting, Attempt: 1, StartedAt: at, DueAt: dueAt, LeaseUntil: leaseUntil,
			WakeAt: wakeAt, ExpiresAt: expiresAt,
		})
	}
	return rows.Err()
}

// settle says what became of each event.
func (k *takenKeys) settle(begin *beginning) {
	for _, i := range k.a.group {
		n := &k.a.events[i]
		h, found := k.by[n.Key]
		result := store.Accepted{Status: store.AcceptDuplicate, EventID: h.event, AcceptedAt: h.acceptedAt}
		switch {
		case !found:
			result.Status = store.AcceptStale
		case h.new && h.event == n.Event.ID:
			result.Status = store.AcceptStored
			result.Begun = begin.of(n, h.acceptedAt)
		}
		k.a.results[i] = result
	}
}

// acceptArguments lays a group out in the arrays of accept.sql.
func (s *Store) acceptArguments(a acceptance) []any {
	var key, id, tenant, version, source, ceID, kind, subject, ceTime, dataType, dataSchema, extensions array
	var traceParent, traceState, data, schemaError array
	var dID, dEvent, dEndpoint, dTenant, dDueIn, dLifetime, dWakeIn, dBegin array
	payloads := 0
	for _, i := range a.group {
		payloads += 4 + len(a.events[i].Event.Data)
	}
	data.body = make([]byte, 0, payloads)
	for _, i := range a.group {
		n := &a.events[i]
		e := &n.Event
		key.uuid(n.Key)
		id.uuid(e.ID)
		tenant.text(e.Tenant)
		version.int64(n.ConfigVersion)
		source.text(e.Source)
		ceID.text(e.CEID)
		kind.text(e.Type)
		subject.optional(e.Subject)
		ceTime.time(e.Time)
		dataType.optional(e.DataType)
		dataSchema.optional(e.DataSchema)
		extensions.jsonb(encodeExtensions(e.Extensions))
		traceParent.optional(e.Trace.Parent)
		traceState.optional(e.Trace.State)
		data.bytes(e.Data)
		schemaError.optional(e.SchemaError)
		for j := range n.Deliveries {
			d := &n.Deliveries[j]
			dID.uuid(d.ID)
			dEvent.uuid(e.ID)
			dEndpoint.uuid(d.Endpoint)
			dTenant.text(e.Tenant)
			dDueIn.interval(d.DueIn)
			dLifetime.interval(d.Lifetime)
			dWakeIn.interval(s.policy.WakeAfter(d.DueIn, d.Lease))
			dBegin.truth(d.Begin)
		}
	}
	return []any{
		&key, &id, &tenant, &version, s.options.DedupeWindow, &source, &ceID, &kind, &subject, &ceTime, &dataType,
		&dataSchema, &extensions, &traceParent, &traceState, &data,
		&dID, &dEvent, &dEndpoint, &dTenant, &dDueIn, &dLifetime, &dWakeIn,
		&schemaError, &dBegin, s.policy.Timeout, s.policy.LeaseMargin, s.policy.WakeGrace,
	}
}

// encodeExtensions writes extensions as JSON; nil when there are none. A value that CloudEvents does not have becomes a
// document that Postgres refuses, so that its event is refused and no other.
func encodeExtensions(extensions map[string]any) []byte {
	if len(extensions) == 0 {
		return nil
	}
	for name, v := range extensions {
		text := ""
		switch v := v.(type) {
		case string:
			text = v
		case bool, int32:
		default:
			return []byte{}
		}
		if !utf8.ValidString(name) || !utf8.ValidString(text) { // which JSON would repair
			return []byte{}
		}
	}
	b, _ := json.Marshal(extensions) // can always be written, being of those types
	return b
}

// decodeExtensions reads what encodeExtensions wrote; whole numbers come back as the int32 that CloudEvents has.
func decodeExtensions(b []byte) (map[string]any, error) {
	if len(b) == 0 {
		return nil, nil
	}
	var extensions map[string]any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&extensions); err != nil {
		return nil, err
	}
	for name, v := range extensions {
		if number, ok := v.(json.Number); ok {
			n, err := number.Int64()
			if err != nil {
				return nil, err
			}
			extensions[name] = int32(n)
		}
	}
	return extensions, nil
}

func minID(a, b webhook.ID) webhook.ID {
	if bytes.Compare(b[:], a[:]) < 0 {
		return b
	}
	return a
}

func maxID(a, b webhook.ID) webhook.ID {
	if bytes.Compare(b[:], a[:]) > 0 {
		return b
	}
	return a
}
