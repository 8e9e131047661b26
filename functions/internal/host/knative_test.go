package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/seal"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/postgres"
	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// cluster is what Knative gives to functions: a sink, which stands for the ingress of the deliveries broker, and
// services.
type cluster struct {
	sink     chan http.Header // of the events that came
	settings []string
}

const tenantKey = "hmk_test"

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{sink: make(chan http.Header, 100)}
	ingress := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.sink <- r.Header
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(ingress.Close)
	c.settings = []string{
		"K_SERVICE=test", "K_SINK=" + ingress.URL, "HOMING_LISTEN=127.0.0.1:0", "HOMING_METRICS_LISTEN=127.0.0.1:0",
		"DATABASE_URL=" + testenv.PostgresMigrated(t, func(ctx context.Context, url string) error {
			_, err := postgres.Migrate(ctx, url)
			return err
		}),
		"REDIS_URL=" + testenv.Redis(t), "HOMING_REDIS_PREFIX=" + strings.TrimSuffix(testenv.RedisPrefix(t), ":"),
		"RABBITMQ_URL=" + testenv.RabbitMQ(t), "HOMING_ENCRYPTION_KEYS=" + seal.NewKey("k1"), "HOMING_TICK=1h",
		"HOMING_HORIZON=1h", "HOMING_HOUSEKEEP_EVERY=1h",
	}
	return c
}

// run runs a function as its service does, and returns it with its base URL.
func (c *cluster) run(t *testing.T, name config.Function, f Function, settings ...string) (*Host, string) {
	t.Helper()
	cfg, err := config.Load(name, append(settings, c.settings...))
	require.NoError(t, err)
	h, err := New(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)), time.Now, f)
	require.NoError(t, err)
	ctx, end := context.WithCancel(context.Background())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- h.Run(ctx, func() { close(started) }) }()
	select {
	case <-started:
	case err := <-ended:
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		end()
		require.NoError(t, <-ended)
	})
	return h, "http://" + h.Addr()
}

// post sends an event in binary mode, and returns the status that it is answered.
func post(t *testing.T, url string, header ...string) int {
	t.Helper()
	return postData(t, url, []byte(`{}`), header...)
}

func postData(t *testing.T, url string, data []byte, header ...string) int {
	t.Helper()
	status, err := send(request(t, url, data, header...))
	require.NoError(t, err)
	return status
}

// request makes a request with an event in binary mode.
func request(t *testing.T, url string, data []byte, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, url, bytes.NewReader(data))
	require.NoError(t, err)
	r.Header = http.Header{
		"Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"/s"}, "Ce-Type": {"t"},
		"Content-Type": {"application/json"},
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// send sends a request over a connection of its own, and returns the status that it is answered.
func send(r *http.Request) (int, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// subscribe makes a tenant with a key, and an endpoint that wants everything.
func subscribe(t *testing.T, s store.Store) {
	t.Helper()
	var ids webhook.IDSource
	require.NoError(t, s.CreateTenant(t.Context(), "acme"))
	require.NoError(t, s.CreateKey(t.Context(), store.APIKey{
		ID: ids.New(time.Now()), Tenant: "acme", Hash: sha256.Sum256([]byte(tenantKey)),
	}))
	require.NoError(t, s.CreateEndpoint(t.Context(), webhook.Endpoint{
		ID: ids.New(time.Now()), Tenant: "acme", URL: "http://127.0.0.1:1/", Format: webhook.FormatBinary,
	}, nil))
}

// TestEachFaceOnKnativeIsAloneOnItsPath: a trigger that points at the public face must not see its events taken for
// delivered, and nobody may speak for a tenant without its key by way of the broker's path.
func TestEachFaceOnKnativeIsAloneOnItsPath(t *testing.T) {
	t.Parallel()
	for face, want := range map[config.Face]map[string]int{
		config.FaceBroker: {"/": http.StatusAccepted, "/v1/events": http.StatusNotFound},
		config.FacePublic: {"/": http.StatusNotFound, "/v1/events": http.StatusAccepted},
	} {
		t.Run(string(face), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			h, base := c.run(t, config.FunctionIngest, Ingest, "HOMING_INGEST_FACE="+string(face))
			subscribe(t, h.Store())
			for path, status := range want {
				require.Equal(t, status, post(t, base+path, "ce-tenant", "acme", "Authorization", "Bearer "+tenantKey), path)
			}
			hint := <-c.sink
			require.Equal(t, wire.TypeDue, hint.Get("Ce-Type"), "it goes to K_SINK")
			require.Equal(t, "0", hint.Get("Ce-Partition"))
		})
	}
}

// TestFunctionsOnKnativeTakeTheirOwnHints: what a trigger sends to the wrong function must not pass for delivered.
func TestFunctionsOnKnativeTakeTheirOwnHints(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	deliver := []string{wire.TypeDue, wire.TypeOverdue}
	retry := []string{wire.TypeRescheduled, wire.TypeJobs, wire.TypeTick}
	for _, f := range []struct {
		name         config.Function
		attach       Function
		takes, other []string
	}{
		{config.FunctionDeliver, Deliver, deliver, retry}, {config.FunctionRetry, Retry, retry, deliver},
	} {
		_, base := c.run(t, f.name, f.attach)
		for _, hintType := range f.takes {
			require.Equal(t, http.StatusNoContent, post(t, base, "ce-type", hintType, "ce-partition", "0"), hintType)
		}
		for _, hintType := range f.other {
			require.Equal(t, http.StatusNotFound, post(t, base, "ce-type", hintType, "ce-partition", "0"), hintType)
		}
	}
}

// TestRetryCountsDeadHints: it is the dead-letter sink of deliver's triggers, and takes what the broker gave up, but
// not what a trigger sends it by mistake.
func TestRetryCountsDeadHints(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	h, base := c.run(t, config.FunctionRetry, Retry)
	givenUp := func(trigger string) float64 {
		var m dto.Metric
		require.NoError(t, h.hints.givenUp.WithLabelValues(trigger).Write(&m))
		return m.GetCounter().GetValue()
	}
	for hintType, trigger := range map[string]string{wire.TypeDue: "deliver-due-0", wire.TypeOverdue: "deliver-overdue"} {
		require.Zero(t, givenUp(trigger))
		require.Equal(t, http.StatusNoContent, post(t, base, "ce-type", hintType, "ce-partition", "0",
			"ce-knativeerrordest", "http://deliver.homing.svc.cluster.local", "ce-knativeerrorcode", "-1"))
		require.Equal(t, 1, int(givenUp(trigger)))
		require.Equal(t, http.StatusNotFound, post(t, base, "ce-type", hintType, "ce-partition", "0"), "it is alive")
		require.Equal(t, 1, int(givenUp(trigger)))
	}
}

// TestTheTickOnKnativeComesFromOutside: nothing ticks by itself.
func TestTheTickOnKnativeComesFromOutside(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	h, base := c.run(t, config.FunctionRetry, Retry)
	ticks := func() float64 { return gathered(t, h.tel.Registry())["homing_retry_ticks_total"] }
	require.Zero(t, ticks())
	require.Equal(t, http.StatusNoContent, post(t, base, "ce-type", wire.TypeTick))
	require.Equal(t, 1, int(ticks()))
	require.Empty(t, c.sink, "there is nothing to say")
}

// TestATickThatIsHeldDoesNotKeepTheProcessFromStopping: its request lasts while timers come due, up to a whole tick.
func TestATickThatIsHeldDoesNotKeepTheProcessFromStopping(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	answered := make(chan error, 1)
	t.Run("Stops", func(t *testing.T) { // in order, or its end fails
		h, base := c.run(t, config.FunctionRetry, Retry)
		setTimer(t, base, time.Now().Add(30*time.Minute))
		tick := request(t, base, nil, "ce-type", wire.TypeTick)
		go func() {
			status, err := send(tick)
			if err == nil && status != http.StatusNoContent {
				err = fmt.Errorf("answered %d", status)
			}
			answered <- err
		}()
		require.Eventually(t, func() bool {
			return gathered(t, h.tel.Registry())["homing_retry_ticks_total"] == 1
		}, time.Minute, time.Millisecond)
		require.Empty(t, answered, "it is held")
	})
	require.NoError(t, <-answered)
}

// TestRetryStaysAwakeWhileTimersComeDue: to Knative only a request under way is a reason to keep a process.
func TestRetryStaysAwakeWhileTimersComeDue(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	h, base := c.run(t, config.FunctionRetry, Retry)
	setTimer(t, base, time.Now().Add(90*time.Minute))
	require.Empty(t, c.sink, "that is after the next tick")

	setTimer(t, base, time.Now().Add(30*time.Minute))
	again := <-c.sink
	require.Equal(t, wire.TypeRescheduled, again.Get("Ce-Type"), "a hint follows the one that was held")
	require.Equal(t, http.StatusNoContent, post(t, base, "ce-type", again.Get("Ce-Type"), "ce-partition", "0"))
	require.Len(t, c.sink, 1, "and so on, as long as the timer is there")
	<-c.sink

	tick := request(t, base, nil, "ce-type", wire.TypeTick)
	ended := make(chan error, 1)
	go func() {
		_, err := send(tick)
		ended <- err
	}()
	require.Eventually(t, h.awake.held.Load, time.Minute, time.Millisecond)
	setTimer(t, base, time.Now().Add(30*time.Minute))
	require.Empty(t, ended, "the tick is held")
	require.Empty(t, c.sink, "which is enough")
}

// setTimer has retry set a timer.
func setTimer(t *testing.T, base string, due time.Time) {
	t.Helper()
	var ids webhook.IDSource
	now := time.Now()
	e, err := wire.Encode(&wire.Hint{
		Type: wire.TypeRescheduled, Deliveries: []wire.Due{{Delivery: ids.New(now), Endpoint: ids.New(now), Due: due}},
	}, ids.New(now), now)
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, postData(t, base, e.Data(), "ce-type", e.Type(), "ce-partition", "0",
		"Content-Type", e.DataContentType()))
}

// TestAFunctionTakesOnItsRole: one that is set may do what its function does, and nothing else.
func TestAFunctionTakesOnItsRole(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	h, _ := c.run(t, config.FunctionRetry, Retry, "HOMING_DATABASE_ROLE=homing_retry")
	require.NoError(t, h.Store().ProbeWrite(t.Context()))
	require.Error(t, h.Store().CreateTenant(t.Context(), "acme"), "that is manage's")
}

func TestOnKnativeNothingIsKeptInMemory(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for _, missing := range []string{"K_SINK", "REDIS_URL", "RABBITMQ_URL", "DATABASE_URL"} {
		var rest []string
		for _, s := range c.settings {
			if !strings.HasPrefix(s, missing+"=") && (missing != "K_SINK" || !strings.HasPrefix(s, "RABBITMQ_URL=")) {
				rest = append(rest, s)
			}
		}
		_, err := config.Load(config.FunctionRetry, rest)
		require.ErrorContains(t, err, missing+" is not set")
	}
}

// TestAHeldHintFitsTheManifests: the broker still waits for the answer when a hint was held and the next one published,
// and the autoscaler has not forgotten the one when the other comes.
func TestAHeldHintFitsTheManifests(t *testing.T) {
	t.Parallel()
	var trigger struct {
		Spec struct {
			Delivery struct {
				Timeout string `json:"timeout"`
			} `json:"delivery"`
		} `json:"spec"`
	}
	manifest(t, "../../../eventing/retry-rescheduled.yaml", &trigger)
	timeout, err := time.ParseDuration(strings.ToLower(strings.TrimPrefix(trigger.Spec.Delivery.Timeout, "PT")))
	require.NoError(t, err)
	require.LessOrEqual(t, awakeFor+bus.HintTimeoutDefault, timeout)

	var service struct {
		Spec struct {
			Template struct {
				Metadata struct {
					Annotations map[string]string `json:"annotations"`
				} `json:"metadata"`
			} `json:"template"`
		} `json:"spec"`
	}
	manifest(t, "../../../knative/base/retry.yaml", &service)
	window, err := time.ParseDuration(service.Spec.Template.Metadata.Annotations["autoscaling.knative.dev/window"])
	require.NoError(t, err)
	require.Less(t, awakeFor, window)
}

func manifest(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, into))
}
