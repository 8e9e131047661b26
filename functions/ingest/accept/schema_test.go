package accept_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/functions/ingest/accept"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/memory"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// holdTo gives the event type t a schema.
func (b *bundle) holdTo(t *testing.T, policy webhook.SchemaPolicy) {
	t.Helper()
	require.NoError(t, b.store.CreateEventType(t.Context(), store.EventType{
		Tenant: "acme", Name: "t", Policy: policy,
		Schema: []byte(`{"required": ["a"], "properties": {"a": {"type": "integer"}, "b": {"enum": [1]}}}`),
	}))
}

func (b *bundle) events(t *testing.T) []webhook.Event {
	t.Helper()
	list, err := b.store.Events(t.Context(), store.EventQuery{Tenant: "acme", Limit: 100})
	require.NoError(t, err)
	return list
}

func TestSchemas(t *testing.T) {
	t.Parallel()

	t.Run("WhatDoesNotSatisfyIsRefusedByPlaceAndNotByValue", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.endpoint(t)
		b.holdTo(t, webhook.SchemaReject)
		got := b.post(t, request(`{"a": "hunter2", "b": "hunter2"}`, "", ""))
		require.Equal(t, http.StatusUnprocessableEntity, got.status)
		require.ElementsMatch(t, []any{
			map[string]any{"field": "[0].data/a", "detail": "must be integer"},
			map[string]any{"field": "[0].data/b", "detail": "does not satisfy enum"},
		}, got.body["errors"])
		require.NotContains(t, got.body["detail"], "hunter2")
		require.Empty(t, b.events(t))
		require.Equal(t, http.StatusAccepted, b.post(t, request(`{"a": 1}`, "", "")).status)
		other := request(`"any"`, "Ce-Type", "other")
		other.Header.Set("Ce-Id", "2")
		require.Equal(t, http.StatusAccepted, b.post(t, other).status)
		require.Empty(t, b.events(t)[0].SchemaError)
	})

	t.Run("OneOfABatchRefusesItAsAWhole", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.holdTo(t, webhook.SchemaReject)
		body := `[{"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"a": 1}},
			{"specversion": "1.0", "id": "2", "source": "/s", "type": "t", "data": {}}]`
		r := httptest.NewRequest(http.MethodPost, "/v1/events", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/cloudevents-batch+json")
		got := b.post(t, r)
		require.Equal(t, http.StatusUnprocessableEntity, got.status)
		require.Equal(t, []any{map[string]any{"field": "[1].data", "detail": "lacks a"}}, got.body["errors"])
		require.Empty(t, b.events(t))
	})

	t.Run("OrIsKeptWithAMark", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.endpoint(t)
		b.holdTo(t, webhook.SchemaFlag)
		require.Equal(t, http.StatusAccepted, b.post(t, request(`{"a": "hunter2"}`, "", "")).status)
		require.Equal(t, "/a: must be integer", b.events(t)[0].SchemaError)
		require.Len(t, b.deliveries(t), 1)
	})

	t.Run("AChangeTakesEffectWithTheNextEvent", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		post := func(id string) int { return b.post(t, request(`{}`, "Ce-Id", id)).status }
		require.Equal(t, http.StatusAccepted, post("1"))
		b.holdTo(t, "")
		require.Equal(t, http.StatusAccepted, post("2"), "the tenant's policy is off")
		tenant, err := b.store.Tenant(t.Context(), "acme")
		require.NoError(t, err)
		tenant.SchemaPolicy = webhook.SchemaReject
		require.NoError(t, b.store.UpdateTenant(t.Context(), tenant))
		require.Equal(t, http.StatusUnprocessableEntity, post("3"))
		require.NoError(t, b.store.UpdateEventType(t.Context(), store.EventType{
			Tenant: "acme", Name: "t", Version: 1, Policy: webhook.SchemaFlag, Schema: []byte(`{"maxProperties": 0}`),
		}))
		require.Equal(t, http.StatusAccepted, post("4"))
		require.Empty(t, b.events(t)[0].SchemaError)
		require.NoError(t, b.store.DeleteEventType(t.Context(), "acme", "t"))
		require.Equal(t, http.StatusAccepted, post("5"))
	})

	t.Run("AMarkGoesWithTheSchemaThatMadeIt", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.holdTo(t, webhook.SchemaFlag)
		require.Equal(t, http.StatusAccepted, b.post(t, request(`{"a": 1}`, "", "")).status)
		b.onAccept(func() { // the schema goes between match and write
			require.NoError(t, b.store.DeleteEventType(context.Background(), "acme", "t"))
		})
		require.Equal(t, http.StatusAccepted, b.post(t, request(`{}`, "Ce-Id", "2")).status)
		require.Empty(t, b.events(t)[0].SchemaError)
	})

	t.Run("ABrokeredOneIsKeptWithTheReason", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.holdTo(t, webhook.SchemaReject)
		require.Equal(t, http.StatusAccepted, post(face(b, nil), request(`{"a": "hunter2"}`, "Ce-Tenant", "acme")))
		kept := b.onlyRejected(t, "acme")
		require.Equal(t, "schema", kept.Reason)
		require.Contains(t, kept.Detail, "data/a: must be integer")
		require.NotContains(t, kept.Detail, "hunter2")
		require.True(t, kept.Whole)
	})
}

// onAccept calls f once, before the next write.
func (b *bundle) onAccept(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hook = func(op string, phase memory.Phase) error {
		if op != "accept" || phase != memory.Before {
			return nil
		}
		b.mu.Lock()
		b.hook = nil
		b.mu.Unlock()
		f()
		return nil
	}
}

// redrive lets something rejected be taken again, and takes it.
func (b *bundle) redrive(t *testing.T, r store.Rejected) {
	t.Helper()
	require.NoError(t, b.store.Redrive(t.Context(), r.Tenant, r.ID))
	taken, err := face(b, nil).Redrive(t.Context(), b.store, 10)
	require.NoError(t, err)
	require.Equal(t, 1, taken)
}

func (b *bundle) rejectedOf(t *testing.T, r store.Rejected) store.Rejected {
	t.Helper()
	got, err := b.store.Rejected(t.Context(), r.Tenant, r.ID)
	require.NoError(t, err)
	return got
}

func TestRedrive(t *testing.T) {
	t.Parallel()

	t.Run("WhatWasMendedBecomesAnEvent", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.holdTo(t, webhook.SchemaReject)
		b.endpoint(t)
		subject := strings.Repeat("s", 1000)
		r := request(`{}`, "Ce-Tenant", "acme")
		r.Header.Set("Ce-Subject", subject)
		require.Equal(t, http.StatusAccepted, post(face(b, nil), r))
		rejected := b.onlyRejected(t, "acme")
		b.redrive(t, rejected)
		still := b.rejectedOf(t, rejected)
		require.Equal(t, "schema", still.Reason)
		require.True(t, still.Event.IsZero())
		require.Empty(t, b.events(t))

		require.NoError(t, b.store.DeleteEventType(t.Context(), "acme", "t"))
		b.redrive(t, rejected)
		events := b.events(t)
		require.Len(t, events, 1)
		require.Equal(t, events[0].ID, b.rejectedOf(t, rejected).Event)
		require.Equal(t, subject, events[0].Subject, "whole, as it came")
		require.Len(t, b.hints(), 1)
	})

	t.Run("ACrashAfterItWasAcceptedMakesNoSecondEvent", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.holdTo(t, webhook.SchemaReject)
		require.Equal(t, http.StatusAccepted, post(face(b, nil), request(`{}`, "Ce-Tenant", "acme")))
		rejected := b.onlyRejected(t, "acme")
		require.NoError(t, b.store.DeleteEventType(t.Context(), "acme", "t"))
		require.NoError(t, b.store.Redrive(t.Context(), "acme", rejected.ID))
		crash := errors.New("crash")
		b.setHook(func(op string, _ memory.Phase) error {
			if op == "redriven" {
				return crash
			}
			return nil
		})
		taken, err := face(b, nil).Redrive(t.Context(), b.store, 10)
		require.ErrorIs(t, err, crash)
		require.Zero(t, taken)
		b.setHook(nil)
		taken, err = face(b, nil).Redrive(t.Context(), b.store, 10)
		require.NoError(t, err)
		require.Equal(t, 1, taken)
		require.Len(t, b.events(t), 1)
		require.Equal(t, b.events(t)[0].ID, b.rejectedOf(t, rejected).Event)
	})

	t.Run("WhatIsUnavailableGoesOnWaiting", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.holdTo(t, webhook.SchemaReject)
		require.Equal(t, http.StatusAccepted, post(face(b, nil), request(`{}`, "Ce-Tenant", "acme")))
		rejected := b.onlyRejected(t, "acme")
		require.NoError(t, b.store.DeleteEventType(t.Context(), "acme", "t"))
		require.NoError(t, b.store.Redrive(t.Context(), "acme", rejected.ID))
		b.setHook(func(op string, _ memory.Phase) error {
			if op == "accept" {
				return store.ErrUnavailable
			}
			return nil
		})
		_, err := face(b, nil).Redrive(t.Context(), b.store, 10)
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.False(t, b.rejectedOf(t, rejected).RedriveAt.IsZero())
	})

	t.Run("ATenantsCanBecomeNobodyElses", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.NoError(t, b.store.CreateTenant(t.Context(), "gone"))
		r := store.Rejected{
			ID: b.keyID, Tenant: "acme", Reason: "schema", Whole: true, Body: []byte(`{}`),
			Headers: map[string]string{
				"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-tenant": "gone",
			},
		}
		_, err := b.store.Reject(t.Context(), r, 10)
		require.NoError(t, err)
		b.redrive(t, r)
		require.Equal(t, "tenant", b.rejectedOf(t, r).Reason)
	})

	t.Run("WhatWasCutIsNotTakenAgain", func(t *testing.T) {
		t.Parallel()
		for name, change := range map[string]func(*http.Request){
			"TooLarge": func(r *http.Request) {
				r.Body = http.NoBody
				*r = *request(strings.Repeat("x", 3000), "Ce-Tenant", "acme")
			},
			"LongHeader":  func(r *http.Request) { r.Header.Set("Ce-Subject", strings.Repeat("s", 9000)) },
			"CleanHeader": func(r *http.Request) { r.Header.Set("Ce-Subject", "a%00b\x00c") },
		} {
			b := setup(t)
			r := request(`{}`, "Ce-Tenant", "acme")
			change(r)
			require.Equal(t, http.StatusAccepted, post(face(b, nil), r), name)
			rejected := b.onlyRejected(t, "acme")
			require.False(t, rejected.Whole, name)
			require.ErrorIs(t, b.store.Redrive(t.Context(), "acme", rejected.ID), store.ErrConflict, name)
		}
	})
}

// FuzzSchemaOnAccept holds that no data make accepting panic, and that a refusal is always one of data.
func FuzzSchemaOnAccept(f *testing.F) {
	f.Add(`{"a": 1}`)
	f.Add(`{"a": 1e9999999}`)
	f.Add("\xff\x00")
	f.Fuzz(func(t *testing.T, data string) {
		b := setup(t)
		b.holdTo(t, webhook.SchemaReject)
		_, err := b.accepter.Accept(t.Context(), []webhook.Event{
			{Tenant: "acme", Source: "/s", CEID: "1", Type: "t", Data: []byte(data)},
		}, nil)
		if err != nil {
			require.ErrorIs(t, err, accept.ErrSchema)
		}
	})
}
