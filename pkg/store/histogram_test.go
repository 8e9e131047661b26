package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
)

func TestHistogram(t *testing.T) {
	t.Parallel()
	require.Zero(t, store.Histogram{}.Quantile(0.5))
	for _, d := range []time.Duration{time.Microsecond, 17 * time.Microsecond, time.Millisecond, 50 * time.Millisecond,
		time.Second, 20 * time.Second, time.Minute} {
		h := store.Histogram{}
		h.Add(d)
		require.InEpsilon(t, d, h.Quantile(0.5), 0.05, d)
	}
	low, high := store.Histogram{}, store.Histogram{}
	for i := range 1000 {
		if d := time.Duration(i+1) * time.Millisecond; i < 500 {
			low.Add(d)
		} else {
			high.Add(d)
		}
	}
	low.Merge(high)
	for q, want := range map[float64]time.Duration{
		0: time.Millisecond, 0.5: 500 * time.Millisecond, 0.95: 950 * time.Millisecond, 0.99: 990 * time.Millisecond,
		1: time.Second,
	} {
		require.InEpsilon(t, want, low.Quantile(q), 0.05, q)
	}
}
