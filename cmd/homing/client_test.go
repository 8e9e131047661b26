package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// read returns a file of a data directory.
func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(b[:len(b)-1]) // without the end of the line
}

// listed returns the ids of what a list command prints, newest first for deliveries, oldest first for endpoints.
func listed(t *testing.T, env []string, args ...string) (ids []string) {
	t.Helper()
	var lines []struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(must(t, env, append(args, "-o", "json")...)), &lines))
	for _, l := range lines {
		ids = append(ids, l.ID)
	}
	return ids
}

// The commands work on one Homing, so each part ends with what it made deleted.
func TestCommands(t *testing.T) {
	t.Parallel()
	dir := home(t)
	env := environ("HOMING_DATA_DIR=" + dir)
	server := begin(t, env, nil, "serve", "--listen", "127.0.0.1:0")
	server.waitFor(t, "Try, in another terminal")

	t.Run("NeedWhatTheyUse", func(t *testing.T) {
		env := environ("DATABASE_URL="+read(t, dir, "database-url"), "HOMING_SERVER="+read(t, dir, "address"))
		require.Contains(t, must(t, env, "migrate"), "up to date")
		require.Contains(t, fails(t, env, "endpoint", "list"), "HOMING_API_KEY")
		var made struct{ Key string }
		require.NoError(t, json.Unmarshal([]byte(must(t, env, "key", "create", "--operator", "-o", "json")), &made))
		operator := append(env, "HOMING_API_KEY="+made.Key) //nolint:gocritic // a copy, for env is full
		require.Contains(t, fails(t, operator, "endpoint", "list"), "--tenant")
		must(t, operator, "endpoint", "list", "--tenant", "default")
		require.Contains(t, must(t, operator, "key", "list", "--operator"), "valid")
	})

	t.Run("ShowAKeyToItsOwnHomingOnly", func(t *testing.T) {
		shown := make(chan string, 1)
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			shown <- r.Header.Get("Authorization")
			_, _ = io.WriteString(w, "{}")
		}))
		defer other.Close()
		elsewhere := append(env, "HOMING_SERVER="+other.URL) //nolint:gocritic // a copy, for env is full
		require.Contains(t, fails(t, elsewhere, "send", "--type", "order.paid"), "HOMING_API_KEY")
		require.Empty(t, shown)
		must(t, append(elsewhere, "HOMING_API_KEY=hmk_other"), "send", "--type", "order.paid")
		require.Equal(t, "Bearer hmk_other", <-shown)
	})

	t.Run("SendHeadersAsTheyWereGiven", func(t *testing.T) {
		got := make(chan string, 1)
		hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got <- r.Header.Get("X-List")
		}))
		defer hook.Close()
		must(t, env, "endpoint", "create", "--url", hook.URL, "--header", "X-List=a,b", "--header", "X-Other=c")
		must(t, env, "send", "--type", "order.paid")
		require.Equal(t, "a,b", <-got)
		must(t, env, "endpoint", "delete", listed(t, env, "endpoint", "list")[0])

		out := fails(t, env, "endpoint", "create", "--url", hook.URL, "--header", "Authorization: Bearer hunter2")
		require.Contains(t, out, "Name=value")
		require.NotContains(t, out, "hunter2")
	})

	t.Run("SayWhatHoldsARetry", func(t *testing.T) { retryOfWhatIsHeld(t, env) })

	server.end(t)
	require.Contains(t, fails(t, env, "send", "--type", "order.paid"), "homing serve")
}

func retryOfWhatIsHeld(t *testing.T, env []string) {
	t.Helper()
	answers := make(chan int, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(<-answers)
	}))
	defer hook.Close()
	attempted := func(id, outcome string) {
		t.Helper()
		require.Eventually(t, func() bool {
			var shown struct {
				Attempts []struct{ Outcome string } `json:"history"`
			}
			require.NoError(t, json.Unmarshal([]byte(must(t, env, "delivery", "show", id, "-o", "json")), &shown))
			return len(shown.Attempts) > 0 && shown.Attempts[len(shown.Attempts)-1].Outcome == outcome
		}, 20*time.Second, 10*time.Millisecond)
	}
	newEndpoint := func() (endpoint, delivery string) {
		t.Helper()
		must(t, env, "endpoint", "create", "--url", hook.URL)
		must(t, env, "send", "--type", "order.paid")
		return listed(t, env, "endpoint", "list")[0], listed(t, env, "delivery", "list")[0]
	}

	endpoint, delivery := newEndpoint()
	answers <- http.StatusServiceUnavailable
	attempted(delivery, "throttled")
	require.Contains(t, must(t, env, "delivery", "retry", delivery), "has asked to wait until")
	must(t, env, "endpoint", "pause", endpoint)
	require.Contains(t, must(t, env, "delivery", "retry", delivery), "homing endpoint resume "+endpoint)
	must(t, env, "endpoint", "delete", endpoint)
	require.Contains(t, fails(t, env, "delivery", "retry", delivery), "was deleted")

	endpoint, delivery = newEndpoint()
	answers <- http.StatusGone
	attempted(delivery, "gone")
	out := must(t, env, "delivery", "retry", delivery)
	require.Contains(t, out, "is replayed as")
	require.Contains(t, out, "is disabled")
	require.Contains(t, out, "homing endpoint resume "+endpoint)
	must(t, env, "endpoint", "delete", endpoint)
}

// Whether this machine may be delivered to is for the Homing that runs to say, not for the environment of the command.
func TestLoopbackIsAsTheServerHasIt(t *testing.T) {
	t.Parallel()
	dir := home(t)
	everywhere := environ("HOMING_DATA_DIR="+dir, "HOMING_LISTEN=0.0.0.0:0")
	server := begin(t, everywhere, nil, "serve")
	server.waitFor(t, "Try, in another terminal")
	out := fails(t, environ("HOMING_DATA_DIR="+dir), "listen", "--register", "--port", "0")
	require.Contains(t, out, "HOMING_LISTEN")
	server.end(t)

	server = begin(t, environ("HOMING_DATA_DIR="+dir), nil, "serve", "--listen", "127.0.0.1:0")
	server.waitFor(t, "Try, in another terminal")
	listener := begin(t, everywhere, nil, "listen", "--register", "--port", "0")
	listener.waitFor(t, "endpoint ")
	listener.end(t)
	server.end(t)
}

func TestOnlyNeedsABus(t *testing.T) {
	t.Parallel()
	out := fails(t, environ("DATABASE_URL=postgres://u@127.0.0.1:1/homing"), "serve", "--only", "ingest")
	require.Contains(t, out, "RABBITMQ_URL is not set")
	require.NotContains(t, out, "HOMING_ENCRYPTION_KEYS", "ingest seals nothing")
}
