package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func some(v float64) reading { return reading{v, true} }

var nothing reading

// two is an analysis with a check of each kind.
func two() *analysis {
	most := 0.01
	return &analysis{
		Samples: samples{Query: "$pods", Least: 50},
		Checks:  []check{{Name: "absolute", Most: &most}, {Name: "compared", Factor: 2, Plus: 0.1}},
	}
}

// asked is a round with these values of the two checks.
func asked(a *analysis, canary, stable, absolute, compared, beside reading) *round {
	return &round{canarySamples: canary, stableSamples: stable, results: []result{
		judge(&a.Checks[0], absolute, nothing), judge(&a.Checks[1], compared, beside),
	}}
}

func TestConclude(t *testing.T) {
	t.Parallel()
	enough := some(50)
	for name, c := range map[string]struct {
		canary, stable, absolute, compared, beside reading
		want                                       verdict
	}{
		"AllHolds":               {enough, enough, some(0.01), some(0.5), some(0.2), promote},
		"AboveWhatIsAllowed":     {enough, enough, some(0.011), some(0.5), some(0.2), rollBack},
		"WorseThanStable":        {enough, enough, some(0), some(0.51), some(0.2), rollBack},
		"WorseAndSomethingKnown": {enough, enough, nothing, some(0.51), some(0.2), rollBack},
		"TooFewOfTheCanary":      {some(49), enough, some(0), some(0), some(0), tooThin},
		"TooFewToFail":           {some(49), enough, some(1), some(9), some(0), tooThin},
		"TooFewOfStable":         {enough, some(49), some(0), some(0), some(0), tooThin},
		"NoSamplesAtAll":         {nothing, nothing, nothing, nothing, nothing, tooThin},
		"NoValueOfACheck":        {enough, enough, nothing, some(0), some(0), tooThin},
		"NothingToCompareWith":   {enough, enough, some(0), some(0), nothing, tooThin},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := two()
			require.Equal(t, c.want, conclude(a, asked(a, c.canary, c.stable, c.absolute, c.compared, c.beside)))
		})
	}
}

// TestStrikes: only failures one after the other end the watch, and only with samples enough.
func TestStrikes(t *testing.T) {
	t.Parallel()
	a := two()
	bad := asked(a, some(50), some(50), some(1), some(0), some(0))
	good := asked(a, some(50), some(50), some(0), some(0), some(0))
	silent := asked(a, some(50), some(50), nothing, some(0), some(0))
	thin := asked(a, some(1), some(50), some(1), some(0), some(0))
	for name, c := range map[string]struct {
		rounds []*round
		want   bool
	}{
		"OneAfterTheOther":  {[]*round{bad, bad, bad}, true},
		"TwoAreNotEnough":   {[]*round{good, bad, bad}, false},
		"AGoodOneBetween":   {[]*round{bad, bad, good, bad}, false},
		"ASilentOneBetween": {[]*round{bad, bad, silent, bad}, false},
		"TooFewSamples":     {[]*round{thin, thin, thin}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, out := strikes{}, false
			for _, r := range c.rounds {
				out = s.add(a, r, 3)
			}
			require.Equal(t, c.want, out)
		})
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	require.Equal(t, `up{instance=~"ingest-00002-deployment-.*"}[10m]`,
		expand("up{$pods}[$window]", "ingest-00002", 10*time.Minute))
	require.Equal(t, `x{instance=~"a\\.b-deployment-.*"}[1m30s]`, expand("x{$pods}[$window]", "a.b", 90*time.Second))
}

// TestLoadRefuses has a file for each mistake.
func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	const good = `samples: {query: "a{$pods}", least: 1}, checks: [{name: n, query: "q{$pods}[$window]", most: 1}]`
	one := func(check string) string {
		return `services: {deliver: {samples: {query: "a{$pods}", least: 1}, checks: [{name: n, ` + check + `}]}}`
	}
	for name, c := range map[string]struct{ service, says string }{
		"Nothing":        {"", "services: {}"},
		"AnUnknownField": {"deliver", "services: {deliver: {limits: 1, " + good + "}}"},
		"NoChecks":       {"deliver", `services: {deliver: {samples: {query: "a{$pods}", least: 1}}}`},
		"NoLeast": {
			"deliver",
			`services: {deliver: {samples: {query: "a{$pods}"}, checks: [{name: n, query: "q{$pods}[$window]", most: 1}]}}`,
		},
		"OfAllRevisions":  {"deliver", one(`query: "q[$window]", most: 1`)},
		"NoLimit":         {"deliver", one(`query: "q{$pods}[$window]"`)},
		"TwoLimits":       {"deliver", one(`query: "q{$pods}[$window]", most: 1, factor: 2`)},
		"NegativeAllowed": {"deliver", one(`query: "q{$pods}[$window]", most: -1`)},
		"AnotherService":  {"ingest", "services: {deliver: {" + good + "}}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "analysis.yaml")
			require.NoError(t, os.WriteFile(path, []byte(c.says), 0o600))
			_, err := load(path, c.service)
			require.Error(t, err)
		})
	}
}

func TestEveryServiceHasAnAnalysis(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"ingest", "ingest-broker", "deliver", "retry", "manage"} {
		_, err := load("../../monitoring/canary/analysis.yaml", service)
		require.NoError(t, err, service)
	}
}

func TestCalledWrongly(t *testing.T) {
	t.Parallel()
	good := []string{"-service", "deliver", "-canary", "b", "-stable", "a", "-prometheus", "http://127.0.0.1:1",
		"-analysis", "../../monitoring/canary/analysis.yaml", "-for", "0"}
	for name, more := range map[string][]string{
		"TheSameRevision":   {"-canary", "a"},
		"NoSuchService":     {"-service", "nobody"},
		"NoPrometheus":      {"-prometheus", ""},
		"AnAddressThatIsNo": {"-prometheus", "http://[::1"},
		"NoFile":            {"-analysis", "none.yaml"},
		"AWord":             {"now"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			require.Equal(t, calledWrongly, run(t.Context(), append(append([]string{}, good...), more...), &out, &out))
		})
	}
}

// TestPrometheusAway: who cannot be asked has said nothing, and nothing is not health.
func TestPrometheusAway(t *testing.T) {
	t.Parallel()
	var out, log bytes.Buffer
	code := run(t.Context(), []string{"-service", "deliver", "-canary", "b", "-stable", "a", "-for", "0",
		"-prometheus", "http://127.0.0.1:1", "-analysis", "../../monitoring/canary/analysis.yaml"}, &out, &log)
	require.Equal(t, int(tooThin), code)
	require.Contains(t, out.String(), "no data")
	require.Contains(t, log.String(), "connection refused")
}
