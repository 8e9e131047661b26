package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// reject keeps something that could not be accepted, as ingest does it.
func (b *bundle) reject(tenant string, body []byte) webhook.ID {
	b.Helper()
	r := store.Rejected{
		ID: b.ids.New(time.Now()), Tenant: tenant, Reason: "undecodable", Detail: "no specversion", Body: body,
		Headers: map[string]string{"Ce-Id": "1"},
	}
	kept, err := b.owner().Reject(b.Context(), r, 100)
	require.NoError(b, err)
	require.True(b, kept)
	return r.ID
}

// rejectWhole keeps something that can be taken again.
func (b *bundle) rejectWhole(tenant string) webhook.ID {
	b.Helper()
	r := store.Rejected{
		ID: b.ids.New(time.Now()), Tenant: tenant, Reason: "schema", Detail: "lacks a", Whole: true, Body: []byte("{}"),
	}
	_, err := b.owner().Reject(b.Context(), r, 100)
	require.NoError(b, err)
	return r.ID
}

func TestRejectedEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := b.reject(b.tenant, []byte("{")), b.reject(b.tenant, []byte{0xff})
	nobodys := b.reject("", []byte("{"))
	page := b.ok("GET", "/v1/rejected-events?limit=1", nil)
	require.Equal(t, second.String(), page.list()[0]["id"])
	rest := b.ok("GET", "/v1/rejected-events?cursor="+page.str("next_cursor"), nil).list()
	require.Len(t, rest, 1)
	require.Equal(t, first.String(), rest[0]["id"])
	got := b.ok("GET", "/v1/rejected-events/"+first.String(), nil)
	require.Equal(t, "{", got.str("body"))
	require.Equal(t, "no specversion", got.str("detail"))
	require.Equal(t, map[string]any{"Ce-Id": "1"}, got.body["headers"])
	require.Contains(t, b.ok("GET", "/v1/rejected-events/"+second.String(), nil).body, "body_base64")

	require.Equal(t, nobodys.String(), b.operate("GET", "/v1/rejected-events", nil).list()[0]["id"])
	b.do(call{method: "GET", path: "/v1/rejected-events/" + nobodys.String()}).
		refused(http.StatusNotFound, "not-found", "")

	path := "/v1/rejected-events/" + first.String()
	b.ok("DELETE", path, nil)
	b.do(call{method: "DELETE", path: path}).refused(http.StatusNotFound, "not-found", "")
	require.Len(t, b.ok("GET", "/v1/rejected-events", nil).list(), 1)
	log := b.ok("GET", "/v1/audit-log?target="+first.String(), nil).list()
	require.Len(t, log, 1)
	require.Equal(t, "rejected_event.discard", log[0]["action"])
}
