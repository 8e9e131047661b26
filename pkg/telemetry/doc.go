// Package telemetry is what a process tells about itself: log messages, metrics, and traces.
//
// It owns the logger, the registry of metrics, the tracer, and where they are sent. Where is said by the platform's
// own settings (K_OBSERVABILITY_CONFIG, the same that Knative's broker and dispatcher read, so that one ConfigMap
// rules the whole trace), or by OTEL_EXPORTER_OTLP_ENDPOINT, or by nobody: then nothing leaves the process but its
// log, and what /metrics is asked for.
//
// It promises:
//
//   - A span that is not sampled, because its parent is not or because none is, allocates nothing
//     ([StartSpan]). A trace context that came in is passed on, whether tracing is on or not.
//   - Metrics are one registry, for /metrics and for OTLP alike.
//   - [Telemetry.Shutdown] sends what has not been sent yet, so that a process that lived five seconds loses no
//     counter. It has a little time for that of its own, even when everything else has used up its.
//   - That nothing can be sent is logged, once a minute at most, and hurts nobody.
//
// It never redacts: what is secret has a type that redacts itself wherever it is printed (config.Secret, config.URL,
// webhook.Secret), for a handler that looks for secrets in finished text finds those that it was told about only.
// Package telemetrytest has the check that none gets out.
package telemetry
