package eventing_test

import (
	"fmt"
	"os"
	"path/filepath"
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
