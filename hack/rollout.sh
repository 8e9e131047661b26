#!/usr/bin/env bash
# Brings a version into an environment, in the order that hurts least: ENV=prod hack/rollout.sh [SERVICE...]
#
# The schema first, then one service after the other, and the probes at the end, unless only some services are asked for.
# By STRATEGY:
#
#   canary       a new revision gets CANARY_PERCENT (10) of the traffic, is watched by hack/analyse.sh, and gets all of it or
#                none; the default of staging and prod
#   blue-green   a new revision is started beside the old one, without traffic, and then gets all at once
#   at-once      the new revision gets all as soon as it is ready; the default of dev
#
# When a canary is rolled back, it ends there with exit 1: services that came before keep their new version, those after it
# their old one. Versions next to each other work together, so that is a state to stay in. A service that is not there yet
# is deployed at once, and one that was rolled back is not pinned any more. Images: as for hack/deploy.sh, or from the lines IMAGE_…=… of IMAGES_ENV (hack/publish.sh).
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

overlay=$(environment)
need kubectl kn manifest
strategy=${STRATEGY:-$([ "$ENV" = dev ] && echo at-once || echo canary)}
if [ -n "${IMAGES_ENV:-}" ]; then
  set -a
  # shellcheck source=/dev/null # made by hack/publish.sh: IMAGE_… only
  . "$IMAGES_ENV"
  set +a
fi
case $strategy in canary | blue-green | at-once) ;; *) die "STRATEGY is canary, blue-green or at-once" ;; esac
services=("$@")
[ ${#services[@]} -gt 0 ] || mapfile -t services < <(manifest -overlay "$overlay" -services)
[ ${#services[@]} -gt 0 ] || die "the manifests of $ENV are not right"

# by_canary SERVICE: when the new revision does not even start, the old one has all traffic, and keeps it.
by_canary() {
  local stable status=0; stable=$(serving_revision "$1")
  hack/canary.sh "$1" "${CANARY_PERCENT:-10}" || status=$?
  case $status in
  0) ;;
  3) return 0 ;; # nothing has changed
  *) die "$1: the new revision does not start; $stable serves on" ;;
  esac
  status=0
  hack/analyse.sh "$1" || status=$?
  if [ "$status" = 0 ]; then
    hack/promote.sh "$1"
  else
    hack/rollback.sh "$1" "$stable"
    die "$1: rolled back to $stable (the analysis said $status)"
  fi
}

hack/deploy.sh migrate
for service in "${services[@]}"; do
  if ! exists "$service"; then
    hack/deploy.sh "$service"
  elif [ "$strategy" = at-once ]; then
    hack/deploy.sh "$service"
    hack/promote.sh "$service" # the old one may be pinned
  elif [ "$strategy" = canary ]; then
    by_canary "$service"
  else
    hack/bluegreen.sh green "$service"
    hack/bluegreen.sh switch "$service"
  fi
done
[ $# -gt 0 ] || hack/deploy.sh probe
say "$ENV: ${services[*]}"
