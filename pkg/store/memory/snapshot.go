package memory

import (
	"fmt"
	"strings"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// Snapshot is everything that a simulation compares: copies, in the order in which things were stored.
type Snapshot struct {
	Now        time.Time
	Endpoints  []webhook.Endpoint
	Deliveries []SnapshotDelivery
}

// SnapshotDelivery is a delivery with its attempts in order.
type SnapshotDelivery struct {
	webhook.Delivery
	Attempts []webhook.Attempt
}

// Snapshot returns the present state. It works while the store is unavailable too.
func (s *Store) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Snapshot{
		Now:        s.clock().UTC().Truncate(time.Microsecond),
		Endpoints:  make([]webhook.Endpoint, 0, len(s.created)),
		Deliveries: make([]SnapshotDelivery, 0, len(s.stored)),
	}
	for _, e := range s.created {
		out.Endpoints = append(out.Endpoints, cloneEndpoint(e.Endpoint))
	}
	for _, d := range s.stored {
		copied := SnapshotDelivery{Delivery: d.Delivery, Attempts: make([]webhook.Attempt, 0, len(d.attempts))}
		for _, a := range d.attempts {
			copied.Attempts = append(copied.Attempts, cloneAttempt(a))
		}
		out.Deliveries = append(out.Deliveries, copied)
	}
	return out
}

// String writes the snapshot with one line for each endpoint, delivery and attempt. Ids, which are partly random, are
// replaced by numbers in the order of storing, and times are relative to the snapshot's, so that two runs that did the
// same give the same text.
func (s Snapshot) String() string {
	var b strings.Builder
	endpoints, events, deliveries := numbering{}, numbering{}, numbering{}
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		fmt.Fprintf(&b, "endpoint e%d %s version=%d paused=%s/%s throttled=%s reason=%q\n", endpoints.of(e.ID), e.Status,
			e.Version, s.ago(e.PausedAt), e.PausedTotal, s.ago(e.ThrottledUntil), e.StatusReason)
	}
	for i := range s.Deliveries {
		deliveries.of(s.Deliveries[i].ID)
	}
	for i := range s.Deliveries {
		d := &s.Deliveries[i]
		fmt.Fprintf(&b, "delivery d%d tenant=%s event=v%d endpoint=e%d %s reason=%q attempt=%d interruptions=%d replayof=%d"+
			" due=%s started=%s lease=%s wake=%s expires=%s\n", deliveries.of(d.ID), d.Tenant, events.of(d.Event),
			endpoints.of(d.Endpoint), d.State, d.Reason, d.Attempt, d.Interruptions, deliveries.of(d.ReplayOf),
			s.ago(d.DueAt), s.ago(d.StartedAt), s.ago(d.LeaseUntil), s.ago(d.WakeAt), s.ago(d.ExpiresAt))
		for j := range d.Attempts {
			a := &d.Attempts[j]
			fmt.Fprintf(&b, "attempt d%d/%d %s status=%d started=%s took=%s detail=%q\n", deliveries.of(a.Delivery), a.Number,
				a.Outcome, a.Status, s.ago(a.StartedAt), a.Latency.Total, a.Detail)
		}
	}
	return b.String()
}

// ago writes a moment relative to the snapshot's; "-" for none.
func (s Snapshot) ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Sub(s.Now).String()
}

// numbering gives ids numbers from 1 in the order in which they are asked for; the zero id is 0.
type numbering map[webhook.ID]int

func (n numbering) of(id webhook.ID) int {
	if id.IsZero() {
		return 0
	}
	if n[id] == 0 {
		n[id] = len(n) + 1
	}
	return n[id]
}
