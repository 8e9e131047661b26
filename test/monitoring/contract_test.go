package monitoring

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

const root = "../.."

// metric is one that may be asked for: its labels, and their values where these are a closed set.
type metric struct {
	labels map[string][]string
	kind   string
}

// known are the metrics that exist: Homing's own, those of others, and those that rules record.
type known struct {
	metrics map[string]metric
	common  []string
}

// documented matches a row of docs/metrics.md, which a test of functions/internal/host holds to the real registries.
var documented = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\| ([^|]*) \\|")

// openLabels have more values than are there from the start.
var openLabels = []string{"status", "version", "function", "le"}

func knownMetrics(t *testing.T) known {
	t.Helper()
	k := known{metrics: make(map[string]metric)}
	for _, row := range documented.FindAllStringSubmatch(read(t, "docs/metrics.md"), -1) {
		m := metric{labels: make(map[string][]string), kind: row[2]}
		for part := range strings.SplitSeq(row[3], "; ") {
			if name, values, ok := strings.Cut(part, ": "); ok {
				m.labels[strings.Trim(strings.TrimSpace(name), "`")] = strings.Split(strings.TrimSpace(values), ", ")
			}
		}
		if m.kind != "histogram" {
			k.metrics[row[1]] = m
			continue
		}
		m.labels["le"] = nil
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			k.metrics[row[1]+suffix] = m
		}
	}
	require.Greater(t, len(k.metrics), 50, "docs/metrics.md cannot be read any more")
	k.addOthers(t)
	for _, g := range ruleFiles(t) {
		for _, r := range g.Rules {
			if r.Record != "" {
				k.metrics[r.Record] = metric{}
			}
		}
	}
	return k
}

func (k *known) addOthers(t *testing.T) {
	t.Helper()
	var others struct {
		Exporters []struct {
			Name, Source string
			Metrics      map[string][]string
		}
		Common []string
	}
	require.NoError(t, yaml.UnmarshalStrict([]byte(read(t, "monitoring/third-party-metrics.yaml")), &others))
	k.common = others.Common
	for _, e := range others.Exporters {
		require.NotEmpty(t, e.Source, e.Name)
		for name, names := range e.Metrics {
			m := metric{labels: make(map[string][]string)}
			for _, l := range names {
				m.labels[l] = nil
			}
			k.metrics[name] = m
		}
	}
}

// check parses an expression and returns what it asks for that does not exist.
func (k *known) check(expr string) []string {
	root, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return []string{err.Error()}
	}
	var wrong []string
	var selected []string
	parser.Inspect(root, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			wrong = append(wrong, k.checkSelector(s)...)
			selected = append(selected, s.Name)
		}
		return nil
	})
	parser.Inspect(root, func(node parser.Node, _ []parser.Node) error {
		if a, ok := node.(*parser.AggregateExpr); ok && !a.Without {
			for _, label := range a.Grouping {
				if !slices.ContainsFunc(selected, func(name string) bool { return k.has(name, label) }) {
					wrong = append(wrong, "grouped by "+label+", which nothing in it has: "+expr)
				}
			}
		}
		return nil
	})
	return wrong
}

// has reports whether a metric may have a label. What rules record has those that its expression leaves.
func (k *known) has(name, label string) bool {
	m := k.metrics[name]
	_, own := m.labels[label]
	return own || m.labels == nil || slices.Contains(k.common, label)
}

func (k *known) checkSelector(s *parser.VectorSelector) []string {
	m, ok := k.metrics[s.Name]
	if !ok {
		return []string{"there is no metric " + s.Name}
	}
	var wrong []string
	for _, match := range s.LabelMatchers {
		switch {
		case match.Name == labels.MetricName:
		case !k.has(s.Name, match.Name):
			wrong = append(wrong, s.Name+" has no label "+match.Name)
		case len(m.labels[match.Name]) > 0 && !slices.Contains(openLabels, match.Name):
			wrong = append(wrong, checkValues(s.Name, match, m.labels[match.Name])...)
		}
	}
	return wrong
}

// checkValues wants each value that a matcher names to be one that exists.
func checkValues(name string, match *labels.Matcher, values []string) []string {
	named := []string{match.Value}
	if match.Type == labels.MatchRegexp || match.Type == labels.MatchNotRegexp {
		named = strings.Split(match.Value, "|")
	}
	var wrong []string
	for _, v := range named {
		if !slices.Contains(values, v) {
			wrong = append(wrong, name+" has no "+match.Name+" "+v)
		}
	}
	return wrong
}

// group and rule are those of rule files.
type group struct {
	Name  string
	Rules []rule
}

type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

func ruleFiles(t *testing.T) []group {
	t.Helper()
	var all []group
	files, err := filepath.Glob(filepath.Join(root, "monitoring/prometheus/rules/*.yaml"))
	require.NoError(t, err)
	require.Len(t, files, 3)
	for _, file := range files {
		var f struct{ Groups []group }
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, yaml.UnmarshalStrict(text, &f), file)
		all = append(all, f.Groups...)
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(text)
}

// TestRulesAskForWhatExists parses every rule with Prometheus's own parser.
func TestRulesAskForWhatExists(t *testing.T) {
	k := knownMetrics(t)
	for _, g := range ruleFiles(t) {
		for _, r := range g.Rules {
			require.Empty(t, k.check(r.Expr), r.Record+r.Alert)
		}
	}
}

// TestTheContractNotices holds the check itself to what it must find.
func TestTheContractNotices(t *testing.T) {
	k := knownMetrics(t)
	for _, expr := range []string{
		"sum(homing_deliver_attempt_total)", `homing_deliver_attempts_total{result="success"}`,
		`homing_deliver_attempts_total{outcome="sucess"}`, `homing_deliver_attempts_total{outcome=~"success|gon"}`,
		"sum by (tenant) (homing_deliver_attempts_total)", "pg_upp", `rabbitmq_build_info{node="a"}`,
		"sum(rate(homing_deliver_claim_seconds[5m]))", "homing:nothing:recorded", "sum(",
	} {
		require.NotEmpty(t, k.check(expr), expr)
	}
}

// severities are what alertmanager.yml knows a way for.
var severities = []string{"page", "ticket", "chat"}

// TestAlertsAreWhole wants of every alert a severity, an owner, a summary, a runbook that is there, and two cases for
// promtool: one that makes it fire, and one with data that keeps it silent.
func TestAlertsAreWhole(t *testing.T) {
	fires, silent := alertCases(t)
	runbooks := make(map[string]bool)
	for _, g := range ruleFiles(t) {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			require.Contains(t, severities, r.Labels["severity"], r.Alert)
			require.Contains(t, []string{"homing", "platform"}, r.Labels["owner"], r.Alert)
			require.NotEmpty(t, r.Annotations["summary"], r.Alert)
			page, ours := strings.CutPrefix(r.Annotations["runbook_url"],
				"https://github.com/homing-hooks/homing/blob/main/docs/runbooks/")
			require.True(t, ours, r.Alert)
			require.Equal(t, r.Alert+".md", page)
			text := read(t, "docs/runbooks/"+page)
			for _, heading := range []string{"# " + r.Alert, "## What it means", "## How to look", "## What to do"} {
				require.Contains(t, text, heading+"\n", page)
			}
			runbooks[page] = true
			require.True(t, fires[r.Alert+"/"+r.Labels["severity"]], "no case makes %s (%s) fire", r.Alert, r.Labels["severity"])
			require.True(t, silent[r.Alert], "no case keeps %s silent", r.Alert)
		}
	}
	pages, err := os.ReadDir(filepath.Join(root, "docs/runbooks"))
	require.NoError(t, err)
	for _, p := range pages {
		require.True(t, runbooks[p.Name()] || p.Name() == "README.md", "docs/runbooks/%s is of no alert", p.Name())
	}
}

// alertCases reads promtool's cases: which alert and severity is made to fire, which alert is kept silent.
func alertCases(t *testing.T) (fires, silent map[string]bool) {
	t.Helper()
	fires, silent = make(map[string]bool), make(map[string]bool)
	files, err := filepath.Glob(filepath.Join(root, "monitoring/prometheus/tests/*.yaml"))
	require.NoError(t, err)
	for _, file := range files {
		var f struct {
			Tests []struct {
				InputSeries   []map[string]string `json:"input_series"`
				AlertRuleTest []struct {
					Alertname string
					ExpAlerts []struct {
						ExpLabels map[string]string `json:"exp_labels"`
					} `json:"exp_alerts"`
				} `json:"alert_rule_test"`
			}
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(text, &f))
		for _, c := range f.Tests {
			require.NotEmpty(t, c.InputSeries)
			for _, a := range c.AlertRuleTest {
				for _, e := range a.ExpAlerts {
					fires[a.Alertname+"/"+e.ExpLabels["severity"]] = true
				}
				silent[a.Alertname] = silent[a.Alertname] || len(a.ExpAlerts) == 0
			}
		}
	}
	return fires, silent
}
