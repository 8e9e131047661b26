package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// as opens the store again in a role.
func (b *bundle) as(role string) *bundle {
	b.tb.Helper()
	other := *b
	other.Store = b.open(func(o *Options) { o.Role = role })
	return &other
}

// TestRolesCanDoTheirOwn walks a delivery through all functions, each in its own role.
func TestRolesCanDoTheirOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ingest, deliver := b.as("homing_ingest"), b.as("homing_deliver")
	retry, manage := b.as("homing_retry"), b.as("homing_manage")
	for _, s := range []*bundle{ingest, deliver, retry, manage} {
		require.NoError(t, s.ProbeWrite(b.ctx))
		version, err := s.SchemaVersion(b.ctx)
		require.NoError(t, err)
		require.Equal(t, SchemaVersion(), version)
	}
	require.NoError(t, manage.CreateTenant(b.ctx, "other"))
	key := store.APIKey{ID: b.ids.New(time.Now()), Tenant: b.tenant, Hash: [32]byte{1}}
	require.NoError(t, manage.CreateKey(b.ctx, key))
	e := manage.endpoint()

	_, err := ingest.Authenticate(b.ctx, key.Hash)
	require.NoError(t, err)
	items := ingest.many(4, e)
	kept, err := ingest.Reject(b.ctx, store.Rejected{ID: b.ids.New(time.Now()), Tenant: b.tenant}, 5)
	require.NoError(t, err)
	require.True(t, kept)

	claims := deliver.claim(store.ClaimRequest{Items: items[:2], Pulls: []store.Pull{{Endpoint: e.ID, Limit: 1}}})
	require.Len(t, claims.Work, 3)
	_, err = deliver.Event(b.ctx, b.tenant, claims.Work[0].Delivery.Event)
	require.NoError(t, err)
	throttled, gone := failure(claims.Work[1], time.Hour), success(claims.Work[2])
	throttled.ThrottleFor = time.Second
	gone.Next, gone.Reason, gone.DisableVersion = webhook.StateExhausted, webhook.ReasonGone, claims.Work[2].Target.Version
	recorded, err := deliver.Record(b.ctx, []store.Result{success(claims.Work[0]), throttled, gone})
	require.NoError(t, err)
	require.True(t, recorded[2].Disabled)

	b.exec("UPDATE deliveries SET wake_at = now() - interval '1 min' WHERE wake_at IS NOT NULL")
	found, err := retry.Reconcile(b.ctx, store.ReconcileRequest{Limit: 10, PerEndpoint: 5, EndLeases: true})
	require.NoError(t, err)
	require.NotEmpty(t, found.Counts)
	_, err = retry.Housekeep(b.ctx, store.Retention{
		Events: 90 * 24 * time.Hour, Attempts: 30 * 24 * time.Hour, Rejected: time.Hour, Ahead: 40 * 24 * time.Hour,
	})
	require.NoError(t, err)
	_, err = retry.Stats(b.ctx)
	require.NoError(t, err)
	done, err := retry.Tally(b.ctx, store.TallyRequest{Spans: 1000, Failing: webhook.FailingRule{
		Window: time.Hour, Attempts: 1, Below: 101, // all of them
	}})
	require.NoError(t, err)
	require.False(t, done.More)
	notices, err := retry.Untold(b.ctx, 10)
	require.NoError(t, err)
	require.Len(t, notices, 3, "exhausted, disabled and failing")
	told, err := retry.Tell(b.ctx, []webhook.ID{notices[0].ID, notices[1].ID, notices[2].ID}, nil)
	require.NoError(t, err)
	require.Empty(t, told)
	_, err = manage.Health(b.ctx, b.tenant, e.ID)
	require.NoError(t, err)
	tallies, err := manage.Tallies(b.ctx, store.TallyQuery{
		Tenant: b.tenant, From: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour),
	})
	require.NoError(t, err)
	require.NotEmpty(t, tallies)
	_, err = manage.TalliedAt(b.ctx)
	require.NoError(t, err)
	parked := retry.many(1, e)

	_, err = manage.RetryNow(b.ctx, b.tenant, items[0].Delivery, b.ids)
	require.NoError(t, err)
	require.NoError(t, manage.CancelDelivery(b.ctx, b.tenant, parked[0].Delivery))
	_, err = manage.Delivery(b.ctx, b.tenant, items[0].Delivery)
	require.NoError(t, err)
	_, err = manage.Deliveries(b.ctx, store.DeliveryQuery{Tenant: b.tenant, Limit: 10})
	require.NoError(t, err)
	require.NoError(t, manage.SetEndpointStatus(b.ctx, b.tenant, e.ID, webhook.EndpointActive, ""))
	secret := webhook.Secret{ID: b.ids.New(time.Now()), Endpoint: e.ID, Kind: webhook.SecretHMAC, Key: make([]byte, 24)}
	require.NoError(t, manage.AddSecret(b.ctx, b.tenant, secret, time.Hour))
	require.NoError(t, manage.CreateEventType(b.ctx, store.EventType{
		Tenant: b.tenant, Name: "a", Schema: []byte(`{}`), Policy: webhook.SchemaFlag,
	}))
	require.NoError(t, manage.UpdateEventType(b.ctx, store.EventType{Tenant: b.tenant, Name: "a", Version: 1}))
	_, err = ingest.Subscriptions(b.ctx, b.tenant)
	require.NoError(t, err)
	require.NoError(t, manage.DeleteEventType(b.ctx, b.tenant, "a"))
	_, err = manage.PublicKeys(b.ctx, e.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = manage.TenantPublicKeys(b.ctx, b.tenant, 10)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = manage.HealthPage(b.ctx, b.tenant, []webhook.ID{e.ID}, time.Now())
	require.NoError(t, err)
	_, err = manage.DeliveriesByOutcome(b.ctx, store.DeliveryQuery{Tenant: b.tenant, Limit: 1}, webhook.OutcomeSuccess)
	require.NoError(t, err)
	tested := store.NewTest{
		Event:    webhook.Event{ID: b.ids.New(time.Now()), Tenant: b.tenant, Source: "/s", CEID: "test", Type: "t"},
		Endpoint: e.ID,
	}
	tested.Delivery = tested.Event.ID.Sibling()
	_, err = manage.SendTest(b.ctx, tested)
	require.NoError(t, err)
	_, err = manage.ErasePayload(b.ctx, b.tenant, tested.Event.ID)
	require.NoError(t, err)
	again := store.Rejected{ID: b.ids.New(time.Now()), Tenant: b.tenant, Whole: true}
	kept, err = ingest.Reject(b.ctx, again, 5)
	require.NoError(t, err)
	require.True(t, kept)
	require.NoError(t, manage.Redrive(b.ctx, b.tenant, again.ID))
	_, err = manage.RedriveAll(b.ctx, b.tenant, "", 5)
	require.NoError(t, err)
	waiting, err := retry.Redrives(b.ctx, 5)
	require.NoError(t, err)
	require.Len(t, waiting, 1)
	require.NoError(t, retry.Redriven(b.ctx, store.Redriven{Tenant: b.tenant, ID: again.ID, Event: tested.Event.ID}))
	_, err = manage.RejectedEvents(b.ctx, b.tenant, 5)
	require.NoError(t, err)
	require.NoError(t, manage.RevokeKey(b.ctx, b.tenant, key.ID))
}

// TestRoleOfManageCanDoItsOwn changes what the API changes, with notes, in the role of manage.
func TestRoleOfManageCanDoItsOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	manage := b.as("homing_manage")
	id := func() webhook.ID { return b.ids.New(time.Now()) }
	once := &store.Once{Owner: id(), Key: "a", Response: []byte("b")}
	ctx := store.WithNote(b.ctx, store.Note{Once: once, Audit: &store.AuditEntry{ID: id(), Actor: id(), Tenant: b.tenant}})
	require.NoError(t, manage.AddTenant(ctx, store.Tenant{ID: "other", Name: "Other"}))
	require.NoError(t, manage.UpdateTenant(b.ctx, store.Tenant{ID: "other", Name: "Another", Version: 1}))
	_, err := manage.TenantPage(b.ctx, "", 10)
	require.NoError(t, err)
	key := store.APIKey{ID: id(), Hash: [32]byte{1}, Scopes: []webhook.Scope{webhook.ScopeAdmin}}
	require.NoError(t, manage.CreateKey(b.ctx, key))
	_, err = manage.Authenticate(b.ctx, key.Hash)
	require.NoError(t, err)
	_, err = manage.KeyPage(b.ctx, "", webhook.ID{}, 10)
	require.NoError(t, err)
	require.NoError(t, manage.RevokeKey(b.ctx, "", key.ID))
	e := manage.endpoint()
	require.NoError(t, manage.UpdateEndpoint(b.ctx, e))
	_, err = manage.EndpointPage(b.ctx, store.EndpointQuery{Tenant: b.tenant, Limit: 10})
	require.NoError(t, err)
	_, err = manage.Answered(b.ctx, once.Owner, once.Key)
	require.NoError(t, err)
	list, err := manage.AuditLog(b.ctx, store.AuditQuery{Tenant: b.tenant, Limit: 10})
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.NoError(t, manage.DeleteTenant(b.ctx, "other"))
}

// TestRolesCanWorkOnJobs begins each kind of job in the role of manage, and does it in that of retry.
func TestRolesCanWorkOnJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	manage, retry := b.as("homing_manage"), b.as("homing_retry")
	e := manage.endpoint()
	b.many(3, e)
	b.exec("UPDATE deliveries SET state = 'exhausted', reason = 'schedule', wake_at = NULL")
	start := func(kind store.JobKind, spec store.JobSpec) store.Job {
		j, err := manage.StartJob(b.ctx, store.Job{ID: b.ids.New(time.Now()), Tenant: b.tenant, Kind: kind, Spec: spec})
		require.NoError(t, err)
		return j
	}
	do := func(want int) {
		run, err := retry.RunJob(b.ctx, b.ids)
		require.NoError(t, err)
		require.Equal(t, want, run.Changed)
		require.Equal(t, store.JobDone, run.Job.State)
	}
	spec := store.JobSpec{Endpoint: e.ID}
	preview, err := manage.PreviewReplay(b.ctx, b.tenant, spec)
	require.NoError(t, err)
	require.Equal(t, 3, preview.Matched)
	start(store.JobReplay, spec)
	do(3)
	missing := store.JobSpec{Endpoint: e.ID, Missing: true}
	_, err = manage.PreviewReplay(b.ctx, b.tenant, missing)
	require.NoError(t, err)
	j := start(store.JobReplay, missing)
	for _, s := range []store.JobState{store.JobPaused, store.JobRunning} {
		_, err = manage.SetJobState(b.ctx, b.tenant, j.ID, s)
		require.NoError(t, err)
	}
	do(0)
	require.NoError(t, manage.SetEndpointStatus(b.ctx, b.tenant, e.ID, webhook.EndpointPaused, ""))
	start(store.JobDropHeld, spec)
	do(3)
	_, err = manage.JobPage(b.ctx, store.JobQuery{Tenant: b.tenant, Limit: 10})
	require.NoError(t, err)
	_, err = retry.Housekeep(b.ctx, store.Retention{Events: time.Hour * 2000, Attempts: time.Hour * 2000})
	require.NoError(t, err)

	// It may erase what is being deleted and nothing else.
	for _, erase := range []string{
		"SELECT erase_deliveries('acme', NULL, 1, 1)", "SELECT erase_events('acme', NULL, 1, 1)",
		"SELECT erase_rest('acme', 1)",
	} {
		_, err = retry.pool.Exec(b.ctx, erase)
		require.True(t, hasCode(err, "22023"), "%s: %v", erase, err)
	}
}

func TestRolesCannotDoWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for role, statements := range map[string][]string{
		"homing_ingest": {
			"SELECT sealed FROM endpoint_secrets", "SELECT headers FROM endpoints", "SELECT data FROM events",
			"UPDATE deliveries SET state = 'succeeded'", "DELETE FROM event_keys", "INSERT INTO tenants (id) VALUES ('x')",
			"UPDATE tenants SET config_version = 1", "SELECT drop_partition('events', now() - interval '30 days')",
			"SELECT outcome FROM attempts", "UPDATE api_keys SET scopes = '{admin}'", "SELECT before FROM audit_log",
			"SELECT description FROM event_types", "UPDATE event_types SET schema = NULL", "SELECT body FROM rejected_events",
			"SELECT erase_payload('x', gen_random_uuid())", "UPDATE rejected_events SET body = NULL",
			"INSERT INTO audit_log (id) VALUES (gen_random_uuid())", "SELECT response FROM idempotency_keys",
			"SELECT id FROM jobs", "SELECT erase_deliveries('acme', NULL, 1, 1)",
		},
		"homing_deliver": {
			"INSERT INTO events SELECT * FROM events", "INSERT INTO deliveries SELECT * FROM deliveries",
			"DELETE FROM deliveries", "DELETE FROM attempts", "UPDATE endpoints SET url = 'https://evil.example'",
			"UPDATE endpoint_secrets SET sealed = ''", "SELECT hash FROM api_keys", "UPDATE events SET data = NULL",
			"SELECT schema FROM event_types", "SELECT erase_payload('x', gen_random_uuid())",
			"SELECT make_partitions(now(), now())", "UPDATE deliveries SET endpoint_id = event_id",
			"SELECT at FROM audit_log", "SELECT owner FROM idempotency_keys", "UPDATE api_keys SET last_used_at = now()",
			"SELECT id FROM jobs", "SELECT erase_events('acme', NULL, 1, 1)",
			"SELECT kind FROM notices", "DELETE FROM notices", "SELECT at FROM tallies",
		},
		"homing_retry": {
			"SELECT sealed FROM endpoint_secrets", "SELECT headers FROM endpoints", "SELECT data FROM events",
			"DELETE FROM deliveries", "DELETE FROM events", "UPDATE endpoints SET url = 'https://evil.example'",
			"UPDATE event_types SET schema = NULL", "SELECT erase_payload('x', gen_random_uuid())",
			"UPDATE rejected_events SET tenant = 'x'", "UPDATE api_keys SET scopes = '{admin}'",
			"DELETE FROM attempts", "DROP TABLE events", "SELECT response FROM idempotency_keys", "DELETE FROM audit_log",
			"DELETE FROM tenants", "DELETE FROM endpoints", "UPDATE tenants SET deleted_at = now()",
			"SELECT trace_parent FROM events",
			"INSERT INTO jobs SELECT * FROM jobs", "UPDATE jobs SET tenant = 'x'", "UPDATE jobs SET spec = '{}'",
			"SELECT require_deleted('acme')", "SELECT before FROM audit_log",
		},
		"homing_manage": {
			"DELETE FROM events", "DELETE FROM deliveries", "UPDATE events SET data = NULL", "DELETE FROM attempts",
			"SELECT drop_partition('events', now() - interval '30 days')", "SELECT grant_to_roles()",
			"UPDATE events SET type = 'x'", "UPDATE attempts SET response_body = NULL", "UPDATE rejected_events SET body = NULL",
			"SELECT erase_from_deliveries('x', gen_random_uuid(), gen_random_uuid(), gen_random_uuid())",
			"UPDATE attempts SET outcome = 'success'", "UPDATE audit_log SET after = NULL", "DELETE FROM audit_log",
			"DELETE FROM tallies", "UPDATE notices SET told_at = now()", "UPDATE tallied SET as_of = now()",
			"DELETE FROM idempotency_keys", "DELETE FROM tenants", "DELETE FROM api_keys", "TRUNCATE audit_log",
			"DELETE FROM jobs", "UPDATE jobs SET tenant = 'x'", "SELECT erase_rest('acme', 500)",
			"SELECT copy_events('{}', '{}', 'acme', now(), 1)",
		},
	} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			s := b.as(role)
			for _, statement := range statements {
				_, err := s.pool.Exec(context.Background(), statement)
				require.True(t, hasCode(err, codePrivilege), "%s: %v", statement, err)
			}
		})
	}
}
