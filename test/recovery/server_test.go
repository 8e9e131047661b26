//go:build faults

package recovery_test

import (
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/test/homingtest"
)

// archiveTimeout is how long a commit may wait to be archived; in production it is a minute.
const archiveTimeout = 2 * time.Second

// archived is a server that archives its log, as hack/postgres-backup.sh has it do.
type archived struct {
	*testenv.Server
	archive, backup string
}

// archivingPostgres starts one.
func archivingPostgres(t *testing.T) *archived {
	t.Helper()
	server := testenv.OwnPostgres(t)
	dir := directory(t)
	a := &archived{server, filepath.Join(dir, "archive"), filepath.Join(dir, "backup")}
	require.NoError(t, os.Mkdir(a.archive, 0o700))
	giveTo(t, server, a.archive)
	a.script(t, "archive", a.archive)
	server.Stop()
	server.Start()
	return a
}

// directory makes a temporary directory that the server's user gets into.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "homing-recovery-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o711))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// giveTo gives a file to the user that a server runs as.
func giveTo(t *testing.T, s *testenv.Server, path string) {
	t.Helper()
	info, err := os.Stat(s.Data())
	require.NoError(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	require.NoError(t, os.Chown(path, int(owner.Uid), int(owner.Gid)))
}

// script runs hack/postgres-backup.sh, which finds the server by libpq's variables.
func (a *archived) script(t *testing.T, args ...string) {
	t.Helper()
	at, err := url.Parse(a.URL)
	require.NoError(t, err)
	password, _ := at.User.Password()
	command := exec.CommandContext(t.Context(), filepath.Join(repository, "hack/postgres-backup.sh"), args...)
	command.Env = append(os.Environ(), "PGHOST="+at.Hostname(), "PGPORT="+at.Port(), "PGUSER="+at.User.Username(),
		"PGPASSWORD="+password, "ARCHIVE_TIMEOUT="+archiveTimeout.String())
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// archivedUpTo waits until the log is archived as far as it is written now.
func (a *archived) archivedUpTo(t *testing.T) {
	t.Helper()
	conn := a.connect(t)
	defer conn.Close(t.Context())
	var segment string
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT pg_walfile_name(pg_current_wal_insert_lsn())").Scan(&segment))
	homingtest.Wait(t, homingtest.Patience, "the log is archived", func() bool {
		var last *string
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT last_archived_wal FROM pg_stat_archiver").Scan(&last))
		return last != nil && *last >= segment
	})
}

func (a *archived) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), a.URL)
	require.NoError(t, err)
	return conn
}

// destroy ends the server as a crash does, and its disk with it.
func (a *archived) destroy(t *testing.T) {
	t.Helper()
	a.Kill()
	require.NoError(t, os.RemoveAll(a.Data()))
}

// restored is what came of a restore.
type restored struct {
	url string // of the database on the new server
	err error  // why it did not open
}

// restore restores the backup and the archive on another server, to a moment, or to the end of the archive when there
// is none, and waits until the server has opened, or has given up.
func (a *archived) restore(t *testing.T, to ...string) restored {
	t.Helper()
	server := testenv.OwnPostgres(t)
	server.Stop()
	data := server.Data()
	require.NoError(t, os.RemoveAll(data))
	require.NoError(t, os.Mkdir(data, 0o700))
	parent, err := os.Stat(filepath.Dir(data))
	require.NoError(t, err)
	owner := parent.Sys().(*syscall.Stat_t)
	require.NoError(t, os.Chown(data, int(owner.Uid), int(owner.Gid)))
	a.script(t, append([]string{"restore", a.backup, a.archive, data}, to...)...)

	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	old, err := url.Parse(a.URL)
	require.NoError(t, err)
	at.User = old.User // roles and passwords are restored too
	r := restored{url: at.String(), err: server.TryStart()}
	homingtest.Wait(t, homingtest.Patience, "the server has opened, or given up", func() bool {
		open, err := opened(t, r.url)
		if errors.Is(err, syscall.ECONNREFUSED) && r.err == nil {
			r.err = err
		}
		return open || r.err != nil
	})
	return r
}

// opened asks a server whether it has restored what it is to. Errors: [syscall.ECONNREFUSED], there is no server.
func opened(t *testing.T, database string) (bool, error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		return false, err
	}
	defer conn.Close(t.Context())
	var recovering bool
	err = conn.QueryRow(t.Context(), "SELECT pg_is_in_recovery()").Scan(&recovering)
	if _, told := errors.AsType[*pgconn.PgError](err); told || pgconn.SafeToRetry(err) {
		return false, nil
	}
	return err == nil && !recovering, nil
}
