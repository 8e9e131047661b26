package memory

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// endpointRow is an endpoint with what belongs to it.
type endpointRow struct {
	webhook.Endpoint
	// wakeAt is when the reconciler must look at the endpoint; zero when it need not.
	wakeAt time.Time
	// statusAt is since when it has its status; zero when that never changed.
	statusAt time.Time
	// requestSince is since when format and headers are as they are; zero when they never changed.
	requestSince time.Time
	// failingSince is since when it fails by the rule; zero when it does not.
	failingSince time.Time
	secrets      []webhook.Secret // in the order in which they were added
	// live holds the endpoint's deliveries that were live when last looked at, in the order in which they were stored.
	live []*deliveryRow
}

// deliveryRow is a delivery with its attempts in order. seq numbers the rows as they were stored, and breaks ties where
// the order of ids would depend on their random part.
type deliveryRow struct {
	webhook.Delivery
	seq      int
	attempts []webhook.Attempt
	// recordedAt is when each of them was recorded, by number.
	recordedAt map[int]time.Time
}

// dedupeRow remembers the first event of an identity.
type dedupeRow struct {
	event               webhook.ID
	acceptedAt, expires time.Time
}

// endpoint returns a tenant's endpoint, also a deleted one.
func (s *Store) endpoint(tenant string, id webhook.ID) (*endpointRow, error) {
	e := s.endpoints[id]
	if e == nil || e.Tenant != tenant {
		return nil, store.ErrNotFound
	}
	return e, nil
}

// delivery returns a tenant's delivery.
func (s *Store) delivery(tenant string, id webhook.ID) (*deliveryRow, error) {
	d := s.deliveries[id]
	if d == nil || d.Tenant != tenant {
		return nil, store.ErrNotFound
	}
	return d, nil
}

// add stores a new delivery.
func (s *Store) add(d webhook.Delivery, e *endpointRow) *deliveryRow {
	s.seq++
	row := &deliveryRow{Delivery: d, seq: s.seq, recordedAt: map[int]time.Time{}}
	s.deliveries[d.ID] = row
	s.stored = append(s.stored, row)
	s.live = append(s.live, row)
	e.live = append(e.live, row)
	return row
}

// stillLive returns rows without those that have ended.
func stillLive(rows []*deliveryRow) []*deliveryRow {
	return slices.DeleteFunc(rows, func(d *deliveryRow) bool { return d.State.Terminal() })
}

// correct writes the record of an attempt, or corrects the one that is there if it says interrupted: nothing is known
// of that attempt yet.
func (d *deliveryRow) correct(a webhook.Attempt, now time.Time) {
	at, found := slices.BinarySearchFunc(d.attempts, a.Number, func(a webhook.Attempt, n int) int { return a.Number - n })
	switch {
	case !found:
		d.attempts = slices.Insert(d.attempts, at, a)
		d.recordedAt[a.Number] = now
	case d.attempts[at].Outcome == webhook.OutcomeInterrupted:
		d.attempts[at] = a
		if a.Outcome != webhook.OutcomeInterrupted {
			d.recordedAt[a.Number] = now
		}
	}
}

// interrupted writes the attempt under way as interrupted, for what ends it without its result.
func (d *deliveryRow) interrupted(now time.Time) {
	d.correct(webhook.Attempt{
		Delivery: d.ID, Number: d.Attempt, Tenant: d.Tenant, Endpoint: d.Endpoint,
		Outcome: webhook.OutcomeInterrupted, StartedAt: d.StartedAt,
	}, now)
}

// end makes a delivery terminal.
func (d *deliveryRow) end(s webhook.State, r webhook.Reason) {
	d.State, d.Reason = s, r
	d.LeaseUntil, d.WakeAt = time.Time{}, time.Time{}
}

func cloneEndpoint(e webhook.Endpoint) webhook.Endpoint {
	e.Types = slices.Clone(e.Types)
	e.Headers = maps.Clone(e.Headers)
	e.Schedule = slices.Clone(e.Schedule)
	e.Consent.At = stamp(e.Consent.At)
	return e
}

func cloneEvent(e webhook.Event) *webhook.Event {
	e.Extensions = maps.Clone(e.Extensions)
	e.Data = bytes.Clone(e.Data)
	e.Time = stamp(e.Time)
	return &e
}

func cloneAttempt(a webhook.Attempt) webhook.Attempt {
	a.ResponseHeaders = maps.Clone(a.ResponseHeaders)
	a.ResponseBody = bytes.Clone(a.ResponseBody)
	a.StartedAt = stamp(a.StartedAt)
	return a
}

func cloneSecret(s webhook.Secret) webhook.Secret {
	s.Key = bytes.Clone(s.Key)
	s.ExpiresAt = stamp(s.ExpiresAt)
	return s
}

func cloneRejected(r store.Rejected) store.Rejected {
	r.Headers = maps.Clone(r.Headers)
	r.Body = bytes.Clone(r.Body)
	return r
}

// stamp returns a moment as Postgres would keep it: to the microsecond, without a zone of its own.
func stamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// storable reports whether Postgres could represent the texts: UTF-8 without NUL.
func storable(texts ...string) bool {
	for _, text := range texts {
		if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
			return false
		}
	}
	return true
}

// storableMap reports whether the names and values of a map of texts are storable.
func storableMap(m map[string]string) bool {
	for name, value := range m {
		if !storable(name, value) {
			return false
		}
	}
	return true
}

// clean returns a text as it can be stored.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
