#!/usr/bin/env bash
# The services that the tests talk to: Postgres (15 or newer), Redis and RabbitMQ.
#
#   hack/services.sh up [postgres] [redis] [rabbitmq]   start what is not running (all three by default)
#   hack/services.sh down                               stop what this script started; the data stays
#   hack/services.sh wipe                               down, and forget the data
#   hack/services.sh env                                print the export lines for a shell
#   hack/services.sh status                             one line a service
#
# For each service `up` takes the first of these that works:
#   1. what answers at TEST_DATABASE_URL, TEST_REDIS_URL, TEST_RABBITMQ_URL (with TEST_RABBITMQ_MANAGEMENT_URL);
#   2. a private instance from installed binaries, on a free port of 127.0.0.1, with a random password;
#   3. the same after installing the distribution's package with apt (root or passwordless sudo; the package's own
#      system service is kept from starting);
#   4. a container of compose.yaml, when a Docker daemon answers.
#
# State is in .dev/ of the checkout: services.env, data, logs, pid files. Ports and passwords stay the same from one
# `up` to the next, so a shell that has read services.env once stays right. Two calls at once wait for each other.
#
# pkg/testenv uses the same script for the servers that one test owns:
#   HOMING_DEV_DIR      where the state lives instead of .dev/; TEST_*_URL are then ignored
#   HOMING_DEV_OWNER    pid of a process; when it ends, everything in HOMING_DEV_DIR is stopped and removed
# shellcheck disable=SC2016,SC2174  # $1 is for the inner shell; only the deepest directory need be private
set -euo pipefail

readonly ALL=(postgres redis rabbitmq)
SELF=$(readlink -f "${BASH_SOURCE[0]}")
ROOT=$(dirname "$(dirname "$SELF")")
DEV=${HOMING_DEV_DIR:-$ROOT/.dev}
readonly SELF ROOT DEV

say() { echo "services: $*" >&2; }
die() { say "$*"; exit 1; }

# ---- state: small files under $DEV/state -----------------------------------------------------------------------

get() { cat "$DEV/state/$1" 2>/dev/null || true; }
put() { printf '%s\n' "$2" >"$DEV/state/$1"; }

random_hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# listening PORT [HOST]: does something accept connections there?
listening() { (exec 3<>"/dev/tcp/${2:-127.0.0.1}/$1") 2>/dev/null; }

# port NAME: the port kept under that name; a new free one the first time, or when somebody else took it meanwhile.
# Chosen below the kernel's range for outgoing connections, which would take it away between two starts.
port() {
  local p; p=$(get "port.$1")
  while [ -z "$p" ] || listening "$p"; do
    p=$((20000 + RANDOM % 12000))
    ! grep -qxs "$p" "$DEV"/state/port.* || p='' # another service's, which has not started yet
  done
  put "port.$1" "$p"
  echo "$p"
}

# ---- processes: $DEV/state/pid.NAME holds "PID STARTTIME", so that a reused pid is never taken for ours ----------

start_time() { # of a live process, empty for a zombie or none
  local stat; stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  stat=${stat##*) }
  [ "${stat%% *}" = Z ] || awk '{print $20}' <<<"$stat"
}

pid_of() { # prints the pid when the process that we started is alive
  local pid started
  read -r pid started < <(get "pid.$1") || return 1
  [ -n "$started" ] && [ "$(start_time "$pid")" = "$started" ] && echo "$pid"
}

spawn() { # NAME COMMAND...: in its own session, without our lock, logging to $DEV/log/NAME.log
  local name=$1; shift
  setsid "$@" </dev/null >>"$DEV/log/$name.log" 2>&1 9>&- &
  put "pid.$name" "$! $(start_time $!)"
}

halt() { # NAME SIGNAL: ask, wait, insist
  local pid i; pid=$(pid_of "$1") || { rm -f "$DEV/state/pid.$1"; return 0; }
  kill "-$2" "$pid" 2>/dev/null || true
  for ((i = 0; i < 300; i++)); do
    pid_of "$1" >/dev/null || { rm -f "$DEV/state/pid.$1"; return 0; }
    sleep 0.1
  done
  say "$1 (pid $pid) did not stop within 30 s; killing it"
  kill -KILL "$pid" 2>/dev/null || true
  rm -f "$DEV/state/pid.$1"
}

# wait_ready NAME COMMAND...: until the command succeeds; fails when the process is gone or after 2 minutes
wait_ready() {
  local name=$1 i; shift
  for ((i = 0; i < 1200; i++)); do
    "$@" && return 0
    pid_of "$name" >/dev/null || break
    sleep 0.1
  done
  tail -n 15 "$DEV/log/$name.log" >&2 || true
  say "$name is not ready; its log is $DEV/log/$name.log"
  return 1
}

# ---- installing ------------------------------------------------------------------------------------------------

# apt_install WHAT PACKAGE: with the script that `homing serve` uses too; it starts no system service.
apt_install() {
  local sudo=()
  command -v apt-get >/dev/null || return 1
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || { say "$1 is not installed, and apt needs root or passwordless sudo"; return 1; }
    sudo=(sudo -n)
  fi
  say "$1 is not installed; installing with apt: $2"
  "${sudo[@]}" sh "$ROOT/pkg/embedded/apt-install.sh" "$2" </dev/null >>"$DEV/log/apt.log" 2>&1 9>&- && return
  say "apt could not install $2; its output is in $DEV/log/apt.log"
  return 1
}

# ---- Postgres --------------------------------------------------------------------------------------------------

# The directory of the newest server binaries of at least version 15, empty when there are none.
postgres_bin() {
  local dir v best='' best_v=14
  for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin "$(dirname "$(command -v postgres || echo /nowhere/x)")"; do
    if [ ! -x "$dir/postgres" ] || [ ! -x "$dir/initdb" ]; then continue; fi
    v=$("$dir/postgres" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
    if [ "$v" -gt "$best_v" ]; then best=$dir best_v=$v; fi
  done
  echo "$best"
}

PG_AS=() # how to become the unprivileged user: Postgres refuses to run as root
postgres_user() {
  [ "$(id -u)" = 0 ] || return 0
  local u=nobody
  id -u postgres >/dev/null 2>&1 && u=postgres
  PG_AS=(setpriv "--reuid=$(id -u $u)" "--regid=$(id -g $u)" --clear-groups)
}

# Where the data lives: in $DEV, or in a fresh directory elsewhere when the unprivileged user cannot reach $DEV (a
# checkout in root's home). The choice is kept in state/postgres.dir and as the link $DEV/postgres.
postgres_dir() {
  local dir base; dir=$(get postgres.dir)
  if [ -z "$dir" ] || [ ! -d "$dir" ]; then
    rm -f "$DEV/postgres"
    if "${PG_AS[@]}" test -x "$DEV"; then
      dir=$DEV/postgres
      mkdir -p -m 700 "$dir"
    else
      for base in "${XDG_RUNTIME_DIR:-/tmp}" /tmp; do
        "${PG_AS[@]}" test -x "$base" && break
      done
      dir=$(mktemp -d "$base/homing-postgres-XXXXXX")
      ln -s "$dir" "$DEV/postgres"
    fi
    [ ${#PG_AS[@]} = 0 ] || chown "$("${PG_AS[@]}" id -u):$("${PG_AS[@]}" id -g)" "$dir"
    put postgres.dir "$dir"
  fi
  echo "$dir"
}

start_postgres() {
  local bin dir p; bin=$(postgres_bin)
  if [ -z "$bin" ]; then
    apt_install "Postgres 15 or newer" postgresql || return 1
    bin=$(postgres_bin)
    [ -n "$bin" ] || { say "the Postgres that apt offers is older than 15"; return 1; }
  fi
  postgres_user
  dir=$(postgres_dir)
  if [ ! -s "$dir/data/PG_VERSION" ]; then
    # The password goes through a file that only the server's user can read, gone right after.
    "${PG_AS[@]}" sh -c 'umask 077; cat >"$1/pw"' sh "$dir" < <(get password)
    (cd / && "${PG_AS[@]}" "$bin/initdb" -D "$dir/data" -U homing --pwfile="$dir/pw" --auth=scram-sha-256 \
      --encoding=UTF8 --locale=C --no-instructions) >>"$DEV/log/postgres.log" 2>&1 9>&- ||
      { tail -n 15 "$DEV/log/postgres.log" >&2; rm -rf "$dir/data"; return 1; }
    # fsync and synchronous_commit keep their defaults (on): the durability tests are about them.
    "${PG_AS[@]}" sh -c 'rm -f "$1/pw"; cat >>"$1/data/postgresql.conf"' sh "$dir" <<'CONF'
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
shared_buffers = 128MB
huge_pages = off
jit = off
max_wal_size = 2GB
checkpoint_timeout = 15min
CONF
  fi
  # Our server is not running, and a pid file left by a reboot must not stop the next one. But backends may have
  # survived a postmaster that was killed, and a second server beside them would ruin the data.
  local process
  for process in /proc/[0-9]*; do
    [ "$(readlink "$process/cwd" 2>/dev/null)" != "$dir/data" ] || kill -KILL "${process#/proc/}" 2>/dev/null || true
  done
  rm -f "$dir/data/postmaster.pid"
  p=$(port postgres)
  cd /
  spawn postgres "${PG_AS[@]}" "$bin/postgres" -D "$dir/data" -p "$p"
  cd "$ROOT"
  put url.postgres "postgres://homing:$(get password)@127.0.0.1:$p/postgres?sslmode=disable"
  wait_ready postgres "$bin/pg_isready" -q -t 2 -h 127.0.0.1 -p "$p"
}

# ---- Redis -----------------------------------------------------------------------------------------------------

redis_bin() { command -v redis-server || command -v valkey-server || true; }

# Redis answers, if only that it wants the password. Over bash's own sockets: redis-cli and curl need not be there.
redis_ready() {
  local answer
  answer=$( (exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'PING\r\n' >&3 && IFS= read -r -t 2 -n 7 a <&3
    echo "$a") 2>/dev/null) || true
  case $answer in *PONG* | *NOAUTH*) return 0 ;; esac
  return 1
}

start_redis() {
  local bin p; bin=$(redis_bin)
  if [ -z "$bin" ]; then
    apt_install Redis redis-server || return 1
    bin=$(redis_bin)
  fi
  p=$(port redis)
  mkdir -p -m 700 "$DEV/redis"
  (umask 077 && cat >"$DEV/redis/redis.conf" <<CONF
bind 127.0.0.1
port $p
dir $DEV/redis
requirepass $(get password)
appendonly no
save ""
CONF
  )
  spawn redis "$bin" "$DEV/redis/redis.conf"
  put url.redis "redis://:$(get password)@127.0.0.1:$p/0"
  wait_ready redis redis_ready "$p"
}

# ---- RabbitMQ --------------------------------------------------------------------------------------------------

# The server's own script: the one that Debian puts on the PATH insists on being root or the user rabbitmq.
rabbitmq_bin() {
  local f
  for f in /usr/lib/rabbitmq/bin/rabbitmq-server /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server \
    /opt/rabbitmq*/sbin/rabbitmq-server "$(command -v rabbitmq-server || true)"; do
    [ ! -x "$f" ] || { echo "$f"; return; }
  done
}

# The management API answers with our password: the node has booted, its plugin and its user are there.
rabbitmq_ready() {
  local status auth; auth=$(printf 'homing:%s' "$(get password)" | base64 -w 0)
  listening "$1" || return 1
  status=$( (exec 3<>"/dev/tcp/127.0.0.1/$2" &&
    printf 'GET /api/vhosts HTTP/1.0\r\nAuthorization: Basic %s\r\n\r\n' "$auth" >&3 &&
    IFS= read -r -t 5 line <&3; echo "$line") 2>/dev/null) || true
  case $status in *" 200 "*) return 0 ;; esac
  return 1
}

start_rabbitmq() {
  local bin dir=$DEV/rabbitmq amqp management dist epmd name; bin=$(rabbitmq_bin)
  if [ -z "$bin" ]; then
    apt_install RabbitMQ rabbitmq-server || return 1
    bin=$(rabbitmq_bin)
  fi
  halt epmd TERM # of a node that died
  amqp=$(port amqp) management=$(port management) dist=$(port dist) epmd=$(port epmd)
  mkdir -p -m 700 "$dir" "$dir/home" "$dir/mnesia" "$dir/log" "$dir/schema"
  [ -s "$dir/home/.erlang.cookie" ] || (umask 077 && random_hex 16 >"$dir/home/.erlang.cookie")
  chmod 400 "$dir/home/.erlang.cookie"
  (umask 077 && cat >"$dir/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$amqp
management.tcp.ip = 127.0.0.1
management.tcp.port = $management
default_user = homing
default_pass = $(get password)
disk_free_limit.absolute = 50MB
CONF
  )
  : >"$dir/rabbitmq-env.conf"
  echo '[rabbitmq_management].' >"$dir/enabled_plugins"
  # A cookie, a port mapper and a distribution port of its own: it neither finds nor disturbs another node.
  name=homing-$amqp@localhost
  local settings=(env -i "PATH=$PATH" "HOME=$dir/home" LANG=C.UTF-8
    "ERL_EPMD_PORT=$epmd" ERL_EPMD_ADDRESS=127.0.0.1 "ERL_CRASH_DUMP=$dir/log/erl_crash.dump")
  spawn epmd "${settings[@]}" epmd -port "$epmd" -address 127.0.0.1
  wait_ready epmd listening "$epmd" || return 1
  # RUNNING_UNDER_SYSTEMD makes the script exec the Erlang VM, so that the pid is the server's.
  spawn rabbitmq "${settings[@]}" RUNNING_UNDER_SYSTEMD=true \
    "RABBITMQ_NODENAME=$name" "RABBITMQ_DIST_PORT=$dist" \
    "RABBITMQ_CONFIG_FILE=$dir/rabbitmq.conf" "RABBITMQ_CONF_ENV_FILE=$dir/rabbitmq-env.conf" \
    "RABBITMQ_ENABLED_PLUGINS_FILE=$dir/enabled_plugins" "RABBITMQ_MNESIA_BASE=$dir/mnesia" \
    "RABBITMQ_LOG_BASE=$dir/log" "RABBITMQ_SCHEMA_DIR=$dir/schema" "RABBITMQ_GENERATED_CONFIG_DIR=$dir/schema" \
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}" "$bin"
  put url.rabbitmq "amqp://homing:$(get password)@127.0.0.1:$amqp/"
  put url.management "http://homing:$(get password)@127.0.0.1:$management"
  wait_ready rabbitmq rabbitmq_ready "$amqp" "$management"
}

# ---- containers, the last resort (untried where no Docker daemon is at hand) ---------------------------------------

compose() {
  HOMING_PASSWORD=$(get password) HOMING_POSTGRES_PORT=$(get port.postgres) HOMING_REDIS_PORT=$(get port.redis) \
    HOMING_AMQP_PORT=$(get port.amqp) HOMING_MANAGEMENT_PORT=$(get port.management) \
    docker compose -p "homing-$(printf '%s' "$DEV" | cksum | cut -d' ' -f1)" -f "$ROOT/compose.yaml" "$@"
}

start_container() {
  [ -z "${HOMING_DEV_DIR:-}" ] || return 1 # a server that a test owns must be a process that it can kill
  docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1 || return 1
  local pw; pw=$(get password)
  say "starting $1 with Docker Compose"
  case $1 in
  postgres) put url.postgres "postgres://homing:$pw@127.0.0.1:$(port postgres)/postgres?sslmode=disable" ;;
  redis) put url.redis "redis://:$pw@127.0.0.1:$(port redis)/0" ;;
  rabbitmq)
    put url.rabbitmq "amqp://homing:$pw@127.0.0.1:$(port amqp)/"
    put url.management "http://homing:$pw@127.0.0.1:$(port management)"
    ;;
  esac
  compose up -d --wait "$1" >>"$DEV/log/compose.log" 2>&1 9>&- || return 1
  put "by.$1" container
}

# ---- commands --------------------------------------------------------------------------------------------------

# Environment variable and default port of a service's URL.
variable() { case $1 in postgres) echo TEST_DATABASE_URL ;; redis) echo TEST_REDIS_URL ;; *) echo TEST_RABBITMQ_URL ;; esac; }
default_port() { case $1 in postgres) echo 5432 ;; redis) echo 6379 ;; *) echo 5672 ;; esac; }

# answers NAME URL: does something accept connections at the host and port of this URL?
answers() {
  local rest=${2#*://}; rest=${rest%%[/?]*}; rest=${rest##*@}
  local host=${rest%%:*} p; p=$(default_port "$1")
  case $rest in *:*) p=${rest##*:} ;; esac
  [ -n "$host" ] && listening "$p" "$host"
}

# configured NAME: use what the environment names, when it answers and is not the private one of an earlier `up`
configured() {
  local var url; var=$(variable "$1"); url=${!var:-}
  [ -z "${HOMING_DEV_DIR:-}" ] && [ -n "$url" ] && [ "$url" != "$(get "url.$1")" ] || return 1
  answers "$1" "$url" || { say "$var is set, but nothing answers there; starting a private instance"; return 1; }
  put "by.$1" configured
  put "url.$1" "$url"
  [ "$1" != rabbitmq ] || put url.management "${TEST_RABBITMQ_MANAGEMENT_URL:-$(guess_management "$url")}"
}

# The management API beside an AMQP URL: same host and user, the plugin's default port.
guess_management() {
  local rest=${1#*://}; rest=${rest%%[/?]*}
  case $rest in *@*) ;; *) rest=guest:guest@$rest ;; esac
  echo "http://${rest%@*}@$(sed -E 's/:[0-9]+$//' <<<"${rest##*@}"):15672"
}

running() {
  case $(get "by.$1") in
  private) pid_of "$1" >/dev/null && answers "$1" "$(get "url.$1")" ;;
  container | configured) answers "$1" "$(get "url.$1")" ;;
  *) return 1 ;;
  esac
}

up_one() {
  local var; var=$(variable "$1")
  configured "$1" && return
  # One that the environment named once is not ours to use when it names it no more.
  if [ "$(get "by.$1")" != configured ] || [ -n "${!var:-}" ]; then running "$1" && return; fi
  halt "$1" KILL # alive but deaf
  put "by.$1" private
  "start_$1" || { halt "$1" KILL; start_container "$1"; } ||
    die "no $1. Install it (Debian: postgresql, redis-server, rabbitmq-server), or start a Docker daemon, or set" \
      "$(variable "$1") to one that runs."
}

write_env() {
  local tmp; tmp=$(mktemp "$DEV/services.env.XXXXXX") # 0600: it holds passwords
  {
    echo "# Written by hack/services.sh up."
    for s in "${ALL[@]}"; do
      [ ! -s "$DEV/state/url.$s" ] || printf "export %s='%s'\n" "$(variable "$s")" "$(get "url.$s")"
    done
    [ ! -s "$DEV/state/url.management" ] || printf "export TEST_RABBITMQ_MANAGEMENT_URL='%s'\n" "$(get url.management)"
  } >"$tmp"
  mv "$tmp" "$DEV/services.env"
}

up() {
  local s wanted=("$@")
  [ $# -gt 0 ] || wanted=("${ALL[@]}")
  [ -s "$DEV/state/password" ] || (umask 077 && put password "$(random_hex 16)")
  if [ -n "${HOMING_DEV_OWNER:-}" ] && ! pid_of watchdog >/dev/null; then
    # shellcheck disable=SC2016
    spawn watchdog bash -c 'tail --pid="$1" -f /dev/null; exec "$2" wipe' bash "$HOMING_DEV_OWNER" "$SELF"
  fi
  for s in "${wanted[@]}"; do up_one "$s"; done
  write_env
}

down() {
  halt rabbitmq TERM
  halt epmd TERM
  halt redis TERM
  halt postgres INT
  grep -qs container "$DEV"/state/by.* && compose down -v >>"$DEV/log/compose.log" 2>&1
  rm -f "$DEV"/state/by.* "$DEV/services.env"
}

wipe() {
  local dir; dir=$(get postgres.dir)
  down
  case $dir in */homing-postgres-* | "$DEV"/*) rm -rf "$dir" ;; esac
  [ "$(pid_of watchdog)" = $$ ] || halt watchdog TERM # unless it is who calls
  rm -rf "$DEV/postgres" "$DEV/redis" "$DEV/rabbitmq" "$DEV/state" "$DEV/log"
}

status() {
  local s
  for s in "${ALL[@]}"; do
    if running "$s"; then
      echo "$s: running ($(get "by.$s")$(pid_of "$s" | sed 's/^/, pid /'))"
    else
      echo "$s: not running"
    fi
  done
}

main() {
  local command=${1:-}
  [ $# = 0 ] || shift
  case $command in
  up | down | wipe)
    [ "$command" = up ] || [ -d "$DEV/state" ] || return 0
    mkdir -p "$DEV/state" "$DEV/log"
    chmod 700 "$DEV/state"
    exec 9>"$DEV/lock"
    flock 9
    "$command" "$@"
    ;;
  env) cat "$DEV/services.env" 2>/dev/null || die "nothing is up: run hack/services.sh up" ;;
  status) status ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$SELF" >&2; exit 2 ;;
  esac
}

cd "$ROOT"
main "$@"
