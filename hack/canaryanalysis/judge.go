package main

// reading is the answer to a query; not known when it could not be asked, or has no value.
type reading struct {
	value float64
	known bool
}

// state is what one round says about a check.
type state string

const (
	holds   state = "holds"
	fails   state = "fails"
	unknown state = "not known"
)

// result is one check in one round.
type result struct {
	check          *check
	canary, stable reading
	limit          reading
	state          state
}

// round is all that was asked at one time.
type round struct {
	canarySamples, stableSamples reading
	results                      []result
}

// judge says what a reading means for a check. It is unknown without a value of the canary, or a limit.
func judge(c *check, canary, stable reading) result {
	limit, known := c.limit(stable)
	r := result{check: c, canary: canary, stable: stable, limit: reading{limit, known}, state: unknown}
	switch {
	case !canary.known || !known:
	case canary.value <= limit:
		r.state = holds
	default:
		r.state = fails
	}
	return r
}

// enough reports whether the round has samples to judge by.
func (r *round) enough(a *analysis) bool {
	for i := range a.Checks {
		if a.Checks[i].compared() && !(r.stableSamples.known && r.stableSamples.value >= a.Samples.Least) {
			return false
		}
	}
	return r.canarySamples.known && r.canarySamples.value >= a.Samples.Least
}

// verdict is what is to become of the canary, as an exit code.
type verdict int

const (
	promote  verdict = 0
	rollBack verdict = 1
	tooThin  verdict = 3
)

// String returns the verdict in words.
func (v verdict) String() string {
	switch v {
	case promote:
		return "promote"
	case rollBack:
		return "roll back"
	default:
		return "do not promote: too little is known"
	}
}

// conclude is the verdict of the last round.
func conclude(a *analysis, last *round) verdict {
	v := promote
	if !last.enough(a) {
		v = tooThin
	}
	for _, r := range last.results {
		switch {
		case r.state == fails && last.enough(a):
			return rollBack
		case r.state != holds:
			v = tooThin
		}
	}
	return v
}

// strikes counts, for each check, in how many rounds running it has failed.
type strikes map[string]int

// add takes a round in, and reports whether a check has failed so many times running. A round without samples enough,
// or where a check is not known, begins anew: it says nothing.
func (s strikes) add(a *analysis, r *round, most int) bool {
	out := false
	for _, res := range r.results {
		if res.state != fails || !r.enough(a) {
			s[res.check.Name] = 0
			continue
		}
		s[res.check.Name]++
		out = out || s[res.check.Name] >= most
	}
	return out
}
