package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

const key = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// knative is a complete environment on Knative.
func knative(more ...string) []string {
	return append([]string{
		"K_SERVICE=x", "PORT=8080", "K_SINK=http://deliveries-broker-ingress.homing.svc.cluster.local",
		"DATABASE_URL=postgres://u:pw@db/homing", "REDIS_URL=redis://redis:6379/0",
		"RABBITMQ_URL=amqp://u:pw@rabbit:5672/", "HOMING_ENCRYPTION_KEYS=" + key, "HOMING_INGEST_FACE=broker",
	}, more...)
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.FunctionLocal, []string{"HOME=/home/u"})
	require.NoError(t, err, "`homing serve` needs no settings")
	require.Equal(t, webhook.DefaultPolicy(), c.WebhookPolicy())
	require.Equal(t, config.ModeEmbedded, c.Mode())
	require.Equal(t, config.BackendMemory, c.Bus())
	require.Equal(t, config.BackendMemory, c.Timers())
	require.Equal(t, "/home/u/.local/share/homing", c.DataDirectory())
	require.True(t, c.LoopbackAllowed())
	addr, variable := c.ListenAddress()
	require.Equal(t, "127.0.0.1:8080", addr)
	require.Equal(t, "HOMING_LISTEN", variable)
	require.Empty(t, c.MetricsAddress())

	// DESIGN 6a.
	require.Equal(t, 60*time.Second, c.Retry.Tick)
	require.Equal(t, 2*time.Second, c.Deliver.HoldBudget)
	require.Equal(t, 3000, c.Deliver.Slots)
	require.Equal(t, 25, c.Deliver.EndpointShare)
	require.Equal(t, []time.Duration{5 * time.Second, 5 * time.Second, 15 * time.Second, 20 * time.Second},
		[]time.Duration{c.Deliver.ConnectTimeout, c.Deliver.TLSTimeout, c.Deliver.FirstByteTimeout, c.Policy.AttemptTimeout})
	require.Equal(t, 24*time.Hour, c.Ingest.DedupeWindow)
	require.Equal(t, 90*24*time.Hour, c.Retry.RetentionEvents)
	require.Equal(t, 30*24*time.Hour, c.Retry.RetentionAttempts)
	require.EqualValues(t, 1<<20, c.Ingest.MaxPayload)
	require.Equal(t, 1, c.Services.Partitions)
}

func TestModes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		function    config.Function
		environ     []string
		mode        config.Mode
		bus, timers config.Backend
		listen      string
		metrics     string
		loopback    bool
	}{
		"ServeWithoutAnything": {
			function: config.FunctionLocal, environ: []string{"XDG_DATA_HOME=/d"},
			mode: config.ModeEmbedded, bus: config.BackendMemory, timers: config.BackendMemory,
			listen: "127.0.0.1:8080", loopback: true,
		},
		"ServeForTheWholeNetwork": {
			function: config.FunctionLocal, environ: []string{"HOME=/h", "HOMING_LISTEN=:8080"},
			mode: config.ModeEmbedded, bus: config.BackendMemory, timers: config.BackendMemory, listen: ":8080",
		},
		"ServeOnIPv6Loopback": {
			function: config.FunctionLocal, environ: []string{"HOME=/h", "HOMING_LISTEN=[::1]:0"},
			mode: config.ModeEmbedded, bus: config.BackendMemory, timers: config.BackendMemory, listen: "[::1]:0",
			loopback: true,
		},
		"ServeWithServices": {
			function: config.FunctionLocal,
			environ: []string{
				"DATABASE_URL=postgres:///homing?host=/run/postgresql", "REDIS_URL=rediss://r", "RABBITMQ_URL=amqps://r",
				"HOMING_ENCRYPTION_KEYS=" + key,
			},
			mode: config.ModeServices, bus: config.BackendAMQP, timers: config.BackendRedis, listen: "127.0.0.1:8080",
		},
		"AFunctionOutsideKnative": {
			function: config.FunctionRetry,
			environ:  []string{"DATABASE_URL=postgres://db/homing", "RABBITMQ_URL=amqp://r", "PORT=9000"},
			mode:     config.ModeServices, bus: config.BackendAMQP, timers: config.BackendMemory, listen: ":9000",
		},
		"AFunctionOnKnative": {
			function: config.FunctionDeliver, environ: knative(),
			mode: config.ModeKnative, bus: config.BackendKnative, timers: config.BackendRedis, listen: ":8080",
			metrics: ":9464",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := config.Load(tc.function, tc.environ)
			require.NoError(t, err)
			require.Equal(t, tc.mode, c.Mode())
			require.Equal(t, tc.bus, c.Bus())
			require.Equal(t, tc.timers, c.Timers())
			addr, _ := c.ListenAddress()
			require.Equal(t, tc.listen, addr)
			require.Equal(t, tc.metrics, c.MetricsAddress())
			require.Equal(t, tc.loopback, c.LoopbackAllowed())
		})
	}
}

func TestEveryFunctionStartsOnKnative(t *testing.T) {
	t.Parallel()
	for _, f := range []config.Function{
		config.FunctionIngest, config.FunctionDeliver, config.FunctionRetry, config.FunctionManage, config.FunctionLocal,
	} {
		_, err := config.Load(f, knative())
		require.NoError(t, err, f)
	}
}

// without is an environment with one variable taken out.
func without(environ []string, variable string) []string {
	var out []string
	for _, e := range environ {
		if !strings.HasPrefix(e, variable+"=") {
			out = append(out, e)
		}
	}
	return out
}

func TestMemoryIsRefusedOnKnative(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		missing string
		needs   []config.Function
		spares  []config.Function
	}{
		{"DATABASE_URL", []config.Function{"ingest", "deliver", "retry", "manage", "local"}, nil},
		{"REDIS_URL", []config.Function{"deliver", "retry", "local"}, []config.Function{"ingest", "manage"}},
		{"RABBITMQ_URL", []config.Function{"ingest", "retry", "local"}, []config.Function{"deliver", "manage"}},
		{
			"HOMING_ENCRYPTION_KEYS",
			[]config.Function{"deliver", "manage", "local"}, []config.Function{"ingest", "retry"},
		},
	} {
		for _, f := range tc.needs {
			_, err := config.Load(f, without(knative(), tc.missing))
			require.ErrorContains(t, err, "\n  "+tc.missing+" is not set", f)
		}
		for _, f := range tc.spares {
			_, err := config.Load(f, without(knative(), tc.missing))
			require.NoError(t, err, f)
		}
	}
	t.Run("Bus", func(t *testing.T) {
		t.Parallel()
		environ := without(without(knative(), "K_SINK"), "RABBITMQ_URL")
		for _, f := range []config.Function{"ingest", "deliver", "retry", "manage", "local"} {
			_, err := config.Load(f, environ)
			require.ErrorContains(t, err, "K_SINK is not set", f)
		}
	})
}

func TestProbeNeedsAHomingAndNoServices(t *testing.T) {
	t.Parallel()
	probe := []string{
		"HOMING_API_KEY=hmk_x", "HOMING_TENANT=homing-probe", "HOMING_PROBE_RECEIVER=https://probe.example.com",
	}
	c, err := config.Load(config.FunctionProbe, probe)
	require.NoError(t, err)
	require.Equal(t, 5*time.Minute, c.Probe.Interval)
	for _, missing := range []string{"HOMING_API_KEY", "HOMING_TENANT", "HOMING_PROBE_RECEIVER"} {
		_, err := config.Load(config.FunctionProbe, without(probe, missing))
		require.ErrorContains(t, err, "\n  "+missing+" ")
	}
	_, err = config.Load(config.FunctionProbe, append(probe, "HOMING_PROBE_INTERVAL=1m"))
	require.ErrorContains(t, err, "HOMING_PROBE_TIMEOUT is 1m0s; it must be below HOMING_PROBE_INTERVAL")
}

func TestProblemsNameTheVariableAndTheRemedy(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		environ []string
		want    string
	}{
		"Misspelled":    {[]string{"HOMING_SLOT=1"}, "HOMING_SLOT is not a setting; did you mean HOMING_SLOTS?"},
		"PortOfOurOwn":  {[]string{"HOMING_PORT=8080"}, "HOMING_PORT is not a setting; did you mean PORT?"},
		"WithPrefix":    {[]string{"HOMING_DATABASE_URI=x"}, "did you mean DATABASE_URL?"},
		"NotANumber":    {[]string{"HOMING_SLOTS=many"}, `HOMING_SLOTS is "many"; write a whole number`},
		"NotADuration":  {[]string{"HOMING_TICK=60"}, `HOMING_TICK is "60"; write a duration like 90d`},
		"NegativeTime":  {[]string{"HOMING_TICK=-60s"}, `HOMING_TICK is "-60s"; write a duration`},
		"NotABool":      {[]string{"HOMING_ALLOW_HTTP=perhaps"}, "HOMING_ALLOW_HTTP is neither true nor false"},
		"NotASize":      {[]string{"HOMING_MAX_PAYLOAD=1XB"}, `HOMING_MAX_PAYLOAD is "1XB"; write a size like`},
		"NotAWord":      {[]string{"HOMING_INGEST_FACE=any"}, "HOMING_INGEST_FACE is \"any\"; it can be public"},
		"NotALevel":     {[]string{"HOMING_LOG_LEVEL=loud"}, "HOMING_LOG_LEVEL is \"loud\"; it can be debug"},
		"NotAPrefix":    {[]string{"HOMING_ALLOW_ADDRESSES=10.0.0.0/8,ten"}, `ADDRESSES has "ten"; write prefixes`},
		"HostBits":      {[]string{"HOMING_DENY_ADDRESSES=10.1.2.3/8"}, "did you mean 10.0.0.0/8?"},
		"NotAPort":      {[]string{"HOMING_ALLOW_PORTS=25,0"}, `HOMING_ALLOW_PORTS has "0"; write ports`},
		"BadStep":       {[]string{"HOMING_SCHEDULE=0s,5"}, `HOMING_SCHEDULE step 2 is "5"; write a duration`},
		"NotAURL":       {[]string{"DATABASE_URL=host=db password=pw"}, "DATABASE_URL is not a URL with a scheme"},
		"WrongScheme":   {[]string{"DATABASE_URL=mysql://db/x"}, `begins with "mysql"; it must be postgres:// or`},
		"NoHost":        {[]string{"RABBITMQ_URL=amqp:///x"}, "RABBITMQ_URL names no host"},
		"TooFew":        {[]string{"HOMING_SLOTS=0"}, "HOMING_SLOTS is 0; it must be 1 to 100000"},
		"TooMany":       {[]string{"HOMING_ENDPOINT_SHARE=101"}, "HOMING_ENDPOINT_SHARE is 101; it must be 1 to 100"},
		"NoPort":        {[]string{"HOMING_LISTEN=localhost"}, `HOMING_LISTEN is "localhost"; write host:port`},
		"BadPort":       {[]string{"PORT=70000"}, "PORT is 70000; it must be a port, 1 to 65535"},
		"SameMetrics":   {[]string{"HOMING_METRICS_LISTEN=127.0.0.1:8080"}, "HOMING_METRICS_LISTEN is the address of"},
		"PhaseTooLong":  {[]string{"HOMING_TLS_TIMEOUT=21s"}, "HOMING_TLS_TIMEOUT is 21s; it must be 1ms to"},
		"ShortShutdown": {[]string{"HOMING_SHUTDOWN_TIMEOUT=10s"}, "HOMING_SHUTDOWN_TIMEOUT is 10s; it must be at least"},
		"LongDelay":     {[]string{"HOMING_DRAIN_DELAY=10s"}, "HOMING_SHUTDOWN_TIMEOUT is 25s; it must be at least"},
		"NotAProtocol":  {[]string{"OTEL_EXPORTER_OTLP_PROTOCOL=json"}, "OTEL_EXPORTER_OTLP_PROTOCOL is \"json\""},
		"ShortHorizon":  {[]string{"HOMING_HORIZON=30s"}, "HOMING_HORIZON is 30s; it must be HOMING_TICK (1m0s) to a year"},
		"SmallCap":      {[]string{"HOMING_PUSH_CAP=10s"}, "HOMING_PUSH_CAP is 10s; it must be HOMING_WAKE_GRACE"},
		"MoreThanParkingTakes": {
			[]string{"HOMING_MAX_PAYLOAD=6MiB", "RABBITMQ_URL=amqp://127.0.0.1/"},
			"HOMING_MAX_PAYLOAD is 6291456; it may be 5242880 at most together with RABBITMQ_URL",
		},
		"SmallClaim":      {[]string{"HOMING_CLAIM_BYTES=1KiB"}, "HOMING_CLAIM_BYTES is 1024; it must be at least"},
		"ShortRetention":  {[]string{"HOMING_RETENTION_EVENTS=1d"}, "HOMING_RETENTION_EVENTS is 24h0m0s; it must be above"},
		"LongAttempts":    {[]string{"HOMING_RETENTION_ATTEMPTS=91d"}, "HOMING_RETENTION_ATTEMPTS is 2184h0m0s; it must be"},
		"AllTheWriters":   {[]string{"HOMING_ACCEPT_WRITERS=8"}, "HOMING_ACCEPT_WRITERS is 8; it must be at"},
		"LongStep":        {[]string{"HOMING_SCHEDULE=0s,9999d"}, "HOMING_SCHEDULE has 239976h0m0s in step 2; a step may"},
		"RedisPrefix":     {[]string{"HOMING_REDIS_PREFIX={x}"}, `HOMING_REDIS_PREFIX is "{x}"; it must be a word`},
		"QueueProxysPort": {[]string{"K_SERVICE=x", "HOMING_METRICS_LISTEN=:9090"}, "which belongs to Knative's queue-proxy"},
		"NoHome":          {[]string{"HOME="}, "HOMING_DATA_DIR is not set, and neither is HOME"},
		"NoKey":           {[]string{"DATABASE_URL=postgres://db/x"}, "HOMING_ENCRYPTION_KEYS is not set; make a key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(config.FunctionLocal, append([]string{"HOME=/h"}, tc.environ...))
			var problems *config.Error
			require.ErrorAs(t, err, &problems)
			require.Contains(t, err.Error(), tc.want)
		})
	}
	t.Run("AllAtOnce", func(t *testing.T) {
		t.Parallel()
		_, err := config.Load(config.FunctionLocal, []string{"HOME=/h", "HOMING_TICK=0s", "HOMING_SLOTS=0"})
		var problems *config.Error
		require.ErrorAs(t, err, &problems)
		require.Len(t, problems.Problems, 2)
	})
	t.Run("BothFacesOnKnative", func(t *testing.T) {
		t.Parallel()
		_, err := config.Load(config.FunctionIngest, knative("HOMING_INGEST_FACE=both"))
		require.ErrorContains(t, err, "HOMING_INGEST_FACE is both; on Knative set it to public or to broker")
	})
	t.Run("EmbeddedIsForServeOnly", func(t *testing.T) {
		t.Parallel()
		_, err := config.Load(config.FunctionRetry, []string{"RABBITMQ_URL=amqp://r"})
		require.ErrorContains(t, err, "DATABASE_URL is not set")
	})
}

// needs returns what is missing for the functions that `homing serve --only` names.
func needs(t *testing.T, only []config.Function, environ ...string) string {
	t.Helper()
	c, err := config.Parse(config.FunctionLocal, append([]string{"HOME=/h"}, environ...))
	require.NoError(t, err)
	c.Only = only
	if err := c.Validate(); err != nil {
		return err.Error()
	}
	return ""
}

func TestSomeFunctionsOnlyNeedWhatLeadsToTheOthers(t *testing.T) {
	t.Parallel()
	for _, f := range []config.Function{config.FunctionIngest, config.FunctionDeliver, config.FunctionRetry} {
		only := []config.Function{f}
		require.Contains(t, needs(t, only, "DATABASE_URL=postgres://db/x"), "\n  RABBITMQ_URL is not set", f)
		require.Contains(t, needs(t, only, "RABBITMQ_URL=amqp://r"), "\n  DATABASE_URL is not set", f)
		keys := needs(t, only, "DATABASE_URL=postgres://db/x", "RABBITMQ_URL=amqp://r")
		if f == config.FunctionDeliver {
			require.Contains(t, keys, "\n  HOMING_ENCRYPTION_KEYS is not set")
		} else {
			require.Empty(t, keys, f)
		}
	}
	require.Empty(t, needs(t, nil), "the whole needs nothing")
}

func TestCommandsNeedNothingBeforehand(t *testing.T) {
	t.Parallel()
	for _, environ := range [][]string{nil, {"DATABASE_URL=postgres://db/x"}, {"HOMING_SERVER=https://homing.test"}} {
		_, err := config.Load(config.FunctionCommand, environ)
		require.NoError(t, err, environ)
	}
	_, err := config.Load(config.FunctionCommand, []string{"HOMING_SLOT=1"})
	require.ErrorContains(t, err, "HOMING_SLOTS", "but what is set must make sense")
}

func TestEmbeddedTicksOftenUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{"": 5 * time.Second, "60s": time.Minute, "2s": 2 * time.Second} {
		c, err := config.Load(config.FunctionLocal, []string{"HOME=/h", "HOMING_TICK=" + value})
		require.NoError(t, err)
		require.NoError(t, c.Embed("postgres://db/x", key))
		require.Equal(t, want, c.Retry.Tick, "HOMING_TICK=%s", value)
	}
}

func TestKubernetesServiceLinksAreNotSettings(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.FunctionLocal, []string{
		"HOME=/h", "HOMING_SERVICE_HOST=10.0.0.1", "HOMING_SERVICE_PORT=80", "HOMING_SERVICE_PORT_HTTP=80",
		"HOMING_PORT=tcp://10.0.0.1:80", "HOMING_PORT_80_TCP=tcp://10.0.0.1:80", "HOMING_PORT_80_TCP_PROTO=tcp",
		"HOMING_POSTGRES_PORT_5432_TCP_ADDR=10.0.0.2", "HOMING_PORT_80_TCP_PORT=80",
	})
	require.NoError(t, err)
}

func TestAnEmptyVariableIsNotSet(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.FunctionLocal, []string{"HOME=/h", "HOMING_SLOTS=", "DATABASE_URL= ", "HOMING_TYPO="})
	require.NoError(t, err)
	require.Equal(t, 3000, c.Deliver.Slots)
	require.Equal(t, config.ModeEmbedded, c.Mode())
	require.False(t, c.IsSet("HOMING_SLOTS"))
	c, err = config.Load(config.FunctionLocal, []string{"HOME=/h", "HOMING_SLOTS=2000"})
	require.NoError(t, err)
	require.True(t, c.IsSet("HOMING_SLOTS"))
}

// Errors of the library name fields, which must lead to one variable each; and every variable has a paragraph.
func TestFieldsAndVariablesAreOneToOne(t *testing.T) {
	t.Parallel()
	names, variables := map[string]bool{}, map[string]bool{}
	c := reflect.TypeFor[config.Config]()
	for group := range c.Fields() {
		if group.Type.Kind() == reflect.Struct {
			for f := range group.Type.Fields() {
				require.False(t, names[f.Name], "two fields are called %s", f.Name)
				names[f.Name] = true
				require.NotEmpty(t, f.Tag.Get("env"), f.Name)
				variables[f.Tag.Get("env")] = true
			}
		}
	}
	require.Len(t, config.Variables(), len(variables))
	require.Len(t, names, len(variables))
	doc, err := config.Doc()
	require.NoError(t, err)
	for v := range variables {
		require.True(t, regexp.MustCompile("(?m)^\\| `"+v+"` \\| .+ \\| .{20,} \\|$").MatchString(doc), v)
	}
}

func TestDocIsCurrent(t *testing.T) {
	t.Parallel()
	doc, err := config.Doc()
	require.NoError(t, err)
	file := filepath.Join("..", "..", "docs", "configuration.md")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(doc), 0o644))
	}
	have, err := os.ReadFile(file)
	require.NoError(t, err)
	if doc != string(have) { // require.Equal would print both
		t.Fatal("docs/configuration.md is not what the comments say: run go generate ./pkg/config")
	}
}
