#!/usr/bin/env bash
# Backs up a Postgres that we run ourselves, so that any moment since can be restored, and restores it. RDS does the same
# by itself: docs/disaster-recovery.md.
#
#   hack/postgres-backup.sh archive ARCHIVE     have the server copy its log into the directory ARCHIVE, from its next start
#   hack/postgres-backup.sh base BACKUP         make a base backup in the new directory BACKUP, and check it
#   hack/postgres-backup.sh restore BACKUP ARCHIVE DATA [TIME]
#                                               make DATA, an empty directory of the server's user, what a new server starts
#                                               with: it goes on to TIME ('2026-11-26 12:00:00.5+00'), or to the end of ARCHIVE
#
# `archive` and `base` connect as libpq's variables say (PGHOST, PGPORT, PGUSER, PGPASSWORD), as a superuser. ARCHIVE must
# be on another machine than the server (mounted there under the same path), or it is lost with it.
#
#   ARCHIVE_TIMEOUT   how long what was committed may wait to be archived (60s): what a disaster may cost
#   PG_BIN            where Postgres' programs are, of the server's major version (the newest below /usr/lib/postgresql)
#
# A server that is started on DATA and finds that the archive does not reach as far as TIME, or has a gap, says so in its
# log and ends: it never opens with less. It archives nothing until `archive` is called again, with another directory.
set -euo pipefail

say() { echo "postgres-backup: $*" >&2; }
die() { say "$*"; exit 1; }
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }

# program NAME: its path.
program() {
  local dir=${PG_BIN:-}
  [ -n "$dir" ] || dir=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  if [ -x "$dir/$1" ]; then echo "$dir/$1"; else command -v "$1" || die "there is no $1: set PG_BIN"; fi
}

# quoted TEXT: as a value of Postgres' configuration.
quoted() { printf "'%s'" "${1//\'/\'\'}"; }

# archive DIRECTORY: a segment appears there whole or not at all. One that is there already is well when it is the same,
# as after a crash between copying and noting it; another one is never overwritten.
archive() {
  local file="\"$1/%f\"" part="\"$1/%f.part\""
  "$(program psql)" -X -q -v ON_ERROR_STOP=1 -d postgres \
    -v "command=if [ -f $file ]; then cmp -s \"%p\" $file; else cp \"%p\" $part && sync $part && mv $part $file; fi" \
    -v "timeout=${ARCHIVE_TIMEOUT:-60s}" <<'SQL'
ALTER SYSTEM SET archive_mode = on;
ALTER SYSTEM SET archive_command = :'command';
ALTER SYSTEM SET archive_timeout = :'timeout';
SQL
  say "the server archives into $1 from its next start"
}

base() {
  "$(program pg_basebackup)" -D "$1" --checkpoint=fast --wal-method=stream --no-password
  "$(program pg_verifybackup)" --quiet "$1"
  say "$1 is a backup"
}

# restore BACKUP ARCHIVE DATA [TIME]: nothing of the archive is read here, but by the server, as far as it gets.
restore() {
  local backup=$1 archive=$2 data=$3 time=${4:-}
  if [ ! -d "$data" ] || [ -n "$(ls -A "$data")" ]; then die "$data is not an empty directory"; fi
  [ -n "$(ls -A "$archive")" ] || die "$archive holds no log: this would open what the backup alone has"
  "$(program pg_verifybackup)" --quiet "$backup"
  cp -r "$backup/." "$data/"
  # Behind what the old server had set, which it overrules.
  {
    printf '# Written by hack/postgres-backup.sh restore.\narchive_mode = off\n'
    printf 'restore_command = %s\n' "$(quoted "cp \"$archive/%f\" \"%p\"")"
    [ -z "$time" ] || printf "recovery_target_time = %s\nrecovery_target_action = promote\n" "$(quoted "$time")"
  } >>"$data/postgresql.auto.conf"
  touch "$data/recovery.signal"
  chmod 700 "$data"
  chown -R --reference="$data" "$data" # as root, for the server's user; else it is ours anyway
  say "start a server on $data"
}

case ${1:-}/$# in
archive/2 | base/2 | restore/4 | restore/5) "$@" ;;
*) usage ;;
esac
