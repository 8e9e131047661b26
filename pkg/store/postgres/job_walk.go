package postgres

import (
	"context"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// walk goes through what a replay may be for, a bounded number of rows at a time.
type walk struct {
	q interface {
		querier
		rowQuerier
	}
	tenant string
	spec   store.JobSpec
	match  func(*webhook.Event) bool

	// after is where it has come to, most how many rows the next step may find.
	after webhook.ID
	most  int
	// found is what the last step found and the spec selects, ended whether there is no more.
	found []walked
	ended bool
}

// walked is one delivery to make.
type walked struct {
	store.ReplayMatch
	event webhook.Event // as much of it as filters see
}

// next goes one step.
func (w *walk) next(ctx context.Context) error {
	if w.match == nil {
		if err := w.compile(ctx); err != nil {
			return err
		}
	}
	sql, args := w.statement()
	rows, err := w.q.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	w.found = nil
	var last, found webhook.ID
	looked, count := 0, 0
	for rows.Next() {
		var f walked
		e := &f.event
		var extensions []byte
		var there bool
		err := rows.Scan(&last, &looked, &f.Delivery, &f.Event, &f.Endpoint, &there, (*nullText)(&e.Source),
			(*nullText)(&e.CEID), (*nullText)(&e.Type), (*nullText)(&e.Subject), &e.Time, (*nullText)(&e.DataType),
			(*nullText)(&e.DataSchema), &extensions)
		if err != nil {
			return err
		}
		if f.Event.IsZero() {
			continue // the row that says how far it is
		}
		count++
		if found = f.Delivery; found.IsZero() {
			found = f.Event
		}
		if e.Extensions, err = decodeExtensions(extensions); err != nil {
			return err
		}
		f.Type = e.Type
		if there && w.match(e) {
			w.found = append(w.found, f)
		}
	}
	switch {
	case count == w.most:
		w.after, w.ended = found, false
	case looked > 0:
		w.after, w.ended = last, looked < store.JobWalk
	default:
		w.ended = true
	}
	return rows.Err()
}

// statement is the query of a step.
func (w *walk) statement() (sql string, args []any) {
	args = []any{w.tenant, orFirst(w.after), webhook.FirstID(w.spec.To), store.JobWalk, w.most}
	if w.spec.Missing {
		return missingWalkSQL, append(args, w.spec.Endpoint)
	}
	states := new(array)
	for _, s := range w.spec.States {
		states.text(string(s))
	}
	if w.spec.Event.IsZero() {
		return endpointWalkSQL, append(args, states, w.spec.Endpoint)
	}
	return replayWalkSQL, append(args, states, w.spec.Endpoint, w.spec.Event)
}

// compile prepares the matching. What an endpoint subscribes to is asked for when it matters.
func (w *walk) compile(ctx context.Context) error {
	var e webhook.Endpoint
	if w.spec.Missing {
		endpoints, err := jobEndpoints(ctx, w.q, w.tenant, []webhook.ID{w.spec.Endpoint})
		if err != nil {
			return err
		}
		if known := endpoints[w.spec.Endpoint]; known != nil {
			e = *known
		}
	}
	var err error
	w.match, err = w.spec.Match(&e)
	return err
}

// jobEndpoints reads what replays need of their endpoints.
func jobEndpoints(
	ctx context.Context, q querier, tenant string, ids []webhook.ID,
) (map[webhook.ID]*webhook.Endpoint, error) {
	rows, err := q.Query(ctx, jobEndpointsSQL, uuids(sortedIDs(ids)), tenant)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := make(map[webhook.ID]*webhook.Endpoint)
	for rows.Next() {
		e := &webhook.Endpoint{Tenant: tenant}
		err := rows.Scan(&e.ID, (*string)(&e.Status), &e.PausedAt, &e.PausedTotal, &e.Schedule, &e.Timeout, &e.Types,
			&e.Filter)
		if err != nil {
			return nil, err
		}
		known[e.ID] = e
	}
	return known, rows.Err()
}
