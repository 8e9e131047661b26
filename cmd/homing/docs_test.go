package main_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const repository = "../.."

// snippet is a shell block of a page.
type snippet struct {
	line   int
	text   string
	notRun string // the reason, when a comment before it gives one
}

// block finds a fenced block, and the comment before it that says why it is not run.
var block = regexp.MustCompile("(?ms)(?:^<!-- not run: ([^\n]*) -->\n)?^```(?:sh|bash|shell|console)\n(.*?)^```$")

// snippetsOf are the shell blocks of a page, in order.
func snippetsOf(page string) (found []snippet) {
	for _, at := range block.FindAllStringSubmatchIndex(page, -1) {
		s := snippet{line: 1 + strings.Count(page[:at[4]], "\n"), text: page[at[4]:at[5]]}
		if at[2] >= 0 {
			s.notRun = page[at[2]:at[3]]
		}
		found = append(found, s)
	}
	return found
}

// pages are README.md and those below docs, without what they say about the past.
func pages(t *testing.T) []string {
	t.Helper()
	found := []string{"README.md"}
	err := filepath.WalkDir(filepath.Join(repository, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			relative, _ := filepath.Rel(repository, path)
			found = append(found, relative)
		}
		return err
	})
	require.NoError(t, err)
	return found
}

// TestSnippetsRun runs every shell snippet of the documentation as a reader would: on a Homing that was just started,
// in an empty home. The snippets of a page are one session. The first command that fails fails the test.
func TestSnippetsRun(t *testing.T) {
	t.Parallel()
	ran := 0
	for _, page := range pages(t) {
		text, err := os.ReadFile(filepath.Join(repository, page))
		require.NoError(t, err)
		var script strings.Builder
		for _, s := range snippetsOf(string(text)) {
			if s.notRun != "" {
				t.Logf("%s:%d is not run: %s", page, s.line, s.notRun)
				continue
			}
			fmt.Fprintf(&script, "echo '### %s:%d'\n%s\n", page, s.line, s.text)
			ran++
		}
		if script.Len() > 0 {
			t.Run(page, func(t *testing.T) {
				t.Parallel()
				session(t, script.String())
			})
		}
	}
	require.Greater(t, ran, 10, "the snippets are not found any more")
}

// session runs a script in the home of somebody who has started a Homing.
func session(t *testing.T, script string) {
	t.Helper()
	dir := filepath.Dir(home(t))
	data := filepath.Join(dir, ".local/share/homing")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "work/bin"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Dir(data), 0o755))
	require.NoError(t, os.Symlink(program, filepath.Join(dir, "work/bin/homing")))
	env := []string{
		"PATH=" + filepath.Join(dir, "work/bin") + ":" + os.Getenv("PATH"), "HOME=" + dir, "HOMING_DATA_DIR=" + data,
	}
	serves := append(env, "HOMING_HANDSHAKE_ORIGIN=homing.example.com") //nolint:gocritic // a copy, for env is full
	server := begin(t, serves, nil, "serve", "--demo", "--listen", "127.0.0.1:0")
	server.waitFor(t, "verified webhook-id")

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	script = strings.ReplaceAll(script, "http://127.0.0.1:8080", read(t, data, "address"))
	shell := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	shell.Env, shell.Dir = env, filepath.Join(dir, "work")
	out, err := shell.CombinedOutput()
	require.NoError(t, err, "the last snippet failed:\n%s", out)
	server.end(t)
}

func TestSnippetsAreFound(t *testing.T) {
	t.Parallel()
	page := "a\n```sh\none\ntwo\n```\n<!-- not run: so -->\n```sh\nthree\n```\n```go\nfour\n```\n"
	require.Equal(t, []snippet{{3, "one\ntwo\n", ""}, {8, "three\n", "so"}}, snippetsOf(page))
}
