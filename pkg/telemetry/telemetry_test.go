package telemetry_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/telemetry"
	"github.com/homing-hooks/homing/pkg/telemetry/telemetrytest"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func TestMain(m *testing.M) {
	for _, name := range []string{"OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_EXPORTER_OTLP_ENDPOINT"} {
		if err := os.Unsetenv(name); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

const (
	sampled   = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

// begin makes the telemetry of a process with settings.
func begin(t testing.TB, environ ...string) *telemetry.Telemetry {
	t.Helper()
	cfg, err := config.Load(config.FunctionLocal, append(environ, "HOME=/h"))
	require.NoError(t, err)
	tel, err := telemetry.New(cfg, "v1.2.3", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return tel
}

// platform is K_OBSERVABILITY_CONFIG as Knative's controllers write it.
func platform(endpoint string, rate float64) string {
	return fmt.Sprintf(`K_OBSERVABILITY_CONFIG={"tracing":{"protocol":"http/protobuf","endpoint":"%s/v1/traces",`+
		`"samplingRate":%v},"metrics":{"protocol":"http/protobuf","endpoint":"%s/v1/metrics"},`+
		`"runtime":{"profiling":"disabled"},"requestMetrics":{}}`, endpoint, rate, endpoint)
}

// A process that lives for a moment loses no counter and no span.
func TestShutdownSendsTheRest(t *testing.T) {
	for name, environ := range map[string]func(url string) string{
		"ThePlatformSaysWhere": func(url string) string { return platform(url, 1) },
		"AnEndpointIsSet":      func(url string) string { return "OTEL_EXPORTER_OTLP_ENDPOINT=" + url },
	} {
		for name2, ended := range map[string]bool{"InTime": false, "WhenTheTimeIsUp": true} {
			t.Run(name+name2, func(t *testing.T) {
				t.Parallel()
				c := telemetrytest.NewCollector(t)
				tel := begin(t, environ(c.URL))
				counter := promauto.With(tel.Registry()).NewCounterVec(
					prometheus.CounterOpts{Name: "homing_test_total", Help: "T."}, []string{"outcome"})
				counter.WithLabelValues("success").Add(3)
				ctx, span := telemetry.StartSpan(t.Context(), tel.Tracer(), "attempt", trace.SpanKindClient)
				require.True(t, span.IsRecording())
				require.NotEmpty(t, telemetry.TraceOf(ctx).Parent)
				span.End()

				ctx, cancel := context.WithCancel(t.Context())
				if ended {
					cancel()
				}
				require.NoError(t, tel.Shutdown(ctx))
				cancel()
				value, ok := c.Counter("homing_test_total", "outcome", "success")
				require.True(t, ok)
				require.InDelta(t, 3, value, 0)
				_, ok = c.Counter("homing_build_info", "function", "local", "version", "v1.2.3")
				require.True(t, ok)
				require.Len(t, c.Spans(), 1)
				require.Equal(t, "attempt", c.Spans()[0].GetName())
				require.Equal(t, []string{"homing-local", "homing-local"}, c.Services())
			})
		}
	}
}

func TestNowhereToSend(t *testing.T) {
	t.Parallel()
	for _, environ := range []string{"", "K_OBSERVABILITY_CONFIG={}", `K_OBSERVABILITY_CONFIG={` +
		`"tracing":{"protocol":"none"},` +
		`"metrics":{"protocol":"prometheus","endpoint":":9090"}}`} {
		tel := begin(t, environ)
		ctx := telemetry.ContextWithTrace(t.Context(), webhook.Trace{Parent: sampled, State: "a=b"})
		ctx, span := telemetry.StartSpan(ctx, tel.Tracer(), "x", trace.SpanKindServer)
		require.False(t, span.IsRecording())
		require.Equal(t, webhook.Trace{Parent: sampled, State: "a=b"}, telemetry.TraceOf(ctx), "what came in is passed on")
		require.NoError(t, tel.Shutdown(t.Context()))
	}
}

func TestSettingsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{`:                                                "K_OBSERVABILITY_CONFIG is not the JSON",
		`{"tracing":{"protocol":"zipkin"}}`:                "unsupported protocol",
		`{"tracing":{"protocol":"grpc"}}`:                  "endpoint should be set",
		`{"metrics":{"protocol":"grpc"}}`:                  "needs an endpoint",
		`{"metrics":{"protocol":"opencensus"}}`:            `unknown protocol "opencensus"`,
		`{"tracing":{"protocol":"none","samplingRate":2}}`: "sampling rate",
		`{"metrics":{"protocol":"http/protobuf","endpoint":"h:1"},"tracing":{"protocol":"none","endpoint":"x"}}`: "endpoint",
	} {
		cfg, err := config.Load(config.FunctionLocal, []string{"HOME=/h", "K_OBSERVABILITY_CONFIG=" + text})
		require.NoError(t, err)
		_, err = telemetry.New(cfg, "", slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, "K_OBSERVABILITY_CONFIG", text)
		require.ErrorContains(t, err, want, text)
	}
}

// gRPC is what many collectors are set up for; that it can be chosen is enough here.
func TestGRPC(t *testing.T) {
	t.Parallel()
	tel := begin(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	started := time.Now()
	require.Error(t, tel.Shutdown(ctx), "nobody is there")
	require.Less(t, time.Since(started), 20*time.Second, "and that does not hold the process up")
}

func TestSampling(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		rate      float64
		parent    string
		recording bool
	}{
		"NoParentAtRateOne":        {1, "", true},
		"SampledParent":            {0.000001, sampled, true},
		"UnsampledParent":          {0.999999, unsampled, false},
		"AtRateOneEverythingIs":    {1, unsampled, true},
		"AtRateZeroNothingIs":      {0, sampled, false},
		"NoParentAtRateAlmostZero": {0.000000001, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tel := begin(t, platform(telemetrytest.NewCollector(t).URL, tc.rate))
			parent := telemetry.ContextWithTrace(t.Context(), webhook.Trace{Parent: tc.parent})
			ctx, span := telemetry.StartSpan(parent, tel.Tracer(), "x", trace.SpanKindServer)
			require.Equal(t, tc.recording, span.IsRecording())
			_, direct := tel.Tracer().Start(parent, "x", trace.WithSpanKind(trace.SpanKindServer))
			require.Equal(t, tc.recording, direct.IsRecording())
			_, child := telemetry.StartSpan(ctx, tel.Tracer(), "y", trace.SpanKindInternal)
			require.Equal(t, tc.recording, child.IsRecording(), "a trace is sampled as a whole")
			if tc.parent != "" {
				require.Equal(t, tc.parent[:35], telemetry.TraceOf(ctx).Parent[:35], "it is the same trace")
			}
			child.End()
			direct.End()
			span.End()
			require.NoError(t, tel.Shutdown(t.Context()))
		})
	}
}

func TestStoredTraces(t *testing.T) {
	t.Parallel()
	for _, tr := range []webhook.Trace{
		{Parent: sampled}, {Parent: unsampled, State: "k=v,l=w"},
		{Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"},
	} {
		require.Equal(t, tr, telemetry.TraceOf(telemetry.ContextWithTrace(t.Context(), tr)))
	}
	for _, parent := range []string{"", "x", "00-00000000000000000000000000000000-b7ad6b7169203331-01", sampled + "-x"} {
		ctx := telemetry.ContextWithTrace(t.Context(), webhook.Trace{Parent: parent})
		require.Empty(t, telemetry.TraceOf(ctx), parent)
	}
}

// What was stored can be whatever a producer sent.
func FuzzContextWithTrace(f *testing.F) {
	f.Add(sampled, "a=b")
	f.Add(unsampled, "")
	f.Add("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff", ",")
	f.Fuzz(func(t *testing.T, parent, state string) {
		once := telemetry.TraceOf(telemetry.ContextWithTrace(t.Context(), webhook.Trace{Parent: parent, State: state}))
		require.Equal(t, once, telemetry.TraceOf(telemetry.ContextWithTrace(t.Context(), once)))
		if once.Parent != "" {
			require.Len(t, once.Parent, 55)
		}
	})
}

func TestLogger(t *testing.T) {
	t.Parallel()
	load := func(environ ...string) *config.Telemetry {
		cfg, err := config.Load(config.FunctionLocal, append(environ, "HOME=/h"))
		require.NoError(t, err)
		return &cfg.Telemetry
	}

	t.Run("JSONWithTheSpan", func(t *testing.T) {
		t.Parallel()
		var b bytes.Buffer
		log := telemetry.NewLogger(&b, load()).With("function", "deliver").WithGroup("g")
		ctx := telemetry.ContextWithTrace(t.Context(), webhook.Trace{Parent: sampled})
		log.InfoContext(ctx, "m", "k", 1)
		require.Contains(t, b.String(), `"msg":"m","function":"deliver","g":{"k":1,`+
			`"trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331"}}`)
		b.Reset()
		log.InfoContext(telemetry.ContextWithTrace(t.Context(), webhook.Trace{Parent: unsampled}), "m")
		require.NotContains(t, b.String(), "trace_id", "nobody could look it up")
		b.Reset()
		log.Debug("m")
		require.Empty(t, b.String())
	})

	t.Run("TextAndLevel", func(t *testing.T) {
		t.Parallel()
		var b bytes.Buffer
		log := telemetry.NewLogger(&b, load("HOMING_LOG_FORMAT=text", "HOMING_LOG_LEVEL=error"))
		log.Warn("w")
		log.Error("e")
		require.NotContains(t, b.String(), "msg=w")
		require.Contains(t, b.String(), "level=ERROR msg=e")
	})

	t.Run("AFileIsNoTerminal", func(t *testing.T) {
		t.Parallel()
		f, err := os.Create(t.TempDir() + "/log")
		require.NoError(t, err)
		telemetry.NewLogger(f, load()).Info("m")
		_, err = f.Seek(0, io.SeekStart)
		require.NoError(t, err)
		b, err := io.ReadAll(f)
		require.NoError(t, err)
		require.Contains(t, string(b), `"msg":"m"`)
		require.NoError(t, f.Close())
	})
}

// OpenTelemetry has one handler of errors for the process, so this test is not parallel.
func TestComplaintsAreRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, messages := telemetrytest.Logger()
		cfg, err := config.Load(config.FunctionLocal, []string{"HOME=/h"})
		require.NoError(t, err)
		_, err = telemetry.New(cfg, "", log)
		require.NoError(t, err)
		for range 13 { // every 10 s for two minutes
			otel.Handle(context.DeadlineExceeded)
			<-time.After(10 * time.Second)
		}
		require.Equal(t, 3, strings.Count(messages.String(), "cannot be sent"))
	})
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	tel := begin(t)
	telemetry.Precreate(promauto.With(tel.Registry()).NewCounterVec(
		prometheus.CounterOpts{Name: "homing_test_total", Help: "T."}, []string{"outcome", "by"}),
		telemetry.Values([]webhook.Outcome{webhook.OutcomeSuccess, webhook.OutcomeGone}), []string{"hint", "pull"})
	telemetry.Precreate(promauto.With(tel.Registry()).NewHistogramVec(
		prometheus.HistogramOpts{Name: "homing_test_seconds", Help: "T."}, []string{"success"}), []string{"true", "false"})
	w := httptest.NewRecorder()
	tel.MetricsHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`homing_test_total{by="hint",outcome="success"} 0`, `homing_test_total{by="pull",outcome="success"} 0`,
		`homing_test_total{by="hint",outcome="gone"} 0`, `homing_test_total{by="pull",outcome="gone"} 0`,
		`homing_test_seconds_count{success="false"} 0`, `homing_build_info{function="local",version="v1.2.3"} 1`,
		"go_goroutines", "process_cpu_seconds_total",
	} {
		require.Contains(t, w.Body.String(), line)
	}
}

func BenchmarkStartSpan(b *testing.B) {
	for _, bench := range []struct {
		name, environ, parent string
	}{
		{"off", "", ""},
		{"off,with_parent", "", sampled},
		{"unsampled_parent", platform("http://127.0.0.1:1", 0.5), unsampled},
		{"rate_zero", platform("http://127.0.0.1:1", 0), ""},
		{"unsampled_root", platform("http://127.0.0.1:1", 1e-12), ""},
	} {
		b.Run(bench.name, func(b *testing.B) {
			tel := begin(b, bench.environ)
			ctx := telemetry.ContextWithTrace(b.Context(), webhook.Trace{Parent: bench.parent})
			tracer := tel.Tracer()
			b.ReportAllocs()
			for b.Loop() {
				_, span := telemetry.StartSpan(ctx, tracer, "homing.deliver.attempt", trace.SpanKindClient)
				span.End()
			}
			_ = tel.Shutdown(b.Context()) // nobody listens
		})
	}
}

// A span that is not sampled allocates nothing, and neither does what hangs below one.
func TestUnsampledSpansAllocateNothing(t *testing.T) {
	for name, tc := range map[string]struct{ environ, parent string }{
		"Off":             {"", ""},
		"OffWithParent":   {"", sampled},
		"RateZero":        {platform("http://127.0.0.1:1", 0), sampled},
		"UnsampledParent": {platform("http://127.0.0.1:1", 0.5), unsampled},
	} {
		t.Run(name, func(t *testing.T) {
			tel := begin(t, tc.environ)
			ctx := telemetry.ContextWithTrace(t.Context(), webhook.Trace{Parent: tc.parent})
			tracer := tel.Tracer()
			require.Zero(t, testing.AllocsPerRun(100, func() {
				child, span := telemetry.StartSpan(ctx, tracer, "x", trace.SpanKindClient)
				_, grandchild := telemetry.StartSpan(child, tracer, "y", trace.SpanKindInternal)
				grandchild.End()
				span.End()
			}))
			_ = tel.Shutdown(t.Context()) // nobody listens
		})
	}
}

func BenchmarkContextWithTrace(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		telemetry.TraceOf(telemetry.ContextWithTrace(b.Context(), webhook.Trace{Parent: sampled}))
	}
}
