#!/usr/bin/env bash
# Gives all traffic of a service to an older revision: ENV=dev hack/rollback.sh SERVICE [REVISION]
#
# Without a revision: after a blue-green release the blue one, during a canary the one that serves most, else the one before
# the newest. It stays pinned: what is deployed afterwards gets no traffic until hack/promote.sh or hack/rollout.sh. The newest
# is marked, so that no later rollback comes back to it by itself.
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

environment >/dev/null
readonly service=${1:-} to=${2:-}
[ -n "$service" ] || die "usage: rollback.sh SERVICE [REVISION]"
need kubectl kn

# before REVISION: the newest revision that is older than it, ready, and was not rolled back.
before() {
  kubectl get revisions -n "$NAMESPACE" -l "serving.knative.dev/service=$service,homing.io/rolled-back!=true" \
    --sort-by='{.metadata.creationTimestamp}' \
    -o jsonpath='{range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' |
    awk -v newest="$1" '$1 == newest {exit} $2 == "True" {last = $1} END {print last}'
}

newest=$(ready_revision "$service")
target=${to:-$(tagged "$service" blue)}
target=${target:-$(serving_revision "$service")}
[ -n "$to" ] || [ "$target" != "$newest" ] || target=$(before "$newest")
[ -n "$target" ] || die "$service has no revision before $newest"
route "$service" --traffic "$target=100"
[ "$target" = "$newest" ] ||
  kubectl label revision "$newest" -n "$NAMESPACE" homing.io/rolled-back=true --overwrite >&2
say "$service: $target 100 %"
