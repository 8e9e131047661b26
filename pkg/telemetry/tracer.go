package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
)

// tracer spares the work for spans that will not be sampled anyway.
type tracer struct {
	embedded.Tracer
	inner trace.Tracer // nil: no span is ever sampled
	// parentDecides is whether a span whose parent is not sampled is not either.
	parentDecides bool
}

// spared reports whether a span in ctx need not be made: whatever is in ctx stands for it.
func (t *tracer) spared(ctx context.Context) bool {
	if t.inner == nil {
		return true
	}
	if !t.parentDecides {
		return false
	}
	parent := trace.SpanContextFromContext(ctx)
	return parent.IsValid() && !parent.IsSampled()
}

// Start begins a span; see [trace.Tracer].
func (t *tracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (
	context.Context, trace.Span,
) {
	if t.spared(ctx) {
		return ctx, trace.SpanFromContext(ctx)
	}
	return t.inner.Start(ctx, name, options...)
}

// StartSpan begins a span of a kind, as t.Start does. With the tracer of [Telemetry.Tracer] it allocates nothing when
// the span is not sampled because its parent is not, or because none is; t.Start would, for its options. A span
// without a parent that chance leaves out costs four small allocations: its trace needs an id, for what hangs below
// it.
func StartSpan(ctx context.Context, t trace.Tracer, name string, kind trace.SpanKind) (context.Context, trace.Span) {
	if own, ok := t.(*tracer); ok && own.spared(ctx) {
		return ctx, trace.SpanFromContext(ctx)
	}
	return t.Start(ctx, name, trace.WithSpanKind(kind))
}
