package host

import "runtime/debug"

// linked is the version that the linker was told (-X), as `make build` does; "" otherwise.
var linked string

// Version is that of this build, as --version, the User-Agent and the logs have it.
var Version = version()

func version() string {
	build, _ := debug.ReadBuildInfo()
	return versionOf(linked, build)
}

// versionOf takes the most exact name that a build has: what the linker was told, the version of the module (of
// `go install ...@version`), or the revision that it was built from.
func versionOf(linked string, build *debug.BuildInfo) string {
	const dev, shortRevision = "dev", 12
	switch {
	case linked != "":
		return linked
	case build == nil:
		return dev
	case build.Main.Version != "" && build.Main.Version != "(devel)":
		return build.Main.Version
	}
	settings := make(map[string]string, len(build.Settings))
	for _, s := range build.Settings {
		settings[s.Key] = s.Value
	}
	revision := settings["vcs.revision"]
	if revision == "" {
		return dev
	}
	name := dev + "-" + revision[:min(shortRevision, len(revision))]
	if settings["vcs.modified"] == "true" {
		name += "-dirty"
	}
	return name
}
