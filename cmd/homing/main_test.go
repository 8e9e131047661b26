package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
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
)

// program is the binary under test, built once: these tests use it as a person does.
var program string

// linkedVersion is the version that the linker is told, as "make build" does.
const linkedVersion = "v1.2.3-test"

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "homing-cli-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "homing")
	link := "-X github.com/homing-hooks/homing/functions/internal/host.linked=" + linkedVersion
	if out, err := exec.Command("go", "build", "-ldflags", link, "-o", program, ".").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v\n%s", err, out))
	}
	// Another user runs it too.
	if err := os.Chmod(dir, 0o755); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// home is a data directory that the server's user can reach also when its owner is root.
func home(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "homing-data-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return filepath.Join(dir, "data")
}

// environ is an environment with nothing of the machine's settings.
func environ(extra ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir()}, extra...)
}

// run runs a command to its end and returns what it printed and whether it succeeded.
func run(t *testing.T, env []string, args ...string) (out string, ok bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = env
	b, err := cmd.CombinedOutput()
	return string(b), err == nil
}

// must runs a command that has to succeed.
func must(t *testing.T, env []string, args ...string) string {
	t.Helper()
	out, ok := run(t, env, args...)
	require.True(t, ok, "homing %v: %s", args, out)
	return out
}

// fails runs a command that has to fail.
func fails(t *testing.T, env []string, args ...string) string {
	t.Helper()
	out, ok := run(t, env, args...)
	require.False(t, ok, "homing %v: %s", args, out)
	return out
}

// process is a command that runs until it is told to end.
type process struct {
	cmd  *exec.Cmd
	mu   sync.Mutex
	out  bytes.Buffer
	more chan struct{}
	done chan struct{}
	err  error
}

// begin starts a command, as another user when attr says so.
func begin(t *testing.T, env []string, attr *syscall.SysProcAttr, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...), more: make(chan struct{}, 1), done: make(chan struct{})}
	p.cmd.Env, p.cmd.SysProcAttr, p.cmd.Dir = env, attr, os.TempDir()
	r, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	require.NoError(t, p.cmd.Start())
	go func() {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			p.mu.Lock()
			p.out.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
			select {
			case p.more <- struct{}{}:
			default:
			}
		}
	}()
	go func() {
		p.err = p.cmd.Wait()
		_ = w.Close()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	return p
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// waitFor waits until the process has printed a text.
func (p *process) waitFor(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for !strings.Contains(p.text(), text) {
		select {
		case <-p.more:
		case <-p.done:
			require.Contains(t, p.text(), text, "the process ended")
		case <-deadline:
			require.Contains(t, p.text(), text, "not within a minute")
		}
	}
}

// end tells the process to end as platforms do, and requires that it does so in order.
func (p *process) end(t *testing.T) {
	t.Helper()
	p.endBy(t, syscall.SIGTERM)
}

// endBy tells the process to end by a signal, and requires that it does so in order.
func (p *process) endBy(t *testing.T, signal syscall.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(signal))
	select {
	case <-p.done:
	case <-time.After(60 * time.Second):
		require.Fail(t, "it did not end", p.text())
	}
	require.NoError(t, p.err, p.text())
}

func TestServeForANewcomer(t *testing.T) {
	t.Parallel()
	dir := home(t)
	env := environ("HOMING_DATA_DIR=" + dir)
	server := begin(t, env, nil, "serve", "--demo", "--listen", "127.0.0.1:0")
	server.waitFor(t, "verified webhook-id msg_")
	require.Contains(t, server.text(), "Try, in another terminal")
	require.Contains(t, server.text(), "deliveries to this machine are allowed")

	out := must(t, env, "send", "--type", "order.paid", "--data", `{"order": 1}`, "--id", "order-1")
	require.Contains(t, out, "goes to 1 endpoint")
	server.waitFor(t, "order.paid")
	require.Contains(t, must(t, env, "send", "--type", "order.paid", "--id", "order-1"), "had been sent before")

	key, err := os.ReadFile(filepath.Join(dir, "api-key"))
	require.NoError(t, err)
	for _, secret := range []string{"api-key", "operator-key", "encryption-keys", "database-url"} {
		info, err := os.Stat(filepath.Join(dir, secret))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), secret)
	}

	t.Run("DeliveriesAreShownAndReplayed", func(t *testing.T) {
		// The receiver prints before its answer is recorded.
		var listed []struct{ ID, State string }
		require.Eventually(t, func() bool {
			require.NoError(t, json.Unmarshal([]byte(must(t, env, "delivery", "list", "-o", "json")), &listed))
			return len(listed) == 2 && listed[0].State == "succeeded"
		}, 10*time.Second, 10*time.Millisecond)
		shown := must(t, env, "delivery", "show", listed[0].ID)
		require.Contains(t, shown, "success")
		require.Contains(t, shown, "order.paid")
		require.Contains(t, must(t, env, "delivery", "retry", listed[0].ID), "is replayed as")
		server.waitFor(t, "(time 2)")
	})

	t.Run("ARotatedSecretOverlaps", func(t *testing.T) {
		var listed []struct{ ID string }
		require.NoError(t, json.Unmarshal([]byte(must(t, env, "endpoint", "list", "-o", "json")), &listed))
		require.Contains(t, must(t, env, "endpoint", "rotate", listed[0].ID, "--overlap", "1h"), "whsec_")
		must(t, env, "send", "--type", "after.rotation")
		server.waitFor(t, "after.rotation")
		require.NotContains(t, server.text(), "NOT VERIFIED", "the receiver knows the old secret only")
	})

	t.Run("KeysHaveScopes", func(t *testing.T) {
		type newKey struct {
			ID, Tenant, Key string
			Scopes          []string
		}
		var made newKey
		create := func(args ...string) {
			made = newKey{}
			out := must(t, env, append([]string{"key", "create", "-o", "json"}, args...)...)
			require.NoError(t, json.Unmarshal([]byte(out), &made))
		}
		create("--tenant", "acme", "--scopes", "deliveries:read", "--expires", "1h")
		require.Equal(t, []string{"deliveries:read"}, made.Scopes)
		address, err := os.ReadFile(filepath.Join(dir, "address"))
		require.NoError(t, err)
		url := "HOMING_SERVER=" + strings.TrimSpace(string(address))
		denied := environ("HOMING_DATA_DIR="+dir, "HOMING_API_KEY="+made.Key, url)
		require.Contains(t, fails(t, denied, "send", "--type", "order.paid"), "events:write")
		create("--operator")
		require.Equal(t, []string{"admin"}, made.Scopes)
		require.Empty(t, made.Tenant)
		require.Contains(t, must(t, env, "key", "revoke", "--operator", made.ID), "is revoked")
	})

	t.Run("TheManagementAPIAnswersBesideIngest", func(t *testing.T) {
		address, err := os.ReadFile(filepath.Join(dir, "address"))
		require.NoError(t, err)
		get := func(path string) (status int, body string) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSpace(string(address))+path, nil)
			require.NoError(t, err)
			r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(key)))
			res, err := (&http.Client{Timeout: 10 * time.Second}).Do(r)
			require.NoError(t, err)
			b, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			return res.StatusCode, string(b)
		}
		status, body := get("/v1/endpoints")
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, body, `"status":"active"`, "the demo's endpoint")
		status, body = get("/v1/events?type=order.paid")
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, body, `"event_id":"order-1"`, "where ingest takes POST only")
		status, body = get("/v1/audit-log")
		require.Equal(t, http.StatusForbidden, status, body)
		for _, path := range []string{"/docs", "/openapi.json"} {
			status, body = get(path)
			require.Equal(t, http.StatusOK, status)
			require.Contains(t, body, "createEndpoint")
		}
		status, _ = get("/v1/nothing")
		require.Equal(t, http.StatusNotFound, status)
	})

	t.Run("MistakesAreExplained", func(t *testing.T) {
		const url = "http://127.0.0.1:9000/"
		const nobody = "00000000-0000-0000-0000-000000000000"
		for want, args := range map[string][]string{
			"--url: the address is private": {"endpoint", "create", "--url", "http://10.0.0.1/"},
			"--filter:":                     {"endpoint", "create", "--url", url, "--filter", "type ="},
			"--format:":                     {"endpoint", "create", "--url", url, "--format", "xml"},
			"--schedule:":                   {"endpoint", "create", "--url", url, "--schedule", "soon"},
			"--header Host:":                {"endpoint", "create", "--url", url, "--header", "Host=x"},
			"is given twice":                {"endpoint", "create", "--url", url, "--header", "A=1", "--header", "A=2"},
			"--timeout:":                    {"endpoint", "create", "--url", url, "--timeout", "5m"},
			"--signing:":                    {"endpoint", "create", "--url", url, "--signing", "v9"},
			"there is no such tenant":       {"endpoint", "create", "--url", url, "--tenant", "nobody"},
			"homing endpoint list":          {"endpoint", "pause"},
			"homing delivery list":          {"delivery", "show", "nonsense"},
			"scheduled, attempting":         {"delivery", "list", "--state", "bogus"},
			"there is no delivery":          {"delivery", "show", nobody},
			"unknown command":               {"delivery", "lst"},
			"no such tenant":                {"endpoint", "list", "--tenant", "nobody"},
			"a-z, 0-9":                      {"key", "create", "--tenant", "Acme"},
			"write a duration like 90d":     {"key", "create", "--expires-in", "-5h"},
			"none of events:write":          {"key", "create", "--scopes", "root"},
			"exclude each other":            {"key", "create", "--operator", "--tenant", "acme"},
			"there is no key":               {"key", "revoke", "--operator", nobody},
			"none of text, json and yaml":   {"endpoint", "list", "-o", "xml"},
			"--data-dir":                    {"serve", "--listen", "127.0.0.1:0"},
			"either --secret":               {"listen"},
			"--answer 200 to 599":           {"listen", "--register", "--answer", "42"},
			"--forward-to must be":          {"listen", "--register", "--forward-to", "localhost"},
			"required flag(s) \"type\"":     {"send"},
			"--type is empty":               {"send", "--type", ""},
			"--source:":                     {"send", "--type", "a", "--source", ""},
			"there is no file":              {"send", "--type", "a", "--data", "@/nowhere"},
			"with a key of the tenant":      {"send", "--type", "a", "--tenant", "acme"},
			"homing profile set":            {"endpoint", "list", "--profile", "nobody"},
			"write a time like":             {"delivery", "list", "--since", "yesterday"},
			"has no record of attempt 99":   {"attempt", "get", listed(t, env, "delivery", "list")[0], "99"},
		} {
			require.Contains(t, fails(t, env, args...), want, "homing %v", args)
		}
	})

	server.endBy(t, syscall.SIGINT) // Ctrl-C
	require.Contains(t, server.text(), "what is in flight is finished first")
	require.Contains(t, fails(t, env, "endpoint", "list"), "homing serve")

	again := begin(t, env, nil, "serve", "--listen", "127.0.0.1:0")
	again.waitFor(t, "Try, in another terminal")
	kept, err := os.ReadFile(filepath.Join(dir, "api-key"))
	require.NoError(t, err)
	require.Equal(t, key, kept, "it goes on with the same data")
	require.Contains(t, must(t, env, "send", "--type", "order.paid", "--id", "order-1"), "had been sent before")

	require.Empty(t, listed(t, env, "endpoint", "list"), "nobody listens at the demo endpoint")
	again.end(t)

	third := begin(t, env, nil, "serve", "--demo", "--listen", "127.0.0.1:0")
	third.waitFor(t, "verified webhook-id msg_")
	require.NoError(t, third.cmd.Process.Kill())
	<-third.done
	fourth := begin(t, env, nil, "serve", "--listen", "127.0.0.1:0")
	fourth.waitFor(t, "Try, in another terminal")
	require.Empty(t, listed(t, env, "endpoint", "list"), "a crash leaves no demo endpoint behind either")
	fourth.end(t)
}

func TestListenReceivesWhatItRegisteredFor(t *testing.T) {
	t.Parallel()
	env := environ("HOMING_DATA_DIR=" + home(t))
	server := begin(t, env, nil, "serve", "--listen", "127.0.0.1:0")
	server.waitFor(t, "Try, in another terminal")
	listener := begin(t, env, nil, "listen", "--register", "--port", "0", "--types", "order.*")
	listener.waitFor(t, "endpoint ")

	must(t, env, "send", "--type", "invoice.paid")
	must(t, env, "send", "--type", "order.paid", "--count", "3")
	for range 3 {
		listener.waitFor(t, "order.paid")
	}
	require.NotContains(t, listener.text(), "invoice.paid")
	require.Contains(t, must(t, env, "endpoint", "list"), "order.*")
	listener.end(t)
	require.NotContains(t, must(t, env, "endpoint", "list"), "order.*", "its endpoint is deleted")
	server.end(t)
}

func TestListenRefusesWhatIsNotSigned(t *testing.T) {
	t.Parallel()
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwCrZcvbnm2Yk="
	p := begin(t, environ(), nil, "listen", "--port", "0", "--secret", secret)
	p.waitFor(t, "listening on ")
	_, rest, _ := strings.Cut(p.text(), "listening on ")
	url, _, _ := strings.Cut(rest, ";")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	require.NoError(t, err)
	res, err := (&http.Client{Timeout: 10 * time.Second}).Do(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	p.waitFor(t, "NOT VERIFIED")
	p.end(t)
}

func TestAPortThatIsTakenIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	out := fails(t, environ("HOMING_DATA_DIR="+home(t)), "serve", "--listen", l.Addr().String())
	require.Contains(t, out, l.Addr().String())
	require.Contains(t, out, "HOMING_LISTEN")
}

func TestSettingsThatAreWrongAreNamed(t *testing.T) {
	t.Parallel()
	require.Contains(t, fails(t, environ("HOMING_SLOT=5"), "serve"), "HOMING_SLOTS")
	require.Contains(t, fails(t, environ("HOMING_TICK=soon"), "serve"), "HOMING_TICK")
}

func TestServeRunsForAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(home(t))
	var attr *syscall.SysProcAttr
	if os.Geteuid() == 0 {
		const nobody = 65534
		require.NoError(t, os.Chown(dir, nobody, nobody))
		attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	// HOMING_SERVER is for commands that talk to another Homing; the demo's event goes to this one.
	env := environ("HOMING_DATA_DIR="+filepath.Join(dir, "data"), "HOMING_SERVER=http://127.0.0.1:1")
	p := begin(t, env, attr, "serve", "--demo", "--listen", "127.0.0.1:0")
	p.waitFor(t, "verified webhook-id msg_")
	p.end(t)
}

func TestServeEndsWhenItsDatabaseIsKilled(t *testing.T) {
	t.Parallel()
	dir := home(t)
	p := begin(t, environ("HOMING_DATA_DIR="+dir), nil, "serve", "--listen", "127.0.0.1:0")
	p.waitFor(t, "Try, in another terminal")
	pid, err := os.ReadFile(filepath.Join(dir, "postgres", "data", "postmaster.pid"))
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(pid), "\n")
	postmaster, err := strconv.Atoi(first)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(postmaster, syscall.SIGKILL))
	<-p.done
	require.Error(t, p.err)
	p.waitFor(t, "the private Postgres has ended")
}
