//go:build linux

package embedded

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// holdEnv makes the test binary a process that starts a server on that directory, prints its URL and waits.
const holdEnv = "EMBEDDED_TEST_HOLD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdEnv); dir != "" {
		p, err := Start(context.Background(), Config{DataDir: dir})
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println(p.URL())
		select {}
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(prepared.dir)
		os.Exit(code)
	}))
}

// prepared is a directory in which a server has run once. Most tests begin with a copy of it, because initdb takes
// most of a second of processor time.
var prepared struct {
	once sync.Once
	dir  string
}

func preparedDir(t *testing.T) string {
	t.Helper()
	prepared.once.Do(func() {
		var err error
		prepared.dir, err = os.MkdirTemp("/tmp", "homing-embedded-test-")
		require.NoError(t, err)
		require.NoError(t, os.Chmod(prepared.dir, 0o755))
		p, err := Start(t.Context(), Config{DataDir: prepared.dir})
		require.NoError(t, err)
		require.NoError(t, p.Stop(t.Context()))
	})
	dir := tempDir(t)
	out, err := exec.CommandContext(t.Context(), "cp", "-a", prepared.dir+"/.", dir).CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

// tempDir is t.TempDir with parents that every user may pass through.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "homing-embedded-test-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func mustStart(t *testing.T, dir string) *Postgres {
	t.Helper()
	p, err := Start(t.Context(), Config{DataDir: dir})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Stop(context.Background()) })
	return p
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec1(t *testing.T, url, statement string) {
	t.Helper()
	conn := connect(t, url)
	_, err := conn.Exec(t.Context(), statement)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
}

func show(t *testing.T, conn *pgx.Conn, setting string) (value string) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&value))
	return value
}

// running reports whether a session is busy with a statement that contains text.
func running(t *testing.T, url, text string) (yes bool) {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(t.Context())
	const ask = `SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%' || $1 || '%')`
	require.NoError(t, conn.QueryRow(t.Context(), ask, text).Scan(&yes))
	return yes
}

// hold starts a process that starts a server on dir and keeps it.
func hold(t *testing.T, dir string) (*exec.Cmd, string) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), holdEnv+"="+dir)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_, _ = command.Process.Wait()
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, url, "postgres://")
	return command, strings.TrimSpace(url)
}

func TestStart(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	p := mustStart(t, dir)
	conn := connect(t, p.URL())

	for setting, want := range map[string]string{
		"listen_addresses": "", "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
		"shared_buffers": "32MB", "max_connections": "50", "jit": "off", "log_error_verbosity": "terse",
	} {
		require.Equal(t, want, show(t, conn, setting), setting)
	}
	sockets, err := os.Stat(show(t, conn, "unix_socket_directories"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), sockets.Mode().Perm())

	if os.Geteuid() == 0 {
		info, err := os.Stat(filepath.Join(dir, "postgres"))
		require.NoError(t, err)
		require.NotZero(t, info.Sys().(*syscall.Stat_t).Uid, "the server's directory is not root's")
	}

	exec1(t, p.URL(), "CREATE TABLE kept AS SELECT 1 AS n")
	require.NoError(t, p.Stop(t.Context()))
	<-p.Done()
	require.NoError(t, p.Stop(t.Context()), "a second Stop returns what the first returned")
	require.Empty(t, serversOn(filepath.Join(dir, "postgres", "data")))

	again := mustStart(t, dir)
	exec1(t, again.URL(), "INSERT INTO kept SELECT n FROM kept")
}

func TestStartAfterKill(t *testing.T) {
	t.Parallel()

	t.Run("OfTheParentTheServerEndsAndNothingIsLost", func(t *testing.T) {
		t.Parallel()
		dir := preparedDir(t)
		parent, url := hold(t, dir)
		exec1(t, url, "CREATE TABLE kept AS SELECT 1 AS n")
		require.NoError(t, parent.Process.Kill())
		_ = parent.Wait()
		require.NoError(t, waitGone(t.Context(), filepath.Join(dir, "postgres", "data"), 20*time.Second))
		exec1(t, mustStart(t, dir).URL(), "INSERT INTO kept SELECT n FROM kept")
	})

	t.Run("OfTheParentWithARestartAtOnce", func(t *testing.T) {
		t.Parallel()
		dir := preparedDir(t)
		parent, url := hold(t, dir)
		exec1(t, url, "CREATE TABLE kept AS SELECT 1 AS n")
		require.NoError(t, parent.Process.Kill())
		_ = parent.Wait()
		exec1(t, mustStart(t, dir).URL(), "INSERT INTO kept SELECT n FROM kept")
	})

	t.Run("OfThePostmasterABusyBackendIsEndedBeforeTheNextStart", func(t *testing.T) {
		t.Parallel()
		dir := preparedDir(t)
		p := mustStart(t, dir)
		exec1(t, p.URL(), "CREATE TABLE kept AS SELECT 1 AS n")
		busy := connect(t, p.URL())
		go func() { _, _ = busy.Exec(context.Background(), "SELECT count(*) FROM generate_series(1, 1e15)") }()
		require.Eventually(t, func() bool { return running(t, p.URL(), "generate_series") },
			20*time.Second, 10*time.Millisecond)
		require.NoError(t, p.proc.command.Process.Kill())
		<-p.Done()
		require.Error(t, p.Stop(t.Context()))
		data := filepath.Join(dir, "postgres", "data")
		orphans := serversOn(data)
		require.NotEmpty(t, orphans, "the busy backend does not notice that its parent has gone")
		exec1(t, mustStart(t, dir).URL(), "INSERT INTO kept SELECT n FROM kept")
		for _, orphan := range orphans {
			require.NotContains(t, serversOn(data), orphan)
		}
	})
}

func TestStartStopsAServerLeftOver(t *testing.T) {
	t.Parallel()
	dir := preparedDir(t)
	server, err := newFinder("", io.Discard).find(t.Context(), 0)
	require.NoError(t, err)
	data := filepath.Join(dir, "postgres", "data")
	account, err := serverAccount(filepath.Dir(data))
	require.NoError(t, err)
	left := exec.Command(filepath.Join(server.dir, "postgres"), "-D", data,
		"-c", "listen_addresses=", "-c", "unix_socket_directories="+filepath.Join(dir, "postgres", "run"))
	(&dataDir{root: filepath.Dir(data), account: account}).runAsServer(left)
	require.NoError(t, left.Start())
	t.Cleanup(func() { _ = left.Process.Kill() })
	ended := make(chan error, 1)
	go func() { ended <- left.Wait() }()
	require.Eventually(t, func() bool {
		b, _ := os.ReadFile(filepath.Join(data, "postmaster.pid"))
		return readPostmasterPid(data) == left.Process.Pid && strings.Contains(string(b), "ready")
	}, 20*time.Second, 10*time.Millisecond)

	mustStart(t, dir)
	require.NoError(t, <-ended, "it was stopped in order")
}

func TestStartIgnoresAStalePidFile(t *testing.T) {
	t.Parallel()
	dir := preparedDir(t)
	first := mustStart(t, dir)
	exec1(t, first.URL(), "CREATE TABLE kept AS SELECT 1 AS n")
	require.NoError(t, first.Stop(t.Context()))

	// A process of the server's user that has nothing to do with it, as after a reboot or in a new container.
	stranger := exec.Command("sleep", "600")
	account, err := serverAccount(filepath.Join(dir, "postgres"))
	require.NoError(t, err)
	(&dataDir{root: "/", account: account}).runAsServer(stranger)
	require.NoError(t, stranger.Start())
	t.Cleanup(func() { _ = stranger.Process.Kill(); _ = stranger.Wait() })
	pid := strconv.Itoa(stranger.Process.Pid) + "\n"
	for _, name := range []string{"data/postmaster.pid", "run/.s.PGSQL.5432.lock"} {
		path := filepath.Join(dir, "postgres", name)
		require.NoError(t, os.WriteFile(path, []byte(pid), 0o600))
		require.NoError(t, os.Chown(path, account.uid, account.gid))
	}

	second := mustStart(t, dir)
	exec1(t, second.URL(), "INSERT INTO kept SELECT n FROM kept")
	require.NoError(t, syscall.Kill(stranger.Process.Pid, 0), "the stranger was left alone")
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()

	t.Run("ADirectoryInUseAndNamesTheProcess", func(t *testing.T) {
		t.Parallel()
		dir := preparedDir(t)
		parent, url := hold(t, dir)
		_, err := Start(t.Context(), Config{DataDir: dir})
		require.ErrorIs(t, err, ErrLocked)
		require.ErrorContains(t, err, strconv.Itoa(parent.Process.Pid))
		exec1(t, url, "SELECT 1")
	})

	t.Run("AFileInThePlaceOfTheDirectory", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(tempDir(t), "file")
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		_, err := Start(t.Context(), Config{DataDir: path})
		require.ErrorContains(t, err, path)
	})

	t.Run("DataOfAnotherVersion", func(t *testing.T) {
		t.Parallel()
		dir := preparedDir(t)
		version := filepath.Join(dir, "postgres", "data", "PG_VERSION")
		require.NoError(t, os.WriteFile(version, []byte("12\n"), 0o600))
		_, err := Start(t.Context(), Config{DataDir: dir})
		require.ErrorContains(t, err, "made by Postgres 12")
	})

	t.Run("NoDirectory", func(t *testing.T) {
		t.Parallel()
		_, err := Start(t.Context(), Config{})
		require.Error(t, err)
	})
}

func TestStartWithALongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), strings.Repeat("long/", 30))
	var short [2]string
	for i := range short {
		p := mustStart(t, dir)
		conn := connect(t, p.URL())
		short[i] = show(t, conn, "unix_socket_directories")
		require.NoError(t, conn.Close(t.Context()))
		require.NoError(t, p.Stop(t.Context()))
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(short[0])) })
	require.Less(t, len(short[0]), maxSocketDir)
	require.Equal(t, short[0], short[1], "the directory made the first time is used again")
}

func TestStopWithAnEndedContextStopsAllTheSame(t *testing.T) {
	t.Parallel()
	dir := preparedDir(t)
	p := mustStart(t, dir)
	exec1(t, p.URL(), "CREATE TABLE kept AS SELECT 1 AS n")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.Stop(ended), context.Canceled)
	require.Empty(t, serversOn(filepath.Join(dir, "postgres", "data")))
	exec1(t, mustStart(t, dir).URL(), "INSERT INTO kept SELECT n FROM kept")
}

func TestStartWithAnEndedContextLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := preparedDir(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Start(ended, Config{DataDir: dir})
	require.Error(t, err)
	require.Empty(t, serversOn(filepath.Join(dir, "postgres", "data")))
	mustStart(t, dir)
}

func TestReaches(t *testing.T) {
	t.Parallel()
	open := tempDir(t)
	shut := filepath.Join(open, "shut")
	require.NoError(t, os.MkdirAll(filepath.Join(shut, "inside"), 0o755))
	require.NoError(t, os.Chmod(shut, 0o700))
	stranger := account{uid: 12345, gid: 12345}
	require.NoError(t, stranger.reaches(open))
	err := stranger.reaches(filepath.Join(shut, "inside"))
	require.ErrorIs(t, err, ErrUnreachable)
	require.ErrorContains(t, err, shut+" (mode 0700)")
	require.NoError(t, account{uid: os.Geteuid(), gid: 12345}.reaches(filepath.Join(shut, "inside")))
}

// TestAsAnotherUser runs this package's tests once more as an unprivileged user. Started by such a user, they have
// all run as one already.
func TestAsAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return
	}
	nobody, err := user.Lookup("nobody")
	require.NoError(t, err)
	uid, err := strconv.Atoi(nobody.Uid)
	require.NoError(t, err)
	gid, err := strconv.Atoi(nobody.Gid)
	require.NoError(t, err)

	dir := tempDir(t)
	require.NoError(t, os.Chown(dir, uid, gid))
	binary := filepath.Join(dir, "embedded.test")
	copyFile(t, os.Args[0], binary)
	command := exec.CommandContext(t.Context(), binary, "-test.v", "-test.timeout=5m", "-test.run=^TestStart")
	command.Dir = dir
	command.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS: TestStart ")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	source, err := os.Open(from)
	require.NoError(t, err)
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(target, source)
	require.NoError(t, errors.Join(err, target.Close()))
}

func TestFind(t *testing.T) {
	t.Parallel()
	// install makes a directory that looks like an installed server of that version.
	install := func(t *testing.T, root string, version string) {
		t.Helper()
		dir := filepath.Join(root, version, "bin")
		require.NoError(t, os.MkdirAll(dir, 0o755))
		script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
		for _, name := range []string{"postgres", "initdb"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755))
		}
	}
	var tests = map[string]struct {
		installed []string
		major     int
		apt       string // version that apt installs
		fetched   string // version that a download brings
		want      int    // 0: ErrNoBinaries
		says      string
	}{
		"TheNewest":                   {installed: []string{"98.1", "99.2"}, want: 99},
		"TheVersionOfTheData":         {installed: []string{"98.1", "99.2"}, major: 98, want: 98},
		"NotTooOld":                   {installed: []string{"14.3"}, major: 14},
		"AptWhenNothingIsInstalled":   {major: 97, apt: "97.0", want: 97, says: "Installing it with apt (postgresql-97)"},
		"AptWhenOnlyAnotherVersionIs": {installed: []string{"98.1"}, major: 97, apt: "97.0", want: 97, says: "apt"},
		"DownloadWhenAptFails":        {major: 97, fetched: "97.1", want: 97, says: "Downloading"},
		"AClearErrorInTheEnd":         {major: 97, says: "Downloading"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for _, version := range tt.installed {
				install(t, root, version)
			}
			var out bytes.Buffer
			f := finder{
				patterns: []string{filepath.Join(root, "*", "bin")}, download: filepath.Join(root, "download"), out: &out,
				install: func(_ context.Context, _ string) error {
					if tt.apt == "" {
						return errors.New("no apt here")
					}
					install(t, root, tt.apt)
					return nil
				},
				fetch: func(_ int, _ string) error {
					if tt.fetched == "" {
						return errors.New("no network here")
					}
					install(t, root, tt.fetched)
					return errors.New("the library ended after the download")
				},
			}
			found, err := f.find(t.Context(), tt.major)
			if tt.want == 0 {
				require.ErrorIs(t, err, ErrNoBinaries)
				require.ErrorContains(t, err, "install Postgres")
				require.ErrorContains(t, err, "no apt here")
				require.ErrorContains(t, err, "no network here")
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, found.major)
			require.Contains(t, out.String(), tt.says)
		})
	}
}
