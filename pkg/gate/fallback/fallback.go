// Package fallback grants sends when the shared gate cannot be reached: a gate in front of two others.
//
// It owns the choice between the primary (Redis) and the local one (this process's memory), and a breaker, so that a
// dead primary is not asked for each send:
//
//	         Failures in a row
//	Primary ───────────────────► Local
//	   ▲                          │  for a pause, which doubles from PauseMin to PauseMax
//	   └────── answered ──────────┘  then one call asks the primary; the others stay local meanwhile
//
// It promises that Take answers within Timeout whatever the primary does, and fails only when the caller's context
// has ended or the gate is closed: while the primary is away each process grants an endpoint's whole rate, which
// loosens the limit and loses no delivery. It never starts a goroutine and never reads a clock: the pause is measured
// by the now of the calls.
package fallback

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/homing-hooks/homing/pkg/gate"
)

// State says which gate answers.
type State string

// The states.
const (
	Primary State = "primary"
	Local   State = "local"
)

// States lists every state, for metrics and for tests.
var States = []State{Primary, Local}

// Defaults of [Options].
const (
	TimeoutDefault  = 100 * time.Millisecond
	FailuresDefault = 3
	PauseMinDefault = time.Second
	PauseMaxDefault = 30 * time.Second
)

// Options are the settings of [New]. The zero value is ready for use.
type Options struct {
	// Timeout is how long a call waits for the primary. Defaults to 100 ms.
	Timeout time.Duration
	// Failures is after how many failures in a row the primary is left alone. Defaults to 3.
	Failures int
	// PauseMin is for how long it is left alone at first, and PauseMax the most that this doubles to. Default to 1 s
	// and 30 s. A PauseMax below PauseMin counts as PauseMin.
	PauseMin, PauseMax time.Duration
	// OnChange is called with each new state, outside of any lock, by the call that brought it about; nil for none. To
	// log it, and to set a gauge.
	OnChange func(ctx context.Context, now State)
	// OnLocal is called for each Take that the local gate answers, with the primary's error, or nil when it was not
	// asked; nil for none. To count them.
	OnLocal func(ctx context.Context, err error)
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = TimeoutDefault
	}
	if o.Failures <= 0 {
		o.Failures = FailuresDefault
	}
	if o.PauseMin <= 0 {
		o.PauseMin = PauseMinDefault
	}
	if o.PauseMax <= 0 {
		o.PauseMax = PauseMaxDefault
	}
	o.PauseMax = max(o.PauseMax, o.PauseMin)
	if o.OnChange == nil {
		o.OnChange = func(context.Context, State) {}
	}
	if o.OnLocal == nil {
		o.OnLocal = func(context.Context, error) {}
	}
	return o
}

// Gate is a [gate.Gate] that asks another while it can. Make one with [New].
type Gate struct {
	primary, local gate.Gate
	options        Options

	mu sync.Mutex
	breaker
}

var _ gate.Gate = (*Gate)(nil)

// New returns a gate that asks primary, and local when primary fails. It owns both and closes them.
func New(primary, local gate.Gate, o Options) *Gate {
	return &Gate{primary: primary, local: local, options: o.withDefaults(), breaker: breaker{state: Primary}}
}

// Take implements [gate.Gate].
func (g *Gate) Take(ctx context.Context, now time.Time, requests []gate.Request) ([]gate.Grant, error) {
	var failure error
	if t := g.turn(now); t != turnLocal {
		grants, err := g.takePrimary(ctx, now, requests)
		if err == nil {
			g.report(ctx, now, t, true)
			return grants, nil
		}
		if ended := ctx.Err(); ended != nil {
			g.giveUp(t)
			return nil, fmt.Errorf("fallback gate: take: %w: %w", gate.ErrUnavailable, ended)
		}
		g.report(ctx, now, t, false)
		failure = err
	}
	g.options.OnLocal(ctx, failure)
	return g.local.Take(ctx, now, requests)
}

func (g *Gate) takePrimary(ctx context.Context, now time.Time, requests []gate.Request) ([]gate.Grant, error) {
	ctx, cancel := context.WithTimeout(ctx, g.options.Timeout)
	defer cancel()
	return g.primary.Take(ctx, now, requests)
}

// State returns which gate answers.
func (g *Gate) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state
}

// Close implements [gate.Gate].
func (g *Gate) Close() error { return errors.Join(g.primary.Close(), g.local.Close()) }
