package types_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/seal"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/postgres"
	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

const tenant, key = "acme", "hmk_test"

// cluster is what a service finds on Knative: real services, and a broker that takes every hint.
type cluster struct {
	environment *environment
	vars        map[string]string
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(sink.Close)
	c := &cluster{environment: build(t, "dev"), vars: map[string]string{
		"DATABASE_URL": testenv.PostgresMigrated(t, func(ctx context.Context, url string) error {
			_, err := postgres.Migrate(ctx, url)
			return err
		}),
		"REDIS_URL": testenv.Redis(t), "HOMING_REDIS_PREFIX": strings.TrimSuffix(testenv.RedisPrefix(t), ":"),
		"RABBITMQ_URL": testenv.RabbitMQ(t), "K_SINK": sink.URL,
	}}
	s, err := postgres.Open(t.Context(), c.vars["DATABASE_URL"], postgres.Options{Keyring: keyring(t), MaxConns: 2})
	require.NoError(t, err)
	defer s.Close()
	var ids webhook.IDSource
	require.NoError(t, s.CreateTenant(t.Context(), tenant))
	require.NoError(t, s.CreateKey(t.Context(), store.APIKey{
		ID: ids.New(time.Now()), Tenant: tenant, Hash: sha256.Sum256([]byte(key)),
	}))
	return c
}

func keyring(t testing.TB) seal.Keyring {
	t.Helper()
	ring, err := seal.Parse(seal.NewKey("k1"))
	require.NoError(t, err)
	return ring
}

// process is a running service.
type process struct {
	base  string
	ended chan error
	said  *bytes.Buffer
	cmd   *exec.Cmd
}

// start starts the program of a service with exactly the environment of its manifest, but for where the services are
// and for ports, of which other processes of the machine may have the manifest's.
func (c *cluster) start(t testing.TB, service, program string) *process {
	t.Helper()
	vars := c.environment.environ(t, service)
	for name, value := range c.vars {
		if _, used := vars[name]; used || name == "HOMING_REDIS_PREFIX" {
			vars[name] = value
		}
	}
	port := freePort(t)
	maps.Copy(vars, map[string]string{"PORT": port, "HOMING_METRICS_LISTEN": "127.0.0.1:0"})
	p := &process{base: "http://127.0.0.1:" + port, ended: make(chan error, 1), said: new(bytes.Buffer)}
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), program)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = p.said, p.said, []string{}
	for name, value := range vars {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	require.NoError(t, p.cmd.Start())
	go func() { p.ended <- p.cmd.Wait() }()
	return p
}

// await asks as queue-proxy does, but every millisecond, until the process is ready.
func (p *process) await(t testing.TB) {
	t.Helper()
	again, late := time.NewTicker(time.Millisecond), time.After(time.Minute)
	defer again.Stop()
	for {
		select {
		case err := <-p.ended:
			require.FailNow(t, "it ended", "%v\n%s", err, p.said)
		case <-late:
			require.FailNow(t, "it is not ready")
		case <-again.C:
		}
		if status, err := ask(http.MethodGet, p.base+"/readyz", nil, nil); err == nil && status == http.StatusOK {
			return
		}
	}
}

// stop tells the process to end, as the kubelet does.
func (p *process) stop(t testing.TB) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, <-p.ended, p.said)
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}

func ask(method, url string, header map[string]string, body []byte) (int, error) {
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// programs are built once a process.
var programs = struct {
	sync.Once

	dir string
	err error
}{}

func TestMain(m *testing.M) {
	code := m.Run()
	if programs.dir != "" {
		_ = os.RemoveAll(programs.dir)
	}
	os.Exit(code)
}

func program(t testing.TB, service string) string {
	t.Helper()
	programs.Do(func() {
		if programs.dir, programs.err = os.MkdirTemp("", "homing-functions-"); programs.err != nil {
			return
		}
		building := exec.Command("go", "build", "-C", root, "-trimpath", "-ldflags", "-s -w", "-o", programs.dir+"/",
			"./functions/ingest", "./functions/deliver", "./functions/retry", "./functions/manage")
		if out, err := building.CombinedOutput(); err != nil {
			programs.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	require.NoError(t, programs.err)
	return filepath.Join(programs.dir, string(services[service]))
}

// request is one that a service is there for.
type request struct {
	method, path string
	header       map[string]string
	body         []byte
	status       int
}

func (r *request) to(t testing.TB, base string) {
	t.Helper()
	status, err := ask(r.method, base+r.path, r.header, r.body)
	require.NoError(t, err)
	require.Equal(t, r.status, status, "%s %s", r.method, r.path)
}

// work returns a request for each service that it cannot answer without Postgres.
func work(t testing.TB) map[string]request {
	t.Helper()
	event := func(more ...string) map[string]string {
		header := map[string]string{
			"ce-specversion": "1.0", "ce-id": rand(), "ce-source": "/s", "ce-type": "t", "content-type": "application/json",
		}
		for i := 0; i+1 < len(more); i += 2 {
			header[more[i]] = more[i+1]
		}
		return header
	}
	var ids webhook.IDSource
	now := time.Now()
	hint, err := wire.Encode(&wire.Hint{
		Type: wire.TypeDue, Deliveries: []wire.Due{{Delivery: ids.New(now), Endpoint: ids.New(now), Due: now}},
	}, ids.New(now), now)
	require.NoError(t, err)
	bearer := "Bearer " + key
	return map[string]request{
		"ingest":        {http.MethodPost, "/v1/events", event("authorization", bearer), []byte(`{}`), http.StatusAccepted},
		"ingest-broker": {http.MethodPost, "/", event("ce-tenant", tenant), []byte(`{}`), http.StatusAccepted},
		"deliver": {
			http.MethodPost, "/", event("ce-type", hint.Type(), "ce-partition", "0"), hint.Data(), http.StatusNoContent,
		},
		"retry":  {http.MethodPost, "/", event("ce-type", wire.TypeTick), []byte(`{}`), http.StatusNoContent},
		"manage": {http.MethodGet, "/v1/endpoints", map[string]string{"authorization": bearer}, nil, http.StatusOK},
	}
}

func rand() string { return strconv.FormatInt(time.Now().UnixNano(), 36) }

// TestServicesRunAsTheManifestsSay: each program starts with the environment of its manifest and nothing else, does its
// work, answers 404 on the path of another, and ends when it is told to.
func TestServicesRunAsTheManifestsSay(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	stray := map[string]string{
		"ingest": "/", "ingest-broker": "/v1/events", "deliver": "/v1/events", "retry": "/v1/events", "manage": "/",
	}
	for service, r := range work(t) {
		t.Run(service, func(t *testing.T) {
			p := c.start(t, service, program(t, service))
			p.await(t)
			r.to(t, p.base)
			r.path, r.status = stray[service], http.StatusNotFound
			r.method = http.MethodPost
			r.to(t, p.base)
			p.stop(t)
		})
	}
}

// BenchmarkStart measures a cold start without the platform's part: from the start of the process until it is ready,
// and until its first request is answered, which needs Postgres. The floor is what the same program takes to start and
// find out that it has no settings; the CPU time, its end included, is what a busy machine cannot distort.
func BenchmarkStart(b *testing.B) {
	c := newCluster(b)
	for service := range work(b) {
		b.Run(service, func(b *testing.B) {
			path := program(b, service)
			var floor, ready, answered, cpu time.Duration
			for range b.N {
				begun := time.Now()
				require.Error(b, (&exec.Cmd{Path: path, Env: []string{}}).Run())
				floor += time.Since(begun)
				r := work(b)[service]
				begun = time.Now()
				p := c.start(b, service, path)
				p.await(b)
				ready += time.Since(begun)
				r.to(b, p.base)
				answered += time.Since(begun)
				p.stop(b)
				cpu += p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
			}
			b.ReportMetric(float64(floor.Microseconds())/1e3/float64(b.N), "ms/floor")
			b.ReportMetric(float64(ready.Microseconds())/1e3/float64(b.N), "ms/ready")
			b.ReportMetric(float64(answered.Microseconds())/1e3/float64(b.N), "ms/answered")
			b.ReportMetric(float64(cpu.Microseconds())/1e3/float64(b.N), "ms/cpu")
			b.ReportMetric(float64(answered)/float64(floor), "x/floor")
			b.ReportMetric(0, "ns/op")
		})
	}
}
