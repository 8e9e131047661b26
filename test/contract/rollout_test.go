package contract

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// standIns are the scripts that hack/rollout.sh calls, and the programs that they need, each of which writes down how
// it was called, and ends as EXITS says. What they really do, hack/e2e-pipeline.sh shows on a cluster; here it is their
// order.
var standIns = map[string]string{
	"hack/deploy.sh": "", "hack/canary.sh": "", "hack/analyse.sh": "", "hack/promote.sh": "", "hack/rollback.sh": "",
	"hack/bluegreen.sh": "", "hack/tools.sh": "",
	".dev/bin/kn":       "",
	".dev/bin/manifest": "printf 'ingest\\ndeliver\\n'",
	// Every service is there but the one that NEW names, and serves with its first revision.
	".dev/bin/kubectl": `case $* in "get ksvc ${NEW:-none} "*) exit 1 ;; *jsonpath*) echo "100 $3-00001" ;; esac`,
}

// TestRollout: in which order an environment gets a version, and what happens when a canary is no good.
func TestRollout(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env   []string
		calls string
		fails string
	}{
		"AtOnceInDev": {
			[]string{"ENV=dev"},
			"deploy migrate; deploy ingest; promote ingest; deploy deliver; promote deliver; deploy probe", "",
		},
		"ByCanaryElsewhere": {
			[]string{"ENV=staging", "CANARY_PERCENT=20"},
			"deploy migrate; canary ingest 20; analyse ingest; promote ingest; " +
				"canary deliver 20; analyse deliver; promote deliver; deploy probe", "",
		},
		"ABadOneGoesBackAndEndsIt": {
			[]string{"ENV=prod", "EXITS=analyse ingest=1"},
			"deploy migrate; canary ingest 10; analyse ingest; rollback ingest ingest-00001", "rolled back to ingest-00001",
		},
		"SoDoesOneOfWhichTooLittleIsKnown": {
			[]string{"ENV=prod", "EXITS=analyse deliver=3"},
			"deploy migrate; canary ingest 10; analyse ingest; promote ingest; " +
				"canary deliver 10; analyse deliver; rollback deliver deliver-00001", "the analysis said 3",
		},
		"OneThatDoesNotStartIsNotRolledBack": {
			[]string{"ENV=prod", "EXITS=canary ingest 10=1"},
			"deploy migrate; canary ingest 10", "ingest-00001 serves on",
		},
		"NothingHasChanged": {
			[]string{"ENV=prod", "EXITS=canary ingest 10=3"},
			"deploy migrate; canary ingest 10; canary deliver 10; analyse deliver; promote deliver; deploy probe", "",
		},
		"AMigrationThatFailsStopsItAll": {
			[]string{"ENV=prod", "EXITS=deploy migrate=1"}, "deploy migrate", "",
		},
		"WhatIsNewIsDeployed": {
			[]string{"ENV=prod", "NEW=ingest"},
			"deploy migrate; deploy ingest; canary deliver 10; analyse deliver; promote deliver; deploy probe", "",
		},
		"BlueGreen": {
			[]string{"ENV=prod", "STRATEGY=blue-green"},
			"deploy migrate; bluegreen green ingest; bluegreen switch ingest; " +
				"bluegreen green deliver; bluegreen switch deliver; deploy probe", "",
		},
		"NoSuchStrategy":    {[]string{"ENV=prod", "STRATEGY=quickly"}, "", "STRATEGY is"},
		"NoSuchEnvironment": {[]string{"ENV=production"}, "", "ENV must be"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls, said, err := rollout(t, c.env)
			require.Equal(t, c.calls, calls, said)
			stops := c.fails != "" || strings.Contains(name, "Stops")
			require.Equal(t, stops, err != nil, said)
			require.Contains(t, said, c.fails)
		})
	}
}

// TestRolloutOfSomeServices leaves the probes, and all else, as they are.
func TestRolloutOfSomeServices(t *testing.T) {
	t.Parallel()
	calls, said, err := rollout(t, []string{"ENV=prod"}, "deliver")
	require.NoError(t, err, said)
	require.Equal(t, "deploy migrate; canary deliver 10; analyse deliver; promote deliver", calls)
}

// rollout runs the real script between stand-ins, and returns how they were called.
func rollout(t *testing.T, env []string, services ...string) (calls, said string, err error) {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"hack", ".dev/bin"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, sub), 0o700))
	}
	for _, genuine := range []string{"hack/rollout.sh", "hack/deploy-lib.sh"} {
		text, err := os.ReadFile(filepath.Join(repository, genuine))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, genuine), text, 0o700))
	}
	for path, does := range standIns {
		text := "#!/usr/bin/env bash\n" + does + "\n"
		if does == "" && path != "hack/tools.sh" && path != ".dev/bin/kn" {
			text = `#!/usr/bin/env bash
call="$(basename "$0" .sh) $*"
echo "$call" >>calls
[ "${EXITS%=*}" != "$call" ] || exit "${EXITS##*=}"
`
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, path), []byte(text), 0o700))
	}
	cmd := exec.CommandContext(t.Context(), "hack/rollout.sh", services...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "EXITS=none=0"}, env...)
	out, err := cmd.CombinedOutput()
	text, readErr := os.ReadFile(filepath.Join(dir, "calls"))
	if readErr != nil {
		require.ErrorIs(t, readErr, os.ErrNotExist)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "; "), string(out), err
}
