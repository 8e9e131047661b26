package host

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersionNamesTheBuild(t *testing.T) {
	t.Parallel()
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	modified := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	build := func(module string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: module}, Settings: settings}
	}
	for name, tc := range map[string]struct {
		linked string
		build  *debug.BuildInfo
		want   string
	}{
		"Linked":      {"v1.2.3", build("v9.9.9"), "v1.2.3"},
		"Module":      {"", build("v1.2.3"), "v1.2.3"},
		"Revision":    {"", build("(devel)", revision), "dev-0123456789ab"},
		"Modified":    {"", build("", revision, modified), "dev-0123456789ab-dirty"},
		"Unknown":     {"", build("(devel)"), "dev"},
		"NoBuildInfo": {"", nil, "dev"},
	} {
		require.Equal(t, tc.want, versionOf(tc.linked, tc.build), name)
	}
}
