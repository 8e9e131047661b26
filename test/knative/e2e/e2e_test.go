//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// TestOnACluster goes through everything in order; -run TestOnACluster/Burst goes through one part of it on a cluster
// where Homing is deployed. The report is what the parts that ran have seen.
func TestOnACluster(t *testing.T) {
	for _, variable := range []string{"IMAGE_AGENT", "DATABASE_URL"} {
		require.NotEmpty(t, os.Getenv(variable), "set %s: hack/e2e-knative.sh says what it is", variable)
	}
	c := &cluster{t: t, report: &report{}, tenant: fmt.Sprintf("e2e-%d", time.Now().Unix())}
	var err error
	c.sql, err = pgxpool.New(context.Background(), os.Getenv("DATABASE_URL"))
	require.NoError(t, err)
	t.Cleanup(c.sql.Close)
	c.pods = watchPods(t)
	c.heading()
	c.deploy()
	for i, part := range []struct {
		name string
		run  func(*cluster)
	}{
		{"Way", (*cluster).testWay},
		{"Cold", (*cluster).testCold},
		{"Burst", (*cluster).testBurst},
		{"Canary", (*cluster).testCanary},
		{"Kills", (*cluster).testKills},
		{"Ticks", (*cluster).testTicks},
	} {
		t.Run(part.name, func(t *testing.T) {
			in := *c
			in.t = t
			part.run(&in)
			c.report.file(t, fmt.Sprintf("%d-%s", i+2, strings.ToLower(part.name)))
		})
	}
}

// heading says what this ran on.
func (c *cluster) heading() {
	c.report.seen = fmt.Sprintf("Seen on %s, at %s, load %s at the beginning", time.Now().UTC().Format(time.DateOnly),
		strings.TrimSpace(c.run(nil, "git", "describe", "--tags", "--always", "--dirty")), load())
	c.report.printf("# Homing on a cluster\n\nWritten by `make e2e-knative`, which does and sees what is said here; each "+
		"section says when. %d cores of %s for everything: the cluster, Postgres, Redis, RabbitMQ, producers and receivers. "+
		"%s.\n", runtime.NumCPU(), processor(), c.versions())
	c.report.file(c.t, "0-heading")
}

func (c *cluster) versions() string {
	kubelet := c.kubectl("get", "nodes", "-o", "jsonpath={.items[0].status.nodeInfo.kubeletVersion}")
	var postgres string
	require.NoError(c.t, c.sql.QueryRow(c.t.Context(), "SHOW server_version").Scan(&postgres))
	return strings.Join([]string{
		"Kubernetes " + kubelet, "Postgres " + postgres,
		"kn " + strings.Fields(c.run(nil, "kn", "version"))[1] + " (and Knative of the same release)",
	}, ", ")
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "an unknown kind"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.HasPrefix(name, "model name") {
			return strings.TrimSpace(value)
		}
	}
	return "an unknown kind"
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	return strings.Fields(string(text))[0]
}
