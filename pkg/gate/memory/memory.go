// Package memory grants sends by rate limits kept in the memory of one process: for the single-process mode, and for
// each process of a deployment while Redis is away.
//
// It owns one meter for each endpoint that was asked for within about the last minute. It promises what [gate.Gate]
// promises, for the goroutines that share one Gate, and to forget meters that have drained: memory is in proportion to
// the endpoints in use. It never starts a goroutine, never reads a clock and never fails before it is closed.
package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/homing-hooks/homing/pkg/gate"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Gate is a [gate.Gate] in memory. Make one with [New].
type Gate struct {
	mu     sync.Mutex
	meters map[webhook.ID]gate.Meter
	// sweepAt is at how many meters those that have drained are looked for.
	sweepAt int
	closed  bool
}

// sweepMin is the number of meters below which looking for drained ones is not worth it.
const sweepMin = 1024

var _ gate.Gate = (*Gate)(nil)

// New returns a gate that has granted nothing yet.
func New() *Gate { return &Gate{meters: make(map[webhook.ID]gate.Meter), sweepAt: sweepMin} }

// Take implements [gate.Gate].
func (g *Gate) Take(ctx context.Context, now time.Time, requests []gate.Request) ([]gate.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memory gate: take: %w: %w", gate.ErrUnavailable, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, fmt.Errorf("memory gate: take: closed: %w", gate.ErrUnavailable)
	}
	micros := now.UnixMicro()
	grants := make([]gate.Grant, len(requests))
	for i, r := range requests {
		g.meters[r.Endpoint], grants[i] = g.meters[r.Endpoint].Take(micros, r.PerMinute, r.Want)
	}
	if len(g.meters) >= g.sweepAt {
		g.sweep(micros)
	}
	return grants, nil
}

// sweep forgets what has drained, into a new map, because Go's maps never shrink. It runs when the number of meters has
// doubled since it ran last, so its cost is spread over the takes in between.
func (g *Gate) sweep(now int64) {
	left := make(map[webhook.ID]gate.Meter)
	for endpoint, meter := range g.meters {
		if !meter.Drained(now) {
			left[endpoint] = meter
		}
	}
	g.meters = left
	g.sweepAt = max(sweepMin, 2*len(left))
}

// Close implements [gate.Gate].
func (g *Gate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed, g.meters = true, nil
	return nil
}
