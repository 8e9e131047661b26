#!/usr/bin/env bash
# Watches the canary of a service and says whether to promote it: ENV=prod hack/analyse.sh SERVICE
#
# hack/canary.sh has given it its traffic. Exit 0: promote; 1: roll back; 3: too little is known, so do not promote. What is
# asked is in monitoring/canary/analysis.yaml, who asks is hack/canaryanalysis.
#
#   PROMETHEUS_URL    Prometheus; not set: the one in the cluster, namespace monitoring, through kubectl
#   CANARY_FOR        how long to watch (10m)
#   CANARY_EVERY      how often to ask (15s)
#   CANARY_LEAST      how many samples are needed, instead of what the file says
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

environment >/dev/null
readonly service=${1:-}
[ -n "$service" ] || die "usage: analyse.sh SERVICE"
need kubectl canaryanalysis

canary=$(tagged "$service" canary)
[ -n "$canary" ] || die "$service has no canary: hack/canary.sh makes one"
stable=$(of "$service" '{range .status.traffic[*]}{.percent}{" "}{.revisionName}{"\n"}{end}' |
  sort -rn | awk -v canary="$canary" '$1 > 0 && $2 != canary && !found {print $2; found = 1}')
[ -n "$stable" ] || die "$service has nothing beside its canary"

url=${PROMETHEUS_URL:-}
if [ -z "$url" ]; then
  log=$(mktemp)
  kubectl port-forward -n monitoring svc/prometheus-operated :9090 >"$log" &
  forward=$!
  trap 'kill "$forward" 2>/dev/null || true; rm -f "$log"' EXIT
  for _ in {1..100}; do
    url=$(sed -n 's|^Forwarding from \(127.0.0.1:[0-9]*\) .*|http://\1|p' "$log")
    [ -z "$url" ] || break
    sleep 0.2
  done
  [ -n "$url" ] || die "no way to Prometheus in the cluster; set PROMETHEUS_URL"
fi
canaryanalysis -service "$service" -canary "$canary" -stable "$stable" -prometheus "$url" \
  -for "${CANARY_FOR:-10m}" -every "${CANARY_EVERY:-15s}" -least "${CANARY_LEAST:-0}" |
  tee -a "${GITHUB_STEP_SUMMARY:-/dev/null}"
