package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var isolationTests = []test{
	{"AnswersNotFoundForAnotherTenantsThings", answersNotFound},
	{"ListsOnlyTheTenantsOwn", listsOwn},
	{"RecordsNothingForAnotherTenant", recordsNothingForeign},
	{"GivesACallerNoHoldOnWhatIsStored", givesNoHold},
}

// answersNotFound tries every operation that names a tenant on another tenant's things.
func answersNotFound(t *testing.T, b *bundle) {
	e, key := b.endpoint(), b.key()
	n := b.event(e)
	d := b.store(n)[0]
	ended := b.succeed(b.to(e).ID)
	b.eventType("order.paid")
	whole := b.whole("schema")
	job := b.start(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 1)
	e, d, ended = b.stored(e.ID), b.view(d.ID).Delivery, b.view(ended.ID).Delivery
	stranger := b.newTenant()
	for name, try := range map[string]func() error{
		"event":     func() error { _, err := b.Store.Event(b.ctx, stranger, n.Event.ID); return err },
		"endpoint":  func() error { _, err := b.Store.Endpoint(b.ctx, stranger, e.ID); return err },
		"secrets":   func() error { _, err := b.Store.Secrets(b.ctx, stranger, e.ID); return err },
		"delivery":  func() error { _, err := b.Store.Delivery(b.ctx, stranger, d.ID); return err },
		"cancel":    func() error { return b.Store.CancelDelivery(b.ctx, stranger, d.ID) },
		"retry now": func() error { _, err := b.Store.RetryNow(b.ctx, stranger, d.ID, b.ids); return err },
		"replay":    func() error { _, err := b.Store.RetryNow(b.ctx, stranger, ended.ID, b.ids); return err },
		"revoke":    func() error { return b.Store.RevokeKey(b.ctx, stranger, key.ID) },
		"key":       func() error { _, err := b.Store.Key(b.ctx, stranger, key.ID); return err },
		"secret":    func() error { return b.Store.AddSecret(b.ctx, stranger, b.secret(e.ID), 0) },
		"update":    func() error { e := e; e.Tenant = stranger; return b.Store.UpdateEndpoint(b.ctx, e) },
		"health":    func() error { _, err := b.Store.Health(b.ctx, stranger, e.ID); return err },
		"job":       func() error { _, err := b.Store.Job(b.ctx, stranger, job.ID); return err },
		"job state": func() error {
			_, err := b.Store.SetJobState(b.ctx, stranger, job.ID, store.JobCancelled)
			return err
		},
		"replay of a range": func() error {
			_, err := b.Store.StartJob(b.ctx, b.as(stranger).jobOf(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 0))
			return err
		},
		"erase":   func() error { _, err := b.Store.ErasePayload(b.ctx, stranger, n.Event.ID); return err },
		"redrive": func() error { return b.Store.Redrive(b.ctx, stranger, whole.ID) },
		"type":    func() error { _, err := b.Store.EventType(b.ctx, stranger, "order.paid"); return err },
		"no type": func() error { return b.Store.DeleteEventType(b.ctx, stranger, "order.paid") },
		"retype": func() error {
			return b.Store.UpdateEventType(b.ctx, store.EventType{Tenant: stranger, Name: "order.paid", Version: 1})
		},
		"test": func() error {
			test := b.testOf(e.ID)
			test.Event.Tenant = stranger
			_, err := b.Store.SendTest(b.ctx, test)
			return err
		},
		"status on a version": func() error {
			return b.Store.ChangeEndpointStatus(b.ctx, store.StatusChange{
				Tenant: stranger, Endpoint: e.ID, Version: e.Version, Status: webhook.EndpointDeleted,
			})
		},
		"status": func() error {
			return b.Store.SetEndpointStatus(b.ctx, stranger, e.ID, webhook.EndpointDeleted, "")
		},
	} {
		require.ErrorIs(t, try(), store.ErrNotFound, name)
	}
	require.Equal(t, e, b.stored(e.ID))
	require.Equal(t, d, b.view(d.ID).Delivery)
	require.Equal(t, ended, b.view(ended.ID).Delivery)
	require.Equal(t, job, b.job(job.ID))
	require.Len(t, b.secretIDs(e.ID), 1)
	_, err := b.Store.Authenticate(b.ctx, key.Hash)
	require.NoError(t, err)
	require.Empty(t, allDeliveries(t, b.Store, stranger))
}

func listsOwn(t *testing.T, b *bundle) {
	e := b.endpoint()
	n := b.event(e)
	b.store(n)
	b.reject(b.rejected(b.tenant), 10)
	other := b.as(b.newTenant())
	own := other.to(other.endpoint())
	for _, q := range []store.DeliveryQuery{{Event: n.Event.ID}, {Endpoint: e.ID}} {
		q.Tenant, q.Limit = other.tenant, 10
		list, err := b.Store.Deliveries(b.ctx, q)
		require.NoError(t, err)
		require.Empty(t, list)
	}
	require.Equal(t, []webhook.Delivery{own}, allDeliveries(t, b.Store, other.tenant))
	require.Empty(t, b.allRejected(other.tenant))
	require.Empty(t, b.allRejected(""))
}

func recordsNothingForeign(t *testing.T, b *bundle) {
	w := b.begin(b.to(b.endpoint()).ID)
	forged := success(w)
	forged.Attempt.Tenant = b.newTenant()
	require.Equal(t, store.Recorded{}, b.record(forged))
	require.Equal(t, w.Delivery, b.view(w.Delivery.ID).Delivery)
	require.Empty(t, b.view(w.Delivery.ID).Attempts)
}

// givesNoHold changes what went in and what came out, and finds what is stored as it was.
func givesNoHold(t *testing.T, b *bundle) {
	e := webhook.Endpoint{
		ID: b.id(), Tenant: b.tenant, URL: "https://receiver.example", Format: webhook.FormatBinary,
		Types: []string{"a"}, Headers: map[string]string{"A": "b"}, Schedule: []time.Duration{0, time.Second},
	}
	secret := b.secret(e.ID)
	secret.Key = []byte("a key that nobody may change....")
	require.NoError(t, b.Store.CreateEndpoint(b.ctx, e, []webhook.Secret{secret}))
	n := b.event(e)
	n.Event.Extensions, n.Event.Data = map[string]any{"a": "b"}, []byte("data")
	d := b.store(n)[0]
	n.Event.Extensions["a"], n.Event.Data[0] = "c", 'X'
	e.Types[0], e.Headers["A"], e.Schedule[0], secret.Key[0] = "c", "c", 9, 'X'

	w := b.begin(d.ID)
	r := success(w)
	b.record(r)
	r.Attempt.ResponseBody[0], r.Attempt.ResponseHeaders["Content-Type"] = 'X', "c"
	spoil := func(event *webhook.Event, e *webhook.Endpoint) {
		event.Extensions["a"], event.Data[0] = "c", 'X'
		e.Types[0], e.Headers["A"], e.Schedule[0] = "c", "c", 9
	}
	spoil(w.Event, &w.Target.Endpoint)
	w.Target.Secrets[0].Key[0] = 'X'
	for range 2 {
		v, got := b.view(d.ID), b.stored(e.ID)
		require.Equal(t, map[string]any{"a": "b"}, v.Event.Extensions)
		require.Equal(t, []byte("data"), v.Event.Data)
		require.Equal(t, []string{"a"}, got.Types)
		require.Equal(t, map[string]string{"A": "b"}, got.Headers)
		require.Equal(t, []time.Duration{0, time.Second}, got.Schedule)
		require.Equal(t, []byte("the answer\x00"), v.Attempts[0].ResponseBody)
		require.Equal(t, "text/plain", v.Attempts[0].ResponseHeaders["Content-Type"])
		spoil(&v.Event, &got)
		v.Attempts[0].ResponseBody[0] = 'X'
		secrets, err := b.Store.Secrets(b.ctx, b.tenant, e.ID)
		require.NoError(t, err)
		require.Equal(t, []byte("a key that nobody may change...."), secrets[0].Key)
		secrets[0].Key[0] = 'X'
	}
}
