package telemetrytest

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// Log is the messages of a logger. It may be read while they are written.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write takes a message in.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// String returns the messages, one a line.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Logger returns a logger that takes everything, and what it writes, as JSON.
func Logger() (*slog.Logger, *Log) {
	log := new(Log)
	return slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), log
}

// Tracer returns a tracer that samples everything, and its spans: they are there as soon as they end.
func Tracer(t testing.TB) (trace.Tracer, *tracetest.InMemoryExporter) {
	t.Helper()
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	return provider.Tracer("test"), spans
}
