package main_test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// libraries is where the Standard Webhooks libraries are: the Go module has those of all languages in it.
func libraries(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}",
		"github.com/standard-webhooks/standard-webhooks/libraries").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// example is the code of a language on the page about verifying.
func example(t *testing.T, language string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(repository, "docs/api/verifying.md"))
	require.NoError(t, err)
	found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(page)
	require.NotNil(t, found, language)
	return string(found[1])
}

// TestVerifyingExamplesVerify runs the receivers of the documentation with the libraries' own code, and sends each what
// Homing would and what a forger would.
func TestVerifyingExamplesVerify(t *testing.T) {
	t.Parallel()
	library := libraries(t)
	for language, receiver := range map[string]func(t *testing.T, code string) *exec.Cmd{
		"go": func(t *testing.T, code string) *exec.Cmd {
			t.Helper()
			dir := t.TempDir()
			source, out := filepath.Join(dir, "main.go"), filepath.Join(dir, "receiver")
			require.NoError(t, os.WriteFile(source, []byte(code), 0o600))
			text, err := exec.CommandContext(t.Context(), "go", "build", "-o", out, source).CombinedOutput()
			require.NoError(t, err, "%s", text)
			return exec.Command(out)
		},
		"python": func(t *testing.T, code string) *exec.Cmd {
			t.Helper()
			c := exec.Command("python3", "-c", code)
			c.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(library, "python"), "PYTHONDONTWRITEBYTECODE=1")
			return c
		},
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			verifies(t, receiver(t, example(t, language)))
		})
	}
}

// verifies starts a receiver, and requires that it takes what is signed and refuses what is not.
func verifies(t *testing.T, receiver *exec.Cmd) {
	t.Helper()
	secret, err := signature.NewSecret(webhook.SecretHMAC)
	require.NoError(t, err)
	text, err := signature.Format(secret)
	require.NoError(t, err)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())
	if receiver.Env == nil {
		receiver.Env = os.Environ()
	}
	receiver.Env = append(receiver.Env, "WEBHOOK_SECRET="+text, "LISTEN="+address)
	receiver.Stderr = os.Stderr
	require.NoError(t, receiver.Start())
	t.Cleanup(func() { _ = receiver.Process.Kill(); _ = receiver.Wait() })

	const body = `{"order": "Zürich"}`
	signed := func(at time.Time) http.Header {
		h := http.Header{"Content-Type": {"application/json"}, "Ce-Type": {"order.paid"}}
		text, err := signature.Sign([]webhook.Secret{secret}, "msg_1", at, []byte(body))
		require.NoError(t, err)
		h.Set(signature.HeaderID, "msg_1")
		h.Set(signature.HeaderTimestamp, signature.Timestamp(at))
		h.Set(signature.HeaderSignature, text)
		return h
	}
	post := func(h http.Header, body string) int {
		url := "http://" + address + "/hooks"
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
		require.NoError(t, err)
		r.Header = h
		res, err := (&http.Client{Timeout: 10 * time.Second}).Do(r)
		if err != nil {
			return 0 // it does not listen yet
		}
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	require.Eventually(t, func() bool { return post(signed(time.Now()), body) == http.StatusNoContent },
		30*time.Second, 50*time.Millisecond)
	require.Equal(t, http.StatusUnauthorized, post(signed(time.Now()), body+" "), "another body")
	require.Equal(t, http.StatusUnauthorized, post(signed(time.Now().Add(-time.Hour)), body), "an old one")
	require.Equal(t, http.StatusUnauthorized, post(http.Header{}, body), "no signature")
}
