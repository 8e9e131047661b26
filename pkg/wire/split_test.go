package wire_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

func TestSplitKeepsEverythingInEncodableHintsOfItsPartition(t *testing.T) {
	t.Parallel()
	const partitions = 3
	var ids webhook.IDSource
	now := time.Unix(1_790_000_000, 0)
	due := make([]wire.Due, 1000)
	want := map[webhook.ID]bool{}
	for i := range due {
		due[i] = wire.Due{Delivery: ids.New(now), Endpoint: ids.New(now), Due: now}
		want[due[i].Delivery] = true
	}
	endpoints := make([]wire.Endpoint, 250)
	for i := range endpoints {
		endpoints[i] = wire.Endpoint{Endpoint: ids.New(now), Due: now}
		want[endpoints[i].Endpoint] = true
	}
	for _, h := range wire.Split(wire.TypeDue, partitions, due, endpoints) {
		_, err := wire.Encode(&h, ids.New(now), now)
		require.NoError(t, err)
		for _, d := range h.Deliveries {
			require.Equal(t, wire.PartitionOf(d.Endpoint, partitions), h.Partition)
			delete(want, d.Delivery)
		}
		for _, e := range h.Endpoints {
			require.Equal(t, wire.PartitionOf(e.Endpoint, partitions), h.Partition)
			delete(want, e.Endpoint)
		}
	}
	require.Empty(t, want)
	require.Empty(t, wire.Split(wire.TypeDue, partitions, nil, nil))
}
