package contract

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// cluster stands in for what hack/deploy.sh and hack/undeploy.sh call; each program writes down how it was called.
// manifest prints what it was asked for, so that kubectl, which writes down what it reads, shows what it would apply.
// A call whose beginning FAILS names ends with 1; the Secret MISSING is not there.
var cluster = map[string]string{
	"manifest": `
case $* in
*-services) printf 'ingest\ndeliver\n' ;;
*-ready) echo broker/events ;;
*) echo "$*" ;;
esac`,
	"kubectl": `
case $* in
"get secret ${MISSING:-none} "*--ignore-not-found*) exit 0 ;;
"get secret "*) echo "secret/$3"; exit ;;
*" -f -"*) set -- "$@" "< $(tr '\n' ' ')" ;;
esac
echo "kubectl $*" >>calls`,
	"kn": `echo "kn $*" >>calls`,
}

// run runs a real script between stand-ins. What it says is also what it would put into the summary of a run.
func run(t *testing.T, script string, env []string, arguments ...string) (calls []string, said string, err error) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, ".dev/bin"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "hack"), 0o700))
	require.NoError(t, os.CopyFS(filepath.Join(dir, "monitoring/probe"),
		os.DirFS(filepath.Join(repository, "monitoring/probe"))))
	for _, genuine := range []string{script, "hack/deploy-lib.sh"} {
		text, err := os.ReadFile(filepath.Join(repository, genuine))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, genuine), text, 0o700))
	}
	write := func(path, does string) {
		text := "#!/usr/bin/env bash\n" + does + "\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, path), []byte(text), 0o700))
	}
	write("hack/tools.sh", "")
	for program, does := range cluster {
		write(".dev/bin/"+program, `case "`+program+` $*" in "${FAILS:-none}"*) exit 1 ;; esac`+"\n"+does)
	}
	cmd := exec.CommandContext(t.Context(), script, arguments...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "GITHUB_STEP_SUMMARY=summary"}, env...)
	for _, program := range []string{"INGEST", "DELIVER", "HOMING", "HOMING_PROBE"} {
		cmd.Env = append(cmd.Env, "IMAGE_"+program+"=image-of-"+program)
	}
	out, err := cmd.CombinedOutput()
	for _, file := range []string{"calls", "summary"} {
		text, readErr := os.ReadFile(filepath.Join(dir, file))
		if readErr != nil {
			require.ErrorIs(t, readErr, os.ErrNotExist)
		}
		if file == "calls" {
			calls = strings.Split(strings.TrimSpace(string(text)), "\n")
		} else if len(text) > 0 {
			require.Contains(t, string(out), string(text))
			out = append(out, "in the summary"...)
		}
	}
	return calls, string(out), err
}

// index returns where the first call is that contains all of the words, -1 when none does.
func index(calls []string, words ...string) int {
	for i, call := range calls {
		found := true
		for _, word := range words {
			found = found && strings.Contains(call, word)
		}
		if found {
			return i
		}
	}
	return -1
}

// TestDeployProbes: a deployment ends with the probes, where the environment has some, of the image that was built for
// them. That nobody has made their key yet is said, and fails nothing; that they do not start fails.
func TestDeployProbes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env       []string
		arguments []string
		applied   bool
		awaited   bool
		says      string
		fails     bool
	}{
		"ThereAreSome": {env: []string{"ENV=prod"}, applied: true, awaited: true},
		"ByThemselves": {env: []string{"ENV=staging"}, arguments: []string{"probe"}, applied: true, awaited: true},
		"NoneInDev":    {env: []string{"ENV=dev"}, says: "dev has no probes"},
		"OneService":   {env: []string{"ENV=prod"}, arguments: []string{"deliver"}},
		"NoKeyYet": {
			env: []string{"ENV=prod", "MISSING=homing-probe"}, applied: true, says: "NOBODY WATCHES FROM OUTSIDE",
		},
		"TheyDoNotStart": {
			env: []string{"ENV=prod", "FAILS=kubectl rollout status"}, applied: true, says: "do not start", fails: true,
		},
		"NobodyAnswers": {
			env:     []string{"ENV=prod", "FAILS=kubectl get secret homing-probe"},
			applied: true, says: "cannot look", fails: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls, said, err := run(t, "hack/deploy.sh", c.env, c.arguments...)
			require.Equal(t, c.fails, err != nil, said)
			require.Contains(t, said, c.says)
			require.Equal(t, strings.HasPrefix(c.says, "NOBODY"), strings.Contains(said, "in the summary"), said)

			deployment := "-deployment homing-probe -image image-of-HOMING_PROBE"
			at := index(calls, "kubectl apply", "monitoring/probe/", "-rest", deployment)
			require.Equal(t, c.applied, at >= 0, calls)
			require.Equal(t, c.awaited, index(calls, "rollout status deployment/homing-probe") > at, calls)
			if c.applied && len(c.arguments) == 0 {
				require.Greater(t, at, index(calls, "kn service apply deliver"), calls)
				require.NotEqual(t, -1, index(calls, "kn service apply deliver"))
			}
		})
	}
}

// TestUndeployTakesTheProbes away, before what they watch; there is nothing to take in dev.
func TestUndeployTakesTheProbes(t *testing.T) {
	t.Parallel()
	for environment, has := range map[string]bool{"dev": false, "staging": true, "prod": true} {
		calls, said, err := run(t, "hack/undeploy.sh", []string{"ENV=" + environment, "FORCE=1"})
		require.NoError(t, err, said)
		first := index(calls, "kubectl delete pingsource")
		for _, part := range []string{"-deployment homing-probe", "-rest"} {
			at := index(calls, "kubectl delete", "monitoring/probe/"+environment, part)
			require.Equal(t, has, at >= 0, calls)
			require.Less(t, at, first, calls)
		}
		require.Equal(t, -1, index(calls, "domainmapping"), "the edge's mappings are not ours: %s", calls)
	}
}
