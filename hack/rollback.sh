#!/usr/bin/env bash
# Gives all traffic of a service to an older revision: ENV=dev hack/rollback.sh SERVICE [REVISION]
#
# Without a revision: during a canary the one that serves most, else the one before the newest. It stays pinned: what is
# deployed afterwards gets no traffic until hack/promote.sh.
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

environment >/dev/null
readonly service=${1:-} to=${2:-}
[ -n "$service" ] || die "usage: rollback.sh SERVICE [REVISION]"
need kubectl kn

# before REVISION: the newest revision that is older than it, and ready.
before() {
  kubectl get revisions -n "$NAMESPACE" -l "serving.knative.dev/service=$service" \
    --sort-by='{.metadata.creationTimestamp}' \
    -o jsonpath='{range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' |
    awk -v newest="$1" '$1 == newest {exit} $2 == "True" {last = $1} END {print last}'
}

newest=$(ready_revision "$service")
target=${to:-$(serving_revision "$service")}
[ -n "$to" ] || [ "$target" != "$newest" ] || target=$(before "$newest")
[ -n "$target" ] || die "$service has no revision before $newest"
route "$service" --traffic "$target=100"
say "$service: $target 100 %"
