#!/usr/bin/env bash
# Deploys Homing to the cluster of the current kubeconfig: ENV=dev hack/deploy.sh [migrate] [SERVICE...] [probe]
#
# All of it, or only some services, the migration or the probes. In this order: what the functions need (namespace,
# settings, brokers, triggers), the schema, then the functions, each as one manifest that `kn service apply` gets, then
# the probes where the environment has some (docs/synthetic.md). It may be run again at any time: what has not changed
# makes no new revision.
#
#   ENV             dev, staging or prod: knative/overlays/$ENV
#   KO_DOCKER_REPO  the registry that ko pushes to
#   IMAGE_INGEST, IMAGE_DELIVER, IMAGE_RETRY, IMAGE_MANAGE, IMAGE_HOMING, IMAGE_HOMING_PROBE
#                   images to use instead of building them
#   WAIT            how many seconds to wait for each function and the migration (600)
#   DRY_RUN         1: print what would be applied, in its order, and ask no cluster
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

OVERLAY=$(environment)
readonly PROBE=monitoring/probe/$ENV WAIT=${WAIT:-600}
dry() { [ "${DRY_RUN:-}" = 1 ]; }
if dry; then need manifest; else need kubectl kn manifest; fi

# shown TEXT: a manifest instead of its being applied.
shown() { printf -- '---\n%s\n' "$1"; }

# secrets_missing: the Secrets that docs/knative.md asks for and that are not there.
secrets_missing() {
  local name
  if dry; then return; fi
  for name in rabbitmq homing-{migrate,ingest,ingest-broker{,-rabbitmq},deliver,retry{,-rabbitmq},manage}; do
    kubectl get secret "$name" -n "$NAMESPACE" -o name >/dev/null 2>&1 || echo "$name"
  done
}

# ground: all but functions and Jobs. Server-side, so that what is gone from a manifest is gone from the cluster too.
ground() {
  local text; text=$(manifest -overlay "$OVERLAY" -rest)
  if dry; then shown "$text"; return; fi
  kubectl apply --server-side --force-conflicts --field-manager=homing -f - <<<"$text" >&2
}

# migrate: a Job cannot be changed, so the last one goes first.
migrate() {
  local text; text=$(resolved job migrate homing)
  if dry; then shown "$text"; return; fi
  kubectl delete job migrate -n "$NAMESPACE" --ignore-not-found --wait >&2
  kubectl apply -f - <<<"$text" >&2
  kubectl wait job/migrate -n "$NAMESPACE" --for=condition=complete --timeout="${WAIT}s" >&2 ||
    { kubectl logs job/migrate -n "$NAMESPACE" --tail=20 >&2 || true; die "the migration did not end well"; }
}

# serve SERVICE: kn takes the namespace from its flag, one document, and no unknown field: manifest has seen to that.
serve() {
  local text; text=$(resolved service "$1" "$(function_of "$1")")
  if dry; then shown "$text"; return; fi
  kn service apply "$1" -n "$NAMESPACE" -f /dev/stdin --wait --wait-timeout "$WAIT" <<<"$text" >&2
}

# probe_key: is there the Secret with the key that the probes send with? It is Homing's own, made once Homing is there.
probe_key() {
  local found
  found=$(kubectl get secret homing-probe -n "$NAMESPACE" --ignore-not-found -o name) || die "cannot look for Secrets"
  [ -n "$found" ]
}

# probe: the program that watches from outside. A release does not fail for want of its key: everything is there then, and
# the pod starts by itself as soon as the Secret does.
probe() {
  local OVERLAY=$PROBE settings text
  if [ ! -d "$PROBE" ]; then say "$ENV has no probes"; return; fi
  settings=$(manifest -overlay "$PROBE" -rest)
  text=$(resolved deployment homing-probe homing-probe)
  if dry; then shown "$settings"; shown "$text"; return; fi
  kubectl apply --server-side --force-conflicts --field-manager=homing -f - <<<"$settings"$'\n---\n'"$text" >&2
  if ! probe_key; then
    say "$ENV: NOBODY WATCHES FROM OUTSIDE: the probes wait for their key, the Secret homing-probe in namespace" \
      "$NAMESPACE. Make it as docs/synthetic.md says (On Knative); they start by themselves then" 2>&1 |
      tee -a "${GITHUB_STEP_SUMMARY:-/dev/null}" >&2
    return
  fi
  kubectl rollout status deployment/homing-probe -n "$NAMESPACE" --timeout="${WAIT}s" >&2 ||
    { kubectl logs deployment/homing-probe -n "$NAMESPACE" --tail=20 >&2 || true; die "the probes do not start"; }
}

# settled: all the rest ready too. It takes a moment after the services are there: their addresses are what it waits for.
settled() {
  if dry; then return; fi
  local objects; mapfile -t objects < <(manifest -overlay "$OVERLAY" -ready)
  kubectl wait -n "$NAMESPACE" "${objects[@]}" --for=condition=Ready --timeout="${WAIT}s" >&2
}

mapfile -t all < <(manifest -overlay "$OVERLAY" -services)
[ ${#all[@]} -gt 0 ] || die "the manifests of $ENV are not right"
ground
mapfile -t missing < <(secrets_missing)
[ ${#missing[@]} = 0 ] || die "make these Secrets in namespace $NAMESPACE first (docs/knative.md): ${missing[*]}"
services=("$@")
if [ ${#services[@]} = 0 ]; then services=(migrate "${all[@]}"); fi
if [ "${services[0]}" = migrate ]; then
  migrate
  services=("${services[@]:1}")
fi
for service in "${services[@]}"; do
  if [ "$service" = probe ]; then probe; else serve "$service"; fi
done
if [ $# = 0 ]; then
  settled
  probe
fi
say "$ENV: ${services[*]:-migrated}"
