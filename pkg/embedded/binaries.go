package embedded

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// minMajor is the oldest major version of Postgres that Homing's SQL runs on.
const minMajor = 15

// binaries is one installation of the server.
type binaries struct {
	dir   string // holds postgres and initdb
	major int
}

// finder looks for binaries. Its fields are what the machine is to it.
type finder struct {
	// patterns of directories, as for filepath.Glob, in which servers are installed besides PATH.
	patterns []string
	// download is the directory for downloaded binaries, which is also looked into.
	download string
	// install runs the distribution's package manager for one package, or says why it cannot.
	install func(ctx context.Context, pkg string) error
	// fetch downloads the binaries of a major version into download.
	fetch func(major int, download string) error
	out   io.Writer
}

func newFinder(download string, out io.Writer) finder {
	return finder{
		patterns: []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"},
		download: download,
		install:  aptInstall,
		fetch:    fetchBinaries,
		out:      out,
	}
}

// find returns the binaries of version major, or of the newest when major is 0, installing them if need be.
func (f finder) find(ctx context.Context, major int) (binaries, error) {
	if found, ok := f.installed(ctx, major); ok {
		return found, nil
	}
	pkg, want := "postgresql", strconv.Itoa(minMajor)+" or newer"
	if major != 0 {
		pkg, want = "postgresql-"+strconv.Itoa(major), strconv.Itoa(major)
	}
	fmt.Fprintf(f.out, "Postgres %s is not installed. Installing it with apt (%s); this takes a minute.\n", want, pkg)
	errInstall := f.install(ctx, pkg)
	if found, ok := f.installed(ctx, major); ok {
		return found, nil
	}
	fmt.Fprintf(f.out, "That did not work (%v). Downloading Postgres binaries to %s instead.\n", errInstall, f.download)
	errFetch := f.fetch(major, f.download)
	if found, ok := f.installed(ctx, major); ok {
		return found, nil
	}
	return binaries{}, fmt.Errorf("%w: install Postgres %s (Debian: %s) or set DATABASE_URL; apt: %w; download: %w",
		ErrNoBinaries, want, pkg, errInstall, errFetch)
}

// installed returns the best binaries that are there now.
func (f finder) installed(ctx context.Context, major int) (best binaries, ok bool) {
	dirs := []string{filepath.Join(f.download, "bin")}
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, pattern := range f.patterns {
		matches, _ := filepath.Glob(pattern) // errs only on a pattern that cannot be
		dirs = append(dirs, matches...)
	}
	for _, dir := range dirs {
		v, err := serverMajor(ctx, dir)
		if err != nil || v < minMajor || (major != 0 && v != major) || v <= best.major {
			continue
		}
		best, ok = binaries{dir: dir, major: v}, true
	}
	return best, ok
}

var versionNumber = regexp.MustCompile(`\d+`)

// serverMajor returns the major version of the server in dir, or an error when there is no usable one.
func serverMajor(ctx context.Context, dir string) (int, error) {
	if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(versionNumber.FindString(string(out)))
}

//go:embed apt-install.sh
var aptScript string

// aptInstall installs one package of Debian or one of its children.
func aptInstall(ctx context.Context, pkg string) error {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return err
	}
	args := []string{"sh", "-s", "--", pkg}
	if os.Geteuid() != 0 {
		if err := exec.CommandContext(ctx, "sudo", "-n", "true").Run(); err != nil {
			return fmt.Errorf("neither root nor passwordless sudo: %w", err)
		}
		args = append([]string{"sudo", "-n"}, args...)
	}
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Stdin = strings.NewReader(aptScript)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get: %w: %s", err, lastLine(out))
	}
	return nil
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// fetchBinaries downloads with the embedded-postgres library. It has no call that only fetches: its Start fetches,
// unpacks, and then makes a data directory, which it must not do here (as root it cannot; else it would listen on
// TCP). A locale that does not exist ends it there. What counts afterwards is whether the binaries have arrived.
func fetchBinaries(major int, download string) error {
	versions := map[int]embeddedpostgres.PostgresVersion{
		0: embeddedpostgres.V18, 18: embeddedpostgres.V18, 17: embeddedpostgres.V17,
		16: embeddedpostgres.V16, 15: embeddedpostgres.V15,
	}
	version, ok := versions[major]
	if !ok {
		return fmt.Errorf("no download for Postgres %d", major)
	}
	return embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(version).
		Port(0). // the library checks that it can listen there; it never does
		CachePath(filepath.Join(download, "cache")).
		RuntimePath(filepath.Join(download, "unused")).
		BinariesPath(download).
		Locale("only-fetch").
		Logger(io.Discard)).Start()
}
