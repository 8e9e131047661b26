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

say "Alertmanager takes its configuration, and alerts reach whom they should"
"$amtool" check-config monitoring/alertmanager/alertmanager.yml
grep -v '^#' monitoring/alertmanager/routes.txt | while read -r receiver labels; do
  # shellcheck disable=SC2086 # the labels are words
  "$amtool" config routes test --config.file=monitoring/alertmanager/alertmanager.yml \
    --verify.receivers="$receiver" $labels >/dev/null || { say "not to $receiver: $labels"; exit 1; }
done

say "all is well"
