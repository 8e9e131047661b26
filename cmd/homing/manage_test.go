package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/postgres"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// receiver answers POSTs with what the test says, and handshakes with consent to 600 a minute.
func receiver(t *testing.T) (url string, posts <-chan http.Header) {
	t.Helper()
	got := make(chan http.Header, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			w.Header().Set("WebHook-Allowed-Origin", r.Header.Get("WebHook-Request-Origin"))
			w.Header().Set("WebHook-Allowed-Rate", "600")
			return
		}
		got <- r.Header
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

// shown is what a command prints as JSON.
func shown[T any](t *testing.T, env []string, args ...string) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(must(t, env, append(args, "-o", "json")...)), &v))
	return v
}

// eventually waits until a command that has succeeded shows a text.
func eventually(t *testing.T, env []string, text string, args ...string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		out := must(t, env, args...)
		if strings.Contains(out, text) {
			return
		}
		require.True(t, time.Now().Before(deadline), "homing %v shows no %q:\n%s", args, text, out)
	}
}

// TestManaging goes through the commands that manage what is sent, on one Homing.
func TestManaging(t *testing.T) {
	t.Parallel()
	dir := home(t)
	env := environ("HOMING_DATA_DIR=" + dir)
	server := begin(t, append(env, "HOMING_HANDSHAKE_ORIGIN=homing.example.com"), nil, "serve", "--listen", "127.0.0.1:0")
	server.waitFor(t, "Try, in another terminal")

	t.Run("EventTypes", func(t *testing.T) { eventTypesAreManaged(t, env) })
	t.Run("Endpoints", func(t *testing.T) { endpointsAreLookedAfter(t, env) })
	t.Run("Replays", func(t *testing.T) { replaysAreManaged(t, env) })
	t.Run("Erase", func(t *testing.T) { payloadsAreErased(t, env) })
	t.Run("Redrive", func(t *testing.T) { rejectedAreRedriven(t, env, read(t, dir, "database-url")) })
	t.Run("PortalTokens", func(t *testing.T) { portalTokensAreMade(t, env, read(t, dir, "address")) })
	t.Run("Tenants", func(t *testing.T) { tenantsShowTheirDeletion(t, env) })
	server.end(t)
}

func eventTypesAreManaged(t *testing.T, env []string) {
	t.Helper()
	const schema = `{"type": "object", "required": ["order"]}`
	file := filepath.Join(t.TempDir(), "schema.json")
	require.NoError(t, os.WriteFile(file, []byte(schema), 0o600))
	must(t, env, "event-type", "create", "order.paid", "--schema", "@"+file, "--example", `{"order": 1}`,
		"--schema-policy", "reject", "--description", "Money came.")
	require.Contains(t, fails(t, env, "send", "--type", "order.paid", "--data", "{}"), "--data")
	must(t, env, "send", "--type", "order.paid", "--data", `{"order": 2}`)

	got := exits(t, env, schema, "event-type", "create", "order.sent", "--schema", "-", "-o", "json")
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.out, "required")
	got = exits(t, env, schema, "event-type", "create", "a", "--schema", "-", "--example", "-")
	require.Equal(t, 2, got.code, "one standard input is not two documents")
	require.Equal(t, 2, exits(t, env, "", "event-type", "create", "a", "--schema", "{").code)
	require.Equal(t, 2, exits(t, env, "", "event-type", "create", "a", "--schema", `{"type": "nonsense"}`).code)
	require.Equal(t, 6, exits(t, env, "", "event-type", "create", "order.sent").code)
	require.Equal(t, 3, exits(t, env, "", "event-type", "get", "nobody").code)
	require.Contains(t, must(t, env, "__complete", "event-type", "get", ""), "order.paid\tMoney came.")

	names := func(args ...string) (names []string) {
		t.Helper()
		for _, e := range shown[[]struct{ Name string }](t, env, append([]string{"event-type", "list"}, args...)...) {
			names = append(names, e.Name)
		}
		return names
	}
	require.Equal(t, []string{"order.paid", "order.sent"}, names())
	require.Equal(t, []string{"order.paid"}, names("--search", "money"))
	must(t, env, "event-type", "archive", "order.sent")
	require.Equal(t, []string{"order.paid"}, names())
	require.Equal(t, []string{"order.paid", "order.sent"}, names("--archived"))
	must(t, env, "event-type", "unarchive", "order.sent")
	require.Equal(t, []string{"order.paid", "order.sent"}, names())

	updated := must(t, env, "event-type", "update", "order.paid", "--schema", "null", "--schema-policy", "tenant")
	require.NotContains(t, updated, "required")
	require.Contains(t, updated, "the tenant's")
	require.Contains(t, updated, "Money came.", "what is not named stays")
	old := exits(t, env, "", "event-type", "update", "order.paid", "--description", "", "--if-version", "1")
	require.Equal(t, 6, old.code, old.err)
	must(t, env, "event-type", "delete", "order.sent")
	require.Equal(t, []string{"order.paid"}, names())
}

func endpointsAreLookedAfter(t *testing.T, env []string) {
	t.Helper()
	url, posts := receiver(t)
	must(t, env, "event-type", "create", "parcel.sent", "--example", `{"order": 1}`)
	id := shown[struct{ ID string }](t, env, "endpoint", "create", "--url", url, "--types", "never").ID

	sent := shown[struct{ Event, Delivery string }](t, env, "endpoint", "test", id, "--type", "parcel.sent")
	require.Equal(t, "parcel.sent", (<-posts).Get("ce-type"))
	require.Contains(t, must(t, env, "event", "get", sent.Event), `{"order":1}`, "the example of the catalogue")
	eventually(t, env, "succeeded", "delivery", "get", sent.Delivery)
	attempt := must(t, env, "attempt", "get", sent.Delivery, "1")
	require.Regexp(t, `> ce-type +parcel\.sent`, attempt)
	require.NotContains(t, attempt, "v1,", "signatures are not shown")
	require.Contains(t, must(t, env, "endpoint", "test", id, "--data", `{"a": 1}`), "homing delivery get")
	require.Equal(t, "io.homing.test", (<-posts).Get("ce-type"))

	require.Contains(t, must(t, env, "endpoint", "handshake", id), "homing.example.com, up to 600 a minute")
	require.Contains(t, must(t, env, "endpoint", "get", id), "up to 600 a minute")
	refuses := httptest.NewServer(http.NotFoundHandler())
	defer refuses.Close()
	mute := shown[struct{ ID string }](t, env, "endpoint", "create", "--url", refuses.URL, "--types", "never").ID
	got := exits(t, env, "", "endpoint", "handshake", mute)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.out, "has not consented")

	eventually(t, env, "100.0 %", "endpoint", "health", id)
	require.Regexp(t, `state +healthy`, must(t, env, "endpoint", "health", id))
	require.Regexp(t, id+` +healthy +100\.0 % +- `, must(t, env, "endpoint", "list"))
	require.Contains(t, must(t, env, "delivery", "list", "--endpoint", id, "--outcome", "success"), sent.Delivery)
	require.NotContains(t, must(t, env, "delivery", "list", "--endpoint", id, "--outcome", "timeout"), sent.Delivery)
	require.Equal(t, 2, exits(t, env, "", "delivery", "list", "--outcome", "perhaps").code)
	stats := must(t, env, "stats", "--endpoint", id, "--since", "1h", "--bucket", "5m")
	require.Regexp(t, `AT +EVENTS +ATTEMPTS +SUCCESS +P50 +P99`, stats)
	require.Regexp(t, `total +- +[12] +100\.0 % +[0-9.]+ ms +[0-9.]+ ms +[12] +0\n`, stats)
	got = exits(t, env, "", "stats", "--bucket", "2h")
	require.Equal(t, 2, got.code)
	require.Contains(t, got.err, "--bucket")
	must(t, env, "endpoint", "pause", id)
	require.Equal(t, 6, exits(t, env, "", "endpoint", "test", id).code, "a paused endpoint is sent nothing")
	must(t, env, "endpoint", "delete", id)
	must(t, env, "endpoint", "delete", mute)
}

func replaysAreManaged(t *testing.T, env []string) {
	t.Helper()
	type job struct {
		ID, State string
		Done      int
	}
	url, posts := receiver(t)
	id := shown[struct{ ID string }](t, env, "endpoint", "create", "--url", url, "--types", "replayed").ID
	const events = 5
	must(t, env, "send", "--type", "replayed", "--count", "5")
	for range events {
		<-posts
	}
	require.Eventually(t, func() bool {
		return len(listed(t, env, "delivery", "list", "--endpoint", id, "--state", "succeeded")) == events
	}, 20*time.Second, 20*time.Millisecond)
	create := []string{"replay", "create", "--endpoint", id, "--from", "1h", "--states", "succeeded", "--types", "replay*"}

	dry := must(t, env, append(create, "--dry-run")...)
	require.Contains(t, dry, "would be replayed: 5")
	require.Empty(t, listed(t, env, "replay", "list"), "a dry run begins nothing")
	require.Equal(t, 2, exits(t, env, "", append(create, "--dry-run", "--wait")...).code)
	require.Equal(t, 2, exits(t, env, "", "replay", "create", "--endpoint", id, "--states", "nonsense").code)

	made := shown[job](t, env, append(create, "--wait")...)
	require.Equal(t, job{made.ID, "done", events}, made)
	for range events {
		require.NotEmpty(t, (<-posts).Get("homing-replay"))
	}
	require.Contains(t, must(t, env, "replay", "get", made.ID), "5 of 5")
	require.Equal(t, 6, exits(t, env, "", "replay", "pause", made.ID).code, "it has ended")

	slow := shown[struct{ Job job }](t, env, append(create, "--per-second", "1")...).Job
	require.Contains(t, must(t, env, "job", "pause", slow.ID), "is paused")
	require.Contains(t, must(t, env, "__complete", "replay", "get", ""), slow.ID+"\treplay paused")
	require.Equal(t, []string{slow.ID}, listed(t, env, "replay", "list", "--state", "paused", "--kind", "replay"))
	require.Contains(t, must(t, env, "replay", "resume", slow.ID), "is running")
	follower := begin(t, env, nil, "replay", "get", slow.ID, "--wait")
	require.Contains(t, must(t, env, "replay", "cancel", slow.ID), "is cancelled")
	<-follower.done
	require.Equal(t, 1, follower.cmd.ProcessState.ExitCode(), follower.text())
	require.Contains(t, follower.text(), "job "+slow.ID+" is cancelled")

	event := listed(t, env, "event", "list", "--type", "replayed", "--limit", "0")[0]
	again := shown[job](t, env, "event", "replay", event, "--endpoint", id, "--wait")
	require.Equal(t, job{again.ID, "done", 1}, again)
	const nobody = "0199a000-0000-7000-8000-000000000000"
	require.Equal(t, 3, exits(t, env, "", "replay", "get", nobody).code)
	require.Equal(t, 3, exits(t, env, "", "event", "replay", nobody).code)
	must(t, env, "endpoint", "delete", id)
}

func payloadsAreErased(t *testing.T, env []string) {
	t.Helper()
	must(t, env, "send", "--type", "private", "--data", `{"name": "Ann"}`)
	id := listed(t, env, "event", "list", "--type", "private")[0]
	for name, stdin := range map[string]string{"Pipe": "y\n", "Empty": ""} {
		got := exits(t, env, stdin, "event", "erase", id)
		require.Equal(t, 2, got.code, name)
		require.Contains(t, got.err, "--yes", name)
	}
	require.Contains(t, must(t, env, "event", "get", id), "Ann")
	require.Contains(t, must(t, env, "event", "erase", id, "--yes"), "is erased")
	after := must(t, env, "event", "get", id)
	require.NotContains(t, after, "Ann")
	require.Contains(t, after, "erased  ")
}

func rejectedAreRedriven(t *testing.T, env []string, database string) {
	t.Helper()
	s, err := postgres.Open(t.Context(), database, postgres.Options{MaxConns: 2})
	require.NoError(t, err)
	defer s.Close()
	var ids webhook.IDSource
	reject := func(reason string) string {
		t.Helper()
		kept, err := s.Reject(t.Context(), store.Rejected{
			ID: ids.New(time.Now()), Tenant: "default", Reason: reason, Detail: "as it was", Whole: true,
			Headers: map[string]string{
				"ce-specversion": "1.0", "ce-id": reason, "ce-source": "/broker", "ce-type": "mended",
				"content-type": "application/json", "ce-tenant": "default",
			},
			Body: []byte(`{"order": 1}`),
		}, 100)
		require.NoError(t, err)
		require.True(t, kept)
		return listed(t, env, "rejected", "list", "--limit", "1")[0]
	}
	first, second := reject("schema"), reject("invalid")
	require.Contains(t, must(t, env, "__complete", "rejected", "redrive", ""), first+"\tschema")
	for _, args := range [][]string{{}, {first, "--all"}, {first, "--limit", "1"}, {"--all", "--reason", "schema"}} {
		require.Equal(t, 2, exits(t, env, "", append([]string{"rejected", "redrive"}, args...)...).code, args)
	}
	require.Contains(t, must(t, env, "rejected", "redrive", "--reason", "schema", "--limit", "5"), "within a tick: 1")
	eventually(t, env, "became event", "rejected", "get", first)
	require.Equal(t, []string{second}, listed(t, env, "rejected", "list"))
	require.Contains(t, must(t, env, "rejected", "redrive", second), second)
	eventually(t, env, "became event", "rejected", "get", second)
	require.Len(t, listed(t, env, "event", "list", "--type", "mended"), 2)
}

func portalTokensAreMade(t *testing.T, env []string, address string) {
	t.Helper()
	made := shown[struct{ ID, Token string }](t, env, "key", "portal", "--scopes", "endpoints:read", "--expires", "30m")
	portal := environ("HOMING_SERVER="+address, "HOMING_API_KEY="+made.Token)
	must(t, portal, "endpoint", "list")
	require.Equal(t, 4, exits(t, portal, "", "event", "list").code, "it may do no more than it was made for")
	for _, args := range [][]string{{"admin"}, {"endpoints:read", "--expires", "30d"}} {
		got := exits(t, env, "", append([]string{"key", "portal", "--scopes"}, args...)...)
		require.Equal(t, 2, got.code, args)
	}
	must(t, env, "key", "revoke", made.ID)
	require.Equal(t, 4, exits(t, portal, "", "endpoint", "list").code)
	require.Contains(t, must(t, env, "key", "portal", "--scopes", "endpoints:read"), "shown only now")
}

func tenantsShowTheirDeletion(t *testing.T, env []string) {
	t.Helper()
	require.Regexp(t, `schema policy +flag`, must(t, env, "tenant", "create", "leaving", "--schema-policy", "flag"))
	changed := must(t, env, "tenant", "update", "leaving", "--schema-policy", "reject")
	require.Regexp(t, `schema policy +reject`, changed)
	require.Equal(t, 2, exits(t, env, "", "tenant", "update", "leaving").code)
	require.Contains(t, must(t, env, "tenant", "delete", "leaving"), "homing tenant get leaving")
	require.Regexp(t, `deletion +running`, must(t, env, "tenant", "get", "leaving"))
}
