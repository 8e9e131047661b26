package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// onceLabel is what sealed answers are bound to, besides their owner and key.
const onceLabel = "answer"

// change runs f in a transaction, with the note of the context. The answer comes first: of two requests that are the
// same, the second waits there for the first, and then does nothing.
func (s *Store) change(ctx context.Context, f func(pgx.Tx) error) error {
	note := store.NoteOf(ctx)
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if note.Once != nil {
			if err := s.addOnce(ctx, tx, note.Once); err != nil {
				return err
			}
		}
		if err := f(tx); err != nil || note.Audit == nil {
			return err
		}
		a := note.Audit
		_, err := tx.Exec(ctx, addAuditSQL, a.ID, a.Tenant, a.Actor, a.ActorName, a.Action, a.Target,
			document(a.Before), document(a.After))
		return err
	})
}

// document returns JSON as it is stored: NULL where there is none.
func document(text json.RawMessage) []byte {
	if len(text) == 0 {
		return nil
	}
	return text
}

// addOnce keeps an answer. Errors: store.ErrConflict when there is one already.
func (s *Store) addOnce(ctx context.Context, tx pgx.Tx, o *store.Once) error {
	keyID, sealed, err := s.options.Keyring.Seal(o.Response, o.Owner.String(), o.Key, onceLabel)
	if err != nil {
		return fmt.Errorf("%w: %w", errSealing, err)
	}
	tag, err := tx.Exec(ctx, addOnceSQL, o.Owner, o.Key, o.Request[:], keyID, sealed, store.OnceKept, o.Tenant)
	if err == nil && tag.RowsAffected() == 0 {
		return store.ErrConflict
	}
	return err
}

// Answered implements [store.Directory].
func (s *Store) Answered(ctx context.Context, owner webhook.ID, key string) (store.Once, error) {
	o := store.Once{Owner: owner, Key: key}
	err := s.run(ctx, "answered", func(ctx context.Context) error {
		var request, sealed []byte
		var keyID string
		err := s.pool.QueryRow(ctx, onceSQL, owner, key, store.OnceKept).Scan(&request, &keyID, &sealed, &o.Tenant)
		if err != nil {
			return err
		}
		copy(o.Request[:], request)
		plain, err := s.options.Keyring.Open(keyID, sealed, owner.String(), key, onceLabel)
		if err != nil {
			return fmt.Errorf("store: an answer: %w: %w", errSealing, err)
		}
		o.Response = plain
		return nil
	})
	if err != nil {
		return store.Once{}, err
	}
	return o, nil
}

// AuditLog implements [store.Directory].
func (s *Store) AuditLog(ctx context.Context, q store.AuditQuery) ([]store.AuditEntry, error) {
	var list []store.AuditEntry
	err := s.run(ctx, "audit log", func(ctx context.Context) error {
		if err := checkPage(q.Limit); err != nil {
			return err
		}
		rows, err := s.pool.Query(ctx, auditSQL, q.Tenant, q.Everyone, q.Target, orLast(q.Before), q.Limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a store.AuditEntry, err error) {
			var was, is []byte
			err = row.Scan(&a.ID, &a.Tenant, &a.At, &a.Actor, &a.ActorName, &a.Action, &a.Target, &was, &is)
			a.Before, a.After = bytes.Clone(was), bytes.Clone(is)
			return a, err
		})
		return err
	})
	return list, err
}
