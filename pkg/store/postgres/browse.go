package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// maxPage is the largest page of a list.
const maxPage = 1000

// scanDelivery reads a row of the delivery queries.
func scanDelivery(row pgx.Row) (d webhook.Delivery, err error) {
	err = row.Scan(&d.ID, &d.Tenant, &d.Event, &d.Endpoint, (*string)(&d.State), (*nullText)(&d.Reason), &d.Attempt,
		&d.Interruptions, &d.DueAt, &d.StartedAt, &d.LeaseUntil, &d.WakeAt, &d.ExpiresAt, &d.ReplayOf)
	return d, err
}

// Deliveries implements [store.Browser].
func (s *Store) Deliveries(ctx context.Context, q store.DeliveryQuery) ([]webhook.Delivery, error) {
	if q.Limit < 1 || q.Limit > maxPage {
		return nil, fmt.Errorf("store: deliveries: %w: a page has 1 to %d deliveries", store.ErrInvalid, maxPage)
	}
	var list []webhook.Delivery
	err := s.run(ctx, "deliveries", func(ctx context.Context) (err error) {
		list, err = s.listDeliveries(ctx, &q)
		return err
	})
	return list, err
}

// walkRows is how many of the newest deliveries a list looks through for its page before it is looked for otherwise:
// some 5 ms.
const walkRows = 5000

// listDeliveries finds a page in the cheapest way. Most are full of the newest there are. What ended without success,
// and what is live, is found through indexes that hold nothing else, whatever surrounds it.
func (s *Store) listDeliveries(ctx context.Context, q *store.DeliveryQuery) ([]webhook.Delivery, error) {
	args := []any{q.Tenant, orLast(q.Before), string(q.State), q.Limit, q.From}
	if !q.Event.IsZero() {
		// Deliveries have the millisecond of their event.
		at := q.Event.Time()
		return s.deliveries(ctx, eventDeliveriesSQL, append(args, q.Event, webhook.FirstID(at), webhook.LastID(at),
			q.Endpoint))
	}
	of := func(sql string) ([]webhook.Delivery, error) { return s.deliveries(ctx, sql, append(args, q.Endpoint)) }
	live := q.State == webhook.StateScheduled || q.State == webhook.StateAttempting
	switch {
	case q.State == webhook.StateExhausted || q.State == webhook.StateCancelled:
		return of(failedDeliveriesSQL)
	case !q.Endpoint.IsZero() && !live:
		return s.deliveries(ctx, endpointDeliveriesSQL, append(args, nil, q.Endpoint))
	}
	sql, more := newestDeliveriesSQL, append(slices.Clone(args), walkRows)
	if !q.Endpoint.IsZero() {
		sql, more = endpointDeliveriesSQL, append(more, q.Endpoint)
	}
	list, err := s.deliveries(ctx, sql, more)
	switch {
	case err != nil || len(list) == q.Limit:
		return list, err
	case live:
		return of(liveDeliveriesSQL)
	default:
		return of(tenantDeliveriesSQL)
	}
}

// deliveries runs one of the lists.
func (s *Store) deliveries(ctx context.Context, sql string, args []any) ([]webhook.Delivery, error) {
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (webhook.Delivery, error) { return scanDelivery(row) })
}

// outcomeStep is how many deliveries are looked at in one step of a page by outcome.
const outcomeStep = 500

// DeliveriesByOutcome implements [store.Browser]. It reads the list as Deliveries does, step by step, with two
// statements each.
func (s *Store) DeliveriesByOutcome(
	ctx context.Context, q store.DeliveryQuery, outcome webhook.Outcome,
) (store.OutcomePage, error) {
	var page store.OutcomePage
	err := s.run(ctx, "deliveries by outcome", func(ctx context.Context) error {
		page = store.OutcomePage{}
		if err := checkPage(q.Limit); err != nil {
			return err
		}
		step := q
		step.Limit = outcomeStep
		for range store.OutcomeWalk / outcomeStep {
			list, err := s.listDeliveries(ctx, &step)
			if err != nil {
				return err
			}
			if full, err := s.keepOutcome(ctx, &page, list, outcome, q.Limit); full || err != nil {
				return err
			}
			if len(list) < step.Limit {
				page.Next = webhook.ID{}
				return nil
			}
			step.Before = page.Next
		}
		return nil
	})
	return page, err
}

// keepOutcome adds to a page those of a list that have an outcome, up to a limit, and reports whether it came to that.
func (s *Store) keepOutcome(
	ctx context.Context, page *store.OutcomePage, list []webhook.Delivery, outcome webhook.Outcome, limit int,
) (full bool, err error) {
	outcomes, err := s.outcomes(ctx, list)
	if err != nil {
		return false, err
	}
	for i := range list {
		if len(page.Deliveries) == limit {
			return true, nil
		}
		page.Next = list[i].ID
		if outcomes[list[i].ID] == outcome {
			page.Deliveries = append(page.Deliveries, list[i])
		}
	}
	return false, nil
}

// outcomes reads the outcomes that deliveries had last, of deliveries in the order of a list.
func (s *Store) outcomes(ctx context.Context, list []webhook.Delivery) (map[webhook.ID]webhook.Outcome, error) {
	if len(list) == 0 {
		return nil, nil
	}
	ids := make([]webhook.ID, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	rows, err := s.pool.Query(ctx, outcomesSQL, uuids(ids), ids[len(ids)-1], ids[0])
	if err != nil {
		return nil, err
	}
	found := make(map[webhook.ID]webhook.Outcome, len(list))
	var id webhook.ID
	var outcome string
	_, err = pgx.ForEachRow(rows, []any{&id, &outcome}, func() error {
		found[id] = webhook.Outcome(outcome)
		return nil
	})
	return found, err
}

// orLast returns an id, or the last there can be instead of none.
func orLast(id webhook.ID) webhook.ID {
	if id.IsZero() {
		return webhook.LastID(time.UnixMilli(1<<48 - 1))
	}
	return id
}

// Events implements [store.Browser].
func (s *Store) Events(ctx context.Context, q store.EventQuery) ([]webhook.Event, error) {
	var list []webhook.Event
	err := s.run(ctx, "events", func(ctx context.Context) error {
		if err := checkPage(q.Limit); err != nil {
			return err
		}
		rows, err := s.pool.Query(ctx, eventsSQL, q.Tenant, orLast(q.Before), q.From, q.Type, q.Subject, q.Limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (webhook.Event, error) {
			e := webhook.Event{Tenant: q.Tenant}
			var extensions []byte
			err := row.Scan(&e.ID, &e.Source, &e.CEID, &e.Type, (*nullText)(&e.Subject), &e.Time, (*nullText)(&e.DataType),
				(*nullText)(&e.DataSchema), &extensions, (*nullText)(&e.Trace.Parent), (*nullText)(&e.Trace.State), &e.Origin,
				&e.AcceptedAt, (*nullText)(&e.SchemaError), &e.ErasedAt)
			if err != nil {
				return e, err
			}
			e.Extensions, err = decodeExtensions(extensions)
			return e, err
		})
		return err
	})
	return list, err
}

// Delivery implements [store.Browser].
func (s *Store) Delivery(ctx context.Context, tenant string, id webhook.ID) (store.DeliveryView, error) {
	var view store.DeliveryView
	err := s.run(ctx, "delivery", func(ctx context.Context) error {
		// One snapshot, so that delivery and attempts agree.
		snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
		return pgx.BeginTxFunc(ctx, s.pool, snapshot, func(tx pgx.Tx) (err error) {
			view.Delivery, err = scanDelivery(tx.QueryRow(ctx, deliverySQL, id, tenant))
			if err != nil {
				return err
			}
			event, err := readEvent(ctx, tx, tenant, view.Delivery.Event)
			if err != nil {
				return err
			}
			view.Event = *event
			if view.Attempts, err = readAttempts(ctx, tx, &view.Delivery); err != nil {
				return err
			}
			return tx.QueryRow(ctx, "SELECT request_at FROM endpoints WHERE id = $1", view.Delivery.Endpoint).
				Scan(&view.RequestSince)
		})
	})
	if err != nil {
		return store.DeliveryView{}, err
	}
	return view, nil
}

// querier is what a statement needs: the pool, or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// readAttempts reads the attempts of a delivery in order.
func readAttempts(ctx context.Context, q querier, d *webhook.Delivery) ([]webhook.Attempt, error) {
	rows, err := q.Query(ctx, attemptsSQL, d.ID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (webhook.Attempt, error) {
		a := webhook.Attempt{Delivery: d.ID, Tenant: d.Tenant, Endpoint: d.Endpoint}
		var total, dns, connect, tls, firstByte int64
		var headers []byte
		err := row.Scan(&a.Number, (*string)(&a.Outcome), &a.Status, &a.StartedAt, &total, &dns, &connect, &tls,
			&firstByte, (*nullText)(&a.Detail), &headers, &a.ResponseBody)
		if err != nil {
			return a, err
		}
		a.Latency = webhook.Latency{
			DNS: micros(dns), Connect: micros(connect), TLS: micros(tls), FirstByte: micros(firstByte), Total: micros(total),
		}
		if headers != nil {
			err = json.Unmarshal(headers, &a.ResponseHeaders)
		}
		return a, err
	})
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// CancelDelivery implements [store.Browser]. An attempt under way is put on record as interrupted; its result, if it
// comes, corrects that.
func (s *Store) CancelDelivery(ctx context.Context, tenant string, id webhook.ID) error {
	return s.run(ctx, "cancel delivery", func(ctx context.Context) error {
		return s.change(ctx, func(tx pgx.Tx) error {
			var cancelled bool
			err := tx.QueryRow(ctx, cancelSQL, id, tenant, string(webhook.ReasonByHand)).Scan(&cancelled)
			if err == nil && !cancelled {
				return store.ErrConflict
			}
			return err
		})
	})
}
