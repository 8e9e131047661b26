// Package memory is the store in the memory of one process, for tests and for deterministic simulation; production
// keeps its promises in Postgres and refuses this one.
//
// It owns the reference behaviour of the store's contract in plain Go: where the Postgres store and this one differ,
// one of them has a bug, and storetest says which. It promises to be deterministic: with the same calls in the same
// order, at the same times of its clock, it gives the same results in the same order, whatever the order of a map. All
// decisions about deliveries are those of webhook.Policy. What goes in and what comes out is copied, so that nobody
// outside can change what is stored. It never starts a goroutine, never sleeps, keeps nothing when the process ends.
//
// Faults are for tests: [Store.SetUnavailable] cuts the store off, and [Options.Hook] stops an operation before its
// commit, or loses the answer after it, which is what a crash and a broken connection look like.
package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// DefaultDedupeWindow is how long an event's identity is remembered when Options do not say (DESIGN, section 6a).
const DefaultDedupeWindow = 24 * time.Hour

// Phase says at which side of the commit a hook is called.
type Phase string

// The phases of an operation.
const (
	Before Phase = "before" // nothing was changed yet; an error leaves it so
	After  Phase = "after"  // the change is committed; an error loses the answer
)

// Options set up a store. The zero value is ready for use.
type Options struct {
	// Policy times deliveries; one without a schedule stands for webhook.DefaultPolicy.
	Policy webhook.Policy
	// DedupeWindow is how long an event's identity is remembered; 0 means DefaultDedupeWindow.
	DedupeWindow time.Duration
	// Clock is the store's clock; nil means time.Now. It must not go back.
	Clock func() time.Time
	// Hook is called around every operation with its name (the method's, in lower case), outside the store's lock, so that
	// it may call the store itself. The operation returns its error, wrapped. nil means none.
	Hook func(op string, phase Phase) error
}

// Store is a store in memory. It is safe for concurrent use.
type Store struct {
	policy webhook.Policy
	window time.Duration
	clock  func() time.Time
	hook   func(op string, phase Phase) error

	mu          sync.Mutex
	unavailable bool
	tenants     map[string]*tenantRow
	keys        map[[32]byte]*store.APIKey
	endpoints   map[webhook.ID]*endpointRow
	events      map[webhook.ID]*webhook.Event
	dedupe      map[webhook.Key]dedupeRow
	housekept   time.Time // when Housekeep was done last
	deliveries  map[webhook.ID]*deliveryRow
	// stored holds all deliveries in the order in which they were stored, and live those of them that were live when last
	// looked at; created holds all endpoints, rejected what could not be accepted, both in order.
	stored, live []*deliveryRow
	created      []*endpointRow
	rejected     []store.Rejected
	eventTypes   map[typeKey]*store.EventType
	// answers and audit are what came in notes.
	answers map[onceKey]*onceRow
	// discarded counts what was rejected on a day and is not kept any more: it made no room.
	discarded map[tenantDay]int
	insight
	audit []store.AuditEntry
	jobs  []*jobRow // in the order in which they began
	seq   int       // of the delivery stored last
	ids   webhook.IDSource
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New(o Options) *Store {
	if len(o.Policy.Schedule) == 0 {
		o.Policy = webhook.DefaultPolicy()
	}
	if o.DedupeWindow == 0 {
		o.DedupeWindow = DefaultDedupeWindow
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Hook == nil {
		o.Hook = func(string, Phase) error { return nil }
	}
	return &Store{
		policy: o.Policy, window: o.DedupeWindow, clock: o.Clock, hook: o.Hook,
		tenants:    map[string]*tenantRow{},
		keys:       map[[32]byte]*store.APIKey{},
		endpoints:  map[webhook.ID]*endpointRow{},
		events:     map[webhook.ID]*webhook.Event{},
		dedupe:     map[webhook.Key]dedupeRow{},
		deliveries: map[webhook.ID]*deliveryRow{},
		answers:    map[onceKey]*onceRow{},
		discarded:  map[tenantDay]int{},
		eventTypes: map[typeKey]*store.EventType{},
	}
}

// SetUnavailable cuts the store off, or brings it back: while it is off, every operation fails with
// store.ErrUnavailable and changes nothing.
func (s *Store) SetUnavailable(off bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unavailable = off
}

// Now implements store.Store.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	return run(ctx, s, "now", func(now time.Time) (time.Time, error) { return now, nil })
}

// ProbeWrite implements store.Store.
func (s *Store) ProbeWrite(ctx context.Context) error {
	return s.do(ctx, "probewrite", func(time.Time) error { return nil })
}

// Close implements store.Store.
func (s *Store) Close() {}

// run does one operation: f runs alone, at one moment of the clock, and either changes everything it has to or returns
// an error and has changed nothing.
func run[T any](ctx context.Context, s *Store, op string, f func(now time.Time) (T, error)) (T, error) {
	var none T
	err := ctx.Err()
	if err == nil {
		err = s.hook(op, Before)
	}
	if err != nil {
		return none, fmt.Errorf("store: %s: %w", op, err)
	}
	result, err := alone(s, f)
	if err == nil {
		err = s.hook(op, After)
	}
	if err != nil {
		return none, fmt.Errorf("store: %s: %w", op, err)
	}
	return result, nil
}

// do is run for an operation without a result.
func (s *Store) do(ctx context.Context, op string, f func(now time.Time) error) error {
	_, err := run(ctx, s, op, func(now time.Time) (struct{}, error) { return struct{}{}, f(now) })
	return err
}

// alone calls f under the lock with the time, to the microsecond as Postgres keeps it.
func alone[T any](s *Store, f func(now time.Time) (T, error)) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unavailable {
		var none T
		return none, store.ErrUnavailable
	}
	return f(s.clock().UTC().Truncate(time.Microsecond))
}
