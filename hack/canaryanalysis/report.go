package main

import (
	"fmt"
	"strconv"
	"strings"
)

// report says in Markdown what the last round found, and what follows.
func report(o *options, a *analysis, r *round, v verdict, rounds int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Canary %s: %s\n\n", o.canary, v)
	fmt.Fprintf(&b, "Beside %s, over the last %s, in %d rounds. ", o.stable, o.window, rounds)
	fmt.Fprintf(&b, "Samples: %s of the canary and %s of the stable revision; %s needed.\n\n",
		r.canarySamples, r.stableSamples, number(a.Samples.Least))
	b.WriteString("| check | canary | stable | at most | |\n|---|---:|---:|---:|---|\n")
	for _, res := range r.results {
		stable := "–"
		if res.check.compared() {
			stable = res.stable.String()
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", res.check.Name, res.canary, stable, res.limit, res.state)
	}
	return b.String()
}

// String returns the value, as short as it can be understood.
func (r reading) String() string {
	if !r.known {
		return "no data"
	}
	return number(r.value)
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) }
