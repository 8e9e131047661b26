package acceptance_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/telemetry/telemetrytest"
	"github.com/homing-hooks/homing/test/homingtest"
)

// marked makes a secret that can be told from everything else.
func marked(what string) string { return "MARKED-" + what + "-5f0b1c" }

// TestNothingSecretIsTold runs events into every kind of success and failure, with payloads, keys, secrets, headers,
// queries and passwords that can be recognised, and looks for them in all that a process says: its log and whatever
// else it writes, its metrics, its spans.
func TestNothingSecretIsTold(t *testing.T) {
	t.Parallel()
	collector := telemetrytest.NewCollector(t)
	h := install(t, allServices, quick, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "HOMING_SCHEDULE=0s,100ms")
	secrets := []string{
		marked("payload"), marked("query"), marked("header"), marked("answer"), marked("location"), marked("api-key"),
		marked("user"), h.Key, strings.TrimPrefix(encryptionKey, "k1:"),
	}
	for _, name := range []string{"DATABASE_URL", "REDIS_URL", "RABBITMQ_URL"} {
		u, err := url.Parse(h.Settings[name])
		require.NoError(t, err)
		if password, ok := u.User.Password(); ok {
			secrets = append(secrets, password)
		}
	}
	everyOutcome(h)
	for _, e := range h.Endpoints {
		secrets = append(secrets, e.Secret, strings.TrimPrefix(e.Secret, "whsec_"))
	}

	p := h.Spawn("homing", "serve")
	h.WaitForQueues()
	everyEvent(h, p)
	// One endpoint has a filter that fails, and so matches nothing.
	require.Equal(t, len(h.Endpoints)-1, h.Count("SELECT count(*) FROM deliveries"))
	wait(t, patience, "each delivery has been attempted", func() bool {
		return h.Count("SELECT count(DISTINCT delivery_id) FROM attempts") == len(h.Endpoints)-1
	})
	wait(t, patience, "what cannot be accepted is kept", func() bool {
		return h.Count("SELECT count(*) FROM rejected_events") == 2
	})
	metrics := p.Get("/metrics")
	p.Stop()
	require.NotEmpty(t, collector.Spans())
	told := []any{p.Log, metrics}
	for _, s := range collector.Spans() {
		told = append(told, s.String())
	}

	alone := everythingAway(t, h)
	told = append(told, alone.Log)
	telemetrytest.NoSecrets(t, append(secrets, marked("password")), told...)
	require.Contains(t, p.Log.String(), `"msg":"attempt"`, "it was said something at all")
	require.Contains(t, alone.Log.String(), "connection refused")
}

// everyOutcome makes an endpoint for every way in which an attempt can end, with something secret wherever there can
// be.
func everyOutcome(h *installation) {
	secretly := func(e *endpoint) {
		e.URL += "?token=" + marked("query")
		e.Headers = map[string]string{"X-Credential": marked("header")}
	}
	at := func(address string) func(*endpoint) {
		return func(e *endpoint) {
			e.URL = address
			secretly(e)
		}
	}
	said := map[string]string{"X-Answer": marked("answer"), "Location": "/elsewhere?" + marked("location")}
	for name, status := range map[string]int{
		"success": http.StatusOK, "redirect": http.StatusFound, "client-error": http.StatusBadRequest,
		"server-error": http.StatusInternalServerError, "gone": http.StatusGone, "throttled": http.StatusTooManyRequests,
	} {
		h.Subscribe(name, func(*post) reply { return reply{Status: status, Header: said, Body: marked("answer")} }, secretly)
	}
	h.Subscribe("timeout", func(*post) reply { return reply{Hold: make(chan struct{})} }, secretly)
	h.Subscribe("refused", nil, at("http://"+ownAddress(h.T)+"/hook"))
	h.Subscribe("no-tls", nil, at(strings.Replace(h.Receiver.URL("no-tls"), "http:", "https:", 1)))
	h.Subscribe("blocked", nil, at("http://10.0.0.1/hook"))
	h.Subscribe("no-such-host", nil, at("http://nowhere.invalid/hook"))
	h.Subscribe("user", nil, at("http://"+marked("user")+"@127.0.0.1/hook"))
	h.Subscribe("filtered", nil, secretly, func(e *endpoint) { e.Filter = "INT(type) = 1" })
}

// everyEvent sends events that are accepted and such that are not, directly and through the broker.
func everyEvent(h *installation, to *process) {
	t := h.T
	t.Helper()
	payload := fmt.Sprintf(`{"card":%q}`, marked("payload"))
	p := h.Producer(to)
	good := &cloudEvent{ID: "good", EventType: "order.paid", Data: payload}
	p.Send(good)
	for _, bad := range []*cloudEvent{
		{ID: "", EventType: "order.paid", Data: payload},
		{ID: "bad-time", EventType: "order.paid", Data: payload, Header: map[string]string{"Ce-Time": marked("payload")}},
		{ID: "bad-name", EventType: "order.paid", Data: payload, Header: map[string]string{"Ce-A_b": marked("payload")}},
		{ID: "too-large", EventType: "order.paid", Data: strings.Repeat(payload, 35_000)},
	} {
		var status int
		// Who is refused before all is sent may find the connection closed, and not the answer.
		wait(t, patience, "an answer", func() (answered bool) {
			var err error
			status, _, err = p.Post(binary, bad)
			return err == nil
		})
		require.Equal(t, 4, status/100, bad.ID)
	}
	stranger := h.Producer(to)
	stranger.Key = marked("api-key")
	status, _, err := stranger.Post(binary, good)
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, status)

	nobody := (&cloudEvent{ID: "nobody", EventType: "order.paid", Data: payload}).Brokered(t, "nobody")
	require.NoError(t, h.Broker().Publish(t.Context(), bus.BrokerEvents, nobody))
	h.PublishUndecodable(marked("payload"))
}

// everythingAway runs a Homing whose services are all away, with credentials of theirs, and a producer.
func everythingAway(t testing.TB, h *installation) *process {
	t.Helper()
	away := &homingtest.Installation{T: t, Key: h.Key, Settings: maps.Clone(h.Settings)}
	at := marked("user") + ":" + marked("password") + "@" + nobody
	away.Set("DATABASE_URL=postgres://"+at+"/homing", "REDIS_URL=redis://"+at+"/0", "RABBITMQ_URL=amqp://"+at+"/",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://"+nobody)
	p := away.Spawn("homing", "serve")
	event := &cloudEvent{ID: "away", EventType: "order.paid", Data: fmt.Sprintf(`{"card":%q}`, marked("payload"))}
	status, body, err := away.Producer(p).Post(binary, event)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, status, "%s", body)
	require.NotContains(t, string(body), marked("user"))
	wait(t, patience, "a tick has failed", func() bool { return strings.Contains(p.Log.String(), "tick fell short") })
	p.Stop()
	return p
}
