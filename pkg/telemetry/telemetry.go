package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"knative.dev/pkg/observability/tracing"

	"github.com/homing-hooks/homing/pkg/config"
)

// scope is what our spans say they were made by.
const scope = "github.com/homing-hooks/homing"

// flushGrace is the time that Shutdown has for sending the rest, whatever time is left for the process.
const flushGrace = 3 * time.Second

// Telemetry is a process's registry of metrics and its tracer. Make one with [New], and shut it down last.
type Telemetry struct {
	registry *prometheus.Registry
	tracer   trace.Tracer
	traces   *tracing.TracerProvider
	metrics  *sdkmetric.MeterProvider // nil when metrics are not sent
}

// New makes the telemetry of a process from valid settings. log gets what goes wrong with sending. It connects to
// nothing yet. Errors: settings of the platform that cannot be used; they name the variable.
func New(cfg *config.Config, version string, log *slog.Logger) (*Telemetry, error) {
	where, err := whereTo(cfg)
	if err != nil {
		return nil, err
	}
	otel.SetErrorHandler(&complaints{log: log}) // OpenTelemetry has one for the process, and no other way
	ctx := context.Background()
	t := &Telemetry{registry: newRegistry(string(cfg.Function), version)}
	about := resourceOf(string(cfg.Function), version)
	t.traces, err = tracing.NewTracerProvider(ctx, where.Tracing, sdktrace.WithResource(about))
	if err != nil {
		return nil, fmt.Errorf("telemetry: traces: %w", err)
	}
	never, parentDecides := sampling(where.Tracing)
	own := &tracer{parentDecides: parentDecides}
	if !never {
		own.inner = t.traces.Tracer(scope, trace.WithInstrumentationVersion(version))
	}
	t.tracer = own
	reader, err := pusher(ctx, where.Metrics, t.registry)
	if err != nil {
		return nil, errors.Join(err, t.traces.Shutdown(ctx))
	}
	if reader != nil {
		t.metrics = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(about))
	}
	return t, nil
}

// resourceOf says who sends. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before what we say.
func resourceOf(function, version string) *resource.Resource {
	attributes := []attribute.KeyValue{
		attribute.String("service.namespace", "homing"),
		attribute.String("service.name", "homing-"+function),
		attribute.String("service.version", version),
	}
	if host, err := os.Hostname(); err == nil { // the name of the pod
		attributes = append(attributes, attribute.String("service.instance.id", host))
	}
	ours := resource.NewSchemaless(attributes...)
	merged, err := resource.Merge(ours, resource.Environment())
	if err != nil { // the schemas differ: what we say stands
		return ours
	}
	return merged
}

// Registry is where metrics are registered.
func (t *Telemetry) Registry() *prometheus.Registry { return t.registry }

// MetricsHandler answers /metrics.
func (t *Telemetry) MetricsHandler() http.Handler { return metricsHandler(t.registry) }

// Tracer makes spans; best through [StartSpan].
func (t *Telemetry) Tracer() trace.Tracer { return t.tracer }

// Shutdown sends what has not been sent, and ends the sending. It has until ctx ends, or a few seconds of its own if
// that is longer, because it comes last and what it loses cannot be told otherwise. Errors: what could not be sent.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ctx.Err() != nil || ok && time.Until(deadline) < flushGrace {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), flushGrace)
		defer cancel()
	}
	var traces, metrics error
	var both sync.WaitGroup
	both.Go(func() { traces = t.traces.Shutdown(ctx) })
	if t.metrics != nil {
		both.Go(func() { metrics = t.metrics.Shutdown(ctx) })
	}
	both.Wait()
	if err := errors.Join(traces, metrics); err != nil {
		return fmt.Errorf("telemetry: shutdown: %w", err)
	}
	return nil
}

// complaints logs what goes wrong with sending, at most once a minute: a collector that is away is away for a while.
type complaints struct {
	log *slog.Logger

	mu   sync.Mutex
	last time.Time
}

// Handle is called by OpenTelemetry.
func (c *complaints) Handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.last.IsZero() || now.Sub(c.last) >= time.Minute {
		c.last = now
		c.log.Warn("traces or metrics cannot be sent", slog.Any("error", err))
	}
}
