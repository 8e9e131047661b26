package storetest

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var noteTests = []test{
	{"WritesTheNoteOfEveryChange", writesNotes},
	{"WritesNoNoteOfAChangeThatFails", writesNoNoteOnFailure},
	{"DoesOnceWhatIsAskedTwice", doesOnce},
	{"DoesOnceWhatIsAskedTwiceAtOnce", doesOnceConcurrently},
	{"ForgetsAnAnswerInTime", forgetsAnswer},
	{"SelectsFromTheAuditLog", selectsAudit},
}

// note makes a note with an answer and an entry for the audit log.
func (b *bundle) note() store.Note {
	return store.Note{
		Once: &store.Once{
			Owner: b.id(), Key: token(), Tenant: b.tenant, Request: [32]byte{1, 2}, Response: []byte("the answer\x00"),
		},
		Audit: &store.AuditEntry{
			ID: b.id(), Tenant: b.tenant, Actor: b.id(), ActorName: "ops", Action: "thing.change", Target: token(),
			Before: json.RawMessage(`{"a":1}`), After: json.RawMessage(`{"a":2}`),
		},
	}
}

// changes are all operations that write notes; each succeeds.
func (b *bundle) changes() map[string]func(context.Context) error {
	e := b.endpoint()
	tenant := b.tenantOf(b.newTenant())
	key, live, again := b.key(), b.to(e), b.to(e)
	rejected := b.rejected(b.tenant)
	b.reject(rejected, 10)
	job := b.start(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 1)
	b.eventType("noted")
	b.eventType("noted.too")
	waiting := b.whole("schema")
	return map[string]func(context.Context) error{
		"create tenant": func(ctx context.Context) error { return b.Store.CreateTenant(ctx, "t-"+token()) },
		"add tenant":    func(ctx context.Context) error { return b.Store.AddTenant(ctx, store.Tenant{ID: "t-" + token()}) },
		"update tenant": func(ctx context.Context) error { return b.Store.UpdateTenant(ctx, b.tenantOf(tenant.ID)) },
		"delete tenant": func(ctx context.Context) error { return b.Store.DeleteTenant(ctx, b.newTenant()) },
		"create key": func(ctx context.Context) error {
			k := store.APIKey{ID: b.id(), Tenant: b.tenant}
			copy(k.Hash[:], token())
			return b.Store.CreateKey(ctx, k)
		},
		"revoke key": func(ctx context.Context) error { return b.Store.RevokeKey(ctx, b.tenant, key.ID) },
		"create endpoint": func(ctx context.Context) error {
			return b.Store.CreateEndpoint(ctx, webhook.Endpoint{
				ID: b.id(), Tenant: b.tenant, URL: "https://receiver.example", Format: webhook.FormatBinary,
			}, nil)
		},
		"update endpoint": func(ctx context.Context) error { return b.Store.UpdateEndpoint(ctx, b.stored(e.ID)) },
		"set status": func(ctx context.Context) error {
			return b.Store.SetEndpointStatus(ctx, b.tenant, e.ID, webhook.EndpointActive, "")
		},
		"change status": func(ctx context.Context) error {
			return b.Store.ChangeEndpointStatus(ctx, store.StatusChange{
				Tenant: b.tenant, Endpoint: e.ID, Status: webhook.EndpointActive,
			})
		},
		"add secret": func(ctx context.Context) error { return b.Store.AddSecret(ctx, b.tenant, b.secret(e.ID), 0) },
		"retry now": func(ctx context.Context) error {
			_, err := b.Store.RetryNow(ctx, b.tenant, again.ID, b.ids)
			return err
		},
		"create event type": func(ctx context.Context) error {
			return b.Store.CreateEventType(ctx, store.EventType{Tenant: b.tenant, Name: "t-" + token()})
		},
		"update event type": func(ctx context.Context) error {
			return b.Store.UpdateEventType(ctx, store.EventType{Tenant: b.tenant, Name: "noted", Version: 1})
		},
		"delete event type": func(ctx context.Context) error {
			return b.Store.DeleteEventType(ctx, b.tenant, "noted.too")
		},
		"send test": func(ctx context.Context) error {
			_, err := b.Store.SendTest(ctx, b.testOf(e.ID))
			return err
		},
		"erase": func(ctx context.Context) error {
			_, err := b.Store.ErasePayload(ctx, b.tenant, b.to(e).Event)
			return err
		},
		"redrive": func(ctx context.Context) error { return b.Store.Redrive(ctx, b.tenant, waiting.ID) },
		"redrive all": func(ctx context.Context) error {
			_, err := b.Store.RedriveAll(ctx, b.tenant, "", 10)
			return err
		},
		"discard": func(ctx context.Context) error { return b.Store.DiscardRejected(ctx, b.tenant, rejected.ID) },
		"cancel":  func(ctx context.Context) error { return b.Store.CancelDelivery(ctx, b.tenant, live.ID) },
		"start job": func(ctx context.Context) error {
			_, err := b.Store.StartJob(ctx, b.jobOf(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 0))
			return err
		},
		"set job state": func(ctx context.Context) error {
			_, err := b.Store.SetJobState(ctx, b.tenant, job.ID, store.JobCancelled)
			return err
		},
	}
}

// audit lists the entries about a target.
func (b *bundle) audit(target string) []store.AuditEntry {
	list, err := b.Store.AuditLog(b.ctx, store.AuditQuery{Everyone: true, Target: target, Limit: 10})
	require.NoError(b.tb, err)
	return list
}

func writesNotes(t *testing.T, b *bundle) {
	for name, change := range b.changes() {
		n := b.note()
		in := b.during(func() { require.NoError(t, change(store.WithNote(b.ctx, n)), name) })
		got, err := b.Store.Answered(b.ctx, n.Once.Owner, n.Once.Key)
		require.NoError(t, err, name)
		require.Equal(t, *n.Once, got, name)
		list := b.audit(n.Audit.Target)
		require.Len(t, list, 1, name)
		in.requireAfter(t, 0, list[0].At)
		require.JSONEq(t, string(n.Audit.Before), string(list[0].Before), name)
		require.JSONEq(t, string(n.Audit.After), string(list[0].After), name)
		want := *n.Audit
		want.At, want.Before, want.After = list[0].At, list[0].Before, list[0].After
		require.Equal(t, want, list[0], name)
	}
}

func writesNoNoteOnFailure(t *testing.T, b *bundle) {
	ended := b.succeed(b.to(b.endpoint()).ID)
	stranger := b.newTenant()
	for name, fail := range map[string]func(context.Context) error{
		"exists":    func(ctx context.Context) error { return b.Store.CreateTenant(ctx, b.tenant) },
		"foreign":   func(ctx context.Context) error { return b.Store.RevokeKey(ctx, stranger, b.key().ID) },
		"cancelled": func(ctx context.Context) error { return b.Store.CancelDelivery(ctx, b.tenant, ended.ID) },
	} {
		n := b.note()
		require.Error(t, fail(store.WithNote(b.ctx, n)), name)
		_, err := b.Store.Answered(b.ctx, n.Once.Owner, n.Once.Key)
		require.ErrorIs(t, err, store.ErrNotFound, name)
		require.Empty(t, b.audit(n.Audit.Target), name)
	}
}

func doesOnce(t *testing.T, b *bundle) {
	n := b.note()
	require.NoError(t, b.Store.CreateTenant(store.WithNote(b.ctx, n), "t-"+token()))
	again := n
	other := *n.Once
	other.Response, other.Request = []byte("another"), [32]byte{9}
	again.Once = &other
	id := "t-" + token()
	require.ErrorIs(t, b.Store.CreateTenant(store.WithNote(b.ctx, again), id), store.ErrConflict)
	_, err := b.Store.Tenant(b.ctx, id)
	require.ErrorIs(t, err, store.ErrNotFound, "nothing was done")
	got, err := b.Store.Answered(b.ctx, n.Once.Owner, n.Once.Key)
	require.NoError(t, err)
	require.Equal(t, *n.Once, got, "and the first answer stands")

	// Another API key may use the same words.
	other.Owner = b.id()
	require.NoError(t, b.Store.CreateTenant(store.WithNote(b.ctx, store.Note{Once: &other}), id))
	_, err = b.Store.Answered(b.ctx, b.id(), other.Key)
	require.ErrorIs(t, err, store.ErrNotFound)
}

func doesOnceConcurrently(t *testing.T, b *bundle) {
	n := b.note()
	n.Audit = nil
	var group sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		group.Go(func() { errs[i] = b.Store.CreateTenant(store.WithNote(b.ctx, n), "t-"+token()) })
	}
	group.Wait()
	done := 0
	for _, err := range errs {
		if err == nil {
			done++
		} else {
			require.ErrorIs(t, err, store.ErrConflict)
		}
	}
	require.Equal(t, 1, done)
	ids, err := b.Store.Tenants(b.ctx)
	require.NoError(t, err)
	require.Len(t, ids, 2)
}

func forgetsAnswer(t *testing.T, b *bundle) {
	swept, replaced := b.note(), b.note()
	swept.Audit, replaced.Audit = nil, nil
	for _, n := range []store.Note{swept, replaced} {
		require.NoError(t, b.Store.CreateTenant(store.WithNote(b.ctx, n), "t-"+token()))
	}
	b.pass(store.OnceKept - time.Minute)
	require.ErrorIs(t, b.Store.CreateTenant(store.WithNote(b.ctx, swept), "t-"+token()), store.ErrConflict)
	b.pass(2 * time.Minute)
	_, err := b.Store.Answered(b.ctx, swept.Once.Owner, swept.Once.Key)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NoError(t, b.Store.CreateTenant(store.WithNote(b.ctx, replaced), "t-"+token()), "before it is swept up")
	_, err = b.Store.Housekeep(b.ctx, store.Retention{Rejected: time.Hour, Events: time.Hour, Attempts: time.Hour})
	require.NoError(t, err)
	_, err = b.Store.Answered(b.ctx, replaced.Once.Owner, replaced.Once.Key)
	require.NoError(t, err, "it is new")
}

func selectsAudit(t *testing.T, b *bundle) {
	write := func(tenant string) store.AuditEntry {
		n := b.note()
		n.Once, n.Audit.Tenant, n.Audit.Before = nil, tenant, nil
		require.NoError(t, b.Store.CreateTenant(store.WithNote(b.ctx, n), "t-"+token()))
		return *n.Audit
	}
	first, second, nobodys := write(b.tenant), write(b.tenant), write("")
	ids := func(q store.AuditQuery) (ids []webhook.ID) {
		list, err := b.Store.AuditLog(b.ctx, q)
		require.NoError(t, err)
		for _, a := range list {
			require.Nil(t, a.Before)
			ids = append(ids, a.ID)
		}
		return ids
	}
	require.Equal(t, []webhook.ID{second.ID, first.ID}, ids(store.AuditQuery{Tenant: b.tenant, Limit: 10}))
	require.Equal(t, []webhook.ID{second.ID}, ids(store.AuditQuery{Tenant: b.tenant, Limit: 1}))
	require.Equal(t, []webhook.ID{first.ID}, ids(store.AuditQuery{Tenant: b.tenant, Before: second.ID, Limit: 10}))
	require.Equal(t, []webhook.ID{nobodys.ID}, ids(store.AuditQuery{Limit: 10}))
	require.Equal(t, []webhook.ID{nobodys.ID, second.ID, first.ID}, ids(store.AuditQuery{Everyone: true, Limit: 10}))
	require.Empty(t, ids(store.AuditQuery{Tenant: b.tenant, Target: nobodys.Target, Limit: 10}))
	_, err := b.Store.AuditLog(b.ctx, store.AuditQuery{Tenant: b.tenant})
	require.ErrorIs(t, err, store.ErrInvalid)
}
