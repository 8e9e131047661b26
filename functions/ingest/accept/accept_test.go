package accept_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"

	"github.com/homing-hooks/homing/functions/ingest/accept"
	"github.com/homing-hooks/homing/pkg/brokersign"
	"github.com/homing-hooks/homing/pkg/server/openapitest"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/memory"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const apiKey = "hmk_test"

// bundle is ingest over the memory store, with one tenant, one key and what it hinted.
type bundle struct {
	store    *memory.Store
	accepter *accept.Accepter
	public   *accept.PublicFace
	keyID    webhook.ID
	log      *bytes.Buffer

	mu     sync.Mutex
	hinted []wire.Due
	hook   func(op string, phase memory.Phase) error
}

var ids webhook.IDSource

func setup(t *testing.T) *bundle { return setupWith(t, nil) }

// setupWith is setup with somebody who makes first attempts.
func setupWith(t *testing.T, sender accept.Sender) *bundle {
	t.Helper()
	b := &bundle{log: &bytes.Buffer{}}
	b.store = memory.New(memory.Options{Hook: func(op string, phase memory.Phase) error {
		b.mu.Lock()
		hook := b.hook
		b.mu.Unlock()
		if hook == nil {
			return nil
		}
		return hook(op, phase)
	}})
	b.accepter = accept.New(accept.Config{
		Store: b.store, Policy: webhook.DefaultPolicy(), Now: time.Now, Hint: b.hint, Sender: sender, RejectedPerDay: 3,
		Log: slog.New(slog.NewJSONHandler(b.log, nil)), Metrics: accept.NewMetrics(prometheus.NewRegistry()),
	})
	t.Cleanup(func() { require.NoError(t, b.accepter.Close(context.Background())) })
	b.public = accept.NewPublicFace(accept.PublicConfig{
		Accepter: b.accepter, Store: b.store, MaxBytes: 2000, MaxBatch: 5, Tracer: noop.NewTracerProvider().Tracer(""),
	})
	require.NoError(t, b.store.CreateTenant(t.Context(), "acme"))
	b.keyID = ids.New(time.Now())
	require.NoError(t, b.store.CreateKey(t.Context(), store.APIKey{
		ID: b.keyID, Tenant: "acme", Hash: sha256.Sum256([]byte(apiKey)),
	}))
	return b
}

func (b *bundle) hint(due ...wire.Due) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hinted = append(b.hinted, due...)
}

func (b *bundle) hints() []wire.Due {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hinted
}

// endpoint subscribes one to types.
func (b *bundle) endpoint(t *testing.T, types ...string) webhook.ID {
	t.Helper()
	e := webhook.Endpoint{
		ID: ids.New(time.Now()), Tenant: "acme", URL: "https://example.com", Format: webhook.FormatBinary, Types: types,
	}
	require.NoError(t, b.store.CreateEndpoint(t.Context(), e, nil))
	return e.ID
}

// answer is what the public face said.
type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (b *bundle) post(t *testing.T, r *http.Request) answer {
	t.Helper()
	if r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", "Bearer "+apiKey)
	}
	var sent bytes.Buffer
	r.Body = io.NopCloser(io.TeeReader(r.Body, &sent))
	w := httptest.NewRecorder()
	b.public.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header()}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a.body), w.Body.String())
	if r.Method == http.MethodPost {
		holdToDocument(t, openapitest.Exchange{
			Request: r, Sent: sent.Bytes(), Status: a.status, Header: a.header, Body: w.Body.Bytes(),
		})
	}
	return a
}

// theDocument is what producers know of ingest.
var theDocument = sync.OnceValues(func() (*openapitest.Document, error) {
	return openapitest.Load("../../../docs/api/openapi.json")
})

// holdToDocument requires an exchange to be as the document of the API says.
func holdToDocument(t *testing.T, x openapitest.Exchange) {
	t.Helper()
	document, err := theDocument()
	require.NoError(t, err)
	x.Operation = document.Operation(http.MethodPost, accept.EventsPath)
	require.NotNil(t, x.Operation)
	require.NoError(t, document.Hold(x))
}

func (b *bundle) deliveries(t *testing.T) []webhook.Delivery {
	t.Helper()
	d, err := b.store.Deliveries(t.Context(), store.DeliveryQuery{Tenant: "acme", Limit: 1000})
	require.NoError(t, err)
	return d
}

func TestPublicFace(t *testing.T) {
	t.Parallel()

	t.Run("StoresMatchesHintsAndAnswersWithItsOwnID", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		want := b.endpoint(t, "t")
		b.endpoint(t, "other")
		got := b.post(t, request(`{}`, "", ""))
		require.Equal(t, http.StatusAccepted, got.status)
		require.Equal(t, false, got.body["duplicate"])
		require.EqualValues(t, 1, got.body["deliveries"])
		stored := b.deliveries(t)
		require.Len(t, stored, 1)
		require.Equal(t, want, stored[0].Endpoint)
		require.Equal(t, got.body["id"], stored[0].Event.String())
		require.Len(t, b.hints(), 1)
		require.Equal(t, stored[0].ID, b.hints()[0].Delivery)
		require.Equal(t, want, b.hints()[0].Endpoint)
		require.Equal(t, stored[0].DueAt, b.hints()[0].Due)
	})

	t.Run("ADuplicateGetsTheFirstID", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.endpoint(t)
		first := b.post(t, request(`{}`, "", ""))
		second := b.post(t, request(`{"other": "payload"}`, "", ""))
		require.Equal(t, http.StatusOK, second.status)
		require.Equal(t, first.body["id"], second.body["id"])
		require.Equal(t, true, second.body["duplicate"])
		require.Len(t, b.deliveries(t), 1)
		require.Len(t, b.hints(), 1)
	})

	t.Run("ABatchIsAnsweredEventByEvent", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.endpoint(t)
		got := b.post(t, batchOf(t, "a", "b", "a"))
		require.Equal(t, http.StatusAccepted, got.status)
		events := got.body["events"].([]any)
		require.Len(t, events, 3)
		require.Equal(t, events[0].(map[string]any)["id"], events[2].(map[string]any)["id"])
		require.Equal(t, true, events[2].(map[string]any)["duplicate"])
		require.Len(t, b.deliveries(t), 2)
	})

	t.Run("AnEndpointCreatedBeforeIsMatchedWhateverWasCached", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for i := range 20 {
			b.endpoint(t)
			r := request(`{}`, "ce-id", fmt.Sprint("event-", i))
			require.EqualValues(t, i+1, b.post(t, r).body["deliveries"])
		}
	})

	t.Run("ARevokedKeyIsRefusedAtOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.Equal(t, http.StatusAccepted, b.post(t, request(`{}`, "", "")).status)
		require.NoError(t, b.store.RevokeKey(t.Context(), "acme", b.keyID))
		got := b.post(t, request(`{}`, "ce-id", "2"))
		require.Equal(t, http.StatusUnauthorized, got.status)
		require.Empty(t, b.deliveries(t))
	})

	t.Run("ARevokedKeyIsRefusedThoughOthersGoOnSending", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		const other = "hmk_other"
		require.NoError(t, b.store.CreateKey(t.Context(), store.APIKey{
			ID: ids.New(time.Now()), Tenant: "acme", Hash: sha256.Sum256([]byte(other)),
		}))
		require.Equal(t, http.StatusAccepted, b.post(t, request(`{}`, "", "")).status)
		require.NoError(t, b.store.RevokeKey(t.Context(), "acme", b.keyID))
		// It makes the process read the tenant's configuration anew, so nothing is stale any more.
		after := request(`{}`, "Authorization", "Bearer "+other)
		after.Header.Set("Ce-Id", "2")
		require.Equal(t, http.StatusAccepted, b.post(t, after).status)
		require.Equal(t, http.StatusUnauthorized, b.post(t, request(`{}`, "ce-id", "3")).status)
	})

	t.Run("OneTenantsSlowRequestsShutNobodyOut", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		const other = "hmk_other"
		require.NoError(t, b.store.CreateTenant(t.Context(), "other"))
		require.NoError(t, b.store.CreateKey(t.Context(), store.APIKey{
			ID: ids.New(time.Now()), Tenant: "other", Hash: sha256.Sum256([]byte(other)),
		}))
		b.public = accept.NewPublicFace(accept.PublicConfig{
			Accepter: b.accepter, Store: b.store, MaxBytes: 2000, MaxRequests: 4, Tracer: noop.NewTracerProvider().Tracer(""),
		})
		var slow sync.WaitGroup
		var bodies []*io.PipeWriter
		for i := range 2 {
			body, write := io.Pipe()
			bodies = append(bodies, write)
			r := request(``, "ce-id", fmt.Sprint("slow-", i))
			r.Body = body
			slow.Go(func() {
				if got := b.post(t, r).status; got != http.StatusAccepted {
					t.Errorf("a slow request: %d", got)
				}
			})
			_, err := write.Write([]byte(`{`)) // returns when the face reads it
			require.NoError(t, err)
		}
		got := b.post(t, request(`{}`, "ce-id", "one-more"))
		require.Equal(t, http.StatusTooManyRequests, got.status, "half of the places is all that a tenant gets")
		require.NotEmpty(t, got.header.Get("Retry-After"))
		require.Equal(t, http.StatusAccepted, b.post(t, request(`{}`, "Authorization", "Bearer "+other)).status)
		for _, write := range bodies {
			_, err := write.Write([]byte(`}`))
			require.NoError(t, err)
			require.NoError(t, write.Close())
		}
		slow.Wait()
		require.Equal(t, http.StatusAccepted, b.post(t, request(`{}`, "ce-id", "one-more")).status)
	})

	t.Run("AKeyThatWasKnownEndsAtItsDate", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		const short = "hmk_short"
		require.NoError(t, b.store.CreateKey(t.Context(), store.APIKey{
			ID: ids.New(time.Now()), Tenant: "acme", Hash: sha256.Sum256([]byte(short)),
			ExpiresAt: time.Now().Add(100 * time.Millisecond),
		}))
		require.Eventually(t, func() bool {
			return b.post(t, request(`{}`, "Authorization", "Bearer "+short)).status == http.StatusUnauthorized
		}, 10*time.Second, time.Millisecond)
	})

	t.Run("AKeyNeedsTheScope", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.endpoint(t)
		for name, c := range map[string]struct {
			tenant string
			scopes []webhook.Scope
			want   int
		}{ // what an operator's key needs is in TestAnOperatorSendsForATenantByName
			"admin":        {"acme", []webhook.Scope{webhook.ScopeAdmin}, http.StatusAccepted},
			"its scope":    {"acme", []webhook.Scope{webhook.ScopeEventsWrite}, http.StatusAccepted},
			"other scopes": {"acme", webhook.TenantScopes()[1:], http.StatusForbidden},
			"none":         {"acme", []webhook.Scope{}, http.StatusForbidden},
		} {
			key := "hmk_" + strings.ReplaceAll(name, " ", "")
			require.NoError(t, b.store.CreateKey(t.Context(), store.APIKey{
				ID: ids.New(time.Now()), Tenant: c.tenant, Hash: sha256.Sum256([]byte(key)), Scopes: c.scopes,
			}))
			for range 2 { // known or not
				r := request(`{}`, "Authorization", "Bearer "+key)
				r.Header.Set("Ce-Id", name)
				got := b.post(t, r)
				if c.want == http.StatusAccepted {
					require.Less(t, got.status, 300, name)
					continue
				}
				require.Equal(t, c.want, got.status, name)
				require.Contains(t, got.body["detail"], "events:write", name)
			}
		}
		require.Len(t, b.deliveries(t), 2)
	})

	t.Run("WhileTheStoreIsAwayItSaysSoAndTheRepeatIsStoredOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.endpoint(t)
		b.store.SetUnavailable(true)
		got := b.post(t, request(`{}`, "", ""))
		require.Equal(t, http.StatusServiceUnavailable, got.status)
		require.NotEmpty(t, got.header.Get("Retry-After"))
		b.store.SetUnavailable(false)
		require.Equal(t, http.StatusAccepted, b.post(t, request(`{}`, "", "")).status)
		require.Len(t, b.deliveries(t), 1)
	})

	t.Run("ALostAnswerOfTheStoreIsNoAcceptance", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.endpoint(t)
		b.setHook(func(op string, phase memory.Phase) error {
			if op == "accept" && phase == memory.After {
				return store.ErrUnavailable
			}
			return nil
		})
		require.Equal(t, http.StatusServiceUnavailable, b.post(t, request(`{}`, "", "")).status)
		b.setHook(nil)
		got := b.post(t, request(`{}`, "", ""))
		require.Equal(t, http.StatusOK, got.status, "it was stored all the same, and says so now")
		require.Equal(t, true, got.body["duplicate"])
		require.Len(t, b.deliveries(t), 1)
	})

	for name, tc := range map[string]struct {
		request func(t *testing.T) *http.Request
		status  int
		says    string
	}{
		"NoKey": {
			func(*testing.T) *http.Request { return request(`{}`, "Authorization", "Basic x") }, 401, "homing key create",
		},
		"WrongKey": {func(*testing.T) *http.Request { return request(`{}`, "Authorization", "Bearer x") }, 401, "API key"},
		"TooLarge": {
			func(*testing.T) *http.Request { return request(strings.Repeat("x", 3000), "", "") }, 413, "2000 bytes",
		},
		"NotEvents":  {func(*testing.T) *http.Request { return request(`{}`, "ce-specversion", " ") }, 400, "specversion"},
		"Invalid":    {func(*testing.T) *http.Request { return request(`{}`, "ce-subject", "a%00b") }, 422, "subject"},
		"LargeBatch": {func(t *testing.T) *http.Request { return batchOf(t, "1", "2", "3", "4", "5", "6") }, 413, "5 events"},
		"BadInBatch": {func(t *testing.T) *http.Request { return batchOf(t, "1", "") }, 422, "event 1: id"},
		"Method": {
			func(*testing.T) *http.Request { return httptest.NewRequest(http.MethodGet, "/v1/events", nil) }, 405, "POST",
		},
		"PlainJSON": {func(*testing.T) *http.Request {
			r := httptest.NewRequest(http.MethodPost, "/v1/events", strings.NewReader(`{}`))
			r.Header.Set("Content-Type", "application/json")
			return r
		}, 415, "ce-specversion"},
	} {
		t.Run("Refuses"+name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.endpoint(t)
			got := b.post(t, tc.request(t))
			require.Equal(t, tc.status, got.status, got.body)
			require.Equal(t, "application/problem+json", got.header.Get("Content-Type"))
			require.Contains(t, got.body["detail"], tc.says)
			require.Empty(t, b.deliveries(t), "nothing of it is stored")
		})
	}

	t.Run("ManyAtOnceAreEachStoredOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.endpoint(t)
		const producers, events = 16, 40
		var wg sync.WaitGroup
		answers := make(chan answer, producers*events)
		for range producers {
			wg.Go(func() {
				for i := range events {
					answers <- b.post(t, request(`{}`, "ce-id", fmt.Sprint("event-", i)))
				}
			})
		}
		wg.Wait()
		close(answers)
		first := map[any]bool{}
		for a := range answers {
			require.Contains(t, []int{http.StatusAccepted, http.StatusOK}, a.status)
			first[a.body["id"]] = true
		}
		require.Len(t, first, events)
		require.Len(t, b.deliveries(t), events)
	})
}

func (b *bundle) setHook(h func(string, memory.Phase) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hook = h
}

// batchOf is a batch with an event for each id.
func batchOf(t *testing.T, eventIDs ...string) *http.Request {
	t.Helper()
	events := make([]map[string]any, len(eventIDs))
	for i, id := range eventIDs {
		events[i] = map[string]any{"specversion": "1.0", "id": id, "source": "/s", "type": "t"}
	}
	body, err := json.Marshal(events)
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, "/v1/events", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/cloudevents-batch+json")
	return r
}

// park is a parking place that can be full.
type park struct {
	mu   sync.Mutex
	raw  []accept.Raw
	full bool
}

func (p *park) Park(_ context.Context, raw accept.Raw) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.full {
		return errors.New("full")
	}
	p.raw = append(p.raw, raw)
	return nil
}

// face is a broker face that may speak for two tenants, of which one is not there.
func face(b *bundle, p accept.Parker) *accept.BrokerFace {
	return accept.NewBrokerFace(accept.BrokerConfig{
		Accepter: b.accepter, Parker: p, MaxBytes: 2000, Tenants: []string{"acme", "gone"},
		Tracer: noop.NewTracerProvider().Tracer(""),
	})
}

// post returns what a broker face answers.
func post(f *accept.BrokerFace, r *http.Request) int {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w.Code
}

// changed changes an event that is signed.
func changed(e *event.Event) { e.SetSubject("another") }

func TestBrokerFace(t *testing.T) {
	t.Parallel()

	t.Run("TheTenantExtensionSaysWhoseItIsAndIsNotSentOn", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.endpoint(t)
		require.Equal(t, http.StatusAccepted, post(face(b, nil), request(`{}`, "ce-tenant", "acme")))
		d := b.deliveries(t)
		require.Len(t, d, 1)
		view, err := b.store.Delivery(t.Context(), "acme", d[0].ID)
		require.NoError(t, err)
		require.NotContains(t, view.Event.Extensions, "tenant")
	})

	t.Run("AnEventFromASubscriptionIsTheSame", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.endpoint(t)
		e := event.New()
		e.SetID("1")
		e.SetSource("/s")
		e.SetType("t")
		e.SetExtension("tenant", "acme")
		require.NoError(t, face(b, nil).TakeEvent(t.Context(), e))
		require.Equal(t, http.StatusAccepted, post(face(b, nil), request(`{}`, "ce-tenant", "acme")))
		require.Len(t, b.deliveries(t), 1, "by way of both it is a duplicate")
	})

	t.Run("WhereEventsMustBeSignedOthersAreNobodys", func(t *testing.T) {
		t.Parallel()
		secret, older := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
		both := [][]byte{secret, older}
		for name, c := range map[string]struct {
			policy accept.Signatures
			key    brokersign.Key
			change func(e *event.Event)
			taken  bool
		}{
			"Signed":                {accept.Signatures{true, true, both}, brokersign.DeriveKey(secret, "acme"), nil, true},
			"SignedBeforeARotation": {accept.Signatures{true, true, both}, brokersign.DeriveKey(older, "acme"), nil, true},
			"SignedByAForgottenKey": {accept.Signatures{true, true, both[:1]}, brokersign.DeriveKey(older, "acme"), nil, false},
			"SignedByAnother":       {accept.Signatures{true, true, both}, brokersign.DeriveKey(secret, "evil"), nil, false},
			"SignedOtherwise":       {accept.Signatures{true, true, both}, brokersign.DeriveKey(secret, "acme"), changed, false},
			"Unsigned":              {accept.Signatures{true, true, both}, brokersign.Key{}, nil, false},
			"UnsignedIfChecked":     {accept.Signatures{true, false, both}, brokersign.Key{}, nil, true},
			"WrongIfChecked":        {accept.Signatures{true, false, both}, brokersign.DeriveKey(secret, "evil"), nil, false},
			"NotTextIfChecked": {accept.Signatures{true, false, both}, brokersign.Key{}, func(e *event.Event) {
				e.SetExtension(brokersign.Attribute, 7)
			}, false},
			"WrongIfOff": {accept.Signatures{}, brokersign.DeriveKey(secret, "evil"), nil, true},
		} {
			b := setup(t)
			b.endpoint(t)
			e := event.New()
			e.SetID("1")
			e.SetSource("/s")
			e.SetType("t")
			e.SetExtension("tenant", "acme")
			require.NoError(t, e.SetData("application/json", map[string]int{"n": 1}))
			if c.key != (brokersign.Key{}) {
				require.NoError(t, c.key.Sign(&e, "acme"))
			}
			if c.change != nil {
				c.change(&e)
			}
			signed := accept.NewBrokerFace(accept.BrokerConfig{
				Accepter: b.accepter, MaxBytes: 2048, Tracer: noop.NewTracerProvider().Tracer(""), Signatures: c.policy,
			})
			require.NoError(t, signed.TakeEvent(t.Context(), e))
			kept, err := b.store.RejectedEvents(t.Context(), "", 10)
			require.NoError(t, err)
			if !c.taken {
				require.Empty(t, b.deliveries(t), name)
				require.Len(t, kept, 1, name)
				require.Equal(t, "signature", kept[0].Reason, name)
				continue
			}
			require.Empty(t, kept, name)
			d := b.deliveries(t)
			require.Len(t, d, 1, name)
			view, err := b.store.Delivery(t.Context(), "acme", d[0].ID)
			require.NoError(t, err)
			require.NotContains(t, view.Event.Extensions, brokersign.Attribute, name)
		}
	})

	for name, tc := range map[string]struct {
		name, value, body string
		tenant, reason    string
	}{
		"NoTenant":       {"x", "y", `{}`, "", "tenant"},
		"ForeignTenant":  {"ce-tenant", "other", `{}`, "", "tenant"},
		"UnknownTenant":  {"ce-tenant", "gone", `{}`, "", "tenant"},
		"Invalid":        {"ce-subject", "a%00b", `{}`, "", "tenant"},
		"Undecodable":    {"Content-Type", "application/cloudevents+json", `{"`, "", "undecodable"},
		"TooLarge":       {"ce-tenant", "acme", strings.Repeat("x", 3000), "acme", "too_large"},
		"InvalidOfOne":   {"ce-type", "a%07b", `{}`, "acme", "invalid"},
		"NoCloudEvents":  {"ce-specversion", "0.1", `{}`, "", "undecodable"},
		"BinaryRejected": {"ce-time", "never", "\x00\xff", "", "undecodable"},
	} {
		t.Run("WhatCannotBeAcceptedIsKeptAndAnswered2xx/"+name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			r := request(tc.body, tc.name, tc.value)
			if tc.tenant != "" {
				r.Header.Set("ce-tenant", tc.tenant)
			}
			if tc.reason == "undecodable" && tc.name == "Content-Type" {
				r.Header.Del("Ce-Specversion")
			}
			require.Equal(t, http.StatusAccepted, post(face(b, nil), r))
			kept, err := b.store.RejectedEvents(t.Context(), tc.tenant, 10)
			require.NoError(t, err)
			require.Len(t, kept, 1)
			require.Equal(t, tc.reason, kept[0].Reason)
			require.NotEmpty(t, kept[0].Detail)
		})
	}

	t.Run("TheDaysBoundOfRejectedEventsHolds", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for range 10 {
			require.Equal(t, http.StatusAccepted, post(face(b, nil), request(`{}`, "ce-tenant", "other")))
		}
		kept, err := b.store.RejectedEvents(t.Context(), "", 10)
		require.NoError(t, err)
		require.Len(t, kept, 3)
	})

	t.Run("WhileTheStoreIsAwayEventsAreParkedAndUnparkedOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.endpoint(t)
		p := &park{}
		f := face(b, p)
		b.store.SetUnavailable(true)
		require.Equal(t, http.StatusAccepted, post(f, request(`{}`, "ce-tenant", "acme")))
		require.Equal(t, http.StatusAccepted, post(f, request(`{"`, "ce-time", "junk")))
		require.Len(t, p.raw, 2)
		require.ErrorIs(t, f.Unpark(t.Context(), p.raw[0]), store.ErrUnavailable)
		require.Len(t, p.raw, 2, "what is parked is not parked again")

		b.store.SetUnavailable(false)
		require.NoError(t, f.Unpark(t.Context(), p.raw[0]))
		require.NoError(t, f.Unpark(t.Context(), p.raw[0]))
		require.NoError(t, f.Unpark(t.Context(), p.raw[1]))
		require.Len(t, b.deliveries(t), 1)
		kept, err := b.store.RejectedEvents(t.Context(), "", 10)
		require.NoError(t, err)
		require.Len(t, kept, 1)
	})

	t.Run("WhenParkingFailsTooTheBrokerKeepsIt", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.store.SetUnavailable(true)
		require.Equal(t, http.StatusServiceUnavailable, post(face(b, &park{full: true}), request(`{}`, "ce-tenant", "acme")))
		require.Equal(t, http.StatusServiceUnavailable, post(face(b, nil), request(`{}`, "ce-tenant", "acme")))
	})

	t.Run("ADispatcherThatGoesAwayDoesNotStopTheStoring", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.endpoint(t)
		ctx, cancel := context.WithCancel(t.Context())
		r := request(`{}`, "ce-tenant", "acme").WithContext(ctx)
		cancel()
		require.Equal(t, http.StatusAccepted, post(face(b, nil), r))
		require.Len(t, b.deliveries(t), 1)
	})

	t.Run("NoPayloadIsLogged", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		post(face(b, nil), request(`{"card": "4111-secret"}`, "ce-subject", "subject-secret"))
		require.Contains(t, b.log.String(), "event rejected")
		require.NotContains(t, b.log.String(), "secret")
	})
}
