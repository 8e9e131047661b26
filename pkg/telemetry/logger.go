package telemetry

import (
	"context"
	"io"
	"log/slog"
	"os"

	"go.opentelemetry.io/otel/trace"

	"github.com/homing-hooks/homing/pkg/config"
)

// NewLogger returns a logger that writes to w as the settings say. A message that is logged with the context of a
// sampled span carries its trace_id and span_id.
func NewLogger(w io.Writer, cfg *config.Telemetry) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.Level(cfg.LogLevel)}
	var h slog.Handler = slog.NewJSONHandler(w, options)
	if cfg.LogFormat == config.LogText || cfg.LogFormat != config.LogJSON && isTerminal(w) {
		h = slog.NewTextHandler(w, options)
	}
	return slog.New(spanHandler{h})
}

// isTerminal reports whether somebody reads w as it is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// spanHandler adds the span of the context to messages.
type spanHandler struct{ slog.Handler }

// Handle adds the span and passes the message on.
func (h spanHandler) Handle(ctx context.Context, r slog.Record) error {
	if sc := trace.SpanContextFromContext(ctx); sc.IsSampled() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps adding the span.
func (h spanHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return spanHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps adding the span.
func (h spanHandler) WithGroup(name string) slog.Handler {
	return spanHandler{h.Handler.WithGroup(name)}
}
