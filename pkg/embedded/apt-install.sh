#!/bin/sh
# Installs Debian packages, as root, and starts and creates nothing but the packages' files:
#
#   sh apt-install.sh PACKAGE...
#
# No recommended packages; no system service is started; no Postgres cluster is created (it would start at the next
# boot). "postgresql" stands for the newest server package of at least version 15. Used by pkg/embedded and by
# hack/services.sh.
set -eu

policy=/usr/sbin/policy-rc.d # Debian's way to say "do not start services now"
clusters=/etc/postgresql-common/createcluster.d/homing.conf
made_policy='' made_clusters=''

cleanup() {
  [ -z "$made_policy" ] || rm -f "$policy"
  [ -z "$made_clusters" ] || { rm -f "$clusters"; rmdir "$(dirname "$clusters")" 2>/dev/null || true; }
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

if [ ! -e "$policy" ]; then # one that is there is somebody's decision
  made_policy=1
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
made_clusters=1
mkdir -p "$(dirname "$clusters")"
echo 'create_main_cluster = false' >"$clusters"

apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@"; }

# The packages with "postgresql" replaced; the meta package when apt knows no server of 15 or newer.
resolve() {
  for package; do
    if [ "$package" = postgresql ]; then
      major=$(apt-cache --names-only search '^postgresql-[0-9]+$' | sed -E 's/^postgresql-([0-9]+) .*/\1/' |
        sort -n | awk '$1 >= 15' | tail -n 1)
      package=postgresql${major:+-$major}
    fi
    printf '%s ' "$package"
  done
}

# The lists may be missing (a bare container) or older than the archive: try, update, try again.
install_all() {
  # shellcheck disable=SC2046 # package names have no spaces
  apt install --no-install-recommends $(resolve "$@")
}
install_all "$@" || { apt update && install_all "$@"; }
