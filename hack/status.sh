#!/usr/bin/env bash
# What of Homing is in the cluster of the current kubeconfig, and how it does: ENV=dev hack/status.sh
#
# It fails when anything that the environment has is not there, or not ready.
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

OVERLAY=$(environment)
readonly OVERLAY
need kubectl manifest

# condition KIND/NAME TYPE: what its condition of that type says.
condition() {
  kubectl get "$1" -n "$NAMESPACE" -o jsonpath="{.status.conditions[?(@.type==\"$2\")].status}" 2>/dev/null || true
}

# ready KIND/NAME: what its condition Ready says.
ready() { condition "$1" Ready; }

failed=0
line() { # NAME STATE [DETAIL]
  printf '%-45s %-8s %s\n' "$1" "$2" "${3:-}"
  [ "$2" = True ] || failed=1
}

for service in $(manifest -overlay "$OVERLAY" -services); do
  traffic=$(kubectl get ksvc "$service" -n "$NAMESPACE" \
    -o jsonpath='{range .status.traffic[*]}{.revisionName}={.percent}% {end}' 2>/dev/null || true)
  pods=$(kubectl get pods -n "$NAMESPACE" -l "serving.knative.dev/service=$service" \
    --field-selector=status.phase=Running -o name 2>/dev/null | wc -l)
  line "service/$service" "$(ready "ksvc/$service")" "$traffic${pods} pods"
done
while read -r object; do
  line "$object" "$(ready "$object")"
done < <(manifest -overlay "$OVERLAY" -ready)
# The probes, where there are some: the program, and the name that its webhooks come in by.
probe=monitoring/probe/$ENV
if [ -d "$probe" ]; then
  line deployment/homing-probe "$(condition deployment/homing-probe Available)"
  line domainmapping/homing-probe "$(kubectl get domainmapping -n "$NAMESPACE" \
    -l app.kubernetes.io/name=homing-probe -o jsonpath='{.items[*].status.conditions[?(@.type=="Ready")].status}' 2>/dev/null || true)"
fi
exit $failed
