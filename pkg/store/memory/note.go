package memory

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// onceKey names an answer.
type onceKey struct {
	owner webhook.ID
	key   string
}

// onceRow is an answer, and when it was given.
type onceRow struct {
	store.Once
	at time.Time
}

// change is do for what writes the note of its context with what it changes.
func (s *Store) change(ctx context.Context, op string, f func(now time.Time) error) error {
	_, err := changed(ctx, s, op, func(now time.Time) (struct{}, error) { return struct{}{}, f(now) })
	return err
}

// changed is change for an operation with a result.
func changed[T any](ctx context.Context, s *Store, op string, f func(now time.Time) (T, error)) (T, error) {
	note := store.NoteOf(ctx)
	return run(ctx, s, op, func(now time.Time) (T, error) {
		var none T
		if o := note.Once; o != nil && s.answer(o.Owner, o.Key, now) != nil {
			return none, store.ErrConflict
		}
		result, err := f(now)
		if err != nil {
			return none, err
		}
		if o := note.Once; o != nil {
			kept := *o
			kept.Response = bytes.Clone(o.Response)
			s.answers[onceKey{o.Owner, o.Key}] = &onceRow{kept, now}
		}
		if note.Audit != nil {
			a := cloneAudit(*note.Audit)
			a.At = now
			s.audit = append(s.audit, a)
		}
		return result, nil
	})
}

// answer returns an answer that is not over; nil when there is none.
func (s *Store) answer(owner webhook.ID, key string, now time.Time) *onceRow {
	if o := s.answers[onceKey{owner, key}]; o != nil && now.Before(o.at.Add(store.OnceKept)) {
		return o
	}
	return nil
}

// Answered implements store.Directory.
func (s *Store) Answered(ctx context.Context, owner webhook.ID, key string) (store.Once, error) {
	return run(ctx, s, "answered", func(now time.Time) (store.Once, error) {
		o := s.answer(owner, key, now)
		if o == nil {
			return store.Once{}, store.ErrNotFound
		}
		found := o.Once
		found.Response = bytes.Clone(o.Response)
		return found, nil
	})
}

// AuditLog implements store.Directory.
func (s *Store) AuditLog(ctx context.Context, q store.AuditQuery) ([]store.AuditEntry, error) {
	return run(ctx, s, "auditlog", func(time.Time) ([]store.AuditEntry, error) {
		var list []store.AuditEntry
		for _, a := range s.audit {
			if (q.Everyone || a.Tenant == q.Tenant) && (q.Target == "" || a.Target == q.Target) &&
				(q.Before.IsZero() || bytes.Compare(a.ID[:], q.Before[:]) < 0) {
				list = append(list, cloneAudit(a))
			}
		}
		slices.SortFunc(list, func(a, b store.AuditEntry) int { return bytes.Compare(b.ID[:], a.ID[:]) })
		return page(list, q.Limit)
	})
}

func cloneAudit(a store.AuditEntry) store.AuditEntry {
	a.Before, a.After = bytes.Clone(a.Before), bytes.Clone(a.After)
	return a
}
