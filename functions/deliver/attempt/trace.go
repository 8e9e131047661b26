package attempt

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/telemetry"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// span begins the span of an attempt, in the trace of the event's producer however long ago that was. Its context is
// the process's, not a request's: a request that goes away does not cut the POST.
func (d *Deliverer) span(w *store.Work) (context.Context, trace.Span) {
	ctx := d.life
	if w.Event != nil {
		ctx = telemetry.ContextWithTrace(ctx, w.Event.Trace)
	}
	return telemetry.StartSpan(ctx, d.cfg.Tracer, "homing.deliver.attempt", trace.SpanKindProducer)
}

// endSpan tells the span what happened; a span that is not sampled costs nothing here.
func endSpan(span trace.Span, r *store.Result) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(
		attribute.String("homing.tenant", r.Attempt.Tenant),
		attribute.String("homing.delivery", r.Attempt.Delivery.String()),
		attribute.String("homing.endpoint", r.Attempt.Endpoint.String()),
		attribute.Int("homing.attempt", r.Attempt.Number),
		attribute.String("homing.outcome", string(r.Attempt.Outcome)),
		attribute.Int("http.response.status_code", r.Attempt.Status),
	)
	if r.Attempt.Outcome != webhook.OutcomeSuccess {
		span.SetStatus(codes.Error, string(r.Attempt.Outcome))
	}
}
