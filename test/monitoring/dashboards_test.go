package monitoring

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// board is what is looked at of a dashboard.
type board struct {
	UID, Title, Description string
	Templating              struct{ List []struct{ Name, Type string } }
	Panels                  []struct {
		ID                       int
		Type, Title, Description string
		Datasource               struct{ Type, UID string }
		GridPos                  struct{ X, Y, W, H int }
		FieldConfig              struct{ Defaults struct{ Unit string } }
		Targets                  []struct {
			Expr, Query string
			BucketAggs  []struct{ Type, Field string }
			Metrics     []struct{ Type, Field string }
		}
	}
}

// units are the units of Grafana that the dashboards use.
var units = []string{"short", "s", "µs", "ops", "reqps", "bytes", "percentunit"}

// TestDashboards holds each dashboard to what Grafana wants, each query to Prometheus's parser and to the metrics that
// exist, and each question to the logs to the fields of the index.
func TestDashboards(t *testing.T) {
	k := knownMetrics(t)
	fields := logFields(t)
	files, err := filepath.Glob(filepath.Join(root, "monitoring/grafana/dashboards/*.json"))
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, file := range files {
		var b board
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &b))
		require.Equal(t, filepath.Base(file), b.UID+".json", "the uid is the file's name, and so unique")
		require.NotEmpty(t, b.Title)
		require.NotEmpty(t, b.Description)
		require.Equal(t, "datasource", b.Templating.List[0].Name)
		require.Contains(t, read(t, "monitoring/kustomization.yaml"), "grafana/dashboards/"+filepath.Base(file))
		ids, titles := make(map[int]bool), make(map[string]bool)
		for _, p := range b.Panels {
			require.False(t, ids[p.ID], "%s: id %d twice", file, p.ID)
			require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24)
			ids[p.ID] = true
			if p.Type == "row" {
				titles = make(map[string]bool)
				continue
			}
			require.NotEmpty(t, p.Title)
			require.NotEmpty(t, p.Description, p.Title)
			require.False(t, titles[p.Title], "%s: %s twice in a row", file, p.Title)
			titles[p.Title] = true
			require.Contains(t, units, p.FieldConfig.Defaults.Unit, p.Title)
			require.NotEmpty(t, p.Targets, p.Title)
			for _, q := range p.Targets {
				if p.Datasource.Type == "prometheus" {
					require.Equal(t, "${datasource}", p.Datasource.UID)
					require.Empty(t, k.check(interval(q.Expr)), "%s: %s", b.Title, p.Title)
					continue
				}
				require.Equal(t, "${logs}", p.Datasource.UID)
				for _, m := range asked.FindAllStringSubmatch(q.Query, -1) {
					require.Contains(t, fields, m[1], p.Title)
				}
				for _, a := range slices.Concat(q.BucketAggs, q.Metrics) {
					if a.Field != "" {
						require.Contains(t, fields, a.Field, p.Title)
					}
				}
			}
		}
	}
}

// asked matches the fields of a Lucene query.
var asked = regexp.MustCompile(`(\w+):"`)

// interval puts in what Grafana puts in for its variables.
func interval(expr string) string { return strings.ReplaceAll(expr, "$__rate_interval", "1m") }

func logFields(t *testing.T) map[string]any {
	t.Helper()
	var index struct {
		Template struct {
			Mappings struct{ Properties map[string]any }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(read(t, "monitoring/logs/index-template.json")), &index))
	require.NotEmpty(t, index.Template.Mappings.Properties)
	return index.Template.Mappings.Properties
}
