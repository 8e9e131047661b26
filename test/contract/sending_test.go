package contract

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/functions/local"
	"github.com/homing-hooks/homing/pkg/client"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/server/openapitest"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/postgres"
	services "github.com/homing-hooks/homing/pkg/testenv" // testenv is a pattern of the layers here
	"github.com/homing-hooks/homing/pkg/webhook"
)

// sender makes requests as a producer does.
var sender = &http.Client{Timeout: time.Minute}

// sendingHoming is one process that serves the document and what the document says of sending, with the keys of a
// tenant: one that may send, and one that may not.
type sendingHoming struct {
	base, key, weak string
	document        *openapitest.Document
}

func startSending(t *testing.T) *sendingHoming {
	t.Helper()
	cfg, err := config.Load(config.FunctionLocal, []string{
		"DATABASE_URL=" + services.PostgresMigrated(t, func(ctx context.Context, url string) error {
			_, err := postgres.Migrate(ctx, url)
			return err
		}),
		"HOMING_LISTEN=127.0.0.1:0", "HOMING_ENCRYPTION_KEYS=k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		"HOMING_MAX_PAYLOAD=64KiB", "HOMING_DATABASE_POOL=4",
	})
	require.NoError(t, err)
	app, err := local.New(cfg, slog.New(slog.DiscardHandler), config.FunctionIngest, config.FunctionManage)
	require.NoError(t, err)
	require.NoError(t, app.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, app.Stop(context.Background())) })
	document, err := openapitest.Load(present)
	require.NoError(t, err)
	h := &sendingHoming{base: "http://" + app.Addr(), key: "hmk_may", weak: "hmk_may_not", document: document}
	require.NoError(t, app.Store().CreateTenant(t.Context(), "acme"))
	var ids webhook.IDSource
	for key, scopes := range map[string][]webhook.Scope{
		h.key: {webhook.ScopeEventsWrite}, h.weak: {webhook.ScopeEndpointsRead},
	} {
		require.NoError(t, app.Store().CreateKey(t.Context(), store.APIKey{
			ID: ids.New(time.Now()), Tenant: "acme", Hash: sha256.Sum256([]byte(key)), Scopes: scopes,
		}))
	}
	return h
}

// send makes a request, holds it and its answer to the document, and returns the status.
func (h *sendingHoming) send(t *testing.T, body string, header map[string]string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.base+"/v1/events", strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+h.key)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	got, err := sender.Do(r)
	require.NoError(t, err)
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	operation := h.document.Operation(http.MethodPost, "/v1/events")
	require.NotNil(t, operation, "the document has no sending")
	require.NoError(t, h.document.Hold(openapitest.Exchange{
		Operation: operation, Request: r, Sent: []byte(body), Status: got.StatusCode, Header: got.Header, Body: text,
	}))
	return got.StatusCode
}

// TestSendingIsAsDocumented sends to a whole process in every way that the document it serves names, and holds what it
// answers to that document. The other statuses, 429 and 503, are held to it by the tests of functions/ingest/accept.
func TestSendingIsAsDocumented(t *testing.T) {
	t.Parallel()
	h := startSending(t)
	const (
		media = "Content-Type"
		one   = `{"specversion":"1.0","id":"s1","source":"/s","type":"t","time":"2026-01-02T03:04:05Z","data":{"n":1},"x":7}`
		small = `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`
		batch = "application/cloudevents-batch+json"
	)
	binary := func(id string, more ...string) map[string]string {
		header := map[string]string{
			"ce-specversion": "1.0", "ce-id": id, "ce-source": "/s", "ce-type": "t", media: "text/plain",
		}
		for i := 0; i < len(more); i += 2 {
			header[more[i]] = more[i+1]
		}
		return header
	}
	statuses := map[int]bool{http.StatusTooManyRequests: true, http.StatusServiceUnavailable: true}
	for _, c := range []struct {
		name, body string
		header     map[string]string
		want       int
	}{
		{"Binary", "hello", binary("b1", "ce-subject", "x", "ce-tier", "gold"), 202},
		{"BinaryAgain", "hello", binary("b1"), 200},
		{"Traced", "", binary("b2", "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), 202},
		{"Structured", one, map[string]string{media: "application/cloudevents+json; charset=utf-8"}, 202},
		{"Batch", "[" + one + `,{"specversion":"1.0","id":"s2","source":"/s","type":"t","data_base64":"AQI="}]`,
			map[string]string{media: batch}, 202},
		{"EmptyBatch", "[]", map[string]string{media: batch}, 200},
		{"LongestID", "", binary(strings.Repeat("x", 255)), 202},
		{"LongerID", "", binary(strings.Repeat("x", 256)), 422},
		{"Unreadable", "{", map[string]string{media: "application/cloudevents+json"}, 400},
		{"NoKey", "", binary("k", "Authorization", "Bearer hmk_guess"), 401},
		{"WithoutTheScope", "", binary("k", "Authorization", "Bearer "+h.weak), 403},
		{"TooLarge", strings.Repeat("x", 64<<10+1), binary("l"), 413},
		{"TooMany", "[" + strings.Repeat(small+",", 1000) + small + "]", map[string]string{media: batch}, 413},
		{"NoCloudEvent", "{}", map[string]string{media: "application/json"}, 415},
	} {
		got := h.send(t, c.body, c.header)
		require.Equal(t, c.want, got, c.name)
		statuses[got] = true
	}
	responses := h.document.At("paths", "/v1/events", "post", "responses").(map[string]any)
	for status := range responses {
		code, err := strconv.Atoi(status)
		require.NoError(t, err)
		require.True(t, statuses[code], "nothing was answered with %s", status)
	}
}

// TestTheServedDocumentHasSending reads the document as a client finds it, and sends with pkg/client what it tells of.
func TestTheServedDocumentHasSending(t *testing.T) {
	t.Parallel()
	h := startSending(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.base+"/openapi.json", nil)
	require.NoError(t, err)
	got, err := sender.Do(r)
	require.NoError(t, err)
	defer got.Body.Close()
	served, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	committed, err := json.Marshal(h.document.Root())
	require.NoError(t, err)
	require.JSONEq(t, string(committed), string(bytes.TrimSpace(served)))

	c, err := client.New(h.base, h.key)
	require.NoError(t, err)
	event := client.CloudEvent{ID: "1", Source: "/s", Type: "t", Data: []byte(`{}`)}
	first, err := c.Send(t.Context(), event)
	require.NoError(t, err)
	again, err := c.SendBatch(t.Context(), []client.CloudEvent{event})
	require.NoError(t, err)
	require.Equal(t, []client.Receipt{{ID: first.ID, Duplicate: true}}, again)
}
