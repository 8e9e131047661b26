package postgres

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// endpointRow is an endpoint as stored, its headers still sealed.
type endpointRow struct {
	webhook.Endpoint
	format        string // a column of a claim is NULL where the endpoint is known already
	sealedHeaders []byte
	headersKeyID  string
}

// scan reads a row of the endpoint queries.
func (e *endpointRow) scan(row pgx.Row) error {
	err := row.Scan(&e.ID, &e.Tenant, &e.URL, &e.Types, &e.Filter, &e.format, &e.sealedHeaders,
		(*nullText)(&e.headersKeyID), &e.Schedule, &e.Timeout, &e.RatePerSecond, &e.Status, &e.StatusReason,
		&e.PausedAt, &e.PausedTotal, &e.ThrottledUntil, &e.Version, &e.CreatedAt, &e.Consent.Origin, &e.Consent.PerMinute,
		&e.Consent.At)
	e.Format = webhook.BodyFormat(e.format)
	return err
}

// CreateEndpoint implements [store.Directory].
func (s *Store) CreateEndpoint(ctx context.Context, e webhook.Endpoint, secrets []webhook.Secret) error {
	return s.run(ctx, "create endpoint", func(ctx context.Context) error {
		keyID, headers, err := s.sealHeaders(&e)
		if err != nil {
			return err
		}
		return s.change(ctx, func(tx pgx.Tx) error {
			if err := bumpTenant(ctx, tx, e.Tenant); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, createEndpointSQL, e.ID, e.Tenant, e.URL, e.Types, e.Filter, string(e.Format),
				headers, optional(keyID), intervals(e.Schedule), e.Timeout, e.RatePerSecond, e.Consent.Origin, e.Consent.PerMinute,
				e.Consent.At)
			if err != nil {
				return err
			}
			for i := range secrets {
				secret := secrets[i]
				secret.Endpoint = e.ID
				if err := s.insertSecret(ctx, tx, e.Tenant, &secret); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// intervals returns a schedule as it is stored: NULL where there is none.
func intervals(schedule []time.Duration) *array {
	if schedule == nil {
		return nil
	}
	all := new(array)
	for _, wait := range schedule {
		all.interval(wait)
	}
	return all
}

// optional returns nil for an empty text, which is stored as NULL.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// bumpTenant moves a tenant's configuration version on. Errors: store.ErrNotFound, also for one that is being deleted.
func bumpTenant(ctx context.Context, tx pgx.Tx, tenant string) error {
	tag, err := tx.Exec(ctx,
		"UPDATE tenants SET config_version = config_version + 1 WHERE id = $1 AND deleted_at IS NULL", tenant)
	if err == nil && tag.RowsAffected() == 0 {
		return store.ErrNotFound
	}
	return err
}

// Endpoint implements [store.Directory]. Headers that cannot be opened are left out, and logged, so that the endpoint
// can still be looked at and repaired.
func (s *Store) Endpoint(ctx context.Context, tenant string, id webhook.ID) (webhook.Endpoint, error) {
	var e endpointRow
	err := s.run(ctx, "endpoint", func(ctx context.Context) error {
		return e.scan(s.pool.QueryRow(ctx, endpointSQL, id, tenant))
	})
	if err != nil {
		return webhook.Endpoint{}, err
	}
	return s.opened(ctx, &e), nil
}

// Endpoints implements [store.Directory]; for headers see [Store.Endpoint].
func (s *Store) Endpoints(ctx context.Context, tenant string) ([]webhook.Endpoint, error) {
	var list []webhook.Endpoint
	err := s.run(ctx, "endpoints", func(ctx context.Context) (err error) {
		list, err = s.listEndpoints(ctx, endpointsSQL, tenant)
		return err
	})
	return list, err
}

// EndpointPage implements [store.Directory]; for headers see [Store.Endpoint].
func (s *Store) EndpointPage(ctx context.Context, q store.EndpointQuery) ([]webhook.Endpoint, error) {
	var list []webhook.Endpoint
	err := s.run(ctx, "endpoint page", func(ctx context.Context) (err error) {
		if err := checkPage(q.Limit); err != nil {
			return err
		}
		list, err = s.listEndpoints(ctx, endpointPageSQL, q.Tenant, q.After, string(q.Status), q.Search, q.Limit)
		return err
	})
	return list, err
}

// listEndpoints reads endpoints.
func (s *Store) listEndpoints(ctx context.Context, sql string, args ...any) ([]webhook.Endpoint, error) {
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (webhook.Endpoint, error) {
		var e endpointRow
		if err := e.scan(row); err != nil {
			return webhook.Endpoint{}, err
		}
		return s.opened(ctx, &e), nil
	})
}

// opened returns an endpoint with its headers in clear, as far as they can be opened.
func (s *Store) opened(ctx context.Context, e *endpointRow) webhook.Endpoint {
	headers, err := s.openHeaders(e)
	if err != nil {
		s.options.Logger.WarnContext(ctx, "an endpoint's headers cannot be opened",
			slog.String("endpoint", e.ID.String()), slog.String("tenant", e.Tenant), slog.Any("error", err))
	}
	e.Headers = headers
	return e.Endpoint
}

// SetEndpointStatus implements [store.Directory].
func (s *Store) SetEndpointStatus(
	ctx context.Context, tenant string, id webhook.ID, status webhook.EndpointStatus, reason string,
) error {
	return s.ChangeEndpointStatus(ctx, store.StatusChange{Tenant: tenant, Endpoint: id, Status: status, Reason: reason})
}

// ChangeEndpointStatus implements [store.Directory].
func (s *Store) ChangeEndpointStatus(ctx context.Context, c store.StatusChange) error {
	switch c.Status {
	case webhook.EndpointActive:
		c.Reason = ""
	case webhook.EndpointPaused, webhook.EndpointDisabled, webhook.EndpointDeleted:
	default:
		return classify("set endpoint status", store.ErrInvalid)
	}
	return s.run(ctx, "set endpoint status", func(ctx context.Context) error {
		return s.change(ctx, func(tx pgx.Tx) error { return changeStatus(ctx, tx, c) })
	})
}

func changeStatus(ctx context.Context, tx pgx.Tx, c store.StatusChange) error {
	// Jobs before endpoints, as RunJob locks them.
	if c.Status == webhook.EndpointActive || c.Status == webhook.EndpointDeleted {
		why := "the endpoint was made " + string(c.Status)
		if _, err := tx.Exec(ctx, stopDropsSQL, c.Endpoint, c.Tenant, why); err != nil {
			return err
		}
	}
	if c.Status == webhook.EndpointDisabled {
		if _, err := tx.Exec(ctx, noticeDisabledSQL, c.Endpoint, c.Tenant, c.Reason); err != nil {
			return err
		}
	}
	tag, err := tx.Exec(ctx, setEndpointStatusSQL, c.Endpoint, c.Tenant, string(c.Status), c.Reason, c.Version)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return goneOrChanged(ctx, tx, c.Tenant, c.Endpoint)
	}
	return bumpTenant(ctx, tx, c.Tenant)
}

// goneOrChanged is the error of a change that has found no endpoint with its version.
func goneOrChanged(ctx context.Context, tx pgx.Tx, tenant string, id webhook.ID) error {
	var there bool
	err := tx.QueryRow(ctx, "SELECT true FROM endpoints WHERE id = $1 AND tenant = $2 AND status <> 'deleted'", id,
		tenant).Scan(&there) // no row: not found
	return cmp.Or(err, store.ErrConflict)
}

// UpdateEndpoint implements [store.Directory].
func (s *Store) UpdateEndpoint(ctx context.Context, e webhook.Endpoint) error {
	return s.run(ctx, "update endpoint", func(ctx context.Context) error {
		keyID, headers, err := s.sealHeaders(&e)
		if err != nil {
			return err
		}
		return s.change(ctx, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, updateEndpointSQL, e.ID, e.Tenant, e.Version, e.URL, e.Types, e.Filter,
				string(e.Format), e.Headers != nil, headers, optional(keyID), intervals(e.Schedule), e.Timeout, e.RatePerSecond,
				e.Consent.Origin, e.Consent.PerMinute, e.Consent.At)
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 {
				return goneOrChanged(ctx, tx, e.Tenant, e.ID)
			}
			return bumpTenant(ctx, tx, e.Tenant)
		})
	})
}
