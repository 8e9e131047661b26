package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	// socketPort names the socket's file; nothing listens on a port of that number.
	socketPort = "5432"
	// maxSocketDir is the longest directory for the socket: sun_path holds 108 bytes with the file's name in it.
	maxSocketDir = 90
	// maxLog is the size in bytes at which the server's log is put aside at a start; one old log is kept.
	maxLog = 10 << 20
)

// dataDir is a locked directory: the server's files, and the user that they belong to.
type dataDir struct {
	root    string // DataDir/postgres, absolute and without symbolic links
	account account
	lock    *os.File
}

func (d *dataDir) data() string     { return filepath.Join(d.root, "data") }
func (d *dataDir) download() string { return filepath.Join(d.root, "download") }
func (d *dataDir) log() string      { return filepath.Join(d.root, "postgres.log") }

// openDataDir makes what is missing of the directory and takes its lock. Close gives the lock back.
func openDataDir(path string) (*dataDir, error) {
	if path == "" {
		return nil, errors.New("no data directory is configured")
	}
	// A path without links, because that is how the kernel names a process's working directory.
	base, err := makeBase(path)
	if err != nil {
		return nil, err
	}
	lock, err := takeLock(filepath.Join(base, "postgres.lock"))
	if err != nil {
		return nil, err
	}
	d := &dataDir{root: filepath.Join(base, "postgres"), lock: lock}
	if err := d.prepare(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Close gives the lock back.
func (d *dataDir) Close() error { return d.lock.Close() }

func makeBase(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	mode := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711 // the server's user must get through; the files of Homing in there have their own modes
	}
	if err := os.MkdirAll(path, mode); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// takeLock locks the file for as long as it is open in this process; the kernel undoes that at any end of it.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		holder, _ := os.ReadFile(path)
		return nil, fmt.Errorf("%w: %s by process %s", ErrLocked, filepath.Dir(path), bytes.TrimSpace(holder))
	}
	if err := errors.Join(f.Truncate(0), writePid(f)); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f, nil
}

func writePid(f *os.File) error {
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// prepare makes the server's directory, gives it to the server's user, and makes sure that the user can get there.
func (d *dataDir) prepare() error {
	var err error
	if d.account, err = serverAccount(d.root); err != nil {
		return err
	}
	if err := os.Mkdir(d.root, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if d.account.switches {
		if err := os.Chown(d.root, d.account.uid, d.account.gid); err != nil {
			return err
		}
	}
	return d.account.reaches(d.root)
}

// sockets returns the directory for the unix socket: run beside the data, or, where that path is too long for a
// socket, one in /tmp that run is a link to.
func (d *dataDir) sockets() (string, error) {
	run := filepath.Join(d.root, "run")
	if len(run) <= maxSocketDir {
		return run, d.makeOwned(run)
	}
	if old, err := os.Readlink(run); err == nil && d.account.owns(old) {
		return old, nil
	}
	short, err := os.MkdirTemp("/tmp", "homing-postgres-")
	if err != nil {
		return "", err
	}
	if err := d.makeOwned(short); err != nil {
		return "", err
	}
	if err := os.Remove(run); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	return short, os.Symlink(short, run)
}

func (d *dataDir) makeOwned(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return os.Chown(dir, d.account.uid, d.account.gid)
}

// openLog opens the server's log for appending, after putting a big one aside.
func (d *dataDir) openLog() (*os.File, error) {
	if info, err := os.Stat(d.log()); err == nil && info.Size() > maxLog {
		if err := os.Rename(d.log(), d.log()+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(d.log(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

func (d *dataDir) lastLog() string {
	b, _ := os.ReadFile(d.log())
	return lastLine(b)
}

// runAsServer makes a command run as the server's user, at home in the server's directory, with none of our
// environment: PGDATA, PGOPTIONS and the like would change what it does, and Homing's own holds secrets.
func (d *dataDir) runAsServer(command *exec.Cmd) {
	command.Dir = d.root
	command.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "HOME=" + d.root}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C in the terminal is for Homing alone
	if d.account.switches {
		command.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(d.account.uid), Gid: uint32(d.account.gid)}
	}
}

// account is the user that the server runs as.
type account struct {
	uid, gid int
	switches bool // it is not the one that this process runs as
}

// serverAccount chooses the user: this process's own, or an unprivileged one when that is root.
func serverAccount(root string) (account, error) {
	if uid := os.Geteuid(); uid != 0 {
		return account{uid: uid, gid: os.Getegid()}, nil
	}
	// A directory that is there decides: the user `postgres` may have come to the machine after it.
	if info, err := os.Stat(root); err == nil {
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 0 {
			return account{uid: int(owner.Uid), gid: int(owner.Gid), switches: true}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.Atoi(u.Uid)
		gid, errGID := strconv.Atoi(u.Gid)
		return account{uid: uid, gid: gid, switches: true}, errors.Join(errUID, errGID)
	}
	return account{}, errors.New("running as root, and there is neither a user `postgres` nor `nobody` for the server")
}

// owns reports whether path is a directory (not a link to one) of this user that nobody else can enter.
func (a account) owns(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir() && info.Mode().Perm() == 0o700 &&
		int(info.Sys().(*syscall.Stat_t).Uid) == a.uid
}

// reaches checks that the user may pass through every directory down to path, and names the first that it may not.
func (a account) reaches(path string) error {
	dir := "/"
	for _, name := range append([]string{""}, strings.Split(strings.Trim(path, "/"), "/")...) {
		dir = filepath.Join(dir, name)
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		bit := os.FileMode(0o001)
		switch {
		case int(stat.Uid) == a.uid:
			bit = 0o100
		case int(stat.Gid) == a.gid:
			bit = 0o010
		}
		if info.Mode().Perm()&bit == 0 {
			return fmt.Errorf("%w: user %d may not pass through %s (mode %04o); choose another data directory, "+
				"for example /var/lib/homing", ErrUnreachable, a.uid, dir, info.Mode().Perm())
		}
	}
	return nil
}

// syncDir makes a rename in dir durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
