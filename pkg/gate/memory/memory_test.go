package memory

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/gate"
	"github.com/homing-hooks/homing/pkg/gate/gatetest"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var harness = gatetest.Harness{Space: func(testing.TB) func() gate.Gate {
	all := New()
	return func() gate.Gate { return all }
}}

func TestGate(t *testing.T) {
	t.Parallel()
	gatetest.Test(t, harness)
}

func BenchmarkGate(b *testing.B) { gatetest.Benchmark(b, harness) }

// Endpoints come and go for ever; what is kept must be in proportion to those in use.
func TestDrainedMetersAreForgotten(t *testing.T) {
	t.Parallel()
	const endpoints, perMinute = 30_000, 1000
	gates := New()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	most := 0
	for i := range endpoints {
		var id webhook.ID
		binary.BigEndian.PutUint64(id[:], uint64(i))
		now = now.Add(time.Minute / perMinute)
		_, err := gates.Take(t.Context(), now, []gate.Request{{Endpoint: id, PerMinute: 60, Want: 1}})
		require.NoError(t, err)
		most = max(most, len(gates.meters))
	}
	require.LessOrEqual(t, most, 2*perMinute+1)
}
