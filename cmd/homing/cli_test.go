package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// result is what a command printed and exited with.
type result struct {
	out, err string
	code     int
}

// exits runs a command with a standard input, and keeps its outputs apart.
func exits(t *testing.T, env []string, stdin string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var out, stderr bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, strings.NewReader(stdin), &out, &stderr
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok {
		require.NoError(t, err)
	}
	return result{out.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// TestCommandLine goes through what the commands share, on one Homing.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	dir := home(t)
	config := t.TempDir()
	env := environ("HOMING_DATA_DIR="+dir, "XDG_CONFIG_HOME="+config)
	server := begin(t, env, nil, "serve", "--listen", "127.0.0.1:0")
	server.waitFor(t, "Try, in another terminal")
	address, operator := read(t, dir, "address"), read(t, dir, "operator-key")

	t.Run("ExitCodes", func(t *testing.T) { exitCodes(t, env, address) })
	t.Run("Profiles", func(t *testing.T) { profilesAreKept(t, env, config, address, operator) })
	t.Run("WhatIsStronger", func(t *testing.T) { whatIsStronger(t, config, operator) })
	t.Run("Outputs", func(t *testing.T) { outputs(t, env) })
	t.Run("Endpoints", func(t *testing.T) { endpointsAreManaged(t, env) })
	t.Run("Forward", func(t *testing.T) { forwards(t, env) })
	t.Run("Tail", func(t *testing.T) {
		follow := begin(t, env, nil, "tail", "--interval", "200ms")
		must(t, env, "endpoint", "create", "--url", "https://example.com/hook")
		must(t, env, "send", "--type", "a")
		follow.waitFor(t, listed(t, env, "delivery", "list", "--limit", "1")[0])
		follow.end(t)
		must(t, env, "endpoint", "delete", listed(t, env, "endpoint", "list")[0])
	})
	t.Run("Doctor", func(t *testing.T) { doctorFinds(t, env, dir, address) })
	t.Run("Completion", func(t *testing.T) {
		must(t, env, "endpoint", "create", "--url", "https://example.com/hook")
		id := listed(t, env, "endpoint", "list")[0]
		require.Contains(t, must(t, env, "__complete", "endpoint", "get", ""), id)
		for _, shell := range []string{"bash", "zsh", "fish"} {
			require.Contains(t, must(t, env, "completion", shell), "homing")
		}
	})
	server.end(t)
}

// exitCodes are a contract; help lists them.
func exitCodes(t *testing.T, env []string, address string) {
	t.Helper()
	const nobody = "00000000-0000-0000-0000-000000000000"
	to := func(extra ...string) []string { return append(environ("HOMING_SERVER="+address), extra...) }
	var sender struct{ Key string }
	made := must(t, env, "key", "create", "--scopes", "events:write", "-o", "json")
	require.NoError(t, json.Unmarshal([]byte(made), &sender))
	must(t, env, "tenant", "create", "twice")
	for name, c := range map[string]struct {
		env  []string
		args []string
		code int
	}{
		"ItWentWell":            {env, []string{"endpoint", "list"}, 0},
		"UnknownCommand":        {env, []string{"endpont"}, 2},
		"UnknownFlag":           {env, []string{"endpoint", "list", "--colour"}, 2},
		"FlagIsMissing":         {env, []string{"endpoint", "create"}, 2},
		"ArgumentIsMissing":     {env, []string{"endpoint", "get"}, 2},
		"ValueTheServerRefuses": {env, []string{"endpoint", "create", "--url", "nonsense"}, 2},
		"SettingIsWrong":        {to("HOMING_TICK=soon"), []string{"endpoint", "list"}, 2},
		"NotFound":              {env, []string{"delivery", "get", nobody}, 3},
		"NoSuchProfile":         {env, []string{"endpoint", "list", "--profile", "nobody"}, 3},
		"NoKey":                 {to(), []string{"endpoint", "list"}, 4},
		"KeyIsUnknown":          {to("HOMING_API_KEY=hmk_x"), []string{"endpoint", "list"}, 4},
		"KeyMayNot":             {to("HOMING_API_KEY=" + sender.Key), []string{"endpoint", "list"}, 4},
		"NobodyAnswers": {
			environ("HOMING_SERVER=http://127.0.0.1:1", "HOMING_API_KEY=hmk_x"), []string{"endpoint", "list"}, 5,
		},
		"Conflict": {env, []string{"tenant", "create", "twice"}, 6},
	} {
		got := exits(t, c.env, "", c.args...)
		require.Equal(t, c.code, got.code, "%s: %s", name, got.err)
		require.Equal(t, c.code == 0, got.err == "", "%s: errors go to standard error: %s", name, got.err)
	}
	help := must(t, env, "help", "exit-codes")
	for _, code := range []string{"0", "1", "2", "3", "4", "5", "6"} {
		require.Contains(t, help, "\n  "+code+"  ")
	}
}

func profilesAreKept(t *testing.T, env []string, config, address, operator string) {
	t.Helper()
	got := exits(t, env, operator+"\n", "profile", "set", "here", "--server", address, "--tenant", "default",
		"--key-file", "-")
	require.Zero(t, got.code, got.err)
	file := filepath.Join(config, "homing", "config.yaml")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	alone := environ("XDG_CONFIG_HOME=" + config)
	require.Zero(t, exits(t, alone, "", "endpoint", "list").code, "the first one is used")
	require.NotContains(t, must(t, alone, "profile", "list", "-o", "yaml"), operator, "the key is not shown")
	must(t, alone, "profile", "set", "there", "--server", "http://127.0.0.1:1")
	require.Equal(t, 4, exits(t, alone, "", "endpoint", "list", "--profile", "there").code)
	must(t, alone, "profile", "use", "there")
	require.Equal(t, 4, exits(t, alone, "", "endpoint", "list").code)
	must(t, alone, "profile", "remove", "there")

	require.NoError(t, os.Chmod(file, 0o644))
	got = exits(t, alone, "", "endpoint", "list")
	require.Equal(t, 2, got.code)
	require.Contains(t, got.err, "chmod 600")
	require.NoError(t, os.Chmod(file, 0o600))
}

// whatIsStronger: flags go before the environment, that before the profile; and a profile's key goes to its own server.
func whatIsStronger(t *testing.T, config, operator string) {
	t.Helper()
	asked := make(chan [2]string, 1)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- [2]string{r.Header.Get("Authorization"), r.Header.Get("Homing-Tenant")}
		_, _ = io.WriteString(w, `{"data": []}`)
	}))
	defer other.Close()
	keyFile := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(keyFile, []byte("hmk_file\n"), 0o600))
	env := environ("XDG_CONFIG_HOME="+config, "HOMING_PROFILE=here")
	inEnv := environ("XDG_CONFIG_HOME="+config, "HOMING_PROFILE=here", "HOMING_SERVER="+other.URL,
		"HOMING_API_KEY=hmk_env", "HOMING_TENANT=env")

	must(t, inEnv, "endpoint", "list")
	require.Equal(t, [2]string{"Bearer hmk_env", "env"}, <-asked, "the environment before the profile")
	must(t, inEnv, "endpoint", "list", "--tenant", "flag", "--key-file", keyFile)
	require.Equal(t, [2]string{"Bearer hmk_file", "flag"}, <-asked, "flags before the environment")
	got := exits(t, env, "", "endpoint", "list", "--server", other.URL)
	require.Equal(t, 4, got.code, "the profile's key is not shown to another server")
	require.Empty(t, asked)
	require.NotContains(t, got.err, operator)
}

func outputs(t *testing.T, env []string) {
	t.Helper()
	must(t, env, "endpoint", "create", "--url", "https://example.com/hook", "--types", "never")
	id := listed(t, env, "endpoint", "list")[0]
	var fromYAML []struct{ ID string }
	require.NoError(t, yaml.Unmarshal([]byte(must(t, env, "endpoint", "list", "-o", "yaml")), &fromYAML))
	require.Equal(t, id, fromYAML[0].ID)
	text := must(t, append(env, "TERM=xterm"), "endpoint", "list")
	lines := strings.Split(text, "\n")
	require.Equal(t, strings.Index(lines[0], "URL"), strings.Index(lines[1], "https://"), "columns are aligned:\n%s", text)
	require.NotContains(t, text, "\x1b", "no colours into a pipe")
	must(t, env, "endpoint", "delete", id)
}

func endpointsAreManaged(t *testing.T, env []string) {
	t.Helper()
	must(t, env, "endpoint", "add", "--url", "https://example.com/hook", "--types", "a", "--rate", "5")
	id := listed(t, env, "endpoint", "list")[0]
	require.Contains(t, must(t, env, "endpoint", "update", id, "--types", "b,c", "--rate", "0"), "b,c")
	shown := must(t, env, "endpoint", "get", id)
	require.Contains(t, shown, "no limit")
	require.Contains(t, shown, "https://example.com/hook")
	require.Equal(t, 6, exits(t, env, "", "endpoint", "update", id, "--types", "d", "--if-version", "1").code)
	require.Contains(t, must(t, env, "endpoint", "pause", id), "is paused")
	require.Contains(t, must(t, env, "endpoint", "resume", id), "is active")
	require.Contains(t, must(t, env, "endpoint", "secret", "rotate", id, "--overlap", "1h"), "whsec_")
	require.Len(t, listed(t, env, "endpoint", "secret", "list", id), 2)
	must(t, env, "endpoint", "pause", id)
	must(t, env, "send", "--type", "c")
	require.Contains(t, must(t, env, "endpoint", "dry-run", id), "1 of the last")
	delivery := listed(t, env, "delivery", "list", "--endpoint", id)[0]
	require.Contains(t, must(t, env, "delivery", "get", delivery), "held")
	require.Contains(t, must(t, env, "delivery", "cancel", delivery), "is cancelled")
	require.Equal(t, 6, exits(t, env, "", "delivery", "cancel", delivery).code)
	require.Equal(t, []string{delivery}, listed(t, env, "delivery", "list", "--state", "cancelled", "--since", "1h"))
	must(t, env, "endpoint", "delete", id)
	require.Contains(t, must(t, env, "audit", "--target", id), "endpoint.delete")
	require.Contains(t, must(t, env, "event", "list", "--type", "c"), "/homing/cli")
	require.Contains(t, must(t, env, "rejected", "list", "--operator"), "REASON")
}

// forwards passes verified POSTs on, and answers as the one behind does, so that what fails there is retried.
func forwards(t *testing.T, env []string) {
	t.Helper()
	type post struct{ id, signature, body string }
	got := make(chan post, 2)
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- post{r.Header.Get("webhook-id"), r.Header.Get("webhook-signature"), string(body)}
		w.WriteHeader(http.StatusTeapot)
	}))
	defer behind.Close()
	listener := begin(t, env, nil, "listen", "--register", "--port", "0", "--forward-to", behind.URL+"/hooks")
	listener.waitFor(t, "endpoint ")
	must(t, env, "send", "--type", "a", "--data", `{"a": 1}`)
	p := <-got
	require.Equal(t, `{"a": 1}`, p.body)
	require.NotEmpty(t, p.id)
	require.Contains(t, p.signature, "v1,")
	listener.waitFor(t, "answered 418")
	delivery := listed(t, env, "delivery", "list", "--limit", "1")[0]
	require.Eventually(t, func() bool {
		return strings.Contains(must(t, env, "attempt", "list", delivery), "418")
	}, 20*time.Second, 50*time.Millisecond)
	require.Contains(t, must(t, env, "attempt", "get", delivery, "1"), "first byte")
	listener.end(t)
}

func doctorFinds(t *testing.T, env []string, dir, address string) {
	t.Helper()
	status := func(env []string, code int) map[string]string {
		t.Helper()
		got := exits(t, env, "", "doctor", "-o", "json")
		require.Equal(t, code, got.code, got.err+got.out)
		var checks []struct{ Check, Status, Detail, Mend string }
		require.NoError(t, json.Unmarshal([]byte(got.out), &checks))
		all := make(map[string]string)
		for _, c := range checks {
			all[c.Check] = c.Status
			require.True(t, c.Status != "failed" || c.Mend != "", "%s fails, and nothing says how to mend it", c.Check)
		}
		return all
	}
	well := status(env, 0)
	for _, check := range []string{
		"settings", "server", "version", "clock", "key", "database", "database clock", "migrations",
	} {
		require.Equal(t, "ok", well[check], check)
	}
	require.Equal(t, "skipped", well["redis"])

	broken := status(environ("HOMING_SERVER=http://127.0.0.1:1", "HOMING_API_KEY=hmk_x",
		"DATABASE_URL=postgres://u@127.0.0.1:1/x", "REDIS_URL=redis://127.0.0.1:1", "RABBITMQ_URL=amqp://127.0.0.1:1"), 1)
	for _, check := range []string{"server", "version", "key", "database", "redis", "rabbitmq"} {
		require.Equal(t, "failed", broken[check], check)
	}
	require.Equal(t, "failed", status(environ("HOMING_SERVER="+address, "HOMING_API_KEY=hmk_x"), 1)["key"])
	require.Equal(t, "failed", status(environ("HOMING_TICK=soon"), 1)["settings"])
	require.NotContains(t, must(t, env, "doctor"), read(t, dir, "operator-key"))
}
