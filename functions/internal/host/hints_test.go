package host

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/wire"
)

// TestLostHintsAreCountedAndSaidOnce: however many are lost, and whether all are or some.
func TestLostHintsAreCountedAndSaidOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	now := time.Unix(1_000_000, 0)
	h := newHints(prometheus.NewRegistry(), slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now })
	said := func() int { return strings.Count(log.String(), "\n") }
	counted := func(result string) float64 {
		return value(t, h.named.WithLabelValues(wire.TypeDue, result))
	}
	h.note(wire.TypeDue, hintPublished, 2, nil)
	require.Zero(t, said(), "nothing is said while all is well")
	for range 100 {
		now = now.Add(time.Second)
		h.note(wire.TypeDue, hintFailed, 3, errors.New("away"))
		h.note(wire.TypeDue, hintDropped, 1, nil)
		h.note(wire.TypeDue, hintPublished, 1, nil)
	}
	require.Equal(t, 1, said(), log.String())
	require.Equal(t, []float64{102, 300, 100},
		[]float64{counted(hintPublished), counted(hintFailed), counted(hintDropped)})
	h.note(wire.TypeRescheduled, hintFailed, 1, errors.New("away"))
	require.Equal(t, 2, said(), "another type is another matter")

	now = now.Add(settled)
	for range 10 {
		h.note(wire.TypeDue, hintPublished, 1, nil)
	}
	require.Equal(t, 3, said(), "and that it is over: %s", &log)
	h.note(wire.TypeDue, hintDropped, 1, nil)
	require.Equal(t, 4, said(), "and when it begins anew")

	for range 10 {
		h.giveUp("deliver-due-0", errors.New("busy"))
	}
	require.Equal(t, 5, said())
	require.Equal(t, 10, int(value(t, h.givenUp.WithLabelValues("deliver-due-0"))))
	now = now.Add(settled)
	h.giveUp("deliver-due-0", errors.New("busy"))
	require.Equal(t, 6, said())
}

func value(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	require.NoError(t, c.Write(&m))
	return m.GetCounter().GetValue()
}
