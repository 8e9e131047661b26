#!/usr/bin/env bash
# Runs what the workflow deploy runs on the cluster of the current kubeconfig, in its order, and says what was seen: build,
# deploy, a smoke event, a good canary that is promoted, a bad one that the analysis rolls back under load, blue-green, and a
# rollback in one command; at the end every event that was accepted must be delivered. Some ten minutes.
#
#   hack/e2e-pipeline.sh         all of it
#   hack/e2e-pipeline.sh dry     only what needs no cluster: the tools, and the manifests of the three versions
#
# The cluster has Knative and a RabbitMQ broker (docs/knative.md), and nobody uses it: what Homing has there is replaced.
#
#   IMAGE_INGEST, IMAGE_DELIVER, IMAGE_RETRY, IMAGE_MANAGE, IMAGE_HOMING
#                     images that the cluster has already; not set: hack/images.sh builds and pushes to KO_DOCKER_REPO
#   DATABASE_URL, REDIS_URL, RABBITMQ_…
#                     for hack/secrets.sh, unless the Secrets are there
#   HOST_ADDRESS      the address by which pods reach this machine, where Prometheus runs (the first of hostname -I)
#   GATEWAY           host:port of Knative's gateway as it is reached from here; not set: the services' names are in DNS
#   CANARY_FOR        how long a canary is watched (90s)
#   LOG               where what is said is written, too
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

TENANT=pipeline-$(date +%s) # a new one each time, so that nothing of an earlier run is counted
readonly WORK=$PWD/.dev/e2e-pipeline TENANT SPACE=homing-e2e
export ENV=dev CANARY_PERCENT=50 CANARY_LEAST=20 CANARY_EVERY=5s CANARY_FOR=${CANARY_FOR:-90s}
export SMOKE_TYPE=pipeline.smoke SMOKE_WAIT=120

rm -rf "$WORK" && mkdir -p "$WORK"
[ -z "${LOG:-}" ] || exec > >(tee "$LOG") 2>&1
step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }

pids=()
# shellcheck disable=SC2329 # by the trap
finish() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  [ "${1:-}" = dry ] || kubectl delete namespace "$SPACE" --ignore-not-found --wait=false >/dev/null 2>&1 || true
}
trap 'finish "${1:-}"' EXIT

# until_ok COMMAND...: for two minutes at most
until_ok() {
  local end=$((SECONDS + 120))
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || { say "in vain: $*"; "$@"; return 1; }
    sleep 1
  done
}

# version NAME SETTING...: an overlay as that of dev, with settings of its own.
version() {
  local name=$1 setting; shift
  mkdir -p "$WORK/$name"
  {
    printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../../../knative/overlays/dev]\n'
    printf 'configMapGenerator:\n  - name: homing\n    namespace: homing\n    behavior: merge\n    literals:\n'
    for setting in "OTEL_EXPORTER_OTLP_ENDPOINT=http://$host:$port/api/v1/otlp" OTEL_METRIC_EXPORT_INTERVAL=5000 \
      OTEL_TRACES_SAMPLER=always_off "$@"; do
      printf '      - %s\n' "$setting"
    done
  } >"$WORK/$name/kustomization.yaml"
  manifest -overlay ".dev/e2e-pipeline/$name" -services >/dev/null
}

step "tools"
need kn manifest canaryanalysis
hack/verify-monitoring.sh tools
host=${HOST_ADDRESS:-$(hostname -I | cut -d' ' -f1)}
while port=$((20000 + RANDOM % 12000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done

step "three versions: the first, a good one after it, and a bad one, whose deliver refuses every address of the cluster"
readonly inside=HOMING_ALLOW_ADDRESSES=10.0.0.0/8,172.16.0.0/12,192.168.0.0/16
version first $inside
version good $inside HOMING_LOG_LEVEL=info
version bad HOMING_ALLOW_ADDRESSES=203.0.113.0/24
for name in first good bad; do
  for service in $(manifest -overlay ".dev/e2e-pipeline/$name" -services); do
    manifest -overlay ".dev/e2e-pipeline/$name" -service "$service" -image example.com/x:1 >/dev/null
  done
  echo "$name: $(manifest -overlay ".dev/e2e-pipeline/$name" -rest | grep -c '^kind:') objects and its services are valid"
done
[ "${1:-}" != dry ] || exit 0

step "build"
need kubectl
if [ -z "${IMAGE_INGEST:-}" ]; then
  IMAGES_FILE=$WORK/images.txt hack/images.sh
  while read -r image; do
    name=${image%@*} && name=${name##*/} && name=${name%%:*}
    export "IMAGE_$(tr '[:lower:]-' '[:upper:]_' <<<"$name")=$image"
  done <"$WORK/images.txt"
else
  echo "images are given: $IMAGE_INGEST $IMAGE_DELIVER $IMAGE_RETRY $IMAGE_MANAGE $IMAGE_HOMING"
fi

step "Prometheus at http://$host:$port"
prometheus=$(find .dev/bin -name 'prometheus-*' | sort -V | tail -1)
sed '/^rule_files:/d; /^scrape_configs:/,$d' monitoring/prometheus/prometheus.yml >"$WORK/prometheus.yml"
"$prometheus" --config.file="$WORK/prometheus.yml" --storage.tsdb.path="$WORK/tsdb" --web.listen-address="0.0.0.0:$port" \
  --web.enable-otlp-receiver --enable-feature=created-timestamp-zero-ingestion >"$WORK/prometheus.log" 2>&1 &
pids+=($!)
export PROMETHEUS_URL=http://127.0.0.1:$port
until_ok curl -fsS "$PROMETHEUS_URL/-/ready"

step "deploy the first version"
kubectl get secret homing-migrate -n "$NAMESPACE" -o name >/dev/null 2>&1 || hack/secrets.sh
OVERLAY=.dev/e2e-pipeline/first STRATEGY=at-once hack/rollout.sh
until_ok hack/status.sh
hack/status.sh

step "a tenant, an endpoint in the cluster, and a key"
kubectl create namespace "$SPACE" --dry-run=client -o yaml | kubectl apply -f - >&2
INGEST_URL=$(of ingest '{.status.url}') MANAGE_URL=$(of manage '{.status.url}')
export INGEST_URL MANAGE_URL

# once NAME NAMESPACE SECRET ARGUMENT...: runs homing in the cluster, with what the Secret has, and prints what it prints.
once() {
  local name=$1 space=$2 secret=$3; shift 3
  kubectl delete pod "$name" -n "$space" --ignore-not-found --wait >&2
  kubectl run "$name" -n "$space" --image="$IMAGE_HOMING" --restart=Never --image-pull-policy=IfNotPresent \
    --override-type=strategic --overrides="$(jq -n --arg name "$name" --arg secret "$secret" '{spec: {containers: [
      {name: $name, envFrom: [{secretRef: {name: $secret}}],
       securityContext: {runAsNonRoot: true, runAsUser: 65532, allowPrivilegeEscalation: false,
         capabilities: {drop: ["ALL"]}, seccompProfile: {type: "RuntimeDefault"}}}]}}')" -- "$@" >&2
  kubectl wait pod "$name" -n "$space" --for=jsonpath='{.status.phase}'=Succeeded --timeout=120s >&2
  kubectl logs "$name" -n "$space"
  kubectl delete pod "$name" -n "$space" --wait=false >&2
}
SMOKE_KEY=$(once tenant-key "$NAMESPACE" homing-migrate key create --tenant "$TENANT" --database -o json | jq -r .key)
export SMOKE_KEY

# api METHOD PATH [JSON]
api() {
  local to=() body=()
  [ -z "${GATEWAY:-}" ] || to=(--connect-to "::$GATEWAY")
  [ $# -lt 3 ] || body=(-H 'Content-Type: application/json' -d "$3")
  curl -sS --fail-with-body --max-time 60 --retry 5 --retry-delay 1 --retry-all-errors "${to[@]}" -X "$1" \
    -H @/dev/fd/3 "${body[@]}" "$MANAGE_URL$2" 3<<<"Authorization: Bearer $SMOKE_KEY"
}
# It is tried again soon, and often: what the bad canary refuses to send is to be delivered by the good version.
secret=$(api POST /v1/endpoints "$(jq -n --arg url "http://receiver.$SPACE.svc.cluster.local/" \
  '{url: $url, types: ["pipeline.*"], schedule: (["0s"] + [range(40) | "3s"])}')" | jq -r .secret)
kubectl create secret generic receiver -n "$SPACE" --from-file=key=/dev/stdin --dry-run=client -o yaml <<<"$secret" |
  kubectl apply -f - >&2
kubectl apply -n "$SPACE" -f - >&2 <<YAML
apiVersion: v1
kind: Service
metadata: {name: receiver}
spec:
  selector: {app: receiver}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: receiver, labels: {app: receiver}}
spec:
  containers:
    - name: receiver
      image: $IMAGE_HOMING
      imagePullPolicy: IfNotPresent
      args: [listen, --address, 0.0.0.0, --port, "8080", --secret-file, /secret/key]
      volumeMounts: [{name: secret, mountPath: /secret, readOnly: true}]
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        allowPrivilegeEscalation: false
        capabilities: {drop: [ALL]}
        seccompProfile: {type: RuntimeDefault}
  volumes: [{name: secret, secret: {secretName: receiver}}]
YAML
kubectl wait pod receiver -n "$SPACE" --for=condition=Ready --timeout=120s >&2

step "a smoke event"
hack/smoke.sh

# Events all the while: accepted ones are counted, a line each.
load() {
  local to=() n=0
  [ -z "${GATEWAY:-}" ] || to=(--connect-to "::$GATEWAY")
  while :; do
    n=$((n + 1))
    curl -sS --fail --max-time 30 "${to[@]}" -o /dev/null -H @/dev/fd/3 "$INGEST_URL/v1/events" \
      -H 'Content-Type: application/json' -H 'ce-specversion: 1.0' -H "ce-id: load-$$-$n" -H 'ce-source: /homing/e2e' \
      -H 'ce-type: pipeline.load' -d "{\"n\": $n}" 3<<<"Authorization: Bearer $SMOKE_KEY" 2>>"$WORK/load.log" &&
      echo "$n" >>"$WORK/accepted"
    sleep 0.3
  done
}
step "load: some three events a second, from here on"
load &
loader=$!
pids+=("$loader")

step "a good canary is promoted"
first=$(serving_revision deliver)
OVERLAY=.dev/e2e-pipeline/good STRATEGY=canary hack/rollout.sh deliver
good=$(serving_revision deliver)
[ "$good" != "$first" ] || die "$first still serves"

step "a bad canary is rolled back by the analysis"
status=0
OVERLAY=.dev/e2e-pipeline/bad STRATEGY=canary hack/rollout.sh deliver >"$WORK/bad.log" 2>&1 || status=$?
cat "$WORK/bad.log"
[ "$status" = 1 ] || die "the rollout of a bad version ended with $status"
grep -q 'the analysis said 1)' "$WORK/bad.log" || die "it was not the analysis that found a failure"
[ "$(serving_revision deliver)" = "$good" ] || die "$(serving_revision deliver) serves, and not $good"
bad=$(ready_revision deliver)

step "a smoke event after it"
hack/smoke.sh

step "blue-green: the good version anew, all traffic at once"
OVERLAY=.dev/e2e-pipeline/good STRATEGY=blue-green hack/rollout.sh deliver
green=$(serving_revision deliver)
case $green in "$good" | "$bad") die "$green serves" ;; esac
hack/smoke.sh

step "a rollback in one command"
hack/rollback.sh deliver
[ "$(serving_revision deliver)" = "$good" ] || die "it went to $(serving_revision deliver), and not back to $good"
hack/smoke.sh

step "every event that was accepted is delivered"
kill "$loader"
wait "$loader" 2>/dev/null || true
accepted=$(wc -l <"$WORK/accepted")
# states STATE...: how many deliveries are in one of them (a page at most: enough to tell none from some)
states() { local s; for s; do api GET "/v1/deliveries?state=$s" | jq '.data | length'; done | jq -s add; }
# shellcheck disable=SC2329 # by until_ok
done_with() { [ "$(states scheduled attempting)" = 0 ]; }
until_ok done_with
[ "$(states exhausted cancelled)" = 0 ] || die "deliveries were given up"
received=$(kubectl logs receiver -n "$SPACE" | grep -o 'msg_[0-9a-f_-]*' | sort -u | wc -l)
echo "$accepted events of the load accepted, $received webhooks received and verified (4 of them smoke events)"
[ "$received" -ge $((accepted + 4)) ] || die "some are missing"

step "all is well"
