#!/usr/bin/env bash
# Blue-green: a new revision beside the old one, without traffic, then all traffic at once.
#
#   ENV=prod hack/bluegreen.sh green SERVICE     deploys it, tagged green, and prints the address that it has by the tag
#   ENV=prod hack/bluegreen.sh switch SERVICE    gives it all traffic; the old one stays, tagged blue
#
# Back: ENV=prod hack/rollback.sh SERVICE. Like a canary it does not migrate: hack/deploy.sh migrate comes first.
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

environment >/dev/null
readonly step=${1:-} service=${2:-}
[ -n "$service" ] || die "usage: bluegreen.sh green|switch SERVICE"
need kubectl kn
exists "$service" || die "$service is not deployed yet"

green() {
  local old new; old=$(serving_revision "$service")
  route "$service" --traffic "$old=100"
  ENV=$ENV hack/deploy.sh "$service"
  new=$(ready_revision "$service")
  [ "$new" != "$old" ] || { say "nothing has changed: $old is what would be deployed"; return; }
  route "$service" --tag "$new=green" --traffic "$old=100"
  of "$service" '{.status.traffic[?(@.tag=="green")].url}{"\n"}'
}

switch() {
  local old new; old=$(serving_revision "$service") new=$(tagged "$service" green)
  [ -n "$new" ] || { say "$service has no green revision: nothing to switch"; return; }
  route "$service" --traffic "$new=100" # the tags go with it
  route "$service" --tag "$old=blue" --traffic "$new=100"
  say "$service: $new 100 %, $old is blue"
}

case $step in
green | switch) "$step" ;;
*) die "usage: bluegreen.sh green|switch SERVICE" ;;
esac
