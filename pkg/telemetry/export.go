package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	promotel "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"knative.dev/pkg/observability/tracing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/homing-hooks/homing/pkg/config"
)

// The protocols of K_OBSERVABILITY_CONFIG (knative.dev/pkg/observability).
const (
	protocolNone       = "none"
	protocolGRPC       = "grpc"
	protocolHTTP       = "http/protobuf"
	protocolPrometheus = "prometheus" // /metrics is there anyway
)

// platform is K_OBSERVABILITY_CONFIG as far as it concerns us. It has more; what is not known is left alone.
type platform struct {
	Tracing tracing.Config `json:"tracing"`
	Metrics pushConfig     `json:"metrics"`
}

// pushConfig is knative.dev/pkg/observability/metrics.Config. It is not that type because its package brings in a
// second exporter for Prometheus and a server for it, and cannot send what is in a registry.
type pushConfig struct {
	Protocol       string        `json:"protocol"`
	Endpoint       string        `json:"endpoint"`
	ExportInterval time.Duration `json:"exportInterval"`
}

// whereTo reads where traces and metrics go: the platform's word first, else the OTLP endpoint, else nowhere. Errors
// name the variable.
func whereTo(cfg *config.Config) (platform, error) {
	var p platform
	if text := cfg.Knative.Observability; text != "" {
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return p, fmt.Errorf("telemetry: K_OBSERVABILITY_CONFIG is not the JSON that it should be: %w", err)
		}
	}
	protocol, traces, metrics := otlp(&cfg.Telemetry)
	if p.Tracing.Protocol == "" {
		p.Tracing = tracing.Config{Protocol: protocol, Endpoint: traces, SamplingRate: 1}
	}
	if p.Metrics.Protocol == "" {
		p.Metrics = pushConfig{Protocol: protocol, Endpoint: metrics}
	}
	if err := p.Tracing.Validate(); err != nil {
		return p, fmt.Errorf("telemetry: K_OBSERVABILITY_CONFIG: tracing: %w", err)
	}
	switch p.Metrics.Protocol {
	case protocolNone, protocolPrometheus:
	case protocolGRPC, protocolHTTP:
		if p.Metrics.Endpoint == "" || p.Metrics.ExportInterval < 0 {
			return p, fmt.Errorf("telemetry: K_OBSERVABILITY_CONFIG: metrics: %s needs an endpoint, and no negative interval",
				p.Metrics.Protocol)
		}
	default:
		return p, fmt.Errorf("telemetry: K_OBSERVABILITY_CONFIG: metrics: unknown protocol %q", p.Metrics.Protocol)
	}
	return p, nil
}

// otlp returns the protocol and the endpoints of traces and metrics that OTEL_EXPORTER_OTLP_ENDPOINT stands for
// (OpenTelemetry Protocol Exporter, "Endpoint URLs for OTLP/HTTP").
func otlp(t *config.Telemetry) (protocol, traces, metrics string) {
	base := t.OTLPEndpoint.URL()
	switch {
	case base == nil:
		return protocolNone, "", ""
	case t.OTLPProtocol == config.OTLPGRPC:
		return protocolGRPC, base.String(), base.String()
	default:
		return protocolHTTP, base.JoinPath("v1/traces").String(), base.JoinPath("v1/metrics").String()
	}
}

// sampling says whether no span is ever sampled, and whether every span whose parent is not sampled is left out. It
// follows knative.dev/pkg/observability/tracing, and like it the variables that OpenTelemetry itself reads.
func sampling(c tracing.Config) (never, parentDecides bool) {
	switch sampler := os.Getenv("OTEL_TRACES_SAMPLER"); {
	case c.Protocol == protocolNone:
		return true, true
	case sampler != "":
		return sampler == "always_off", strings.HasPrefix(sampler, "parentbased_")
	case c.Protocol == tracing.ProtocolStdout:
		return false, false
	}
	rate := c.SamplingRate
	if over, err := strconv.ParseFloat(os.Getenv("OTEL_TRACES_SAMPLER_ARG"), 64); err == nil {
		rate = over
	}
	return rate < 1 && c.SamplingRate <= 0, rate < 1
}

// pusher returns a reader that sends what is in a registry, now and then and when it is shut down; nil when nothing
// is to be sent.
func pusher(ctx context.Context, c pushConfig, r *prometheus.Registry) (sdkmetric.Reader, error) {
	var exporter sdkmetric.Exporter
	var err error
	switch c.Protocol {
	case protocolHTTP:
		exporter, err = otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(c.Endpoint))
	case protocolGRPC:
		exporter, err = otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpointURL(c.Endpoint))
	default:
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("telemetry: metrics: %w", err)
	}
	options := []sdkmetric.PeriodicReaderOption{
		sdkmetric.WithProducer(promotel.NewMetricProducer(promotel.WithGatherer(r))),
	}
	if c.ExportInterval > 0 {
		options = append(options, sdkmetric.WithInterval(c.ExportInterval))
	}
	return sdkmetric.NewPeriodicReader(exporter, options...), nil
}
