package simulation

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/seal"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/memory"
	"github.com/homing-hooks/homing/pkg/store/postgres"
	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// replay is Postgres on its way through a trace.
type replay struct {
	ctx   context.Context
	conn  *pgx.Conn
	store *postgres.Store
	trace *result
	ids   map[webhook.ID]webhook.ID // of the simulation to those here
	new   webhook.IDSource
	scribe
	// epoch is the moment here that is the simulation's epoch.
	epoch time.Time
}

// clockSQL puts a clock that the test sets in the place of the server's, and makes the server an old one. The functions
// hide those of pg_catalog from whoever has the schema first on the search path, as the replayed store does: its own
// statements run at exactly the simulation's times.
const clockSQL = `
SET synchronous_commit = off; -- here, where nothing is promised
CREATE SCHEMA simulated;
CREATE TABLE simulated.clock (now timestamptz NOT NULL);
INSERT INTO simulated.clock VALUES ('epoch');
CREATE FUNCTION simulated.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
    AS 'SELECT now FROM simulated.clock';
CREATE FUNCTION simulated.pg_postmaster_start_time() RETURNS timestamptz STABLE LANGUAGE sql
    AS $$ SELECT timestamptz 'epoch' $$;`

// forgetSQL empties what a replay has filled, so that the next one needs no database of its own.
const forgetSQL = `
DELETE FROM attempts; DELETE FROM deliveries; DELETE FROM events; DELETE FROM event_keys;
DELETE FROM endpoint_secrets; DELETE FROM endpoints; DELETE FROM tenants;`

// migrated prepares a database.
func migrated(ctx context.Context, url string) error {
	_, err := postgres.Migrate(ctx, url)
	return err
}

// database is where a replay happens: one at a time.
type database struct {
	url  string
	conn *pgx.Conn
}

func newDatabase(t *testing.T) *database {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	server := testenv.PostgresMigrated(t, migrated)
	conn, err := pgx.Connect(ctx, server)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(ctx) })
	_, err = conn.Exec(ctx, clockSQL)
	require.NoError(t, err)
	u, err := url.Parse(server)
	require.NoError(t, err)
	query := u.Query()
	query.Set("search_path", "simulated,public,pg_catalog")
	u.RawQuery = query.Encode()
	return &database{u.String(), conn}
}

// newReplay opens a store on a database, by a url that may lead there through something.
func newReplay(t *testing.T, on *database, url string) *replay {
	t.Helper()
	ring, err := seal.Parse(seal.NewKey("test"))
	require.NoError(t, err)
	r := &replay{
		ctx: context.WithoutCancel(t.Context()), conn: on.conn, epoch: time.Now().UTC().Truncate(time.Hour),
	}
	r.store, err = postgres.Open(r.ctx, url, postgres.Options{
		Policy: policy(), DedupeWindow: memoryWindow, Keyring: ring, MaxConns: 1,
	})
	require.NoError(t, err)
	t.Cleanup(r.store.Close)
	return r
}

// memoryWindow is the dedupe window of the simulation's store, which is opened with the default.
const memoryWindow = 24 * time.Hour

// run does what a simulation did to its store, at the same times, and returns the first difference: in the answer to an
// operation, or in what is stored in the end.
func (r *replay) run(trace *result) error {
	r.trace, r.ids = trace, map[webhook.ID]webhook.ID{}
	r.scribe = scribe{map[webhook.ID]string{}, func(t time.Time) string { return t.Sub(r.epoch).String() }}
	if _, err := r.conn.Exec(r.ctx, forgetSQL); err != nil {
		return err
	}
	if err := r.store.CreateTenant(r.ctx, tenant); err != nil {
		return err
	}
	// A tenant's first version is that of the moment when it is made, which was the simulation's epoch.
	const sameVersion = "UPDATE tenants SET config_version = $1"
	if _, err := r.conn.Exec(r.ctx, sameVersion, epoch.UnixMicro()); err != nil {
		return err
	}
	for i := range trace.trace {
		op := &trace.trace[i]
		if _, err := r.conn.Exec(r.ctx, "UPDATE simulated.clock SET now = $1", r.epoch.Add(op.at)); err != nil {
			return err
		}
		got, err := r.do(op)
		if got = said(got, err); got != op.said && (err == nil || got != "") {
			where := fmt.Sprintf("operation %d of %d, %s at %s", i+1, len(trace.trace), op.name, op.at)
			return &difference{where, op.said, got}
		}
		if err != nil && got == "" {
			return fmt.Errorf("%s: %w", op.name, err)
		}
		if err := r.compare(&op.after, i+1 == len(trace.trace)); err != nil {
			return fmt.Errorf("after operation %d of %d, %s at %s: %w", i+1, len(trace.trace), op.name, op.at, err)
		}
	}
	return nil
}

// difference is where Postgres and the store in memory do not agree.
type difference struct{ where, memory, postgres string }

func (d *difference) Error() string {
	return fmt.Sprintf("%s:\n  memory   %s\n  postgres %s", d.where, d.memory, d.postgres)
}

// id returns the id here of one of the simulation.
func (r *replay) id(simulated webhook.ID) webhook.ID {
	if simulated.IsZero() {
		return simulated
	}
	id, known := r.ids[simulated]
	if !known {
		id = r.new.New(r.epoch)
		r.call(simulated, id)
	}
	return id
}

// call has an id stand for one of the simulation.
func (r *replay) call(simulated, id webhook.ID) {
	r.ids[simulated] = id
	r.names[id] = r.trace.names[simulated]
}

// do does one operation, and returns the answer; with an error, none.
func (r *replay) do(op *operation) (string, error) {
	switch op.name {
	case "accept":
		return r.accept(op)
	case "claim":
		return r.claim(op)
	case "record":
		return r.record(op)
	case "reconcile":
		out, err := r.store.Reconcile(r.ctx, op.reconcile)
		return answered(r.reconciled(&out), err)
	case "create endpoint":
		e := op.endpoint
		e.ID = r.id(e.ID)
		return answered("done", r.store.CreateEndpoint(r.ctx, e, nil))
	case "set status":
		err := r.store.SetEndpointStatus(r.ctx, tenant, r.id(op.endpoint.ID), op.endpoint.Status, "by hand")
		return answered("done", err)
	case "retry now":
		due, err := r.store.RetryNow(r.ctx, tenant, r.id(op.delivery), &r.new)
		if err == nil && !op.replay.IsZero() {
			r.call(op.replay, due.Delivery)
		}
		return answered(r.due(due), err)
	default:
		return answered("done", r.store.CancelDelivery(r.ctx, tenant, r.id(op.delivery)))
	}
}

// answered is an answer when there is one.
func answered(text string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return text, nil
}

func (r *replay) accept(op *operation) (string, error) {
	events := slices.Clone(op.events)
	for i := range events {
		n := &events[i]
		n.Event.ID = r.id(n.Event.ID)
		n.Deliveries = slices.Clone(n.Deliveries)
		for j := range n.Deliveries {
			d := &n.Deliveries[j]
			id := n.Event.ID.Sibling()
			r.call(d.ID, id)
			d.ID, d.Endpoint = id, r.id(d.Endpoint)
		}
	}
	out, err := r.store.Accept(r.ctx, events)
	return answered(r.accepted(out), err)
}

func (r *replay) claim(op *operation) (string, error) {
	var request store.ClaimRequest
	for _, item := range op.claim.Items {
		item.Delivery, item.Endpoint = r.id(item.Delivery), r.id(item.Endpoint)
		request.Items = append(request.Items, item)
	}
	for _, p := range op.claim.Pulls {
		p.Endpoint = r.id(p.Endpoint)
		request.Pulls = append(request.Pulls, p)
	}
	out, err := r.store.Claim(r.ctx, request)
	return answered(r.claims(&out), err)
}

func (r *replay) record(op *operation) (string, error) {
	results := slices.Clone(op.results)
	for i := range results {
		a := &results[i].Attempt
		a.Delivery, a.Endpoint = r.id(a.Delivery), r.id(a.Endpoint)
		a.StartedAt = r.epoch.Add(a.StartedAt.Sub(epoch))
	}
	out, err := r.store.Record(r.ctx, results)
	return answered(r.recorded(results, out), err)
}

// compare compares what is stored with what the simulation had stored then; attempts as well, where asked for.
func (r *replay) compare(want *memory.Snapshot, attempts bool) error {
	w := scribe{r.trace.names, func(t time.Time) string { return t.Sub(epoch).String() }}
	var wanted []string
	for i := range want.Endpoints {
		if e := &want.Endpoints[i]; e.Status != webhook.EndpointDeleted {
			wanted = append(wanted, w.endpoint(e))
		}
	}
	for i := range want.Deliveries {
		d := &want.Deliveries[i]
		if !attempts {
			d.Attempts = nil
		}
		wanted = append(wanted, w.delivery(&d.Delivery, d.Attempts))
	}
	have, err := r.stored(attempts)
	if err != nil {
		return err
	}
	slices.Sort(wanted)
	if i := firstDifference(wanted, have); i >= 0 {
		return &difference{"stored", strings.Join(wanted[i:], "\n    "), strings.Join(have[i:], "\n    ")}
	}
	return nil
}

// firstDifference returns where two lists differ first; -1 when nowhere.
func firstDifference(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) != len(b) {
		return min(len(a), len(b))
	}
	return -1
}

// stored writes the endpoints and deliveries that Postgres has.
func (r *replay) stored(attempts bool) ([]string, error) {
	var have []string
	endpoints, err := r.store.Endpoints(r.ctx, tenant)
	if err != nil {
		return nil, err
	}
	for i := range endpoints {
		have = append(have, r.endpoint(&endpoints[i]))
	}
	deliveries, err := r.store.Deliveries(r.ctx, store.DeliveryQuery{Tenant: tenant, Limit: 1000})
	if err != nil {
		return nil, err
	}
	for i := range deliveries {
		view := store.DeliveryView{Delivery: deliveries[i]}
		if attempts {
			if view, err = r.store.Delivery(r.ctx, tenant, deliveries[i].ID); err != nil {
				return nil, err
			}
		}
		have = append(have, r.delivery(&view.Delivery, view.Attempts))
	}
	slices.Sort(have)
	return have, nil
}
