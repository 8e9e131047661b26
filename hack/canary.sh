#!/usr/bin/env bash
# Gives a new revision of a service a part of its traffic: ENV=dev hack/canary.sh SERVICE PERCENT
#
# The revision that serves now is pinned, the new one is deployed beside it, with the same variables as hack/deploy.sh,
# and gets PERCENT of the requests, and an address of its own with the tag canary. Then hack/promote.sh or
# hack/rollback.sh. It does not migrate: when the new revision needs a newer schema, hack/deploy.sh migrate comes first.
# Exit 3: nothing has changed, so there is no new revision.
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

environment >/dev/null
readonly service=${1:-} percent=${2:-}
if [ -z "$service" ] || ! [[ $percent =~ ^[0-9]+$ ]] || [ "$percent" -gt 100 ]; then
  die "usage: canary.sh SERVICE PERCENT"
fi
need kubectl kn
exists "$service" || die "$service is not deployed yet"

old=$(serving_revision "$service")
route "$service" --traffic "$old=100"
ENV=$ENV hack/deploy.sh "$service"
new=$(ready_revision "$service")
if [ "$new" = "$old" ]; then
  route "$service" --traffic @latest=100
  say "nothing has changed: $old is what would be deployed"
  exit 3
fi
route "$service" --tag "$new=canary" --traffic "$old=$((100 - percent)),$new=$percent"
say "$service: $old $((100 - percent)) %, $new $percent %"
