package host

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/probe"
	"github.com/homing-hooks/homing/pkg/seal"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

// TestMetricsAreDocumented holds docs/metrics.md to what a process of all functions, on all services, registers, and to
// what the program of the probes does.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(config.FunctionLocal, []string{
		"DATABASE_URL=postgres://nobody@127.0.0.1:1/none", "REDIS_URL=redis://127.0.0.1:1/0",
		"RABBITMQ_URL=amqp://127.0.0.1:1", "HOMING_ENCRYPTION_KEYS=" + seal.NewKey("k1"),
	})
	require.NoError(t, err)
	h, err := New(cfg, slog.New(slog.DiscardHandler), time.Now, Ingest, Deliver, Retry, Manage)
	require.NoError(t, err)
	probe.NewMetrics(h.tel.Registry(), time.Minute, time.Now(), probe.Names...)
	families, err := h.tel.Registry().Gather()
	require.NoError(t, err)
	doc := metricsDoc(families)
	file := filepath.Join("..", "..", "..", "docs", "metrics.md")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(doc), 0o644))
	}
	have, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, doc, string(have), "run: go test ./functions/internal/host -run TestMetricsAreDocumented -update")
}

// metricsHead has quotes where the document has backticks.
const metricsHead = `# Metrics

At '/metrics' of every process, in the text format of Prometheus, beside those of the Go runtime and the process
('go_*', 'process_*'). A process has those of its functions: 'homing_ingest_*', 'homing_deliver_*', 'homing_retry_*',
'homing_manage_*'; 'homing_probe_*' are those of the program that watches a Homing from outside.
With 'OTEL_EXPORTER_OTLP_ENDPOINT' they are pushed as well, once more on SIGTERM, so that what a process of a few
seconds counted is not lost.

| metric | kind | labels | what it says |
|---|---|---|---|
`

// metricsDoc writes Homing's own metrics as a table.
func metricsDoc(families []*dto.MetricFamily) string {
	var doc strings.Builder
	doc.WriteString(strings.ReplaceAll(metricsHead, "'", "`"))
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "homing_") {
			fmt.Fprintf(&doc, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), labelsOf(f),
				f.GetHelp())
		}
	}
	return doc.String()
}

// labelsOf lists the labels of a family with their values, which are all there from the start.
func labelsOf(f *dto.MetricFamily) string {
	values := make(map[string][]string)
	var names []string
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if !slices.Contains(names, l.GetName()) {
				names = append(names, l.GetName())
			}
			if !slices.Contains(values[l.GetName()], l.GetValue()) {
				values[l.GetName()] = append(values[l.GetName()], l.GetValue())
			}
		}
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("`%s`: %s", name, strings.Join(values[name], ", "))
	}
	return strings.Join(names, "; ")
}
