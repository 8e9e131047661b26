#!/usr/bin/env bash
# Takes Homing off the cluster of the current kubeconfig: ENV=dev hack/undeploy.sh
#
# The probes, functions, triggers, brokers and settings go; the namespace with its Secrets, the database and Redis stay. The queues
# go too, with events that are on their way to ingest or parked: stop the producers first, and look at
# homing_parked_events. prod is undeployed with FORCE=1 only.
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

OVERLAY=$(environment)
readonly OVERLAY
need kubectl kn manifest
[ "$ENV" != prod ] || [ "${FORCE:-}" = 1 ] || die "prod is undeployed with FORCE=1 only"

# gone KIND...: deletes all of these in our namespace, which is ours alone, and waits: a broker that goes before its
# triggers, or a Secret before the broker, leaves finalizers that nothing ends.
gone() {
  local kind
  for kind; do
    kubectl delete "$kind" -n "$NAMESPACE" --all --wait --timeout=120s >&2 || die "$kind would not go"
  done
}

# The probes first: what they would say from now on is known. Their Secret stays, as all do; the edge's mappings are not theirs.
if [ -d "monitoring/probe/$ENV" ]; then
  for part in "-deployment homing-probe" -rest; do
    # shellcheck disable=SC2086 # a flag and its value
    manifest -overlay "monitoring/probe/$ENV" $part | kubectl delete --ignore-not-found --wait --timeout=120s -f - >&2
  done
fi
gone pingsource.sources.knative.dev trigger.eventing.knative.dev
for service in $(manifest -overlay "$OVERLAY" -services); do
  if exists "$service"; then kn service delete "$service" -n "$NAMESPACE" --wait >&2; fi
done
gone broker.eventing.knative.dev rabbitmqbrokerconfig.eventing.knative.dev \
  permission.rabbitmq.com user.rabbitmq.com binding.rabbitmq.com exchange.rabbitmq.com queue.rabbitmq.com \
  networkpolicy.networking.k8s.io
kubectl delete job migrate -n "$NAMESPACE" --ignore-not-found >&2
kubectl delete configmap -n "$NAMESPACE" -l app.kubernetes.io/part-of=homing --ignore-not-found >&2
say "$ENV: gone; the namespace and its Secrets are there"
