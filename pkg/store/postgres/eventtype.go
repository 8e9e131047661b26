package postgres

import (
	"cmp"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
)

// text returns JSON as it is stored: as a text, NULL where there is none.
func text(json []byte) *string {
	if json == nil {
		return nil
	}
	s := string(json)
	return &s
}

// scanEventType reads a row of the queries for event types.
func scanEventType(row pgx.Row) (t store.EventType, err error) {
	var schema, example *string
	err = row.Scan(&t.Tenant, &t.Name, &t.Description, &schema, &example, (*string)(&t.Policy), &t.ArchivedAt, &t.Version,
		&t.CreatedAt)
	if schema != nil {
		t.Schema = []byte(*schema)
	}
	if example != nil {
		t.Example = []byte(*example)
	}
	return t, err
}

// CreateEventType implements [store.Directory].
func (s *Store) CreateEventType(ctx context.Context, t store.EventType) error {
	return s.run(ctx, "create event type", func(ctx context.Context) error {
		return s.change(ctx, func(tx pgx.Tx) error {
			if err := bumpTenant(ctx, tx, t.Tenant); err != nil {
				return err
			}
			tag, err := tx.Exec(ctx, createEventTypeSQL, t.Tenant, t.Name, t.Description, text(t.Schema), text(t.Example),
				string(t.Policy), t.ArchivedAt, store.MaxEventTypes)
			if err == nil && tag.RowsAffected() == 0 {
				return fmt.Errorf("%w: a tenant has at most %d event types", store.ErrInvalid, store.MaxEventTypes)
			}
			return err
		})
	})
}

// EventType implements [store.Directory].
func (s *Store) EventType(ctx context.Context, tenant, name string) (store.EventType, error) {
	var t store.EventType
	err := s.run(ctx, "event type", func(ctx context.Context) (err error) {
		t, err = scanEventType(s.pool.QueryRow(ctx, eventTypeSQL, tenant, name))
		return err
	})
	if err != nil {
		return store.EventType{}, err
	}
	return t, nil
}

// EventTypePage implements [store.Directory].
func (s *Store) EventTypePage(ctx context.Context, q store.EventTypeQuery) ([]store.EventType, error) {
	var list []store.EventType
	err := s.run(ctx, "event type page", func(ctx context.Context) error {
		if err := checkPage(q.Limit); err != nil {
			return err
		}
		rows, err := s.pool.Query(ctx, eventTypePageSQL, q.Tenant, q.After, q.Search, q.Archived, q.Limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.EventType, error) { return scanEventType(row) })
		return err
	})
	return list, err
}

// UpdateEventType implements [store.Directory].
func (s *Store) UpdateEventType(ctx context.Context, t store.EventType) error {
	return s.run(ctx, "update event type", func(ctx context.Context) error {
		return s.change(ctx, func(tx pgx.Tx) error {
			if err := bumpTenant(ctx, tx, t.Tenant); err != nil {
				return err
			}
			tag, err := tx.Exec(ctx, updateEventTypeSQL, t.Tenant, t.Name, t.Version, t.Description, text(t.Schema),
				text(t.Example), string(t.Policy), t.ArchivedAt)
			if err != nil || tag.RowsAffected() > 0 {
				return err
			}
			var there bool
			err = tx.QueryRow(ctx, "SELECT true FROM event_types WHERE tenant = $1 AND name = $2", t.Tenant, t.Name).Scan(&there)
			return cmp.Or(err, store.ErrConflict) // no row: not found
		})
	})
}

// DeleteEventType implements [store.Directory].
func (s *Store) DeleteEventType(ctx context.Context, tenant, name string) error {
	return s.run(ctx, "delete event type", func(ctx context.Context) error {
		return s.change(ctx, func(tx pgx.Tx) error {
			if err := bumpTenant(ctx, tx, tenant); err != nil {
				return err
			}
			tag, err := tx.Exec(ctx, "DELETE FROM event_types WHERE tenant = $1 AND name = $2", tenant, name)
			if err == nil && tag.RowsAffected() == 0 {
				return store.ErrNotFound
			}
			return err
		})
	})
}

// schemas reads the schemas that a tenant's events are held to.
func (s *Store) schemas(ctx context.Context, tenant string) ([]store.EventSchema, error) {
	rows, err := s.pool.Query(ctx, eventSchemasSQL, tenant)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (e store.EventSchema, err error) {
		return e, row.Scan(&e.Type, &e.Schema, (*string)(&e.Policy))
	})
}
