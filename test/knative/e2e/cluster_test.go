//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/client"
)

const (
	root      = "../../.."
	namespace = "homing"
	outside   = "homing-e2e" // where the agent is
	// patience is how long a thing may take that has no promise of its own.
	patience = 3 * time.Minute
)

// cluster is Homing on a cluster, and all that surrounds it.
type cluster struct {
	t      *testing.T
	sql    *pgxpool.Pool
	pods   *podWatch
	agent  *agent
	report *report

	tenant    string
	operator  *client.Client
	key       string // the tenant's, to send with
	ingestURL string
}

// run runs a command in the root of the repository, with more variables, and returns what it printed.
func (c *cluster) run(env []string, name string, args ...string) string {
	c.t.Helper()
	var out, err bytes.Buffer
	cmd := exec.CommandContext(c.t.Context(), name, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = root, append(os.Environ(), env...), &out, &err
	require.NoError(c.t, cmd.Run(), "%s %s: %s%s", name, strings.Join(args, " "), out.String(), err.String())
	return out.String()
}

func (c *cluster) kubectl(args ...string) string {
	c.t.Helper()
	return strings.TrimSpace(c.run(nil, "kubectl", args...))
}

// make runs a target as users do.
func (c *cluster) make(args ...string) string {
	c.t.Helper()
	return c.run(nil, "make", append([]string{"--no-print-directory", "ENV=dev"}, args...)...)
}

// apply applies a manifest.
func (c *cluster) apply(manifest string) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), "kubectl", "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	out, err := cmd.CombinedOutput()
	require.NoError(c.t, err, "%s", out)
}

// revisions counts the revisions of all services.
func (c *cluster) revisions() int {
	return len(strings.Fields(c.kubectl("get", "revisions", "-n", namespace, "-o", "name")))
}

// count returns the number that a query gives.
func (c *cluster) count(query string, args ...any) (n int) {
	c.t.Helper()
	require.NoError(c.t, c.sql.QueryRow(c.t.Context(), query, args...).Scan(&n), query)
	return n
}

// wait asks every so often whether something is so, and returns when it first was.
func (c *cluster) wait(within time.Duration, what string, so func() bool) time.Time {
	c.t.Helper()
	for deadline := time.Now().Add(within); !so(); c.pause(200 * time.Millisecond) {
		require.True(c.t, time.Now().Before(deadline), "not within %s: %s", within, what)
		require.NoError(c.t, c.t.Context().Err(), what)
	}
	return time.Now()
}

// pause lets time go by.
func (c *cluster) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.t.Context().Done():
	}
}

// newAgent puts the agent into the cluster, and opens a way to it.
func (c *cluster) newAgent() *agent {
	c.t.Helper()
	c.apply(fmt.Sprintf(agentManifest, outside, os.Getenv("IMAGE_AGENT")))
	c.kubectl("rollout", "restart", "-n", outside, "deployment/agent") // one that remembers nothing
	c.kubectl("rollout", "status", "-n", outside, "deployment/agent", "--timeout=120s")
	c.kubectl("wait", "-n", outside, "pod", "-l", "app=agent", "--for=condition=Ready", "--timeout=120s")
	forward := exec.CommandContext(context.WithoutCancel(c.t.Context()),
		"kubectl", "port-forward", "-n", outside, "service/agent", ":8080")
	out, err := forward.StdoutPipe()
	require.NoError(c.t, err)
	require.NoError(c.t, forward.Start())
	c.t.Cleanup(func() { _ = forward.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(c.t, err)
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line)
	require.NotEmpty(c.t, address, line)
	return &agent{base: "http://" + address, inside: "http://agent." + outside + ".svc.cluster.local:8080"}
}

const agentManifest = `
apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
  labels: {homing.io/producers: "true", pod-security.kubernetes.io/enforce: restricted}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: agent, namespace: %[1]s}
spec:
  selector: {matchLabels: {app: agent}}
  strategy: {type: Recreate}
  template:
    metadata: {labels: {app: agent}}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 0
      containers:
        - name: agent
          image: %[2]s
          ports: [{containerPort: 8080}]
          readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
          resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 512Mi}}
          securityContext:
            runAsNonRoot: true
            runAsUser: 65532
            readOnlyRootFilesystem: true
            allowPrivilegeEscalation: false
            capabilities: {drop: [ALL]}
            seccompProfile: {type: RuntimeDefault}
---
apiVersion: v1
kind: Service
metadata: {name: agent, namespace: %[1]s}
spec:
  selector: {app: agent}
  ports: [{port: 8080}]
`

// proxied is a client whose requests are made by the agent, from inside the cluster.
func (a *agent) proxied(timeout time.Duration) *http.Client {
	proxy, err := url.Parse(a.base)
	if err != nil {
		panic(err)
	}
	return &http.Client{Timeout: timeout, Transport: &http.Transport{
		Proxy: http.ProxyURL(proxy), DisableKeepAlives: true,
	}}
}

// newTenant makes a tenant of this run, and a key to send with.
func (c *cluster) newTenant() {
	c.t.Helper()
	manage := c.kubectl("get", "ksvc", "manage", "-n", namespace, "-o", "jsonpath={.status.url}")
	c.ingestURL = c.kubectl("get", "ksvc", "ingest", "-n", namespace, "-o", "jsonpath={.status.url}")
	var key struct {
		Key string `json:"key"`
	}
	text := c.run(nil, "bin/homing", "key", "create", "--operator", "--database", "-o", "json")
	require.NoError(c.t, json.Unmarshal([]byte(text), &key))
	var err error
	c.operator, err = client.New(manage, key.Key, client.WithTenant(c.tenant),
		client.WithHTTPClient(c.agent.proxied(30*time.Second)))
	require.NoError(c.t, err)
	_, err = c.operator.CreateTenant(c.t.Context(), client.CreateTenantInput{ID: c.tenant})
	require.NoError(c.t, err)
	made, err := c.operator.CreateKey(c.t.Context(), client.CreateKeyInput{Scopes: []string{"events:write"}})
	require.NoError(c.t, err)
	c.key = made.Key
}
