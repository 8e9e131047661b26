package acceptance_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// manage makes a request of the management API.
func (h *installation) manage(p *process, method, path, body string) (status int, answer map[string]any) {
	h.T.Helper()
	req, err := http.NewRequestWithContext(h.T.Context(), method, p.Base+path, strings.NewReader(body))
	require.NoError(h.T, err)
	req.Header.Set("Authorization", "Bearer "+h.Key)
	req.Header.Set("Content-Type", "application/json")
	status, text, err := roundTrip(req)
	require.NoError(h.T, err)
	require.NoError(h.T, json.Unmarshal(text, &answer), string(text))
	return status, answer
}

// TestOnlyWhoConsentsIsSentTo asks endpoints for their consent as they are created, and sends a test to the one that
// gives it.
func TestOnlyWhoConsentsIsSentTo(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone, "HOMING_HANDSHAKE=required", "HOMING_HANDSHAKE_ORIGIN=homing.example")
	posts := make(chan *http.Request, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			posts <- r
		case r.URL.Path == "/yes":
			w.Header().Set("WebHook-Allowed-Origin", r.Header.Get("WebHook-Request-Origin"))
			w.Header().Set("WebHook-Allowed-Rate", "600")
		}
	}))
	t.Cleanup(receiver.Close)
	p := h.Start()
	status, refused := h.manage(p, http.MethodPost, "/v1/endpoints", `{"url": "`+receiver.URL+`/no"}`)
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Contains(t, refused["errors"].([]any)[0].(map[string]any)["detail"],
		"it answered 200 without WebHook-Allowed-Origin")

	status, made := h.manage(p, http.MethodPost, "/v1/endpoints", `{"url": "`+receiver.URL+`/yes"}`)
	require.Equal(t, http.StatusCreated, status, made)
	require.EqualValues(t, 600, made["consent"].(map[string]any)["per_minute"])
	status, sent := h.manage(p, http.MethodPost, "/v1/endpoints/"+made["id"].(string)+"/test", "")
	require.Equal(t, http.StatusAccepted, status, sent)
	post := <-posts
	require.Equal(t, "/yes", post.URL.Path)
	require.Equal(t, "homing.example", post.Header.Get("WebHook-Request-Origin"))
	require.NotEmpty(t, post.Header.Get("Webhook-Signature"))
	wait(t, patience, "the test has succeeded", func() bool {
		_, d := h.manage(p, http.MethodGet, "/v1/deliveries/"+sent["delivery"].(string), "")
		return d["state"] == "succeeded"
	})
}

// TestARejectedEventIsTakenAgain redrives what waits since before the process was started, and delivers it.
func TestARejectedEventIsTakenAgain(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone)
	e := h.Subscribe("late", nil)
	r := store.Rejected{
		ID: h.IDs.New(time.Now()), Tenant: h.Tenant, Reason: "schema", Whole: true, Body: []byte(`{"order": 1}`),
		Headers: map[string]string{
			"ce-specversion": "1.0", "ce-id": "late-1", "ce-source": "/shop", "ce-type": "order.paid", "ce-tenant": h.Tenant,
			"content-type": "application/json",
		},
	}
	_, err := h.Store.Reject(t.Context(), r, 10)
	require.NoError(t, err)
	require.NoError(t, h.Store.Redrive(t.Context(), h.Tenant, r.ID))
	h.Start()
	wait(t, patience, "it is delivered", func() bool { return len(h.list(e, webhook.StateSucceeded)) == 1 })
	wait(t, patience, "it names its event", func() bool {
		got, err := h.Store.Rejected(t.Context(), h.Tenant, r.ID)
		return err == nil && got.Event == h.list(e, webhook.StateSucceeded)[0].Event
	})
}
