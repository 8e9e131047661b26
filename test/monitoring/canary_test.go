package monitoring

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

const analyses = "monitoring/canary/analysis.yaml"

// TestCanaryAsksForWhatExists holds each query of the canaries' analysis to the metrics that there are.
func TestCanaryAsksForWhatExists(t *testing.T) {
	t.Parallel()
	k := knownMetrics(t)
	var file struct {
		Services map[string]struct {
			Samples struct {
				Query string
				Least float64
			}
			Checks []struct {
				Name, Query        string
				Most, Factor, Plus *float64
			}
		}
	}
	require.NoError(t, yaml.UnmarshalStrict([]byte(read(t, analyses)), &file))
	queries := 0
	asks := func(expr string) {
		queries++
		expr = strings.NewReplacer("$pods", `instance=~"x-deployment-.*"`, "$window", "10m").Replace(expr)
		require.Empty(t, k.check(expr), expr)
	}
	for _, s := range file.Services {
		asks(s.Samples.Query)
		for _, c := range s.Checks {
			asks(c.Query)
		}
	}
	require.Greater(t, queries, 15)
}

// revision is what the pods of one revision of deliver tell in each of ten pushes.
type revision struct {
	name              string
	succeeded, failed int     // attempts between two pushes
	seconds           float64 // that a recording takes; 0: nothing is recorded, and the quantile is no number
}

// TestCanaryAnalysis has hack/canaryanalysis ask a real Prometheus, which was told by OTLP as Homing's pods tell it.
func TestCanaryAnalysis(t *testing.T) {
	t.Parallel()
	server := startPrometheus(t)
	program := filepath.Join(t.TempDir(), "canaryanalysis")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./hack/canaryanalysis")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	const promote, rollBack, tooThin = 0, 1, 3
	good := revision{succeeded: 20, failed: 1, seconds: 0.004}
	for name, c := range map[string]struct {
		stable, canary revision
		code           int
		says           string
	}{
		"AsGood": {good, good, promote, ": promote"},
		"BadEndpointsForBoth": {
			revision{succeeded: 5, failed: 15, seconds: 0.004}, revision{succeeded: 5, failed: 15, seconds: 0.004}, promote,
			": promote",
		},
		"FailsMore": {
			good, revision{succeeded: 10, failed: 10, seconds: 0.004}, rollBack, "| attempts without success, of all | 0.5",
		},
		"Slower": {
			good, revision{succeeded: 20, failed: 1, seconds: 3}, rollBack, "| seconds to record an outcome, 95 of 100 | 3",
		},
		"TooFewAttempts":       {good, revision{succeeded: 1, failed: 0, seconds: 0.004}, tooThin, "50 needed"},
		"RecordsNothing":       {good, revision{succeeded: 20, failed: 1}, tooThin, "95 of 100 | no data |"},
		"TellsNothing":         {good, revision{}, tooThin, "Samples: no data of the canary"},
		"NothingToCompareWith": {revision{}, good, tooThin, "no data"},
	} {
		t.Run(name, func(t *testing.T) {
			c.stable.name, c.canary.name = strings.ToLower(name)+"-00001", strings.ToLower(name)+"-00002"
			push(t, server, c.stable)
			push(t, server, c.canary)
			cmd := exec.CommandContext(t.Context(), program, "-service", "deliver", "-prometheus", server, "-for", "0",
				"-window", "5m", "-canary", c.canary.name, "-stable", c.stable.name, "-analysis", filepath.Join(root, analyses))
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				require.NoError(t, err)
			}
			require.Equal(t, c.code, cmd.ProcessState.ExitCode(), string(out))
			require.Contains(t, string(out), c.says)
		})
	}
	t.Run("EndsAtOnce", func(t *testing.T) {
		began := time.Now()
		cmd := exec.CommandContext(t.Context(), program, "-service", "deliver", "-prometheus", server, "-for", "20s",
			"-every", "10ms", "-window", "5m", "-canary", "failsmore-00002", "-stable", "failsmore-00001",
			"-analysis", filepath.Join(root, analyses))
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		require.Equal(t, rollBack, cmd.ProcessState.ExitCode(), string(out))
		require.Contains(t, string(out), "in 4 rounds")
		require.Less(t, time.Since(began), 15*time.Second)
	})
}

// startPrometheus starts the Prometheus that hack/verify-monitoring.sh builds, with Homing's settings for what is
// pushed, and returns its address.
func startPrometheus(t *testing.T) string {
	t.Helper()
	tools := exec.CommandContext(t.Context(), "hack/verify-monitoring.sh", "tools")
	tools.Dir = root
	out, err := tools.CombinedOutput()
	require.NoError(t, err, string(out))
	version, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}",
		"github.com/prometheus/prometheus").Output()
	require.NoError(t, err)
	dir := t.TempDir()
	config, _, found := strings.Cut(read(t, "monitoring/prometheus/prometheus.yml"), "scrape_configs:")
	require.True(t, found)
	config = strings.ReplaceAll(config, "rule_files: [rules/*.yaml]\n", "")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600))
	built := ".dev/bin/prometheus-" + strings.TrimPrefix(strings.TrimSpace(string(version)), "v")
	binary, err := filepath.Abs(filepath.Join(root, built))
	require.NoError(t, err)
	address := freeAddress(t)
	cmd := exec.CommandContext(t.Context(), binary, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address="+address,
		"--web.enable-otlp-receiver", "--enable-feature=created-timestamp-zero-ingestion")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	url := "http://" + address
	require.Eventually(t, func() bool {
		res, err := http.Get(url + "/-/ready") //nolint:noctx // the test's own server
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	}, time.Minute, 100*time.Millisecond, "Prometheus does not become ready")
	return url
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // free again at once
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}

// push tells Prometheus what a pod of the revision would have told in the last five minutes. One without attempts tells
// nothing.
func push(t *testing.T, server string, r revision) {
	t.Helper()
	if r.succeeded+r.failed == 0 {
		return
	}
	now := time.Now()
	start := now.Add(-5 * time.Minute)
	for i := 1; i <= 10; i++ {
		text, err := json.Marshal(told(r, i, start, start.Add(time.Duration(i)*29*time.Second)))
		require.NoError(t, err)
		to := server + "/api/v1/otlp/v1/metrics"
		res, err := http.Post(to, "application/json", bytes.NewReader(text)) //nolint:noctx // as above
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode)
	}
}

type object = map[string]any

// told is the i-th push, in OTLP's JSON.
func told(r revision, i int, start, at time.Time) object {
	times := func(o object) object {
		o["startTimeUnixNano"] = strconv.FormatInt(start.UnixNano(), 10)
		o["timeUnixNano"] = strconv.FormatInt(at.UnixNano(), 10)
		return o
	}
	attribute := func(key, value string) object { return object{"key": key, "value": object{"stringValue": value}} }
	outcome := func(name string, n int) object {
		return times(object{"asDouble": float64(i * n), "attributes": []object{attribute("outcome", name)}})
	}
	histogram := func(name string, seconds float64) object {
		n := i * (r.succeeded + r.failed)
		if seconds == 0 {
			n = 0
		}
		bounds := []float64{0.001, 0.002, 0.004, 0.008, 0.016, 1, 2, 4}
		counts := make([]string, len(bounds)+1)
		for j := range counts {
			counts[j] = "0"
			if (j == 0 || bounds[j-1] < seconds) && (j == len(bounds) || seconds <= bounds[j]) {
				counts[j] = strconv.Itoa(n)
			}
		}
		return object{"name": name, "histogram": object{"aggregationTemporality": 2, "dataPoints": []object{
			times(object{
				"count": strconv.Itoa(n), "sum": seconds * float64(n), "bucketCounts": counts, "explicitBounds": bounds,
			}),
		}}}
	}
	return object{"resourceMetrics": []object{{
		"resource": object{"attributes": []object{
			attribute("service.namespace", "homing"), attribute("service.name", "homing-deliver"),
			attribute("service.instance.id", fmt.Sprintf("%s-deployment-6f9c-x7x8z", r.name)),
		}},
		"scopeMetrics": []object{{"metrics": []object{
			{"name": "homing_deliver_attempts_total", "sum": object{
				"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": []object{
					outcome("success", r.succeeded), outcome("timeout", r.failed), outcome("config_error", 0),
				},
			}},
			histogram("homing_deliver_record_seconds", r.seconds),
			histogram("homing_deliver_queue_age_seconds", 0.01),
		}}},
	}}}
}
