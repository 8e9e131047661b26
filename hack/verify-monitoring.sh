#!/usr/bin/env bash
# Checks monitoring/ with the parsers and engines of those who read it. What it needs is built through the Go module proxy
# into .dev/bin, pinned by test/monitoring/go.mod; the first time takes some minutes.
#
#   hack/verify-monitoring.sh          everything
#   hack/verify-monitoring.sh tools    build the tools only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
BIN=$ROOT/.dev/bin

say() { printf 'verify-monitoring: %s\n' "$*"; }

# tool NAME MODULE PACKAGE: builds PACKAGE as .dev/bin/NAME-VERSION unless it is there, and prints the path.
tool() {
  local version file
  version=$(cd test/monitoring && go list -m -f '{{.Version}}' "$2")
  file=$BIN/$1-${version#v}
  if [ ! -x "$file" ]; then
    say "building $1 $version" >&2
    mkdir -p "$BIN"
    (cd test/monitoring && go build -tags remove_all_sd,enable_kubernetes_sd -o "$file" "$3")
  fi
  echo "$file"
}

promtool=$(tool promtool github.com/prometheus/prometheus github.com/prometheus/prometheus/cmd/promtool)
amtool=$(tool amtool github.com/prometheus/alertmanager github.com/prometheus/alertmanager/cmd/amtool)
prometheus=$(tool prometheus github.com/prometheus/prometheus github.com/prometheus/prometheus/cmd/prometheus)
# The collector is a module of its own: its components at the versions of the image.
collector=$(cd test/monitoring/collector && go list -m -f '{{.Version}}' go.opentelemetry.io/collector/otelcol)
collector=$BIN/collector-${collector#v}
if [ ! -x "$collector" ] || [ -n "$(find test/monitoring/collector -newer "$collector" -print -quit)" ]; then
  say "building the collector"
  (cd test/monitoring/collector && go build -o "$collector" .)
fi
[ "${1:-}" != tools ] || exit 0

say "what is made from tables is current"
(cd test/monitoring && go run ./gen -check)

say "metrics are documented as the code registers them"
go test ./functions/internal/host -run '^TestMetricsAreDocumented$'

say "rules, alerts, runbooks and dashboards ask for what exists"
(cd test/monitoring && go test ./...)

say "the log's index has the fields of the log"
go test ./functions/deliver/attempt -run '^TestTheLogLineIsWhatTheIndexExpects$'

say "Prometheus takes its configuration and rules"
"$promtool" check config monitoring/prometheus/prometheus.yml

say "each alert fires when it should and is silent when it should"
"$promtool" test rules monitoring/prometheus/tests/*.yaml

say "the collector takes its configuration"
"$collector" validate --config=monitoring/otel/collector.yaml

say "Alertmanager takes its configuration, and alerts reach whom they should"
"$amtool" check-config monitoring/alertmanager/alertmanager.yml
grep -v '^#' monitoring/alertmanager/routes.txt | while read -r receiver labels; do
  # shellcheck disable=SC2086 # the labels are words
  "$amtool" config routes test --config.file=monitoring/alertmanager/alertmanager.yml \
    --verify.receivers="$receiver" $labels >/dev/null || { say "not to $receiver: $labels"; exit 1; }
done

# ---- a real Prometheus beside a real Homing -----------------------------------------------------------------------

work=$(mktemp -d)
chmod 755 "$work" # started as root, Postgres runs as another user
pids=()
finish() { # ends what was started here, by its pid
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

free_port() {
  local p
  while p=$((20000 + RANDOM % 12000)); (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null; do :; done
  echo "$p"
}

# until COMMAND...: waits for it to succeed, for three minutes at most
eventually() {
  local end=$((SECONDS + 180))
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || { say "in vain: $*"; cat "$work"/*.log >&2; return 1; }
    sleep 0.5
  done
}

unset DATABASE_URL REDIS_URL RABBITMQ_URL # a Homing of its own, whatever the shell has
port=$(free_port)
url=http://127.0.0.1:$port
mkdir "$work/prometheus"
cp -r monitoring/prometheus/rules "$work/prometheus/"
sed -e 's/evaluation_interval: .*/evaluation_interval: 2s/' -e '/^scrape_configs:/,$d' monitoring/prometheus/prometheus.yml \
  >"$work/prometheus/prometheus.yml"
"$prometheus" --config.file="$work/prometheus/prometheus.yml" --storage.tsdb.path="$work/tsdb" \
  --web.listen-address="127.0.0.1:$port" --web.enable-otlp-receiver \
  --enable-feature=created-timestamp-zero-ingestion >"$work/prometheus.log" 2>&1 &
pids+=($!)
eventually curl -fsS "$url/-/ready"
go build -o "$work/" ./cmd/homing ./cmd/homing-probe

# homing NAME INTERVAL: starts a Homing that pushes so often (ms), and waits until its demo event is delivered
homing() {
  serving=127.0.0.1:$(free_port)
  HOMING_LISTEN=$serving HOMING_DATA_DIR=$work/data OTEL_EXPORTER_OTLP_ENDPOINT=$url/api/v1/otlp \
    OTEL_TRACES_SAMPLER=always_off OTEL_METRIC_EXPORT_INTERVAL=$2 OTEL_RESOURCE_ATTRIBUTES=service.instance.id=$1 \
    HOMING_LOG_FORMAT=json "$work/homing" serve --demo >"$work/$1.log" 2>&1 &
  pids+=($!)
  eventually grep -q '"outcome":"success"' "$work/$1.log"
}

# some QUERY: wants its value to be above 0
some() {
  local answer
  answer=$("$promtool" query instant "$url" "$1")
  [[ $answer =~ "=> "[1-9] ]] || { say "nothing: $1: ${answer:-no data}"; cat "$work"/short.log >&2; return 1; }
}

say "what a process of seconds counted is in rates, though it is told once only, at its end"
homing short 600000
kill "${pids[-1]}"
wait "${pids[-1]}" || true
some 'sum(homing_ingest_events_total{status="stored"})'
some 'sum(increase(homing_ingest_events_total{status="stored"}[1h]))'

say "every recorded metric and every query of a dashboard is answered"
homing long 1000
receiving=127.0.0.1:$(free_port)
HOMING_LISTEN=$receiving HOMING_PROBE_RECEIVER=http://$receiving HOMING_SERVER=http://$serving HOMING_TENANT=default \
  HOMING_API_KEY=$(<"$work/data/api-key") HOMING_PROBE_INTERVAL=10s HOMING_PROBE_TIMEOUT=9s \
  OTEL_EXPORTER_OTLP_ENDPOINT=$url/api/v1/otlp OTEL_TRACES_SAMPLER=always_off OTEL_METRIC_EXPORT_INTERVAL=1000 \
  HOMING_LOG_FORMAT=json "$work/homing-probe" >"$work/probe.log" 2>&1 &
pids+=($!)
asked() { (cd test/monitoring && go run ./ask "$url"); }
eventually asked
asked
curl -fsS "$url/api/v1/rules" | grep -q '"health":"err"' && { say "a rule fails"; exit 1; }

say "all is well"
