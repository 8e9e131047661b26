package fallback

import (
	"context"
	"time"
)

// breaker says whether the primary is to be asked.
type breaker struct {
	state    State
	failures int           // in a row
	pause    time.Duration // the present one
	askAt    time.Time     // when the pause is over
	probing  bool          // whether one call is asking meanwhile
}

// turn is what a call may do.
type turn int

const (
	turnLocal turn = iota // not ask the primary
	turnAsk               // ask it, like all
	turnProbe             // ask it, as the only one, after a pause
)

// turn decides what a call at now may do.
func (g *Gate) turn(now time.Time) turn {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.state == Primary:
		return turnAsk
	case g.probing || now.Before(g.askAt):
		return turnLocal
	default:
		g.probing = true
		return turnProbe
	}
}

// giveUp ends a turn that says nothing about the primary.
func (g *Gate) giveUp(t turn) {
	if t != turnProbe {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probing = false
}

// report ends a turn with what the primary did, and tells of a new state.
func (g *Gate) report(ctx context.Context, now time.Time, t turn, answered bool) {
	if state, changed := g.note(now, t, answered); changed {
		g.options.OnChange(ctx, state)
	}
}

func (g *Gate) note(now time.Time, t turn, answered bool) (state State, changed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.state
	switch {
	case answered: // also when others failed meanwhile: it is there
		g.breaker = breaker{state: Primary}
	case t == turnProbe && g.state == Local:
		g.pause = min(2*g.pause, g.options.PauseMax)
		g.askAt, g.probing = now.Add(g.pause), false
	case g.state == Primary:
		if g.failures++; g.failures >= g.options.Failures {
			g.state, g.pause = Local, g.options.PauseMin
			g.askAt = now.Add(g.pause)
		}
	}
	return g.state, g.state != before
}
