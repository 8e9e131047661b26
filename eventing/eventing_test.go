package eventing_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/homing-hooks/homing/eventing"
	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/wire"
)

func TestTriggersAreTheEdgesOfTheDesign(t *testing.T) {
	t.Parallel()
	triggers, err := eventing.Triggers(1)
	require.NoError(t, err)
	require.Equal(t, []eventing.Trigger{
		{
			Name: "deliver-due-0", Broker: bus.BrokerDeliveries, Subscriber: "deliver", Parallelism: 100,
			Filter: map[string]string{"type": wire.TypeDue, wire.PartitionAttribute: "0"},
		},
		{
			Name: "deliver-overdue", Broker: bus.BrokerDeliveries, Subscriber: "deliver", Parallelism: 20,
			Filter: map[string]string{"type": wire.TypeOverdue},
		},
		{Name: "ingest-events", Broker: bus.BrokerEvents, Subscriber: "ingest", Parallelism: 100},
		{
			Name: "retry-jobs", Broker: bus.BrokerDeliveries, Subscriber: "retry", Parallelism: 1,
			Filter: map[string]string{"type": wire.TypeJobs},
		},
		{
			Name: "retry-rescheduled", Broker: bus.BrokerDeliveries, Subscriber: "retry", Parallelism: 20,
			Filter: map[string]string{"type": wire.TypeRescheduled},
		},
	}, triggers)
}

// TestEveryPartitionHasATrigger: they are those of partition 0, but for the partition.
func TestEveryPartitionHasATrigger(t *testing.T) {
	t.Parallel()
	const partitions = 3
	one, err := eventing.Triggers(1)
	require.NoError(t, err)
	three, err := eventing.Triggers(partitions)
	require.NoError(t, err)
	require.Len(t, three, len(one)+partitions-1)
	for p := range partitions {
		want := one[0]
		want.Name = fmt.Sprintf("deliver-due-%d", p)
		want.Filter = map[string]string{"type": wire.TypeDue, wire.PartitionAttribute: strconv.Itoa(p)}
		require.Equal(t, want, three[p])
	}
	require.Equal(t, one[1:], three[partitions:], "the others take every partition")
}

// trigger is what the broker needs of a trigger so that it loses nothing by itself.
type trigger struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Filters  any `json:"filters"`
		Delivery struct {
			Retry          int    `json:"retry"`
			Timeout        string `json:"timeout"`
			DeadLetterSink struct {
				Ref struct {
					Name string `json:"name"`
				} `json:"ref"`
			} `json:"deadLetterSink"`
		} `json:"delivery"`
	} `json:"spec"`
}

func TestEveryTriggerSaysItsWholeDelivery(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.yaml")
	require.NoError(t, err)
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotContains(t, string(text), "\n---", "%s: one document a file", file)
		var m trigger
		require.NoError(t, yaml.Unmarshal(text, &m))
		if m.Kind != "Trigger" {
			continue
		}
		found++
		require.Equal(t, strings.TrimSuffix(file, ".yaml"), m.Metadata.Name)
		require.Positive(t, m.Spec.Delivery.Retry, file)
		require.NotEmpty(t, m.Spec.Delivery.Timeout, file)
		require.NotEmpty(t, m.Spec.Delivery.DeadLetterSink.Ref.Name, file)
		require.Nil(t, m.Spec.Filters, "%s: the RabbitMQ broker ignores spec.filters, and everything would match", file)
	}
	require.Equal(t, 5, found)
}

var update = flag.Bool("update", false, "write what is generated: the diagram in README.md, the triggers of components")

// edge is what the diagram needs of a manifest.
type edge struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Broker     string `json:"broker"`
		Schedule   string `json:"schedule"`
		Subscriber sink   `json:"subscriber"`
		Sink       sink   `json:"sink"`
		Filter     struct {
			Attributes map[string]string `json:"attributes"`
		} `json:"filter"`
		Delivery struct {
			DeadLetterSink sink `json:"deadLetterSink"`
		} `json:"delivery"`
	} `json:"spec"`
}

type sink struct {
	Ref struct {
		Name string `json:"name"`
	} `json:"ref"`
}

// line is how the manifest is drawn; "" for what is no part of the picture.
func (e *edge) line() string {
	s := &e.Spec
	switch e.Kind {
	case "Broker":
		return fmt.Sprintf("  %s{{%s}}\n", e.Metadata.Name, e.Metadata.Name)
	case "PingSource":
		return fmt.Sprintf("  %s([%s: %s]) --> %s\n", e.Metadata.Name, e.Metadata.Name,
			strings.ReplaceAll(s.Schedule, "*", "#42;"), s.Sink.Ref.Name)
	case "Trigger":
		what := []string{e.Metadata.Name}
		for _, attribute := range slices.Sorted(maps.Keys(s.Filter.Attributes)) {
			what = append(what, attribute+" "+s.Filter.Attributes[attribute])
		}
		return fmt.Sprintf("  %s -->|%s| %s\n  %s -. dead .-> %s\n", s.Broker, strings.Join(what, "<br>"),
			s.Subscriber.Ref.Name, s.Broker, s.Delivery.DeadLetterSink.Ref.Name)
	}
	return ""
}

// TestTheDiagramIsDrawnFromTheManifests: -update draws it anew.
func TestTheDiagramIsDrawnFromTheManifests(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.yaml")
	require.NoError(t, err)
	drawn := map[string]bool{} // two triggers may have the same dead letters
	var diagram strings.Builder
	diagram.WriteString("```mermaid\nflowchart LR\n")
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var e edge
		require.NoError(t, yaml.Unmarshal(text, &e))
		for line := range strings.Lines(e.line()) {
			if !drawn[line] {
				diagram.WriteString(line)
			}
			drawn[line] = true
		}
	}
	diagram.WriteString("```\n")
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(readme), "```mermaid\n")
	require.True(t, found)
	_, after, found := strings.Cut(rest, "```\n")
	require.True(t, found)
	compare(t, "README.md", before+diagram.String()+after)
}

// TestComponentsAreMadeFromTheFirstPartition: their triggers differ from it by name and partition, and nothing else.
func TestComponentsAreMadeFromTheFirstPartition(t *testing.T) {
	t.Parallel()
	const partitions = 4
	first, err := os.ReadFile("deliver-due-0.yaml")
	require.NoError(t, err)
	_, manifest, found := strings.Cut(string(first), "\n")
	require.True(t, found)
	for p := 1; p < partitions; p++ {
		other := strings.NewReplacer(
			"deliver-due-0", fmt.Sprintf("deliver-due-%d", p), `partition: "0"`, fmt.Sprintf("partition: %q", strconv.Itoa(p)),
		).Replace(manifest)
		head := fmt.Sprintf("# As deliver-due-0, for partition %d. Written by `go test ./eventing -update`.\n", p)
		compare(t, fmt.Sprintf("components/partitions-%d/deliver-due-%d.yaml", partitions, p), head+other)
	}
}

// compare holds a file to what it must be, or writes it with -update.
func compare(t *testing.T, file, want string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o600))
	}
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "run go test ./eventing -update")
}
