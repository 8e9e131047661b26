package telemetry

import (
	"context"
	"encoding/hex"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// propagator carries trace contexts as W3C Trace Context says.
var propagator = propagation.TraceContext{}

// ContextWithTrace returns ctx with the remote span that a stored trace context names; ctx itself when it names none.
func ContextWithTrace(ctx context.Context, t webhook.Trace) context.Context {
	if t.Parent == "" {
		return ctx
	}
	return propagator.Extract(ctx, stored(t))
}

// stored is a trace context as the propagator reads it.
type stored webhook.Trace

// Get returns the value of a header.
func (s stored) Get(key string) string {
	switch key {
	case "traceparent":
		return s.Parent
	case "tracestate":
		return s.State
	default:
		return ""
	}
}

// Set does nothing: a stored trace context is only read.
func (s stored) Set(string, string) {}

// Keys returns the names of the headers.
func (s stored) Keys() []string { return []string{"traceparent", "tracestate"} }

// TraceOf returns the trace context of the span in ctx, to be stored; empty when there is none.
func TraceOf(ctx context.Context) webhook.Trace {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return webhook.Trace{}
	}
	traceID, spanID := sc.TraceID(), sc.SpanID()
	b := make([]byte, 0, len("00-")+32+1+16+len("-00"))
	b = append(b, "00-"...) // W3C Trace Context, section 3.2.2
	b = hex.AppendEncode(b, traceID[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, spanID[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, []byte{byte(sc.TraceFlags() & (trace.FlagsSampled | trace.FlagsRandom))})
	return webhook.Trace{Parent: string(b), State: sc.TraceState().String()}
}
